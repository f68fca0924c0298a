"""Constants, and arrays made from nothing but their shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.backends.blame import note
from adjoint.backends.llvm.lower.core import FOREIGN, Lowering
from adjoint.backends.llvm.lower.memory import SMALL
from adjoint.backends.llvm.lower.runtime import WORD
from adjoint.backends.llvm.lower.types import (
    Element,
    arithmetic,
    cast,
    in_memory,
    in_registers,
    literal,
    parts_of,
    zero,
)
from adjoint.backends.llvm.lower.values import Buffer, Index, Lazy, Number
from adjoint.backends.llvm.lower.views import uniform
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import StackType
from adjoint.ops.inference.lengths import as_length

__all__ = ["CREATION", "constant", "constant_array"]

INT = np.dtype(np.int64)


def constant(f: Lowering, node: Value) -> Any:
    """Return what a constant is."""
    value = node.params["value"]
    dtype = node.dtype
    if not node.shape:
        if type(value) is int and not -(1 << 63) <= value < 1 << 63:
            error = OverflowError(f"{value} does not fit an integer of 64 bits")
            note(error, f.node)
            raise error
        return Number(
            dtype, literal(value if not isinstance(value, np.ndarray) else value[()], dtype)
        )
    if not value.dtype.isnative:
        value = value.astype(dtype)
    return constant_array(f, value)


def constant_array(f: Lowering, value: np.ndarray) -> Any:
    """Return an array that is known."""
    dtype = value.dtype
    shape = value.shape
    if not value.size:
        return uniform(dtype, shape, zero(dtype))
    if arithmetic(dtype):
        first = value.flat[0]
        raw = np.ascontiguousarray(value).view(f"V{dtype.itemsize}")
        if value.size > 1 and (raw == raw.flat[0]).all():
            return uniform(dtype, shape, literal(first, dtype))
    strides = f.strides(shape, dtype)
    if value.size <= SMALL and arithmetic(dtype):
        pointer = _in_text(f, value)
    else:
        pointer = _in_table(f, value)
    return Buffer(dtype, shape, pointer, strides, True, FOREIGN)


def _in_text(f: Lowering, value: np.ndarray) -> str:
    """Put a small array into the module."""
    type = in_memory(value.dtype)
    numbers = []
    for x in value.reshape(-1):
        for part in parts_of(literal(x, value.dtype)):
            numbers.append({"true": "1", "false": "0"}.get(part, part))
    data = f"[{len(numbers)} x {type}] [{', '.join(f'{type} {x}' for x in numbers)}]"
    name = f.constants.get(data)
    if name is None:
        name = f.constants[data] = f.module.name("@constant")
        f.module.declare(name, f"{name} = private unnamed_addr constant {data}, align 16")
    return name


def _in_table(f: Lowering, value: np.ndarray) -> str:
    """Refer to an array that the module's constants have."""
    kept = np.require(value, requirements=["C", "A"])
    number = f.program.constant(value, kept)
    found = f.tables.get(number)
    if found is None:
        with f.at(f.hoists[0]):
            body = f.body
            at = body.let(f"getelementptr inbounds i64, ptr %ctx, i64 {WORD['constants']}")
            table = body.let(f"load ptr, ptr {at}")
            entry = body.let(f"getelementptr inbounds ptr, ptr {table}, i64 {number}")
            found = f.tables[number] = body.let(f"load ptr, ptr {entry}")
    return found


def _full(f: Lowering, node: Value) -> Any:
    value = node.params["value"]
    dtype = node.dtype
    if not arithmetic(dtype) and not (isinstance(value, (int, float)) and value == 0):
        return None
    if isinstance(value, (Value, Dim)):
        x: Element = _entry(f, value, dtype)
    else:
        x = literal(value, dtype)
    if not node.shape:
        return Number(dtype, x)
    shape = tuple(f.body.most(n, 0) for n in _given(f, node))
    return uniform(dtype, shape, x)


def _given(f: Lowering, node: Value) -> tuple[Any, ...]:
    if None not in node.shape:
        return f.shape(node.shape)
    shape = node.params["shape"]
    shape = shape if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(f.dim(as_length(n)) for n in shape)


def _entry(f: Lowering, value: Any, dtype: np.dtype) -> Element:
    """Return a number that stands in a parameter, in a dtype."""
    if isinstance(value, Value):
        return cast(f.body, f.number(value), value.dtype, dtype)
    if isinstance(value, Dim):
        return cast(f.body, str(f.dim(value)), INT, dtype)
    return literal(value, dtype)


