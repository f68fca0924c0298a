"""C ← β C + α A Aᵀ on the lower triangle, in place, as a sum of outer products.

Source: BLAS dsyrk; PolyBench 4.2 and NPBench, syrk.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def syrk(alpha, beta, c, a):
    n, m = a.shape
    for i in range(n):
        c[i, : i + 1] *= beta
        for k in range(m):
            c[i, : i + 1] += alpha * a[i, k] * a[: i + 1, k]
    return c


SIZES = {"tiny": (4, 5), "S": (50, 70), "M": (150, 200)}  # NPBench's M, N: a is N × M


def inputs(size, seed=0):
    m, n = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return 1.5, 1.2, normal((n, n)), normal((n, m))


PROGRAM = Program("syrk", syrk, inputs, (0, 1, 2, 3), SIZES, "PolyBench, NPBench")
