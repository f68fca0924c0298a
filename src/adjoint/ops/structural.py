"""Shape, layout, type and assembly: operations that move numbers without computing any."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import primitive

__all__ = [
    "broadcast_to",
    "cast",
    "concatenate",
    "copy",
    "permute",
    "project",
    "project_result",
    "reduce_sum",
    "reshape",
    "stack",
    "unbroadcast",
]


def _permute(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.asarray(x).transpose(axes)


def _cast(x: Any, *, dtype: np.dtype) -> Any:
    return x.astype(dtype) if hasattr(x, "astype") else np.dtype(dtype).type(x)


def _copy(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _stack(*xs: Any, axis: int = 0) -> np.ndarray:
    return np.stack(xs, axis)


def _concatenate(*xs: Any, axis: int = 0) -> np.ndarray:
    return np.concatenate(xs, axis)


def _reduce_sum(x: Any, *, axis: tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


reshape = primitive("reshape", lambda x, *, shape: np.reshape(x, shape), "x", views=True)
permute = primitive("permute", _permute, "x", views=True)
broadcast_to = primitive("broadcast_to", lambda x, *, shape: np.broadcast_to(x, shape), "x")
cast = primitive("cast", _cast, "x")
copy = primitive("copy", _copy, "x")
stack = primitive("stack", _stack, "*xs")
concatenate = primitive("concatenate", _concatenate, "*xs")
reduce_sum = primitive("reduce_sum", _reduce_sum, "x")

project_result = primitive("project", lambda x, *, k: x[k], "x")
"""Entry k of the tuple that an operation with several results defines."""


def unbroadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``x`` over the axes along which an array of ``shape`` was broadcast to it."""
    have = x.shape
    if have == shape:
        return x
    lead = len(have) - len(shape)
    axes = (*range(lead), *(k + lead for k, n in enumerate(shape) if n == 1 and have[k + lead] != 1))
    x = reduce_sum(x, axis=axes)
    return x if x.shape == shape else reshape(x, shape=shape)


def project(x: Any, dtype: np.dtype) -> Any:
    """Return a tangent or cotangent in the type of the value that it belongs to.

    A cotangent of a real value is real: with L real, dL = Re(ct dz).
    """
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real
    return x if x.dtype == dtype else cast(x, dtype=dtype)
