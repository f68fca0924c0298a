"""When types agree: where a value may stand for another, and where it cannot.

A dimension is compared as an expression of the graph's values; ``None`` is one that is read at run
time. What stands for a parameter of a block is substituted in the types of the others, so that
``float64[%n]`` beside a parameter ``%n`` takes a ``float64[3]`` if ``%n`` takes 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import StackType, Type

__all__ = [
    "accepts", "contradicts", "expression", "integer_constant", "is_integer", "is_python_int",
    "same_type",
]  # fmt: skip

Substitution: TypeAlias = Callable[[Value], Value | None]
"""Value -> what stands for it; None where that is unknown."""


def itself(value: Value) -> Value:
    """Substitute nothing."""
    return value


def is_integer(type: Any) -> bool:
    """Tell whether values of a type are integer numbers: Python's or NumPy's scalars."""
    return isinstance(type, Type) and type.kind != "array" and type.dtype.kind in "iu"


def is_python_int(type: Any) -> bool:
    """Tell whether values of a type are Python's ``int``."""
    return isinstance(type, Type) and type.kind == "python" and type.dtype.kind == "i"


def expression(n: Any, of: Substitution = itself) -> Any:
    """Return a dimension to compare: an int, a constant and terms, or None for an unknown one."""
    if not isinstance(n, Dim):
        return n
    constant, terms = n.constant, {}
    for v, c in n.terms:
        value = of(v)
        if value is None:
            return None
        number = integer_constant(value)
        if number is None:
            terms[value] = terms.get(value, 0) + c
        else:
            constant += c * number
    left = frozenset((v, c) for v, c in terms.items() if c)
    return (constant, left) if left else constant


def integer_constant(value: Value) -> int | None:
    """Return the integer that a value is in every run; None if there is none."""
    if value.op is None or value.op.name != "constant":
        return None
    number = value.params.get("value")
    return int(number) if isinstance(number, (int, np.integer)) else None


def same_type(x: Any, y: Any) -> bool:
    """Tell whether two types are the same."""
    return x is y or _agree(x, y, lambda n, m: _same(expression(n), expression(m)))


def _same(n: Any, m: Any) -> bool:
    return isinstance(n, tuple) == isinstance(m, tuple) and n == m


def accepts(
    wanted: Any, given: Any, of_wanted: Substitution = itself, of_given: Substitution = itself
) -> bool:
    """Tell whether a value of type ``given`` may stand where one of type ``wanted`` is expected.

    Different expressions of lengths may: what staging cannot prove equal is checked at run time
    (``require_equal``).
    """

    def dims_agree(n: Any, m: Any) -> bool:
        want, have = expression(n, of_wanted), expression(m, of_given)
        return want is None or _same(want, have) or (have is not None and _may_be(want, have))

    return _agree(wanted, given, dims_agree)


def contradicts(x: Any, y: Any) -> bool:
    """Tell whether no value can have both types, whatever the unknown lengths are."""
    return not _agree(x, y, _may_be_equal)


def _may_be_equal(n: Any, m: Any) -> bool:
    return _may_be(expression(n), expression(m))


def _may_be(n: Any, m: Any) -> bool:
    if isinstance(n, tuple) and isinstance(m, tuple):
        return n[1] != m[1] or n[0] == m[0]
    return _same(n, m) or not (isinstance(n, int) and isinstance(m, int))


def _agree(x: Any, y: Any, dims_agree: Callable[[Any, Any], bool]) -> bool:
    if isinstance(x, StackType) and isinstance(y, StackType):
        return _agree(x.entry, y.entry, dims_agree)
    if not (isinstance(x, Type) and isinstance(y, Type)):
        return False
    if x.dtype != y.dtype or x.kind != y.kind or len(x.shape) != len(y.shape):
        return False
    return all(map(dims_agree, x.shape, y.shape))
