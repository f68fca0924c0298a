"""Linear algebra: products, solvers, factorisations, spectra.

Every operation takes stacks of matrices: the last two axes are the matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import primitive

__all__ = [
    "adjugate",
    "adjugate_derivative",
    "cholesky",
    "complement",
    "det",
    "eig",
    "eigh",
    "eigh_subset",
    "inv",
    "matmul",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "sparse_matmul",
    "sparse_solve",
    "spectral",
    "spectral_product",
    "svd",
]


def _norm(x: Any, *, axis: tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    squares = x.real**2 + x.imag**2 if x.dtype.kind == "c" else x * x
    return np.sqrt(np.add.reduce(squares, axis=axis, keepdims=keepdims))


def _solve_triangular(a: Any, b: Any, *, lower: bool = False, unit: bool = False) -> np.ndarray:
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim == b.ndim == 2 and a.shape[0] and b.shape[1]:
        from scipy.linalg import solve_triangular

        return solve_triangular(a, b, lower=lower, unit_diagonal=unit, check_finite=False)
    a = np.tril(a) if lower else np.triu(a)
    if unit:
        eye = np.eye(a.shape[-1], dtype=a.dtype)
        a = a * (1 - eye) + eye
    return np.linalg.solve(a, b)


def _adjugate(x: np.ndarray) -> np.ndarray:
    n = x.shape[-1]
    if n == 0:
        return x.copy()
    try:
        inverse = np.linalg.inv(x)
        size = np.linalg.norm(x, 1, (-2, -1)) * np.linalg.norm(inverse, 1, (-2, -1))
        if np.all(size < 1e4):
            return np.linalg.det(x)[..., None, None] * inverse
    except np.linalg.LinAlgError:
        pass
    u, s, vh, turn = _frames(x)
    without = np.stack([np.prod(np.delete(s, i, -1), -1) for i in range(n)], -1)
    middle = without[..., None] * u.swapaxes(-1, -2).conj()
    return (turn * (vh.swapaxes(-1, -2).conj() @ middle)).astype(x.dtype, copy=False)


def _frames(x: np.ndarray) -> tuple[Any, Any, Any, Any]:
    """Return u, s, vh and det(u) det(vh), a sign or phase."""
    u, s, vh = np.linalg.svd(x)
    return u, s, vh, (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]


def _adjugate_derivative(x: np.ndarray, e: np.ndarray) -> np.ndarray:
    # For a diagonal D and P_ij = the product of its entries but the i-th and the j-th, P_ii = 0:
    # d adj(D)[E] = diag(P diag(E)) − P∘E. The singular value decomposition makes any matrix that.
    n = x.shape[-1]
    u, s, vh, turn = _frames(x)
    h = lambda m: m.swapaxes(-1, -2).conj()
    e = h(u) @ e @ h(vh)
    p = np.zeros((*s.shape, n), s.dtype)
    for i in range(n):
        for j in range(i):
            p[..., i, j] = p[..., j, i] = np.prod(np.delete(s, (i, j), -1), -1)
    k = np.arange(n)
    middle = -p * e
    middle[..., k, k] += (p @ e[..., k, k][..., None])[..., 0]
    return (turn * (h(vh) @ middle @ h(u))).astype(x.dtype, copy=False)


def _eigh(x: Any, *, lower: bool = True, driver: str | None = None) -> Any:
    if driver is not None:
        from scipy.linalg import eigh

        return eigh(x, lower=lower, driver=driver)
    return tuple(np.linalg.eigh(x, "L" if lower else "U"))


def _eigh_subset(
    x: Any, *, first: int, count: int, lower: bool = True, driver: str | None = None
) -> tuple[Any, Any]:
    from scipy.linalg import eigh

    chosen = (first, first + count - 1)
    return eigh(x, lower=lower, driver=driver, subset_by_index=chosen)


def _spectral(x: Any, d: Any, slopes: Any, *, lower: bool = True) -> Any:
    v = np.linalg.eigh(x, "L" if lower else "U")[1]
    return (v * d[..., None, :]) @ v.swapaxes(-1, -2).conj()


def _sparse_solve(b: Any, *, factor: Any, dtype: np.dtype, trans: str = "N") -> np.ndarray:
    own = factor.L.dtype
    if b.dtype.kind == "c" and own.kind != "c":
        real = factor.solve(np.ascontiguousarray(b.real, own), trans)
        return (real + 1j * factor.solve(np.ascontiguousarray(b.imag, own), trans)).astype(dtype)
    return factor.solve(np.ascontiguousarray(b, own), trans).astype(dtype, copy=False)


matmul = primitive("matmul", np.matmul, "x", "y", ufunc=np.matmul)

norm = primitive("norm", _norm, "x")
"""Euclidean: the square root of the sum of |x|² over ``axis`` (a tuple, None for all axes)."""

inv = primitive("inv", np.linalg.inv, "x")
pinv = primitive("pinv", lambda x, *, rcond=None: np.linalg.pinv(x, rcond=rcond), "x")

solve = primitive("solve", np.linalg.solve, "a", "b")
"""``b`` is a stack of matrices too, never of vectors."""

solve_triangular = primitive("solve_triangular", _solve_triangular, "a", "b")
"""Only the named triangle of ``a`` is read; with ``unit`` its diagonal counts as ones."""

det = primitive("det", np.linalg.det, "x")
adjugate = primitive("adjugate", _adjugate, "x")
"""The transposed matrix of cofactors: det(x) x⁻¹, also where x is singular."""

adjugate_derivative = primitive("adjugate_derivative", _adjugate_derivative, "x", "e")
"""The derivative of the adjugate of x in the direction e; also where x is singular."""

slogdet = primitive("slogdet", lambda x: tuple(np.linalg.slogdet(x)), "x", results=True)
cholesky = primitive("cholesky", np.linalg.cholesky, "x")
"""The lower factor; the lower triangle of x is read."""

qr = primitive("qr", lambda x: tuple(np.linalg.qr(x)), "x", results=True)
"""Reduced; of matrices with at least as many rows as columns."""

svd = primitive("svd", lambda x: tuple(np.linalg.svd(x, full_matrices=False)), "x", results=True)
"""Reduced."""

complement = primitive("complement", lambda q, rest: rest, "q", "rest")
"""``rest``: orthonormal columns that complete the orthonormal columns of q to a basis. They turn
with q and not among themselves."""

eigh = primitive("eigh", _eigh, "x", results=True)
eigh_subset = primitive("eigh_subset", _eigh_subset, "x", results=True)
"""``count`` eigenvalues from the ``first`` on, and their eigenvectors."""

eig = primitive("eig", lambda x: tuple(np.linalg.eig(x)), "x", results=True)

spectral = primitive("spectral", _spectral, "x", "d", "slopes")
"""v diag(d) vᴴ of the eigenvectors v of the Hermitian x, where d is a function of its eigenvalues.

The derivative with respect to x is the part through v alone: d is an operand of its own. ``slopes``
holds the divided differences of d between (nearly) equal eigenvalues and NaN between others."""

spectral_product = primitive(
    "spectral_product", lambda product, x, d, slopes, *, lower=True: product,
    "product", "x", "d", "slopes", views=True,
)  # fmt: skip
"""``product``, which is what `spectral` computes from the rest, and has the derivative of that."""

sparse_matmul = primitive("sparse_matmul", lambda x, *, matrix: matrix @ x, "x")
"""A constant matrix of ``scipy.sparse`` times a vector or matrix."""

sparse_solve = primitive("sparse_solve", _sparse_solve, "b")
"""Solve with the factors that `scipy.sparse.linalg.splu` made of a constant matrix; with
``trans="T"`` with the transposed matrix."""
