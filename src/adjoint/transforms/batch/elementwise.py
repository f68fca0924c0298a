"""Elementwise operations: the same operation, once axes of one example face each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.build import innermost
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops.inference import infer
from adjoint.ops.plain import function_op
from adjoint.transforms.batch.table import OneByOne, Operation, in_dtype, record, rule

__all__: list[str] = []


@rule("add")
def elementwise(o: Operation) -> Value:
    """Batch any operation whose operands are broadcast together."""
    types: list[Type] = [v.type for v in o.node.inputs]
    rank = max(t.ndim for t in types)
    inputs = [o.aligned(k, rank) for k in range(len(types))]
    op = o.node.op
    assert op is not None
    strong = [t.dtype for t in types if t.kind != "python"]
    if strong and op.name != "ldexp":
        # Python's numbers, an array now, are no longer weak.
        for k, t in enumerate(types):
            if t.kind == "python" and o.on[k]:
                inputs[k] = in_dtype(inputs[k], np.result_type(*strong, t.dtype.type(0).item()))
    if _found(o, inputs) != _dtypes(o.node.type):
        # Python's numbers follow rules of their own: True + True is 2.
        inputs = [
            in_dtype(v, o.node.dtype) if on else v for v, on in zip(inputs, o.on, strict=True)
        ]
        if isinstance(o.node.type, tuple) or _found(o, inputs) != _dtypes(o.node.type):
            raise OneByOne
    return o.emit(op, inputs, o.params)


def _found(o: Operation, inputs: list[Value]) -> list[np.dtype]:
    """Return the dtypes that the operation gives."""
    units = tuple([Type(v.dtype, (1,) * v.type.ndim, v.type.kind) for v in inputs])
    return _dtypes(infer(o.node.op, units, o.params))


def _dtypes(type: Any) -> list[np.dtype]:
    return [t.dtype for t in (type if isinstance(type, tuple) else (type,))]


@rule("python_number")
def _python_number(o: Operation) -> Value:
    return o.result(o.inputs[0])


def _everywhere(o: Operation, k: int) -> Value:
    """Return a condition as it holds for all examples."""
    if not o.on[k]:
        return o.inputs[k]
    return record(function_op(np.all), (), {"args": (o.inputs[k],), "kwargs": {}})


def _anywhere(o: Operation, k: int) -> Value:
    """Return a condition as it holds for any example."""
    if not o.on[k]:
        return o.inputs[k]
    return record(function_op(np.any), (), {"args": (o.inputs[k],), "kwargs": {}})


@rule("check")
def _check(o: Operation) -> Value:
    return _same_for_all(o, (_everywhere(o, 0),))


@rule("checked")
def _checked(o: Operation) -> Value:
    inputs = (o.inputs[0], _everywhere(o, 1))
    return o.emit(o.node.op, inputs, o.params) if o.on[0] else _same_for_all(o, inputs)


@rule("unless", varying=True)
def _unless(o: Operation) -> Value:
    inputs = (o.inputs[0], _anywhere(o, 1))
    return o.emit(o.node.op, inputs, o.params) if o.on[0] else _same_for_all(o, inputs)


@rule("recompute")
def _recompute(o: Operation) -> Value:
    return o.emit(o.node.op, o.inputs) if o.on[0] else _same_for_all(o, o.inputs)


def _same_for_all(o: Operation, inputs: tuple[Value, ...]) -> Value:
    o.differs = False
    type = o.walk.type(o.node.type)
    return innermost().emit(o.node.op, inputs, o.params, type, (), o.node.place)
