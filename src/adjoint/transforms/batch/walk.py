"""The walk over a block: what is recorded once, for all examples at once, or in a ``map``.

What has no rule is put off. The operations that were put off run in one ``map`` as soon as a result
of theirs is wanted by an operation that has a rule; but not before everything is in it that needs a
value whose shape may differ between examples, which no array of all examples can hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from adjoint.ir import Block
from adjoint.ir.build import building, innermost
from adjoint.ir.dims import Dim, difference
from adjoint.ir.edit import Copier, exported
from adjoint.ir.graph import Value, map_values, values_in
from adjoint.ir.types import StackType, Type, python_type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.creation import full, iota
from adjoint.ops.structural import broadcast_to, project_result
from adjoint.staged.values import value_of
from adjoint.transforms.batch.control import CONTROL
from adjoint.transforms.batch.dependence import Key, dependence, used_by, varies
from adjoint.transforms.batch.example import Example
from adjoint.transforms.batch.table import (
    OneByOne,
    Operation,
    record,
    rule_of,
    type_of_all,
)
from adjoint.transforms.joint import has_effect

__all__ = ["Batch", "batch"]

INT = python_type(int)
_EACH = frozenset({control.effect, control.draw})
"""Effects that happen once an example, in the order of the examples."""


def batch(block: Block, given: dict[Value, Value], varying: Sequence[Value], count: Any) -> Batch:
    """Record a block for many examples into the one under construction.

    Parameters
    ----------
    block : Block
        Of one example.
    given : dict
        What its parameters became.
    varying : sequence of Value
        Those of them that lie along a first axis of examples.
    count : int or Dim
        How many examples there are.

    Returns
    -------
    Batch
        Its ``whole`` gives what the block's results became.
    """
    whole = any(_each(node) for node in block.nodes)
    while True:
        walk = Batch(count, dependence(block, set(varying)), one_by_one=whole)
        walk.table.update(given)
        walk.batched.update(varying)
        walk.copies.update(given[v] for v in varying)
        outer = innermost()
        with building(outer) as builder:
            try:
                walk.run(block)
            except OneByOne:
                assert not whole
                whole = True
                continue
        outer.block.nodes += builder.block.nodes
        outer.own |= builder.own
        return walk


def _each(node: Value) -> bool:
    return node.op in _EACH or any(_each(n) for b in node.blocks for n in b.nodes)


class Batch(Copier):
    """Records a block of one example again for many.

    Attributes
    ----------
    count : int or Dim
        How many examples there are.
    found : set
        What may differ between examples (`dependence`).
    batched : set of Value
        Values of one example that lie along a first axis of examples now.
    copies : set of Value
        What they became.
    outcomes : dict
        The results of operations with several, with whether they differ.
    """

    def __init__(self, count: Any, found: set[Key], one_by_one: bool = False) -> None:
        super().__init__()
        self.count = count
        self.found = found
        self.one_by_one = one_by_one
        self.batched: set[Value] = set()
        self.copies: set[Value] = set()
        self.outcomes: dict[Value, list[tuple[Value, bool]]] = {}
        self.top = True

    def inner(self) -> Batch:
        """Return the walk of a block of an operation of this one."""
        walk = Batch(self.count, self.found)
        walk.table, walk.batched, walk.copies = self.table, self.batched, self.copies
        walk.outcomes, walk.top = self.outcomes, False
        return walk

    # -- what values became ----------------------------------------------------------------------

    def dim(self, d: Any) -> Any:
        if isinstance(d, Dim) and varies(d, self.batched):
            raise OneByOne
        return super().dim(d)

    def bounds(self, bounds: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = (None if isinstance(b, Dim) and varies(b, self.batched) else b for b in bounds)
        return super().bounds((low, high))

    def type_of_all(self, type: Any) -> Any:
        """Return the type that values of one example have with an axis of examples."""
        if isinstance(type, tuple):
            return tuple([self.type_of_all(t) for t in type])
        return type_of_all(self.type(type), self.count)

    def set(self, old: Value, new: Value, differs: bool) -> None:
        """Note what a value became."""
        self.table[old] = new
        if differs:
            self.batched.add(old)
            self.copies.add(new)

    def enter(self, params: Iterable[Any]) -> list[Value]:
        """Give the block under construction the parameters of that of one example."""
        builder, entered = innermost(), []
        for p in params:
            differs = p in self.found
            new = builder.parameter(self.type_of_all(p.type) if differs else self.type(p.type))
            new.bounds = (None, None) if differs else self.bounds(p.bounds)
            self.set(p, new, differs)
            entered.append(new)
        return entered

    def whole(self, v: Value) -> Value:
        """Return a value with an axis of examples, whether it differs between them or not."""
        new = self.value(v)
        if v in self.batched:
            return new
        if isinstance(v.type, StackType):
            if v.op not in (control.empty_stack, control.undefined):
                raise OneByOne
            type = self.type_of_all(v.type)
            params = {"type": type} if v.op is control.undefined else {}
            return innermost().emit(v.op, (), params, type)
        builder = innermost()
        key = ("of all examples", new)
        made = builder.find(key)
        if made is None:
            made = builder.known[key] = self._repeated(v, new)
        return made

    def _repeated(self, v: Value, new: Value) -> Value:
        type = self.type_of_all(v.type)
        if v.op is control.undefined:
            return innermost().emit(v.op, (), {"type": type}, type)
        if v.op is full:
            return innermost().emit(full, (), {**new.params, "shape": type.shape}, type)
        if v.op is control.constant and not type.shape[1:]:
            number = new.params["value"]
            params = {"shape": type.shape, "value": number, "dtype": type.dtype}
            return innermost().emit(full, (), params, type)
        if None in type.shape:
            raise OneByOne
        return innermost().emit(broadcast_to, (new,), {"shape": type.shape}, type)

    def numbers(self) -> Value:
        """Return the numbers of the examples, as an array."""
        builder = innermost()
        key = ("numbers of examples", self.count)
        made = builder.find(key)
        if made is None:
            params = {"start": 0, "stop": self.count, "step": 1, "dtype": INT.dtype}
            type = Type(INT.dtype, (self.count,))
            made = builder.known[key] = builder.emit(iota, (), params, type)
        return made

    def parameter_of_all(self, data: Any) -> Any:
        """Return a linear expression of which terms differ between examples, as a value."""
        if not isinstance(data, Dim) or not varies(data, self.batched):
            return super().dim(data)
        total: Value | None = None
        for v, c in data.terms:
            term = self.value(v)
            if c != 1:
                term = record(ew.multiply, (term, value_of(c)))
            total = term if total is None else record(ew.add, (total, term))
        assert total is not None
        if data.constant:
            total = record(ew.add, (total, value_of(data.constant)))
        self.copies.add(total)
        return total

    # -- the walk --------------------------------------------------------------------------------

    def run(self, block: Block) -> None:
        """Record the operations of a block."""
        self.waiting: dict[Value, None] = {}
        self.taken: set[Value] = set()
        self.last: dict[Value, int] = {}
        self.projections: dict[Value, list[Value]] = {}
        node: Value
        for at, node in enumerate(block.nodes):
            for v in used_by(node):
                self.last[v] = at
            if node.op is project_result:
                self.projections.setdefault(node.inputs[0], []).append(node)
        end = len(block.nodes)
        self.last.update((r, end) for r in block.results)
        for at, node in enumerate(block.nodes):
            if node not in self.taken:
                self._step(node, at)
        if not self.top and any(self._ragged(r) for r in block.results if r in self.waiting):
            raise OneByOne
        self._flush(end)

    def _step(self, node: Value, at: int) -> None:
        used = set(used_by(node))
        waits = not used.isdisjoint(self.waiting)
        if not waits and used.isdisjoint(self.batched) and used.isdisjoint(self.outcomes):
            if self.one_by_one and _each(node):
                self._put_off(node)
            else:
                self.copy(node)
            return
        if self.one_by_one or self._is_hopeless(node):
            self._put_off(node)
            return
        if waits:
            if any(self.last.get(v, -1) >= at and self._ragged(v) for v in self.waiting):
                self._put_off(node)
                return
            self._flush(at)
        try:
            self._record(node)
        except OneByOne:
            self._put_off(node)

    def _differs(self, v: Value) -> bool:
        return v in self.batched or v in self.waiting

    def _ragged(self, v: Value) -> bool:
        """Tell whether what one example gives may differ in shape from that of another."""
        return self._is_ragged(v.type)

    def _is_ragged(self, type: Any) -> bool:
        if isinstance(type, tuple):
            return False  # its projections tell
        if isinstance(type, StackType):
            return True
        return any(
            n is None or (isinstance(n, Dim) and any(self._differs(v) for v, _ in n.terms))
            for n in type.shape
        )

    def _is_hopeless(self, node: Value) -> bool:
        """Tell whether an operation surely has no form for all examples."""
        op = node.op
        assert op is not None
        if op in control.CONTROL:
            if op is control.while_loop:
                return node.blocks[0].results[0] in self.found
            if op is control.checkpoint:
                return False
            if op is control.call or op is control.custom:
                return True
            deciding = node.inputs[:3] if op is control.for_loop else node.inputs
            return any(map(self._differs, deciding))
        if op is project_result:
            return node.inputs[0] in self.waiting
        types = node.type if isinstance(node.type, tuple) else (node.type,)
        for t in types:
            if isinstance(t, Type) and any(map(self._differs, values_in(t))):
                return True
        return rule_of(op, any(map(self._differs, values_in(node.params)))) is None

    def _record(self, node: Value) -> None:
        """Record one operation for all examples."""
        op = node.op
        assert op is not None
        if op is project_result:
            new, differs = self.outcomes[node.inputs[0]][node.params["k"]]
            self.set(node, new, differs)
            return
        if op in control.CONTROL:
            self.outcomes[node] = CONTROL[op](self, node)
            return
        on = tuple([v in self.batched for v in node.inputs])
        if op is control.dim:
            params = {"axis": node.params["axis"] % node.inputs[0].type.ndim + 1}
            self.set(node, innermost().emit(op, (self.value(node.inputs[0]),), params, INT), False)
            self.table[node].bounds = (0, None)
            return
        fn = rule_of(op, any(v in self.batched for v in values_in(node.params)))
        assert fn is not None
        params = _mapped(node.params, self)
        inputs = tuple([self.value(v) for v in node.inputs])
        operation = Operation(self, node, inputs, on, params)
        new = fn(operation)
        if isinstance(node.type, tuple):
            self.outcomes[node] = [
                (innermost().emit(project_result, (new,), {"k": k}, t), True)
                for k, t in enumerate(new.type)
            ]
        else:
            self.set(node, new, operation.differs)

    def copy(self, node: Value) -> Value:
        """Record an operation as it is: of values that are the same for all examples."""
        builder = innermost()
        new = self.node(node)
        builder.block.nodes.append(new)
        builder.own.add(new)
        return new

    # -- one by one ------------------------------------------------------------------------------

    def _put_off(self, node: Value) -> None:
        for taken in (node, *self.projections.get(node, ())):
            self.waiting[taken] = None
            self.taken.add(taken)

    def _flush(self, at: int) -> None:
        """Record what was put off as a ``map``, before the operation at ``at``."""
        waiting = list(self.waiting)
        wanted = [
            v for v in waiting if not isinstance(v.type, tuple) and self.last.get(v, -1) >= at
        ]
        self.waiting.clear()
        if not wanted and not any(map(has_effect, waiting)):
            return
        with building(innermost()) as builder:
            index = builder.parameter(INT)
            index.bounds = (0, difference(self.count, 1))
            one = Example(self, index)
            for node in waiting:
                new = one.node(node)
                builder.block.nodes.append(new)
                builder.own.add(new)
            builder.block.results = [one.value(v) for v in wanted]
        results: list[Value] = builder.block.results
        types = tuple([type_of_all(exported(r.type, builder), self.count) for r in results])
        inputs = (value_of(self.count),)
        place = next((n.place for n in waiting if n.place is not None), None)
        new = innermost().emit(control.map_loop, inputs, {}, types, (builder.block,), place)
        for k, v in enumerate(wanted):
            self.set(v, innermost().emit(project_result, (new,), {"k": k}, types[k]), True)


def _mapped(params: dict[str, Any], walk: Batch) -> dict[str, Any]:
    return map_values(params, walk.value, walk.parameter_of_all) if params else {}
