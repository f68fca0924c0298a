"""Reverse mode through ``if``: what each side keeps is a result of the forward branch."""

from __future__ import annotations

from typing import Any

from adjoint.ir import Block, Node
from adjoint.ir.build import Builder, building, innermost
from adjoint.ir.edit import Copier, exported
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.indexing import index_add, update
from adjoint.ops.structural import project_result
from adjoint.rules.cotangents import Handed
from adjoint.staged.values import value_of, wrap
from adjoint.transforms.joint import Joint, as_cotangent, cotangent_type, part, zero_cotangent
from adjoint.transforms.loop_reverse import captured_by
from adjoint.transforms.replay import HANDLERS, ControlPull, Replay, active_results
from adjoint.transforms.reverse import add_cotangent, reverse_walk
from adjoint.transforms.sharing import refers

__all__ = ["replay_if"]


def replay_if(replay: Replay, node: Value) -> None:
    """Record an ``if`` again."""
    captured = captured_by(replay, node)
    active = sorted(active_results(node, captured)) if captured else []
    if not active:
        replay.copy(node)
        return
    passed = passed_through(node, captured)
    sides = [_joint(replay, node, block, active, captured, passed) for block in node.blocks]
    blocks: list[Builder] = []
    copiers = []
    for joint, _ in sides:
        with building(innermost()) as builder:
            copier = Copier()
            joint.copy_primal(copier, [*joint.results, *joint.keep])
            builder.block.results = [copier.value(r) for r in joint.results]
        blocks.append(builder)
        copiers.append(copier)
    types = [replay.type(t) for t in node.type]
    kept_at: list[list[int]] = [[], []]
    for k, (joint, _) in enumerate(sides):
        for v in joint.keep:
            kept_at[k].append(len(types))
            value = copiers[k].value(v)
            type = exported(value.type, blocks[k])
            types.append(type)
            blocks[k].block.results.append(value)
            other = blocks[1 - k]
            other.block.results.append(other.emit(control.undefined, (), {"type": type}, type))
    predicate = replay.value(node.inputs[0])
    new = innermost().emit(
        control.cond, (predicate,), {}, tuple(types), tuple(b.block for b in blocks), node.place
    )
    replay.table[node] = new
    kept = [
        [innermost().emit(project_result, (new,), {"k": j}, types[j]) for j in at] for at in kept_at
    ]

    def pull(parts: list[Any], bars: Any, owned: Any) -> None:
        given = [parts[k] for k in active]
        if all(g is None for g in given):
            return
        starts = []
        for k, g in zip(active, given, strict=True):
            result = innermost().emit(project_result, (new,), {"k": k}, new.type[k])
            starts.append(as_cotangent(g, result))
        for v in captured:
            if v in passed:
                continue
            held = bars.pop(replay.active[v], None)
            value = replay.value(v)
            starts.append(
                as_cotangent(held, value) if held is not None else value_of(zero_cotangent(value))
            )
        reverse = []
        for (joint, cts), values in zip(sides, kept, strict=True):
            with building(innermost()) as builder:
                copier = Copier(dict(zip(cts, starts, strict=True)))
                copier.table.update(zip(joint.keep, values, strict=True))
                builder.block.results = joint.copy_reverse(copier)
            reverse.append(builder.block)
        out = tuple(cotangent_type(replay.value(v).type) for v in captured)
        done = wrap(
            innermost().emit(control.cond, (predicate,), {}, out, tuple(reverse), node.place)
        )
        for v, acc in zip(captured, done, strict=True):
            tape = replay.active[v]
            if v in passed:
                add_cotangent(bars, owned, tape, Handed(acc))
                continue
            bars[tape] = acc
            if refers(acc.type):
                owned.add(tape)

    shapes = tuple(t.shape if isinstance(t, Type) else () for t in types)
    tape = Node(node.op, (), None, ControlPull(active, pull), shapes, new.dtype)
    replay.active[node] = tape
    replay.nodes.append(tape)


def passed_through(node: Value, captured: list[Value]) -> set[Value]:
    """Return the arrays whose place a result of the branch takes, changed in place or as they are.

    Their cotangents come from that result's; no accumulator is there before it.
    """
    found = set()
    for block in node.blocks:
        for result in block.results:
            v: Any = result
            while v is not None and v not in captured:
                v = _before(v)
            if v is not None:
                found.add(v)
    return found


def _before(value: Value) -> Value | None:
    """Return the array that a value is a changed version of."""
    if value.op in (update, index_add):
        return value.inputs[0]
    if value.op is not project_result:
        return None
    source, k = value.inputs[0], value.params["k"]
    if source.op is control.for_loop:
        return source.inputs[3 + k]
    if source.op is control.while_loop:
        return source.inputs[k]
    if source.op is control.cond:
        inner = source.blocks[0].results[k]
        while inner in source.blocks[0].nodes:
            inner = _before(inner)  # type: ignore[arg-type,assignment]
        return inner
    return None


def _joint(
    replay: Replay,
    node: Value,
    block: Block,
    active: list[int],
    captured: list[Value],
    passed: set[Value],
) -> tuple[Joint, list[Value]]:
    """Record one side and its reverse sweep into one block, and part them."""
    with building(innermost()) as builder:
        inner = replay.inner()
        outer = [inner.variable(v) for v in captured]
        results = inner.run(block)
        cts = [builder.parameter(cotangent_type(replay.type(node.type[k]))) for k in active]
        bars: dict[Node, Any] = {}
        owned: set[Node] = set()
        accumulators = []
        for v, tape in zip(captured, outer, strict=True):
            if v not in passed:
                acc = builder.parameter(cotangent_type(inner.value(v).type))
                accumulators.append(acc)
                bars[tape] = wrap(acc)
                owned.add(tape)
        for k, ct in zip(active, cts, strict=True):
            tape = inner.active.get(block.results[k])  # type: ignore[arg-type,assignment]
            if tape is not None:
                add_cotangent(bars, owned, tape, Handed(wrap(ct)))
        bars = reverse_walk(inner.nodes, bars, owned)
        outcome = [
            as_cotangent(bars.get(tape), inner.value(v))
            for v, tape in zip(captured, outer, strict=True)
        ]
        cts += accumulators
        return part(builder.block, cts, results, outcome, (), 1), cts


HANDLERS[control.cond] = replay_if
