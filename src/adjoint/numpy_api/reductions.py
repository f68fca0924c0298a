"""Sums, products and extrema."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import from_nested, is_staged, is_weak, plain
from adjoint.ops import reduction as rd
from adjoint.ops.registry import Op, Traced, implements
from adjoint.ops.structural import (
    broadcast_to,
    cast,
    permute,
    reduce_sum,
    reshape,
)

__all__ = [
    "ABSENT",
    "fmax",
    "fmin",
    "lined_up",
    "max_",
    "min_",
    "normalize_axis",
    "operand",
    "prod",
    "reduced_shape",
    "sum_",
]

ABSENT: Any = np._NoValue
"""NumPy's own mark of an argument that was not given."""


def operand(a: Any, dtype: Any = None) -> Any:
    """Return an argument as an array, traced or not, of the given type."""
    if not hasattr(a, "shape") or (is_staged(a) and is_weak(a)):
        listed = isinstance(a, (list, tuple)) and not isinstance(a, Traced)
        a = from_nested(a) if listed else broadcast_to(a, shape=())
    return a if dtype is None else cast(a, dtype=np.dtype(dtype))


def normalize_axis(axis: Any, ndim: int) -> tuple[int, ...] | None:
    """Return the axes of a reduction as non-negative integers; None for all of them."""
    if axis is None:
        return None
    if is_staged(axis):
        axis = operator.index(axis)  # which axis decides what is computed
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    if ndim == 0 and type(axis) is int and axis in (0, -1):
        return ()  # which ufunc.reduce allows
    return np.lib.array_utils.normalize_axis_tuple(plain(axis), ndim)


def reduced_shape(
    shape: tuple[int, ...], axis: tuple[int, ...] | None, keepdims: bool
) -> tuple[int, ...]:
    """Return the shape of a reduction's result."""
    axis = tuple(range(len(shape))) if axis is None else axis
    if keepdims:
        return tuple(1 if k in axis else n for k, n in enumerate(shape))
    return tuple(n for k, n in enumerate(shape) if k not in axis)


def lined_up(a: Any, axis: tuple[int, ...] | None) -> Any:
    """Return ``a`` with the given axes made one, the last."""
    shape = a.shape
    if axis is None:
        return reshape(a, shape=(a.size,)) if len(shape) != 1 else a
    if axis == (len(shape) - 1,):
        return a
    rest = tuple(k for k in range(len(shape)) if k not in axis)
    length = math.prod(shape[k] for k in axis)
    moved = permute(a, axes=rest + tuple(sorted(axis)))
    return reshape(moved, shape=(*(shape[k] for k in rest), length))


# -- reductions --------------------------------------------------------------------------------


@implements(np.sum)
def sum_(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """``np.sum``."""
    a = operand(a, dtype)
    where = plain(where)
    if where is not True:
        a = np.where(where, a, a.dtype.type(0))
    result = reduce_sum(a, axis=normalize_axis(axis, a.ndim), keepdims=bool(keepdims))
    if initial is ABSENT or (type(initial) is int and initial == 0):
        return result
    return result + initial


@implements(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    """``np.prod``."""
    a = operand(a, dtype)
    where = plain(where)
    if where is not True:
        a = np.where(where, a, a.dtype.type(1))
    result = rd.reduce_prod(a, axis=normalize_axis(axis, a.ndim), keepdims=bool(keepdims))
    if initial is ABSENT or (type(initial) is int and initial == 1):
        return result
    return result * initial


def _extremum(op: Op, ufunc: np.ufunc) -> Callable[..., Any]:
    def extremum(
        a: Any,
        axis: Any = None,
        out: None = None,
        keepdims: Any = False,
        initial: Any = ABSENT,
        where: Any = True,
    ) -> Any:
        a = operand(a)
        keepdims = keepdims is not ABSENT and bool(keepdims)
        axes = normalize_axis(axis, a.ndim)
        where = plain(where)
        if initial is ABSENT or initial is None:
            if where is not True and where is not ABSENT:
                raise ValueError(
                    f"reduction operation {ufunc.__name__!r} does not have an identity, so to use "
                    "a where mask one has to specify 'initial'"
                )
            return op(a, axis=axes, keepdims=keepdims)
        if where is not True and where is not ABSENT:
            a = np.where(where, a, initial)
        shape = reduced_shape(a.shape, axes, keepdims)
        if a.size == 0:
            return broadcast_to(operand(initial, a.dtype), shape=shape)
        return ufunc(op(a, axis=axes, keepdims=keepdims), initial)

    return extremum


max_ = implements(np.max, np.amax)(_extremum(rd.reduce_max, np.maximum))
min_ = implements(np.min, np.amin)(_extremum(rd.reduce_min, np.minimum))
fmax = _extremum(rd.reduce_fmax, np.fmax)
fmin = _extremum(rd.reduce_fmin, np.fmin)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: None = None, keepdims: Any = False) -> Any:
    """``np.ptp``."""
    return max_(a, axis, None, keepdims) - min_(a, axis, None, keepdims)
