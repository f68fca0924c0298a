"""vmap of staged programs: every operation of the table, control flow, derivatives, lengths.

What is expected of it is what single calls give.
"""

from __future__ import annotations

import re
import zlib

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import InputError, TracingError
from adjoint.ir.graph import walk
from adjoint.ops.registry import OPS
from adjoint.transforms.batch import rule_of
from tests import harness
from tests.staged.comparison import assert_agrees, assert_close, operations, staged
from tests.staged.test_cases import CASES

RNG = np.random.default_rng(3)
X = RNG.standard_normal((11, 3))
W = RNG.standard_normal((4, 3))


def agrees(fn, *args, rtol=1e-12):
    """Check that a staged function gives what the eager tier gives; return its operations."""
    return operations(assert_agrees(fn, *args, rtol=rtol))


# -- the table of operations -----------------------------------------------------------------------

ONE_BY_ONE = {
    # SciPy's and LAPACK's functions of one matrix
    "eigh_subset", "lu", "sylvester",
    # of vectors or numbers alone
    "convolve", "fsum", "ieee_remainder",
    # lengths, and what makes them: they may differ between examples
    "slice_length", "range_length", "require_equal", "iota", "eye",
    # the schedule of a checkpointed loop, which depends on the number of its passes alone
    "begin_stretch", "begin_sweep", "continue_sweep", "divide_stretch", "room_for", "stretches",
    # effects
    "raise", "effect", "draw", "external",
}  # fmt: skip
"""Operations that have no form for all examples; these run in a ``map``."""

NEVER_BATCHED = {
    "constant", "undefined", "empty_stack", "dim", "project",  # the walk itself sees to them
    "for", "while", "if", "map", "call", "custom", "checkpoint",  # transforms/batch/control.py
}  # fmt: skip


def test_operations_without_a_rule():
    declared = {name: op for name, op in OPS.items() if "." not in name}
    without = {name for name, op in declared.items() if rule_of(op) is None}
    assert ONE_BY_ONE | NEVER_BATCHED >= without
    assert not {name for name in ONE_BY_ONE if rule_of(OPS[name]) is not None}


def examples(problem):
    """Return three points near a case's own, as one array an argument."""
    found = []
    for x in problem.point:
        x = np.asarray(x)
        found.append(np.stack([x * (1 - 0.004 * k) for k in range(3)]).astype(x.dtype))
    return found


AREAS = (
    "core", "reductions", "shaping", "products", "convolution", "linalg", "scipy_linalg", "fft",
)  # fmt: skip
"""Every case of these, and derivatives of some; elementwise operations have all the same rule."""


