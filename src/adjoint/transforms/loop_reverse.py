"""Reverse mode through ``for`` and ``while``.

The forward loop pushes what each pass keeps onto stacks; the reverse loop runs the passes last to
first, carrying the cotangents of the carried values and the accumulators of what the body captures.
An accumulator that the sweep has already is threaded through the loop, so that adding to an element
of a captured array costs one element. A ``while`` counts its passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adjoint.ir import Block, Node
from adjoint.ir.build import Builder, building, innermost
from adjoint.ir.dims import Dim
from adjoint.ir.edit import Copier, exported
from adjoint.ir.graph import Value, free_values
from adjoint.ir.types import StackType, Type, python_type
from adjoint.ops import control
from adjoint.ops.control import entry, push
from adjoint.ops.structural import project_result
from adjoint.rules.cotangents import Handed
from adjoint.staged.integers import Integer
from adjoint.staged.values import value_of, wrap
from adjoint.transforms.joint import Joint, as_cotangent, cotangent_type, part, zero_cotangent
from adjoint.transforms.replay import HANDLERS, ControlPull, Replay, active_results
from adjoint.transforms.reverse import add_cotangent, reverse_walk
from adjoint.transforms.sharing import refers

__all__ = ["replay_for", "replay_while"]

INT = python_type(int)
PASSES = 1100
"""How many passes a loop is taken to have, where memory is weighed."""


def captured_by(replay: Replay, node: Value) -> list[Value]:
    """Return the active values that the blocks of a control operation refer to."""
    return [v for v in free_values(*node.blocks) if v in replay.active]


def replay_for(replay: Replay, node: Value) -> None:
    """Record a ``for`` again."""
    captured = captured_by(replay, node)
    active = _active(replay, node, node.inputs[3:], captured)
    if not active:
        replay.copy(node)
        return
    body = node.blocks[0]
    with building(innermost()) as builder:
        builder.data["loop"] = True
        inner = replay.inner()
        index = builder.parameter(INT)
        index.bounds = replay.bounds(body.parameters[0].bounds)
        inner.table[body.parameters[0]] = index
        carried = _enter(builder, inner, body.parameters[1:])
        joint, cts = _joint(builder, inner, body, carried, active, captured, [index])
    lo, hi, step = (replay.value(v) for v in node.inputs[:3])
    size = step.params["value"]
    first = _integer(lo)
    with building(innermost()) as builder:
        copier = Copier({index: builder.parameter(INT)})
        copier.table[index].bounds = index.bounds
        stacks = _copy_forward(builder, copier, joint, carried)
        number = _number(_integer(copier.table[index]), first, size)
        builder.block.results = _pushed(joint, copier, stacks, number)
    empty = [innermost().emit(control.empty_stack, (), {}, s.type) for s in stacks]
    inits = [replay.value(v) for v in node.inputs[3:]]
    types = (*(v.type for v in carried), *(s.type for s in stacks))
    new = innermost().emit(
        control.for_loop, (lo, hi, step, *inits, *empty), {}, types, (builder.block,), node.place
    )
    kept = _projections(new, len(carried), stacks)
    loop = _Loop(replay, node, node.inputs[3:], new, joint, index, cts, active, captured, kept)

    def pull(parts: list[Any], bars: Any, owned: Any) -> None:
        backwards = _backwards(_integer(lo), _integer(hi), size)
        loop.pull(parts, bars, owned, backwards, lambda i: _number(i, first, size))

    loop.note(pull)


def replay_while(replay: Replay, node: Value) -> None:
    """Record a ``while`` again, counting its passes."""
    captured = captured_by(replay, node)
    active = _active(replay, node, node.inputs, captured)
    if not active:
        replay.copy(node)
        return
    condition, body = node.blocks
    with building(innermost()) as builder:
        builder.data["loop"] = True
        inner = replay.inner()
        carried = _enter(builder, inner, body.parameters)
        count = builder.parameter(INT)
        count.bounds = (0, None)
        joint, cts = _joint(builder, inner, body, carried, active, captured, [count])
    with building(innermost()) as builder:
        copier = Copier()
        stacks = _copy_forward(builder, copier, joint, carried, counter=count)
        number = _integer(copier.table[count])
        results = _pushed(joint, copier, stacks, number)
        results.insert(len(carried), value_of(number + 1))
        builder.block.results = results
    with building(innermost()) as checking:
        copier = Copier(dict(replay.table))
        for old in condition.parameters:
            new_param = checking.parameter(copier.type(old.type))
            copier.table[old] = new_param
        checking.parameter(INT)
        for s in stacks:
            checking.parameter(s.type)
        for n in condition.nodes:
            new = copier.node(n)
            checking.block.nodes.append(new)
            checking.own.add(new)
        checking.block.results = [copier.value(r) for r in condition.results]
    empty = [innermost().emit(control.empty_stack, (), {}, s.type) for s in stacks]
    inits = [replay.value(v) for v in node.inputs]
    types = (*(v.type for v in carried), INT, *(s.type for s in stacks))
    new = innermost().emit(
        control.while_loop,
        (*inits, value_of(0), *empty),
        {},
        types,
        (checking.block, builder.block),
        node.place,
    )
    trips = innermost().emit(project_result, (new,), {"k": len(carried)}, INT)
    trips.bounds = (0, None)
    kept = _projections(new, len(carried) + 1, stacks)
    loop = _Loop(replay, node, node.inputs, new, joint, count, cts, active, captured, kept)

    def pull(parts: list[Any], bars: Any, owned: Any) -> None:
        loop.pull(parts, bars, owned, (_integer(trips) - 1, -1, -1), lambda i: i)

    loop.note(pull)


# -- the parts -------------------------------------------------------------------------------------


def _active(replay: Replay, node: Value, inits: Any, captured: list[Value]) -> list[int]:
    on = [v for v in inits if v in replay.active]
    if not on and not captured:
        return []
    return sorted(active_results(node, [*on, *captured]))


def _integer(value: Value) -> Any:
    if value.op is control.constant:
        return value.params["value"]
    return Integer(0, ((value, 1),))


def _backwards(lo: Any, hi: Any, step: int) -> tuple[Any, Any, int]:
    """Return the bounds and step of a range run backwards."""
    if step == 1:
        return hi - 1, lo - 1, -1
    if step == -1:
        return hi + 1, lo + 1, 1
    span = (hi - lo) if step > 0 else (lo - hi)
    last = lo + ((span + (abs(step) - 1)) // abs(step) - 1) * step
    return last, lo - step, -step


def _number(index: Any, first: Any, step: int) -> Any:
    """Return which pass it is, from 0 on."""
    if step == 1:
        return index - first
    return first - index if step == -1 else (index - first) // step


def _enter(builder: Builder, inner: Replay, parameters: list[Value]) -> list[Value]:
    carried = []
    for old in parameters:
        new = builder.parameter(inner.type(old.type))
        inner.table[old] = new
        carried.append(new)
    return carried


def _joint(
    builder: Builder,
    inner: Replay,
    body: Block,
    carried: list[Value],
    active: list[int],
    captured: list[Value],
    free: list[Value],
) -> tuple[Joint, list[Value]]:
    """Record the body and its reverse sweep into one block, and part them."""
    parameters = body.parameters[len(body.parameters) - len(carried) :]
    variables = [inner.variable(parameters[k]) for k in active]
    outer = [inner.variable(v) for v in captured]
    results = inner.run(body)
    bars: dict[Node, Any] = {}
    owned: set[Node] = set()
    cts = []
    for k in active:
        ct = builder.parameter(cotangent_type(carried[k].type))
        cts.append(ct)
    accumulators = []
    for v, node in zip(captured, outer, strict=True):
        acc = builder.parameter(cotangent_type(inner.value(v).type))
        accumulators.append(acc)
        bars[node] = wrap(acc)
        owned.add(node)
    for k, ct in zip(active, cts, strict=True):
        result = inner.active.get(body.results[k])
        if result is not None:
            add_cotangent(bars, owned, result, Handed(wrap(ct)))
    bars = reverse_walk(inner.nodes, bars, owned)
    outcome = [
        as_cotangent(bars.get(node), carried[k]) for k, node in zip(active, variables, strict=True)
    ]
    outcome += [
        as_cotangent(bars[node], inner.value(v)) for v, node in zip(captured, outer, strict=True)
    ]
    cts += accumulators
    return part(builder.block, cts, results, outcome, free, PASSES), cts


def _copy_forward(
    builder: Builder,
    copier: Copier,
    joint: Joint,
    carried: list[Value],
    counter: Value | None = None,
) -> list[Value]:
    """Record the body of the forward loop but for its results; return the stacks it carries."""
    for old in carried:
        copier.table[old] = builder.parameter(copier.type(old.type))
    if counter is not None:
        copier.table[counter] = builder.parameter(INT)
        copier.table[counter].bounds = (0, None)
    joint.copy_primal(copier, [*joint.results, *joint.keep])
    return [
        builder.parameter(StackType(exported(copier.value(v).type, builder))) for v in joint.keep
    ]


def _pushed(joint: Joint, copier: Copier, stacks: list[Value], number: Any) -> list[Any]:
    """Return the results of the forward loop's body."""
    results: list[Any] = [copier.value(r) for r in joint.results]
    k = _index_param(number)
    for stack, v in zip(stacks, joint.keep, strict=True):
        results.append(innermost().emit(push, (stack, copier.value(v)), {"index": k}, stack.type))
    return results


