"""Random expressions of arrays of every dtype and layout, compiled: the interpreter's values.

Lengths are 0, 1, few and more than a vector or a block has; arrays are contiguous, transposed,
reversed, every second element of another, read-only. What is drawn is a tree of operations, which
the function that is staged evaluates. With a number in the environment variable
``ADJOINT_PROGRAMS`` as many other trees are drawn at each run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import adjoint as ad
from adjoint.errors import AdjointError
from adjoint.ir.graph import Function, walk
from adjoint.ir.types import Type
from tests.backends.llvm.lowering import evaluate

MANY = os.environ.get("ADJOINT_PROGRAMS")
COUNT = int(MANY or 60)

DTYPES = [
    *[np.dtype(c) for c in "ddddffDF"],
    *[np.dtype(c) for c in ("bool", "int8", "int16", "int32", "int64", "int64")],
    *[np.dtype(c) for c in ("uint8", "uint16", "uint32", "uint64")],
]
LENGTHS = (0, 1, 2, 3, 5, 9, 17, 40, 130)

UNARY = ("negative", "absolute", "square", "sign", "sin", "exp", "tanh", "sqrt", "isfinite", "conj")
BINARY = (
    "add", "subtract", "multiply", "maximum", "minimum", "less", "greater_equal", "equal", "divide",
    "logical_and", "logical_or", "hypot", "arctan2",
)  # fmt: skip
FOLDS = ("sum", "prod", "max", "min", "any", "all", "mean", "argmax", "cumsum")
SHAPES = ("transpose", "flip", "every second", "first", "new axis", "ravel", "copy", "astype float")


def array(random: Random, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of some dtype and layout."""
    dtype = random.choice(DTYPES)
    layout = random.choice(("C", "C", "C", "F", "reversed", "strided", "read-only"))
    full = tuple(2 * n for n in shape) if layout == "strided" else shape
    numbers = np.random.default_rng(random.randrange(2**32))
    if dtype.kind == "b":
        x = numbers.random(full) < 0.5
    elif dtype.kind in "iu":
        x = numbers.integers(0 if dtype.kind == "u" else -9, 10, full).astype(dtype)
    else:
        x = numbers.normal(size=full)
        if dtype.kind == "c":
            x = x + 1j * numbers.normal(size=full)
        x = x.astype(dtype)
        if x.size and random.random() < 0.2:
            x.flat[random.randrange(x.size)] = random.choice((np.nan, np.inf, -np.inf, -0.0))
    if layout == "F":
        x = np.asfortranarray(x)
    elif layout == "reversed":
        x = x[tuple(slice(None, None, -1) for _ in shape)]
    elif layout == "strided":
        x = x[tuple(slice(None, None, 2) for _ in shape)]
    elif layout == "read-only":
        x.setflags(write=False)
    return x


def tree(random: Random, depth: int, count: int) -> Any:
    """Return a random tree of operations over so many arguments."""
    if depth == 0 or random.random() < 0.1:
        return random.randrange(count)
    kind = random.choice(
        ("unary", "binary", "binary", "binary", "fold", "shape", "where", "product")
    )
    below = lambda: tree(random, depth - 1, count)
    if kind == "unary":
        return kind, random.choice(UNARY), below()
    if kind == "binary":
        return kind, random.choice(BINARY), below(), below()
    if kind == "fold":
        return kind, random.choice(FOLDS), random.choice((None, 0, -1)), below()
    if kind == "shape":
        return kind, random.choice(SHAPES), below()
    if kind == "where":
        return kind, below(), below(), below()
    return kind, below(), below()


def value(node: Any, args: tuple[Any, ...]) -> Any:
    """Evaluate a tree."""
    if isinstance(node, int):
        return args[node]
    kind = node[0]
    if kind == "unary":
        return getattr(np, node[1])(value(node[2], args))
    if kind == "binary":
        return getattr(np, node[1])(value(node[2], args), value(node[3], args))
    if kind == "fold":
        x = np.atleast_1d(value(node[3], args))
        return getattr(np, node[1])(x, axis=node[2])
    if kind == "where":
        return np.where(value(node[1], args), value(node[2], args), value(node[3], args))
    if kind == "product":
        x, y = np.atleast_1d(value(node[1], args)), np.atleast_1d(value(node[2], args))
        return np.matmul(x, y.T)
    x = np.atleast_1d(value(node[2], args))
    what = node[1]
    if what == "transpose":
        return x.T
    if what == "flip":
        return x[::-1]
    if what == "every second":
        return x[..., ::2]
    if what == "first":
        return x[0]
    if what == "new axis":
        return x[..., None]
    if what == "ravel":
        return x.ravel()
    if what == "copy":
        return x.copy()
    return x.real.astype(float)


def tolerance(function: Function) -> float:
    """Return how far apart numbers may be, by the coarsest dtype that some are computed in."""
    types = [node.type for node in walk(function.block) if isinstance(node.type, Type)]
    eps = [np.finfo(t.dtype).eps for t in types if t.dtype.kind in "fc"]
    return 1e-3 if max(eps, default=0) > 1e-12 else 1e-9


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("compiled_quickly")
@given(st.integers(0, 2**32))
@settings(
    max_examples=COUNT,
    derandomize=not MANY,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_expressions_are_the_interpreters(seed):
    check(seed, note)


def check(seed: int, tell: Callable[[str], None] = lambda text: None) -> bool:
    """Compare one tree; tell whether it could be staged."""
    random = Random(seed)
    shape = tuple(random.choice(LENGTHS) for _ in range(random.choice((1, 1, 2, 2, 3))))
    if np.prod(shape) > 3000:
        shape = shape[:1]
    args = []
    for _ in range(3):
        mine = tuple(1 if random.random() < 0.15 else n for n in shape)
        args.append(
            array(random, mine[random.randrange(len(mine)) :] if random.random() < 0.2 else mine)
        )
    what = tree(random, random.choice((2, 3, 4)), len(args))
    tell(f"{what} of {[(x.dtype.str, x.shape, x.strides) for x in args]}")

    def program(*xs):
        return value(what, xs)

    with np.errstate(all="ignore"):
        try:
            program(*args)
            graph = ad.stage(program)(*args)
        except (AdjointError, ValueError, TypeError, IndexError):
            return False
        try:
            want = graph(*args)
        except (AdjointError, ValueError, TypeError, IndexError, OverflowError):
            return False
        if np.asarray(want).dtype == np.float16 or _extreme(want):
            return False
        evaluate(graph.function, *graph.inputs(*args), rtol=tolerance(graph.function))
    return True


def _extreme(x: Any) -> bool:
    x = np.asarray(x)
    return x.dtype.kind in "fc" and bool(np.any(np.abs(x[np.isfinite(x)]) > 1e12))


def test_most_trees_can_be_staged():
    assert sum(check(seed) for seed in range(40)) >= 20
