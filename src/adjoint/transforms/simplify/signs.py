"""Checks that cannot fail: what the smallest number is that a real expression can be.

``math.sqrt(x * x + y * y)`` cannot be of a negative number. Least values follow from operands to
results where rounding is monotone, as that of IEEE arithmetic is. A value that is NaN is below
nothing, so that a bound says what it can be if it is a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ir.graph import Value
from adjoint.ir.types import Type, python_type
from adjoint.ops import control, indexing, reduction, structural
from adjoint.ops import elementwise as ew
from adjoint.ops.plain import ufunc_op
from adjoint.transforms.simplify.facts import fill_of, number_of
from adjoint.transforms.simplify.rewriting import Answer, Rewriter, Rule, Rules

__all__ = ["SIGNS", "least"]

_DEEPEST = 12

_OF_RESULT = {
    ew.absolute: 0.0, ew.cosh: 1.0, ew.exp: 0.0, ew.exp2: 0.0, ew.expm1: -1.0, ew.hypot: 0.0,
    ew.logistic: 0.0, ew.sqrt: 0.0, ew.square: 0.0, ew.sin: -1.0, ew.cos: -1.0, ew.tanh: -1.0,
}  # fmt: skip
"""The least values of functions, as they are rounded too."""

_SAME = frozenset({
    ew.python_number, structural.broadcast_to, structural.cast, structural.copy,
    structural.permute, structural.reshape, indexing.getitem, indexing.read,
    reduction.reduce_max, reduction.reduce_min, control.unless, control.checked,
})  # fmt: skip
"""Operations that give elements of their first operand."""


def least(value: Value, depth: int = _DEEPEST) -> float | None:
    """Return a number that no element of a real value is below; None if none is known."""
    if not isinstance(value.type, Type) or value.dtype.kind not in "iuf":
        return None
    filled = fill_of(value)
    if filled is not None:
        return None if np.isnan(filled) else float(filled)
    op = value.op
    if op is None or not depth:
        return None
    if op in _OF_RESULT and value.inputs[0].dtype.kind == "f":
        return _OF_RESULT[op]
    if op in _SAME:
        return _below(value.inputs[0], depth)
    combine = _COMBINED.get(op)
    return combine(value, depth) if combine is not None else None


def _below(x: Value, depth: int) -> float | None:
    return least(x, depth - 1)


def _add(node: Value, depth: int) -> float | None:
    a, b = (_below(x, depth) for x in node.inputs)
    return None if a is None or b is None else float(np.add(a, b, dtype=node.dtype))


def _multiply(node: Value, depth: int) -> float | None:
    x, y = node.inputs
    if x is y and node.dtype.kind == "f":
        return 0.0
    a, b = _below(x, depth), _below(y, depth)
    if a is None or b is None or a < 0 or b < 0 or node.dtype.kind != "f":
        return None
    return float(np.multiply(a, b, dtype=node.dtype))


def _divide(node: Value, depth: int) -> float | None:
    a, b = (_below(x, depth) for x in node.inputs)
    return 0.0 if a is not None and b is not None and a >= 0 and b > 0 else None


def _power(node: Value, depth: int) -> float | None:
    x, y = node.inputs
    n = number_of(y)
    if n is not None and n > 0 and n % 2 == 0 and node.dtype.kind == "f":
        return 0.0
    a = _below(x, depth)
    return 0.0 if a is not None and a > 0 and node.dtype.kind == "f" else None


def _sum(node: Value, depth: int) -> float | None:
    a = _below(node.inputs[0], depth)
    return 0.0 if a is not None and a >= 0 and node.dtype.kind == "f" else None


def _maximum(node: Value, depth: int) -> float | None:
    found = [_below(x, depth) for x in node.inputs]
    return max([x for x in found if x is not None], default=None)


def _minimum(node: Value, depth: int) -> float | None:
    found = [_below(x, depth) for x in node.inputs[-2:]]  # of `where`, without the condition
    return None if None in found else min(x for x in found if x is not None)


def _entry(node: Value, depth: int) -> float | None:
    """Return what no number is below that a loop has kept on a stack; one that it has not is 0."""
    stack = node.inputs[0]
    if stack.op is not structural.project_result or not isinstance(node.type, Type):
        return None
    loop, k = stack.inputs[0], stack.params["k"]
    if loop.op is not control.for_loop or loop.inputs[3 + k].op is not control.empty_stack:
        return None
    (body,) = loop.blocks
    lows: list[float | None] = [0.0]
    kept = body.results[k]
    while kept.op is control.push:
        lows.append(_below(kept.inputs[1], depth))
        kept = kept.inputs[0]
    if kept is not body.parameters[1 + k] or None in lows:
        return None
    return min([x for x in lows if x is not None])


_COMBINED: dict[Any, Callable[[Value, int], float | None]] = {
    ew.add: _add,
    ew.multiply: _multiply,
    ew.divide: _divide,
    ew.power: _power,
    structural.reduce_sum: _sum,
    ew.maximum: _maximum,
    ew.minimum: _minimum,
    ew.where: _minimum,
    control.entry: _entry,
}


def _never(fits: Callable[[float, float], bool]) -> Rule:
    def rule(node: Value, walk: Rewriter) -> Answer:
        x, y = node.inputs
        bound = number_of(y)
        if bound is None or not isinstance(node.type, Type) or node.type.kind == "array":
            return None
        if x.dtype.kind != "f" or np.iscomplexobj(bound):
            return None
        low = least(x)
        if low is None or not fits(low, bound):
            return None
        python = node.type == python_type(bool)
        return walk.number(False if python else np.bool(False), node)

    return rule


def _unless(node: Value, walk: Rewriter) -> Answer:
    return node.inputs[0] if number_of(node.inputs[1]) in (False, np.False_) else None


SIGNS = Rules(
    "signs",
    of={
        ufunc_op(np.less): (_never(lambda low, bound: low >= bound),),
        ufunc_op(np.less_equal): (_never(lambda low, bound: low > bound),),
        control.unless: (_unless,),
    },
)
