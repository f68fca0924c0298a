"""Modified Gram–Schmidt: A = Q R; A's columns are made orthogonal in place, Q has them normalised.

    r[k, k] = ‖a_k‖,  q_k = a_k / r[k, k];   r[k, j] = q_k · a_j,  a_j ← a_j − q_k r[k, j],  j > k

Source: PolyBench 4.2 and NPBench, gramschmidt.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def gramschmidt(a):
    n = a.shape[1]
    q = np.zeros_like(a)
    r = np.zeros((n, n), dtype=a.dtype)
    for k in range(n):
        r[k, k] = np.sqrt(a[:, k] @ a[:, k])
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, n):
            r[k, j] = q[:, k] @ a[:, j]
            a[:, j] -= q[:, k] * r[k, j]
    return a, q, r


SIZES = {"tiny": (6, 4), "S": (70, 60), "M": (220, 180)}  # rows, columns


def inputs(size, seed=0):
    return (np.random.default_rng(seed).standard_normal(SIZES[size]),)


PROGRAM = Program("gramschmidt", gramschmidt, inputs, (0,), SIZES, "PolyBench, NPBench")
