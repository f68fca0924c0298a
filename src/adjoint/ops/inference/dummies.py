"""Dtype and kind of a result, found by running the function on tiny dummies of its operands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import Kind, Type, of_value

__all__ = ["dummy_of", "replaced", "run", "type_of"]

Signature = tuple[np.dtype, Kind, int]


def run(
    fn: Callable[..., Any], operands: tuple[Type, ...], params: dict[str, Any]
) -> Type | tuple[Type, ...]:
    """Return the type of ``fn(*operands, **params)`` where every axis has length one."""
    signatures = tuple([(t.dtype, t.kind, len(t.shape)) for t in operands])
    try:
        return _run(fn, signatures, tuple(params.items()))
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
    return _run.__wrapped__(fn, signatures, tuple(params.items()))


@functools.lru_cache(maxsize=8192)
def _run(
    fn: Callable[..., Any], signatures: tuple[Signature, ...], params: tuple[tuple[str, Any], ...]
) -> Type | tuple[Type, ...]:
    with np.errstate(all="ignore"):
        try:
            result = fn(*[_dummy(*s, 1) for s in signatures], **dict(params))
        except (ValueError, ArithmeticError):
            # Outside of the domain (math.atanh), or what the program would be told as well.
            result = fn(*[_dummy(*s, 0) for s in signatures], **dict(params))
    return type_of(result, getattr(fn, "__name__", "the operation"))


def _dummy(dtype: np.dtype, kind: Kind, ndim: int, value: int) -> Any:
    if kind == "array":
        return np.full((1,) * ndim, value, dtype)
    number = dtype.type(value)
    return number.item() if kind == "python" else number


def dummy_of(type: Type) -> Any:
    """Return a value of the type in which every axis has length one."""
    return _dummy(type.dtype, type.kind, len(type.shape), 1)


def type_of(result: Any, name: str) -> Any:
    """Return the type of a number or array, or the types of a tuple of them."""
    if isinstance(result, (tuple, list)):
        return tuple(type_of(r, name) for r in result)
    found = of_value(result)
    if found is None:
        raise TypeError(
            f"{name} returns a {type(result).__name__}, and a graph holds numbers and arrays of "
            "numbers only"
        )
    return found


def replaced(data: Any, stand_in: Callable[[Type], Any]) -> Any:
    """Return arguments with graph values and arrays replaced by what stands in for their types."""
    if isinstance(data, Value):
        return stand_in(data.type)  # type: ignore[arg-type]
    if isinstance(data, Dim):
        return 1
    if isinstance(data, np.ndarray):
        found = of_value(data)
        return data if found is None else stand_in(found)
    if isinstance(data, (tuple, list)):
        return type(data)([replaced(item, stand_in) for item in data])
    if isinstance(data, dict):
        return {key: replaced(item, stand_in) for key, item in data.items()}
    return data
