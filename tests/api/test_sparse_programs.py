"""Patterns of random programs and of whole ones: what is not in them is zero, to the last entry.

``ADJOINT_PROGRAMS`` says how many random programs are drawn (`tests.staged.test_random_staged`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, note, settings
from hypothesis import strategies as st

import adjoint as ad
from adjoint import tree
from adjoint.errors import TracingError
from adjoint.ir.verify import verify
from benchmarks.programs import PROGRAMS, floating_results, fresh
from tests.staged.program_checks import ARGNUMS, arguments, eagerly, in_python, loaded
from tests.staged.random_source import write

MANY = os.environ.get("ADJOINT_PROGRAMS")
EXAMPLES = int(MANY or 6)

pytestmark = pytest.mark.filterwarnings("ignore")


def everything(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a program returns, and what it leaves of its arguments."""

    def run(x: Any, y: Any, a: Any, n: Any) -> Any:
        x, y, a = x * 1.0, y * 1.0, a * 1.0
        result = fn(x, y, a, n)
        return result, x, y, a

    return run


def dense(fn: Callable[..., Any], args: Any, argnums: tuple[int, ...]) -> np.ndarray:
    """Return the Jacobian by the tape, a row a walk."""
    # By all that is of floating-point numbers: programs store into arguments, on the tape too.
    floats = [k for k, x in enumerate(args) if np.asarray(x).dtype.kind == "f"]

    def of_floats(*xs: Any) -> Any:
        given = list(args)
        for k, x in zip(floats, xs, strict=True):
            given[k] = x
        return tuple(tree.flatten(fn(*given))[0])

    result, pull = ad.vjp(of_floats, *[args[k] for k in floats])
    rows = []
    for k, y in enumerate(result):
        for at in np.ndindex(np.shape(y)):
            cts = [np.zeros(np.shape(z), np.asarray(z).dtype) for z in result]
            cts[k][at] = 1.0
            bars = dict(zip(floats, pull(tuple([ct if ct.shape else ct[()] for ct in cts]))))
            rows.append(np.concatenate([np.ravel(bars[k]) for k in argnums]))
    return np.array(rows)


def check(derivative: Any, args: Any, want: np.ndarray, rtol: float) -> None:
    """Check a sparse derivative against a dense one, its pattern first."""
    size = np.maximum(1.0, np.max(np.abs(want), axis=1, keepdims=True, initial=0.0))
    pattern = derivative.plan(*deepcopy(args)).pattern
    missing = (np.abs(want) > 1e-12 * size) & ~pattern.toarray()
    assert not missing.any(), f"missing: {np.argwhere(missing)[:9].tolist()}"
    found = derivative(*deepcopy(args)).toarray()
    wrong = ~(np.abs(found - want) <= rtol * size)
    assert not wrong.any(), f"wrong: {np.argwhere(wrong)[:9].tolist()}"
    for known in derivative._known.values():
        verify(known.detection.function)


def check_program(seed: int) -> str:
    """Check a random program at several points; return what became of it."""
    program = write(Random(seed))
    note(program.text)
    fn, _ = loaded(program)
    of_second_order = seed % 4 == 0
    if of_second_order:
        derivative: Any = ad.sparse_hessian(fn, ARGNUMS)
        differentiated = ad.grad(fn, ARGNUMS)
    else:
        differentiated = everything(fn)
        derivative = ad.sparse_jacobian(differentiated, ARGNUMS)
    args = arguments(program, seed)
    moved = [*[0.9 * x - 0.05 for x in args[:3]], args[3]]
    of_another_n = [*args[:3], arguments(program, seed + 1)[3]]
    for given_args in (args, moved, of_another_n, args):
        with np.errstate(all="ignore"):
            in_python(fn, deepcopy(given_args))
            want = eagerly(lambda *a: dense(differentiated, a, ARGNUMS), *given_args)
            assume(np.all(np.abs(want) < 1e6))
            try:
                check(derivative, given_args, want, 1e-8)
            except TracingError as error:
                return f"refused: {str(error)[:60]}"
    return "Hessian" if of_second_order else "Jacobian"


@settings(
    max_examples=EXAMPLES,
    derandomize=not MANY,
    # A smaller seed is no smaller program.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
@given(st.integers(0, 2**32 - 1))
def test_random_programs(seed):
    event(check_program(seed))


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=lambda p: p.name)
def test_programs(program):
    args = program.inputs("tiny", 0)

    def results(*args: Any) -> Any:
        return floating_results(program.function(*fresh(args)))

    want = dense(results, args, program.differentiated)
    check(ad.sparse_jacobian(results, program.differentiated), args, want, 1e-9)
