"""Reductions: operations that take the axes of an array together.

The sum is in `adjoint.ops.structural`: the walks themselves add. ``axis`` is a tuple of
non-negative integers or None for all axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import Op, primitive

__all__ = [
    "add_reduceat",
    "bincount",
    "reduce_fmax",
    "reduce_fmin",
    "reduce_hypot",
    "reduce_logaddexp",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "repeat_segments",
    "standard_deviation",
    "variance",
]

Axes = tuple[int, ...] | None


def _reduction(name: str, ufunc: np.ufunc) -> Op:
    def fn(x: Any, *, axis: Axes = None, keepdims: bool = False) -> Any:
        return ufunc.reduce(x, axis=axis, keepdims=keepdims)

    return primitive(name, fn, "x")


def _variance(
    x: Any, *, axis: Axes = None, ddof: float = 0, keepdims: bool = False, where: Any = True
) -> Any:
    return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims, where=where)


def _standard_deviation(
    x: Any, *, axis: Axes = None, ddof: float = 0, keepdims: bool = False, where: Any = True
) -> Any:
    return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims, where=where)


def _bincount(weights: Any, *, index: np.ndarray, length: int) -> np.ndarray:
    if np.iscomplexobj(weights):
        real = np.bincount(index, weights.real, length)
        return real + 1j * np.bincount(index, weights.imag, length)
    return np.bincount(index, weights, length)


def _add_reduceat(x: Any, *, indices: np.ndarray, axis: int) -> np.ndarray:
    return np.add.reduceat(x, indices, axis=axis)


def segment_ends(indices: np.ndarray, length: int) -> np.ndarray:
    """Return where the segments of ``reduceat`` end: at the next index, or after one element."""
    ends = np.append(indices[1:], length)
    return np.where(ends > indices, ends, indices + 1)


def _repeat_segments(y: Any, *, indices: np.ndarray, axis: int, length: int) -> np.ndarray:
    ends = segment_ends(indices, length)
    counts = ends - indices
    repeated = np.moveaxis(np.repeat(y, counts, axis=axis), axis, 0)
    shape = (*y.shape[:axis], length, *y.shape[axis + 1 :])
    result = np.zeros(shape, y.dtype)
    target = np.moveaxis(result, axis, 0)
    if len(indices) and np.all(ends[:-1] == indices[1:]):
        target[indices[0] :] = repeated
    else:
        starts = np.repeat(indices - (np.cumsum(counts) - counts), counts)
        np.add.at(target, starts + np.arange(len(starts)), repeated)
    return result


reduce_prod = _reduction("reduce_prod", np.multiply)
reduce_max = _reduction("reduce_max", np.maximum)
reduce_min = _reduction("reduce_min", np.minimum)
reduce_fmax = _reduction("reduce_fmax", np.fmax)
reduce_fmin = _reduction("reduce_fmin", np.fmin)
reduce_logaddexp = _reduction("reduce_logaddexp", np.logaddexp)
reduce_hypot = _reduction("reduce_hypot", np.hypot)
variance = primitive("variance", _variance, "x")
standard_deviation = primitive("standard_deviation", _standard_deviation, "x")

bincount = primitive("bincount", _bincount, "weights")
"""Sums of the weights that share an index: ``result[index[k]] += weights[k]``."""

add_reduceat = primitive("add_reduceat", _add_reduceat, "x")
repeat_segments = primitive("repeat_segments", _repeat_segments, "y")
"""The transpose of ``np.add.reduceat``: every element of a segment gets the segment's number."""
