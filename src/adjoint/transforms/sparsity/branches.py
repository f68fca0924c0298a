"""Branches. Which side of one runs is what the program's values say.

A branch that depends on floating-point numbers counts as both of its sides, so that what is found
holds for all numbers; but only where its sides can neither fail nor run without end, since one of
them was not to be run.

Where the sides store into one array, what they store there is united, and not the arrays.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir import Block
from adjoint.ir.build import Builder, building, innermost
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.indexing import read, update
from adjoint.ops.structural import project_result
from adjoint.staged.values import emit, value_of, wrap
from adjoint.transforms.simplify.dead import remove_dead_from
from adjoint.transforms.simplify.integers import Integers
from adjoint.transforms.simplify.places import in_bounds, same
from adjoint.transforms.simplify.total import is_total
from adjoint.transforms.sparsity.control import active_of, record
from adjoint.transforms.sparsity.operations import SETS, merge, sets_type, union
from adjoint.transforms.sparsity.walk import CONTROL, Dependence, Sets

__all__: list[str] = []


def _if(walk: Dependence, node: Value) -> None:
    active = active_of(walk, node)
    both = _both_sides(walk, node, active) if active and node.inputs[0] in walk.data else None
    carried = active if both is None else []
    blocks = []
    for block in node.blocks:
        with building(innermost()) as builder:
            inner = walk.inner()
            inner.run(block)
            results = [inner.value(r) for r in block.results]
            builder.block.results = results + [inner.whole(block.results[k]) for k in carried]
        blocks.append(builder.block)
    types = [walk.type(t) for t in node.type]
    types += [sets_type(types[k]) for k in carried]
    inputs = (walk.value(node.inputs[0]),)
    record(walk, node, control.cond, inputs, types, tuple(blocks), carried)
    if both is not None:
        walk.sets[node] = both


def _both_sides(walk: Dependence, node: Value, active: list[int]) -> Any:
    """Record both sides of a branch for what its results depend on; None if that is unsafe."""
    outer = innermost()
    parts: list[Any] = [()] * len(node.type)
    with building(outer) as builder:
        sides = [walk.inner() for _ in node.blocks]
        for side, block in zip(sides, node.blocks, strict=True):
            side.run(block)
        for k in active:
            results = [block.results[k] for block in node.blocks]
            types = [s.type(r.type) for s, r in zip(sides, results, strict=True)]
            if any([_shape(t) != _shape(walk.type(node.type[k])) for t in types]):
                return None
            given = [side.of(r) for side, r in zip(sides, results, strict=True)]
            parts[k] = _united(walk, builder, *given)
        builder.block.results = [s for part in parts for s in part]
    remove_dead_from(builder.block)
    if not _may_run(builder.block, walk.counted):
        return None
    outer.block.nodes += builder.block.nodes
    outer.own |= builder.own
    return tuple(parts)


def _shape(type: Any) -> Any:
    return type.shape if isinstance(type, Type) else None


# -- stores of both sides --------------------------------------------------------------------------


def _united(walk: Dependence, builder: Builder, then: Sets, otherwise: Sets) -> Sets:
    """Return the union of what two sides give."""
    if len(then) == 1 and len(otherwise) == 1:
        base, first = _stores(then[0], builder)
        other, second = _stores(otherwise[0], builder)
        if base is other and (first or second):
            stored = _stored if isinstance(base.type, Type) else _pushed
            found = stored(walk, base, first, second)
            if found is not None:
                return (found,)
    return tuple(dict.fromkeys((*then, *otherwise)))


def _stores(sets: Value, builder: Builder) -> tuple[Value, list[Value]]:
    """Return the array (or stack) that is stored into, and the stores, first to last."""
    stores: list[Value] = []
    while sets.op in (update, control.push) and sets in builder.own:
        stores.insert(0, sets)
        sets = sets.inputs[0]
    return sets, stores


def _stored(walk: Dependence, base: Value, first: list[Value], second: list[Value]) -> Value:
    if len(first) == len(second) == 1:
        (x,), (y,) = first, second
        path, value, other = x.params["path"], x.inputs[1], y.inputs[1]
        if value.shape == other.shape and same(Integers(), path, y.params["path"]):
            both = walk.record(union, (value, other), {}, value.type)
            return walk.record(update, (base, both), {"path": path}, base.type)
    for store in (*first, *second):
        path, value = store.params["path"], store.inputs[1]
        part = value_of(emit(read, (wrap(base),), {"path": path}))
        both = walk.record(merge, (part, value), {}, part.type)
        base = walk.record(update, (base, both), {"path": path}, base.type)
    return base


def _pushed(walk: Dependence, base: Value, first: list[Value], second: list[Value]) -> Value | None:
    """Return a stack with what one side or both of them keep of this pass."""
    pushes = [*first, *second]
    if len(first) > 1 or len(second) > 1 or any([p.params.get("replaces") for p in pushes]):
        return None
    params, value = pushes[0].params, pushes[0].inputs[1]
    if len(pushes) == 2:
        other = pushes[1].inputs[1]
        if value.type != other.type or not same(
            Integers(), params["index"], pushes[1].params["index"]
        ):
            return None
        value = walk.formed((value, other), value)
    return walk.record(control.push, (base, value), params, base.type)


# -- what may run though the program would not run it ----------------------------------------------

_SAFE = frozenset({control.empty_stack, control.undefined, project_result})


def _may_run(block: Block, counted: set[Value]) -> bool:
    """Tell whether a block can neither fail nor have loops that end by floating-point numbers."""
    integers = Integers()
    for node in block.nodes:
        if node.blocks:
            if node.op is control.while_loop or node in counted:
                return False
            if not all([_may_run(inner, counted) for inner in node.blocks]):
                return False
        elif node.op is update:
            path = node.params["path"]
            if not all([kind == "index" for kind, _ in path]) or len(path) != 1:
                return False
            if not in_bounds(integers, path[0][1], node.shape):
                return False
        elif node.op not in SETS and node.op not in _SAFE and not is_total(node, integers):
            return False
    return True


CONTROL[control.cond] = _if
