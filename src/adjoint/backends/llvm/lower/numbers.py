"""Numbers: an operation on registers, with the errors that Python raises."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.scalar import element_of
from adjoint.backends.llvm.lower.types import cast, known, real_literal
from adjoint.backends.llvm.lower.values import Number
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.transforms.simplify.integers import Integers

__all__ = ["number"]

_OVERFLOWING = {"add": "sadd", "subtract": "ssub", "multiply": "smul"}


def number(f: Lowering, node: Value, loop: tuple[np.dtype, ...]) -> Number:
    """Lower an elementwise operation on numbers."""
    op, type = node.op, node.type
    assert op is not None and isinstance(type, Type)
    xs = [
        cast(f.body, f.number(v), v.dtype, want) for v, want in zip(node.inputs, loop, strict=False)
    ]
    if type.kind == "python" and all(v.type.kind == "python" for v in node.inputs):
        found = _of_python(f, node, loop, xs)
        if found is not None:
            return found
    if op.name == "power" and type.dtype.kind in "iu":
        exponent = xs[1]
        assert isinstance(exponent, str)
        _not_negative(f, loop[1], exponent)
    result = element_of(f.body, op, loop, xs, node.params)
    assert result is not None
    return Number(type.dtype, cast(f.body, result, loop[-1], type.dtype))


def _of_python(f: Lowering, node: Value, loop: Any, xs: list[Any]) -> Number | None:
    """Lower what Python computes in another way than NumPy."""
    op = node.op
    assert op is not None
    name, t = op.name, loop[0]
    if t.kind == "i" and name in ("floor_divide", "remainder"):
        x_sign, y_sign = map(Integers().sign, node.inputs)
        if y_sign == ">0":
            natural = x_sign in ("==0", ">0", ">=0")
            return Number(node.type.dtype, _by_positive(f, name, xs[0], xs[1], natural))
    if t.kind == "i" and name in _OVERFLOWING:
        return Number(node.type.dtype, _checked(f, node, name, xs))
    if t.kind == "i" and name in ("negative", "absolute"):
        _inside(f, xs[0], _LEAST, "-({})" if name == "negative" else "abs({})")
    if t.kind == "i" and name == "floor_divide" and known(xs[1], t) in (None, -1):
        body = f.body
        least = body.op(f"icmp eq i64 {xs[0]}, {_LEAST}", xs[0])
        minus = body.op(f"icmp eq i64 {xs[1]}, -1", xs[1])
        both = body.op(f"and i1 {least}, {minus}", least, minus)
        f.check(body.op(f"xor i1 {both}, true", both), _too_large("floor_divide"), _LEAST, -1)
    if t.kind == "i" and name in ("left_shift", "right_shift"):
        return Number(node.type.dtype, _shifted(f, name, xs[0], xs[1]))
    if t.kind == "i" and name == "power":
        return Number(node.type.dtype, _power(f, loop[1], xs[0], xs[1]))
    integers = all(v.dtype.kind != "f" for v in node.inputs)
    if name in ("divide", "floor_divide", "remainder") and known(xs[1], t) is None:
        if t.kind == "c":
            return None
        how = "fcmp une double" if t.kind == "f" else "icmp ne i64"
        truth = f.body.op(f"{how} {xs[1]}, {real_literal(0, t)}", xs[1])
        f.check(truth, _division_error(name, integers))
    elif name in ("divide", "floor_divide", "remainder") and known(xs[1], t) == 0:
        f.check("false", _division_error(name, integers))
    return None


def _by_positive(f: Lowering, name: str, x: str, y: str, natural: bool) -> str:
    """Divide by a positive integer; ``natural``: one that is not negative."""
    body = f.body
    if natural:
        return body.op(f"{'udiv' if name == 'floor_divide' else 'urem'} i64 {x}, {y}", x, y)
    rest = body.op(f"srem i64 {x}, {y}", x, y)
    below = body.op(f"icmp slt i64 {rest}, 0", rest)
    if name == "remainder":
        shift = body.op(f"select i1 {below}, i64 {y}, i64 0", below, y)
        return body.op(f"add nsw i64 {rest}, {shift}", rest, shift)
    quotient = body.op(f"sdiv i64 {x}, {y}", x, y)
    down = body.op(f"sext i1 {below} to i64", below)
    return body.op(f"add nsw i64 {quotient}, {down}", quotient, down)


def _division_error(name: str, integers: bool) -> Any:
    """Return what makes the error that this version of Python has for a division by zero."""
    divide = {
        "divide": operator.truediv, "floor_divide": operator.floordiv, "remainder": operator.mod,
    }[name]  # fmt: skip
    one = 1 if integers else 1.0

    def error(x: int, y: int) -> Exception:
        try:
            divide(one, type(one)(0))
        except ZeroDivisionError as error:
            return error
        raise AssertionError("Python divides by zero")

    return error


def _checked(f: Lowering, node: Value, name: str, xs: list[Any]) -> str:
    """Compute an integer that must not leave the range of 64 bits, which Python's has not."""
    body = f.body
    x, y = xs
    constants = [known(z, np.dtype(np.int64)) for z in xs]
    if all(c is not None for c in constants):
        a, b = (int(c) for c in constants)
        exact = a + b if name == "add" else a - b if name == "subtract" else a * b
        if -(1 << 63) <= exact < 1 << 63:
            return str(exact)
    if _stays(node, name, constants):
        how = {"add": "add", "subtract": "sub", "multiply": "mul"}[name]
        return body.op(f"{how} nsw i64 {x}, {y}", x, y)
    intrinsic = f"@llvm.{_OVERFLOWING[name]}.with.overflow.i64"
    body.module.declare(intrinsic, f"declare {{ i64, i1 }} {intrinsic}(i64, i64)")
    pair = body.op(f"call {{ i64, i1 }} {intrinsic}(i64 {x}, i64 {y})", x, y)
    over = body.op(f"extractvalue {{ i64, i1 }} {pair}, 1", pair)
    fine = body.op(f"xor i1 {over}, true", over)
    f.check(fine, _too_large(name), x, y)
    return body.op(f"extractvalue {{ i64, i1 }} {pair}, 0", pair)


