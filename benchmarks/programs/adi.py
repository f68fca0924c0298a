"""Alternating directions implicit steps of the heat equation on the unit square, in place.

Each half step solves a tridiagonal system along one direction for all lines at once (Thomas): with
λ = the implicit direction's number, κ = the explicit one's,

    −λ/2 x[j−1] + (1 + λ) x[j] − λ/2 x[j+1] = κ/2 u[i−1, j] + (1 − κ) u[i, j] + κ/2 u[i+1, j]

and x = 1 on the boundary: x[j] = p[j] x[j+1] + q[j], with p and q from a forward sweep.

Source: PolyBench 4.2 and NPBench, adi (diffusivities 2 and 1).
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def adi(tsteps, n, u):
    dx = dy = 1.0 / n
    dt = 1.0 / tsteps
    lam = 2.0 * dt / dx**2
    kap = 1.0 * dt / dy**2
    a = -lam / 2.0
    b = 1.0 + lam
    d = -kap / 2.0
    e = 1.0 + kap
    v = np.zeros_like(u)
    p = np.zeros_like(u)
    q = np.zeros_like(u)
    for _ in range(tsteps):
        # Implicit along columns: from u to v.
        v[0, 1:-1] = 1.0
        p[1:-1, 0] = 0.0
        q[1:-1, 0] = v[0, 1:-1]
        for j in range(1, n - 1):
            pivot = a * p[1:-1, j - 1] + b
            right = -d * u[j, :-2] + (1.0 + 2.0 * d) * u[j, 1:-1] - d * u[j, 2:]
            p[1:-1, j] = -a / pivot
            q[1:-1, j] = (right - a * q[1:-1, j - 1]) / pivot
        v[-1, 1:-1] = 1.0
        for j in range(n - 2, 0, -1):
            v[j, 1:-1] = p[1:-1, j] * v[j + 1, 1:-1] + q[1:-1, j]
        # Implicit along rows: from v to u.
        u[1:-1, 0] = 1.0
        p[1:-1, 0] = 0.0
        q[1:-1, 0] = u[1:-1, 0]
        for j in range(1, n - 1):
            pivot = d * p[1:-1, j - 1] + e
            right = -a * v[:-2, j] + (1.0 + 2.0 * a) * v[1:-1, j] - a * v[2:, j]
            p[1:-1, j] = -d / pivot
            q[1:-1, j] = (right - d * q[1:-1, j - 1]) / pivot
        u[1:-1, -1] = 1.0
        for j in range(n - 2, 0, -1):
            u[1:-1, j] = p[1:-1, j] * u[1:-1, j + 1] + q[1:-1, j]
    return u


SIZES = {"tiny": (2, 6), "S": (5, 100), "M": (20, 200)}  # tsteps, n


def inputs(size, seed=0):
    tsteps, n = SIZES[size]
    return tsteps, n, np.random.default_rng(seed).standard_normal((n, n))


PROGRAM = Program("adi", adi, inputs, (2,), SIZES, "PolyBench, NPBench")
