"""Carried arrays that are made anew in each pass: two memories each, which change roles."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import allocate
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.runtime import give_back, take
from adjoint.backends.llvm.lower.values import Buffer, Lazy, Number, Shape
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.graph import Value

__all__ = ["Growing", "Moving", "share", "turn"]


class Moving:
    """A carried array of a shape that does not change."""

    def __init__(self, f: Lowering, loop: Value, k: int, init: Value, param: Value) -> None:
        self.f = f
        type = param.type
        shape = f.shape(type.shape)
        self.dtype, self.shape = type.dtype, shape
        self.tokens = f.tokens(param)
        self.first = allocate(f, shape, type.dtype, type.shape)
        copy_into(f, self.first, f.rep(init))
        self.second = allocate(f, shape, type.dtype, type.shape)
        self.memories: list[Any] = [self.first.memory, self.second.memory]
        self.strides = f.strides(shape, type.dtype)
        self.here, self.there = f.body.name(), f.body.name()
        self.wholes = {self.here: object(), self.there: object()}
        self.next_here = self.here
        self.next_there = self.there

    def _buffer(self, pointer: str) -> Buffer:
        whole = self.wholes.get(pointer)
        return Buffer(
            self.dtype, self.shape, pointer, self.strides, True, self.tokens,
            self.memories, whole=whole,
        )  # fmt: skip

    def rep(self) -> Buffer:
        """Return the array as the pass reads it."""
        return self._buffer(self.here)

    def other(self) -> Buffer:
        """Return the memory in which its result is to be made."""
        return self._buffer(self.there)

    def registers(self) -> list[tuple[str, str, str, str]]:
        return [
            ("ptr", self.here, self.first.pointer, self.next_here),
            ("ptr", self.there, self.second.pointer, self.next_there),
        ]

    def after(self, names: list[str]) -> Buffer:
        return self._buffer(names[0])


def share(states: list[Moving]) -> None:
    """Have arrays keep each other's memory, which they may get from each other (`turn`)."""
    groups: defaultdict[Any, list[Any]] = defaultdict(list)
    for s in states:
        groups[s.shape, s.dtype] += s.memories
    for s in states:
        s.memories = groups[s.shape, s.dtype]


def turn(f: Lowering, states: list[tuple[Moving, Any]]) -> None:
    """Give carried arrays what a pass has made, by pointers where that is possible."""
    body = f.body
    mine = {p: s for s, _ in states for p in (s.here, s.there)}
    claimed: set[str] = set()
    target: dict[Moving, str] = {}
    copied: list[tuple[Moving, Any]] = []
    for state, rep in states:
        if isinstance(rep, Lazy) and rep.buffer is not None:
            rep = rep.buffer
        if isinstance(rep, Buffer) and rep.dense and rep.dtype == state.dtype:
            p = rep.pointer
            owner = mine.get(p)
            fits = owner is not None and owner.shape == state.shape and owner.dtype == state.dtype
            if fits and p not in claimed:
                claimed.add(p)
                target[state] = p
                continue
        copied.append((state, rep))
    rest: list[tuple[Moving, Any]] = []
    for state, rep in copied:
        own = {state.here, state.there}
        if (
            isinstance(rep, Buffer)
            and rep.origins
            and rep.origins <= own
            and not own & claimed
            and rep.dense
        ):
            claimed |= own
            state.next_here = rep.pointer
            same = body.let(f"icmp eq ptr {rep.pointer}, {state.here}")
            state.next_there = body.let(f"select i1 {same}, ptr {state.there}, ptr {state.here}")
        else:
            rest.append((state, rep))
    # What is lazy reads the memory of this pass: it is stored where nothing of it is.
    for state, rep in rest:
        place = _unclaimed(state, states, claimed)
        claimed.add(place)
        copy_into(f, state._buffer(place), rep)
        target[state] = place
    for state, place in target.items():
        state.next_here = place
    used = set(target.values())
    for state in target:
        group = [s for s in target if s.shape == state.shape and s.dtype == state.dtype]
        free = [p for s in group for p in (s.there, s.here) if p not in used]
        state.next_there = state.there if state.there in free else free[0]
        used.add(state.next_there)


def _unclaimed(state: Moving, states: list[tuple[Moving, Any]], claimed: set[str]) -> str:
    if state.there not in claimed:
        return state.there
    for other, _ in states:
        if other.shape == state.shape and other.dtype == state.dtype and other.there not in claimed:
            return other.there
    raise AssertionError("a carried array has no memory")


class Growing:
    """A carried array whose shape is another one from pass to pass."""

    def __init__(self, f: Lowering, init: Value, param: Value) -> None:
        self.f = f
        self.type = param.type
        self.tokens = f.tokens(param)
        rep = f.rep(init)
        body = f.body
        size = self._bytes(rep.shape)
        pointer = body.let(take(f.module, "%ctx", str(size)))
        dtype = self.type.dtype
        copy_into(f, Buffer(dtype, rep.shape, pointer, f.strides(rep.shape, dtype), True), rep)
        names = [body.name() for _ in rep.shape]
        self.lengths = names
        self.start: list[Any] = [pointer, str(size), "null", "0", *map(str, rep.shape)]
        self.names = [body.name() for _ in range(4)] + names
        self.types = ["ptr", "i64", "ptr", "i64", *["i64"] * len(names)]
        self.next: list[str] = []

    def _bytes(self, shape: Shape) -> Integer:
        return self.f.body.mul(self.f.body.product(shape), self.type.dtype.itemsize)

    def _buffer(self, names: list[str]) -> Buffer:
        shape = tuple(names[4:])
        strides = self.f.strides(shape, self.type.dtype)
        return Buffer(self.type.dtype, shape, names[0], strides, True, self.tokens)

    def rep(self) -> Buffer:
        return self._buffer(self.names)

    def settle(self, rep: Any, value: Value) -> None:
        """Copy what a pass has made into the other memory, which is made large enough."""
        f, body = self.f, self.f.body
        assert not isinstance(rep, Number)
        size = self._bytes(rep.shape)
        _, _, other, room, *_ = self.names
        before = body.here.block
        grow, enough = body.label(), body.label()
        body.branch(body.compare("sle", size, room), enough, grow)
        body.begin(grow)
        some = body.let(f"icmp ne ptr {other}, null")
        give, after = body.label(), body.label()
        body.branch(some, give, after)
        body.begin(give)
        body.do(give_back(f.module, "%ctx", other, room))
        body.go(after)
        body.begin(after)
        new = body.let(take(f.module, "%ctx", str(size)))
        body.go(enough)
        body.begin(enough)
        pointer = body.let(f"phi ptr [ {other}, %{before} ], [ {new}, %{after} ]")
        capacity = body.let(f"phi i64 [ {room}, %{before} ], [ {size}, %{after} ]")
        dtype = self.type.dtype
        copy_into(f, Buffer(dtype, rep.shape, pointer, f.strides(rep.shape, dtype), True), rep)
        here, size_here = self.names[:2]
        self.next = [pointer, capacity, here, size_here, *map(str, rep.shape)]

    def registers(self) -> list[tuple[str, str, str, str]]:
        return [(t, n, s, x) for t, n, s, x in zip(self.types, self.names, self.start, self.next)]

    def after(self, names: list[str]) -> Buffer:
        return self._buffer(names)
