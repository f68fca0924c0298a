"""Convolutions, and their transposes: products of matrices with what filters lie over.

A block of places of one image at a time is written as columns (`windows`), which stay in a cache,
and multiplied (`product_kernels`). Images, and blocks of them, are independent passes, which
several threads share. In the transpose in the filters, some images are added up by one pass, the
same ones for any number of threads, and what passes have found is added up in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.folds import fold
from adjoint.backends.llvm.lower.maps import cast_rep
from adjoint.backends.llvm.lower.memory import allocate, in_memory_of
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.polling import charge
from adjoint.backends.llvm.lower.product_kernels import product, turn
from adjoint.backends.llvm.lower.reductions import sums
from adjoint.backends.llvm.lower.regions import check_regions, close_first
from adjoint.backends.llvm.lower.runtime import give_back, needs, take
from adjoint.backends.llvm.lower.values import Buffer, Shape
from adjoint.backends.llvm.lower.views import reshape
from adjoint.backends.llvm.lower.windows import Convolution, Strip, divided, loops, moved
from adjoint.backends.llvm.writer import COLD, Integer
from adjoint.ir.graph import Value

__all__ = ["CONVOLUTIONS"]

COLUMNS = 512
"""Places of a block, about."""

ROWS = 512
"""Rows of a block's columns, about."""

BYTES = 1 << 19
"""Of a block's columns, about: they stay in the second cache."""

PARTS = 8
"""Into how many parts images are divided that are added up on their own."""

SUMS = 1 << 23
"""Bytes of what is found for these parts, about."""

FAST = 64
"""Multiplications that take as long as an addition of elements that stands alone."""


def _dense(f: Lowering, value: Value, dtype: np.dtype) -> Buffer:
    """Return an operand in memory in C's order."""
    buffer = in_memory_of(f, cast_rep(f, f.rep(value), dtype))
    if buffer.dense:
        return buffer
    copy = allocate(f, buffer.shape, dtype)
    copy_into(f, copy, buffer)
    return copy


def _result(f: Lowering, node: Value, shape: Shape) -> Buffer:
    target = f.destinations.pop(node, None)
    return target if target is not None else allocate(f, shape, node.dtype, node.shape)


def _settings(
    f: Lowering, node: Value, x: Shape, w: Shape, y: Shape
) -> Convolution:  # fmt: skip
    params, body = node.params, f.body
    groups = params.get("groups", 1)
    for n in y[2:]:
        f.refuse_unless(body.compare("sge", n, 1))
    if not isinstance(w[0], int) and groups > 1:
        rest = body.op(f"urem i64 {w[0]}, {groups}", w[0])
        f.refuse_unless(body.compare("eq", rest, 0))
    return Convolution(
        node.dtype, x[0], w[1], divided(body, w[0], groups), groups, list(x[2:]), list(w[2:]),
        list(y[2:]), params["stride"], tuple(low for low, _ in params["padding"]),
        tuple(high for _, high in params["padding"]), params["dilation"],
    )  # fmt: skip


def _is_lowered(node: Value) -> bool:
    return node.dtype.name in ("float32", "float64") and None not in node.shape


