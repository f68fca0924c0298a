"""Derivatives inside derivatives: no perturbation is confused with another, in any mix of modes."""

import itertools
import math

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import AdjointError

V = np.array([0.7, -0.4, 1.3])


def by_grad(f):
    return ad.grad(f)


def by_jvp(f):
    return lambda x: ad.jvp(f, (x,), (1.0,))[1]


def by_vjp(f):
    return lambda x: ad.vjp(f, x)[1](1.0)[0]


def by_linearize(f):
    return lambda x: ad.linearize(f, x)[1](1.0)


MODES = {"grad": by_grad, "jvp": by_jvp, "vjp": by_vjp, "linearize": by_linearize}
PAIRS = list(itertools.product(MODES, repeat=2))
TRIPLES = list(itertools.product(("grad", "jvp"), repeat=3))


@pytest.mark.parametrize("outer, inner", PAIRS)
def test_siskind_pearlmutter(outer, inner):
    """d/dx (x · d/dy (x + y)) = 1; a confused perturbation gives 2."""
    D, d = MODES[outer], MODES[inner]
    assert D(lambda x: x * d(lambda y: x + y)(1.0))(1.0) == 1.0
    assert D(lambda x: x * d(lambda y: x * y)(2.0))(3.0) == 6.0


@pytest.mark.parametrize("outer, inner", PAIRS)
def test_closure_both_used(outer, inner):
    D, d = MODES[outer], MODES[inner]

    def f(x):
        def g(y):
            return np.sin(x * y) * x + y**3

        return d(g)(x * x) * x

    def by_hand(x):  # d/dy at y = x²: x² cos(x³) + 3 x⁴, times x
        return x**3 * math.cos(x**3) + 3 * x**5

    h = 1e-5
    want = (by_hand(0.8 + h) - by_hand(0.8 - h)) / (2 * h)
    assert f(0.8) == pytest.approx(by_hand(0.8), rel=1e-12)
    assert D(f)(0.8) == pytest.approx(want, rel=1e-8)


@pytest.mark.parametrize("modes", TRIPLES)
def test_three_levels(modes):
    """d/dx x · d/dy y x · d/dz (x y z³) at z = y, y = x."""
    a, b, c = (MODES[m] for m in modes)

    def f(x):
        def g(y):
            def h(z):
                return x * y * z**3

            return y * x * c(h)(y)  # 3 x² y⁴

        return x * b(g)(x)  # 12 x⁶

    assert f(1.1) == pytest.approx(12 * 1.1**6, rel=1e-12)
    assert a(f)(1.1) == pytest.approx(72 * 1.1**5, rel=1e-12)


@pytest.mark.parametrize("modes", TRIPLES)
def test_third_derivative(modes):
    f = lambda x: np.exp(2 * x) * x  # noqa: E731
    a, b, c = (MODES[m] for m in modes)
    x = 0.3
    want = (12 + 8 * x) * math.exp(2 * x)
    assert a(b(c(f)))(x) == pytest.approx(want, rel=1e-12)


def quartic(x):
    u = np.zeros(4)
    u[0] = x[0] * x[1]
    for k in range(1, 4):
        u[k] = u[k - 1] * x[k % 3] + x[0] ** 2
        u[: k + 1] += x[2]
    return np.sum(u**2)


def hessians():
    def forward_over_reverse(f, x):
        g = ad.grad(f)
        return np.array([ad.jvp(g, (x,), (e,))[1] for e in np.eye(len(x))])

    def reverse_over_reverse(f, x):
        _, pull = ad.vjp(ad.grad(f), x)
        return np.array([pull(e)[0] for e in np.eye(len(x))])

    def reverse_over_forward(f, x):
        return np.array(
            [ad.grad(lambda y, e=e: ad.jvp(f, (y,), (e,))[1])(x) for e in np.eye(len(x))]
        )

    def forward_over_forward(f, x):
        basis = np.eye(len(x))
        return np.array(
            [
                [ad.jvp(lambda y, d=d: ad.jvp(f, (y,), (d,))[1], (x,), (e,))[1] for d in basis]
                for e in basis
            ]
        )

    def linearized_gradient(f, x):
        _, push = ad.linearize(ad.grad(f), x)
        return np.array([push(e) for e in np.eye(len(x))])

    def gradient_of_gradient_entries(f, x):
        return np.array([ad.grad(lambda y, k=k: ad.grad(f)(y)[k])(x) for k in range(len(x))])

    return [
        forward_over_reverse,
        reverse_over_reverse,
        reverse_over_forward,
        forward_over_forward,
        linearized_gradient,
        gradient_of_gradient_entries,
    ]


@pytest.mark.parametrize("hessian", hessians(), ids=lambda h: h.__name__)
def test_hessian_by_every_nesting(hessian):
    h = 1e-5
    gradient = ad.grad(quartic)
    numeric = np.array([(gradient(V + h * e) - gradient(V - h * e)) / (2 * h) for e in np.eye(3)])
    got = hessian(quartic, V)
    np.testing.assert_allclose(got, numeric, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got, got.T, rtol=1e-11)


