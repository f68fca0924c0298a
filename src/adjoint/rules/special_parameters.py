"""Derivatives of incomplete gamma, beta and elliptic integrals and of zeta, in every argument.

Derivatives in the parameters are integrals over the logarithmic derivative of the density
(`adjoint.ops.special_integrals`); they have any order, to about 1e-12 relative.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.ops import elementwise as ew
from adjoint.ops import special as s
from adjoint.ops.special_integrals import bell, bell_pair, log_beta_derivative
from adjoint.rules.derive import elementwise, general


def _polygamma(n: int, x: Any) -> Any:
    return s.polygamma(x, n=n) if n else s.psi(x)


# ---------------------------------------------------------------------------------------- gamma


def _gamma_score(a: Any, x: Any, n: int) -> Any:
    """Return ∂ⁿp/∂aⁿ over p."""
    return bell([np.log(x) - s.psi(a)] + [-_polygamma(k, a) for k in range(1, n)])


elementwise(
    s.gamma_density,
    lambda t, a, x, out: t * (out * (np.log(x) - s.psi(a))),
    lambda t, a, x, out: t * (out * (np.divide(a - 1, x) - 1)),
)
elementwise(
    s.gammainc_parameter,
    lambda t, a, x, order: t * s.gammainc_parameter(a, x, order=order + 1),
    lambda t, a, x, order: t * ew.strong_multiply(s.gamma_density(a, x), _gamma_score(a, x, order)),
)
elementwise(
    s.gammainc,
    lambda t, a, x: t * s.gammainc_parameter(a, x, order=1),
    lambda t, a, x: t * s.gamma_density(a, x),
)
elementwise(
    s.gammaincc,
    lambda t, a, x: -t * s.gammainc_parameter(a, x, order=1),
    lambda t, a, x: -t * s.gamma_density(a, x),
)
elementwise(
    s.gammaincinv,
    lambda t, a, out: -t * (s.gammainc_parameter(a, out, order=1) / s.gamma_density(a, out)),
    lambda t, a, out: t / s.gamma_density(a, out),
)
elementwise(
    s.gammainccinv,
    lambda t, a, out: -t * (s.gammainc_parameter(a, out, order=1) / s.gamma_density(a, out)),
    lambda t, a, out: -t / s.gamma_density(a, out),
)

# ----------------------------------------------------------------------------------------- beta


def _beta_score(a: Any, b: Any, x: Any, i: int, j: int) -> Any:
    """Return ∂ⁱ/∂aⁱ ∂ʲ/∂bʲ p over p."""

    def h(k: int, m: int) -> Any:
        constant = -log_beta_derivative(a, b, k, m, _polygamma)
        if (k, m) == (1, 0):
            return np.log(x) + constant
        if (k, m) == (0, 1):
            return np.log1p(-x) + constant
        return constant

    return bell_pair(h, i, j)


elementwise(
    s.beta_density,
    lambda t, a, b, x, out: t * (out * _beta_score(a, b, x, 1, 0)),
    lambda t, a, b, x, out: t * (out * _beta_score(a, b, x, 0, 1)),
    lambda t, a, b, x, out: t * (out * (np.divide(a - 1, x) - np.divide(b - 1, 1 - x))),
)
elementwise(
    s.betainc_parameter,
    lambda t, a, b, x, i, j: t * s.betainc_parameter(a, b, x, i=i + 1, j=j),
    lambda t, a, b, x, i, j: t * s.betainc_parameter(a, b, x, i=i, j=j + 1),
    lambda t, a, b, x, i, j: (
        t * ew.strong_multiply(s.beta_density(a, b, x), _beta_score(a, b, x, i, j))
    ),
)
elementwise(
    s.betainc,
    lambda t, a, b, x: t * s.betainc_parameter(a, b, x, i=1, j=0),
    lambda t, a, b, x: t * s.betainc_parameter(a, b, x, i=0, j=1),
    lambda t, a, b, x: t * s.beta_density(a, b, x),
)
elementwise(
    s.betaincc,
    lambda t, a, b, x: -t * s.betainc_parameter(a, b, x, i=1, j=0),
    lambda t, a, b, x: -t * s.betainc_parameter(a, b, x, i=0, j=1),
    lambda t, a, b, x: -t * s.beta_density(a, b, x),
)


def _moved(a: Any, b: Any, out: Any, i: int, j: int) -> Any:
    """Return ∂x/∂a or ∂x/∂b where I_x(a, b) is held."""
    return -s.betainc_parameter(a, b, out, i=i, j=j) / s.beta_density(a, b, out)


elementwise(
    s.betaincinv,
    lambda t, a, b, out: t * _moved(a, b, out, 1, 0),
    lambda t, a, b, out: t * _moved(a, b, out, 0, 1),
    lambda t, a, b, out: t / s.beta_density(a, b, out),
)
elementwise(
    s.betainccinv,
    lambda t, a, b, out: t * _moved(a, b, out, 1, 0),
    lambda t, a, b, out: t * _moved(a, b, out, 0, 1),
    lambda t, a, b, out: -t / s.beta_density(a, b, out),
)


def _t_density(df: Any, t: Any) -> Any:
    """Return the density of Student's t."""
    log_constant = -s.betaln(0.5 * df, 0.5) - 0.5 * np.log(df)
    return np.exp(log_constant - 0.5 * (df + 1) * np.log1p(np.divide(t * t, df)))


def _t_in_df(df: Any, t: Any) -> Any:
    """Return ∂/∂df of the distribution function: ½ sgn(t) I_y(½, df/2) at y = t²/(df + t²).

    ∂y/∂df is −t²/(df + t²)², and ½ sgn(t) times the density in y times that is −f(t) t/(2 df).
    """
    square = t * t
    y = np.divide(square, df + square)
    moved = 0.25 * np.sign(t) * s.betainc_parameter(0.5, 0.5 * df, y, i=0, j=1)
    return moved - _t_density(df, t) * t / (2 * df)


