"""Loops over blocks of rows: what is computed stays the same, and is done where it pays alone."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from scipy.special import logsumexp

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled
from adjoint.backends.llvm.blocking import in_blocks, rewrite
from adjoint.backends.llvm.blocking.plan import Limits
from adjoint.backends.llvm.lower import folds, nest
from adjoint.backends.llvm.lower.entry import lower_function
from adjoint.ir.graph import values_in
from adjoint.ir.types import Type
from adjoint.ir.verify import verify
from adjoint.ops import control
from adjoint.staging import stage
from adjoint.transforms.ownership import copies
from benchmarks.programs import PROGRAMS, fresh
from tests.backends.llvm.lowering import agree
from tests.staged.program_checks import Refused, arguments, loaded, staged
from tests.staged.random_source import write

pytestmark = [pytest.mark.usefixtures("compiled_quickly"), pytest.mark.filterwarnings("ignore")]

ROWS = 4
EVERYTHING = Limits(
    least=0, wide=0, cache=1 << 40, whole=1 << 40, most=ROWS, multiple=1, blocks=1, gain=-math.inf
)
"""Whatever can be done in blocks is."""


@pytest.fixture
def always(monkeypatch):
    """Do it for lengths above 6."""
    monkeypatch.setattr(rewrite, "LIMITS", EVERYTHING)
    monkeypatch.setattr(stage, "FEW", 6)


@pytest.fixture
def all_lengths(always, monkeypatch):
    """Do it for lengths above 1."""
    monkeypatch.setattr(stage, "FEW", 1)


def loops(function):
    """Return the loops over blocks that are made of a function's own block."""
    return loops_in(in_blocks(function))


def loops_in(blocked):
    return [
        node
        for node in blocked.block.nodes
        if node.op is control.for_loop
        and node.blocks[0].nodes
        and node.blocks[0].nodes[0].op is control.slice_length
    ]


def check(fn, *args, rtol=1e-12):
    """Compare blocks, compiled and interpreted, with the interpreter; return how many loops."""
    graph = ad.stage(fn)(*args)
    blocked = in_blocks(graph.function)
    verify(blocked)
    assert not copies(blocked)
    given = graph.inputs(*args)
    with np.errstate(all="ignore"):
        want = run(graph.function, given)
        for found in (compiled.run(graph.function, given), run(blocked, given)):
            for got, expected in zip(found, want, strict=True):
                agree(got, expected, rtol)
    return len(loops(graph.function))


def numbers(*shape, seed=0, dtype=np.float64):
    draw = np.random.default_rng(seed)
    x = draw.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * draw.standard_normal(shape)
    return x.astype(dtype)


def mixture(x, means, roots):
    whitened = (x - means[:, None, :]) @ np.swapaxes(roots, 1, 2)
    return np.sum(logsumexp(-0.5 * np.sum(whitened**2, axis=2), axis=0))


def distances(x, y):
    difference = x[:, None, :] - y
    return np.sum(np.exp(-np.sum(difference**2, axis=-1)), axis=1)


def both(x, y):
    squares = np.tanh(x) * y
    return squares, np.sum(squares, axis=0), np.sum(squares), squares @ y


def centred(x):
    """Rows are summed, and the sums used for every row: two loops."""
    difference = x - np.sum(x, axis=0) / len(x)
    return np.sum(difference**2, axis=0), difference


def softmax_of_rows(x):
    shifted = np.exp(x - np.max(x, axis=1, keepdims=True))
    return shifted / np.sum(shifted, axis=1, keepdims=True)


def last_axis(x, w):
    return np.sum(np.sin(w[:, None] * x) ** 2, axis=1), np.cos(x).T


def stacked(x, w):
    """The rows are a stack of matrices."""
    y = np.exp(x) @ w
    return np.sum(y * y, axis=0), np.swapaxes(y, 1, 2).reshape(len(x), -1)


def gram(x, y):
    z = np.sin(x)
    return z.T @ np.cos(y), z.T @ z


def scalars(x):
    y = np.sin(x) * x
    return y @ x, np.sum(y), np.sum(np.where(y > 0, y, x))


def conditions(x):
    good = x > 0
    return np.sum(good, axis=0), np.sum(np.where(good, x, 0 * x) ** 2)


