"""Derivatives of SciPy's special functions; formulas from the DLMF by chapter.

Orders and hypergeometric parameters have no derivative here: they are refused when they are traced.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.errors import NoRuleError
from adjoint.ops import elementwise as ew
from adjoint.ops import special as s
from adjoint.ops import structural as st
from adjoint.rules.derive import elementwise, general
from adjoint.rules.elementwise import logistic_slope

_SQRT_PI = math.sqrt(math.pi)
_LOG2PI = math.log(2 * math.pi)


def _psi(x: Any) -> Any:
    return s.psi(x)


def _refuse(name: str, which: str) -> Callable[[Any], Any]:
    """Return the entry of a row for an operand in which the function is not differentiated."""

    def refuse(t: Any) -> Any:
        raise NoRuleError(
            f"scipy.special.{name} has no derivative rule in its argument {which!r}, which is "
            "traced. If it is to count as a constant, pass ad.stop_gradient of it; else give a "
            "function of yours that calls it a rule with @ad.custom_jvp or @ad.custom_vjp."
        )

    return refuse


def _real_only(name: str, x: Any) -> None:
    if np.iscomplexobj(x):
        raise NoRuleError(
            f"scipy.special.{name} of a complex argument scales by a function of its real or "
            "imaginary part alone and is not holomorphic: it has a derivative here for real "
            "arguments only. Use the unscaled function times that factor."
        )


# ------------------------------------------------------------------------- gamma (DLMF 5)


def _rgamma(t: Any, x: Any, out: Any) -> Any:
    # 1/Γ is smooth at the poles of ψ: for Re x < ½, 1/Γ(x) = sin(πx) Γ(1−x)/π.
    left = ew.real(x) < 0.5
    right_x = ew.where(left, 1.0, x)
    left_x = ew.where(left, x, 0.0)
    reflected = s.gamma(1 - left_x)
    near = np.cos(math.pi * left_x) * reflected
    far = np.sin(math.pi * left_x) * reflected * _psi(1 - left_x) / math.pi
    return t * ew.where(left, near - far, -s.rgamma(right_x) * _psi(right_x))


elementwise(s.gamma, lambda t, x, out: t * (out * _psi(x)))
elementwise(s.gammaln, lambda t, x: t * _psi(x))
elementwise(s.loggamma, lambda t, x: t * _psi(x))
elementwise(s.rgamma, _rgamma)
elementwise(s.psi, lambda t, x: t * s.polygamma(x, n=1))
elementwise(s.polygamma, lambda t, x, n: t * s.polygamma(x, n=n + 1))
elementwise(
    s.poch,
    lambda t, z, m, out: t * (out * (_psi(z + m) - _psi(z))),
    lambda t, z, m, out: t * (out * _psi(z + m)),
)
elementwise(
    s.beta,
    lambda t, a, b, out: t * (out * (_psi(a) - _psi(a + b))),
    lambda t, a, b, out: t * (out * (_psi(b) - _psi(a + b))),
)
elementwise(
    s.betaln,
    lambda t, a, b: t * (_psi(a) - _psi(a + b)),
    lambda t, a, b: t * (_psi(b) - _psi(a + b)),
)
elementwise(
    s.binom,
    lambda t, n, k, out: t * (out * (_psi(n + 1) - _psi(n - k + 1))),
    lambda t, n, k, out: t * (out * (_psi(n - k + 1) - _psi(k + 1))),
)

# -------------------------------------------------------------- error functions (DLMF 7)


def _normal_density(x: Any) -> Any:
    return np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


def _inverse_mills(x: Any) -> Any:
    """Return φ(x)/Φ(x), for every x."""
    return math.sqrt(2 / math.pi) / s.erfcx(x * -math.sqrt(0.5))


elementwise(s.erf, lambda t, x: t * (2 / _SQRT_PI * np.exp(-x * x)))
elementwise(s.erfc, lambda t, x: t * (-2 / _SQRT_PI * np.exp(-x * x)))
elementwise(s.erfi, lambda t, x: t * (2 / _SQRT_PI * np.exp(x * x)))
elementwise(s.erfcx, lambda t, x, order: t * s.erfcx(x, order=order + 1))
elementwise(s.dawsn, lambda t, x, order: t * s.dawsn(x, order=order + 1))
elementwise(s.wofz, lambda t, z, out: t * (-2 * z * out + 2j / _SQRT_PI))
elementwise(s.erfinv, lambda t, out: t * (0.5 * _SQRT_PI * np.exp(out * out)))
elementwise(s.erfcinv, lambda t, out: t * (-0.5 * _SQRT_PI * np.exp(out * out)))
elementwise(s.ndtr, lambda t, x: t * _normal_density(x))
elementwise(s.ndtri, lambda t, out: t / _normal_density(out))
elementwise(s.log_ndtr, lambda t, x: t * _inverse_mills(x))
elementwise(s.ndtri_exp, lambda t, out: t / _inverse_mills(out))
elementwise(  # Owen 1956
    s.owens_t,
    lambda t, h, a: t * (-0.5 * _normal_density(h) * s.erf(a * h * math.sqrt(0.5))),
    lambda t, h, a: t * (np.exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a))),
)

# ------------------------------------------------------------ exponentials and logarithms


def _exprel_prime(x: Any) -> Any:
    """Return the derivative of (eˣ − 1)/x: ∫ s eˣˢ ds over 0..1 = ½ M(2, 3, x)."""
    return 0.5 * s.hyp1f1(2.0, 3.0, x)


def _x_over(x: Any, y: Any) -> Any:
    """Return x/y, 0 where x is 0."""
    return ew.strong_multiply(x, np.reciprocal(1.0 * y))


def _pseudo_huber(t: Any, delta: Any, r: Any) -> Any:
    ratio = np.divide(r, delta)
    root = np.sqrt(1 + ratio**2)
    return t * (delta * ratio**4 / (root * (root + 1) ** 2))


def _inverse_boxcox(log: Any, lmbda: Any, x_to: Any) -> Any:
    return -(log**2) * _exprel_prime(lmbda * log) * x_to


elementwise(s.expit, logistic_slope)
elementwise(s.logit, lambda t, x: np.divide(t, x * (1 - x)))
elementwise(s.log_expit, lambda t, x: t * s.expit(-x))
elementwise(s.softplus, lambda t, x: t * s.expit(x))
elementwise(s.exprel, lambda t, x: t * _exprel_prime(x))
elementwise(s.cosm1, lambda t, x: -t * np.sin(x))
elementwise(
    s.powm1,
    lambda t, x, y: t * (y * np.power(x, y - 1)),
    lambda t, x, y: t * (np.power(x, y) * np.log(x)),
)
elementwise(s.exp10, lambda t, out: t * (math.log(10.0) * out))
elementwise(s.xlogy, lambda t, y: t * np.log(y), lambda t, x, y: t * _x_over(x, y))
elementwise(s.xlog1py, lambda t, y: t * np.log1p(y), lambda t, x, y: t * _x_over(x, 1 + y))
elementwise(s.entr, lambda t, x: t * (-np.log(x) - 1))
elementwise(
    s.rel_entr,
    lambda t, x, y: t * (np.log(np.divide(x, y)) + 1),
    lambda t, x, y: -t * np.divide(x, y),
)
elementwise(
    s.kl_div, lambda t, x, y: t * np.log(np.divide(x, y)), lambda t, x, y: t * np.divide(y - x, y)
)
elementwise(
    s.huber,
    lambda t, delta, r: t * ew.where(np.abs(r) > delta, np.abs(r) - delta, 0.0),
    lambda t, delta, r: t * ew.where(np.abs(r) > delta, delta * np.sign(r), r),
)
elementwise(
    s.pseudo_huber,
    _pseudo_huber,
    lambda t, delta, r: t * (r / np.sqrt(1 + np.divide(r, delta) ** 2)),
)
elementwise(
    s.boxcox,
    lambda t, x, lmbda: t * np.power(x, lmbda - 1),
    lambda t, x, lmbda: t * (np.log(x) ** 2 * _exprel_prime(lmbda * np.log(x))),
)
elementwise(
    s.boxcox1p,
    lambda t, x, lmbda: t * np.power(1 + x, lmbda - 1),
    lambda t, x, lmbda: t * (np.log1p(x) ** 2 * _exprel_prime(lmbda * np.log1p(x))),
)
elementwise(
    s.inv_boxcox,
    lambda t, out, lmbda: t * np.power(out, 1 - lmbda),
    lambda t, out, lmbda: t * _inverse_boxcox(np.log(out), lmbda, np.power(out, 1 - lmbda)),
)
elementwise(
    s.inv_boxcox1p,
    lambda t, out, lmbda: t * np.power(1 + out, 1 - lmbda),
    lambda t, out, lmbda: t * _inverse_boxcox(np.log1p(out), lmbda, np.power(1 + out, 1 - lmbda)),
)
_DEGREE = math.pi / 180
elementwise(s.sindg, lambda t, x: t * (_DEGREE * s.cosdg(x)))
elementwise(s.cosdg, lambda t, x: t * (-_DEGREE * s.sindg(x)))
elementwise(s.tandg, lambda t, out: t * (_DEGREE * (1 + out * out)))
elementwise(s.cotdg, lambda t, out: t * (-_DEGREE * (1 + out * out)))

# ------------------------------------------------------------------------------ integrals


def _expn(t: Any, n: Any, x: Any) -> Any:
    # Eₙ' = −Eₙ₋₁, and E₋₁ = e⁻ˣ (1 + 1/x)/x (DLMF 8.19).
    lower = s.expn(np.maximum(n - 1, 0), x)
    return -t * ew.where(np.equal(n, 0), np.exp(-x) * (1 + np.divide(1, x)) / x, lower)


def _sinc(x: Any) -> Any:
    return s.spherical_jn(0, x)


def _fresnel(z: Any) -> tuple[Any, Any]:
    angle = 0.5 * math.pi * z * z
    return np.sin(angle), np.cos(angle)


def _shichi(x: Any) -> tuple[Any, Any]:
    return s.spherical_in(0, x), np.cosh(x) / x


def _pair(op: Any, partials: Callable[[Any], tuple[Any, Any]], operand: str) -> None:
    """Give an operation with two results of one operand its row."""
    if operand == "x":
        general(
            op,
            jvp=lambda x_dot, x: tuple(x_dot * p for p in partials(x)),
            vjp=lambda ct, x: sum(c * p for c, p in zip(ct, partials(x), strict=True)),
        )
    else:
        general(
            op,
            jvp=lambda z_dot, z: tuple(z_dot * p for p in partials(z)),
            vjp=lambda ct, z: sum(c * p for c, p in zip(ct, partials(z), strict=True)),
        )


elementwise(s.exp1, lambda t, x: -t * (np.exp(-x) / x))
elementwise(s.expi, lambda t, x: t * (np.exp(x) / x))
elementwise(s.expn, _refuse("expn", "n"), _expn)
_pair(s.sici, lambda x: (_sinc(x), np.cos(x) / x), "x")
_pair(s.shichi, _shichi, "x")
_pair(s.fresnel, _fresnel, "z")
elementwise(s.spence, lambda t, z: -t * s.hyp2f1(1.0, 1.0, 2.0, 1 - z))
elementwise(s.lambertw, lambda t, out: t * (np.exp(-out) / (1 + out)))
elementwise(s.wrightomega, lambda t, out: t * (out / (1 + out)))

# ---------------------------------------------------------- hypergeometric (DLMF 13, 15, 16)

elementwise(
    s.hyp2f1,
    _refuse("hyp2f1", "a"),
    _refuse("hyp2f1", "b"),
    _refuse("hyp2f1", "c"),
    lambda t, a, b, c, z: t * (np.divide(a * b, c) * s.hyp2f1(a + 1, b + 1, c + 1, z)),
)
elementwise(
    s.hyp1f1,
    _refuse("hyp1f1", "a"),
    _refuse("hyp1f1", "b"),
    lambda t, a, b, x: t * (np.divide(a, b) * s.hyp1f1(a + 1, b + 1, x)),
)
elementwise(
    s.hyperu,
    _refuse("hyperu", "a"),
    _refuse("hyperu", "b"),
    lambda t, a, b, x: t * (-a * s.hyperu(a + 1, b + 1, x)),
)
elementwise(s.hyp0f1, _refuse("hyp0f1", "v"), lambda t, v, z: t * (s.hyp0f1(v + 1, z) / v))

# ------------------------------------------------------- orthogonal polynomials (DLMF 18.9)


def _lowered(n: Any, value: Any) -> Any:
    """Return what belongs to degree n − 1; 0 where n is 0."""
    return ew.where(np.equal(n, 0), 0.0, value)


def _below(n: Any) -> Any:
    return ew.where(np.equal(n, 0), 0, n - 1)


elementwise(
    s.eval_jacobi,
    _refuse("eval_jacobi", "n"),
    _refuse("eval_jacobi", "alpha"),
    _refuse("eval_jacobi", "beta"),
    lambda t, n, alpha, beta, x: (
        t
        * _lowered(
            n, 0.5 * (n + alpha + beta + 1) * s.eval_jacobi(_below(n), alpha + 1, beta + 1, x)
        )
    ),
)
elementwise(
    s.eval_legendre,
    _refuse("eval_legendre", "n"),
    lambda t, n, x: t * _lowered(n, 0.5 * (n + 1) * s.eval_jacobi(_below(n), 1.0, 1.0, x)),
)
elementwise(
    s.eval_gegenbauer,
    _refuse("eval_gegenbauer", "n"),
    _refuse("eval_gegenbauer", "alpha"),
    lambda t, n, alpha, x: t * _lowered(n, 2 * alpha * s.eval_gegenbauer(_below(n), alpha + 1, x)),
)
elementwise(
    s.eval_genlaguerre,
    _refuse("eval_genlaguerre", "n"),
    _refuse("eval_genlaguerre", "alpha"),
    lambda t, n, alpha, x: -t * _lowered(n, s.eval_genlaguerre(_below(n), alpha + 1, x)),
)
elementwise(
    s.eval_chebyt,
    _refuse("eval_chebyt", "n"),
    lambda t, n, x: t * (n * s.eval_chebyu(_below(n), x)),
)
elementwise(
    s.eval_chebyu,
    _refuse("eval_chebyu", "n"),
    lambda t, n, x: t * _lowered(n, 2 * s.eval_gegenbauer(_below(n), 2.0, x)),
)
elementwise(
    s.eval_hermite,
    _refuse("eval_hermite", "n"),
    lambda t, n, x: t * (2 * n * s.eval_hermite(_below(n), x)),
)
elementwise(
    s.eval_hermitenorm,
    _refuse("eval_hermitenorm", "n"),
    lambda t, n, x: t * (n * s.eval_hermitenorm(_below(n), x)),
)

# ---------------------------------------------------------------------------- reductions


def _spread(ct: Any, x_type: Any, axis: Any, keepdims: bool) -> Any:
    """Give every entry along the reduced axes the value of their reduction."""
    shape = x_type.shape
    if not shape:
        return ct
    if not keepdims:
        n = len(shape)
        axes = range(n) if axis is None else (axis,) if isinstance(axis, int) else axis
        held = {a % n for a in axes}
        ct = st.reshape(ct, shape=tuple(1 if k in held else d for k, d in enumerate(shape)))
    return st.broadcast_to(ct, shape=shape)


def _total(x: Any, axis: Any) -> Any:
    if not np.ndim(x):
        return x
    axes = (axis,) if isinstance(axis, int) else axis
    return st.reduce_sum(x, axis=axes, keepdims=True)


def _weights(x: Any, x_type: Any, out: Any, axis: Any, keepdims: bool) -> Any:
    # All entries −∞: every weight is 0, not NaN.
    level = ew.where(np.isfinite(out), out, 0.0)
    return np.exp(x - _spread(level, x_type, axis, keepdims))


general(
    s.logsumexp,
    jvp=lambda x_dot, x, x_type, out, axis, keepdims: (
        st.reduce_sum(
            x_dot * _weights(x, x_type, out, axis, keepdims),
            axis=(axis,) if isinstance(axis, int) else axis,
            keepdims=keepdims,
        )
        if np.ndim(x)
        else x_dot * _weights(x, x_type, out, axis, keepdims)
    ),
    vjp=lambda ct, x, x_type, out, axis, keepdims: (
        _spread(ct, x_type, axis, keepdims) * _weights(x, x_type, out, axis, keepdims)
    ),
)
general(
    s.softmax,
    jvp=lambda x_dot, out, axis: out * (x_dot - _total(out * x_dot, axis)),
    vjp=lambda ct, out, axis: out * (ct - _total(out * ct, axis)),
)
general(
    s.log_softmax,
    jvp=lambda x_dot, x, axis: x_dot - _total(s.softmax(x, axis=axis) * x_dot, axis),
    vjp=lambda ct, x, axis: ct - s.softmax(x, axis=axis) * _total(ct, axis),
)
