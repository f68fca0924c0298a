"""Python's functions of traced numbers: values, types, errors and derivatives are Python's."""

import cmath
import json
import math
import operator

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import TracingError

module_level = np.vectorize(lambda x, k=2.0: x**k if x > 0 else 0.0, otypes=[float])


@np.vectorize
def decorated(x):
    """Its name is kept."""
    return math.exp(x) if x < 1 else x


def both(fn, x):
    """Return the value and the derivative, checking that the modes agree."""
    value, dot = ad.jvp(fn, (x,), (1.0,))
    assert abs(ad.vjp(fn, x)[1](1.0)[0] - dot) <= 1e-15 * abs(dot)
    return value, dot


def test_math_gives_python_floats_from_any_scalar():
    def f(x):
        y = math.sin(x)
        assert type(y) is float and isinstance(y, float)
        return y

    for x in (0.5, np.float64(0.5), np.array(0.5), np.float32(0.5)):
        assert float(ad.vjp(f, x)[0]) == math.sin(0.5)
        gradient = ad.grad(f)(x)
        assert abs(gradient - math.cos(0.5)) < 1e-7
        assert np.asarray(gradient).dtype == np.asarray(x).dtype


def test_math_of_an_array_raises_as_it_does():
    with pytest.raises(TypeError, match="0-dimensional|length-1|scalar"):
        ad.grad(lambda x: math.sin(x))(np.ones(2))
    with pytest.raises(TypeError):
        ad.grad(lambda x: math.sin(x + 1j))(1.0)
    with pytest.raises(TypeError):
        ad.grad(lambda x: math.atan2(x, "1"))(1.0)


@pytest.mark.parametrize("fn", [math.sqrt, math.log, math.acos, math.log1p, math.lgamma])
def test_domain_errors(fn):
    with pytest.raises(ValueError):
        ad.grad(lambda x: fn(x))(-3.0)
    with pytest.raises(ValueError):
        ad.grad(ad.grad(lambda x: fn(x)))(-3.0)


def test_range_errors():
    with pytest.raises(OverflowError):
        ad.grad(lambda x: math.exp(x))(1000.0)
    with pytest.raises(OverflowError):
        ad.grad(lambda x: math.pow(x, x))(1000.0)
    with pytest.raises(ZeroDivisionError):
        ad.grad(lambda x: 1 / x)(0.0)


def test_math_functions_of_several_numbers():
    assert both(lambda x: math.atan2(x, 2.0), 1.0) == (math.atan2(1, 2), pytest.approx(0.4))
    assert both(lambda x: math.atan2(2.0, x), 1.0) == (math.atan2(2, 1), pytest.approx(-0.4))
    assert both(lambda x: math.pow(2.0, x), 3.0) == (8.0, pytest.approx(8 * math.log(2)))
    assert both(lambda x: math.hypot(3.0, x, 12.0), 4.0) == (13.0, pytest.approx(4 / 13))
    assert both(lambda x: math.hypot(x), -2.0) == (2.0, -1.0)
    assert both(lambda x: math.hypot(x, x), 0.0) == (0.0, 0.0)
    assert both(lambda x: math.dist((x, 1.0), [0.0, 0.0]), 0.0) == (1.0, 0.0)
    assert both(lambda x: math.remainder(7.0, x), 2.0) == (-1.0, -4.0)
    assert both(lambda x: math.fmod(-7.0, x), 2.0) == (-1.0, 3.0)
    assert both(lambda x: math.log(8.0, x), 2.0) == (3.0, pytest.approx(-1.5 / math.log(2)))
    assert both(lambda x: math.log(x, 2), 8.0) == (3.0, pytest.approx(1 / (8 * math.log(2))))
    assert both(lambda x: math.fsum([x, 1e100, x, -1e100]), 0.1) == (0.2, 2.0)
    assert both(lambda x: math.prod([x, 3, x]), 2.0) == (12.0, 12.0)
    assert both(lambda x: math.prod([2, 3], start=x), 2.0) == (12.0, 6.0)
    assert both(lambda x: math.modf(x)[0] + math.modf(x)[1], 2.5) == (2.5, 1.0)
    assert both(lambda x: math.frexp(x)[0], 12.0) == (0.75, 1 / 16)
    assert both(lambda x: math.ldexp(x, 3), 1.5) == (12.0, 8.0)
    assert both(lambda x: math.nextafter(x, 2), 1.0) == (math.nextafter(1, 2), 1.0)


