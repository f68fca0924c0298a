"""Durbin's recursion for the Yule–Walker equations T y = −r, T[i, j] = r[|i − j| − 1], T[i, i] = 1.

    β ← (1 − α²) β,   α ← −(r[k] + Σ_{i<k} r[k−1−i] y[i]) / β
    y[i] ← y[i] + α y[k−1−i],  i < k;   y[k] = α

Source: Golub and Van Loan, Matrix Computations, algorithm 4.7.1; PolyBench 4.2 and NPBench, durbin.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def durbin(r):
    y = np.empty_like(r)
    alpha = -r[0]
    beta = 1.0
    y[0] = alpha
    for k in range(1, r.shape[0]):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + r[:k][::-1] @ y[:k]) / beta
        y[:k] += alpha * y[:k][::-1]
        y[k] = alpha
    return y


SIZES = {"tiny": 8, "S": 1000, "M": 6000}


def inputs(size, seed=0):
    n = SIZES[size]
    # Autocorrelation of a short random filter plus white noise: T is positive definite.
    h = np.random.default_rng(seed).standard_normal(9)
    lags = np.correlate(h, h, "full")[8:] / (1.5 * (h @ h))
    r = np.zeros(n)
    count = min(n, 8)
    r[:count] = lags[1 : 1 + count]
    return (r,)


PROGRAM = Program("durbin", durbin, inputs, (0,), SIZES, "PolyBench, NPBench")
