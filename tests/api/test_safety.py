"""Code that writes where a derivative would be lost, and rules that say something impossible."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import AdjointError, EscapedValueError, InputError, RuleError, TracingError

W = np.array([1.0, 2.0])


def test_checkpoint_that_stores_into_an_array_outside():
    def f(x):
        a = np.zeros(2)

        @ad.checkpoint
        def block(y):
            a[:] = y * 2
            return y * 1

        return np.sum(block(x) * a)

    with pytest.raises(EscapedValueError):
        ad.grad(f)(W)


def test_checkpoint_that_stores_into_a_list_outside():
    def f(x):
        kept = []

        @ad.checkpoint
        def block(y):
            kept.append(y * 2)
            return y * 1

        return np.sum(block(x) * kept[0])

    with pytest.raises(EscapedValueError):
        ad.grad(f)(W)


@pytest.mark.parametrize("transform", [ad.grad, ad.hessian])
def test_checkpoint_that_changes_its_argument(transform):
    @ad.checkpoint
    def block(y):
        y *= 2
        return y * 1

    def f(x):
        a = x * 1
        return np.sum(block(a) * a)

    with pytest.raises(TracingError, match="in place"):
        transform(f)(W)


def test_checkpoint_that_draws_random_numbers():
    rng = np.random.default_rng(0)
    noisy = ad.checkpoint(lambda x: np.sin(x) * rng.permutation(5))
    with pytest.raises(TracingError, match="another result"):
        ad.grad(lambda x: noisy(x) @ x)(np.arange(5.0))
    with pytest.raises(TracingError, match="another result"):
        ad.grad(lambda x: ad.jvp(noisy, (x,), (np.ones(5),))[1] @ x)(np.arange(5.0))

    @ad.checkpoint
    def drawn(x, seed):
        return np.sin(x) * np.random.default_rng(seed).permutation(5)

    x = np.arange(5.0)
    want = np.random.default_rng(3).permutation(5) * np.cos(x)
    np.testing.assert_allclose(ad.grad(lambda x: drawn(x, 3).sum())(x), want)


def test_checkpoint_returns_what_is_not_traced_too():
    @ad.checkpoint
    def block(y, options):
        return {"y": y * options["scale"], "n": 3, "same": y}

    def f(x):
        out = block(x, {"scale": 2.0, "name": "a"})
        out["same"][0] = 0.0
        return np.sum(out["y"] ** 2) * out["n"] + np.sum(out["same"]) + x[0]

    np.testing.assert_allclose(ad.grad(f)(W), [25.0, 49.0])
    np.testing.assert_allclose(ad.hessian(f)(W), 24 * np.eye(2))


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_custom_function_that_changes_its_argument(kind):
    def twice(x):
        return np.multiply(x, 2, out=x)

    if kind == "jvp":
        custom = ad.custom_jvp(twice)
        custom.defjvp(lambda p, t: (p[0] * 2, t[0] * 2))
    else:
        custom = ad.custom_vjp(twice)
        custom.defvjp(lambda x: (twice(x), None), lambda _, ct: (ct * 2,))

    def f(x):
        a = x * 1
        return np.sum(custom(a) * a)

    for transform in (ad.grad, ad.hessian):
        with pytest.raises(TracingError, match="in place"):
            transform(f)(W)


def test_custom_rules_may_work_in_place_on_what_they_are_given():
    @ad.custom_vjp
    def twice(x):
        return x * 2.0

    def backward(_, ct):
        ct *= 2
        return (ct,)

    twice.defvjp(lambda x: (x * 2.0, None), backward)
    np.testing.assert_allclose(ad.grad(lambda x: np.sum((twice(x) + x) ** 2))(W), 18 * W)
    np.testing.assert_allclose(ad.hessian(lambda x: np.sum((twice(x) + x) ** 2))(W), 18 * np.eye(2))

    @ad.custom_jvp
    def square(x):
        return x**2

    @square.defjvp
    def _(primals, tangents):
        (x,), (dot,) = primals, tangents
        dot *= 2 * x
        return x**2, dot

    t = np.ones(2)
    np.testing.assert_allclose(ad.jvp(lambda x: square(x) + x, (W,), (t,))[1], 2 * W + 1)
    np.testing.assert_array_equal(t, 1.0)


@pytest.mark.parametrize(
    "rule",
    [
        lambda p, t: (p[0] ** 2, np.ones(3)),
        lambda p, t: (p[0] ** 2, t[0][:1]),
        lambda p, t: (p[0] ** 2, (t[0], t[0])),
        lambda p, t: 2 * p[0] * t[0],
    ],
)
def test_jvp_rules_of_the_wrong_shape(rule):
    square = ad.custom_jvp(lambda x: x**2)
    square.defjvp(rule)
    with pytest.raises(RuleError, match="jvp"):
        ad.jvp(square, (W,), (W,))
    with pytest.raises(RuleError, match="jvp"):
        ad.grad(lambda x: np.sum(square(x)))(W)


@pytest.mark.parametrize("argnums", [(0, 0), (0, -2), "x", 1.0, (0, 0.5)])
def test_argnums_that_mean_nothing(argnums):
    with pytest.raises(InputError, match="argnums"):
        ad.grad(lambda x, y: np.sum(x) * y, argnums)(W, 2.0)


def test_derivative_nests_in_itself():
    f = nested = lambda t: np.exp(np.sin(t))  # noqa: E731
    for order in range(1, 5):
        nested = ad.derivative(nested)
        np.testing.assert_allclose(nested(0.3), ad.derivative(f, order=order)(0.3), rtol=1e-12)
    both = ad.derivative(ad.derivative(f, order=2), order=2)
    np.testing.assert_allclose(both(0.3), ad.derivative(f, order=4)(0.3), rtol=1e-12)


@pytest.mark.parametrize("outer", [ad.grad, ad.derivative])
@pytest.mark.parametrize("inner", [ad.grad, ad.derivative])
def test_derivative_inside_another(outer, inner):
    assert outer(lambda x: x * inner(lambda y: x * y * y)(x))(2.0) == 24.0
    g = lambda x: inner(lambda y: outer(lambda z: x * y * z**2)(y))(x)  # noqa: E731
    assert outer(g)(3.0) == 24.0


def test_vmap_leaves_its_arguments_alone():
    def f(row):
        row *= 3
        return np.sum(row)

    a = np.ones((2, 3))
    ad.vmap(f)(a)
    np.testing.assert_array_equal(a, 1.0)
    g = lambda x: np.sum(ad.vmap(f)(x) * x[:, 0])  # noqa: E731
    np.testing.assert_allclose(ad.grad(g)(a), [[12.0, 3.0, 3.0]] * 2)


def test_structured_arrays_do_not_take_traced_values():
    dtype = [("a", float), ("b", int)]
    for make in (
        lambda x: np.array([(x[0], 1)], dtype=dtype),
        lambda x: x.astype([("a", float)]),
        lambda x: np.asarray(x, dtype=[("a", float)]),
    ):
        with pytest.raises(AdjointError):
            ad.grad(lambda x, make=make: np.sum(make(x)["a"]))(W)


def test_iter_of_a_callable_that_is_iterable():
    class Both:
        def __call__(self):
            return 1.0

        def __iter__(self):
            return iter([2.0, 3.0])

    def f(x):
        values = iter([4.0, 5.0, 0.0])
        return x * next(iter(Both())) + x * sum(iter(lambda: next(values), 0.0))

    assert ad.grad(f)(1.0) == 11.0
