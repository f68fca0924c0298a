"""Common subexpressions: what has been computed already, in this block or one around it.

Two operations are the same if they are the same operation of the same operands and parameters, with
results of the same dtype and kind (Python's operators on Python numbers are recorded under the name
of NumPy's). Constants are the same if they are the same to the last bit.

Operations that make room are left apart: whoever stores into one of two equal arrays of zeros would
have to copy it first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import StackType, Type
from adjoint.ops import control, creation, structural
from adjoint.ops import elementwise as ew
from adjoint.ops.registry import OPS
from adjoint.transforms.simplify.effects import STAYS
from adjoint.transforms.simplify.rewriting import Rewriter, Rules

__all__ = ["APART", "COMMON", "Incomparable", "constant_key", "frozen", "key_of"]

MAKES_ROOM = frozenset({control.empty_stack, control.undefined, creation.full, structural.copy})

APART = (STAYS - {control.require_equal}) | MAKES_ROOM | control.CONTROL
"""Operations that are never merged. Two requirements of the same may be."""

_COMMUTATIVE = frozenset({ew.add, ew.multiply})

_LARGE = 64
"""Bytes up to which constant arrays are compared by their contents."""


class Incomparable(Exception):
    """Raised for a parameter that cannot be compared."""


def key_of(node: Value) -> Any:
    """Return what two operations have in common if they are the same; None if none is."""
    op, inputs, of, params = node.op, node.inputs, node.type, node.params
    if op is structural.project_result:
        return (op, inputs, params["k"])
    if op is control.constant:
        return constant_key(node)
    if op in APART or OPS.get(op.name) is not op:
        return None
    kind: Any = None
    if type(of) is Type:
        kind = (of.dtype, of.kind)
        if op in _COMMUTATIVE and inputs[0].type == inputs[1].type:
            inputs = frozenset(inputs)
    if not params:
        return (op, inputs, kind)
    try:
        return (op, inputs, kind, *[(key, frozen(x)) for key, x in params.items()])
    except Incomparable:
        return None


def constant_key(node: Value) -> Any:
    """Return a number with its type, to the last bit."""
    x = node.params["value"]
    kind = type(x)
    if kind is int or kind is bool:
        return (kind, x)
    if kind is np.ndarray:
        if x.nbytes > _LARGE:
            return ("array", id(x))
        return ("array", x.dtype, x.shape, x.strides, x.tobytes())
    if isinstance(x, np.generic):
        return (x.dtype, x.tobytes())
    return (kind, repr(x))


def frozen(x: Any) -> Any:
    """Return a parameter as something to compare; 1, 1.0 and True differ, as do 0.0 and -0.0."""
    kind = type(x)
    if kind in _AS_THEY_ARE or x is None:
        return x
    if kind is tuple or kind is list:
        return (kind, *[y if type(y) in _AS_THEY_ARE else frozen(y) for y in x])
    if kind is slice:
        return (slice, frozen(x.start), frozen(x.stop), frozen(x.step))
    if kind is dict:
        return (kind, *[(key, frozen(y)) for key, y in x.items()])
    if kind is bool:
        return (bool, x)
    if kind is float or kind is complex:
        return (kind, repr(x))
    if isinstance(x, np.generic):
        return (x.dtype, x.tobytes())
    if isinstance(x, (Dim, np.dtype)) or x is Ellipsis or callable(x):
        return x
    if isinstance(x, tuple):
        return (kind, *map(frozen, x))
    raise Incomparable


_AS_THEY_ARE = frozenset({Value, str, int, Dim, Type, StackType})


def _merge(node: Value, walk: Rewriter) -> Value | None:
    key = key_of(node)
    if key is None:
        return None
    found = walk.known.get(key)
    if found is None:
        walk.remember(key, node)
    return found


COMMON = Rules("common", every=(_merge,))
