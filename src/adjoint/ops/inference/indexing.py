"""Reading and storing parts of arrays, with every kind of index that NumPy has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ir.dims import Dim, texts
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import Kind, Type
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.inference.lengths import as_shape, broadcast, slice_length, unequal
from adjoint.ops.inference.structural import (
    broadcast_shape,
    diagonal_shape,
    permuted,
    reshaped,
)

__all__ = ["follow", "indexed"]

_WHOLE = slice(None)


class _Mask:
    """A boolean array as an index: as many axes as it has become one, of the length ``count``."""

    __slots__ = ("count", "shape")

    def __init__(self, shape: tuple[Any, ...], count: int | None) -> None:
        self.shape = shape
        self.count = count


class _Array:
    """An integer array as an index."""

    __slots__ = ("shape",)

    def __init__(self, shape: tuple[Any, ...]) -> None:
        self.shape = shape


def _entry(item: Any) -> Any:
    """Return an entry of an index as None, Ellipsis, a slice, 0 (any integer) or an array."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, Value):
        if item.op is not None and item.op.name == "constant":
            return _entry(item.params["value"])
        if item.dtype.kind == "b":
            return _Mask(item.shape, None)
        return _Array(item.shape) if item.shape else 0
    if isinstance(item, Dim):
        return 0
    if isinstance(item, (tuple, list)) and any(True for _ in values_in(item)):
        return _Array(_nested_shape(item))
    array = np.asarray(item)
    if array.dtype.kind == "b":
        return _Mask(array.shape, int(np.count_nonzero(array)))
    return _Array(array.shape) if array.shape else 0


def _nested_shape(item: Any) -> tuple[int, ...]:
    return (len(item), *_nested_shape(item[0])) if isinstance(item, (tuple, list)) else ()


def _entries(index: Any, ndim: int) -> list[Any]:
    """Return the entries of an index with an ellipsis among them."""
    entries = [_entry(item) for item in (index if isinstance(index, tuple) else (index,))]
    used = 0
    for e in entries:
        if e is not None and e is not Ellipsis:
            used += len(e.shape) if isinstance(e, _Mask) else 1
    if used > ndim:
        raise IndexError(
            f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed"
        )
    ellipses = sum(e is Ellipsis for e in entries)
    if ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if not ellipses:
        entries.append(_WHOLE if used < ndim else None)
        if used == ndim:
            entries.pop()
        else:
            entries[-1:] = [_WHOLE] * (ndim - used)
    return entries


def indexed(call: Call, shape: tuple[Any, ...], index: Any) -> tuple[tuple[Any, ...], bool]:
    """Return the shape of ``x[index]``, and whether it is a NumPy scalar."""
    entries = _entries(index, len(shape))
    given = sum(
        len(e.shape) if isinstance(e, _Mask) else 1
        for e in entries
        if e is not None and e is not Ellipsis
    )
    gathers = any(isinstance(e, (_Mask, _Array)) for e in entries)
    result: list[Any] = []
    arrays: list[tuple[Any, ...]] = []
    spots: list[int] = []  # of the entries that are gathered together
    place = 0  # where their axes go
    axis = 0
    for k, e in enumerate(entries):
        if e is None:
            result.append(1)
        elif e is Ellipsis:
            skipped = len(shape) - given
            result += shape[axis : axis + skipped]
            axis += skipped
        elif isinstance(e, slice):
            result.append(slice_length(call, e, shape[axis]))
            axis += 1
        else:
            if gathers and not spots:
                place = len(result)
            spots.append(k)
            if isinstance(e, _Mask):
                _match_mask(call, shape, axis, e)
                arrays.append((e.count,))
                axis += len(e.shape)
            else:
                arrays.append(e.shape if isinstance(e, _Array) else ())
                axis += 1
    if not gathers:
        return tuple(result), not result and Ellipsis not in entries
    together = spots[-1] - spots[0] == len(spots) - 1
    place = place if together else 0
    shared = broadcast(call, arrays, "shape mismatch: indexing arrays", IndexError)
    return (*result[:place], *shared, *result[place:]), False


def _match_mask(call: Call, shape: tuple[Any, ...], axis: int, mask: _Mask) -> None:
    for k, (n, m) in enumerate(zip(shape[axis:], mask.shape), axis):
        if n is None or m is None or n == m:
            continue
        if unequal(n, m):
            have, want = (t[1:-2] for t in texts((n,), (m,)))
            raise IndexError(
                f"boolean index did not match indexed array along axis {k}; size of axis is {have} "
                f"but size of corresponding boolean axis is {want}"
            )
        call.require_equal(n, m)


@rule("getitem")
def _getitem(call: Call) -> Type:
    return _at_index(call, call.operands[0], call.params["index"])


def _at_index(call: Call, x: Type, index: Any) -> Type:
    shape, scalar = indexed(call, x.shape, index)
    kind: Kind = "scalar" if scalar else "array"
    return Type(x.dtype, shape, kind)


# -- paths -----------------------------------------------------------------------------------------


def _part(call: Call, x: Type, _: Any) -> Type:
    return Type(x.dtype.type(0).real.dtype, x.shape, x.kind)


_STEPS: dict[str, Callable[[Call, Type, Any], Type]] = {
    "index": _at_index,
    "permute": lambda call, x, axes: Type(x.dtype, permuted(x.shape, axes)),
    "reshape": lambda call, x, shape: Type(x.dtype, reshaped(call, x.shape, shape)),
    "real": _part,
    "imag": _part,
    "broadcast_to": lambda call, x, shape: Type(x.dtype, broadcast_shape(call, x.shape, shape)),
    "diagonal": lambda call, x, axes: Type(x.dtype, diagonal_shape(call, x.shape, axes)),
    "read-only diagonal": lambda call, x, axes: Type(x.dtype, diagonal_shape(call, x.shape, axes)),
}


def follow(call: Call, x: Type, path: Any) -> Type:
    """Return the type of the part of ``x`` at ``path``."""
    for kind, argument in path:
        x = _STEPS[kind](call, x, argument)
    return x


@rule("read")
def _read(call: Call) -> Type:
    return follow(call, call.operands[0], call.params["path"])


@rule("update", "index_add")
def _store(call: Call) -> Type:
    x, value = call.operands
    _check_fits(call, value.shape, follow(call, x, call.params["path"]).shape)
    return Type(x.dtype, x.shape)


def _check_fits(call: Call, have: tuple[Any, ...], want: tuple[Any, ...]) -> None:
    """Check that an array of shape ``have`` can be stored in a part of shape ``want``."""
    lead = max(len(have) - len(want), 0)
    fits = all(n is None or not unequal(n, 1) for n in have[:lead])
    for n, m in zip(reversed(have), reversed(want)):
        if n == 1 or n is None or m is None or n == m:
            continue
        if unequal(n, m) and unequal(n, 1):
            fits = False
        else:
            call.require_equal(n, m)
    if not fits:
        have_text, want_text = texts(have, want)
        raise ValueError(
            f"could not broadcast input array from shape {have_text} into shape {want_text}"
        )


@rule("last_writers")
def _last_writers(call: Call) -> Type:
    whole = Type(np.dtype(np.intp), as_shape(call.param("shape")))
    part = follow(call, whole, call.param("path"))
    return Type(np.dtype(np.bool), part.shape)
