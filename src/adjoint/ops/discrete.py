"""Functions whose results are orders, places and counts, or are picked: they have no derivative.

NumPy has no one name for them. Where their arguments are staged, a call of one is an operation of
the graph (`adjoint.ops.plain.function_op`), so they are functions of this module and known by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "column_order", "deletion", "insertion", "is_singular", "leaders", "occurrences", "order_of",
    "ranked",
    "rest_of_qr", "rest_of_svd", "row_order", "turns", "ufunc_method",
]  # fmt: skip


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


def occurrences(x: np.ndarray, axis: int | None = None, equal_nan: bool = True) -> np.ndarray:
    """Return where each of the unique elements of ``x`` occurs first."""
    return np.unique(x, return_index=True, axis=axis, equal_nan=equal_nan)[1]


def leaders(name: str, x: np.ndarray, axis: int) -> np.ndarray:
    """Return which element each running extremum is; of equal ones the first.

    Parameters
    ----------
    name : str
        Of the ufunc that is accumulated.
    """
    running = getattr(np, name).accumulate(x, axis=axis)
    shape = [1] * x.ndim
    shape[axis] = -1
    positions = np.broadcast_to(np.arange(x.shape[axis]).reshape(shape), x.shape)
    here = tuple(slice(1, None) if k == axis else slice(None) for k in range(x.ndim))
    before = tuple(slice(None, -1) if k == axis else slice(None) for k in range(x.ndim))
    changed = running[here] != running[before]
    if x.dtype.kind in "fc":
        # A NaN, once there, is passed on; it differs from itself.
        changed &= ~(np.isnan(running[here]) & np.isnan(running[before]))
    starts = np.zeros(x.shape, np.intp)
    starts[here] = np.where(changed, positions[here], 0)
    return np.maximum.accumulate(starts, axis=axis)


def turns(positions: np.ndarray) -> np.ndarray:
    """Return for each entry of a vector how many equal ones come before it."""
    order = np.argsort(positions, kind="stable")
    ranked_positions = positions[order]
    first = np.searchsorted(ranked_positions, ranked_positions)
    turn = np.empty(positions.size, np.intp)
    turn[order] = np.arange(positions.size) - first
    return turn


def row_order(pivots: np.ndarray) -> np.ndarray:
    """Return the order into which LAPACK's pivots bring the rows."""
    order = np.arange(len(pivots))
    for i, j in enumerate(pivots):
        order[[i, j]] = order[[j, i]]
    return order


def deletion(length: int, obj: Any) -> np.ndarray:
    """Return which elements of an axis `np.delete` keeps."""
    return np.delete(np.arange(length), obj)


def insertion(length: int, obj: Any, count: int) -> np.ndarray:
    """Return where the elements of `np.insert` come from: the array, and behind it what is new."""
    places = np.insert(np.arange(length), obj, -np.arange(1, count + 1))
    return np.where(places >= 0, places, length - 1 - places)


def column_order(x: np.ndarray) -> np.ndarray:
    """Return the order in which a pivoted QR factorisation takes the columns."""
    from scipy.linalg import qr

    return qr(x, mode="r", pivoting=True)[-1].astype(np.intp)


def rest_of_qr(x: np.ndarray) -> np.ndarray:
    """Return the columns of the complete q that are not in the reduced one."""
    return np.linalg.qr(x, "complete")[0][..., x.shape[-1] :]


def rest_of_svd(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the singular vectors, left and right, that are not in the reduced decomposition."""
    u, s, vh = np.linalg.svd(x)
    k = s.shape[-1]
    return u[..., k:], np.swapaxes(vh[..., k:, :], -1, -2).conj()


def is_singular(x: np.ndarray) -> bool:
    """Tell whether a matrix, or one of a stack, has no LU factorisation that solves with it."""
    try:
        np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return True
    return False


def ufunc_method(name: str, method: str, *args: Any, **kwargs: Any) -> Any:
    """Call ``reduce``, ``accumulate``, ``reduceat`` or ``outer`` of one of NumPy's ufuncs."""
    return getattr(getattr(np, name), method)(*args, **kwargs)
