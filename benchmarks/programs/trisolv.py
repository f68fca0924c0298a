"""Forward substitution: solve L x = b, L lower triangular.

    x[i] = (b[i] − Σ_{j<i} l[i, j] x[j]) / l[i, i]

``x`` is the caller's buffer, overwritten; it is not differentiated, yet carries the derivative.

Source: PolyBench 4.2 and NPBench, trisolv.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def trisolv(l, x, b):
    for i in range(b.shape[0]):
        x[i] = (b[i] - l[i, :i] @ x[:i]) / l[i, i]
    return x


SIZES = {"tiny": 7, "S": 2000, "M": 5000}


def inputs(size, seed=0):
    n = SIZES[size]
    rng = np.random.default_rng(seed)
    l = np.tril(rng.standard_normal((n, n)) / n) + np.diag(rng.uniform(1.0, 2.0, n))
    return l, np.full(n, -999.0), rng.standard_normal(n)


PROGRAM = Program("trisolv", trisolv, inputs, (0, 2), SIZES, "PolyBench, NPBench")
