"""Reading and storing by index arrays, and parts of matrices."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from adjoint.dispatch import any_active, any_staged, certainly, fresh, is_staged, plain
from adjoint.errors import TracingError
from adjoint.numpy_api import ufuncs as _ufuncs  # noqa: F401  (says which there are)
from adjoint.numpy_api.constants import register_constant
from adjoint.numpy_api.creation import as_array, as_made, beside, to_dtype
from adjoint.numpy_api.lengths import as_length, least, places, require, same_lengths
from adjoint.numpy_api.recorded_loops import for_each
from adjoint.numpy_api.shaping import normalized, ravel
from adjoint.ops import elementwise as ew
from adjoint.ops import structural as st
from adjoint.ops.creation import arange, ones
from adjoint.ops.discrete import turns
from adjoint.ops.registry import METHODS, UFUNCS, Traced, implements
from adjoint.staged import lift

__all__ = ["diag", "diagonal", "take"]

_ALL = slice(None)


# -- reading -----------------------------------------------------------------------------------


def _indices(indices: Any, length: Any, mode: str) -> Any:
    """Return integer indices in range, by the rule of ``mode``."""
    indices = as_array(plain(indices))
    if indices.dtype.kind not in "iub" and indices.ndim and indices.size:
        raise TypeError(f"Cannot cast array data from {indices.dtype!r} to dtype('int64')")
    indices = indices.astype(np.intp)
    if mode == "wrap":
        indices = indices % length
    elif mode == "clip":
        indices = np.minimum(np.maximum(indices, 0), length - 1)
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
    if certainly(length == 0) and certainly(indices.size != 0):
        raise IndexError("cannot do a non-empty take from an empty axes.")
    if indices.ndim == 0:
        part = beside(a, indices)[(*(_ALL,) * axis, as_length(indices))]
        return part.copy() if np.ndim(plain(part)) else part
    # Gathering keeps the layout of what it reads from; np.take does not.
    a = beside(a, indices)
    return as_made(a[(*(_ALL,) * axis, indices)])


def _along(arr_shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """Return the index tuple of ``take_along_axis``."""
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if len(arr_shape) != indices.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    ndim = len(arr_shape)
    return tuple(indices if k == axis else places(n, ndim, k) for k, n in enumerate(arr_shape))


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """``np.take_along_axis``."""
    arr, indices = as_array(arr), as_array(plain(indices))
    if axis is None:
        if indices.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        arr, axis = ravel(arr), 0
    arr = beside(arr, indices)
    return arr[_along(arr.shape, indices, normalized(axis, arr.ndim))]


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: None = None) -> Any:
    """``np.compress``."""
    condition = as_array(plain(condition))
    if condition.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return take(a, np.flatnonzero(condition), axis)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """``np.extract``."""
    return take(ravel(arr), np.flatnonzero(as_array(plain(condition))))


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
    return st.diagonal(a, offset_axes=(as_length(offset), i, j))


@implements(np.linalg.diagonal, storage=True)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """``np.linalg.diagonal``."""
    return diagonal(x, offset, -2, -1)


@implements(np.diag, storage=True)
def diag(v: Any, k: int = 0) -> Any:
    """``np.diag``."""
    v, k = as_array(v), as_length(k)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = v.shape[0] + abs(k)
    result = fresh((n, n), plain(v).dtype, v)
    if v.shape[0] != 0 and _records(result):
        rows = arange(v.shape[0]) + max(-k, 0)
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


def _below(m: Any, k: Any) -> Any:
    """Return the mask of what is on the k-th diagonal of matrices and below."""
    rows, columns = m.shape[-2:]
    return places(columns, 2, 1) <= places(rows, 2, 0) + as_length(k)


def _matrix(m: Any) -> Any:
    m = as_array(m)
    return m[None, :] * ones((m.shape[0], 1), plain(m).dtype) if m.ndim == 1 else m


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """``np.tril``."""
    m = _matrix(m)
    return ew.where(_below(m, k), m, np.zeros((), plain(m).dtype))


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """``np.triu``."""
    m = _matrix(m)
    return ew.where(_below(m, as_length(k) - 1), np.zeros((), plain(m).dtype), m)


# -- storing -----------------------------------------------------------------------------------


def _records(a: Any) -> bool:
    """Tell whether an array that is to be stored to keeps derivatives."""
    return isinstance(a, Traced)


def _refuse(fn: str, a: Any) -> NoReturn:
    raise TracingError(
        f"{fn} was to store a traced value into an ordinary array (shape {np.shape(a)}), which "
        "cannot keep its derivative. Make that array inside the function that is differentiated, "
        "or pass it as an argument."
    )


def _flat_index(positions: Any, shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the indices of the elements with these numbers in C order."""
    if not shape:
        return ()
    if not any_staged((positions, shape)):
        return np.unravel_index(positions, shape)
    indices = []
    for n in reversed(shape[1:]):
        indices.append(positions % n)
        positions = positions // n
    return (positions, *reversed(indices))


