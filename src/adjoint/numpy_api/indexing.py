"""Reading and storing by index arrays, and parts of matrices."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from adjoint.dispatch import any_active, plain
from adjoint.eager.recorded import Recorded, constant
from adjoint.eager.stores import add_in_place
from adjoint.errors import TracingError
from adjoint.numpy_api.constants import register_constant
from adjoint.numpy_api.creation import as_array, laid_out, to_dtype
from adjoint.numpy_api.shaping import normalized, ravel
from adjoint.ops import elementwise as ew
from adjoint.ops import structural as st
from adjoint.ops.registry import METHODS, UFUNCS, implements

__all__ = ["diag", "diagonal", "take"]

_ALL = slice(None)


# -- reading -----------------------------------------------------------------------------------


def _indices(indices: Any, length: int, mode: str) -> Any:
    """Return integer indices in range, by the rule of ``mode``."""
    indices = np.asarray(plain(indices))
    if indices.dtype.kind not in "iub" and indices.ndim and indices.size:
        raise TypeError(f"Cannot cast array data from {indices.dtype!r} to dtype('int64')")
    indices = indices.astype(np.intp)
    if mode == "wrap":
        indices = indices % length
    elif mode == "clip":
        indices = np.clip(indices, 0, length - 1)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    return indices


@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: None = None, mode: str = "raise") -> Any:
    """``np.take``."""
    a = as_array(a)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = ravel(a), 0
    axis = normalized(axis, a.ndim)
    length = a.shape[axis]
    indices = _indices(indices, length, mode)
    if not length and indices.size:
        raise IndexError("cannot do a non-empty take from an empty axes.")
    if indices.ndim == 0:
        part = a[(*(_ALL,) * axis, int(indices))]
        return part.copy() if np.ndim(plain(part)) else part
    # Gathering keeps the layout of what it reads from; np.take does not.
    return laid_out(a[(*(_ALL,) * axis, indices)], "C")


def _along(arr_shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """Return the index tuple of ``take_along_axis``."""
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if len(arr_shape) != indices.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    ndim = len(arr_shape)
    return tuple(
        indices if k == axis else np.arange(n).reshape((-1,) + (1,) * (ndim - k - 1))
        for k, n in enumerate(arr_shape)
    )


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """``np.take_along_axis``."""
    arr, indices = as_array(arr), np.asarray(plain(indices))
    if axis is None:
        if indices.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        arr, axis = ravel(arr), 0
    return arr[_along(arr.shape, indices, normalized(axis, arr.ndim))]


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: None = None) -> Any:
    """``np.compress``."""
    condition = np.asarray(plain(condition))
    if condition.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return take(a, np.flatnonzero(condition), axis)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """``np.extract``."""
    return take(ravel(arr), np.flatnonzero(np.asarray(plain(condition))))


register_constant(
    np.ix_,
    np.unravel_index,
    np.ravel_multi_index,
    np.diag_indices_from,
    np.tril_indices_from,
    np.triu_indices_from,
)


# -- parts of matrices -------------------------------------------------------------------------


@implements(np.diagonal, storage=True)
def diagonal(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Any:
    """``np.diagonal``: a view, which is read-only as NumPy's."""
    a = as_array(a)
    if a.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    i, j = normalized(axis1, a.ndim), normalized(axis2, a.ndim)
    if i == j:
        raise ValueError("axis1 and axis2 cannot be the same")
    return st.diagonal(a, offset_axes=(int(plain(offset)), i, j))


@implements(np.linalg.diagonal, storage=True)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """``np.linalg.diagonal``."""
    return diagonal(x, offset, -2, -1)


@implements(np.diag, storage=True)
def diag(v: Any, k: int = 0) -> Any:
    """``np.diag``."""
    v, k = as_array(v), int(plain(k))
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = v.shape[0] + abs(k)
    result = constant(np.zeros((n, n), plain(v).dtype))
    if v.shape[0] and _records(result):
        rows = np.arange(v.shape[0]) + max(-k, 0)
        result[rows, rows + k] = v
    return result


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """``np.diagflat``."""
    return diag(ravel(v), k)


@implements(np.trace)
def trace(
    a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: None = None
) -> Any:
    """``np.trace``."""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """``np.linalg.trace``."""
    return trace(x, offset, -2, -1, dtype)


def _triangle(m: Any, mask: np.ndarray) -> Any:
    return ew.where(mask, m, np.zeros((), plain(m).dtype))


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """``np.tril``."""
    m = as_array(m)
    m = m[None, :] * np.ones((m.shape[0], 1), plain(m).dtype) if m.ndim == 1 else m
    return _triangle(m, np.tri(*m.shape[-2:], k=plain(k), dtype=bool))


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """``np.triu``."""
    m = as_array(m)
    m = m[None, :] * np.ones((m.shape[0], 1), plain(m).dtype) if m.ndim == 1 else m
    return _triangle(m, ~np.tri(*m.shape[-2:], k=plain(k) - 1, dtype=bool))


# -- storing -----------------------------------------------------------------------------------


def _records(a: Any) -> bool:
    """Tell whether an array that is to be stored to keeps derivatives."""
    return isinstance(a, Recorded)


def _refuse(fn: str, a: Any) -> NoReturn:
    raise TracingError(
        f"{fn} was to store a traced value into an ordinary array (shape {np.shape(a)}), which "
        "cannot keep its derivative. Make that array inside the function that is differentiated, "
        "or pass it as an argument."
    )


def _flat_index(positions: np.ndarray, shape: tuple[int, ...]) -> tuple[Any, ...]:
    return np.unravel_index(positions, shape) if shape else ()


