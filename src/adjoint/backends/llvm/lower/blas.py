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
from adjoint.backends.llvm.lower.product_kernels import product as kernel
from adjoint.backends.llvm.lower.types import in_memory, literal, parts_of
from adjoint.backends.llvm.lower.values import Buffer, Shape
from adjoint.backends.llvm.symbols import LARGEST, routine
from adjoint.backends.llvm.writer import Integer

__all__ = ["LETTER", "matrix_product"]

FEW = 32
"""Columns up to which the module's own kernel takes less time, since it packs no operand."""

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


def _fits(f: Lowering, lengths: list[Integer]) -> None:
    """Report a length that is too large for BLAS."""
    unknown = [n for n in dict.fromkeys(lengths) if not isinstance(n, int)]
    if not unknown:
        return
    every = unknown[0]
    for n in unknown[1:]:  # which is above a row of ones if one of them is
        every = f.body.op(f"or i64 {every}, {n}", every, n)
    f.check(
        f.body.compare("sle", every, LARGEST),
        lambda x, y: ValueError(f"an axis has more than {LARGEST} elements, which BLAS can count"),
    )


def _product(f: Lowering, dtype: np.dtype) -> str:
    """Return the name of the module's function C ← op(A) op(B) + β C, which takes values.

    BLAS takes all its arguments by pointers, which is too much text for each of many products.
    """
    letter, type = LETTER[dtype.name], in_memory(dtype)
    name = f"@product.{letter}"
    found = routine(f"{letter}gemm")
    if f.module.declares(name):
        return name
    f.module.declare(name, "")
    f.module.declare(found.symbol, found.declaration)
    size = dtype.itemsize

    def number(x: int) -> str:
        parts = parts_of(literal(x, dtype))
        data = ", ".join(f"{type} {p}" for p in parts)
        return f.module.declare(
            f"@number.{letter}{x}",
            f"@number.{letter}{x} = private unnamed_addr constant "
            f"[{len(parts)} x {type}] [{data}], align {size}",
        )

    lengths = ("n", "m", "k", "ldb", "lda", "ldc")
    cells = "\n".join(
        f"%{x}.at = alloca i32, align 4\n%{x}.32 = trunc i64 %{x} to i32\n"
        f"store i32 %{x}.32, ptr %{x}.at"
        for x in lengths
    )
    letters = "\n".join(
        f"%{x}.at = alloca i8, align 1\nstore i8 %{x}, ptr %{x}.at" for x in ("tb", "ta")
    )
    few = ""
    if letter in "sd":
        few = (
            f"%bytes.a = mul i64 %lda, {size}\n%bytes.b = mul i64 %ldb, {size}\n"
            f"%bytes.c = mul i64 %ldc, {size}\n%by.rows = icmp eq i8 %ta, {ord('N')}\n"
            f"%am = select i1 %by.rows, i64 %bytes.a, i64 {size}\n"
            f"%ak = select i1 %by.rows, i64 {size}, i64 %bytes.a\n"
            f"%former = select i1 %add, i64 {FEW}, i64 0\n"
            f"%flat = icmp eq i8 %tb, {ord('N')}\n%few = icmp ule i64 %n, {FEW}\n"
            "%both = and i1 %flat, %few\nbr i1 %both, label %direct, label %library\ndirect:\n"
            f"call void {kernel(f.module, dtype)}(ptr %a, i64 %am, i64 %ak, ptr %b, i64 %bytes.b, "
            "ptr %c, i64 %bytes.c, i64 %k, i64 %former, i64 %n, i64 %m)\nret void\nlibrary:\n"
        )
    f.module.define(
        f"define internal void {name}(i8 %tb, i8 %ta, i64 %n, i64 %m, i64 %k, ptr %b, i64 %ldb, "
        f"ptr %a, i64 %lda, i1 %add, ptr %c, i64 %ldc) noinline #0 {{\n{letters}\n{cells}\n"
        f"{few}%beta = select i1 %add, ptr {number(1)}, ptr {number(0)}\n"
        f"call void @{found.symbol}(ptr %tb.at, ptr %ta.at, ptr %n.at, ptr %m.at, ptr %k.at, "
        f"ptr {number(1)}, ptr %b, ptr %ldb.at, ptr %a, ptr %lda.at, ptr %beta, ptr %c, "
        f"ptr %ldc.at)\nret void\n}}"
    )
    return name


def matrix_product(f: Lowering, target: Buffer, a: Any, b: Any, add: bool = False) -> None:
    """Store the product of two matrices, or of stacks of them, in memory in C's order.

    ``add``: add it to what is there.
    """
    left, right = as_matrix(f, a), as_matrix(f, b)
    m, k = left.buffer.shape[-2:]
    n = right.buffer.shape[-1]
    _fits(f, [m, n, k, left.distance, right.distance])
    body = f.body
    batch = target.shape[:-2]
    row, ldb, lda = body.most(n, 1), _distance(f, right), _distance(f, left)
    product = _product(f, target.dtype)
    outer = body.begin_nest()
    positions: list[Integer] = [0 if c == 1 else body.open_loop(c) for c in batch]
    operands = [
        f"i64 {ldb}, ptr {_matrix_at(f, left.buffer, batch, positions)}, i64 {lda}",
        f"i1 {'true' if add else 'false'}, ptr {_matrix_at(f, target, batch, positions)}",
    ]
    body.do(
        f"call void {product}(i8 {_letter(right)}, i8 {_letter(left)}, i64 {n}, i64 {m}, i64 {k}, "
        f"ptr {_matrix_at(f, right.buffer, batch, positions)}, {', '.join(operands)}, i64 {row})"
    )
    for c in batch:
        if c != 1:
            body.close_loop()
    body.end_nest(outer)
    body.loops += 1
    if len(body.levels) == 1:
        work = body.product([*batch, m, k, n])
        charge(f, work // FAST if isinstance(work, int) else body.let(f"ashr i64 {work}, 4"))


def _letter(x: Matrix) -> int:
    return ord("T" if x.transposed else "N")


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
