"""Which values may share memory.

What a value may refer to is a set of *tokens*. An operation that makes a new array makes a token; a
view has its operand's. A stack has a token of its own and *holds* those of its entries. `FOREIGN`
stands for all memory that may not be changed: an argument's, a constant's, a read-only view's. Two
values may share memory if they have a token in common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.ir.core import Block
from adjoint.ir.graph import Value, walk
from adjoint.ir.types import StackType, Type
from adjoint.ops.elementwise import stop_gradient
from adjoint.ops.indexing import read
from adjoint.ops.linalg import complement
from adjoint.ops.products import einsum
from adjoint.ops.structural import broadcast_to, diagonal
from adjoint.transforms.lifetimes import Key, Lifetimes, parts, type_of, whole

__all__ = ["FOREIGN", "NOTHING", "Memory", "Scope", "Sharing", "gathers", "refers"]

FOREIGN = 0

Tokens = frozenset[int]
NONE: Tokens = frozenset()


def refers(type: Any) -> bool:
    """Tell whether values of a type refer to memory: arrays and stacks do, numbers do not."""
    return isinstance(type, StackType) or (isinstance(type, Type) and type.kind == "array")


@dataclass(frozen=True, slots=True)
class Memory:
    """What a value may refer to: itself, and through the entries of a stack."""

    own: Tokens = NONE
    held: Tokens = NONE

    @property
    def all(self) -> Tokens:
        return self.own | self.held

    def __or__(self, other: Memory) -> Memory:
        return Memory(self.own | other.own, self.held | other.held)


NOTHING = Memory()


class Scope:
    """A block while it is walked: what is live at ``at``, the position of the present node.

    ``again`` is what another iteration reads, or another block of the loop.
    """

    __slots__ = ("again", "at", "block", "last", "outer")

    def __init__(
        self, block: Block, last: dict[Key, int], outer: Scope | None, again: frozenset[Key]
    ) -> None:
        self.block = block
        self.last = last
        self.outer = outer
        self.again = again
        self.at = 0

    def live(self, key: Key) -> bool:
        """Tell whether a value is used after the present node."""
        scope: Scope | None = self
        while scope is not None:
            if scope.last.get(key, -1) > scope.at or key in scope.again:
                return True
            scope = scope.outer
        return False


class Sharing:
    """Who has which tokens.

    Attributes
    ----------
    loops : list of Value
        The loops around what is walked, outermost first.
    """

    def __init__(self, lifetimes: Lifetimes) -> None:
        self.lifetimes = lifetimes
        self.loops: list[Value] = []
        self._memory: dict[Key, Memory] = {}
        self._sharers: defaultdict[int, set[Key]] = defaultdict(set)
        self._tokens: dict[Any, int] = {}
        self._made_in: list[tuple[Value, ...]] = [()]

    def token(self, maker: Any) -> int:
        """Return the token of what ``maker`` makes."""
        token = self._tokens.get(maker)
        if token is None:
            token = self._tokens[maker] = len(self._made_in)
            self._made_in.append(tuple(self.loops))
        return token

    def fresh(self, *maker: Any) -> Tokens:
        """Return the set of one token."""
        return frozenset({self.token(maker)})

    def around(self, tokens: Tokens, loop: Value) -> Tokens:
        """Return those of ``tokens`` that are not made in a loop."""
        return frozenset(t for t in tokens if loop not in self._made_in[t])

    def any_in_a_loop(self, tokens: Tokens) -> bool:
        """Tell whether any of ``tokens`` stands for what the iterations of a loop make."""
        return any(self._made_in[t] for t in tokens)

    def of(self, key: Key) -> Memory:
        """Return what a value may refer to."""
        return self._memory.get(key, NOTHING)

    def give(self, key: Key, memory: Memory) -> None:
        """Note what a value may refer to."""
        type = type_of(key)
        if not refers(type):
            return
        if not isinstance(type, StackType):
            memory = Memory(memory.own)
        self.forget(key)
        self._memory[key] = memory
        for token in memory.all:
            self._sharers[token].add(key)

    def give_fresh(self, node: Value) -> None:
        """Note that an operation makes its results."""
        for key in parts(node):
            self.give(key, Memory(self.fresh(key, "own"), self.fresh(key, "held")))

    def forget(self, key: Key) -> None:
        """Forget a value, which is to be walked again."""
        memory = self._memory.pop(key, None)
        if memory is not None:
            for token in memory.all:
                self._sharers[token].discard(key)

    def forget_blocks(self, loop: Value) -> None:
        """Forget all that a loop's blocks define."""
        for block in loop.blocks:
            for inner in (block, *[b for node in walk(block) for b in node.blocks]):
                for value in (*inner.parameters, *inner.nodes):
                    for key in parts(value):
                        self.forget(key)

    def in_use(self, tokens: Tokens, scope: Scope, also: frozenset[Key] = frozenset()) -> Tokens:
        """Return the tokens that are foreign, or of a value that is live or in ``also``."""
        used = set()
        for token in tokens:
            if token == FOREIGN:
                used.add(token)
                continue
            dead = []
            for key in self._sharers[token]:
                if key in also or scope.live(key):
                    used.add(token)
                    break
                if self.lifetimes.home[whole(key)] is scope.block:
                    dead.append(key)
            # What its own block has used for the last time need not be looked at again.
            self._sharers[token].difference_update(dead)
        return frozenset(used)

    def users(self, token: int, scope: Scope) -> list[Key]:
        """Return the live values that have a token."""
        return [key for key in self._sharers[token] if scope.live(key)]

    def of_view(self, node: Value) -> Memory:
        """Return what the result of an operation may refer to that may be a view."""
        path = _path(node)
        if gathers_in(path):
            return Memory(self.fresh(node, "own"))
        memory = Memory(self.fresh(node, "own"))
        assert node.op is not None
        for operand in node.inputs[:1] if node.op.views else node.inputs:
            memory |= self.of(operand)
        kinds = {kind for kind, _ in path}
        # NumPy's imaginary part of a real array is read-only.
        if kinds & _READ_ONLY or ("imag" in kinds and node.inputs[0].dtype.kind != "c"):
            memory |= Memory(frozenset({FOREIGN}))
        return memory

    def of_others(self, node: Value) -> Memory:
        """Return what the result of any other operation may refer to."""
        memory = Memory(self.fresh(node, "own"), self.fresh(node, "held"))
        if isinstance(node.type, StackType):  # it may have taken entries over
            memory |= Memory(NONE, NONE.union(*[self.of(v).all for v in node.inputs]))
        return memory


