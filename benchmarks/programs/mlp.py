"""Three dense layers: relu, relu, softmax.

Source: NPBench, mlp.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def relu(x):
    return np.maximum(x, 0.0)


def softmax(x):
    shifted = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return shifted / np.sum(shifted, axis=-1, keepdims=True)


def mlp(x, w1, b1, w2, b2, w3, b3):
    x = relu(x @ w1 + b1)
    x = relu(x @ w2 + b2)
    return softmax(x @ w3 + b3)


SIZES = {
    "tiny": (3, 4, 6, 5, 4),
    "S": (3, 8, 30000, 2000, 2000),
    "M": (3, 8, 30000, 10000, 10000),
}  # features, batch, widths


def inputs(size, seed=0):
    c_in, batch, *widths = SIZES[size]
    rng = np.random.default_rng(seed)
    args = [rng.standard_normal((batch, c_in))]
    for m, n in zip((c_in, *widths), widths, strict=False):
        args += [rng.standard_normal((m, n)) / np.sqrt(m), 0.1 * rng.standard_normal(n)]
    return tuple(args)


PROGRAM = Program("mlp", mlp, inputs, tuple(range(7)), SIZES, "NPBench")
