"""Where arrays lie, and when one is put there.

Memory of an array is taken where it can be taken once: at the beginning of the function, or before
the outermost loop at which a bound of its length is known. While the function is lowered such a
place in memory is used again for another array as soon as nothing refers to the first one, which
Python's counting of references tells (`Place`). Small arrays of constant shape lie in the
function's frame, where LLVM makes registers of them.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Hoist, Lowering
from adjoint.backends.llvm.lower.costs import CHEAP, lazy_cost
from adjoint.backends.llvm.lower.runtime import give_back, take
from adjoint.backends.llvm.lower.types import in_memory
from adjoint.backends.llvm.lower.values import Array, Buffer, Lazy, Number, Shape
from adjoint.backends.llvm.writer import Integer
from adjoint.ir import dims
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value

__all__ = [
    "SMALL", "allocate", "comparable", "force", "in_memory_of", "lasting", "overwritten", "reads",
    "real_buffer",
]  # fmt: skip

SMALL = 64
"""Elements up to which an array of constant shape lies in the function's frame."""

FRAME = 1 << 15
"""Bytes of the frame that arrays may take."""

_DEEPEST = 16


class Place:
    """Memory that is used again when nothing refers to it."""

    __slots__ = ("free", "pointer")

    def __init__(self, pointer: str, free: list[str]) -> None:
        self.pointer = pointer
        self.free = free

    def __del__(self) -> None:
        self.free.append(self.pointer)


# -- taking memory ---------------------------------------------------------------------------------


def allocate(
    f: Lowering,
    shape: Shape,
    dtype: np.dtype,
    dimensions: tuple[Any, ...] | None = None,
    key: Any = None,
) -> Buffer:
    """Return a new array, in C's order, with nothing in it.

    Parameters
    ----------
    f : Lowering
    shape : tuple of int or register
    dtype : numpy.dtype
    dimensions : tuple of int, Dim or None, optional
        The shape as the graph has it; where a bound of it is known further out, memory is taken
        there.
    key : Value or (Value, int), optional
        What it is for.
    """
    known = [n for n in shape if isinstance(n, int)]
    if len(known) == len(shape):
        count = math.prod(known)
        if count <= SMALL and f.small_bytes + count * dtype.itemsize <= FRAME:
            _note(f, key, "in the frame of the function", shape, dtype)
            return _in_frame(f, shape, dtype, count)
        dimensions = shape
    found = _place(f, dimensions or (None,), dtype, key)
    if found is None:
        when = "in each pass" if len(f.hoists) > 1 else "when it is needed"
        _note(f, key, f"taken {when}", (None,), dtype)
        pointer = _take_here(f, f.body.mul(f.body.product(shape), dtype.itemsize))
        return Buffer(dtype, shape, pointer, f.strides(shape, dtype), True)
    strides = f.strides(shape, dtype)
    return Buffer(dtype, shape, found.pointer, strides, True, memory=found, whole=found)


def _note(f: Lowering, key: Any, where: str, bounds: tuple[Any, ...], dtype: np.dtype) -> None:
    if f.program.notes is not None:
        f.program.notes.memory(f, key, where, bounds, dtype.itemsize)


def _in_frame(f: Lowering, shape: Shape, dtype: np.dtype, count: int) -> Buffer:
    parts = count * (2 if dtype.kind == "c" else 1)
    f.small_bytes += count * dtype.itemsize
    pointer = f.alloca(f"[{max(parts, 1)} x {in_memory(dtype)}]", 16)
    return Buffer(dtype, shape, pointer, f.strides(shape, dtype), True)


def _place(f: Lowering, dimensions: tuple[Any, ...], dtype: np.dtype, wanted: Any) -> Place | None:
    for at, hoist in enumerate(f.hoists):
        if at < f.barrier:
            continue
        bounds = [_bound(f, n, at) for n in dimensions]
        if None in bounds:
            continue
        key = (tuple(bounds), dtype.itemsize)
        free = hoist.free.setdefault(key, [])
        where = "at the beginning" if at == 0 else f"before {'a loop' if at == 1 else f'loop {at}'}"
        _note(f, wanted, f"{'used again, taken' if free else 'taken'} {where}", key[0], dtype)
        if free:
            return Place(free.pop(), free)
        with f.at(hoist):
            body = f.body
            count: Integer = dtype.itemsize
            for n in bounds:
                count = body.mul(count, f.dim(n))
            pointer = _checked_take(f, str(count))
        hoist.taken.append((pointer, str(count)))
        return Place(pointer, free)
    return None


def _checked_take(f: Lowering, bytes: str) -> str:
    body = f.body
    pointer = body.let(take(f.module, "%ctx", bytes))
    truth = body.let(f"icmp ne ptr {pointer}, null")
    f.check(truth, lambda x, y: MemoryError(f"no memory for an array of {x} bytes"), bytes)  # type: ignore[arg-type]
    return pointer


def _bound(f: Lowering, n: Any, at: int) -> Any:
    """Return a dimension, or one that it never exceeds, of what is known at a hoist."""
    if n is None or isinstance(n, int):
        return n
    for _ in range(_DEEPEST):
        if not isinstance(n, Dim):
            return n
        for value, c in n.terms:
            if not _known_at(f, value, at):
                bound = value.bounds[1 if c > 0 else 0]
                if bound is None:
                    return None
                n = dims.add(n, dims.scale(dims.difference(bound, dims.of_value(value)), c))
                break
        else:
            return n
    return None


def _known_at(f: Lowering, value: Value, at: int) -> bool:
    if value.op is not None and value.op.name == "constant":
        return True
    if at == 0:
        return value in f.function.block.parameters
    return f.loops_around.get(value, at) < at and value in f.env


