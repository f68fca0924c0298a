"""Gathers, moved to where there is less to compute: f(x)[i] = f(x[i]).

A program computes something for every row of an array and then reads a few of the rows
(``vertices[correspondences]``). If nobody reads the others, only those few are computed: the gather
goes up through operations that compute row k of their result from row k of their operands, as far
as it can, and a store of the whole of an array is the array that is stored.

It is done where the rows that are read were at most half as many as there are, in the call for
which the function was staged. The indices are checked where they are used, as they were before, if
they are used at all; the numbers are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.ir.core import Block, Op
from adjoint.ir.dims import example
from adjoint.ir.edit import substitute
from adjoint.ir.graph import Function, Value, free_values, operands, values_in
from adjoint.ir.types import Type
from adjoint.ops import indexing, structural
from adjoint.ops.linalg import matmul

__all__ = ["by_element", "move_gathers"]

GAIN = 2
"""How many times as many rows there have to be as are read."""

_BY_NAME = frozenset({
    "where", "cast", "copy", "strong_multiply", "strong_divide", "extended_subtract",
    "one_minus_square", "sech2", "logistic", "softplus",
})  # fmt: skip


def by_element(op: Op) -> bool:
    """Tell whether an operation computes each element from elements at the same place."""
    return op.name in _BY_NAME or (isinstance(op.fn, np.ufunc) and op.fn.signature is None)


@dataclass(frozen=True)
class _Rows:
    """Rows that are read: along which axis, counted from the end, which, and how many."""

    axis: int
    index: Value
    count: Any


def move_gathers(function: Function) -> bool:
    """Move the gathers of a function; tell whether any was."""
    return _move_in(function.block)


def _move_in(block: Block) -> bool:
    changed = False
    for node in block.nodes:
        for inner in node.blocks:
            changed = _move_in(inner) or changed
    if any([_gather(node) is not None for node in block.nodes]):
        changed = _Moving(block).changed or changed
    return changed


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
    return _Rows(at[0] - ndim, rows, rows.shape[0])


def _whole(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


class _Moving:
    """The gathers of a block while they are moved.

    Attributes
    ----------
    asked : dict
        Value → the rows of it that all that come after it ask for; None if somebody asks for more.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        self.asked: dict[Value, _Rows | None] = {}
        self.own = {node: at for at, node in enumerate(block.nodes)}
        for result in block.results:
            self.asked[result] = None
        moved: set[Value] = set()
        node: Value
        for node in reversed(block.nodes):
            self._look_at(node, moved)
        self.moved = moved
        self.changed = bool(moved)
        if moved:
            self._rewrite()

    def _ask(self, value: Value, rows: _Rows | None) -> None:
        if value not in self.own:
            return
        if value in self.asked and self.asked[value] != rows:
            rows = None
        self.asked[value] = rows

    def _look_at(self, node: Value, moved: set[Value]) -> None:
        rows = self.asked.get(node)
        if rows is not None and self.own.get(rows.index, -1) < self.own[node]:
            wanted = _operands_of(node, rows)
            if wanted is not None:
                moved.add(node)
                for x, part in zip(node.inputs, wanted, strict=True):
                    if not isinstance(part, str):
                        self._ask(x, part)
                self._ask_all(set(values_in(node.params)) | set(values_in(node.type)))
                return
        gathered = _gather(node)
        if gathered is not None:
            self._ask(node.inputs[0], gathered)
            self._ask_all(set(values_in(node.params)) | set(values_in(node.type)))
            return
        self._ask_all({*operands(node), *free_values(*node.blocks, lengths=True)})

    def _ask_all(self, values: set[Value]) -> None:
        for value in values:
            self._ask(value, None)

    # -- the new nodes -----------------------------------------------------------------------------

    def _rewrite(self) -> None:
        block, moved = self.block, self.moved
        nodes: list[Value] = []
        part_of: dict[tuple[Value, int, Value], Value] = {}
        instead: dict[Value, Value] = {}

        def read(x: Value, rows: _Rows, node: Value) -> Value:
            """Return some rows of a value."""
            if x in moved and self.asked[x] == rows:
                return instead[x]
            key = (x, rows.axis, rows.index)
            found = part_of.get(key)
            if found is None:
                assert isinstance(x.type, Type)
                lead = len(x.shape) + rows.axis
                index = (*[slice(None)] * lead, rows.index, *[slice(None)] * (-1 - rows.axis))
                found = Value(
                    indexing.getitem, (x,), {"index": index}, _with(x.type, rows), (), node.place
                )
                part_of[key] = found
                nodes.append(found)
            return found

        node: Value
        for node in block.nodes:
            if node in moved:
                rows = self.asked[node]
                assert rows is not None
                wanted = _operands_of(node, rows)
                assert wanted is not None
                inputs = [
                    read(x, part, node) if isinstance(part, _Rows) else x
                    for x, part in zip(node.inputs, wanted, strict=True)
                ]
                if node.op is indexing.update:
                    instead[node] = inputs[1]
                    continue
                assert isinstance(node.type, Type)
                type = _with(node.type, rows)
                params = dict(node.params)
                if node.op is structural.broadcast_to:
                    params["shape"] = type.shape
                new = Value(node.op, tuple(inputs), params, type, (), node.place)
                nodes.append(new)
                instead[node] = new
                continue
            gathered = _gather(node)
            if gathered is not None and node.inputs[0] in moved:
                instead[node] = instead[node.inputs[0]]
                continue
            nodes.append(node)
        block.nodes[:] = nodes
        substitute(block, instead)


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
    if by_element(op):
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
