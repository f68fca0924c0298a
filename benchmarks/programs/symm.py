"""C ← β C + α S B in place, S symmetric, of which A holds the lower triangle.

Row i of A contributes as a row of S (to C[i]) and as a column of it (to the rows above).

Source: BLAS dsymm; PolyBench 4.2 and NPBench, symm.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def symm(alpha, beta, c, a, b):
    m, n = c.shape
    c *= beta
    for i in range(m):
        for j in range(n):
            c[:i, j] += alpha * b[i, j] * a[i, :i]
            c[i, j] += alpha * (b[i, j] * a[i, i] + b[:i, j] @ a[i, :i])
    return c


SIZES = {"tiny": (5, 4), "S": (40, 50), "M": (120, 150)}  # m, n


def inputs(size, seed=0):
    m, n = SIZES[size]
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal
    return 1.5, 1.2, normal((m, n)), normal((m, m)), normal((m, n))


PROGRAM = Program("symm", symm, inputs, (0, 1, 2, 3, 4), SIZES, "PolyBench, NPBench")