@pytest.mark.parametrize("inner", MODES)
@pytest.mark.parametrize("outer", MODES)
def test_outer_array_mutated_inside_inner_derivative(outer, inner):
    """Right, or refused: what is stored into an outer array outlives the inner trace."""
    D, d = MODES[outer], MODES[inner]

    def f(x):
        memory = np.zeros(2)
        memory[0] = x

        def g(y):
            memory[1] = y * x  # becomes a value of the inner trace
            return memory[1] * memory[0] * y

        slope = d(g)(3.0)  # d/dy x² y² = 2 x² y
        return slope + memory[1]  # memory[1] = 3 x, if it can be known

    try:
        got = D(f)(2.0)
    except AdjointError:
        return
    assert got == pytest.approx(4 * 2.0 * 3.0 + 3.0)


@pytest.mark.parametrize("inner", MODES)
def test_plain_array_mutated_inside_inner_derivative(inner):
    def f(y):
        store[0] = y * 2
        return store[0] * y

    store = np.zeros(1)
    try:
        got = MODES[inner](f)(3.0)
    except AdjointError as error:
        assert "stored" in str(error)
        np.testing.assert_array_equal(store, [0.0])
    else:
        assert got == 12.0


def test_outer_traced_constant_inside_inner():
    def f(x):
        return ad.grad(lambda y: np.sum(x * x))(1.0) + np.sum(x)

    np.testing.assert_array_equal(ad.grad(f)(V), np.ones(3))


def test_pullback_many_times_and_inside_other_transforms():
    value, pull = ad.vjp(quartic, V)
    first = pull(1.0)[0]
    np.testing.assert_array_equal(pull(1.0)[0], first)
    np.testing.assert_allclose(pull(-2.5)[0], -2.5 * first, rtol=1e-14)
    assert value == quartic(V)
    # The pullback is linear: its derivative in the cotangent is itself.
    _, dot = ad.jvp(lambda ct: pull(ct)[0], (1.0,), (3.0,))
    np.testing.assert_allclose(dot, 3.0 * first, rtol=1e-14)
    # And transposing it is pushing forward.
    _, pull_of_pull = ad.vjp(lambda ct: pull(ct)[0], 1.0)
    np.testing.assert_allclose(pull_of_pull(V)[0], ad.jvp(quartic, (V,), (V,))[1], rtol=1e-12)


def test_pushforward_inside_gradient():
    _, push = ad.linearize(quartic, V)
    np.testing.assert_allclose(
        ad.grad(lambda t: push(t) ** 2)(V), 2 * push(V) * ad.grad(quartic)(V), rtol=1e-12
    )


def test_pullback_made_inside_and_used_twice_inside():
    def f(x):
        _, pull = ad.vjp(lambda y: np.sin(y) * x, x)
        a = pull(x)[0]
        return np.sum(a * pull(a)[0])

    def by_hand(x):
        return np.sum((x * x * np.cos(x)) ** 2 * x * np.cos(x) / 1.0)

    h = 1e-6
    numeric = [(by_hand(V + h * e) - by_hand(V - h * e)) / (2 * h) for e in np.eye(3)]
    assert f(V) == pytest.approx(by_hand(V))
    np.testing.assert_allclose(ad.grad(f)(V), numeric, rtol=1e-7, atol=1e-8)


def test_pullback_result_is_the_callers():
    _, pull = ad.vjp(lambda x, y: (x + y, x), V, V)
    a, b = pull((V, V))
    a += 100.0
    c, d = pull((V, V))
    np.testing.assert_array_equal(c, 2 * V)
    np.testing.assert_array_equal(b, V)
    np.testing.assert_array_equal(d, V)


def test_cotangent_is_left_alone():
    ct = np.ones(3)

    def f(x):
        y = x * 2.0
        y[0] = x[1]
        y[1:] += x[:2]
        return y

    _, pull = ad.vjp(f, V)
    pull(ct)
    np.testing.assert_array_equal(ct, np.ones(3))
    tangent = np.ones(3)
    ad.jvp(f, (V,), (tangent,))
    np.testing.assert_array_equal(tangent, np.ones(3))


def test_reentrant_on_plain_data():
    """A derivative of something else is taken inside the function; its result is a constant."""

    def f(x):
        g = ad.grad(quartic)(V)  # plain data
        assert type(g) is np.ndarray
        return np.sum(g * x)

    np.testing.assert_allclose(ad.grad(f)(V), ad.grad(quartic)(V), rtol=1e-14)


def test_gradient_descent_is_differentiated():
    """The derivative of five steps of an optimiser in its step size, three levels deep."""

    def final_loss(rate):
        x = np.array([1.0, -0.5, 0.3])
        for _ in range(5):
            x = x - rate * ad.grad(lambda v: np.sum(v**4 + v * v))(x)
        return np.sum(x**4 + x * x)

    h = 1e-5
    D = ad.grad(final_loss)
    numeric = (final_loss(0.05 + h) - final_loss(0.05 - h)) / (2 * h)
    assert D(0.05) == pytest.approx(numeric, rel=1e-6)
    assert ad.grad(D)(0.05) == pytest.approx((D(0.05 + h) - D(0.05 - h)) / (2 * h), rel=1e-5)


def test_newton_inside_gradient():
    """Newton's method, its steps by our own derivatives; implicit differentiation is the check."""

    def root(a):
        x = 1.5
        for _ in range(8):
            residual = lambda y: y**3 - a * y - 1.0  # noqa: E731
            x = x - residual(x) / ad.grad(residual)(x)
        return x

    x = root(1.0)
    assert ad.grad(root)(1.0) == pytest.approx(x / (3 * x**2 - 1.0), rel=1e-10)
