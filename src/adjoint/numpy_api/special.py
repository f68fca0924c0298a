"""``scipy.special``: functions composed of its operations, and those that are Python functions.

Imported when a function of ``scipy.special`` first meets a traced value.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import scipy.special as sp

from adjoint.dispatch import (
    any_active,
    any_staged,
    detached,
    is_staged,
    is_weak,
    no_rule,
    plain,
)  # fmt: skip
from adjoint.errors import NoRuleError
from adjoint.numpy_api.constants import register_constant
from adjoint.numpy_api.creation import as_array, to_dtype
from adjoint.numpy_api.reductions import reduced_shape
from adjoint.numpy_api.replaced import refuse, replace
from adjoint.ops import elementwise as ew
from adjoint.ops import special as s
from adjoint.ops.registry import FUNCTIONS, UFUNCS
from adjoint.rules import special as _special  # noqa: F401  (gives the operations their rules)
from adjoint.rules import special_bessel as _bessel  # noqa: F401
from adjoint.rules import special_parameters as _parameters  # noqa: F401

__all__ = ["logsumexp"]


def _compose(table: dict[Any, Callable[..., Any]]) -> None:
    """Register compositions for ufuncs, with results in the dtype that the ufunc gives."""
    for ufunc, impl in table.items():
        UFUNCS[ufunc] = functools.partial(_typed, ufunc, impl)


def _typed(ufunc: Any, impl: Callable[..., Any], /, *args: Any) -> Any:
    kinds = []
    for x in map(plain, args):
        if is_staged(x):
            kinds.append(x.__class__ if is_weak(x) else x.dtype)
        else:
            kinds.append(type(x) if type(x) in (int, float, complex) else np.asarray(x).dtype)
    dtype = ufunc.resolve_dtypes((*kinds, None))[-1]
    result = impl(*args)
    return to_dtype(result, dtype) if hasattr(result, "dtype") else result


# -------------------------------------------------------------------------- distributions


def _floor(k: Any) -> Any:
    k = plain(k)
    if is_staged(k):
        return np.floor(k)
    return float(math.floor(k)) if isinstance(k, (int, float)) else np.floor(k)


def _binomial(upper: bool) -> Any:
    def impl(k: Any, n: Any, p: Any) -> Any:
        k = _floor(k)
        return (s.betainc if upper else s.betaincc)(k + 1, n - k, p)

    return impl


def _f(upper: bool) -> Any:
    def impl(dfn: Any, dfd: Any, x: Any) -> Any:
        return (s.betaincc if upper else s.betainc)(0.5 * dfn, 0.5 * dfd, dfn * x / (dfn * x + dfd))

    return impl


def _f_inverse(dfn: Any, dfd: Any, p: Any) -> Any:
    y = s.betaincinv(0.5 * dfn, 0.5 * dfd, p)
    return dfd * y / (dfn * (1 - y))


def _voigt(x: Any, sigma: Any, gamma: Any) -> Any:
    z = (x + 1j * gamma) / (sigma * math.sqrt(2))
    return ew.real(s.wofz(z)) / (sigma * math.sqrt(2 * math.pi))


def _agm(a: Any, b: Any) -> Any:
    # DLMF 19.8.6: π/(2 agm) = K at modulus² 1 − (2√(ab)/(a+b))², up to the mean.
    mean = 0.5 * (a + b)
    return math.pi / 2 * mean / s.ellipk(((a - b) / (a + b)) ** 2)


_compose({
    sp.bdtr: _binomial(False),
    sp.bdtrc: _binomial(True),
    sp.nbdtr: lambda k, n, p: s.betainc(n, _floor(k) + 1, p),
    sp.nbdtrc: lambda k, n, p: s.betaincc(n, _floor(k) + 1, p),
    sp.pdtr: lambda k, m: s.gammaincc(_floor(k) + 1, m),
    sp.pdtrc: lambda k, m: s.gammainc(_floor(k) + 1, m),
    sp.gdtr: lambda a, b, x: s.gammainc(b, a * x),
    sp.gdtrc: lambda a, b, x: s.gammaincc(b, a * x),
    sp.gdtrix: lambda a, b, p: s.gammaincinv(b, p) / a,
    sp.chdtr: lambda v, x: s.gammainc(0.5 * v, 0.5 * x),
    sp.chdtrc: lambda v, x: s.gammaincc(0.5 * v, 0.5 * x),
    sp.chdtri: lambda v, p: 2 * s.gammainccinv(0.5 * v, p),
    sp.fdtr: _f(False),
    sp.fdtrc: _f(True),
    sp.fdtri: _f_inverse,
    sp.voigt_profile: _voigt,
    sp.agm: _agm,
})  # fmt: skip

# -------------------------------------------------------------------------- polynomials

_compose({
    sp.eval_chebyc: lambda n, x: 2 * s.eval_chebyt(n, 0.5 * x),
    sp.eval_chebys: lambda n, x: s.eval_chebyu(n, 0.5 * x),
    sp.eval_sh_chebyt: lambda n, x: s.eval_chebyt(n, 2 * x - 1),
    sp.eval_sh_chebyu: lambda n, x: s.eval_chebyu(n, 2 * x - 1),
    sp.eval_sh_legendre: lambda n, x: s.eval_legendre(n, 2 * x - 1),
    sp.eval_laguerre: lambda n, x: s.eval_genlaguerre(n, 0.0, x),
    sp.eval_sh_jacobi: lambda n, p, q, x: (
        s.eval_jacobi(n, p - q, q - 1, 2 * x - 1) / sp.binom(2 * n + p - 1, n)
    ),
    sp.radian: lambda d, m, s: (d + m / 60 + s / 3600) * (math.pi / 180),
})  # fmt: skip

register_constant(sp.gammasgn, sp.round)

# -------------------------------------------------------------------- logsumexp and softmax


def _axes(axis: Any, ndim: int) -> Any:
    return None if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, ndim)


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """``scipy.special.logsumexp``."""
    a = as_array(a)
    axis = plain(axis)
    if b is None and not return_sign:
        return s.logsumexp(a, axis=_axes(axis, a.ndim), keepdims=bool(keepdims))
    b = as_array(1.0 if b is None else b)
    if any_staged((a, b)):
        return _staged_logsumexp(a, _axes(axis, a.ndim), b, bool(keepdims), return_sign)
    values: Any = sp.logsumexp(plain(a), axis, plain(b), keepdims, True)
    level = plain(sp.logsumexp(plain(a), axis, None, True))
    level = np.where(np.isfinite(level), level, 0.0)
    total = np.sum(b * np.exp(a - level), axis=_axes(axis, a.ndim), keepdims=True)
    sign = values[1] if np.iscomplexobj(values[1]) else np.sign(values[1])
    if return_sign and np.iscomplexobj(plain(total)):
        _no_sign()
    if return_sign:
        total = np.abs(total)
    result = np.log(total) + level
    if not keepdims:
        result = np.reshape(result, np.shape(values[0]))
        if np.ndim(plain(result)) == 0:
            result = result[()]
    return (result, sign) if return_sign else result


def _staged_logsumexp(a: Any, axes: Any, b: Any, keepdims: bool, return_sign: bool) -> Any:
    level = detached(s.logsumexp(a, axis=axes, keepdims=True))
    level = np.where(np.isfinite(level), level, np.zeros((), level.dtype))
    total = np.sum(b * np.exp(a - level), axis=axes, keepdims=True)
    if return_sign and total.dtype.kind == "c":
        _no_sign()
    sign = np.sign(total)
    result = np.log(np.abs(total) if return_sign else total) + level
    if not keepdims:
        shape = reduced_shape(result.shape, axes, False)
        result, sign = (np.reshape(x, shape)[()] for x in (result, sign))
    return (result, sign) if return_sign else result


def _no_sign() -> NoReturn:
    raise NoRuleError(
        "scipy.special.logsumexp(..., return_sign=True) of complex values has no derivative "
        "rule here: leave return_sign out, which gives the complex logarithm"
    )


def _softmax(op: Any) -> Any:
    def impl(x: Any, axis: Any = None) -> Any:
        x = as_array(x)
        return op(x, axis=_axes(plain(axis), x.ndim))

    return impl


replace(sp.logsumexp, logsumexp)
replace(sp.softmax, _softmax(s.softmax))
replace(sp.log_softmax, _softmax(s.log_softmax))
if hasattr(sp, "softplus"):
    replace(sp.softplus, lambda x, **kwargs: s.softplus(as_array(x)))

# ---------------------------------------------------------------------- Python functions


def _polygamma(n: Any, x: Any) -> Any:
    if is_staged(n):
        n = operator.index(n)  # which derivative it is decides what is computed
    if any_active(n):
        no_rule(sp.polygamma)
    orders = np.asarray(plain(n))
    if orders.ndim == 0:
        order = int(orders)
        # SciPy's answer is in double precision.
        return s.polygamma(x, n=order) if order else to_dtype(s.psi(x), np.float64)
    x = as_array(x)
    shape = np.broadcast_shapes(orders.shape, x.shape)
    orders = np.broadcast_to(orders, shape)
    result: Any = 0.0
    for order in np.unique(orders):
        result = result + np.where(orders == order, _polygamma(order, x), 0.0)
    return result


def _zeta(x: Any, q: Any = None, out: None = None) -> Any:
    if q is None:
        return s.riemann_zeta(x)
    return s.zeta_derivative(x, q, order=0)


def _factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    if exact or extend != "zero":
        no_rule(sp.factorial)
    n = as_array(n)
    negative = np.less(n, 0)
    values = s.gamma(ew.where(negative, 0.0, n) + 1)
    return to_dtype(ew.where(negative, 0.0, values), np.float64)


def _comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    if exact:
        no_rule(sp.comb)
    if repetition:
        N = N + k - 1
    valid = (plain(k) <= plain(N)) & (plain(N) >= 0) & (plain(k) >= 0)
    return ew.where(valid, s.binom(N, ew.where(valid, k, 0.0)), 0.0)


def _perm(N: Any, k: Any, exact: bool = False) -> Any:
    if exact:
        no_rule(sp.perm)
    return s.poch(N - k + 1, k)


def _multigammaln(a: Any, d: Any) -> Any:
    d = operator.index(plain(d))
    shifts = np.arange(d) / 2
    constant = d * (d - 1) / 4 * math.log(math.pi)
    return np.sum(s.gammaln(as_array(a)[..., None] - shifts), axis=-1) + constant


def _lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    return s.lambertw(z, k=plain(k), tol=tol)


def _spherical(op: Any, fn: Any) -> Any:
    def impl(n: Any, z: Any, derivative: bool = False) -> Any:
        if not derivative:
            return op(n, z)
        lower = -1.0 if fn is sp.spherical_kn else 1.0
        upper = 1.0 if fn is sp.spherical_in else -1.0
        below = op(np.maximum(n - 1, 0), z)
        return (lower * n * below + upper * (n + 1) * op(n + 1, z)) / (2 * n + 1)

    return impl


def _bessel_derivative(op: Any, phase: float, overall: float = 1.0) -> Any:
    """DLMF 10.6.7 and 10.29.5: the n-th derivative as a sum over orders."""

    def impl(v: Any, z: Any, n: int = 1) -> Any:
        v = as_array(v)
        total: Any = 0.0
        for k in range(n + 1):
            total = total + math.comb(n, k) * phase**k * op(v - n + 2 * k, z)
        return total * (overall / 2) ** n

    return impl


replace(sp.polygamma, _polygamma)
replace(sp.zeta, _zeta)
replace(sp.factorial, _factorial)
replace(sp.comb, _comb)
replace(sp.perm, _perm)
replace(sp.multigammaln, _multigammaln)  # type: ignore[attr-defined]
replace(sp.lambertw, _lambertw)
for _fn in (sp.spherical_jn, sp.spherical_yn, sp.spherical_in, sp.spherical_kn):
    replace(_fn, _spherical(getattr(s, _fn.__name__), _fn))
for _fn, _op, _phase, _overall in (
    (sp.jvp, s.jv, -1.0, 1.0), (sp.yvp, s.yv, -1.0, 1.0), (sp.ivp, s.iv, 1.0, 1.0),
    (sp.kvp, s.kv, 1.0, -1.0), (sp.h1vp, s.hankel1, -1.0, 1.0), (sp.h2vp, s.hankel2, -1.0, 1.0),
):  # fmt: skip
    replace(_fn, _bessel_derivative(_op, _phase, _overall))

_NOT_ARRAYS = {"geterr", "seterr", "errstate", "SpecialFunctionWarning", "SpecialFunctionError"}

for _name in sp.__all__:
    _fn = getattr(sp, _name)
    if isinstance(_fn, np.ufunc) or _fn in FUNCTIONS or _name in _NOT_ARRAYS:
        continue
    if _name.endswith("_zeros") or not callable(_fn):  # of integers alone
        continue
    refuse(_fn)
