"""The model and the loss that a configuration names, for the data that it names."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from adjoint import nn
from adjoint.cli.failure import Failure
from adjoint.cli.training.config import Config, suggestion
from adjoint.cli.training.examples import examples
from adjoint.cli.training.optimizers import optimizer_of

__all__ = ["arguments"]

ACTIVATIONS = (
    "celu", "elu", "gelu", "hardswish", "hardtanh", "leaky_relu", "mish", "relu", "relu6", "selu",
    "sigmoid", "silu", "softplus", "softsign", "tanh",
)  # fmt: skip

_LOSSES: dict[str, Callable[..., Any]] = {
    "cross_entropy": nn.cross_entropy,
    "binary_cross_entropy_with_logits": nn.binary_cross_entropy_with_logits,
    "mse": nn.mse_loss,
    "l1": nn.l1_loss,
    "huber": nn.huber_loss,
}


def arguments(
    config: Config, path: Path, known: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of `nn.fit`, and what is to be known of the data later.

    Parameters
    ----------
    config : Config
    path : Path
        Of the configuration; those in it are as seen from there.
    known : dict or None
        What was known of the data when the run began, if it is gone on with.
    """
    training, held_out, facts = examples(config, path, known)
    metrics = {}
    if facts["classes"]:
        metrics["accuracy"] = _accuracy
    elif config.loss == "binary_cross_entropy_with_logits":
        metrics["accuracy"] = _binary_accuracy
    steps = math.ceil(len(training[0]) / config.batch_size)
    return {
        "model": _model(config, facts),
        "loss": _loss(config.loss, bool(config.model.dropout)),
        "data": training,
        "validation": held_out,
        "optimizer": optimizer_of(config, path, steps),
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "metrics": metrics,
        "clip_norm": config.clip_norm or None,
        "early_stopping": config.patience or None,
    }, facts


# ------------------------------------------------------------------------------------------- model


def _model(config: Config, facts: dict[str, Any]) -> nn.Module:
    spec, dtype = config.model, np.dtype(config.dtype)
    if spec.activation not in ACTIVATIONS:
        close = suggestion(spec.activation, ACTIVATIONS)
        raise Failure(f"model.activation is {spec.activation!r}, which is not known{close}", 2)
    activation = getattr(nn, spec.activation)
    rng = np.random.default_rng([config.seed, 0])
    classes = facts["classes"]
    outputs = (len(classes) if isinstance(classes, list) else classes) or 1
    layers: list[Any] = []
    width = math.prod(facts["shape"])
    if spec.kind == "cnn":
        layers, width = _convolutions(config, facts, activation, rng)
    elif len(facts["shape"]) > 1:
        layers = [flattened]
    for next_width in spec.hidden if spec.kind != "linear" else []:
        layers += [nn.Linear(width, next_width, rng=rng, dtype=dtype), activation]
        layers += [nn.Dropout(spec.dropout)] if spec.dropout else []
        width = next_width
    return nn.Sequential(*layers, nn.Linear(width, outputs, rng=rng, dtype=dtype))


def _convolutions(
    config: Config, facts: dict[str, Any], activation: Any, rng: Any
) -> tuple[list[Any], int]:
    """Return the layers in front of the hidden ones, and how many numbers they give."""
    spec, path = config.model, config.data.path
    shape = spec.image or (facts["shape"] if len(facts["shape"]) > 1 else [])
    if len(shape) not in (2, 3):
        raise Failure(
            f"{path} has rows of {math.prod(facts['shape'])} numbers: model.image has to say "
            "what image each is, as [height, width] or [channels, height, width]",
            2,
        )
    if math.prod(shape) != math.prod(facts["shape"]):
        raise Failure(
            f"model.image is {shape}, which is {math.prod(shape)} numbers, but {path} has "
            f"{math.prod(facts['shape'])} an example",
            2,
        )
    before, height, width = (1, *shape) if len(shape) == 2 else shape
    layers: list[Any] = [Imaged(before, height, width)]
    for channels in spec.channels:
        size = spec.kernel_size
        if min(height, width) < 2:
            raise Failure(f"model.channels has too many entries for images of {shape}", 2)
        layers += [
            nn.Conv2d(before, channels, size, padding=size // 2, rng=rng, dtype=config.dtype),
            activation,
            halved,
        ]
        before = channels
        height, width = ((n + 2 * (size // 2) - size + 1) // 2 for n in (height, width))
    return [*layers, flattened], before * height * width


class Imaged(nn.Module):
    """Rows of numbers as images."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        self.shape = channels, height, width

    def __call__(self, x: Any) -> Any:
        return np.reshape(x, (x.shape[0], *self.shape))


def flattened(x: Any) -> Any:
    """Return each example as a row."""
    return np.reshape(x, (x.shape[0], -1))


def halved(x: Any) -> Any:
    """Return images of half the size: the largest of four pixels each."""
    return nn.max_pool2d(x, 2)


def _loss(name: str, draws: bool) -> Callable[..., Any]:
    loss = _LOSSES[name]
    if draws:
        return lambda model, x, y, *, rng: loss(model(x, rng=rng), y)
    return lambda model, x, y: loss(model(x), y)


def _accuracy(model: Any, x: Any, y: Any) -> Any:
    return np.mean(np.argmax(model(x), axis=-1) == y)


def _binary_accuracy(model: Any, x: Any, y: Any) -> Any:
    return np.mean((model(x) > 0) == (y > 0.5))
