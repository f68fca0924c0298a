"""Small changes of blocks that have just been recorded."""

from __future__ import annotations

from typing import Any

from adjoint.ir.build import Builder
from adjoint.ir.core import Block
from adjoint.ir.dims import Dim, linear
from adjoint.ir.graph import Value, map_values, values_in
from adjoint.ir.types import AnyType, StackType

__all__ = ["Copier", "copied", "exported", "substitute"]


def exported(type: AnyType, builder: Builder) -> AnyType:
    """Return a type as seen from around ``builder``'s block: lengths from inside are unknown."""
    if isinstance(type, StackType):
        return StackType(exported(type.entry, builder))
    shape = tuple(
        None if isinstance(n, Dim) and not all(_outside(v, builder) for v, _ in n.terms) else n
        for n in type.shape
    )
    return type.with_shape(shape)


def _outside(value: Value, builder: Builder) -> bool:
    return builder.parent is not None and builder.parent.sees(value)


def substitute(block: Block, table: dict[Value, Value]) -> None:
    """Replace values by others in a block and the blocks in it."""
    _Swap(table).block(block)


class _Swap:
    def __init__(self, table: dict[Value, Value]) -> None:
        self.table = table

    def value(self, v: Value) -> Value:
        return self.table.get(v, v)

    def dim(self, d: Dim) -> Any:
        if not any(v in self.table for v, _ in d.terms):
            return d
        return Dim(*linear(d.constant, {self.value(v): c for v, c in d.terms}))

    def block(self, block: Block) -> None:
        block.results = [self.value(r) for r in block.results]
        for p in block.parameters:
            self.type(p)
        for node in block.nodes:
            self.node(node)

    def node(self, node: Value) -> None:
        if any(v in self.table for v in node.inputs):
            node.inputs = tuple(self.value(v) for v in node.inputs)
        if node.params and any(v in self.table for v in values_in(node.params)):
            node.params = map_values(node.params, self.value, self.dim)
        self.type(node)
        for inner in node.blocks:
            self.block(inner)

    def type(self, node: Value) -> None:
        if any(v in self.table for v in values_in(node.type)):
            like = Value(None, (), None, map_values(node.type, self.value, self.dim))
            node.type, node.shape = like.type, like.shape


class Copier:
    """Copies values and blocks, replacing what they refer to.

    Attributes
    ----------
    table : dict
        What each original value became. What is not in it stays itself.
    """

    def __init__(self, table: dict[Value, Value] | None = None) -> None:
        self.table: dict[Value, Value] = {} if table is None else table

    def value(self, v: Value) -> Value:
        return self.table.get(v, v)

    def dim(self, d: Any) -> Any:
        if not isinstance(d, Dim):
            return d
        terms: dict[Value, int] = {}
        for v, c in d.terms:
            v = self.value(v)
            terms[v] = terms.get(v, 0) + c
        return Dim(*linear(d.constant, terms))

    def type(self, t: Any) -> Any:
        if isinstance(t, tuple):
            return tuple(map(self.type, t))
        if isinstance(t, StackType):
            return StackType(self.type(t.entry))
        if any(isinstance(n, Dim) for n in t.shape):
            return t.with_shape(tuple(map(self.dim, t.shape)))
        return t

    def parameter(self, p: Value) -> Value:
        new = self.table[p] = Value(None, (), None, self.type(p.type))
        new.bounds = self.bounds(p.bounds)
        new.name = p.name
        return new

    def bounds(self, bounds: tuple[Any, Any]) -> tuple[Any, Any]:
        return (self.dim(bounds[0]), self.dim(bounds[1]))

    def params(self, params: dict[str, Any]) -> dict[str, Any]:
        return map_values(params, self.value, self.dim) if params else {}

    def node(self, node: Value) -> Value:
        """Copy one operation, with its blocks."""
        inputs = tuple(self.value(v) for v in node.inputs)
        params = self.params(node.params)
        if "type" in params:
            params["type"] = self.type(params["type"])
        blocks = tuple(self.block(b) for b in node.blocks)
        new = Value(node.op, inputs, params, self.type(node.type), blocks, node.place)
        new.bounds = self.bounds(node.bounds)
        new.name = node.name
        self.table[node] = new
        return new

    def block(self, block: Block) -> Block:
        """Copy a block."""
        new = Block()
        new.parameters = [self.parameter(p) for p in block.parameters]
        new.nodes = [self.node(n) for n in block.nodes]
        new.results = [self.value(r) for r in block.results]
        return new


def copied(block: Block, count: int, results: list[Value]) -> Block:
    """Return a copy of a block's first ``count`` operations, with other results."""
    copier = Copier()
    new = Block()
    new.parameters = [copier.parameter(p) for p in block.parameters]
    new.nodes = [copier.node(n) for n in block.nodes[:count]]
    new.results = [copier.value(r) for r in results]
    return new
