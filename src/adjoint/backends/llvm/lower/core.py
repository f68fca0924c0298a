"""A function of the graph while it is lowered: what its values are, and where one stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ReferenceType

import numpy as np

from adjoint.backends.llvm.lower.fusion import needed_whole, read_in_several
from adjoint.backends.llvm.lower.outline import assembled
from adjoint.backends.llvm.lower.program import Program
from adjoint.backends.llvm.lower.runtime import needs
from adjoint.backends.llvm.lower.stack_words import word_of, words_of
from adjoint.backends.llvm.lower.types import Element, cast, in_memory, part_size
from adjoint.backends.llvm.lower.values import (
    MERGED,
    Array,
    Buffer,
    Index,
    Lazy,
    Number,
    Rep,
    Shape,
    Word,
)
from adjoint.backends.llvm.writer import COLD, Body, Integer, Level, flatten
from adjoint.ir.core import Block
from adjoint.ir.dims import Dim, example
from adjoint.ir.graph import Function, Value
from adjoint.transforms.lifetimes import Key, Lifetimes, type_of
from adjoint.transforms.ownership import Ownership, analyse

__all__ = ["FOREIGN", "SHORT", "Hoist", "Lowering"]

FOREIGN = frozenset({0})

SHORT = 64
"""Lengths up to which a loop is compiled for few passes."""

INT = np.dtype(np.int64)


class Hoist:
    """A place before a loop, or at the beginning of the function, to which code can be moved."""

    __slots__ = ("cells", "free", "label", "level", "taken")

    def __init__(self, label: str) -> None:
        self.level = Level(label)
        self.label = label
        self.free: dict[Any, list[str]] = {}
        self.taken: list[tuple[str, str]] = []
        self.cells: list[str] = []


class Lowering:
    """A function while it is lowered.

    Attributes
    ----------
    env : dict
        Value, or (value, part) → what it is.
    hoists : list of Hoist
        The beginning of the function, and before each loop around the present place.
    blocks : list of (Block, int)
        Around the present place: with the position of the node that is being lowered.
    forced : list of list of Lazy
        A list a block: what was forced in it.
    destinations : dict
        What is to be made in memory that is there already.
    sums : dict
        Products that are to be added to what is in some memory, rather than made.
    short : dict
        Lengths that were few in the call for which the function is compiled: what they were.
    memo : dict
        Elements that are in registers: in the nest, or the operation, that is being written.
    values : dict or None
        What stands in places of memory, in a nest that is left open (`joined`).
    joined : Joined or None
        A nest that was left open.
    """

    def __init__(
        self, program: Program, function: Function, owned: frozenset[int] = frozenset()
    ) -> None:
        self.program = program
        self.module = program.module
        self.function = function
        self.body = Body(program.module)
        self.lifetimes = Lifetimes(function.block)
        self.ownership: Ownership = analyse(function, owned, self.lifetimes)
        assert self.ownership.sharing is not None
        self.sharing = self.ownership.sharing
        self.env: dict[Any, Any] = {}
        self.loops_around: dict[Value, int] = {}
        self.hoists = [Hoist("start")]
        self.allocas: list[str] = []
        self.cold: list[str] = []
        self.blocks: list[list[Any]] = []
        self.captured: list[frozenset[Key]] = []
        # Weakly: memory of what nothing reads any more is free (`lower.memory`).
        self.forced: list[list[ReferenceType[Lazy]]] = [[]]
        self.pending: dict[Key, Lazy] = {}
        self.destinations: dict[Key, Buffer] = {}
        self.sums: dict[Value, Buffer] = {}
        self.node: Value | None = None
        self.memo: dict[Any, Element] = {}
        self.through: dict[Lazy, Buffer] = {}
        self.values: dict[Any, Element] | None = None
        self.joined: Any = None
        self.temporary: list[Any] = []
        self.slices: dict[Any, list[Value]] | None = None
        self.equal: dict[Block, set[frozenset[Any]]] = {}
        self.group = ""
        self.small_bytes = 0
        self.fails = False
        self.constants = program.texts
        self.tables: dict[int, str] = {}
        self.several = read_in_several(function.block)
        self.whole = needed_whole(function.block)
        self.words = words_of(function)
        self.fuel: str | None = None
        self.uncounted = 0
        self.lengths: frozenset[Value] | None = None
        self.regions: list[str] = []
        self.within = 0
        self.barrier = 0
        self.kept: dict[Any, bool] = {}
        self.roots: dict[Any, Any] = {}
        self.changed: dict[Value, set[int]] = {}
        self.short: dict[Integer, int] = {}

    # -- values ------------------------------------------------------------------------------------

    def define(self, key: Key, rep: Rep) -> None:
        """Say what a value is."""
        self.env[key] = rep
        value = key[0] if isinstance(key, tuple) else key
        self.loops_around[value] = len(self.hoists) - 1
        if isinstance(rep, Buffer):
            rep.tokens = rep.tokens | self.tokens(key)
        if isinstance(rep, Lazy) and rep.buffer is None:
            if rep.key is None:
                rep.key = key
            rep.tokens = rep.tokens | self.tokens(key)
            self.pending[key] = rep
            if key in self.several and not rep.shared:
                self.reproducible(rep)

    def reproducible(self, lazy: Lazy) -> None:
        """Have the elements of an array be the same to the last bit wherever they are computed.

        A product that is contracted with a sum in one place and not in another would make an
        element differ from the maximum that it is.
        """
        body, element = self.body, lazy.element

        def again(index: Index) -> Element:
            outer, body.again = body.again, True
            try:
                return element(index)
            finally:
                body.again = outer

        lazy.element = again

    def forget(self, key: Key) -> None:
        """Let go of a value that is not read any more; a number may still be part of a shape."""
        if not isinstance(self.env.get(key), Number):
            self.env.pop(key, None)
        self.pending.pop(key, None)

    def rep(self, value: Value) -> Any:
        """Return what a value is."""
        found = self.env.get(value)
        if found is None:
            from adjoint.backends.llvm.lower.creation import constant

            assert value.op is not None and value.op.name == "constant", value
            return constant(self, value)
        return found

    def number(self, value: Value) -> Element:
        """Return a value without axes as registers."""
        rep = self.rep(value)
        return rep.element if isinstance(rep, Number) else self.element(rep, ())

    def integer(self, value: Value) -> Integer:
        """Return an integer value as an integer of 64 bits."""
        x = self.number(value)
        x = cast(self.body, x, value.dtype, INT)
        assert isinstance(x, str)
        return x if x.startswith("%") else int(x)

    def word(self, key: Key) -> Word:
        """Return how the entries of a stack lie in memory."""
        found = self.words.get(key)
        return word_of(type_of(key)) if found is None else found

    def tokens(self, key: Key) -> frozenset[int]:
        """Return what memory a value may refer to."""
        return self.sharing.of(key).own

    # -- lengths -----------------------------------------------------------------------------------

    def dim(self, n: Any) -> Integer:
        """Return a dimension, or an integer that stands in a parameter."""
        if isinstance(n, Dim):
            total: Integer = n.constant
            for value, c in n.terms:
                total = self.body.add(total, self.body.mul(self.integer(value), c))
            now = example(n)
            if now is not None and now <= SHORT:
                self.short[total] = max(now, self.short.get(total, 0))
            return total
        if isinstance(n, Value):
            return self.integer(n)
        return int(n)

    def shape(self, dims: tuple[Any, ...], otherwise: Shape = ()) -> Shape:
        """Return a shape; ``otherwise`` has the lengths that are not in it."""
        return tuple([otherwise[k] if n is None else self.dim(n) for k, n in enumerate(dims)])

    def strides(self, shape: Shape, dtype: np.dtype) -> Shape:
        """Return the strides of an array of that shape in C's order."""
        strides: list[Integer] = []
        step: Integer = dtype.itemsize
        for n in reversed(shape):
            strides.append(step)
            step = self.body.mul(step, n)
        return tuple(reversed(strides))

    # -- elements ----------------------------------------------------------------------------------

    def element(self, rep: Array, index: Index) -> Element:
        """Return an element."""
        if isinstance(rep, Number):
            return rep.element
        if isinstance(rep, Lazy) and rep.buffer is not None:
            rep = rep.buffer
        key = (rep, index)
        found = self.memo.get(key)
        if found is None:
            if isinstance(rep, Buffer):
                found = self.memo[key] = self.load(rep, index)
                return found
            found = self.memo[key] = rep.element(index)
            target = self.through.get(rep)
            if target is not None:
                self.keep(target, index, found)
        return found

    def address(self, buffer: Buffer, index: Index) -> str:
        """Return a pointer to an element."""
        return self.offset(buffer.pointer, buffer.strides, index, buffer.dtype)

    def offset(self, pointer: str, strides: Shape, index: Index, dtype: np.dtype) -> str:
        """Return a pointer to the element at an index."""
        body = self.body
        size = dtype.itemsize
        wide: Integer = 0
        near: Integer = 0
        # What is furthest out is added first: it stays the same in the inner loops.
        for i, stride in zip(index, strides, strict=True):
            if i == MERGED or i == 0:
                continue
            if isinstance(stride, int) and stride % size == 0 and dtype.kind != "c":
                near = body.add(near, body.mul(i, stride // size))
            else:
                wide = body.add(wide, body.mul(i, stride))
        if wide != 0:
            pointer = body.place(
                f"getelementptr inbounds i8, ptr {pointer}, i64 {wide}", pointer, wide
            )
        if near != 0:
            type = in_memory(dtype)
            pointer = body.place(
                f"getelementptr inbounds {type}, ptr {pointer}, i64 {near}", pointer, near
            )
        return pointer

    def load(self, buffer: Buffer, index: Index, pinned: bool = False) -> Element:
        """Read an element; ``pinned``: here, and not further out."""
        if self.values is None:
            return self.load_at(self.address(buffer, index), buffer.dtype, pinned)
        place = (buffer.pointer, buffer.strides, index, buffer.dtype)
        found = self.values.get(place)
        if found is None:
            found = self.load_at(self.address(buffer, index), buffer.dtype, pinned)
            self.values[place] = found
        return found

    def load_at(self, pointer: str, dtype: np.dtype, pinned: bool = False) -> Element:
        """Read a number from memory."""
        body, type = self.body, in_memory(dtype)
        body.settled()
        size = part_size(dtype)
        align = min(size, 8)
        write = body.let if pinned else lambda text: body.op(text, pointer)
        first = write(f"load {type}, ptr {pointer}, align {align}{self.group}")
        if dtype.kind == "b":
            return body.op(f"icmp ne i8 {first}, 0", first)
        if dtype.kind != "c":
            return first
        other = body.op(f"getelementptr inbounds i8, ptr {pointer}, i64 {size}", pointer)
        write = body.let if pinned else lambda text: body.op(text, other)
        return first, write(f"load {type}, ptr {other}, align {align}{self.group}")

    def store(self, buffer: Buffer, index: Index, x: Element) -> None:
        """Write an element."""
        if self.values is not None:
            self.values[buffer.pointer, buffer.strides, index, buffer.dtype] = x
            for rep, at in list(self.memo):
                if isinstance(rep, Buffer) and at == index and rep.pointer == buffer.pointer:
                    del self.memo[rep, at]
        self.store_at(self.address(buffer, index), buffer.dtype, x)

    def keep(self, buffer: Buffer, index: Index, x: Element) -> None:
        """Write an element of an array that is computed for the sake of others."""
        if self.values is None or not buffer.scratch:
            self.store(buffer, index, x)
            return
        lines = self.body.here.lines
        before = len(lines)
        self.store(buffer, index, x)
        own = lines[before:]
        lines[before:] = [own]
        self.temporary.append((own, buffer))

    def store_at(self, pointer: str, dtype: np.dtype, x: Element) -> None:
        """Write a number to memory."""
        body, type = self.body, in_memory(dtype)
        size = part_size(dtype)
        align = min(size, 8)
        if dtype.kind == "c":
            re, im = x
            body.do(f"store {type} {re}, ptr {pointer}, align {align}{self.group}")
            other = body.op(f"getelementptr inbounds i8, ptr {pointer}, i64 {size}", pointer)
            body.do(f"store {type} {im}, ptr {other}, align {align}{self.group}")
            return
        assert isinstance(x, str)
        if dtype.kind == "b":
            x = body.op(f"zext i1 {x} to i8", x)
        body.do(f"store {type} {x}, ptr {pointer}, align {align}{self.group}")

    # -- errors ------------------------------------------------------------------------------------

    def check(
        self, truth: str, error: Callable[[int, int], BaseException], x: Integer = 0, y: Integer = 0
    ) -> None:
        """Report an error unless a truth holds. Not within a nest of loops."""
        if truth == "true":
            return
        body = self.body
        assert len(body.levels) == 1
        fine, bad = body.label(), body.label()
        body.branch(truth, fine, bad, COLD)
        number = self.program.failure(self.node, error)
        needs(self.module, "memory.report")
        self.fails = True
        self.cold += [
            f"{bad}:",
            f"call void @memory.report(ptr %ctx, i64 {number}, i64 {x}, i64 {y})",
            "br label %failed",
        ]
        body.begin(fine)

    def refuse_unless(self, truth: str) -> None:
        """Have NumPy raise what it has to say of the present operation, unless a truth holds."""
        from adjoint.backends.llvm.lower.callbacks import refuse

        refuse(self, truth)

    def check_status(self, status: str) -> None:
        """Go on if what was called succeeded; else report what it has reported."""
        body = self.body
        fine = body.label()
        truth = body.op(f"icmp eq i32 {status}, 0", status)
        body.branch(truth, fine, "failed", COLD)
        self.fails = True
        body.begin(fine)

    # -- places ------------------------------------------------------------------------------------

    @contextmanager
    def at(self, hoist: Hoist) -> Iterator[None]:
        """Write at another place, at which all is defined that is referred to."""
        with self.body.aside():
            levels, self.body.levels = self.body.levels, [hoist.level]
            try:
                yield
            finally:
                self.body.levels = levels

    def alloca(self, type: str, align: int = 8) -> str:
        """Return a pointer to memory of the function's own frame."""
        name = self.body.name()
        self.allocas.append(f"{name} = alloca {type}, align {align}")
        return name

    def live(self, key: Key) -> bool:
        """Tell whether a value is read after the present node, or again by a further pass."""
        for block, at in self.blocks:
            if self.lifetimes.last[block].get(key, -1) > at:
                return True
        return any(key in captured for captured in self.captured)

    def text(self, signature: str) -> str:
        """Return the function, once it is written."""
        lines: list[str] = []
        level = self.hoists[0].level
        flatten([*self.allocas, level.lines, "br label %body", "body:"], lines)
        lines += assembled(self.module, self.body.levels[0].lines)
        lines += self.cold
        if self.fails:
            lines += ["failed:", "ret i32 1"]
        return f"{signature} {{\nstart:\n" + "\n".join(lines) + "\n}"

    def enter(self, block: Block) -> None:
        """Begin to lower a block."""
        self.blocks.append([block, -1])
        self.enter_scope()

    def leave(self) -> None:
        """End a block."""
        self.blocks.pop()
        self.leave_scope()

    def forget_elements(self) -> None:
        """Forget what is in registers."""
        self.memo.clear()
        if self.values is not None:
            self.values.clear()

    def enter_scope(self) -> None:
        """Begin what does not always run, or runs several times."""
        self.forced.append([])
        self.forget_elements()
        self.body.enter_scope()

    def leave_scope(self) -> None:
        """End it: what was forced in it is not in memory after it."""
        self.forget_elements()
        self.body.leave_scope()
        for reference in self.forced.pop():
            lazy = reference()
            if lazy is None:
                continue
            lazy.buffer = None
            if lazy.key in self.env:
                self.pending[lazy.key] = lazy
