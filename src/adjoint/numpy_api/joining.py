"""Joining arrays, taking them apart, and repeating them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from adjoint.dispatch import any_staged, is_staged, plain, without_derivative
from adjoint.errors import TracingError
from adjoint.numpy_api.creation import as_array, as_made, beside, to_dtype
from adjoint.numpy_api.lengths import as_length, as_shape, least, require
from adjoint.numpy_api.shaping import is_fortran, moveaxis, normalized, ravel
from adjoint.ops import discrete
from adjoint.ops import structural as st
from adjoint.ops.creation import arange
from adjoint.ops.registry import Traced, implements

__all__ = ["append", "concatenate", "repeat", "split", "stack", "tile"]


def _listed(arrays: Any) -> list[Any]:
    """Return the arrays of an argument that is a sequence of them, or an array of them."""
    if isinstance(arrays, Traced) or not isinstance(arrays, (list, tuple)):
        arrays = as_array(arrays)
        if arrays.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return [arrays[k] for k in range(len(arrays))]
    return [as_array(x) for x in arrays]


def _of_any_number(arrays: Any) -> bool:
    """Tell whether the arrays to be joined are the rows of one array, and nobody knows how many."""
    return is_staged(arrays) and arrays.ndim > 1 and is_staged(arrays.shape[0])


def _cast_checked(arrays: list[Any], dtype: Any, casting: Any) -> list[Any]:
    if dtype is None and casting == "same_kind":
        return arrays
    target = np.result_type(*map(plain, arrays)) if dtype is None else np.dtype(dtype)
    for x in arrays:
        if not np.can_cast(plain(x).dtype, target, casting):
            raise TypeError(
                f"Cannot cast array data from {plain(x).dtype!r} to {target!r} according to the "
                f"rule {casting!r}"
            )
    return [to_dtype(x, target) for x in arrays]


@implements(np.concatenate, *((np.concat,) if np.concat is not np.concatenate else ()))
def concatenate(
    arrays: Any, /, axis: Any = 0, out: None = None, *, dtype: Any = None,
    casting: Any = "same_kind",
) -> Any:  # fmt: skip
    """``np.concatenate``."""
    if _of_any_number(arrays) and axis is not None:
        x = _cast_checked([arrays], dtype, casting)[0]
        axis = normalized(axis, x.ndim - 1)
        x = moveaxis(x, 0, axis)
        shape = (*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])
        return st.reshape(st.copy(x), shape=shape)
    arrays = _listed(arrays)
    if axis is None:
        arrays, axis = [ravel(x) for x in arrays], 0
    if not arrays:
        raise ValueError("need at least one array to concatenate")
    if arrays[0].ndim == 0:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    axis = normalized(axis, arrays[0].ndim)
    return st.concatenate(*_cast_checked(arrays, dtype, casting), axis=axis)


@implements(np.stack)
def stack(
    arrays: Any, axis: Any = 0, out: None = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    """``np.stack``."""
    if _of_any_number(arrays):
        x = _cast_checked([arrays], dtype, casting)[0]
        return st.copy(moveaxis(x, 0, normalized(axis, x.ndim)))
    arrays = _listed(arrays)
    if not arrays:
        raise ValueError("need at least one array to stack")
    axis = normalized(axis, arrays[0].ndim + 1)
    return st.stack(*_cast_checked(arrays, dtype, casting), axis=axis)


def _at_least(arrays: Any, fn: Any) -> list[Any]:
    return [fn(x) for x in _listed(arrays)]


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """``np.vstack``."""
    if _of_any_number(tup):
        tup = tup[:, None] if tup.ndim == 2 else tup
        return concatenate(tup, 0, dtype=dtype, casting=casting)
    return concatenate(_at_least(tup, np.atleast_2d), 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """``np.hstack``."""
    if _of_any_number(tup):
        return concatenate(tup, 0 if tup.ndim == 2 else 1, dtype=dtype, casting=casting)
    arrays = _at_least(tup, np.atleast_1d)
    axis = 0 if arrays and arrays[0].ndim == 1 else 1
    return concatenate(arrays, axis, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    """``np.dstack``."""
    return concatenate(_at_least(tup, np.atleast_3d), 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    """``np.column_stack``."""
    if _of_any_number(tup):
        return st.copy(tup.T) if tup.ndim == 2 else concatenate(tup, 1)
    arrays = _at_least(tup, np.atleast_1d)
    return concatenate([x[:, None] if x.ndim == 1 else x for x in arrays], 1)


@implements(np.block)
def block(arrays: Any) -> Any:
    """``np.block``: the innermost lists are joined along the last axis, and so on outwards."""
    depth, ndim = _block_depth(arrays, ())
    ndim = max(depth, ndim)

    def join(item: Any, level: int) -> Any:
        if level == depth:
            x = as_array(item)
            return x[(None,) * (ndim - x.ndim)] if x.ndim < ndim else x
        return concatenate([join(part, level + 1) for part in item], ndim - depth + level)

    result = join(arrays, 0)
    return result.copy() if depth == 0 else result


def _block_depth(item: Any, index: tuple[int, ...]) -> tuple[int, int]:
    """Return the depth of a nest of lists and the highest dimension of an array in it."""
    where = "arrays" + "".join(f"[{k}]" for k in index)
    if isinstance(item, tuple) and not isinstance(item, Traced):
        raise TypeError(
            f"{where} is a tuple. Only lists can be used to arrange blocks, and np.block does not "
            "allow implicit conversion from tuple to ndarray."
        )
    if isinstance(item, Traced) or not isinstance(item, list):
        return 0, np.ndim(plain(item))
    if not item:
        raise ValueError(f"List at {where} cannot be empty")
    found = [_block_depth(part, (*index, k)) for k, part in enumerate(item)]
    if len({depth for depth, _ in found}) > 1:
        raise ValueError(f"List depths are mismatched in {where}")
    return found[0][0] + 1, max(ndim for _, ndim in found)


# -- taking apart ------------------------------------------------------------------------------


def _pieces(x: Any, cuts: list[int], axis: int) -> list[Any]:
    head = (slice(None),) * axis
    return [x[(*head, slice(a, b))] for a, b in itertools.pairwise(cuts)]


@implements(np.array_split, storage=True)
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Any]:
    """``np.array_split``."""
    ary = beside(as_array(ary), indices_or_sections)
    axis = normalized(axis, ary.ndim)
    length = ary.shape[axis]
    sections = plain(indices_or_sections)
    if _is_list(sections):
        return _pieces(ary, [0, *(as_length(k) for k in sections), length], axis)
    sections = int(sections)
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    each, longer = divmod(length, sections)
    # The first ones have one element more, if the array cannot be divided evenly.
    cuts = [k * each + least(k, longer) for k in range(sections + 1)]
    return _pieces(ary, cuts, axis)


def _is_list(x: Any) -> bool:
    return isinstance(x, (list, tuple)) or np.ndim(x) > 0


@implements(np.split, storage=True)
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Any]:
    """``np.split``."""
    ary = as_array(ary)
    if not _is_list(plain(indices_or_sections)):
        axis = normalized(axis, ary.ndim)
        length, sections = ary.shape[axis], int(plain(indices_or_sections))
        if is_staged(length):
            # One reshape, which also sees to it that the parts are equal.
            shape = (*ary.shape[:axis], sections, -1, *ary.shape[axis + 1 :])
            parts = st.reshape(ary, shape=shape)
            return [parts[(*(slice(None),) * axis, k)] for k in range(sections)]
        if length % sections:
            raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


@implements(np.hsplit, storage=True)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``np.hsplit``."""
    ary = as_array(ary)
    if ary.ndim == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@implements(np.vsplit, storage=True)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``np.vsplit``."""
    ary = as_array(ary)
    if ary.ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


@implements(np.dsplit, storage=True)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``np.dsplit``."""
    ary = as_array(ary)
    if ary.ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


