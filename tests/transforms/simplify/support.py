"""Passes on text: what a graph was before, and what is left of it."""

from __future__ import annotations

from typing import Any

import numpy as np

import adjoint  # noqa: F401  (declares the operations)
from adjoint.backends.interpret import run
from adjoint.ir.graph import Function
from adjoint.ir.text import text
from adjoint.ir.verify import verify
from adjoint.ops.control import Stack
from adjoint.ops.text import parse_function
from adjoint.transforms.simplify import simplify
from adjoint.transforms.simplify.dead import remove_dead


def function(source: str) -> Function:
    """Return the function of a text; ``function f(...) { ... }`` around it is added."""
    found = parse_function(source)
    verify(found)
    return found


def simplified(source: str, *passes: Any) -> str:
    """Return the text of a function after some passes, the verifier run after each."""
    f = function(source)
    for each in passes:
        simplify(f, (each,))
        verify(f)
    simplify(f, passes)
    verify(f)
    return text(f, bounds=False)


def operations(source: str, *passes: Any) -> list[str]:
    """Return the names of the operations that are left in a function, those in blocks apart."""
    f = simplify(function(source), passes)
    verify(f)
    return [node.op.name for node in f.block.nodes]


def becomes(before: str, after: str, *passes: Any) -> None:
    """Check that passes make one text of another, dead code in which does not count."""
    wanted_function = function(after)
    if remove_dead in passes:
        remove_dead(wanted_function)
    wanted = text(wanted_function, bounds=False)
    found = simplified(before, *passes)
    assert found == wanted, f"\n{found}"


def stays(source: str, *passes: Any) -> None:
    """Check that passes find nothing to do."""
    becomes(source, source, *passes)


def same_results(source: str, *args: Any) -> list[Any]:
    """Check that all passes together do not change what a function computes; return that."""
    f = function(source)
    want = run(function(source), args)
    simplify(f)
    verify(f)
    got = run(f, args, check=True)
    equal(want, got)
    return want


def equal(want: list[Any], got: list[Any]) -> None:
    """Check that results are the same: type, shape and value; NaN is NaN."""
    assert len(want) == len(got)
    for x, y in zip(want, got, strict=True):
        assert type(x) is type(y)
        if isinstance(x, Stack):
            n = max(len(x.entries), len(y.entries))
            for k in range(n):
                a, b = x.get(k), y.get(k)
                some = a if b is None else b
                if some is not None:
                    np.testing.assert_array_equal(
                        *[np.zeros_like(some) if e is None else e for e in (a, b)]
                    )
        else:
            assert np.asarray(x).dtype == np.asarray(y).dtype
            np.testing.assert_array_equal(x, y)
