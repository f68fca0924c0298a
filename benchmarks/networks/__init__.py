"""The networks that are trained beside the peers: models of `adjoint.nn`, data, and the loss.

A peer takes the weights from here by name, and writes the rest in its own terms.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint import nn

__all__ = ["NETWORKS", "RATE", "Network", "Sizes"]

RATE = 1e-3
"""The learning rate; Adam's other settings are PyTorch's defaults."""

Sizes = dict[str, int]


@dataclasses.dataclass(frozen=True)
class Network:
    """A network with its data.

    Attributes
    ----------
    name : str
        As the table shows it.
    kind : str
        By which peers find their version: networks that differ in sizes or dropout share it.
    sizes : dict of str to dict
        For each size ("full", "tiny") the numbers that the functions take.
    make : callable
        ``sizes -> model``.
    data : callable
        ``sizes -> (x, labels)``.
    loss : callable
        ``(model, x, labels, rng) -> number``.
    dropout : float
        With a probability above 0 steps draw, and losses of peers are only similar.
    """

    name: str
    kind: str
    sizes: dict[str, Sizes]
    make: Callable[[Sizes], Any]
    data: Callable[[Sizes], tuple[np.ndarray, np.ndarray]]
    loss: Callable[..., Any]
    dropout: float = 0.0


def cross_entropy(model: Any, x: Any, labels: Any, rng: Any = None) -> Any:
    """Return the mean cross-entropy of what a model says of each label."""
    logits = model(x, rng=rng) if rng is not None else model(x)
    return nn.cross_entropy(np.reshape(logits, (-1, logits.shape[-1])), np.reshape(labels, (-1,)))


# ---------------------------------------------------------------------------- multilayer perceptron


def _mlp(dropout: float) -> Callable[[Sizes], Any]:
    def make(s: Sizes) -> Any:
        lengths, rng = (s["inputs"], s["hidden"], s["hidden"], s["classes"]), _rng()
        layers: list[Any] = []
        for m, n in itertools.pairwise(lengths):
            layers += [nn.Linear(m, n, rng=rng), nn.relu]
            layers += [nn.Dropout(dropout)] if dropout else []
        return nn.Sequential(*layers[: -2 if dropout else -1])

    return make


def _vectors(s: Sizes) -> tuple[np.ndarray, np.ndarray]:
    rng = _rng(1)
    x = rng.normal(size=(s["batch"], s["inputs"])).astype(np.float32)
    return x, rng.integers(0, s["classes"], s["batch"])


# ------------------------------------------------------------------ convolutional network of digits


def _cnn(s: Sizes) -> Any:
    rng, n = _rng(), s["channels"]
    return nn.Sequential(
        nn.Conv2d(1, n, 3, padding=1, rng=rng),
        nn.relu,
        pooled,
        nn.Conv2d(n, 2 * n, 3, padding=1, rng=rng),
        nn.relu,
        pooled,
        flattened,
        nn.Linear(2 * n * (s["side"] // 4) ** 2, s["hidden"], rng=rng),
        nn.relu,
        nn.Linear(s["hidden"], s["classes"], rng=rng),
    )


def pooled(x: Any) -> Any:
    """Return the largest numbers of squares of four."""
    return nn.max_pool2d(x, 2)


def flattened(x: Any) -> Any:
    """Return an image's numbers as one vector."""
    return np.reshape(x, (x.shape[0], -1))


def _images(s: Sizes) -> tuple[np.ndarray, np.ndarray]:
    rng = _rng(1)
    # In the digits of scikit-learn numbers are 0 to 16.
    x = rng.integers(0, 17, (s["batch"], 1, s["side"], s["side"])) / 16
    return x.astype(np.float32), rng.integers(0, s["classes"], s["batch"])


# ---------------------------------------------------------------------------------------- sequences


class Tagger(nn.Module):
    """An LSTM, and what it says of each step's class."""

    def __init__(self, s: Sizes) -> None:
        rng = _rng()
        self.lstm = nn.LSTM(s["inputs"], s["hidden"], rng=rng)
        self.linear = nn.Linear(s["hidden"], s["classes"], rng=rng)

    def __call__(self, x: Any) -> Any:
        """Return logits (batch, time, classes)."""
        return self.linear(self.lstm(x)[0])


