"""Reverse mode through loops of which few states are kept: binomial checkpointing in the graph.

A loop with parameter ``snapshots`` or ``memory`` keeps no residuals of its passes. The forward
sweep runs the loop, and keeps the carried values before some of them. The reverse sweep takes the
steps last to first: it goes back to the last state that is kept, runs the loop from there to the
step at hand, keeping states on the way, and records that step with a tape. Which states to keep,
the operations of `adjoint.transforms.plans` say when the program runs; here are the loops that
follow them::

    ahead(stretch, depth, state):               from the snapshot of a stretch to its last step
        while the stretch has several steps:
            kept[depth] = state
            waiting[depth], rest = divide(stretch)
            for step in range(start of stretch, start of rest):
                state = body(state)
            stretch, depth = rest, depth + 1

    for step in reversed(range(trips)):
        depth -= 1
        state = kept[depth]
        stretch, depth, state = ahead(waiting[depth], depth, state)
        pull the cotangents back through body(state)

The forward sweep of a ``for`` is ``ahead`` of the stretch of all steps; that of a ``while``, whose
number of steps is not known, asks before each step which state to give up for the present one.

All of it is made of the operations that other programs are made of: what runs, simplifies or
differentiates graphs knows nothing of checkpointing. Derivatives of higher order keep what the
loops above need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adjoint.ir import Node
from adjoint.ir.build import building, innermost
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value, free_values, operands
from adjoint.ir.types import AnyType, StackType, Type, python_type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.creation import range_length
from adjoint.rules.cotangents import Handed
from adjoint.staged.integers import Integer, compare
from adjoint.staged.values import emit, param, value_of, wrap
from adjoint.transforms import plans
from adjoint.transforms.joint import as_cotangent, cotangent_type, zero_cotangent
from adjoint.transforms.loop_reverse import captured_by, replay_for, replay_while
from adjoint.transforms.repeating import repeatable
from adjoint.transforms.replay import HANDLERS, ControlPull, Replay, active_results
from adjoint.transforms.reverse import add_cotangent, reverse_walk
from adjoint.transforms.sharing import refers

__all__ = ["is_revolved"]

INT = python_type(int)

Values = list[Value]


def is_revolved(node: Value) -> bool:
    """Tell whether few states of a loop are to be kept, rather than residuals of its passes."""
    return "snapshots" in node.params or "memory" in node.params


# -- emitting --------------------------------------------------------------------------------------


def _block(types: Sequence[AnyType], fill: Callable[[Values], Sequence[Any]]) -> Any:
    with building(innermost()) as builder:
        results = fill([builder.parameter(t) for t in types])
        builder.block.results = list(map(value_of, results))
    return builder.block


def _for(
    bounds: tuple[Any, Any, Any],
    inits: Sequence[Any],
    types: Sequence[AnyType],
    body: Callable[[Value, Values], Sequence[Any]],
    of: Value,
) -> Values:
    block = _block((INT, *types), lambda ps: body(ps[0], ps[1:]))
    inputs = (*map(value_of, bounds), *map(value_of, inits))
    node = innermost().emit(control.for_loop, inputs, {}, tuple(types), (block,), of.place)
    return list(map(value_of, wrap(node)))


def _while(
    inits: Sequence[Any],
    types: Sequence[AnyType],
    condition: Callable[[Values], Any],
    body: Callable[[Values], Sequence[Any]],
    of: Value,
) -> Values:
    blocks = (_block(types, lambda ps: (condition(ps),)), _block(types, body))
    inputs = tuple(map(value_of, inits))
    node = innermost().emit(control.while_loop, inputs, {}, tuple(types), blocks, of.place)
    return list(map(value_of, wrap(node)))


def _op(op: Any, *inputs: Any, **params: Any) -> Any:
    return emit(op, tuple(wrap(value_of(x)) for x in inputs), params)


def _number(array: Any, *index: int) -> Any:
    """Return an element of an array of integers as a Python integer."""
    return emit(ew.python_number, (wrap(value_of(array))[index],))


def _pushed(stack: Value, value: Any, index: Any) -> Value:
    params = {"index": param(index), "replaces": True}
    return innermost().emit(control.push, (stack, value_of(value)), params, stack.type)


def _entry(stack: Value, index: Any) -> Value:
    type = stack.type.entry
    return innermost().emit(control.entry, (stack,), {"index": param(index), "type": type}, type)


def _empty(types: Sequence[AnyType]) -> Values:
    return [innermost().emit(control.empty_stack, (), {}, t) for t in types]


# -- loops -----------------------------------------------------------------------------------------


class _Loop:
    """A loop that is recorded again, with the state that it carries."""

    def __init__(self, replay: Replay, node: Value) -> None:
        self.replay = replay
        self.node = node
        self.counts = node.op is control.for_loop
        first = 1 if self.counts else 0
        self.inputs = node.inputs[3 * first :]
        self.body = node.blocks[-1]
        self.again = repeatable(self.body, "a loop under ad.checkpoint")
        self.inits = [replay.value(v) for v in self.inputs]
        own = set(self.body.parameters)
        self.types = [replay.type(_without(p.type, own)) for p in self.body.parameters[first:]]
        self.kept = [StackType(t) for t in self.types]
        if self.counts:
            lo, _, size = node.inputs[:3]
            self.lo = _integer(replay.value(lo))
            self.size = replay.value(size).params["value"]

    def at(self, number: Any) -> Any:
        """Return the index of a step."""
        return self.lo + number * self.size if self.counts else number

    def enter(self, walk: Replay, body: Any, index: Any, state: Values) -> None:
        """Give the body's parameters their values."""
        given = [value_of(index), *state] if self.counts else state
        walk.table.update(zip(body.parameters, given, strict=True))

    def run(self, start: Any, stop: Any, state: Values, body: Any) -> Values:
        """Record the steps from ``start`` on, before ``stop``."""

        def step(index: Value, state: Values) -> Values:
            if self.counts:
                index.bounds = self.replay.bounds(body.parameters[0].bounds)
            walk = self.replay.inner()
            self.enter(walk, body, index, state)
            for n in body.nodes:
                walk.copy(n)
            return [walk.value(r) for r in body.results]

        bounds = (self.at(start), self.at(stop), self.size if self.counts else 1)
        return _for(bounds, state, self.types, step, self.node)

    def ahead(self, stretch: Any, depth: Any, waiting: Value, rest: Values, body: Any) -> Values:
        """Record the way to the last step of a stretch; ``rest`` is the state, then what is kept.

        Returns
        -------
        list of Value
            The last stretch, the depth, what waits, the state, what is kept.
        """
        n = len(self.types)

        def more(carried: Values) -> Any:
            return compare(">", _number(carried[0], 1), 1)

        def divide(carried: Values) -> list[Any]:
            stretch, depth, waiting = carried[0], _integer(carried[1]), carried[2]
            state, kept = carried[3 : 3 + n], carried[3 + n :]
            kept = [_pushed(s, x, depth) for s, x in zip(kept, state, strict=True)]
            parts = _op(plans.divide_stretch, stretch)
            waiting = _pushed(waiting, parts[0].copy(), depth)
            state = self.run(_number(stretch, 0), _number(parts, 1, 0), state, body)
            return [parts[1].copy(), depth + 1, waiting, *state, *kept]

        types = (plans.STRETCH, INT, StackType(plans.STRETCH), *self.types, *self.kept)
        return _while((stretch, depth, waiting, *rest), types, more, divide, self.node)

    def room(self) -> Value:
        """Record how many states may be kept."""
        params = {"snapshots": None, "memory": None, **self.node.params}
        state = [self.inits[k] for k in self._read()]
        return value_of(_op(plans.room_for, *state, **params))

    def _read(self) -> list[int]:
        """Return which of the carried values the steps read."""
        blocks, results = self.node.blocks, self.body.results
        read: set[Any] = {*blocks[0].results} if len(blocks) > 1 else set()
        for block in blocks:
            for n in block.nodes:
                read.update((*operands(n), *free_values(*n.blocks)))
        n = len(self.types)
        return [
            k
            for k in range(n)
            if any(block.parameters[len(block.parameters) - n + k] in read for block in blocks)
            or any(r is self.body.parameters[-n:][k] for j, r in enumerate(results) if j != k)
        ]

    # -- forward sweeps --------------------------------------------------------------------------

    def forward(self) -> tuple[Values, Callable[[], tuple[Any, Any, Value, Values]]]:
        """Record the forward sweep.

        Returns
        -------
        results : list of Value
        turn : callable
            Records what the reversal begins with: the number of steps, the depth, what waits, what
            is kept.
        """
        return self._forward_for() if self.counts else self._forward_while()

    def _forward_for(self) -> tuple[Values, Any]:
        trips = _op(range_length, *[self.replay.value(v) for v in self.node.inputs[:3]])
        stretch = _op(plans.begin_stretch, trips, self.room())
        (waiting,) = _empty([StackType(plans.STRETCH)])
        rest = [*self.inits, *_empty(self.kept)]
        _, depth, waiting, *rest = self.ahead(stretch, 0, waiting, rest, self.body)
        n = len(self.types)
        return rest[:n], lambda: (trips, _integer(depth), waiting, rest[n:])

    def _forward_while(self) -> tuple[Values, Any]:
        n = len(self.types)
        condition = self.node.blocks[0]

        def more(carried: Values) -> Any:
            walk = self.replay.inner()
            walk.table.update(zip(condition.parameters, carried[1 : 1 + n], strict=True))
            for node in condition.nodes:
                walk.copy(node)
            return walk.value(condition.results[0])

        def step(carried: Values) -> list[Any]:
            plan = value_of(_op(plans.continue_sweep, carried[0]))
            state, kept = carried[1 : 1 + n], carried[1 + n :]
            slot = _number(plan, 0, 2)
            blocks = (
                _block((), lambda _: [_pushed(s, x, slot) for s, x in zip(kept, state)]),
                _block((), lambda _: kept),
            )
            keeps = value_of(compare(">=", slot, 0))
            types = tuple(self.kept)
            kept = list(wrap(innermost().emit(control.cond, (keeps,), {}, types, blocks)))
            walk = self.replay.inner()
            self.enter(walk, self.body, None, state)
            for node in self.body.nodes:
                walk.copy(node)
            return [plan, *[walk.value(r) for r in self.body.results], *kept]

        plan = _op(plans.begin_sweep, self.room())
        types = (Type(INT.dtype, (None, 3)), *self.types, *self.kept)
        inits = (plan, *self.inits, *_empty(self.kept))
        plan, *rest = _while(inits, types, more, step, self.node)
        return rest[:n], lambda: self._turn(plan, rest[n:])

    def _turn(self, plan: Value, kept: Values) -> tuple[Any, Any, Value, Values]:
        """Record what the sweep has kept as stretches that wait, in their order."""
        found = _op(plans.stretches, plan)

        def move(number: Value, carried: Values) -> Values:
            k, row = _integer(number), wrap(value_of(found))[_integer(number)]
            slot = _number(row, 4)
            moved = [_pushed(t, _entry(s, slot), k) for s, t in zip(kept, carried[1:], strict=True)]
            return [_pushed(carried[0], row[:4].copy(), k), *moved]

        types = (StackType(plans.STRETCH), *self.kept)
        count = found.shape[0]
        waiting, *kept = _for((0, count, 1), _empty(types), types, move, self.node)
        return _number(plan, 0, 0), count, waiting, kept


