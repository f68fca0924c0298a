"""This library: ``ad.jit`` of a step with `adjoint.nn` and `adjoint.optim`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from benchmarks.networks import RATE, Network
from benchmarks.peers import adjoint_peer

__all__ = ["prepare", "setup", "step_of"]

setup = adjoint_peer.setup


def step_of(network: Network) -> Callable[..., Any]:
    """Return the step ``(model, state, x, labels[, rng]) -> (loss, model, state)``."""
    optimizer = ad.optim.Adam(lr=RATE)

    def step(model: Any, state: Any, x: Any, labels: Any, rng: Any = None) -> Any:
        loss, grads = ad.value_and_grad(network.loss)(model, x, labels, rng)
        model, state = optimizer.update(grads, state, model)
        return loss, model, state

    return step


def arguments(network: Network, model: Any, data: tuple[np.ndarray, ...]) -> tuple[Any, ...]:
    """Return the first step's arguments."""
    rng = (np.random.default_rng(2),) if network.dropout else ()
    return model, ad.optim.Adam(lr=RATE).init(model), *data, *rng


def prepare(
    network: Network, size: str, model: Any, data: tuple[np.ndarray, ...], compiled: bool = True
) -> Callable[[], float]:
    """Return what makes a step and returns the loss before it."""
    step = step_of(network)
    code = ad.jit(step, backend="llvm") if compiled else step
    model, state, *rest = arguments(network, model, data)

    def run() -> float:
        nonlocal model, state
        loss, model, state = code(model, state, *rest)
        return loss

    return run
