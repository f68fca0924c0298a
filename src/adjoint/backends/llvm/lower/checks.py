"""Checks: a comparison that is nearly always one way, and what is raised if it is not.

Python makes the exception from what its arguments name: two numbers travel with the report of the
error; where there are more, or arrays, Python is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower import callbacks
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.types import BOOL, arithmetic, cast, in_registers
from adjoint.backends.llvm.lower.values import Number
from adjoint.backends.parameters import evaluator
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import Type
from adjoint.ops import control

__all__ = ["checked"]

INT = np.dtype(np.int64)
DOUBLE = np.dtype(np.float64)


def checked(f: Lowering, node: Value) -> Any:
    """Lower ``check``, ``checked`` and ``unless``; None where the condition is no number."""
    condition = node.inputs[-1]
    if condition.shape or not arithmetic(condition.dtype):
        return None
    truth = cast(f.body, f.number(condition), condition.dtype, BOOL)
    assert isinstance(truth, str)
    if node.op is control.unless:
        truth = f.body.op(f"xor i1 {truth}, true", truth)
    named = [v for v in dict.fromkeys(values_in(node.params)) if v.op is not control.constant]
    if len(named) <= 2 and all(_travels(v.type) for v in named):
        words = [_word(f, v) for v in named]
        f.check(truth, _error(node, named), *words)
    else:
        callbacks.call_if_not(f, node, truth)
    return Number(INT, "0") if node.op is control.check else f.rep(node.inputs[0])


def _travels(type: Any) -> bool:
    """Tell whether a value of a type is one word."""
    return (
        isinstance(type, Type)
        and not type.shape
        and type.dtype.kind in "biuf"
        and arithmetic(type.dtype)
    )


def _word(f: Lowering, value: Value) -> Any:
    """Return a number as an integer of 64 bits."""
    x, dtype = f.number(value), value.dtype
    if dtype.kind != "f":
        return cast(f.body, x, dtype, INT)
    x = cast(f.body, x, dtype, DOUBLE)
    return f.body.op(f"bitcast {in_registers(DOUBLE)} {x} to i64", x)


def _error(node: Value, named: list[Value]) -> Callable[[int, int], BaseException]:
    places = {v: k for k, v in enumerate(named)}
    args = evaluator(node.params["args"], places.__getitem__)
    types = [v.type for v in named]
    make = node.params["error"]

    def error(x: int, y: int) -> BaseException:
        numbers = [_number(word, type) for word, type in zip((x, y), types, strict=False)]
        return make(*args(numbers))

    return error


def _number(word: int, type: Type) -> Any:
    """Return the number that a word stands for, of the kind of its type."""
    raw = np.array([word], INT)
    dtype = type.dtype
    with np.errstate(all="ignore"):
        number = (raw.view(DOUBLE) if dtype.kind == "f" else raw).astype(dtype)[0]
    if type.kind == "python":
        return number.item()
    return np.array(number) if type.kind == "array" else number
