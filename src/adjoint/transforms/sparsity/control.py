"""Loops and calls: they carry the sets of what they carry.

How often a loop runs is what the program's values say. Branches are in
`adjoint.transforms.sparsity.branches`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adjoint.ir import Block
from adjoint.ir.build import Builder, building, innermost
from adjoint.ir.core import Op
from adjoint.ir.graph import Function, Value, free_values
from adjoint.ops import control
from adjoint.ops.structural import project_result
from adjoint.transforms.replay import active_results, differentiable
from adjoint.transforms.sparsity.operations import sets_type
from adjoint.transforms.sparsity.varying import varying
from adjoint.transforms.sparsity.walk import CONTROL, Dependence

__all__ = ["active_of", "record", "with_sets"]


def active_of(walk: Dependence, node: Value) -> list[int]:
    """Return the results that depend on anything."""
    used = [v for v in (*node.inputs, *free_values(*node.blocks)) if v in walk.sets]
    return sorted(active_results(node, used)) if used else []


def record(
    walk: Dependence, node: Value, op: Op, inputs: Iterable[Value], types: Iterable[Any],
    blocks: tuple[Block, ...], active: list[int], params: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Record the operation, and note where the sets of its results are: behind the results."""
    params = walk.params(node.params) if params is None else params
    new = innermost().emit(op, tuple(inputs), params, tuple(types), blocks, node.place)
    walk.table[node] = new
    if active:
        count = len(node.type)
        parts: list[Any] = [()] * count
        for j, k in enumerate(active, count):
            parts[k] = (innermost().emit(project_result, (new,), {"k": j}, new.type[j]),)
        walk.sets[node] = tuple(parts)


def _enter(walk: Dependence, builder: Builder, block: Block, first: int, active: list[int]) -> None:
    """Give a loop's body its parameters, the sets last."""
    for old in block.parameters:
        new = builder.parameter(walk.type(old.type))
        new.bounds = walk.bounds(old.bounds)
        walk.table[old] = new
    for k in active:
        old = block.parameters[first + k]
        walk.sets[old] = (builder.parameter(sets_type(walk.value(old).type)),)


def _body(walk: Dependence, block: Block, first: int, active: list[int]) -> Block:
    with building(innermost()) as builder:
        inner = walk.inner()
        _enter(inner, builder, block, first, active)
        inner.run(block)
        results = [inner.value(r) for r in block.results]
        for k in active:
            # What a pass gives may have another shape, of which nothing is known where it is empty.
            like = (
                block.results[k] if block.results[k] in inner.sets else block.parameters[first + k]
            )
            results.append(inner.formed(inner.of(block.results[k]), inner.value(like)))
        builder.block.results = results
    return builder.block


def _for(walk: Dependence, node: Value) -> None:
    active = active_of(walk, node)
    block = _body(walk, node.blocks[0], 1, active)
    inputs = [walk.value(v) for v in node.inputs]
    inputs += [walk.whole(node.inputs[3 + k]) for k in active]
    types = [p.type for p in block.parameters[1:]]
    record(walk, node, control.for_loop, inputs, types, (block,), active)
    if any([v in walk.data for v in node.inputs[:3]]):
        walk.counted.add(walk.value(node))


def _while(walk: Dependence, node: Value) -> None:
    active = active_of(walk, node)
    condition, body = node.blocks
    block = _body(walk, body, 0, active)
    with building(innermost()) as builder:
        inner = walk.inner()
        _enter(inner, builder, condition, 0, active)
        inner.run(condition)
        builder.block.results = [inner.value(r) for r in condition.results]
    inputs = [walk.value(v) for v in node.inputs]
    inputs += [walk.whole(node.inputs[k]) for k in active]
    types = [p.type for p in block.parameters]
    record(walk, node, control.while_loop, inputs, types, (builder.block, block), active)


def _map(walk: Dependence, node: Value) -> None:
    active = active_of(walk, node)
    (body,) = node.blocks
    with building(innermost()) as builder:
        inner = walk.inner()
        _enter(inner, builder, body, 1, [])
        inner.run(body)
        results = [inner.value(r) for r in body.results]
        builder.block.results = results + [inner.whole(body.results[k]) for k in active]
    types = [walk.type(t) for t in node.type]
    types += [sets_type(types[k]) for k in active]
    inputs = (walk.value(node.inputs[0]),)
    record(walk, node, control.map_loop, inputs, types, (builder.block,), active)


# -- calls -----------------------------------------------------------------------------------------


def _call(walk: Dependence, node: Value) -> None:
    function: Function = node.params["function"]
    on = tuple([k for k, v in enumerate(node.inputs) if v in walk.sets])
    active = _inexact(function) if on else []
    found = with_sets(function, on)
    inputs = [walk.value(v) for v in node.inputs]
    inputs += [walk.whole(node.inputs[k]) for k in on]
    types = [walk.type(t) for t in node.type]
    types += [sets_type(types[k]) for k in active]
    record(walk, node, control.call, inputs, types, (), active, {"function": found})


def _inexact(function: Function) -> list[int]:
    return [k for k, r in enumerate(function.block.results) if differentiable(r)]


def with_sets(function: Function, on: tuple[int, ...]) -> Function:
    """Return the function that gives results, and what they depend on.

    Parameters
    ----------
    function : Function
    on : tuple of int
        The arguments whose sets it is given, behind the arguments.
    """
    found = function.derived.get(("sets", on))
    if found is not None:
        return found
    found = function.derived["sets", on] = Function(f"{function.name}_sets", Block())
    block = function.block
    floats = {p for p in block.parameters if p.dtype.kind in "fc"}
    data = varying(block, floats)
    walk = Dependence(data, data)
    with building(None) as builder:
        _enter(walk, builder, block, 0, list(on))
        walk.run(block)
        results = [walk.value(r) for r in block.results]
        if on:
            results += [walk.whole(block.results[k]) for k in _inexact(function)]
        builder.block.results = results
    found.block = builder.block
    return found


CONTROL.update({
    control.for_loop: _for,
    control.while_loop: _while,
    control.map_loop: _map,
    control.call: _call,
})  # fmt: skip
