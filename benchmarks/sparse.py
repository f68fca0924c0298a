"""Sparse Jacobians and Hessians: patterns, sweeps, and time beside one evaluation and dense ones.

    python benchmarks/sparse.py
    python benchmarks/sparse.py --only ba

Columns: the time to stage and find the pattern for the first time, to find it again, to colour it
(as a whole, which is not done where the function is differentiated by what it reads); of the first
matrix, which is compiled; of the values alone, in milliseconds and in evaluations of the function
by NumPy; and of the dense matrix, where it is no larger than `DENSE`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(_name, "1")
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import adjoint as ad
from adjoint.transforms.colouring import of_jacobian, of_symmetric
from benchmarks.programs.ba import PROGRAM as BA
from benchmarks.programs.ba import ba
from benchmarks.programs.heat_3d import PROGRAM as HEAT

DENSE = 20_000_000
"""Entries up to which the dense matrix is computed, too."""


def tridiagonal(u):
    r = np.zeros(len(u))
    for i in range(1, len(u) - 1):
        r[i] = u[i - 1] - 2 * u[i] + u[i + 1] + u[i] ** 3
    return r


def laplace(u):
    r = u.copy()
    r[1:-1, 1:-1] = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
    return r - u**3


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def arrow(x):
    return np.sum(np.exp(x[0]) * x[1:] ** 2)


Row = tuple[str, Callable[..., Any], tuple[Any, ...], Any, bool]


def rows() -> Iterator[Row]:
    """Yield names, functions, arguments, argnums, and whether it is of the Hessian."""
    yield "tridiagonal loop, 10⁴", tridiagonal, (np.linspace(0, 1, 10_000),), 0, False
    yield "Laplace 100 × 100", laplace, (np.ones((100, 100)),), 0, False
    yield "Laplace 300 × 300", laplace, (np.ones((300, 300)),), 0, False
    yield "heat_3d, tiny", HEAT.function, HEAT.inputs("tiny", 0), HEAT.differentiated, False
    yield "Rosenbrock, 10⁵", rosenbrock, (np.linspace(-1, 1, 100_000),), 0, True
    yield "arrow, 10⁵", arrow, (np.linspace(-1, 1, 100_000),), 0, True
    yield "ba tiny", ba, BA.inputs("tiny", 0), BA.differentiated, False
    middle = {"n": 10, "m": 200, "p": 800}
    yield "ba 800 observations", ba, _ba(middle), BA.differentiated, False
    yield "ba S (BA1)", ba, BA.inputs("S", 0), BA.differentiated, False
    yield "ba M (BA5)", ba, BA.inputs("M", 0), BA.differentiated, False


def _ba(size: dict[str, int]) -> tuple[Any, ...]:
    from benchmarks.programs.adbench_data import random_ba

    return random_ba(0, **size)


def timed(fn: Callable[[], Any], repeats: int = 5) -> float:
    """Return the least of some times, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        times.append(time.perf_counter() - start)
    return min(times)


def fresh(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(x.copy() if isinstance(x, np.ndarray) else x for x in args)


def report(row: Row) -> str:
    """Return the line of a row."""
    name, fn, args, argnums, of_hessian = row
    make: Any = ad.sparse_hessian if of_hessian else ad.sparse_jacobian
    derivative = make(fn, argnums)
    first = timed(lambda: derivative.pattern(*fresh(args)), 1)
    again = timed(lambda: derivative.pattern(*fresh(args)), 2)
    plan = derivative.plan(*fresh(args))
    colour = timed(lambda: (of_symmetric if of_hessian else of_jacobian)(plan.pattern), 2)
    matrix = timed(lambda: derivative(*fresh(args)), 1)
    values = timed(lambda: derivative(*fresh(args)))
    evaluation = timed(lambda: fn(*fresh(args)))
    m, n = plan.pattern.shape
    dense = "–"
    if m * n <= DENSE:
        whole: Any = ad.hessian if of_hessian else ad.jacobian
        dense = f"{1e3 * timed(lambda: whole(fn, argnums)(*fresh(args)), 1):.0f}"
    return (
        f"| {name} | {m} × {n} | {plan.pattern.nnz} | {plan.forward} + {plan.reverse} "
        f"| {1e3 * first:.0f} | {1e3 * again:.0f} | {1e3 * colour:.0f} | {1e3 * matrix:.0f} "
        f"| {1e3 * values:.1f} | {values / evaluation:.1f} | {dense} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="rows whose name starts so")
    only = parser.parse_args().only
    print(
        "| | matrix | entries | sweeps, forward + reverse | pattern, first (ms) | again "
        "| colouring | first matrix | values (ms) | in evaluations | dense, tape (ms) |\n|"
        + "---|"
        * 11
    )
    for row in rows():
        if row[0].startswith(only):
            print(report(row), flush=True)


if __name__ == "__main__":
    main()
