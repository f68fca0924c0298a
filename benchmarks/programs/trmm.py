"""B ← α Lᵀ B in place, L unit lower triangular (A's strict lower triangle).

Row i of the result needs the rows of B from i down, which are still old: top to bottom is in place.

Source: BLAS dtrmm; PolyBench 4.2 and NPBench, trmm.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def trmm(alpha, a, b):
    m, n = b.shape
    for i in range(m):
        for j in range(n):
            b[i, j] += a[i + 1 :, i] @ b[i + 1 :, j]
    b *= alpha
    return b


SIZES = {"tiny": (5, 4), "S": (65, 80), "M": (200, 250)}  # m, n


def inputs(size, seed=0):
    m, n = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return 1.5, normal((m, m)), normal((m, n))


PROGRAM = Program("trmm", trmm, inputs, (0, 1, 2), SIZES, "PolyBench, NPBench")