def _integer(value: Value) -> Any:
    if value.op is control.constant:
        return value.params["value"]
    return Integer(0, ((value, 1),))


def _without(type: AnyType, values: set[Value]) -> AnyType:
    """Return a type without lengths that depend on some values."""
    if isinstance(type, StackType):
        return StackType(_without(type.entry, values))
    return type.with_shape(
        tuple(
            None if isinstance(n, Dim) and any(v in values for v, _ in n.terms) else n
            for n in type.shape
        )
    )


# -- the reverse sweep -----------------------------------------------------------------------------


def _replay_revolved(replay: Replay, node: Value) -> None:
    """Record a loop again, keeping few states."""
    first = 3 if node.op is control.for_loop else 0
    captured = captured_by(replay, node)
    on = [v for v in node.inputs[first:] if v in replay.active]
    active = sorted(active_results(node, [*on, *captured])) if on or captured else []
    if not active:
        replay.copy(node)
        return
    loop = _Loop(replay, node)
    results, turn = loop.forward()
    replay.parts[node] = results

    def pull(parts: list[Any], bars: Any, owned: Any) -> None:
        given = [parts[k] for k in active]
        if all(g is None for g in given):
            return
        starts = [
            as_cotangent(g.value if isinstance(g, Handed) else g, results[k])
            for k, g in zip(active, given, strict=True)
        ]
        for v in captured:
            held = bars.pop(replay.active[v], None)
            like = replay.value(v)
            starts.append(
                value_of(zero_cotangent(like)) if held is None else as_cotangent(held, like)
            )
        done = list(map(wrap, _reversal(loop, turn, starts, active, captured)))
        for v, acc in zip(captured, done[len(active) :], strict=True):
            tape = replay.active[v]
            bars[tape] = acc
            if refers(acc.type):
                owned.add(tape)
        for k, ct in zip(active, done, strict=False):
            tape = replay.active.get(loop.inputs[k])
            if tape is not None:
                add_cotangent(bars, owned, tape, Handed(ct))

    shapes = tuple(v.shape for v in results)
    tape = Node(node.op, (), None, ControlPull(active, pull), shapes, node.dtype)
    replay.active[node] = tape
    replay.nodes.append(tape)


