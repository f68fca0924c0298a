"""Jacobi sweeps of the five-point average between two buffers, each written in place.

    b[i, j] = (a[i, j] + a[i±1, j] + a[i, j±1]) / 5, then the same from b to a

Source: PolyBench 4.2 and NPBench, jacobi_2d (which makes tsteps − 1 double sweeps).
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def jacobi_2d(tsteps, a, b):
    for _ in range(1, tsteps):
        b[1:-1, 1:-1] = 0.2 * (
            a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1]
        )
        a[1:-1, 1:-1] = 0.2 * (
            b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1]
        )
    return a, b


SIZES = {"tiny": (4, 6), "S": (50, 150), "M": (80, 350)}  # tsteps, n


def inputs(size, seed=0):
    tsteps, n = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return tsteps, normal((n, n)), normal((n, n))


PROGRAM = Program("jacobi_2d", jacobi_2d, inputs, (1, 2), SIZES, "PolyBench, NPBench")
