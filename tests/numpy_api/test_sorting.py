"""Order statistics: every method of the quantile against NumPy's, ties, NaN, long arrays."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.numpy_api.quantiles import _PLOTTING, _STEPWISE
from adjoint.numpy_api.sorting import order_of, ranked

RNG = np.random.default_rng(11)
TIED = np.array([2.0, 1, 2, 3, 2])


def values_of(fn, x):
    return ad.vjp(fn, x)[0]


@pytest.mark.parametrize("method", [*_PLOTTING, *_STEPWISE])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_quantiles_are_numpys(method, n):
    x = RNG.standard_normal((3, n))
    holes = np.where(RNG.random((3, n)) < 0.3, np.nan, x)
    holes[:, 0] = x[:, 0]
    q = np.linspace(0, 1, 41)
    got = values_of(lambda x: np.quantile(x, q, axis=1, method=method), x)
    np.testing.assert_allclose(
        got, np.quantile(x, q, axis=1, method=method), rtol=1e-13, atol=1e-15
    )
    got = values_of(lambda x: np.nanquantile(x, q, axis=1, method=method), holes)
    want = np.nanquantile(holes, q, axis=1, method=method)
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("q", [0.3, np.float64(0.3), np.array(0.3), [0.3], np.array([[0.3, 0.1]])])
def test_types_and_shapes_of_quantiles(q, dtype):
    x = RNG.standard_normal((4, 5)).astype(dtype)
    for options in ({}, {"axis": 0}, {"axis": (0, 1), "keepdims": True}, {"method": "lower"}):
        got = values_of(lambda x, o=options: np.quantile(x, q, **o), x)
        want = np.quantile(x, q, **options)
        assert got.dtype == want.dtype and got.shape == want.shape and type(got) is type(want)
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_ties_belong_to_the_stable_order():
    np.testing.assert_array_equal(ad.grad(np.median)(TIED), [0, 0, 1, 0, 0])
    got = ad.jacobian(np.sort)(TIED)
    np.testing.assert_array_equal(got.argmax(1), [1, 0, 2, 4, 3])
    np.testing.assert_array_equal(ad.jacobian(np.unique)(TIED).argmax(1), [1, 0, 3])


@pytest.mark.parametrize("n", [300, 301])
def test_ranks_of_long_arrays(n):
    x = np.round(RNG.standard_normal((2, n)), 1)
    ranks = np.array([0, 17, n // 2, n - 1])
    want = order_of(x)[:, ranks]
    np.testing.assert_array_equal(ranked(x, ranks), want)


def test_order_of_long_arrays():
    for x in (RNG.standard_normal((2, 3000)), np.round(RNG.standard_normal((2, 3000)), 2)):
        for axis in (0, 1):
            np.testing.assert_array_equal(order_of(x, axis), np.argsort(x, axis, kind="stable"))


def test_nan_spoils_a_median_and_nanmedian_passes_it():
    x = np.array([[3.0, np.nan, 1.0], [3.0, 2.0, 1.0]])
    values, pull = ad.vjp(lambda x: np.median(x, axis=1), x)
    np.testing.assert_array_equal(values, [np.nan, 2])
    np.testing.assert_array_equal(pull(np.ones(2))[0], [[0, 0, 0], [0, 1, 0]])
    values, pull = ad.vjp(lambda x: np.nanmedian(x, axis=1, keepdims=True), x)
    np.testing.assert_array_equal(values, [[2], [2]])
    np.testing.assert_array_equal(pull(np.ones((2, 1)))[0], [[0.5, 0, 0.5], [0, 1, 0]])


def test_quantile_in_q():
    x = np.array([0.0, 1.0, 4.0])
    derivative = ad.grad(lambda q: np.quantile(x, q))
    assert derivative(0.25) == pytest.approx(2) and derivative(0.75) == pytest.approx(6)
    assert ad.grad(lambda q: np.percentile(x, q))(25.0) == pytest.approx(0.02)
    assert ad.grad(lambda q: np.quantile(x, q, method="lower"))(0.3) == 0


def test_quantiles_are_checked_as_by_numpy():
    for bad in ({"q": 1.5}, {"q": 0.5, "method": "nonsense"}, {"q": 0.5, "weights": np.ones(5)}):
        with pytest.raises(ValueError):
            ad.grad(lambda x, bad=bad: np.quantile(x, **bad))(TIED)
    with pytest.raises(TypeError):
        ad.grad(lambda x: np.quantile(x, 0.5).real)(TIED + 1j)


def test_weighted_quantiles():
    w = np.array([[0.1, 0.4, 1, 0, 0.5], [1, 1, 1, 1, 1]])
    x = np.array([[5.0, 1, 3, 2, 4]] * 2)
    q = [0.1, 0.5, 0.9]
    got, pull = ad.vjp(lambda x: np.quantile(x, q, axis=1, weights=w, method="inverted_cdf"), x)
    np.testing.assert_array_equal(got, np.quantile(x, q, axis=1, weights=w, method="inverted_cdf"))
    np.testing.assert_array_equal(pull(np.ones((3, 2)))[0], [[0, 1, 1, 0, 1], [1, 1, 1, 0, 0]])


def test_unique_returns_what_numpy_returns():
    def f(x):
        return np.unique(x, return_index=True, return_inverse=True, return_counts=True)

    got = ad.vjp(lambda x: f(x)[0], TIED)[0]
    np.testing.assert_array_equal(got, f(TIED)[0])
    found = []
    ad.grad(lambda x: found.append(f(x)[1:]) or np.sum(np.unique_all(x).values))(TIED)
    for a, b in zip(found[0], f(TIED)[1:]):
        np.testing.assert_array_equal(a, b)


def test_partition_places_what_it_must():
    x = RNG.standard_normal(20)
    got, pull = ad.vjp(lambda x: np.partition(x, [4, 9]), x)
    assert got[4] == np.sort(x)[4] and got[9] == np.sort(x)[9]
    np.testing.assert_array_equal(pull(got)[0], x)
