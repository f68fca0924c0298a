"""Recording a staged block again, with a tape of its active operations for the reverse walk.

The copy goes into the block under construction. Beside it stands, for each operation through which
a derivative flows, a node such as the eager tier records, with the staged values that its rule
asks for: the reverse walk and the rules are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from adjoint.errors import NoRuleError, TracingError
from adjoint.ir import Block, Node
from adjoint.ir.build import building, innermost
from adjoint.ir.dims import Dim
from adjoint.ir.edit import Copier
from adjoint.ir.graph import Value, free_values, map_values, values_in
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.registry import Op
from adjoint.ops.structural import project_result
from adjoint.rules.derive import ZERO, Rule
from adjoint.staged.values import Staged, shape_of, value_of, wrap
from adjoint.transforms.reverse import reverse_walk
from adjoint.transforms.stacks import STACK_OPERATIONS
from adjoint.transforms.transpose import staged_pullback

__all__ = ["ControlPull", "Replay", "active_results", "differentiable", "saved_values", "seen"]


class ControlPull:
    """What the tape keeps of an operation with blocks.

    Attributes
    ----------
    active : frozenset of int
        The results that have cotangents.
    pull : callable
        ``pull(cts, bars, owned)``, with one cotangent or None a result.
    """

    __slots__ = ("active", "pull")

    def __init__(self, active: Iterable[int], pull: Callable[[list[Any], Any, Any], None]) -> None:
        self.active = frozenset(active)
        self.pull = pull


def _pull_block(cts: list[Any], node: Node, bars: Any, owned: Any) -> None:
    node.saved.pull(cts, bars, owned)


def _push_block(tangents: Any, node: Node) -> Any:
    raise NotImplementedError("tangents go through operations with blocks in transforms.push")


def _control_rule() -> Rule:
    rule = Rule(needs=((),), push=_push_block)
    rule.pull_block = _pull_block
    return rule


for _op in control.CONTROL:
    _op.rule = _control_rule()


HANDLERS: dict[Op, Callable[[Replay, Value], None]] = {}
"""How each control operation is recorded again, with what its reverse needs."""


class Replay(Copier):
    """Records a block again.

    Attributes
    ----------
    table : dict
        What each value of the original became.
    active : dict
        The node on the tape of each value that a derivative goes through.
    nodes : list of Node
        The tape.
    parts : dict
        The results of operations that are not recorded as one operation.
    """

    def __init__(
        self,
        table: dict[Value, Value] | None = None,
        parts: dict[Value, list[Value]] | None = None,
    ) -> None:
        super().__init__(table)
        self.parts: dict[Value, list[Value]] = {} if parts is None else parts
        self.active: dict[Value, Node] = {}
        self.nodes: list[Node] = []

    def variable(self, value: Value) -> Node:
        """Make a value of the original an independent variable; return its node."""
        new = self.value(value)
        node = Node(None, (), None, None, shape_of(new), new.dtype)
        self.active[value] = node
        self.nodes.append(node)
        return node

    def run(self, block: Block) -> list[Value]:
        """Record the operations of a block; return its results."""
        for node in block.nodes:
            self.step(node)
        return [self.value(r) for r in block.results]

    def step(self, node: Value) -> None:
        """Record one operation."""
        handler = HANDLERS.get(node.op)
        if handler is not None:
            handler(self, node)
            return
        new = self.copy(node)
        if any(v in self.active for v in node.inputs):
            self._tape(node, new)

    def copy(self, node: Value) -> Value:
        """Record one operation, without a tape."""
        if node.op is project_result and node.inputs[0] in self.parts:
            new = self.table[node] = self.parts[node.inputs[0]][node.params["k"]]
            return new
        builder = innermost()
        new = self.node(node)
        builder.block.nodes.append(new)
        builder.own.add(new)
        return new

    def _tape(self, node: Value, new: Value) -> None:
        op, rule = node.op, node.op.rule
        if rule is ZERO or not differentiable(node):
            return
        inputs = tuple([self.active.get(v) for v in node.inputs])
        if op is project_result:
            source = inputs[0]
            assert source is not None
            if (
                isinstance(source.saved, ControlPull)
                and node.params["k"] not in source.saved.active
            ):
                return
        if rule is None:
            raise NoRuleError(
                f"the operation {op.name!r} has no derivative rule; give the function that uses it "
                "one with @ad.custom_vjp or @ad.custom_jvp"
            )
        if isinstance(node.type, tuple):
            shape: Any = tuple([x.shape for x in wrap(new)])
            dtype: Any = new.dtype
        else:
            shape, dtype = shape_of(new), new.dtype
        params = node.params if op is project_result else seen(new.params) if new.params else None
        saved = saved_values(op, new, inputs)
        tape = Node(op, inputs, params, saved, shape, dtype)
        self.active[node] = tape
        self.nodes.append(tape)

    def inner(self) -> Replay:
        """Return the replay of a block of an operation of this one."""
        return Replay(dict(self.table), dict(self.parts))


def saved_values(op: Op, new: Value, inputs: tuple[Any, ...]) -> Any:
    """Return what the rules of an operation need of its operands and its result."""
    rule = op.rule
    if op in STACK_OPERATIONS:
        return (new,)
    if op.variadic:
        needs = rule.needs[0]
        if 0 in needs:
            saved: list[Any] = [operand(v) for v in new.inputs]
        else:
            saved = [shape_of(v) for v in new.inputs]
        if -1 in needs:
            saved.append(operand(new))
        return saved
    mask = sum(1 << k for k, i in enumerate(inputs) if i is not None)
    needs = rule.needs[mask]
    if not needs:
        return None
    saved = [None] * (len(inputs) + 1)
    for k in needs:
        saved[k] = results_of(new) if k < 0 else operand(new.inputs[k])
    return saved


def results_of(value: Value) -> Any:
    """Return the result of an operation as rules see it: a tuple if it has several."""
    if isinstance(value.type, tuple):
        return wrap(value)
    return operand(value)


def operand(value: Value) -> Any:
    """Return an operand as rules see it: a Python constant is the number itself."""
    if value.op is control.constant and value.type.kind != "array":
        return value.params["value"]
    return wrap(value)


def seen(params: Any) -> Any:
    """Return an operation's parameters as rules see them."""
    return map_values(params, wrap, _integer)


