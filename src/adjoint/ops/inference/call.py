"""The call that is to be typed, the table of rules, and how one is found."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from adjoint.ir.dims import texts
from adjoint.ir.types import AnyType, Type
from adjoint.ops.inference import dummies
from adjoint.ops.registry import OPS, Op

__all__ = ["RULES", "Call", "infer", "rule", "rule_of"]

Types = AnyType | tuple[AnyType, ...]

SMALL = 4096
"""Elements up to which an operation without a shape rule is tried out on arrays of real size."""


def _nothing(*args: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Call:
    """An operation on operands of known types; what the rules read. See `infer`."""

    op: Op
    operands: tuple[Any, ...]
    params: dict[str, Any]
    evaluate: Callable[..., Any]
    require_equal: Callable[[Any, Any], Any]
    length: Callable[[Any, Any, Any, Any], Any]
    quotient: Callable[[tuple[Any, ...], tuple[Any, ...]], Any]

    def param(self, name: str, default: Any = None) -> Any:
        """Return a parameter, or its default."""
        return self.params.get(name, default)

    def unit(self, *operands: Type, **params: Any) -> Any:
        """Return the type that the operation gives where every axis has length one."""
        return dummies.run(self.evaluate, operands or self.operands, params)

    def refuse(self, reason: str) -> NoReturn:
        """Raise what NumPy raises for operands of these shapes; else a ValueError."""
        shapes = [t.shape for t in self.operands]
        if all(type(n) is int for shape in shapes for n in shape):
            # Arrays of one element each that looks like many: NumPy refuses before it reads them.
            stand_ins = [
                np.broadcast_to(t.dtype.type(1), t.shape) if t.kind == "array" else t.dtype.type(1)
                for t in self.operands
            ]
            self.op.fn(*stand_ins, **self.params)
        raise ValueError(f"{self.op.name}: {reason} {' '.join(texts(*shapes))}")


Rule = Callable[[Call], Any]

RULES: dict[str, Rule] = {}
"""Rules by the operation's name, of operations that are not declared yet too."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorate the rule of the operations of these names."""

    def register(fn: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"operation {name!r} has two shape rules")
            RULES[name] = fn
        return fn

    return register


def infer(
    op: Op,
    operands: tuple[Any, ...],
    params: dict[str, Any] | None = None,
    evaluate: Callable[..., Any] | None = None,
    require_equal: Callable[[Any, Any], Any] | None = None,
    length: Callable[[Any, Any, Any, Any], Any] | None = None,
    quotient: Callable[[tuple[Any, ...], tuple[Any, ...]], Any] | None = None,
) -> Any:
    """Return the type of what an operation gives.

    Parameters
    ----------
    op : Op
    operands : tuple of Type, StackType, or tuple of them
        Shapes may have dimensions that are expressions (`Dim`) or unknown (None).
    params : dict
        Values and dimensions may stand in it.
    evaluate : callable, optional
        What computes it, if not ``op.fn``: Python's operators keep Python's numbers.
    require_equal : callable, optional
        ``require_equal(m, n)`` is told two dimensions that must be equal when the program runs and
        cannot be proved to be.
    length : callable, optional
        ``length(start, stop, step, n)`` returns the dimension that is the length of the slice
        ``start:stop:step`` of n elements; with n None that of ``range(start, stop, step)``. It is
        asked where the length is not a linear expression. By default such lengths are unknown.
    quotient : callable, optional
        ``quotient(above, below)`` likewise returns the product of some dimensions divided by that
        of others, where that is not a linear expression.

    Returns
    -------
    Type, StackType, or tuple of them
        A tuple for an operation with several results.

    Raises
    ------
    ValueError, TypeError, IndexError, numpy.linalg.LinAlgError
        What NumPy raises for operands of these shapes and dtypes.
    """
    call = Call(
        op,
        operands,
        params or {},
        evaluate or op.fn,
        require_equal or _nothing,
        length or _nothing,
        quotient or _nothing,
    )
    return rule_of(op)(call)


def rule_of(op: Op) -> Rule:
    """Return the rule of an operation."""
    if OPS.get(op.name) is op:  # a user's operation may be called like one of ours
        found = RULES.get(op.name)
        if found is not None:
            return found
    if isinstance(op.fn, np.ufunc) and op.fn.signature is None:
        return RULES["add"]
    if not op.operands:
        return _function_fallback
    return _fallback


def _fallback(call: Call) -> Any:
    """Try the operation out: on arrays of real size where that is known and small."""
    shapes = [t.shape for t in call.operands]
    known = all(type(n) is int for shape in shapes for n in shape)
    if known and sum(math.prod(shape) for shape in shapes) <= SMALL:
        ones = [
            np.ones(t.shape, t.dtype) if t.kind == "array" else dummies.dummy_of(t)
            for t in call.operands
        ]
        with np.errstate(all="ignore"):
            return dummies.type_of(call.evaluate(*ones, **call.params), call.op.name)
    return _unknown(call.unit(**dummies.replaced(call.params, dummies.dummy_of)))


def _function_fallback(call: Call) -> Any:
    """Of a function with graph values among its arguments, whose result's shape they may decide."""
    arguments = dummies.replaced(call.params, dummies.dummy_of)
    with np.errstate(all="ignore"):
        return _unknown(dummies.type_of(call.op.fn(**arguments), call.op.name))


def _unknown(type: Any) -> Any:
    if isinstance(type, tuple):
        return tuple(_unknown(t) for t in type)
    return type.with_shape((None,) * len(type.shape))
