"""Reading and storing parts of arrays.

A *path* says which part: a tuple of steps ``(kind, argument)``, each of which NumPy answers with a
view, save an advanced index, which may only come last. Composed paths let an element of a view of a
view be read from, stored to and accumulated into the array that owns the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ops.registry import primitive

__all__ = [
    "Path",
    "add_at",
    "follow",
    "getitem",
    "index_add",
    "is_basic",
    "overwrite",
    "read",
    "update",
]

Path = tuple[tuple[str, Any], ...]

STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "index": lambda x, index: x[index],
    "permute": lambda x, axes: x.transpose(axes),
    "reshape": lambda x, shape: x.reshape(shape),
    "real": lambda x, _: x.real,
    "imag": lambda x, _: x.imag,
}

_BASIC = frozenset({int, slice, type(None), type(Ellipsis), np.int64, np.intp})


def is_basic(index: Any) -> bool:
    """Tell whether NumPy answers ``x[index]`` with a view or a scalar, not a gathered copy."""
    if type(index) in _BASIC:
        return True
    if type(index) is tuple:
        return all(type(i) in _BASIC or _is_plain_integer(i) for i in index)
    return _is_plain_integer(index)


def _is_plain_integer(index: Any) -> bool:
    return isinstance(index, (int, np.integer)) and not isinstance(index, (bool, np.bool))


def follow(x: Any, path: Path) -> Any:
    """Return the part of ``x`` at ``path``."""
    for kind, argument in path:
        x = STEPS[kind](x, argument)
    return x


def overwrite(x: Any, path: Path, value: Any) -> None:
    """Store ``value`` in the part of ``x`` at ``path``, in place."""
    if path and path[-1][0] == "index":
        follow(x, path[:-1])[path[-1][1]] = value
    else:
        follow(x, path)[...] = value


def add_at(x: Any, path: Path, value: Any) -> None:
    """Add ``value`` to the part of the ndarray ``x`` at ``path``, in place.

    An element that an advanced index names several times receives every addend.
    """
    if path and path[-1][0] == "index":
        index = path[-1][1]
        target = follow(x, path[:-1])
        if is_basic(index) or _names_each_once(index):
            target[index] += value
        else:
            np.add.at(target, index, value)
    else:
        part = follow(x, path)
        part += value


def _names_each_once(index: Any) -> bool:
    if type(index) is np.ndarray:
        return index.dtype == np.bool
    return type(index) is tuple and all(
        type(i) in _BASIC or (type(i) is np.ndarray and i.dtype == np.bool) for i in index
    )


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
