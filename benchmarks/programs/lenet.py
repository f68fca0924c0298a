"""LeNet-5: two convolutions with relu and 2 × 2 max-pooling, three dense layers. Images in NHWC.

Source: LeCun et al. 1998, with relu and max as in NPBench, lenet.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def relu(x):
    return np.maximum(x, 0.0)


def conv2d(x, weights):
    k = weights.shape[0]
    batch, height, width, _ = x.shape
    out = np.empty((batch, height - k + 1, width - k + 1, weights.shape[3]), x.dtype)
    for i in range(height - k + 1):
        for j in range(width - k + 1):
            patch = x[:, i : i + k, j : j + k, :, np.newaxis]
            out[:, i, j, :] = np.sum(patch * weights[np.newaxis], axis=(1, 2, 3))
    return out


def max_pool(x):
    batch, height, width, channels = x.shape
    out = np.empty((batch, height // 2, width // 2, channels), x.dtype)
    for i in range(height // 2):
        for j in range(width // 2):
            out[:, i, j, :] = np.max(x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, :], axis=(1, 2))
    return out


def lenet(x, conv1, bias1, conv2, bias2, w1, b1, w2, b2, w3, b3):
    x = max_pool(relu(conv2d(x, conv1) + bias1))
    x = max_pool(relu(conv2d(x, conv2) + bias2))
    x = np.reshape(x, (x.shape[0], -1))
    x = relu(x @ w1 + b1)
    x = relu(x @ w2 + b2)
    return x @ w3 + b3


# batch, height, width, kernel, channels of the convolutions, widths of the dense layers
SIZES = {
    "tiny": (2, 10, 10, 3, (2, 3), (6, 5, 4)),
    "S": (4, 28, 28, 5, (6, 16), (120, 84, 10)),
    "M": (8, 56, 56, 5, (6, 16), (120, 84, 10)),
}


def inputs(size, seed=0):
    batch, height, width, k, (c1, c2), widths = SIZES[size]
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal
    pooled = lambda n: (n - k + 1) // 2
    flat = pooled(pooled(height)) * pooled(pooled(width)) * c2
    args = [normal((batch, height, width, 1))]
    for c_in, c_out in ((1, c1), (c1, c2)):
        args += [normal((k, k, c_in, c_out)) / (k * np.sqrt(c_in)), 0.1 * normal(c_out)]
    for m, n in zip((flat, *widths), widths, strict=False):
        args += [normal((m, n)) / np.sqrt(m), 0.1 * normal(n)]
    return tuple(args)


PROGRAM = Program("lenet", lenet, inputs, tuple(range(11)), SIZES, "NPBench")