_READ_ONLY = frozenset({"broadcast_to", "diagonal", "read-only diagonal"})
_SOMETIMES = frozenset({einsum, complement, stop_gradient})
"""Operations that may return an operand, or a view of one, though they are not known as views."""


def may_view(node: Value) -> bool:
    """Tell whether the result of an operation may share memory with an operand."""
    return node.op is not None and (node.op.views or node.op in _SOMETIMES)


def takes_part(node: Value) -> bool:
    """Tell whether an operation gives a part of an array rather than the whole of it."""
    return may_view(node) and any(kind in ("index", "diagonal") for kind, _ in _path(node))


def _path(node: Value) -> Sequence[tuple[str, Any]]:
    op, params = node.op, node.params
    assert op is not None
    if op is read:
        return params["path"]
    if op in (broadcast_to, diagonal):
        return (("broadcast_to", None),)
    return (("index", params["index"]),) if "index" in params else ((op.name, None),)


def gathers(index: Any) -> bool:
    """Tell whether NumPy answers ``x[index]`` with a copy in any case: an array is in the index."""
    if isinstance(index, Value):
        return isinstance(index.type, Type) and (index.type.ndim > 0 or index.dtype.kind == "b")
    if isinstance(index, tuple):
        return any(gathers(i) for i in index)
    return isinstance(index, (list, np.ndarray))


def gathers_in(path: Sequence[tuple[str, Any]]) -> bool:
    """Tell whether a path ends in an index with an array in it."""
    return any(kind == "index" and gathers(argument) for kind, argument in path)
