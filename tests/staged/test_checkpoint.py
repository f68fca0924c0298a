"""Checkpointing in staged programs: values computed again, and loops that keep few states."""

import contextlib
import io

import numpy as np
import pytest
from numpy.testing import assert_allclose

import adjoint as ad
from adjoint.backends.interpret import count
from adjoint.errors import InputError, TracingError
from adjoint.ir.verify import verify
from adjoint.transforms import plans
from adjoint.transforms.revolve import Advance, Online, Store, optimal_advances
from tests.staged.nestings import FIRST, SECOND

RNG = np.random.default_rng(0)
X = RNG.uniform(0.1, 0.9, 5)
W = RNG.uniform(0.1, 0.5, 40)


def counted(fn, at, *args):
    """Stage a function for ``at``; return what running it for ``args`` counts, and its result."""
    staged = ad.stage(fn)(*at)
    verify(staged.function)
    return count(staged.function, staged._graph.inputs(args)), staged(*args)


TRANSFORMS = FIRST | SECOND


# -- calls that are computed again -----------------------------------------------------------------


def layers(make):
    def layer(w, x):
        h = np.tanh(w @ x)
        h = np.tanh(w @ h)
        return x + np.tanh(w @ h)

    step = make(layer)

    def loss(x, n):
        for _ in range(n):
            x = step(MATRIX, x)
        return np.sum(x)

    return loss


MATRIX = RNG.normal(size=(12, 12)) * 0.3
LONG = RNG.uniform(0.1, 0.9, 12)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_derivatives_are_the_same(transform):
    plain, checkpointed = layers(lambda f: f), layers(ad.checkpoint)
    for n in (0, 1, 4):
        want = TRANSFORMS[transform](lambda x: plain(x, n))(LONG)
        got = ad.jit(TRANSFORMS[transform](lambda x: checkpointed(x, n)))(LONG)
        assert_allclose(got, want, rtol=1e-11)


def test_a_loop_keeps_the_arguments_alone():
    for n in (8, 16):
        plain, _ = counted(ad.grad(layers(lambda f: f)), (LONG, 3), LONG, n)
        kept, _ = counted(ad.grad(layers(ad.checkpoint)), (LONG, 3), LONG, n)
        assert plain.by_name["tanh"] == 3 * n
        # The last one of a layer is needed for its result alone.
        assert 5 * n <= kept.by_name["tanh"] <= 6 * n
        assert kept.peak < (plain.peak + 12 * 12 * 8) / 2
        assert kept.peak < (n + 12) * 12 * 8 + 1000


def test_recomputation_survives_simplification():
    block = ad.checkpoint(lambda x: np.exp(np.sin(x)))
    text = str(ad.stage(ad.value_and_grad(lambda x: np.sum(block(x))))(X))
    assert text.count("= sin(") == text.count("= exp(") == 2
    assert text.count("recompute(") == 1


def test_a_gradient_of_an_element_costs_one_element():
    @ad.checkpoint
    def term(a, i):
        return np.sin(a[i]) * a[i - 1]

    def loss(a, n):
        s = 0.0
        for i in range(1, n):
            s += term(a, i)
        return s

    touched = {}
    for n in (50, 100):
        a = np.linspace(0, 1, n)
        counts, gradient = counted(ad.grad(loss), (np.zeros(20), 9), a, n)
        assert counts.copied == 0
        assert_allclose(gradient, ad.grad(loss)(a, n), rtol=1e-13)
        touched[n] = counts.touched
    assert touched[100] < 2.1 * touched[50]


def test_pytrees_constants_and_keywords():
    @ad.checkpoint
    def block(y, options, *, k=2):
        return {"y": y * options["scale"], "n": 3, "same": y, "k": k}

    def loss(x):
        result = block(x, {"scale": 3.0, "name": "text"}, k=5)
        assert (result["n"], result["k"]) == (3, 5)
        return np.sum(result["y"] ** 2) + np.sum(result["same"])

    assert_allclose(ad.jit(ad.grad(loss))(X), ad.grad(loss)(X))


