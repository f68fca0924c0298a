"""Special functions where differences are blind: against mpmath, at edges, and what is refused."""

import subprocess
import sys

import mpmath
import numpy as np
import pytest
import scipy.special as sp

import adjoint as ad
from adjoint.errors import NoRuleError

mpf = mpmath.mpf


def derivative(fn, order=1):
    """Return the derivative of a function of one number, by reverse mode."""
    for _ in range(order):
        fn = ad.grad(fn)
    return fn


def close(got, want, rtol):
    assert abs(mpf(float(got)) - want) <= rtol * abs(want), f"{float(got)!r} instead of {want}"


# -- incomplete gamma and beta in their parameters -----------------------------------------------

GAMMA_POINTS = [
    (0.01, 1e-60), (0.01, 0.5), (0.01, 8.0), (0.1, 1e-3), (0.5, 3.0), (1.0, 1.0), (2.0, 30.0),
    (3.0, 2.0), (10.0, 2.0), (10.0, 40.0), (100.0, 90.0), (100.0, 200.0), (1e3, 900.0),
    (1e3, 1040.0),
]  # fmt: skip
BETA_POINTS = [
    (0.01, 0.01, 0.5), (0.01, 5.0, 1e-20), (0.5, 0.5, 0.9999), (0.5, 200.0, 1e-3), (2.0, 3.0, 0.4),
    (2.0, 3.0, 1e-6), (10.0, 0.1, 0.99), (40.0, 60.0, 0.4), (40.0, 60.0, 0.8), (100.0, 0.5, 0.999),
    (500.0, 300.0, 0.62),
]  # fmt: skip


def differenced(f, a, order, digits=60):
    """Return a derivative by differences in many digits."""
    with mpmath.workdps(digits):
        h = mpf(a) * mpf(10) ** -12
        if order == 1:
            return (f(a + h) - f(a - h)) / (2 * h)
        return (f(a + h) - 2 * f(a) + f(a - h)) / h**2


def tail_of(lower, upper, at):
    """Return the smaller of two complementary functions, and the sign of its share."""
    return (lower, 1) if lower(at) < 0.5 else (upper, -1)


@pytest.mark.parametrize(("a", "x"), GAMMA_POINTS)
@pytest.mark.parametrize("order", [1, 2])
def test_gammainc_in_its_parameter(a, x, order):
    with mpmath.workdps(60):
        low = lambda s: mpmath.gammainc(s, 0, mpf(x), regularized=True)  # noqa: E731
        high = lambda s: mpmath.gammainc(s, mpf(x), mpmath.inf, regularized=True)  # noqa: E731
        f, sign = tail_of(low, high, mpf(a))
        want = sign * differenced(f, mpf(a), order)
    close(derivative(lambda s: sp.gammainc(s, x), order)(a), want, 2e-12)
    close(derivative(lambda s: sp.gammaincc(s, x), order)(a), -want, 2e-12)


@pytest.mark.parametrize(("a", "b", "x"), BETA_POINTS)
def test_betainc_in_its_parameters(a, b, x):
    with mpmath.workdps(60):
        low = lambda p, q: mpmath.betainc(p, q, 0, mpf(x), regularized=True)  # noqa: E731
        high = lambda p, q: mpmath.betainc(p, q, mpf(x), 1, regularized=True)  # noqa: E731
        lower = low(mpf(a), mpf(b)) < 0.5
        f, sign = (low, 1) if lower else (high, -1)
        in_a = sign * differenced(lambda p: f(p, mpf(b)), mpf(a), 1)
        in_b = sign * differenced(lambda q: f(mpf(a), q), mpf(b), 1)
        in_aa = sign * differenced(lambda p: f(p, mpf(b)), mpf(a), 2)
        in_bb = sign * differenced(lambda q: f(mpf(a), q), mpf(b), 2)
    close(derivative(lambda p: sp.betainc(p, b, x))(a), in_a, 2e-12)
    close(derivative(lambda q: sp.betainc(a, q, x))(b), in_b, 2e-12)
    close(derivative(lambda p: sp.betaincc(p, b, x), 2)(a), -in_aa, 5e-12)
    close(derivative(lambda q: sp.betainc(a, q, x), 2)(b), in_bb, 5e-12)