def test_second_derivatives_in_math():
    assert ad.grad(ad.grad(lambda x: math.sin(x) * math.exp(x)))(0.7) == pytest.approx(
        2 * math.cos(0.7) * math.exp(0.7)
    )
    assert ad.grad(ad.grad(lambda x: math.atan2(x, 1.0)))(1.0) == pytest.approx(-0.5)
    assert ad.grad(ad.grad(lambda x: math.log(x)))(np.float64(2.0)) == pytest.approx(-0.25)


def test_what_is_constant_in_math():
    def f(x):
        assert math.isfinite(x) and not math.isnan(x) and not math.isinf(x)
        assert math.isclose(x, 2.7, rel_tol=1e-12)
        return x * (math.floor(x) + math.ceil(x) + math.trunc(x)) + 0 * math.ulp(x)

    assert ad.grad(f)(2.7) == 7


def test_cmath():
    assert both(lambda x: abs(cmath.exp(1j * x)), 0.3)[1] == pytest.approx(0, abs=1e-15)
    value, dot = ad.jvp(lambda x: cmath.sqrt(x), (-4.0,), (1.0,))
    assert value == 2j and dot == pytest.approx(-0.25j)
    value, dot = ad.jvp(lambda x: cmath.acos(x), (2.0,), (1.0,))
    assert value == cmath.acos(2.0)
    assert dot == pytest.approx((cmath.acos(2.001) - cmath.acos(1.999)) / 0.002, rel=1e-5)
    assert both(lambda x: cmath.phase(complex(1.0, x)), 1.0) == pytest.approx((math.pi / 4, 0.5))
    assert both(lambda r: cmath.polar(cmath.rect(r, 0.4))[0], 2.0) == pytest.approx((2.0, 1.0))
    assert both(lambda r: cmath.log(r, 2).real, 8.0)[1] == pytest.approx(1 / (8 * math.log(2)))
    with pytest.raises(ValueError):
        ad.grad(lambda x: cmath.log(x).real)(0.0)


def test_conversions_keep_the_derivative():
    def f(x):
        a = float(x[0])
        assert type(a) is float and isinstance(a, float) and not isinstance(a, np.float64)
        b = np.float32(x[1])
        assert type(b) is np.float32
        c = complex(x[2], x[0])
        assert type(c) is complex
        return a * a + b * b + (c * c).imag + x[1].item()

    np.testing.assert_allclose(ad.grad(f)(np.array([1.0, 2.0, 3.0])), [8.0, 5.0, 2.0])
    assert ad.grad(lambda x: float(float(x)) * np.float64(x))(3.0) == 6.0
    assert ad.grad(lambda x: sum(map(float, [x, x, 1])))(3.0) == 2.0
    assert ad.grad(lambda x: np.sum(np.float64([x, x * x])))(3.0) == 7.0
    assert ad.grad(lambda x: float("1.5") * x + float(False) + complex(1, 2).imag)(3.0) == 1.5
    assert ad.grad(lambda x: int(x) * x + np.int64(x) * x + bool(x))(3.5) == 6
    with pytest.raises(TypeError):
        ad.grad(lambda x: float(x + 1j))(3.0)
    with pytest.raises(TypeError):
        ad.grad(lambda x: float(x))(np.ones(3))


def test_type_is_that_of_the_value():
    def f(x, n):
        assert type(x) is float and type(n) is np.ndarray and type(n[0]) is np.float64
        assert type(x) in (float, int) and type(n).__name__ == "ndarray"
        made = type("Made", (), {"factor": 3.0})
        return x * made.factor + type(n)((1,)).size * np.sum(n)

    assert ad.grad(f)(2.0, np.ones(2)) == 3.0


def test_builtins():
    assert ad.grad(lambda x: abs(x) + round(x, 1) * x + pow(x, 2) + divmod(x, 2.0)[1])(-1.5) == (
        -1 - 1.5 - 3 + 1
    )
    assert ad.grad(lambda x: sum([x, x, 1.0]) + max(x, 1.0) + min([x, 5.0]))(2.0) == 4.0
    assert ad.grad(lambda x: operator.add(x, operator.mul(x, 3)) - operator.neg(x))(2.0) == 5.0
    with pytest.raises(TypeError):
        ad.grad(lambda x: pow(x, 2, 5))(2.0)


def test_json_refuses():
    with pytest.raises(TracingError, match=r"json.dumps .*stop_gradient"):
        ad.grad(lambda x: len(json.dumps({"loss": [x]})) * x)(1.0)
    assert ad.grad(lambda x: len(json.dumps({"loss": 1})) * x)(1.0) == 11.0


