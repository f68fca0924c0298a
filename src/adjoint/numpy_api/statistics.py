"""Means, variances, covariances."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import certainly, detached, is_staged, plain
from adjoint.numpy_api.creation import as_array, to_dtype
from adjoint.numpy_api.lengths import require, same_lengths, same_shapes, spread
from adjoint.numpy_api.reductions import ABSENT, normalize_axis, operand, sum_
from adjoint.ops import reduction as rd
from adjoint.ops.registry import Op, implements
from adjoint.ops.structural import cast, concatenate, permute, reshape

__all__ = ["average", "corrcoef", "cov", "count_of", "mean", "std", "var"]


def count_of(a: Any, axis: tuple[int, ...] | None, keepdims: bool, where: Any) -> Any:
    """Return how many elements each reduction takes: an int, or an array under a mask."""
    if where is not True:
        mask = spread(where, a.shape)
        return np.add.reduce(mask, axis=axis, keepdims=keepdims, dtype=np.intp)
    return a.size if axis is None else math.prod(a.shape[k] for k in axis)


def _as_float(n: Any, like: Any) -> Any:
    """Return an integer array in the precision of ``like``; a Python int is weak as it is."""
    return n.astype(np.finfo(like.dtype).dtype) if isinstance(n, (np.ndarray, np.generic)) else n


@implements(np.mean)
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    """``np.mean``."""
    a = operand(a, dtype)
    keepdims = keepdims is not ABSENT and bool(keepdims)
    where = True if where is ABSENT else plain(where)
    axes = normalize_axis(axis, a.ndim)
    total = sum_(a, axes, keepdims=keepdims, where=where)
    count = count_of(a, axes, keepdims, where)
    if is_staged(count) or (type(count) is int and count):
        return total / _as_float(count, a)
    if np.any(np.equal(count, 0)):
        warnings.warn("Mean of empty slice.", RuntimeWarning, stacklevel=2)
    return total / _as_float(np.asarray(count)[()], a)


def _spread(op: Op) -> Callable[..., Any]:
    """Return ``np.var`` or ``np.std``, as ``op`` is."""

    def spread(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        ddof: Any = 0,
        keepdims: Any = False,
        *,
        where: Any = True,
        mean: Any = ABSENT,
        correction: Any = ABSENT,
    ) -> Any:
        a = operand(a, dtype)
        keepdims = keepdims is not ABSENT and bool(keepdims)
        if correction is not ABSENT:
            if ddof != 0:
                raise ValueError("ddof and correction can't be provided simultaneously.")
            ddof = correction
        where = True if where is ABSENT else plain(where)
        axes = normalize_axis(axis, a.ndim)
        if mean is ABSENT:
            return op(a, axis=axes, ddof=plain(ddof), keepdims=keepdims, where=where)
        d = a - mean
        squares = np.real(d * np.conjugate(d)) if np.iscomplexobj(d) else d * d
        total = sum_(squares, axes, keepdims=keepdims, where=where)
        free = np.maximum(count_of(a, axes, keepdims, where) - plain(ddof), 0)
        result = total / _as_float(free if is_staged(free) else np.asarray(free)[()], a)
        return result if op is rd.variance else np.sqrt(result)

    return spread


var = implements(np.var)(_spread(rd.variance))
std = implements(np.std)(_spread(rd.standard_deviation))


@implements(np.average)
def average(
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: Any = False,
) -> Any:
    """``np.average``."""
    a = operand(a)
    keepdims = keepdims is not ABSENT and bool(keepdims)
    axes = normalize_axis(axis, a.ndim)
    if weights is None:
        result = mean(a, axes, keepdims=keepdims)
        count = count_of(a, axes, keepdims, True)
        scale: Any = to_dtype(as_array(count), plain(result).dtype)[()]
    else:
        w = _fitted(operand(weights), a, axes)
        scale = sum_(w, axes, keepdims=keepdims)
        proper = np.all(np.not_equal(scale, 0))
        require(proper, ZeroDivisionError, "Weights sum to zero, can't be normalized")
        result = sum_(a * w, axes, keepdims=keepdims) / scale
    if not returned:
        return result
    if np.shape(scale) != np.shape(result):
        scale = spread(scale, np.shape(result))
    return result, scale


def _fitted(weights: Any, a: Any, axes: tuple[int, ...] | None) -> Any:
    """Return weights that were given for some axes alone in a shape that broadcasts."""
    if same_shapes(weights.shape, a.shape):
        return weights
    if axes is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    if not same_shapes(weights.shape, tuple(a.shape[k] for k in axes)):
        raise ValueError(
            "Shape of weights must be consistent with shape of a along specified axis."
        )
    weights = permute(weights, axes=tuple(sorted(range(len(axes)), key=axes.__getitem__)))
    return reshape(weights, shape=tuple(n if k in axes else 1 for k, n in enumerate(a.shape)))


# -- covariance --------------------------------------------------------------------------------


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """``np.cov``."""
    x = _observations(m, y, rowvar, dtype)
    if x.shape[0] == 0:
        return np.zeros((0, 0))
    if ddof is None:
        ddof = 0 if bias else 1
    w: Any = None
    if fweights is not None:
        w = _checked_weights(fweights, "fweights", x.shape[1])
        require(np.all(plain(w) == np.around(plain(w))), TypeError, "fweights must be integer")
    if aweights is not None:
        aweights = _checked_weights(aweights, "aweights", x.shape[1])
        w = aweights if w is None else w * aweights
    if w is None:
        center = mean(x, 1, keepdims=True)
        free = x.shape[1] - ddof
    else:
        total = sum_(w)
        center = reshape(sum_(x * w, 1) / total, shape=(x.shape[0], 1))
        if ddof == 0:
            free = total
        elif aweights is None:
            free = total - ddof
        else:
            free = total - ddof * sum_(w * aweights) / total
    if certainly(plain(free) <= 0):
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        free = 0.0
    d = x - center
    right = d if w is None else d * w
    right = np.conjugate(right) if np.iscomplexobj(right) else right
    c = (d @ right.T) * np.true_divide(1, free)
    return reshape(c, shape=tuple(n for n in c.shape if n != 1))


def _checked_weights(weights: Any, name: str, length: int) -> Any:
    weights = operand(weights)
    weights = cast(weights, dtype=np.dtype(float)) if weights.dtype.kind != "f" else weights
    if weights.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if not same_lengths(weights.shape[0], length):
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    require(np.all(plain(weights) >= 0), ValueError, f"{name} cannot be negative")
    return weights


def _observations(m: Any, y: Any, rowvar: bool, dtype: Any) -> Any:
    """Return the variables as rows and their observations as columns."""
    parts = [operand(v) for v in (m, y) if v is not None]
    if any(part.ndim > 2 for part in parts):
        which = "m" if parts[0].ndim > 2 else "y"
        raise ValueError(f"{which} has more than 2 dimensions")
    dtype = np.result_type(*[part.dtype for part in parts], np.float64) if dtype is None else dtype
    rows = []
    for part in parts:
        part = cast(part, dtype=np.dtype(dtype)) if part.dtype != dtype else part
        if part.ndim < 2:
            part = reshape(part, shape=(1, part.size))
        elif not rowvar and part.shape[0] != 1:
            part = part.T
        rows.append(part)
    return rows[0] if len(rows) == 1 else concatenate(*rows, axis=0)


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """``np.corrcoef``."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviations = np.sqrt(np.real(np.diagonal(c)))
    c = c / deviations[:, None] / deviations[None, :]
    # Rounding may take a correlation beyond 1; the correction is a constant.
    value = detached(c)
    clipped = np.clip(value.real, -1, 1)
    if np.iscomplexobj(value):
        clipped = clipped + 1j * np.clip(value.imag, -1, 1)
    return c + (clipped - value)
