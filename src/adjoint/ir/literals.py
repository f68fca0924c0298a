"""Numbers, arrays and Python objects as they stand in the text of a graph, and back.

What has no literal (a large array, a user's function) stands there as a *handle*, ``<... #0>``,
and is found again in a table of constants.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np

__all__ = [
    "ARRAY_LIMIT", "array_from", "array_literal", "dtype_from", "dtype_literal", "number_literal",
    "object_from", "object_name", "scalar_from", "scalar_type_name",
]  # fmt: skip

ARRAY_LIMIT = 32
"""Arrays of more elements than this are abbreviated."""

_MODULES = frozenset({"builtins", "cmath", "math", "numpy", "operator", "scipy"})
_BARE = frozenset({bool, int, float, complex})
_DTYPE_NAME = re.compile(r"[a-z]+\d*")


# -- numbers ---------------------------------------------------------------------------------------


def number_literal(x: Any) -> str | None:
    """Return a Python number or NumPy scalar as text; None for anything that has no such text."""
    if type(x) in _BARE:
        return repr(x)
    if isinstance(x, np.generic) and _has_digits(x.dtype):
        return f"{scalar_type_name(x.dtype)}({x!s})"
    return None


def _has_digits(dtype: np.dtype) -> bool:
    # Extended precision has no portable text.
    limit = {"f": 8, "c": 16}.get(dtype.kind, 8)
    return dtype.kind in "biufc" and dtype.itemsize <= limit


def scalar_type_name(dtype: np.dtype) -> str:
    """Return the name of NumPy's scalars of a dtype: not that of Python's numbers."""
    return "bool_" if dtype.kind == "b" else dtype.name


def scalar_from(name: str, value: Any) -> Any:
    """Return the NumPy scalar ``name(value)``."""
    return dtype_from(name).type(value)


# -- arrays ----------------------------------------------------------------------------------------


def array_literal(x: Any) -> str | None:
    """Return the contents of a small array in C order as nested lists; None for any other."""
    if type(x) is not np.ndarray or x.size > ARRAY_LIMIT or not _has_digits(x.dtype):
        return None
    if not x.flags.c_contiguous:
        return None
    if x.ndim == 0:
        return str(x[()])
    return _nested(x)


def _nested(x: np.ndarray) -> str:
    items = [_nested(row) for row in x] if x.ndim > 1 else [str(item) for item in x]
    return f"[{', '.join(items)}]"


def array_from(data: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array whose contents `array_literal` wrote."""
    return np.array(data, dtype).reshape(shape)


# -- dtypes, classes, functions --------------------------------------------------------------------


def dtype_literal(dtype: np.dtype) -> str | None:
    """Return ``float64``, ``dtype('>f8')``, ...; None for what no string stands for."""
    if dtype.kind in "biufc" and dtype.isnative and _DTYPE_NAME.fullmatch(dtype.name):
        return dtype.name
    try:
        return f"dtype({dtype.str!r})" if np.dtype(dtype.str) == dtype else None
    except TypeError:
        return None


def dtype_from(name: str) -> np.dtype:
    """Return the dtype of that name, of its scalars too.

    Raises
    ------
    TypeError
        If there is none.
    """
    return np.dtype(bool if name == "bool_" else name)


def object_name(x: Any) -> str | None:
    """Return the dotted name under which a library's function or class is found; None without."""
    name = getattr(x, "__qualname__", None) or getattr(x, "__name__", None)
    if not isinstance(name, str):
        return None
    modules = ("numpy", "scipy.special") if isinstance(x, np.ufunc) else ()
    for module in (*modules, getattr(x, "__module__", None)):
        if not isinstance(module, str) or module.partition(".")[0] not in _MODULES:
            continue
        try:
            if object_from(f"{module}.{name}") is x:
                return f"{module}.{name}"
        except LookupError:
            continue
    return None


def object_from(name: str) -> Any:
    """Return what a dotted name of `object_name` stands for.

    Raises
    ------
    LookupError
        If it names nothing, or not in a library whose names may stand in a graph.
    """
    root, *rest = name.split(".")
    if root not in _MODULES:
        raise LookupError(f"{name!r} is in none of {', '.join(sorted(_MODULES))}")
    found: Any = importlib.import_module(root)
    path = root
    for part in rest:
        path += "." + part
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module(path)
            except ImportError:
                raise LookupError(f"there is no {name!r}") from None
    return found