class _Blocks:
    """How a convolution is cut, and the code of its passes.

    Attributes
    ----------
    rows : Integer
        How many places along the first axis a block has.
    places : Integer
        How many there are in it.
    distance : Integer
        Of rows of columns, in elements: no power of two, whose multiples share a cache's lines.
    some : Integer
        How many channels it has.
    """

    def __init__(self, f: Lowering, c: Convolution) -> None:
        body = f.body
        self.f, self.c = f, c
        self.size = c.dtype.itemsize
        self.inner = body.product(c.places[1:])
        self.all = body.product(c.places)
        self.taps = body.product(c.taps)
        most = body.most(divided(body, COLUMNS, body.most(self.inner, 1)), 1)
        self.rows = body.most(body.least(most, c.places[0]), 1)
        self.count = self.times(c.places[0], self.rows)
        self.places = body.mul(self.rows, self.inner)
        self.distance = self.padded(self.places)
        height = body.least(ROWS, divided(body, BYTES // self.size, body.most(self.distance, 1)))
        some = divided(body, height, body.most(self.taps, 1))
        some = body.most(body.least(some, c.channels), 1)
        # Blocks of channels are about as large as each other.
        self.channel_blocks = self.times(c.channels, some)
        self.some = self.times(c.channels, body.most(self.channel_blocks, 1))
        self.width = 64 // self.size

    def times(self, n: Integer, size: Integer) -> Integer:
        """Return how many parts of a size there are."""
        body = self.f.body
        return divided(body, body.add(n, body.add(size, -1)), size)

    def padded(self, n: Integer) -> Integer:
        body = self.f.body
        return body.add(body.mul(divided(body, body.add(n, 15), 16), 16), 16)

    def block(self, b: Integer) -> tuple[Integer, Integer]:
        """Return the first row of places of a block, and how many it has."""
        body = self.f.body
        if self.count == 1:
            return 0, self.c.places[0]
        first = body.mul(b, self.rows)
        return first, body.least(self.rows, body.sub(self.c.places[0], first))

    def channels(self, b: Integer) -> tuple[Integer, Integer]:
        """Return the first channel of a block of them, and how many it has."""
        body = self.f.body
        if self.channel_blocks == 1:
            return 0, self.c.channels
        first = body.mul(b, self.some)
        return first, body.least(self.some, body.sub(self.c.channels, first))

    def work(self, *factors: Integer) -> Integer:
        """Return what so many multiplications are in additions that stand alone."""
        body = self.f.body
        return body.add(divided(body, body.product(list(factors)), FAST), 1)

    def passes(
        self, count: Integer, work: Integer, scratch: list[Integer],
        write: Callable[[Integer, list[str]], None],
    ) -> None:  # fmt: skip
        """Write a loop over independent passes, each with some memory of its own."""
        f, body = self.f, self.f.body
        needs(f.module, "memory.report")
        number = f.program.failure(
            f.node, lambda x, y: MemoryError(f"no memory for an array of {x} bytes")
        )
        bytes = [body.add(body.mul(n, self.size), 64) for n in scratch]
        total = body.add(sum_of(body, bytes), 0)
        lines = body.begin_nest()
        index = body.open_loop("%end", "", "%begin")
        cold: list[str] = []
        pointers: list[str] = []
        memory = ""
        if scratch:
            memory = body.let(take(f.module, "%ctx", str(total)))
            some = body.let(f"icmp ne ptr {memory}, null")
            fine, none = body.label(), body.label()
            body.branch(some, fine, none, COLD)
            body.begin(fine)
            cold = [
                f"{none}:",
                f"call void @memory.report(ptr %ctx, i64 {number}, i64 {total}, i64 0)",
                "ret i32 1",
            ]
            at: Integer = 0
            for n in bytes:
                pointers.append(moved(body, memory, at, 1))
                at = body.add(at, n)
        write(index, pointers)
        if scratch:
            body.do(give_back(f.module, "%ctx", memory, str(total)))
        close_first(f, count, work, cold)
        body.end_nest(lines)
        check_regions(f)
        f.memo.clear()
        if len(body.levels) == 1:
            charge(f, body.mul(count, work))

    def multiply(
        self, a: str, am: Integer, ak: Integer, rows: Integer, b: str, bk: Integer,
        columns: Integer, c: str, cm: Integer, inner: Integer, former: Integer,
    ) -> None:  # fmt: skip
        """Write a call of `product`; strides are in elements."""
        body = self.f.body
        name = product(self.f.module, self.c.dtype)
        am, ak, bk, cm = (body.mul(n, self.size) for n in (am, ak, bk, cm))
        body.do(
            f"call void {name}(ptr {a}, i64 {am}, i64 {ak}, ptr {b}, i64 {bk}, ptr {c}, i64 {cm}, "
            f"i64 {inner}, i64 {former}, i64 {columns}, i64 {rows})"
        )

    def added(self, truth: str) -> Integer:
        """Return what `product` is told: to add, if a truth holds."""
        return self.f.body.select(truth, self.width, 0)

    def strip_lengths(self) -> list[Integer]:
        c = self.c
        return c.spans(self.f.body, [self.rows, *c.places[1:]])

    def image(self, pointer: str, n: Integer, group: Integer, channel: Integer) -> str:
        """Return where a channel of an image of x begins."""
        body, c = self.f.body, self.c
        at = body.add(body.mul(body.add(body.mul(n, c.groups), group), c.channels), channel)
        return moved(body, pointer, body.mul(at, body.product(c.lengths)), self.size)

    def outcome(self, pointer: str, n: Integer, group: Integer, place: Integer) -> str:
        """Return where a group's filters of an image of y begin, from a place on."""
        body, c = self.f.body, self.c
        at = body.mul(body.add(body.mul(n, c.groups), group), c.filters)
        return moved(body, pointer, body.add(body.mul(at, self.all), place), self.size)


def sum_of(body: Any, terms: list[Integer]) -> Integer:
    total: Integer = 0
    for n in terms:
        total = body.add(total, n)
    return total


def _convolution(f: Lowering, node: Value) -> Any:
    if not _is_lowered(node):
        return None
    x, w = (_dense(f, v, node.dtype) for v in node.inputs)
    shape = f.shape(node.shape)
    c = _settings(f, node, x.shape, w.shape, shape)
    y = _result(f, node, shape)
    k, body = _Blocks(f, c), f.body
    lengths = k.strip_lengths()
    strip_size = body.mul(k.some, body.product(lengths))
    columns_size = body.product([k.some, k.taps, k.distance])
    depth = body.mul(c.channels, k.taps)

    def write(t: Integer, memory: list[str]) -> None:
        n = divided(body, t, k.count)
        first, rows = k.block(body.sub(t, body.mul(n, k.count)))
        columns, at = body.mul(rows, k.inner), body.mul(first, k.inner)
        with loops(body, [c.groups, k.channel_blocks]) as (g, b):
            channel, some = k.channels(b)
            image = k.image(x.pointer, n, g, channel)
            if c.is_product:
                source, distance = moved(body, image, at, k.size), k.all
            else:
                strip = Strip(f, c, memory[0], lengths)
                top = body.sub(body.mul(first, c.stride[0]), c.low[0])
                strip.read(image, some, top)
                strip.to_columns(memory[1], k.distance, some, [rows, *c.places[1:]])
                source, distance = memory[1], k.distance
            place = body.add(body.product([g, c.filters, depth]), body.mul(channel, k.taps))
            k.multiply(
                moved(body, w.pointer, place, k.size), depth, 1, c.filters, source, distance,
                columns, k.outcome(y.pointer, n, g, at), k.all, body.mul(some, k.taps),
                k.added(body.compare("ne", b, 0)),
            )  # fmt: skip

    work = k.work(c.groups, c.filters, depth, k.places)
    scratch = [] if c.is_product else [strip_size, columns_size]
    k.passes(body.mul(c.images, k.count), work, scratch, write)
    return y


def _convolution_input(f: Lowering, node: Value) -> Any:
    if not _is_lowered(node):
        return None
    y, w = (_dense(f, v, node.dtype) for v in node.inputs)
    shape = f.shape(node.shape)
    c = _settings(f, node, shape, w.shape, y.shape)
    x = _result(f, node, shape)
    k, body = _Blocks(f, c), f.body
    # As numbers of a filter by filters.
    parts = (c.groups, c.filters, body.mul(c.channels, k.taps))
    turned = allocate(f, (parts[0], parts[2], parts[1]), node.dtype)
    _turned(f, reshape(f, w, parts), turned)
    lengths = [
        body.most(span, body.add(n, low))
        for span, n, low in zip(c.spans(body, c.places), c.lengths, c.low, strict=True)
    ]
    strip_size = body.mul(k.some, body.product(lengths))
    columns_size = body.product([k.some, k.taps, k.distance])

    def write(t: Integer, memory: list[str]) -> None:
        passes = body.mul(k.channel_blocks, c.groups)
        n = divided(body, t, passes)
        rest = body.sub(t, body.mul(n, passes))
        g = divided(body, rest, k.channel_blocks)
        channel, some = k.channels(body.sub(rest, body.mul(g, k.channel_blocks)))
        image = k.image(x.pointer, n, g, channel)
        row = body.add(body.product([g, c.channels, k.taps]), body.mul(channel, k.taps))
        a = moved(body, turned.pointer, body.mul(row, c.filters), k.size)
        strip = None
        if not c.is_product:
            strip = Strip(f, c, memory[0], lengths)
            strip.runs.clear(memory[0], body.mul(some, body.product(lengths)))
        with loops(body, [k.count]) as (b,):
            first, rows = k.block(b)
            at = body.mul(first, k.inner)
            columns = body.mul(rows, k.inner)
            target, distance = (
                (moved(body, image, at, k.size), k.all)
                if strip is None
                else (memory[1], k.distance)
            )
            k.multiply(
                a, c.filters, 1, body.mul(some, k.taps), k.outcome(y.pointer, n, g, at), k.all,
                columns, target, distance, c.filters, 0,
            )  # fmt: skip
            if strip is not None:
                strip.add_columns(memory[1], k.distance, some, [rows, *c.places[1:]], first)
        if strip is not None:
            strip.write(image, some, -c.low[0])

    work = k.work(c.filters, k.some, k.taps, k.all)
    count = body.product([c.images, c.groups, k.channel_blocks])
    k.passes(count, work, [] if c.is_product else [strip_size, columns_size], write)
    return x


def _convolution_weight(f: Lowering, node: Value) -> Any:
    if not _is_lowered(node):
        return None
    x, y = (_dense(f, v, node.dtype) for v in node.inputs)
    shape = f.shape(node.shape)
    c = _settings(f, node, x.shape, shape, y.shape)
    k, body = _Blocks(f, c), f.body
    numbers = body.product(shape)
    parts = divided(body, SUMS // k.size, body.most(numbers, 1))
    many = body.most(k.times(c.images, body.most(body.least(PARTS, parts), 1)), 1)
    count = k.times(c.images, many)
    found = allocate(f, (count, c.groups, body.mul(c.channels, k.taps), c.filters), node.dtype)
    lengths = k.strip_lengths()
    strip_size = body.mul(k.some, body.product(lengths))
    columns_size = body.product([k.some, k.taps, k.distance])
    apart = k.padded(c.filters)
    blocks = body.mul(k.channel_blocks, c.groups)

    def write(t: Integer, memory: list[str]) -> None:
        part = divided(body, t, blocks)
        rest = body.sub(t, body.mul(part, blocks))
        g = divided(body, rest, k.channel_blocks)
        channel, some = k.channels(body.sub(rest, body.mul(g, k.channel_blocks)))
        row = body.mul(body.add(body.mul(body.add(body.mul(part, c.groups), g), c.channels),
                                channel), k.taps)  # fmt: skip
        target = moved(body, found.pointer, body.mul(row, c.filters), k.size)
        start = body.mul(part, many)
        with loops(body, [body.least(many, body.sub(c.images, start)), k.count]) as (i, b):
            n = body.add(start, i)
            image = k.image(x.pointer, n, g, channel)
            first, rows = k.block(b)
            at, columns = body.mul(first, k.inner), body.mul(rows, k.inner)
            if c.is_product:
                source, distance = moved(body, image, at, k.size), k.all
            else:
                strip = Strip(f, c, memory[1], lengths)
                top = body.sub(body.mul(first, c.stride[0]), c.low[0])
                strip.read(image, some, top)
                strip.to_columns(memory[2], k.distance, some, [rows, *c.places[1:]])
                source, distance = memory[2], k.distance
            _turn(
                f, memory[0], apart, k.outcome(y.pointer, n, g, at), k.all, c.filters, columns,
                node.dtype,
            )  # fmt: skip
            earlier = (
                body.add(i, b)
                if isinstance(i, int) or isinstance(b, int)
                else body.op(f"or i64 {i}, {b}", i, b)
            )
            k.multiply(
                source, distance, 1, body.mul(some, k.taps), memory[0], apart, c.filters, target,
                c.filters, columns, k.added(body.compare("ne", earlier, 0)),
            )  # fmt: skip

    work = k.work(many, c.filters, k.some, k.taps, k.all)
    scratch = [body.mul(k.places, apart)]
    if not c.is_product:
        scratch += [strip_size, columns_size]
    k.passes(body.mul(count, blocks), work, scratch, write)
    whole = fold(f, found, sums(f, node.dtype), (0,), False)
    dw = _result(f, node, shape)
    _turned(f, in_memory_of(f, whole), dw)
    return dw


def _turn(
    f: Lowering, target: str, tm: Integer, source: str, sm: Integer, rows: Integer,
    columns: Integer, dtype: np.dtype,
) -> None:  # fmt: skip
    """Write a matrix transposed; distances of rows are in elements."""
    body, size = f.body, dtype.itemsize
    name = turn(f.module, dtype)
    f.body.do(
        f"call void {name}(ptr {target}, i64 {body.mul(tm, size)}, ptr {source}, "
        f"i64 {body.mul(sm, size)}, i64 {rows}, i64 {columns})"
    )


def _turned(f: Lowering, matrices: Buffer, target: Buffer) -> None:
    """Write the transposes of some matrices."""
    body, dtype, (many, rows, columns) = f.body, matrices.dtype, matrices.shape
    lines = body.begin_nest()
    with loops(body, [many]) as (g,):
        at = body.product([g, rows, columns])
        source, place = (moved(body, m.pointer, at, dtype.itemsize) for m in (matrices, target))
        _turn(f, place, rows, source, columns, rows, columns, dtype)
    body.end_nest(lines)
    f.memo.clear()


CONVOLUTIONS = {
    "convolution": _convolution,
    "convolution_input": _convolution_input,
    "convolution_weight": _convolution_weight,
}