_POWER = """
define internal { i64, i1 } @checked.power(i64 %x, i64 %y) #0 {
start:
  br label %loop
loop:
  %e = phi i64 [ %y, %start ], [ %half, %square ]
  %base = phi i64 [ %x, %start ], [ %next, %square ]
  %sofar = phi i64 [ 1, %start ], [ %result, %square ]
  %over = phi i1 [ false, %start ], [ %worse, %square ]
  %odd = trunc i64 %e to i1
  %factor = select i1 %odd, i64 %base, i64 1
  %product = call { i64, i1 } @llvm.smul.with.overflow.i64(i64 %sofar, i64 %factor)
  %result = extractvalue { i64, i1 } %product, 0
  %left = extractvalue { i64, i1 } %product, 1
  %bad = or i1 %over, %left
  %half = lshr i64 %e, 1
  %more = icmp ne i64 %half, 0
  br i1 %more, label %square, label %end
square:
  %squared = call { i64, i1 } @llvm.smul.with.overflow.i64(i64 %base, i64 %base)
  %next = extractvalue { i64, i1 } %squared, 0
  %large = extractvalue { i64, i1 } %squared, 1
  %worse = or i1 %bad, %large
  br label %loop
end:
  %r0 = insertvalue { i64, i1 } poison, i64 %result, 0
  %r1 = insertvalue { i64, i1 } %r0, i1 %bad, 1
  ret { i64, i1 } %r1
}
"""


def _power(f: Lowering, t: np.dtype, x: str, y: str) -> str:
    """Compute a power that must not leave the range of 64 bits."""
    _not_negative(f, t, y)
    body = f.body
    intrinsic = "@llvm.smul.with.overflow.i64"
    body.module.declare(intrinsic, f"declare {{ i64, i1 }} {intrinsic}(i64, i64)")
    body.module.declare("@checked.power", _POWER)
    pair = body.op(f"call {{ i64, i1 }} @checked.power(i64 {x}, i64 {y})", x, y)
    over = body.op(f"extractvalue {{ i64, i1 }} {pair}, 1", pair)
    f.check(body.op(f"xor i1 {over}, true", over), _too_large("power"), x, y)  # type: ignore[arg-type]
    return body.op(f"extractvalue {{ i64, i1 }} {pair}, 0", pair)


def _shifted(f: Lowering, name: str, x: str, y: str) -> str:
    """Shift an integer by a count that is not negative, to one of 64 bits."""
    body = f.body
    truth = body.op(f"icmp sge i64 {y}, 0", y)
    f.check(truth, lambda x, y: ValueError("negative shift count"))
    few = body.op(f"icmp ule i64 {y}, 63", y)
    by = body.op(f"select i1 {few}, i64 {y}, i64 63", few, y)
    if name == "right_shift":
        return body.op(f"ashr i64 {x}, {by}", x, by)
    found = body.op(f"shl i64 {x}, {by}", x, by)
    back = body.op(f"ashr i64 {found}, {by}", found, by)
    same = body.op(f"icmp eq i64 {back}, {x}", back, x)
    inside = body.op(f"and i1 {same}, {few}", same, few)
    nothing = body.op(f"icmp eq i64 {x}, 0", x)
    fine = body.op(f"or i1 {inside}, {nothing}", inside, nothing)
    f.check(fine, _too_large("left_shift"), x, y)  # type: ignore[arg-type]
    return found


_LENGTH = 1 << 31
_LEAST = -(1 << 63)


def _stays(node: Value, name: str, constants: list[Any]) -> bool:
    """Tell whether the bounds of an operand prove that the result is in range.

    A bound that is an expression is one of lengths and counts, which are far from the limit.
    """
    if name == "multiply":
        low, high = node.bounds
        return isinstance(low, int) and isinstance(high, int) and max(-low, high) < 1 << 62
    for v, c in zip(node.inputs, reversed(constants)):
        if c is None or abs(int(c)) > _LENGTH:
            continue
        if name == "subtract" and v is node.inputs[1]:
            continue
        up = (c > 0) == (name == "add")
        if c == 0 or v.bounds[1 if up else 0] is not None:
            return True
    return False


def _inside(f: Lowering, x: str, refused: int, text: str) -> None:
    """Report the integer whose negative is not in range."""
    truth = f.body.op(f"icmp ne i64 {x}, {refused}", x)
    f.check(
        truth,
        lambda x, y: OverflowError(
            f"{text.format(x)} does not fit an integer of 64 bits, which compiled code computes "
            "with"
        ),
        refused,
    )


def _too_large(name: str) -> Any:
    sign = {
        "add": "+", "subtract": "-", "multiply": "*", "floor_divide": "//", "power": "**",
        "left_shift": "<<",
    }[name]  # fmt: skip
    return lambda x, y: OverflowError(
        f"{x} {sign} {y} does not fit an integer of 64 bits, which compiled code computes with"
    )


def _not_negative(f: Lowering, t: np.dtype, y: str) -> None:
    value = known(y, t)
    if t.kind == "u" or (value is not None and value >= 0):
        return
    bits = 8 * t.itemsize
    truth = f.body.op(f"icmp sge i{bits} {y}, 0", y)
    f.check(truth, lambda a, b: ValueError("Integers to negative integer powers are not allowed."))
