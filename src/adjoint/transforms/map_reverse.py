"""Both modes through ``map``.

The iterations are independent, so what each keeps is a further result of the operation, and the
reverse sweep is one loop over the same index that adds to the accumulators of what the body reads
from around it. What has no fixed type (what an inner loop keeps) is computed again there: an
iteration depends on nothing but its index.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adjoint.errors import TracingError
from adjoint.ir import Block, Node
from adjoint.ir.build import Builder, building, innermost
from adjoint.ir.dims import Dim
from adjoint.ir.edit import Copier, exported
from adjoint.ir.graph import Value, free_values, operands, values_in
from adjoint.ir.types import AnyType, Type, python_type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.indexing import getitem
from adjoint.ops.structural import project_result
from adjoint.rules.cotangents import Handed
from adjoint.staged.values import value_of, wrap
from adjoint.transforms import push as forward
from adjoint.transforms.joint import (
    Joint,
    as_cotangent,
    cotangent_type,
    part,
    zero_cotangent,
)
from adjoint.transforms.loop_reverse import PASSES, captured_by
from adjoint.transforms.push import Push, result_tangents
from adjoint.transforms.replay import HANDLERS, ControlPull, Replay, active_results
from adjoint.transforms.reverse import add_cotangent, reverse_walk

__all__ = ["entry_of_map", "push_map", "replay_map"]

INT = python_type(int)


def replay_map(replay: Replay, node: Value) -> None:
    """Record a ``map`` again, with what its reverse sweep keeps."""
    captured = captured_by(replay, node)
    active = sorted(active_results(node, captured)) if captured else []
    if not active:
        replay.copy(node)
        return
    (body,) = node.blocks
    entries = [_entry_type(replay, node, k) for k in active]
    with building(innermost()) as builder:
        builder.data["loop"] = True
        inner = replay.inner()
        index = _enter(inner, builder, body)
        joint, cts, accumulators = _joint(builder, inner, body, entries, active, captured, index)
        joint = _with_fixed_types(joint, builder)
    count = replay.value(node.inputs[0])
    # A result of the program's is there anyway.
    kept = [v for v in joint.keep if v not in joint.results]
    with building(innermost()) as builder:
        copier = Copier({index: builder.parameter(INT)})
        copier.table[index].bounds = index.bounds
        joint.copy_primal(copier, [*joint.results, *kept])
        builder.block.results = [copier.value(v) for v in (*joint.results, *kept)]
    types = [replay.type(t) for t in node.type]
    types += [_stacked(exported(copier.value(v).type, builder), node, replay) for v in kept]
    new = innermost().emit(
        control.map_loop, (count,), {}, tuple(types), (builder.block,), node.place
    )
    replay.table[node] = new
    places = {v: k for k, v in enumerate((*joint.results, *kept))}
    stacked = {
        v: innermost().emit(project_result, (new,), {"k": places[v]}, types[places[v]])
        for v in joint.keep
    }

    def pull(parts: list[Any], bars: Any, owned: Any) -> None:
        given = [parts[k] for k in active]
        if all(g is None for g in given):
            return
        wholes = []
        for k, g in zip(active, given, strict=True):
            g = g.value if isinstance(g, Handed) else g
            result = innermost().emit(project_result, (new,), {"k": k}, types[k])
            wholes.append(as_cotangent(g, result))
        starts = []
        for v in captured:
            held, value = bars.pop(replay.active[v], None), replay.value(v)
            starts.append(
                as_cotangent(held, value) if held is not None else value_of(zero_cotangent(value))
            )
        with building(innermost()) as builder:
            place = builder.parameter(INT)
            place.bounds = index.bounds
            copier = Copier({index: place})
            for acc in accumulators:
                copier.table[acc] = builder.parameter(copier.type(acc.type))
            for ct, whole in zip(cts, wholes, strict=True):
                copier.table[ct] = entry_of_map(whole, place, copier.type(ct.type))
            for v, whole in stacked.items():
                copier.table[v] = entry_of_map(whole, place, _entry_of(whole, v))
            builder.block.results = joint.copy_reverse(copier)
        out = tuple([p.type for p in builder.block.parameters[1:]])
        inputs = (value_of(0), count, value_of(1), *starts)
        done = wrap(
            innermost().emit(control.for_loop, inputs, {}, out, (builder.block,), node.place)
        )
        for v, acc in zip(captured, done, strict=True):
            tape = replay.active[v]
            bars[tape] = acc
            if acc.ndim or acc.type.kind == "array":
                owned.add(tape)

    shapes = tuple([t.shape for t in types])
    tape = Node(node.op, (), None, ControlPull(active, pull), shapes, new.dtype)
    replay.active[node] = tape
    replay.nodes.append(tape)


# -- the parts -------------------------------------------------------------------------------------


def entry_of_map(array: Value, index: Value, type: AnyType) -> Value:
    """Read what iteration ``index`` of a ``map`` gave, in its own type."""
    assert isinstance(type, Type)
    items: tuple[Any, ...] = (Dim(0, ((index, 1),)),)
    if type.kind == "array":
        items = (*items, ...)
    read = Type(type.dtype, type.shape, "scalar") if type.kind == "python" else type
    found = innermost().emit(getitem, (array,), {"index": items}, read)
    if type.kind != "python":
        return found
    return innermost().emit(ew.python_number, (found,), {}, type)


def _entry_type(replay: Replay, node: Value, k: int) -> Type:
    """Return the type of what an iteration gives, as it is known around the ``map``."""
    result = node.blocks[0].results[k].type
    assert isinstance(result, Type)
    whole = replay.type(node.type[k])
    return Type(result.dtype, whole.shape[1:], result.kind)


def _entry_of(whole: Value, v: Value) -> Type:
    assert isinstance(whole.type, Type) and isinstance(v.type, Type)
    return Type(v.dtype, whole.type.shape[1:], v.type.kind)


def _stacked(entry: AnyType, node: Value, replay: Replay) -> Type:
    assert isinstance(entry, Type)
    count = node.inputs[0]
    if count.op is control.constant:
        length: Any = count.params["value"]
    else:
        length = Dim(0, ((replay.value(count), 1),))
    return Type(entry.dtype, (length, *entry.shape))


def _enter(inner: Copier, builder: Builder, body: Block) -> Value:
    (old,) = body.parameters
    index = inner.table[old] = builder.parameter(INT)
    index.bounds = inner.bounds(old.bounds)
    return index


def _joint(
    builder: Builder,
    inner: Replay,
    body: Block,
    entries: list[Type],
    active: list[int],
    captured: list[Value],
    index: Value,
) -> tuple[Joint, list[Value], list[Value]]:
    """Record the body and its reverse sweep into one block, and part them."""
    outer = [inner.variable(v) for v in captured]
    results = inner.run(body)
    cts = [builder.parameter(cotangent_type(entry)) for entry in entries]
    bars: dict[Node, Any] = {}
    owned: set[Node] = set()
    accumulators = []
    for v, node in zip(captured, outer, strict=True):
        acc = builder.parameter(cotangent_type(inner.value(v).type))
        accumulators.append(acc)
        bars[node] = wrap(acc)
        owned.add(node)
    for k, ct in zip(active, cts, strict=True):
        node = inner.active.get(body.results[k])
        if node is not None:
            add_cotangent(bars, owned, node, wrap(ct))
    bars = reverse_walk(inner.nodes, bars, owned)
    outcome = [as_cotangent(bars[n], inner.value(v)) for v, n in zip(captured, outer, strict=True)]
    joint = part(builder.block, [*cts, *accumulators], results, outcome, [index], PASSES)
    return joint, cts, accumulators


def _with_fixed_types(joint: Joint, builder: Builder) -> Joint:
    """Return the same, but what is computed again if not all that is kept can be stacked."""
    if all(v in joint.results or _is_fixed(exported(v.type, builder)) for v in joint.keep):
        return joint
    mine = set(joint.primal)
    live: set[Value] = {v for v in joint.outcome if v in mine}
    for node in joint.reverse:
        live.update(_used_by(node))
    keep = []
    redo = []
    for node in reversed(joint.primal):
        if node not in live:
            continue
        if _happens_once(node):
            if node.op is not control.draw or not _is_fixed(exported(node.type, builder)):
                raise TracingError(
                    "random numbers are drawn, or a function is called for its effect, in a loop "
                    "or branch inside of a comprehension or vmap whose derivative is wanted, which "
                    "computes that loop twice; draw the numbers before it"
                )
            keep.append(node)
            continue
        redo.append(node)
        live.update(_used_by(node))
    return replace(joint, keep=tuple(reversed(keep)), redo=tuple(reversed(redo)))


def _happens_once(node: Value) -> bool:
    if node.op is control.draw or node.op is control.effect:
        return True
    return any(_happens_once(n) for block in node.blocks for n in block.nodes)


def _used_by(node: Value) -> list[Value]:
    lengths = values_in(node.type)
    return [*operands(node), *lengths, *free_values(*node.blocks, lengths=True)]


def _is_fixed(type: Any) -> bool:
    return isinstance(type, Type) and None not in type.shape


HANDLERS[control.map_loop] = replay_map


# -- forward mode ----------------------------------------------------------------------------------


def push_map(push: Push, node: Value, active: list[int]) -> None:
    """Record a ``map`` again, with the tangents of its results."""
    (body,) = node.blocks
    with building(innermost()) as builder:
        inner = push.inner()
        _enter(inner, builder, body)
        results: list[Any] = inner.run(body)
        results += result_tangents(inner, body, active, [body.results[k] for k in active])
        builder.block.results = results
    types = tuple([push.type(t) for t in node.type])
    dots = tuple([cotangent_type(types[k]) for k in active])
    inputs = (push.value(node.inputs[0]),)
    new = innermost().emit(
        control.map_loop, inputs, {}, (*types, *dots), (builder.block,), node.place
    )
    push.finish(node, new, active, len(types))


forward.HANDLERS[control.map_loop] = push_map
