"""Where values are used for the last time.

A block's *uses* of a value are at positions: of the node that reads it, or that has a block in
which it is read, and after the last node for the block's results. The parts of a tuple live on
their own: what is used is ``(tuple, k)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from adjoint.ir.core import Block
from adjoint.ir.graph import Value, operands, values_in
from adjoint.ops.control import map_loop
from adjoint.ops.structural import project_result

__all__ = ["Key", "Lifetimes", "reads"]

Key: TypeAlias = Value | tuple[Value, int]
"""A value, or part k of one that is a tuple."""


def reads(node: Value) -> Iterator[Key]:
    """Yield what a node itself reads, the blocks that it runs apart."""
    if node.op is project_result:
        yield node.inputs[0], node.params["k"]
        return
    for value in operands(node):
        yield from parts(value)
    if node.op is map_loop:  # which shape the result has if there is no iteration
        for type in node.type:
            yield from values_in(type)


def parts(value: Value) -> Iterator[Key]:
    """Yield a value as it is counted: whole, or part by part."""
    if isinstance(value.type, tuple):
        for k in range(len(value.type)):
            yield value, k
    else:
        yield value


def whole(key: Key) -> Value:
    """Return the value that ``key`` is, or is a part of."""
    return key[0] if isinstance(key, tuple) else key


def type_of(key: Key) -> Any:
    """Return the type of a value or of a part of a tuple."""
    return key[0].type[key[1]] if isinstance(key, tuple) else key.type


class Lifetimes:
    """The last uses in a block and in the blocks in it.

    Attributes
    ----------
    last : dict
        Block → what it or a block in it uses → position of the last use.
    captured : dict
        Block → what it uses of the blocks around it.
    home : dict
        Value → the block that defines it.
    """

    __slots__ = ("captured", "home", "last")

    def __init__(self, block: Block) -> None:
        self.last: dict[Block, dict[Key, int]] = {}
        self.captured: dict[Block, frozenset[Key]] = {}
        self.home: dict[Value, Block] = {}
        self._visit(block)

    def _visit(self, block: Block) -> frozenset[Key]:
        last: dict[Key, int] = {}
        home = self.home
        for parameter in block.parameters:
            home[parameter] = block
        node: Value
        for at, node in enumerate(block.nodes):
            for key in reads(node):
                last[key] = at
            for inner in node.blocks:
                for key in self._visit(inner):
                    last[key] = at
            home[node] = block
        for result in block.results:
            for key in parts(result):
                last[key] = len(block.nodes)
        self.last[block] = last
        captured = frozenset(key for key in last if home.get(whole(key)) is not block)
        self.captured[block] = captured
        return captured
