"""What the transformations return: structures, shapes, modes, and errors for what they refuse."""

import collections
import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

import adjoint as ad
from adjoint.errors import InputError, NonDifferentiableError, RuleError, TracingError

Pair = collections.namedtuple("Pair", "first second")


@dataclasses.dataclass(frozen=True)
class Model:
    weight: np.ndarray
    bias: float


def model_loss(model, x):
    return np.sum(np.tanh(x @ model.weight + model.bias))


def test_gradients_have_the_structure_of_their_argument():
    x = np.arange(6.0).reshape(3, 2) / 5
    gradient = ad.grad(model_loss)(Model(np.array([0.3, -0.2]), 0.1), x)
    assert isinstance(gradient, Model)
    assert gradient.weight.shape == (2,)
    nested = ad.grad(lambda p: p["a"][0] * p["b"].second.sum())(
        {"a": [2.0, 1.0], "b": Pair(1.0, np.ones(3))}
    )
    assert nested["a"] == [3.0, 0.0]
    assert isinstance(nested["b"], Pair)
    assert_allclose(nested["b"].second, [2.0, 2.0, 2.0])


def test_registered_classes_are_containers():
    class Box:
        def __init__(self, content):
            self.content = content

    ad.register_pytree_node(Box, lambda b: ((b.content,), None), lambda _, c: Box(c[0]))
    assert_allclose(ad.grad(lambda b: np.sum(b.content**2))(Box(np.ones(2))).content, [2.0, 2.0])


def test_argnums_and_keywords():
    def f(a, b, scale=1.0):
        return scale * a * b

    assert ad.grad(f, argnums=(1, 0))(2.0, 3.0) == (2.0, 3.0)
    assert ad.grad(f, argnums=-1)(2.0, 3.0, scale=10.0) == 20.0
    value, (da, db) = ad.value_and_grad(f, argnums=(0, 1))(2.0, 3.0)
    assert (value, da, db) == (6.0, 3.0, 2.0)
    with pytest.raises(InputError, match="argument 2"):
        ad.grad(f, argnums=2)(2.0, 3.0)


def test_results_are_ordinary_arrays():
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for gradient in (
        ad.grad(lambda x: np.sum(x.T @ x))(x),
        ad.grad(np.sum)(x),
        ad.jacobian(lambda x: x)(x[0]),
        ad.vjp(lambda x: x, x)[1](np.ones((2, 3)))[0],
    ):
        assert type(gradient) is np.ndarray
        assert gradient.flags.writeable and gradient.flags.c_contiguous and gradient.flags.owndata
    result = ad.jvp(lambda x: x, (x,), (x,))[0]
    result[:] = 0
    assert x.any(), "a result shares memory with the caller's argument"


@pytest.mark.parametrize("jacobian", [ad.jacfwd, ad.jacrev, ad.jacobian])
def test_jacobians_of_pytrees(jacobian):
    def f(p, s):
        return {"u": p["x"] * s, "v": np.sum(p["x"])}

    blocks = jacobian(f, argnums=(0, 1))({"x": np.array([1.0, 2.0])}, 3.0)
    (du, ds), (dv, zero) = blocks["u"], blocks["v"]
    assert_allclose(du["x"], 3 * np.eye(2))
    assert_allclose(ds, [1.0, 2.0])
    assert_allclose(dv["x"], [1.0, 1.0])
    assert zero == 0.0


def test_jacobian_takes_the_shorter_way(monkeypatch):
    taken = []
    module = __import__("adjoint.api.jacobians", fromlist=["_rows"])
    for name in ("_rows", "_columns"):
        original = getattr(module, name)
        monkeypatch.setattr(
            module,
            name,
            lambda *a, name=name, original=original: taken.append(name) or original(*a),
        )
    ad.jacobian(lambda x: np.sum(x))(np.ones(5))
    ad.jacobian(lambda x: np.full(5, 1.0) * x)(1.0)
    assert taken == ["_rows", "_columns"]


