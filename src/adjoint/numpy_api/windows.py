"""``sliding_window_view``, by which NumPy's users write convolutions themselves.

The result is read from the array at computed positions, and is no view of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import NoRuleError
from adjoint.numpy_api.creation import as_array, notice_every_argument
from adjoint.numpy_api.lengths import as_length, as_shape, require
from adjoint.numpy_api.shaping import normalized
from adjoint.ops import structural as st
from adjoint.ops.creation import arange
from adjoint.ops.registry import implements

__all__ = ["sliding_window_view"]

_ALL = slice(None)


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """``np.lib.stride_tricks.sliding_window_view``."""
    if writeable:
        raise NoRuleError(
            "sliding_window_view(..., writeable=True) has no derivative: its result is no view "
            "here. Store into the array itself."
        )
    x = as_array(x)
    window = as_shape(window_shape)
    if axis is None:
        axes = tuple(range(x.ndim))
        if len(window) != x.ndim:
            raise ValueError(
                "Since axis is None, must provide window_shape for all dimensions of `x`; got "
                f"{len(window)} window_shape elements and `x.ndim` is {x.ndim}."
            )
    else:
        given = axis if isinstance(axis, (tuple, list)) else (axis,)
        axes = tuple([normalized(a, x.ndim) for a in given])
        if len(window) != len(axes):
            raise ValueError(
                "Must provide matching length window_shape and axis; got "
                f"{len(window)} window_shape elements and {len(axes)} axes elements."
            )
    for a, n in zip(axes, window, strict=True):
        require(n >= 0, ValueError, "negative values in `window_shape`")
        have = x.shape[a]
        require(have >= n, ValueError, "window shape cannot be larger than input array shape")
        count = as_length(have - n + 1)
        places = arange(count)[:, None] + arange(n)
        x = x[(*(_ALL,) * a, places)]
        # The window's axis is the last one.
        x = st.permute(x, axes=(*range(a + 1), *range(a + 2, x.ndim), a + 1))
    return x


notice_every_argument(np.lib.stride_tricks.sliding_window_view)