def _iota(f: Lowering, node: Value) -> Any:
    start, step = (node.params[k] for k in ("start", "step"))
    stop = node.params["stop"]
    dtype = node.dtype
    if not arithmetic(dtype) or dtype.kind == "b":
        return None
    body = f.body
    integers = all(_is_integer(x) for x in (start, stop, step))
    if not integers:
        return _iota_of_reals(f, node)
    first, by = f.dim(as_length(start)), f.dim(as_length(step))
    count = node.shape[0]
    n = f.dim(count) if count is not None else range_count(f, first, f.dim(as_length(stop)), by)

    def at(index: Index) -> Element:
        x = body.add(first, body.mul(index[0], by))
        return cast(body, str(x), INT, dtype)

    bounds = None
    if isinstance(by, int) and by > 0:
        bounds = (first, body.add(first, body.mul(body.sub(n, 1), by)))
    return Lazy(dtype, (n,), at, cost=1, bounds=bounds if dtype == INT else None)


def _is_integer(x: Any) -> bool:
    if isinstance(x, Value):
        return x.dtype.kind in "iu"
    return isinstance(x, (int, np.integer, Dim)) and not isinstance(x, bool)


def range_count(f: Lowering, start: Any, stop: Any, step: Any) -> Any:
    """Return the length of ``range(start, stop, step)``."""
    body = f.body
    if isinstance(step, int):
        if step == 0:
            return 0
        span = body.sub(stop, start) if step > 0 else body.sub(start, stop)
        size = abs(step)
        if isinstance(span, int):
            return max(0, -(-span // size))
        if size > 1:
            span = body.op(f"sdiv i64 {body.add(span, size - 1)}, {size}", body.add(span, size - 1))
        return body.most(span, 0)
    up = body.compare("sgt", step, 0)
    span = body.select(up, body.sub(stop, start), body.sub(start, stop))
    size = body.select(up, step, body.sub(0, step))
    above = body.sub(body.add(span, size), 1)
    # Of an empty range the quotient may be zero too, not below.
    some = body.compare("sgt", span, 0)
    count = body.op(f"sdiv i64 {above}, {size}", above, size)
    return body.select(some, count, 0)


def _iota_of_reals(f: Lowering, node: Value) -> Any:
    double = np.dtype(np.float64)
    if node.dtype.kind not in "fiu":
        return None
    body = f.body
    start, stop, step = (_entry(f, node.params[k], double) for k in ("start", "stop", "step"))
    span = body.op(f"fsub double {stop}, {start}", stop, start)
    ratio = body.op(f"fdiv double {span}, {step}", span, step)
    f.module.declare("@llvm.ceil.f64", "declare double @llvm.ceil.f64(double)")
    up = body.op(f"call double @llvm.ceil.f64(double {ratio})", ratio)
    count = cast(body, up, double, INT)
    assert isinstance(count, str)
    n = body.most(count if count.startswith("%") else int(count), 0)
    dtype = node.dtype
    first, by = (_entry(f, node.params[k], dtype) for k in ("start", "step"))
    t = in_registers(dtype)
    add, sub, mul = ("fadd", "fsub", "fmul") if dtype.kind == "f" else ("add", "sub", "mul")
    second = body.op(f"{add} {t} {first}, {by}", first, by)
    delta = body.op(f"{sub} {t} {second}, {first}", second, first)

    def at(index: Index) -> Element:
        i = cast(body, str(index[0]), INT, dtype)
        rest = body.op(f"{mul} {t} {i}, {delta}", i, delta)
        return body.op(f"{add} {t} {first}, {rest}", first, rest)

    return Lazy(dtype, (n,), at, cost=3)


def _eye(f: Lowering, node: Value) -> Any:
    dtype = node.dtype
    if not arithmetic(dtype):
        return None
    shape = f.shape(node.shape)
    k = f.dim(as_length(node.params["k"]))
    one, none = parts_of(literal(1, dtype)), parts_of(zero(dtype))
    t, body = in_registers(dtype), f.body

    def at(index: Index) -> Element:
        i, j = index
        truth = body.compare("eq", body.sub(j, i), k)
        parts = [
            {"true": x, "false": y}.get(truth)
            or body.op(f"select i1 {truth}, {t} {x}, {t} {y}", truth)
            for x, y in zip(one, none)
        ]
        return parts[0] if len(parts) == 1 else (parts[0], parts[1])

    return Lazy(dtype, shape, at, cost=2)


def _undefined(f: Lowering, node: Value) -> Any:
    type = node.type
    if isinstance(type, StackType):
        from adjoint.backends.llvm.lower.stacks import empty

        return empty(f, node)
    if not type.shape:
        return Number(type.dtype, zero(type.dtype))
    shape = tuple(0 if n is None else f.body.most(f.dim(n), 0) for n in type.shape)
    return uniform(type.dtype, shape, zero(type.dtype))


CREATION = {"full": _full, "iota": _iota, "eye": _eye, "undefined": _undefined}
