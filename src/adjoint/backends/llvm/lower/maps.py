"""Arrays that are computed element by element from others, made while lowering an operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import lazy_cost
from adjoint.backends.llvm.lower.nest import aligned, mergeable
from adjoint.backends.llvm.lower.types import Element, cast
from adjoint.backends.llvm.lower.values import Index, Lazy, Number, Shape

__all__ = ["cast_rep", "combined"]


def combined(
    f: Lowering,
    reps: list[Any],
    shape: Shape,
    dtype: np.dtype,
    element: Callable[[list[Any]], Element],
    cost: int,
) -> Any:
    """Return the array of a function of the elements of arrays that are broadcast to a shape."""
    if not shape:
        return Number(dtype, element([f.element(rep, ()) for rep in reps]))

    def at(index: Index) -> Element:
        return element([f.element(rep, aligned(rep, shape, index)) for rep in reps])

    operands = tuple(
        (rep, len(rep.shape) == len(shape)) for rep in reps if not isinstance(rep, Number)
    )
    return Lazy(
        dtype,
        shape,
        at,
        operands,
        cost + sum([lazy_cost(rep) for rep, _ in operands]),
        lambda k: all([mergeable(f, rep, shape, k) for rep in reps]),
    )


def cast_rep(f: Lowering, rep: Any, dtype: np.dtype) -> Any:
    """Return an array in another dtype; itself, if it is of that."""
    if rep.dtype == dtype:
        return rep
    have = rep.dtype
    return combined(f, [rep], rep.shape, dtype, lambda xs: cast(f.body, xs[0], have, dtype), 1)
