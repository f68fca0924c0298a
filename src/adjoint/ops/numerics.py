"""NumPy meanings of the elementwise operations that NumPy itself does not have.

They are what the derivatives of NumPy's functions need in order to be accurate where the textbook
formula cancels, overflows or divides zero by zero. Numbers and arrays only: no traced values.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

__all__ = [
    "bessel_i",
    "direction",
    "extended_subtract",
    "ieee_remainder",
    "logistic",
    "one_minus_square",
    "sech2",
    "sinc_derivative",
    "strong_divide",
    "strong_multiply",
]

SMALL = 1000


def strong_multiply(x: Any, y: Any) -> Any:
    """Return x·y, but 0 wherever x is 0."""
    if _has_no_zero(x):
        return np.multiply(x, y)
    if not isinstance(x, np.ndarray) and not isinstance(y, np.ndarray):
        return x * y if x else _zero_like(x, y)
    with np.errstate(invalid="ignore"):
        return _cleared(x, np.multiply(x, y))


def strong_divide(x: Any, y: Any) -> Any:
    """Return x/y, but 0 wherever x is 0."""
    if _has_no_zero(x):
        return np.divide(x, y)
    if not isinstance(x, np.ndarray) and not isinstance(y, np.ndarray):
        if not x:
            return _zero_like(x, y)
        return x / y if y else np.divide(x, y)  # Python's own division by 0.0 raises
    with np.errstate(divide="ignore", invalid="ignore"):
        return _cleared(x, np.divide(x, y))


def _zero_like(x: Any, y: Any) -> Any:
    kind = np.result_type(x, y)
    return kind.type(0) if kind.kind in "fc" else 0.0


def _has_no_zero(x: Any) -> bool:
    # Beyond that size the test costs more than looking at the result.
    return type(x) is np.ndarray and x.size < SMALL and np.count_nonzero(x) == x.size


def _cleared(x: Any, result: np.ndarray) -> Any:
    """Put 0 where x is 0, if anything in the result is infinite or NaN at all."""
    flat = result.reshape(-1)
    if np.isfinite(np.vdot(flat, flat)):
        return result
    return np.where(np.equal(x, 0), result.dtype.type(0), result)


def extended_subtract(x: Any, y: Any) -> Any:
    """Return x − y, with ∞ − ∞ = 0."""
    with np.errstate(invalid="ignore"):
        difference = np.subtract(x, y)
        if np.all(np.isfinite(difference)):
            return difference
        return np.where(np.equal(x, y), difference.dtype.type(0), difference)[()]


def one_minus_square(x: Any) -> Any:
    """Return 1 − x² as (1 − x)(1 + x), on the side of a branch cut that x is on."""
    # Subtractions of a real number keep the sign of a zero imaginary part; 1 - x and 1 + x do not.
    return -(x - 1) * (x - (-1))


def sech2(x: Any) -> Any:
    """Return 1 − tanh² x to full relative accuracy: 4u/(1 + u)², u = exp(−2|x|)."""
    # With a complex x, u = exp(∓2x), whichever has modulus at most 1.
    u = np.exp(-2 * (np.abs(x) if not np.iscomplexobj(x) else np.where(np.real(x) < 0, -x, x)))
    return 4 * u / ((1 + u) * (1 + u))


def logistic(x: Any) -> Any:
    """Return 1/(1 + exp(−x)) to full relative accuracy on both sides."""
    u = np.exp(-np.abs(x))
    return (np.where(np.greater_equal(x, 0), 1, u) / (1 + u))[()]


def direction(x: Any, y: Any) -> Any:
    """Return x/√(x² + y²), and 0 at the origin."""
    return strong_divide(x, np.hypot(x, y))


def bessel_i(x: Any, *, order: int) -> Any:
    """Return the modified Bessel function of the first kind."""
    if order == 0:
        return np.i0(x)
    from scipy import special  # more than the whole of this package costs to import

    return special.i1(x) if order == 1 else special.iv(order, x)


def ieee_remainder(x: Any, y: Any) -> Any:
    """Return `math.remainder`."""
    return math.remainder(x, y)


def sinc_derivative(x: Any, *, order: int) -> Any:
    r"""Return the derivative of that order of sin(πx)/(πx), accurate near 0 too.

    With u = πx and f = sin u/u,

        f⁽ⁿ⁾(u) = ∫₀¹ sⁿ cos(us + nπ/2) ds,    u f⁽ⁿ⁾ = sin(u + nπ/2) − n f⁽ⁿ⁻¹⁾.

    Going up, the recurrence multiplies errors by n!/|u|ⁿ: it serves for |u| > n + 1. Below, the
    integrand is smooth and Gauss's rule with 14 + n nodes is exact to rounding.
    """
    if order == 0:
        return np.sinc(x)
    x = np.asarray(x)
    u = np.pi * x
    near = np.abs(u) <= order + 1
    result = np.empty_like(u)
    result[near] = _sinc_near(u[near], order)
    far = u[~near]
    f = np.sin(far) / far
    for n in range(1, order + 1):
        f = (_cosine_shifted(far, n - 1) - n * f) / far
    result[~near] = f
    return (result * math.pi**order)[()]


def _sinc_near(u: np.ndarray, order: int) -> np.ndarray:
    nodes, weights = _gauss(14 + order)
    total = np.zeros(u.shape, np.result_type(u, float))
    for s, w in zip(nodes, weights, strict=True):
        total += (w * s**order) * _cosine_shifted(u * s, order)
    return total.astype(u.dtype)


def _cosine_shifted(u: Any, n: int) -> Any:
    """Return cos(u + nπ/2)."""
    return (np.cos(u), -np.sin(u), -np.cos(u), np.sin(u))[n % 4]


@functools.cache
def _gauss(count: int) -> tuple[list[float], list[float]]:
    """Return Gauss's nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return list((nodes + 1) / 2), list(weights / 2)
