"""Recording a staged block again together with its tangents: forward mode.

Each operation is followed by that of its tangent, in one block; a loop carries the tangents of what
it carries. Nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adjoint.errors import NoRuleError
from adjoint.ir import Block, Node
from adjoint.ir.build import building, innermost
from adjoint.ir.edit import Copier
from adjoint.ir.graph import Value, free_values
from adjoint.ir.types import Type, python_type
from adjoint.ops import control
from adjoint.ops.structural import project_result
from adjoint.rules.cotangents import Undefined
from adjoint.rules.derive import ZERO
from adjoint.staged.values import shape_of, wrap
from adjoint.transforms.forward import as_tangent, push_through
from adjoint.transforms.joint import as_cotangent, cotangent_type, zero_cotangent
from adjoint.transforms.replay import active_results, differentiable, saved_values, seen

__all__ = ["HANDLERS", "Push", "result_tangents"]

INT = python_type(int)


class Push(Copier):
    """Records a block again, with tangents.

    Attributes
    ----------
    dots : dict
        The tangents of values of the original, staged; tuples for operations with several results.
    parts : dict
        The results of operations that are not recorded as one operation.
    """

    def __init__(
        self,
        table: dict[Value, Value] | None = None,
        dots: dict[Value, Any] | None = None,
        parts: dict[Value, list[Value]] | None = None,
    ) -> None:
        super().__init__(table)
        self.parts: dict[Value, list[Value]] = {} if parts is None else parts
        self.dots: dict[Value, Any] = {} if dots is None else dots

    def run(self, block: Block) -> list[Value]:
        """Record the operations of a block; return its results."""
        for node in block.nodes:
            self.step(node)
        return [self.value(r) for r in block.results]

    def step(self, node: Value) -> None:
        """Record one operation and its tangent."""
        if node.op in control.CONTROL:
            active = self._active(node)
            if active:
                HANDLERS[node.op](self, node, active)
                return
        new = self.copy(node)
        if node.op in control.CONTROL:
            return
        tangents = [self.dots.get(v) for v in node.inputs]
        if all(t is None for t in tangents) or not differentiable(node):
            return
        op = node.op
        assert op is not None
        if op is project_result and node.inputs[0].op in control.CONTROL:
            parts: Any = tangents[0]
            dot = parts[node.params["k"]]
            if dot is not None:
                self.dots[node] = dot
            return
        self._push(node, new, tangents)

    def _push(self, node: Value, new: Value, tangents: list[Any]) -> None:
        op = node.op
        assert op is not None
        rule = op.rule
        if rule is ZERO:
            return
        if rule is None:
            raise NoRuleError(f"the operation {op.name!r} has no derivative rule")
        undefined = next((t for t in tangents if type(t) is Undefined), None)
        if undefined is not None:
            self.dots[node] = undefined
            return
        several = isinstance(node.type, tuple)
        shape = tuple([x.shape for x in wrap(new)]) if several else shape_of(new)
        inputs = tuple(
            None
            if t is None
            else Node(None, (), None, None, shape_of(v), v.dtype)
            if not isinstance(v.type, tuple)
            else Node(None, (), None, None, v.shape, v.dtype)
            for t, v in zip(tangents, new.inputs, strict=True)
        )
        saved = saved_values(op, new, inputs)
        tape = Node(op, inputs, seen(new.params) if new.params else None, saved, shape, new.dtype)
        if rule.consumes:
            x = new.inputs[0]
            tangents[0] = zero_cotangent(x) if tangents[0] is None else _apart(tangents[0])
        dot = push_through(tangents, tape)
        if dot is None:
            return
        if not several and type(dot) is not Undefined and isinstance(new.type, Type):
            dot = wrap(as_cotangent(as_tangent(dot, tape), new))
        self.dots[node] = dot

    def copy(self, node: Value) -> Value:
        """Record one operation as it is."""
        if node.op is project_result and node.inputs[0] in self.parts:
            new = self.table[node] = self.parts[node.inputs[0]][node.params["k"]]
            return new
        builder = innermost()
        new = self.node(node)
        builder.block.nodes.append(new)
        builder.own.add(new)
        return new

    # -- operations with blocks ------------------------------------------------------------------

    def _active(self, node: Value) -> list[int]:
        active = [
            v for v in (*node.inputs, *free_values(*node.blocks)) if self.dots.get(v) is not None
        ]
        return sorted(active_results(node, active)) if active else []

    def inner(self) -> Push:
        return Push(dict(self.table), dict(self.dots), dict(self.parts))

    def finish(self, node: Value, new: Value, active: Iterable[int], count: int) -> None:
        """Note where the tangents of an operation's results are."""
        self.table[node] = new
        dots: list[Any] = [None] * len(node.type)
        for j, k in enumerate(active):
            type = new.type[count + j]
            dots[k] = wrap(innermost().emit(project_result, (new,), {"k": count + j}, type))
        self.dots[node] = tuple(dots)


