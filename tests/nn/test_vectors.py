"""Models as vectors."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint import nn
from adjoint.errors import InputError

RNG = np.random.default_rng(0)
NET = nn.Sequential(
    nn.Linear(3, 4, rng=RNG), np.tanh, nn.Linear(4, 2, rng=RNG, dtype=np.float64), nn.PReLU()
)
X = RNG.standard_normal((5, 3))


def loss(model, x):
    return np.sum(model(x) ** 2)


def test_order_and_back():
    vector = nn.parameters_to_vector(NET)
    parts = [np.reshape(p, -1) for _, p in nn.named_parameters(NET)]
    assert vector.dtype == np.float64
    np.testing.assert_array_equal(vector, np.concatenate(parts))
    again = nn.vector_to_parameters(vector + 1, NET)
    for (name, new), (same, old) in zip(
        nn.named_parameters(again), nn.named_parameters(NET), strict=True
    ):
        assert name == same and new.dtype == old.dtype
        np.testing.assert_allclose(new, old + 1, rtol=1e-6)
    assert again.layers[1] is np.tanh


def test_gradients_are_models():
    vector = nn.parameters_to_vector(NET)
    of_vector = ad.grad(lambda v: loss(nn.vector_to_parameters(v, NET), X))(vector)
    of_model = nn.parameters_to_vector(ad.grad(loss)(NET, X))
    np.testing.assert_allclose(of_vector, of_model, rtol=1e-6)


@pytest.mark.parametrize("backend", ["llvm", "interpret"])
def test_hessian_vector_products(backend):
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    net = nn.Sequential(
        nn.Linear(3, 8, rng=1, dtype=np.float64),
        np.tanh,
        nn.Linear(8, 2, rng=1, dtype=np.float64),
    )
    of_vector = lambda v: loss(nn.vector_to_parameters(v, net), X)
    product = ad.jit(lambda v, d: ad.hvp(of_vector, (v,), (d,)), backend=backend)
    vector = nn.parameters_to_vector(net)
    direction = np.random.default_rng(1).standard_normal(len(vector))
    expected = ad.hessian(of_vector)(vector) @ direction
    np.testing.assert_allclose(product(vector, direction), expected, rtol=1e-9, atol=1e-9)
    with pytest.raises((InputError, ValueError)):  # another length is another call of the graph
        product(np.ones(len(vector) + 1), np.ones(len(vector) + 1))
    with pytest.raises((InputError, ValueError)):
        product(vector[1:], direction[1:])


def test_wrong_vectors():
    count = nn.parameter_count(NET)
    with pytest.raises(InputError, match=f"has {count + 1} numbers, but the model {count}"):
        nn.vector_to_parameters(np.ones(count + 1), NET)
    with pytest.raises(InputError, match="one axis"):
        nn.vector_to_parameters(np.ones((count, 1)), NET)
    with pytest.raises(InputError):
        nn.parameters_to_vector({"n": 3})
