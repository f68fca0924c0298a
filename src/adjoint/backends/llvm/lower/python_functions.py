"""Python's own functions of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.types import arithmetic, cast, in_registers, real_literal
from adjoint.backends.llvm.lower.values import Number
from adjoint.ir.graph import Value

__all__ = ["PYTHON_FUNCTIONS"]

INT = np.dtype(np.int64)
DOUBLE = np.dtype(np.float64)


def _int(f: Lowering, node: Value) -> Number | None:
    """Lower ``int(x)``: of a float towards zero."""
    args, kwargs = node.params["args"], node.params["kwargs"]
    if len(args) != 1 or kwargs or not isinstance(args[0], Value):
        return None
    (x,) = args
    if x.shape or x.dtype.kind not in "biuf" or not arithmetic(x.dtype):
        return None
    body, number = f.body, f.number(x)
    if x.dtype.kind != "f":
        found = cast(body, number, x.dtype, INT)
        if x.dtype == np.uint64:
            fine = body.op(f"icmp sge i64 {found}, 0", found)
            f.check(fine, lambda word, _: _too_large(word % 2**64), found)  # type: ignore[arg-type]
        return Number(INT, found)
    y = cast(body, number, x.dtype, DOUBLE)
    assert isinstance(y, str)
    t = in_registers(DOUBLE)
    above = body.op(f"fcmp oge {t} {y}, {real_literal(-(2.0**63), DOUBLE)}", y)
    below = body.op(f"fcmp olt {t} {y}, {real_literal(2.0**63, DOUBLE)}", y)
    fine = body.op(f"and i1 {above}, {below}", above, below)
    word = body.op(f"bitcast {t} {y} to i64", y)
    f.check(fine, lambda word, _: _not_an_integer(word), word)
    return Number(INT, body.let(f"fptosi {t} {y} to i64"))


def _not_an_integer(word: int) -> Exception:
    x = float(np.array([word], INT).view(DOUBLE)[0])
    try:
        return _too_large(int(x))
    except (ValueError, OverflowError) as error:
        return error


def _too_large(n: int) -> Exception:
    return OverflowError(
        f"{n} does not fit an integer of 64 bits, which compiled code computes with"
    )


def _float(f: Lowering, node: Value) -> Number | None:
    """Lower ``float(x)``."""
    args, kwargs = node.params["args"], node.params["kwargs"]
    if len(args) != 1 or kwargs or not isinstance(args[0], Value):
        return None
    (x,) = args
    if x.shape or x.dtype.kind not in "biuf" or not arithmetic(x.dtype):
        return None
    return Number(DOUBLE, cast(f.body, f.number(x), x.dtype, DOUBLE))


PYTHON_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "builtins.int": _int,
    "builtins.float": _float,
}