def _take_here(f: Lowering, count: Integer) -> str:
    """Take memory now, and give it back when the pass of the loop (or the function) ends."""
    pointer = _checked_take(f, str(count))
    cell = f.alloca("{ ptr, i64 }")
    f.body.do(f"store ptr {pointer}, ptr {cell}")
    other = f.body.op(f"getelementptr inbounds i8, ptr {cell}, i64 8", cell)
    f.body.do(f"store i64 {count}, ptr {other}")
    f.hoists[-1].cells.append(cell)
    return pointer


def begin_pass(f: Lowering) -> list[Any]:
    """Begin a pass of a loop: return the text that is to stand there, once it is known."""
    lines: list[Any] = []
    f.body.here.lines.append(lines)
    return lines


def end_pass(f: Lowering, hoist: Hoist, lines: list[Any]) -> None:
    """Give back what a pass has taken."""
    for cell in hoist.cells:
        lines.append(f"store ptr null, ptr {cell}")
        give_cell(f, cell)
    hoist.cells = []


def give_cell(f: Lowering, cell: str) -> None:
    """Give back memory that was taken, if it was."""
    body = f.body
    pointer = body.let(f"load ptr, ptr {cell}")
    some = body.let(f"icmp ne ptr {pointer}, null")
    taken, after = body.label(), body.label()
    body.branch(some, taken, after)
    body.begin(taken)
    other = body.let(f"getelementptr inbounds i8, ptr {cell}, i64 8")
    count = body.let(f"load i64, ptr {other}")
    body.do(give_back(f.module, "%ctx", pointer, count))
    body.go(after)
    body.begin(after)


def give_all(f: Lowering, hoist: Hoist) -> None:
    """Give back what was taken at a place before a loop, after the loop."""
    for pointer, count in hoist.taken:
        f.body.do(give_back(f.module, "%ctx", pointer, count))


# -- putting arrays into memory --------------------------------------------------------------------


def force(f: Lowering, lazy: Lazy, target: Buffer | None = None) -> Buffer:
    """Put a lazy array into memory, if it is not there."""
    from adjoint.backends.llvm.lower.nest import copy_into

    if lazy.buffer is not None:
        return lazy.buffer
    if target is None:
        target = new_buffer(f, lazy)
    copy_into(f, target, lazy, itself=True)
    made(f, lazy, target)
    return target


def new_buffer(f: Lowering, lazy: Lazy) -> Buffer:
    """Return memory for a lazy array: its destination, if it has one."""
    from adjoint.transforms.lifetimes import type_of

    key = lazy.key
    dimensions = None
    if key is not None:
        target = f.destinations.pop(key, None)
        if target is not None:
            return target
        dimensions = type_of(key).shape
    made = allocate(f, lazy.shape, lazy.dtype, dimensions, key)
    made.scratch = key is not None and isinstance(made.memory, Place)
    return made


def made(f: Lowering, lazy: Lazy, target: Buffer) -> None:
    """Note that a lazy array is in memory."""
    if lazy.key is not None:
        f.pending.pop(lazy.key, None)
        target.tokens = target.tokens | f.tokens(lazy.key)
    lazy.buffer = target
    f.forced[-1].append(weakref.ref(lazy))


def comparable(f: Lowering, rep: Array) -> Array:
    """Return an array whose elements are computed more than once, and compared."""
    if isinstance(rep, Lazy) and rep.buffer is None:
        if lazy_cost(rep) > CHEAP:
            return force(f, rep)
        f.reproducible(rep)
    return rep


def in_memory_of(f: Lowering, rep: Array) -> Buffer:
    """Return an array in memory, to be read."""
    if isinstance(rep, Buffer):
        return rep
    if isinstance(rep, Number):
        buffer = allocate(f, (), rep.dtype)
        f.store(buffer, (), rep.element)
        return buffer
    if rep.buffer is None and rep.view is not None:
        return rep.view
    return force(f, rep)


def lasting(f: Lowering, rep: Array, tokens: frozenset[int]) -> Buffer:
    """Return an array in memory, to be read for as long as the value exists.

    ``tokens``: what the memory of the value is, as the analysis of ownership has it. A copy is
    another memory than what it is a copy of, which may be overwritten.
    """
    if isinstance(rep, Lazy) and rep.buffer is None and rep.view is not None:
        return rep.view if rep.view.tokens <= tokens else force(f, rep)
    return in_memory_of(f, rep)


def real_buffer(f: Lowering, rep: Array) -> Buffer:
    """Return an array in memory of its own, to be changed."""
    return rep if isinstance(rep, Buffer) else force(f, rep)  # type: ignore[arg-type]


# -- memory that is overwritten --------------------------------------------------------------------


def reads(rep: Any) -> set[int]:
    """Return the memory that elements of an array are read from, or will be."""
    found: set[int] = set()
    seen: set[int] = set()
    waiting = [rep]
    while waiting:
        rep = waiting.pop()
        if isinstance(rep, Buffer):
            found |= rep.tokens
        elif isinstance(rep, Lazy):
            if rep.buffer is not None:
                found |= rep.buffer.tokens
            elif id(rep) not in seen:
                seen.add(id(rep))
                found |= rep.tokens
                waiting += [operand for operand, _ in rep.operands]
    return found


def overwritten(f: Lowering, tokens: Iterable[int], but: Any = None) -> None:
    """Force what is read later from memory that is overwritten now."""
    changed = set(tokens)
    for key, lazy in list(f.pending.items()):
        if lazy is not but and lazy.buffer is None and reads(lazy) & changed and f.live(key):
            force(f, lazy)