def test_what_the_function_changes():
    class State:
        t = 1.0

        def step(self, x):
            self.t = self.t * np.sum(x)
            return np.sin(x) * self.t

    def loss(x, wrap):
        state = State()
        for _ in range(3):
            x = wrap(state.step)(x)
        return np.sum(x) * state.t

    want = ad.grad(lambda x: loss(x, lambda f: f))(X)
    assert_allclose(ad.jit(ad.grad(lambda x: loss(x, ad.checkpoint)))(X), want)

    @ad.checkpoint
    def doubled(y):
        y *= 2
        return y * 1

    with pytest.raises(TracingError, match="in place"):
        ad.jit(ad.grad(lambda x: np.sum(doubled(x * 1))))(X)


def test_it_prints_once_and_draws_nothing_again():
    @ad.checkpoint
    def speaking(x):
        print("here")
        return np.sin(x)

    gradient = ad.jit(ad.grad(lambda x: np.sum(speaking(x))))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert_allclose(gradient(X), np.cos(X))
    assert out.getvalue() == "here\n"

    rng = np.random.default_rng(0)
    noisy = ad.checkpoint(lambda x: x * rng.normal(size=5))
    with pytest.raises(TracingError, match="draws random numbers"):
        ad.jit(ad.grad(lambda x: np.sum(noisy(x))))(X)


# -- loops that keep few states --------------------------------------------------------------------


def decay(x, n):
    for _ in range(n):
        x = x - 0.01 * np.sin(x)
    return x


def until(x):
    n = 0
    while np.sum(x * x) > 1e-3:
        x = x - 0.1 * np.sin(x)
        n += 1
    return np.sum(x) * n


@pytest.mark.parametrize("snapshots", [1, 2, 3, 5, 9, 200])
def test_steps_are_advanced_as_often_as_is_published(snapshots):
    gradient = ad.grad(ad.checkpoint(decay, snapshots=snapshots))
    staged = ad.stage(gradient)(1.0, 100)
    verify(staged.function)
    for steps in (0, 1, 2, 3, 7, 10, 31, 60):
        counts = count(staged.function, staged._graph.inputs([1.0, steps]))
        # A step that is advanced computes a sine, a step that is pulled back through a cosine.
        assert counts.by_name["sin"] == optimal_advances(steps + 1, snapshots)
        assert counts.by_name["cos"] == steps
        assert staged(1.0, steps) == ad.grad(decay)(1.0, steps)


def moves(steps, snapshots):
    """Return how often states are stored, and steps advanced, by the published online algorithm."""
    online, actions = Online(snapshots), []
    for _ in range(steps):
        actions += online.advance()
    swept = len([a for a in actions if isinstance(a, Store)])
    actions += online.reverse()
    return swept, sum(a.stop - a.start for a in actions if isinstance(a, Advance))


@pytest.mark.parametrize("snapshots", [1, 2, 3, 5, 9, 200])
def test_loops_of_unknown_length_are_checkpointed_while_they_run(snapshots, compiling):
    gradient = ad.grad(ad.checkpoint(until, snapshots=snapshots))
    for scale in (0.0, 0.05, 1.0, 3.0):
        x = X[:3] * scale
        counts, got = counted(gradient, (X[:3],), x)
        steps = counts.by_name["cos"]
        assert counts.by_name["sin"] == moves(steps, snapshots)[1]
        # Compiled sums are added up in another order than NumPy's.
        assert_allclose(got, ad.grad(until)(x), rtol=1e-14 if compiling else 0)


@pytest.mark.parametrize("snapshots", [1, 2, 4, 7])
def test_the_sweep_stores_where_the_published_algorithm_does(snapshots):
    online = Online(snapshots)
    plan = plans.begin_sweep(snapshots)
    held = {}
    for step in range(100):
        actions = online.advance()
        plan = plans.continue_sweep(plan)
        slot = plan[0, 2]
        stored = [a.step for a in actions if isinstance(a, Store)]
        assert stored == ([step] if slot >= 0 else [])
        if slot >= 0:
            held[int(slot)] = step
        assert set(held) <= set(range(snapshots))
        rows = plans.stretches(plan)
        assert {int(slot): int(start) for start, _, _, _, slot in rows} == held
        assert rows[:, 1].sum() == step + 1


