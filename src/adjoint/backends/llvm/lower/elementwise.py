"""Elementwise operations: numbers in registers, arrays without memory."""

from __future__ import annotations

from typing import Any

from adjoint.backends.llvm.lower import numbers
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import CHEAP, lazy_cost
from adjoint.backends.llvm.lower.nest import aligned, mergeable
from adjoint.backends.llvm.lower.positions import positions_of
from adjoint.backends.llvm.lower.scalar import cost_of, element_of, has_code, loop_types
from adjoint.backends.llvm.lower.shapes import broadcast
from adjoint.backends.llvm.lower.types import cast, convertible
from adjoint.backends.llvm.lower.values import Index, Lazy, Number
from adjoint.ir.graph import Value
from adjoint.ir.types import Type

__all__ = ["elementwise", "mapped"]


def elementwise(f: Lowering, node: Value) -> Any:
    """Lower an elementwise operation; None if there is no code for it."""
    op = node.op
    assert op is not None
    type = node.type
    types = [v.type for v in node.inputs]
    if not isinstance(type, Type) or not all(isinstance(t, Type) for t in types):
        return None
    loop = loop_types(op, types, type)
    if loop is None or not has_code(op, loop, node.params):
        return None
    pairs = [*zip([t.dtype for t in types], loop, strict=False), (loop[-1], type.dtype)]
    if not all([convertible(have, want) for have, want in pairs]):
        return None
    if not type.shape:
        return numbers.number(f, node, loop)
    if op.name == "power" and loop[1].kind == "i":
        _natural(f, node.inputs[1])

    def element(xs: list[Any]) -> Any:
        given = [cast(f.body, x, t.dtype, want) for x, t, want in zip(xs, types, loop)]
        found = element_of(f.body, op, loop, given, node.params)
        assert found is not None
        return cast(f.body, found, loop[-1], type.dtype)

    return mapped(f, node, element, cost_of(op.name, loop[0]))


def _natural(f: Lowering, exponent: Value) -> None:
    """Have powers of integers refused of which an exponent is negative."""
    if exponent.dtype.kind not in "i":
        return
    rep = f.rep(exponent)
    if isinstance(rep, Number):
        least: Any = f.integer(exponent)
    else:
        least = positions_of(f, rep).extent(f)[0]
    f.refuse_unless(f.body.compare("sge", least, 0))


def mapped(f: Lowering, node: Value, element: Any, cost: int) -> Lazy:
    """Return the array whose elements are a function of its operands' at the same index."""
    type = node.type
    reps = [f.rep(v) for v in node.inputs]
    shape, reps = broadcast(f, type.shape, reps, [v.type for v in node.inputs])

    def at(index: Index) -> Any:
        return element([f.element(rep, aligned(rep, shape, index)) for rep in reps])

    operands = tuple(
        (rep, len(rep.shape) == len(shape)) for rep in reps if not isinstance(rep, Number)
    )
    total = cost + sum([lazy_cost(rep) for rep, _ in operands])
    several = node in f.several
    return Lazy(
        type.dtype,
        shape,
        at,
        operands,
        total,
        lambda k: all([mergeable(f, rep, shape, k) for rep in reps]),
        shared=several and total > CHEAP,
    )
