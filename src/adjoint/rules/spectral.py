"""Derivatives of eigenvalues and eigenvectors.

The eigenvectors of a Hermitian matrix are differentiated in the gauge vᴴ dv = 0, those of a
general one as LAPACK normalises them: of length 1, and where they are complex with a real largest
component.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import UndefinedDerivativeError
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops import structural as st
from adjoint.ops.creation import arange, eye
from adjoint.ops.discrete import is_singular
from adjoint.rules.checks import decided, none_of, required
from adjoint.rules.cotangents import Undefined
from adjoint.rules.derive import general
from adjoint.rules.matrices import (
    adjoint,
    columns,
    diagonal,
    distinct,
    hermitian_part,
    is_absent,
    on_diagonal,
    real_part,
    reciprocal_gaps,
    transposed,
)
from adjoint.staged.values import Staged

__all__ = ["repeated_eigenvalues"]


def repeated_eigenvalues() -> UndefinedDerivativeError:
    """Return the error of whoever asks for the derivative of eigenvectors that have none."""
    return UndefinedDerivativeError(
        "eigenvectors have no derivative where eigenvalues are repeated (to rounding). What has "
        "one is a function of the whole matrix, v diag(h(w)) vᴴ, with h(w) computed from w and "
        "not otherwise from the matrix, and equal where w is. Written with all of v as "
        "(v * h(w)) @ v.T, (v / h(w)) @ v.T, v @ np.diag(h(w)) @ v.T or "
        "v @ (h(w)[:, None] * v.T) (v.conj().T if complex) it is recognised, and has a first "
        "derivative. The eigenvalues alone have one too (np.linalg.eigvalsh); for some of the "
        "eigenvectors, apart from the repeated ones, use "
        "scipy.linalg.eigh(a, subset_by_index=[first, last])."
    )


def _gaps(w: Any, error: UndefinedDerivativeError) -> Any:
    """Return 1/(w_j − w_i), 0 on the diagonal, of eigenvalues that are all different."""
    gaps, same = reciprocal_gaps(w)
    return required(gaps, distinct(same), error)


def _eigh_jvp(x_dot: Any, x: Any, out: Any) -> Any:
    # x is not needed here, but kept for products that are recognised (adjoint.eager.spectral).
    w, v = out
    e = adjoint(v) @ hermitian_part(x_dot) @ v
    w_dot = real_part(diagonal(e))
    try:
        gaps = _gaps(w, repeated_eigenvalues())
    except UndefinedDerivativeError as error:
        return w_dot, Undefined(error)
    return w_dot, v @ (gaps * e)


def _eigh_vjp(ct: Any, out: Any) -> Any:
    w_bar, v_bar = ct
    w, v = out
    vc, vt = v.conj(), transposed(v)
    if is_absent(v_bar):
        return hermitian_part((vc * columns(w_bar)) @ vt)
    e_bar = _gaps(w, repeated_eigenvalues()) * (vt @ v_bar) + on_diagonal(w_bar)
    return hermitian_part(vc @ e_bar @ vt)


general(la.eigh, jvp=_eigh_jvp, vjp=_eigh_vjp)

# -- some eigenvectors of a Hermitian matrix -------------------------------------------------------


def _subset(x: Any, first: int, count: int, lower: Any) -> Any:
    """Return all eigenvectors, and 1/(w_j − w_i) for chosen j, which must not be repeated."""
    w, v = la.eigh(x, lower=lower is not False)
    gaps, same = reciprocal_gaps(w)
    chosen = slice(first, first + count)
    same = same & ~eye(same.shape[-1], dtype=bool)
    return v, required(gaps[..., chosen], none_of(same[..., chosen]), repeated_eigenvalues())


def _eigh_subset_jvp(x_dot: Any, x: Any, out: Any, first: int, count: int, lower: Any) -> Any:
    moved = hermitian_part(x_dot) @ out[1]
    w_dot = real_part(diagonal(adjoint(out[1]) @ moved))
    try:
        v, gaps = _subset(x, first, count, lower)
    except UndefinedDerivativeError as error:
        return w_dot, Undefined(error)
    return w_dot, v @ (gaps * (adjoint(v) @ moved))


def _eigh_subset_vjp(ct: Any, x: Any, out: Any, first: int, count: int, lower: Any) -> Any:
    w_bar, v_bar = ct
    ct_t = transposed(out[1])
    x_bar = (out[1].conj() * columns(w_bar)) @ ct_t
    if not is_absent(v_bar):
        v, gaps = _subset(x, first, count, lower)
        x_bar = x_bar + v.conj() @ (gaps * (transposed(v) @ v_bar)) @ ct_t
    return hermitian_part(x_bar)


general(la.eigh_subset, jvp=_eigh_subset_jvp, vjp=_eigh_subset_vjp)

# -- functions of a Hermitian matrix ---------------------------------------------------------------


def _differences(w: Any, d: Any, slopes: Any) -> Any:
    """Return the divided differences (d_i − d_j)/(w_i − w_j), 0 on the diagonal."""
    given = ~np.isnan(slopes)
    gap = w[..., :, None] - w[..., None, :]
    change = d[..., :, None] - d[..., None, :]
    inside = ew.where(given, slopes, change / ew.where(given, 1, gap))
    return inside * (1 - eye(w.shape[-1], dtype=w.dtype))


def _spectral_jvp(x_dot: Any, d_dot: Any, x: Any, d: Any, slopes: Any, lower: bool) -> Any:
    # Daleckii & Krein (1965).
    w, v = la.eigh(x, lower=lower is not False)
    e = None if d_dot is None else on_diagonal(d_dot)
    if x_dot is not None:
        part = _differences(w, d, slopes) * (adjoint(v) @ hermitian_part(x_dot) @ v)
        e = part if e is None else e + part
    return v @ e @ adjoint(v)


def _spectral_vjp(ct: Any, x: Any, d: Any, slopes: Any, lower: bool) -> Any:
    w, v = la.eigh(x, lower=lower is not False)
    vt, vc = transposed(v), v.conj()
    e_bar = vt @ ct @ vc
    x_bar = hermitian_part(vc @ (_differences(w, d, slopes) * e_bar) @ vt)
    return x_bar, diagonal(e_bar), None


def _spectral_product_vjp(ct: Any, x: Any, d: Any, slopes: Any, lower: bool) -> Any:
    return None, *_spectral_vjp(ct, x, d, slopes, lower)


general(la.spectral, jvp=_spectral_jvp, vjp=_spectral_vjp)
general(la.spectral_product, jvp=_spectral_jvp, vjp=_spectral_product_vjp)

# -- general matrices ------------------------------------------------------------------------------


def _defective() -> UndefinedDerivativeError:
    return UndefinedDerivativeError(
        "the eigenvalues of a defective matrix (one without a basis of eigenvectors) have no "
        "derivative"
    )


def _without_vectors() -> UndefinedDerivativeError:
    return UndefinedDerivativeError(
        "eigenvectors have no derivative where eigenvalues are repeated (to rounding); use "
        "np.linalg.eigvals for the eigenvalues alone, and np.linalg.eigh for Hermitian matrices"
    )


def _eig_jvp(x_dot: Any, out: Any) -> Any:
    w, v = out
    try:
        e = _solve(v, x_dot @ v)
    except UndefinedDerivativeError as error:
        return Undefined(error), Undefined(error)
    try:
        gaps = _gaps(w, _without_vectors())
    except UndefinedDerivativeError as error:
        return diagonal(e), Undefined(error)
    v_dot = v @ (gaps * e)
    axis = (len(v.shape) - 2,)
    shift = -st.reduce_sum(real_part(v.conj() * v_dot), axis=axis, keepdims=True)
    if v.dtype.kind == "c":
        largest = _largest(v)
        turn = st.reduce_sum(ew.imag(v_dot) * largest, axis=axis, keepdims=True)
        shift = shift - 1j * turn / st.reduce_sum(ew.real(v) * largest, axis=axis, keepdims=True)
    return diagonal(e), v_dot + v * shift


def _eig_vjp(ct: Any, out: Any) -> Any:
    w_bar, v_bar = ct
    w, v = out
    vt = transposed(v)
    e_bar = on_diagonal(w_bar)
    if not is_absent(v_bar):
        gaps = _gaps(w, _without_vectors())
        axis = (len(v.shape) - 2,)
        along = st.reduce_sum(v_bar * v, axis=axis, keepdims=True)
        v_bar = v_bar - real_part(along) * v.conj()
        if v.dtype.kind == "c":
            largest = _largest(v)
            size = st.reduce_sum(ew.real(v) * largest, axis=axis, keepdims=True)
            v_bar = v_bar - 1j * (ew.imag(along) / size) * largest
        e_bar = e_bar + gaps * (vt @ v_bar)
    return _solve(vt, e_bar @ vt)


def _solve(v: Any, b: Any) -> Any:
    """Return v⁻¹ b of a basis of eigenvectors, if it is one."""
    if isinstance(v, Staged):
        v = required(v, np.logical_not(decided(is_singular, v)), _defective())
    try:
        return la.solve(v, b)
    except np.linalg.LinAlgError:
        raise _defective() from None


def _largest(v: Any) -> Any:
    """Tell which component of each eigenvector is the largest, which LAPACK makes real."""
    row = np.argmax(np.abs(v), axis=len(v.shape) - 2)
    mask = arange(v.shape[-2])[:, None] == row[..., None, :]
    return mask.astype(v.real.dtype)


general(la.eig, jvp=_eig_jvp, vjp=_eig_vjp)
