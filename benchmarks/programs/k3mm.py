"""(A B) (C D): three matrix products.

Source: PolyBench 4.2 and NPBench, 3mm.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def k3mm(a, b, c, d):
    return (a @ b) @ (c @ d)


SIZES = {
    "tiny": (3, 4, 5, 2, 6),
    "S": (800, 850, 900, 950, 1000),
    "M": (2000, 2200, 2400, 2600, 2800),
}  # ni, nj, nk, nl, nm


def inputs(size, seed=0):
    ni, nj, nk, nl, nm = SIZES[size]
    normal = np.random.default_rng(seed).standard_normal
    return normal((ni, nk)), normal((nk, nj)), normal((nj, nm)), normal((nm, nl))


PROGRAM = Program("k3mm", k3mm, inputs, (0, 1, 2, 3), SIZES, "PolyBench, NPBench")
