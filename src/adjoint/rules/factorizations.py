"""Derivatives of the factorisations: Cholesky, QR, singular values.

A Hermitian operand is differentiated along Hermitian matrices: tangents and cotangents are replaced
by their Hermitian part, as in JAX, whichever triangle the operation reads.

Formulas: I. Murray, *Differentiation of the Cholesky decomposition* (2016); Walter & Lehmann,
*Algorithmic differentiation of linear algebra functions* (2010) for QR; J. Townsend,
*Differentiating the singular value decomposition* (2016), here with the phases of complex vectors
shared evenly between the left and the right ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import UndefinedDerivativeError
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops import structural as st
from adjoint.ops.creation import arange
from adjoint.rules.checks import none_of, required
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
    rows,
    strictly_lower,
    transposed,
)
from adjoint.staged.lengths import greatest, may_exceed

# -- Cholesky --------------------------------------------------------------------------------------


def _half_lower(x: Any) -> Any:
    """Return the lower triangle with the diagonal halved."""
    columns = arange(x.shape[-1])
    rows = columns[:, None]
    weight = 0.5 * np.greater(rows, columns) + 0.5 * np.greater_equal(rows, columns)
    return x * st.cast(weight, dtype=x.real.dtype)


def _cholesky_jvp(x_dot: Any, out: Any) -> Any:
    inner = la.solve_triangular(out, hermitian_part(x_dot), lower=True)
    inner = adjoint(la.solve_triangular(out, adjoint(inner), lower=True))
    return out @ _half_lower(inner)


def _cholesky_vjp(ct: Any, out: Any) -> Any:
    # The transpose of the above, step by step.
    inner = _half_lower(transposed(out) @ ct)
    upper = transposed(out)
    inner = la.solve_triangular(upper, inner)  # L⁻ᵀ P
    inner = transposed(la.solve_triangular(adjoint(out), transposed(inner)))  # … L̄⁻¹
    return hermitian_part(inner)


general(la.cholesky, jvp=_cholesky_jvp, vjp=_cholesky_vjp)

# -- QR --------------------------------------------------------------------------------------------


def _qr_jvp(x_dot: Any, out: Any) -> Any:
    q, r = out
    scaled = transposed(la.solve_triangular(transposed(r), transposed(x_dot), lower=True))
    inner = adjoint(q) @ scaled
    below = strictly_lower(inner)
    turn = below - adjoint(below)  # qᴴ dq: skew, and such that dr r⁻¹ = inner − turn is upper
    if inner.dtype.kind == "c":
        turn = turn + on_diagonal(1j * ew.imag(diagonal(inner)))
    rest = inner - turn
    return scaled - q @ rest, rest @ r


general(la.qr, jvp=_qr_jvp)


def _complement_vjp(ct: Any, q: Any, out: Any) -> Any:
    turn = transposed(out) @ ct
    skew = turn - adjoint(turn)
    size = np.finfo(skew.dtype).eps ** 0.5 * la.norm(ct)
    error = UndefinedDerivativeError(
        "the last columns of an orthogonal factor (u or vh of np.linalg.svd with "
        "full_matrices=True, q of np.linalg.qr with mode='complete') complete a basis in a way "
        "that is not unique, and the result depends on more than the space they span. Use "
        "full_matrices=False or mode='reduced'."
    )
    ct = required(ct, none_of(np.abs(skew) > size), error)
    return -(out.conj() @ (adjoint(ct) @ q.conj()))


general(
    la.complement,
    jvp=lambda q_dot, q, out: -(q @ (adjoint(q_dot) @ out)),
    vjp=(_complement_vjp, None),
)

# -- singular values -------------------------------------------------------------------------------


def _repeated() -> UndefinedDerivativeError:
    return UndefinedDerivativeError(
        "singular vectors have no derivative where singular values are repeated (to rounding). The "
        "singular values alone do (np.linalg.svd(x, compute_uv=False)), and so do np.linalg.pinv, "
        "np.linalg.matrix_norm and np.linalg.det of the same matrix."
    )


def _vanishing() -> UndefinedDerivativeError:
    return UndefinedDerivativeError(
        "singular vectors of a rectangular (or complex) matrix have no derivative where a singular "
        "value is zero (to rounding). The singular values alone do (np.linalg.svd(x, "
        "compute_uv=False)), and so does np.linalg.pinv."
    )


def _reciprocals(s: Any, shape: tuple[Any, ...], is_complex: bool) -> tuple[Any, Any]:
    """Return 1/(s_j² − s_i²) and 1/s, if the singular vectors have a derivative."""
    m, n = shape[-2:]
    scale = 16 * greatest(m, n) * np.finfo(s.dtype).eps * s[..., :1]
    gap = s[..., None, :] - s[..., :, None]
    same = np.abs(gap) <= scale[..., None]
    product = gap * (s[..., None, :] + s[..., :, None])
    pairs = ew.where(same, 0, 1 / ew.where(same, 1, product))
    zero = np.less_equal(s, scale)
    reciprocal = ew.where(zero, 0, 1 / ew.where(zero, 1, s))
    regular = none_of(zero) if is_complex else np.logical_or(none_of(zero), np.equal(m, n))
    return required(pairs, distinct(same), _repeated()), required(reciprocal, regular, _vanishing())


def _svd_jvp(x_dot: Any, x_type: Any, out: Any) -> Any:
    u, s, vh = out
    m, n = x_type.shape[-2:]
    uh, v = adjoint(u), adjoint(vh)
    p = uh @ x_dot @ v
    s_dot = real_part(diagonal(p))
    try:
        pairs, reciprocal = _reciprocals(s, x_type.shape, p.dtype.kind == "c")
    except UndefinedDerivativeError as error:
        missing = Undefined(error)
        return missing, s_dot, missing
    ps, sp = p * columns(s), rows(s) * p
    turn_u = pairs * (ps + adjoint(ps))
    turn_v = pairs * (sp + adjoint(sp))
    if p.dtype.kind == "c":
        phase = on_diagonal(0.5j * ew.imag(diagonal(p)) * reciprocal)
        turn_u, turn_v = turn_u + phase, turn_v - phase
    u_dot, vh_dot = u @ turn_u, -(turn_v @ vh)
    if may_exceed(m, n):
        outside = x_dot @ v
        u_dot = u_dot + (outside - u @ p) * columns(reciprocal)
    if may_exceed(n, m):
        outside = uh @ x_dot
        vh_dot = vh_dot + rows(reciprocal) * (outside - p @ vh)
    return u_dot, s_dot, vh_dot


def _svd_vjp(ct: Any, x_type: Any, out: Any) -> Any:
    u_bar, s_bar, vh_bar = ct
    u, s, vh = out
    m, n = x_type.shape[-2:]
    vc = vh.conj()
    if is_absent(u_bar) and is_absent(vh_bar):
        return (u.conj() * columns(s_bar)) @ vc
    pairs, reciprocal = _reciprocals(s, x_type.shape, u.dtype.kind == "c")
    ut, vt = transposed(u), transposed(vh)
    gu, gv = ut @ u_bar, -(vh_bar @ vt)
    fu, fv = pairs * gu, pairs * gv
    p = fu * columns(s) + adjoint(rows(s) * fu) + rows(s) * fv + adjoint(fv * columns(s))
    p = p + on_diagonal(s_bar)
    if p.dtype.kind == "c":
        p = p + on_diagonal(0.5j * ew.imag(diagonal(gu - gv)) * reciprocal)
    x_bar = u.conj() @ p @ vc
    if may_exceed(m, n):
        x_bar = x_bar + ((u_bar - u.conj() @ gu) * columns(reciprocal)) @ vc
    if may_exceed(n, m):
        x_bar = x_bar + u.conj() @ (rows(reciprocal) * (vh_bar + gv @ vc))
    return x_bar


general(la.svd, jvp=_svd_jvp, vjp=_svd_vjp)