@pytest.mark.parametrize("snapshots", [1, 2, 3, 8])
def test_no_more_states_are_alive_than_there_is_room_for(snapshots):
    size = 1000
    x = np.linspace(0.5, 1.0, size)

    def held(fn, *args):
        counts, _ = counted(ad.grad(fn), (x, *args), x, *args)
        assert counts.copied == 0
        return counts.peak / x.nbytes

    def decaying(x, n):
        return np.sum(decay(x, n))

    # Beside the snapshots: what a step and its reverse make, whatever the number of steps.
    beside = held(ad.checkpoint(decaying, snapshots=1), 40) - 1
    assert beside < 8
    for n in (40, 80):
        assert held(ad.checkpoint(decaying, snapshots=snapshots), n) <= snapshots + beside + 0.5
    assert held(ad.checkpoint(until, snapshots=snapshots)) <= snapshots + beside + 0.5


def test_memory_says_how_many_snapshots_there_are():
    x = np.linspace(0.5, 1.0, 100)

    def decaying(x, n):
        return np.sum(decay(x, n))

    for memory, snapshots in ((800, 1), (1599, 1), (1600, 2), (4100, 5)):
        counts, _ = counted(ad.grad(ad.checkpoint(decaying, memory=memory)), (x, 9), x, 30)
        assert counts.by_name["sin"] == optimal_advances(31, snapshots)

    def twice(x, n):
        return np.sum(decay(decay(x, n), n))

    counts, _ = counted(ad.grad(ad.checkpoint(twice, memory=3200)), (x, 9), x, 30)
    assert counts.by_name["sin"] == 2 * optimal_advances(31, 2)
    with pytest.raises(InputError, match="do not hold one state"):
        ad.jit(ad.grad(ad.checkpoint(decaying, memory=799)))(x, 30)


# -- all kinds of loops ----------------------------------------------------------------------------


def in_place(x, w, n):
    u = x.copy()
    for t in range(n):
        for i in range(1, len(u) - 1):
            u[i] = 0.3 * (u[i - 1] + u[i + 1]) + np.sin(u[i]) * w[t]
    return np.sum(u * u)


def backwards(x, w, n):
    s = 0.0
    for t in range(n - 1, -1, -2):
        x = np.tanh(x * w[t] + t * 0.1)
        s += np.sum(x) * w[0]
    return s


def ended(x, w, n):
    for t in range(n):
        x = x * 1.3 + w[t] * 0.1
        if np.sum(x) > 8.0:
            break
        if x[0] > 0.9:
            x = np.sin(x)
    return np.sum(x)


def several(x, w, n):
    if w[0] > -5:
        for t in range(n):
            x = np.sin(x) + w[t] * x
    k = 0
    while np.sum(x) < 20.0 and k < n:
        x = x * 1.2 + w[k]
        k += 1
    return np.sum(x * x)


def swapped(x, w, n):
    u, v = x, x * 2
    for t in range(n):
        u, v = v * 0.7, np.sin(u) * w[t] + v * 0.3
    return np.sum(u * v)


LOOPS = [in_place, backwards, ended, several, swapped]


@pytest.mark.parametrize("how", [{"snapshots": 1}, {"snapshots": 3}, {"memory": 400}], ids=str)
@pytest.mark.parametrize("fn", LOOPS, ids=lambda f: f.__name__)
def test_gradients_are_those_of_the_loop(fn, how):
    checkpointed = ad.checkpoint(fn, **how)
    staged = ad.stage(ad.grad(checkpointed, (0, 1)))(X, W, 9)
    verify(staged.function)
    for n in (0, 1, 2, 13):
        want = ad.grad(fn, (0, 1))(X, W, n)
        for got in (staged(X, W, n), ad.grad(checkpointed, (0, 1))(X, W, n)):
            assert_allclose(got[0], want[0], rtol=1e-11)
            assert_allclose(got[1], want[1], rtol=1e-11)


