"""Blocks under construction: where staged values are recorded.

A thread has a stack of them. What is recorded goes into the innermost; the values of those around
it can be referred to.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from adjoint.ir.core import Block, Op
from adjoint.ir.graph import Value
from adjoint.ir.types import AnyType
from adjoint.places import Place, line_of_frame

__all__ = ["Builder", "building", "innermost", "staging"]


class Builder:
    """A block under construction.

    Attributes
    ----------
    block : Block
    parent : Builder or None
    known : dict
        Values by what computes them, of operations that are worth finding again (`find`).
    homes : set
        What was defined in this block, parameters included.
    """

    __slots__ = ("block", "data", "known", "own", "parent")

    def __init__(self, parent: Builder | None) -> None:
        self.block = Block()
        self.parent = parent
        self.known: dict[Any, Value] = {}
        self.own: set[Value] = set()
        self.data: dict[str, Any] = {}

    def parameter(self, type: AnyType) -> Value:
        """Give the block one more parameter."""
        value = Value(None, (), None, type)
        self.block.parameters.append(value)
        self.own.add(value)
        return value

    def emit(
        self,
        op: Op,
        inputs: tuple[Value, ...],
        params: dict[str, Any] | None,
        type: AnyType | tuple[AnyType, ...],
        blocks: tuple[Block, ...] = (),
        place: Place | None = None,
    ) -> Value:
        """Record an operation."""
        value = Value(op, inputs, params, type, blocks, place)
        self.block.nodes.append(value)
        self.own.add(value)
        return value

    def find(self, key: Any) -> Value | None:
        """Return the value known under ``key`` here or in a block around this one."""
        builder: Builder | None = self
        while builder is not None:
            value = builder.known.get(key)
            if value is not None:
                return value
            builder = builder.parent
        return None

    def sees(self, value: Value) -> bool:
        """Tell whether a value is defined in this block or around it."""
        builder: Builder | None = self
        while builder is not None:
            if value in builder.own:
                return True
            builder = builder.parent
        return False

    def home(self, values: Iterable[Value]) -> Builder:
        """Return the outermost block in which all of ``values`` are visible."""
        home, values = self, list(values)
        while home.parent is not None and all([home.parent.sees(v) for v in values]):
            home = home.parent
        return home


class _State(threading.local):
    builder: Builder | None = None


_state = _State()


def innermost() -> Builder:
    """Return the block under construction into which this thread records."""
    builder = _state.builder
    if builder is None:
        raise RuntimeError("nothing is being staged")
    return builder


def staging() -> bool:
    """Tell whether this thread is staging something."""
    return _state.builder is not None


@contextmanager
def building(parent: Builder | None) -> Iterator[Builder]:
    """Record into a new block; ``parent`` is the one around it (None for a function's own)."""
    former = _state.builder
    builder = _state.builder = Builder(parent)
    try:
        yield builder
    finally:
        _state.builder = former


@contextmanager
def continuing(builder: Builder | None) -> Iterator[None]:
    """Record into ``builder`` again (None: stage nothing)."""
    former = _state.builder
    _state.builder = builder
    try:
        yield
    finally:
        _state.builder = former


def users_place() -> Place | None:
    """Return the user's line that is being staged."""
    return line_of_frame(sys._getframe(1))
