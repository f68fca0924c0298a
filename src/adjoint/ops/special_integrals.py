"""Derivatives of incomplete gamma, beta and elliptic integrals in their parameters, as integrals.

With u = ln t the n-th derivative of the gamma density in a is the density times a polynomial in
u − ψ(a) (a complete Bell polynomial), so the derivative of the integral is an integral again. The
whole integral is 1 for every a and its derivatives vanish: the tail in which the first derivative
keeps its sign is integrated, and relative accuracy is kept where P or Q itself has rounded to 1.
Substitution: double exponential (Takahasi & Mori 1974). These are meanings on NumPy values; their
derivatives are in `adjoint.rules.special_parameters`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

__all__ = [
    "bell",
    "bell_pair",
    "beta_density",
    "betainc_parameter",
    "elliptic_moment",
    "gamma_density",
    "gammainc_parameter",
    "log_beta_derivative",
    "zeta_derivative",
]

_CHUNK = 1 << 12
"""Elements per pass: bounds the memory for elements × nodes."""


def _finite_rule(h: float, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return tanh-sinh nodes on [0, 1] as distances from both ends, and weights."""
    k = np.arange(-reach, reach + h / 2, h)
    s = 0.5 * math.pi * np.sinh(k)
    weight = h * 0.25 * math.pi * np.cosh(k) / np.cosh(s) ** 2
    return sp.expit(2 * s), sp.expit(-2 * s), weight


