"""The loop over blocks of rows.

::

    for b in range(0, n, R):
        m = min(R, n - b)
        x_b = x[b : b + m]                      what the rows are computed from
        ...                                     the same operations, of m rows
        total = total + sum(...)                sums over rows, from zero
        result[b : b + m] = ...                 what is read elsewhere

Sums begin at zero and are added block by block: they differ from sums over all rows by the order of
the additions (and a sum of negative zeros is zero).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from adjoint.backends.llvm.blocking.plan import Limits, Loop, Plan, bytes_of, plan
from adjoint.backends.llvm.blocking.rows import axis_of_rows, with_length
from adjoint.ir import dims
from adjoint.ir.core import Block, Op
from adjoint.ir.dims import Dim, example
from adjoint.ir.edit import Copier, substitute
from adjoint.ir.graph import Function, Value, walk
from adjoint.ir.types import Type, python_type
from adjoint.ops import control, creation, indexing
from adjoint.ops import elementwise as ew
from adjoint.ops.structural import project_result
from adjoint.places import Place

__all__ = ["LIMITS", "in_blocks"]

LIMITS = Limits()

INT = python_type(int)


def in_blocks(function: Function, limits: Limits | None = None) -> Function:
    """Return a function in which rows are computed block by block where it pays.

    Parameters
    ----------
    function : Function
        It is left as it is; if nothing is to be gained, it is what is returned.
    limits : Limits, optional
    """
    limits = limits or LIMITS
    if not _lengths(function.block, limits):
        return function
    copier = Copier()
    copy = Function(function.name, copier.block(function.block))
    for value, new in copier.table.items():
        new.example = value.example
    changed = _visit(copy.block, limits)
    return copy if changed else function


def _visit(block: Block, limits: Limits) -> bool:
    changed = False
    for node in block.nodes:
        for inner in node.blocks:
            changed = _visit(inner, limits) or changed
    for length in _lengths(block, limits, deep=False):
        found = plan(block, length, limits)
        if found is not None:
            _Rewriting(block, found)
            changed = True
    return changed


def _lengths(block: Block, limits: Limits, deep: bool = True) -> list[Dim]:
    """Return the lengths known at run time of which there are large arrays, longest first."""
    found: dict[Dim, float] = {}
    for node in walk(block) if deep else block.nodes:
        if isinstance(node.type, Type) and node.type.kind == "array":
            for n in node.type.shape:
                if isinstance(n, Dim) and example(n) is not None:
                    size = bytes_of(node)
                    found[n] = found.get(n, 0) + (size if size < math.inf else 0)
    large = [n for n, size in found.items() if size >= limits.least]
    return sorted(large, key=lambda n: example(n) or 0, reverse=True)


class _Rewriting:
    """A block while its loops are written."""

    def __init__(self, block: Block, found: Plan) -> None:
        self.plan = found
        self.nodes: list[Value] = []
        self.instead: dict[Value, Value] = {}
        waiting = sorted(found.loops, key=lambda p: p.turn)
        others = [n for n in block.nodes if n not in found.rows or self._is_made(n)]
        others.sort(key=lambda n: found.turn[n])
        for node in others:
            while waiting and waiting[0].turn < found.turn[node]:
                self._loop(waiting.pop(0))
            self.nodes.append(node)
        for loop in waiting:
            self._loop(loop)
        block.nodes[:] = self.nodes
        substitute(block, self.instead)

    def _is_made(self, node: Value) -> bool:
        """Tell whether a view is to be there outside of loops."""
        return self.plan.rows[node].free and node in self.plan.apart

    def _loop(self, loop: Loop) -> None:
        found, place = self.plan, loop.members[0].place
        length = self._length(place)
        first, step = self._integer(0, place), self._integer(loop.rows, place)
        body = _Body(loop, found, length, place)
        inits = [self._init(v) for v in body.given]
        node = Value(
            control.for_loop,
            (first, length, step, *inits),
            {},
            tuple(v.type for v in body.given),
            (body.block,),
            place,
        )
        self.nodes.append(node)
        for k, v in enumerate(body.given):
            result = Value(project_result, (node,), {"k": k}, v.type, (), v.place)
            self.nodes.append(result)
            self.instead[v] = result

    def _length(self, place: Place | None) -> Value:
        """Return the number of rows as a value."""
        total: Value | None = None
        for value, c in self.plan.length.terms:
            if c != 1:
                value = self._record(ew.multiply, value, self._integer(c, place))
            total = value if total is None else self._record(ew.add, total, value)
        assert total is not None
        constant = self.plan.length.constant
        if constant:
            total = self._record(ew.add, total, self._integer(constant, place))
        return total

    def _integer(self, k: int, place: Place | None) -> Value:
        found = Value(control.constant, (), {"value": k}, INT, (), place)
        self.nodes.append(found)
        return found

    def _record(self, op: Op, *inputs: Value) -> Value:
        found = Value(op, inputs, {}, INT, (), inputs[-1].place)
        self.nodes.append(found)
        return found

    def _init(self, value: Value) -> Value:
        """Return what a sum, or an array that is filled, begins with."""
        type = value.type
        assert isinstance(type, Type)
        if not self.plan.rows[value].adds:
            init = Value(control.undefined, (), {"type": type}, type, (), value.place)
        elif type.kind == "array":
            params = {"shape": type.shape, "value": 0, "dtype": type.dtype}
            init = Value(creation.full, (), params, type, (), value.place)
        else:
            zero = type.dtype.type(0)
            zero = zero.item() if type.kind == "python" else zero
            init = Value(control.constant, (), {"value": zero}, type, (), value.place)
        self.nodes.append(init)
        return init


class _Body:
    """The body of a loop.

    Attributes
    ----------
    given : list of Value
        The operations that the loop carries a sum or an array of.
    """

    def __init__(self, loop: Loop, found: Plan, length: Value, place: Place | None) -> None:
        self.plan = found
        self.members = set(loop.members)
        self.block = Block()
        self.given = [v for v in loop.members if found.rows[v].adds or v in found.apart]
        first = Value(None, (), None, INT)
        first.bounds = (0, dims.difference(found.length, 1))
        totals = [Value(None, (), None, v.type) for v in self.given]
        self.block.parameters = [first, *totals]
        start = dims.of_value(first)
        params = {"start": start, "stop": dims.add(start, loop.rows), "step": None}
        self.count = Value(control.slice_length, (length,), params, INT, (), place)
        self.count.bounds = (0, loop.rows)
        self.block.nodes.append(self.count)
        self.rows = slice(start, dims.add(start, dims.of_value(self.count)))
        self.local: dict[Value, Value] = {}
        for node in loop.members:
            self._same(node)
        self.block.results = [
            self._given(v, total) for v, total in zip(self.given, totals, strict=True)
        ]

    def _record(
        self, op: Op | None, inputs: Sequence[Value], params: Any, like: Value, type: Any
    ) -> Value:
        found = Value(op, tuple(inputs), params, type, (), like.place)
        self.block.nodes.append(found)
        return found

    def _fewer(self, data: Any) -> Any:
        return with_length(data, self.plan.length, dims.of_value(self.count))

    def _same(self, node: Value) -> Value:
        """Write an operation of the rows of the block."""
        inputs = [
            self._read(x) if by_row else x
            for x, by_row in zip(node.inputs, self.plan.rows[node].by_row, strict=True)
        ]
        params = {
            key: self._fewer(x) if key in ("shape", "path") else x for key, x in node.params.items()
        }
        new = self._record(node.op, inputs, params, node, self._fewer(node.type))
        self.local[node] = new
        return new

    def _read(self, x: Value) -> Value:
        """Return the rows of the block of an array."""
        found = self.local.get(x)
        if found is not None:
            return found
        known = self.plan.rows.get(x)
        if known is not None and known.free:
            return self._same(x)
        found = self.local[x] = self._record(
            indexing.getitem, (x,), {"index": self._index(x)}, x, self._fewer(x.type)
        )
        return found

    def _index(self, x: Value) -> tuple[slice, ...]:
        at = axis_of_rows(x.type, self.plan.length)
        assert at is not None
        return (*[slice(None)] * at, self.rows)

    def _given(self, value: Value, total: Value) -> Value:
        new = self.local[value]
        if self.plan.rows[value].adds:
            return self._record(ew.add, (total, new), {}, value, value.type)
        path = (("index", self._index(value)),)
        return self._record(indexing.update, (total, new), {"path": path}, value, value.type)
