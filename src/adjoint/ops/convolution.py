"""Convolution over any number of axes, as networks have it: many images, channels, filters.

With the cross-correlation y = x ⋆ w,

    y[n, o, p] = Σ_{c, k} x[n, c, stride · p + dilation · k − low] w[o, c, k],

where x is zero outside of its bounds, the three arrays x, w and y stand in a form that is linear in
each of them, Σ ȳ[n, o, p] x[n, c, …] w[o, c, k]. Its derivatives with respect to the three are the
three operations here: each is bilinear, and its transposes are the other two.

Arrays are x (N, C, *S), w (O, C/groups, *K), y (N, O, *P). The parameters, all of them constant:

``stride``, ``dilation``
    A number an axis.
``padding``
    A pair (low, high) an axis.
``groups``
    Into how many parts the channels are divided; each has its own filters.

Their NumPy meaning is a product of matrices. What the filter lies over at all places of an image
are the columns of a matrix ("im2col": K. Chellapilla, S. Puri, P. Simard, "High performance
convolutional neural networks for document processing", 2006), made for some images at a time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from adjoint.ops.registry import primitive

__all__ = ["convolution", "convolution_input", "convolution_weight", "places"]

_BLOCK = 1 << 22
"""Bytes that the columns of some images take together."""

Pairs = tuple[tuple[int, int], ...]


def places(length: int, taps: int, stride: int, padding: tuple[int, int], dilation: int) -> int:
    """Return at how many places along an axis a filter fits."""
    return (length + sum(padding) - dilation * (taps - 1) - 1) // stride + 1


def _check(
    x: tuple[int, ...], w: tuple[int, ...], stride: tuple[int, ...], padding: Pairs,
    dilation: tuple[int, ...], groups: int,
) -> tuple[int, ...]:  # fmt: skip
    """Return the shape of y for those of x and w; refuse those that do not go together."""
    axes = len(stride)
    if len(x) != axes + 2 or len(w) != axes + 2:
        raise ValueError(
            f"a convolution over {axes} axes takes images (N, C, {axes} lengths) and filters "
            f"(O, C/groups, {axes} lengths), not arrays of shapes {x} and {w}"
        )
    if x[1] != w[1] * groups or w[0] % groups:
        raise ValueError(
            f"images of shape {x} have {x[1]} channels; filters of shape {w} in {groups} group(s) "
            f"take {w[1] * groups}, and their number, {w[0]}, has to be a multiple of the groups"
        )
    lengths = tuple(map(places, x[2:], w[2:], stride, padding, dilation))
    if min(lengths, default=1) < 1:
        raise ValueError(
            f"filters of shape {w} (dilation {dilation}) do not fit into images of shape {x} with "
            f"padding {padding}"
        )
    return (x[0], w[0], *lengths)


def _check_result(y: tuple[int, ...], want: tuple[int, ...]) -> None:
    if y != want:
        raise ValueError(f"an array of shape {y} is not a convolution's result of shape {want}")


def _padded(x: np.ndarray, padding: Pairs) -> np.ndarray:
    if not any(itertools.chain(*padding)):
        return x
    return np.pad(x, ((0, 0), (0, 0), *padding))


def _windows(
    x: np.ndarray, taps: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> np.ndarray:
    """Return a view (N, C, *K, *P) of what the filter lies over."""
    axes = tuple(range(2, x.ndim))
    spans = [d * (k - 1) + 1 for k, d in zip(taps, dilation)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axes)
    steps = (*[slice(None, None, s) for s in stride], *[slice(None, None, d) for d in dilation])
    view = view[(slice(None), slice(None), *steps)]
    n = len(axes)
    return view.transpose(0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))


def _blocks(count: int, bytes: int) -> Iterator[slice]:
    """Yield some images after the other, of which one needs so many bytes."""
    size = max(_BLOCK // max(bytes, 1), 1)
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def _columns(x: np.ndarray, taps: Any, stride: Any, dilation: Any, groups: int) -> np.ndarray:
    """Return the matrices (n, groups, C/groups · K, P) of padded images."""
    view = _windows(x, taps, stride, dilation)
    n, channels = view.shape[:2]
    rows = channels // groups * math.prod(taps)
    return view.reshape(n, groups, rows, math.prod(view.shape[2 + len(taps) :]))


def _filters(w: np.ndarray, groups: int) -> np.ndarray:
    return w.reshape(groups, w.shape[0] // groups, math.prod(w.shape[1:]))


def _convolution(
    x: Any, w: Any, *, stride: tuple[int, ...], padding: Pairs, dilation: tuple[int, ...],
    groups: int = 1,
) -> np.ndarray:  # fmt: skip
    shape = _check(x.shape, w.shape, stride, padding, dilation, groups)
    taps = w.shape[2:]
    y = np.empty(shape, np.result_type(x, w))
    filters = _filters(w, groups)
    small = math.prod(w.shape[1:]) * groups * math.prod(shape[2:]) * y.itemsize
    for some in _blocks(len(x), small):
        columns = _columns(_padded(x[some], padding), taps, stride, dilation, groups)
        y[some] = (filters @ columns).reshape(-1, *shape[1:])
    return y


def _convolution_input(
    y: Any, w: Any, *, lengths: tuple[int, ...], stride: tuple[int, ...], padding: Pairs,
    dilation: tuple[int, ...], groups: int = 1,
) -> np.ndarray:  # fmt: skip
    lengths = tuple(lengths)
    shape = (y.shape[0], w.shape[1] * groups, *lengths)
    _check_result(y.shape, _check(shape, w.shape, stride, padding, dilation, groups))
    taps = w.shape[2:]
    x = np.empty(shape, np.result_type(y, w))
    turned = _filters(w, groups).swapaxes(1, 2)
    ends = tuple(map(sum, zip(lengths, map(sum, padding))))
    inner = tuple(slice(low, low + n) for (low, _), n in zip(padding, lengths))
    small = math.prod(w.shape[1:]) * groups * math.prod(y.shape[2:]) * x.itemsize
    for some in _blocks(len(y), small):
        part = y[some].reshape(-1, groups, y.shape[1] // groups, math.prod(y.shape[2:]))
        columns = (turned @ part).reshape(-1, shape[1], *taps, *y.shape[2:])
        whole = np.zeros((len(columns), shape[1], *ends), x.dtype)
        for tap in itertools.product(*map(range, taps)):
            spots = [
                slice(d * k, d * k + s * (p - 1) + 1, s)
                for k, p, s, d in zip(tap, y.shape[2:], stride, dilation)
            ]
            whole[(slice(None), slice(None), *spots)] += columns[(slice(None), slice(None), *tap)]
        x[some] = whole[(slice(None), slice(None), *inner)]
    return x


def _convolution_weight(
    x: Any, y: Any, *, lengths: tuple[int, ...], stride: tuple[int, ...], padding: Pairs,
    dilation: tuple[int, ...], groups: int = 1,
) -> np.ndarray:  # fmt: skip
    lengths = tuple(lengths)
    shape = (y.shape[1], x.shape[1] // groups, *lengths)
    _check_result(y.shape, _check(x.shape, shape, stride, padding, dilation, groups))
    dtype = np.result_type(x, y)
    filters, rows = shape[0] // groups, math.prod(shape[1:])
    total = np.zeros((groups, filters, rows), dtype)
    many = math.prod(y.shape[2:])
    for some in _blocks(len(x), rows * groups * many * dtype.itemsize):
        columns = _columns(_padded(x[some], padding), lengths, stride, dilation, groups)
        part = y[some].reshape(-1, groups, filters, many)
        # Images and places are summed over together.
        left = part.transpose(1, 2, 0, 3).reshape(groups, filters, -1)
        total += left @ columns.transpose(1, 0, 3, 2).reshape(groups, -1, rows)
    return total.reshape(shape)


convolution = primitive("convolution", _convolution, "x", "w")
"""The cross-correlation x ⋆ w."""

convolution_input = primitive("convolution_input", _convolution_input, "y", "w")
"""Its transpose in x: what a cotangent y of the result is for images of the given ``lengths``; the
*transposed convolution* of networks."""

convolution_weight = primitive("convolution_weight", _convolution_weight, "x", "y")
"""Its transpose in w: what a cotangent y of the result is for filters of the given ``lengths``."""
