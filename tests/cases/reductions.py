"""Reductions, scans, order statistics, differences: every function with its arguments."""

import numpy as np

from tests.cases import case

A = np.array([[0.7, -1.2, 0.4, 1.9], [1.5, 0.3, -0.8, 0.6], [-0.5, 1.1, 2.2, -1.7]])
T = np.linspace(-1.3, 1.7, 24).reshape(2, 3, 4)[:, ::-1] * np.array([1.0, -0.8, 1.3, 0.7])
V = np.array([0.3, 1.7, -0.6, 0.9, 2.1, -1.4])
P = np.abs(V) + 0.2
Z = A + 1j * np.cos(3 * A)
M = np.array([[True, False, True, True], [True, True, False, True], [False, True, True, True]])
N = np.where(np.eye(3, 4) > 0, np.nan, 0.0)
ZERO = np.array([0.0, 1.3, 0.7, -2.1])
ZEROS = np.array([[0.0, 1.3, 0.0, -2.1], [0.4, 0.0, 1.2, 0.6], [1.4, 0.5, -1.2, 0.6]])
LONG = np.cos(np.arange(40.0)) + 0.1
W = np.array([0.4, 1.2, 0.7, 0.9])


def both(fn, **options):
    """Return a function of the reduction along several axes."""
    return lambda x: (fn(x, **options), fn(x, axis=0, **options), fn(x, axis=-1, **options))


AXES = [
    case(f"{fn.__name__} {axis}", lambda x, fn=fn, axis=axis: fn(x, axis=axis), T)
    for fn in (np.sum, np.prod, np.mean, np.var, np.std, np.max, np.min, np.ptp, np.median)
    for axis in (None, 1, (0, -1))
]
KEEPDIMS = [
    case(f"{fn.__name__} keepdims", lambda x, fn=fn: x * fn(x, axis=1, keepdims=True), A)
    for fn in (np.sum, np.prod, np.mean, np.var, np.std, np.amax, np.amin, np.ptp, np.median)
]
WHERE = [
    case(f"{fn.__name__} where", lambda x, fn=fn: (fn(x, axis=1, where=M), fn(x, where=M)), A)
    for fn in (np.sum, np.prod, np.mean, np.var, np.std)
]
COMPLEX = [
    case(f"{fn.__name__} complex", lambda x, fn=fn: (fn(x, axis=0), fn(x)), Z)
    for fn in (np.sum, np.prod, np.mean, np.var, np.std, np.cumsum, np.cumprod)
]
NAN = [
    case(f"{fn.__name__}", lambda x, fn=fn: (fn(x + N), fn(x + N, axis=1)), A)
    for fn in (
        np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin,
        np.nanmedian, np.nancumsum, np.nancumprod,
    )
]  # fmt: skip
METHODS = [
    case(f"quantile {m}", lambda x, m=m: np.quantile(x, [0.1, 0.37, 0.5, 0.93], method=m), V)
    for m in (
        "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
        "interpolated_inverted_cdf", "hazen", "weibull", "linear", "median_unbiased",
        "normal_unbiased", "lower", "higher", "midpoint", "nearest",
    )
]  # fmt: skip
UFUNC_METHODS = [
    case(f"{u.__name__} {m}", lambda x, u=u, m=m: (getattr(u, m)(x), getattr(u, m)(x, axis=1)), A)
    for u in (
        np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.fmax, np.fmin,
        np.logaddexp, np.hypot,
    )
    for m in ("reduce", "accumulate")
] + [
    case(f"{u.__name__} reduceat", lambda x, u=u: u.reduceat(x, [0, 3, 1, 2, 4, 4]), V)
    for u in (np.add, np.multiply, np.maximum, np.logaddexp)
]  # fmt: skip

