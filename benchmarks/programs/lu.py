"""LU factorisation without pivoting, over A: unit lower L below the diagonal, U above and on it.

    l[i, j] = (a[i, j] − Σ_{k<j} l[i, k] u[k, j]) / u[j, j],   j < i
    u[i, j] =  a[i, j] − Σ_{k<i} l[i, k] u[k, j],              j ≥ i

Source: PolyBench 4.2 and NPBench, lu.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def lu(a):
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            a[i, j] = (a[i, j] - a[i, :j] @ a[:j, j]) / a[j, j]
        for j in range(i, n):
            a[i, j] -= a[i, :i] @ a[:i, j]
    return a


SIZES = {"tiny": 6, "S": 60, "M": 220}


def inputs(size, seed=0):
    n = SIZES[size]
    # Diagonally dominant: no pivoting needed.
    return (np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n) + 3.0 * np.eye(n),)


PROGRAM = Program("lu", lu, inputs, (0,), SIZES, "PolyBench, NPBench")
