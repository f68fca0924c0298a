"""Derivatives through calls that are computed again in the reverse sweep, not kept.

Such a call is recorded as an operation ``checkpoint``. The forward sweep runs its block and keeps
the operands; the reverse sweep runs the block once more, with a tape, and walks that back. What is
computed again must not be taken for what was computed before: not by the parting of a loop's body
(`adjoint.transforms.joint`) into what depends on cotangents and what does not, which would keep it;
nor by the elimination of common subexpressions, which would have it live from one sweep to the
other. So the second run starts from ``recompute(x, after)`` of each operand, where ``after`` is a
cotangent: that depends on the reverse sweep, and nothing sees through it. Integers that are lengths
and indices go past it, lest what is known of shapes be lost.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir import Node
from adjoint.ir.build import building, innermost
from adjoint.ir.graph import Value, free_values
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.rules.cotangents import Handed, Undefined
from adjoint.rules.derive import general
from adjoint.staged.values import value_of, wrap
from adjoint.transforms.joint import as_cotangent, cotangent_type
from adjoint.transforms.push import HANDLERS as PUSH
from adjoint.transforms.push import Push
from adjoint.transforms.repeating import repeatable
from adjoint.transforms.replay import HANDLERS, ControlPull, Replay, active_results
from adjoint.transforms.reverse import add_cotangent, reverse_walk

__all__ = ["again"]


def again(value: Value, after: Value) -> Value:
    """Return a value as one that is not there before ``after``."""
    type = value.type
    if not isinstance(type, Type) or value.op is control.constant:
        return value
    if type.kind != "array" and type.dtype.kind not in "fc":
        return value
    return innermost().emit(control.recompute, (value, after), {}, type)


general(
    control.recompute,
    jvp=lambda x_dot, after: (
        None if x_dot is None else wrap(again(value_of(x_dot), value_of(after)))
    ),
    vjp=(lambda ct: ct, None),
)


def _replay_checkpoint(replay: Replay, node: Value) -> None:
    active = active_results(node, replay.active)
    new = replay.copy(node)
    if not active:
        return
    body = repeatable(node.blocks[0], "a function under ad.checkpoint")
    captured = free_values(body)

    def pull(parts: list[Any], bars: Any, owned: Any) -> None:
        given = {k: parts[k] for k in active if parts[k] is not None}
        if not given:
            return
        first = next(iter(given.values()))
        after = value_of(first.value if isinstance(first, Handed) else first)
        inner = replay.inner()
        for p, v in zip(body.parameters, node.inputs, strict=True):
            inner.table[p] = again(replay.value(v), after)
            if v in replay.active:
                inner.active[p] = replay.active[v]
        for v in captured:
            inner.table[v] = again(replay.value(v), after)
            if v in replay.active:
                inner.active[v] = replay.active[v]
        inner.run(body)
        for k, ct in given.items():
            tape = inner.active.get(body.results[k])
            if tape is not None:
                add_cotangent(bars, owned, tape, ct)
        reverse_walk(inner.nodes, bars, owned)

    shapes = tuple(t.shape if isinstance(t, Type) else () for t in new.type)
    tape = Node(node.op, (), None, ControlPull(active, pull), shapes, new.dtype)
    replay.active[node] = tape
    replay.nodes.append(tape)


def _push_checkpoint(push: Push, node: Value, active: list[int]) -> None:
    """Record the call with its tangents: in reverse mode these are computed again, too."""
    (body,) = node.blocks
    on = [k for k, v in enumerate(node.inputs) if push.dots.get(v) is not None]
    inputs = [push.value(v) for v in node.inputs]
    with building(innermost()) as builder:
        inner = push.inner()
        for old in body.parameters:
            new = builder.parameter(inner.type(old.type))
            new.bounds = inner.bounds(old.bounds)
            inner.table[old] = new
        for k in on:
            like = inner.value(body.parameters[k])
            inner.dots[body.parameters[k]] = wrap(builder.parameter(cotangent_type(like.type)))
        results: list[Any] = inner.run(body)
        for k in active:
            dot = inner.dots.get(body.results[k])
            if type(dot) is Undefined:
                raise dot.error
            results.append(as_cotangent(dot, inner.value(body.results[k])))
        builder.block.results = results
    inputs += [as_cotangent(push.dots[node.inputs[k]], inputs[k]) for k in on]
    types = tuple(push.type(t) for t in node.type)
    dots = tuple(cotangent_type(types[k]) for k in active)
    new = innermost().emit(
        control.checkpoint, tuple(inputs), {}, (*types, *dots), (builder.block,), node.place
    )
    push.finish(node, new, active, len(types))


HANDLERS[control.checkpoint] = _replay_checkpoint
PUSH[control.checkpoint] = _push_checkpoint