def test_vectorize():
    x = np.array([[-1.0, 2.0], [0.5, 3.0]])
    np.testing.assert_allclose(ad.grad(lambda x: np.sum(module_level(x)))(x), 2 * x * (x > 0))
    np.testing.assert_allclose(
        ad.grad(lambda x: np.sum(module_level(x, k=3.0)))(x), 3 * x**2 * (x > 0)
    )
    np.testing.assert_allclose(
        ad.grad(lambda x: np.sum(decorated(x)))(x), np.where(x < 1, np.exp(x), 1)
    )
    # Traced values that only the closure knows
    assert ad.grad(lambda s: np.sum(np.vectorize(lambda v: v * s)(x)))(2.0) == x.sum()
    # Several results, excluded arguments, no elements
    two = np.vectorize(lambda v, p: (v**2, v * p[0]), excluded=[1])
    np.testing.assert_allclose(
        ad.grad(lambda x: np.sum(two(x, [3.0])[0] + two(x, [3.0])[1]))(x), 2 * x + 3
    )
    assert ad.grad(lambda x: np.sum(module_level(x)))(np.zeros(0)).shape == (0,)
    with pytest.raises(ValueError, match="otypes"):
        ad.grad(lambda x: np.sum(decorated(x)))(np.zeros(0))
    with pytest.raises(TracingError, match="signature"):
        ad.grad(lambda x: np.sum(np.vectorize(np.sum, signature="(n)->()")(x)))(x)
    # The first result decides on the dtype, as in NumPy.
    assert ad.grad(lambda x: np.sum(np.vectorize(lambda v: v if v > 0 else 0)(x)) + x[0, 0])(
        x
    ).tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_frompyfunc():
    def f(x):
        return np.sum(np.frompyfunc(lambda a, b: a * math.sin(b), 2, 1)(x, [1.0, 2.0]))

    np.testing.assert_allclose(ad.grad(f)(np.ones(2)), np.sin([1, 2]))
    assert ad.grad(lambda x: np.frompyfunc(lambda a: (a, a * a), 1, 2)(x)[1])(3.0) == 6.0


def test_apply_along_and_over_axes():
    x = np.arange(6.0).reshape(2, 3) + 1
    got = ad.grad(lambda x: np.sum(np.apply_along_axis(lambda v: v * v[0], -1, x)))(x)
    want = np.array([[2 * 1 + 2 + 3, 1, 1], [2 * 4 + 5 + 6, 4, 4]])
    np.testing.assert_allclose(got, want)
    assert ad.grad(lambda s: np.sum(np.apply_along_axis(lambda v: v * s, 0, x)))(2.0) == 21
    value, _ = ad.vjp(lambda x: np.apply_along_axis(np.diag, -1, x) * x[0, 0], x)
    np.testing.assert_allclose(value, np.apply_along_axis(np.diag, -1, x))
    with pytest.raises(ValueError, match="iteration dimensions"):
        ad.grad(lambda x: np.sum(np.apply_along_axis(np.sum, 0, x)))(np.zeros((2, 0)))
    value, _ = ad.vjp(lambda x: np.apply_over_axes(np.sum, x, [0, 1]), x)
    np.testing.assert_allclose(value, [[21.0]])


def test_piecewise_with_traced_values_in_a_closure():
    x = np.array([-1.0, 1.0])
    assert ad.grad(lambda s: np.sum(np.piecewise(x, [x < 0], [lambda v: v * s, 2.0])))(3.0) == -1


def test_ndenumerate():
    x = np.arange(4.0).reshape(2, 2)
    gradient = ad.grad(lambda x: sum((i + 2 * j) * v for (i, j), v in np.ndenumerate(x)))(x)
    np.testing.assert_allclose(gradient, [[0, 2], [1, 3]])
    with pytest.raises(TracingError, match="ndenumerate"):
        ad.grad(lambda x: sum(v for v in np.nditer(x)))(x)


def test_python_functions_of_ordinary_numbers_are_untouched():
    def f(x):
        assert math.sin(1.0) == math.sin(1) and math.hypot(3, 4) == 5 and math.log(8, 2) == 3
        assert cmath.sqrt(-1) == 1j and float(3) == 3.0 and complex("1+2j") == 1 + 2j
        assert type(x) is float and list(np.ndenumerate(np.ones(1))) == [((0,), 1.0)]
        return x

    assert ad.grad(f)(1.0) == 1
