"""A small model with dropout and a state, and data, for the tests of training."""

import numpy as np

from adjoint import nn, optim

RNG = np.random.default_rng(3)
X = RNG.normal(size=(50, 3))
Y = np.tanh(X @ np.array([[1.0], [-2.0], [0.5]])) + 0.3


class Net(nn.Module):
    def __init__(self, seed=0, hidden=8):
        rng = np.random.default_rng(seed)
        self.first = nn.Linear(3, hidden, rng=rng, dtype=np.float64)
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(hidden, 1, rng=rng, dtype=np.float64)
        self.mask = np.arange(3)

    def __call__(self, x, rng=None):
        return self.last(self.drop(np.tanh(self.first(x)), rng))


def loss(model, x, y):
    return np.mean((model(x) - y) ** 2)


def noisy_loss(model, x, y, *, rng=None):
    return np.mean((model(x, rng) - y) ** 2)


def mean_loss(model, x, y, *, rng=None, state=None, training=True):
    """Keeps a running mean of the outputs, as normalisation does."""
    z = model(x, rng)
    if training:
        state = {"mean": 0.9 * state["mean"] + 0.1 * np.mean(z)}
    return np.mean((z - state["mean"] - y) ** 2), state


SETTINGS = dict(optimizer=optim.Adam(lr=0.02), batch_size=16, progress=False)
