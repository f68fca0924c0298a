"""Elementwise operations: NumPy's real and complex ufuncs that have a derivative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.ops import numerics
from adjoint.ops.registry import Op, primitive


def _declare(ufunc: Any, *operands: str, name: str | None = None) -> Op:
    return primitive(name or ufunc.__name__, ufunc, *(operands or ("x",)), ufunc=ufunc)


# -- arithmetic ------------------------------------------------------------------------------------

add = _declare(np.add, "x", "y")
subtract = _declare(np.subtract, "x", "y")
multiply = _declare(np.multiply, "x", "y")
divide = _declare(np.divide, "x", "y")
power = _declare(np.power, "x", "y")
floor_divide = _declare(np.floor_divide, "x", "y")
remainder = _declare(np.remainder, "x", "y")
fmod = _declare(np.fmod, "x", "y")
negative = _declare(np.negative)
reciprocal = _declare(np.reciprocal)
square = _declare(np.square)

# -- exponentials, logarithms, roots ---------------------------------------------------------------

exp = _declare(np.exp)
exp2 = _declare(np.exp2)
expm1 = _declare(np.expm1)
log = _declare(np.log)
log2 = _declare(np.log2)
log10 = _declare(np.log10)
log1p = _declare(np.log1p)
logaddexp = _declare(np.logaddexp, "x", "y")
logaddexp2 = _declare(np.logaddexp2, "x", "y")
sqrt = _declare(np.sqrt)
cbrt = _declare(np.cbrt)

# -- circular and hyperbolic functions -------------------------------------------------------------

sin = _declare(np.sin)
cos = _declare(np.cos)
tan = _declare(np.tan)
arcsin = _declare(np.arcsin)
arccos = _declare(np.arccos)
arctan = _declare(np.arctan)
arctan2 = _declare(np.arctan2, "x", "y")
hypot = _declare(np.hypot, "x", "y")
sinh = _declare(np.sinh)
cosh = _declare(np.cosh)
tanh = _declare(np.tanh)
arcsinh = _declare(np.arcsinh)
arccosh = _declare(np.arccosh)
arctanh = _declare(np.arctanh)
radians = primitive("radians", np.radians, "x", ufunc=(np.radians, np.deg2rad))
degrees = primitive("degrees", np.degrees, "x", ufunc=(np.degrees, np.rad2deg))

# -- extrema, signs, parts of numbers --------------------------------------------------------------

absolute = primitive("absolute", np.absolute, "x", ufunc=np.absolute)
sign = primitive("sign", np.sign, "x")
complex_sign = primitive("complex_sign", np.sign, "x")
copysign = _declare(np.copysign, "x", "y")
heaviside = _declare(np.heaviside, "x", "y")
maximum = _declare(np.maximum, "x", "y")
minimum = _declare(np.minimum, "x", "y")
fmax = _declare(np.fmax, "x", "y")
fmin = _declare(np.fmin, "x", "y")
nextafter = _declare(np.nextafter, "x", "y")
ldexp = _declare(np.ldexp, "x", "y")
conjugate = _declare(np.conjugate)
real = primitive("real", lambda x: np.real(x) if np.ndim(x) == 0 else x.real, "x", views=True)
imag = primitive("imag", lambda x: np.imag(x) if np.ndim(x) == 0 else x.imag, "x", views=True)
where = primitive("where", np.where, "condition", "x", "y")


def _python_number(x: Any) -> Any:
    return x.item() if hasattr(x, "item") else x


fraction = primitive("fraction", lambda x: np.modf(x)[0], "x")
"""The fractional part that `np.modf` returns, with the sign of x."""

python_number = primitive("python_number", _python_number, "x")
"""``x.item()``: a NumPy scalar as a Python number, which is weak in promotions."""

fsum = primitive("fsum", lambda *xs: math.fsum(xs), "*xs")
"""`math.fsum` of any number of scalars."""

ieee_remainder = primitive("ieee_remainder", numerics.ieee_remainder, "x", "y")
"""`math.remainder`: x − y·n with n the integer nearest to x/y."""

stop_gradient = primitive("stop_gradient", lambda x: x, "x")
"""x, through which no derivative goes."""

# -- what derivatives need -------------------------------------------------------------------------

strong_multiply = primitive("strong_multiply", numerics.strong_multiply, "x", "y")
"""x·y, with 0·y = 0 for any y, infinite or NaN: where a partial derivative may be infinite and what
it multiplies is zero by construction."""

strong_divide = primitive("strong_divide", numerics.strong_divide, "x", "y")
"""x/y, with 0/y = 0 for any y, zero or NaN: likewise, where the partial is a quotient."""

extended_subtract = primitive("extended_subtract", numerics.extended_subtract, "x", "y")
"""x − y, with ∞ − ∞ = 0."""

one_minus_square = primitive("one_minus_square", numerics.one_minus_square, "x")
"""1 − x², with full relative accuracy near ±1. An operation, so that its derivative is −2x exactly
where the product rule would give the difference of 1 − x and 1 + x."""

direction = primitive("direction", numerics.direction, "x", "y")
"""x/√(x² + y²), and 0 at the origin. Its partials are products of directions, and so keep full
relative accuracy where 1 − (x/r)² would cancel."""

sech2 = primitive("sech2", numerics.sech2, "x")
"""1 − tanh², with full relative accuracy for every x."""

logistic = primitive("logistic", numerics.logistic, "x")
"""1/(1 + exp(−x)), with full relative accuracy for every real x."""

sinc = primitive("sinc", numerics.sinc_derivative, "x")
"""sin(πx)/(πx), and its derivatives: parameter ``order``."""

bessel_i = primitive("bessel_i", numerics.bessel_i, "x")
"""The modified Bessel function of the first kind; parameter ``order``. That of order 0 is np.i0."""
