"""Reading and storing parts of arrays.

A *path* says which part: a tuple of steps ``(kind, argument)``, each of which NumPy answers with a
view, save an advanced index, which may only come last. Composed paths let an element of a view of a
view be read from, stored to and accumulated into the array that owns the memory.

Whether ``reshape`` views or copies depends on layout, and a cotangent's layout need not be that of
the value it belongs to; and no element of a broadcast array can be stored to. Where a step of a
path cannot be written through, the part is made apart and brought home by the step's transpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ops.registry import Traced, primitive
from adjoint.ops.structural import broadcast_to, diagonal, unbroadcast

__all__ = [
    "READ_ONLY",
    "Path",
    "add_at",
    "follow",
    "getitem",
    "index_add",
    "is_basic",
    "last_writers",
    "names_each_once",
    "overwrite",
    "reach",
    "read",
    "update",
    "which_stay",
]

Path = tuple[tuple[str, Any], ...]

STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "index": lambda x, index: x[index],
    "permute": lambda x, axes: x.transpose(axes),
    "reshape": lambda x, shape: x.reshape(shape),
    "real": lambda x, _: x.real,
    "imag": lambda x, _: x.imag,
    "broadcast_to": lambda x, shape: broadcast_to(x, shape=shape),
    "diagonal": lambda x, offset_axes: diagonal(x, offset_axes=offset_axes, writeable=True),
    "read-only diagonal": lambda x, offset_axes: diagonal(
        x, offset_axes=offset_axes, writeable=True
    ),
}

READ_ONLY = frozenset({"broadcast_to", "read-only diagonal"})
"""The steps through which NumPy lets nobody write."""

_BASIC = frozenset({int, slice, type(None), type(Ellipsis), np.int64, np.intp})


def is_basic(index: Any) -> bool:
    """Tell whether NumPy answers ``x[index]`` with a view or a scalar, not a gathered copy."""
    if type(index) in _BASIC:
        return True
    if type(index) is tuple:
        return all(type(i) in _BASIC or _is_plain_integer(i) for i in index)
    return _is_plain_integer(index)


def _is_plain_integer(index: Any) -> bool:
    # A staged array of integers is no integer, but a staged integer is.
    return (
        isinstance(index, (int, np.integer))
        and not isinstance(index, (bool, np.bool))
        and np.ndim(index) == 0
    )


def follow(x: Any, path: Path) -> Any:
    """Return the part of ``x`` at ``path``."""
    for kind, argument in path:
        x = STEPS[kind](x, argument)
    return x


def reach(x: Any, path: Path) -> tuple[Any, Path]:
    """Follow ``path`` as far as what is reached can be written through, or to its last index."""
    for k, (kind, argument) in enumerate(path):
        if kind == "index" and k == len(path) - 1:
            return x, path[k:]
        if kind == "broadcast_to" or (kind == "reshape" and isinstance(x, Traced)):
            return x, path[k:]
        part = STEPS[kind](x, argument)
        if kind == "reshape" and part.size and not np.may_share_memory(part, x):
            return x, path[k:]
        x = part
    return x, ()


def overwrite(x: Any, path: Path, value: Any) -> None:
    """Store ``value`` in the part of ``x`` at ``path``, in place."""
    if len(path) == 1 and path[0][0] == "index":
        x[path[0][1]] = value
        return
    if isinstance(x, Traced) and hasattr(x, "_overwrite"):
        x._overwrite(path, value)  # type: ignore[attr-defined]
        return
    part, rest = reach(x, path)
    if not rest:
        part[...] = value
    elif len(rest) == 1 and rest[0][0] == "index":
        part[rest[0][1]] = value
    else:
        apart = follow(part, rest[:1]).copy()
        overwrite(apart, rest[1:], value)
        part[...] = apart.reshape(part.shape)


def add_at(x: Any, path: Path, value: Any) -> None:
    """Add ``value`` to the part of the ndarray ``x`` at ``path``, in place.

    An element that an advanced index names several times receives every addend.
    """
    if len(path) == 1 and type(path[0][1]) in _BASIC and path[0][0] == "index":
        index = path[0][1]
        part = x[index]
        if type(part) is np.ndarray:
            part += value
        else:
            x[index] = part + value
        return
    part, rest = reach(x, path)
    if not rest:
        part += value
    elif len(rest) == 1 and rest[0][0] == "index":
        index = rest[0][1]
        if is_basic(index) or _names_each_once(index):
            part[index] += value
        else:
            np.add.at(part, index, value)
    else:
        kind, shape = rest[0]
        if kind == "reshape":
            shape = follow(part, rest[:1]).shape
        apart = np.zeros(shape, part.dtype)
        add_at(apart, rest[1:], value)
        part += apart.reshape(part.shape) if kind == "reshape" else unbroadcast(apart, part.shape)


def _names_each_once(index: Any) -> bool:
    if type(index) is np.ndarray:
        return index.dtype == np.bool
    return type(index) is tuple and all(
        type(i) in _BASIC or (type(i) is np.ndarray and i.dtype == np.bool) for i in index
    )


def _last_writers(*, shape: tuple[int, ...], path: Path) -> Any:
    who = np.empty(shape, np.intp)
    part = follow(who, path)
    mine = np.arange(part.size).reshape(part.shape)
    overwrite(who, path, mine)
    return follow(who, path) == mine


def names_each_once(path: Path) -> bool:
    """Tell whether a path leads to no element twice, as index arrays may."""
    kind, index = path[-1] if path else ("", None)
    return kind != "index" or is_basic(index) or _names_each_once(index)


def traced_in(data: Any) -> Traced | None:
    """Return a traced value in an index, or None."""
    if isinstance(data, Traced):
        return data
    if isinstance(data, (tuple, list)):
        return next((t for t in map(traced_in, data) if t is not None), None)
    if isinstance(data, slice):
        return traced_in((data.start, data.stop, data.step))
    return None


def which_stay(shape: tuple[int, ...], path: Path) -> Any:
    """Tell which entries of a stored value are still there after ``x[path] = value``.

    An index array may name an element twice; the last entry stays, and it alone gets a cotangent.
    """
    params = {"shape": shape, "path": path}
    traced = traced_in((path, shape))
    return last_writers(**params) if traced is None else traced._record(last_writers, (), params)


def _update(x: np.ndarray, value: Any, *, path: Path) -> np.ndarray:
    result = np.array(x)
    overwrite(result, path, value)
    return result


def _index_add(x: np.ndarray, value: Any, *, path: Path) -> np.ndarray:
    result = np.array(x)
    add_at(result, path, value)
    return result


getitem = primitive("getitem", lambda x, *, index: x[index], "x", views=True)
read = primitive("read", lambda x, *, path: follow(x, path), "x", views=True)
update = primitive("update", _update, "x", "value")
index_add = primitive("index_add", _index_add, "x", "value")
last_writers = primitive("last_writers", _last_writers)
"""A boolean for each entry of the part of an array of ``shape`` at ``path``; see `which_stay`."""
