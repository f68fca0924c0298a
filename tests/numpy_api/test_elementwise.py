"""Elementwise derivatives where differences are blind: against mpmath, and at the kinks."""

import warnings

import mpmath
import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import NoRuleError, TracingError

mpmath.mp.dps = 60
TINY = 1e-12


def derivative(fn, order):
    for _ in range(order):
        fn = ad.grad(fn)
    return fn


SPECIAL = [
    # name, NumPy's function, mpmath's, points
    ("tanh", np.tanh, mpmath.tanh, [1e-9, 0.5, 15.0, -19.5, 300.0]),
    ("expm1", np.expm1, mpmath.expm1, [-40.0, 1e-15, 3.0]),
    ("log1p", np.log1p, mpmath.log1p, [-1 + 1e-12, 1e-15, 1e9]),
    ("arctanh", np.arctanh, mpmath.atanh, [1 - 1e-12, -1 + 1e-9, 1e-10, 0.5]),
    ("arcsin", np.arcsin, mpmath.asin, [1 - 1e-12, 1e-10, -0.5]),
    ("arccos", np.arccos, mpmath.acos, [1 - 1e-12, 1e-10, -0.5]),
    ("arccosh", np.arccosh, mpmath.acosh, [1 + 1e-10, 2.0, 1e150]),
    ("arcsinh", np.arcsinh, mpmath.asinh, [1e-10, 1.0, 1e170]),
    ("arctan", np.arctan, mpmath.atan, [1e-10, 2.0, 1e20]),
    ("tan", np.tan, mpmath.tan, [1e-10, 1.0, 1.5707]),
    ("cbrt", np.cbrt, lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), [1e-9, -8.0, 1e30]),
    ("sqrt", np.sqrt, mpmath.sqrt, [1e-90, 4.0]),
    ("i0", np.i0, lambda x: mpmath.besseli(0, x), [1e-5, 0.5, 12.0, -3.0]),
    ("logaddexp right", lambda x: np.logaddexp(x, 3.0),
     lambda x: mpmath.log(mpmath.exp(x) + mpmath.exp(3)), [-40.0, 3.001, 40.0]),
    ("logaddexp2 left", lambda x: np.logaddexp2(1.0, x),
     lambda x: mpmath.log(2 + 2**x, 2), [-40.0, 1.001, 60.0]),
    ("hypot small", lambda x: np.hypot(x, 1.0), lambda x: mpmath.hypot(x, 1), [1e-9, 0.3, 9e5]),
    ("hypot large", lambda x: np.hypot(x, 1e160), lambda x: mpmath.hypot(x, mpmath.mpf(1e160)),
     [3e159, 2e160]),
    ("arctan2", lambda x: np.arctan2(x, 2.0), lambda x: mpmath.atan2(x, 2), [1e-9, 0.7, 1e8]),
    ("arctan2 x", lambda x: np.arctan2(2.0, x), lambda x: mpmath.atan2(2, x), [1e-9, -0.7, 1e8]),
    ("power", lambda x: x**2.5, lambda x: x**mpmath.mpf(2.5), [1e-3, 2.0]),
    ("exponent", lambda x: 3.0**x, lambda x: mpmath.mpf(3) ** x, [-2.0, 5.0]),
]  # fmt: skip


@pytest.mark.parametrize("name, fn, exact, points", SPECIAL, ids=[row[0] for row in SPECIAL])
def test_full_accuracy(name, fn, exact, points):
    for x in points:
        # A step far below any scale of the function, and digits enough for it.
        with mpmath.workdps(150):
            h = abs(mpmath.mpf(x)) * mpmath.mpf(10) ** -30
            f = [exact(mpmath.mpf(x) + k * h) for k in (-2, -1, 0, 1, 2)]
            want = [
                (f[3] - f[1]) / (2 * h),
                (f[3] - 2 * f[2] + f[1]) / h**2,
                (f[4] - 2 * f[3] + 2 * f[1] - f[0]) / (2 * h**3),
            ]
        for order, exactly in enumerate(want, 1):
            got = derivative(fn, order)(x)
            scale = abs(exactly) or 1
            # Points near a zero of the third derivative would test rounding, not the rule.
            assert abs(got - exactly) <= 2e-11 * scale + 1e-300, (name, x, order, got, exactly)


@pytest.mark.parametrize("x", [0.0, 1e-8, -1e-3, 0.3, 1.0, -2.7, 9.3, 40.0])
def test_sinc_to_sixth_order(x):
    for order in range(1, 7):
        got = derivative(np.sinc, order)(x)
        with mpmath.workdps(60):
            u, pi = mpmath.mpf(x) * mpmath.pi, mpmath.pi
            want = pi**order * mpmath.quad(
                lambda s: s**order * mpmath.cos(u * s + order * pi / 2), mpmath.linspace(0, 1, 20)
            )
        near_zero = abs(x) < 0.01 and order % 2
        scale = abs(want) if near_zero else pi**order / (1 + abs(u))
        assert abs(got - want) <= 1e-12 * scale + 1e-40, (order, got, want)


