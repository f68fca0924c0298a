"""Lists, dictionaries and objects that a staged function makes for itself, and those it does not.

Its own may be changed as it likes, under `vmap` too; what is read of others is read at each call.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import types

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import TracingError
from adjoint.staging import visible

X = np.linspace(1.0, 2.0, 12)


# -- its own ---------------------------------------------------------------------------------------


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b
        self.kept = []

    def keep(self, v):
        self.kept.append(v)
        self.a = self.a + v


class Measured:
    def __init__(self):
        self._v = 0.0

    @property
    def v(self):
        return self._v

    @v.setter
    def v(self, v):
        self._v = v * 1.0


class Careful:
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


@dataclasses.dataclass
class Record:
    total: float = 0.0
    items: list = dataclasses.field(default_factory=list)


def list_of_an_inner_function(x):
    parts = []

    def add(v):
        parts.append(v)

    add(x[0])
    add(x[1])
    return parts[0] * parts[1]


def dictionary_of_an_inner_function(x):
    d = {"s": 0.0}

    def scaled(t):
        return t * d["s"]

    for i in range(len(x)):
        d["s"] = d["s"] + x[i]
    return scaled(2.0)


def arrays_of_an_inner_function(x):
    arrays = [x * 1.0, x * 2.0]

    def first(t):
        return t + arrays[0][0]

    for _ in range(3):
        arrays[0], arrays[1] = arrays[1] * 1.0, arrays[0] * 2
    return np.sum(arrays[0]) + first(1.0)


def counter(x):
    def make():
        total = [0.0]

        def add(v):
            total[0] = total[0] + v
            return total[0]

        return add

    add = make()
    r = 0.0
    for i in range(len(x)):
        r = add(x[i])
    return r


def instances(x):
    p = Pair(0.0, x[0])
    outer = Pair(p, 1.0)
    for i in range(len(x)):
        if x[i] > 1.2:
            outer.a.a = outer.a.a + x[i]
    p.keep(x[1])
    return p.a * p.kept[0]


def data_class(x):
    r = Record()
    r.items.append(x[0])
    r.items.append(x[1])
    for i in range(len(x)):
        r.total = r.total + x[i]
    return r.total * r.items[0] * r.items[1]


def namespace(x):
    d = types.SimpleNamespace(s=0.0, parts=[])
    d.parts.append(x[0])
    for i in range(len(x)):
        d.s = d.s + x[i]
        setattr(d, "t", getattr(d, "s") * getattr(d, "u", 2.0))  # noqa: B009, B010
    return d.s * d.parts[0] * vars(d)["t"]


def property_set(x):
    p = Measured()
    for i in range(len(x)):
        p.v = p.v + x[i]
    return p.v


def attributes_set_its_own_way(x):
    s = Careful()
    s.a = 0.0
    for i in range(len(x)):
        s.a = s.a + x[i]
    return s.a


def nested_lists(x):
    d = {"a": []}
    d["a"].append(x[0])
    d.setdefault("b", []).append(x[1])
    both = [[], d["b"]]
    both[0].append(d["a"][0])
    return both[0][0] * both[1][0]


def kinds_of_dictionaries(x):
    d = collections.defaultdict(float)
    c = collections.Counter()
    o = collections.OrderedDict(a=0.0)
    for i in range(len(x)):
        d["a"] += x[i]
        c["a"] += x[i]
        o["a"] = o["a"] + x[i] * d["a"]
    return d["a"] + 2 * c["a"] + 3 * o["a"]


def keys_of_passes(x):
    d = collections.defaultdict(float)
    e = {0: 0.0, 1: 0.0, 2: 0.0}
    for i in range(3):
        d[i] += x[i]
        e[i] += 2 * x[i]
    return d[0] + 2 * d[1] + 3 * d[2] + e[0] * e[1] * e[2]


OWN = (
    list_of_an_inner_function, dictionary_of_an_inner_function, arrays_of_an_inner_function,
    counter, instances, data_class, namespace, property_set, attributes_set_its_own_way,
    nested_lists, kinds_of_dictionaries, keys_of_passes,
)  # fmt: skip


@pytest.mark.parametrize("fn", OWN)
def test_its_own(fn):
    for f, x in ((fn, X), (ad.grad(fn), X), (ad.vmap(fn), np.stack([X, 2 * X, X**2]))):
        np.testing.assert_allclose(ad.jit(f)(x), f(x), rtol=1e-12)


# What unrolled the loop of `keys_of_passes` keeps its frames.
@pytest.mark.parametrize("fn", OWN[:-1])
def test_the_garbage_collector_is_not_asked(fn, monkeypatch):
    def refuse(*args):
        raise AssertionError("the garbage collector was asked")

    monkeypatch.setattr(visible, "_found_by_collector", refuse)
    ad.stage(fn)(X)
    ad.stage(ad.grad(fn))(X)


# -- those of others -------------------------------------------------------------------------------

STATE = types.SimpleNamespace(n=2.0, items=[1.0, 2.0])
MEMBER = Pair(1.0, np.array([1.0, 2.0]))


def changes_a_namespace(x):
    STATE.n = STATE.n + x[0]
    STATE.items[0] = STATE.items[0] * x[1]
    return STATE.n * STATE.items[0] * STATE.items[1]


def changes_an_instance_in_a_loop(x):
    for i in range(3):
        MEMBER.a = MEMBER.a * x[i]
    return MEMBER.a * MEMBER.b[1]


def changes_entries_in_a_loop(x):
    k = 0
    while k < 3:
        k += 1
        STATE.items[1] *= x[k]
        if x[k] > 1.2:
            STATE.items[0] += STATE.items[1]
    return STATE.items[0]


def changes_arrays_in_a_loop(x):
    for i in range(len(x)):
        MEMBER.b = MEMBER.b * x[i]
        MEMBER.b[0] += 1.0
    return np.sum(MEMBER.b)


def changes_on_one_side(x):
    if x[0] > 0:
        MEMBER.a *= x[1]
    else:
        STATE.n += 1.0
    return MEMBER.a * STATE.n


def reset():
    STATE.n, STATE.items = 2.0, [1.0, 2.0]
    MEMBER.a, MEMBER.b = 1.0, np.array([1.0, 2.0])


def state():
    return [STATE.n, *STATE.items, MEMBER.a, *MEMBER.b]


OTHERS = (
    changes_a_namespace, changes_an_instance_in_a_loop, changes_entries_in_a_loop,
    changes_arrays_in_a_loop, changes_on_one_side,
)  # fmt: skip


@pytest.mark.parametrize("fn", OTHERS)
def test_others_are_changed_at_each_call(fn):
    reset()
    want = [fn(X), fn(X), fn(X)]
    after = state()
    reset()
    staged = ad.jit(fn)
    np.testing.assert_allclose([staged(X), staged(X), staged(X)], want)
    np.testing.assert_allclose(state(), after)
    assert len(staged.made) <= 2  # a float of Python may be a number of NumPy after the first call
    with pytest.raises(TracingError, match="under vmap"):
        ad.jit(ad.vmap(fn))(np.stack([X, X]))
    reset()


def test_what_is_handed_out_is_seen():
    def f(x):
        inner = {"s": 0.0}
        STATE.kept = inner
        for i in range(len(x)):
            inner["s"] = inner["s"] + x[i]
        return inner["s"]

    assert ad.jit(f)(X) == f(X)
    STATE.kept = None
    ad.jit(f)(X)
    np.testing.assert_allclose(STATE.kept["s"], np.sum(X))
    del STATE.kept


def closure():
    values, k = [2.0], 3.0

    def f(x):
        return x * values[0] * k

    def change():
        nonlocal k
        values[0] += 1
        k += 1

    return f, change


def wrapped(f):
    @functools.wraps(f)
    def inner(x):
        return f(x)

    return inner


HANDED = {
    "called": lambda f: lambda x: f(x),
    "itself": lambda f: f,
    "partial": lambda f: lambda x, p=functools.partial(f): p(x),
    "map": lambda f: lambda x: list(map(f, [x]))[0],
    "reduce": lambda f: lambda x: functools.reduce(lambda a, b: a + f(b), [x, x]),
    "key": lambda f: lambda x: sorted([2 * x, x], key=f)[0] * f(x),
    "grad": ad.grad,
    "jit": ad.jit,
    "wrapped": wrapped,
    "in a list": lambda f: lambda x, fs=[f]: fs[0](x),
    "default": lambda f: lambda x, f=f: f(x),
    "vectorized": lambda f: lambda x: np.vectorize(f)(np.array([x]))[0],
    "attributes": lambda f: lambda x: getattr(STATE, "n") * vars(STATE)["n"] * f(x),  # noqa: B009
}


@pytest.mark.parametrize("way", HANDED)
def test_variables_of_outer_functions_are_read_at_each_call(way):
    reset()
    f, change = closure()
    g = HANDED[way](f)
    staged = ad.jit(g)
    for _ in range(3):
        np.testing.assert_allclose(staged(1.5), g(1.5))
        change()
        STATE.n += 1
    reset()
