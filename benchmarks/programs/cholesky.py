"""Cholesky factorisation A = L Lᵀ, L over the lower triangle of A; the upper one is not touched.

    l[i, j] = (a[i, j] − Σ_{k<j} l[i, k] l[j, k]) / l[j, j],   j < i
    l[i, i] = √(a[i, i] − Σ_{k<i} l[i, k]²)

Two forms: the sums as dot products of pieces of rows, whose lengths depend on the loop indices, and
as loops over elements.

Source: PolyBench 4.2 and NPBench, cholesky.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def cholesky(a):
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            a[i, j] = (a[i, j] - a[i, :j] @ a[j, :j]) / a[j, j]
        a[i, i] = np.sqrt(a[i, i] - a[i, :i] @ a[i, :i])
    return a


def cholesky_elements(a):
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
        for k in range(i):
            a[i, i] -= a[i, k] ** 2
        a[i, i] = np.sqrt(a[i, i])
    return a


SIZES = {"tiny": 6, "S": 100, "M": 300}


def inputs(size, seed=0):
    n = SIZES[size]
    b = np.random.default_rng(seed).standard_normal((n, n))
    return (b @ b.T / n + np.eye(n),)


PROGRAMS = [
    Program("cholesky", cholesky, inputs, (0,), SIZES, "PolyBench, NPBench"),
    Program("cholesky_elements", cholesky_elements, inputs, (0,), SIZES, "PolyBench"),
]