def _apart(x: Any) -> Any:
    return x._apart() if hasattr(x, "_apart") else x


def _body(push: Push, block: Block, first: int, active: list[int]) -> Block:
    """Record a loop's body with the tangents of what it carries."""
    with building(innermost()) as builder:
        inner = push.inner()
        for old in block.parameters:
            new = builder.parameter(inner.type(old.type))
            new.bounds = inner.bounds(old.bounds)
            inner.table[old] = new
        for k in active:
            old = block.parameters[first + k]
            inner.dots[old] = wrap(builder.parameter(cotangent_type(inner.value(old).type)))
        results: list[Any] = inner.run(block)
        results += result_tangents(
            inner, block, active, [block.parameters[first + k] for k in active]
        )
        builder.block.results = results
    return builder.block


def result_tangents(inner: Push, block: Block, active: list[int], likes: list[Any]) -> list[Value]:
    found = []
    for k, like in zip(active, likes, strict=True):
        dot = inner.dots.get(block.results[k])
        if type(dot) is Undefined:
            raise dot.error
        found.append(as_cotangent(dot, inner.value(block.results[k] if dot is None else like)))
    return found


def _starts(push: Push, inits: Any, active: list[int]) -> list[Value]:
    return [as_cotangent(push.dots.get(inits[k]), push.value(inits[k])) for k in active]


def _push_for(push: Push, node: Value, active: list[int]) -> None:
    block = _body(push, node.blocks[0], 1, active)
    inputs = [push.value(v) for v in node.inputs]
    inputs += _starts(push, node.inputs[3:], active)
    count = len(node.inputs) - 3
    types = tuple(p.type for p in block.parameters[1:])
    params = push.params(node.params)
    new = innermost().emit(control.for_loop, tuple(inputs), params, types, (block,), node.place)
    push.finish(node, new, active, count)


def _push_while(push: Push, node: Value, active: list[int]) -> None:
    condition, body = node.blocks
    block = _body(push, body, 0, active)
    with building(innermost()) as builder:
        copier = Copier(dict(push.table))
        for old in condition.parameters:
            copier.table[old] = builder.parameter(copier.type(old.type))  # type: ignore[index,attr-defined]
        for p in block.parameters[len(condition.parameters) :]:
            builder.parameter(p.type)
        for n in condition.nodes:
            new = copier.node(n)
            builder.block.nodes.append(new)
            builder.own.add(new)
        builder.block.results = [copier.value(r) for r in condition.results]
    inputs = [push.value(v) for v in node.inputs]
    inputs += _starts(push, node.inputs, active)
    types = tuple(p.type for p in block.parameters)
    new = innermost().emit(
        control.while_loop,
        tuple(inputs),
        push.params(node.params),
        types,
        (builder.block, block),
        node.place,
    )
    push.finish(node, new, active, len(node.inputs))


def _push_if(push: Push, node: Value, active: list[int]) -> None:
    blocks = []
    for block in node.blocks:
        with building(innermost()) as builder:
            inner = push.inner()
            results: list[Any] = inner.run(block)
            results += result_tangents(inner, block, active, [block.results[k] for k in active])
            builder.block.results = results
        blocks.append(builder.block)
    types = tuple(push.type(t) for t in node.type)
    dots = tuple(cotangent_type(types[k]) for k in active)
    new = innermost().emit(
        control.cond,
        tuple(push.value(v) for v in node.inputs),
        {},
        (*types, *dots),
        tuple(blocks),
        node.place,
    )
    push.finish(node, new, active, len(types))


HANDLERS = {
    control.for_loop: _push_for,
    control.while_loop: _push_while,
    control.cond: _push_if,
}
