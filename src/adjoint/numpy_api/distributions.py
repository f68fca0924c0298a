"""The common distributions of ``scipy.stats`` in standard form, over operations.

Each is given by functions of the standardised variable y and the shape parameters; location, scale,
support and what follows from these are in `adjoint.numpy_api.stats`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.dispatch import is_staged, plain
from adjoint.ops import elementwise as ew
from adjoint.ops import special as s

__all__ = ["CONTINUOUS", "DISCRETE", "Continuous", "Discrete"]

_INF = math.inf
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)

Function = Callable[..., Any]


def _positive(*shapes: Any) -> list[Any]:
    return [np.greater(a, 0) for a in shapes]


@dataclass(frozen=True)
class Continuous:
    """A continuous distribution in standard form; what is None is refused or follows from others.

    Attributes
    ----------
    logpdf : callable
        ``logpdf(y, *shapes)`` inside the support.
    support : tuple of float, or callable
        Its ends; ``support(*shapes)`` if they depend on the shapes.
    inside : float
        A point of every support that does not depend on the shapes, put in place of points outside.
    proper : callable
        ``proper(*shapes)`` gives conditions on the shapes.
    """

    logpdf: Function
    support: tuple[float, float] | Function = (-_INF, _INF)
    inside: float = 0.0
    cdf: Function | None = None
    sf: Function | None = None
    logcdf: Function | None = None
    logsf: Function | None = None
    ppf: Function | None = None
    isf: Function | None = None
    proper: Function = _positive


@dataclass(frozen=True)
class Discrete:
    """A discrete distribution: ``logpmf(k, *shapes)`` from ``lower`` to ``upper(*shapes)``."""

    logpmf: Function
    lower: int = 0
    upper: Function = lambda *shapes: _INF
    cdf: Function | None = None
    sf: Function | None = None
    proper: Function = _positive


def _normal(y: Any) -> Any:
    return -0.5 * y * y - _LOG_SQRT_2PI


def _log_mass(a: Any, b: Any) -> Any:
    """Return log(Φ(b) − Φ(a)) for a < b, without cancellation in either tail."""
    flip = np.greater(a, 0)
    low, high = ew.where(flip, -b, a), ew.where(flip, -a, b)
    tail = np.less_equal(high, 0)
    top = ew.where(tail, high, -1.0)
    bottom = ew.where(tail, low, -2.0)
    top_log = s.log_ndtr(top)
    in_tail = top_log + np.log1p(-np.exp(s.log_ndtr(bottom) - top_log))
    across = np.log1p(-s.ndtr(ew.where(tail, -1.0, low)) - s.ndtr(-ew.where(tail, 1.0, high)))
    return ew.where(tail, in_tail, across)


def _student(y: Any, df: Any) -> Any:
    infinite = np.isinf(plain(df))
    open_ = is_staged(infinite)
    finite = ew.where(infinite, 1.0, df)
    value = (
        -s.betaln(0.5, 0.5 * finite)
        - 0.5 * np.log(finite)
        - 0.5 * (finite + 1) * np.log1p(y * y / finite)
    )
    return ew.where(infinite, _normal(y), value) if open_ or np.any(infinite) else value


def _f(y: Any, n: Any, m: Any) -> Any:
    return (
        0.5 * n * np.log(n)
        + 0.5 * m * np.log(m)
        + s.xlogy(0.5 * n - 1, y)
        - 0.5 * (n + m) * np.log(m + n * y)
        - s.betaln(0.5 * n, 0.5 * m)
    )


def _f_ratio(y: Any, n: Any, m: Any) -> Any:
    return n * y / (n * y + m)


def _laplace_cdf(y: Any) -> Any:
    tail = 0.5 * np.exp(-np.abs(y))
    return ew.where(np.greater(y, 0), 1 - tail, tail)


def _laplace_ppf(q: Any) -> Any:
    upper = np.greater(q, 0.5)
    return ew.where(
        upper, -np.log(2 * (1 - ew.where(upper, q, 0.5))), np.log(2 * ew.where(upper, 0.5, q))
    )


def _log_wald(y: Any, mu: Any) -> Any:
    return -_LOG_SQRT_2PI - 1.5 * np.log(y) - ((y - mu) / mu) ** 2 / (2 * y)


_HALF = (0.0, _INF)

CONTINUOUS: dict[str, Continuous] = {
    "norm": Continuous(
        _normal,
        cdf=s.ndtr, sf=lambda y: s.ndtr(-y), logcdf=s.log_ndtr, logsf=lambda y: s.log_ndtr(-y),
        ppf=s.ndtri, isf=lambda q: -s.ndtri(q),
    ),
    "lognorm": Continuous(
        lambda y, c: -0.5 * (np.log(y) / c) ** 2 - np.log(c * y) - _LOG_SQRT_2PI,
        _HALF, 1.0,
        cdf=lambda y, c: s.ndtr(np.log(y) / c), sf=lambda y, c: s.ndtr(-np.log(y) / c),
        logcdf=lambda y, c: s.log_ndtr(np.log(y) / c),
        logsf=lambda y, c: s.log_ndtr(-np.log(y) / c),
        ppf=lambda q, c: np.exp(c * s.ndtri(q)), isf=lambda q, c: np.exp(-c * s.ndtri(q)),
    ),
    "halfnorm": Continuous(
        lambda y: math.log(2) + _normal(y), _HALF, 1.0,
        cdf=lambda y: s.erf(y * math.sqrt(0.5)), sf=lambda y: s.erfc(y * math.sqrt(0.5)),
        ppf=lambda q: s.ndtri(0.5 * (1 + q)), isf=lambda q: -s.ndtri(0.5 * q),
    ),
    "truncnorm": Continuous(
        lambda y, a, b: _normal(y) - _log_mass(a, b), lambda a, b: (a, b),
        proper=lambda a, b: [np.less(a, b)],
        logcdf=lambda y, a, b: _log_mass(a, y) - _log_mass(a, b),
        logsf=lambda y, a, b: _log_mass(y, b) - _log_mass(a, b),
        cdf=lambda y, a, b: np.exp(_log_mass(a, y) - _log_mass(a, b)),
        sf=lambda y, a, b: np.exp(_log_mass(y, b) - _log_mass(a, b)),
    ),
    "skewnorm": Continuous(
        lambda y, a: math.log(2) + _normal(y) + s.log_ndtr(a * y),
        cdf=lambda y, a: s.ndtr(y) - 2 * s.owens_t(y, a),
        sf=lambda y, a: s.ndtr(-y) + 2 * s.owens_t(y, a),
        proper=lambda a: [np.isfinite(a)],
    ),
    "expon": Continuous(
        lambda y: -y, _HALF, 1.0,
        cdf=lambda y: -np.expm1(-y), sf=lambda y: np.exp(-y), logsf=lambda y: -y,
        ppf=lambda q: -np.log1p(-q), isf=lambda q: -np.log(q),
    ),
    "gamma": Continuous(
        lambda y, a: s.xlogy(a - 1, y) - y - s.gammaln(a), _HALF, 1.0,
        cdf=lambda y, a: s.gammainc(a, y), sf=lambda y, a: s.gammaincc(a, y),
        ppf=lambda q, a: s.gammaincinv(a, q), isf=lambda q, a: s.gammainccinv(a, q),
    ),
    "chi2": Continuous(
        lambda y, v: s.xlogy(0.5 * v - 1, y) - 0.5 * y - s.gammaln(0.5 * v) - 0.5 * v * math.log(2),
        _HALF, 1.0,
        cdf=lambda y, v: s.gammainc(0.5 * v, 0.5 * y),
        sf=lambda y, v: s.gammaincc(0.5 * v, 0.5 * y),
        ppf=lambda q, v: 2 * s.gammaincinv(0.5 * v, q),
        isf=lambda q, v: 2 * s.gammainccinv(0.5 * v, q),
    ),
    "chi": Continuous(
        lambda y, v: (
            math.log(2) - 0.5 * v * math.log(2)
            - s.gammaln(0.5 * v) + s.xlogy(v - 1, y) - 0.5 * y * y
        ),
        _HALF, 1.0,
        cdf=lambda y, v: s.gammainc(0.5 * v, 0.5 * y * y),
        sf=lambda y, v: s.gammaincc(0.5 * v, 0.5 * y * y),
        ppf=lambda q, v: np.sqrt(2 * s.gammaincinv(0.5 * v, q)),
    ),
    "invgamma": Continuous(
        lambda y, a: -(a + 1) * np.log(y) - s.gammaln(a) - 1 / y, _HALF, 1.0,
        cdf=lambda y, a: s.gammaincc(a, 1 / y), sf=lambda y, a: s.gammainc(a, 1 / y),
        ppf=lambda q, a: 1 / s.gammainccinv(a, q), isf=lambda q, a: 1 / s.gammaincinv(a, q),
    ),
    "invgauss": Continuous(_log_wald, _HALF, 1.0),
    "beta": Continuous(
        lambda y, a, b: s.xlog1py(b - 1, -y) + s.xlogy(a - 1, y) - s.betaln(a, b), (0.0, 1.0), 0.5,
        cdf=lambda y, a, b: s.betainc(a, b, y), sf=lambda y, a, b: s.betaincc(a, b, y),
        ppf=lambda q, a, b: s.betaincinv(a, b, q), isf=lambda q, a, b: s.betainccinv(a, b, q),
    ),
    "t": Continuous(
        _student,
        cdf=lambda y, df: s.stdtr(df, y), sf=lambda y, df: s.stdtr(df, -y),
        ppf=lambda q, df: s.stdtrit(df, q), isf=lambda q, df: -s.stdtrit(df, q),
    ),
    "cauchy": Continuous(
        lambda y: -math.log(math.pi) - np.log1p(y * y),
        cdf=lambda y: np.arctan2(1.0, -y) / math.pi, sf=lambda y: np.arctan2(1.0, y) / math.pi,
        ppf=lambda q: np.tan(math.pi * q - 0.5 * math.pi),
        isf=lambda q: np.tan(0.5 * math.pi - math.pi * q),
    ),
    "halfcauchy": Continuous(
        lambda y: math.log(2 / math.pi) - np.log1p(y * y), _HALF, 1.0,
        cdf=lambda y: 2 / math.pi * np.arctan(y), sf=lambda y: 2 / math.pi * np.arctan2(1.0, y),
        ppf=lambda q: np.tan(0.5 * math.pi * q),
    ),
    "laplace": Continuous(
        lambda y: -math.log(2) - np.abs(y),
        cdf=_laplace_cdf, sf=lambda y: _laplace_cdf(-y),
        ppf=_laplace_ppf, isf=lambda q: -_laplace_ppf(q),
    ),
    "logistic": Continuous(
        lambda y: s.log_expit(y) + s.log_expit(-y),
        cdf=s.expit, sf=lambda y: s.expit(-y), logcdf=s.log_expit, logsf=lambda y: s.log_expit(-y),
        ppf=s.logit, isf=lambda q: -s.logit(q),
    ),
    "uniform": Continuous(
        lambda y: 0 * y, (0.0, 1.0), 0.5,
        cdf=lambda y: y, sf=lambda y: 1 - y, ppf=lambda q: q, isf=lambda q: 1 - q,
    ),
    "f": Continuous(
        _f, _HALF, 1.0,
        cdf=lambda y, n, m: s.betainc(0.5 * n, 0.5 * m, _f_ratio(y, n, m)),
        sf=lambda y, n, m: s.betaincc(0.5 * n, 0.5 * m, _f_ratio(y, n, m)),
    ),
    "pareto": Continuous(
        lambda y, b: np.log(b) - (b + 1) * np.log(y), (1.0, _INF), 2.0,
        cdf=lambda y, b: -np.expm1(-b * np.log(y)), sf=lambda y, b: y**-b,
        logsf=lambda y, b: -b * np.log(y), ppf=lambda q, b: (1 - q) ** (-1 / b),
    ),
    "lomax": Continuous(
        lambda y, c: np.log(c) - (c + 1) * np.log1p(y), _HALF, 1.0,
        cdf=lambda y, c: -np.expm1(-c * np.log1p(y)), sf=lambda y, c: np.exp(-c * np.log1p(y)),
        logsf=lambda y, c: -c * np.log1p(y), ppf=lambda q, c: np.expm1(-np.log1p(-q) / c),
    ),
    "powerlaw": Continuous(
        lambda y, a: np.log(a) + s.xlogy(a - 1, y), (0.0, 1.0), 0.5,
        cdf=lambda y, a: y**a, logcdf=lambda y, a: a * np.log(y), ppf=lambda q, a: q ** (1 / a),
    ),
    "weibull_min": Continuous(
        lambda y, c: np.log(c) + s.xlogy(c - 1, y) - y**c, _HALF, 1.0,
        cdf=lambda y, c: -np.expm1(-(y**c)), sf=lambda y, c: np.exp(-(y**c)),
        logsf=lambda y, c: -(y**c),
        ppf=lambda q, c: (-np.log1p(-q)) ** (1 / c), isf=lambda q, c: (-np.log(q)) ** (1 / c),
    ),
    "gumbel_r": Continuous(
        lambda y: -y - np.exp(-y),
        cdf=lambda y: np.exp(-np.exp(-y)), sf=lambda y: -np.expm1(-np.exp(-y)),
        logcdf=lambda y: -np.exp(-y),
        ppf=lambda q: -np.log(-np.log(q)), isf=lambda q: -np.log(-np.log1p(-q)),
    ),
    "gumbel_l": Continuous(
        lambda y: y - np.exp(y),
        cdf=lambda y: -np.expm1(-np.exp(y)), sf=lambda y: np.exp(-np.exp(y)),
        logsf=lambda y: -np.exp(y),
        ppf=lambda q: np.log(-np.log1p(-q)), isf=lambda q: np.log(-np.log(q)),
    ),
    "rayleigh": Continuous(
        lambda y: np.log(y) - 0.5 * y * y, _HALF, 1.0,
        cdf=lambda y: -np.expm1(-0.5 * y * y), sf=lambda y: np.exp(-0.5 * y * y),
        logsf=lambda y: -0.5 * y * y,
        ppf=lambda q: np.sqrt(-2 * np.log1p(-q)), isf=lambda q: np.sqrt(-2 * np.log(q)),
    ),
    "maxwell": Continuous(
        lambda y: 0.5 * math.log(2 / math.pi) + 2 * np.log(y) - 0.5 * y * y, _HALF, 1.0,
        cdf=lambda y: s.gammainc(1.5, 0.5 * y * y), sf=lambda y: s.gammaincc(1.5, 0.5 * y * y),
        ppf=lambda q: np.sqrt(2 * s.gammaincinv(1.5, q)),
    ),
    "vonmises": Continuous(
        lambda y, kappa: kappa * s.cosm1(y) - math.log(2 * math.pi) - np.log(s.i0e(kappa)),
        proper=lambda kappa: [np.greater_equal(kappa, 0)],
    ),
}  # fmt: skip
"""By the name of SciPy's generator."""


