"""Elementwise operations: NumPy's real and complex ufuncs that have a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import Op, primitive


def _declare(ufunc: Any, *operands: str, name: str | None = None) -> Op:
    return primitive(name or ufunc.__name__, ufunc, *(operands or ("x",)), ufunc=ufunc)


add = _declare(np.add, "x", "y")
subtract = _declare(np.subtract, "x", "y")
multiply = _declare(np.multiply, "x", "y")
divide = _declare(np.divide, "x", "y")
power = primitive("power", np.power, "x", "y", ufunc=(np.power, np.float_power))
floor_divide = _declare(np.floor_divide, "x", "y")
remainder = _declare(np.remainder, "x", "y")
negative = _declare(np.negative)
absolute = primitive("absolute", np.absolute, "x", ufunc=(np.absolute, np.fabs))
sign = _declare(np.sign)

exp = _declare(np.exp)
log = _declare(np.log)
sqrt = _declare(np.sqrt)
square = _declare(np.square)
reciprocal = _declare(np.reciprocal)
sin = _declare(np.sin)
cos = _declare(np.cos)
tanh = _declare(np.tanh)
maximum = _declare(np.maximum, "x", "y")
minimum = _declare(np.minimum, "x", "y")
conjugate = _declare(np.conjugate)
real = primitive("real", lambda x: np.real(x) if np.ndim(x) == 0 else x.real, "x", views=True)
imag = primitive("imag", lambda x: np.imag(x) if np.ndim(x) == 0 else x.imag, "x", views=True)
where = primitive("where", np.where, "condition", "x", "y")


def _strong_multiply(x: Any, y: Any) -> Any:
    product = np.multiply(x, y)
    return np.where(np.equal(x, 0), np.zeros_like(product), product)[()]


def _sech2(x: Any) -> Any:
    u = np.exp(-2 * np.abs(x)) if not np.iscomplexobj(x) else None
    if u is None:
        return 1 / np.cosh(x) ** 2
    return 4 * u / (1 + u) ** 2


def _python_number(x: Any) -> Any:
    return x.item() if hasattr(x, "item") else x


strong_multiply = primitive("strong_multiply", _strong_multiply, "x", "y")
"""x·y, with 0·y = 0 for any y, infinite or NaN: where a partial derivative may be infinite and what
it multiplies is zero by construction."""

sech2 = primitive("sech2", _sech2, "x")
"""1 − tanh², with full relative accuracy for every x: 4u/(1 + u)², u = exp(−2|x|)."""

python_number = primitive("python_number", _python_number, "x")
"""``x.item()``: a NumPy scalar as a Python number, which is weak in promotions."""
