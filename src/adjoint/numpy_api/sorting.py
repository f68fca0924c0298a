"""Sorting and sets: values are read from the array in an order that is constant.

Where values are equal, the order is the stable one: of equal elements the first comes first, and it
is to that element that the derivative belongs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import any_staged, is_staged, plain, without_derivative
from adjoint.errors import TracingError
from adjoint.numpy_api.reductions import operand
from adjoint.ops import discrete
from adjoint.ops.order import gather_along
from adjoint.ops.registry import implements
from adjoint.ops.structural import cast, concatenate, reshape

__all__ = ["order_of", "ranked", "sort"]


order_of = without_derivative(discrete.order_of)
ranked = without_derivative(discrete.ranked)
_occurrences = without_derivative(discrete.occurrences)


def _along(a: Any, axis: Any) -> tuple[Any, int]:
    a = operand(a)
    if axis is None:
        return reshape(a, shape=(a.size,)), 0
    (axis,) = np.lib.array_utils.normalize_axis_tuple(plain(axis), a.ndim)
    return a, axis


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """``np.sort``; always stable."""
    a, axis = _along(a, axis)
    return gather_along(a, indices=order_of(plain(a), axis), axis=axis, distinct=True)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """``np.sort_complex``."""
    a = operand(a)
    if a.dtype.kind != "c":
        a = cast(a, dtype=np.result_type(a.dtype, np.complex64))
    return sort(a)


@implements(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """``np.partition``."""
    a, axis = _along(a, axis)
    indices = np.argpartition(plain(a), plain(kth), axis=axis)
    return gather_along(a, indices=indices, axis=axis, distinct=True)


# -- sets --------------------------------------------------------------------------------------


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    **options: Any,
) -> Any:
    """``np.unique``: each value is read from where it occurs first."""
    ar = operand(ar)
    if is_staged(ar):
        index = _occurrences(ar, axis, options.get("equal_nan", True))
        if return_inverse or return_counts:
            rest = _staged_rest(ar, index, return_inverse, return_counts, axis)
        else:
            rest = []
    else:
        _, index, *rest = np.unique(
            plain(ar), True, return_inverse, return_counts, axis=axis, **options
        )
    if axis is None:
        values = reshape(ar, shape=(ar.size,))[index]
    else:
        (axis,) = np.lib.array_utils.normalize_axis_tuple(axis, ar.ndim)
        values = ar[(slice(None),) * axis + (index,)]
    if not (return_index or return_inverse or return_counts):
        return values
    return (values, *([index] if return_index else []), *rest)


def _staged_rest(ar: Any, index: Any, inverse: bool, counts: bool, axis: Any) -> list[Any]:
    """Return where each element is among the unique ones, and how often they occur."""
    if axis is not None:
        raise TracingError(
            "np.unique(axis=..., return_inverse or return_counts) cannot be staged: it compares "
            "whole slices. Flatten the array, or leave the inverse and the counts out."
        )
    flat = reshape(ar, shape=(ar.size,))
    values = flat[index]
    which = np.searchsorted(values, flat)
    found: list[Any] = [reshape(which, shape=ar.shape)] if inverse else []
    return [*found, np.bincount(which, minlength=values.shape[0])] if counts else found


def _array_api(function: Callable) -> None:
    """Give one of the array API standard's functions of unique values its derivative."""

    def impl(x: Any) -> Any:
        if is_staged(x):
            return _staged_array_api(function, x)
        result = function(plain(x))
        values = unique(x, equal_nan=False)
        return type(result)(values, *result[1:]) if isinstance(result, tuple) else values

    implements(function)(impl)


def _staged_array_api(function: Callable, x: Any) -> Any:
    values, index, inverse, counts = unique(x, True, True, True, equal_nan=False)
    parts = {"values": values, "indices": index, "inverse_indices": inverse, "counts": counts}
    like = function(np.zeros(0))
    return (
        type(like)(*[parts[name] for name in like._fields]) if hasattr(like, "_fields") else values
    )


for _function in (np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values):
    _array_api(_function)


def _flat(x: Any) -> Any:
    x = operand(x)
    return reshape(x, shape=(x.size,))


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    """``np.union1d``."""
    return unique(concatenate(_flat(ar1), _flat(ar2)))


@implements(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """``np.intersect1d``: the values are those of the first array."""
    if any_staged((ar1, ar2)):
        ar1, ar2 = _flat(ar1), _flat(ar2)
        first, second = _shared(ar1, ar2), _shared(ar2, ar1)
    else:
        _, first, second = np.intersect1d(plain(ar1), plain(ar2), assume_unique, True)
    values = _flat(ar1)[first]
    return (values, first, second) if return_indices else values


def _shared(x: Any, y: Any) -> Any:
    """Return where the unique elements of x that y has occur first in x."""
    index = _occurrences(x)
    return index[np.isin(x[index], y)]


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """``np.setdiff1d``."""
    values = _flat(ar1) if assume_unique else unique(ar1)
    return values[np.isin(plain(values), plain(ar2), assume_unique=True, invert=True)]


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """``np.setxor1d``."""
    parts = [_flat(x) if assume_unique else unique(x) for x in (ar1, ar2)]
    values = sort(concatenate(*parts))
    ordered = plain(values)
    change, end = ordered[1:] != ordered[:-1], np.ones(1, bool)
    edge = np.concatenate([end, change, end])
    return values[edge[1:] & edge[:-1]] if ordered.shape[0] != 0 else values