def test_sinc_of_arrays():
    x = np.array([[0.0, 0.5], [3.5, -20.25]])
    got = ad.grad(lambda x: np.sum(np.sinc(x)))(x)
    want = np.vectorize(ad.grad(np.sinc))(x)
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
    assert ad.grad(lambda x: np.sum(np.sinc(x)))(x.astype(np.float32)).dtype == np.float32


KINKS = [
    ("abs", np.abs, 0.0, 0.0),
    ("sign", np.sign, 0.0, 0.0),
    ("maximum tie", lambda x: np.maximum(x, 1.0), 1.0, 0.5),
    ("minimum tie", lambda x: np.minimum(1.0, x), 1.0, 0.5),
    ("fmax of nan", lambda x: np.fmax(x, np.nan), 2.0, 1.0),
    ("fmin of nan", lambda x: np.fmin(np.nan, x), 2.0, 1.0),
    ("clip at a bound", lambda x: np.clip(x, 0.0, 1.0), 1.0, 0.5),
    ("clip beyond", lambda x: np.clip(x, 0.0, 1.0), 2.0, 0.0),
    ("power zero", lambda x: x**0, 0.0, 0.0),
    ("power zero float", lambda x: x**0.0, 0.0, 0.0),
    ("power zero array", lambda x: np.sum(x ** np.array([0.0, 1.0, 2.0])), 0.0, 1.0),
    ("exponent of zero", lambda y: 0.0**y, 2.0, 0.0),
    ("hypot at 0", lambda x: np.hypot(x, 0.0), 0.0, 0.0),
    ("hypot on an axis", lambda x: np.hypot(x, 0.0), -2.0, -1.0),
    ("arctan2 at 0", lambda x: np.arctan2(x, 0.0), 0.0, 0.0),
    ("arctan2 on an axis", lambda x: np.arctan2(x, -2.0), 0.0, -0.5),
    ("copysign at 0", lambda x: np.copysign(x, -1.0), 0.0, 0.0),
    ("heaviside", lambda x: np.heaviside(x, 0.5), 0.0, 0.0),
    ("heaviside value", lambda h: np.heaviside(0.0, h), 0.5, 1.0),
    ("remainder", lambda x: x % 1.0, 3.25, 1.0),
    ("remainder divisor", lambda y: 7.5 % y, 2.0, -3.0),
    ("fmod divisor", lambda y: np.fmod(-7.5, y), 2.0, 3.0),
    ("floor", np.floor, 1.5, 0.0),
    ("sqrt at 0", np.sqrt, 0.0, np.inf),
    ("logaddexp of equals", lambda x: np.logaddexp(x, 3.0), 3.0, 0.5),
    ("logaddexp of -inf twice", lambda x: np.logaddexp(x, -np.inf), -np.inf, 0.5),
    ("logaddexp of -inf", lambda x: np.logaddexp(x, -np.inf), 1.0, 1.0),
    ("logaddexp far apart", lambda x: np.logaddexp(x, 1e10), 0.0, 0.0),
    ("nextafter", lambda x: np.nextafter(x, np.inf), 1.0, 1.0),
    ("spacing", np.spacing, 1.0, 0.0),
    ("angle at 0", lambda x: np.angle(x + 0j), 0.0, 0.0),
    ("nan_to_num of nan", lambda x: np.nan_to_num(x + np.nan) + x, 1.0, 1.0),
]


@pytest.mark.parametrize("name, fn, x, want", KINKS, ids=[k[0] for k in KINKS])
def test_kinks(name, fn, x, want):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ad.grad(lambda x: np.real(fn(x)))(x) == want
        assert ad.jvp(fn, (x,), (1.0,))[1] == want


UNTAKEN = [
    ("sqrt", np.sqrt), ("log", np.log), ("log2", np.log2), ("log10", np.log10), ("cbrt", np.cbrt),
    ("reciprocal", np.reciprocal), ("divide", lambda x: 1.0 / x), ("ratio", lambda x: x / x),
    ("power", lambda x: x**0.5), ("power array", lambda x: x ** np.array([0.5, -1.0])),
    ("log1p", lambda x: np.log1p(x - 1)), ("arctanh", lambda x: np.arctanh(1 - x)),
    ("arcsin", lambda x: np.arcsin(1 - x)), ("arccosh", lambda x: np.arccosh(1 + x)),
]  # fmt: skip


