"""Which arrays are read in more than one nest of loops.

An array whose only readers end up in one nest, at the same index, is computed there and nowhere
stored. One that is read in several is to be in memory, unless it costs next to nothing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from adjoint.ir.core import Block
from adjoint.ir.graph import Value, operands, walk
from adjoint.ir.types import Type
from adjoint.ops.inference.elementwise import is_elementwise
from adjoint.transforms.lifetimes import Key

__all__ = ["needed_whole", "read_in_several"]

_VIEWS = frozenset({"permute", "broadcast_to", "squeeze", "expand_dims"})


def needed_whole(block: Block) -> set[Key]:
    """Return the arrays that an operation takes as they lie in memory, not element by element.

    If that is in a loop, and they are made before it, they are better put there once.
    """
    return {_viewed(v) for node in walk(block) for v in _taken_whole(node)}


def _taken_whole(node: Value) -> tuple[Value, ...]:
    if node.op is None:
        return ()
    name = node.op.name
    if name == "matmul":
        return node.inputs
    reshapes = name == "reshape" or (
        name == "read" and any([kind == "reshape" for kind, _ in node.params["path"]])
    )
    return node.inputs[:1] if reshapes else ()


def _viewed(value: Value) -> Value:
    while value.op is not None and value.op.name in _VIEWS:
        value = value.inputs[0]
    return value


def read_in_several(block: Block) -> set[Key]:
    """Return the arrays of a block, and of those in it, that are read in several nests."""
    found: set[Key] = set()
    _visit(block, found)
    return found


def _visit(block: Block, found: set[Key]) -> None:
    users: defaultdict[Key, list[Any]] = defaultdict(list)
    node: Value
    for node in block.nodes:
        for value in operands(node):
            users[value].append(node)
        for inner in node.blocks:
            _visit(inner, found)
            for value in _free(inner):
                users[value].append((node, inner))
    for k, result in enumerate(block.results):
        users[result].append((block, k))
    roots: dict[Key, set[Any]] = {}
    for node in reversed(block.nodes):
        if not isinstance(node.type, Type) or not node.type.shape:
            continue
        ends: set[Any] = set()
        several = False
        mine = users[node]
        for user in mine:
            if not isinstance(user, Value):
                ends.add(user)
            elif _at_indices(user):
                if user.type.shape == node.type.shape:
                    ends |= roots[user]
                else:
                    several = True
            elif user.op is not None and user.op.views and len(mine) > 1:
                several = True
            else:
                ends.add(user)
        if several or len(ends) > 1:
            found.add(node)
            ends = {node}
        roots[node] = ends


def _at_indices(user: Value) -> bool:
    """Tell whether what is computed of an array is an array, from elements at the same indices."""
    if not isinstance(user.type, Type) or not user.type.shape or user.op is None:
        return False
    return is_elementwise(user.op)


def _free(block: Block) -> set[Value]:
    """Return what a block and the blocks in it read of the blocks around."""
    read: set[Value] = set()
    own: set[Value] = set(block.parameters)
    for node in block.nodes:
        read.update(operands(node))
        for inner in node.blocks:
            read |= _free(inner)
        own.add(node)
    read.update(block.results)
    return read - own
