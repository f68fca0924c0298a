"""Linear algebra: products, factorisations, solvers."""

from __future__ import annotations

import numpy as np

from adjoint.ops.registry import primitive

matmul = primitive("matmul", np.matmul, "x", "y", ufunc=np.matmul)
