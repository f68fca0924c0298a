"""Histograms: which bin an element is in is constant, what it weighs and where edges are is not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.dispatch import any_active, any_staged, is_staged, plain
from adjoint.errors import NoRuleError, TracingError
from adjoint.numpy_api.creation import as_array, to_dtype
from adjoint.numpy_api.lengths import as_length
from adjoint.numpy_api.reductions import max_, min_, operand, sum_
from adjoint.numpy_api.sequences import linspace
from adjoint.numpy_api.shaping import ravel
from adjoint.ops import elementwise as ew
from adjoint.ops import reduction as rd
from adjoint.ops.creation import ones
from adjoint.ops.registry import Traced, implements
from adjoint.ops.structural import cast, reshape

__all__ = ["bincount", "histogram"]


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Any:
    """``np.bincount``."""
    x, minlength = plain(x), as_length(minlength)
    if any_staged((x, weights, minlength)):
        index = as_array(x)
        weights = ones(index.shape, np.intp) if weights is None else operand(weights)
        # One more than the greatest; of nothing, none.
        length = as_length(np.maximum(np.max(index, initial=-1) + 1, minlength))
        counts = rd.bincount(weights, index=index.astype(np.intp), length=length)
        return cast(counts, dtype=np.dtype(np.intp)) if weights.dtype.kind in "iu" else counts
    if not any_active(weights):
        return np.bincount(x, plain(weights), minlength)
    weights = operand(weights)
    index = np.asarray(x)
    length = len(np.bincount(index, np.zeros(weights.shape), minlength))  # NumPy's own checks
    return rd.bincount(weights, index=index.astype(np.intp), length=length)


def _is_vector(bins: Any) -> bool:
    if isinstance(bins, (list, tuple)) and not isinstance(bins, Traced):
        return True
    return np.ndim(plain(bins)) == 1


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """``np.histogram_bin_edges``: automatic edges move with the extrema of the data."""
    if any_staged((a, bins, range)):
        return _staged_edges(a, bins, range)
    edges = np.histogram_bin_edges(plain(a), plain(bins), plain(range), plain(weights))
    if _is_vector(bins):
        return operand(bins) if any_active(bins) else edges
    low, high = (min_(a), max_(a)) if range is None else (range[0], range[1])
    if not any_active([low, high]) or plain(low) == plain(high):
        return edges
    fraction = np.arange(len(edges)) / (len(edges) - 1)
    return cast(low + (high - low) * fraction, dtype=edges.dtype)


def _staged_edges(a: Any, bins: Any, range: Any) -> Any:
    if _is_vector(bins):
        return operand(bins)
    if isinstance(bins, str):
        raise TracingError(
            f"np.histogram(bins={bins!r}): how many bins there are would depend on numbers that "
            "are not known when the function is staged; give their number, or the edges"
        )
    a, count = operand(a), as_length(bins)
    low, high = (min_(a), max_(a)) if range is None else (range[0], range[1])
    # Equal ends are moved apart by one half each.
    same = np.equal(low, high)
    low, high = ew.where(same, low - 0.5, low), ew.where(same, high + 0.5, high)
    dtype = np.result_type(low, high, a)
    dtype = dtype if dtype.kind in "fc" else np.dtype(float)
    return linspace(low, high, count + 1, dtype=dtype)


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Any, Any]:
    """``np.histogram``."""
    staged = any_staged((a, bins, range, weights))
    edges = histogram_bin_edges(a, bins, range, weights)
    if staged:
        counts = _counted([a], [edges], weights)
    else:
        counts, _ = np.histogram(plain(a), plain(bins), plain(range), weights=plain(weights))
        if any_active(weights):
            counts = cast(_counted([a], [edges], weights), dtype=counts.dtype)
    if density:
        return counts / (edges[1:] - edges[:-1]) / sum_(counts), edges
    return counts, edges


def _counted(columns: Any, edges: Any, weights: Any) -> Any:
    """Return what falls into each bin."""
    shape = tuple(e.shape[0] for e in edges)  # one bin more in each direction, for what is outside
    index: Any = 0
    for x, e, n in zip(columns, edges, shape):
        index = index * n + _bins_of(ravel(as_array(plain(x))), plain(e))
    if weights is None:
        weights = ones(index.shape, np.intp)
    weights = operand(weights)
    sums = rd.bincount(ravel(weights), index=index, length=math.prod(shape))
    counts = reshape(sums, shape=shape)[tuple(slice(n - 1) for n in shape)]
    return counts if counts.dtype == weights.dtype else cast(counts, dtype=weights.dtype)


def _bins_of(values: Any, edges: Any) -> Any:
    """Return the bin of each value; one bin more takes what is outside. Only the last is closed."""
    count = edges.shape[0] - 1
    index = np.searchsorted(edges, values, side="right") - 1
    index = np.where(values == edges[-1], count - 1, index)
    return np.where((index < 0) | (index >= count), count, index)


@implements(np.histogramdd)
def histogramdd(
    sample: Any,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[Any, Any]:
    """``np.histogramdd``: differentiable in the weights; staged, in edges of the data too."""
    if any_staged((sample, bins, range, weights)):
        columns = _columns(sample)
        each = [bins] * len(columns) if np.ndim(plain(bins)) == 0 else list(bins)
        ranges = [None] * len(columns) if range is None else range
        edges = [histogram_bin_edges(*given) for given in zip(columns, each, ranges, strict=True)]
        counts = to_dtype(_counted(columns, edges, weights), float)
        return _per_volume(counts, edges) if density else counts, edges
    points = plain(sample)
    counts, edges = np.histogramdd(points, plain(bins), plain(range), weights=plain(weights))
    if any_active(sample) and _edges_move(bins, range, len(edges)):
        raise NoRuleError(
            "numpy.histogramdd (or histogram2d) of traced data with edges that move with the data "
            "has no derivative rule: give `range`, or the edges themselves as `bins`, or use "
            "ad.stop_gradient on the data"
        )
    if any_active(weights):
        counts = to_dtype(_counted(_columns(points), edges, weights), float)
    return _per_volume(counts, edges) if density else counts, edges


def _columns(sample: Any) -> list[Any]:
    if isinstance(sample, (list, tuple)) and not isinstance(sample, Traced):
        return list(sample)
    sample = as_array(sample)
    return list(sample.T) if sample.ndim > 1 else [sample]


def _per_volume(counts: Any, edges: Any) -> Any:
    counts = counts / sum_(counts)
    for k, e in enumerate(edges):
        widths = e[1:] - e[:-1]
        counts = counts / widths.reshape([-1 if j == k else 1 for j, _ in enumerate(edges)])
    return counts


def _edges_move(bins: Any, range: Any, count: int) -> bool:
    """Tell whether some edges of a histogram are placed by the data's own extrema."""
    each = [bins] * count if np.ndim(plain(bins)) == 0 else bins
    ranges = [None] * count if range is None else range
    return any(np.ndim(plain(b)) == 0 and r is None for b, r in zip(each, ranges, strict=True))


@implements(np.histogram2d)
def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[Any, Any, Any]:
    """``np.histogram2d``."""
    if _is_vector(bins) and (is_staged(bins) or len(bins) not in (1, 2)):
        bins = [bins, bins]
    counts, edges = histogramdd([x, y], bins, range, density, weights)
    return counts, edges[0], edges[1]
