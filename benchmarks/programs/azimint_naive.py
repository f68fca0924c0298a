"""Azimuthal integration: the mean of the data in each of ``npt`` rings of equal width.

    result[i] = mean of data where i r_max / npt ≤ radius < (i + 1) r_max / npt

The radii choose the points; the result is piecewise constant in them, so they are not
differentiated.

Source: pyFAI (J. Kieffer, G. Ashiotis); NPBench, azimint_naive.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def azimint_naive(data, radius, npt):
    r_max = radius.max()
    result = np.zeros(npt)
    for i in range(npt):
        inner = r_max * i / npt
        outer = r_max * (i + 1) / npt
        ring = np.logical_and(inner <= radius, radius < outer)
        result[i] = data[ring].mean()
    return result


SIZES = {"tiny": (60, 4), "S": (400_000, 1000), "M": (4_000_000, 1000)}  # points, rings


def inputs(size, seed=0):
    n, npt = SIZES[size]
    rng = np.random.default_rng(seed)
    return rng.uniform(size=n), rng.uniform(size=n), npt


PROGRAM = Program("azimint_naive", azimint_naive, inputs, (0,), SIZES, "NPBench")