def _probability(p: Any) -> list[Any]:
    return [np.greater_equal(p, 0), np.less_equal(p, 1)]


def _bernoulli_cdf(k: Any, p: Any) -> Any:
    return ew.where(np.less(k, 1), 1 - p, 1.0)


DISCRETE: dict[str, Discrete] = {
    "bernoulli": Discrete(
        lambda k, p: s.xlogy(k, p) + s.xlog1py(1 - k, -p), upper=lambda p: 1,
        cdf=_bernoulli_cdf, sf=lambda k, p: ew.where(np.less(k, 1), p, 0.0),
        proper=lambda p: _probability(p),
    ),
    "binom": Discrete(
        lambda k, n, p: (
            s.gammaln(n + 1) - s.gammaln(k + 1) - s.gammaln(n - k + 1)
            + s.xlogy(k, p) + s.xlog1py(n - k, -p)
        ),
        upper=lambda n, p: n,
        proper=lambda n, p: [np.greater_equal(n, 0), np.equal(n, np.floor(n)), *_probability(p)],
        cdf=lambda k, n, p: s.betaincc(k + 1, n - k, p),
        sf=lambda k, n, p: s.betainc(k + 1, n - k, p),
    ),
    "poisson": Discrete(
        lambda k, mu: s.xlogy(k, mu) - s.gammaln(k + 1) - mu,
        proper=lambda mu: [np.greater_equal(mu, 0)],
        cdf=lambda k, mu: s.gammaincc(k + 1, mu), sf=lambda k, mu: s.gammainc(k + 1, mu),
    ),
    "geom": Discrete(
        lambda k, p: s.xlog1py(k - 1, -p) + np.log(p), lower=1,
        proper=lambda p: [np.greater(p, 0), np.less_equal(p, 1)],
        cdf=lambda k, p: -np.expm1(k * np.log1p(-p)), sf=lambda k, p: np.exp(k * np.log1p(-p)),
    ),
    "nbinom": Discrete(
        lambda k, n, p: (
            s.gammaln(n + k) - s.gammaln(k + 1) - s.gammaln(n) + n * np.log(p) + s.xlog1py(k, -p)
        ),
        proper=lambda n, p: [np.greater(n, 0), np.greater(p, 0), np.less_equal(p, 1)],
        cdf=lambda k, n, p: s.betainc(n, k + 1, p), sf=lambda k, n, p: s.betaincc(n, k + 1, p),
    ),
}  # fmt: skip
"""By the name of SciPy's generator."""
