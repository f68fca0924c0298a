"""Arrays made from nothing but their shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops.inference import dummies
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.inference.lengths import as_length, as_shape, range_length

__all__: list[str] = []


@rule("full")
def _full(call: Call) -> Type:
    dtype = call.param("dtype")
    dtype = np.asarray(call.params["value"]).dtype if dtype is None else np.dtype(dtype)
    shape = as_shape(call.params["shape"])
    if any(type(n) is int and n < 0 for n in shape):
        raise ValueError("negative dimensions are not allowed")
    return Type(dtype, shape)


@rule("iota")
def _iota(call: Call) -> Type:
    bounds = tuple(call.params[k] for k in ("start", "stop", "step"))
    dtype = call.param("dtype")
    if dtype is None:
        dtype = np.arange(*map(_one_like, bounds)).dtype
    if not any(isinstance(x, (Value, Dim)) for x in bounds):
        return Type(np.dtype(dtype), np.arange(*bounds).shape)
    integers = all(
        x.dtype.kind in "iu" if isinstance(x, Value) else isinstance(x, (Dim, int, np.integer))
        for x in bounds
    )
    if not integers:
        return Type(np.dtype(dtype), (None,))
    return Type(np.dtype(dtype), (range_length(call, *map(as_length, bounds)),))


def _one_like(x: Any) -> Any:
    """Return 1 as what ``x`` is, a graph value or a number."""
    if isinstance(x, Value):
        return dummies.dummy_of(x.type)  # type: ignore[arg-type]
    return 1 if isinstance(x, Dim) else type(x)(1)


@rule("eye")
def _eye(call: Call) -> Type:
    shape = as_shape((call.params["rows"], call.params["columns"]))
    return Type(np.dtype(call.params["dtype"]), shape)
