"""Sums, products, extrema and statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import METHODS, implements
from adjoint.ops.structural import cast, reduce_sum

__all__ = ["sum_"]


def normalize_axis(axis: Any, ndim: int) -> tuple[int, ...] | None:
    """Return the axes of a reduction as non-negative integers; None for all of them."""
    if axis is None:
        return None
    return np.lib.array_utils.normalize_axis_tuple(axis, ndim)


@implements(np.sum)
def sum_(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """``np.sum``."""
    if dtype is not None:
        a = cast(a, dtype=np.dtype(dtype))
    if where is not True:
        a = np.where(where, a, 0)
    result = reduce_sum(a, axis=normalize_axis(axis, a.ndim), keepdims=bool(keepdims))
    return result if type(initial) is int and initial == 0 else result + initial


METHODS[np.add, "reduce"] = lambda a, axis=0, **kw: sum_(a, axis, **kw)
