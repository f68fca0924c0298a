"""What the tape has saved is not changed by what the program does afterwards."""

import numpy as np
import pytest

import adjoint as ad

V = np.array([0.7, -0.4, 1.3, 0.9])
BUFFER = np.ones(4)


def by_setitem(w):
    w[:] = 5.0


def by_element(w):
    for k in range(4):
        w[k] = 5.0


def by_augmented(w):
    w += np.array(4, w.dtype)


def by_constant(w):
    w *= 5


def by_augmented_item(w):
    w[1:] += 4
    w[0] *= 5


def by_view(w):
    v = w[::-1]
    v[...] = 5.0


def by_mask(w):
    w[w < 2] = 5.0


def by_index(w):
    w[[0, 1, 2, 3]] *= 5


def by_fill(w):
    w.fill(5)


def by_out(w):
    np.add(w, 4, out=w)


def by_positional_out(w):
    np.multiply(w, 5, w)


def by_copyto(w):
    np.copyto(w, 5)


def by_add_at(w):
    np.add.at(w, np.arange(4), 4)


def by_put(w):
    np.put(w, [0, 1, 2, 3], 5)


def by_swap(w):
    w[0], w[1], w[2], w[3] = 5, 5, 5, 5


def by_unpacking_loop(w):
    for w[0] in (1, 5):
        pass
    w[1:] = w[0]


CHANGES = [f for name, f in list(globals().items()) if name.startswith("by_")]


@pytest.mark.parametrize("dtype", [float, int, np.float32])
@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("plain", [True, False], ids=["made outside", "made inside"])
def test_operand_changed_after_use(change, dtype, plain):
    outside = np.ones(4, dtype)

    def f(x):
        w = outside if plain else np.ones(4, dtype)
        y = x * w
        change(w)
        z = np.sin(x) * w
        change(w)
        return np.sum(y * y + z)

    want = 2 * V + 5 * np.cos(V)
    for derivative in (ad.grad(f), lambda x: ad.vjp(f, x)[1](1.0)[0]):
        outside[...] = 1
        np.testing.assert_allclose(derivative(V), want, rtol=1e-6)
    outside[...] = 1
    np.testing.assert_allclose(ad.jvp(f, (V,), (V,))[1], want @ V, rtol=1e-6)
    curved = ad.grad(lambda x: (setattr_one(outside), np.sum(ad.grad(f)(x)))[1])
    np.testing.assert_allclose(curved(V), 2 - 5 * np.sin(V), rtol=1e-6)


def setattr_one(a):
    a[...] = 1


def test_buffer_in_a_global():
    def f(x):
        total = 0.0
        for k in range(3):
            BUFFER[:] = np.arange(4.0) * k + 1
            total += np.sum(x * x * BUFFER)
        return total

    want = 2 * V * (np.ones(4) * 3 + np.arange(4.0) * 3)
    np.testing.assert_allclose(ad.grad(f)(V), want)


def test_index_changed_after_use():
    def f(x):
        order = np.array([0, 1, 2, 3])
        mask = np.zeros(4, dtype=bool)
        total = 0.0
        for k in range(4):
            order[0] = k
            mask[k] = True
            total += np.sum(x[order] ** 2) + np.sum(x[mask] ** 3) + np.sum(np.where(mask, x, 0.0))
        a = x * 1.0
        a[order] = x * x
        a[mask] *= 2.0
        order[:] = 0
        mask[:] = False
        return total + np.sum(a * x)

    h = 1e-6
    numeric = [(f(V + h * e) - f(V - h * e)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(ad.grad(f)(V), numeric, rtol=1e-6)
    np.testing.assert_allclose(ad.jvp(f, (V,), (V,))[1], numeric @ V, rtol=1e-6)


class Holder:
    def __init__(self):
        self.w = np.ones(4)


def test_attribute_changed_after_use():
    holder = Holder()

    def f(x):
        y = x * holder.w
        holder.w[:] = 3.0
        return np.sum(y * y)

    np.testing.assert_allclose(ad.grad(f)(V), 2 * V)


@pytest.mark.parametrize("transform", ["vjp", "linearize"])
def test_what_outlives_the_call_has_its_own_memory(transform):
    """The caller's code may change arguments, captured arrays and results before it pulls back."""
    data = np.ones(4)
    x = V.copy()

    def f(x):
        return np.exp(x) * data, x

    results, linear = getattr(ad, transform)(f, x)
    data[:] = 7.0
    x[:] = 0.0
    results[0][:] = 0.0
    results[1][:] = 0.0
    if transform == "vjp":
        np.testing.assert_allclose(linear((np.ones(4), np.zeros(4)))[0], np.exp(V))
    else:
        np.testing.assert_allclose(linear(np.ones(4))[0], np.exp(V))


def test_nested_result_changed_before_the_pullback():
    def f(x):
        y, pull = ad.vjp(np.exp, x)
        y[0] = 0.0
        y *= 2.0
        return np.sum(pull(x)[0]) + np.sum(y)

    def by_hand(x):
        return np.sum(np.exp(x) * x) + 2 * np.sum(np.exp(x[1:]))

    h = 1e-6
    numeric = [(by_hand(V + h * e) - by_hand(V - h * e)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(ad.grad(f)(V), numeric, rtol=1e-6)


def test_stores_at_every_level():
    """A buffer of an inner derivative, used with values of the outer one, then overwritten."""

    def f(x):
        def g(y):
            u = np.zeros(4)
            v = np.ones(4)
            for k in range(4):
                v[k] = k + 1.0
                u[k] = y[k] * x[k]
                u *= v
                v *= u[k]
            return np.sum(u * x + v)

        return np.sum(ad.grad(g)(x * 2.0) ** 2)

    gradient = ad.grad(f)
    h = 1e-6
    numeric = [(f(V + h * e) - f(V - h * e)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(gradient(V), numeric, rtol=1e-5)
