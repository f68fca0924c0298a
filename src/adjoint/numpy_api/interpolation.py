"""``np.interp``: piecewise linear interpolation, differentiable in the points and in the table."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.dispatch import any_staged, certainly, is_staged, is_weak, plain
from adjoint.numpy_api.creation import as_array, beside, notice_every_argument, to_dtype
from adjoint.numpy_api.lengths import same_shapes
from adjoint.ops import elementwise as ew
from adjoint.ops.creation import zeros
from adjoint.ops.registry import implements

__all__ = ["interp"]


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """``np.interp``. At a knot the derivative is that of the segment on the right of it."""
    x = as_array(x) if is_weak(x) else x
    xp, fp = as_array(xp), as_array(fp)
    if not any_staged((xp, fp)):
        np.interp(0.0, plain(xp), plain(fp))  # NumPy's own checks of the table
    elif xp.ndim != 1 or not same_shapes(xp.shape, fp.shape):
        raise ValueError("fp and xp are not of the same length.")
    for given in (x, xp):
        if plain(given).dtype.kind == "c":
            raise TypeError(
                "Cannot cast array data from dtype('complex128') to dtype('float64') according to "
                "the rule 'safe'"
            )
    x, xp = to_dtype(x, float), to_dtype(xp, float)
    fp = to_dtype(fp, complex if plain(fp).dtype.kind == "c" else float)
    if period is not None:
        if np.ndim(plain(period)) or certainly(plain(period) == 0):
            raise ValueError("period must be a non-zero value")
        period = abs(period)
        left = right = None
        x, xp = x % period, xp % period
        order = np.argsort(plain(xp))
        xp, fp = xp[order], fp[order]
        xp = np.concatenate((xp[-1:] - period, xp, xp[0:1] + period))
        fp = np.concatenate((fp[-1:], fp, fp[0:1]))
    if np.ndim(plain(left)) or np.ndim(plain(right)):
        raise TypeError("np.interp: left and right must be numbers")
    left = fp[0] if left is None else left
    right = fp[-1] if right is None else right
    xp, fp = beside(xp, x, fp), beside(fp, x, xp)
    at, knots = plain(x), plain(xp)
    n = knots.shape[0]
    if n == 1:
        inside = fp[zeros(np.shape(at), int)]
    else:
        k = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, n - 2)
        if is_staged(n):  # which may turn out to be 1
            k = np.maximum(k, 0)
            after = np.minimum(k + 1, n - 1)
            slope = ew.strong_divide(fp[after] - fp[k], xp[after] - xp[k])
        else:
            slope = (fp[k + 1] - fp[k]) / (xp[k + 1] - xp[k])
        # From the knot on the left, but at the last knot from that: its value is met exactly.
        j = np.where(at == knots[-1], n - 1, k)
        inside = slope * (x - xp[j]) + fp[j]
    result = ew.where(at < knots[0], left, ew.where(at > knots[-1], right, inside))
    if is_staged(at) or np.isnan(at).any():
        result = ew.where(np.isnan(at), x, result)
    return result if np.ndim(at) else result[()]


notice_every_argument(np.interp)
