"""SciPy's special functions. Imported with `adjoint.numpy_api.special`, when one is first met.

An operation is named after SciPy's function. Repeated derivatives that would cancel if they were
composed (of erfcx, dawsn, the integrals in their parameters) are operations with an order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from adjoint.ops import special_integrals as integrals
from adjoint.ops.registry import UFUNCS, Op, primitive


def _declare(ufunc: Any, *operands: str, name: str | None = None) -> Op:
    return primitive(name or ufunc.__name__, ufunc, *(operands or ("x",)), ufunc=ufunc)


# -- gamma and its relations
gamma, gammaln, loggamma, rgamma = map(_declare, (sp.gamma, sp.gammaln, sp.loggamma, sp.rgamma))
psi = _declare(sp.psi)
poch = _declare(sp.poch, "z", "m")
beta = _declare(sp.beta, "a", "b")
betaln = _declare(sp.betaln, "a", "b")
binom = _declare(sp.binom, "n", "k")

# -- error functions and the normal distribution
erf, erfc, erfi = map(_declare, (sp.erf, sp.erfc, sp.erfi))
erfinv, erfcinv = map(_declare, (sp.erfinv, sp.erfcinv))
wofz = _declare(sp.wofz, "z")
ndtr, ndtri, log_ndtr, ndtri_exp = map(_declare, (sp.ndtr, sp.ndtri, sp.log_ndtr, sp.ndtri_exp))
owens_t = _declare(sp.owens_t, "h", "a")

# -- exponentials and logarithms
expit, logit, log_expit = map(_declare, (sp.expit, sp.logit, sp.log_expit))
# scipy.special.softplus is this, since SciPy 1.15.
softplus = primitive("softplus", lambda x: np.logaddexp(0.0, x), "x")
exprel = _declare(sp.exprel)
cosm1 = _declare(sp.cosm1)
powm1 = _declare(sp.powm1, "x", "y")
exp10 = _declare(sp.exp10)
xlogy, xlog1py = _declare(sp.xlogy, "x", "y"), _declare(sp.xlog1py, "x", "y")
entr = _declare(sp.entr)
rel_entr, kl_div = _declare(sp.rel_entr, "x", "y"), _declare(sp.kl_div, "x", "y")
huber = _declare(sp.huber, "delta", "r")
pseudo_huber = _declare(sp.pseudo_huber, "delta", "r")
boxcox, boxcox1p = _declare(sp.boxcox, "x", "lmbda"), _declare(sp.boxcox1p, "x", "lmbda")
inv_boxcox = _declare(sp.inv_boxcox, "y", "lmbda")
inv_boxcox1p = _declare(sp.inv_boxcox1p, "y", "lmbda")
sindg, cosdg, tandg, cotdg = map(_declare, (sp.sindg, sp.cosdg, sp.tandg, sp.cotdg))

# -- Bessel functions
j0, j1, y0, y1 = map(_declare, (sp.j0, sp.j1, sp.y0, sp.y1))
i0, i0e, i1, i1e = map(_declare, (sp.i0, sp.i0e, sp.i1, sp.i1e))
k0, k0e, k1, k1e = map(_declare, (sp.k0, sp.k0e, sp.k1, sp.k1e))
jv, jve, yv, yve, iv, ive, kv, kve = (
    _declare(f, "v", "z") for f in (sp.jv, sp.jve, sp.yv, sp.yve, sp.iv, sp.ive, sp.kv, sp.kve)
)
yn, kn = _declare(sp.yn, "n", "x"), _declare(sp.kn, "n", "x")
hankel1, hankel1e, hankel2, hankel2e = (
    _declare(f, "v", "z") for f in (sp.hankel1, sp.hankel1e, sp.hankel2, sp.hankel2e)
)
struve, modstruve = _declare(sp.struve, "v", "x"), _declare(sp.modstruve, "v", "x")
spherical_jn, spherical_yn, spherical_in, spherical_kn = (
    primitive(f.__name__, lambda n, z, f=f: f(n, z), "n", "z")
    for f in (sp.spherical_jn, sp.spherical_yn, sp.spherical_in, sp.spherical_kn)
)
airy = primitive("airy", sp.airy, "z", ufunc=sp.airy, results=True)

# -- integrals
exp1, expi = map(_declare, (sp.exp1, sp.expi))
expn = _declare(sp.expn, "n", "x")
sici = primitive("sici", sp.sici, "x", ufunc=sp.sici, results=True)
shichi = primitive("shichi", sp.shichi, "x", ufunc=sp.shichi, results=True)
fresnel = primitive("fresnel", sp.fresnel, "z", ufunc=sp.fresnel, results=True)
spence = _declare(sp.spence, "z")
ellipk, ellipe = _declare(sp.ellipk, "m"), _declare(sp.ellipe, "m")
ellipkm1 = _declare(sp.ellipkm1, "p")
ellipkinc, ellipeinc = _declare(sp.ellipkinc, "phi", "m"), _declare(sp.ellipeinc, "phi", "m")
ellipj = primitive("ellipj", sp.ellipj, "u", "m", ufunc=sp.ellipj, results=True)

# -- hypergeometric functions, orthogonal polynomials, others
hyp2f1 = _declare(sp.hyp2f1, "a", "b", "c", "z")
hyp1f1, hyperu = _declare(sp.hyp1f1, "a", "b", "x"), _declare(sp.hyperu, "a", "b", "x")
hyp0f1 = _declare(sp.hyp0f1, "v", "z")
eval_jacobi = _declare(sp.eval_jacobi, "n", "alpha", "beta", "x")
eval_gegenbauer = _declare(sp.eval_gegenbauer, "n", "alpha", "x")
eval_genlaguerre = _declare(sp.eval_genlaguerre, "n", "alpha", "x")
eval_chebyt, eval_chebyu = _declare(sp.eval_chebyt, "n", "x"), _declare(sp.eval_chebyu, "n", "x")
eval_legendre = _declare(sp.eval_legendre, "n", "x")
eval_hermite = _declare(sp.eval_hermite, "n", "x")
eval_hermitenorm = _declare(sp.eval_hermitenorm, "n", "x")
lambertw = primitive("lambertw", lambda z, *, k=0, tol=1e-8: sp.lambertw(z, k, tol), "z")
wrightomega = _declare(sp.wrightomega, "z")

# -- incomplete gamma and beta
gammainc, gammaincc = _declare(sp.gammainc, "a", "x"), _declare(sp.gammaincc, "a", "x")
gammaincinv = _declare(sp.gammaincinv, "a", "y")
gammainccinv = _declare(sp.gammainccinv, "a", "y")
betainc, betaincc = _declare(sp.betainc, "a", "b", "x"), _declare(sp.betaincc, "a", "b", "x")
betaincinv = _declare(sp.betaincinv, "a", "b", "y")
betainccinv = _declare(sp.betainccinv, "a", "b", "y")
stdtr, stdtrit = _declare(sp.stdtr, "df", "t"), _declare(sp.stdtrit, "df", "p")

gamma_density = primitive("gamma_density", integrals.gamma_density, "a", "x")
gammainc_parameter = primitive("gammainc_parameter", integrals.gammainc_parameter, "a", "x")
beta_density = primitive("beta_density", integrals.beta_density, "a", "b", "x")
betainc_parameter = primitive("betainc_parameter", integrals.betainc_parameter, "a", "b", "x")
elliptic_moment = primitive("elliptic_moment", integrals.elliptic_moment, "phi", "m")
zeta_derivative = primitive("zeta_derivative", integrals.zeta_derivative, "x", "q")
riemann_zeta = primitive("zeta", lambda x: sp.zeta(x), "x")
zetac = _declare(sp.zetac)

# -- reductions
logsumexp = primitive(
    "logsumexp",
    lambda x, *, axis=None, keepdims=False: sp.logsumexp(x, axis, keepdims=keepdims),
    "x",
)
softmax = primitive("softmax", lambda x, *, axis=None: sp.softmax(x, axis), "x")
log_softmax = primitive("log_softmax", lambda x, *, axis=None: sp.log_softmax(x, axis), "x")


# -- derivatives that cancel when they are composed


def _double_factorial_tail(x: Any, n: int, sign: float) -> Any:
    """Return dⁿ/dxⁿ of Σ (−sign)ᵏ (2k−1)!! / 2ᵏ x^(−2k−1), for |x| > 10."""
    total = np.zeros_like(x)
    coefficient = 1.0
    for k in range(24):
        power = -2 * k - 1
        falling = math.prod(power - i for i in range(n))
        total += coefficient * falling * x ** (power - n)
        coefficient *= -sign * (2 * k + 1) / 2
    return total


def _erfcx(x: Any, *, order: int = 0) -> Any:
    """Return dⁿ erfcx/dxⁿ: w₀' = 2x w₀ − 2/√π, and wₙ₊₁ = 2x wₙ + 2n wₙ₋₁ (DLMF 7.10)."""
    if order == 0:
        return sp.erfcx(x)
    x = np.asarray(x)
    previous, current = sp.erfcx(x), 2 * x * sp.erfcx(x) - 2 / math.sqrt(math.pi)
    for n in range(1, order):
        previous, current = current, 2 * x * current + 2 * n * previous
    if x.dtype.kind == "c":
        return current[()]
    far = np.where(x > 10, x, 11.0).astype(np.float64)
    tail = _double_factorial_tail(far, order, 1.0) / math.sqrt(math.pi)
    return np.where(x > 10, tail, current).astype(x.dtype)[()]


