"""Functions that multiply a few rows with a matrix, in vector registers.

Of X with a few rows, Y as it lies in memory, and Z = X Y:

- *spread*, where the rows of Y lie one number after another: Z[m, :] = Σₖ X[m, k] Y[k, :]. Some
  rows of Y at once are added to Z.
- *dots*, where the columns of Y do: Z[m, n] = Σₖ X[m, k] Y[k, n]. A few sums at once; a block of
  each is added up on its own, so that few numbers are added one by one.

A number is computed in the same way wherever it is in Z. A module has one function of a kind for a
number of rows. Strides are in bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.vectors import Vectors
from adjoint.backends.llvm.writer import Body, Integer, Module, flatten

__all__ = ["Kernel", "columns_at_once", "dots", "quotient", "spread"]

BYTES = 64
"""Of a vector."""

SUMS = 24
"""Vector registers that numbers that stay may take."""

ROWS = 4
"""Rows of Z to which rows of Y are added at once, at most."""

TOGETHER = 8
"""Rows of Y that are added at once, at most."""

AHEAD = 1024
"""Bytes from what is read to what is to be brought near."""

BLOCK = 128
"""Vectors that are added up one by one."""


def quotient(body: Body, n: Integer, by: int) -> Integer:
    """Return n / by, of an n that is not negative, rounded down."""
    return n // by if isinstance(n, int) else body.op(f"udiv i64 {n}, {by}", n)


def columns_at_once(rows: int) -> int:
    """Return for how many columns of Y `dots` has sums at once."""
    return 4 if rows * 4 <= SUMS else 2


class Kernel:
    """A function while it is written."""

    def __init__(self, module: Module, dtype: np.dtype) -> None:
        self.body = Body(module)
        self.v = Vectors(self.body, dtype)
        self.width = BYTES // dtype.itemsize

    def place(self, pointer: str, *steps: tuple[Integer, Integer]) -> str:
        """Return a pointer to what is so many strides further."""
        body = self.body
        for count, stride in steps:
            bytes = body.mul(stride, count)
            if bytes != 0:
                text = f"getelementptr inbounds i8, ptr {pointer}, i64 {bytes}"
                pointer = body.op(text, pointer, bytes)
        return pointer

    def number(self, place: str) -> str:
        return self.body.op(f"load {self.v.type}, ptr {place}, align {self.v.size}", place)

    def defined(self, name: str, parameters: str) -> str:
        """Put the function into its module; return its name."""
        lines: list[str] = []
        flatten(self.body.levels[0].lines, lines)
        text = "\n".join(lines)
        head = f"define internal void {name}({parameters}) noinline #0"
        self.body.module.declare(name, f"{head} {{\nbody:\n{text}\nret void\n}}")
        return name


# -- spread ----------------------------------------------------------------------------------------


def spread(module: Module, rows: int, dtype: np.dtype) -> str:
    """Return the name of the function that makes ``%length`` columns of Z from ``%first`` on.

    It takes ``ptr %x, i64 %xm, i64 %xk, ptr %y, i64 %yk, ptr %z, i64 %zm, i64 %inner, i64 %first,
    i64 %length``.
    """
    name = f"@rows.spread.{rows}.{dtype.name}"
    if module.declares(name):
        return name
    w = Kernel(module, dtype)
    body, v, width = w.body, w.v, w.width
    size = dtype.itemsize
    together = min(SUMS // min(rows, ROWS), TOGETHER)
    x = w.place("%x")
    y, z = (w.place(p, ("%first", size)) for p in ("%y", "%z"))
    whole = quotient(body, "%length", width)
    rest = body.sub("%length", body.mul(whole, width))
    mask = v.mask(rest, width)
    last = body.mul(whole, BYTES)

    def along(write: Callable[[Integer, str], None]) -> None:
        j = body.open_loop(whole)
        write(body.mul(j, BYTES), "")
        body.close_loop()
        body.open_loop(body.least(rest, 1))
        write(last, mask)
        body.close_loop()

    def clear(j: Integer, mask: str) -> None:
        for m in range(rows):
            v.store("zeroinitializer", w.place(z, (m, "%zm"), (j, 1)), width, mask)

    def add(k: Integer, count: int, first: Integer, some: int) -> None:
        """Add rows k, ... of Y to some rows of Z."""
        ys = [w.place(y, (body.add(k, i), "%yk")) for i in range(count)]
        xs = [w.place(x, (body.add(first, m), "%xm")) for m in range(some)]
        zs = [w.place(z, (body.add(first, m), "%zm")) for m in range(some)]
        numbers = [
            [v.splat(w.number(w.place(p, (body.add(k, i), "%xk"))), width) for i in range(count)]
            for p in xs
        ]

        def write(j: Integer, mask: str) -> None:
            places = [w.place(p, (j, 1)) for p in ys]
            if not mask:
                for p in places:
                    v.prefetch(p, AHEAD)
            those = [v.load(p, width, mask) for p in places]
            for p, row in zip(zs, numbers, strict=True):
                total = v.product(row[0], those[0], width)
                for s, t in zip(row[1:], those[1:], strict=True):
                    total = v.add_product(s, t, total, width)
                place = w.place(p, (j, 1))
                former = v.load(place, width, mask, pinned=True)
                v.store(v.sum(former, total, width), place, width, mask)

        along(write)

    def add_to_all(k: Integer, count: int) -> None:
        several = rows // ROWS
        if several > 1:
            add(k, count, body.mul(body.open_loop(several), ROWS), ROWS)
            body.close_loop()
        elif several:
            add(k, count, 0, ROWS)
        if rows % ROWS:
            add(k, count, several * ROWS, rows % ROWS)

    along(clear)
    several = quotient(body, "%inner", together)
    add_to_all(body.mul(body.open_loop(several), together), together)
    body.close_loop()
    done = body.mul(several, together)
    add_to_all(body.add(done, body.open_loop(body.sub("%inner", done))), 1)
    body.close_loop()
    return w.defined(
        name,
        "ptr %x, i64 %xm, i64 %xk, ptr %y, i64 %yk, ptr %z, i64 %zm, "
        "i64 %inner, i64 %first, i64 %length",
    )


# -- dots ------------------------------------------------------------------------------------------


def dots(module: Module, rows: int, dtype: np.dtype, count: int) -> str:
    """Return the name of the function that makes ``count`` columns of Z from ``%first`` on.

    It takes ``ptr %x, i64 %xm, ptr %y, i64 %yn, ptr %z, i64 %zm, i64 %zn, i64 %inner, i64 %first``;
    the numbers of a row of X lie one after another too.
    """
    name = f"@rows.dots.{rows}.{count}.{dtype.name}"
    if module.declares(name):
        return name
    w = Kernel(module, dtype)
    body, v, width = w.body, w.v, w.width
    columns = [body.add("%first", n) for n in range(count)]
    xs = [w.place("%x", (m, "%xm")) for m in range(rows)]
    ys = [w.place("%y", (n, "%yn")) for n in columns]
    zeros = ["zeroinitializer"] * (rows * count)

    def added(sums: list[str], k: Integer, mask: str) -> list[str]:
        """Add products of vectors from the number k on."""
        left, right = (
            [v.load(w.place(p, (k, v.size)), width, mask) for p in places] for places in (xs, ys)
        )
        pairs = [(p, q) for p in left for q in right]
        return [v.add_product(p, q, s, width) for (p, q), s in zip(pairs, sums, strict=True)]

    def carried(n: Integer, starts: list[str], write: Callable[[str, list[str]], list[str]]) -> Any:
        at = body.open_loop(n)
        names = [body.carry(v.of(width), s) for s in starts]
        for register, s in zip(names, write(at, names), strict=True):
            body.set_carried(register, s)
        return body.close_loop()

    vectors = quotient(body, "%inner", width)
    blocks = quotient(body, body.add(vectors, BLOCK - 1), BLOCK)

    def block(b: str, totals: list[str]) -> list[str]:
        start = body.mul(b, BLOCK)
        many = body.least(body.sub(vectors, start), BLOCK)
        sums = carried(many, zeros, lambda k, s: added(s, body.mul(body.add(start, k), width), ""))
        return [v.sum(t, s, width) for t, s in zip(totals, sums, strict=True)]

    totals = carried(blocks, zeros, block)
    done = body.mul(vectors, width)
    rest = body.sub("%inner", done)
    mask = v.mask(rest, width)
    totals = carried(body.least(rest, 1), totals, lambda _, s: added(s, done, mask))
    places = [w.place("%z", (m, "%zm"), (n, "%zn")) for m in range(rows) for n in columns]
    for place, total in zip(places, totals, strict=True):
        body.do(f"store {v.type} {v.total(total, width)}, ptr {place}, align {v.size}")
    return w.defined(
        name,
        "ptr %x, i64 %xm, ptr %y, i64 %yn, ptr %z, i64 %zm, i64 %zn, i64 %inner, i64 %first",
    )
