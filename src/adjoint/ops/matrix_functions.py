"""Functions of general matrices, matrix equations and LU factors: SciPy's, imported when used."""

from __future__ import annotations

import numpy as np

from adjoint.ops.registry import primitive

__all__ = ["lu", "matrix_function", "sylvester"]


def _matrix_function(x: np.ndarray, *, name: str, power: float | None = None) -> np.ndarray:
    import scipy.linalg

    fn = getattr(scipy.linalg, name)
    if x.ndim == 2 or name == "expm":
        return fn(x) if power is None else fn(x, power)
    if not x.size:
        return x.copy()
    flat = x.reshape(-1, *x.shape[-2:])
    return np.stack([_matrix_function(a, name=name, power=power) for a in flat]).reshape(x.shape)


def _sylvester(a: np.ndarray, b: np.ndarray, q: np.ndarray) -> np.ndarray:
    from scipy.linalg import solve_sylvester

    return solve_sylvester(a, b, q)


def _lu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.linalg import lu_factor

    lu, pivots = lu_factor(x, check_finite=False)
    return lu, pivots


matrix_function = primitive("matrix_function", _matrix_function, "x")
"""The function of ``scipy.linalg`` of this name (expm, logm, sqrtm, ...) of square matrices; with
``power``, which is its second argument."""

sylvester = primitive("sylvester", _sylvester, "a", "b", "q")
"""The solution x of a x + x b = q."""

lu = primitive("lu", _lu, "x", results=True)
"""Both triangular factors in one square matrix, and the pivots, as `scipy.linalg.lu_factor`."""