@pytest.mark.parametrize("name, fn", UNTAKEN, ids=[u[0] for u in UNTAKEN])
def test_untaken_branch(name, fn):
    def f(x):
        return np.sum(np.where(x > 0, fn(x), 0.0))

    x = np.array([0.0, 0.25])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gradient = ad.grad(f)(x)
        second = ad.grad(lambda x: np.sum(ad.grad(f)(x) * np.array([1.0, 2.0])))(x)
    assert gradient[0] == 0 and np.isfinite(gradient[1]) and second[0] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ad.grad(f)(np.float64(0.0)) == 0


def test_complex_sign_and_absolute_at_zero():
    z = np.array([0j, 3 + 4j])
    gradient = ad.grad(lambda z: np.sum(np.abs(z)))(z)
    np.testing.assert_allclose(gradient, [0, 0.6 - 0.8j])
    _, dot = ad.jvp(np.sign, (z,), (np.array([1 + 1j, 3 + 4j]),))
    np.testing.assert_allclose(dot, 0, atol=1e-16)  # along the ray the sign stays


def test_complex_derivatives_far_from_the_axis():
    for fn, exact in ((np.tan, mpmath.sec), (np.tanh, mpmath.sech)):
        for z in (0.3 + 25j, 25 + 0.3j, 1.2 - 0.7j):
            want = complex(exact(mpmath.mpc(z)) ** 2)
            got = ad.grad(fn, holomorphic=True)(z)
            assert abs(got - want) <= 1e-12 * abs(want)


@pytest.mark.parametrize("name", ["arcsin", "arccos", "arccosh", "arctanh", "sqrt", "log"])
@pytest.mark.parametrize("z", [3.4 + 0j, complex(3.4, -0.0), -3.4 + 0j, 0.5 + 0j])
def test_derivative_is_on_the_side_of_the_cut_that_the_value_is_on(name, z):
    fn = getattr(np, name)
    h = 1e-6
    side = complex(0, h * (1 if np.copysign(1, z.imag) > 0 else -1))
    numeric = (fn(z + h + side) - fn(z - h + side)) / (2 * h)
    got = ad.grad(fn, holomorphic=True)(z)
    assert abs(got - numeric) < 1e-4 * abs(numeric)


def test_python_power_of_a_negative_number_is_complex():
    value, dot = ad.jvp(lambda x: x ** (1 / 3), (-8.0,), (1.0,))
    assert abs(value - (-8.0) ** (1 / 3)) == 0
    assert abs(dot - (-8.0) ** (1 / 3) / (3 * -8.0)) < 1e-15


def test_float_power_is_in_double_precision():
    x = np.array([0.5, 2.0], np.float32)
    values, _ = ad.vjp(lambda x: np.float_power(x, 3), x)
    assert values.dtype == np.float64
    assert ad.grad(lambda x: np.sum(np.float_power(x, 3)))(x).dtype == np.float32


# -- the machinery of ufunc calls ------------------------------------------------------------------


def test_where_leaves_what_is_in_out():
    keep = np.array([True, False, True])

    def f(x):
        out = x * 10.0
        result = np.exp(x, where=keep, out=out)
        assert result is out
        return out

    x = np.array([0.1, 0.2, 0.3])
    value, dot = ad.jvp(f, (x,), (np.ones(3),))
    np.testing.assert_allclose(value, np.where(keep, np.exp(x), 10 * x))
    np.testing.assert_allclose(dot, np.where(keep, np.exp(x), 10))


def test_where_with_constant_operands_and_out():
    def f(x):
        out = np.full(3, 7.0)
        np.add(np.ones(3), 1.0, out=out, where=np.array([True, False, True]))
        ready = out.copy()
        np.multiply(2.0, out, out=x, where=np.array([True, False, False]))
        return ready * 1.0 + x

    value, dot = ad.jvp(f, (np.array([0.1, 0.2, 0.3]),), (np.ones(3),))
    np.testing.assert_allclose(value, [6.0, 7.2, 2.3])
    np.testing.assert_allclose(dot, [0, 1, 1])


def test_where_keeps_python_numbers_weak():
    x = np.array([1.0, 2.0], np.float32)
    value, _ = ad.vjp(lambda x: np.multiply(x, 2.0, where=np.array([True, True])), x)
    assert value.dtype == np.float32


def test_where_of_a_number():
    assert ad.grad(lambda x: np.exp(x, where=True))(0.0) == 1.0
    assert ad.grad(lambda x: np.exp(x, where=np.True_))(0.0) == 1.0


def test_two_results_and_out():
    def f(x):
        a, b = np.empty(2), np.empty(2)
        np.modf(x, out=(a, b))
        c, d = np.divmod(x, 0.7, out=(None, b))
        return a * x + b + c

    x = np.array([1.25, -2.5])
    value, dot = ad.jvp(f, (x,), (np.ones(2),))
    np.testing.assert_allclose(value, np.modf(x)[0] * x + sum(np.divmod(x, 0.7)))
    np.testing.assert_allclose(dot, x + np.modf(x)[0] + 1)


