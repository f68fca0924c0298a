"""Explicit Euler steps of the heat equation in three dimensions, between two buffers.

    u ← u + (δ²_x u + δ²_y u + δ²_z u) / 8,   δ² the second difference; the boundary stays

Source: PolyBench 4.2 and NPBench, heat_3d (which makes tsteps − 1 double steps).
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def heat_step(u):
    """Return the interior of ``u`` one time step later."""
    centre = u[1:-1, 1:-1, 1:-1]
    return (
        0.125 * (u[2:, 1:-1, 1:-1] - 2.0 * centre + u[:-2, 1:-1, 1:-1])
        + 0.125 * (u[1:-1, 2:, 1:-1] - 2.0 * centre + u[1:-1, :-2, 1:-1])
        + 0.125 * (u[1:-1, 1:-1, 2:] - 2.0 * centre + u[1:-1, 1:-1, :-2])
        + centre
    )


def heat_3d(tsteps, a, b):
    for _ in range(1, tsteps):
        b[1:-1, 1:-1, 1:-1] = heat_step(a)
        a[1:-1, 1:-1, 1:-1] = heat_step(b)
    return a, b


SIZES = {"tiny": (4, 5), "S": (25, 25), "M": (50, 40)}  # tsteps, n


def inputs(size, seed=0):
    tsteps, n = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return tsteps, normal((n, n, n)), normal((n, n, n))


PROGRAM = Program("heat_3d", heat_3d, inputs, (1, 2), SIZES, "PolyBench, NPBench")
