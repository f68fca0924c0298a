"""Products of a few rows with a matrix that is read once, without BLAS.

A library packs a matrix before it multiplies it, which takes longer than the product where the
other operand has a few rows, or is a vector. Here the matrix is read once, as it lies in memory
(`row_kernels`). A few columns are a few rows of the transposed product. Results do not depend on
how many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import allocate, force, in_memory_of
from adjoint.backends.llvm.lower.narrow_products import batches, matrix_of
from adjoint.backends.llvm.lower.polling import charge
from adjoint.backends.llvm.lower.regions import check_regions, close_first, splits
from adjoint.backends.llvm.lower.row_kernels import columns_at_once, dots, quotient, spread
from adjoint.backends.llvm.lower.values import Buffer, Lazy, Shape
from adjoint.backends.llvm.lower.vectors import copied
from adjoint.backends.llvm.lower.views import Along, affine
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.graph import Value

__all__ = ["row_product"]

FEW = 8
"""Rows up to which they are few."""

STRIP = 2048
"""Columns that are gone through together, whose sums stay in the first caches."""

FAST = 16
"""Multiplications that count as much as a simple pass of a loop (`polling`)."""


def row_product(f: Lowering, node: Value, a: Any, b: Any, shape: Shape) -> Any:
    """Return the product of two (stacks of) matrices, or of one and a vector.

    None where no operand has few rows, or the other one does not lie in memory as it should.
    """
    dtype = node.dtype
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        return None
    left, right = len(a.shape) > 1, len(b.shape) > 1
    if not (left and right) and len(shape) > 1:
        return None
    rows, columns = (a.shape[-2] if left else 1), (b.shape[-1] if right else 1)
    turned = not right or not _is_few(rows)  # a vector is never the large operand
    if turned and not _is_few(columns):
        return None
    few, large = (b, a) if turned else (a, b)
    if isinstance(large, Lazy) and large.buffer is None:
        if not (left and right):
            return None  # it is computed where the sums are
        large = force(f, large)
    few, large = in_memory_of(f, few), in_memory_of(f, large)
    target = f.destinations.get(node)
    ends = f.strides(shape, dtype) if target is None else target.strides
    size = dtype.itemsize
    spread = large.strides[-2 if turned else -1] == size and (
        ends[-1] == size if not (left and right and turned) else ends[-2] == size
    )
    if not spread and large.strides[-1 if turned else -2] != size:
        return None
    f.destinations.pop(node, None)
    result = target if target is not None else allocate(f, shape, dtype, node.shape)
    lead = shape[:-2] if left and right else ()
    full = (*lead, rows, columns)
    with batches(f, lead) as batch:
        x, y = _one(f, few, batch, full, turned), _one(f, large, batch, full, turned)
        z = _one(f, result, batch, full, turned)
        (_spread if spread else _dots)(f, x, y, z)
    return result


def _is_few(n: Integer) -> bool:
    return isinstance(n, int) and 1 <= n <= FEW


def _one(f: Lowering, rep: Buffer, batch: list[Integer], full: Shape, turned: bool) -> Buffer:
    """Return one matrix of a stack, or a vector as one; ``turned``: transposed."""
    if len(rep.shape) == 1:
        # A vector as the few rows, or columns, that it is.
        return affine(f, rep, (1, *rep.shape), [Along(1)])
    found = matrix_of(f, rep, batch, full)
    m, n = found.shape
    return affine(f, found, (n, m), [Along(1), Along(0)]) if turned else found


def _spread(f: Lowering, x: Buffer, y: Buffer, z: Buffer) -> None:
    """Add rows of y, times numbers of x, to the rows of z, a strip of columns at a time."""
    body = f.body
    rows, inner = x.shape
    columns = z.shape[1]
    assert isinstance(rows, int)
    strips = quotient(body, body.add(columns, STRIP - 1), STRIP)
    given = [x.pointer, *x.strides, y.pointer, y.strides[0], z.pointer, z.strides[0], inner]

    def pass_of(strip: Integer) -> None:
        first = body.mul(strip, STRIP)
        length = body.least(body.sub(columns, first), STRIP)
        _call(f, spread(f.module, rows, z.dtype), "piipipiiii", [*given, first, length])

    _passes(f, strips, body.mul(body.mul(inner, rows), STRIP), [strips, STRIP, inner], pass_of)
    _charge(f, rows, inner, columns)


def _dots(f: Lowering, x: Buffer, y: Buffer, z: Buffer) -> None:
    """Store the sums of products of rows of x and columns of y."""
    body = f.body
    rows, inner = x.shape
    columns = z.shape[1]
    assert isinstance(rows, int)
    if x.strides[1] != x.dtype.itemsize:
        x = copied(f, x, 0, rows, rows)
    given = [x.pointer, x.strides[0], y.pointer, y.strides[1], z.pointer, *z.strides, inner]

    def column(first: Integer, count: int) -> None:
        _call(f, dots(f.module, rows, z.dtype, count), "pipipiiii", [*given, first])

    once = columns_at_once(rows)
    groups = quotient(body, columns, once)
    work = body.mul(body.mul(inner, rows), once)
    _passes(f, groups, work, [groups, once, inner], lambda g: column(body.mul(g, once), once))
    done = body.mul(groups, once)
    rest = body.sub(columns, done)
    _passes(f, rest, 0, [1], lambda n: column(body.add(done, n), 1))
    _charge(f, rows, inner, columns)


def _call(f: Lowering, name: str, kinds: str, given: list[Any]) -> None:
    types = {"p": "ptr", "i": "i64"}
    arguments = ", ".join(f"{types[k]} {x}" for k, x in zip(kinds, given, strict=True))
    f.body.do(f"call void {name}({arguments})")


def _passes(
    f: Lowering, count: Integer, work: Integer, extents: list[Integer],
    write: Callable[[Integer], None],
) -> None:  # fmt: skip
    """Write a loop, of so much work a pass, which several threads may share if there is enough."""
    if count == 0:
        return
    body = f.body
    shared = splits(f, extents, 1)
    lines = body.begin_nest()
    write(body.open_loop("%end", "", "%begin") if shared else body.open_loop(count))
    if shared:
        close_first(f, count, work)
    else:
        body.close_loop()
    body.end_nest(lines)
    check_regions(f)


def _charge(f: Lowering, rows: Integer, inner: Integer, columns: Integer) -> None:
    if len(f.body.levels) == 1:
        charge(f, quotient(f.body, f.body.product([rows, inner, columns]), FAST))
