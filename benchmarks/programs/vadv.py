"""Vertical advection of the horizontal wind, implicit (Crank–Nicolson), one column at each (i, j).

With w⁻ and w⁺ a quarter of the vertical wind (averaged to the point by the sum of two) at the lower
and upper face of level k, g = −w⁻ below, w⁺ above, and weights ½ (old) and ½ (new):

    ½ g₋ x[k−1] + (1/Δt − ½ g₋ − ½ g₊) x[k] + ½ g₊ x[k+1]
        = u_pos[k]/Δt + utens[k] + utens_stage[k] − ½ g₋ (u[k−1] − u[k]) − ½ g₊ (u[k+1] − u[k])

solved by a forward sweep and back substitution along k; utens_stage ← (x − u_pos) / Δt, in place.

Source: the COSMO weather model's dynamical core; NPBench, vadv.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def vadv(utens_stage, u_stage, wcon, u_pos, utens, dtr_stage):
    levels = u_stage.shape[2]
    upper = np.empty_like(u_stage)
    right = np.empty_like(u_stage)
    for k in range(levels):
        diagonal = dtr_stage
        rhs = dtr_stage * u_pos[:, :, k] + utens[:, :, k] + utens_stage[:, :, k]
        if k > 0:
            below = -0.125 * (wcon[1:, :, k] + wcon[:-1, :, k])
            diagonal = diagonal - below
            rhs = rhs - below * (u_stage[:, :, k - 1] - u_stage[:, :, k])
        if k < levels - 1:
            above = 0.125 * (wcon[1:, :, k + 1] + wcon[:-1, :, k + 1])
            diagonal = diagonal - above
            rhs = rhs - above * (u_stage[:, :, k + 1] - u_stage[:, :, k])
        if k > 0:
            diagonal = diagonal - below * upper[:, :, k - 1]
            rhs = rhs - below * right[:, :, k - 1]
        if k < levels - 1:
            upper[:, :, k] = above / diagonal
        right[:, :, k] = rhs / diagonal
    x = right[:, :, levels - 1]
    utens_stage[:, :, levels - 1] = dtr_stage * (x - u_pos[:, :, levels - 1])
    for k in range(levels - 2, -1, -1):
        x = right[:, :, k] - upper[:, :, k] * x
        utens_stage[:, :, k] = dtr_stage * (x - u_pos[:, :, k])
    return utens_stage


SIZES = {"tiny": (3, 2, 5), "S": (60, 60, 40), "M": (112, 112, 80)}  # i, j, k


def inputs(size, seed=0):
    ni, nj, nk = SIZES[size]
    uniform = np.random.default_rng(seed).uniform
    field = lambda i: uniform(0.0, 1.0, (i, nj, nk))
    return field(ni), field(ni), field(ni + 1), field(ni), field(ni), 3.0 / 20.0 + 2.0


PROGRAM = Program("vadv", vadv, inputs, (0, 1, 2, 3, 4, 5), SIZES, "NPBench")
