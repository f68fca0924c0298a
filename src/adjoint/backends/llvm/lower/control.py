"""Branches, independent passes, and calls of the graph's functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower import stacks
from adjoint.backends.llvm.lower.blocks import (
    before_control,
    lower_block,
    root,
    set_destination,
)
from adjoint.backends.llvm.lower.core import Hoist, Lowering
from adjoint.backends.llvm.lower.memory import (
    SMALL,
    allocate,
    begin_pass,
    end_pass,
    force,
    give_all,
    in_memory_of,
    lasting,
)
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.polling import poll, weight
from adjoint.backends.llvm.lower.regions import Passes, may_share, one_by_one
from adjoint.backends.llvm.lower.types import in_registers, parts_of
from adjoint.backends.llvm.lower.values import Buffer, Lazy, Number, Shape, Stack
from adjoint.backends.llvm.lower.views import Along, affine
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.core import Block
from adjoint.ir.graph import Value
from adjoint.ir.types import StackType, Type

__all__ = ["branch", "counted", "enter_loop", "independent", "leave_loop"]

INT = np.dtype(np.int64)


# -- branches --------------------------------------------------------------------------------------


def branch(f: Lowering, node: Value) -> None:
    """Lower an ``if``."""
    before_control(f, node, False)
    body = f.body
    truth = f.number(node.inputs[0])
    assert isinstance(truth, str)
    labels = [body.label(), body.label()]
    after = body.label()
    merges = [_Merge(f, node, k, t) for k, t in enumerate(node.type)]
    body.branch(truth, *labels)
    tails: list[str] = []
    for block, label in zip(node.blocks, labels, strict=True):
        body.begin(label)
        f.enter(block)
        for merge, result in zip(merges, block.results, strict=True):
            if merge.target is not None:
                set_destination(f, result, merge.target, block)
        lower_block(f, block)
        f.node = node
        reps = [f.rep(r) for r in block.results]
        # All are read before any is stored: they may be each other's.
        ready = [merge.prepare(rep) for merge, rep in zip(merges, reps, strict=True)]
        for merge, rep in zip(merges, ready, strict=True):
            merge.take(rep)
        f.leave()
        tails.append(body.here.block)
        body.go(after)
    body.begin(after)
    phis: list[str] = []
    body.here.lines.append(phis)
    for k, merge in enumerate(merges):
        f.define((node, k), merge.merged(tails, phis))


class _Merge:
    """A result of a branch: what each side gives, and what comes of both."""

    def __init__(self, f: Lowering, node: Value, k: int, type: Any) -> None:
        self.f = f
        self.key = (node, k)
        self.type = type
        self.given: list[Any] = []
        origin = root(f, self.key)
        self.same = origin != self.key
        if self.same and isinstance(f.env.get(origin), Lazy):
            force(f, f.env[origin])  # one side may change it, and the other leave it
        self.common: Any = None
        self.target: Buffer | None = None
        if isinstance(type, StackType):
            if not self.same:
                self.common = stacks.new_header(f)
        elif type.shape and not self.same:
            self.target = f.destinations.pop(self.key, None)
            lengths = type.shape
            if all(isinstance(n, int) for n in lengths) and np.prod(lengths) <= SMALL:
                self.common = self.target or allocate(f, lengths, type.dtype)
                self.target = None

    def prepare(self, rep: Any) -> Any:
        f = self.f
        if isinstance(rep, (Number, Stack)) or self.same:
            return rep
        if not rep.shape:
            return Number(rep.dtype, f.element(rep, ()))
        if self.common is not None and not (
            isinstance(rep, Buffer) and rep.pointer == self.common.pointer
        ):
            copy = allocate(f, rep.shape, rep.dtype)
            copy_into(f, copy, rep)
            return copy
        if isinstance(rep, Lazy) and rep.buffer is None and rep.view is None:
            return force(f, rep, self._target_for(rep))
        return lasting(f, rep, f.tokens(self.key))

    def _target_for(self, rep: Lazy) -> Buffer | None:
        if self.target is not None and rep.shape == self.target.shape:
            return self.target
        return None

    def take(self, rep: Any) -> None:
        f = self.f
        if isinstance(rep, Stack) and self.common is not None:
            stacks.copy_header(f, rep.header, self.common)
        elif (
            isinstance(rep, Buffer)
            and self.common is not None
            and rep.pointer != self.common.pointer
        ):
            copy_into(f, self.common, rep)
        self.given.append(rep)

    def merged(self, tails: list[str], phis: list[str]) -> Any:
        f = self.f
        first, second = self.given

        def phi(type: str, x: Any, y: Any) -> Any:
            if x == y:
                return x
            name = f.body.name()
            phis.append(f"{name} = phi {type} [ {x}, %{tails[0]} ], [ {y}, %{tails[1]} ]")
            return name

        if isinstance(first, Number):
            parts = [
                phi(in_registers(first.dtype), x, y)
                for x, y in zip(parts_of(first.element), parts_of(second.element), strict=True)
            ]
            return Number(first.dtype, parts[0] if len(parts) == 1 else (parts[0], parts[1]))
        tokens = f.tokens(self.key)
        if isinstance(first, Stack):
            if self.same:
                return first
            return Stack(self.common, first.word, tokens)
        if self.same:
            return first
        if self.common is not None:
            self.common.tokens = tokens
            return self.common
        return _phi_buffer(f, self.type, first, second, phi, tokens)


def _phi_buffer(
    f: Lowering, type: Type, x: Buffer, y: Buffer, phi: Any, tokens: frozenset[int]
) -> Buffer:
    shape = tuple(
        phi("i64", a, b) if n is None else n if isinstance(n, int) else None
        for n, a, b in zip(type.shape, x.shape, y.shape, strict=True)
    )
    dense = x.dense and y.dense
    strides: Any = None
    if not dense:
        strides = tuple(phi("i64", a, b) for a, b in zip(x.strides, y.strides, strict=True))
    pointer = phi("ptr", x.pointer, y.pointer)
    final = tuple(f.dim(m) if n is None and m is not None else n for n, m in zip(shape, type.shape))
    origins = (x.origins or frozenset({x.pointer})) | (y.origins or frozenset({y.pointer}))
    return Buffer(
        type.dtype,
        final,  # type: ignore[arg-type]
        pointer,
        f.strides(final, type.dtype) if dense else strides,  # type: ignore[arg-type]
        dense,
        tokens | x.tokens | y.tokens,
        (x.memory, y.memory),
        origins,
    )


# -- what loops have in common ---------------------------------------------------------------------


def enter_loop(f: Lowering) -> Hoist:
    """Begin what stands before a loop: from now on there is a place to which code is moved."""
    body = f.body
    first, second = body.label(), body.label()
    hoist = Hoist(first)
    body.go(first)
    body.begin(first)
    body.here.lines.append(hoist.level.lines)
    body.go(second)
    body.begin(second)
    f.hoists.append(hoist)
    return hoist


def leave_loop(f: Lowering, hoist: Hoist) -> None:
    """End a loop, at the place behind it."""
    assert f.hoists.pop() is hoist
    give_all(f, hoist)


@contextmanager
def counted(f: Lowering, first: Integer, end: Integer, note: Sequence[str] = ()) -> Iterator[str]:
    """Write a loop that carries nothing but its index; ``note``: what its end is marked with."""
    body = f.body
    hoist = enter_loop(f)
    before = body.here.block
    head, latch, after = body.label(), body.label(), body.label()
    index, further = body.name(), body.name()
    body.branch(body.compare("sgt", end, first), head, after)
    body.begin(head)
    body.do(f"{index} = phi i64 [ {first}, %{before} ], [ {further}, %{latch} ]")
    lines = begin_pass(f)
    yield index
    end_pass(f, hoist, lines)
    body.go(latch)
    body.begin(latch)
    body.do(f"{further} = add nuw nsw i64 {index}, 1")
    body.branch(body.let(f"icmp slt i64 {further}, {end}"), head, after, *note)
    body.begin(after)
    leave_loop(f, hoist)


# -- map -------------------------------------------------------------------------------------------


def independent(f: Lowering, node: Value) -> None:
    """Lower a ``map``: a loop whose passes fill arrays."""
    before_control(f, node, True)
    body = f.body
    (block,) = node.blocks
    count = f.integer(node.inputs[0])
    some = body.most(count, 0)
    results = [_Gathered(f, k, t, some) for k, t in enumerate(node.type)]
    passes = Passes(f) if may_share(f, count) else None
    first, end = ("%begin", "%end") if passes else (0, count)
    outside, f.uncounted = f.uncounted, 0
    written = body.loops
    note: list[str] = []
    with counted(f, first, end, note) as index:
        f.captured.append(f.lifetimes.captured[block])
        f.enter(block)
        (parameter,) = block.parameters
        f.define(parameter, Number(INT, index))
        for gathered, result in zip(results, block.results, strict=True):
            gathered.begin(result, index, block)
        lower_block(f, block)
        f.node = node
        for gathered, result in zip(results, block.results, strict=True):
            gathered.store(f.rep(result), index)
        f.leave()
        f.captured.pop()
        work = weight(block) + f.uncounted
        f.uncounted = outside
        plain = body.loops == written
        body.loops += 1
        if not plain or passes is None:
            poll(f, work)
        if not plain:
            note.append(one_by_one(f))
    if passes is not None:
        sized = all([gathered.target is not None for gathered in results])
        passes.close(some, work if plain else None, sized)
    for k, gathered in enumerate(results):
        f.define((node, k), gathered.array())


class _Gathered:
    """An array of what the passes of a ``map`` give."""

    def __init__(self, f: Lowering, k: int, type: Type, count: Integer) -> None:
        self.f = f
        self.type = type
        self.count = count
        self.target: Buffer | None = None
        self.cells: list[str] = []
        node = f.node
        assert node is not None
        self.key = (node, k)
        inner = type.shape[1:]
        if None not in inner:
            shape = (count, *f.shape(inner))
            target = f.destinations.pop(self.key, None)
            self.target = (
                target if target is not None else allocate(f, shape, type.dtype, type.shape)
            )
        else:
            # How large it is shows in the first pass.
            self.cells = [f.alloca("i64") for _ in inner]
            self.pointer = f.alloca("ptr")
            for n, cell in zip(inner, self.cells):
                f.body.do(f"store i64 {0 if n is None else f.dim(n)}, ptr {cell}")
            f.body.do(f"store ptr null, ptr {self.pointer}")

    def begin(self, result: Value, index: str, block: Block) -> None:
        """Have the result of a pass made in its place."""
        if self.target is not None and len(self.target.shape) > 1:
            set_destination(self.f, result, self._row(self.target, index), block)

    def _row(self, target: Buffer, index: str) -> Buffer:
        rest = target.shape[1:]
        sources: list[Any] = [index, *[Along(k) for k in range(len(rest))]]
        return affine(self.f, target, rest, sources)

    def store(self, rep: Any, index: str) -> None:
        """Put the result of a pass into its place."""
        f = self.f
        if self.target is None:
            self._store_of_any_size(rep, index)
            return
        row = self._row(self.target, index)
        if isinstance(rep, Lazy) and rep.buffer is not None:
            rep = rep.buffer
        if isinstance(rep, Buffer) and rep.pointer == row.pointer:
            return
        if self.type.shape and rep.shape != row.shape:
            self._check(rep.shape, row.shape)
        copy_into(f, row, rep)

    def _check(self, have: Shape, want: Shape) -> None:
        for n, m in zip(have, want, strict=True):
            if n != m:
                self.f.check(
                    self.f.body.compare("eq", n, m),
                    lambda x, y: ValueError("all input arrays must have the same shape"),
                )

    def _store_of_any_size(self, rep: Any, index: str) -> None:
        f, body = self.f, self.f.body
        rep = in_memory_of(f, rep)
        first = body.compare("eq", index, 0)
        new, known = body.label(), body.label()
        body.branch(first, new, known)
        body.begin(new)
        body.enter_scope()
        for n, cell in zip(rep.shape, self.cells, strict=True):
            body.do(f"store i64 {n}, ptr {cell}")
        bytes = body.mul(body.mul(body.product(rep.shape), self.type.dtype.itemsize), self.count)
        from adjoint.backends.llvm.lower.runtime import take

        taken = body.let(take(f.module, "%ctx", str(bytes)))
        body.do(f"store ptr {taken}, ptr {self.pointer}")
        body.leave_scope()
        body.go(known)
        body.begin(known)
        shape = tuple(body.let(f"load i64, ptr {cell}") for cell in self.cells)
        self._check(rep.shape, shape)
        pointer = body.let(f"load ptr, ptr {self.pointer}")
        whole = (self.count, *shape)
        dtype = self.type.dtype
        row = self._row(Buffer(dtype, whole, pointer, f.strides(whole, dtype), True), index)
        copy_into(f, row, rep)

    def array(self) -> Buffer:
        """Return the array."""
        f, body = self.f, self.f.body
        tokens = f.tokens(self.key)
        if self.target is not None:
            self.target.tokens = self.target.tokens | tokens
            return self.target
        shape = (self.count, *[body.let(f"load i64, ptr {cell}") for cell in self.cells])
        pointer = body.let(f"load ptr, ptr {self.pointer}")
        dtype = self.type.dtype
        return Buffer(dtype, shape, pointer, f.strides(shape, dtype), True, tokens)
