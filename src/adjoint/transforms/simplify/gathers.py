"""Gathers, moved to where there is less to compute: f(x)[i] = f(x[i]).

A program computes something for every row of an array and then reads a few of the rows
(``vertices[correspondences]``). If nobody reads the others, only those few are computed: the gather
goes up through operations that compute row k of their result from row k of their operands, as far
as it can, and a store of the whole of an array is the array that is stored. A loop that carries an
array of which it computes the rows so carries those that are read after it.

It is done where the rows that are read were at most two thirds of those that there are, in the call
for which the function was staged; where several sets of rows are read, for each of them. The
indices are checked where they are used, as they were before, if they are used at all; the numbers
are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adjoint.ir.core import Block
from adjoint.ir.dims import example
from adjoint.ir.edit import substitute
from adjoint.ir.graph import Function, Value, free_values, operands, values_in
from adjoint.ir.types import Type
from adjoint.ops import control, indexing, structural
from adjoint.ops.inference.elementwise import is_elementwise
from adjoint.ops.linalg import matmul
from adjoint.places import Place
from adjoint.transforms.simplify.values import set_type

__all__ = ["move_gathers"]

GAIN = 1.5
"""How many times as many rows there have to be as are read."""

_MOVES = frozenset({
    "constant", "getitem", "read", "permute", "reshape", "cast", "copy", "slice_length",
})  # fmt: skip
"""Operations that indices come from, which can be done early."""


@dataclass(frozen=True)
class _Rows:
    """Rows that are read: along which axis, counted from the end, which, how many, and where."""

    axis: int
    index: Value
    count: Any
    place: Place | None = field(compare=False, default=None)


def move_gathers(function: Function) -> bool:
    """Move the gathers of a function; tell whether any was."""
    return _move_in(function.block)


def _move_in(block: Block) -> bool:
    changed = False
    for node in block.nodes:
        for inner in node.blocks:
            changed = _move_in(inner) or changed
    found = [gathered for node in block.nodes if (gathered := _gather(node)) is not None]
    if found:
        former = list(block.nodes)
        _move_up(block, [gathered.index for gathered in found])
        moving = _Moving(block, {})
        if moving.moved:
            moving.rewrite({})
            changed = True
        else:
            block.nodes[:] = former
    return changed


def _move_up(block: Block, indices: list[Value]) -> None:
    """Have what indices are computed from come first, where that only moves elements about."""
    own = set(block.nodes)
    first: dict[Value, None] = {}

    def take(value: Value) -> bool:
        if value not in own or value in first:
            return True
        if value.op is None or value.op.name not in _MOVES or value.blocks:
            return False
        needed = {*operands(value), *values_in(value.type)}
        if not all([take(v) for v in needed]):
            return False
        first[value] = None
        return True

    for index in indices:
        take(index)
    if first:
        block.nodes[:] = [*first, *[node for node in block.nodes if node not in first]]


def _gather(node: Value) -> _Rows | None:
    """Return which rows an operation reads, if that is all it does."""
    if node.op is not indexing.getitem or not isinstance(node.type, Type):
        return None
    x, index = node.inputs[0], node.params["index"]
    parts = index if isinstance(index, tuple) else (index,)
    if Ellipsis in [p for p in parts if not isinstance(p, (Value, np.ndarray))]:
        return None
    at = [k for k, p in enumerate(parts) if isinstance(p, Value)]
    others = [p for k, p in enumerate(parts) if k not in at]
    if len(at) != 1 or any([not _whole(p) for p in others]):
        return None
    rows = parts[at[0]]
    if len(rows.shape) != 1 or rows.dtype.kind not in "iu" or None in node.shape:
        return None
    ndim = len(x.shape)
    have, want = example(x.shape[at[0]]), example(rows.shape[0])
    if have is None or want is None or have < GAIN * want:
        return None
    return _Rows(at[0] - ndim, rows, rows.shape[0], node.place)


def _whole(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


class _Moving:
    """The gathers of a block while they are moved.

    Parameters
    ----------
    block : Block
    carried : dict
        Of a loop's body: number of a carried value → the sets of rows of it that are read.

    Attributes
    ----------
    asked : dict
        Value → the sets of rows of it that all that come after it ask for; None if somebody asks
        for more than pays.
    moved : dict
        Node → the sets of rows for which it is computed, each by a node of its own.
    loops : dict
        Loop → what is moved in its body.
    """

    def __init__(self, block: Block, carried: dict[int, tuple[_Rows, ...]]) -> None:
        self.block, self.carried = block, carried
        self.asked: dict[Value, tuple[_Rows, ...] | None] = {}
        self.own = {node: at for at, node in enumerate(block.nodes)}
        for k in carried:
            self.own[block.parameters[1 + k]] = -1
        for k, result in enumerate(block.results):
            self._ask(result, carried.get(k))
        self.moved: dict[Value, tuple[_Rows, ...]] = {}
        self.loops: dict[Value, _Moving] = {}
        node: Value
        for node in reversed(block.nodes):
            self._look_at(node)

    def _ask(self, value: Value, sets: tuple[_Rows, ...] | None) -> None:
        if value not in self.own:
            return
        former = self.asked.get(value, ())
        if sets is None or former is None:
            self.asked[value] = None
            return
        every = tuple(dict.fromkeys((*former, *sets)))
        self.asked[value] = every if _pays(value, every) else None

    def _look_at(self, node: Value) -> None:
        sets = self.asked.get(node)
        if node.op is structural.project_result and node.inputs[0].op is control.for_loop:
            return  # what is asked of it is looked at with the loop
        if node.op is control.for_loop:
            self._look_at_loop(node)
            return
        if sets and all([self._comes_before(rows.index, node) for rows in sets]):
            wanted = [_operands_of(node, rows) for rows in sets]
            if None not in wanted:
                self.moved[node] = sets
                for parts in wanted:
                    for x, part in zip(node.inputs, parts, strict=True):  # type: ignore[arg-type]
                        if not isinstance(part, str):
                            self._ask(x, None if part is None else (part,))
                self._ask_all(set(values_in(node.params)) | set(values_in(node.type)))
                return
        gathered = _gather(node)
        if gathered is not None:
            self._ask(node.inputs[0], (gathered,))
            self._ask_all(set(values_in(node.params)) | set(values_in(node.type)))
            return
        self._ask_all({*operands(node), *free_values(*node.blocks, lengths=True)})

    def _look_at_loop(self, loop: Value) -> None:
        results = [
            node
            for node in self.own
            if node.op is structural.project_result and node.inputs[0] is loop
        ]
        carried: dict[int, tuple[_Rows, ...]] = {}
        for result in results:
            sets = self.asked.get(result)
            if sets and all([self._comes_before(rows.index, loop) for rows in sets]):
                carried[result.params["k"]] = sets
        if len({result.params["k"] for result in results}) < len(results):
            carried = {}
        inner = None
        while carried:
            inner = _Moving(loop.blocks[0], carried)
            refused = inner.refused()
            if not refused:
                break
            carried = {k: sets for k, sets in carried.items() if k not in refused}
        if inner is not None and carried:
            self.loops[loop] = inner
            for result in results:
                if result.params["k"] in carried:
                    self.moved[result] = carried[result.params["k"]]
        for k, init in enumerate(loop.inputs[3:]):
            self._ask(init, carried.get(k))
        self._ask_all({*loop.inputs[:3], *values_in(loop.type)})
        self._ask_all(set(free_values(*loop.blocks, lengths=True)))

    def refused(self) -> list[int]:
        """Return the carried values that have to be carried as a whole."""
        found = []
        for k, sets in self.carried.items():
            asked = self.asked.get(self.block.parameters[1 + k], ())
            if self.block.results[k] not in self.moved or asked is None or {*asked} - {*sets}:
                found.append(k)
        return found

    def _comes_before(self, index: Value, node: Value) -> bool:
        return self.own.get(index, -1) < self.own[node]

    def _ask_all(self, values: set[Value]) -> None:
        for value in values:
            self._ask(value, None)

    # -- the new nodes -----------------------------------------------------------------------------

    def rewrite(self, part_of: dict[tuple[Value, _Rows], Value]) -> None:
        """Compute the rows that are read, given those of the carried values."""
        block, moved = self.block, self.moved
        nodes: list[Value] = []
        instead: dict[Value, Value] = {}

        def read(x: Value, rows: _Rows) -> Value:
            """Return some rows of a value."""
            found = part_of.get((x, rows))
            if found is None:
                assert isinstance(x.type, Type)
                lead = len(x.shape) + rows.axis
                index = (*[slice(None)] * lead, rows.index, *[slice(None)] * (-1 - rows.axis))
                found = Value(
                    indexing.getitem, (x,), {"index": index}, _with(x.type, rows), (), rows.place
                )
                part_of[x, rows] = found
                nodes.append(found)
            return found

        node: Value
        for node in block.nodes:
            if node in self.loops:
                self._carry_rows(node, read, part_of)
            if node.op is structural.project_result and node in moved:
                nodes.extend([part_of[node, rows] for rows in moved[node]])
                continue
            for rows in moved.get(node, ()):
                wanted = _operands_of(node, rows)
                assert wanted is not None
                inputs = [
                    read(x, part) if isinstance(part, _Rows) else x
                    for x, part in zip(node.inputs, wanted, strict=True)
                ]
                if node.op is indexing.update:
                    former = part_of.get((node.inputs[0], rows))
                    if former is None:
                        part_of[node, rows] = inputs[1]
                        continue
                    inputs[0] = former  # of a carried value, whose memory is used again
                assert isinstance(node.type, Type)
                type = _with(node.type, rows)
                params = dict(node.params)
                if node.op is structural.broadcast_to:
                    params["shape"] = type.shape
                new = Value(node.op, tuple(inputs), params, type, (), node.place)
                nodes.append(new)
                part_of[node, rows] = new
            if node in moved:
                continue
            gathered = _gather(node)
            if gathered is not None and node.inputs[0] in moved:
                instead[node] = part_of[node.inputs[0], gathered]
                continue
            nodes.append(node)
        block.nodes[:] = nodes
        substitute(block, instead)

    def _carry_rows(
        self,
        loop: Value,
        read: Callable[[Value, _Rows], Value],
        part_of: dict[tuple[Value, _Rows], Value],
    ) -> None:
        """Have a loop carry rows of values; the whole ones are left for nobody."""
        inner = self.loops[loop]
        body = inner.block
        assert isinstance(loop.type, tuple)
        results = {v.params["k"]: v for v in self.moved if v.inputs[:1] == (loop,)}
        types = list(loop.type)
        inits, parameters = [], []
        given: dict[tuple[Value, _Rows], Value] = {}
        for k, sets in inner.carried.items():
            for rows in sets:
                type = _with(loop.type[k], rows)
                inits.append(read(loop.inputs[3 + k], rows))
                parameter = given[body.parameters[1 + k], rows] = Value(None, (), None, type)
                parameters.append(parameter)
                part_of[results[k], rows] = Value(
                    structural.project_result, (loop,), {"k": len(types)}, type, (), loop.place
                )
                types.append(type)
        inner.rewrite(given)
        for k, sets in inner.carried.items():
            body.results += [given[body.results[k], rows] for rows in sets]
        for k in inner.carried:
            body.results[k] = body.parameters[1 + k]
        body.parameters += parameters
        loop.inputs = (*loop.inputs, *inits)
        set_type(loop, tuple(types))


def _pays(value: Value, sets: tuple[_Rows, ...]) -> bool:
    """Tell whether a value has enough more rows than are read of it."""
    if len({rows.axis for rows in sets}) != 1:
        return False
    have = example(value.shape[sets[0].axis])
    want = [example(rows.count) for rows in sets]
    return have is not None and have >= GAIN * sum([n for n in want if n is not None])


def _with(type: Type, rows: _Rows) -> Type:
    shape = list(type.shape)
    shape[rows.axis] = rows.count
    return type.with_shape(tuple(shape))


def _operands_of(node: Value, rows: _Rows) -> list[_Rows | str | None] | None:
    """Return which rows of the operands give some rows of the result.

    For an operand of which all is read None, for one of which nothing is, ``"unread"``; None if the
    rows of the result are not computed from rows of operands.
    """
    op, type, axis = node.op, node.type, rows.axis
    if op is None or not isinstance(type, Type) or type.kind != "array" or node.blocks:
        return None
    if None in type.shape or rows.index in node.inputs:
        return None
    length = type.shape[axis]
    if is_elementwise(op):
        return _each(node, rows, length)
    if op is matmul:
        x, y = node.inputs
        if min(len(x.shape), len(y.shape)) < 2:
            return None
        if axis == -2:
            return [rows, None]
        if axis == -1:
            return [None, rows]
        return _each(node, rows, length)
    if op is indexing.update and node.params["path"] == () and node.inputs[1].type == type:
        return ["unread", rows]
    return None


def _each(node: Value, rows: _Rows, length: Any) -> list[_Rows | str | None] | None:
    """Return what is asked of operands that are broadcast to the result."""
    found: list[_Rows | str | None] = []
    for x in node.inputs:
        if len(x.shape) < -rows.axis or x.shape[rows.axis] == 1:
            found.append(None)
        elif x.shape[rows.axis] == length:
            found.append(rows)
        else:
            return None
    return found if any(found) else None