def chosen():
    mine = [name for name in CASES if name.split(":")[0] in AREAS]
    others = [name for name in CASES if name not in mine]
    return [(name, k % 3 == 0) for k, name in enumerate(mine)] + [
        (name, False) for name in others[::8]
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name, derivative", chosen())
def test_cases(name, derivative):
    problem = harness.Problem(CASES[name])
    fn = harness.ad_ready(problem)
    points = examples(problem)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    cts = tuple(harness._random_like(rng, y) for y in fn(*problem.point))

    def both(*xs):
        values, pull = ad.vjp(fn, *xs)
        return *values, *pull(cts)

    one = both if derivative else fn
    with np.errstate(all="ignore"):
        want = [one(*[x[k] for x in points]) for k in range(3)]
        stacked = tuple([np.stack(column) for column in zip(*want, strict=True)])
        assert_close(tuple(staged(ad.vmap(one), *points)(*points)), stacked, 1e-9)


# -- one operation where there is one --------------------------------------------------------------


def test_product_with_a_matrix_is_one_product():
    ops = agrees(lambda w, x: ad.vmap(lambda x: w @ x)(x), W, X)
    assert ops["matmul"] == 1
    assert not ops["map"] and not ops["for"]


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("on", [(True, False), (False, True), (True, True)])
def test_products_of_all_ranks(m, n, on):
    x = RNG.standard_normal((5, 2, 3, 4)[4 - m - on[0] :] if m > 1 else (5, 4)[1 - on[0] :])
    y = RNG.standard_normal((5, 2, 4, 3)[4 - n - on[1] :] if n > 1 else (5, 4)[1 - on[1] :])
    x, y = ((np.stack([v] * 5) if o and v.shape[0] != 5 else v) for v, o in zip((x, y), on))
    axes = tuple(0 if o else None for o in on)
    ops = agrees(ad.vmap(lambda x, y: x @ y, in_axes=axes), x, y)
    assert ops["matmul"] == 1


def test_solving_with_one_matrix_factorises_once():
    a = np.eye(3) + 0.1 * W[:3]
    ops = agrees(lambda a, b: ad.vmap(lambda v: np.linalg.solve(a, v))(b), a, X, rtol=1e-11)
    assert ops["solve"] == 1
    graph = ad.stage(lambda a, b: ad.vmap(lambda v: np.linalg.solve(a, v))(b))(a, X)
    (solve,) = [n for n in walk(graph.function.block) if n.op.name == "solve"]
    assert solve.inputs[0].type.shape == (3, 3)


def indices(x, i, j, k):
    return x[i], x[:, j], x[i, ::2, j], x[k, j], x[:, k], x[1:, k, ...], x[i][None, j]


def test_indices_that_differ():
    x = RNG.standard_normal((11, 4, 5, 3))
    i, j = RNG.integers(-3, 3, (2, 11))
    k = RNG.integers(0, 3, (11, 2))
    for axes in ((0, 0, 0, 0), (None, 0, 0, 0), (0, None, 0, 0), (0, 0, None, 0), (0, 0, 0, None)):
        given = [v if a == 0 else v[0] for v, a in zip((x, i, j, k), axes, strict=True)]
        ops = agrees(ad.vmap(indices, in_axes=axes), *given)
        assert not ops["map"]


def stores(x, v, i):
    y = x * 1.0
    y[i] = v[0]
    y[:, i] += v
    y[y < 0] = 0.5
    y.T[i, 1] += 1.0
    column = y[:, i]
    column[2] += v[1] * column[0]
    return y


def test_stores_at_indices_that_differ():
    x, v = RNG.standard_normal((11, 4, 4)), RNG.standard_normal((11, 4))
    i = RNG.integers(0, 3, 11)
    agrees(ad.vmap(stores), x, v, i)
    agrees(ad.vmap(stores, in_axes=(None, 0, 0)), x[0], v, i)

    def loss(x, v, i):
        return np.sum(stores(x, v, i) ** 2)

    agrees(ad.vmap(ad.grad(loss, (0, 1))), x, v, i)
    agrees(ad.grad(lambda x, v: np.sum(ad.vmap(loss)(x, v, i)), (0, 1)), x, v)


# -- control flow ----------------------------------------------------------------------------------


def recurrence(x, n):
    s = 0.0
    for i in range(n):
        s = s + np.sin(x[i % 3]) * s + x[i % 3]
    return s


def fill(x, n):
    u = np.zeros(n)
    u[0] = x[0]
    for i in range(1, n):
        u[i] = u[i - 1] + np.sin(x[1] * u[i - 1])
        u[i] *= x[2]
    return u


def triangular(x):
    total = 0.0
    n = len(x)
    for i in range(n):
        for j in range(i):
            total += x[i] * x[j] ** 2
        total *= 0.9
    return total


def cubes(x):
    y = np.array([x[0], x[1], x[2]])
    for k in range(3, 20):
        y = np.array([y[1], y[2], y[0] * y[1] / k])
    return y


@pytest.mark.parametrize(
    "fn, args, axes",
    [
        (recurrence, (X, 5), (0, None)),
        (fill, (X, 12), (0, None)),
        (triangular, (X,), 0),
        (triangular, (RNG.standard_normal((3, 14)),), 0),
        (cubes, (X,), 0),
    ],
)
def test_loops_on_which_all_agree(fn, args, axes):
    ops = agrees(ad.vmap(fn, in_axes=axes), *args)
    assert ops["for"] and not ops["map"]
    if fn is not fill and fn is not cubes:
        ops = agrees(ad.vmap(ad.grad(fn), in_axes=axes), *args, rtol=1e-11)
        assert not ops["map"]


def sides(x):
    if x[0] > 0:
        y = np.sin(x) * x[1]
    elif x[1] > 0.5:
        y = np.log(x[1]) * x
    else:
        y = -x
    return y[2] * y[1]


def halved(x):
    k = 0
    while np.abs(x[0]) > 0.01:
        x = x * 0.5
        k += 1
    return np.sum(x) * k


def powers(x, n):
    p = x[0]
    for _ in range(n):
        p = p * x[1] + 1.0
    return p


def leaves(x):
    total = 0.0
    for i in range(20):
        total = total + x[i % 3] ** 2
        if total > 3.0:
            break
        if x[i % 3] < 0:
            continue
        total += x[0]
    return total


def early(x):
    for i in range(9):
        if x[0] * i > 1.0:
            return x[1] * i
    return x[2]


def windows(x, n):
    y = x[:n] * 2.0
    return np.sum(y) + y[n - 1]


def masked(x):
    return np.sum(x[x > 0] ** 2)


def kept(x):
    total = 0.0
    for i in range(4):
        if x[0] > 0:
            y = x[1] * i
            while y < 3.0:
                y = y * y + 1.0
            total = total + np.sqrt(y)
        else:
            total = total - x[2]
    return total


COUNTS = np.arange(11) % 4 + 1

DECIDED = [
    (sides, (X,)),
    (halved, (X,)),
    (powers, (X, COUNTS)),
    (leaves, (X,)),
    (early, (X,)),
    (windows, (X, np.minimum(COUNTS, 3))),
    (masked, (X,)),
    (kept, (X,)),
]


@pytest.mark.parametrize("fn, args", DECIDED)
def test_examples_that_decide_themselves(fn, args):
    ops = agrees(ad.vmap(fn), *args)
    assert ops["map"]
    agrees(ad.vmap(ad.grad(fn)), *args, rtol=1e-11)


@pytest.mark.parametrize("fn, args", DECIDED)
def test_derivatives_of_their_vmap(fn, args):
    def loss(x, *rest):
        return np.sum(ad.vmap(fn)(x * x[0, 0], *rest) ** 2)

    agrees(ad.grad(loss), *args, rtol=1e-10)
    d = np.cos(X)
    agrees(lambda x, *rest: ad.jvp(lambda x: loss(x, *rest), (x,), (d,)), *args, rtol=1e-10)
    agrees(
        lambda x, *rest: ad.jvp(lambda x: ad.grad(loss)(x, *rest), (x,), (d,))[1],
        *args,
        rtol=1e-9,
    )


def test_no_branch_is_run_that_is_not_taken():
    calls = []

    def note(x):
        calls.append(float(x))

    def one(x):
        y = x
        if x > 0:
            print_ = ad.stop_gradient(x)
            y = np.sqrt(print_)
        else:
            if x < -10:
                raise ValueError("never")
        return y

    with np.errstate(all="raise"):
        graph = staged(ad.vmap(one), X[:, 0])
        got, ops = graph(X[:, 0]), operations(graph)
    assert ops["if"] and ops["map"] and not calls and note is not None
    want = np.where(X[:, 0] > 0, np.sqrt(np.abs(X[:, 0])), X[:, 0])
    np.testing.assert_array_equal(got, want)


def test_effects_happen_once_an_example_in_order(capsys):
    def one(x):
        print("example", x)
        if x > 0:
            print("positive")
        return x * 2

    graph = ad.stage(ad.vmap(one))(X[:3, 0])
    graph(X[:3, 0])
    got = capsys.readouterr().out
    ad.vmap(one)(X[:3, 0])
    assert got == capsys.readouterr().out


def test_each_example_draws_its_own_numbers():
    def one(x, rng):
        return x + rng.standard_normal() * rng.standard_normal(2)

    def all_of(x, rng):
        return ad.vmap(lambda x: one(x, rng))(x)

    got = ad.jit(all_of)(X[:, :2], np.random.default_rng(5))
    want = all_of(X[:, :2], np.random.default_rng(5))
    np.testing.assert_allclose(got, want)


# -- nesting ---------------------------------------------------------------------------------------


def test_nested():
    y = RNG.standard_normal((10, 3))
    inner = ad.vmap(lambda a, b: np.sum(a * b) + np.sin(a[0]), in_axes=(0, None))
    outer = ad.vmap(inner, in_axes=(None, 0))
    agrees(lambda x, y: ad.vmap(lambda b: outer(x, b))(y), X, np.stack([y, -y]))
    agrees(ad.vmap(ad.vmap(sides), in_axes=0), X.reshape(11, 1, 3))
    agrees(ad.vmap(lambda x: np.sum(ad.vmap(lambda b: kept(b * x))(y))), X, rtol=1e-11)
    agrees(ad.vmap(ad.grad(lambda x: np.sum(ad.vmap(lambda b: halved(b * x))(y)))), X, rtol=1e-11)


def test_per_example_gradients_of_a_network():
    w1, w2 = RNG.standard_normal((6, 3)), RNG.standard_normal(6)

    def loss(w1, w2, x):
        return (w2 @ np.tanh(w1 @ x) - x[0]) ** 2

    per_example = ad.vmap(ad.grad(loss, argnums=(0, 1)), in_axes=(None, None, 0))
    ops = agrees(per_example, w1, w2, X)
    assert not ops["map"] and not ops["for"]


def test_hessians():
    agrees(ad.vmap(ad.hessian(lambda x: recurrence(x, 4))), X, rtol=1e-11)
    agrees(ad.hessian(lambda w: np.sum(ad.vmap(lambda x: recurrence(w * x, 4))(X[:10]))), X[0])


def test_jit_inside_and_outside():
    one = ad.jit(lambda w, x: np.tanh(w @ x))
    want = np.tanh(X @ W.T)
    np.testing.assert_allclose(ad.vmap(one, in_axes=(None, 0))(W, X), want)
    np.testing.assert_allclose(ad.jit(ad.vmap(one, in_axes=(None, 0)))(W, X), want)
    mapped = ad.vmap(one, in_axes=(None, 0))
    np.testing.assert_allclose(
        ad.grad(lambda w: np.sum(mapped(w, X)))(W), (1 - want**2).T @ X, rtol=1e-12
    )


def test_rule_of_the_users_and_checkpoint():
    @ad.custom_vjp
    def clipped(x):
        return np.sum(x**2)

    clipped.defvjp(lambda x: (clipped(x), x), lambda x, ct: (np.minimum(2 * x, 1.0) * ct,))
    agrees(lambda x: ad.vmap(clipped)(x), X)
    agrees(ad.grad(lambda x: np.sum(ad.vmap(clipped)(x) ** 2)), X)
    agrees(ad.vmap(ad.grad(clipped)), X)
    agrees(ad.vmap(ad.grad(ad.checkpoint(lambda x: recurrence(x, 9)))), X)
    agrees(ad.grad(lambda x: np.sum(ad.vmap(ad.checkpoint(lambda x: recurrence(x, 9)))(x))), X)


# -- lengths and axes ------------------------------------------------------------------------------


def test_one_graph_serves_all_numbers_of_examples():
    mapped = ad.jit(ad.vmap(ad.grad(sides)))
    for n in (9, 12, 30):
        x = RNG.standard_normal((n, 3))
        np.testing.assert_allclose(mapped(x), [ad.grad(sides)(row) for row in x])
    assert ": 1 graph\n" in ad.report(mapped)


def test_lengths_that_are_computed():
    def loss(x, n):
        return np.sum(ad.vmap(lambda row: recurrence(row, n))(x[: 2 * n]))

    agrees(loss, X, 3)
    agrees(ad.grad(loss), X, 3)


@pytest.mark.parametrize("out_axes", [0, 1, -1, (0, -1, 2)])
def test_axes(out_axes):
    y = RNG.standard_normal((3, 11, 2))

    def one(x, y):
        return np.outer(x, y), x[:, None] * y, np.ones((2, 2))

    for axes in ((0, 1), (0, -2), [0, 1]):
        agrees(ad.vmap(lambda x, y: one(x[0] * y[:, 0], y[0]), axes, out_axes), X, y)
    agrees(ad.vmap(lambda d, y: d["a"] * y, ({"a": 0}, None)), {"a": X}, y[:, 0, :1].T)
    agrees(lambda x, y: ad.vmap(lambda x, *, y: x * y)(x, y=y), X, X)


def test_results_that_are_the_same_for_all():
    got = staged(ad.vmap(lambda x: (1.5, np.arange(3), len(x), x.shape[0] * 2.0)), X)(X)
    assert [np.shape(g) for g in got] == [(11,), (11, 3), (11,), (11,)]
    np.testing.assert_array_equal(got[1], [[0, 1, 2]] * 11)
    np.testing.assert_array_equal(got[2], [3] * 11)


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, args, message",
    [
        (lambda x: ad.vmap(np.sum, in_axes=2)(x), (X,), "axis 2 of an argument of sum of shape"),
        (lambda x: ad.vmap(np.sum, in_axes=None)(x), (X,), "at least one mapped argument"),
        (lambda x, y: ad.vmap(np.dot)(x, y), (X, W), "differ in length"),
        (lambda x: ad.vmap(lambda x: "text")(x), (X,), "returned 'text' under vmap"),
        (lambda x: ad.vmap(lambda a, b: a, in_axes=(0,))(x, x), (X,), "does not match"),
        (lambda x: ad.vmap(np.sum)(x[:0]), (X,), "over an axis of length 0"),
    ],
)
def test_errors(call, args, message):
    with pytest.raises(InputError, match=re.escape(message)):
        ad.stage(call)(*args)


