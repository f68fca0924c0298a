"""Shapes and layouts: the same numbers under another shape, order of axes, or direction.

What NumPy answers with a view is a view here, so that what is stored through it reaches the base.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.dispatch import is_staged, plain
from adjoint.errors import TracingError
from adjoint.numpy_api.creation import as_array, beside, laid_out_like
from adjoint.numpy_api.lengths import as_length, as_shape, broadcast_shapes
from adjoint.ops.creation import arange
from adjoint.ops.registry import implements
from adjoint.ops.structural import broadcast_to, copy, permute, reshape

__all__ = ["is_fortran", "moveaxis", "normalized", "ravel", "reshape_"]


def normalized(axis: Any, ndim: int) -> int:
    """Return an axis as a non-negative integer.

    Raises
    ------
    AxisError
        If there is no such axis.
    """
    return np.lib.array_utils.normalize_axis_index(operator.index(plain(axis)), ndim)


def _normalized_tuple(axis: Any, ndim: int, name: str | None = None) -> tuple[int, ...]:
    return np.lib.array_utils.normalize_axis_tuple(plain(axis), ndim, name)


def is_fortran(x: Any) -> bool:
    """Tell whether the elements are in Fortran order and not in C order too.

    Of a staged array, whose layout need not be known: whether it is known to be so.
    """
    if is_staged(x):
        return x.ndim > 1 and _memory_order(x) == tuple(range(x.ndim))[::-1]
    flags = plain(x).flags
    return bool(flags.f_contiguous and not flags.c_contiguous)


def _memory_order(x: Any) -> tuple[int, ...] | None:
    """Return the order of a staged array's axes in which it is C-contiguous, if that is known."""
    if x._contiguous:
        return tuple(range(x.ndim))
    view = x._view
    if view is None or not view.base._contiguous or len(view.path) != 1:
        return None
    kind, axes = view.path[0]
    return tuple(axes.index(k) for k in range(x.ndim)) if kind == "permute" else None


def _known_order(x: Any) -> tuple[int, ...]:
    order = _memory_order(x)
    if order is None:
        raise TracingError(
            "order='A' and order='K' ask how an array lies in memory, which is not known when the "
            "function is staged; use order='C' or order='F'"
        )
    return order