def _cycled(values: Any, count: Any) -> Any:
    """Return the first ``count`` of the values repeated for ever, as put and fill_diagonal do."""
    values = ravel(values)
    if values.shape[0] == 1:
        return values[0]
    if certainly(values.shape[0] >= count):
        return values[:count]
    return take(values, arange(count) % values.shape[0])


@implements(np.put, storage=True)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """``np.put``."""
    if not _records(a):
        if any_active(v):
            _refuse("np.put", a)
        return np.put(a, plain(ind), plain(v), mode)  # type: ignore[arg-type]
    positions = _indices(ind, a.size, mode).ravel()
    v = as_array(v)
    if positions.size == 0 or v.size == 0:
        return None
    if mode == "raise":
        if not any_staged((positions, a.size)):
            wrong = positions[(positions < -a.size) | (positions >= a.size)]
            if wrong.size:
                raise IndexError(f"index {wrong[0]} is out of bounds for axis 0 with size {a.size}")
        elif a.ndim == 1:
            a[positions] = _cycled(v, positions.size)  # which checks them
            return None
        else:
            inside = np.all((positions >= -a.size) & (positions < a.size))
            require(inside, IndexError, "np.put: an index is out of bounds")
        positions = np.where(positions < 0, positions + a.size, positions)
    a[_flat_index(positions, a.shape)] = _cycled(v, positions.size)
    return None


@implements(np.put_along_axis, storage=True)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """``np.put_along_axis``."""
    if not _records(arr):
        if any_active(values):
            _refuse("np.put_along_axis", arr)
        return np.put_along_axis(arr, plain(indices), plain(values), axis)
    indices, values = as_array(plain(indices)), as_array(values)
    if axis is None:
        if indices.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        positions = beside(arange(arr.size), indices)[indices]
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
    n = a.shape[-1]
    if a.ndim > 2 and not all(same_lengths(m, n) for m in a.shape):
        raise ValueError("All dimensions of input must be of equal length")
    val = as_array(val)
    if any_staged((a, val)) and not wrap:
        rows = a.shape[0]
        count = rows if a.ndim > 2 or rows == n else least(rows, n)
        k = arange(count)
        a[(k,) * a.ndim] = _cycled(val, count)
        return None
    step = a.shape[1] + 1 if a.ndim == 2 else 1 + sum(n**k for k in range(1, a.ndim))
    end = n * n if a.ndim == 2 and not wrap else None
    positions = arange(a.size)[:end:step]
    if positions.size != 0:
        a[_flat_index(positions, a.shape)] = _cycled(val, positions.size)
    return None


# -- ufunc.at ----------------------------------------------------------------------------------


def _as_index(indices: Any) -> Any:
    if isinstance(indices, tuple):
        return tuple(as_array(i) if isinstance(i, list) else i for i in plain(indices))
    return as_array(plain(indices)) if isinstance(indices, list) else plain(indices)


def _add_at(a: Any, indices: Any, b: Any) -> None:
    if not _records(a):
        if any_active(b):
            _refuse("np.add.at", a)
        np.add.at(a, plain(indices), plain(b))
        return
    b = as_array(b)
    a._add_at((("index", _as_index(indices)),), to_dtype(b, _kept_type("add", a, b)))


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
        index = _as_index(indices)
        flat = beside(arange(math.prod(a.shape)), index).reshape(a.shape)[index]
        positions = ravel(flat)
        operand = tuple(ravel(st.broadcast_to(as_array(b), shape=np.shape(flat))) for b in operand)
        if is_staged(a):
            positions, operand = lift(positions), tuple(map(lift, operand))

        def change(mine: Any) -> None:
            index = _flat_index(positions[mine], a.shape)
            result = UFUNCS[ufunc](a[index], *(b[mine] for b in operand))
            a[index] = to_dtype(result, plain(a).dtype)

        if is_staged(a):
            for_each(positions.shape[0], (a,), change)
            return
        # The k-th mention of an element is served in the k-th turn.
        turn = turns(positions)
        for k in range(int(turn.max(initial=-1)) + 1):
            change(np.flatnonzero(turn == k))

    return impl


METHODS[np.add, "at"] = _add_at
METHODS[np.subtract, "at"] = _subtract_at
for _ufunc in list(UFUNCS):
    if _ufunc.signature is None and _ufunc.nout == 1:
        METHODS.setdefault((_ufunc, "at"), _at(_ufunc))