def test_third_order_in_a_parameter():
    want = mpmath.diff(lambda s: mpmath.gammainc(s, 0, 1.3, regularized=True), 2.1, 3)
    close(derivative(lambda s: sp.gammainc(s, 1.3), 3)(2.1), want, 1e-11)


def test_inverses_in_their_parameters():
    # x(a) with P(a, x) = ½: the median, about a − 1/3 + 8/(405 a).
    slope = ad.grad(lambda a: sp.gammaincinv(a, 0.5))(1e3)
    assert abs(slope - 1) < 1e-7
    want = mpmath.diff(
        lambda a: mpmath.findroot(
            lambda x: mpmath.betainc(a, 1.7, 0, x, regularized=True) - 0.3, 0.5
        ),
        2.2,
    )
    close(ad.grad(lambda a: sp.betaincinv(a, 1.7, 0.3))(2.2), want, 1e-10)


# -- against mpmath -----------------------------------------------------------------------------

FAR = [
    ("erfcx", 1, 1e5, lambda x: mpmath.exp(x * x) * mpmath.erfc(x)),
    ("erfcx", 2, 40.0, lambda x: mpmath.exp(x * x) * mpmath.erfc(x)),
    ("dawsn", 1, 1e4, lambda x: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x)),
    ("dawsn", 2, -15.0, lambda x: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x)),
    ("log_ndtr", 1, -1e4, lambda x: mpmath.log(mpmath.ncdf(x))),
    ("log_ndtr", 2, -1e3, lambda x: mpmath.log(mpmath.ncdf(x))),
    ("log_ndtr", 1, 8.0, lambda x: mpmath.log1p(-mpmath.ncdf(-x))),
    ("expit", 1, 30.0, lambda x: 1 / (1 + mpmath.exp(-x))),
    ("rgamma", 1, -3.0, mpmath.rgamma),
    ("rgamma", 2, -3.0, mpmath.rgamma),
    ("exprel", 1, 1e-9, lambda x: mpmath.expm1(x) / x),
    ("exprel", 2, -40.0, lambda x: mpmath.expm1(x) / x),
    ("ellipk", 1, 0.0, mpmath.ellipk),
    ("ellipk", 2, 1e-8, mpmath.ellipk),
    ("ellipk", 1, 0.999, mpmath.ellipk),
    ("ellipk", 1, -50.0, mpmath.ellipk),
    ("ellipe", 1, 0.0, mpmath.ellipe),
    ("ellipkm1", 1, 1e-12, lambda p: mpmath.ellipk(1 - p)),
    ("spence", 1, 1.0, lambda z: mpmath.polylog(2, 1 - z)),
    ("j1", 1, 0.0, lambda x: mpmath.besselj(1, x)),
    ("i1", 2, 0.0, lambda x: mpmath.besseli(1, x)),
    ("zeta", 1, -6.5, mpmath.zeta),
    ("zeta", 2, 1.1, mpmath.zeta),
]


@pytest.mark.parametrize(("name", "order", "x", "exact"), FAR)
def test_far_and_special_points(name, order, x, exact):
    fn = getattr(sp, name)
    got = derivative(lambda t: fn(t), order)(x)
    with mpmath.workdps(300 if abs(x) > 20 and name == "log_ndtr" else 50):
        want = mpmath.diff(exact, mpf(x), order)
    close(got, want, 1e-11)


def test_boxcox_at_power_zero():
    x = 1.7
    got = ad.grad(lambda a: sp.boxcox(x, a))(0.0)
    assert got == pytest.approx(np.log(x) ** 2 / 2, rel=1e-14)
    got = ad.grad(ad.grad(lambda a: sp.boxcox(x, a)))(0.0)
    assert got == pytest.approx(np.log(x) ** 3 / 3, rel=1e-13)


def test_hurwitz_zeta_in_both_arguments():
    got = ad.grad(lambda x, q: sp.zeta(x, q), argnums=(0, 1))(2.5, 0.7)
    close(got[0], mpmath.zeta(2.5, 0.7, 1), 1e-12)
    close(got[1], -2.5 * mpmath.zeta(3.5, 0.7), 1e-12)


