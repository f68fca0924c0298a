"""Functions with constant results, creation, Python's own functions: staged, at two sizes."""

from __future__ import annotations

import cmath
import math
import operator

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import TracingError
from tests.staged.comparison import assert_same

pytestmark = pytest.mark.usefixtures("quiet")

SIZES = ((3, 4), (5, 11))


def matrix(rows, columns):
    return np.cos(1.7 * np.arange(rows * columns).reshape(rows, columns)) * 2


def vector(rows, columns):
    return matrix(1, columns + 2)[0]


def ordered(rows, columns):
    return np.sort(vector(rows, columns))


def integers(rows, columns):
    return np.arange(columns) * 7 % 5


def square(rows, columns):
    return matrix(rows, rows)


def masked_stores(x):
    y = x.copy()
    y[y > 0] = 0
    y[x < -1] += 10
    z = np.zeros_like(x)
    z[x > 0] = x[x > 0]
    z[0, :] = 5
    return y, z


def outputs(x):
    u, v, s = np.zeros(x.shape), np.empty(x.shape), np.zeros(())
    np.add(x, 1, out=u)
    np.sin(x, out=v, where=x > 0)
    np.sum(x, out=s)
    return u, np.where(x > 0, v, 0), s


def at_staged_indices(i):
    a = np.ones(6)
    np.multiply.at(a, i, 2.0)
    np.add.at(a, i, i * 0.5)
    np.maximum.at(a, (i + 1) % 5, 3.0)
    return a


def grids(x, n):
    return (
        np.r_[0:n, 1.0], *np.mgrid[0:n, 0:2], np.mgrid[1:n], *np.ogrid[0:1:3j, 0:n],
        np.c_[x, x * 2], *np.meshgrid(x, np.arange(n)), np.indices((n, 2)),
        *np.indices((2, n), sparse=True),
    )  # fmt: skip


