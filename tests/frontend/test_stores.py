"""Stores of traced values, adoption, and the order in which things are evaluated."""

# ruff: noqa: F841

import numpy as np
import pytest

from adjoint import frontend
from tests.frontend.conftest import Owned, Refused, Traced

W = np.arange(3.0)


def test_store_into_plain_array_is_refused(traced):
    def f(a, v):
        a[1] = v

    array, value = np.zeros(3), Traced(1.0)
    with pytest.raises(Refused) as caught:
        frontend.resolve(f)(array, value)
    assert caught.value.args == (array, 1, value)


@pytest.mark.parametrize(
    "store",
    [
        lambda v: [v, 1],
        lambda v: ([1], (v,)),
        lambda v: {"k": v},
    ],
)
def test_containers_of_traced_values_are_refused_too(traced, store):
    def f(a, v):
        a[0:2] = v

    with pytest.raises(Refused):
        frontend.resolve(f)(np.zeros(3), store(Traced(1.0)))


def test_every_kind_of_store_is_checked(traced):
    def unpack(a, v):
        a[0], b = v, 1

    def loop(a, v):
        for a[0] in [v]:
            pass

    def starred(a, v):
        first, *a[0:2] = [1, v, v]

    def with_(a, v):
        import contextlib

        with contextlib.nullcontext(v) as a[0]:
            pass

    def augmented(a, v):
        a[0] += v

    def augmented_name(a, v):
        a += v

    def comprehension(a, v):
        return [0 for a[0] in [v]]

    def annotated(a, v):
        a[0]: float = v

    def row(a, v):
        a[0:2][1] = v

    for f in (unpack, loop, starred, with_, augmented, augmented_name, comprehension, annotated):
        with pytest.raises(Refused):
            frontend.resolve(f)(np.zeros(3), Traced(1.0))
    with pytest.raises(Refused):
        frontend.resolve(row)(np.zeros(3), Traced(1.0))


def test_the_refusal_may_let_the_store_go_on(traced):
    frontend.configure(store_refused=lambda *told: None)

    def f(a, v):
        a[0] = v
        return a

    array = np.zeros(2, dtype=object)
    with pytest.raises(TypeError, match="a traced value became"):
        frontend.resolve(f)(np.zeros(2), Traced(1.0))
    assert array[0] == 0


def test_default_refusal_explains(traced):
    from adjoint.errors import TracingError
    from adjoint.frontend import values

    frontend.configure(store_refused=values._store_refused)

    def f(a, v):
        a[2] = v

    with pytest.raises(TracingError, match=r"at index 2 .*shape \(3,\) and dtype float64"):
        frontend.resolve(f)(np.zeros(3), Traced(1.0))


def test_other_containers_and_untraced_values_are_stored(traced):
    def f(items, table, array, v):
        items[0] = v
        table["k"] = v
        array[0] = 2.0
        array[1] += 3.0
        array += 1
        return items, table, array

    v = Traced(1.0)
    items, table, array = frontend.resolve(f)([0], {}, np.zeros(2), v)
    assert items == [v] and table == {"k": v} and array.tolist() == [3.0, 4.0]


# ------------------------------------------------------------------------------------- adoption


def adopted(f, *args):
    return type(frontend.resolve(f)(*args)) is Owned


def test_fresh_arrays_are_adopted(traced):
    def arithmetic():
        c = W * 2
        c[0] = Traced(1.0)
        return c

    def unary():
        c = -W
        c[0] = 1
        return c

    def numpy_call():
        c = np.dot(np.eye(3), W)
        c[0] = 1
        return c

    def method():
        c = W.copy()
        c[0] = 1
        return c

    def copies():
        c = W[[0, 1]]
        c[0] = 1
        return c

    def choice(flag=True):
        c = W + 1 if flag else None
        c[0] = 1
        return c

    def pair():
        c, d = W + 1, 2
        c[0] = 1
        return c

    def attribute():
        class Box:
            pass

        box = Box()
        box.c = W + 1
        box.c[0] = 1
        return box.c

    def through_a_view():
        c = W + 1
        v = c[:]
        v[0] = 1
        return c

    def in_nested():
        c = W + 1

        def fill():
            c[0] = 1

        fill()
        return c

    def loop_over_rows():
        c = np.kron(np.eye(3), W)
        for row in c:
            row[0] = 1
        return c

    def walrus():
        (c := W + 1)[0] = 1
        return c

    def filled():
        c = W + 1
        if c is None:
            c.fill(3)
        return c

    def later():
        c: np.ndarray = W + 1
        np.copyto  # noqa: B018
        if c is None:
            np.add(1, 2, out=c)
        return c

    Owned.fill = lambda self, value: None
    try:
        for f in (
            arithmetic, unary, numpy_call, method, copies, choice, pair, attribute, in_nested,
            walrus, filled, later,
        ):  # fmt: skip
            assert adopted(f), f
    finally:
        del Owned.fill
    for f in (through_a_view, loop_over_rows):
        assert adopted(f), f


