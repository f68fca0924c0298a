"""Models as trees of arrays."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn, tree
from adjoint.errors import InputError


class Dense(nn.Module):
    def __init__(self, inputs, outputs, rng, activation=None):
        self.weight = rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)
        self.bias = np.zeros(outputs)
        self.activation = activation
        self.outputs = outputs

    def __call__(self, x):
        y = x @ self.weight + self.bias
        return y if self.activation is None else self.activation(y)


class Net(nn.Module):
    def __init__(self, sizes, rng):
        pairs = zip(sizes, sizes[1:], strict=False)
        self.layers = [Dense(a, b, rng, np.tanh) for a, b in pairs]
        self.scale = np.float64(2.0)
        self.shapes = {"sizes": sizes}

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x * self.scale


NET = Net([3, 4, 2], np.random.default_rng(0))
X = np.linspace(-1, 1, 15).reshape(5, 3)
Y = np.ones((5, 2))


def loss(net, x, y):
    return np.mean((net(x) - y) ** 2)


def test_the_leaves_are_the_arrays():
    names = [name for name, _ in nn.named_parameters(NET)]
    assert names == [
        ".layers[0].weight", ".layers[0].bias", ".layers[1].weight", ".layers[1].bias", ".scale",
    ]  # fmt: skip
    assert nn.parameter_count(NET) == 3 * 4 + 4 + 4 * 2 + 2 + 1


def test_a_gradient_is_a_model_too():
    g = ad.grad(loss)(NET, X, Y)
    assert type(g) is Net and tree.structure(g) == tree.structure(NET)
    step = 1e-6
    moved = NET.replace(scale=NET.scale + step), NET.replace(scale=NET.scale - step)
    slope = (loss(moved[0], X, Y) - loss(moved[1], X, Y)) / (2 * step)
    np.testing.assert_allclose(g.scale, slope, rtol=1e-8)


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
def test_compiled(backend):
    run = ad.jit(ad.value_and_grad(loss), backend=backend)
    value, g = run(NET, X, Y)
    want = ad.grad(loss)(NET, X, Y)
    np.testing.assert_allclose(value, loss(NET, X, Y), rtol=1e-12)
    for a, b in zip(tree.flatten(g)[0], tree.flatten(want)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    # Other numbers in the same model are no reason to stage it again.
    run(tree.map_leaves(lambda x: x * 0.5, NET), X, Y)
    assert "1 graph" in ad.report(run)


def test_settings_are_structure():
    other = Net([3, 4, 2], np.random.default_rng(0))
    assert tree.structure(other) == tree.structure(NET)
    linear = Dense(3, 4, np.random.default_rng(0))
    assert tree.structure(linear) != tree.structure(NET.layers[0])


def test_a_model_cannot_be_changed():
    with pytest.raises(AttributeError, match="replace"):
        NET.scale = 3.0
    with pytest.raises(AttributeError, match="changed"):
        del NET.scale
    with pytest.raises(AttributeError, match="no attribute 'size'"):
        NET.replace(size=1)
    assert NET.replace(scale=np.float64(1.0)).scale == 1.0 and NET.scale == 2.0


def test_a_generator_is_refused():
    class Noisy(nn.Module):
        def __init__(self, rng):
            self.rng = rng

    with pytest.raises(InputError, match=r"Noisy\.rng is a random generator"):
        Noisy(np.random.default_rng(0))


def test_attributes_keep_their_order_and_children_their_place():
    again = tree.unflatten(*reversed(tree.flatten(NET)))
    assert list(vars(again)) == list(vars(NET))
    assert repr(again) == repr(NET)
    # A place of an array may hold something else for a while: a transformation's.
    marks = tree.map_leaves(lambda x: None, NET)
    assert marks.layers[0].weight is None and marks.layers[0].outputs == 4


def test_subclasses_and_inheritance():
    class Shifted(Dense):
        def __init__(self, *args):
            super().__init__(*args)
            self.shift = np.ones(self.outputs)

        def __call__(self, x):
            return super().__call__(x) + self.shift

    model = Shifted(3, 2, np.random.default_rng(1), np.tanh)
    g = ad.grad(lambda m: np.sum(m(X) ** 2))(model)
    np.testing.assert_allclose(g.shift, 2 * np.sum(model(X), axis=0), rtol=1e-12)


def test_functions_and_numbers_among_layers_are_structure():
    class Chain(nn.Module):
        def __init__(self, *layers):
            self.layers = layers
            self.heads = {"a": [NET, 2.0, None], "b": "text"}

        def __call__(self, x):
            for layer in self.layers:
                x = layer(x)
            return x * self.heads["a"][1]

    rng = np.random.default_rng(2)
    model = Chain(Dense(3, 4, rng), np.tanh, Dense(4, 2, rng))
    assert len(tree.flatten(model)[0]) == 4 + 5
    assert [name for name, _ in nn.named_parameters(model)][2] == ".layers[2].weight"
    g = ad.grad(loss)(model, X, Y)
    assert g.layers[1] is np.tanh and g.heads["a"][1] == 2.0 and g.heads["b"] == "text"
    np.testing.assert_allclose(g.layers[2].bias, np.mean(2 * (model(X) - Y), axis=0))
    assert tree.structure(Chain(NET, np.sin)) != tree.structure(Chain(NET, np.tanh))
    marks = tree.map_leaves(lambda x: None, model)
    assert marks.layers[1] is np.tanh and marks.layers[2].bias is None


def test_settings_are_constants_of_a_graph():
    class Power(nn.Module):
        def __init__(self, exponent, scale):
            self.exponent, self.scale = exponent, scale
            self.shift = np.zeros(3)

        def __call__(self, x):
            if self.scale > 1.0:
                x = x * self.scale
            return x**self.exponent + self.shift

    model = Power(2.0, 3.0)
    run = ad.jit(lambda m, x: np.sum(m(x)), backend="interpret")
    x = np.arange(3.0)
    assert run(model, x) == np.sum((3 * x) ** 2)
    assert run(model.replace(scale=0.5), x) == np.sum(x**2)
    assert "2 graphs" in ad.report(run)
    assert " = if" not in str(ad.stage(lambda x: model(x))(x))


def test_a_module_made_of_traced_values():
    class Scaled(nn.Module):
        def __init__(self, factors):
            self.factors = [factors, np.tanh]

        def __call__(self, x):
            return self.factors[1](x) * self.factors[0]

    factor = np.array([2.0, 3.0, 4.0])
    g = ad.grad(lambda w: ad.grad(lambda m: np.sum(m(X) ** 2))(Scaled(w)).factors[0][0])(factor)
    np.testing.assert_allclose(g, [2 * np.sum(np.tanh(X[:, 0]) ** 2), 0, 0], rtol=1e-12)


def test_what_replaces_is_looked_at_anew():
    plain = Dense(3, 4, np.random.default_rng(0)).replace(activation=None)
    model = plain.replace(activation=Dense(4, 4, np.random.default_rng(0)))
    assert len(tree.flatten(model)[0]) == 4
    chain = Net([3, 4, 2], np.random.default_rng(0)).replace(layers=[np.tanh, plain, 2.0])
    again = tree.unflatten(*reversed(tree.flatten(chain)))
    assert again.layers[0] is np.tanh and again.layers[2] == 2.0
    # Without another setting the structure is the same object.
    moved = plain.replace(weight=plain.weight * 2)
    assert vars(moved)["_layout"] is vars(plain)["_layout"]
    assert tree.structure(plain.replace(outputs=5)) != tree.structure(plain)


def test_copies():
    import copy
    import pickle

    for other in (copy.deepcopy(NET), copy.copy(NET), pickle.loads(pickle.dumps(NET))):
        assert tree.structure(other) == tree.structure(NET)
        np.testing.assert_array_equal(other(X), NET(X))


def test_calls_of_jitted_functions_know_a_model_again():
    class Pair(nn.Module):
        def __init__(self, factor):
            self.parts = (np.ones(3), np.tanh, factor)

        def __call__(self, x):
            return self.parts[1](x * self.parts[0]) * self.parts[2]

    run = ad.jit(lambda m, x: m(x), backend="llvm")
    x = np.arange(3.0)
    for model in (Pair(2.0), Pair(2.0), Pair(3.0), Pair(2.0)):
        for scale in (1.0, 2.0):
            now = tree.map_leaves(lambda a: a * scale, model)  # noqa: B023
            np.testing.assert_allclose(run(now, x), now(x), rtol=1e-14)
    assert "2 graphs" in ad.report(run)
    back = ad.jit(lambda m: tree.map_leaves(lambda a: a + 1.0, m))
    made = back(back(Pair(2.0)))
    assert made.parts[1] is np.tanh and made.parts[2] == 2.0
    np.testing.assert_array_equal(made.parts[0], np.full(3, 3.0))


def test_a_jitted_step_is_found_again_without_looking_it_up(monkeypatch):
    class Line(nn.Module):
        def __init__(self, slope, power):
            self.slope, self.power = slope, power

    def step(model, options):
        return Line(model.slope**model.power * options["rate"], model.power), {"n": model.slope}

    jitted = ad.jit(step)
    jitted(Line(np.ones(1) * 2, 2), {"rate": 0.5})
    monkeypatch.setattr(jitted, "_leaves", None)  # the slow way
    model, rest = jitted(Line(np.ones(1) * 3, 2), {"rate": 0.5})
    assert isinstance(model, Line) and model.slope == [4.5] and rest["n"] == [3.0]
    monkeypatch.undo()
    # Another structure is another graph.
    assert jitted(Line(np.ones(1) * 2, 3), {"rate": 0.5})[0].slope == [4.0]
    assert jitted(Line(np.ones(1) * 3, 2), {"rate": 0.5})[0].slope == [4.5]