def made(x, n):
    u = np.zeros(n)
    u[0] = x[0]
    k = np.arange(n)
    k[1:] = 7
    return (
        u, k, np.zeros((n, 2), complex), np.ones(n, np.float32), np.full((n, 2), x[1]),
        np.full(n, 3), np.empty((n, 2)).shape, np.eye(n), np.eye(n, 3, 1), np.identity(n),
        np.tri(n, 4, 1), np.arange(1, n, 2), np.arange(n, dtype=float), np.arange(0.5, n, 0.25),
        np.linspace(0, 1, n), np.linspace(x[0], x[1], n, endpoint=False), np.logspace(0, 1, n),
        np.geomspace(1, 8, n), np.hanning(n), np.hamming(n), np.bartlett(n), np.blackman(n),
        np.fromfunction(lambda i, j: i * x[0] + j, (n, 2)), np.zeros_like(x), np.ones_like(x, int),
        np.full_like(x, 2.5), np.diag(np.ones(n), 1), np.array([1.0, 2.0]) * n,
        np.tile([0.0, 1.0], n), np.repeat([0.0, 1.0], n), np.roll([0.0, 1.0, 2.0], n),
        np.broadcast_to([0.0, 1.0], (n, 2)), np.resize([0.0, 1.0, 2.0], n), np.pad([1.0], n),
        np.delete([0.0, 1.0, 2.0], n - 2 if n < 5 else 1), np.insert([0.0, 1.0], n // n, 5.0),
        np.vander(x[:2], n), np.vander(x, 3, increasing=True), np.kaiser(5, 2.0),
    )  # fmt: skip


FUNCTIONS = {
    "shapes": (lambda x: (np.zeros(np.shape(x)), np.ones(x.ndim), np.ones(np.ndim(x))), matrix),
    "sizes": (lambda x: (np.size(x) + x.size, np.size(x, 1), x.nbytes, x.itemsize), matrix),
    "types": (
        lambda x: (
            np.zeros(2, np.result_type(x, 1j)), np.can_cast(x.dtype, int), np.iscomplexobj(x),
            np.zeros(2, np.common_type(x)), np.isrealobj(x * 1j), np.isreal(x), np.iscomplex(x),
        ),
        matrix,
    ),
    "any all": (
        lambda x: (
            np.any(x > 0), np.any(x > 0, axis=1), (x > 0).any(0), np.all(x > -9),
            np.all(x > 0, axis=(0, 1), keepdims=True),
        ),
        matrix,
    ),
    "close": (
        lambda x: (
            np.allclose(x, x + 1e-12), np.array_equal(x, x), np.array_equiv(x, x[0]),
            np.isclose(x, 0.7),
        ),
        matrix,
    ),
    "orders": (
        lambda x: (
            np.argmax(x), np.argmin(x, axis=1), np.argsort(x), np.argsort(x, 0), x.argsort(),
            np.argsort(x, axis=None), np.nanargmax(x), np.lexsort((x[0], x[1])),
            np.take_along_axis(x, np.argpartition(x, 2, axis=1)[:, 2:3], 1),
        ),
        matrix,
    ),
    "places": (
        lambda x: (
            *np.nonzero(x > 0), np.flatnonzero(x > 0), np.argwhere(x > 0), *np.where(x > 0),
            np.count_nonzero(x > 0), np.count_nonzero(x > 0, axis=1), *(x > 0).nonzero(),
        ),
        matrix,
    ),
    "searches": (
        lambda x: (
            np.searchsorted(x, 0.5), np.searchsorted(x, [0.5, 1]), np.digitize([0.1, 1.0], x),
            x.searchsorted(0.2, "right"), np.isin(x, [x[0], 1.7]),
        ),
        ordered,
    ),
    "rounding": (
        lambda x: (
            np.fix(x), np.round(x, 1), np.around(x), x.round(2), np.floor(x), np.ceil(x),
            np.trunc(x), np.rint(x), np.isnan(x), np.isfinite(x), np.signbit(x), np.spacing(x),
            np.isposinf(x), np.logical_and(x, x > 1), np.logical_not(x),
        ),
        vector,
    ),
    "bits": (
        lambda i: (
            i & 1, i | 2, i ^ 1, ~i, i << 1, i >> 1, np.gcd(i, 6), np.lcm(i + 1, 4),
            np.bitwise_and(i, 1), np.invert(i),
        ),
        integers,
    ),
    "integer arrays": (
        lambda i: (
            np.sum(i), np.prod(i), np.max(i), np.cumsum(i), np.mean(i), i * 2, i // 2, i % 2,
            i**2, i / 2, -i, abs(i), np.bincount(i), np.sort(i), np.unique(i), np.diff(i),
            np.clip(i, 0, 1), np.median(i), np.dot(i, i), np.where(i > 0)[0], np.var(i),
        ),
        integers,
    ),
    "indices": (
        lambda x: (
            x[np.ix_([0, 1], [2, 3])], *np.unravel_index(np.argmax(x), x.shape),
            np.ravel_multi_index((1, 2), x.shape), np.linalg.matrix_rank(x),
        ),
        matrix,
    ),
    "triangles": (
        lambda x: (
            x[np.tril_indices_from(x)], x[np.triu_indices_from(x, 1)], x[np.tril_indices(3)],
            x[np.diag_indices(3)], x[np.diag_indices_from(x)],
        ),
        square,
    ),
    "masks": (
        lambda x: (x[x > 0], x[x > 0].sum(), x[(x > 0) & (x < 1)], x[~(x > 0)].mean()), matrix
    ),
    "stores by mask": (masked_stores, matrix),
    "methods without derivative": (
        lambda x: (
            np.logical_or.reduce(x > 0), np.logical_and.reduce(x > 0, axis=1),
            np.maximum.reduce(x), np.add.reduce(x, axis=None), np.bitwise_or.reduce(x > 0),
            np.logical_and.accumulate(x > 0), np.logical_or.outer(x[0] > 0, x[1] > 0),
        ),
        matrix,
    ),
    "gathers": (
        lambda i: (
            np.take(np.arange(9.0), i), np.take([1.0, 2, 3, 4, 5], i), np.arange(9.0)[i],
            np.take(np.eye(5), i, axis=1, mode="clip"), np.choose(i % 2, [i, -i]),
        ),
        integers,
    ),
    "at": (at_staged_indices, integers),
    "outputs": (outputs, vector),
    "clip": (
        lambda x: (np.clip(x, None, 1), np.clip(x, 0, None), x.clip(0, 1), np.clip(x, -1, x * 0)),
        vector,
    ),
    "conversions of arrays": (
        lambda x: (
            x.astype(int), x.astype(np.float32), x.astype(bool), x.astype(complex),
            np.int64(x[0]), np.float32(x[1]), np.complex128(x[0]), np.asarray(x, np.float32),
        ),
        vector,
    ),
    "lists": (
        lambda x: (
            np.maximum([x[0], x[1]], 0), np.sum([x[0], x[1]]), np.mean([x[0], 2.0]),
            np.dot([x[0], x[1]], [1, 2]), np.stack([x[0], x[1]]), np.hypot([x[0]], [x[1]]),
            np.concatenate([[x[0]], [1.0, 2]]), x[:2] + [1.0, 2.0], np.linalg.norm([x[0], x[1]]),
            np.array([[x[0], 1], [len(x), 2.5]]), np.array([len(x), 3]),
        ),
        vector,
    ),
    "histograms": (
        lambda x: (
            *np.histogram(x, 5), *np.histogram(x, [0, 1, 2]), np.histogram(x, 4, density=True)[0],
            np.bincount([0, 1, 1]), *np.histogram2d(x, x, 3), np.histogram_bin_edges(x, 3, (0, 1)),
        ),
        vector,
    ),
    "attributes": (
        lambda x: (
            x.T, x.flatten(), x.ravel(), x.reshape(-1), x.real, x.imag, x.flat[3], x[0].item(2),
            x.dot(x.T), x.trace(), x.mT, x.reshape(x.shape[1], -1), x.size / x.shape[0],
        ),
        matrix,
    ),
    "dimensions": (
        lambda x: (
            np.reshape(x, (x.shape[1], x.shape[0])), np.broadcast_to(x, (2, *x.shape)),
            np.tile(x[0], x.shape[0]), np.repeat(x[0], x.shape[0]), np.resize(x, (2, x.shape[1])),
            np.roll(x, x.shape[0] - 1, 1), np.split(x[:, :2], 2, axis=1)[1], x[: len(x) - 1],
            np.array_split(x, 2)[0].sum(), np.pad(x, ((0, x.shape[0]), (1, 1))),
        ),
        matrix,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name, lengths):
    fn, arguments = FUNCTIONS[name]
    jitted = ad.jit(fn)
    for size in SIZES:
        x = arguments(*size)
        assert_same(jitted(x), fn(x))


@pytest.mark.parametrize("fn", [made, grids])
def test_creation(fn, lengths):
    jitted = ad.jit(fn)
    for x, n in ((vector(3, 4), 5), (vector(3, 9), 12), (vector(3, 9), 2)):
        assert_same(jitted(x, n), fn(x, n))


# -- Python's numbers ------------------------------------------------------------------------------


def comparisons(x, k, n):
    i, c = np.argmax(x) % 4, np.array([1, 5])
    return (
        n == i, i == n, n != i, i != n, n < i, i >= n, n == c, c != n, n == x[0], x[0] != n, n == k,
        n == np.int64(5), np.float64(5) != n, n == 5.0, n == 5 + 0j, n != 2j, n == "5", n != None,  # noqa: E711
        n == (5,), n == len(x), n == True, np.sum(n == c),  # noqa: E712
    )  # fmt: skip


def conversions(x, k, n):
    return (
        float(k), float(n), float(x[0]), int(k), int(x[1]), int(n), bool(k), bool(x[0]), bool(n),
        complex(k, x[0]), complex(n), round(x[1]), round(k), round(k, 1), round(x[1], 1), round(n),
        len(x), abs(k), abs(n - 9), operator.index(n), type(k) is float, type(n) is int,
        isinstance(x, np.ndarray), isinstance(x[0], np.float64), isinstance(n, int), x[0].item(),
    )  # fmt: skip


def choices(x, k, n):
    return (
        min(k, 0.3), max(k, 3.0), min(x[0], x[1], 3.0), float(max(x[2], k)), min(n, 4),
        max(n, 4, 9),
        max(x), min(x), max([k, 2.0], key=lambda v: -v), sum(x), sum([x[0], x[1]]), sum(x[:2], k),
        any([k > 0, x[0] > 3]), all(x > -9), any(x > 1), all([k > 0, True]),
        sorted([x[3], x[1]]), sorted([k, 2.0, 0.1], reverse=True), divmod(k, 0.3), pow(k, 2),
        divmod(n, 3), n // 2, n % 4, n**2, 2**n, n / 2,
    )  # fmt: skip


def mathematics(x, k, n):
    return (
        math.sqrt(n), math.exp(k), math.sin(x[0]), math.atan2(k, x[1]), math.pow(n, 2),
        math.hypot(k, n, 1), math.dist([k, 1.0], [0.5, x[0]]), math.log(n), math.log(n, 2),
        math.floor(x[1]), math.ceil(k), math.trunc(x[1]), math.isnan(k), math.isfinite(x[0]),
        math.isclose(k, 0.7), math.gcd(n, 6), math.factorial(n), math.comb(n, 2), math.isqrt(n),
        math.erf(k), math.gamma(k), math.fsum([k, x[0]]), math.prod([k, n]), math.modf(k),
        math.frexp(k), math.ldexp(k, n), math.copysign(k, x[1]), math.fmod(k, 0.3),
        math.degrees(k), math.nextafter(k, 9.0), math.remainder(k, 0.3),
        cmath.exp(complex(k, n)), cmath.phase(k + 1j), cmath.polar(1j * k), cmath.rect(k, n),
        cmath.sqrt(-k), cmath.log(k * 1j, 2),
    )  # fmt: skip


@pytest.mark.parametrize("fn", [comparisons, conversions, choices, mathematics])
def test_python(fn, lengths):
    jitted = ad.jit(fn)
    for x, k, n in ((vector(3, 4), 0.7, 5), (vector(3, 9), 1.3, 7)):
        assert_same(jitted(x, k, n), fn(x, k, n))


def test_extrema_pass_the_derivative_on_to_the_chosen_one():
    def chosen(x, y):
        return 2.0 * min(x, y) + 3.0 * max(x, y) + max([x, y], key=lambda v: -v)

    for point in ((0.3, 0.7), (0.7, 0.3), (0.5, 0.5)):
        want = ad.grad(chosen, argnums=(0, 1))(*point)
        assert_same(ad.jit(ad.grad(chosen, argnums=(0, 1)))(*point), want)


def test_conversions_keep_the_derivative():
    def converted(x):
        root = math.sqrt(float(np.float64(x[2])))
        return float(x[0]) ** 2 + x[1].item() * root + round(x[0]) * x[1]

    x = np.array([1.2, 0.4, 2.0])
    assert_same(ad.jit(ad.grad(converted))(x), ad.grad(converted)(x))


def test_constants_have_no_derivative():
    def f(x):
        order = np.argsort(x)
        return np.sum(x[order] * np.floor(x) * np.arange(x.size)) + np.round(x[0])

    x = np.array([1.2, -0.4, 2.0])
    assert_same(ad.jit(ad.grad(f))(x), ad.grad(f)(x))


def test_a_detached_value_has_no_derivative():
    x = np.array([1.2, -0.4, 2.0])
    f = ad.jit(ad.grad(lambda x: np.sum(x * ad.stop_gradient(x))))
    assert_same(f(x), x)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: np.emath.sqrt(x),
        lambda x: np.real_if_close(x + 0j),
        lambda x: np.histogram(x, bins="auto"),
        lambda x: np.array2string(x),
        lambda x: np.shares_memory(x, x),
        lambda x: np.min_scalar_type(x),
        lambda x: np.trim_zeros([x[0], 0.0]),
        lambda x: np.multiply.reduceat(x, x.astype(int)),
        lambda x: np.vectorize(lambda row: row, signature="(n)->(n)")(x),
        lambda x: np.nditer(x),
    ],
)
def test_what_needs_numbers_is_refused(fn):
    with pytest.raises(TracingError, match="staged|traced"):
        ad.stage(fn)(np.arange(12.0))


def test_a_function_that_changes_something_is_not_called_for_each_element():
    def f(x):
        seen = np.zeros(1)

        def step(v):
            seen[0] += v
            return v

        return np.vectorize(step)(x)

    with pytest.raises(TracingError, match="loop is written out"):
        ad.stage(f)(np.arange(20.0))
