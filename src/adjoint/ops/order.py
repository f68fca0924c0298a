"""Order: reading an array in the order of its values, which is a constant of every derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import primitive

__all__ = ["gather_along", "scatter_along"]


def _gather_along(x: Any, *, indices: np.ndarray, axis: int, distinct: bool = False) -> np.ndarray:
    return np.take_along_axis(x, indices, axis)


def _scatter_along(
    y: Any, *, indices: np.ndarray, axis: int, length: int, distinct: bool = False
) -> np.ndarray:
    result = np.zeros((*y.shape[:axis], length, *y.shape[axis + 1 :]), y.dtype)
    if distinct:
        np.put_along_axis(result, indices, y, axis)
        return result
    spots = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    spots[axis] = indices
    np.add.at(result, tuple(spots), y)
    return result


gather_along = primitive("gather_along", _gather_along, "x")
"""``np.take_along_axis``; ``distinct`` promises that no element is read twice."""

scatter_along = primitive("scatter_along", _scatter_along, "y")
"""The transpose: zeros of ``length`` along ``axis``, with every y added at its index."""
