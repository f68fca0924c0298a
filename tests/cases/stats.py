"""Densities and distribution functions of ``scipy.stats``."""

import numpy as np
import scipy.stats as st

from tests.cases import case

X = np.array([0.4, 1.3, 2.2])
LOC, SCALE = 0.15, 1.4
COV = np.array([[1.5, 0.3, -0.2], [0.3, 0.9, 0.1], [-0.2, 0.1, 1.1]])
A3 = np.array([1.2, 0.7, 2.1])
SIMPLEX = np.array([0.2, 0.5, 0.3])

_SHAPES = {
    "norm": (), "lognorm": (0.8,), "halfnorm": (), "truncnorm": (-0.7, 2.9), "skewnorm": (1.3,),
    "expon": (), "gamma": (1.7,), "chi2": (2.3,), "chi": (2.3,), "invgamma": (1.6,),
    "invgauss": (0.9,), "beta": (1.7, 2.4), "t": (3.2,), "cauchy": (), "halfcauchy": (),
    "laplace": (), "logistic": (), "uniform": (), "f": (3.1, 5.4), "pareto": (2.3,),
    "lomax": (1.9,), "powerlaw": (1.6,),
    "weibull_min": (1.6,), "gumbel_r": (), "gumbel_l": (), "rayleigh": (),
    "maxwell": (), "vonmises": (1.4,),
}  # fmt: skip
_DENSITY_ONLY = {"invgauss", "vonmises"}
_NO_QUANTILE = {"truncnorm", "skewnorm", "f"} | _DENSITY_ONLY
_SCALED = {"beta": 3.0, "uniform": 3.0, "powerlaw": 3.0}
_MOVED = {"pareto": -1.3}


def _logpdf(name):
    dist = getattr(st, name)
    return lambda x, loc, scale, *shapes: dist.logpdf(x, *shapes, loc=loc, scale=scale)


def _frozen(name):
    dist = getattr(st, name)
    return lambda x, loc, scale, *shapes: dist(*shapes, loc, scale).pdf(x)


def _tails(name):
    dist = getattr(st, name)

    def tails(x, loc, scale, *shapes):
        d = dist(*shapes, loc=loc, scale=scale)
        return d.cdf(x), d.sf(x), d.logcdf(x), d.logsf(x)

    return tails


def _quantiles(name):
    dist = getattr(st, name)
    return lambda q, loc, scale, *shapes: (
        dist.ppf(q, *shapes, loc, scale), dist.isf(q, *shapes, scale=scale, loc=loc)
    )  # fmt: skip


def _args(name, first=X):
    return (first, _MOVED.get(name, LOC), _SCALED.get(name, SCALE), *_SHAPES[name])


Q = np.array([0.15, 0.62, 0.9])

CASES = [
    *[case(f"stats {n} logpdf", _logpdf(n), *_args(n)) for n in _SHAPES],
    *[case(f"stats {n} frozen pdf", _frozen(n), *_args(n)) for n in _SHAPES],
    *[case(f"stats {n} tails", _tails(n), *_args(n)) for n in _SHAPES if n not in _DENSITY_ONLY],
    *[
        case(f"stats {n} quantiles", _quantiles(n), *_args(n, Q))
        for n in _SHAPES
        if n not in _NO_QUANTILE
    ],
    case("stats norm broadcast", lambda x, m, s: st.norm.logpdf(x, m[:, None], s), X, X, 0.7),
    case("stats outside", lambda x: st.gamma.pdf(x, 1.7), np.array([-1.0, 0.5])),
    case("stats plain frozen", lambda x: st.norm(0.3, 1.2).logpdf(x), X),
    case("stats bernoulli", lambda p: st.bernoulli.logpmf([0, 1, 1], p), 0.3),
    case("stats binom", lambda p: st.binom.logpmf([0, 3, 5], 5, p), 0.3),
    case("stats binom tails", lambda p: (st.binom(5, p).cdf(2), st.binom.sf(2, 5, p)), 0.3),
    case("stats poisson", lambda m: st.poisson.logpmf([0, 3, 5], m), X),
    case("stats poisson pmf", lambda m: st.poisson(m).pmf(2), X),
    case(
        "stats poisson tails",
        lambda m: (st.poisson.logcdf(2, m, 1), st.poisson.sf([-1, 4], m)),
        1.7,
    ),
    case("stats geom", lambda p: (st.geom.logpmf([1, 3], p), st.geom.cdf([0, 3], p)), 0.3),
    case(
        "stats nbinom",
        lambda n, p: (st.nbinom.logpmf([1, 3], n, p), st.nbinom.cdf(2, n, p)),
        2.4,
        0.3,
    ),
    case("stats mvn", lambda x, m, c: st.multivariate_normal.logpdf(x, m, c @ c.T), A3, X, COV),
    case(
        "stats mvn frozen",
        lambda x, m, c: st.multivariate_normal(m, c @ c.T).pdf(x),
        np.stack([A3, X]),
        X,
        COV,
    ),
    case("stats mvn diagonal", lambda x, m, c: st.multivariate_normal.logpdf(x, m, c), A3, X, X),
    case("stats mvn scalar", lambda x, c: st.multivariate_normal.logpdf(x, 0.3, c), A3, 0.7),
    case("stats dirichlet", lambda a: st.dirichlet.logpdf(SIMPLEX, a), A3),
    case("stats dirichlet point", lambda x, a: st.dirichlet.logpdf(x, a), SIMPLEX[:2], A3),
    case("stats multinomial", lambda p: st.multinomial.logpmf([1, 2, 2], 5, p), SIMPLEX, rtol=1e-5),
]
