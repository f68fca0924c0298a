"""Medians, percentiles and quantiles: a few order statistics, interpolated."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import any_staged, certainly, is_staged, plain, without_derivative
from adjoint.numpy_api.creation import as_array
from adjoint.numpy_api.reductions import lined_up, normalize_axis, operand, reduced_shape
from adjoint.numpy_api.sorting import ranked
from adjoint.ops.order import gather_along
from adjoint.ops.registry import implements
from adjoint.ops.structural import cast, permute, reshape

__all__ = ["median", "percentile", "quantile"]

# Of the continuous definitions, α and β of Hyndman & Fan (1996), "Sample quantiles in statistical
# packages": the quantile is at the position q (n + 1 − α − β) + α − 1, counted from 0.
_PLOTTING = {
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "linear": (1, 1),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


def _round_half_odd(x: Any) -> Any:
    # "The nearest even order statistic", counted from 1: H&F definition 3.
    low = np.floor(x)
    return np.where((x == low) & (low % 2 == 1), low, low + 1)


def _between(x: Any) -> Any:
    low = np.floor(x)
    return np.where(x == low, x, low + 0.5)


_STEPWISE = {
    "inverted_cdf": lambda n, q: np.maximum(np.ceil(n * q - 1), 0),
    "averaged_inverted_cdf": lambda n, q: np.where(
        (n * q) % 1 == 0, n * q - 0.5, np.ceil(n * q - 1)
    ),
    "closest_observation": lambda n, q: np.maximum(_round_half_odd(n * q - 1.5), 0),
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "midpoint": lambda n, q: _between((n - 1) * q),
    "nearest": lambda n, q: np.around((n - 1) * q),
}


_BETWEEN = frozenset({"averaged_inverted_cdf", "midpoint"})
"""Stepwise methods whose position may be between two elements."""


def _position(n: Any, q: Any, method: str) -> Any:
    """Return where in the sorted sample the quantile is, as a fractional index."""
    if method in _STEPWISE:
        return _STEPWISE[method](n, plain(q))
    if method not in _PLOTTING:
        known = sorted([*_PLOTTING, *_STEPWISE])
        raise ValueError(f"{method!r} is not a valid method. Use one of: {known}")
    if method == "linear":
        return (n - 1) * q
    alpha, beta = _PLOTTING[method]
    return n * q + (alpha + q * (1 - alpha - beta)) - 1


class _Slices:
    """The slices of an array that its order statistics are taken of.

    Attributes
    ----------
    x : array
        The reduced axes made one, the last: (..., n).
    counts : ndarray or None
        How many elements of each slice count, where NaN do not: (..., 1).
    spoilt : ndarray or None
        Which slices hold a NaN that makes the result NaN: (..., 1).
    shape : tuple of int
        Of the result.
    """

    def __init__(self, a: Any, axis: Any, keepdims: Any, skip_nan: bool) -> None:
        axes = normalize_axis(axis, a.ndim)
        self.x = lined_up(a, axes)
        self.shape = reduced_shape(
            a.shape, axes, isinstance(keepdims, (bool, np.bool)) and bool(keepdims)
        )
        self.counts = self.spoilt = None
        if self.x.dtype.kind not in "fc":
            return
        missing = np.isnan(plain(self.x))
        if is_staged(missing) or missing.any():
            if skip_nan:
                self.counts = np.count_nonzero(~missing, axis=-1, keepdims=True)
                if certainly(~self.counts.all()):
                    warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=5)
            else:
                self.spoilt = missing.any(axis=-1, keepdims=True)

    def at(self, ranks: Any) -> Any:
        """Return the elements of the given ranks, (m,) or (..., m), along the last axis."""
        x = self.x
        indices = ranked(plain(x), as_array(ranks))
        found = gather_along(x, indices=indices, axis=x.ndim - 1)
        return found if self.spoilt is None else np.where(self.spoilt, x.dtype.type(np.nan), found)

    def quantile(self, q: Any, method: str) -> Any:
        """Return the quantiles at q (m,): (..., m)."""
        n = self.x.shape[-1] if self.counts is None else self.counts
        position = _position(n, q, method)
        at = plain(position)
        last = np.maximum(n - 1, 0)
        low = np.clip(np.floor(at), 0, last).astype(np.intp)
        lower = self.at(low)
        if method in _STEPWISE and (method not in _BETWEEN or certainly(~np.any(at % 1))):
            return lower
        upper = self.at(np.clip(np.floor(at) + 1, 0, last).astype(np.intp))
        # The shorter way from one of the two, as NumPy goes.
        t = position - np.floor(at)
        near = plain(t) >= 0.5
        return np.where(near, upper, lower) + (upper - lower) * np.where(near, t - 1, t)


def _median(a: Any, axis: Any, keepdims: Any, skip_nan: bool, fn: Callable) -> Any:
    a = operand(a)
    if a.size == 0:
        return fn(plain(a), axis=axis, keepdims=keepdims)
    slices = _Slices(a, axis, keepdims, skip_nan)
    n = slices.x.shape[-1:] if slices.counts is None else np.maximum(slices.counts, 1)
    n = as_array(n)
    result = slices.at(n // 2)
    if not certainly(np.all(n % 2)):
        # For odd n both are the middle one.
        result = (slices.at((n - 1) // 2) + result) / 2
    return reshape(result, shape=slices.shape)[()]


@implements(np.median)
def median(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """``np.median``."""
    return _median(a, axis, keepdims, False, np.median)


@implements(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """``np.nanmedian``."""
    return _median(a, axis, keepdims, True, np.nanmedian)


def _weighted(fn: Callable, a: Any, q: Any, axis: Any, method: str, keepdims: Any, w: Any) -> Any:
    """Return weighted quantiles: elements of the array, found by the value that NumPy gives."""
    arguments = {"axis": axis, "method": method, "weights": plain(w)}
    values = without_derivative(fn)(plain(a), plain(q), **arguments)
    slices = _Slices(a, axis, keepdims, False)
    x = plain(slices.x)
    wanted = np.moveaxis(values.reshape((np.size(plain(q)), *x.shape[:-1])), 0, -1)
    indices = np.argmax(x[..., None] == wanted[..., None, :], axis=-2)
    result = gather_along(slices.x, indices=indices, axis=x.ndim - 1)
    result = np.where(np.isnan(wanted), wanted, result)
    return _arranged(result, np.shape(plain(q)), slices.shape, values.dtype)


def _arranged(result: Any, outer: tuple[int, ...], inner: tuple[int, ...], dtype: np.dtype) -> Any:
    """Bring quantiles from (..., m) to the shape of q followed by that of the reduction."""
    last = result.ndim - 1
    if last:
        result = permute(result, axes=(last, *range(last)))
    result = reshape(result, shape=outer + inner)
    return (result if result.dtype == dtype else cast(result, dtype=dtype))[()]


def _quantiles(fn: Callable, per: int, skip_nan: bool) -> Callable[..., Any]:
    def quantiles(
        a: Any,
        q: Any,
        axis: Any = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> Any:
        a = operand(a)
        if a.size == 0:
            return fn(plain(a), plain(q), axis=axis, method=method, keepdims=keepdims)
        if weights is not None:
            return _weighted(fn, a, q, axis, method, keepdims, weights)
        # NumPy checks q and the method, and says of what type the result is.
        known = np.zeros(1, operand(q).dtype) if any_staged(q) else plain(q)
        like = fn(np.ones(1, a.dtype), known, method=method)
        q = operand(q)
        flat = reshape(q, shape=(q.size,)) / per
        slices = _Slices(a, axis, keepdims, skip_nan)
        return _arranged(slices.quantile(flat, method), q.shape, slices.shape, like.dtype)

    return quantiles


quantile = implements(np.quantile)(_quantiles(np.quantile, 1, False))
percentile = implements(np.percentile)(_quantiles(np.percentile, 100, False))
implements(np.nanquantile)(_quantiles(np.nanquantile, 1, True))
implements(np.nanpercentile)(_quantiles(np.nanpercentile, 100, True))
