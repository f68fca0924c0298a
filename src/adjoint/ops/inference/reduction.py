"""Reductions: axes go, or stay with length one."""

from __future__ import annotations

from typing import Any

from numpy.lib.array_utils import normalize_axis_tuple

from adjoint.ir.types import Type
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.inference.lengths import as_length

__all__ = ["normalized", "reduced", "without"]


def normalized(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return axes as a tuple of non-negative integers; None for all."""
    if axis is None:
        return tuple(range(ndim))
    return normalize_axis_tuple(axis, ndim)


def reduced(shape: tuple[Any, ...], axes: tuple[int, ...], keepdims: bool) -> tuple[Any, ...]:
    """Return the shape that is left of ``shape``."""
    if keepdims:
        return tuple([1 if k in axes else n for k, n in enumerate(shape)])
    return tuple([n for k, n in enumerate(shape) if k not in axes])


def without(shape: tuple[Any, ...], axis: int, length: Any) -> tuple[Any, ...]:
    """Return ``shape`` with another length of an axis."""
    axis %= len(shape)
    return (*shape[:axis], length, *shape[axis + 1 :])


@rule(
    "reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_fmax", "reduce_fmin",
    "reduce_logaddexp", "reduce_hypot", "variance", "standard_deviation", "norm", "logsumexp",
)  # fmt: skip
def _reduction(call: Call) -> Type:
    (x,) = call.operands
    axis, keepdims = call.param("axis"), call.param("keepdims", False)
    shape = reduced(x.shape, normalized(axis, len(x.shape)) if x.shape else (), keepdims)
    return call.unit(axis=axis, keepdims=keepdims).with_shape(shape)


_FIRST = (0,)  # as an index array


@rule("bincount")
def _bincount(call: Call) -> Type:
    dtype = call.unit(index=_FIRST, length=1).dtype
    return Type(dtype, (as_length(call.param("length")),))


@rule("add_reduceat")
def _add_reduceat(call: Call) -> Type:
    (x,) = call.operands
    axis = call.param("axis")
    count = call.param("indices").shape[0]
    return call.unit(indices=_FIRST, axis=axis).with_shape(without(x.shape, axis, count))


@rule("repeat_segments")
def _repeat_segments(call: Call) -> Type:
    (y,) = call.operands
    return y.with_shape(without(y.shape, call.param("axis"), as_length(call.param("length"))))