@pytest.mark.parametrize("transform", [t for t in TRANSFORMS if t != "grad"])
@pytest.mark.parametrize("fn", LOOPS, ids=lambda f: f.__name__)
def test_other_derivatives_are_those_of_the_loop(fn, transform):
    checkpointed = ad.checkpoint(fn, snapshots=2)
    want = TRANSFORMS[transform](lambda x: fn(x, W, 5))(X)
    got = ad.jit(TRANSFORMS[transform](lambda x: checkpointed(x, W, 5)))(X)
    assert_allclose(got, want, rtol=1e-10)


def test_forward_mode_goes_through_the_loop():
    fn = ad.checkpoint(decay, snapshots=3)
    counts, _ = counted(lambda x, n: ad.jvp(lambda x: fn(x, n), (x,), (1.0,)), (1.0, 9), 1.0, 50)
    assert counts.by_name["sin"] == counts.by_name["cos"] == 50
    # Its loop is one that keeps few states in reverse mode.
    counts, got = counted(
        ad.grad(lambda x, n: ad.jvp(lambda x: fn(x, n), (x,), (1.0,))[1]), (1.0, 9), 1.0, 50
    )
    want = ad.grad(lambda x: ad.jvp(lambda x: decay(x, 50), (x,), (1.0,))[1])(1.0)
    assert_allclose(got, want, rtol=1e-13)
    assert counts.by_name["sin"] > 100


def test_inside_of_other_loops_and_recomputed_calls():
    inner = ad.checkpoint(decay, snapshots=2)

    def outer(x, n, step):
        s = 0.0
        for k in range(n):
            x = step(x, k) * 1.01
            s += np.sum(x)
        return s

    for step in (inner, ad.checkpoint(inner)):
        got = ad.jit(ad.grad(lambda x, n, step=step: outer(x, n, step)))(X, 6)
        assert_allclose(got, ad.grad(lambda x: outer(x, 6, decay))(X), rtol=1e-12)


def test_eager_derivatives_stage_the_function():
    fn = ad.checkpoint(swapped, snapshots=2)
    assert fn(X, W, 9) == swapped(X, W, 9)
    for transform in TRANSFORMS.values():
        want = transform(lambda x: swapped(x, W, 5) * np.sum(x))(X)
        assert_allclose(transform(lambda x: fn(x, W, 5) * np.sum(x))(X), want, rtol=1e-10)


def test_what_is_printed_is_printed_once():
    def speaking(x, n):
        for k in range(n):
            print(k)
            x = np.sin(x)
        return x

    gradient = ad.jit(ad.grad(ad.checkpoint(speaking, snapshots=2)))
    with contextlib.redirect_stdout(io.StringIO()) as out:
        gradient(0.5, 9)
    assert out.getvalue().split() == list("012345678")


def test_what_cannot_be_is_refused():
    for options in ({"snapshots": 0}, {"memory": -1}, {"snapshots": 2.0}, {"snapshots": True}):
        with pytest.raises(InputError, match="not a positive integer"):
            ad.checkpoint(decay, **options)
    with pytest.raises(InputError, match="not both"):
        ad.checkpoint(decay, snapshots=1, memory=1)

    rng = np.random.default_rng(0)

    def noisy(x, n):
        for _ in range(n):
            x = x * rng.normal()
        return x

    with pytest.raises(TracingError, match="draws random numbers"):
        ad.jit(ad.grad(ad.checkpoint(noisy, snapshots=2)))(0.5, 9)

    def growing(x, n):
        kept = []
        for k in range(4):
            kept = kept + [x * k]
        return sum(kept)

    with pytest.raises(TracingError, match="is unrolled"):
        ad.jit(ad.grad(ad.checkpoint(growing, snapshots=2)))(0.5, 9)
