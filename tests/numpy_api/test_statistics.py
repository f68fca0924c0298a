"""Averages, covariances, histograms: what is returned, what is refused, what moves."""

import numpy as np
import pytest

import adjoint as ad

X = np.array([0.3, 1.7, -0.6, 0.9, 2.1, -1.4])


def test_average_checks_its_weights():
    with pytest.raises(ZeroDivisionError):
        ad.grad(lambda x: np.average(x, weights=np.zeros(6)))(X)
    with pytest.raises(TypeError, match="Axis must be specified"):
        ad.grad(lambda x: np.average(x.reshape(2, 3), weights=[1.0, 2, 3]))(X)
    with pytest.raises(ValueError, match="Shape of weights"):
        ad.grad(lambda x: np.average(x.reshape(2, 3), axis=0, weights=[1.0, 2, 3]).sum())(X)


def test_average_in_weights_of_swapped_axes():
    x = np.arange(24.0).reshape(2, 3, 4) ** 2
    w = np.arange(1.0, 9).reshape(4, 2)
    got = ad.jacobian(lambda w: np.average(x, axis=(2, 0), weights=w))(w)
    y = np.average(x, axis=(2, 0), weights=w)
    want = (x.transpose(1, 2, 0) - y[:, None, None]) / w.sum()
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_correlation_has_no_derivative_on_its_diagonal():
    x = np.stack([X, X**2])
    jac = ad.jacobian(np.corrcoef)(x)
    np.testing.assert_allclose(jac[0, 0], 0, atol=1e-15)
    np.testing.assert_allclose(jac[0, 1], jac[1, 0], rtol=1e-12)
    assert ad.grad(np.corrcoef)(X).tolist() == pytest.approx([0] * 6)


def test_covariance_without_degrees_of_freedom_warns():
    with pytest.warns(RuntimeWarning):
        assert np.isnan(ad.vjp(np.cov, X[:1])[0])


def test_counts_of_traced_data_are_integers():
    def f(x):
        counts, edges = np.histogram(x, bins=3)
        assert counts.dtype.kind == "i" and counts.sum() == 6
        return edges[-1] * counts[0]

    np.testing.assert_array_equal(
        ad.grad(f)(X), np.where(X == X.max(), np.histogram(X, 3)[0][0], 0)
    )


def test_histogram_puts_edges_where_numpy_does():
    x = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, -1.0, np.nan])
    w = np.arange(1.0, 9)
    for bins in ([0, 1, 2], np.array([0, 0.5, 2.0]), [0.5, 2.5]):
        got = ad.vjp(lambda w: np.histogram(x, bins, weights=w)[0], w)[0]
        np.testing.assert_array_equal(got, np.histogram(x, bins, weights=w)[0])
    got = ad.jacobian(lambda w: np.histogram(x, [0, 1, 2], weights=w)[0])(w)
    np.testing.assert_array_equal(got, [[1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0, 0]])


def test_histogramdd_with_edges_that_move_is_refused():
    with pytest.raises(ad.errors.NoRuleError, match="histogramdd"):
        ad.grad(lambda x: np.sum(np.histogram2d(x, x * x)[0] ** 2))(X)
    got = ad.grad(lambda x: np.sum(np.histogram2d(x, x, range=[[-2, 2]] * 2)[0] * x[0]))(X)
    np.testing.assert_array_equal(got, [5, 0, 0, 0, 0, 0])


def test_bincount_checks_as_numpy():
    with pytest.raises(ValueError):
        ad.grad(lambda w: np.sum(np.bincount([0, 1], weights=w)))(X)
    with pytest.raises(ValueError):
        ad.grad(lambda w: np.sum(np.bincount([-1] * 6, weights=w)))(X)


def test_gradient_and_trapezoid_check_as_numpy():
    with pytest.raises(ValueError, match="too small"):
        ad.jacobian(lambda x: np.gradient(x[:1]))(X)
    with pytest.raises(ValueError, match="edge_order"):
        ad.jacobian(lambda x: np.gradient(x, edge_order=3))(X)
    with pytest.raises(TypeError):
        ad.jacobian(lambda x: np.gradient(x, 1.0, 2.0))(X)
    with pytest.raises(ValueError, match="non-negative"):
        ad.jacobian(lambda x: np.diff(x, n=-1))(X)
    assert ad.grad(lambda x: np.sum(np.diff(x, n=0)))(X).tolist() == [1] * 6
    assert ad.vjp(lambda x: np.diff(x, n=9), X)[0].shape == (0,)


def test_gradient_of_two_points():
    got = ad.jacobian(lambda x: np.gradient(x, np.array([0.0, 0.5])))(X[:2])
    np.testing.assert_array_equal(got, [[-2, 2], [-2, 2]])
