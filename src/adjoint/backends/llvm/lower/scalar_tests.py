"""One element of signs, extrema, comparisons, tests, logic and rounding, as code."""

from __future__ import annotations

import math
from typing import Any

from adjoint.backends.llvm.lower.scalar import Row, Scalars, row, select
from adjoint.backends.llvm.lower.types import BOOL, cast, in_registers

__all__ = ["comparison", "extremum"]

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


def extremum(e: Scalars, loop: Any, x: str, y: str, how: str, keep: str) -> str:
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


_EXTREMA = {"maximum": "gx", "minimum": "lx", "fmax": "gy", "fmin": "ly"}

for _name, _which in _EXTREMA.items():
    row(_name, "fiub")(lambda e, loop, x, y, which=_which: extremum(e, loop, x, y, *which))


# -- comparisons, tests, logic ---------------------------------------------------------------------

_COMPARISONS = {
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq",
    "not_equal": "ne",
}  # fmt: skip


@row("where", "b")
def _where(e: Scalars, loop: Any, c: str, x: Any, y: Any) -> Any:
    return select(e, c, loop[1], x, y)


def comparison(name: str) -> Row:
    """Return the code of a comparison."""
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
    row(_name, "fiub" + ("c" if _name in ("equal", "not_equal") else ""))(comparison(_name))


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
