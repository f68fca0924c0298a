"""Aᵀ (A x).

Source: PolyBench 4.2 and NPBench, atax.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def atax(a, x):
    return (a @ x) @ a


SIZES = {"tiny": (4, 6), "S": (4000, 5000), "M": (10000, 12500)}  # m, n


def inputs(size, seed=0):
    m, n = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return normal((m, n)), normal(n)


PROGRAM = Program("atax", atax, inputs, (0, 1), SIZES, "PolyBench, NPBench")