def test_lengths_that_differ_at_run_time():
    def both(x, n):
        return ad.vmap(lambda a, b: a * b)(x[:n], x[1:])

    mapped = ad.jit(both)
    np.testing.assert_allclose(mapped(X, 10), X[:10] * X[1:])
    with pytest.raises(InputError, match="differ in length"):
        mapped(X, 9)


def test_changes_from_outside_are_refused():
    class Box:
        total = 0.0

    box, log = Box(), [0.0]

    def counts(x):
        box.total = box.total + x
        return x

    def notes(x):
        log[0] = x
        return x

    def own(x):
        scratch = [0.0, 0.0]
        scratch[0] = x * 2
        scratch[1] = scratch[0] + x
        return scratch[1]

    for fn, what in ((counts, "attribute 'total'"), (notes, "entry 0 of a list")):
        with pytest.raises(TracingError, match=f"changes the {what}"):
            ad.stage(ad.vmap(fn))(X[:, 0])
    agrees(ad.vmap(own), X[:, 0])


def test_examples_of_different_shapes():
    graph = ad.stage(ad.vmap(lambda x: x[x > 0]))(X)
    with pytest.raises(ValueError, match="same shape"):
        graph(X)
    assert graph(np.abs(X) + 1).shape == (11, 3)


def test_text_of_the_graph():
    graph = ad.stage(ad.vmap(layer, in_axes=(None, 0)))(W, X)
    assert (
        str(graph)
        == """\
function layer(%n0: int{9..}, %0: float64[4, 3], %1: float64[%n0, 3]) {
  %2: float64[3, 4] = permute(%0, axes=(1, 0))
  %3: float64[%n0, 4] = matmul(%1, %2)
  %4: float64[%n0, 4] = tanh(%3)
  return %4
}
"""
    )


def layer(w, x):
    return np.tanh(w @ x)
