"""Elementwise operations: the same operation, once axes of one example face each other."""

from __future__ import annotations

import numpy as np

from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops.inference import infer
from adjoint.ops.structural import cast
from adjoint.transforms.batch.table import OneByOne, Operation, record, rule

__all__: list[str] = []


@rule("add")
def elementwise(o: Operation) -> Value:
    """Batch any operation whose operands are broadcast together."""
    types = [v.type for v in o.node.inputs]
    rank = max(t.ndim for t in types)  # type: ignore[union-attr]
    inputs = [o.aligned(k, rank) for k in range(len(types))]
    _make_weak_again(o, inputs)
    op = o.node.op
    assert op is not None
    result = infer(op, tuple([_unit(v) for v in inputs]), o.params)
    if _dtypes(result) != _dtypes(o.node.type):
        raise OneByOne  # Python's numbers follow other rules
    return o.emit(op, inputs, o.params)


def _unit(v: Value) -> Type:
    assert isinstance(v.type, Type)
    return Type(v.type.dtype, (1,) * v.type.ndim, v.type.kind)


def _dtypes(type: object) -> list[np.dtype]:
    return [t.dtype for t in (type if isinstance(type, tuple) else (type,))]


def _make_weak_again(o: Operation, inputs: list[Value]) -> None:
    """Give Python numbers, which make an array now, the type in which they met the others."""
    types: list[Type] = [v.type for v in o.node.inputs]  # type: ignore[misc]
    strong = [t.dtype for t in types if t.kind != "python"]
    if not strong or o.node.op is None or o.node.op.name == "ldexp":
        return
    for k, t in enumerate(types):
        if t.kind == "python" and o.on[k]:
            dtype = np.result_type(*strong, t.dtype.type(0).item())
            if (dtype != t.dtype and not (t.dtype.kind in "bi" and dtype.kind in "bi")) or (dtype != t.dtype and dtype.kind == "i"):
                inputs[k] = record(cast, (inputs[k],), {"dtype": dtype})


@rule("fsum", "ieee_remainder")
def _of_numbers(o: Operation) -> Value:
    raise OneByOne


@rule("python_number")
def _python_number(o: Operation) -> Value:
    return o.result(o.inputs[0])


@rule("check")
def _check(o: Operation) -> Value:
    from adjoint.ops.plain import function_op

    op = o.node.op
    assert op is not None
    everywhere = record(function_op(np.all), (), {"args": (o.inputs[0],), "kwargs": {}})
    from adjoint.ir.build import innermost

    return innermost().emit(op, (everywhere,), o.params, o.node.type, (), o.node.place)
