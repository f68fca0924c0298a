"""JAX: ``jit`` of a step of plain functions, which takes over the weights that it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adjoint import nn as ours
from benchmarks.networks import RATE, Network

__all__ = ["prepare", "setup"]

Weights = dict[str, jax.Array]
Key = jax.Array | None


def setup(threads: int) -> None:
    """Work in single precision, and start the compiler; the environment has the threads."""
    jax.config.update("jax_enable_x64", False)
    jax.config.update("jax_platforms", "cpu")
    jax.jit(jax.grad(lambda x: jnp.sum(x * x)))(jnp.ones(3)).block_until_ready()


def linear(w: Weights, name: str, x: jax.Array) -> jax.Array:
    """Return x Wᵀ + b."""
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def drop(x: jax.Array, p: float, key: Key, number: int) -> jax.Array:
    """Return x with numbers dropped, where there is a key."""
    if key is None:
        return x
    kept = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - p, x.shape)
    return jnp.where(kept, x / (1 - p), 0.0)


def perceptron(w: Weights, x: jax.Array, s: dict[str, int], p: float, key: Key) -> jax.Array:
    """Return the logits of a multilayer perceptron."""
    names = [name.removesuffix(".weight") for name in w if name.endswith(".weight")]
    for number, name in enumerate(names[:-1]):
        x = drop(jax.nn.relu(linear(w, name, x)), p, key, number)
    return linear(w, names[-1], x)


def convolutional(w: Weights, x: jax.Array, s: dict[str, int], p: float, key: Key) -> jax.Array:
    """Return the logits of a network of convolutions."""
    for k in (0, 3):
        weight, bias = w[f"layers[{k}].weight"], w[f"layers[{k}].bias"]
        x = jax.lax.conv_general_dilated(x, weight, (1, 1), ((1, 1), (1, 1)))
        x = jax.nn.relu(x + bias[:, None, None])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = jax.nn.relu(linear(w, "layers[7]", x.reshape(x.shape[0], -1)))
    return linear(w, "layers[9]", x)


def tagger(w: Weights, x: jax.Array, s: dict[str, int], p: float, key: Key) -> jax.Array:
    """Return the logits of an LSTM's steps."""
    bias = w["lstm.bias_ih_l0"] + w["lstm.bias_hh_l0"]
    inputs = jnp.swapaxes(x, 0, 1) @ w["lstm.weight_ih_l0"].T + bias

    def step(state: tuple, entry: jax.Array) -> tuple[tuple, jax.Array]:
        h, c = state
        i, f, g, o = jnp.split(entry + h @ w["lstm.weight_hh_l0"].T, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((x.shape[0], s["hidden"]))
    _, h = jax.lax.scan(step, (zero, zero), inputs)
    return linear(w, "linear", jnp.swapaxes(h, 0, 1))


def normalised(w: Weights, name: str, x: jax.Array) -> jax.Array:
    """Return what a layer norm makes of x."""
    mean = jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean((x - mean) ** 2, axis=-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def attention(
    w: Weights, name: str, x: jax.Array, heads: int, p: float, key: Key, number: int
) -> jax.Array:
    """Return causal self-attention of several heads."""
    batch, time, n = x.shape
    projected = x @ w[f"{name}.in_proj_weight"].T + w[f"{name}.in_proj_bias"]
    q, k, v = jnp.moveaxis(projected.reshape(batch, time, 3, heads, n // heads), 2, 0)
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / (n // heads) ** 0.5
    scores = jnp.where(jnp.tril(jnp.ones((time, time), bool)), scores, -jnp.inf)
    weights = drop(jax.nn.softmax(scores), p, key, number)
    y = jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(batch, time, n)
    return linear(w, f"{name}.out_proj", y)


def language_model(w: Weights, x: jax.Array, s: dict[str, int], p: float, key: Key) -> jax.Array:
    """Return the logits of a causal transformer."""
    y = w["embedding.weight"][x] + w["positions"]
    for k in range(s["layers"]):
        name, at = f"encoder.layers[{k}]", 4 * k
        part = attention(
            w, f"{name}.self_attn", normalised(w, f"{name}.norm1", y), s["heads"], p, key, at
        )
        y = y + drop(part, p, key, at + 1)
        part = jax.nn.relu(linear(w, f"{name}.linear1", normalised(w, f"{name}.norm2", y)))
        part = linear(w, f"{name}.linear2", drop(part, p, key, at + 2))
        y = y + drop(part, p, key, at + 3)
    return linear(w, "head", normalised(w, "encoder.norm", y))


KINDS: dict[str, Callable[..., jax.Array]] = {
    "mlp": perceptron, "cnn": convolutional, "lstm": tagger, "transformer": language_model,
}  # fmt: skip


def adam(w: Weights, grads: Weights, state: Any) -> tuple[Weights, Any]:
    """Return the weights and the state after one of Adam's updates."""
    t, m, v = state
    t = t + 1
    tree = jax.tree_util.tree_map
    m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
    v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
    rate, root = RATE / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
    return tree(lambda w, m, v: w - rate * m / (jnp.sqrt(v) / root + 1e-8), w, m, v), (t, m, v)


def prepare(
    network: Network, size: str, model: Any, data: tuple[np.ndarray, ...]
) -> Callable[[], float]:
    """Return what makes a step and returns the loss before it."""
    logits_of, s, p = KINDS[network.kind], network.sizes[size], network.dropout
    w = {name.lstrip("."): jnp.array(array) for name, array in ours.named_parameters(model)}
    # Two trees of zeros: what a step takes over cannot be given twice.
    m, v = (jax.tree_util.tree_map(jnp.zeros_like, w) for _ in range(2))
    state = (jnp.zeros((), jnp.float32), m, v)
    x, labels = (jnp.asarray(array) for array in data)
    key = jax.random.key(2) if p else None

    def loss_of(w: Weights, x: jax.Array, labels: jax.Array, key: Key) -> jax.Array:
        logits = logits_of(w, x, s, p, key)
        chosen = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0]
        return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - chosen)

    @jax.jit(donate_argnums=(0, 1))
    def step(w: Weights, state: Any, x: jax.Array, labels: jax.Array, key: Key) -> Any:
        key, used = (None, None) if key is None else jax.random.split(key)
        loss, grads = jax.value_and_grad(loss_of)(w, x, labels, used)
        return loss, *adam(w, grads, state), key

    def run() -> float:
        nonlocal w, state, key
        loss, w, state, key = jax.block_until_ready(step(w, state, x, labels, key))
        return float(loss)

    return run
