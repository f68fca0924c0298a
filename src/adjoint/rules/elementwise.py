"""Derivatives of the real elementwise operations: t times the partial derivative, per operand.

They are written so that neither they nor what they differentiate into lose accuracy where the
textbook formula cancels, and with the strong products where the partial can be infinite: what is
zero by construction (the untaken branch of a ``where``) stays zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.ops import elementwise as ew
from adjoint.rules.derive import elementwise, linear, zero
from adjoint.staged.values import Staged

LOG_2 = math.log(2)
LOG_10 = math.log(10)


def _is_complex(x: Any) -> bool:
    return isinstance(x, complex) or (hasattr(x, "dtype") and x.dtype.kind == "c")


# -- arithmetic ------------------------------------------------------------------------------------

elementwise(ew.add, lambda t: t, lambda t: t)
elementwise(ew.subtract, lambda t: t, lambda t: -t)
elementwise(ew.multiply, lambda t, y: t * y, lambda t, x: t * x)
elementwise(
    ew.divide,
    lambda t, y: ew.strong_divide(t, y),
    lambda t, out, y: -ew.strong_divide(ew.strong_multiply(t, out), y),
)
elementwise(ew.negative, lambda t: -t)
elementwise(ew.reciprocal, lambda t, out: -ew.strong_multiply(ew.strong_multiply(t, out), out))
elementwise(ew.square, lambda t, x: t * (2 * x))
# np.floor_divide rounds the quotient as np.remainder does; np.floor(x / y) may be off by one.
elementwise(ew.remainder, lambda t: t, lambda t, x, y: -t * np.floor_divide(x, y))
elementwise(ew.fmod, lambda t: t, lambda t, x, out, y: -t * np.rint((x - out) / y))
elementwise(ew.ieee_remainder, lambda t: t, lambda t, x, out, y: -t * np.rint((x - out) / y))
zero(ew.floor_divide, ew.sign)


def _power_x(t: Any, x: Any, y: Any) -> Any:
    if type(y) is int and y > 0:
        return t * (2 * x) if y == 2 else t * (y * x ** (y - 1)) if y > 1 else t
    if type(y) is int or type(y) is float:
        return ew.strong_multiply(t, y * _powered(x, y - 1)) if y else t * 0
    # x**0 is the constant 1, at x = 0 too.
    return ew.strong_multiply(t, y * _powered(x, ew.where(np.equal(y, 0), 1, y - 1)))


def _powered(x: Any, y: Any) -> Any:
    # The class of a traced value is that of what it stands for. In a graph a power of real numbers
    # is real.
    if x.__class__ is float and y.__class__ is float:
        staged = isinstance(x, Staged) or isinstance(y, Staged)
        base: Any = x
        exponent: Any = y
        if not staged and base < 0 and exponent % 1 != 0:
            return (base + 0j) ** exponent  # a complex number in Python, NaN in NumPy
    with np.errstate(divide="ignore"):  # 0 to a negative power
        return ew.power(x, y)


def _power_y(t: Any, x: Any, out: Any) -> Any:
    if _is_complex(out) and not _is_complex(x):
        x = x + 0j  # Python's (-8.0) ** (1 / 3)
    # 0**y is the constant 0 for every y > 0.
    return ew.strong_multiply(t, out * np.log(ew.where(np.equal(x, 0), 1, x)))


elementwise(ew.power, _power_x, _power_y)

# -- exponentials, logarithms, roots ---------------------------------------------------------------

elementwise(ew.exp, lambda t, out: t * out)
elementwise(ew.exp2, lambda t, out: t * (out * LOG_2))
elementwise(ew.expm1, lambda t, x: t * np.exp(x))  # out + 1 cancels for x below -1
elementwise(ew.log, lambda t, x: ew.strong_divide(t, x))
elementwise(ew.log2, lambda t, x: ew.strong_divide(t, x * LOG_2))
elementwise(ew.log10, lambda t, x: ew.strong_divide(t, x * LOG_10))
elementwise(ew.log1p, lambda t, x: ew.strong_divide(t, 1 + x))
elementwise(ew.sqrt, lambda t, out: ew.strong_divide(0.5 * t, out))
elementwise(ew.cbrt, lambda t, out: ew.strong_divide(t, 3 * (out * out)))

# The share of x in log(eˣ + eʸ) is 1/(1 + e^(y − x)); e^(x − out) would lose the digits of out.
elementwise(
    ew.logaddexp,
    lambda t, x, y: t * ew.logistic(ew.extended_subtract(x, y)),
    lambda t, x, y: t * ew.logistic(ew.extended_subtract(y, x)),
)
elementwise(
    ew.logaddexp2,
    lambda t, x, y: t * ew.logistic(LOG_2 * ew.extended_subtract(x, y)),
    lambda t, x, y: t * ew.logistic(LOG_2 * ew.extended_subtract(y, x)),
)

# -- circular and hyperbolic functions -------------------------------------------------------------


def _sqrt_one_plus_square(x: Any) -> Any:
    if _is_complex(x):
        return np.sqrt(ew.one_minus_square(1j * x))
    return np.hypot(x, 1)  # does not overflow


def _one_plus_square(x: Any) -> Any:
    return ew.one_minus_square(1j * x) if _is_complex(x) else 1 + np.square(x)


def _tan(t: Any, x: Any, out: Any) -> Any:
    # Far from the real axis tan is ±i, and 1 + tan² cancels.
    return t * (ew.sech2(1j * x) if _is_complex(x) else 1 + np.square(out))


elementwise(ew.sin, lambda t, x: t * np.cos(x))
elementwise(ew.cos, lambda t, x: -t * np.sin(x))
elementwise(ew.tan, _tan)
elementwise(ew.arcsin, lambda t, x: ew.strong_divide(t, np.sqrt(ew.one_minus_square(x))))
elementwise(ew.arccos, lambda t, x: -ew.strong_divide(t, np.sqrt(ew.one_minus_square(x))))
elementwise(ew.arctan, lambda t, x: ew.strong_divide(t, _one_plus_square(x)))
elementwise(ew.sinh, lambda t, x: t * np.cosh(x))
elementwise(ew.cosh, lambda t, x: t * np.sinh(x))
elementwise(ew.tanh, lambda t, x: t * ew.sech2(x))
elementwise(ew.arcsinh, lambda t, x: ew.strong_divide(t, _sqrt_one_plus_square(x)))
# x + 1 would lose the sign of a zero imaginary part: the side of the branch cut.
elementwise(ew.arccosh, lambda t, x: ew.strong_divide(t, np.sqrt(x - 1) * np.sqrt(x - (-1))))
elementwise(ew.arctanh, lambda t, x: ew.strong_divide(t, ew.one_minus_square(x)))
elementwise(ew.radians, lambda t: t * (math.pi / 180))
elementwise(ew.degrees, lambda t: t * (180 / math.pi))

# With c = x/r and s = y/r the derivatives are polynomials in c, s and 1/r; at the origin c = s = 0.
elementwise(
    ew.hypot,
    lambda t, x, y: t * ew.direction(x, y),
    lambda t, x, y: t * ew.direction(y, x),
)
elementwise(
    ew.arctan2,
    lambda t, x, y: t * ew.strong_divide(ew.direction(y, x), np.hypot(x, y)),
    lambda t, x, y: -t * ew.strong_divide(ew.direction(x, y), np.hypot(x, y)),
)
elementwise(
    ew.direction,
    lambda t, x, y: t * ew.strong_divide(np.square(ew.direction(y, x)), np.hypot(x, y)),
    lambda t, x, y: -t * ew.strong_divide(ew.direction(x, y) * ew.direction(y, x), np.hypot(x, y)),
)

# -- extrema, signs, parts of numbers --------------------------------------------------------------


def _wins(t: Any, x: Any, y: Any) -> Any:
    """Return t d max(x, y)/dx; a tie is shared evenly."""
    return ew.where(np.greater(x, y), t, ew.where(np.equal(x, y), 0.5 * t, 0))


def _wins_or_alone(t: Any, x: Any, y: Any, other: Any) -> Any:
    """Return what `_wins` does; all of t where the other operand is NaN, which fmax ignores."""
    return ew.where(np.isnan(other), t, _wins(t, x, y))


def _copysign_x(t: Any, x: Any, y: Any) -> Any:
    # |x| has the derivative 0 at 0.
    return t * (np.sign(x) * np.copysign(1.0, y))


elementwise(ew.maximum, lambda t, x, y: _wins(t, x, y), lambda t, x, y: _wins(t, y, x))
elementwise(ew.minimum, lambda t, x, y: _wins(t, y, x), lambda t, x, y: _wins(t, x, y))
elementwise(
    ew.fmax,
    lambda t, x, y: _wins_or_alone(t, x, y, y),
    lambda t, x, y: _wins_or_alone(t, y, x, x),
)
elementwise(
    ew.fmin,
    lambda t, x, y: _wins_or_alone(t, y, x, y),
    lambda t, x, y: _wins_or_alone(t, x, y, x),
)
elementwise(ew.copysign, _copysign_x, None)
elementwise(ew.heaviside, None, lambda t, x: ew.where(np.equal(x, 0), t, 0))
elementwise(ew.nextafter, lambda t: t, None)
elementwise(ew.ldexp, lambda t, y: ew.ldexp(t, y), None)
elementwise(
    ew.where,
    None,
    lambda t, condition: ew.where(condition, t, 0),
    lambda t, condition: ew.where(condition, 0, t),
)
elementwise(ew.fraction, lambda t: t)
linear(ew.python_number, lambda ct: ct)
linear(ew.fsum, lambda ct, shapes: [ct] * len(shapes))
zero(ew.stop_gradient)

# -- what derivatives need -------------------------------------------------------------------------

elementwise(
    ew.strong_multiply,
    lambda t, y: ew.strong_multiply(t, y),
    lambda t, x: ew.strong_multiply(x, t),
)
elementwise(
    ew.strong_divide,
    lambda t, y: ew.strong_divide(t, y),
    lambda t, out, y: -ew.strong_divide(ew.strong_multiply(out, t), y),
)
elementwise(ew.extended_subtract, lambda t: t, lambda t: -t)
elementwise(ew.one_minus_square, lambda t, x: t * (-2 * x))
elementwise(ew.sech2, lambda t, x, out: t * (-2 * np.tanh(x) * out))
# s(1 − s) = sech²(x/2)/4, whose own derivative does not cancel at 0 as s(−x) − s(x) does.


def logistic_slope(t: Any, x: Any) -> Any:
    """1/(1 + exp(−x)): the slope is sech²(x/2)/4, without the cancellation of y(1 − y)."""
    return t * (0.25 * ew.sech2(0.5 * x))


elementwise(ew.logistic, logistic_slope)
elementwise(ew.sinc, lambda t, x, order: t * ew.sinc(x, order=order + 1))


def _bessel_i(t: Any, x: Any, order: int) -> Any:
    # DLMF 10.29.1 and 10.29.3
    if order == 0:
        return t * ew.bessel_i(x, order=1)
    return t * (0.5 * (ew.bessel_i(x, order=order - 1) + ew.bessel_i(x, order=order + 1)))


elementwise(ew.bessel_i, _bessel_i)
