"""A function that multiplies matrices of which one was written just before, and is in a cache.

C = A B, or C += A B, where the numbers of a row of B follow each other, and those of a row of C.
The sums of a tile of C stay in vector registers while rows of B are gone through; numbers of A are
read one by one, wherever they lie. Nothing is copied first, as a library has to: K. Goto and R. van
de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008), says what for.
B is to be small enough, and so are the rows of A. Strides are in bytes.
"""

from __future__ import annotations

import numpy as np

from adjoint.backends.llvm.lower.row_kernels import BYTES, Kernel
from adjoint.backends.llvm.writer import Integer, Module

__all__ = ["product"]

WIDE = 4
"""Vectors of a tile's row, and the rows of such tiles, and of those of one vector."""

_ROWS = {WIDE: (6, 2, 1), 1: (12, 4, 1)}

_PARAMETERS = (
    "ptr noalias %a, i64 %am, i64 %ak, ptr noalias %b, i64 %bk, ptr noalias %c, i64 %cm, "
    "i64 %inner, i64 %former, i64 %columns"
)


def _tile(module: Module, dtype: np.dtype, rows: int, vectors: int) -> str:
    """Return the name of the function of a tile, of which some columns are there."""
    name = f"@product.tile.{rows}.{vectors}.{dtype.name}"
    if module.declares(name):
        return name
    w = Kernel(module, dtype)
    body, v, width = w.body, w.v, w.width
    counts = [body.most(body.sub("%columns", j * width), 0) for j in range(vectors)]
    masks = [v.mask(n, width) for n in counts]
    before = [v.mask(body.least(n, "%former"), width) for n in counts]
    places = [[w.place("%c", (m, "%cm"), (j, BYTES)) for j in range(vectors)] for m in range(rows)]
    starts = [
        v.load(place, width, mask)
        for row in places
        for place, mask in zip(row, before, strict=True)
    ]
    k = body.open_loop("%inner")
    sums = [body.carry(v.of(width), s) for s in starts]
    line = w.place("%b", (k, "%bk"))
    right = [v.load(w.place(line, (j, BYTES)), width, mask) for j, mask in enumerate(masks)]
    column = w.place("%a", (k, "%ak"))
    for m in range(rows):
        x = v.splat(w.number(w.place(column, (m, "%am"))), width)
        for j, y in enumerate(right):
            total = sums[m * vectors + j]
            body.set_carried(total, v.add_product(x, y, total, width))
    found = iter(body.close_loop())
    for row in places:
        for place, mask in zip(row, masks, strict=True):
            v.store(next(found), place, width, mask)
    return w.defined(name, _PARAMETERS)


def product(module: Module, dtype: np.dtype) -> str:
    """Return the name of the function, which takes

    ``ptr %a, i64 %am, i64 %ak, ptr %b, i64 %bk, ptr %c, i64 %cm, i64 %inner, i64 %former,
    i64 %columns, i64 %rows``; ``%former`` is 0 if C is to be overwritten, and large if added to.
    """
    name = f"@product.{dtype.name}"
    if module.declares(name):
        return name
    w = Kernel(module, dtype)
    body, width = w.body, w.width
    size = dtype.itemsize

    def rows_of(first: Integer, columns: Integer, vectors: int) -> None:
        done: Integer = 0
        b, c = w.place("%b", (first, size)), w.place("%c", (first, size))
        for many in _ROWS[vectors]:
            left = body.sub("%rows", done)
            times = body.op(f"udiv i64 {left}, {many}", left)
            m = body.add(done, body.mul(body.open_loop(times), many))
            tile = _tile(module, dtype, many, vectors)
            here, there = w.place("%a", (m, "%am")), w.place(c, (m, "%cm"))
            body.do(
                f"call void {tile}(ptr {here}, i64 %am, i64 %ak, ptr {b}, i64 %bk, ptr {there}, "
                f"i64 %cm, i64 %inner, i64 %former, i64 {columns})"
            )
            body.close_loop()
            done = body.add(done, body.mul(times, many))

    wide = WIDE * width
    # More than half of a wide tile is worth one.
    tiles = body.op(f"udiv i64 {body.add('%columns', wide // 2 - 1)}, {wide}", "%columns")
    first = body.mul(body.open_loop(tiles), wide)
    rows_of(first, body.sub("%columns", first), WIDE)
    body.close_loop()
    begun = body.mul(tiles, wide)
    rest = body.most(body.sub("%columns", begun), 0)
    narrow = body.op(f"udiv i64 {body.add(rest, width - 1)}, {width}", rest)
    first = body.add(begun, body.mul(body.open_loop(narrow), width))
    rows_of(first, body.sub("%columns", first), 1)
    body.close_loop()
    return w.defined(name, _PARAMETERS + ", i64 %rows")
