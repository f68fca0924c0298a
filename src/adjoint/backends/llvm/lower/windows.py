"""What a filter lies over, as the rows of a matrix, and back.

A *strip* of an image is some rows of its first axis with all others, for some channels, with the
zeros around it that a filter meets. Its *columns* are a matrix with a row for each number of a
filter and a column for each place of it. All is written as loops of the nest that is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.vectors import Vectors
from adjoint.backends.llvm.writer import Body, Integer

__all__ = ["Convolution", "Strip", "divided", "loops", "moved"]

_BYTES = 64
"""Of a vector."""


def divided(body: Body, n: Integer, by: Integer) -> Integer:
    """Return n / by, rounded down, of integers that are not negative."""
    if isinstance(n, int) and isinstance(by, int):
        return n // by
    return n if by == 1 else body.op(f"udiv i64 {n}, {by}", n, by)


@contextmanager
def loops(body: Body, counts: list[Integer]) -> Iterator[list[Integer]]:
    """Write loops within each other; yield their indices."""
    with ExitStack() as open:
        yield [open.enter_context(_loop(body, n)) for n in counts]


@contextmanager
def _loop(body: Body, count: Integer) -> Iterator[Integer]:
    if count == 1:
        yield 0
        return
    yield body.open_loop(count)
    body.close_loop()


def moved(body: Body, pointer: str, offset: Integer, size: int) -> str:
    """Return a pointer to what is so many elements further."""
    bytes = body.mul(offset, size)
    if bytes == 0:
        return pointer
    return body.op(f"getelementptr i8, ptr {pointer}, i64 {bytes}", pointer, bytes)


def linear(body: Body, index: list[Integer], lengths: list[Integer]) -> Integer:
    """Return the place of an element in C's order."""
    at: Integer = 0
    for i, n in zip(index, lengths, strict=True):
        at = body.add(body.mul(at, n), i)
    return at


@dataclass(frozen=True, slots=True)
class Convolution:
    """Lengths and settings of a convolution; lists have an entry an axis."""

    dtype: np.dtype
    images: Integer
    channels: Integer
    filters: Integer
    groups: int
    lengths: list[Integer]
    taps: list[Integer]
    places: list[Integer]
    stride: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    dilation: tuple[int, ...]

    def spans(self, body: Body, places: list[Integer]) -> list[Integer]:
        """Return over how much of each axis filters at so many places lie."""
        found: list[Integer] = []
        for p, k, s, d in zip(places, self.taps, self.stride, self.dilation, strict=True):
            reach = body.mul(body.add(k, -1), d)
            found.append(body.add(body.add(body.mul(body.add(p, -1), s), reach), 1))
        return found

    @property
    def is_product(self) -> bool:
        """Whether images are the columns themselves."""
        return (
            all(isinstance(k, int) and k == 1 for k in self.taps)
            and set(self.stride) == {1}
            and not any(self.low + self.high)
        )


class Runs:
    """Numbers that follow each other, copied or added."""

    def __init__(self, f: Lowering, dtype: np.dtype) -> None:
        self.body, self.v = f.body, Vectors(f.body, dtype)
        self.size = dtype.itemsize
        self.f = f

    def _width(self, count: Integer) -> int:
        width = _BYTES // self.size
        if isinstance(count, int):
            while width > 1 and width // 2 >= count:
                width //= 2
        return width

    def copy(self, target: str, source: str, count: Integer) -> None:
        self._each(target, source, count, False)

    def add(self, target: str, source: str, count: Integer) -> None:
        self._each(target, source, count, True)

    def _each(self, target: str, source: str, count: Integer, adds: bool) -> None:
        body, v, width = self.body, self.v, self._width(count)

        def move(at: Integer, mask: str) -> None:
            to, start = moved(body, target, at, self.size), moved(body, source, at, self.size)
            x = v.load(start, width, mask, pinned=True)
            if adds:
                x = v.sum(v.load(to, width, mask, pinned=True), x, width)
            v.store(x, to, width, mask)

        whole = divided(body, count, width)
        if whole != 0:
            with _loop(body, whole) as j:
                move(body.mul(j, width), "")
        done = body.mul(whole, width)
        rest = body.sub(count, done)
        if rest != 0:
            mask = v.mask(rest, width)
            with _loop(body, 1 if isinstance(rest, int) else body.least(rest, 1)):
                move(done, mask)

    def copy_apart(self, target: str, source: str, count: Integer, step: int, adds: bool) -> None:
        """Copy numbers that are ``step`` apart; ``adds``: add numbers to such."""
        body, type = self.body, self.v.type
        with _loop(body, count) as j:
            near, far = moved(body, target, j, self.size), source
            far = moved(body, source, body.mul(j, step), self.size)
            if adds:
                near, far = (
                    moved(body, source, j, self.size),
                    moved(body, target, body.mul(j, step), self.size),
                )
            if adds:
                x = body.let(f"load {type}, ptr {near}, align {self.size}")
                y = body.let(f"load {type}, ptr {far}, align {self.size}")
                total = body.let(f"fadd {type} {x}, {y}")
                body.do(f"store {type} {total}, ptr {far}, align {self.size}")
            else:
                x = body.let(f"load {type}, ptr {far}, align {self.size}")
                body.do(f"store {type} {x}, ptr {near}, align {self.size}")

    def clear(self, target: str, count: Integer) -> None:
        self.f.module.declare(
            "@llvm.memset.p0.i64", "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"
        )
        bytes = self.body.mul(count, self.size)
        self.body.do(f"call void @llvm.memset.p0.i64(ptr {target}, i8 0, i64 {bytes}, i1 false)")


