"""Running a graph compiled and interpreted, for the tests of the lowering."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled
from adjoint.ir.graph import Function
from adjoint.ir.parse import parse
from adjoint.ops.control import Stack
from adjoint.ops.plain import lookup

__all__ = ["agree", "callbacks", "evaluate", "function"]


def function(text: str) -> Function:
    """Return the first function of a text."""
    return parse(text, lookup)[0]


def agree(got: Any, want: Any, rtol: float = 1e-12) -> None:
    """Check kind, dtype, shape and values of a result."""
    assert type(got) is type(want)
    if isinstance(want, Stack):
        n = max(len(got.entries), len(want.entries))
        for k in range(n):
            a, b = got.get(k), want.get(k)
            if a is None or b is None:  # a gap is zero
                assert not np.any(a if b is None else b)
            else:
                agree(a, b, rtol)
        return
    g, w = np.asarray(got), np.asarray(want)
    assert g.dtype == w.dtype and g.shape == w.shape
    if w.dtype.kind in "fc":
        finite = np.abs(w, where=np.isfinite(w), out=np.zeros(w.shape))
        size = max(1.0, float(finite.max(initial=0.0)))
        np.testing.assert_allclose(g, w, rtol=rtol, atol=rtol * size)
    else:
        np.testing.assert_array_equal(g, w)


def evaluate(text: str | Function, *args: Any, rtol: float = 1e-12) -> list[Any]:
    """Run a function compiled, twice; check that the interpreter agrees and arguments are kept."""
    f = function(text) if isinstance(text, str) else text
    before = [np.array(x) if isinstance(x, np.ndarray) else x for x in args]
    with np.errstate(all="ignore"):
        want = run(f, args)
        for _ in range(2):
            got = compiled.run(f, args)
            for g, w in zip(got, want, strict=True):
                agree(g, w, rtol)
    for x, y in zip(args, before, strict=True):
        if isinstance(x, np.ndarray):
            np.testing.assert_array_equal(x, y)
    return got


def callbacks(f: Function) -> list[str]:
    """Return the names of the operations that Python runs, of a function that has run."""
    variants = compiled.compile_function(f)._variants.values()
    calls = [call for v in variants for call in v.program.calls]
    return [call.node.op.name for call in calls if call.node.op is not None and not call.cold]
