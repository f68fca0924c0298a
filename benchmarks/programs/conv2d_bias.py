"""Valid two-dimensional convolution (correlation) of images in NHWC with a bias.

    out[n, i, j, o] = bias[o] + Σ_{k, l, c} x[n, i + k, j + l, c] weights[k, l, c, o]

written as a loop over the output's pixels, whole patches at a time.

Source: NPBench, conv2d_bias.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def conv2d(x, weights):
    k = weights.shape[0]
    batch, height, width, _ = x.shape
    out = np.empty((batch, height - k + 1, width - k + 1, weights.shape[3]), x.dtype)
    for i in range(height - k + 1):
        for j in range(width - k + 1):
            patch = x[:, i : i + k, j : j + k, :, np.newaxis]
            out[:, i, j, :] = np.sum(patch * weights[np.newaxis], axis=(1, 2, 3))
    return out


def conv2d_bias(x, weights, bias):
    return conv2d(x, weights) + bias


SIZES = {
    "tiny": (2, 2, 3, 2, 5, 4),
    "S": (8, 3, 16, 2, 32, 32),
    "M": (8, 3, 8, 5, 64, 64),
}  # batch, channels in, channels out, kernel, height, width


def inputs(size, seed=0):
    batch, c_in, c_out, k, height, width = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return normal((batch, height, width, c_in)), normal((k, k, c_in, c_out)), normal(c_out)


PROGRAM = Program("conv2d_bias", conv2d_bias, inputs, (0, 1, 2), SIZES, "NPBench")
