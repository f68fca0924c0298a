"""A NaN or an infinity in training: where it began is found, and the model of before is kept."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from adjoint import nn, optim, tree
from adjoint.errors import AdjointError, NonFiniteError
from tests.nn.models import SETTINGS, X, Y

JIT = pytest.mark.parametrize("jit", [False, True])


class Logarithm(nn.Module):
    def __init__(self, seed):
        self.inner = nn.Linear(3, 4, rng=seed, dtype=np.float64)

    def __call__(self, x):
        return np.log(self.inner(x))  # the logarithm


class Net(nn.Module):
    def __init__(self, second):
        self.parts = [nn.Linear(3, 3, rng=0, dtype=np.float64), second]
        self.head = nn.Linear(4, 1, rng=1, dtype=np.float64)

    def __call__(self, x):
        for part in self.parts:
            x = part(x)
        return self.head(x)


def loss(model, x, y):
    return np.mean((model(x) - y) ** 2)


def fails(model, loss=loss, data=(X, Y), **more):
    with pytest.raises(NonFiniteError) as caught:
        nn.fit(model, loss, data, **SETTINGS | {"epochs": 3} | more)
    return caught.value


def line_with(text):
    with open(__file__, encoding="utf-8") as file:
        return next(k for k, line in enumerate(file, 1) if text in line)


@JIT
def test_in_a_layer(jit):
    error = fails(Net(Logarithm(0)), jit=jit)
    assert "the loss is nan at step 1 (epoch 1, batch 1): ln(−" in str(error)
    assert error.layer == ".parts[1] (Logarithm)"
    assert error.place == (__file__, line_with("the logarithm\n"))
    assert isinstance(error, FloatingPointError) and isinstance(error, AdjointError)


@JIT
def test_after_some_steps(jit):
    """The loss falls without bound: after some epochs its logarithm is one of a negative number."""

    def falling(model, x):
        return np.log(np.sum(model["w"]) + np.mean(x))  # falling

    error = fails(
        {"w": np.ones(3)}, falling, np.zeros((32, 2)), optimizer=optim.SGD(lr=0.1), jit=jit,
        epochs=100,
    )  # fmt: skip
    result = error.result
    assert result.stopped == "non_finite" and result.step == error.step > 3
    assert all(np.all(np.isfinite(leaf)) for leaf in tree.flatten(result.model)[0])
    assert len(result.history) == result.epoch == error.step // 2
    assert error.place == (__file__, line_with("# falling\n")) and error.layer is None


@JIT
def test_a_gradient(jit):
    def steep(model, x):
        return np.sum(np.sqrt(np.maximum(x @ model["w"], 0.0)))  # steep

    error = fails({"w": np.ones((3, 1))}, steep, np.eye(3) * [1.0, 0.0, 2.0], jit=jit)
    assert "the gradient is not finite; the loss is 2.414" in str(error)
    assert "the derivative of √" in str(error) and "where the operand is 0.0" in str(error)
    assert error.place == (__file__, line_with("# steep\n"))
    np.testing.assert_array_equal(error.result.model["w"], np.ones((3, 1)))


@JIT
def test_the_data(jit):
    x = X.copy()
    x[17, 2] = np.nan
    error = fails(Net(nn.Linear(3, 4, rng=5, dtype=np.float64)), data=(x, Y), jit=jit)
    assert "data[0] is nan at [17, 2]; it is used first, in .parts[0] (Linear)" in str(error)
    y = Y.copy()
    y[3, 0] = np.inf
    error = fails({"w": np.ones((3, 1))}, lambda m, x, y: np.mean((x @ m["w"] - y) ** 2), (X, y))
    assert "data[1] is inf at [3, 0]; it is used first" in str(error)
    error = fails({"w": np.ones((3, 1))}, lambda m, x: np.mean(x @ m["w"]), lambda: [x])
    assert "the batch is nan at [17, 2]" in str(error)


def test_what_is_computed_from_data_alone():
    def scaled(model, x):
        return np.mean((x / np.std(x, axis=0)) @ model["w"])  # scaled

    error = fails({"w": np.ones((3, 1))}, scaled, np.ones((32, 3)))
    assert error.place == (__file__, line_with("# scaled\n"))
    assert "1 / 0 is inf at [0, 0]" in str(error)


def test_the_update():
    error = fails({"w": np.ones(3)}, lambda m, x: np.sum(m["w"] ** 2) * 1e200, np.zeros((32, 2)),
                  optimizer=optim.SGD(lr=1e200), jit=False)  # fmt: skip
    assert "the update made the model not finite" in str(error)
    assert "the learning rate may be too large" in str(error)


def test_the_same_draws_are_made_again():
    def drawing(model, x, *, rng):
        return np.mean(np.log(rng.random(4) - 0.02) * model["w"])  # drawn

    error = fails({"w": np.ones(4)}, drawing, np.zeros((32, 2)), epochs=200, jit=False)
    assert "the loss is nan" in str(error) and "a constant is not finite" in str(error)
    assert error.place == (__file__, line_with("# drawn\n")) and error.step > 0


def test_a_loss_that_needs_plain_numbers_of_its_data():
    def looked_up(model, x):
        table = {0.0: 1.0, 1.0: 2.0}
        return table[float(x[0])] * np.log(np.sum(model["w"]))

    error = fails({"w": -np.ones(4)}, looked_up, np.zeros(32), jit=False)
    assert "ln(−4) is nan" in str(error)


def test_pythons_own_errors_are_raised_as_they_are():
    def failing(model, x):
        return math.log(np.sum(model["w"]))

    with pytest.raises(ValueError, match="math domain error|positive"):
        nn.fit({"w": -np.ones(4)}, failing, np.zeros(32), epochs=1, jit=False, **SETTINGS)


def test_the_checkpoint_is_of_before(tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "run.safetensors"

    def falling(model, x):
        return np.log(np.sum(model["w"]) + np.mean(x))

    settings = dict(optimizer=optim.SGD(lr=0.1), jit=False, epochs=100, checkpoint=path)
    error = fails({"w": np.ones(3)}, falling, np.zeros((32, 2)), **settings)
    with pytest.raises(NonFiniteError) as again:
        nn.fit({"w": np.ones(3)}, falling, np.zeros((32, 2)), resume=True, **SETTINGS | settings)
    assert again.value.step == error.step
    np.testing.assert_array_equal(again.value.result.model["w"], error.result.model["w"])


def test_it_can_be_sent_between_processes():
    error = fails({"w": -np.ones(4)}, lambda m, x: np.log(np.sum(m["w"])), np.zeros(32), jit=False)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.step == 0