def test_what_others_may_see_is_not_adopted(traced):
    held = {"a": np.zeros(3)}

    def from_dict():
        c = held["a"]
        c[0] = 1
        return c

    def through_call():
        c = held.get("a")
        c[1] = 1
        return c

    def same_array():
        c = np.asarray(held["a"])
        c[2] = 1
        return c

    def view():
        c = np.ravel(held["a"])
        c += 1
        return c

    def argument(c):
        c[0] = 5
        return c

    def integers():
        c = np.arange(3) * 2
        c[0] = 1
        return c

    def not_stored():
        c = W * 2
        return c

    for f in (from_dict, through_call, same_array, view, integers, not_stored):
        assert not adopted(f), f
    assert held["a"].tolist() == [2, 2, 2]
    array = np.zeros(3)
    assert frontend.resolve(argument)(array) is array and array[0] == 5


def test_tuple_results_are_adopted_element_by_element(traced):
    def f():
        q, r = np.linalg.qr(np.eye(2))
        r[0] = 1
        return q, r

    assert [type(x) for x in frontend.resolve(f)()] == [Owned, Owned]

    def named():
        both = np.linalg.qr(np.eye(2))
        both.R[0] = 1
        return both

    result = frontend.resolve(named)()
    assert type(result).__name__ == "QRResult" and type(result.R) is Owned


# ------------------------------------------------------------------------ order of evaluation


class Logged:
    """Writes down everything that is done to it."""

    def __init__(self, log, name):
        self.__dict__.update(log=log, name=name)

    def __getattr__(self, attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        self.log.append(f"{self.name}.{attribute}")
        return Logged(self.log, f"{self.name}.{attribute}")

    def __setattr__(self, attribute, value):
        self.log.append(f"{self.name}.{attribute} = {value!r}")

    def __getitem__(self, index):
        self.log.append(f"{self.name}[{index!r}]")
        return Logged(self.log, f"{self.name}[{index!r}]")

    def __setitem__(self, index, value):
        self.log.append(f"{self.name}[{index!r}] = {value!r}")

    def __delitem__(self, index):
        self.log.append(f"del {self.name}[{index!r}]")

    def __call__(self, *args, **kwargs):
        self.log.append(f"{self.name}(*{args}, **{kwargs})")
        return Logged(self.log, self.name + "()")

    def __iadd__(self, other):
        self.log.append(f"{self.name} += {other!r}")
        return self

    def __add__(self, other):
        self.log.append(f"{self.name} + {other!r}")
        return Logged(self.log, "sum")

    def __iter__(self):
        self.log.append(f"iter {self.name}")
        return iter([Logged(self.log, "i0"), Logged(self.log, "i1")])

    def __repr__(self):
        return self.name


def ordered(a, b, c, d, e):
    a[b()][c.i] = d(e.x, *e, k=b.y)
    a.p[b.q] += c(d.r)
    a[b.s], c.t[d.u] = e.v
    a.m += b.n
    a += b()
    w = c.f + d
    w[e.z] = a[b](c)(d, **{"k": e()})
    for a[b.loop], d.other in [(c.one, e.two)]:
        del a[c.k]
    x = y = a[b.o] = c()
    return [x(y) for a[b.comp] in c if d(e)]


def test_order_of_evaluation():
    def run(fn):
        log = []
        fn(*(Logged(log, name) for name in "abcde"))
        return log

    expected = run(ordered)
    assert len(expected) > 50
    assert run(frontend.rewrite(ordered)) == expected
