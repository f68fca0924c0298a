"""A recorded block cut at what it reads of its arrays.

A program that only ever reads an array at places that are given (``points[point_of]``) is a
function of what is read. The reads are taken out of its block, into the one around it, and what
they give becomes parameters in place of the array. What depends on what is then much simpler: every
result depends on numbers of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.ir.build import innermost
from adjoint.ir.core import Block
from adjoint.ir.edit import substitute
from adjoint.ir.graph import Value, operands, values_in, walk
from adjoint.ir.types import Type
from adjoint.ops import indexing
from adjoint.transforms.simplify.common import Incomparable, frozen
from adjoint.transforms.simplify.effects import Effects
from adjoint.transforms.sparsity.varying import varying

__all__ = ["Piece", "cut", "gathers"]

_STEPS = frozenset({"index", "permute", "reshape"})


@dataclass(frozen=True)
class Piece:
    """What a block depends on in place of a parameter.

    Attributes
    ----------
    source : int
        The number of the parameter.
    parameter : Value
        The new one, or that parameter itself.
    read : Value or None
        What reads it, now in the block around; None where the parameter stays.
    """

    source: int
    parameter: Value
    read: Value | None


def gathers(block: Block, parameters: Iterable[Value]) -> bool:
    """Tell whether a block reads one of its parameters by an array of indices."""
    mine = set(parameters)
    return any([node.inputs[0] in mine and _by_array(node) for node in _reads(block)])


def _reads(block: Block) -> Iterator[Value]:
    for node in block.nodes:
        if node.op is indexing.getitem or node.op is indexing.read:
            yield node


def _by_array(node: Value) -> bool:
    found = [v.dtype.kind for v in values_in(node.params) if isinstance(v.type, Type) and v.shape]
    found += [x.dtype.kind for x in _leaves(node) if isinstance(x, np.ndarray)]
    return bool(found) and set(found) <= {"i", "u"}


def cut(block: Block, parameters: Sequence[Value], given: Sequence[Value]) -> list[Piece]:
    """Take the reads of parameters out of a block, if it does nothing else with them.

    Parameters
    ----------
    block : Block
        Just recorded; the one around it is being recorded. It is changed.
    parameters : sequence of Value
        Of the block, that it is differentiated by.
    given : sequence of Value
        What they stand for in the block around.

    Returns
    -------
    list of Piece
        In the order of the parameters; empty if none is read by an array of indices, and only read.
    """
    moved = varying(block, set(parameters))
    reads: dict[Value, list[Value]] = {p: [] for p in parameters}
    for node in _reads(block):
        if node.inputs[0] in reads:
            reads[node.inputs[0]].append(node)
    used = [v for node in walk(block) for v in operands(node)] + block.results
    uses = {p: sum([v is p for v in used]) for p in parameters}
    chosen: set[Value] = set()
    for p, nodes in reads.items():
        may = len(nodes) == uses[p] and all([_may_be_taken(node, moved) for node in nodes])
        if may and any(map(_by_array, nodes)):
            chosen.update(nodes)
    taken = _with_operands(block, chosen)
    if not chosen or any(map(Effects().of, taken)):
        return []
    around, outer = innermost(), dict(zip(parameters, given, strict=True))
    pieces: list[Piece] = []
    instead: dict[Value, Value] = {}
    known: dict[Any, Value] = {}
    for k, p in enumerate(parameters):
        nodes = [node for node in reads[p] if node in chosen]
        pieces += [] if nodes else [Piece(k, p, None)]
        for node in nodes:
            key = _key(node)
            if key in known:
                instead[node] = known[key]
                continue
            new = instead[node] = known[key] = Value(None, (), None, node.type)
            pieces.append(Piece(k, new, node))
    for node in taken:
        if node in chosen:
            node.inputs = (outer[node.inputs[0]],)
        around.block.nodes.append(node)
        around.own.add(node)
    gone = set(taken)
    block.nodes = [node for node in block.nodes if node not in gone]
    substitute(block, instead)
    return pieces


def _key(node: Value) -> Any:
    """Return what two reads of the same places have in common."""
    try:
        return (node.op, node.inputs, frozen(node.params))
    except Incomparable:
        return node


def _may_be_taken(node: Value, moved: set[Value]) -> bool:
    """Tell whether a read is one of the same places whatever the parameters are."""
    path = node.params["path"] if node.op is indexing.read else ()
    return (
        isinstance(node.type, Type)
        and None not in node.shape
        and all([kind in _STEPS for kind, _ in path])
        and not any([v in moved for v in (*values_in(node.params), *values_in(node.type))])
        and not any([isinstance(x, np.ndarray) and x.dtype.kind == "b" for x in _leaves(node)])
    )


def _leaves(node: Value) -> Iterator[object]:
    todo: list[object] = [node.params]
    while todo:
        x = todo.pop()
        if isinstance(x, dict):
            todo += x.values()
        elif isinstance(x, (tuple, list)):
            todo += x
        else:
            yield x


def _with_operands(block: Block, chosen: set[Value]) -> list[Value]:
    """Return operations of a block, and what of it they need, in order."""
    needed = set(chosen)
    found = []
    for node in reversed(block.nodes):
        if node not in needed:
            continue
        found.append(node)
        mine = operands(node) if node not in chosen else values_in(node.params)
        needed.update(mine)
        needed.update(values_in(node.type))
        for inner in _inside(node):
            needed.update(operands(inner))
            needed.update(values_in(inner.type))
    return found[::-1]


def _inside(node: Value) -> Iterator[Value]:
    """Yield the values of the blocks of an operation."""
    for block in node.blocks:
        yield from walk(block)
        yield from block.parameters
        yield from block.results
