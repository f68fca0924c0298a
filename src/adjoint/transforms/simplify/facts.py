"""What is known of values without running anything: numbers, what fills an array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control, creation, structural
from adjoint.transforms.simplify.rewriting import Rewriter

__all__ = [
    "fill_of", "is_finite", "is_number", "is_one", "is_zero", "known_shape", "number_of",
    "of_length",
]  # fmt: skip

_SMALL = 64
"""Elements up to which a constant array is looked through."""


def number_of(value: Value) -> Any:
    """Return the number that a value is; None if it is not known, or an array."""
    if value.op is control.constant:
        x = value.params["value"]
        if type(x) is not np.ndarray:
            return x
    return None


def is_number(of: Any) -> bool:
    """Tell whether values of a type are numbers."""
    return type(of) is Type and of.kind != "array"


def fill_of(value: Value) -> Any:
    """Return the number that all elements of a value are; None if it is not known."""
    op = value.op
    if op is control.constant:
        x = value.params["value"]
        if type(x) is not np.ndarray:
            return x
        return _fill_of_array(x)
    if op is creation.full:
        x = value.params["value"]
        x = number_of(x) if type(x) is Value else x
        return None if x is None or isinstance(x, Dim) else value.dtype.type(x)
    if op is structural.broadcast_to:
        return fill_of(value.inputs[0])
    return None


def _fill_of_array(x: np.ndarray) -> Any:
    if not 0 < x.size <= _SMALL:
        return None
    first = x.flat[0]
    return first if x.size == 1 or x.tobytes() == first.tobytes() * x.size else None


def is_one(value: Value) -> bool:
    """Tell whether a value is 1 everywhere."""
    x = fill_of(value)
    return x is not None and x == 1


def is_zero(value: Value) -> bool:
    """Tell whether a value is a *structural* zero: an array of zeros, a NumPy zero.

    Those are what derivatives are made with where nothing contributes. A Python number 0.0 is not.
    """
    op = value.op
    if op is structural.broadcast_to:
        return is_zero(value.inputs[0])
    if op is not control.constant and op is not creation.full:
        return False
    of = value.type
    if type(of) is Type and of.kind == "python":
        return False
    x = fill_of(value)
    return x is not None and x == 0


def is_finite(value: Value) -> bool:
    """Tell whether no element of a value can be infinite or NaN."""
    if isinstance(value.type, Type) and value.dtype.kind in "iub":
        return True
    op = value.op
    if op in (structural.cast, structural.broadcast_to, structural.reshape, structural.permute):
        return is_finite(value.inputs[0])
    x = fill_of(value)
    return x is not None and (np.isfinite(x) if isinstance(x, np.generic) else _finite(x))


def _finite(x: Any) -> bool:
    return math.isfinite(x.real) and math.isfinite(x.imag)


def known_shape(of: Any) -> bool:
    """Tell whether a type is of a number or of an array all of whose lengths are known."""
    return type(of) is Type and None not in of.shape


def of_length(n: Any, node: Value, walk: Rewriter) -> Value | None:
    """Return a dimension as a value, if no arithmetic is needed for it."""
    if type(n) is int:
        return walk.number(n, node)
    if isinstance(n, Dim) and not n.constant and len(n.terms) == 1 and n.terms[0][1] == 1:
        return n.terms[0][0]
    return None