def test_hessian_and_hvp_agree():
    def f(x):
        return np.sum(np.sin(x) * x[::-1]) + x[0] ** 3

    x, v = np.array([0.2, -0.4, 1.1]), np.array([1.0, 2.0, -1.0])
    matrix = ad.hessian(f)(x)
    assert_allclose(matrix, matrix.T, atol=1e-14)
    assert_allclose(ad.hvp(f, (x,), (v,)), matrix @ v, rtol=1e-13)


def test_complex_derivatives():
    z = 0.3 + 0.7j
    assert_allclose(ad.grad(lambda z: z**3, holomorphic=True)(z), 3 * z**2)
    assert_allclose(ad.grad(lambda z: abs(z) ** 2)(z), 2 * np.conj(z))
    assert_allclose(ad.conjugate_grad(lambda z: abs(z) ** 2)(z), 2 * z)
    assert_allclose(ad.jacfwd(lambda t: np.exp(1j * t))(0.4), 1j * np.exp(0.4j))
    with pytest.raises(NonDifferentiableError, match="holomorphic"):
        ad.grad(lambda z: z**2)(z)


def test_linearize_and_vjp_may_be_applied_again():
    x = np.array([0.1, 0.5])
    y, push = ad.linearize(np.sin, x)
    assert_allclose(y, np.sin(x))
    for t in np.eye(2):
        assert_allclose(push(t), np.cos(x) * t)
    value, pull, aux = ad.vjp(lambda x: (x * x, {"size": x.size}), x, has_aux=True)
    assert aux == {"size": 2}
    for ct in np.eye(2):
        assert_allclose(pull(ct)[0], 2 * x * ct)
    with pytest.raises(InputError, match="shape"):
        pull(np.ones(3))


def test_derivatives_of_high_order():
    assert_allclose(ad.derivative(np.exp, order=9)(0.3), np.exp(0.3), rtol=1e-12)
    assert_allclose(ad.derivative(lambda t: 1 / (1 - t), order=6)(0.1), 720 / 0.9**7, rtol=1e-11)
    value, coefficients = ad.taylor(lambda x, y: x @ y, (np.eye(2), np.ones(2)), (
        [np.ones((2, 2)), np.zeros((2, 2))], [np.array([1.0, 0.0]), np.zeros(2)],
    ))  # fmt: skip
    assert_allclose(value, [1.0, 1.0])
    assert_allclose(coefficients, [[3.0, 2.0], [1.0, 1.0]])


class TestVmap:
    def test_axes(self):
        a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
        assert_allclose(ad.vmap(np.dot, in_axes=(0, None))(a, b), a @ b)
        assert_allclose(ad.vmap(lambda c: c * 2, in_axes=1, out_axes=1)(a), a * 2)
        out = ad.vmap(lambda p: {"s": p["x"].sum()}, in_axes=({"x": 0},))({"x": a})
        assert_allclose(out["s"], a.sum(1))

    def test_examples_may_branch(self):
        relu = ad.vmap(ad.grad(lambda x: x if x > 0 else 0.0 * x))
        assert_allclose(relu(np.array([-1.0, 2.0])), [0.0, 1.0])

    def test_inside_a_gradient(self):
        f = ad.vmap(lambda w, x: np.tanh(w @ x), in_axes=(None, 0))
        w, xs = np.array([0.3, -0.5]), np.arange(6.0).reshape(3, 2) / 4
        assert_allclose(
            ad.grad(lambda w: f(w, xs).sum())(w),
            ad.grad(lambda w: np.tanh(xs @ w).sum())(w),
        )

    @pytest.mark.parametrize(
        ("args", "axes"), [((np.ones(2), np.ones(3)), 0), ((1.0,), 0), ((np.ones(2),), (None,))]
    )
    def test_bad_axes(self, args, axes):
        with pytest.raises(InputError):
            ad.vmap(lambda *a: a[0], in_axes=axes)(*args)