X, Y = numbers(11, 3), numbers(5, 3, seed=1)
CASES = {
    "mixture": (mixture, (X, Y, numbers(5, 3, 3, seed=2)), 1),
    "distances": (distances, (X, Y), 1),
    "rows and sums": (both, (X, numbers(3, seed=3)), 1),
    "centred": (centred, (X,), 2),
    "softmax": (softmax_of_rows, (X,), 1),
    "rows last": (last_axis, (numbers(3, 11), numbers(3, seed=4)), 1),
    "stack of matrices": (stacked, (numbers(11, 2, 3), numbers(3, 2, seed=5)), 1),
    "sums of products": (gram, (X, numbers(11, 3, seed=6)), 1),
    "scalars": (scalars, (numbers(11),), 1),
    "conditions": (conditions, (X,), 1),
}


def with_rows(args, n):
    """Return arguments with n rows where there were 11."""
    return tuple(numbers(*[n if m == 11 else m for m in np.shape(a)], seed=n) for a in args)


@pytest.mark.parametrize("count", [8, 11, 33])
@pytest.mark.parametrize("name", CASES)
def test_values(name, count, always):
    fn, args, expected = CASES[name]
    args = with_rows(args, count)
    assert check(fn, *args) == expected


@pytest.mark.parametrize("name", [*CASES][:-1])
def test_gradients(name, always):
    fn, args, _ = CASES[name]

    def loss(*args):
        found = fn(*args)
        parts = found if isinstance(found, tuple) else (found,)
        return sum(np.sum(np.sin(p)) for p in parts)

    assert check(ad.value_and_grad(loss, tuple(range(len(args)))), *args) >= 1


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.complex128])
def test_dtypes(dtype, always):
    def f(x, y):
        z = (x - y[:, None, :]) ** 2
        return np.sum(z, axis=1), np.exp(z), x.T @ x, np.sum(x), np.real(z) + np.imag(z)

    x, y = numbers(11, 3, dtype=dtype), numbers(2, 3, seed=1, dtype=dtype)
    rtol = 1e-12 if np.dtype(dtype).itemsize == 16 else 1e-5
    assert check(f, x, y, rtol=rtol) == 1


def test_integers(always):
    def f(x):
        y = x * x - 3
        return np.sum(y, axis=0), np.sum(y % 5), y

    assert check(f, np.arange(33).reshape(11, 3)) == 1


OTHER = [(name, n) for name in CASES for n in (0, 1, 3, 4, 5) if n or CASES[name][0] is not stacked]
"""`stacked` divides by the number of rows."""


@pytest.mark.parametrize(("name", "count"), OTHER)
def test_other_lengths(name, count, always, monkeypatch):
    """A graph that was staged for some rows is run with few, or none."""
    monkeypatch.setattr(stage, "FEW", -1)
    fn, args, _ = CASES[name]
    graph = ad.stage(fn)(*args)
    assert loops(graph.function)
    given = [count if x == 11 else x for x in graph.inputs(*args) if not isinstance(x, np.ndarray)]
    given += with_rows(args, count)
    with np.errstate(all="ignore"):
        want = run(graph.function, given)
        found = compiled.run(graph.function, given)
    for got, expected in zip(found, want, strict=True):
        agree(got, expected)


def test_strides(always):
    """Rows that do not follow each other in memory."""
    big = numbers(22, 6)
    assert check(both, big[::2, ::-2], numbers(3, seed=3)) == 1
    assert check(both, np.asfortranarray(X), numbers(3, seed=3)) == 1


def test_values_that_are_not_finite(always):
    x = X.copy()
    x[2, 1], x[7, 0], x[9, 2] = np.nan, np.inf, -np.inf
    check(both, x, numbers(3, seed=3))
    check(mixture, x, Y, numbers(5, 3, 3, seed=2))


def test_stores_between(always):
    """An array is changed in place after rows of it were read."""

    def f(x, y):
        z = x * 2
        a = np.sum(np.sin(z), axis=0)
        z[1:3] = y
        z[0] += a
        return a, np.cos(z), np.sum(z, axis=0)

    check(f, X, numbers(3))


def test_in_a_loop(always):
    def f(x, y):
        for k in range(3):
            y = y + np.sum(np.tanh(x * y) * k, axis=0)
        return y

    graph = ad.stage(f)(X, numbers(3))
    outer = in_blocks(graph.function).block.nodes
    assert any(n.blocks for node in outer for inner in node.blocks for n in inner.nodes)
    check(f, X, numbers(3))
    check(ad.grad(lambda x, y: np.sum(f(x, y)), (0, 1)), X, numbers(3))


