"""Two rank-one updates and two matrix–vector products, in place.

    A ← A + u₁ v₁ᵀ + u₂ v₂ᵀ,   x ← x + β Aᵀ y + z,   w ← w + α A x

Source: the updated BLAS (Blackford et al. 2002); PolyBench 4.2 and NPBench, gemver.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def gemver(alpha, beta, a, u1, v1, u2, v2, w, x, y, z):
    a += np.outer(u1, v1) + np.outer(u2, v2)
    x += beta * y @ a + z
    w += alpha * a @ x
    return a, x, w


SIZES = {"tiny": 5, "S": 1000, "M": 3000}


def inputs(size, seed=0):
    n = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return (1.5, 1.2, normal((n, n)), *(normal(n) for _ in range(8)))


PROGRAM = Program("gemver", gemver, inputs, tuple(range(11)), SIZES, "PolyBench, NPBench")
