"""``scipy.linalg``: solvers, factorisations, spectra.

SciPy's functions ask no protocol: these are reached from rewritten code. Options that say how to
compute (``overwrite_a``, ``check_finite``, ``lapack_driver``) are taken and have no effect on
traced values. Functions of matrices and matrices of a pattern are in `scipy_matrices`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from adjoint.dispatch import any_staged, is_staged, plain, without_derivative
from adjoint.eager.spectral import note_eigenvalues
from adjoint.errors import TracingError
from adjoint.frontend import hooks
from adjoint.numpy_api import linalg as nl
from adjoint.numpy_api.constants import CONSTANTS
from adjoint.numpy_api.creation import as_array, beside
from adjoint.numpy_api.lengths import as_length, greatest, places, same_lengths
from adjoint.numpy_api.replaced import refuse, replace
from adjoint.ops import discrete
from adjoint.ops import linalg as la
from adjoint.ops import matrix_functions as mf
from adjoint.ops import structural as st
from adjoint.ops.creation import eye, zeros
from adjoint.rules.matrices import adjoint, transposed, triangle

__all__ = ["in_columns", "in_double", "refuse_the_rest", "stands_for"]


def stands_for(*names: str) -> Callable[[Callable], Callable]:
    """Decorate the implementation of functions of ``scipy.linalg``, of those that it has."""

    def decorate(impl: Callable) -> Callable:
        for name in names:
            if hasattr(scipy.linalg, name):
                replace(getattr(scipy.linalg, name), impl)
        return impl

    return decorate


def in_columns(solve: Callable[[Any], Any], b: Any) -> Any:
    """Solve for a vector as for a matrix of one column."""
    return solve(b[:, None])[..., 0] if b.ndim == 1 else solve(b)


def _from_triangle(a: Any, lower: bool, conjugate: bool) -> Any:
    """Return the symmetric (Hermitian) matrix of which a triangle is given."""
    other = triangle(a, lower, 1)
    return triangle(a, lower) + (adjoint(other) if conjugate else transposed(other))


def in_double(x: Any) -> Any:
    """Return ``x`` in double precision, in which SciPy computes some functions of single too."""
    dtype = np.result_type(x.dtype, np.float64)
    return x if x.dtype == dtype else st.cast(x, dtype=dtype)


# -- solvers ---------------------------------------------------------------------------------------


@stands_for("inv")
def inv(
    a: Any, overwrite_a: bool = False, check_finite: bool = True, *, assume_a: Any = None,
    lower: bool = False,
) -> Any:  # fmt: skip
    """``scipy.linalg.inv``."""
    return la.inv(_assumed(as_array(a), assume_a, lower))


@stands_for("det")
def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.det``, in double precision whatever the input."""
    return la.det(in_double(as_array(a)))


def _assumed(a: Any, assume_a: Any, lower: bool) -> Any:
    """Return the matrix that is meant if only a part of ``a`` is read."""
    if assume_a in (None, "gen", "general", "tridiagonal", "banded"):
        return a
    if assume_a in ("sym", "symmetric"):
        return _from_triangle(a, bool(lower), False)
    if assume_a in ("her", "hermitian", "pos", "positive definite"):
        return _from_triangle(a, bool(lower), True)
    if assume_a in ("upper triangular", "lower triangular"):
        return triangle(a, assume_a.startswith("lower"))
    if assume_a == "diagonal":
        return a * eye(a.shape[-1], dtype=a.real.dtype)
    raise ValueError(f"{assume_a} is not a recognized matrix structure")


@stands_for("solve")
def solve(
    a: Any, b: Any, lower: bool = False, overwrite_a: bool = False, overwrite_b: bool = False,
    check_finite: bool = True, assume_a: Any = None, transposed: bool = False,
) -> Any:  # fmt: skip
    """``scipy.linalg.solve``."""
    a, b = _assumed(as_array(a), assume_a, lower), as_array(b)
    if transposed:
        a = np.swapaxes(a, -1, -2)
    return in_columns(lambda m: la.solve(a, m), b)


_PLAIN_TRANS = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}


