"""What a staged function reads from outside, and what it does there, at each call."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import InputError, TracingError

WEIGHTS = np.array([1.0, 2.0, 3.0])
RATE = 0.5
STEPS = 3
HISTORY: list = []
COUNTER = 0
MODE = "plain"


def weighted(x):
    return np.sum(WEIGHTS * x) * RATE


def test_globals_are_read_at_each_call(monkeypatch):
    f = ad.jit(weighted)
    x = np.ones(3)
    assert f(x) == 3.0
    monkeypatch.setitem(globals(), "RATE", 2.0)
    assert f(x) == 12.0
    monkeypatch.setitem(globals(), "WEIGHTS", np.array([5.0, 0.0, 0.0]))
    assert f(x) == 10.0
    WEIGHTS[1] = 1.0
    assert f(x) == 12.0
    assert ad.report(f).startswith("weighted: 1 graph\n")
    np.testing.assert_array_equal(ad.jit(ad.grad(weighted))(x), 2 * WEIGHTS)


def test_constants_that_decide_what_the_program_is_are_guarded(monkeypatch):
    def f(x):
        for _ in range(STEPS):
            x = x * 2 if MODE == "plain" else x + 1
        return x

    staged = ad.jit(f)
    assert staged(1.0) == 8.0
    monkeypatch.setitem(globals(), "STEPS", 2)
    assert staged(1.0) == 4.0
    monkeypatch.setitem(globals(), "MODE", "other")
    assert staged(1.0) == 3.0
    monkeypatch.undo()
    assert staged(1.0) == 8.0
    assert len(next(iter(staged.launchers.values()))) == 3


def test_closures_and_attributes_are_read_at_each_call():
    class Model:
        def __init__(self):
            self.w = np.array([1.0, 2.0])
            self.layers = [np.eye(2), 2 * np.eye(2)]
            self.config = {"bias": 1.0}

        def __call__(self, x):
            for layer in self.layers:
                x = layer @ x
            return np.sum(self.w * x) + self.config["bias"]

    model = Model()
    scale = 2.0

    def f(x):
        return model(x) * scale

    staged = ad.jit(f)
    x = np.array([1.0, 1.0])
    assert staged(x) == f(x) == 14.0
    model.w = np.array([0.0, 1.0])
    model.layers[0] = 3 * np.eye(2)
    model.config["bias"] = 0.5
    scale = 1.0
    assert staged(x) == f(x) == 6.5
    model.w[0] = 1.0
    assert staged(x) == f(x) == 12.5
    assert ": 1 graph\n" in ad.report(staged)


def test_attributes_are_written_at_each_call():
    class Running:
        def __init__(self):
            self.total = 0.0
            self.calls = 0
            self.last = None

        def step(self, x):
            for i in range(len(x)):
                self.total = self.total + x[i]
            self.calls += 1
            self.last = x * 2
            return self.total

    state = Running()
    staged = ad.jit(state.step)
    x = np.arange(12.0)
    for k in (1, 2, 3):
        assert staged(x) == 66.0 * k
        assert state.total == 66.0 * k
        assert state.calls == k
        np.testing.assert_array_equal(state.last, 2 * x)


def test_arrays_are_changed_in_place_at_each_call():
    buffer = np.zeros(12)

    def f(x, out):
        for i in range(len(x)):
            out[i] = x[i] ** 2
            buffer[i] += x[i]
        return out.sum()

    staged = ad.jit(f)
    x = np.arange(12.0)
    for k in (1, 2):
        out = np.empty(12)
        assert staged(x, out) == np.sum(x**2)
        np.testing.assert_array_equal(out, x**2)
        np.testing.assert_array_equal(buffer, k * x)
    np.testing.assert_array_equal(x, np.arange(12.0))


def test_the_callers_arrays_are_shielded_from_derivatives():
    def f(x):
        x[0] = 2.0 * x[1]
        return np.sum(x**2)

    x = np.arange(1.0, 12.0)
    np.testing.assert_allclose(ad.jit(ad.grad(f))(x), ad.grad(f)(x))
    np.testing.assert_array_equal(x, np.arange(1.0, 12.0))


def test_printing_happens_at_each_call_in_order(capsys):
    def f(x, n):
        print("begin", n)
        for i in range(n):
            print(i, x[i])
        return x.sum()

    staged = ad.jit(f)
    x = np.arange(12.0)
    capsys.readouterr()
    for _ in range(2):
        staged(x, 3)
        assert capsys.readouterr().out.splitlines() == ["begin 3", "0 0.0", "1 1.0", "2 2.0"]


def test_random_numbers_are_drawn_at_each_call():
    rng = np.random.default_rng(7)

    def f(x, n):
        noise = rng.standard_normal(n)
        s = 0.0
        for i in range(n):
            s += x[i] * noise[i] + rng.normal()
        return s

    staged = ad.jit(f)
    x = np.linspace(0, 1, 12)
    staged(x, 3)
    rng = np.random.default_rng(11)
    staged = ad.jit(f)
    got = [staged(x, 5), staged(x, 5)]
    rng = np.random.default_rng(11)
    assert got == [f(x, 5), f(x, 5)]


def test_a_list_from_outside_is_not_appended_to():
    def f(x):
        HISTORY.append(x)
        return x

    with pytest.raises(TracingError, match=r"list\.append of a container from outside"):
        ad.jit(f)(1.0)
    assert HISTORY == []


def test_what_a_loop_carries_is_found():
    @dataclasses.dataclass
    class Particle:
        x: float
        v: float

    def simulate(x, n):
        p = Particle(x, 0.0)
        state = {"energy": 0.0, "trace": np.zeros(n)}
        pair = [x, 2 * x]
        count = 0
        for t in range(n):
            p.v = p.v - 0.1 * p.x
            p.x += 0.1 * p.v
            state["energy"] = state["energy"] + p.v**2
            state["trace"][t] = p.x
            pair[0], pair[1] = pair[1], pair[0] + p.x
            count += 1
        return p.x + state["energy"] + state["trace"].sum() + pair[0] * count

    staged = ad.stage(simulate)(1.0, 30)
    assert not staged.unrolled
    assert staged(1.0, 30) == pytest.approx(simulate(1.0, 30), rel=1e-14)
    assert ad.jit(ad.grad(simulate))(1.0, 30) == pytest.approx(ad.grad(simulate)(1.0, 30))


def test_swapped_arrays_and_views():
    def f(x, n):
        u, v = x.copy(), np.zeros_like(x)
        for _ in range(n):
            v[1:-1] = 0.5 * (u[:-2] + u[2:])
            row = v[2:5]
            row *= 1.1
            u, v = v, u
        return np.sum(u * np.arange(len(u)))

    x = np.linspace(0, 1, 14)
    assert not ad.stage(f)(x, 5).unrolled
    for n in (0, 1, 2, 5):
        np.testing.assert_allclose(ad.jit(f)(x, n), f(x, n), rtol=1e-13)
        np.testing.assert_allclose(ad.jit(ad.grad(f))(x, n), ad.grad(f)(x, n), rtol=1e-12)


def test_a_view_from_before_a_loop_is_read_in_each_pass():
    def halve(y, n):
        w = y[::2]
        for _ in range(n):
            w[w > 0.1] -= 0.5 * w[w > 0.1]
        return np.sum(w) + np.sum(y)

    y = np.linspace(-1.0, 2.0, 12)
    np.testing.assert_allclose(ad.jit(halve)(y.copy(), 4), halve(y.copy(), 4))


def test_a_name_that_may_be_unbound_says_so_at_run_time():
    def f(x):
        if x > 0:
            y = x * 2
        return y + 1

    staged = ad.jit(f)
    assert staged(2.0) == 5.0
    with pytest.raises(UnboundLocalError, match="'y'"):
        staged(-2.0)


def test_static_arguments_and_pytrees():
    def f(params, x, power=2, *, mode="sum"):
        y = sum(w * x**k for k, w in enumerate(params["w"]))
        return (y**power).sum() if mode == "sum" else y.mean()

    staged = ad.jit(f, static_argnums=2, static_argnames="mode")
    params = {"w": [1.0, np.float64(2.0), 0.5]}
    x = np.linspace(0, 1, 12)
    for power, mode in ((2, "sum"), (3, "sum"), (2, "mean")):
        assert staged(params, x, power, mode=mode) == pytest.approx(f(params, x, power, mode=mode))
    gradient = ad.jit(ad.grad(f))(params, x)
    want = ad.grad(f)(params, x)
    for g, w in zip(gradient["w"], want["w"], strict=True):
        assert g == pytest.approx(w)


def test_an_integer_argument_becomes_a_constant_where_python_needs_one():
    def f(x, axis, n):
        return np.sum(x, axis=axis)[0] * n

    staged = ad.jit(f)
    x = np.arange(180.0).reshape(12, 15)
    for axis in (0, 1):
        for n in (1, 2):
            assert staged(x, axis, n) == f(x, axis, n)
    assert ": 2 graphs\n" in ad.report(staged)


def test_jit_inside_jit_and_under_derivatives():
    inner = ad.jit(lambda x: np.sin(x) * x)
    outer = ad.jit(lambda x: inner(x) + inner(2 * x))
    x = 0.7
    assert outer(x) == pytest.approx(np.sin(x) * x + np.sin(2 * x) * 2 * x)
    want = ad.grad(lambda x: np.sin(x) * x + np.sin(2 * x) * 2 * x)(x)
    assert ad.grad(outer)(x) == pytest.approx(want)
    assert ad.jit(ad.grad(outer))(x) == pytest.approx(want)
    assert ad.grad(ad.grad(outer))(x) == pytest.approx(ad.jit(ad.grad(ad.grad(outer)))(x))


def test_errors_name_the_users_line():
    def f(x, n):
        return x + np.ones(n)

    staged = ad.stage(f)(np.ones(12), 12)
    assert staged(np.ones(13), 13).tolist() == [2.0] * 13
    with pytest.raises(ValueError, match="could not be broadcast") as caught:
        staged(np.ones(12), 13)
    assert any("test_state.py" in note for note in caught.value.__notes__)


def test_a_graph_is_one_for_lengths_that_are_equal_where_they_were():
    staged = ad.stage(lambda x, y: x + y)(np.ones(12), np.ones(12))
    assert staged(np.ones(13), np.ones(13)).shape == (13,)
    with pytest.raises(InputError, match="other types, lengths"):
        staged(np.ones(12), np.ones(13))
    with pytest.raises(ValueError, match="could not be broadcast"):
        ad.jit(lambda x, y: x + y)(np.ones(12), np.ones(13))


def chosen(x, w, s):
    u = x * 2
    v = u if s > 0 else x
    v[0] = 3.0 * w[1]
    return v.sum() + x.sum()


def chosen_and_changed(x, w, s):
    u = x * 2
    v = u if s > 0 else x * 3
    u[0] = 3.0 * w[1]
    return v.sum()


def chosen_twice(x, w, s):
    if s > 0:
        u = x
        if x[3] > 0:
            v = w
        else:
            v = x
    else:
        u, v = w, x
    u[1] = w[2] * x[4]
    v[2] *= 3
    x[5] = 2 * v[1]
    return (u * x).sum() + v[2] * w[1]


def swapped_arguments(u, v, n):
    for _ in range(int(n)):
        v[1:] = 2 * u[:-1]
        u, v = v, u
    return u.sum()


def left_behind(x, w, n):
    u = x * 1
    for i in range(int(n)):
        u[i] = 1.0
        u = w
    return u.sum() + w.sum()


def bound_anew(x, w, n):
    u = x
    i = 0
    while i < n:
        u[i] = i * x[2]
        u = u * 0.5 + w
        w[i + 1] = u[i + 2] * x[3]
        i += 1
    return u.sum() + (w * x).sum()


def bound_in_the_loop(x, w, n):
    for i in range(int(n)):
        q = x if x[i] > 0.5 else w
        q[i + 1] = 2.0
    q[3] = 7 * x[1]
    return (x * w).sum()


def part_of_one(x, w, s):
    v = x[1:] if s > 0 else w[:-1]
    v[0] = 3.0 * x[3]
    x[2] = v[0] * w[1]
    return v.sum() + x.sum() * w[0]


def part_bound_anew(x, w, n):
    v = x[1:]
    i = 0
    while i < n:
        v[i] = x[i] * w[i]
        x[i + 2] = v[i] * 2
        v = v * 0.5 + w[1:]
        i += 1
    v[0] = 5 * w[3]
    return (v * w[1:]).sum() + (x * w).sum()


def reversed_part(x, w, n):
    v = x[::-1]
    u = x
    i = 0
    while i < n:
        v[i] = u[i] * w[i]
        u[i + 2] = v[i] * 2
        if w[i] > 1:
            u = w
        i += 1
    return (v * w).sum() + (x * u).sum()


def bound_in_a_loop_of_one_side(x, w, n):
    u = x * 1.0
    if n > 1:
        for _ in range(3):
            u = w
    else:
        for _ in range(int(n), 2):
            u, w = w, u
    w += 0.1 * x
    return np.sum(u * x)


WHICH = [
    bound_in_a_loop_of_one_side,
    part_of_one,
    part_bound_anew,
    reversed_part,
    chosen,
    chosen_and_changed,
    chosen_twice,
    swapped_arguments,
    left_behind,
    bound_anew,
    bound_in_the_loop,
]


@pytest.mark.parametrize("fn", WHICH)
def test_which_array_is_stored_into_is_found_at_run_time(fn):
    def given():
        return [np.linspace(0.1, k, 12) for k in (1, 2)]

    staged, gradient = ad.jit(fn), ad.jit(ad.grad(fn, (0, 1)))
    for n in (1.0, 2.0, 5.0, 0.0, -1.0):
        if fn is bound_in_the_loop and n < 1:
            continue
        mine, theirs = given(), given()
        np.testing.assert_allclose(staged(*mine, n), fn(*theirs, n), rtol=1e-14)
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)
        want = ad.grad(fn, (0, 1))(*given(), n)
        np.testing.assert_allclose(gradient(*given(), n), want, rtol=1e-12)
    graph = ad.stage(lambda u, v, n: swapped_arguments(u.copy(), v.copy(), n))(*given(), 3)
    assert "if " not in str(graph)  # nobody can see which one it was


def test_a_part_that_is_chosen_at_run_time_is_not_stored_into():
    def two_parts(x, s):
        v = x[1:] if s > 0 else x[:-1]
        v[0] = 3.0
        return v.sum() + x.sum()

    def moving(x, n):
        v = x[:4]
        i = 0
        while i < n:
            v[0] = 2.0
            v = x[i : i + 4]
            i += 1
        return x.sum()

    for fn in (two_parts, moving):
        with pytest.raises(TracingError, match=r"[Mm]ake a copy"):
            ad.stage(fn)(np.ones(12), 2.0)


def test_an_array_chosen_at_run_time_can_be_read():
    def f(x, s):
        u = x * 2
        v = u if s > 0 else x
        return v.sum() + u[0]

    staged = ad.jit(f)
    x = np.linspace(1, 2, 12)
    for s in (1.0, -1.0):
        assert staged(x, s) == pytest.approx(f(x, s))


def test_a_store_on_one_side_of_a_branch_is_in_what_the_side_returns():
    def whole(x, p):
        a = x * 2
        b = np.ones(2)
        if p > 0:
            a[:2] += b
            result = a
        else:
            result = x
        return result.sum()

    def views(x, p):
        a = x * 2
        v = a[1:4]
        if p > 0:
            a[2] = 5.0
            w = v * 2
        else:
            w = v
        return w.sum() + v.sum()

    x = np.arange(12.0)
    for fn in (whole, views):
        staged = ad.jit(fn)
        for p in (1.0, -1.0):
            assert staged(x, p) == fn(x, p)
            np.testing.assert_allclose(ad.jit(ad.grad(fn))(x, p), ad.grad(fn)(x, p))


def bump(y):
    global COUNTER
    COUNTER = COUNTER + y


def test_globals_that_are_rebound(monkeypatch):
    def counted(x, n):
        for i in range(n):
            bump(x[i])
        return COUNTER * 2

    def begun_anew(x, n):
        global COUNTER
        COUNTER = 0.0
        for i in range(n):
            bump(x[i])
        return COUNTER

    x = np.arange(12.0)
    for fn in (counted, begun_anew):
        staged = ad.jit(fn)
        for start in (0.0, 1.5):
            monkeypatch.setitem(globals(), "COUNTER", start)
            want = [fn(x, 3), fn(x, 3)]
            left = COUNTER
            monkeypatch.setitem(globals(), "COUNTER", start)
            assert [staged(x, 3), staged(x, 3)] == want
            assert left == COUNTER
        assert not ad.stage(fn)(x, 3).unrolled
        assert left == COUNTER


def test_what_staging_has_assigned_is_undone_if_it_fails():
    class Holder:
        value = 1.0

    holder = Holder()

    def f(x):
        holder.value = x * 2
        return {1.0: x}[x]

    with pytest.raises(TracingError):
        ad.jit(f)(3.0)
    assert holder.value == 1.0


def test_objects_that_each_pass_makes():
    def inner(x, s):
        mine = {"s": s}
        for _ in range(2):
            for y in x:
                mine["s"] = mine["s"] + 0.1 * y
        return mine["s"]

    def f(x, a, n):
        k = 0
        while k < n and a < 50.0:
            other = {"s": a}
            other["s"] = 0.5 * a
            a = a + inner(x, other["s"])
            k += 1
        return a

    x = np.linspace(1, 2, 12)
    staged, gradient = ad.jit(f), ad.jit(ad.grad(f))
    for n in (0, 1, 3):
        assert staged(x, 0.5, n) == pytest.approx(f(x, 0.5, n))
        np.testing.assert_allclose(gradient(x, 0.5, n), ad.grad(f)(x, 0.5, n))


def test_derivatives_leave_arguments_alone():
    def f(x, y, parts, *, z):
        x[0], y[0], parts["u"][0], z[0] = y[1] * 2.0, x[1] ** 2, x[2], 3.0
        return np.sum(x * y * parts["u"] * z)

    def slope(x, y, u, z):
        gradient = ad.grad(f, 1)(x, y, {"u": u[1:]}, z=z)
        return np.sum(gradient) + np.sum(x) + y[0] + np.sum(u) + z[0]

    gradient = ad.jit(ad.grad(f))
    args = [np.linspace(k, k + 1, 12) for k in range(3)]
    u = np.linspace(3, 4, 13)
    want = ad.grad(f)(args[0], args[1], {"u": args[2]}, z=args[2].copy())
    kept = [x.copy() for x in args]
    np.testing.assert_allclose(gradient(*args[:2], {"u": args[2]}, z=args[2].copy()), want)
    np.testing.assert_array_equal(args, kept)
    assert ad.jit(slope)(*args[:2], u, args[2]) == pytest.approx(slope(*args[:2], u, args[2]))


def test_variables_of_outer_functions_are_not_rebound():
    total = 0.0

    def f(x):
        nonlocal total
        total = total + x
        return total

    with pytest.raises(TracingError, match="rebinds 'total'"):
        ad.jit(f)(1.0)
    assert total == 0.0