def _half_line_rule(h: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights on (0, ∞) for integrands like exp(−s): s = e^(k − e^−k)."""
    k = np.arange(low, high, h)
    s = np.exp(k - np.exp(-k))
    return s, h * s * (1 + np.exp(-k))


_NEAR, _FAR, _WEIGHT = _finite_rule(1 / 24, 3.4)
_LINE, _LINE_WEIGHT = _half_line_rule(1 / 24, -3.9, 4.6)


def _elementwise(fn: Callable[..., np.ndarray], *args: Any) -> Any:
    """Evaluate ``fn`` of flat float64 arrays in chunks, in the broadcast shape."""
    dtype = np.result_type(*args)
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
    arrays = np.broadcast_arrays(*[np.asarray(a, np.float64) for a in args])
    flat = [a.ravel() for a in arrays]
    out = np.empty(flat[0].shape)
    with np.errstate(all="ignore"):
        for start in range(0, out.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            out[part] = fn(*[a[part] for a in flat])
    return out.reshape(arrays[0].shape).astype(dtype)[()]


def _integrate(f: Callable[[Any], Any], start: Any, sign: Any, cliff: Any, scale: Any) -> Any:
    """Integrate f(start + sign·s) over s from 0 to ``cliff`` and on to infinity, where it decays on
    the length ``scale``."""
    start, sign, cliff, scale = (x[:, None] for x in (start, sign, cliff, scale))
    near = f(start + sign * np.where(_NEAR < 0.5, cliff * _NEAR, cliff - cliff * _FAR))
    # A node at distance 0 with an infinite value has weight 0.
    first = np.sum(np.where(cliff > 0, near * _WEIGHT, 0.0), axis=1) * cliff[:, 0]
    rest = f(start + sign * (cliff + scale * _LINE))
    return first + np.sum(rest * _LINE_WEIGHT, axis=1) * scale[:, 0]


def stirling_remainder(z: Any) -> Any:
    """Return ln Γ(z) − ((z − ½) ln z − z + ½ ln 2π) for z > 0 (DLMF 5.11.1)."""
    w = 1 / np.maximum(z, 8.0)
    v = w * w
    series = w * (
        1 / 12 - v * (1 / 360 - v * (1 / 1260 - v * (1 / 1680 - v * (1 / 1188 - v * (
            691 / 360360 - v * (1 / 156 - v * 3617 / 122400))))))
    )  # fmt: skip
    small = np.minimum(z, 8.0)
    direct = sp.gammaln(small) - (
        (small - 0.5) * np.log(small) - small + 0.5 * math.log(2 * math.pi)
    )
    return np.where(z < 8.0, direct, series)


def bell(h: list[Any]) -> Any:
    """Return the complete Bell polynomial of h[0], …, h[n−1]: the n-th derivative of exp(g) over
    exp(g), where h are the derivatives of g."""
    terms: list[Any] = [1.0]
    for n in range(len(h)):
        terms.append(sum(math.comb(n, k) * h[k] * terms[n - k] for k in range(n + 1)))
    return terms[-1]


def bell_pair(h: Callable[[int, int], Any], i: int, j: int) -> Any:
    """Return ∂ⁱ∂ʲ exp(g) / exp(g) in two variables, where ``h(k, l)`` is ∂ᵏ∂ˡ g."""
    if i == 0 and j == 0:
        return 1.0
    if i == 0:
        return sum(math.comb(j - 1, m) * h(0, m + 1) * bell_pair(h, 0, j - 1 - m) for m in range(j))
    return sum(
        math.comb(i - 1, k) * math.comb(j, m) * h(k + 1, m) * bell_pair(h, i - 1 - k, j - m)
        for k in range(i)
        for m in range(j + 1)
    )


# ---------------------------------------------------------------------------------------- gamma


def _gamma_log_weight(a: Any, u: Any) -> Any:
    """Return the logarithm of the gamma density in u = ln t."""
    v = u - np.log(a)
    return a * (v - np.expm1(v)) + 0.5 * np.log(a / (2 * math.pi)) - stirling_remainder(a)


def gamma_density(a: Any, x: Any) -> Any:
    """Return xᵃ⁻¹ e⁻ˣ / Γ(a), accurate for large a too."""

    def density(a: Any, x: Any) -> Any:
        inside = np.exp(_gamma_log_weight(a, np.log(x))) / x
        at_zero = np.where(a > 1, 0.0, np.where(a == 1, 1.0, np.inf))
        return np.where(x > 0, inside, np.where(x == 0, at_zero, np.nan))

    return _elementwise(density, a, x)


def gammainc_parameter(a: Any, x: Any, *, order: int) -> Any:
    """Return the derivative of P(a, x) of this order (≥ 1) in a."""
    return _elementwise(lambda a, x: _gammainc_parameter(a, x, order), a, x)


def _gammainc_parameter(a: Any, x: Any, n: int) -> Any:
    centre = sp.psi(a)
    higher = [-sp.polygamma(k, a)[:, None] for k in range(1, n)]
    u = np.log(x)
    lower = u < centre
    column = a[:, None]
    offset = np.log(a)[:, None]
    constant = (0.5 * np.log(a / (2 * math.pi)) - stirling_remainder(a))[:, None]

    def integrand(w: Any) -> Any:
        v = w - offset
        weight = np.exp(column * (v - np.expm1(v)) + constant)
        return np.where(weight > 0, weight * bell([w - centre[:, None], *higher]), 0.0)

    # In ln t the density rises like e^(au) up to its mode ln a, and falls off a cliff beyond 0.
    sign = np.where(lower, -1.0, 1.0)
    scale = 1 / np.maximum(np.abs(a - x), np.sqrt(np.where(lower, x, np.maximum(a, x))))
    scale = np.where(lower, np.minimum(scale, 1 / np.abs(a - x)), scale)
    cliff = np.where(lower, 0.0, np.clip(-u, 0.0, None))
    scale = np.where(~lower & (cliff > 0), 1 / np.maximum(1.0, np.sqrt(a)), scale)
    value = _integrate(integrand, u, sign, cliff, scale)
    value = np.where(lower, value, -value)
    return np.where((x == 0) | (x == np.inf), 0.0, np.where((a > 0) & (x > 0), value, np.nan))


# ----------------------------------------------------------------------------------------- beta


def _log_beta_constant(a: Any, b: Any) -> Any:
    """Return ln of t₀ᵃ (1−t₀)ᵇ / B(a, b) at t₀ = a/(a + b)."""
    return (
        0.5 * (np.log(a) + np.log(b) - np.log(a + b) - math.log(2 * math.pi))
        + stirling_remainder(a + b)
        - stirling_remainder(a)
        - stirling_remainder(b)
    )


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """Return xᵃ⁻¹ (1−x)ᵇ⁻¹ / B(a, b), accurate for large a and b too."""

    def density(a: Any, b: Any, x: Any) -> Any:
        y = 1 - x
        total = a + b
        # a ln(x/t₀) + b ln((1−x)/(1−t₀)), each as ln(1 + relative distance from t₀).
        distance = x * b - a * y
        p, q = distance / a, -distance / b
        log_p = np.where(np.abs(p) < 0.5, np.log1p(p), np.log(x) + np.log(total / a))
        log_q = np.where(np.abs(q) < 0.5, np.log1p(q), np.log1p(-x) + np.log(total / b))
        inside = np.exp(a * log_p + b * log_q + _log_beta_constant(a, b)) / (x * y)
        left = np.where(a > 1, 0.0, np.where(a == 1, b, np.inf))
        right = np.where(b > 1, 0.0, np.where(b == 1, a, np.inf))
        ends = np.where(x == 0, left, np.where(x == 1, right, np.nan))
        return np.where((x > 0) & (x < 1), inside, ends)

    return _elementwise(density, a, b, x)


def log_beta_derivative(
    a: Any, b: Any, k: int, m: int, polygamma: Callable[[int, Any], Any]
) -> Any:
    """Return ∂ᵏ/∂aᵏ ∂ᵐ/∂bᵐ of ln B(a, b)."""
    result = -polygamma(k + m - 1, a + b)
    if m == 0:
        result = result + polygamma(k - 1, a)
    if k == 0:
        result = result + polygamma(m - 1, b)
    return result


def betainc_parameter(a: Any, b: Any, x: Any, *, i: int, j: int) -> Any:
    """Return ∂ⁱ/∂aⁱ ∂ʲ/∂bʲ of I_x(a, b), i + j ≥ 1."""
    return _elementwise(lambda a, b, x: _betainc_parameter(a, b, x, i, j), a, b, x)


def _betainc_parameter(a: Any, b: Any, x: Any, i: int, j: int) -> Any:
    column_a, column_b = a[:, None], b[:, None]
    log_t0, log_s0 = -np.log1p(b / a)[:, None], -np.log1p(a / b)[:, None]
    constant = _log_beta_constant(a, b)[:, None]
    table = {
        (k, m): log_beta_derivative(a, b, k, m, sp.polygamma)[:, None]
        for k in range(i + 1)
        for m in range(j + 1)
        if k + m
    }

    def integrand(w: Any) -> Any:
        log_t, log_s = sp.log_expit(w), sp.log_expit(-w)
        exponent = column_a * (log_t - log_t0) + column_b * (log_s - log_s0)
        weight = np.exp(exponent + constant)

        def h(k: int, m: int) -> Any:
            first = log_t if (k, m) == (1, 0) else log_s if (k, m) == (0, 1) else 0.0
            return first - table[k, m]

        return np.where(weight > 0, weight * bell_pair(h, i, j), 0.0)

    # The first derivatives change sign at ln t = ψ(a) − ψ(a+b) and ln(1−t) = ψ(b) − ψ(a+b).
    w = sp.logit(x)
    log_ta = table[1, 0][:, 0] if i else None
    log_sb = table[0, 1][:, 0] if j else None
    crossings = []
    if log_ta is not None:
        crossings.append(log_ta - np.log(-np.expm1(log_ta)))
    if log_sb is not None:
        crossings.append(np.log(-np.expm1(log_sb)) - log_sb)
    lower = w < sum(crossings) / len(crossings)
    sign = np.where(lower, -1.0, 1.0)
    # Towards its tail the integrand decays at a rate between that at x and, past 0, a or b.
    total = a + b
    local = np.maximum(np.abs(a - total * x), np.sqrt(total * x * (1 - x)))
    cliff = np.clip(-sign * w, 0.0, None)
    end = np.where(lower, a, b)
    past = np.maximum(np.maximum(end, np.abs(a - b) / 2), np.sqrt(total) / 2)
    scale = 1 / np.where(end < 1, end, np.where(cliff > 0, past, local))
    value = _integrate(integrand, w, sign, cliff, scale)
    value = np.where(lower, value, -value)
    inside = (a > 0) & (b > 0) & (x > 0) & (x < 1)
    return np.where((x == 0) | (x == 1), 0.0, np.where(inside, value, np.nan))


# ------------------------------------------------------------------------------------- elliptic


def elliptic_moment(phi: Any, m: Any, *, n: int, nu: float) -> Any:
    """Return ∫₀^φ sin²ⁿθ (1 − m sin²θ)^ν dθ; F and E are n = 0 with ν = −½ and ½."""
    return _elementwise(lambda phi, m: _elliptic_moment(phi, m, n, nu), phi, m)


def _elliptic_moment(phi: Any, m: Any, n: int, nu: float) -> Any:
    periods = np.round(phi / math.pi)
    rest = phi - periods * math.pi

    def upto(length: Any) -> Any:
        # 1 − m sin² = (1 − m) + m cos², with cos θ from the distance to π/2.
        gap = (0.5 * math.pi - length)[:, None]
        length = length[:, None]
        sine = np.sin(length * _NEAR)
        cosine = np.sin(gap + length * _FAR)
        delta = (1 - m[:, None]) + m[:, None] * cosine**2
        return np.sum(sine ** (2 * n) * delta**nu * _WEIGHT, axis=1) * length[:, 0]

    value = np.sign(rest) * upto(np.abs(rest))
    if np.any(periods):
        value = value + np.where(
            periods != 0, 2 * periods * upto(np.full_like(phi, 0.5 * math.pi)), 0
        )
    return value


# ----------------------------------------------------------------------------------------- zeta

_TERMS = 14
_BERNOULLI = [
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
    -174611 / 330, 854513 / 138,
]  # fmt: skip


def zeta_derivative(x: Any, q: Any, *, order: int) -> Any:
    """Return the derivative of this order in x of Hurwitz' ζ(x, q), x > −18, x ≠ 1.

    Euler–Maclaurin (DLMF 25.11.28), differentiated term by term.
    """
    return _elementwise(lambda x, q: _zeta_derivative(x, q, order), x, q)


def _zeta_derivative(x: Any, q: Any, n: int) -> Any:
    total = np.zeros_like(x)
    for k in range(_TERMS):
        log = np.log(q + k)
        total += (-log) ** n * np.exp(-x * log)
    end = q + _TERMS
    log = np.log(end)
    # Tail = end^−x g(x), g = end/(x−1) + 1/2 + Σ B₂ₖ/(2k)! x(x+1)…(x+2k−2) end^(1−2k).
    rising = np.polynomial.Polynomial([0.0, 1.0])
    polynomials = []
    for k, bernoulli in enumerate(_BERNOULLI, start=1):
        polynomials.append((rising * (bernoulli / math.factorial(2 * k)), 1 - 2 * k))
        rising = rising * np.polynomial.Polynomial([2 * k - 1, 1.0])
        rising = rising * np.polynomial.Polynomial([2 * k, 1.0])
    for d in range(n + 1):
        g = end * (-1) ** d * math.factorial(d) / (x - 1) ** (d + 1) + (0.5 if d == 0 else 0.0)
        for p, power in polynomials:
            g = g + (p.deriv(d) if d else p)(x) * end**power
        total += math.comb(n, d) * (-log) ** (n - d) * np.exp(-x * log) * g
    return np.where(q > 0, total, np.nan)
