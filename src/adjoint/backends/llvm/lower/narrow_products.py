"""Products of matrices of which two lengths are few and known: in registers, without BLAS.

A library packs its operands for products that are large in all three lengths; where two of them are
a few (points in ten dimensions times a 10 × 10 matrix), packing costs more than the product. Here a
row of the result, or the whole result, is in vector registers:

- *rows*: C[i, :] = Σₖ A[i, k] B[k, :] with few k and few columns. B stays in registers or the first
  cache, a row of A is read number by number.
- *sums*: C[i, :] = Σₙ A[i, n] B[n, :] with few i and few columns: all of C, or a few rows at a
  time, are accumulators.

An operand that is not in memory is put there a block of rows at a time, which stays in the first
cache until it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adjoint.backends.llvm.lower.control import counted
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import CHEAP
from adjoint.backends.llvm.lower.memory import allocate, force
from adjoint.backends.llvm.lower.values import Buffer, Lazy, Shape
from adjoint.backends.llvm.lower.vectors import Vectors, copied, is_row_major, nest
from adjoint.backends.llvm.lower.views import Along, affine
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.graph import Value

__all__ = ["NARROW", "batches", "matrix_of", "narrow_product"]

NARROW = 32
"""Lengths up to which a product is narrow."""

ROWS = 32
"""Rows of a block."""

ACCUMULATORS = 24
"""Vector registers that sums may take."""

WIDTHS = (8, 4, 2, 1)


def narrow_product(f: Lowering, node: Value, a: Any, b: Any, shape: Shape) -> Any:
    """Return the product of two (stacks of) matrices; None where it is not narrow."""
    dtype = node.dtype
    if dtype.kind != "f" or dtype.itemsize not in (4, 8) or len(a.shape) < 2 or len(b.shape) < 2:
        return None
    rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    if not isinstance(columns, int) or not 2 <= columns <= NARROW:
        return None
    if isinstance(inner, int) and 1 <= inner <= NARROW and not _few(rows):
        write = _rows
    elif isinstance(rows, int) and 1 <= rows <= NARROW and not _few(inner):
        write = _sums
    else:
        return None
    target = f.destinations.pop(node, None)
    result = target if target is not None else allocate(f, shape, dtype, node.shape)
    a, b = _settled(f, a, shape), _settled(f, b, shape)
    lines = f.body.begin_nest()
    with batches(f, shape[:-2]) as batch:
        left = matrix_of(f, a, batch, shape)
        right = matrix_of(f, b, batch, shape)
        out = matrix_of(f, result, batch, shape)
        write(f, left, right, out)
    f.body.end_nest(lines)
    return result


def _few(n: Integer) -> bool:
    return isinstance(n, int) and n <= NARROW


def _settled(f: Lowering, rep: Any, shape: Shape) -> Any:
    """Return an operand that is read several times, or costs much, in memory."""
    if isinstance(rep, Lazy) and rep.buffer is None:
        again = rep.shape[:-2] != shape[:-2]
        if rep.shared or again or rep.cost > 2 * CHEAP:
            return force(f, rep)
        for operand, _ in rep.operands:
            _settled_below(f, operand)
    return rep


def _settled_below(f: Lowering, rep: Any) -> None:
    if isinstance(rep, Lazy) and rep.buffer is None:
        if rep.shared:
            force(f, rep)
            return
        for operand, _ in rep.operands:
            _settled_below(f, operand)


def matrix_of(f: Lowering, rep: Any, batch: list[Integer], shape: Shape) -> Any:
    """Return one matrix of a stack that is broadcast to the lengths of a shape."""
    lead = len(shape) - len(rep.shape)
    places = [
        0 if n == 1 and shape[lead + k] != 1 else batch[lead + k]
        for k, n in enumerate(rep.shape[:-2])
    ]
    return affine(f, rep, rep.shape[-2:], [*places, Along(0), Along(1)])


# -- loops of the function, not of a nest ----------------------------------------------------------


@contextmanager
def batches(f: Lowering, lengths: Shape) -> Iterator[list[Integer]]:
    if not lengths:
        yield []
        return
    if lengths[0] == 1:
        with batches(f, lengths[1:]) as rest:
            yield [0, *rest]
        return
    with _passes(f, lengths[0]) as index, batches(f, lengths[1:]) as rest:
        yield [index, *rest]


@contextmanager
def _passes(f: Lowering, count: Integer) -> Iterator[str]:
    """Write a loop; what is put into memory in a pass is not there after it."""
    with counted(f, 0, count) as index:
        f.enter_scope()
        yield index
        f.leave_scope()


@contextmanager
def _blocks(f: Lowering, count: Integer, whole: bool) -> Iterator[tuple[Integer, Integer]]:
    """Write a loop over blocks of rows, or none if all are one; yield first row and how many."""
    if whole:
        yield 0, count
        return
    body = f.body
    blocks = (
        -(-count // ROWS)
        if isinstance(count, int)
        else body.op(f"sdiv i64 {body.add(count, ROWS - 1)}, {ROWS}", body.add(count, ROWS - 1))
    )
    with _passes(f, blocks) as index:
        first = body.mul(index, ROWS)
        yield first, body.least(body.sub(count, first), ROWS)


def _chunks(columns: int) -> list[tuple[int, int]]:
    """Return (first column, width) of the vectors of a row."""
    found, at = [], 0
    while at < columns:
        width = next(w for w in WIDTHS if at + w <= columns)
        found.append((at, width))
        at += width
    return found


# -- rows ------------------------------------------------------------------------------------------


def _rows(f: Lowering, a: Any, b: Any, c: Buffer) -> None:
    # The operands' common length may be known of one of them only.
    inner, columns = a.shape[1], b.shape[1]
    if not is_row_major(b):
        b = copied(f, b, 0, inner, inner)
    v = Vectors(f.body, c.dtype)
    with _blocks(f, c.shape[0], isinstance(a, Buffer)) as (first, count):
        left = a if isinstance(a, Buffer) else copied(f, a, first, count, ROWS)
        out = affine(f, c, (count, columns), [Along(0, first), Along(1)])

        def write() -> None:
            i = f.body.open_loop(count)
            row = [f.load(left, (i, k)) for k in range(inner)]
            for j, width in _chunks(columns):
                total = ""
                for k, x in enumerate(row):
                    assert isinstance(x, str)
                    y = v.load(f.address(b, (k, j)), width)
                    s = v.splat(x, width)
                    total = v.add_product(s, y, total, width) if k else v.product(s, y, width)
                v.store(total, f.address(out, (i, j)), width)
            f.body.close_loop()

        nest(f, write)


# -- sums ------------------------------------------------------------------------------------------


def _sums(f: Lowering, a: Any, b: Any, c: Buffer) -> None:
    rows, columns = c.shape
    assert isinstance(rows, int) and isinstance(columns, int)
    count = b.shape[0]
    at_once = max(ACCUMULATORS // len(_chunks(columns)), 1)
    whole = isinstance(a, Buffer) and is_row_major(b)
    v = Vectors(f.body, c.dtype)
    dense = Buffer(c.dtype, (rows, columns), c.pointer, c.strides, c.dense, c.tokens, c.memory)
    if not whole:
        nest(f, lambda: _clear(f, v, dense))
    with _blocks(f, count, whole) as (first, some):
        left, right = a, b
        if not isinstance(a, Buffer):
            turned = affine(f, a, (count, rows), [Along(1), Along(0)])
            block = copied(f, turned, first, some, ROWS)
            left = affine(f, block, (rows, some), [Along(1), Along(0)])
        elif not whole:
            left = affine(f, a, (rows, some), [Along(0), Along(1, first)])
        if not is_row_major(b):
            right = copied(f, b, first, some, ROWS)
        elif not whole:
            right = affine(f, b, (some, columns), [Along(0, first), Along(1)])
        for start in range(0, rows, at_once):
            these = range(start, min(start + at_once, rows))
            nest(f, lambda these=these: _add_up(f, v, left, right, dense, these, some, not whole))


def _clear(f: Lowering, v: Vectors, c: Buffer) -> None:
    rows, columns = c.shape
    for i in range(rows):  # type: ignore[arg-type]
        for j, width in _chunks(columns):  # type: ignore[arg-type]
            v.store("zeroinitializer", f.address(c, (i, j)), width)


def _add_up(
    f: Lowering,
    v: Vectors,
    a: Buffer,
    b: Buffer,
    c: Buffer,
    rows: range,
    count: Integer,
    further: bool,
) -> None:
    """Add the products of ``count`` columns of a and rows of b to some rows of c."""
    body = v.body
    chunks = _chunks(c.shape[1])  # type: ignore[arg-type]
    places = [(i, j, width) for i in rows for j, width in chunks]
    starts = [v.load(f.address(c, p[:2]), p[2]) if further else "zeroinitializer" for p in places]
    n = body.open_loop(count)
    sums = [body.carry(v.of(w), s) for (_, _, w), s in zip(places, starts, strict=True)]
    right = {(j, w): v.load(f.address(b, (n, j)), w) for j, w in chunks}
    left = {i: f.load(a, (i, n)) for i in rows}
    for (i, j, width), total in zip(places, sums, strict=True):
        x = left[i]
        assert isinstance(x, str)
        body.set_carried(total, v.add_product(v.splat(x, width), right[j, width], total, width))
    for (i, j, width), total in zip(places, body.close_loop(), strict=True):
        v.store(total, f.address(c, (i, j)), width)