if hasattr(np, "unstack"):

    @implements(np.unstack, storage=True)
    def unstack(x: Any, /, *, axis: Any = 0) -> tuple[Any, ...]:
        """``np.unstack``."""
        x = as_array(x)
        if x.ndim == 0:
            raise ValueError("Input array must be at least 1-d.")
        axis = normalized(axis, x.ndim)
        head = (slice(None),) * axis
        return tuple(x[(*head, k)] for k in range(x.shape[axis]))


# -- repeating ---------------------------------------------------------------------------------


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """``np.tile``."""
    reps = as_shape(reps)
    x = beside(as_array(A), reps)
    ndim = max(x.ndim, len(reps))
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - x.ndim) + x.shape
    interleaved = tuple(k for n in shape for k in (1, n))
    spread = tuple(k for r, n in zip(reps, shape) for k in (r, n))
    x = st.broadcast_to(st.reshape(x, shape=interleaved), shape=spread)
    return st.reshape(st.copy(x), shape=tuple(r * n for r, n in zip(reps, shape)))


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """``np.repeat``."""
    a = beside(as_array(a), repeats)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = ravel(a), 0
    axis = normalized(axis, a.ndim)
    repeats = as_array(plain(repeats))
    n = a.shape[axis]
    head = (slice(None),) * axis
    if repeats.size == 1 and repeats.ndim <= 1:
        times = as_length(repeats.reshape(()))
        if not is_staged(times) and times < 0:
            raise ValueError("repeats may not contain negative values.")
        shape = a.shape[: axis + 1] + (times,) + a.shape[axis + 1 :]
        spread = st.broadcast_to(a[(*head, slice(None), None)], shape=shape)
        return st.reshape(
            st.copy(spread), shape=a.shape[:axis] + (n * times,) + a.shape[axis + 1 :]
        )
    return as_made(a[(*head, _repeated(arange(n), repeats))])


_repeated = without_derivative(np.repeat)
_deletion = without_derivative(discrete.deletion)
_insertion = without_derivative(discrete.insertion)


