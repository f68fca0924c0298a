"""Derivatives of the scans. Those of running products are linear recurrences: nothing is divided."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops import elementwise as ew
from adjoint.ops import scan
from adjoint.rules.derive import general, linear


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
    # dy[i] = exp(y[i−1] − y[i]) dy[i−1] + exp(x[i] − y[i]) dx[i]; no exponent is positive.
    y = ew.where(np.isneginf(out), 0, out)
    before = scan.shift(out, by=1, axis=axis, fill=-np.inf)
    return scan.recurrence(np.exp(before - y), np.exp(x - y) * x_dot, axis=axis)


linear(
    scan.cumsum, lambda ct, axis, reverse: scan.cumsum(ct, axis=axis, reverse=not reverse)
)
linear(
    scan.diff,
    lambda ct, x_type, axis: scan.diff_transpose(ct, axis=axis, length=x_type.shape[axis]),
)
linear(scan.diff_transpose, lambda ct, axis: scan.diff(ct, axis=axis))
general(scan.shift, vjp=lambda ct, by, axis: scan.shift(ct, by=-by, axis=axis))
general(scan.cumprod, vjp=_cumprod_vjp)
general(scan.recurrence, vjp=_recurrence_vjp)
general(scan.accumulate_logaddexp, jvp=_accumulate_logaddexp_jvp)
