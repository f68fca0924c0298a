"""Gauss–Seidel sweeps of the nine-point average, in place.

    a[i, j] ← (Σ over the 3 × 3 neighbourhood of a) / 9,   row by row, left to right,

so that the neighbours above and to the left are already new. Two forms: by elements, and with the
eight terms of a row that do not depend on the row's own new values added up first.

Source: PolyBench 4.2 and NPBench, seidel_2d (which makes tsteps − 1 sweeps).
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def seidel_2d(tsteps, a):
    n = a.shape[0]
    for _ in range(tsteps - 1):
        for i in range(1, n - 1):
            above = a[i - 1, :-2] + a[i - 1, 1:-1] + a[i - 1, 2:]
            below = a[i + 1, :-2] + a[i + 1, 1:-1] + a[i + 1, 2:]
            known = above + a[i, 1:-1] + a[i, 2:] + below
            for j in range(1, n - 1):
                a[i, j] = (known[j - 1] + a[i, j - 1]) / 9.0
    return a


def seidel_2d_elements(tsteps, a):
    n = a.shape[0]
    for _ in range(tsteps - 1):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                total = 0.0
                for di in (-1, 0, 1):
                    total += a[i + di, j - 1] + a[i + di, j] + a[i + di, j + 1]
                a[i, j] = total / 9.0
    return a


SIZES = {"tiny": (4, 6), "S": (8, 50), "M": (15, 100)}  # tsteps, n


def inputs(size, seed=0):
    tsteps, n = SIZES[size]
    return tsteps, np.random.default_rng(seed).standard_normal((n, n))


PROGRAMS = [
    Program("seidel_2d", seidel_2d, inputs, (1,), SIZES, "PolyBench, NPBench"),
    Program("seidel_2d_elements", seidel_2d_elements, inputs, (1,), SIZES, "PolyBench"),
]
