"""One element of arithmetic, division with a remainder, and powers, as code."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.library import integer_power
from adjoint.backends.llvm.lower.scalar import Row, Scalars, is_zero, row, select, zero_of
from adjoint.backends.llvm.lower.scalar_tests import comparison
from adjoint.backends.llvm.lower.types import in_registers, known

__all__ = ["complex_product", "complex_quotient"]

# -- arithmetic ------------------------------------------------------------------------------------


def _added(how: str) -> Row:
    def add(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
        t = loop[0]
        if t.kind == "c":
            p = e.part(t)
            return e.flt(f"f{how}", p, x[0], y[0]), e.flt(f"f{how}", p, x[1], y[1])
        if t.kind == "f":
            return e.flt(f"f{how}", t, x, y)
        return e.op(how, in_registers(t), x, y)

    return add


row("add", "fiuc")(_added("add"))
_subtract = row("subtract", "fiuc")(_added("sub"))


@row("extended_subtract", "fiuc")
def _extended_subtract(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    difference = _subtract(e, loop, x, y)
    if t.kind in "iu":
        return difference
    equal = comparison("equal")(e, loop, x, y)
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


@row("strong_multiply", "fiuc")
def _strong_multiply(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    return select(e, is_zero(e, t, x), t, zero_of(e, t), _multiply(e, loop, x, y))


@row("strong_divide", "fc")
def _strong_divide(e: Scalars, loop: Any, x: Any, y: Any) -> Any:
    t = loop[0]
    return select(e, is_zero(e, t, x), t, zero_of(e, t), _divide(e, loop, x, y))


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
    name = integer_power(e.body.module, ty)
    return e.body.op(f"call {ty} {name}({ty} {x}, {ty} {y})", x, y)