@stands_for("solve_triangular")
def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False,
    overwrite_b: bool = False, check_finite: bool = True,
) -> Any:  # fmt: skip
    """``scipy.linalg.solve_triangular``."""
    a, b, way = as_array(a), as_array(b), _PLAIN_TRANS[trans]
    if way:
        a, lower = (transposed(a) if way == 1 else adjoint(a)), not lower
    return in_columns(
        lambda m: la.solve_triangular(a, m, lower=bool(lower), unit=bool(unit_diagonal)), b
    )


@stands_for("lstsq")
def lstsq(
    a: Any, b: Any, cond: Any = None, overwrite_a: bool = False, overwrite_b: bool = False,
    check_finite: bool = True, lapack_driver: Any = None,
) -> Any:  # fmt: skip
    """``scipy.linalg.lstsq``, differentiated at constant rank."""
    a, b = as_array(a), as_array(b)
    cut = np.finfo(a.dtype).eps if cond is None else plain(cond)
    x, residuals, rank, s = nl.lstsq(a, b, cut if is_staged(cut) else float(cut))
    if b.ndim == 1 and (a.shape[0] > a.shape[1] if is_staged(residuals) else np.size(residuals)):
        residuals = residuals[0]  # staged, there must be one: a graph's value has one type
    return x, residuals, rank, None if lapack_driver == "gelsy" else s


