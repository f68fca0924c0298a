"""Arrays made from nothing but their shape: constants whose lengths may be values of a graph.

``np.zeros(n)`` does not ask a staged length what to do. Derivative rules, transforms and
compositions call the functions here instead: they give an ordinary array where every length is a
number, and record an operation where one is staged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import Op, Traced, primitive
from adjoint.ops.structural import broadcast_to

__all__ = [
    "arange", "eye", "full", "iota", "ones", "range_length", "spread_zeros", "zeros", "zeros_like",
]  # fmt: skip

_DOUBLE = np.dtype(np.float64)


def _full(*, shape: tuple[int, ...], value: Any, dtype: np.dtype) -> np.ndarray:
    if type(value) is int and value == 0:
        return np.zeros(shape, dtype)  # memory that the system gives is zero already
    return np.full(shape, value, dtype)


def _iota(*, start: Any, stop: Any, step: Any, dtype: np.dtype | None) -> np.ndarray:
    return np.arange(start, stop, step, dtype=dtype)


def _eye(*, rows: int, columns: int, k: int, dtype: np.dtype) -> np.ndarray:
    return np.eye(rows, columns, k, dtype)


full = primitive("full", _full)
"""An array of ``shape`` and ``dtype`` with the number ``value`` everywhere."""

iota = primitive("iota", _iota)
"""``np.arange(start, stop, step, dtype)``."""

identity = primitive("eye", _eye)
"""``np.eye(rows, columns, k, dtype)``."""

range_length = primitive(
    "range_length",
    lambda start, stop, step: len(range(start, stop, step)),
    "start", "stop", "step",
)  # fmt: skip
"""How many elements ``range(start, stop, step)`` has, as a Python number."""


def _made(op: Op, lengths: Any, params: dict[str, Any]) -> Any:
    for n in lengths:
        if isinstance(n, Traced):
            return n._record(op, (), params)
    return op.fn(**params)


def zeros(shape: Any, dtype: Any = _DOUBLE) -> Any:
    """Return ``np.zeros(shape, dtype)``."""
    return _filled(shape, 0, dtype)


def ones(shape: Any, dtype: Any = _DOUBLE) -> Any:
    """Return ``np.ones(shape, dtype)``."""
    return _filled(shape, 1, dtype)


def spread_zeros(shape: tuple[Any, ...], dtype: Any) -> Any:
    """Return zeros that take no memory: one number, broadcast."""
    zero = np.zeros((), dtype)
    for n in shape:
        if isinstance(n, Traced):
            return n._record(broadcast_to, (zero,), {"shape": shape})
    return broadcast_to(zero, shape=shape)


def zeros_like(x: Any) -> Any:
    """Return zeros of the shape and dtype of ``x``."""
    return _filled(x.shape, 0, x.dtype)


def _filled(shape: Any, value: Any, dtype: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return _made(full, shape, {"shape": shape, "value": value, "dtype": np.dtype(dtype)})


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Return ``np.arange(start, stop, step, dtype)``."""
    if stop is None:
        start, stop = 0, start
    dtype = None if dtype is None else np.dtype(dtype)
    params = {"start": start, "stop": stop, "step": step, "dtype": dtype}
    return _made(iota, (start, stop, step), params)


def eye(rows: Any, columns: Any = None, k: Any = 0, dtype: Any = _DOUBLE) -> Any:
    """Return ``np.eye(rows, columns, k, dtype)``."""
    columns = rows if columns is None else columns
    params = {"rows": rows, "columns": columns, "k": k, "dtype": np.dtype(dtype)}
    return _made(identity, (rows, columns, k), params)
