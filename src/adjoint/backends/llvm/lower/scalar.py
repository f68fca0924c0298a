"""One element of an elementwise operation, as code.

A row of the table is a function of the numbers' dtype and of the operands' elements, which are of
that dtype; where an operation is not in the table (or not for that dtype), the array goes through
NumPy. Results are NumPy's, at NaN, infinities, zeros and the ends of the integers too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.library import call
from adjoint.backends.llvm.lower.types import (
    BOOL,
    Element,
    arithmetic,
    in_registers,
    real_literal,
)
from adjoint.backends.llvm.writer import Body
from adjoint.ir.core import Op
from adjoint.ir.types import Type

__all__ = [
    "COST", "TABLE", "Row", "Scalars", "cost_of", "element_of", "has_code", "is_zero", "loop_types",
    "row", "select", "weak_type", "zero_of",
]  # fmt: skip


class Scalars:
    """What writes operations on numbers into a body."""

    __slots__ = ("body",)

    def __init__(self, body: Body) -> None:
        self.body = body

    def op(self, instruction: str, type: str, *xs: str) -> str:
        """Write an instruction whose operands are of one type."""
        return self.body.op(f"{instruction} {type} {', '.join(xs)}", *xs)

    def flt(self, instruction: str, t: np.dtype, *xs: str) -> str:
        """Write a floating-point instruction."""
        return self.op(instruction + self.body.flags(), in_registers(t), *xs)

    def select(self, truth: str, type: str, x: str, y: str) -> str:
        """Return x or y."""
        if x == y:
            return x
        return self.body.op(f"select i1 {truth}, {type} {x}, {type} {y}", truth, x, y)

    def intrinsic(self, name: str, type: str, *xs: str, more: str = "") -> str:
        """Call an intrinsic of LLVM that is overloaded on one type."""
        full = f"@llvm.{name}.{ {'float': 'f32', 'double': 'f64'}.get(type, type) }"
        types = ", ".join([type] * len(xs)) + (", i1" if more else "")
        self.body.module.declare(full, f"declare {type} {full}({types})")
        given = ", ".join(f"{type} {x}" for x in xs) + (f", i1 {more}" if more else "")
        return self.body.op(f"call {type} {full}({given})", *xs)

    def math(self, name: str, t: np.dtype, *xs: str) -> str:
        """Call a function of the C library's mathematics."""
        return self.body.op(call(self.body.module, name, in_registers(t), xs), *xs)

    def number(self, value: Any, t: np.dtype) -> str:
        """Return a real literal."""
        return real_literal(value, t)

    def part(self, t: np.dtype) -> np.dtype:
        """Return the dtype of the real part."""
        return t.type(0).real.dtype

    def fabs(self, t: np.dtype, x: str) -> str:
        return self.intrinsic("fabs", in_registers(t), x)

    def copysign(self, t: np.dtype, x: str, y: str) -> str:
        return self.intrinsic("copysign", in_registers(t), x, y)


Row = Callable[..., Any]
TABLE: dict[tuple[str, str], Row] = {}


def row(name: str, kinds: str) -> Callable[[Row], Row]:
    """Decorate the code of an operation (or several) on numbers of these kinds."""

    def register(fn: Row) -> Row:
        for n in name.split():
            for kind in kinds:
                TABLE[n, kind] = fn
        return fn

    return register


# -- which loop ------------------------------------------------------------------------------------


def weak_type(type: Type) -> Any:
    """Return what NumPy's promotion is told about an operand: weak numbers by their class."""
    if type.kind == "python" and type.dtype.kind != "b":
        return {"i": int, "f": float, "c": complex}[type.dtype.kind]
    return type.dtype


@lru_cache(maxsize=4096)
def _resolved(ufunc: np.ufunc, given: tuple[Any, ...]) -> tuple[np.dtype, ...] | None:
    if all(not isinstance(t, np.dtype) for t in given):
        given = tuple(np.dtype(t) for t in given)
    try:
        return ufunc.resolve_dtypes((*given, *[None] * ufunc.nout))
    except (TypeError, ValueError):
        return None


_OWN = frozenset({
    "real", "imag", "fraction", "sign", "complex_sign",
    "absolute", "conjugate",
})  # fmt: skip


