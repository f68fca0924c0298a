"""Jacobians inside of a function that is being staged: the walks from all unit vectors together.

A walk is recorded from one unit vector. It is linear in it, so that the function's own values, and
what its loops and branches do, are the same for all: they are recorded for all together, as those
of the examples of `vmap`, whatever number of them there is when the program runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ir.build import building, innermost
from adjoint.ir.types import Type
from adjoint.ops.creation import eye
from adjoint.ops.structural import permute, reshape
from adjoint.staged.scopes import rollback
from adjoint.staged.values import lift, param, value_of, wrap

__all__ = ["along_units", "lines", "size_of"]


def size_of(shape: tuple[Any, ...]) -> Any:
    """Return the number of elements."""
    size: Any = 1
    for n in shape:
        size = size * n
    return size


def along_units(
    walk: Callable[[Any], list[Any]], shape: tuple[Any, ...], dtype: np.dtype
) -> list[Any]:
    """Return what ``walk`` gives from each unit vector of a shape, stacked along a first axis."""
    from adjoint.transforms.batch import batch

    size = size_of(shape)
    with building(innermost()) as builder:
        seed = builder.parameter(Type(dtype, param(shape), "array" if shape else "scalar"))
        found = [value_of(lift(x)) for x in walk(wrap(seed))]
        rollback(builder)  # what the function changes it has changed already
        builder.block.results = found
    units = lift(eye(size, size, 0, dtype))
    if len(shape) != 1:
        units = reshape(units, shape=(size, *shape))
    together = batch(builder.block, {seed: value_of(units)}, [seed], param(size))
    return [wrap(together.whole(x)) for x in found]


def lines(stacked: Any, shape: tuple[Any, ...], last: bool) -> Any:
    """Return a Jacobian, given its rows (``last``: columns) from the unit vectors of a shape."""
    others = stacked.shape[1:]
    if last:
        stacked = permute(stacked, axes=(*range(1, stacked.ndim), 0))
    if len(shape) == 1:
        return stacked
    return reshape(stacked, shape=(*others, *shape) if last else (*shape, *others))
