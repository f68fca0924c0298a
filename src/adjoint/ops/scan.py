"""Scans: operations whose k-th result takes the first k elements of an axis together."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import primitive

__all__ = [
    "accumulate_logaddexp",
    "add_neighbours",
    "add_neighbours_transpose",
    "cumprod",
    "cumsum",
    "diff",
    "diff_transpose",
    "recurrence",
    "shift",
]


def _cumsum(x: Any, *, axis: int, reverse: bool = False) -> np.ndarray:
    if reverse:
        return np.flip(np.cumsum(np.flip(x, axis), axis), axis)
    return np.cumsum(x, axis)


def _cumprod(x: Any, *, axis: int, reverse: bool = False) -> np.ndarray:
    if reverse:
        return np.flip(np.cumprod(np.flip(x, axis), axis), axis)
    return np.cumprod(x, axis)


def _accumulate_logaddexp(x: Any, *, axis: int) -> np.ndarray:
    return np.logaddexp.accumulate(x, axis=axis)


def _shift(x: Any, *, by: int, axis: int, fill: float = 0) -> np.ndarray:
    result = np.empty_like(x)
    source, target = np.moveaxis(x, axis, 0), np.moveaxis(result, axis, 0)
    if by > 0:
        target[:by] = fill
        target[by:] = source[:-by]
    else:
        target[by:] = fill
        target[:by] = source[-by:]
    return result


def _diff(x: Any, *, axis: int) -> np.ndarray:
    return np.diff(x, axis=axis)


def _add_neighbours(x: Any, *, axis: int) -> np.ndarray:
    head = (slice(None),) * axis
    return x[(*head, slice(1, None))] + x[(*head, slice(None, -1))]


def _diff_transpose(y: Any, *, axis: int, length: int) -> np.ndarray:
    return _spread_pairs(y, axis, length, np.subtract)


def _add_neighbours_transpose(y: Any, *, axis: int, length: int) -> np.ndarray:
    return _spread_pairs(y, axis, length, np.add)


def _spread_pairs(y: Any, axis: int, length: int, combine: np.ufunc) -> np.ndarray:
    """Give every y to the second element of its pair, and by ``combine`` to the first."""
    result = np.empty((*y.shape[:axis], length, *y.shape[axis + 1 :]), y.dtype)
    source, target = np.moveaxis(y, axis, 0), np.moveaxis(result, axis, 0)
    target[:1] = 0
    if length > 1:
        target[1:] = source
        combine(target[:-1], source, out=target[:-1])
    return result


def _recurrence(a: Any, b: Any, *, axis: int, reverse: bool = False) -> np.ndarray:
    dtype = np.result_type(a, b)
    shape = np.shape(b)
    result = np.empty(shape, dtype)
    a, b, r = (np.moveaxis(v, axis, 0) for v in (np.broadcast_to(a, shape), b, result))
    if reverse:
        a, b, r = a[::-1], b[::-1], r[::-1]
    if b.size:
        with np.errstate(over="ignore", invalid="ignore"):
            _scan(a, b, r)
        if not np.isfinite(r).all():
            # Products of neighbours may overflow where the recurrence itself does not.
            _step(a, b, r)
    return result


def _scan(a: np.ndarray, b: np.ndarray, r: np.ndarray) -> None:
    """Fill r with r[i] = a[i] r[i-1] + b[i] in O(n) work and log n vectorised steps.

    Two neighbours make one step of the same form (Blelloch 1990, "Prefix sums and their
    applications", section 1.4), so the odd elements are a recurrence of half the length.
    """
    n = len(b)
    if n <= 16 or b[0].size >= 1024:
        _step(a, b, r)
        return
    m = n // 2 * 2
    odd = a[1:m:2]
    half = np.empty((m // 2, *b.shape[1:]), r.dtype)
    _scan(odd * a[0:m:2], odd * b[0:m:2] + b[1:m:2], half)
    r[0] = b[0]
    r[1:m:2] = half
    r[2::2] = a[2::2] * half[: (n - 1) // 2] + b[2::2]


def _step(a: np.ndarray, b: np.ndarray, r: np.ndarray) -> None:
    r[0] = b[0]
    for i in range(1, len(b)):
        r[i] = a[i] * r[i - 1] + b[i]


cumsum = primitive("cumsum", _cumsum, "x")
cumprod = primitive("cumprod", _cumprod, "x")
accumulate_logaddexp = primitive("accumulate_logaddexp", _accumulate_logaddexp, "x")
shift = primitive("shift", _shift, "x")
"""``x`` moved along an axis by ``by`` places, with ``fill`` at the edge it leaves."""

diff = primitive("diff", _diff, "x")
diff_transpose = primitive("diff_transpose", _diff_transpose, "y")
add_neighbours = primitive("add_neighbours", _add_neighbours, "x")
add_neighbours_transpose = primitive("add_neighbours_transpose", _add_neighbours_transpose, "y")

recurrence = primitive("recurrence", _recurrence, "a", "b")
"""r[i] = a[i] r[i−1] + b[i] along an axis, from r[−1] = 0 (a[0] is not used); or, reversed,
r[i] = a[i] r[i+1] + b[i]. Derivatives of running products are of this form, which divides by
nothing."""