@stands_for("pinv")
def pinv(
    a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    """``scipy.linalg.pinv``, differentiated at constant rank."""
    a = as_array(a)
    s = np.linalg.svdvals(plain(a))
    largest = s.max(initial=0.0)
    if rtol is None:
        rtol = greatest(*a.shape) * np.finfo(a.dtype).eps if atol is None else 0.0
    cut = plain(rtol)
    if atol is not None:
        zero = np.equal(largest, 0)
        cut = cut + np.where(zero, 0.0, plain(atol) / np.where(zero, 1.0, largest))[()]
    result = la.pinv(a, rcond=cut)
    return (result, as_length(np.count_nonzero(s > cut * largest))) if return_rank else result


def _banded(ab: Any, below: int, above: int) -> Any:
    """Return the matrix whose diagonals are the rows of ``ab``."""
    n = ab.shape[-1]
    i, j = places(n, 2, 0), places(n, 2, 1)
    inside = (j - i <= above) & (i - j <= below)
    return ab[np.where(inside, above + i - j, 0), j] * inside


@stands_for("solve_banded")
def solve_banded(l_and_u: Any, ab: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """``scipy.linalg.solve_banded``, by a full matrix."""
    below, above = plain(l_and_u)
    a = _banded(as_array(ab), below, above)
    return in_columns(lambda m: la.solve(a, m), as_array(b))


@stands_for("solveh_banded")
def solveh_banded(
    ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False, lower: bool = False,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    """``scipy.linalg.solveh_banded``, by a full matrix."""
    ab = as_array(ab)
    width = ab.shape[0] - 1
    a = _banded(ab, width, 0) if lower else _banded(ab, 0, width)
    a = _from_triangle(a, bool(lower), True)
    return in_columns(lambda m: la.solve(a, m), as_array(b))


# -- factorisations --------------------------------------------------------------------------------


@stands_for("cholesky")
def cholesky(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    """``scipy.linalg.cholesky``."""
    return nl.cholesky(a, upper=not lower)


@stands_for("cho_factor")
def cho_factor(
    a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Any:
    """``scipy.linalg.cho_factor``, with zeros where SciPy leaves what happens to be there."""
    return nl.cholesky(a, upper=not lower), lower


@stands_for("cho_solve")
def cho_solve(
    c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """``scipy.linalg.cho_solve``."""
    c, lower = as_array(c_and_lower[0]), bool(plain(c_and_lower[1]))
    first, second = (c, adjoint(c)) if lower else (adjoint(c), c)
    return in_columns(
        lambda m: la.solve_triangular(second, la.solve_triangular(first, m, lower=True)),
        as_array(b),
    )


def _square_lu(a: Any, name: str) -> tuple[Any, Any]:
    a = as_array(a)
    if a.ndim != 2 or not same_lengths(*a.shape):
        raise NotImplementedError(
            f"scipy.linalg.{name} of a traced array of shape {a.shape}: its derivative is there "
            "for one square matrix"
        )
    return mf.lu(a)


@stands_for("lu_factor")
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.lu_factor`` of a square matrix."""
    return _square_lu(a, "lu_factor")


@stands_for("lu_solve")
def lu_solve(
    lu_and_piv: Any, b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """``scipy.linalg.lu_solve``."""
    factors, order = as_array(lu_and_piv[0]), _row_order(as_array(plain(lu_and_piv[1])))

    def solve_matrix(m: Any) -> Any:
        m = beside(m, order)
        if not trans:
            m = la.solve_triangular(factors, m[order], lower=True, unit=True)
            return la.solve_triangular(factors, m)
        turned = transposed(factors) if trans == 1 else adjoint(factors)
        m = la.solve_triangular(turned, m, lower=True)
        return la.solve_triangular(turned, m, unit=True)[np.argsort(order)]

    return in_columns(solve_matrix, as_array(b))


_row_order = without_derivative(discrete.row_order)
_column_order = without_derivative(discrete.column_order)


@stands_for("lu")
def lu(
    a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True,
    p_indices: bool = False,
) -> Any:  # fmt: skip
    """``scipy.linalg.lu`` of a square matrix."""
    factors, pivots = _square_lu(a, "lu")
    one = beside(eye(factors.shape[-1], dtype=factors.dtype), factors)
    lower = triangle(factors, True, 1) + one
    upper = triangle(factors, False)
    back = np.argsort(_row_order(plain(pivots)))
    if permute_l:
        return lower[back], upper
    return back if p_indices else one[back].real, lower, upper


@stands_for("qr")
def qr(
    a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full",
    pivoting: bool = False, check_finite: bool = True,
) -> Any:  # fmt: skip
    """``scipy.linalg.qr``."""
    a = as_array(a)
    if mode not in ("full", "r", "economic"):
        scipy.linalg.qr(np.eye(1), mode=mode)  # its own error
        raise NotImplementedError(
            "scipy.linalg.qr(mode='raw') returns Householder reflections, which have no derivative "
            "here; use mode='full', 'r' or 'economic'"
        )
    rest: tuple[Any, ...] = ()
    if pivoting:
        rest = (_column_order(plain(a)),)
        a = a[..., rest[0]]
    if mode == "r":
        m, n = a.shape[-2:]
        r = nl.qr(a, "r")
        if m > n:
            r = np.concatenate([r, zeros((*a.shape[:-2], m - n, n), a.dtype)], axis=-2)
        return (r, *rest)
    return (*nl.qr(a, "complete" if mode == "full" else "reduced"), *rest)


@stands_for("svd")
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, overwrite_a: bool = False,
    check_finite: bool = True, lapack_driver: str = "gesdd",
) -> Any:  # fmt: skip
    """``scipy.linalg.svd``."""
    result = nl.svd(a, full_matrices, compute_uv)
    return tuple(result) if compute_uv else result


@stands_for("svdvals")
def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """``scipy.linalg.svdvals``."""
    return nl.svdvals(a)


@stands_for("polar")
def polar(a: Any, side: str = "right") -> Any:
    """``scipy.linalg.polar``."""
    if side not in ("right", "left"):
        raise ValueError("`side` must be either 'right' or 'left'")
    u, s, vh = la.svd(as_array(a))
    if side == "right":
        return u @ vh, (adjoint(vh) * s[..., None, :]) @ vh
    return u @ vh, (u * s[..., None, :]) @ adjoint(u)


# -- spectra ---------------------------------------------------------------------------------------


@stands_for("eigh")
def eigh(
    a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False,
    overwrite_a: bool = False, overwrite_b: bool = False, type: int = 1,
    check_finite: bool = True, subset_by_index: Any = None, subset_by_value: Any = None,
    driver: Any = None,
) -> Any:  # fmt: skip
    """``scipy.linalg.eigh``; generalised problems of the three types too."""
    a = as_array(a)
    lower = bool(lower)
    back = None
    if b is not None:
        factor = la.cholesky(_from_triangle(as_array(b), lower, True))
        a = _from_triangle(a, lower, True)
        if type == 1:
            half = la.solve_triangular(factor, a, lower=True)
            a = adjoint(la.solve_triangular(factor, adjoint(half), lower=True))
        else:
            a = adjoint(factor) @ a @ factor
        back, lower, driver = factor, True, "evd"
    if any_staged((subset_by_index, subset_by_value)) or (subset_by_value and is_staged(a)):
        raise TracingError(
            "scipy.linalg.eigh(subset_by_value=...) cannot be staged: how many eigenvalues there "
            "are in it is not known. Take all of them, or subset_by_index with constants."
        )
    chosen = _chosen(plain(a), lower, subset_by_index, subset_by_value)
    if chosen is not None and b is not None and not eigvals_only:
        raise NotImplementedError(
            "scipy.linalg.eigh(a, b, subset_by_...) of traced matrices: take all eigenvectors, or "
            "eigvals_only=True"
        )
    if chosen is not None and chosen[1] < a.shape[-1]:
        w, v = la.eigh_subset(a, first=chosen[0], count=chosen[1], lower=lower)
    else:
        w, v = la.eigh(a, lower=lower, driver=driver or "evr")
        note_eigenvalues(w)
    if eigvals_only:
        return w
    if back is not None:
        v = back @ v if type == 3 else la.solve_triangular(adjoint(back), v)
    return w, v


def _chosen(a: np.ndarray, lower: bool, by_index: Any, by_value: Any) -> tuple[int, int] | None:
    if by_index is not None:
        first, last = (operator.index(k) for k in plain(by_index))
        return first, last - first + 1
    if by_value is not None:
        low, high = plain(by_value)
        w = np.linalg.eigvalsh(a, "L" if lower else "U")
        inside = np.flatnonzero((w > low) & (w <= high))
        if not inside.size:
            raise NotImplementedError("scipy.linalg.eigh: no eigenvalue lies in subset_by_value")
        return int(inside[0]), len(inside)
    return None


@stands_for("eigvalsh")
def eigvalsh(a: Any, b: Any = None, **kwargs: Any) -> Any:
    """``scipy.linalg.eigvalsh``."""
    return eigh(a, b, eigvals_only=True, **kwargs)


@stands_for("eig")
def eig(
    a: Any, b: Any = None, left: bool = False, right: bool = True, overwrite_a: bool = False,
    overwrite_b: bool = False, check_finite: bool = True, homogeneous_eigvals: bool = False,
) -> Any:  # fmt: skip
    """``scipy.linalg.eig``: eigenvalues and right eigenvectors of one matrix."""
    if b is not None or left or homogeneous_eigvals:
        raise NotImplementedError(
            "scipy.linalg.eig of traced matrices: there are derivatives of the eigenvalues and "
            "right eigenvectors of one matrix; b=, left= and homogeneous_eigvals= have none"
        )
    w, v = la.eig(as_array(a))
    if w.dtype.kind != "c":
        w = st.cast(w, dtype=np.result_type(w.dtype, np.complex64))
    return (w, v) if right else w


@stands_for("eigvals")
def eigvals(
    a: Any, b: Any = None, overwrite_a: bool = False, check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:  # fmt: skip
    """``scipy.linalg.eigvals``."""
    return eig(a, b, right=False, homogeneous_eigvals=homogeneous_eigvals)


# -- constants, and the rest -----------------------------------------------------------------------


def _constant(name: str) -> None:
    if hasattr(scipy.linalg, name):
        original = getattr(scipy.linalg, name)
        recorded = without_derivative(original)
        replace(original, lambda *args, **kwargs: recorded(*plain(args), **plain(kwargs)))
        CONSTANTS.add(original)


for _name in ("bandwidth", "issymmetric", "ishermitian"):
    _constant(_name)

_NOT_OF_ARRAYS = {"find_best_blas_type", "get_blas_funcs", "get_lapack_funcs"}


def refuse_the_rest() -> None:
    """Have every other function refuse traced arguments by name."""
    for name in scipy.linalg.__all__:
        original = getattr(scipy.linalg, name)
        if (
            callable(original)
            and not isinstance(original, type)
            and name not in _NOT_OF_ARRAYS
            and original not in hooks.replacements
        ):
            refuse(original)
