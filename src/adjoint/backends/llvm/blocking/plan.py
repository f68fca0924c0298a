"""Which operations of a block share a loop over blocks of rows, and whether it pays.

What is computed row by row is available, in the loop that computes it, at once; a sum over rows is
there after the loop, and so is everything that is computed from it. So each operation has a *turn*:
what has no rows and turn t runs before loop t, and what has rows, in it.

    row by row:  turn = greatest `inside` of the operands;   inside = turn, outside = turn + 1
    sum of rows: the same turn;                              inside = outside = turn + 1
    other:       turn = greatest `outside` of the operands;  inside = outside = turn
    views:       inside and outside are the greatest of the operands'

Effects stay in order. What may be done in place waits for the loops that read the old value.
A view is in no loop of its own: it is made wherever it is read.

A loop pays if arrays that would be stored and read again, together larger than the caches, are
stored a few rows at a time instead.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from adjoint.backends.llvm.blocking.rows import Rows, rows_of
from adjoint.backends.llvm.lower.fusion import read_in_several
from adjoint.backends.llvm.lower.narrow_products import NARROW
from adjoint.ir.core import Block
from adjoint.ir.dims import Dim, example
from adjoint.ir.graph import Value, free_values, operands, values_in
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.linalg import matmul
from adjoint.transforms.ownership import CONSUMING
from adjoint.transforms.simplify.effects import Effects

__all__ = ["Limits", "Loop", "Plan", "needs", "plan"]


ADDING = 4
"""How often a sum goes through the cache for every block: made, read, added to, stored."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a loop pays, and how many rows a block has.

    Attributes
    ----------
    least : int
        Bytes of the arrays that are not to go through memory, from which on it pays.
    wide : int
        Numbers in a row of such an array: nests over blocks of less are too short.
    cache : int
        Bytes that a block may take.
    whole : int
        Bytes up to which what every block reads is taken to stay in the cache.
    most : int
        Rows of a block.
    multiple : int
        What the number of rows is a multiple of.
    blocks : int
        How many blocks there have to be.
    gain : float
        Bytes by which what a block saves is to exceed what it stores for others and adds to sums.
    """

    least: int = 1 << 23
    wide: int = 32
    cache: int = 1 << 19
    whole: int = 1 << 18
    most: int = 256
    multiple: int = 32
    blocks: int = 8
    gain: float = 1


@dataclass(slots=True)
class Loop:
    """A loop over blocks of rows.

    Attributes
    ----------
    members : list of Value
        In order.
    turn : int
    rows : int
        Of a block.
    """

    members: list[Value]
    turn: int
    rows: int = 0


@dataclass(slots=True)
class Plan:
    """The loops over rows of one length in a block.

    Attributes
    ----------
    length : Dim
    loops : list of Loop
    rows : dict
        Of the operations in the loops, and the views that they read.
    turn : dict
        Of every other operation: before which loops it has to run.
    apart : set
        The operations with rows that something outside of their loop reads.
    """

    length: Dim
    loops: list[Loop]
    rows: dict[Value, Rows]
    turn: dict[Value, int]
    apart: set[Value] = field(default_factory=set)


def needs(node: Value) -> Iterable[Value]:
    """Return all values that an operation refers to."""
    found = [*operands(node), *values_in(node.type)]
    return [*found, *free_values(*node.blocks, lengths=True)] if node.blocks else found


def plan(block: Block, length: Dim, limits: Limits) -> Plan | None:
    """Return the loops over rows of a length that pay in a block; None if none does."""
    rows: dict[Value, Rows] = {}
    for node in block.nodes:
        found = rows_of(node, length)
        if found is not None and _fits(node, found, length, limits):
            rows[node] = found
    several = None
    while any(not r.free for r in rows.values()):
        if several is None:
            several = read_in_several(block)
        turns = _Turns(block, rows)
        loops = _loops(block, rows, turns)
        found = Plan(length, loops, rows, turns.outside)
        found.apart = _apart(block, found)
        bad = [p for p in loops if not _pays(p, found, several, limits)]
        if not bad:
            return found
        for loop in bad:
            for node in loop.members:
                del rows[node]
    return None


def _fits(node: Value, rows: Rows, length: Dim, limits: Limits) -> bool:
    """Tell whether what each block reads again or adds to is small."""
    if node.op is matmul and not _is_narrow(node, length):
        return False
    again = [x for x, by_row in zip(node.inputs, rows.by_row, strict=True) if not by_row]
    if rows.adds:
        again.append(node)
    return all(bytes_of(x) <= limits.whole for x in again)


def _is_narrow(node: Value, length: Dim) -> bool:
    """Tell whether a product has few columns: BLAS has blocks of its own for others."""
    lengths = [n for x in node.inputs for n in x.shape[-2:] if n != length]
    return all((example(n) or math.inf) <= NARROW for n in lengths)


def bytes_of(value: Value, but: Dim | None = None) -> float:
    """Return how large an array was in the call at hand; of a row, if a length is left out."""
    assert isinstance(value.type, Type)
    lengths = [1 if but is not None and n == but else example(n) for n in value.shape]
    return math.prod([math.inf if n is None else n for n in lengths]) * value.dtype.itemsize


# -- turns -----------------------------------------------------------------------------------------


class _Turns:
    """The turns of the operations of a block (see the module's head)."""

    def __init__(self, block: Block, rows: dict[Value, Rows]) -> None:
        self.inside: dict[Value, int] = {}
        self.outside: dict[Value, int] = {}
        self.turn: dict[Value, int] = {}
        inside, outside = self.inside, self.outside
        effects, last = Effects(), 0
        roots: dict[Value, Value] = {}
        # Memory → the least turn of what may overwrite it.
        free_from: defaultdict[Value, int] = defaultdict(int)

        def root(value: Value) -> Value:
            return roots.get(value, value)

        node: Value
        for node in block.nodes:
            used = list(needs(node))
            known = rows.get(node)
            within = max([inside.get(v, 0) for v in used], default=0)
            around = max([outside.get(v, 0) for v in used], default=0)
            if node.inputs and node.op is not None and (node.op.views or node.op in CONSUMING):
                roots[node] = root(node.inputs[0])
            if known is not None and known.free:
                inside[node], outside[node] = within, around
                continue
            if known is not None:
                self.turn[node] = within
                inside[node] = within + 1 if known.adds else within
                outside[node] = within + 1
            else:
                if effects.of(node):
                    around = last = max(around, last)
                changes = node.op in CONSUMING or node.op is control.call or bool(node.blocks)
                if changes:
                    around = max([around, *[free_from[root(v)] for v in node.inputs]])
                inside[node] = outside[node] = around
            for v in used:
                free_from[root(v)] = max(free_from[root(v)], outside[node])


# -- loops -----------------------------------------------------------------------------------------


def _loops(block: Block, rows: dict[Value, Rows], turns: _Turns) -> list[Loop]:
    """Return the operations of each turn, those apart that have no rows in common."""
    parent: dict[tuple[int, Value], tuple[int, Value]] = {}

    def find(x: tuple[int, Value]) -> tuple[int, Value]:
        while parent.setdefault(x, x) != x:
            x = parent[x]
        return x

    def join(turn: int, node: Value, value: Value) -> None:
        known = rows.get(value)
        if known is not None and known.free:
            for x, by_row in zip(value.inputs, known.by_row, strict=True):
                if by_row:
                    join(turn, node, x)
            return
        parent[find((turn, value))] = find((turn, node))

    node: Value
    for node, turn in turns.turn.items():
        for x, by_row in zip(node.inputs, rows[node].by_row, strict=True):
            if by_row:
                join(turn, node, x)
    found: dict[tuple[int, Value], Loop] = {}
    for node in block.nodes:
        if node in turns.turn:
            turn = turns.turn[node]
            found.setdefault(find((turn, node)), Loop([], turn)).members.append(node)
    return sorted(found.values(), key=lambda p: p.turn)


def _pays(loop: Loop, found: Plan, several: set, limits: Limits) -> bool:
    """Tell whether a loop pays, and set how many rows its blocks have."""
    rows, length = found.rows, found.length
    count = example(length)
    assert count is not None
    read = {x for node in loop.members for x in _sources(node, rows)}
    stored = [
        node
        for node in loop.members
        if not rows[node].adds
        and (node in found.apart or (node in read and (node in several or node.op is matmul)))
    ]
    size = {x: bytes_of(x, length) for x in {*stored, *read}}
    block = sum(size[x] for x in stored) + sum(size[x] for x in read - set(loop.members))
    if not block * limits.multiple <= 2 * limits.cache:
        return False
    most = min(int(limits.cache // max(block, 1)), limits.most)
    loop.rows = max(most - most % limits.multiple, limits.multiple)
    wide = [x for x in stored if size[x] >= limits.wide * x.dtype.itemsize]
    saved = sum(size[x] for x in wide if x not in found.apart)
    made = sum(size[x] for x in wide if x in found.apart)
    sums = sum(bytes_of(node) for node in loop.members if rows[node].adds)
    return (
        count > loop.rows * limits.blocks
        and saved * count >= limits.least
        and loop.rows * (saved - made) - ADDING * sums >= limits.gain
    )


def _sources(node: Value, rows: dict[Value, Rows]) -> Iterable[Value]:
    """Yield what an operation reads rows of, through views."""
    for x, by_row in zip(node.inputs, rows[node].by_row, strict=True):
        if not by_row:
            continue
        known = rows.get(x)
        if known is not None and known.free:
            yield from _sources(x, rows)
        else:
            yield x


def _apart(block: Block, found: Plan) -> set[Value]:
    """Return the operations in loops, and the views, that are to be there outside of a loop."""
    rows = found.rows
    home = {node: loop for loop in found.loops for node in loop.members}
    wanted: set[Value] = set(block.results)
    node: Value
    for node in reversed(block.nodes):
        known = rows.get(node)
        if known is None or (known.free and node in wanted):
            wanted.update(needs(node))
        elif not known.free:
            for x, by_row in zip(node.inputs, known.by_row, strict=True):
                if not by_row:
                    wanted.add(x)
            for x in _sources(node, rows):
                if home.get(x) is not home[node]:
                    wanted.add(x)
            wanted.update(values_in(node.params))
            wanted.update(values_in(node.type))
    return wanted & set(rows)
