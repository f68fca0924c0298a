"""PyTorch: the networks as its users write them, eager or through ``torch.compile``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from adjoint import nn as ours
from benchmarks.networks import RATE, Network
from benchmarks.peers import torch_peer

__all__ = ["prepare", "setup"]

nn = torch.nn


def setup(threads: int) -> None:
    """Set the number of threads, and make a step of something small: much is imported by it."""
    torch_peer.setup(threads)
    torch.set_default_dtype(torch.float32)
    module = nn.Linear(3, 3)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)
    nn.functional.cross_entropy(module(torch.ones(2, 3)), torch.tensor([0, 1])).backward()
    optimizer.step()


def perceptron(s: dict[str, int], dropout: float) -> nn.Module:
    """Return a multilayer perceptron."""
    inner: list[nn.Module] = []
    for m, n in ((s["inputs"], s["hidden"]), (s["hidden"], s["hidden"])):
        inner += [nn.Linear(m, n), nn.ReLU()] + ([nn.Dropout(dropout)] if dropout else [])
    return nn.Sequential(*inner, nn.Linear(s["hidden"], s["classes"]))


def convolutional(s: dict[str, int], dropout: float) -> nn.Module:
    """Return a network of convolutions."""
    n = s["channels"]
    return nn.Sequential(
        nn.Conv2d(1, n, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(n, 2 * n, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * n * (s["side"] // 4) ** 2, s["hidden"]),
        nn.ReLU(),
        nn.Linear(s["hidden"], s["classes"]),
    )


class Tagger(nn.Module):
    """An LSTM, and what it says of each step's class."""

    def __init__(self, s: dict[str, int], dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(s["inputs"], s["hidden"], batch_first=True)
        self.linear = nn.Linear(s["hidden"], s["classes"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, time, classes)."""
        return self.linear(self.lstm(x)[0])


class LanguageModel(nn.Module):
    """A causal transformer over tokens, its norms first, with learned places."""

    def __init__(self, s: dict[str, int], dropout: float) -> None:
        super().__init__()
        n, time = s["width"], s["time"]
        self.embedding = nn.Embedding(s["classes"], n)
        self.positions = nn.Parameter(torch.empty(time, n))
        layer = nn.TransformerEncoderLayer(
            n, s["heads"], s["feedforward"], dropout, norm_first=True, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, s["layers"], nn.LayerNorm(n), enable_nested_tensor=False
        )
        self.head = nn.Linear(n, s["classes"])
        mask = nn.Transformer.generate_square_subsequent_mask(time)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, time, classes)."""
        x = self.embedding(tokens) + self.positions
        return self.head(self.encoder(x, mask=self.mask, is_causal=True))


KINDS: dict[str, Callable[[dict[str, int], float], nn.Module]] = {
    "mlp": perceptron, "cnn": convolutional, "lstm": Tagger, "transformer": LanguageModel,
}  # fmt: skip


def prepare(
    network: Network, size: str, model: Any, data: tuple[np.ndarray, ...], compiled: bool = False
) -> Callable[[], float]:
    """Return what makes a step and returns the loss before it."""
    module = KINDS[network.kind](network.sizes[size], network.dropout).float()
    module.load_state_dict(ours.to_torch_state_dict(model))
    module.train()
    torch.manual_seed(2)
    x, labels = (torch.from_numpy(array) for array in data)
    # One kernel for all of a parameter's update: the fastest that PyTorch has on a CPU.
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)

    def loss_of(x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(module(x).flatten(0, -2), labels.flatten())

    objective = torch.compile(loss_of) if compiled else loss_of

    def run() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = objective(x, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return run
