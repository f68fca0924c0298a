"""Derivatives of functions of the graph: of calls, recursive ones included.

The reverse of a call is a call of a function of the arguments and the cotangents, which computes
the function again as it goes: what a call would keep is a tree as deep as the recursion. Its own
calls are of the function and of itself, so it has derivatives like any other.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir import Block, Node
from adjoint.ir.build import building, innermost
from adjoint.ir.graph import Function, Value
from adjoint.ops import control
from adjoint.rules.cotangents import Handed
from adjoint.staged.values import value_of, wrap
from adjoint.transforms.joint import as_cotangent
from adjoint.transforms.push import HANDLERS as PUSH
from adjoint.transforms.push import Push
from adjoint.transforms.replay import HANDLERS, ControlPull, Replay, differentiable
from adjoint.transforms.reverse import add_cotangent, reverse_walk
from adjoint.transforms.stacks import cotangent_type

__all__ = ["pulled", "pushed"]


def _inexact(function: Function) -> list[int]:
    return [k for k, r in enumerate(function.block.results) if differentiable(r)]


def pulled(function: Function, active: tuple[int, ...]) -> Function:
    """Return the function of arguments and cotangents of its results that gives those of arguments.

    Parameters
    ----------
    function : Function
    active : tuple of int
        The arguments whose cotangents are wanted.
    """
    known = function.derived
    found = known.get(("pull", active))
    if found is not None:
        return found
    found = known["pull", active] = Function(f"{function.name}_pulled", Block())
    block = function.block
    with building(None) as builder:
        replay = Replay()
        for p in block.parameters:
            replay.table[p] = builder.parameter(replay.type(p.type))
        variables = [replay.variable(block.parameters[k]) for k in active]
        replay.run(block)
        bars: dict[Node, Any] = {}
        owned: set[Node] = set()
        for k in _inexact(function):
            ct = builder.parameter(cotangent_type(replay.value(block.results[k]).type))
            node = replay.active.get(block.results[k])
            if node is not None:
                add_cotangent(bars, owned, node, Handed(wrap(ct)))
        bars = reverse_walk(replay.nodes, bars, owned)
        builder.block.results = [
            as_cotangent(bars.get(node), replay.value(block.parameters[k]))
            for k, node in zip(active, variables, strict=True)
        ]
    found.block = builder.block
    return found


def pushed(function: Function, active: tuple[int, ...]) -> Function:
    """Return the function of arguments and tangents that gives results and their tangents."""
    known = function.derived
    found = known.get(("push", active))
    if found is not None:
        return found
    found = known["push", active] = Function(f"{function.name}_pushed", Block())
    block = function.block
    with building(None) as builder:
        push = Push()
        for p in block.parameters:
            push.table[p] = builder.parameter(push.type(p.type))
        for k in active:
            p = block.parameters[k]
            push.dots[p] = wrap(builder.parameter(cotangent_type(push.value(p).type)))
        results = push.run(block)
        dots = [
            as_cotangent(push.dots.get(block.results[k]), results[k]) for k in _inexact(function)
        ]
        builder.block.results = [*results, *dots]
    found.block = builder.block
    return found


def replay_call(replay: Replay, node: Value) -> None:
    """Record a call again."""
    new = replay.copy(node)
    function: Function = node.params["function"]
    active = tuple(k for k, v in enumerate(node.inputs) if v in replay.active and differentiable(v))
    results = _inexact(function)
    if not active or not results:
        return

    def pull(parts: list[Any], bars: Any, owned: Any) -> None:
        if all(parts[k] is None for k in results):
            return
        cts = []
        for k in results:
            like = wrap(new)[k]
            cts.append(as_cotangent(parts[k], value_of(like)))
        derived = pulled(function, active)
        # As the function knows them: lengths that only this call knows are not those of all.
        parameters: list[Value] = function.block.parameters
        types = tuple(cotangent_type(parameters[k].type) for k in active)
        inputs = (*new.inputs, *cts)
        value = innermost().emit(control.call, inputs, {"function": derived}, types)
        for k, ct in zip(active, wrap(value), strict=True):
            add_cotangent(bars, owned, replay.active[node.inputs[k]], Handed(ct))

    shapes = tuple(getattr(t, "shape", ()) for t in new.type)
    tape = Node(node.op, (), None, ControlPull(results, pull), shapes, new.dtype)
    replay.active[node] = tape
    replay.nodes.append(tape)


def push_call(push: Push, node: Value, active: list[int]) -> None:
    """Record a call with tangents."""
    function: Function = node.params["function"]
    on = tuple(
        k for k, v in enumerate(node.inputs) if push.dots.get(v) is not None and differentiable(v)
    )
    results = _inexact(function)
    derived = pushed(function, on)
    inputs = [push.value(v) for v in node.inputs]
    inputs += [as_cotangent(push.dots[node.inputs[k]], push.value(node.inputs[k])) for k in on]
    types = tuple(push.type(t) for t in node.type)
    dots = tuple(cotangent_type(types[k]) for k in results)
    new = innermost().emit(
        control.call, tuple(inputs), {"function": derived}, (*types, *dots), (), node.place
    )
    push.finish(node, new, results, len(types))


HANDLERS[control.call] = replay_call
PUSH[control.call] = push_call
