"""Initialisers: the moments and bounds of the published formulas, generators, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adjoint.errors import InputError
from adjoint.nn import init

SHAPE = (60, 40, 3, 3)  # fan_in 360, fan_out 540
STD = {
    "xavier_uniform": math.sqrt(2 / 900),
    "xavier_normal": math.sqrt(2 / 900),
    "kaiming_uniform": math.sqrt(2 / 360),
    "kaiming_normal": math.sqrt(2 / 360),
    "lecun_uniform": math.sqrt(1 / 360),
    "lecun_normal": math.sqrt(1 / 360),
}


@pytest.mark.parametrize("name", STD)
def test_moments(name):
    f = getattr(init, name)
    x = f(SHAPE, rng=0)
    assert x.shape == SHAPE and x.dtype == np.float32
    assert abs(x.std() / STD[name] - 1) < 0.01 and abs(x.mean()) < STD[name] / 50
    largest = np.abs(x).max() / STD[name]
    assert largest <= math.sqrt(3) * (1 + 1e-6) if "uniform" in name else largest > 3.5
    assert f(SHAPE, rng=0, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(x, f(SHAPE, rng=np.random.default_rng(0)))


def test_options():
    close = lambda x, std: abs(x.std() / std - 1) < 0.01
    assert close(init.xavier_normal(SHAPE, rng=0, gain=2.0), 2 * STD["xavier_normal"])
    assert close(init.kaiming_normal(SHAPE, rng=0, mode="fan_out"), math.sqrt(2 / 540))
    assert close(init.kaiming_uniform(SHAPE, rng=0, a=2.0), math.sqrt(2 / 5 / 360))
    tanh = init.kaiming_normal(SHAPE, rng=0, nonlinearity="tanh")
    assert close(tanh, 5 / 3 / math.sqrt(360))
    assert init.glorot_uniform is init.xavier_uniform and init.he_normal is init.kaiming_normal
    assert init.zeros(3).dtype == np.float32 and init.ones((2, 3)).sum() == 6
    x = init.normal((10000,), 2.0, 0.5, rng=0)
    assert abs(x.mean() - 2) < 0.02 and close(x, 0.5)
    assert init.uniform((2, 0), rng=0).shape == (2, 0)


def test_truncated_normal():
    x = init.truncated_normal((20000,), 1.0, 2.0, -1.0, 2.0, rng=0, dtype=np.float64)
    assert x.min() >= -1 and x.max() <= 2
    # Its mean is μ + σ (φ(a) − φ(b))/(Φ(b) − Φ(a)).
    a, b = -1.0, 0.5
    density = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    below = lambda z: 0.5 * math.erfc(-z / math.sqrt(2))
    mean = 1 + 2 * (density(a) - density(b)) / (below(b) - below(a))
    assert abs(x.mean() - mean) < 0.02


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 3, 2, 2)])
def test_orthogonal(shape):
    q = init.orthogonal(shape, rng=0, gain=2.0, dtype=np.float64)
    assert q.shape == shape
    q = q.reshape(shape[0], -1)
    gram = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_gains():
    torch_ones = {
        "linear": 1.0, "conv2d": 1.0, "conv_transpose1d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3,
        "relu": math.sqrt(2), "selu": 0.75, "leaky_relu": math.sqrt(2 / (1 + 1e-4)),
    }  # fmt: skip
    for name, gain in torch_ones.items():
        assert init.calculate_gain(name) == pytest.approx(gain, rel=1e-15)
    assert init.calculate_gain("leaky_relu", 1.0) == 1.0


def test_errors():
    for bad in (None, -1, 1.5, True, "0", np.random.RandomState(0)):
        with pytest.raises(InputError, match=r"np\.random\.default_rng\(0\)"):
            init.normal((2, 2), rng=bad)
    with pytest.raises(InputError, match="has no fans"):
        init.xavier_uniform((3,), rng=0)
    with pytest.raises(InputError, match="dtype is int64"):
        init.zeros((3,), dtype=np.int64)
    with pytest.raises(InputError, match="mode is 'fan'"):
        init.kaiming_normal((3, 3), rng=0, mode="fan")
    with pytest.raises(InputError, match="it is one of linear"):
        init.calculate_gain("swish")
