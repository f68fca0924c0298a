"""Reductions and scans that pass over NaN."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import certainly, is_staged, plain
from adjoint.numpy_api.reductions import (
    ABSENT,
    fmax,
    fmin,
    max_,
    min_,
    normalize_axis,
    operand,
    prod,
    sum_,
)  # fmt: skip
from adjoint.numpy_api.scans import cumprod, cumsum
from adjoint.numpy_api.statistics import count_of, mean, std, var
from adjoint.ops.registry import implements

__all__: list[str] = []


def _given(**options: Any) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not ABSENT}


def _counted(a: Any, where: Any) -> Any:
    """Return the mask of what is neither NaN nor excluded."""
    there = ~np.isnan(plain(a))
    return there if where is ABSENT or where is True else there & plain(where)


def _filled(a: Any, value: float) -> Any:
    missing = np.isnan(plain(a))
    if is_staged(missing) or missing.any():
        return np.where(missing, a.dtype.type(value), a)
    return a


def _sum_like(function: Callable, empty: float) -> Callable[..., Any]:
    def reduce(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: Any = ABSENT,
        initial: Any = ABSENT,
        where: Any = ABSENT,
    ) -> Any:
        a = _filled(operand(a), empty)
        options = _given(keepdims=keepdims, initial=initial, where=where)
        return function(a, axis, dtype, **options)

    return reduce


implements(np.nansum)(_sum_like(sum_, 0.0))
implements(np.nanprod)(_sum_like(prod, 1.0))


def _scan_like(function: Callable, empty: float) -> Callable[..., Any]:
    def scan(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
        return function(_filled(operand(a), empty), axis, dtype)

    return scan


implements(np.nancumsum)(_scan_like(cumsum, 0.0))
implements(np.nancumprod)(_scan_like(cumprod, 1.0))


def _extremum(ignoring: Callable, plainly: Callable) -> Callable[..., Any]:
    def reduce(
        a: Any,
        axis: Any = None,
        out: None = None,
        keepdims: Any = ABSENT,
        initial: Any = ABSENT,
        where: Any = ABSENT,
    ) -> Any:
        a = operand(a)
        options = _given(keepdims=keepdims, initial=initial, where=where)
        # NumPy orders complex NaN in its own way; fmax and fmin are theirs.
        if is_staged(a):
            return ignoring(a, axis, **options)
        result = (ignoring if np.isnan(plain(a)).any() else plainly)(a, axis, **options)
        if np.isnan(plain(result)).any():
            warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=2)
        return result

    return reduce


implements(np.nanmax)(_extremum(fmax, max_))
implements(np.nanmin)(_extremum(fmin, min_))


@implements(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: Any = ABSENT,
    *,
    where: Any = ABSENT,
) -> Any:
    """``np.nanmean``."""
    a = operand(a)
    return mean(a, axis, dtype, keepdims=keepdims, where=_counted(a, where))


def _spread(function: Callable) -> Callable[..., Any]:
    def reduce(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        ddof: Any = 0,
        keepdims: Any = ABSENT,
        *,
        where: Any = ABSENT,
        mean: Any = ABSENT,
        correction: Any = ABSENT,
    ) -> Any:
        a = operand(a)
        if correction is not ABSENT:
            if ddof != 0:
                raise ValueError("ddof and correction can't be provided simultaneously.")
            ddof = correction
        there = _counted(a, where)
        axes = normalize_axis(axis, a.ndim)
        keepdims = keepdims is not ABSENT and bool(keepdims)
        few = count_of(a, axes, keepdims, there) <= ddof
        if certainly(~np.any(few)):
            return function(
                a, axes, dtype, ddof=ddof, keepdims=keepdims, where=there, **_given(mean=mean)
            )
        if not is_staged(few):
            warnings.warn("Degrees of freedom <= 0 for slice.", RuntimeWarning, stacklevel=2)
        with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            result = function(
                a, axes, dtype, ddof=ddof, keepdims=keepdims, where=there, **_given(mean=mean)
            )
        return np.where(few, result.dtype.type(np.nan), result)[()]

    return reduce


implements(np.nanvar)(_spread(var))
implements(np.nanstd)(_spread(std))
