"""Horizontal diffusion of fourth order with a flux limiter.

    ℓ = 4 f − Σ of the four neighbours;  φ = δ ℓ, set to zero where φ δf > 0, in x and in y;
    out = f − c (δ_x φ_x + δ_y φ_y)

``out`` is the caller's buffer, overwritten and not differentiated.

Source: the COSMO weather model's dynamical core; NPBench, hdiff.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def hdiff(field, out, coeff):
    laplacian = 4.0 * field[1:-1, 1:-1] - (
        field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2]
    )
    step = laplacian[1:, 1:-1] - laplacian[:-1, 1:-1]
    flux_x = np.where(step * (field[2:-1, 2:-2] - field[1:-2, 2:-2]) > 0.0, 0.0, step)
    step = laplacian[1:-1, 1:] - laplacian[1:-1, :-1]
    flux_y = np.where(step * (field[2:-2, 2:-1] - field[2:-2, 1:-2]) > 0.0, 0.0, step)
    divergence = flux_x[1:] - flux_x[:-1] + flux_y[:, 1:] - flux_y[:, :-1]
    out[:] = field[2:-2, 2:-2] - coeff * divergence
    return out


SIZES = {"tiny": (4, 3, 2), "S": (64, 64, 60), "M": (128, 128, 160)}  # i, j, k


def inputs(size, seed=0):
    ni, nj, nk = SIZES[size]
    uniform = np.random.default_rng(seed).uniform
    return uniform(size=(ni + 4, nj + 4, nk)), np.zeros((ni, nj, nk)), uniform(size=(ni, nj, nk))


PROGRAM = Program("hdiff", hdiff, inputs, (0, 2), SIZES, "NPBench")