def _cycled(values: Any, count: int) -> Any:
    """Return the first ``count`` of the values repeated for ever, as put and fill_diagonal do."""
    values = ravel(values)
    if values.shape[0] == 1:
        return values[0]
    if values.shape[0] >= count:
        return values[:count]
    return take(values, np.arange(count) % values.shape[0])


@implements(np.put, storage=True)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """``np.put``."""
    if not _records(a):
        if any_active(v):
            _refuse("np.put", a)
        return np.put(a, plain(ind), plain(v), mode)  # type: ignore[arg-type]
    positions = _indices(ind, a.size, mode).ravel()
    v = as_array(v)
    if not positions.size or not v.size:
        return None
    if mode == "raise":
        wrong = positions[(positions < -a.size) | (positions >= a.size)]
        if wrong.size:
            raise IndexError(f"index {wrong[0]} is out of bounds for axis 0 with size {a.size}")
        positions = positions % a.size
    a[_flat_index(positions, a.shape)] = _cycled(v, positions.size)
    return None


@implements(np.put_along_axis, storage=True)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """``np.put_along_axis``."""
    if not _records(arr):
        if any_active(values):
            _refuse("np.put_along_axis", arr)
        return np.put_along_axis(arr, plain(indices), plain(values), axis)
    indices, values = np.asarray(plain(indices)), as_array(values)
    if axis is None:
        if indices.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        positions = np.arange(arr.size)[indices]
        arr[_flat_index(positions, arr.shape)] = values
    else:
        arr[_along(arr.shape, indices, normalized(axis, arr.ndim))] = values
    return None


@implements(np.fill_diagonal, storage=True)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """``np.fill_diagonal``."""
    if not _records(a):
        if any_active(val):
            _refuse("np.fill_diagonal", a)
        return np.fill_diagonal(a, plain(val), wrap)
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    end = None
    if a.ndim == 2:
        step = a.shape[1] + 1
        if not wrap:
            end = a.shape[1] * a.shape[1]
    else:
        if len(set(a.shape)) > 1:
            raise ValueError("All dimensions of input must be of equal length")
        step = 1 + int(np.cumprod(a.shape[:-1]).sum())
    positions = np.arange(a.size)[:end:step]
    if positions.size:
        a[_flat_index(positions, a.shape)] = _cycled(as_array(val), positions.size)
    return None


# -- ufunc.at ----------------------------------------------------------------------------------


def _as_index(indices: Any) -> Any:
    if isinstance(indices, tuple):
        return tuple(np.asarray(i) if isinstance(i, list) else i for i in plain(indices))
    return np.asarray(plain(indices)) if isinstance(indices, list) else plain(indices)


def _add_at(a: Any, indices: Any, b: Any) -> None:
    if not _records(a):
        if any_active(b):
            _refuse("np.add.at", a)
        np.add.at(a, plain(indices), plain(b))
        return
    b = as_array(b)
    add_in_place(a, (("index", _as_index(indices)),), to_dtype(b, _kept_type("add", a, b)))


def _kept_type(name: str, a: Any, b: Any) -> np.dtype | None:
    """Return the type to which the addends are cast, if they have a higher one."""
    have, need = plain(a).dtype, plain(b).dtype
    if not np.can_cast(np.result_type(have, need), have, "same_kind"):
        raise TypeError(
            f"Cannot cast ufunc {name!r} output from {np.result_type(have, need)!r} to {have!r} "
            "with casting rule 'same_kind'"
        )
    return have if need.kind in "fc" and need != have else None


def _subtract_at(a: Any, indices: Any, b: Any) -> None:
    if _records(a) or any_active(b):
        _add_at(a, indices, -as_array(b))
    else:
        np.subtract.at(a, plain(indices), plain(b))


def _at(ufunc: np.ufunc) -> Any:
    """Return the ``at`` of a ufunc that does not just add: repeated indices take turns."""

    def impl(a: Any, indices: Any, *operand: Any) -> None:
        if not _records(a):
            if any_active(operand):
                _refuse(f"np.{ufunc.__name__}.at", a)
            ufunc.at(a, plain(indices), *plain(operand))
            return
        flat = np.arange(a.size).reshape(a.shape)[_as_index(indices)]
        positions = np.ravel(flat)
        operand = tuple(ravel(st.broadcast_to(as_array(b), shape=np.shape(flat))) for b in operand)
        # The k-th mention of an element is served in the k-th turn.
        order = np.argsort(positions, kind="stable")
        ranked = positions[order]
        first = np.searchsorted(ranked, ranked)
        turn = np.empty(positions.size, np.intp)
        turn[order] = np.arange(positions.size) - first
        for k in range(int(turn.max(initial=-1)) + 1):
            mine = np.flatnonzero(turn == k)
            index = _flat_index(positions[mine], a.shape)
            result = UFUNCS[ufunc](a[index], *(b[mine] for b in operand))
            a[index] = to_dtype(result, plain(a).dtype)

    return impl


METHODS[np.add, "at"] = _add_at
METHODS[np.subtract, "at"] = _subtract_at
for _ufunc in (
    np.multiply, np.divide, np.power, np.maximum, np.minimum, np.negative, np.square, np.exp,
    np.sqrt, np.log, np.reciprocal, np.absolute, np.sin, np.cos, np.tanh, np.fmax, np.fmin,
    np.logaddexp, np.hypot, np.arctan2, np.float_power, np.remainder,
):  # fmt: skip
    METHODS[_ufunc, "at"] = _at(_ufunc)
