"""A function that multiplies matrices of which one was written just before, and is in a cache.

C = A B, or C += A B, where the numbers of a row of B follow each other, and those of a row of C.
The sums of a tile of C stay in vector registers while rows of B are gone through; numbers of A are
read one by one, wherever they lie. Nothing is copied first, as a library has to: K. Goto and R. van
de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008), says what for.
B is to be small enough, and so are the rows of A. Strides are in bytes.
"""

from __future__ import annotations

import numpy as np

from adjoint.backends.llvm.lower.regions import as_it_is
from adjoint.backends.llvm.lower.row_kernels import BYTES, Kernel
from adjoint.backends.llvm.writer import Body, Integer, Module

__all__ = ["product", "turn"]

WIDE, PAIR = 4, 2
"""Vectors of a tile's row."""

DEPTH = 256
"""Rows of B that are gone through at once, at most."""

_ROWS = {WIDE: (6, 2, 1), PAIR: (12, 4, 1), 1: (12, 4, 1)}
"""Rows of tiles, by the vectors of their rows."""

_PARAMETERS = (
    "ptr noalias %a, i64 %am, i64 %ak, ptr noalias %b, i64 %bk, ptr noalias %c, i64 %cm, "
    "i64 %inner, i64 %former, i64 %columns"
)


def _mask(body: Body, count: Integer, width: int) -> str:
    """Return the mask of the first numbers of a vector, made of the bits of an integer.

    A comparison of vectors would take registers of vectors, since LLVM makes it where it is read.
    """
    some = body.least(count, width)
    bits = body.let(f"sub i64 {body.let(f'shl i64 1, {some}')}, 1")
    return body.let(
        f"bitcast i{width} {body.let(f'trunc i64 {bits} to i{width}')} to <{width} x i1>"
    )


def _tile(module: Module, dtype: np.dtype, rows: int, vectors: int) -> str:
    """Return the name of the function of a tile, of which some columns are there."""
    name = f"@product.tile.{rows}.{vectors}.{dtype.name}"
    if module.declares(name):
        return name
    w = Kernel(module, dtype)
    body, v, width = w.body, w.v, w.width
    counts = [body.most(body.sub("%columns", j * width), 0) for j in range(vectors)]
    masks = [_mask(body, n, width) for n in counts]
    before = [_mask(body, body.least(n, "%former"), width) for n in counts]
    places = [[w.place("%c", (m, "%cm"), (j, BYTES)) for j in range(vectors)] for m in range(rows)]
    starts = [
        v.load(place, width, mask)
        for row in places
        for place, mask in zip(row, before, strict=True)
    ]
    k = body.open_loop("%inner", as_it_is(module))
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
        right, c = w.place(b, (first, size)), w.place("%c", (first, size))
        for many in _ROWS[vectors]:
            left = body.sub("%rows", done)
            times = body.op(f"udiv i64 {left}, {many}", left)
            m = body.add(done, body.mul(body.open_loop(times, as_it_is(module)), many))
            tile = _tile(module, dtype, many, vectors)
            here, there = w.place(a, (m, "%am")), w.place(c, (m, "%cm"))
            body.do(
                f"call void {tile}(ptr {here}, i64 %am, i64 %ak, ptr {right}, i64 %bk, "
                f"ptr {there}, i64 %cm, i64 {deep}, i64 {former}, i64 {columns})"
            )
            body.close_loop()
            done = body.add(done, body.mul(times, many))

    def up(n: Integer, by: Integer) -> Integer:
        return body.op(f"udiv i64 {body.add(n, body.add(by, -1))}, {by}", n, by)

    # What is multiplied at once of B stays in the first cache.
    blocks = body.most(up("%inner", DEPTH), 1)
    depth = up("%inner", blocks)
    block = body.open_loop(blocks, as_it_is(module))
    k = body.mul(block, depth)
    deep = body.least(depth, body.sub("%inner", k))
    former = body.select(body.compare("eq", block, 0), "%former", width)
    a, b = w.place("%a", (k, "%ak")), w.place("%b", (k, "%bk"))
    wide = WIDE * width
    # More than half of a wide tile is worth one.
    tiles = body.op(f"udiv i64 {body.add('%columns', wide // 2 - 1)}, {wide}", "%columns")
    first = body.mul(body.open_loop(tiles, as_it_is(module)), wide)
    rows_of(first, body.sub("%columns", first), WIDE)
    body.close_loop()
    begun = body.mul(tiles, wide)
    for vectors in (PAIR, 1):
        rest, several = body.most(body.sub("%columns", begun), 0), vectors * width
        tiles = body.op(f"udiv i64 {body.add(rest, width - 1)}, {several}", rest)
        first = body.add(begun, body.mul(body.open_loop(tiles, as_it_is(module)), several))
        rows_of(first, body.sub("%columns", first), vectors)
        body.close_loop()
        begun = body.add(begun, body.mul(tiles, several))
    body.close_loop()
    return w.defined(name, _PARAMETERS + ", i64 %rows")


def turn(module: Module, dtype: np.dtype) -> str:
    """Return the name of the function that transposes a matrix.

    It takes ``ptr %target, i64 %tm, ptr %source, i64 %sm, i64 %rows, i64 %columns``: the lengths of
    the source, and how far its rows and those of the target are apart. Squares of eight by eight
    are transposed in registers: interleaving the upper half of its rows with the lower one three
    times does it, since each time the number of a row and that of a column, written one after the
    other in binary, are rotated by a digit.
    """
    name = f"@product.turn.{dtype.name}"
    if module.declares(name):
        return name
    w = Kernel(module, dtype)
    body, v, n = w.body, w.v, 8
    size, vector = dtype.itemsize, v.of(8)
    low, high = (
        ", ".join(f"i32 {start + k // 2 + n * (k % 2)}" for k in range(n)) for start in (0, n // 2)
    )

    def square(i: Integer, j: Integer) -> None:
        source = w.place("%source", (i, "%sm"), (j, size))
        target = w.place("%target", (j, "%tm"), (i, size))
        rows = [v.load(w.place(source, (k, "%sm")), n) for k in range(n)]
        for _ in range(3):
            rows = [
                body.let(f"shufflevector {vector} {p}, {vector} {q}, <{n} x i32> <{half}>")
                for p, q in zip(rows[: n // 2], rows[n // 2 :], strict=True)
                for half in (low, high)
            ]
        for k, x in enumerate(rows):
            v.store(x, w.place(target, (k, "%tm")), n)

    def rest(rows: tuple[Integer, Integer], columns: tuple[Integer, Integer]) -> None:
        i = body.open_loop(rows[1], as_it_is(module), rows[0])
        j = body.open_loop(columns[1], as_it_is(module), columns[0])
        x = body.let(f"load {v.type}, ptr {w.place('%source', (i, '%sm'), (j, size))}")
        body.do(f"store {v.type} {x}, ptr {w.place('%target', (j, '%tm'), (i, size))}")
        body.close_loop()
        body.close_loop()

    down, across = (body.op(f"lshr i64 {m}, 3", m) for m in ("%rows", "%columns"))
    i = body.mul(body.open_loop(down, as_it_is(module)), n)
    square(i, body.mul(body.open_loop(across, as_it_is(module)), n))
    body.close_loop()
    body.close_loop()
    done, most = body.mul(down, n), body.mul(across, n)
    rest((0, done), (most, "%columns"))
    rest((done, "%rows"), (0, "%columns"))
    return w.defined(
        name,
        "ptr noalias %target, i64 %tm, ptr noalias %source, i64 %sm, i64 %rows, i64 %columns",
    )
