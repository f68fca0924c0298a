"""C ← α A B + β C, in place.

Source: BLAS dgemm; PolyBench 4.2 and NPBench, gemm.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def gemm(alpha, beta, c, a, b):
    c[:] = alpha * (a @ b) + beta * c
    return c


SIZES = {"tiny": (4, 3, 5), "S": (1000, 1100, 1200), "M": (2500, 2750, 3000)}  # ni, nj, nk


def inputs(size, seed=0):
    ni, nj, nk = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return 1.5, 1.2, normal((ni, nj)), normal((ni, nk)), normal((nk, nj))


PROGRAM = Program("gemm", gemm, inputs, (0, 1, 2, 3, 4), SIZES, "PolyBench, NPBench")