# -- edges ----------------------------------------------------------------------------------------


def test_xlogy_at_zero():
    assert ad.grad(lambda y: sp.xlogy(0.0, y))(0.0) == 0.0
    mixed = ad.grad(lambda y: ad.grad(lambda x: sp.xlogy(x, y))(0.0))(2.0)
    assert mixed == 0.5
    mixed = ad.grad(lambda x: ad.grad(lambda y: sp.xlogy(x, y))(2.0))(0.0)
    assert mixed == 0.5


def test_logsumexp_of_infinities():
    g = ad.grad(lambda x: sp.logsumexp(x))
    np.testing.assert_array_equal(g(np.array([-np.inf, 1.0])), [0.0, 1.0])
    np.testing.assert_array_equal(g(np.array([-np.inf, -np.inf])), [0.0, 0.0])
    np.testing.assert_allclose(g(np.array([1e4, 1e4])), [0.5, 0.5])


def test_empty_and_0d():
    assert ad.grad(lambda x: np.sum(sp.gammaln(x)))(np.zeros(0)).shape == (0,)
    assert ad.grad(lambda x: np.sum(sp.gammainc(x, 1.0)))(np.zeros(0)).shape == (0,)
    assert ad.grad(lambda x: sp.gammainc(x, 1.0))(np.array(1.5)).shape == ()
    assert ad.grad(lambda x: sp.logsumexp(x))(np.array(1.5)) == 1.0


def test_out_and_where():
    def f(x):
        y = np.zeros(3)
        sp.erf(x, out=y, where=[True, False, True])
        return np.sum(y * y)

    x = np.array([0.3, 0.7, 1.1])
    want = 2 * sp.erf(x) * 2 / np.sqrt(np.pi) * np.exp(-x * x) * [1, 0, 1]
    np.testing.assert_allclose(ad.grad(f)(x), want, rtol=1e-14)


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jv", "kv", "iv", "yv", "hankel1", "kve", "struve"])
def test_orders_are_refused(name):
    fn = getattr(sp, name)
    with pytest.raises(NoRuleError, match=f"{name} has no derivative rule in its argument 'v'"):
        ad.grad(lambda v: np.real(fn(v, 1.5)))(0.7)


@pytest.mark.parametrize("name", ["mathieu_a", "diric", "sph_harm_y", "ellip_harm", "pbdv"])
def test_functions_without_rules_are_named(name):
    fn = getattr(sp, name)
    with pytest.raises(NoRuleError, match=rf"scipy\.special\.{name} has no derivative rule"):
        ad.grad(lambda x: np.sum(np.asarray(fn(1, x))))(0.7)


def test_scaled_functions_of_complex_arguments_are_refused():
    with pytest.raises(NoRuleError, match="not holomorphic"):
        ad.jvp(lambda z: sp.jve(1.0, z), (0.3 + 0.1j,), (1.0 + 0j,))


def test_ordinary_values_pass_through():
    def f(x):
        nodes, weights = sp.roots_legendre(3)
        return np.sum(weights * np.exp(x * nodes)) * sp.factorial(3) * sp.mathieu_a(1, 0.5)

    assert np.isfinite(ad.grad(f)(0.3))


# -- SciPy is imported by those who use it -------------------------------------------------------

LAZY = """
import sys
import numpy as np
import adjoint as ad
assert not any(name.partition(".")[0] == "scipy" for name in sys.modules), "adjoint imports scipy"
ad.grad(lambda x: np.sum(np.sin(x) ** 2))(np.ones(3))
assert not any(name.partition(".")[0] == "scipy" for name in sys.modules), "grad imports scipy"
import scipy.special as sp
assert "adjoint.numpy_api.special" not in sys.modules
assert abs(ad.grad(sp.erf)(0.0) - 1.1283791670955126) < 1e-15
assert "adjoint.numpy_api.special" in sys.modules and "scipy.stats" not in sys.modules
assert "adjoint.numpy_api.stats" not in sys.modules
"""


def test_scipy_is_imported_lazily(tmp_path):
    path = tmp_path / "lazy.py"
    path.write_text(LAZY)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
