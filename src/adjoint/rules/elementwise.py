"""Derivatives of the elementwise operations: t times the partial derivative, per operand."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops import elementwise as ew
from adjoint.rules.derive import elementwise, general, linear, zero

elementwise(ew.add, lambda t: t, lambda t: t)
elementwise(ew.subtract, lambda t: t, lambda t: -t)
elementwise(ew.multiply, lambda t, y: t * y, lambda t, x: t * x)
elementwise(ew.divide, lambda t, y: t / y, lambda t, out, y: -t * (out / y))
elementwise(ew.negative, lambda t: -t)
elementwise(ew.strong_multiply, lambda t, y: ew.strong_multiply(t, y), lambda t, x: t * x)
elementwise(ew.remainder, lambda t: t, lambda t, x, y: -t * np.floor(x / y))
zero(ew.floor_divide, ew.sign)

elementwise(ew.exp, lambda t, out: t * out)
elementwise(ew.log, lambda t, x: t / x)
elementwise(ew.sqrt, lambda t, out: ew.strong_multiply(t, 0.5 / out))
elementwise(ew.square, lambda t, x: t * (2 * x))
elementwise(ew.reciprocal, lambda t, out: -t * out * out)
elementwise(ew.sin, lambda t, x: t * np.cos(x))
elementwise(ew.cos, lambda t, x: -t * np.sin(x))
elementwise(ew.tanh, lambda t, x: t * ew.sech2(x))
elementwise(ew.sech2, lambda t, x, out: t * (-2 * np.tanh(x) * out))


def _power_x(t: Any, x: Any, y: Any) -> Any:
    if type(y) is int:
        return t * (2 * x) if y == 2 else t * (y * x ** (y - 1)) if y else t * 0
    # x**0 is the constant 1, at x = 0 too.
    return t * (y * x ** ew.where(np.equal(y, 0), 1, y - 1))


def _power_y(t: Any, x: Any, out: Any) -> Any:
    # 0**y is the constant 0 for every y > 0.
    return t * (out * np.log(ew.where(np.equal(x, 0), 1, x)))


def _direction(x: Any, out: Any) -> Any:
    """Return d|x|/dx: the sign, or for complex x the conjugate of x/|x|; 0 at 0."""
    if not np.iscomplexobj(x):
        return np.sign(x)
    return np.conjugate(x) / ew.where(np.equal(out, 0), 1, out)


def _share(x: Any, y: Any) -> Any:
    """Return d max(x, y)/dx; a tie is shared evenly."""
    return 0.5 * np.greater(x, y) + 0.5 * np.greater_equal(x, y)


elementwise(ew.power, _power_x, _power_y)
elementwise(ew.maximum, lambda t, x, y: t * _share(x, y), lambda t, x, y: t * _share(y, x))
elementwise(ew.minimum, lambda t, x, y: t * _share(y, x), lambda t, x, y: t * _share(x, y))
general(
    ew.absolute,
    jvp=lambda x_dot, x, out: np.real(x_dot * _direction(x, out)),
    vjp=lambda ct, x, out: ct * _direction(x, out),
)
elementwise(
    ew.where, None, lambda t, condition: ew.where(condition, t, 0), lambda t, condition: ew.where(condition, 0, t)
)
linear(ew.python_number, lambda ct: ct)
linear(ew.real, lambda ct: ct)
linear(ew.imag, lambda ct: ct * -1j)
linear(ew.conjugate, lambda ct: np.conjugate(ct))