CASES = [
    *AXES,
    *KEEPDIMS,
    *WHERE,
    *COMPLEX,
    *NAN,
    *METHODS,
    *UFUNC_METHODS,
    # sums and products
    case("sum initial", lambda x, y: np.sum(x, axis=0, initial=y), A, 0.7, float32=False),
    case("sum no axes", lambda x: np.sum(x * x, axis=()), A),
    case(
        "sum of a number",
        lambda x: np.sum(x) + np.mean(x) + np.prod(x) + np.max(x),
        0.7,
        float32=False,
    ),
    case("sum dtype", lambda x: np.sum(x, dtype=np.float64), A),
    case(
        "mean dtype",
        lambda x: np.mean(x, axis=0, dtype=np.float32),
        A,
        rtol=3e-2,
        order=1,
        step=0.05,
    ),
    case("prod with one zero", lambda x: np.prod(x), ZERO),
    case(
        "prod with several zeros",
        lambda x: (np.prod(x, axis=0), np.prod(x, axis=1), np.prod(x)),
        ZEROS,
    ),
    case("prod initial", lambda x, y: np.prod(x, axis=1, initial=y), A, 0.7, float32=False),
    case("prod long", lambda x: np.prod(x), LONG),
    case(
        "cumprod with zeros",
        lambda x: (np.cumprod(x, axis=0), np.cumprod(x, axis=1), np.cumprod(x)),
        ZEROS,
    ),
    case("cumprod long", lambda x: np.cumprod(x), LONG),
    case("cumsum", lambda x: (np.cumsum(x), np.cumsum(x * x, axis=-1)), A),
    case("cumsum method", lambda x: x.cumsum(1) * x.cumprod(0) * x.sum() * x.max() * x.std(0), A),
    # statistics
    case("var ddof", lambda x: np.var(x, axis=1, ddof=1), A),
    case("std correction", lambda x: np.std(x, axis=(0, 1), correction=1), A),
    case("var given mean", lambda x, m: np.var(x, axis=1, mean=m, keepdims=True), A, A[:, :1] / 3),
    case("std given mean", lambda x: np.std(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)), A),
    case(
        "nanvar ddof where", lambda x: np.nanvar(x + N, axis=1, ddof=1, keepdims=True, where=M), A
    ),
    case("average", lambda x, w: (np.average(x, axis=1, weights=w), np.average(x, axis=0)), A, W),
    case(
        "average returned",
        lambda x, w: np.average(x, axis=(0, 2), weights=w, returned=True),
        T,
        A[:2] ** 2 + 0.5,
    ),
    case("average all", lambda x, w: np.average(x, weights=w, keepdims=True), A, A**2 + 0.3),
    case("cov", lambda x: np.cov(x), A),
    case("cov two", lambda x, y: np.cov(x, y, bias=True), V, P[::-1].copy()),
    case("cov columns", lambda x: np.cov(x, rowvar=False, ddof=0), A),
    case("cov weights", lambda x, w: np.cov(x, fweights=[1, 2, 1, 3], aweights=w), A, W),
    case("cov one", lambda x: np.cov(x), V),
    case("cov complex", lambda x: np.cov(x), Z),
    case("corrcoef", lambda x: np.corrcoef(x), A),
    case("corrcoef two", lambda x, y: np.corrcoef(x, y), V, P),
    case("corrcoef complex", lambda x: np.corrcoef(x), Z),
    # extrema
    case("max initial where", lambda x: np.max(x, axis=1, initial=0.5, where=M), A),
    case("min initial traced", lambda x, y: np.min(x, axis=1, initial=y), A, -0.7, float32=False),
    case("max complex", lambda x: np.max(x, axis=0), Z),
    case("maximum.reduce axes", lambda x: np.maximum.reduce(x, axis=(0, 2)), T),
    case("fmin.reduce nan", lambda x: np.fmin.reduce(x + N, axis=1), A),
    case("logaddexp.reduce axes", lambda x: np.logaddexp.reduce(x, axis=(0, 2), keepdims=True), T),
    case("logaddexp.reduce where", lambda x: np.logaddexp.reduce(x, axis=1, where=M), A),
    case("logaddexp2.reduce", lambda x: np.logaddexp2.reduce(x), V),
    case("logaddexp.accumulate long", lambda x: np.logaddexp.accumulate(x), LONG),
    case("fmax.accumulate nan", lambda x: np.fmax.accumulate(x + N[:, ::-1], axis=1), A),
    case("power.accumulate", lambda x: np.power.accumulate(x), P[:3].copy()),
    case("fold keepdims", lambda x: np.subtract.reduce(x, axis=1, keepdims=True), A),
    case("fold initial", lambda x: np.divide.reduce(x, axis=1, initial=2.0), A),
    case("add.reduceat axis", lambda x: np.add.reduceat(x * x, [0, 2, 3], axis=1), A),
    case("add.reduceat backwards", lambda x: np.add.reduceat(x * x, [2, 0, 0, 1], axis=0), A),
    # order statistics
    case("median even", lambda x: (np.median(x), np.median(x, axis=(0, 1))), A),
    case("median complex", lambda x: np.median(x, axis=0), Z),
    case("percentile", lambda x: np.percentile(x, [[10, 35.0], [50, 77]], axis=1), A),
    case(
        "percentile keepdims",
        lambda x: np.percentile(x, 33, axis=(0, 2), keepdims=True),
        T,
        step=1e-4,
    ),
    case("quantile of traced q", lambda x, q: np.quantile(x, q, axis=1), A, np.array([0.21, 0.6])),
    case(
        "quantile traced q hazen",
        lambda x, q: np.quantile(x, q, method="hazen"),
        A,
        0.37,
        float32=False,
    ),
    case(
        "quantile weights",
        lambda x: np.quantile(x, [0.2, 0.7], axis=1, weights=W, method="inverted_cdf"),
        A,
    ),
    case("nanquantile", lambda x: np.nanquantile(x + N, [0.3, 0.8], axis=1), A),
    case(
        "nanpercentile",
        lambda x: np.nanpercentile(x + N, 30, axis=0, method="weibull", keepdims=True),
        A,
    ),
    case("quantile long", lambda x: np.quantile(x[np.arange(320) % 40], 0.3), LONG, order=1),
    case("sort", lambda x: (np.sort(x), np.sort(x, axis=0) ** 2, np.sort(x, axis=None)), A),
    case("sort complex", lambda x: (np.sort(x), np.sort_complex(x)), Z),
    case(
        "partition",
        lambda x: np.partition(x, 2, axis=0) * np.partition(x, (1, 2), axis=0),
        A,
        order=2,
    ),
    case("unique", lambda x: np.unique(x[[0, 1, 2, 3, 4, 5, 0, 1]]) ** 2, V),
    case("unique axis", lambda x: np.unique(x[:, [0, 1, 0, 2]], axis=1), A),
    case("unique counts", lambda x: np.unique_counts(x[[0, 1, 0]]).values, V),
    case("union1d", lambda x, y: np.union1d(x, y), V, P),
    case("intersect1d", lambda x: np.intersect1d(x[:4], x[2:]), V),
    case("setdiff1d", lambda x: np.setdiff1d(x, x[2:4]), V),
    case("setxor1d", lambda x: np.setxor1d(x[:4], x[2:]), V),
    # differences and integrals
    case("diff", lambda x: (np.diff(x), np.diff(x, axis=0), np.diff(x, n=2) ** 2), A),
    case(
        "diff edges",
        lambda x, y: np.diff(x, axis=0, prepend=y, append=x[:1] * x[1:2]),
        A,
        0.3,
        float32=False,
    ),
    case("ediff1d", lambda x, y: np.ediff1d(x, to_begin=y[0], to_end=y[1:3]), A, V),
    case("gradient", lambda x: np.gradient(x), A),
    case(
        "gradient spacing",
        lambda x, h: np.gradient(x, h, axis=1, edge_order=2),
        A,
        0.7,
        float32=False,
    ),
    case(
        "gradient coordinates",
        lambda x, y: np.gradient(x, np.cumsum(np.exp(y)), axis=0, edge_order=2),
        V,
        P,
    ),
    case(
        "gradient mixed",
        lambda x, h: np.gradient(x, h, [0.0, 0.4, 1.0, 1.7]),
        A,
        0.7,
        float32=False,
    ),
    case("gradient even coordinates", lambda x, y: np.gradient(x, y), V, np.arange(6.0)),
    case("trapezoid", lambda x: (np.trapezoid(x), np.trapezoid(x, dx=0.3, axis=0)), A),
    case(
        "trapezoid coordinates", lambda y, x: np.trapezoid(y, x), A, np.array([0.1, 0.4, 1.1, 1.2])
    ),
    case(
        "trapezoid grid", lambda y, x: np.trapezoid(y, x, axis=0), A, np.cumsum(np.exp(A), axis=0)
    ),
    case("cumulative_sum", lambda x: np.cumulative_sum(x, axis=1, include_initial=True), A),
    case("cumulative_prod", lambda x: np.cumulative_prod(x * x, include_initial=True), V),
    # histograms
    case("bincount", lambda w: np.bincount([0, 2, 2, 1, 5, 0], weights=w, minlength=8) ** 2, V),
    case(
        "histogram weights",
        lambda w: np.histogram(A, bins=3, range=(-1, 1.5), weights=w)[0] ** 2,
        A,
    ),
    case(
        "histogram density",
        lambda w: np.histogram(V, bins=[-1, 0, 1, 3], weights=w, density=True)[0],
        P,
    ),
    case("histogram edges", lambda x: np.histogram(x, bins=4)[1], V),
    case("histogram density edges", lambda x: np.histogram(x, bins=4, density=True)[0], V),
    case(
        "histogram2d weights", lambda w: np.histogram2d(V, P, bins=3, weights=w, density=True)[0], P
    ),
    case(
        "histogramdd weights",
        lambda w: np.histogramdd(A, bins=(2, 3, 2, 2), weights=w)[0] ** 2,
        W[:3].copy(),
    ),
]
