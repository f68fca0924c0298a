"""Linear layers, embeddings, dropout and sequences of layers."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.errors import InputError
from tests.nn.layers import check, check_torch

RNG = np.random.default_rng(0)
F8 = {"rng": 0, "dtype": np.float64}
X = RNG.normal(size=(4, 3))
LAYERS = {
    "linear": (lambda: nn.Linear(3, 5, **F8), lambda t: t.nn.Linear(3, 5), (X,)),
    "linear without bias": (
        lambda: nn.Linear(3, 5, False, **F8), lambda t: t.nn.Linear(3, 5, False), (X,),
    ),
    "linear, of more axes": (
        lambda: nn.Linear(3, 2, **F8), lambda t: t.nn.Linear(3, 2), (X.reshape(2, 2, 1, 3),),
    ),
    "linear, of one axis": (lambda: nn.Linear(3, 2, **F8), lambda t: t.nn.Linear(3, 2), (X[0],)),
    "bilinear": (
        lambda: nn.Bilinear(3, 2, 5, **F8),
        lambda t: t.nn.Bilinear(3, 2, 5),
        (X, RNG.normal(size=(4, 2))),
    ),
    "bilinear without bias": (
        lambda: nn.Bilinear(3, 3, 1, False, **F8),
        lambda t: t.nn.Bilinear(3, 3, 1, False),
        (X, X[::-1].copy()),
    ),
    "embedding": (
        lambda: nn.Embedding(6, 3, **F8),
        lambda t: t.nn.Embedding(6, 3),
        (np.array([[0, 5, 2], [2, 2, 1]]),),
    ),
    "embedding with padding": (
        lambda: nn.Embedding(6, 3, -4, **F8),
        lambda t: t.nn.Embedding(6, 3, -4),
        (np.array([[0, 5, 2], [2, 2, 1]]),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_like_torch(name):
    make, theirs, inputs = LAYERS[name]
    check_torch(make(), theirs, *inputs)


@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_and_tiers(name):
    make, _, inputs = LAYERS[name]
    if "padding" in name:  # its gradient is not that of its value
        return test_padding_gets_no_gradient()
    return check(make(), *inputs)


def test_formulas():
    layer = nn.Linear(3, 2, **F8)
    np.testing.assert_allclose(layer(X), np.einsum("ni,oi->no", X, layer.weight) + layer.bias)
    bilinear = nn.Bilinear(3, 2, 4, **F8)
    z = RNG.normal(size=(4, 2))
    want = np.einsum("ni,oij,nj->no", X, bilinear.weight, z) + bilinear.bias
    np.testing.assert_allclose(bilinear(X, z), want, rtol=1e-12)


def test_what_is_drawn():
    layer = nn.Linear(100, 50, rng=0)
    assert layer.weight.shape == (50, 100) and layer.weight.dtype == np.float32
    assert 0.098 < np.abs(layer.weight).max() <= 0.1 and np.abs(layer.bias).max() <= 0.1
    again = nn.Linear(100, 50, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(layer.weight, again.weight)
    assert nn.Linear(3, 2, False, rng=0).bias is None
    embedding = nn.Embedding(1000, 20, 3, rng=0)
    assert abs(embedding.weight.std() - 1) < 0.02 and not embedding.weight[3].any()


def test_padding_gets_no_gradient():
    embedding = nn.Embedding(6, 3, 2, **F8)
    indices = np.array([[0, 5, 2], [2, 2, 1]])
    for wrap in (lambda f: f, ad.jit):
        g = wrap(ad.grad(lambda e: np.sum(e(indices) ** 2) + np.sum(e(indices))))(embedding)
        assert not g.weight[2:5].any() and g.weight[[0, 1, 5]].all()
    with pytest.raises(InputError, match="padding_idx is 6; there are 6 rows"):
        nn.Embedding(6, 3, 6, rng=0)


def test_dropout():
    x = np.ones((50, 40))
    layer = nn.Dropout(0.25)
    assert layer(x) is x and nn.Dropout(0.0)(x, np.random.default_rng(0)) is x
    assert not nn.Dropout(1.0)(x, np.random.default_rng(0)).any()
    y = layer(x, np.random.default_rng(0))
    assert set(np.unique(y)) == {0.0, 1 / 0.75} and abs(np.mean(y == 0) - 0.25) < 0.03
    single = layer(x.astype(np.float32), np.random.default_rng(0))
    assert single.dtype == np.float32
    g = ad.grad(lambda x: np.sum(layer(x, np.random.default_rng(0))))(x)
    np.testing.assert_array_equal(g, y)
    with pytest.raises(InputError, match="p is 1.5"):
        nn.Dropout(1.5)


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
def test_compiled_dropout_draws_anew(backend):
    layer = nn.Dropout(0.5)
    x = np.ones((8, 8), np.float32)
    run = ad.jit(ad.value_and_grad(lambda x, rng: np.sum(layer(x * x, rng))), backend=backend)
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(3):
        value, g = run(x, rng)
        want = layer(x, same)
        assert value == np.sum(want)
        np.testing.assert_array_equal(g, 2 * want)
    assert "1 graph" in ad.report(run)


def network(**options):
    rng = np.random.default_rng(3)
    return nn.Sequential(
        nn.Linear(3, 4, rng=rng, dtype=np.float64),
        nn.BatchNorm1d(4, dtype=np.float64),
        nn.relu,
        nn.Sequential(nn.Dropout(0.5), lambda x: x * 2.0),
        nn.Linear(4, 2, rng=rng, dtype=np.float64),
    )


def test_sequential():
    model = network()
    state = model.init_state()
    assert [s is None for s in state] == [True, False, True, True, True]
    first, norm, _, _, last = model.layers
    y, new = model(X, state)
    hidden, kept = norm(first(X), state[1])
    np.testing.assert_array_equal(y, last(np.maximum(hidden, 0) * 2))
    np.testing.assert_array_equal(new[1].running_mean, kept.running_mean)
    y, same = model(X, new, training=False)
    assert same[1] is new[1]
    dropped, _ = model(X, state, rng=np.random.default_rng(0))
    assert not np.array_equal(dropped, model(X, state)[0])
    with pytest.raises(InputError, match=r"model\.init_state\(\)"):
        model(X)
    with pytest.raises(InputError, match="of 4 layers, not of 5"):
        model(X, state[1:])
    with pytest.raises(InputError, match="layers and functions"):
        nn.Sequential(nn.Linear(2, 2, rng=0), 3)  # type: ignore[arg-type]
    plain = nn.Sequential(first, np.tanh)
    assert plain.init_state() is None
    np.testing.assert_array_equal(plain(X), np.tanh(first(X)))


@pytest.mark.parametrize("backend", ["interpret", "llvm"])
def test_sequential_compiled(backend):
    model = network()

    def loss(model, state, x, rng):
        y, state = model(x, state, rng=rng)
        return np.mean(y**2), state

    gradient = ad.value_and_grad(loss, has_aux=True)
    run = ad.jit(gradient, backend=backend)
    state = other = model.init_state()
    a, b = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(3):
        (value, state), g = run(model, state, X, a)
        (want, other), h = gradient(model, other, X, b)
        np.testing.assert_allclose(value, want, rtol=1e-12)
        np.testing.assert_allclose(state[1].running_var, other[1].running_var, rtol=1e-12)
        np.testing.assert_allclose(g.layers[0].weight, h.layers[0].weight, rtol=1e-9, atol=1e-13)
    assert "1 graph" in ad.report(run)
    assert state[1].num_batches_tracked == 3


def test_what_layers_take_is_seen():
    class Noise(nn.Module):
        def __call__(self, x, rng=None, training=True):
            return x if rng is None else x + rng.random(x.shape)

    def noise(x, rng=None):
        return x if rng is None else x + rng.random(x.shape)

    x = np.zeros(3)
    for layer in (Noise(), noise):
        model = nn.Sequential(np.exp, layer)
        np.testing.assert_array_equal(model(x), np.ones(3))
        got = model(x, rng=np.random.default_rng(0))
        np.testing.assert_array_equal(got, 1 + np.random.default_rng(0).random(3))