def _integer(dim: Dim) -> Any:
    return Staged._as_integer(dim)


def differentiable(value: Value) -> bool:
    """Tell whether a value is of a type that has derivatives."""
    if isinstance(value.type, tuple):
        return any(d.kind in "fc" for d in value.dtype)
    return value.dtype.kind in "fc"


# -- activity --------------------------------------------------------------------------------------


def active_results(node: Value, active: Iterable[Value]) -> set[int]:
    """Return the results of a control operation that depend on active values.

    Parameters
    ----------
    node : Value
        A control operation.
    active : iterable of Value
        Active values around it, its operands included.
    """
    active = set(active)
    op = node.op
    if op is control.for_loop or op is control.while_loop:
        body = node.blocks[-1]
        first = 1 if op is control.for_loop else 0
        inits = node.inputs[3:] if op is control.for_loop else node.inputs
        params = body.parameters[first:]
        on = {k for k, v in enumerate(inits) if v in active}
        while True:
            inside = active | {params[k] for k in on}
            _spread(body, inside)
            more = {k for k, r in enumerate(body.results) if r in inside and differentiable(r)}
            if more <= on:
                return {k for k in on if differentiable(params[k])}
            on |= more
    if op is control.cond:
        found = set()
        for block in node.blocks:
            inside = set(active)
            _spread(block, inside)
            found |= {k for k, r in enumerate(block.results) if r in inside and differentiable(r)}
        return found
    if op is control.custom:
        refuse_captured(node, active)
        on = any(v in active for v in node.inputs)
        return {k for k, d in enumerate(node.dtype) if on and d.kind in "fc"}
    if op in (control.map_loop, control.checkpoint):
        inside = set(active)
        if op is control.checkpoint:
            inside.update(
                p
                for p, v in zip(node.blocks[0].parameters, node.inputs, strict=True)
                if v in active
            )
        _spread(node.blocks[0], inside)
        results = node.blocks[0].results
        return {k for k, r in enumerate(results) if r in inside and differentiable(r)}
    if op is control.call:
        if any(v in active for v in node.inputs):
            return {k for k, dtype in enumerate(node.dtype) if dtype.kind in "fc"}
        return set()
    raise NotImplementedError(f"activity through {op!r}")


def refuse_captured(node: Value, active: set[Value]) -> None:
    """Refuse a function with a rule of its own that uses an active value, not as an argument."""
    name = node.params["rule"].name
    if any(v in active for v in values_in(node.params["constants"])):
        raise TracingError(f"a traced value was passed to a nondiff argument of {name}")
    if any(v in active for v in free_values(*node.blocks)):
        raise TracingError(
            f"{name} uses a traced value that is not one of its arguments (a variable of an "
            "enclosing function, an attribute or a global), whose derivative would be lost. Pass "
            "that value as an argument."
        )


def _spread(block: Block, active: set[Value]) -> None:
    """Add to ``active`` what a block computes from active values."""
    results: dict[Value, set[int]] = {}
    for node in block.nodes:
        op = node.op
        if op in HANDLERS:
            found = {*node.inputs} & active | {v for v in free_values(*node.blocks) if v in active}
            results[node] = active_results(node, active) if found else set()
            if results[node]:
                active.add(node)
        elif any(v in active for v in node.inputs):
            if op is project_result and node.inputs[0] in results:
                if node.params["k"] not in results[node.inputs[0]]:
                    continue
            elif op.rule is ZERO or not differentiable(node):  # type: ignore[arg-type,union-attr]
                continue
            active.add(node)


# -- transposes ------------------------------------------------------------------------------------


def _staged_pullback(fn: Callable[[Any], Any], types: list[Any]) -> Callable[[Any], list[Any]]:
    """Return the pullback of a linear function of staged values."""
    from adjoint.transforms.joint import zero_cotangent

    with building(innermost()) as builder:
        params = [None if t is None else builder.parameter(_as_type(t)) for t in types]
        result = fn([None if p is None else wrap(p) for p in params])
        single = not isinstance(result, (tuple, list))
        outputs = [None if r is None else value_of(r) for r in ((result,) if single else result)]

    def pull(ct: Any) -> list[Any]:
        replay = Replay()
        for p in params:
            if p is not None:
                replay.table[p] = value_of(zero_cotangent(p))
                replay.variable(p)
        replay.run(builder.block)
        bars: dict[Node, Any] = {}
        for out, c in zip(outputs, (ct,) if single else ct, strict=True):
            node = None if out is None else replay.active.get(out)
            if node is not None and c is not None:
                bars[node] = bars[node] + c if node in bars else c
        bars = reverse_walk(replay.nodes, bars)
        return [None if p is None else bars.get(replay.active[p]) for p in params]

    return pull


def _as_type(meta: tuple[Any, Any]) -> Type:
    shape, dtype = meta
    lengths = tuple(Dim(n.constant, n.terms) if isinstance(n, Dim) else n for n in shape)
    return Type(np.dtype(dtype), lengths, "array" if lengths else "scalar")


staged_pullback.append(_staged_pullback)
