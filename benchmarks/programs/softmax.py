"""Softmax along the last axis: e^{x − max x} / Σ e^{x − max x}.

Source: NPBench, softmax (attention scores: batch × heads × length × length).
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def softmax(x):
    shifted = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return shifted / np.sum(shifted, axis=-1, keepdims=True)


SIZES = {"tiny": (2, 2, 5), "S": (16, 16, 128), "M": (32, 8, 256)}  # batch, heads, length


def inputs(size, seed=0):
    n, h, sm = SIZES[size]
    return (np.random.default_rng(seed).standard_normal((n, h, sm, sm)),)


PROGRAM = Program("softmax", softmax, inputs, (0,), SIZES, "NPBench")
