"""Derivatives of products, solvers, determinants and inverses.

Formulas: M. Giles, *Collected matrix derivative results for forward and reverse mode algorithmic
differentiation* (2008); of the pseudoinverse: Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.errors import UndefinedDerivativeError
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops import structural as st
from adjoint.rules.checks import none_of, required
from adjoint.rules.derive import general, linear, multilinear
from adjoint.rules.matrices import adjoint, real_part, transposed, triangle

# -- products --------------------------------------------------------------------------------------


def _matmul_x(ct: Any, y: Any, x_type: Any) -> Any:
    nx, ny = len(x_type.shape), len(y.shape)
    if ny == 1:
        bar = ct * y if nx == 1 else ct[..., None] * y
    elif nx == 1:
        bar = (ct[..., None, :] @ transposed(y))[..., 0, :]
    else:
        bar = ct @ transposed(y)
    return st.unbroadcast(bar, x_type.shape)


def _matmul_y(ct: Any, x: Any, y_type: Any) -> Any:
    nx, ny = len(x.shape), len(y_type.shape)
    if nx == 1:
        bar = ct * x if ny == 1 else x[:, None] * ct[..., None, :]
    elif ny == 1:
        bar = (transposed(x) @ ct[..., None])[..., 0]
    elif ny == 2 < nx:
        bar = transposed(_rows(x)) @ _rows(ct)
    else:
        bar = transposed(x) @ ct
    return st.unbroadcast(bar, y_type.shape)


def _rows(x: Any) -> Any:
    """Return a stack of matrices as one matrix with the rows of all of them."""
    return st.reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


def _sparse_solve_transpose(ct: Any, factor: Any, trans: Any) -> Any:
    other = "N" if trans == "T" else "T"
    return la.sparse_solve(ct, factor=factor, dtype=ct.dtype, trans=other)


multilinear(la.matmul, _matmul_x, _matmul_y)
linear(la.sparse_matmul, lambda ct, matrix: la.sparse_matmul(ct, matrix=matrix.T))
linear(la.sparse_solve, _sparse_solve_transpose)


# -- the Euclidean norm ----------------------------------------------------------------------------


def _unit(x: Any, out: Any, axis: Any, keepdims: bool) -> Any:
    """Return conj(x)/‖x‖; where the norm is 0 it and its derivatives are 0."""
    out = _spread(out, x.shape, axis, keepdims)
    zero = np.equal(out, 0)
    return ew.where(zero, 0, x.conj() / ew.where(zero, 1, out))


def _spread(r: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    if keepdims or axis is None:
        return r
    return st.reshape(r, shape=tuple(1 if k in axis else n for k, n in enumerate(shape)))


def _norm_jvp(x_dot: Any, x: Any, out: Any, axis: Any, keepdims: bool) -> Any:
    unit = _unit(x, out, axis, keepdims)
    return st.reduce_sum(real_part(x_dot * unit), axis=axis, keepdims=keepdims)


def _norm_vjp(ct: Any, x: Any, out: Any, axis: Any, keepdims: bool) -> Any:
    return _spread(ct, x.shape, axis, keepdims) * _unit(x, out, axis, keepdims)


general(la.norm, _norm_jvp, _norm_vjp)


# -- inverses and solvers --------------------------------------------------------------------------


def _inv_vjp(ct: Any, out: Any) -> Any:
    t = transposed(out)
    return -(t @ ct @ t)


def _pinv_jvp(x_dot: Any, x: Any, out: Any) -> Any:
    # Where the rank stays as it is; elsewhere the pseudoinverse is not even continuous.
    xh, oh = adjoint(x_dot), adjoint(out)
    p = out @ (oh @ xh)
    q = (xh @ oh) @ out
    return -(out @ x_dot @ out) + (p - (p @ x) @ out) + (q - out @ (x @ q))


def _solve_jvp(a_dot: Any, b_dot: Any, a: Any, out: Any) -> Any:
    if a_dot is None:
        return la.solve(a, b_dot)
    shift = a_dot @ out
    return la.solve(a, -shift if b_dot is None else b_dot - shift)


def _solve_vjp(ct: Any, a: Any, out: Any, active: Any, a_type: Any, b_type: Any) -> Any:
    b_bar = la.solve(transposed(a), ct)
    a_bar = None
    if active[0]:
        a_bar = st.unbroadcast(-(b_bar @ transposed(out)), a_type.shape)
    return a_bar, st.unbroadcast(b_bar, b_type.shape) if active[1] else None


def _triangular_jvp(a_dot: Any, b_dot: Any, a: Any, out: Any, lower: bool, unit: bool) -> Any:
    right = b_dot
    if a_dot is not None:
        shift = triangle(a_dot, bool(lower), int(bool(unit))) @ out
        right = -shift if b_dot is None else b_dot - shift
    return la.solve_triangular(a, right, lower=bool(lower), unit=bool(unit))


def _triangular_vjp(
    ct: Any, a: Any, out: Any, active: Any, a_type: Any, b_type: Any, lower: bool, unit: bool
) -> Any:
    b_bar = la.solve_triangular(transposed(a), ct, lower=not lower, unit=bool(unit))
    a_bar = None
    if active[0]:
        a_bar = triangle(-(b_bar @ transposed(out)), bool(lower), int(bool(unit)))
        a_bar = st.unbroadcast(a_bar, a_type.shape)
    return a_bar, st.unbroadcast(b_bar, b_type.shape) if active[1] else None


general(la.inv, jvp=lambda x_dot, out: -(out @ x_dot @ out), vjp=_inv_vjp)
general(la.pinv, jvp=_pinv_jvp)
general(la.solve, jvp=_solve_jvp, vjp=_solve_vjp)
general(la.solve_triangular, jvp=_triangular_jvp, vjp=_triangular_vjp)


# -- determinants ----------------------------------------------------------------------------------
# det and its first two derivatives are polynomials that the singular value decomposition gives for
# any matrix; from the third on they are written with the inverse, and refused where there is none.


def _trace_of_product(x: Any, y: Any) -> Any:
    return st.reduce_sum(x * transposed(y), axis=(len(x.shape) - 2, len(x.shape) - 1))[
        ..., None, None
    ]


def _third_derivative(x_dot: Any, e_dot: Any, x: Any, e: Any) -> Any:
    linear_part = None if e_dot is None else la.adjugate_derivative(x, e_dot)
    if x_dot is None:
        return linear_part
    error = UndefinedDerivativeError(
        "third and higher derivatives of det are computed with the inverse, and the matrix is "
        "singular; its first two derivatives are there"
    )
    x = required(x, none_of(np.linalg.matrix_rank(x) < x.shape[-1]), error)
    b = la.inv(x)
    h = b @ x_dot
    f = b @ e
    size = la.det(x)[..., None, None]
    th, tf = _trace_of_product(b, x_dot), _trace_of_product(b, e)
    hb, fb = h @ b, f @ b
    moved = th * (tf * b - fb) - _trace_of_product(hb, e) * b - tf * hb + h @ fb + f @ hb
    moved = size * moved
    return moved if linear_part is None else linear_part + moved


def _slogdet_jvp(x_dot: Any, x: Any, out: Any) -> Any:
    sign = out[0]
    error = UndefinedDerivativeError(
        "slogdet of a singular matrix: log|det| = -inf has no derivative; that of np.linalg.det is "
        "there"
    )
    x = required(x, none_of(np.equal(sign, 0)), error)
    z = _trace_of_product(la.inv(x), x_dot)[..., 0, 0]
    if x.dtype.kind != "c":
        return None, z
    return sign * (1j * ew.imag(z)), ew.real(z)


general(la.det, vjp=lambda ct, x: ct[..., None, None] * transposed(la.adjugate(x)))
general(
    la.adjugate,
    jvp=lambda x_dot, x: la.adjugate_derivative(x, x_dot),
    vjp=lambda ct, x: transposed(la.adjugate_derivative(x, transposed(ct))),
)
general(la.adjugate_derivative, jvp=_third_derivative)
general(la.slogdet, jvp=_slogdet_jvp)
