"""Jacobi sweeps of the three-point average between two buffers, each written in place.

    b[i] = (a[i−1] + a[i] + a[i+1]) / 3, then the same from b to a  (with 0.33333 for 1/3)

Source: PolyBench 4.2 and NPBench, jacobi_1d (which makes tsteps − 1 double sweeps).
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def jacobi_1d(tsteps, a, b):
    for _ in range(1, tsteps):
        b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
        a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
    return a, b


SIZES = {"tiny": (5, 8), "S": (800, 3200), "M": (3000, 12000)}  # tsteps, n


def inputs(size, seed=0):
    tsteps, n = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return tsteps, normal(n), normal(n)


PROGRAM = Program("jacobi_1d", jacobi_1d, inputs, (1, 2), SIZES, "PolyBench, NPBench")