def test_dtype_and_casting():
    x = np.array([0.5, 1.5])
    value, _ = ad.vjp(lambda x: np.exp(x, dtype=np.complex128), x)
    assert value.dtype == np.complex128
    with pytest.raises(TypeError, match="casting"):
        ad.grad(lambda x: np.sum(np.add(x, 1, dtype=int)))(x)

    def into_float(z):
        out = np.zeros(2)
        np.multiply(z, 1j, out=out)
        return np.sum(out)

    with pytest.raises(TypeError, match="casting"):
        ad.grad(into_float)(x)


def test_positional_out():
    def f(x):
        out, total = np.zeros(2), np.zeros(())
        np.clip(x, 0.0, 1.0, out)
        np.multiply(out, x, out)
        np.sum(out, None, None, total)
        return total

    np.testing.assert_allclose(ad.grad(f)(np.array([0.5, 3.0])), [1.0, 1.0])


def test_unsafe_casting_into_out_takes_the_real_part():
    def f(z):
        out = np.zeros(1)
        np.multiply(z, 2j, out=out, casting="unsafe")
        return out[0]

    with pytest.warns(np.exceptions.ComplexWarning):
        assert ad.grad(f)(np.array([1 + 3j])) == 2j  # Re(2j·dz)


def test_lists_of_traced_numbers():
    gradient = ad.grad(lambda x: np.sum(np.maximum([x, 2 * x], 0) * np.exp([x, 1.0])))(0.0)
    assert gradient == 0.5 + np.e
    assert ad.grad(lambda x: np.sum(np.clip([x, [x * x][0]], 0, 5)))(2.0) == 5.0


def test_out_that_cannot_keep_a_derivative():
    buffer = np.zeros(2)
    with pytest.raises(TracingError, match="ordinary array"):
        ad.grad(lambda x: np.sum(np.sin(x, out=buffer)))(np.ones(2))
    flags = np.zeros(2, bool)
    ad.grad(lambda x: np.sum(x * np.isfinite(x, out=flags)))(np.ones(2))
    assert flags.all()


def test_at_changes_a_repeated_element_each_time():
    def f(x):
        a = x * 1.0
        np.multiply.at(a, [0, 0, 1], [x[1], x[1], 3.0])
        np.divide.at(a, (np.array([[1, 1]]),), 2.0)
        np.negative.at(a, [0])
        return a

    x = np.array([2.0, 5.0])
    value, dot = ad.jvp(f, (x,), (np.array([0.0, 1.0]),))
    np.testing.assert_allclose(value, [-50.0, 3.75])
    np.testing.assert_allclose(dot, [-20.0, 0.75])
    with pytest.raises(TracingError, match="ordinary array"):
        ordinary = np.zeros(2)
        ad.grad(lambda x: np.add.at(ordinary, 0, x) or x)(1.0)


def test_ufuncs_of_empty_and_zero_dimensional_arrays():
    assert ad.grad(lambda x: np.sum(np.sinc(x) * np.hypot(x, x) / x))(np.zeros((0, 3))).shape == (
        0,
        3,
    )
    x = np.array(0.5)
    gradient = ad.grad(lambda x: np.exp(np.tanh(x)))(x)
    assert np.shape(gradient) == ()
    assert ad.vjp(np.clip, x, 0.0, 1.0)[0] == 0.5


def test_nan_to_num_in_place():
    def f(x):
        y = x * np.array([1.0, 1.0])
        y[1] = np.nan
        np.nan_to_num(y, copy=False, nan=3.0)
        return y

    value, dot = ad.jvp(f, (np.array([1.0, 2.0]),), (np.ones(2),))
    assert list(value) == [1, 3] and list(dot) == [1, 0]


def test_errors_of_the_choosing_functions():
    x = np.ones(3)
    with pytest.raises(ValueError, match="functions are expected"):
        ad.grad(lambda x: np.sum(np.piecewise(x, [x > 0, x < 0], [1.0])))(x)
    with pytest.raises(ValueError):
        ad.grad(lambda x: np.sum(np.select([x > 0], [x, x])))(x)
    with pytest.raises(ValueError):
        ad.grad(lambda x: np.sum(np.choose([5, 0, 0], [x, x])))(x)
    with pytest.raises(ValueError):
        ad.grad(lambda x: np.sum(np.where(x > 0, x)))(x)


def test_a_ufunc_without_a_rule_is_named():
    outside = np.frompyfunc(lambda a: a + 1, 1, 1)
    with pytest.raises(NoRuleError, match="frompyfunc"):
        ad.grad(lambda x: outside(x))(1.0)
    with pytest.raises(TypeError):
        ad.grad(lambda x: np.sum(np.bitwise_and(x, 1)))(np.ones(2))