# The operand that SciPy calls t keeps that name: the tangent is called `share`.
elementwise(
    s.stdtr,
    lambda share, df, t: share * _t_in_df(df, t),
    lambda share, df, t: share * _t_density(df, t),
)
elementwise(
    s.stdtrit,
    lambda share, df, out: -share * (_t_in_df(df, out) / _t_density(df, out)),
    lambda share, df, out: share / _t_density(df, out),
)

# ------------------------------------------------------------------------------------- elliptic

# K = π/2 F(½, ½; 1; m), E = π/2 F(−½, ½; 1; m) (DLMF 19.5): regular at m = 0.
elementwise(s.ellipk, lambda t, m: t * (math.pi / 8 * s.hyp2f1(1.5, 1.5, 2.0, m)))
elementwise(s.ellipe, lambda t, m: t * (-math.pi / 8 * s.hyp2f1(0.5, 1.5, 2.0, m)))


def _ellipkm1(t: Any, p: Any, out: Any) -> Any:
    small = np.less(p, 0.5)
    near = ew.where(small, p, 0.25)
    quotient = (s.ellipe(1 - near) - near * s.ellipkm1(near)) / (2 * near * (1 - near))
    regular = math.pi / 8 * s.hyp2f1(1.5, 1.5, 2.0, 1 - ew.where(small, 1.0, p))
    return -t * ew.where(small, quotient, regular)


def _integrand(phi: Any, m: Any, n: int, nu: float) -> Any:
    square = np.sin(phi) ** 2
    value = np.power(1 - m * square, nu)
    return value * square**n if n else value


elementwise(s.ellipkm1, _ellipkm1)
elementwise(
    s.elliptic_moment,
    lambda t, phi, m, n, nu: t * _integrand(phi, m, n, nu),
    lambda t, phi, m, n, nu: t * (-nu * s.elliptic_moment(phi, m, n=n + 1, nu=nu - 1)),
)
elementwise(
    s.ellipkinc,
    lambda t, phi, m: t * _integrand(phi, m, 0, -0.5),
    lambda t, phi, m: t * (0.5 * s.elliptic_moment(phi, m, n=1, nu=-1.5)),
)
elementwise(
    s.ellipeinc,
    lambda t, phi, m: t * _integrand(phi, m, 0, 0.5),
    lambda t, phi, m: t * (-0.5 * s.elliptic_moment(phi, m, n=1, nu=-0.5)),
)


def _jacobi_partials(u: Any, m: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the partials of (sn, cn, dn, am) in u and in m.

    In m from F(am, m) = u: ∂am/∂m = −dn ∂F/∂m at am (DLMF 22.16).
    """
    sn, cn, dn, am = s.ellipj(u, m)
    slope = -dn * (0.5 * s.elliptic_moment(am, m, n=1, nu=-1.5))
    in_u = (cn * dn, -sn * dn, -m * sn * cn, dn)
    in_m = (cn * slope, -sn * slope, -(sn * sn + 2 * m * sn * cn * slope) / (2 * dn), slope)
    return in_u, in_m


def _ellipj_jvp(u_dot: Any, m_dot: Any, u: Any, m: Any) -> tuple[Any, ...]:
    in_u, in_m = _jacobi_partials(u, m)
    pairs = zip(in_u, in_m, strict=True)
    if m_dot is None:
        return tuple(u_dot * p for p in in_u)
    if u_dot is None:
        return tuple(m_dot * q for q in in_m)
    return tuple(u_dot * p + m_dot * q for p, q in pairs)


general(s.ellipj, jvp=_ellipj_jvp)

# ----------------------------------------------------------------------------------------- zeta


def _riemann_slope(x: Any) -> Any:
    """Return ζ'(x); for x < 0 from ζ(x) = 2ˣ πˣ⁻¹ sin(πx/2) Γ(1−x) ζ(1−x) (DLMF 25.4.1)."""
    left = np.less(x, 0)
    y = ew.where(left, x, -1.0)
    power = np.power(2.0, y) * np.power(math.pi, y - 1) * s.gamma(1 - y)
    sine, cosine = np.sin(0.5 * math.pi * y), np.cos(0.5 * math.pi * y)
    log_slope = math.log(2 * math.pi) - s.psi(1 - y)
    mirrored = power * (
        (sine * log_slope + 0.5 * math.pi * cosine) * s.zeta_derivative(1 - y, 1.0, order=0)
        - sine * s.zeta_derivative(1 - y, 1.0, order=1)
    )
    return ew.where(left, mirrored, s.zeta_derivative(ew.where(left, 2.0, x), 1.0, order=1))


def _hurwitz_in_q(x: Any, q: Any, order: int) -> Any:
    """Return ∂/∂q ∂ⁿ/∂xⁿ ζ(x, q), from ∂ζ/∂q = −x ζ(x + 1, q) (DLMF 25.11.17)."""
    value = -x * s.zeta_derivative(x + 1, q, order=order)
    return value - order * s.zeta_derivative(x + 1, q, order=order - 1) if order else value


elementwise(s.riemann_zeta, lambda t, x: t * _riemann_slope(x))
elementwise(s.zetac, lambda t, x: t * _riemann_slope(x))
elementwise(
    s.zeta_derivative,
    lambda t, x, q, order: t * s.zeta_derivative(x, q, order=order + 1),
    lambda t, x, q, order: t * _hurwitz_in_q(x, q, order),
)
