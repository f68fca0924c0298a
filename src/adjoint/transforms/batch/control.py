"""Loops and branches on which all examples agree: one operation, with blocks for all examples.

Where the examples decide differently (bounds, a condition or a predicate that differ) the operation
is left to a ``map``, in which each example runs its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from adjoint.ir import Block
from adjoint.ir.build import Builder, building, innermost
from adjoint.ir.edit import exported
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.registry import Op
from adjoint.ops.structural import project_result
from adjoint.transforms.batch.table import OneByOne, permuted

if TYPE_CHECKING:
    from adjoint.transforms.batch.walk import Batch

__all__ = ["CONTROL"]

Results = list[tuple[Value, bool]]
"""What the results of one example became, and whether they differ between examples."""


def _projected(new: Value, differ: list[bool]) -> Results:
    builder = innermost()
    return [
        (builder.emit(project_result, (new,), {"k": k}, t), d)
        for k, (t, d) in enumerate(zip(new.type, differ, strict=True))
    ]


def _given(walk: Batch, values: Any, differ: list[bool]) -> list[Value]:
    """Return values with an axis of examples where they are to have one."""
    given = []
    for v, d in zip(values, differ, strict=True):
        if not d and v in walk.batched:
            raise OneByOne
        given.append(walk.whole(v) if d else walk.value(v))
    return given


def _body(walk: Batch, block: Block, differ: list[bool]) -> Builder:
    """Record a block whose results differ where ``differ`` says so."""
    with building(innermost()) as builder:
        inner = walk.inner()
        inner.enter(block.parameters)
        inner.run(block)
        builder.block.results = _given(inner, block.results, differ)
    return builder


def _for(walk: Batch, node: Value) -> Results:
    (body,) = node.blocks
    differ = [p in walk.found for p in body.parameters[1:]]
    block = _body(walk, body, differ).block
    bounds = [walk.value(v) for v in node.inputs[:3]]
    inits = _given(walk, node.inputs[3:], differ)
    types = tuple([p.type for p in block.parameters[1:]])
    inputs = (*bounds, *inits)
    params = walk.params(node.params)
    new = innermost().emit(control.for_loop, inputs, params, types, (block,), node.place)
    return _projected(new, differ)


def _while(walk: Batch, node: Value) -> Results:
    condition, body = node.blocks
    if condition.results[0] in walk.found:
        raise OneByOne
    differ = [p in walk.found for p in body.parameters]
    blocks = (_body(walk, condition, [False]).block, _body(walk, body, differ).block)
    inits = _given(walk, node.inputs, differ)
    types = tuple([p.type for p in blocks[1].parameters])
    params = walk.params(node.params)
    new = innermost().emit(control.while_loop, tuple(inits), params, types, blocks, node.place)
    return _projected(new, differ)


def _if(walk: Batch, node: Value) -> Results:
    types = node.type
    assert isinstance(types, tuple)
    differ = [(node, k) in walk.found for k in range(len(types))]
    blocks = tuple([_body(walk, block, differ).block for block in node.blocks])
    all_types = tuple(
        [walk.type_of_all(t) if d else walk.type(t) for t, d in zip(types, differ, strict=True)]
    )
    inputs = (walk.value(node.inputs[0]),)
    new = innermost().emit(control.cond, inputs, {}, all_types, blocks, node.place)
    return _projected(new, differ)


def _map(walk: Batch, node: Value) -> Results:
    (body,) = node.blocks
    differ = [(node, k) in walk.found for k in range(len(body.results))]
    builder = _body(walk, body, differ)
    types = []
    for r, t in zip(builder.block.results, node.type, strict=True):
        entry = exported(r.type, builder)
        assert isinstance(entry, Type)
        types.append(Type(entry.dtype, (walk.type(t).shape[0], *entry.shape)))
    inputs = (walk.value(node.inputs[0]),)
    new = innermost().emit(control.map_loop, inputs, {}, tuple(types), (builder.block,), node.place)
    results = []
    for value, d in _projected(new, differ):
        ndim = len(value.shape)
        results.append((permuted(value, (1, 0, *range(2, ndim))) if d else value, d))
    return results


def _checkpoint(walk: Batch, node: Value) -> Results:
    (body,) = node.blocks
    differ = [(node, k) in walk.found for k in range(len(body.results))]
    builder = _body(walk, body, differ)
    types = tuple([exported(r.type, builder) for r in builder.block.results])
    given = _given(walk, node.inputs, [p in walk.found for p in body.parameters])
    params = walk.params(node.params)
    new = innermost().emit(node.op, tuple(given), params, types, (builder.block,), node.place)
    return _projected(new, differ)


def _call(walk: Batch, node: Value) -> Results:
    raise OneByOne


CONTROL: dict[Op, Callable[[Any, Value], Results]] = {
    control.for_loop: _for,
    control.while_loop: _while,
    control.cond: _if,
    control.map_loop: _map,
    control.call: _call,
    control.custom: _call,
    control.checkpoint: _checkpoint,
}
