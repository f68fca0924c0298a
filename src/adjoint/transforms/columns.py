"""A recorded block of rows, written as one of columns.

A program that does the same to every row of arrays of few columns (points in space, say) is
recorded as operations on whole arrays, of which the small axes are read, summed over and stacked.
Here each column becomes a value of its own: what is left are operations on vectors of one length,
element by element, and so are their derivatives. They become one loop over the rows.

All of a block is written so, or nothing of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.ir.build import building, innermost
from adjoint.ir.core import Block, Op
from adjoint.ir.dims import Dim, example
from adjoint.ir.edit import Copier
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import creation, indexing, structural
from adjoint.ops import elementwise as ew
from adjoint.ops.inference.elementwise import is_elementwise
from adjoint.staged.values import lift, value_of, wrap

__all__ = ["Columns", "columns"]

_WIDE = 32
"""The most elements of a row that are written out."""

_MOST = 10_000
"""Operations that a block may become."""


class _Unsupported(Exception):
    """Raised where rows are used in another way: the whole of them is needed."""


class Columns(Copier):
    """Records a block of rows again, in columns.

    Attributes
    ----------
    recorded : Block
    parameters, given : list of list of Value
        The columns of each parameter, or it alone, and what they stand for in the block around.
    results : list of list of Value
        The columns of each result, or it alone.
    of_parameters, of_results : list
        The shapes of the rows of each; None of those that are left alone.
    taken : dict
        Lengths that are taken for numbers, and for which.
    rows : dict
        The columns of values, in arrays of the shape of a row.
    """

    def __init__(self, length: Dim) -> None:
        super().__init__()
        self.length = length
        self.taken: dict[Dim, int] = {}
        self.rows: dict[Value, np.ndarray] = {}
        self._read: dict[Value, np.ndarray] = {}
        self.recorded = Block()
        self.parameters: list[list[Value]] = []
        self.given: list[list[Value]] = []
        self.results: list[list[Value]] = []
        self.of_parameters: list[tuple[int, ...] | None] = []
        self.of_results: list[tuple[int, ...] | None] = []

    def shape(self, v: Value) -> tuple[int, ...] | None:
        """Return the shape of a row of a value; None if it has no rows, or long ones."""
        if not isinstance(v.type, Type) or not v.shape or v.shape[0] != self.length:
            return None
        sizes = [None if n is None else example(n) for n in v.shape[1:]]
        found = tuple([n for n in sizes if n is not None])
        if len(found) < len(sizes) or not 0 < math.prod(found) <= _WIDE:
            return None
        return None if self.length in v.shape[1:] else found

    def take(self, v: Value) -> None:
        """Take the lengths of the rows of a value for numbers."""
        for n, size in zip(v.shape[1:], self.shape(v) or (), strict=True):
            if isinstance(n, Dim):
                self.taken[n] = size

    def columns(self, v: Value) -> np.ndarray:
        """Return the columns of a value that has rows."""
        found = self.rows.get(v)
        if found is None:
            found = self._read.get(v)
        if found is None:
            shape = self.shape(v)
            if shape is None:
                raise _Unsupported
            self.take(v)
            found = self._read[v] = _read(self.value(v), shape)
        return found

    def value(self, v: Value) -> Value:
        """Return a value as a whole."""
        found = self.rows.get(v)
        if found is None:
            return super().value(v)
        if found.shape:
            raise _Unsupported
        return self.whole(found.item())

    def whole(self, column: Value) -> Value:
        """Return a column as a vector: it may be one number for all rows."""
        if column.shape:
            return column
        return record(structural.broadcast_to, column, shape=(self.length,))

    def run(self, block: Block) -> None:
        """Record the operations of a block."""
        for node in block.nodes:
            rule = None if node.blocks or self.shape(node) is None else _rule_of(node.op)
            rows = any([v in self.rows or self.shape(v) is not None for v in node.inputs])
            if rule is not None and (rows or node.op in _MADE):
                try:
                    self.rows[node] = rule(self, node)
                    self.take(node)
                    continue
                except _Unsupported:
                    pass
            new = self.node(node)
            builder = innermost()
            builder.block.nodes.append(new)
            builder.own.add(new)


def columns(block: Block, parameters: Sequence[Value], given: Sequence[Value]) -> Columns | None:
    """Write a block in columns; None if it cannot be.

    Parameters
    ----------
    block : Block
        Just recorded; the one around it is being recorded.
    parameters, given : sequence of Value
        Of the block, that it is differentiated by, and what they stand for.
    """
    lengths = [p.shape[0] for p in parameters if p.shape and isinstance(p.shape[0], Dim)]
    if not lengths:
        return None
    walk = Columns(max(lengths, key=lengths.count))
    try:
        with building(innermost()) as builder:
            for p in parameters:
                shape = walk.shape(p)
                if shape is None:
                    own = [builder.parameter(p.type)]
                    walk.table[p] = own[0]
                else:
                    walk.take(p)
                    type = Type(p.dtype, (walk.length,))
                    own = [builder.parameter(type) for _ in range(math.prod(shape))]
                    walk.rows[p] = _array(own, shape)
                walk.parameters.append(own)
                walk.of_parameters.append(shape)
            walk.run(block)
            for v in block.results:
                shape = walk.shape(v)
                found = [walk.value(v)] if shape is None else walk.columns(v).ravel().tolist()
                walk.results.append(found if shape is None else [walk.whole(x) for x in found])
                walk.of_results.append(shape)
            builder.block.results = [v for each in walk.results for v in each]
    except _Unsupported:
        return None
    walk.recorded = builder.block
    for v, p in zip(given, parameters, strict=True):
        shape = walk.shape(p)
        walk.given.append([v] if shape is None else _read(v, shape).ravel().tolist())
    return walk


def record(op: Op, *args: Value, **params: Any) -> Value:
    """Record an operation on columns."""
    if len(innermost().block.nodes) > _MOST:
        raise _Unsupported
    return value_of(lift(op(*map(wrap, args), **params)))


def _array(values: Sequence[Value], shape: tuple[int, ...]) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = values
    return found.reshape(shape)


def _as_array(values: Any) -> np.ndarray:
    """Return what NumPy gives for an index of an array of values: an array of values."""
    return values if isinstance(values, np.ndarray) else _array([values], ())


def _read(x: Value, shape: tuple[int, ...], rows: bool = True) -> np.ndarray:
    """Return the columns (or elements) of a value of the block."""
    if not shape:
        return _array([x], ())
    first = (slice(None),) if rows else ()
    found = [record(indexing.getitem, x, index=(*first, *at)) for at in np.ndindex(*shape)]
    return _array(found, shape)


# -- rules -----------------------------------------------------------------------------------------


def _each(walk: Columns, node: Value) -> np.ndarray:
    """Of an operation that computes each element from elements."""
    given = np.broadcast_arrays(*[_operand(walk, v, len(node.shape)) for v in node.inputs])
    assert node.op is not None
    shape = given[0].shape
    found = [
        record(node.op, *xs, **walk.params(node.params))
        for xs in zip(*[x.ravel().tolist() for x in given], strict=True)
    ]
    return _array(found, shape)


def _operand(walk: Columns, v: Value, ndim: int) -> np.ndarray:
    """Return an operand of rows, or the elements of one that is broadcast to all of them."""
    if v in walk.rows or walk.shape(v) is not None:
        if len(v.shape) != ndim:
            raise _Unsupported
        return walk.columns(v)
    shape = v.shape
    if len(shape) > ndim or any([type(n) is not int for n in shape]):
        raise _Unsupported
    if math.prod(shape) > _WIDE:
        raise _Unsupported
    found = _read(walk.value(v), shape, rows=False)
    if len(shape) < ndim:
        return found
    if shape[0] != 1:
        raise _Unsupported
    return _as_array(found[0])


def _rest(index: Any, ndim: int) -> tuple[Any, ...]:
    """Return the index of a row, of one that reads all rows."""
    parts = index if isinstance(index, tuple) else (index,)
    if not all([x is None or x is Ellipsis or type(x) in (int, slice) for x in parts]):
        raise _Unsupported
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        named = sum([x is not None and x is not Ellipsis for x in parts])
        parts = (*parts[:at], *[slice(None)] * (ndim - named), *parts[at + 1 :])
    if not parts:
        return ()
    first, *rest = parts
    if type(first) is not slice or first != slice(None):
        raise _Unsupported
    for x in rest:
        ends = (x.start, x.stop, x.step) if type(x) is slice else ()
        if any([n is not None and type(n) is not int for n in ends]):
            raise _Unsupported
    return tuple(rest)


def _follow(walk: Columns, x: np.ndarray, path: Any) -> np.ndarray:
    """Follow a path that reads all rows, in what stands for the elements of one."""
    for kind, argument in path:
        if kind == "index":
            x = _as_array(x[_rest(argument, x.ndim + 1)])
        elif kind == "permute":
            x = _permuted(x, argument)
        elif kind in ("reshape", "broadcast_to"):
            first, *rest = argument if isinstance(argument, tuple) else (argument,)
            if not all([type(n) is int and n > 0 for n in rest]):
                raise _Unsupported
            if kind == "broadcast_to" and (len(rest) != x.ndim or first != walk.length):
                raise _Unsupported
            if kind == "reshape" and (math.prod(rest) != x.size or first not in (-1, walk.length)):
                raise _Unsupported
            x = np.broadcast_to(x, rest) if kind == "broadcast_to" else x.reshape(rest)
        else:
            raise _Unsupported
    return x


def _permuted(x: np.ndarray, axes: Any) -> np.ndarray:
    first, *rest = [k % (x.ndim + 1) for k in axes]
    if first != 0:
        raise _Unsupported
    return x.transpose([k - 1 for k in rest])


def _getitem(walk: Columns, node: Value) -> np.ndarray:
    return _follow(walk, walk.columns(node.inputs[0]), (("index", node.params["index"]),))


def _read_path(walk: Columns, node: Value) -> np.ndarray:
    return _follow(walk, walk.columns(node.inputs[0]), node.params["path"])


def _reduce_sum(walk: Columns, node: Value) -> np.ndarray:
    x = walk.columns(node.inputs[0])
    axes = node.params.get("axis")
    if node.dtype != node.inputs[0].dtype or node.dtype.kind == "b":
        raise _Unsupported
    ndim = x.ndim + 1
    axes = {k % ndim for k in axes} if axes is not None else {0}
    if 0 in axes:
        raise _Unsupported
    own = tuple([k - 1 for k in sorted(axes)])
    others = tuple([k for k in range(x.ndim) if k not in own])
    last = x.transpose(*others, *own).reshape([*[x.shape[k] for k in others], -1])
    sums = np.empty(last.shape[:-1], object)
    for at in np.ndindex(*sums.shape):
        sums[at] = functools.reduce(lambda a, b: record(ew.add, a, b), last[at].tolist())
    if node.params.get("keepdims"):
        return sums.reshape([1 if k in own else n for k, n in enumerate(x.shape)])
    return sums


def _joined(join: Callable, added: int) -> Callable[[Columns, Value], np.ndarray]:
    def rule(walk: Columns, node: Value) -> np.ndarray:
        axis = node.params.get("axis", 0) % (len(node.inputs[0].shape) + added)
        if axis == 0:
            raise _Unsupported
        return join([walk.columns(v) for v in node.inputs], axis - 1)

    return rule


def _row_shape(walk: Columns, node: Value) -> tuple[int, ...]:
    shape = walk.shape(node)
    if shape is None:
        raise _Unsupported
    return shape


def _broadcast_to(walk: Columns, node: Value) -> np.ndarray:
    return np.broadcast_to(_operand(walk, node.inputs[0], len(node.shape)), _row_shape(walk, node))


def _reshape(walk: Columns, node: Value) -> np.ndarray:
    return walk.columns(node.inputs[0]).reshape(_row_shape(walk, node))


def _permute(walk: Columns, node: Value) -> np.ndarray:
    return _permuted(walk.columns(node.inputs[0]), node.params["axes"])


def _full(walk: Columns, node: Value) -> np.ndarray:
    value = node.params["value"]
    if isinstance(value, Value):
        raise _Unsupported
    shape = _row_shape(walk, node)
    return _array([value_of(lift(node.dtype.type(value)))] * math.prod(shape), shape)


def _stored(walk: Columns, node: Value) -> np.ndarray:
    """Of a store, or a sum, into some columns."""
    x, value = node.inputs
    found = walk.columns(x).copy()
    numbers = np.arange(found.size).reshape(found.shape)
    numbers = _follow(walk, numbers, node.params["path"])
    parts = np.broadcast_to(_operand(walk, value, numbers.ndim + 1), numbers.shape)
    flat: list[Any] = found.ravel().tolist()
    for k, part in zip(numbers.ravel().tolist(), parts.ravel().tolist(), strict=True):
        new = record(ew.add, flat[k], part) if node.op is indexing.index_add else part
        flat[k] = new if new.dtype == node.dtype else record(structural.cast, new, dtype=node.dtype)
    return _array(flat, found.shape)


_MADE = frozenset({creation.full, structural.broadcast_to})
"""What makes rows of what has none."""

_RULES: dict[Op, Callable[[Columns, Value], np.ndarray]] = {
    indexing.getitem: _getitem,
    indexing.read: _read_path,
    indexing.update: _stored,
    indexing.index_add: _stored,
    structural.reduce_sum: _reduce_sum,
    structural.stack: _joined(np.stack, 1),
    structural.concatenate: _joined(np.concatenate, 0),
    structural.broadcast_to: _broadcast_to,
    structural.reshape: _reshape,
    structural.permute: _permute,
    creation.full: _full,
}


def _rule_of(op: Op | None) -> Callable[[Columns, Value], np.ndarray] | None:
    if op in _RULES:
        return _RULES[op]
    return _each if op is not None and is_elementwise(op) else None