def _dawsn(x: Any, *, order: int = 0) -> Any:
    """Return dⁿ dawsn/dxⁿ: d₀' = 1 − 2x d₀, and dₙ₊₁ = −2x dₙ − 2n dₙ₋₁ (DLMF 7.10)."""
    if order == 0:
        return sp.dawsn(x)
    x = np.asarray(x)
    previous, current = sp.dawsn(x), 1 - 2 * x * sp.dawsn(x)
    for n in range(1, order):
        previous, current = current, -2 * x * current - 2 * n * previous
    if x.dtype.kind == "c":
        return current[()]
    far = np.where(np.abs(x) > 10, x, 11.0).astype(np.float64)
    tail = 0.5 * _double_factorial_tail(far, order, -1.0)
    return np.where(np.abs(x) > 10, tail, current).astype(x.dtype)[()]


def _polygamma(x: Any, *, n: int) -> Any:
    """Return ψ⁽ⁿ⁾(x), n ≥ 1, for real or complex x."""
    x = np.asarray(x)
    if x.dtype.kind != "c":
        return sp.polygamma(n, x)[()]
    # Recurrence to Re z > 16, then DLMF 5.15.8.
    z = x.astype(np.complex128)
    total = np.zeros_like(z)
    steps = int(np.clip(np.ceil(16 - np.min(z.real, initial=16.0)), 0, 10_000))
    factor = (-1) ** (n + 1)
    for _ in range(steps):
        small = z.real < 16
        total += np.where(small, factor * math.factorial(n) / z ** (n + 1), 0)
        z = np.where(small, z + 1, z)
    tail = math.factorial(n - 1) / z**n + math.factorial(n) / (2 * z ** (n + 1))
    for k, b in enumerate(sp.bernoulli(24)[2::2], start=1):
        tail += b * math.factorial(2 * k + n - 1) / math.factorial(2 * k) / z ** (2 * k + n)
    return (total + factor * tail).astype(x.dtype)[()]


erfcx = primitive("erfcx", _erfcx, "x", ufunc=sp.erfcx)
dawsn = primitive("dawsn", _dawsn, "x", ufunc=sp.dawsn)
polygamma = primitive("polygamma", _polygamma, "x")

UFUNCS[sp.exp2], UFUNCS[sp.expm1], UFUNCS[sp.log1p] = np.exp2, np.expm1, np.log1p
UFUNCS[sp.cbrt] = np.cbrt
