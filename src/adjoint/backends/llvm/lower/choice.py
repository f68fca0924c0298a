"""An array that is one of two, which shows at run time."""

from __future__ import annotations

from collections.abc import Callable

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.values import Buffer
from adjoint.backends.llvm.writer import Integer

__all__ = ["kept_if"]


def kept_if(f: Lowering, truth: str, buffer: Buffer, make: Callable[[], Buffer]) -> Buffer:
    """Return an array where a truth holds; else another, of the same shape, which is made then.

    The shape is that of the other one.
    """
    body = f.body
    before = body.here.block
    bad, after = body.label(), body.label()
    body.branch(truth, after, bad)
    body.begin(bad)
    body.enter_scope()
    other = make()
    body.leave_scope()
    last = body.here.block
    body.go(after)
    body.begin(after)

    def either(x: Integer, y: Integer) -> Integer:
        if x == y:
            return x
        return body.let(f"phi i64 [ {x}, %{before} ], [ {y}, %{last} ]")

    pointer = body.let(f"phi ptr [ {buffer.pointer}, %{before} ], [ {other.pointer}, %{last} ]")
    strides = tuple([either(x, y) for x, y in zip(buffer.strides, other.strides, strict=True)])
    return Buffer(
        buffer.dtype,
        other.shape,
        pointer,
        strides,
        buffer.dense and other.dense,
        buffer.tokens | other.tokens,
        (buffer.memory, other.memory),
    )