def _sequences(s: Sizes) -> tuple[np.ndarray, np.ndarray]:
    rng, shape = _rng(1), (s["batch"], s["time"])
    x = rng.normal(size=(*shape, s["inputs"])).astype(np.float32)
    return x, rng.integers(0, s["classes"], shape)


class LanguageModel(nn.Module):
    """A causal transformer over tokens, its norms first, with learned places."""

    def __init__(self, s: Sizes, dropout: float) -> None:
        rng, n = _rng(), s["width"]
        self.embedding = nn.Embedding(s["classes"], n, rng=rng)
        self.positions = nn.init.normal((s["time"], n), std=0.02, rng=rng)
        layers = [
            nn.TransformerEncoderLayer(
                n, s["heads"], s["feedforward"], dropout, norm_first=True, rng=rng
            )
            for _ in range(s["layers"])
        ]
        self.encoder = nn.TransformerEncoder(layers, nn.LayerNorm(n))
        self.head = nn.Linear(n, s["classes"], rng=rng)

    def __call__(self, tokens: Any, *, rng: Any = None) -> Any:
        """Return logits (batch, time, classes)."""
        x = self.embedding(tokens) + self.positions
        return self.head(self.encoder(x, causal=True, rng=rng))


def _tokens(s: Sizes) -> tuple[np.ndarray, np.ndarray]:
    drawn = _rng(1).integers(0, s["classes"], (s["batch"], s["time"] + 1))
    return drawn[:, :-1].copy(), drawn[:, 1:].copy()


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -------------------------------------------------------------------------------------------- all

MLP = {
    "full": {"inputs": 784, "hidden": 512, "classes": 10, "batch": 128},
    "tiny": {"inputs": 7, "hidden": 8, "classes": 3, "batch": 5},
}
TEN_MILLION = {
    "full": {"inputs": 784, "hidden": 2816, "classes": 10, "batch": 128},
    "tiny": {"inputs": 7, "hidden": 8, "classes": 3, "batch": 5},
}
CNN = {
    "full": {"channels": 32, "side": 8, "hidden": 128, "classes": 10, "batch": 128},
    "tiny": {"channels": 2, "side": 8, "hidden": 6, "classes": 3, "batch": 4},
}
LSTM = {
    "full": {"inputs": 64, "hidden": 256, "classes": 64, "batch": 32, "time": 64},
    "tiny": {"inputs": 3, "hidden": 4, "classes": 3, "batch": 2, "time": 5},
}
TRANSFORMER = {
    "full": {
        "width": 256, "heads": 4, "feedforward": 1024, "layers": 4, "classes": 64, "batch": 16,
        "time": 64,
    },
    "tiny": {
        "width": 8, "heads": 2, "feedforward": 12, "layers": 2, "classes": 5, "batch": 2, "time": 6,
    },
}  # fmt: skip


def _language_model(dropout: float) -> Callable[[Sizes], Any]:
    return lambda s: LanguageModel(s, dropout)


_ALL = (
    Network("mlp", "mlp", MLP, _mlp(0.0), _vectors, cross_entropy),
    Network("digits_cnn", "cnn", CNN, _cnn, _images, cross_entropy),
    Network("lstm", "lstm", LSTM, Tagger, _sequences, cross_entropy),
    Network(
        "transformer", "transformer", TRANSFORMER, _language_model(0.0), _tokens, cross_entropy
    ),
    Network("mlp_dropout", "mlp", MLP, _mlp(0.1), _vectors, cross_entropy, dropout=0.1),
    Network(
        "transformer_dropout", "transformer", TRANSFORMER, _language_model(0.1), _tokens,
        cross_entropy, dropout=0.1,
    ),
    Network("ten_million", "mlp", TEN_MILLION, _mlp(0.0), _vectors, cross_entropy),
)  # fmt: skip
NETWORKS = {network.name: network for network in _ALL}
