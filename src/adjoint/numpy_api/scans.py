"""Running sums and products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.numpy_api.reductions import normalize_axis, operand
from adjoint.ops import scan
from adjoint.ops.creation import ones, zeros
from adjoint.ops.registry import implements
from adjoint.ops.structural import concatenate, reshape

__all__ = ["cumprod", "cumsum", "scanned"]


def scanned(a: Any, axis: Any, dtype: Any) -> tuple[Any, int]:
    """Return the operand of a scan and its axis; the flattened operand if ``axis`` is None."""
    a = operand(a, dtype)
    if axis is None:
        return reshape(a, shape=(a.size,)), 0
    axes = normalize_axis(axis, a.ndim)
    if axes is None or len(axes) != 1:
        raise TypeError(f"a scan goes along one axis, an integer, not {axis!r}")
    return a, axes[0]


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """``np.cumsum``."""
    a, axis = scanned(a, axis, dtype)
    return scan.cumsum(a, axis=axis)


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """``np.cumprod``."""
    a, axis = scanned(a, axis, dtype)
    return scan.cumprod(a, axis=axis)


def _cumulative(running: Callable, ufunc: np.ufunc) -> Callable[..., Any]:
    def cumulative(
        x: Any,
        /,
        *,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        include_initial: bool = False,
    ) -> Any:
        x = operand(x)
        if axis is None:
            if x.ndim != 1:
                raise ValueError(
                    "For arrays which have more than one dimension ``axis`` argument is required."
                )
            axis = 0
        result = running(x, axis, dtype)
        if not include_initial:
            return result
        axis %= x.ndim
        shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        first = (ones if ufunc.identity else zeros)(shape, result.dtype)
        return concatenate(first, result, axis=axis)

    return cumulative


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    implements(np.cumulative_sum)(_cumulative(cumsum, np.add))
    implements(np.cumulative_prod)(_cumulative(cumprod, np.multiply))
