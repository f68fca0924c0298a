"""What of a block differs between the examples.

It is found before anything is recorded, since a loop has to know of what it carries. The answer may
name too much: a length that is unknown when the program is staged counts as differing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from adjoint.ir import Block
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value, free_values, operands, values_in
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.structural import project_result

__all__ = ["dependence", "used_by", "varies"]

Key: TypeAlias = Any
"""A value, or a pair of a control operation and the number of a result."""


_FIRST_ONLY = frozenset({control.checked, control.unless, control.recompute})
"""Operations whose result is their first operand."""


def dependence(block: Block, varying: set[Value]) -> set[Key]:
    """Return what differs between examples in a block, given what does around it."""
    found: set[Key] = set(varying)
    _spread(block, found)
    return found


def varies(length: Any, varying: set[Any]) -> bool:
    """Tell whether a length may differ between examples."""
    if isinstance(length, Dim):
        return any(v in varying for v, _ in length.terms)
    return length is None


def used_by(node: Value) -> Iterator[Value]:
    """Yield the values around an operation that it, its blocks and its types refer to."""
    yield from operands(node)
    yield from values_in(node.type)
    for block in node.blocks:
        inside: set[Value] = set(block.parameters)
        for inner in block.nodes:
            yield from [v for v in used_by(inner) if v not in inside]
            inside.add(inner)
        yield from [r for r in block.results if r not in inside]
        for p in block.parameters:
            yield from values_in(p.type)


def _spread(block: Block, found: set[Key]) -> None:
    node: Value
    for node in block.nodes:
        op = node.op
        if op in control.CONTROL:
            _CONTROL[op](node, found)
        elif op is project_result and node.inputs[0].op in control.CONTROL:
            if (node.inputs[0], node.params["k"]) in found:
                found.add(node)
        elif op is control.dim:
            (x,) = node.inputs
            type = x.type
            assert isinstance(type, Type)
            if x in found and varies(type.shape[node.params["axis"]], found):
                found.add(node)
        elif op in _FIRST_ONLY:
            if node.inputs[0] in found:
                found.add(node)
        elif any(v in found for v in operands(node)):
            found.add(node)


def _all(node: Value, found: set[Key]) -> None:
    found.update((node, k) for k in range(len(node.type)))


def _carried(node: Value, inits: Any, first: int, found: set[Key]) -> None:
    """Find which carried values differ: a fixpoint."""
    body = node.blocks[-1]
    params = body.parameters[first:]
    on = {k for k, v in enumerate(inits) if v in found}
    while True:
        for block in node.blocks:
            found.update(block.parameters[len(block.parameters) - len(params) + k] for k in on)
        _spread(body, found)
        more = on | {k for k, r in enumerate(body.results) if r in found}
        if more == on:
            break
        on = more
    found.update((node, k) for k in on)


def _for(node: Value, found: set[Key]) -> None:
    if any(v in found for v in node.inputs[:3]):
        _all(node, found)
    else:
        _carried(node, node.inputs[3:], 1, found)


def _while(node: Value, found: set[Key]) -> None:
    _carried(node, node.inputs, 0, found)
    condition = node.blocks[0]
    _spread(condition, found)
    if condition.results[0] in found:
        _all(node, found)


def _if(node: Value, found: set[Key]) -> None:
    if node.inputs[0] in found:
        _all(node, found)
        return
    for block in node.blocks:
        _spread(block, found)
        found.update((node, k) for k, r in enumerate(block.results) if r in found)


def _map(node: Value, found: set[Key]) -> None:
    if node.inputs[0] in found:
        _all(node, found)
        return
    (body,) = node.blocks
    _spread(body, found)
    found.update((node, k) for k, r in enumerate(body.results) if r in found)


def _checkpoint(node: Value, found: set[Key]) -> None:
    (body,) = node.blocks
    found.update(p for p, v in zip(body.parameters, node.inputs, strict=True) if v in found)
    _spread(body, found)
    found.update((node, k) for k, r in enumerate(body.results) if r in found)


def _call(node: Value, found: set[Key]) -> None:
    used = (*node.inputs, *values_in(node.params), *free_values(*node.blocks))
    if any(v in found for v in used):
        _all(node, found)


_CONTROL = {
    control.for_loop: _for,
    control.while_loop: _while,
    control.cond: _if,
    control.map_loop: _map,
    control.call: _call,
    control.custom: _call,
    control.checkpoint: _checkpoint,
}