def _reversal(
    loop: _Loop, turn: Any, starts: Values, active: list[int], captured: Values
) -> Values:
    """Record the reversal; return the cotangents of the carried values, and of what is captured."""
    n = len(loop.types)
    body = loop.again

    def reverse(number: Value, carried: Values) -> list[Any]:
        depth, waiting = _integer(carried[0]) - 1, carried[1]
        kept, cts = carried[2 : 2 + n], carried[2 + n :]
        state = [_entry(s, depth) for s in kept]
        _, depth, waiting, *rest = loop.ahead(
            _entry(waiting, depth), depth, waiting, [*state, *kept], body
        )
        state, kept = rest[:n], rest[n:]
        return [depth, waiting, *kept, *_pulled(loop, number, state, cts, active, captured)]

    trips, depth, waiting, kept = turn()
    types = (INT, waiting.type, *loop.kept, *[cotangent_type(ct.type) for ct in starts])
    inits = (depth, waiting, *kept, *starts)
    done = _for((trips - 1, -1, -1), inits, types, reverse, loop.node)
    return done[2 + n :]


def _pulled(
    loop: _Loop, number: Value, state: Values, cts: Values, active: list[int], captured: Values
) -> list[Any]:
    """Record one step with a tape, and its reverse walk."""
    body = loop.again
    walk = loop.replay.inner()
    loop.enter(walk, body, loop.at(_integer(number)), state)
    parameters = body.parameters[1:] if loop.counts else body.parameters
    variables = [walk.variable(parameters[k]) for k in active]
    outer = [walk.variable(v) for v in captured]
    walk.run(body)
    bars: dict[Node, Any] = {}
    owned: set[Node] = set()
    for tape, acc in zip(outer, cts[len(active) :], strict=True):
        bars[tape] = wrap(acc)
        owned.add(tape)
    for k, ct in zip(active, cts, strict=False):
        tape = walk.active.get(body.results[k])
        if tape is not None:
            add_cotangent(bars, owned, tape, Handed(wrap(ct)))
    bars = reverse_walk(walk.nodes, bars, owned)
    pulled = [
        as_cotangent(bars.get(tape), state[k]) for k, tape in zip(active, variables, strict=True)
    ]
    return pulled + [
        as_cotangent(bars[tape], walk.value(v)) for v, tape in zip(captured, outer, strict=True)
    ]


def _replay_loop(replay: Replay, node: Value) -> None:
    if is_revolved(node):
        _replay_revolved(replay, node)
    elif node.op is control.for_loop:
        replay_for(replay, node)
    else:
        replay_while(replay, node)


HANDLERS[control.for_loop] = HANDLERS[control.while_loop] = _replay_loop
