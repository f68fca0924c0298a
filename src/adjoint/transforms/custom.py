"""Derivatives through calls of functions that have a rule of the user's.

Such a call is recorded as an operation ``custom``, whose block is what the function does. Where it
is differentiated the user's rule takes the place of the block. It is run on staged values, so that
what it computes is part of the graph like any other operation: in a loop the residuals are chosen
among its values too, and derivatives of higher order differentiate the rule in its turn.

In reverse mode ``fwd`` is recorded in place of the function, and ``bwd`` by the reverse sweep; in
forward mode ``jvp`` is. Where only one of them is given the other is its transpose.
"""

from __future__ import annotations

from typing import Any, Protocol

from adjoint.ir import Node
from adjoint.ir.graph import Value
from adjoint.ops import control
from adjoint.rules.cotangents import Handed, Undefined
from adjoint.staged.values import shape_of, value_of, wrap
from adjoint.transforms.joint import as_cotangent, zero_cotangent
from adjoint.transforms.push import HANDLERS as PUSH
from adjoint.transforms.push import Push
from adjoint.transforms.replay import HANDLERS, ControlPull, Replay, active_results, seen
from adjoint.transforms.reverse import add_cotangent
from adjoint.transforms.transpose import staged_pullback

__all__ = ["CustomRule"]


class CustomRule(Protocol):
    """What the user's rule does to staged values: the parameter ``rule`` of ``custom``.

    Attributes
    ----------
    name : str
        Of the function.
    has_fwd, has_jvp : bool
    """

    name: str
    has_fwd: bool
    has_jvp: bool

    def forward(self, xs: list[Any], constants: Any, types: tuple) -> tuple[list[Value], Any]:
        """Return the results, of these types, and the residuals."""
        ...

    def pull(self, xs: list[Any], constants: Any, residuals: Any, cts: list[Any]) -> list[Any]:
        """Return a cotangent (or None) for each operand."""
        ...

    def push(self, xs: list[Any], constants: Any, dots: list[Any], types: tuple) -> list[Any]:
        """Return the tangent of each result; a tangent of an operand may be None: zero."""
        ...


class _Call:
    """A ``custom`` operation and what its operands became."""

    def __init__(self, walk: Replay | Push, node: Value) -> None:
        self.rule: CustomRule = node.params["rule"]
        self.constants = seen(walk.params({"constants": node.params["constants"]}))["constants"]
        self.values = [walk.value(v) for v in node.inputs]
        self.types = walk.type(node.type)

    @property
    def xs(self) -> list[Any]:
        return [wrap(v) for v in self.values]

    def forward(self) -> tuple[list[Value], Any]:
        return self.rule.forward(self.xs, self.constants, self.types)

    def pull(self, residuals: Any, cts: list[Any]) -> list[Any]:
        return self.rule.pull(self.xs, self.constants, residuals, cts)

    def push(self, dots: list[Any]) -> list[Any]:
        return self.rule.push(self.xs, self.constants, dots, self.types)


def _meta(value: Value) -> tuple[Any, Any] | None:
    """Return shape and dtype, if the value has derivatives."""
    return (shape_of(value), value.dtype) if value.dtype.kind in "fc" else None


def _replay_custom(replay: Replay, node: Value) -> None:
    active = active_results(node, replay.active)
    if not active:
        replay.copy(node)
        return
    call = _Call(replay, node)
    residuals: Any = None
    if call.rule.has_fwd:
        results, residuals = call.forward()
        replay.parts[node] = results
    else:
        results = list(map(value_of, wrap(replay.copy(node))))

    def pull(parts: list[Any], bars: Any, owned: Any) -> None:
        if all(parts[k] is None for k in active):
            return
        cts = [_cotangent(ct, value) for ct, value in zip(parts, results, strict=True)]
        if call.rule.has_fwd:
            pulled = call.pull(residuals, cts)
        else:
            pulled = _transposed_push(call, [v in replay.active for v in node.inputs], cts)
        for v, g in zip(node.inputs, pulled, strict=True):
            tape = replay.active.get(v)
            if tape is not None and g is not None:
                add_cotangent(bars, owned, tape, g)

    shapes = tuple(v.shape for v in results)
    tape = Node(node.op, (), None, ControlPull(active, pull), shapes, node.dtype)
    replay.active[node] = tape
    replay.nodes.append(tape)


def _cotangent(ct: Any, value: Value) -> Any:
    if ct is None:
        return zero_cotangent(value) if value.dtype.kind in "fc" else None
    return wrap(as_cotangent(ct.value if isinstance(ct, Handed) else ct, value))


def _transposed_push(call: _Call, on: list[bool], cts: list[Any]) -> list[Any]:
    types = [_meta(v) if active else None for v, active in zip(call.values, on, strict=True)]
    return staged_pullback[0](call.push, types)(cts)


def _push_custom(push: Push, node: Value, active: list[int]) -> None:
    call = _Call(push, node)
    dots = [push.dots.get(v) for v in node.inputs]
    for dot in dots:
        if type(dot) is Undefined:
            raise dot.error
    if call.rule.has_jvp:
        results = list(map(value_of, wrap(push.copy(node))))
        pushed = call.push(dots)
    else:
        results, residuals = call.forward()
        push.parts[node] = results
        on = [k for k, dot in enumerate(dots) if dot is not None]

        def pull(cts: list[Any]) -> list[Any]:
            pulled = call.pull(residuals, cts)
            return [pulled[k] for k in on]

        pushed = staged_pullback[0](pull, list(map(_meta, results)))([dots[k] for k in on])
    push.dots[node] = tuple(
        wrap(as_cotangent(dot, value)) if k in active and dot is not None else None
        for k, (dot, value) in enumerate(zip(pushed, results, strict=True))
    )


HANDLERS[control.custom] = _replay_custom
PUSH[control.custom] = _push_custom
