"""Taylor coefficients and derivatives of high order, staged."""

import numpy as np
import pytest
from scipy import special

import adjoint as ad
from adjoint import tree


class TestTaylor:
    """Coefficients along a curve, of staged functions: loops and branches among them."""

    @staticmethod
    def coefficients(w, x):
        def inner(x):
            y = x
            for k in range(3):
                y = np.tanh(w * y) + (y * x if y[0] > k else x / (1 + k))
            return {"y": y, "s": np.sum(y)}

        return ad.taylor(inner, (x,), ([np.ones_like(x), 0.5 * x, np.zeros_like(x)],))

    def test_equals_the_eager_tier(self):
        w, x = 0.7, np.linspace(0.5, 1.5, 11)
        eager, staged = self.coefficients(w, x), ad.stage(self.coefficients)(w, x)(w, x)
        for a, b in zip(tree.flatten(eager)[0], tree.flatten(staged)[0], strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-12)

    def test_inside_a_gradient(self):
        def norm(w, x):
            value, rows = self.coefficients(w, x)
            return value["s"] + sum(np.sum(row["y"] ** 2) for row in rows)

        w, x = 0.7, np.linspace(0.5, 1.5, 11)
        expected = ad.grad(norm, argnums=(0, 1))(w, x)
        got = ad.jit(ad.grad(norm, argnums=(0, 1)), backend="interpret")(w, x)
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-10)
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-10)

    def test_keeps_float32(self):
        third = ad.jit(ad.derivative(np.sin, order=3), backend="interpret")(np.float32(0.3))
        assert third.dtype == np.float32
        np.testing.assert_allclose(third, -np.cos(0.3), rtol=1e-6)

    def test_wrong_shapes(self):
        with pytest.raises(ad.AdjointError, match="shape"):
            ad.stage(lambda x: ad.taylor(np.sin, (x,), ([np.ones(2)],)))(np.ones(3))
        with pytest.raises(ad.AdjointError, match="structure"):
            ad.stage(lambda x: ad.taylor(np.sin, (x,), ([(x,)],)))(np.ones(3))


def until(x):
    while np.sum(x) < 10:
        x = 1.5 * x + np.sin(x)
    return special.softmax(x)


def test_functions_from_elsewhere():
    """The function is staged like any other that is called: its loops, and what it calls."""
    x, x_dot = np.linspace(0.5, 1.0, 11), np.linspace(1.0, 0.0, 11)
    along = lambda fn: lambda x, x_dot: ad.taylor(fn, (x,), ([x_dot, 0 * x_dot],))
    expected = along(until)(x, x_dot)
    got = ad.jit(along(until), backend="interpret")(x, x_dot)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-12)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-9, atol=1e-12)
    assert ad.jit(lambda x: ad.taylor(until, (x,), ([],)), backend="interpret")(x)[1] == []


COMPARING = {
    "max": lambda x: np.max(x, axis=1),
    "softmax": lambda x: ad.nn.softmax(x, axis=1),
    "std": lambda x: np.std(x, axis=1),
    "median": lambda x: np.median(x, axis=1),
    "where": lambda x: np.where(x > 0, x**2, np.sin(x)),
}


@pytest.mark.parametrize("name", COMPARING)
def test_rules_that_compare(name):
    """Derivative rules may ask which element is the largest: of a series, its value is."""
    fn = COMPARING[name]
    x = np.array([[0.3, 0.7, -0.2], [1.1, -0.4, 0.25]])
    series = [np.cos(x), 0.3 * x, x**2]
    value, rows = ad.taylor(fn, (x,), (series,))
    staged = ad.jit(lambda x, *s: ad.taylor(fn, (x,), (list(s),)), backend="interpret")
    other, others = staged(x, *series)
    np.testing.assert_allclose(other, value, rtol=1e-12)
    np.testing.assert_allclose(others, rows, rtol=1e-10, atol=1e-12)
    # Against the curve itself, a little further on: the next term is of fourth order.
    h = 1e-2
    further = sum(s * h ** (k + 1) for k, s in enumerate(series))
    series_sum = value + sum(row * h ** (k + 1) for k, row in enumerate(rows))
    np.testing.assert_allclose(fn(x + further), series_sum, atol=1e-6)
