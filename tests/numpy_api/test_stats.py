"""Distributions of ``scipy.stats``: edges, frozen objects, and what is refused."""

import numpy as np
import pytest
import scipy.stats as st
from scipy.stats import norm

import adjoint as ad
from adjoint.errors import NoRuleError

DATA = np.array([0.3, 1.2, -0.4])


def test_log_likelihood_of_the_normal():
    def loss(theta):
        return -np.sum(norm(theta[0], np.exp(theta[1])).logpdf(DATA))

    theta = np.array([0.2, 0.1])
    z = (DATA - 0.2) / np.exp(0.1)
    np.testing.assert_allclose(
        ad.grad(loss)(theta), [-np.sum(z) / np.exp(0.1), np.sum(1 - z * z)], rtol=1e-13
    )
    hessian = ad.hessian(loss)(theta)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-13)


def test_far_tails():
    # (x + φ/Φ)' → 0: the hazard of a far tail is about |x| + 1/|x|.
    slope = ad.grad(lambda m: norm.logsf(40.0, m))(0.0)
    assert slope == pytest.approx(40 + 1 / 40 - 2 / 40**3 + 10 / 40**5, rel=1e-9)
    value = ad.value_and_grad(lambda x: st.truncnorm.logpdf(x, 30.0, 31.0))(30.5)
    assert value[1] == -30.5
    assert value[0] == pytest.approx(st.truncnorm.logpdf(30.5, 30.0, 31.0), rel=1e-12)


def test_outside_the_support():
    value, slope = ad.value_and_grad(lambda x: st.gamma.pdf(x, 1.7))(-1.0)
    assert (value, slope) == (0.0, 0.0)
    value, slope = ad.value_and_grad(lambda s: st.expon.logpdf(-1.0, 0.0, s))(2.0)
    assert (value, slope) == (-np.inf, 0.0)
    g = ad.grad(lambda x: np.sum(st.uniform.cdf(x)))(np.array([-1.0, 0.4, 2.0]))
    np.testing.assert_array_equal(g, [0.0, 1.0, 0.0])
    g = ad.grad(lambda p: np.sum(st.binom.pmf([0, 9, 2.5], 5, p)))(0.3)
    assert g == pytest.approx(-5 * 0.7**4)


def test_invalid_parameters_give_nan():
    with np.errstate(all="ignore"):
        assert np.isnan(ad.value_and_grad(lambda s: norm.logpdf(1.0, 0.0, s))(-1.0)[0])
        assert np.isnan(ad.value_and_grad(lambda a: st.gamma.logpdf(1.0, a))(-1.0)[0])
        assert np.isnan(ad.value_and_grad(lambda q: norm.ppf(q))(1.5)[0])


def test_quantiles_at_the_ends():
    assert ad.value_and_grad(lambda m: st.expon.ppf(0.0, m))(0.3) == (0.3, 1.0)
    assert ad.value_and_grad(lambda m: norm.isf(0.0, m))(0.3)[0] == np.inf


def test_plain_and_frozen_agree():
    frozen = st.gamma(2.1, scale=1.3)
    a = ad.grad(lambda x: frozen.logpdf(x))(0.7)
    b = ad.grad(lambda x: st.gamma.logpdf(x, 2.1, scale=1.3))(0.7)
    c = ad.grad(lambda x: st.gamma(2.1, scale=x / x * 1.3).logpdf(0.7 + (x - 0.7)))(0.7)
    assert a == b == pytest.approx(c, rel=1e-14)
    assert ad.grad(lambda x: st.gamma.logpdf(x=x, a=2.1, scale=1.3))(0.7) == a


def test_ordinary_values_pass_through():
    def f(x):
        weight = norm(0.0, 1.0).cdf(0.3) + norm.mean() + norm.rvs(random_state=1) * 0
        return x * weight + st.zscore([1.0, 2.0])[0] * 0

    assert ad.grad(f)(1.0) == norm.cdf(0.3)


def test_integers_and_lists():
    g = ad.grad(lambda m: np.sum(norm.logpdf([1, 2], [m, 2 * m], 1)))(0.5)
    assert g == pytest.approx(0.5 + 2.0)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda m: st.levy.logpdf(1.0, m), r"levy\.logpdf"),
        (lambda m: norm(m).mean(), r"norm\.mean"),
        (lambda m: norm.rvs(m), r"norm\.rvs"),
        (lambda m: norm.entropy(m), r"norm\.entropy"),
        (lambda m: st.zscore([m, 1.0])[0], "zscore"),
        (lambda m: st.skellam.pmf(1, m, 1.0), r"skellam\.pmf"),
        (lambda m: st.vonmises.cdf(0.3, m), r"vonmises\.cdf"),
        (lambda m: st.multivariate_normal(m).cdf(0.3), r"multivariate_normal.*cdf"),
        (lambda m: st.gaussian_kde([m, 1.0, 2.0])(0.3)[0], "gaussian_kde"),
    ],
)
def test_the_rest_is_refused_by_name(call, name):
    with pytest.raises(NoRuleError, match=rf"scipy\.stats\.{name} has no derivative rule"):
        ad.grad(call)(0.7)


def test_singular_covariance_is_refused():
    with pytest.raises(NoRuleError, match="allow_singular"):
        ad.grad(lambda x: st.multivariate_normal.logpdf(x, None, np.eye(2), allow_singular=True))(
            np.zeros(2)
        )
