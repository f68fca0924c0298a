"""Types of the values of a staged graph.

::

    type   ::=  array  |  stack
    array  ::=  dtype "[" dimension, ... "]"     an ndarray
             |  dtype                            a NumPy scalar
             |  "int" | "float" | ...            a Python number, weak in promotions (NEP 50)
    stack  ::=  "stack<" type ">"                values kept by the iterations of a loop

A dimension is an ``int``, or a `Dim`: a linear expression of integer values of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np

__all__ = ["AnyType", "Kind", "StackType", "Type", "is_ordinary", "of_value", "python_type"]

Kind = Literal["array", "scalar", "python"]

_PYTHON = {"b": "bool", "i": "int", "f": "float", "c": "complex"}


@dataclass(frozen=True, slots=True)
class Type:
    """Of a number or an array.

    Attributes
    ----------
    dtype : numpy.dtype
        In the byte order of this machine.
    shape : tuple of int or Dim
    kind : str
        ``"array"``; ``"scalar"``, a NumPy scalar: immutable, and strong in promotions;
        ``"python"``, a Python number: immutable, and weak.
    """

    dtype: np.dtype
    shape: tuple[Any, ...] = ()
    kind: Kind = "array"

    def __post_init__(self) -> None:
        if not self.dtype.isnative:
            object.__setattr__(self, "dtype", np.dtype(self.dtype.type))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def with_shape(self, shape: tuple[Any, ...]) -> Type:
        """Return the type with another shape."""
        return replace(self, shape=shape)

    def __str__(self) -> str:
        if self.kind == "python":
            return _PYTHON[self.dtype.kind]
        name = self.dtype.name
        return name if self.kind == "scalar" else f"{name}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class StackType:
    """Of the values that the iterations of a loop keep: entry k is what iteration k kept."""

    entry: AnyType

    def __str__(self) -> str:
        return f"stack<{self.entry}>"


AnyType: TypeAlias = Type | StackType

_OF_PYTHON = {
    bool: Type(np.dtype(bool), (), "python"),
    int: Type(np.dtype(np.int64), (), "python"),
    float: Type(np.dtype(np.float64), (), "python"),
    complex: Type(np.dtype(np.complex128), (), "python"),
}


def python_type(kind: type) -> Type:
    """Return the type of Python's bool, int, float or complex numbers."""
    return _OF_PYTHON[kind]


_OWN = ("__array_ufunc__", "__array_function__", "__add__", "__mul__", "__matmul__")


@cache
def is_ordinary(kind: type) -> bool:
    """Tell whether arrays of a class mean what ndarrays do: its operators are those of ndarray."""
    return all(getattr(kind, name) is getattr(np.ndarray, name) for name in _OWN)


def of_value(value: Any) -> Any:
    """Return the type of a number or an ndarray; None for anything else."""
    found = _OF_PYTHON.get(type(value))
    if found is not None:
        return found
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return Type(value.dtype, (), "scalar")
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc" and is_ordinary(type(value)):
        return Type(value.dtype, value.shape, "array")
    return None
