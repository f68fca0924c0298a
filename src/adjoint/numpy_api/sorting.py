"""Sorting and sets: values are read from the array in an order that is constant.

Where values are equal, the order is the stable one: of equal elements the first comes first, and it
is to that element that the derivative belongs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import plain
from adjoint.numpy_api.reductions import operand
from adjoint.ops.order import gather_along
from adjoint.ops.registry import implements
from adjoint.ops.structural import cast, concatenate, reshape

__all__ = ["order_of", "ranked", "sort"]


def order_of(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return the indices that sort ``x``; equal elements stay in order."""
    if x.size > 4096:
        # The unstable sort is several times as fast, and as good where nothing is equal.
        order = np.argsort(x, axis=axis)
        values = np.moveaxis(np.take_along_axis(x, order, axis), axis, 0)
        if not np.any(values[1:] == values[:-1]):
            return order
    return np.argsort(x, axis=axis, kind="stable")


def ranked(x: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return where the elements of the given ranks are along the last axis.

    Parameters
    ----------
    x : ndarray
        Of shape (..., n).
    ranks : ndarray of int
        Of shape (m,) for all slices, or (..., m).
    """
    n = x.shape[-1]
    if ranks.ndim > 1 or n <= 256 or len(ranks) > 8:
        each = np.broadcast_to(ranks, (*x.shape[:-1], ranks.shape[-1]))
        return np.take_along_axis(order_of(x), each, -1)
    # One value of a long array needs no order of all others.
    found = np.empty((*x.shape[:-1], len(ranks)), np.intp)
    values = np.partition(x, np.unique(ranks), axis=-1)
    for k, rank in enumerate(ranks):
        value = values[..., rank, None]
        equal = x == value
        found[..., k] = np.argmax(equal, axis=-1)
        several = np.count_nonzero(equal, axis=-1) > 1
        if np.any(several):
            nth = rank - np.count_nonzero(x < value, axis=-1)
            which = np.argmax(np.cumsum(equal, axis=-1) == nth[..., None] + 1, axis=-1)
            found[..., k] = np.where(several, which, found[..., k])
    return found


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


def _array_api(function: Callable) -> None:
    """Give one of the array API standard's functions of unique values its derivative."""

    def impl(x: Any) -> Any:
        result = function(plain(x))
        values = unique(x, equal_nan=False)
        return type(result)(values, *result[1:]) if isinstance(result, tuple) else values

    implements(function)(impl)


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
    _, first, second = np.intersect1d(plain(ar1), plain(ar2), assume_unique, True)
    values = _flat(ar1)[first]
    return (values, first, second) if return_indices else values


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
    edge = np.ones(len(ordered) + 1, bool)
    edge[1:-1] = ordered[1:] != ordered[:-1]
    return values[edge[1:] & edge[:-1]]
