"""Matrix of Pearson's correlations of the data's columns; the data are standardised in place.

    d ← (d − mean) / (√n std), with std ← 1 where it is ≤ 0.1;   corr = dᵀ d, 1 on its diagonal

Source: PolyBench 4.2 and NPBench, correlation.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def correlation(float_n, data):
    m = data.shape[1]
    mean = np.mean(data, axis=0)
    deviation = np.std(data, axis=0)
    deviation[deviation <= 0.1] = 1.0
    data -= mean
    data /= np.sqrt(float_n) * deviation
    corr = np.eye(m, dtype=data.dtype)
    for i in range(m - 1):
        corr[i, i + 1 :] = data[:, i] @ data[:, i + 1 :]
        corr[i + 1 :, i] = corr[i, i + 1 :]
    return corr, data


SIZES = {"tiny": (4, 6), "S": (500, 600), "M": (1400, 1800)}  # columns, rows


def inputs(size, seed=0):
    m, n = SIZES[size]
    data = np.random.default_rng(seed).standard_normal((n, m))
    data[:, m // 2] *= 0.01  # one column below the threshold
    return float(n), data


PROGRAM = Program("correlation", correlation, inputs, (0, 1), SIZES, "PolyBench, NPBench")
