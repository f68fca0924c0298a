"""Deriche's recursive smoothing of an image: along the rows, then along the columns.

One direction is the sum of a causal and an anticausal second-order filter,

    y₊[j] = a₁ x[j]   + a₂ x[j−1] + b₁ y₊[j−1] + b₂ y₊[j−2]
    y₋[j] = a₃ x[j+1] + a₄ x[j+2] + b₁ y₋[j+1] + b₂ y₋[j+2]

with k = (1 − e^{−α})² / (1 + 2 α e^{−α} − e^{−2α}) and a₁ = k, a₂ = k e^{−α} (α − 1),
a₃ = k e^{−α} (α + 1), a₄ = −k e^{−2α}, b₁ = 2^{−α} (PolyBench's; Deriche has 2 e^{−α}),
b₂ = −e^{−2α}.

Source: R. Deriche 1990; PolyBench 4.2 and NPBench, deriche.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def smooth_rows(x, a1, a2, a3, a4, b1, b2):
    """Filter ``x`` along its second axis in both directions."""
    n = x.shape[1]
    causal = np.empty_like(x)
    causal[:, 0] = a1 * x[:, 0]
    causal[:, 1] = a1 * x[:, 1] + a2 * x[:, 0] + b1 * causal[:, 0]
    for j in range(2, n):
        causal[:, j] = (
            a1 * x[:, j] + a2 * x[:, j - 1] + b1 * causal[:, j - 1] + b2 * causal[:, j - 2]
        )
    anticausal = np.empty_like(x)
    anticausal[:, -1] = 0.0
    anticausal[:, -2] = a3 * x[:, -1]
    for j in range(n - 3, -1, -1):
        anticausal[:, j] = (
            a3 * x[:, j + 1]
            + a4 * x[:, j + 2]
            + b1 * anticausal[:, j + 1]
            + b2 * anticausal[:, j + 2]
        )
    return causal + anticausal


def deriche(alpha, image):
    decay = np.exp(-alpha)
    k = (1.0 - decay) ** 2 / (1.0 + 2.0 * alpha * decay - decay**2)
    a1 = k
    a2 = k * decay * (alpha - 1.0)
    a3 = k * decay * (alpha + 1.0)
    a4 = -k * decay**2
    b1 = 2.0**-alpha
    b2 = -(decay**2)
    rows = smooth_rows(image, a1, a2, a3, a4, b1, b2)
    return smooth_rows(rows.T, a1, a2, a3, a4, b1, b2).T


SIZES = {"tiny": (6, 5), "S": (400, 200), "M": (1500, 1000)}  # w, h


def inputs(size, seed=0):
    return 0.25, np.random.default_rng(seed).uniform(0.0, 1.0, SIZES[size])


PROGRAM = Program("deriche", deriche, inputs, (0, 1), SIZES, "PolyBench, NPBench")
