"""Sparse matrix times vector, the matrix in compressed rows.

    y[i] = Σ_{row[i] ≤ k < row[i+1]} val[k] x[col[k]]

Source: NPBench, spmv.
"""

from __future__ import annotations

import numpy as np

from benchmarks.programs.registry import Program


def spmv(row, col, val, x):
    y = np.empty(row.size - 1, val.dtype)
    for i in range(row.size - 1):
        start, stop = row[i], row[i + 1]
        y[i] = val[start:stop] @ x[col[start:stop]]
    return y


SIZES = {"tiny": (6, 5, 14), "S": (4096, 4096, 8192), "M": (32768, 32768, 65536)}  # m, n, nnz


def inputs(size, seed=0):
    m, n, nnz = SIZES[size]
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(m * n, nnz, replace=False))
    rows, cols = np.divmod(places, n)
    # Unsigned, as libraries that save space keep them. Some rows are empty.
    row = np.searchsorted(rows, np.arange(m + 1)).astype(np.uint32)
    return row, cols.astype(np.uint32), rng.standard_normal(nnz), rng.standard_normal(n)


PROGRAM = Program("spmv", spmv, inputs, (2, 3), SIZES, "NPBench")
