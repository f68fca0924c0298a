"""Truth values of staged numbers, and choices by them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from adjoint.errors import TracingError
from adjoint.ir.build import building, innermost, users_place
from adjoint.ir.dims import Dim
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.plain import ufunc_op
from adjoint.staged.integers import Integer, compare
from adjoint.staged.values import Staged, current, emit, value_of, wrap
from adjoint.staging.state import Pending, convert, join, type_of_leaf

__all__ = ["and_values", "is_abstract", "not_value", "or_values", "select", "truth"]

_AND = ufunc_op(np.logical_and)
_OR = ufunc_op(np.logical_or)
_NOT = ufunc_op(np.logical_not)


def is_abstract(x: Any) -> bool:
    """Tell whether the truth value of ``x`` is known at run time only."""
    if isinstance(x, Integer):
        return not isinstance(compare("!=", x, 0), bool)
    if isinstance(x, Pending):
        raise TracingError("a name that may be unbound was used as a condition")
    return isinstance(x, Staged)


def truth(x: Any) -> Any:
    """Return the truth value of a staged value, as a staged bool."""
    if isinstance(x, Dim):
        return compare("!=", x, 0)
    type = current(x).type
    if not isinstance(type, Type):
        raise TracingError("what a loop keeps has no truth value")
    if type.shape:
        if any(n != 1 for n in type.shape):
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() "
                f"or a.all() (an array of shape {x.shape} was used as a condition)"
            )
        x = x[(0,) * len(type.shape)]
    elif type.kind == "array":
        x = x[()]
    if type.dtype.kind != "b":
        x = compare("!=", x, 0)
    return x


def and_values(a: Any, b: Any) -> Any:
    """Return ``a and b`` of bools, plain or staged."""
    if isinstance(a, bool) and not isinstance(a, Staged):
        return b if a else False
    if isinstance(b, bool) and not isinstance(b, Staged):
        return a if b else False
    return emit(_AND, (a, b), None, operator.and_)


def or_values(a: Any, b: Any) -> Any:
    """Return ``a or b`` of bools, plain or staged."""
    if isinstance(a, bool) and not isinstance(a, Staged):
        return True if a else b
    if isinstance(b, bool) and not isinstance(b, Staged):
        return True if b else a
    return emit(_OR, (a, b), None, operator.or_)


def not_value(a: Any) -> Any:
    """Return ``not a`` of a bool, plain or staged."""
    if isinstance(a, bool) and not isinstance(a, Staged):
        return not a
    return emit(_NOT, (a,), None, operator.not_)


def select(predicate: Any, a: Any, b: Any) -> Any:
    """Return ``a if predicate else b`` of numeric leaves that are there already."""
    if isinstance(predicate, bool) and not isinstance(predicate, Staged):
        return a if predicate else b
    type = join(type_of_leaf(a), type_of_leaf(b))
    if type is None:
        raise TracingError(f"no type holds both {a!r} and {b!r}")
    blocks = []
    for value in (a, b):
        with building(innermost()) as builder:
            builder.block.results = [convert(value, type)]
        blocks.append(builder.block)
    inputs = (value_of(predicate),)
    op = innermost().emit(control.cond, inputs, {}, (type,), tuple(blocks), users_place())
    return wrap(op)[0]
