"""Small questions about values, asked of every operation: they are written to be fast."""

from __future__ import annotations

from typing import Any

from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import StackType, Type

__all__ = ["lengths_of", "mentioned", "mentions", "set_type"]

# `type(x)`, not `x.__class__`: a staged integer says that it is an int.
_PLAIN = frozenset({int, str, bool, float, type(None)})


def set_type(node: Value, new: Any) -> None:
    """Give a value another type."""
    like = Value(None, (), None, new)
    node.type, node.shape, node.dtype = new, like.shape, like.dtype


def lengths_of(of: Any) -> list[Value] | None:
    """Return the values in the dimensions of a type; None if there are none."""
    found: list[Value] | None = None
    if type(of) is Type:
        for n in of.shape:
            if type(n) is not int and isinstance(n, Dim):
                terms = [v for v, _ in n.terms]
                found = terms if found is None else found + terms
        return found
    for part in (of.entry,) if type(of) is StackType else of:
        more = lengths_of(part)
        if more:
            found = more if found is None else found + more
    return found


def mentioned(data: Any) -> list[Value]:
    """Return the values that stand in a parameter (see `values_in`)."""
    found: list[Value] = []
    _collect(data, found)
    return found


def _collect(data: Any, found: list[Value]) -> None:
    kind = type(data)
    if kind is Value:
        found.append(data)
    elif kind is tuple or kind is list:
        for item in data:
            if type(item) not in _PLAIN:
                _collect(item, found)
    elif kind is dict:
        for item in data.values():
            if type(item) not in _PLAIN:
                _collect(item, found)
    elif kind is slice:
        _collect((data.start, data.stop, data.step), found)
    elif kind is Type or kind is StackType:
        found += lengths_of(data) or ()
    elif isinstance(data, Dim):
        found += [v for v, _ in data.terms]
    elif isinstance(data, tuple):
        _collect(tuple(data), found)


def mentions(data: Any, table: dict[Value, Any]) -> bool:
    """Tell whether a value in ``table`` stands in a parameter."""
    kind = type(data)
    if kind is Value:
        return data in table
    if kind is dict:
        data = data.values()
    elif kind is slice:
        data = (data.start, data.stop, data.step)
    elif isinstance(data, Dim):
        return any([v in table for v, _ in data.terms])
    elif not isinstance(data, (tuple, list)):
        if kind is Type or kind is StackType:
            return any([v in table for v in lengths_of(data) or ()])
        return False
    return any([type(item) not in _PLAIN and mentions(item, table) for item in data])