@implements(np.reshape, storage=True)
def reshape_(a: Any, /, shape: Any, order: Any = "C", *, copy: bool | None = None) -> Any:
    """``np.reshape``."""
    shape = as_shape(shape)
    a = beside(as_array(a), shape)
    if copy is False and not is_staged(a):
        np.reshape(plain(a), shape, order, copy=False)  # NumPy's own refusal
    if shape.count(-1) == 1 and not any(is_staged(n) for n in (*shape, *a.shape)):
        known = -math.prod(shape)
        if known and a.size % known == 0:
            shape = tuple(a.size // known if n == -1 else n for n in shape)
    if order == "A" and is_staged(a):
        _known_order(a)
    if order == "F" or (order == "A" and is_fortran(a)):
        reversed_ = reshape(_reversed(a), shape=shape[::-1])
        result = _reversed(reversed_)
    else:
        result = reshape(a, shape=shape)
    if copy and (is_staged(result) or plain(result).base is not None):
        return copy_of(result)
    return result


copy_of = copy


def _reversed(a: Any) -> Any:
    return permute(a, axes=tuple(range(a.ndim))[::-1])


@implements(np.ravel, storage=True)
def ravel(a: Any, order: Any = "C") -> Any:
    """``np.ravel``."""
    a = as_array(a)
    if is_staged(a):
        return _ravel_staged(a, order)
    value = plain(a)
    if order == "A":
        order = "F" if is_fortran(a) else "C"
    if order == "K":
        # In the order of memory: the axis with the longest stride first.
        axes = tuple(sorted(range(a.ndim), key=lambda k: -abs(value.strides[k])))
        if not value.transpose(axes).flags.c_contiguous:
            return reshape(a, shape=(a.size,))[_order_of_memory(value)]
        a, order = permute(a, axes=axes), "C"
        value = plain(a)
    contiguous = value.flags.f_contiguous if order == "F" else value.flags.c_contiguous
    result = reshape_(a, -1, order)
    # Where reshape can do with a view of scattered elements, ravel makes a copy.
    return result if contiguous or plain(result).base is None else copy_of(result)


def _ravel_staged(a: Any, order: Any) -> Any:
    if order == "K":
        a, order = permute(a, axes=_known_order(a)), "C"
    elif order == "A":
        order = "F" if _known_order(a) == tuple(range(a.ndim))[::-1] else "C"
    if a.ndim == 1 and order in ("C", "F"):
        return a[...]
    if order == "F":
        a = _reversed(a)
    copied = not a._contiguous and (a._view is None or a._view.path[-1][0] == "permute")
    result = reshape(a, shape=(-1,))
    return copy_of(result) if copied else result


def _order_of_memory(value: np.ndarray) -> np.ndarray:
    """Return the indices, in C order, of the elements in the order of ``ravel("K")``.

    NumPy is asked, with an array of the same strides whose elements are their own places.
    """
    wide = np.dtype(np.intp).itemsize
    steps = [s // value.itemsize for s in value.strides]
    reach = [(n - 1) * s for n, s in zip(value.shape, steps)]
    low = -sum(r for r in reach if r < 0)
    places = np.arange(low + sum(r for r in reach if r > 0) + 1)
    twin = np.lib.stride_tricks.as_strided(
        places[low:], value.shape, [s * wide for s in steps], writeable=False
    )
    known, first = np.unique(twin.ravel(), return_index=True)
    return first[np.searchsorted(known, twin.ravel("K"))]


@implements(np.transpose, storage=True)
def transpose(a: Any, axes: Any = None) -> Any:
    """``np.transpose``."""
    a = as_array(a)
    if axes is None:
        return _reversed(a)
    axes = tuple(operator.index(k) for k in plain(axes))
    if len(axes) != a.ndim:
        raise ValueError("axes don't match array")
    axes = tuple(normalized(k, a.ndim) for k in axes)
    if len(set(axes)) != len(axes):
        raise ValueError("repeated axis in transpose")
    return permute(a, axes=axes)


if np.permute_dims is not np.transpose:
    implements(np.permute_dims, storage=True)(transpose)


@implements(np.matrix_transpose, np.linalg.matrix_transpose, storage=True)
def matrix_transpose(x: Any, /) -> Any:
    """``np.matrix_transpose``."""
    x = as_array(x)
    if x.ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {x.ndim}")
    return swapaxes(x, -1, -2)


@implements(np.moveaxis, storage=True)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """``np.moveaxis``."""
    a = as_array(a)
    from_ = _normalized_tuple(source, a.ndim, "source")
    to = _normalized_tuple(destination, a.ndim, "destination")
    if len(from_) != len(to):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    axes = [k for k in range(a.ndim) if k not in from_]
    for place, axis in sorted(zip(to, from_)):
        axes.insert(place, axis)
    return permute(a, axes=tuple(axes))


@implements(np.swapaxes, storage=True)
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Any:
    """``np.swapaxes``."""
    a = as_array(a)
    i, j = normalized(axis1, a.ndim), normalized(axis2, a.ndim)
    axes = list(range(a.ndim))
    axes[i], axes[j] = j, i
    return permute(a, axes=tuple(axes))


@implements(np.rollaxis, storage=True)
def rollaxis(a: Any, axis: Any, start: int = 0) -> Any:
    """``np.rollaxis``."""
    a = as_array(a)
    axis = normalized(axis, a.ndim)
    if start < 0:
        start += a.ndim
    if not 0 <= start < a.ndim + 1:
        raise np.exceptions.AxisError(f"start arg requires {-a.ndim} <= start < {a.ndim + 1}")
    axes = [k for k in range(a.ndim) if k != axis]
    axes.insert(start - 1 if axis < start else start, axis)
    return permute(a, axes=tuple(axes))


@implements(np.squeeze, storage=True)
def squeeze(a: Any, axis: Any = None) -> Any:
    """``np.squeeze``."""
    a = as_array(a)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        axes = tuple(k for k, n in enumerate(a.shape) if n == 1)
    else:
        axes = _normalized_tuple(axis, a.ndim)
        if any(a.shape[k] != 1 and not is_staged(a.shape[k]) for k in axes):
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return a[(*(0 if k in axes else slice(None) for k in range(a.ndim)), ...)]


@implements(np.expand_dims, storage=True)
def expand_dims(a: Any, axis: Any) -> Any:
    """``np.expand_dims``."""
    a = as_array(a)
    axes = (axis,) if np.ndim(plain(axis)) == 0 else tuple(axis)
    axes = _normalized_tuple(axes, a.ndim + len(axes))
    return a[(*(None if k in axes else slice(None) for k in range(a.ndim + len(axes))), ...)]


def _at_least(ndim: int, placed: Any) -> Any:
    def impl(*arys: Any) -> Any:
        results = []
        for x in arys:
            x = as_array(x)
            results.append(x[placed[x.ndim]] if x.ndim < ndim else x)
        return results[0] if len(results) == 1 else tuple(results)

    return impl


_ALL = slice(None)
implements(np.atleast_1d, storage=True)(_at_least(1, [(None, ...)]))
implements(np.atleast_2d, storage=True)(_at_least(2, [(None, None, ...), (None, ...)]))
implements(np.atleast_3d, storage=True)(
    _at_least(3, [(None, None, None, ...), (None, _ALL, None), (_ALL, _ALL, None)])
)


@implements(np.broadcast_to, storage=True)
def broadcast_to_(array: Any, shape: Any, subok: bool = False) -> Any:
    """``np.broadcast_to``."""
    shape = as_shape(shape)
    return broadcast_to(beside(as_array(array), shape), shape=shape)


@implements(np.broadcast_arrays, storage=True)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """``np.broadcast_arrays``; its results are read-only."""
    arrays = [as_array(x) for x in args]
    shape = broadcast_shapes(*(x.shape for x in arrays))
    return tuple(x if x.shape == shape else broadcast_to(x, shape=shape) for x in arrays)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """``np.meshgrid``."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    n = len(xi)
    places = list(range(n))
    if indexing == "xy" and n > 1:
        places[:2] = 1, 0
    grids = []
    for place, x in zip(places, xi):
        x = as_array(x)
        shape = [1] * n
        shape[place] = x.size
        grids.append(reshape(x, shape=tuple(shape)))
    if not sparse:
        grids = list(broadcast_arrays(*grids))
    return tuple(copy_of(g) for g in grids) if copy else tuple(grids)


# -- directions --------------------------------------------------------------------------------


@implements(np.flip, storage=True)
def flip(m: Any, axis: Any = None) -> Any:
    """``np.flip``."""
    m = as_array(m)
    axes = range(m.ndim) if axis is None else _normalized_tuple(axis, m.ndim)
    return m[(*(slice(None, None, -1) if k in axes else _ALL for k in range(m.ndim)), ...)]


@implements(np.fliplr, storage=True)
def fliplr(m: Any) -> Any:
    """``np.fliplr``."""
    m = as_array(m)
    if m.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return m[:, ::-1]


@implements(np.flipud, storage=True)
def flipud(m: Any) -> Any:
    """``np.flipud``."""
    m = as_array(m)
    if m.ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return m[::-1, ...]


@implements(np.rot90, storage=True)
def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """``np.rot90``."""
    m = as_array(m)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    if axes[0] == axes[1] or abs(axes[0] - axes[1]) == m.ndim:
        raise ValueError("Axes must be different.")
    if any(not -m.ndim <= a < m.ndim for a in axes):
        raise ValueError(f"Axes={tuple(axes)} out of range for array of ndim={m.ndim}.")
    k = plain(k) % 4
    if k == 0:
        return m[...]
    if k == 2:
        return flip(flip(m, axes[0]), axes[1])
    if k == 1:
        return swapaxes(flip(m, axes[1]), *axes)
    return flip(swapaxes(m, *axes), axes[1])


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """``np.roll``."""
    shift = plain(shift)
    a = beside(as_array(a), shift)
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), shape=a.shape)
    axes = (
        _normalized_tuple(axis, a.ndim)
        if np.ndim(axis) == 0
        else tuple(normalized(k, a.ndim) for k in axis)
    )
    shifts = _shifts(shift, len(axes))
    if len(axes) == 1:
        axes *= len(shifts)
    totals: dict[int, Any] = {}
    for s, k in zip(shifts, axes, strict=True):
        totals[k] = totals.get(k, 0) + s
    result = a
    for k, s in totals.items():
        n = a.shape[k]
        if is_staged(n) or is_staged(s):
            s = _within(s, n)
        else:
            s %= max(n, 1)
        if is_staged(s) or s:
            # The last s come first. From the front, where s = 0 is no special case.
            head = (_ALL,) * k
            result = np.concatenate(
                [result[(*head, slice(n - s, None))], result[(*head, slice(None, n - s))]], k
            )
            if result.shape != a.shape:  # only staging does not see that the lengths add up
                result = reshape(result, shape=a.shape)
    return laid_out_like(copy_of(result) if result is a else result, a)


def _shifts(shift: Any, count: int) -> list[Any]:
    listed = isinstance(shift, (list, tuple))
    if not listed and np.ndim(shift) == 0:
        return [as_length(shift)] * count
    if not listed and np.ndim(shift) > 1:
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    shifts = [as_length(s) for s in shift]
    return shifts * count if len(shifts) == 1 else shifts


def _within(s: Any, n: Any) -> Any:
    """Return s modulo n of a shift, in 0, ..., n; a small one of a long axis stays linear in n."""
    if type(s) is int and s in (0, 1):
        return s
    if type(s) is int and s == -1:
        return n - 1
    return s % n


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """``np.resize``: repeats the array until the new shape is full."""
    new_shape = as_shape(new_shape)
    a = ravel(beside(as_array(a), new_shape))
    size = math.prod(new_shape)
    if any(not is_staged(n) and n < 0 for n in new_shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    if is_staged(size) or is_staged(a.size):
        return a[np.remainder(arange(size), a.size).reshape(new_shape)]
    if a.size == 0 or size == 0:
        return np.zeros(new_shape, plain(a).dtype)
    times = -(-size // a.size)
    repeated = np.concatenate((a,) * times) if times > 1 else a
    return reshape(repeated[:size].copy() if times == 1 else repeated[:size], shape=new_shape)