# -- putting in, taking out --------------------------------------------------------------------


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """``np.append``."""
    arr, values = as_array(arr), as_array(values)
    if axis is None:
        return concatenate((ravel(arr), ravel(values)))
    return concatenate((arr, values), normalized(axis, arr.ndim))


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """``np.delete``."""
    arr = beside(as_array(arr), obj)
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = normalized(axis, arr.ndim)
    n, obj = arr.shape[axis], plain(obj)
    if any_staged((n, obj)) and not isinstance(obj, slice) and not _is_list(obj):
        k = arange(n - 1)
        obj = as_length(obj)
        require((obj >= -n) & (obj < n), IndexError, "np.delete: the position is out of bounds")
        kept = k + (k >= np.where(obj < 0, obj + n, obj))
    else:
        kept = _deletion(n, obj)
    return as_made(arr[(*(slice(None),) * axis, kept)], "F" if is_fortran(arr) else "C")


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """``np.insert``."""
    arr, values, obj = beside(as_array(arr), obj), as_array(values), plain(obj)
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = normalized(axis, arr.ndim)
    n = arr.shape[axis]
    values = to_dtype(values, plain(arr).dtype)
    if isinstance(plain(values), np.generic):
        values = as_array(values)
    single = isinstance(obj, slice) is False and not _is_list(obj)
    if values.ndim < arr.ndim:
        values = values[(None,) * (arr.ndim - values.ndim)]
    if single:
        values = np.moveaxis(values, 0, axis)
        count = values.shape[axis]
        if any_staged((n, obj)):
            return _inserted_at(arr, as_length(obj), values, axis)
        positions = obj
    else:
        if isinstance(obj, slice):
            positions = beside(arange(n), obj)[obj]
        else:
            positions = as_array(obj)
            if positions.dtype == bool:
                positions = np.flatnonzero(positions)
        count = positions.size
        if count == 1 and positions.ndim:
            count = values.shape[axis]
        if any_staged(obj) and not isinstance(obj, slice):
            obj = positions
    shape = (*arr.shape[:axis], count, *arr.shape[axis + 1 :])
    both = concatenate((arr, st.broadcast_to(values, shape=shape)), axis)
    source = _insertion(n, obj, count) if n != 0 or count != 0 else positions
    return as_made(both[(*(slice(None),) * axis, source)], "F" if is_fortran(arr) else "C")


def _inserted_at(arr: Any, k: Any, values: Any, axis: int) -> Any:
    """Insert at one position that is staged, or counts from an end that is."""
    head, n = (slice(None),) * axis, arr.shape[axis]
    require((k >= -n) & (k <= n), IndexError, "np.insert: the position is out of bounds")
    shape = (*arr.shape[:axis], values.shape[axis], *arr.shape[axis + 1 :])
    middle = st.broadcast_to(values, shape=shape)
    return concatenate((arr[(*head, slice(None, k))], middle, arr[(*head, slice(k, None))]), axis)


@implements(np.trim_zeros, storage=True)
def trim_zeros(filt: Any, trim: Any = "fb", axis: Any = None) -> Any:
    """``np.trim_zeros``."""
    if any_staged(filt):
        return _trim_staged(filt, trim, axis)
    if not isinstance(filt, Traced) and isinstance(filt, (list, tuple)):
        values = [plain(x) for x in filt]
        kept = np.flatnonzero(values)
        first = kept[0] if kept.size and "f" in trim.lower() else 0 if kept.size else len(values)
        last = kept[-1] + 1 if kept.size and "b" in trim.lower() else len(values)
        return filt[first:last]
    filt = as_array(filt)
    nonzero = plain(filt) != 0
    # NumPy cuts a box out; where it is can be read off an array that is trimmed the same way.
    shape = np.trim_zeros(np.where(nonzero, 1, 0), trim, *(() if axis is None else (axis,))).shape
    box = []
    axes = (
        range(filt.ndim)
        if axis is None
        else np.lib.array_utils.normalize_axis_tuple(axis, filt.ndim)
    )
    for k, n in enumerate(filt.shape):
        lines = np.flatnonzero(nonzero.any(axis=tuple(j for j in range(filt.ndim) if j != k)))
        start = int(lines[0]) if k in axes and "f" in trim.lower() and lines.size else 0
        if k in axes and not lines.size and shape[k] == 0:
            start = n
        box.append(slice(start, start + shape[k]))
    return filt[tuple(box)]


def _trim_staged(filt: Any, trim: Any, axis: Any) -> Any:
    if not is_staged(filt):
        raise TracingError(
            "np.trim_zeros of a list whose numbers are not known when the function is staged: how "
            "long the list is would not be known either; make it an array"
        )
    nonzero = filt != 0
    box: list[Any] = []
    axes = (
        range(filt.ndim)
        if axis is None
        else np.lib.array_utils.normalize_axis_tuple(axis, filt.ndim)
    )
    for k, n in enumerate(filt.shape):
        if k not in axes:
            box.append(slice(None))
            continue
        lines = np.any(nonzero, axis=tuple(j for j in range(filt.ndim) if j != k))
        some = np.any(lines)
        start = as_length(np.where(some, np.argmax(lines), n)) if "f" in trim.lower() else 0
        stop = (
            as_length(np.where(some, n - np.argmax(lines[::-1]), 0)) if "b" in trim.lower() else n
        )
        box.append(slice(start, stop))
    return filt[tuple(box)]
