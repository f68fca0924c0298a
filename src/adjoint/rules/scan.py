"""Derivatives of the scans: those of running products are recurrences, and nothing is divided."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops import elementwise as ew
from adjoint.ops import scan
from adjoint.rules.derive import general, linear
from adjoint.rules.reduction import reciprocal_or_zero


def _against(ct: Any, a: Any, axis: int, reverse: bool) -> Any:
    """Transpose ``b -> recurrence(a, b)``: λ[i] = ct[i] + a[i+1] λ[i+1]."""
    following = scan.shift(a, by=1 if reverse else -1, axis=axis)
    return scan.recurrence(following, ct, axis=axis, reverse=not reverse)


def _recurrence_vjp(
    ct: Any, a: Any, out: Any, active: tuple[bool, bool], axis: int, reverse: bool
) -> tuple[Any, Any]:
    b_bar = _against(ct, a, axis, reverse)
    if not active[0]:
        return None, b_bar
    return b_bar * scan.shift(out, by=-1 if reverse else 1, axis=axis), b_bar


def _cumprod_vjp(ct: Any, x: Any, out: Any, axis: int, reverse: bool) -> Any:
    # y[i] = x[i] y[i−1], hence dy[i] = x[i] dy[i−1] + y[i−1] dx[i].
    before = scan.shift(out, by=-1 if reverse else 1, axis=axis, fill=1)
    return _against(ct, x, axis, reverse) * before


def _accumulate_logaddexp_jvp(x_dot: Any, x: Any, out: Any, axis: int) -> Any:
    # dy[i] = exp(y[i−1] − y[i]) dy[i−1] + exp(x[i] − y[i]) dx[i]. No exponent is positive, and the
    # two weights are made to add up to 1, which they do only within the rounding of y.
    y = ew.where(np.isneginf(out), 0, out)
    old = np.exp(scan.shift(out, by=1, axis=axis, fill=-np.inf) - y)
    new = np.exp(x - y)
    scale = reciprocal_or_zero(old + new)
    return scan.recurrence(old * scale, new * scale * x_dot, axis=axis)


linear(scan.cumsum, lambda ct, axis, reverse: scan.cumsum(ct, axis=axis, reverse=not reverse))
linear(
    scan.diff,
    lambda ct, x_type, axis: scan.diff_transpose(ct, axis=axis, length=x_type.shape[axis]),
)
linear(scan.diff_transpose, lambda ct, axis: scan.diff(ct, axis=axis))
linear(
    scan.add_neighbours,
    lambda ct, x_type, axis: scan.add_neighbours_transpose(
        ct, axis=axis, length=x_type.shape[axis]
    ),
)
linear(scan.add_neighbours_transpose, lambda ct, axis: scan.add_neighbours(ct, axis=axis))
general(scan.shift, vjp=lambda ct, by, axis: scan.shift(ct, by=-by, axis=axis))
general(scan.cumprod, vjp=_cumprod_vjp)
general(scan.recurrence, vjp=_recurrence_vjp)
general(scan.accumulate_logaddexp, jvp=_accumulate_logaddexp_jvp)
