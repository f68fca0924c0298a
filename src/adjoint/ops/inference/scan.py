"""Scans, transforms along an axis, and order: one axis changes its length, or none does."""

from __future__ import annotations

from typing import Any

from adjoint.ir.types import Type
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.inference.lengths import as_length, broadcast, plus, slice_length
from adjoint.ops.inference.reduction import without

__all__: list[str] = []


@rule("cumsum", "cumprod", "accumulate_logaddexp", "softmax", "log_softmax")
def _along(call: Call) -> Type:
    (x,) = call.operands
    return call.unit(axis=call.param("axis")).with_shape(x.shape)


@rule("shift")
def _like_operand(call: Call) -> Type:
    return call.operands[0]


@rule("diff", "add_neighbours")
def _neighbours(call: Call) -> Type:
    (x,) = call.operands
    axis = call.param("axis")
    fewer = slice_length(call, slice(1, None), x.shape[axis])
    return call.unit(axis=axis).with_shape(without(x.shape, axis, fewer))


@rule("diff_transpose", "add_neighbours_transpose", "scatter_along")
def _to_length(call: Call) -> Type:
    (y,) = call.operands
    return y.with_shape(without(y.shape, call.param("axis"), as_length(call.param("length"))))


@rule("recurrence")
def _recurrence(call: Call) -> Type:
    _, b = call.operands
    return call.unit(axis=call.param("axis")).with_shape(b.shape)


@rule("gather_along")
def _gather_along(call: Call) -> Type:
    (x,) = call.operands
    indices, axis = call.param("indices"), call.param("axis") % len(x.shape)
    rest = broadcast(call, [without(x.shape, axis, 1), without(indices.shape, axis, 1)])
    return Type(x.dtype, without(rest, axis, indices.shape[axis]))


@rule("fft", "ifft", "irfft")
def _transform(call: Call) -> Type:
    return _transformed(call, as_length(call.param("n")))


@rule("rfft")
def _real_transform(call: Call) -> Type:
    # n//2 + 1 frequencies: every second of n + 1.
    count = slice_length(call, slice(None, None, 2), plus(as_length(call.param("n")), 1))
    return _transformed(call, count)


def _transformed(call: Call, length: Any) -> Type:
    (x,) = call.operands
    axis = call.param("axis")
    unit = call.unit(n=1, axis=axis, norm=call.param("norm"))
    return unit.with_shape(without(x.shape, axis, length))