def _index_param(number: Any) -> Any:
    return Dim(number.constant, number.terms) if isinstance(number, Dim) else number


def _projections(new: Value, start: int, stacks: list[Value]) -> list[Value]:
    return [
        innermost().emit(project_result, (new,), {"k": start + j}, s.type)
        for j, s in enumerate(stacks)
    ]


@dataclass
class _Loop:
    """A loop that was recorded again, and what its reverse needs.

    Attributes
    ----------
    replay : Replay
    node, new : Value
        The loop in the original, and in the copy.
    inits : tuple of Value
        What it carries before it, in the original.
    joint : Joint
        Of the body.
    index : Value
        In the joint block: which pass it is, which the reverse loop knows too.
    cts : list of Value
        In the joint block: cotangents of active carried values, then accumulators.
    active : list of int
        The active carried values.
    captured : list of Value
        Active values that the body reads from around it, in the original.
    kept : list of Value
        The stacks.
    """

    replay: Replay
    node: Value
    inits: tuple[Value, ...]
    new: Value
    joint: Joint
    index: Value
    cts: list[Value]
    active: list[int]
    captured: list[Value]
    kept: list[Value]

    def note(self, pull: Any) -> None:
        """Put the loop on the tape."""
        new = self.new
        shapes = tuple(t.shape if isinstance(t, Type) else () for t in new.type)
        tape = Node(self.node.op, (), None, ControlPull(self.active, pull), shapes, new.dtype)
        self.replay.table[self.node] = new
        self.replay.active[self.node] = tape
        self.replay.nodes.append(tape)

    def pull(
        self,
        parts: list[Any],
        bars: Any,
        owned: Any,
        backwards: tuple[Any, Any, int],
        number: Callable[[Any], Any],
    ) -> None:
        """Record the reverse loop, and add its cotangents to those of the walk.

        Parameters
        ----------
        parts : list
            Cotangents of the results, None where there is none.
        bars, owned :
            The walk's.
        backwards : tuple
            Bounds and step of the reverse loop.
        number : callable
            From its index to the number of the pass, from 0 on.
        """
        if all(parts[k] is None for k in self.active):
            return
        starts = self._starts(parts, bars)
        with building(innermost()) as builder:
            place = builder.parameter(INT)
            place.bounds = self.index.bounds
            copier = Copier({self.index: place})
            for ct in self.cts:
                copier.table[ct] = builder.parameter(copier.type(ct.type))
            k = _index_param(number(_integer(place)))
            for stack, v in zip(self.kept, self.joint.keep, strict=True):
                type = stack.type.entry
                copier.table[v] = builder.emit(entry, (stack,), {"index": k, "type": type}, type)
            builder.block.results = self.joint.copy_reverse(copier)
        inputs = (*map(value_of, backwards), *starts)
        types = tuple(p.type for p in builder.block.parameters[1:])
        done = innermost().emit(
            control.for_loop, inputs, {}, types, (builder.block,), self.node.place
        )
        self._hand_on(wrap(done), bars, owned)

    def _starts(self, parts: list[Any], bars: Any) -> list[Value]:
        """Return what the reverse loop carries before it; accumulators leave the walk's hands."""
        starts = []
        for k in self.active:
            like = innermost().emit(project_result, (self.new,), {"k": k}, self.new.type[k])
            starts.append(as_cotangent(parts[k], like))
        for v in self.captured:
            held, like = bars.pop(self.replay.active[v], None), self.replay.value(v)
            held = zero_cotangent(like) if held is None else held
            starts.append(as_cotangent(held, like))
        return starts

    def _hand_on(self, done: tuple[Any, ...], bars: Any, owned: Any) -> None:
        """Give the walk what the reverse loop carries after it."""
        active = self.replay.active
        for v, acc in zip(self.captured, done[len(self.active) :], strict=True):
            bars[active[v]] = acc
            if refers(acc.type):
                owned.add(active[v])
        for k, ct in zip(self.active, done, strict=False):
            tape = active.get(self.inits[k])
            if tape is not None:
                add_cotangent(bars, owned, tape, Handed(ct))


HANDLERS[control.for_loop] = replay_for
HANDLERS[control.while_loop] = replay_while