class Strip:
    """A strip in memory.

    Parameters
    ----------
    f : Lowering
    c : Convolution
    pointer : str
    lengths : list
        Of its axes, as it lies in memory.
    """

    def __init__(self, f: Lowering, c: Convolution, pointer: str, lengths: list[Integer]) -> None:
        self.f, self.c = f, c
        self.pointer, self.lengths = pointer, lengths
        self.runs = Runs(f, c.dtype)

    def read(self, image: str, channels: Integer, first: Integer) -> None:
        """Copy channels of an image; its row ``first`` (or −1, ...) is the strip's first one."""
        body = self.f.body
        self.runs.clear(self.pointer, body.mul(channels, body.product(self.lengths)))
        self._rows(image, channels, first, True)

    def write(self, image: str, channels: Integer, first: Integer) -> None:
        """Copy what is not beyond the edges of an image to it."""
        self._rows(image, channels, first, False)

    def _rows(self, image: str, channels: Integer, first: Integer, reads: bool) -> None:
        body, c, size = self.f.body, self.c, self.c.dtype.itemsize
        begins, counts = [], []
        for k, (n, m, low) in enumerate(zip(c.lengths, self.lengths, c.low, strict=True)):
            start = first if k == 0 else -low
            begin = body.most(body.sub(0, start), 0)
            end = body.least(m, body.sub(n, start))
            begins.append((begin, start))
            counts.append(body.most(body.sub(end, begin), 0))
        with loops(body, [channels, *counts[:-1]]) as (channel, *index):
            inside = [body.add(i, b) for i, (b, _) in zip(index, begins, strict=False)]
            inside.append(begins[-1][0])
            outside = [body.add(i, s) for i, (_, s) in zip(inside, begins, strict=True)]
            here = linear(body, [channel, *inside], [channels, *self.lengths])
            there = linear(body, [channel, *outside], [channels, *c.lengths])
            strip, row = moved(body, self.pointer, here, size), moved(body, image, there, size)
            pair = (strip, row) if reads else (row, strip)
            self.runs.copy(*pair, counts[-1])

    def to_columns(
        self, columns: str, distance: Integer, channels: Integer, places: list[Integer]
    ) -> None:
        """Write the matrix of which rows are so far apart."""
        self._windows(columns, distance, channels, places, False)

    def add_columns(
        self, columns: str, distance: Integer, channels: Integer, places: list[Integer],
        first: Integer,
    ) -> None:  # fmt: skip
        """Add the matrix to the strip, its places from ``first`` on along the first axis."""
        self._windows(columns, distance, channels, places, True, first)

    def _windows(
        self, columns: str, distance: Integer, channels: Integer, places: list[Integer],
        adds: bool, first: Integer = 0,
    ) -> None:  # fmt: skip
        body, c, size = self.f.body, self.c, self.c.dtype.itemsize
        axes = len(c.taps)
        with loops(body, [channels, *c.taps, *places[:-1]]) as (channel, *index):
            tap, at = index[:axes], [*index[axes:], 0]
            row = linear(body, [channel, *tap], [channels, *c.taps])
            spot = body.add(body.mul(row, distance), linear(body, at, places))
            near = moved(body, columns, spot, size)
            at[0] = body.add(at[0], first)
            inside = [
                body.add(body.mul(p, s), body.mul(k, d))
                for p, k, s, d in zip(at, tap, c.stride, c.dilation, strict=True)
            ]
            there = linear(body, [channel, *inside], [channels, *self.lengths])
            far = moved(body, self.pointer, there, size)
            if c.stride[-1] > 1:
                pair = (far, near) if adds else (near, far)
                self.runs.copy_apart(*pair, places[-1], c.stride[-1], adds)
            elif adds:
                self.runs.add(far, near, places[-1])
            else:
                self.runs.copy(near, far, places[-1])
