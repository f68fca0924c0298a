"""One element of an elementwise operation, as code.

A row of the table is a function of the numbers' dtype and of the operands' elements, which are of
that dtype; where an operation is not in the table (or not for that dtype), the array goes through
NumPy. Results are NumPy's, at NaN, infinities, zeros and the ends of the integers too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.types import (
    BOOL,
    Element,
    arithmetic,
    cast,
    in_registers,
    known,
    real_literal,
)
from adjoint.backends.llvm.writer import Body
from adjoint.ir.core import Op
from adjoint.ir.types import Type

__all__ = ["COST", "Scalars", "cost_of", "element_of", "loop_types", "weak_type"]


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
        from adjoint.backends.llvm.lower.library import call

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


# -- arithmetic ------------------------------------------------------------------------------------


@row("add", "fiuc")
def _add(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    if t.kind == "c":
        p = e.part(t)
        return e.flt("fadd", p, x[0], y[0]), e.flt("fadd", p, x[1], y[1])
    if t.kind == "f":
        return e.flt("fadd", t, x, y)
    return e.op("add", in_registers(t), x, y)


@row("subtract", "fiuc")
def _subtract(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    if t.kind == "c":
        p = e.part(t)
        return e.flt("fsub", p, x[0], y[0]), e.flt("fsub", p, x[1], y[1])
    if t.kind == "f":
        return e.flt("fsub", t, x, y)
    return e.op("sub", in_registers(t), x, y)


@row("extended_subtract", "fiuc")
def _extended_subtract(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    difference = _subtract(e, loop, x, y)
    if t.kind in "iu":
        return difference
    equal = _comparison("equal")(e, loop, x, y)
    return select(e, equal, t, zero_of(e, t), difference)


@row("multiply", "fiuc")
def _multiply(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    if t.kind == "c":
        return complex_product(e, e.part(t), x, y)
    if t.kind == "f":
        return e.flt("fmul", t, x, y)
    return e.op("mul", in_registers(t), x, y)


def complex_product(e: Scalars, p: np.dtype, x: Any, y: Any) -> tuple[str, str]:
    """Return x · y."""
    (a, b), (c, d) = x, y
    re = e.flt("fsub", p, e.flt("fmul", p, a, c), e.flt("fmul", p, b, d))
    im = e.flt("fadd", p, e.flt("fmul", p, a, d), e.flt("fmul", p, b, c))
    return re, im


def complex_quotient(e: Scalars, p: np.dtype, x: Any, y: Any) -> tuple[str, str]:
    """Return x/y, scaled by the greater part of y (Smith 1962), as NumPy does."""
    (a, b), (c, d) = x, y
    ty = in_registers(p)
    first = e.op("fcmp oge", ty, e.fabs(p, c), e.fabs(p, d))
    big, small = e.select(first, ty, c, d), e.select(first, ty, d, c)
    ratio = e.op("fdiv", ty, small, big)
    scale = e.op("fdiv", ty, e.number(1, p), e.op("fadd", ty, big, e.op("fmul", ty, small, ratio)))
    u, v = e.select(first, ty, a, b), e.select(first, ty, b, a)
    re = e.op("fmul", ty, e.op("fadd", ty, u, e.op("fmul", ty, v, ratio)), scale)
    w = e.op("fmul", ty, u, ratio)
    im = e.op("fmul", ty, e.op("fsub", ty, v, w), scale)
    im = e.select(first, ty, im, e.op("fneg", ty, im))
    # Both parts of y are zero.
    none = e.op("fcmp oeq", ty, e.fabs(p, big), e.number(0, p))
    re = e.select(none, ty, e.op("fdiv", ty, a, e.fabs(p, c)), re)
    im = e.select(none, ty, e.op("fdiv", ty, b, e.fabs(p, c)), im)
    return re, im


@row("divide", "fc")
def _divide(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    if t.kind == "c":
        return complex_quotient(e, e.part(t), x, y)
    return e.flt("fdiv", t, x, y)


@row("negative", "fic")
def _negative(e: Scalars, loop: Any, x: Any) -> Any:
    t = loop[0]
    if t.kind == "c":
        ty = in_registers(t)
        return e.op("fneg", ty, x[0]), e.op("fneg", ty, x[1])
    return (
        e.op("fneg", in_registers(t), x) if t.kind == "f" else e.op("sub", in_registers(t), "0", x)
    )


@row("negative", "u")
def _negative_unsigned(e: Scalars, loop: Any, x: str) -> str:
    return e.op("sub", in_registers(loop[0]), "0", x)


@row("positive stop_gradient python_number", "fiubc")
def _same(e: Scalars, loop: Any, x: Any) -> Any:
    return x


@row("square", "fiuc")
def _square(e: Scalars, loop: Any, x: Any) -> Any:
    return _multiply(e, loop, x, x)


@row("reciprocal", "fc")
def _reciprocal(e: Scalars, loop: Any, x: Any) -> Any:
    t = loop[0]
    if t.kind == "c":
        p = e.part(t)
        return complex_quotient(e, p, (e.number(1, p), e.number(0, p)), x)
    return e.flt("fdiv", t, e.number(1, t), x)


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


@row("strong_multiply", "fiuc")
def _strong_multiply(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    return select(e, is_zero(e, t, x), t, zero_of(e, t), _multiply(e, loop, x, y))


@row("strong_divide", "fc")
def _strong_divide(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    return select(e, is_zero(e, t, x), t, zero_of(e, t), _divide(e, loop, x, y))


@row("where", "b")
def _where(e: Scalars, loop: Any, c: str, x: Any, y: Any) -> Any:
    return select(e, c, loop[1], x, y)


@row("one_minus_square", "fc")
def _one_minus_square(e: Scalars, loop: Any, x: Any) -> Any:
    t = loop[0]
    if t.kind == "c":
        p = e.part(t)
        one, minus = e.number(1, p), e.number(-1, p)
        a = (e.op("fsub", in_registers(p), x[0], one), x[1])
        b = (e.op("fsub", in_registers(p), x[0], minus), x[1])
        return complex_product(e, p, _negative(e, loop, a), b)
    a = e.op("fsub", in_registers(t), e.number(1, t), x)
    return e.op("fmul", in_registers(t), a, e.op("fsub", in_registers(t), x, e.number(-1, t)))


# -- integers, and division with a remainder -------------------------------------------------------


def _safe_divisor(e: Scalars, t: np.dtype, y: str) -> tuple[str, str, str]:
    """Return a divisor that no division traps on, and whether y is 0, or −1."""
    ty = in_registers(t)
    none = e.op("icmp eq", ty, y, "0")
    minus = e.op("icmp eq", ty, y, "-1") if t.kind == "i" else "false"
    bad = e.op("or", "i1", none, minus)
    return e.select(bad, ty, "1", y), none, minus


@row("floor_divide", "iu")
def _floor_divide_integers(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    ty = in_registers(t)
    constant = known(y, t)
    if constant is not None and constant not in (0, -1):
        safe, none, minus = y, "false", "false"
    else:
        safe, none, minus = _safe_divisor(e, t, y)
    if t.kind == "u":
        found = e.op("udiv", ty, x, safe)
    else:
        found = e.op("sdiv", ty, x, safe)
        rest = e.op("sub", ty, x, e.op("mul", ty, found, safe))
        apart = e.op("icmp slt", ty, e.op("xor", ty, rest, safe), "0")
        down = e.op("and", "i1", e.op("icmp ne", ty, rest, "0"), apart)
        found = e.op("sub", ty, found, e.body.op(f"zext i1 {down} to {ty}", down))
        found = e.select(minus, ty, e.op("sub", ty, "0", x), found)
    return e.select(none, ty, "0", found)


@row("remainder", "iu")
def _remainder_integers(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    ty = in_registers(t)
    constant = known(y, t)
    if constant is not None and constant not in (0, -1):
        safe, bad = y, "false"
    else:
        safe, none, minus = _safe_divisor(e, t, y)
        bad = e.op("or", "i1", none, minus)
    if t.kind == "u":
        return e.select(bad, ty, "0", e.op("urem", ty, x, safe))
    rest = e.op("srem", ty, x, safe)
    apart = e.op("icmp slt", ty, e.op("xor", ty, rest, safe), "0")
    up = e.op("and", "i1", e.op("icmp ne", ty, rest, "0"), apart)
    rest = e.op("add", ty, rest, e.select(up, ty, safe, "0"))
    return e.select(bad, ty, "0", rest)


@row("fmod", "iu")
def _fmod_integers(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    ty = in_registers(t)
    safe, none, minus = _safe_divisor(e, t, y)
    rest = e.op("srem" if t.kind == "i" else "urem", ty, x, safe)
    return e.select(e.op("or", "i1", none, minus), ty, "0", rest)


@row("fmod", "f")
def _fmod(e: Scalars, loop: Any, x: str, y: str) -> str:
    return e.math("fmod", loop[0], x, y)


@row("remainder", "f")
def _remainder(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    return _mod(e, t, x, y)[1]


def _mod(e: Scalars, t: np.dtype, x: str, y: str) -> tuple[str, str]:
    """Return the remainder of C and that of Python; as ``npy_divmod``."""
    ty, zero = in_registers(t), e.number(0, t)
    rest = e.math("fmod", t, x, y)
    some = e.op("fcmp une", ty, rest, zero)
    apart = e.op("xor", "i1", e.op("fcmp olt", ty, y, zero), e.op("fcmp olt", ty, rest, zero))
    moved = e.select(apart, ty, e.op("fadd", ty, rest, y), rest)
    found = e.select(some, ty, moved, e.copysign(t, zero, y))
    none = e.op("fcmp oeq", ty, y, zero)
    return rest, e.select(none, ty, rest, found)


@row("floor_divide", "f")
def _floor_divide(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    ty, zero = in_registers(t), e.number(0, t)
    rest, _ = _mod(e, t, x, y)
    quotient = e.op("fdiv", ty, x, y)
    whole = e.op("fdiv", ty, e.op("fsub", ty, x, rest), y)
    apart = e.op("xor", "i1", e.op("fcmp olt", ty, y, zero), e.op("fcmp olt", ty, rest, zero))
    some = e.op("and", "i1", apart, e.op("fcmp une", ty, rest, zero))
    whole = e.select(some, ty, e.op("fsub", ty, whole, e.number(1, t)), whole)
    down = e.intrinsic("floor", ty, whole)
    off = e.op("fcmp ogt", ty, e.op("fsub", ty, whole, down), e.number(0.5, t))
    down = e.select(off, ty, e.op("fadd", ty, down, e.number(1, t)), down)
    empty = e.op("fcmp oeq", ty, whole, zero)
    found = e.select(empty, ty, e.copysign(t, zero, quotient), down)
    return e.select(e.op("fcmp oeq", ty, y, zero), ty, quotient, found)


# -- powers ----------------------------------------------------------------------------------------


@row("power", "f")
def _power(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    exponent = known(y, t)
    if exponent is not None:
        n = float(exponent)
        if n in (0.0, 1.0, 2.0, 3.0, 4.0, -1.0, -2.0):
            return _whole_power(e, t, x, int(n))
    return e.math("pow", t, x, y)


def _whole_power(e: Scalars, t: np.dtype, x: str, n: int) -> str:
    if n == 0:
        return e.number(1, t)
    if n < 0:
        return e.flt("fdiv", t, e.number(1, t), _whole_power(e, t, x, -n))
    if n == 1:
        return x
    square = e.flt("fmul", t, x, x)
    if n == 2:
        return square
    return e.flt("fmul", t, square, x if n == 3 else square)


@row("power", "iu")
def _power_integers(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    ty = in_registers(t)
    n = known(y, t)
    if n is not None and 0 <= n <= 4:
        if n == 0:
            return "1"
        if n == 1:
            return x
        square = e.op("mul", ty, x, x)
        return square if n == 2 else e.op("mul", ty, square, x if n == 3 else square)
    from adjoint.backends.llvm.lower.library import integer_power

    name = integer_power(e.body.module, ty)
    return e.body.op(f"call {ty} {name}({ty} {x}, {ty} {y})", x, y)


# -- signs, extrema --------------------------------------------------------------------------------


@row("absolute", "fiubc")
def _absolute(e: Scalars, loop: Any, x: Any) -> Any:
    t = loop[0]
    if t.kind == "c":
        return e.math("hypot", e.part(t), *x)
    if t.kind == "f":
        return e.fabs(t, x)
    return e.intrinsic("abs", in_registers(t), x, more="false") if t.kind == "i" else x


@row("fabs", "f")
def _fabs(e: Scalars, loop: Any, x: str) -> str:
    return e.fabs(loop[0], x)


@row("sign", "fiu")
def _sign(e: Scalars, loop: Any, x: str) -> str:
    t = loop[0]
    ty, zero = in_registers(t), e.number(0, t)
    how = "fcmp o" if t.kind == "f" else "icmp u" if t.kind == "u" else "icmp s"
    low = e.number(-1, t) if t.kind != "u" else zero
    rest = e.select(e.op(f"{how}lt", ty, x, zero), ty, low, x if t.kind == "f" else zero)
    return e.select(e.op(f"{how}gt", ty, x, zero), ty, e.number(1, t), rest)


@row("copysign", "f")
def _copysign(e: Scalars, loop: Any, x: str, y: str) -> str:
    return e.copysign(loop[0], x, y)


@row("heaviside", "f")
def _heaviside(e: Scalars, loop: Any, x: str, h: str) -> str:
    t = loop[0]
    ty, zero = in_registers(t), e.number(0, t)
    at_zero = e.select(e.op("fcmp oeq", ty, x, zero), ty, h, x)
    below = e.select(e.op("fcmp olt", ty, x, zero), ty, zero, at_zero)
    return e.select(e.op("fcmp ogt", ty, x, zero), ty, e.number(1, t), below)


def _extremum(e: Scalars, loop: Any, x: str, y: str, how: str, keep: str) -> str:
    """Return x where it is ``how`` y or NaN (``keep`` x), or y is NaN (``keep`` y); else y."""
    t = loop[0]
    ty = in_registers(t)
    if t.kind == "b":
        return e.op("or" if how == "g" else "and", "i1", x, y)
    if t.kind in "iu":
        sign = "s" if t.kind == "i" else "u"
        return e.select(e.op(f"icmp {sign}{how}t", ty, x, y), ty, x, y)
    better = e.op(f"fcmp o{how}e", ty, x, y)
    nan = e.op("fcmp uno", ty, *([x, x] if keep == "x" else [y, y]))
    return e.select(e.op("or", "i1", better, nan), ty, x, y)


@row("maximum", "fiub")
def _maximum(e: Scalars, loop: Any, x: str, y: str) -> str:
    return _extremum(e, loop, x, y, "g", "x")


@row("minimum", "fiub")
def _minimum(e: Scalars, loop: Any, x: str, y: str) -> str:
    return _extremum(e, loop, x, y, "l", "x")


@row("fmax", "fiub")
def _fmax(e: Scalars, loop: Any, x: str, y: str) -> str:
    return _extremum(e, loop, x, y, "g", "y")


@row("fmin", "fiub")
def _fmin(e: Scalars, loop: Any, x: str, y: str) -> str:
    return _extremum(e, loop, x, y, "l", "y")


@row("conjugate", "fiubc")
def _conjugate(e: Scalars, loop: Any, x: Any) -> Any:
    if loop[0].kind != "c":
        return x
    return x[0], e.op("fneg", in_registers(loop[0]), x[1])


@row("real", "fiubc")
def _real(e: Scalars, loop: Any, x: Any) -> Any:
    return x[0] if loop[0].kind == "c" else x


@row("imag", "fiubc")
def _imag(e: Scalars, loop: Any, x: Any) -> Any:
    return x[1] if loop[0].kind == "c" else e.number(0, loop[0])


# -- comparisons, tests, logic ---------------------------------------------------------------------

_COMPARISONS = {
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq",
    "not_equal": "ne",
}  # fmt: skip


def _comparison(name: str) -> Row:
    how = _COMPARISONS[name]

    def compare(e: Scalars, loop: Any, x: Any, y: Any) -> str:
        t = loop[0]
        ty = in_registers(t)
        if t.kind == "c":
            a, b = (e.op("fcmp oeq", ty, x[k], y[k]) for k in (0, 1))
            same = e.op("and", "i1", a, b)
            return same if how == "eq" else e.op("xor", "i1", same, "true")
        if t.kind == "f":
            return e.op(f"fcmp {'une' if how == 'ne' else 'o' + how}", ty, x, y)
        sign = "" if how in ("eq", "ne") else "s" if t.kind == "i" else "u"
        return e.op(f"icmp {sign}{how}", ty, x, y)

    return compare


for _name in _COMPARISONS:
    row(_name, "fiub" + ("c" if _name in ("equal", "not_equal") else ""))(_comparison(_name))


def _logical(how: str) -> Row:
    def of_truths(e: Scalars, loop: Any, *xs: Any) -> Any:
        truths = [cast(e.body, x, loop[0], BOOL) for x in xs]
        assert all(isinstance(x, str) for x in truths)
        if how == "not":
            return e.op("xor", "i1", *truths, "true")  # type: ignore[arg-type]
        return e.op(how, "i1", *truths)  # type: ignore[arg-type]

    return of_truths


for _how in ("and", "or", "xor", "not"):
    row(f"logical_{_how}", "fiubc")(_logical(_how))
    if _how != "not":
        row(f"bitwise_{_how}", "iub")(
            lambda e, loop, x, y, how=_how: e.op(how, in_registers(loop[0]), x, y)
        )


@row("invert", "iub")
def _invert(e: Scalars, loop: Any, x: str) -> str:
    return e.op("xor", in_registers(loop[0]), x, "true" if loop[0].kind == "b" else "-1")


def _shifted(left: bool) -> Row:
    def shift(e: Scalars, loop: Any, x: str, y: str) -> str:
        t = loop[0]
        ty, bits = in_registers(t), 8 * t.itemsize
        inside = e.op("icmp ult", ty, y, str(bits))
        how = "shl" if left else "ashr" if t.kind == "i" else "lshr"
        found = e.op(how, ty, x, e.select(inside, ty, y, "0"))
        beyond = "0" if left or t.kind == "u" else e.op("ashr", ty, x, str(bits - 1))
        return e.select(inside, ty, found, beyond)

    return shift


row("left_shift", "iu")(_shifted(True))
row("right_shift", "iu")(_shifted(False))


def _tested(name: str) -> Row:
    def test(e: Scalars, loop: Any, x: Any) -> str:
        t = loop[0]
        if t.kind == "c":
            p = (e.part(t),)
            return e.op(
                "and" if name == "isfinite" else "or", "i1", test(e, p, x[0]), test(e, p, x[1])
            )
        if t.kind != "f":
            return "true" if name == "isfinite" else "false"
        ty = in_registers(t)
        if name == "isnan":
            return e.op("fcmp uno", ty, x, x)
        how = "oeq" if name == "isinf" else "olt"
        return e.op(f"fcmp {how}", ty, e.fabs(t, x), e.number(math.inf, t))

    return test


for _name in ("isnan", "isinf", "isfinite"):
    row(_name, "fiubc")(_tested(_name))


@row("signbit", "f")
def _signbit(e: Scalars, loop: Any, x: str) -> str:
    ty = in_registers(loop[0])
    bits = e.body.op(f"bitcast {ty} {x} to i{8 * loop[0].itemsize}", x)
    return e.op("icmp slt", f"i{8 * loop[0].itemsize}", bits, "0")


for _name in ("floor", "ceil", "trunc", "rint"):
    row(_name, "f")(lambda e, loop, x, name=_name: e.intrinsic(name, in_registers(loop[0]), x))
    row(_name, "iub")(lambda e, loop, x: x)


@row("fraction", "f")
def _fraction(e: Scalars, loop: Any, x: str) -> str:
    t = loop[0]
    ty = in_registers(t)
    rest = e.op("fsub", ty, x, e.intrinsic("trunc", ty, x))
    infinite = e.op("fcmp oeq", ty, e.fabs(t, x), e.number(math.inf, t))
    return e.copysign(t, e.select(infinite, ty, e.number(0, t), rest), x)
