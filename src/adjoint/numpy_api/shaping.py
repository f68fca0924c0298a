"""Shapes, layouts and assembly."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.dispatch import plain
from adjoint.ops import elementwise as ew
from adjoint.ops.registry import implements
from adjoint.ops.structural import permute, reshape

__all__ = ["reshape_"]


@implements(np.reshape)
def reshape_(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """``np.reshape``."""
    shape = plain(shape)
    size = a.size
    shape = (shape,) if np.ndim(shape) == 0 else tuple(int(n) for n in shape)
    if -1 in shape:
        known = -int(np.prod(shape))
        shape = tuple((size // known if known else 0) if n == -1 else n for n in shape)
    if order == "F":
        return reshape_(a.T, shape[::-1]).T
    return reshape(a, shape=shape)


@implements(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    """``np.transpose``."""
    return permute(a, axes=tuple(range(a.ndim))[::-1] if axes is None else tuple(axes))
