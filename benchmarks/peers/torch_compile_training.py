"""``torch.compile`` of model and loss; the optimiser's update is PyTorch's fused kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.networks import Network
from benchmarks.peers import torch_compile_peer, torch_training

__all__ = ["prepare", "setup"]


def setup(threads: int) -> None:
    """Set the number of threads, and start the compiler, in this process so that it is timed."""
    torch_training.setup(threads)
    torch_compile_peer.setup(threads)
    torch_training.setup(threads)


def prepare(
    network: Network, size: str, model: Any, data: tuple[np.ndarray, ...]
) -> Callable[[], float]:
    """Return what makes a step and returns the loss before it."""
    return torch_training.prepare(network, size, model, data, compiled=True)
