"""Vectors as values, where it is not left to LLVM to make vectors of loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import allocate
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.types import in_registers
from adjoint.backends.llvm.lower.values import Buffer
from adjoint.backends.llvm.lower.views import Along, affine
from adjoint.backends.llvm.writer import Body, Integer

__all__ = ["Vectors", "copied", "is_row_major", "nest"]


class Vectors:
    """Vectors of a dtype.

    A vector that is loaded or stored under a mask has its first numbers only.
    """

    def __init__(self, body: Body, dtype: np.dtype) -> None:
        self.body = body
        self.type, self.size = in_registers(dtype), dtype.itemsize

    def of(self, width: int) -> str:
        return f"<{width} x {self.type}>"

    def mask(self, count: Integer, width: int) -> str:
        """Return the mask of the first ``count`` numbers, at this place: it is no word."""
        body, type = self.body, f"<{width} x i64>"
        first = body.let(f"insertelement {type} poison, i64 {count}, i64 0")
        zeros = f"<{width} x i32> zeroinitializer"
        counts = body.let(f"shufflevector {type} {first}, {type} poison, {zeros}")
        lanes = ", ".join(f"i64 {k}" for k in range(width))
        return body.let(f"icmp ult {type} <{lanes}>, {counts}")

    def load(self, place: str, width: int, mask: str = "", pinned: bool = False) -> str:
        """Return the numbers from a place on; ``pinned``: read here, and not further out."""
        body, vector = self.body, self.of(width)
        text = f"load {vector}, ptr {place}, align {self.size}"
        if mask:
            name = f"@llvm.masked.load.v{width}f{8 * self.size}.p0"
            masks = f"<{width} x i1>"
            body.module.declare(name, f"declare {vector} {name}(ptr, i32, {masks}, {vector})")
            given = f"ptr {place}, i32 {self.size}, {masks} {mask}, {vector} zeroinitializer"
            text = f"call {vector} {name}({given})"
        return body.let(text) if pinned else body.op(text, place, mask)

    def prefetch(self, place: str, bytes: int) -> None:
        """Have what lies so many bytes behind a place brought near, whatever it is."""
        name = "@llvm.prefetch.p0"
        self.body.module.declare(name, f"declare void {name}(ptr, i32, i32, i32)")
        ahead = self.body.let(f"getelementptr i8, ptr {place}, i64 {bytes}")
        self.body.do(f"call void {name}(ptr {ahead}, i32 0, i32 3, i32 1)")

    def splat(self, x: str, width: int) -> str:
        vector = self.of(width)
        first = self.body.op(f"insertelement {vector} poison, {self.type} {x}, i64 0", x)
        zeros = f"<{width} x i32> zeroinitializer"
        return self.body.op(f"shufflevector {vector} {first}, {vector} poison, {zeros}", first)

    def add_product(self, x: str, y: str, z: str, width: int) -> str:
        """Return x · y + z."""
        vector = self.of(width)
        name = f"@llvm.fmuladd.v{width}f{8 * self.size}"
        self.body.module.declare(name, f"declare {vector} {name}({vector}, {vector}, {vector})")
        given = f"{vector} {x}, {vector} {y}, {vector} {z}"
        return self.body.op(f"call {vector} {name}({given})", x, y, z)

    def product(self, x: str, y: str, width: int) -> str:
        return self.body.op(f"fmul contract {self.of(width)} {x}, {y}", x, y)

    def sum(self, x: str, y: str, width: int) -> str:
        return self.body.op(f"fadd {self.of(width)} {x}, {y}", x, y)

    def total(self, x: str, width: int) -> str:
        """Return the sum of a vector's numbers, in any order."""
        vector = self.of(width)
        name = f"@llvm.vector.reduce.fadd.v{width}f{8 * self.size}"
        self.body.module.declare(name, f"declare {self.type} {name}({self.type}, {vector})")
        return self.body.op(f"call reassoc {self.type} {name}({self.type} -0.0, {vector} {x})", x)

    def store(self, x: str, place: str, width: int, mask: str = "") -> None:
        vector = self.of(width)
        if not mask:
            self.body.do(f"store {vector} {x}, ptr {place}, align {self.size}")
            return
        name = f"@llvm.masked.store.v{width}f{8 * self.size}.p0"
        masks = f"<{width} x i1>"
        self.body.module.declare(name, f"declare void {name}({vector}, ptr, i32, {masks})")
        given = f"{vector} {x}, ptr {place}, i32 {self.size}, {masks} {mask}"
        self.body.do(f"call void {name}({given})")


def is_row_major(rep: Any) -> bool:
    """Tell whether the numbers of a row lie one after another in memory."""
    return isinstance(rep, Buffer) and rep.strides[-1] == rep.dtype.itemsize


def nest(f: Lowering, write: Callable[[], None]) -> None:
    """Write a nest of loops that stands alone."""
    lines = f.body.begin_nest()
    write()
    f.body.end_nest(lines)
    f.memo.clear()


def copied(f: Lowering, rep: Any, first: Integer, count: Integer, most: int) -> Buffer:
    """Return some rows of a matrix in memory of their own, ``most`` at most."""
    columns = rep.shape[1]
    block = allocate(f, (most, columns), rep.dtype)
    target = Buffer(
        rep.dtype, (count, columns), block.pointer, block.strides, True, memory=block.memory
    )
    copy_into(f, target, affine(f, rep, (count, columns), [Along(0, first), Along(1)]))
    return target
