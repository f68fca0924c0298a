"""Calls of BLAS: products of matrices whose size is worth it.

BLAS knows matrices by columns. A matrix by rows is the transposed one by columns, so the product is
computed transposed: Cᵀ = Bᵀ Aᵀ.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.choice import kept_if
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import allocate, in_memory_of
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.polling import charge
from adjoint.backends.llvm.lower.types import in_memory, literal, parts_of
from adjoint.backends.llvm.lower.values import Buffer, Shape
from adjoint.backends.llvm.symbols import LARGEST, routine
from adjoint.backends.llvm.writer import Integer

__all__ = ["LETTER", "matrix_product"]

FAST = 16
"""Multiplications that count as much as a simple pass of a loop (`polling`)."""

LETTER = {"float64": "d", "float32": "s", "complex128": "z", "complex64": "c"}


class Matrix:
    """A matrix as BLAS takes it: by rows (``transposed``: by columns), and their distance."""

    __slots__ = ("buffer", "distance", "transposed")

    def __init__(self, buffer: Buffer, distance: Integer, transposed: bool) -> None:
        self.buffer = buffer
        self.distance = distance
        self.transposed = transposed


def _elements(f: Lowering, stride: Integer, size: int) -> Integer:
    """Return a stride in elements."""
    if isinstance(stride, int):
        return stride // size
    shift = size.bit_length() - 1
    return f.body.op(f"ashr exact i64 {stride}, {shift}", stride)


def as_matrix(f: Lowering, rep: Any) -> Matrix:
    """Return an array of matrices as BLAS takes them; copied if its strides are not of that kind.

    The elements of a row have to follow each other, and rows must neither overlap nor be in
    reverse.
    """
    body = f.body
    buffer = in_memory_of(f, rep)
    size = buffer.dtype.itemsize
    rows, columns = buffer.strides[-2:]
    m, n = buffer.shape[-2:]
    if buffer.dense:
        return Matrix(buffer, n, False)
    ways = ((False, columns, rows, n, m), (True, rows, columns, m, n))
    for transposed, near, far, length, count in ways:
        if near != size:
            continue
        if count == 1:
            return Matrix(buffer, length, transposed)
        least = body.mul(length, size)
        fits = "true" if far == least else body.compare("sge", far, least)
        if fits == "true":
            return Matrix(buffer, _elements(f, far, size), transposed)
        if fits != "false":
            found = kept_if(f, fits, buffer, partial(_by_rows, f, buffer, transposed))
            far = found.strides[-1 if transposed else -2]
            return Matrix(found, _elements(f, far, size), transposed)
    return Matrix(_by_rows(f, buffer, False), n, False)


def _by_rows(f: Lowering, buffer: Buffer, transposed: bool) -> Buffer:
    """Return memory for a copy whose rows follow each other, or its columns."""
    shape = buffer.shape
    lengths = (*shape[:-2], shape[-1], shape[-2]) if transposed else shape
    copy = allocate(f, lengths, buffer.dtype)
    strides = copy.strides
    if transposed:
        strides = (*strides[:-2], strides[-1], strides[-2])
    target = Buffer(
        buffer.dtype, shape, copy.pointer, strides, not transposed, buffer.tokens, copy.memory
    )
    copy_into(f, target, buffer)
    return target


class Arguments:
    """The arguments of a call, each in memory."""

    def __init__(self, f: Lowering) -> None:
        self.f = f
        self.given: list[str] = []

    def character(self, c: str) -> None:
        name = f"@letter.{c}"
        self.f.module.declare(name, f"{name} = private unnamed_addr constant i8 {ord(c)}")
        self.given.append(f"ptr {name}")

    def integer(self, n: Integer) -> None:
        f, body = self.f, self.f.body
        if isinstance(n, int):
            name = f"@integer.{n}".replace("-", "m")
            f.module.declare(name, f"{name} = private unnamed_addr constant i32 {n}, align 4")
            self.given.append(f"ptr {name}")
            return
        cell = f.alloca("i32", 4)
        narrow = body.op(f"trunc i64 {n} to i32", n)
        body.do(f"store i32 {narrow}, ptr {cell}")
        self.given.append(f"ptr {cell}")

    def number(self, x: Any, dtype: np.dtype) -> None:
        type = in_memory(dtype)
        parts = parts_of(literal(x, dtype))
        tag = "".join(c if c.isalnum() else "_" for c in f"{dtype.name}.{x}")
        name = f"@number.{tag}"
        data = ", ".join(f"{type} {p}" for p in parts)
        self.f.module.declare(
            name, f"{name} = private unnamed_addr constant [{len(parts)} x {type}] [{data}]"
        )
        self.given.append(f"ptr {name}")

    def pointer(self, pointer: str) -> None:
        self.given.append(f"ptr {pointer}")

    def call(self, name: str) -> None:
        found = routine(name)
        self.f.module.declare(found.symbol, found.declaration)
        self.f.body.do(f"call void @{found.symbol}({', '.join(self.given)})")
        self.f.body.loops += 1


def fits(f: Lowering, lengths: list[Integer]) -> None:
    """Report a length that is too large for BLAS."""
    for n in lengths:
        if not isinstance(n, int):
            f.check(
                f.body.compare("sle", n, LARGEST),
                lambda x, y: ValueError(f"an axis of {x} elements is too long for BLAS"),
                n,
            )


def matrix_product(f: Lowering, target: Buffer, a: Any, b: Any, add: bool = False) -> None:
    """Store the product of two matrices, or of stacks of them, in memory in C's order."""
    left, right = as_matrix(f, a), as_matrix(f, b)
    m, k = left.buffer.shape[-2:]
    n = right.buffer.shape[-1]
    fits(f, [m, n, k, left.distance, right.distance])
    body = f.body
    batch = target.shape[:-2]
    positions: list[Integer] = [0 if c == 1 else body.open_loop(c) for c in batch]
    dtype = target.dtype
    arguments = Arguments(f)
    arguments.character("T" if right.transposed else "N")
    arguments.character("T" if left.transposed else "N")
    for length in (n, m, k):
        arguments.integer(length)
    arguments.number(1, dtype)
    arguments.pointer(_matrix_at(f, right.buffer, batch, positions))
    arguments.integer(_distance(f, right))
    arguments.pointer(_matrix_at(f, left.buffer, batch, positions))
    arguments.integer(_distance(f, left))
    arguments.number(1 if add else 0, dtype)
    arguments.pointer(_matrix_at(f, target, batch, positions))
    arguments.integer(body.most(n, 1))
    arguments.call(LETTER[dtype.name] + "gemm")
    for c in batch:
        if c != 1:
            body.close_loop()
    if len(body.levels) == 1:
        work = body.product([*batch, m, k, n])
        charge(f, work // FAST if isinstance(work, int) else body.let(f"ashr i64 {work}, 4"))


def _distance(f: Lowering, x: Matrix) -> Integer:
    """Return the distance of rows, which BLAS wants to be their length at least."""
    length = x.buffer.shape[-2 if x.transposed else -1]
    if x.distance == length:
        return f.body.most(length, 1)
    return f.body.most(f.body.most(x.distance, length), 1)


def _matrix_at(f: Lowering, x: Buffer, batch: Shape, positions: list[Integer]) -> str:
    """Return a pointer to the matrix for a position in the shape of the stack."""
    lead = len(batch) - (len(x.shape) - 2)
    index: list[Integer] = []
    for j, c in enumerate(x.shape[:-2]):
        index.append(0 if c == 1 and batch[j + lead] != 1 else positions[j + lead])
    return f.offset(x.pointer, x.strides, (*index, 0, 0), x.dtype)