class TestCustomRules:
    def test_both_rules(self):
        @ad.custom_vjp
        def f(x, y):
            return x * y

        f.defvjp(lambda x, y: (f(x, y), (x, y)), lambda res, ct: (ct * res[1], ct * res[0] * 10))
        f.defjvp(lambda p, t: (f(*p), p[1] * t[0] + 100 * p[0] * t[1]))
        assert ad.grad(f, argnums=(0, 1))(2.0, 3.0) == (3.0, 20.0)
        assert ad.jvp(f, (2.0, 3.0), (0.0, 1.0))[1] == 200.0

    def test_higher_orders_differentiate_the_rule(self):
        @ad.custom_jvp
        def cube(x):
            return x**3

        cube.defjvp(lambda p, t: (cube(p[0]), 3 * p[0] ** 2 * t[0]))
        assert_allclose(ad.grad(ad.grad(cube))(2.0), 12.0)
        assert_allclose(
            ad.hessian(lambda x: np.sum(cube(x)))(np.array([1.0, 2.0])), np.diag([6, 12])
        )

    def test_nondiff_arguments_come_first(self):
        @lambda f: ad.custom_vjp(f, nondiff_argnums=(0,))
        def apply(f, x):
            return f(x)

        apply.defvjp(lambda f, x: (f(x), x), lambda f, x, ct: (ct * np.cos(x),))
        assert_allclose(ad.grad(lambda x: apply(np.sin, x))(0.3), np.cos(0.3))

    def test_wrong_rules_are_named(self):
        @ad.custom_vjp
        def f(x):
            return x * 2

        f.defvjp(lambda x: (f(x), None), lambda res, ct: (np.ones(3),))
        with pytest.raises(RuleError, match="shape"):
            ad.grad(f)(1.0)
        f.defvjp(lambda x: f(x), lambda res, ct: (ct,))
        with pytest.raises(RuleError, match="pair"):
            ad.grad(f)(1.0)

    def test_captured_values_are_refused(self):
        def outer(x):
            @ad.custom_vjp
            def f(y):
                return x * y

            f.defvjp(lambda y: (f(y), y), lambda y, ct: (ct,))
            return f(x)

        with pytest.raises(TracingError, match="not one of its arguments"):
            ad.grad(outer)(2.0)

    def test_stop_gradient(self):
        assert ad.grad(lambda x: x * ad.stop_gradient({"k": x})["k"])(3.0) == 3.0


def test_checkpoint_recomputes_and_agrees():
    calls = []

    @ad.checkpoint
    def block(p, x):
        calls.append(1)
        return {"y": np.tanh(p["w"] @ x)}

    def loss(p, x):
        for _ in range(3):
            x = block(p, x)["y"]
        return x.sum()

    def plain(p, x):
        for _ in range(3):
            x = np.tanh(p["w"] @ x)
        return x.sum()

    p, x = {"w": np.array([[0.3, -0.2], [0.5, 0.1]])}, np.array([1.0, 2.0])
    assert_allclose(ad.grad(loss)(p, x)["w"], ad.grad(plain)(p, x)["w"], rtol=1e-14)
    assert len(calls) > 3, "nothing was recomputed"
    assert_allclose(
        ad.jvp(lambda x: ad.grad(loss, argnums=1)(p, x), (x,), (x,))[1],
        ad.jvp(lambda x: ad.grad(plain, argnums=1)(p, x), (x,), (x,))[1],
    )


def test_check_grads_finds_a_wrong_rule():
    @ad.custom_vjp
    def f(x):
        return np.sin(x)

    f.defvjp(lambda x: (f(x), x), lambda x, ct: (-ct * np.cos(x),))
    with pytest.raises(AssertionError, match="reverse mode"):
        ad.check_grads(f, (0.4,), modes=("rev",))
    ad.check_grads(np.sin, (np.array([0.4, 2.0]),), order=3)
    ad.check_grads(np.sin, (np.array([0.4, 2.0], np.float32),))


@pytest.mark.parametrize(
    ("f", "x", "error"),
    [
        (lambda x: x, np.ones(2), InputError),
        (lambda x: None, 1.0, InputError),
        (lambda x: 3, 1.0, NonDifferentiableError),
        (lambda x: x, 3, NonDifferentiableError),
        (lambda x: x, np.array([1, 2]), NonDifferentiableError),
        (lambda x: x, "text", NonDifferentiableError),
        (lambda x: x > 0, 1.0, NonDifferentiableError),
    ],
)
def test_what_has_no_gradient_is_refused(f, x, error):
    with pytest.raises(error):
        ad.grad(f)(x)