def test_lengths_that_are_computed(always):
    def f(x):
        y = np.sin(x[1:]) - x[:-1]
        return np.sum(y, axis=0), y

    assert check(f, X) == 1


def test_errors_stay_in_order(always):
    def f(x, k):
        y = np.exp(x)
        if k > 2:
            raise ValueError("first")
        return np.sum(y, axis=0)[k]

    graph = ad.stage(f)(X, 1)
    with pytest.raises(ValueError, match="first"):
        compiled.run(graph.function, graph.inputs(X, 7))


# -- whether it pays -------------------------------------------------------------------------------


def staged_mixture(n):
    args = (numbers(n, 10), numbers(25, 10, seed=1), numbers(25, 10, 10, seed=2))
    return ad.stage(ad.value_and_grad(mixture, (1, 2)))(*args), args


def test_large_arrays_are_never_whole():
    graph, args = staged_mixture(10_000)
    blocked = in_blocks(graph.function)
    (loop,) = loops_in(blocked)
    rows, length = loop.inputs[2].params["value"], loop.inputs[1]
    assert 32 <= rows <= 256 and rows % 32 == 0
    results = [r.type for r in blocked.block.results]
    others = [n.type for n in blocked.block.nodes if n not in loop.inputs]
    assert not [
        t for t in others if isinstance(t, Type) and t not in results and t.ndim > 1
        and length in values_in(t)
    ]  # fmt: skip
    given = graph.inputs(*args)
    want = run(graph.function, given)
    for got, expected in zip(compiled.run(graph.function, given), want, strict=True):
        agree(got, expected, 1e-10)


def test_memory_is_taken_once(always, monkeypatch):
    """No array is copied for want of ownership, or allocated in a pass."""
    # The partial sums of a fold that may run in several threads are as many as it has chunks.
    for module in (folds, nest):
        monkeypatch.setattr(module, "splits", lambda f, counts, cost: False)
    args = (numbers(11, 3), numbers(25, 3, seed=1), numbers(25, 3, 3, seed=2))
    graph = ad.stage(ad.value_and_grad(mixture, (1, 2)))(*args)
    blocked = in_blocks(graph.function)
    assert loops_in(blocked)
    assert not copies(blocked)
    text = lower_function(blocked, (True,) * len(blocked.block.parameters)).text
    start = text.split("@graph(")[1].split("body:")[0]
    take = "call ptr @memory.take"
    assert 0 < start.count(take) == text.count(take)


def test_small_arrays_are_left_as_they_are():
    graph, _ = staged_mixture(100)
    assert in_blocks(graph.function) is graph.function


def test_one_nest_is_left_as_it_is():
    x = numbers(200_000, 8)
    for f in (lambda x: np.sum(np.sin(x) ** 2), lambda x: np.exp(np.sin(x)) * x):
        graph = ad.stage(f)(x)
        assert in_blocks(graph.function) is graph.function


# -- whole programs --------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["value", "gradient"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, what, all_lengths):
    program = PROGRAMS[name]
    loss = program.loss(program.weights("tiny"))
    fn = loss if what == "value" else ad.grad(loss, program.differentiated)
    args = program.inputs("tiny", 0)
    graph = ad.stage(fn)(*fresh(args))
    verify(in_blocks(graph.function))
    given, kept = (graph.inputs(*fresh(args)) for _ in range(2))
    want = run(graph.function, given)
    for got, expected in zip(compiled.run(graph.function, given), want, strict=True):
        agree(got, expected, 1e-11)
    for x, y in zip(given, kept, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("seed", range(25))
def test_random_program(seed, all_lengths, monkeypatch):
    monkeypatch.setattr(rewrite, "LIMITS", replace(EVERYTHING, most=2))
    program = write(Random(seed))
    args = arguments(program, seed)
    fn, filename = loaded(program)
    try:
        graph = staged(fn, filename, *args)
    except Refused:
        return
    verify(in_blocks(graph.function))
    with np.errstate(all="ignore"):
        want = run(graph.function, graph.inputs(*fresh(args)))
        found = compiled.run(graph.function, graph.inputs(*fresh(args)))
    for got, expected in zip(found, want, strict=True):
        agree(got, expected, 1e-9)