def loop_types(op: Op, types: list[Type], result: Type) -> tuple[np.dtype, ...] | None:
    """Return the dtypes in which an operation computes: its operands', then the result's."""
    if isinstance(op.fn, np.ufunc):
        if op.fn.nout > 1 or op.fn.signature is not None:
            return None
        return _resolved(op.fn, tuple(weak_type(t) for t in types))
    if op.name == "where":
        return (BOOL, result.dtype, result.dtype, result.dtype)
    if op.name in ("python_number", "stop_gradient"):
        return (types[0].dtype, types[0].dtype)
    if op.name in _OWN and len(types) == 1:
        return (types[0].dtype, result.dtype)
    return tuple([result.dtype] * (len(types) + 1))


def element_of(
    body: Body, op: Op, loop: tuple[np.dtype, ...], xs: list[Element], params: dict[str, Any]
) -> Element | None:
    """Write an operation on elements of its loop's dtypes; None if there is no code for it."""
    fn = TABLE.get((op.name, loop[0].kind if op.name != "where" else "b"))
    if fn is None:
        return None
    return fn(Scalars(body), loop, *xs, **params)


def has_code(op: Op, loop: tuple[np.dtype, ...] | None, params: dict[str, Any]) -> bool:
    """Tell whether `element_of` writes the operation."""
    if loop is None or not all(arithmetic(t) for t in loop):
        return False
    name = op.name
    if name == "where":
        return True
    if (name, loop[0].kind) not in TABLE:
        return False
    if name == "sinc":
        return params.get("order") == 0
    if params and name != "sinc":
        return False
    if len(loop) > 2 and loop[0] != loop[1]:
        return name in ("ldexp", "copysign") and loop[1].kind in "fi"
    return True


COST = {
    "divide": 6, "strong_divide": 7, "reciprocal": 6, "sqrt": 6, "power": 25, "hypot": 10,
    "floor_divide": 20, "remainder": 20, "fmod": 20, "direction": 20, "logistic": 20, "sech2": 20,
    "sinc": 20, "logaddexp": 40, "logaddexp2": 40,
}  # fmt: skip
_CHEAP = frozenset({
    "add", "subtract", "multiply", "negative", "square", "absolute", "fabs", "sign", "copysign",
    "maximum", "minimum", "fmax", "fmin", "where", "strong_multiply", "extended_subtract",
    "one_minus_square", "conjugate", "real", "imag", "less", "less_equal", "greater",
    "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
    "logical_xor", "isnan", "isfinite", "isinf", "floor", "ceil", "trunc", "rint", "bitwise_and",
    "bitwise_or", "bitwise_xor", "invert", "stop_gradient", "python_number", "signbit",
    "heaviside", "radians", "degrees", "fraction", "positive", "left_shift", "right_shift",
})  # fmt: skip


def cost_of(name: str, dtype: np.dtype) -> int:
    """Return about how many additions an operation on numbers of a dtype is worth.

    What calls the library is not cheap, since it may not be computed twice: the versions for
    vectors give other last digits.
    """
    if dtype.kind == "c" and name == "absolute":
        name = "hypot"
    return 1 if name in _CHEAP else COST.get(name, 20)


# -- numbers, real or complex ----------------------------------------------------------------------


def is_zero(e: Scalars, t: np.dtype, x: Any) -> str:
    """Return whether a number is zero, an i1."""
    if t.kind == "c":
        p = in_registers(t)
        zero = e.number(0, e.part(t))
        return e.op("and", "i1", e.op("fcmp oeq", p, x[0], zero), e.op("fcmp oeq", p, x[1], zero))
    how = "fcmp oeq" if t.kind == "f" else "icmp eq"
    return e.op(how, in_registers(t), x, e.number(0, t))


def select(e: Scalars, truth: str, t: np.dtype, x: Any, y: Any) -> Any:
    """Return x or y."""
    ty = in_registers(t)
    if t.kind == "c":
        return e.select(truth, ty, x[0], y[0]), e.select(truth, ty, x[1], y[1])
    return e.select(truth, ty, x, y)


def zero_of(e: Scalars, t: np.dtype) -> Any:
    """Return zero."""
    if t.kind == "c":
        zero = e.number(0, e.part(t))
        return zero, zero
    return e.number(0, t)
