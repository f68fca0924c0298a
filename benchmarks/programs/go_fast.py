"""a + Σ_i tanh(a[i, i]): a scalar loop over the diagonal, then an addition to every element.

Source: Numba's five-minute guide; NPBench, go_fast.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def go_fast(a):
    trace = 0.0
    for i in range(a.shape[0]):
        trace += np.tanh(a[i, i])
    return a + trace


SIZES = {"tiny": 5, "S": 2000, "M": 6000}


def inputs(size, seed=0):
    n = SIZES[size]
    return (np.random.default_rng(seed).standard_normal((n, n)),)


PROGRAM = Program("go_fast", go_fast, inputs, (0,), SIZES, "NPBench")
