"""Layers in JAX: dense ones by its functions, convolutions and pooling as loops over pixels."""

from __future__ import annotations

import jax.numpy as jnp
from jax.lax import dynamic_slice_in_dim, fori_loop


def relu(x):
    return jnp.maximum(x, 0.0)


def over_pixels(height, width, out, value):
    """Set ``out[:, i, j, :]`` to ``value(i, j)``."""

    def row(i, out):
        return fori_loop(0, width, lambda j, out: out.at[:, i, j, :].set(value(i, j)), out)

    return fori_loop(0, height, row, out)


def patch(x, i, j, size):
    return dynamic_slice_in_dim(dynamic_slice_in_dim(x, i, size, 1), j, size, 2)


def conv2d(x, weights):
    k = weights.shape[0]
    batch, height, width, _ = x.shape
    out = jnp.zeros((batch, height - k + 1, width - k + 1, weights.shape[3]))

    def value(i, j):
        return jnp.sum(patch(x, i, j, k)[..., None] * weights[None], axis=(1, 2, 3))

    return over_pixels(height - k + 1, width - k + 1, out, value)


def conv2d_bias(x, weights, bias):
    return conv2d(x, weights) + bias


def max_pool(x):
    batch, height, width, channels = x.shape
    out = jnp.zeros((batch, height // 2, width // 2, channels))

    def value(i, j):
        return jnp.max(patch(x, 2 * i, 2 * j, 2), axis=(1, 2))

    return over_pixels(height // 2, width // 2, out, value)


def lenet(x, conv1, bias1, conv2, bias2, w1, b1, w2, b2, w3, b3):
    x = max_pool(relu(conv2d(x, conv1) + bias1))
    x = max_pool(relu(conv2d(x, conv2) + bias2))
    x = x.reshape(x.shape[0], -1)
    return relu(relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3


def softmax(x):
    shifted = jnp.exp(x - jnp.max(x, axis=-1, keepdims=True))
    return shifted / jnp.sum(shifted, axis=-1, keepdims=True)


def mlp(x, w1, b1, w2, b2, w3, b3):
    return softmax(relu(relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3)


PROGRAMS = {f.__name__: f for f in (conv2d_bias, lenet, mlp, softmax)}
