"""The Python values that loops carry and branches return: their types, joined and converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.errors import TracingError
from adjoint.ir.build import Builder, innermost
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import AnyType, Type, of_value
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.structural import broadcast_to, cast
from adjoint.staged.failures import CannotStage
from adjoint.staged.scopes import Location
from adjoint.staged.sharing import spoilt
from adjoint.staged.values import Staged, current, emit, value_of, wrap

__all__ = [
    "UNBOUND",
    "CannotStage",
    "IfBound",
    "Pending",
    "Plan",
    "convert",
    "is_numeric",
    "join",
    "parts",
    "type_of_leaf",
    "whole",
]


class _Unbound:
    def __repr__(self) -> str:
        return "an unbound name"


UNBOUND = _Unbound()
"""The state of a local name that is not bound."""


class Pending:
    """What a name holds that is bound on some paths only, or by a loop that may not have run.

    Attributes
    ----------
    value : object
        The value where it is bound.
    bound : staged bool
        Whether it is.
    """

    __slots__ = ("bound", "value")

    def __init__(self, value: Any, bound: Any) -> None:
        self.value = value
        self.bound = bound

    def __getattr__(self, name: str) -> Any:
        raise TracingError(
            "a name that may be unbound (it is bound in one branch only, or in a loop that may not "
            "run) was used where staging cannot check that it is bound; bind it before"
        )


class IfBound(Location):
    """A place that is assigned to on some paths only; assigned to it is ``(bound, value)``."""

    __slots__ = ("place",)

    def __init__(self, place: Location) -> None:
        self.place = place
        self.key = place.key

    def get(self) -> Any:
        return self.place.get()

    def set(self, value: Any) -> None:
        if isinstance(value, tuple):
            bound, value = value
            if isinstance(bound, Staged):
                value = Pending(value, bound)
            elif not bound:
                return
        self.place.set(value)

    def describe(self) -> str:
        return self.place.describe()


def parts(value: Any) -> tuple[list[Any], tree.Structure, bool]:
    """Return leaves and structure of what a place holds, and whether it is a `Pending`.

    Whether it is bound is the last leaf of one.
    """
    if isinstance(value, Pending):
        leaves, spec = tree.flatten(value.value)
        return [*leaves, value.bound], spec, True
    leaves, spec = tree.flatten(value)
    return leaves, spec, False


def whole(leaves: list[Any], spec: tree.Structure, pending: bool) -> Any:
    """Return what a place holds, given its `parts`."""
    if not pending:
        return tree.unflatten(spec, leaves)
    return Pending(tree.unflatten(spec, leaves[:-1]), leaves[-1])


def is_numeric(x: Any) -> bool:
    """Tell whether a leaf is a number or an array, staged or not."""
    return isinstance(x, (Staged, Dim)) or of_value(x) is not None


def type_of_leaf(x: Any) -> AnyType:
    """Return the type of a numeric leaf in the graph."""
    if isinstance(x, Staged):
        return x._value.type if spoilt(x) is not None else current(x).type
    if isinstance(x, Dim):
        return of_value(0)
    return of_value(x)


def join(a: AnyType, b: AnyType) -> AnyType | None:
    """Return the type that holds values of both, by NumPy's rules; None if there is none.

    Python numbers are weak: ``0`` and a float32 join to float32.
    """
    if a == b:
        return a
    if not isinstance(a, Type) or not isinstance(b, Type):
        return None
    shape = _join_shapes(a, b)
    if shape is None:
        return None
    if a.kind == b.kind == "python":
        kinds = "bifc"
        wider = a if kinds.index(a.dtype.kind) >= kinds.index(b.dtype.kind) else b
        return wider
    dtype = np.result_type(_dummy(a), _dummy(b))
    kind = "array" if "array" in (a.kind, b.kind) else "scalar"
    return Type(dtype, shape, kind)


def _dummy(t: Type) -> Any:
    if t.kind == "python":
        return t.dtype.type(0).item()
    return t.dtype


def _join_shapes(a: Type, b: Type) -> tuple[Any, ...] | None:
    if a.shape == b.shape:
        return a.shape
    if not a.shape or not b.shape:
        return a.shape or b.shape
    if len(a.shape) != len(b.shape):
        return None
    return tuple(n if n == m else None for n, m in zip(a.shape, b.shape, strict=True))


def convert(x: Any, to: AnyType) -> Value:
    """Return a numeric leaf as a graph value of type ``to``, which its own type joins to."""
    have = type_of_leaf(x)
    if have == to or not isinstance(to, Type) or not isinstance(have, Type):
        return value_of(x)
    if have.dtype != to.dtype or (have.kind != to.kind and to.kind == "scalar"):
        x = emit(cast, (x,), {"dtype": to.dtype})
    now: Any = type_of_leaf(x)
    if to.kind == "python" and now.kind != "python":
        x = emit(ew.python_number, (x,))
    if to.kind == "array" and (not have.shape and (to.shape or have.kind != "array")):
        if None in to.shape:
            raise CannotStage("a number becomes an array whose shape changes")
        x = emit(broadcast_to, (x,), {"shape": to.shape})
        x = x.copy() if to.shape else x
    return value_of(x)


@dataclass
class Plan:
    """What is carried of a Python value: a type a leaf, None for a leaf that stays as it is.

    Of one that is ``pending``, the last leaf is whether it is bound.
    """

    spec: tree.Structure
    leaves: list[Any]
    types: list[AnyType | None]
    pending: bool = False

    @classmethod
    def of(cls, value: Any) -> Plan:
        """Return the plan that carries nothing."""
        leaves, spec, pending = parts(value)
        return cls(spec, leaves, [None] * len(leaves), pending)

    def made_pending(self) -> Plan:
        """Return the plan of a value that was bound, and may become unbound."""
        return Plan(self.spec, [*self.leaves, True], [*self.types, of_value(True)], True)

    def bind(self, builder: Builder, params: list[Value]) -> Any:
        """Return the value with new parameters of ``builder``'s block for what is carried."""
        leaves = []
        for leaf, type in zip(self.leaves, self.types, strict=True):
            if type is None:
                leaves.append(leaf)
            else:
                param = builder.parameter(type)
                params.append(param)
                leaves.append(wrap(param, _contiguous(leaf)))
        return whole(leaves, self.spec, self.pending)

    def rebuild(self, values: list[Any]) -> Any:
        """Return the value with the given ones for what is carried (taken from the front)."""
        leaves = []
        for leaf, type in zip(self.leaves, self.types, strict=True):
            leaves.append(leaf if type is None else values.pop(0))
        return whole(leaves, self.spec, self.pending)

    @property
    def carried(self) -> list[AnyType]:
        return [t for t in self.types if t is not None]


def _contiguous(leaf: Any) -> bool:
    return not isinstance(leaf, Staged) or leaf._contiguous


def emit_undefined(type: AnyType) -> Value:
    """Return a value of a type that nobody reads."""
    return innermost().emit(control.undefined, (), {"type": type}, type)
