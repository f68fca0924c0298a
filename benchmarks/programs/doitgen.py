"""Multiresolution kernel: a[r, q, p] ← Σ_s a[r, q, s] c4[s, p], in place.

Source: MADNESS; PolyBench 4.2 and NPBench, doitgen.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def doitgen(a, c4):
    for r in range(a.shape[0]):
        a[r] = a[r] @ c4
    return a


SIZES = {"tiny": (3, 2, 4), "S": (60, 60, 128), "M": (110, 125, 256)}  # nr, nq, np


def inputs(size, seed=0):
    shape = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return normal(shape), normal((shape[-1], shape[-1]))


PROGRAM = Program("doitgen", doitgen, inputs, (0, 1), SIZES, "PolyBench, NPBench")
