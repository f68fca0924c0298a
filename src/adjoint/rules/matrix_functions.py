"""Derivatives of functions of general matrices, of matrix equations and of LU factors.

A primary function f of a block triangular matrix holds its own Fréchet derivative (N. Higham,
*Functions of Matrices*, 2008, theorem 3.6):

    f([[x, e], [0, x]]) = [[f(x), L(x, e)], [0, f(x)]]

which is a composition over f itself, and so gives derivatives of every order. The transpose of
e ↦ L(x, e) is e ↦ L(xᵀ, e).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import UndefinedDerivativeError
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops import matrix_functions as mf
from adjoint.ops import structural as st
from adjoint.ops.creation import eye, zeros_like
from adjoint.ops.discrete import row_order
from adjoint.ops.registry import Traced
from adjoint.rules.checks import decided, none_of, required
from adjoint.rules.derive import general
from adjoint.rules.matrices import strictly_lower, transposed, triangle
from adjoint.staged.values import Staged

_NOT_AT_SINGULAR = ("sqrtm", "logm", "signm", "fractional_matrix_power")


def _frechet(x: Any, e: Any, name: str, power: Any) -> Any:
    if name in _NOT_AT_SINGULAR:
        x = required(x, none_of(np.linalg.matrix_rank(x) < x.shape[-1]), _undefined(name))
    params = {"name": name} if power is None else {"name": name, "power": power}
    # The derivative is linear in e; near the size of x it is computed best.
    if isinstance(e, Staged):
        size = np.max(np.abs(ew.stop_gradient(e)), initial=0)
        some = np.logical_and(np.greater(size, 0), np.isfinite(size))
        size = ew.where(some, size, 1.0)
        part = _corner(x, ew.where(some, e, 0) / size, params) * size
        known = np.logical_or(np.all(np.isfinite(part)), np.logical_not(some))
        return ew.where(some, required(part, known, _undefined(name)), e)
    size = 1.0
    if not isinstance(e, Traced):
        size = float(np.max(np.abs(e), initial=0))
        if size == 0 or not np.isfinite(size):
            return e
    scaled: Any = e
    if size != 1.0:
        scaled = scaled / size
    part = _corner(x, scaled, params)
    part = required(part, np.all(np.isfinite(part)), _undefined(name))
    return part * size if size != 1.0 else part


def _corner(x: Any, e: Any, params: dict[str, Any]) -> Any:
    """Return L(x, e), as it stands in f of the block triangular matrix."""
    n = x.shape[-1]
    top = st.concatenate(x, e, axis=-1)
    bottom = st.concatenate(zeros_like(x), x, axis=-1)
    return mf.matrix_function(st.concatenate(top, bottom, axis=-2), **params)[..., :n, n:]


def _undefined(name: str) -> UndefinedDerivativeError:
    return UndefinedDerivativeError(
        f"scipy.linalg.{name} has no derivative at this matrix: it is singular (to rounding), or "
        "has an eigenvalue where the function jumps"
    )


general(
    mf.matrix_function,
    jvp=lambda x_dot, x, name, power: _frechet(x, x_dot, name, power),
    vjp=lambda ct, x, name, power: _frechet(transposed(x), ct, name, power),
)


def _sylvester_jvp(a_dot: Any, b_dot: Any, q_dot: Any, a: Any, b: Any, out: Any) -> Any:
    right = q_dot
    for term in (
        None if a_dot is None else a_dot @ out,
        None if b_dot is None else out @ b_dot,
    ):
        if term is not None:
            right = -term if right is None else right - term
    return mf.sylvester(a, b, right)


def _sylvester_vjp(ct: Any, a: Any, b: Any, out: Any, active: Any) -> Any:
    q_bar = mf.sylvester(transposed(a), transposed(b), ct)
    t = transposed(out)
    return (
        -(q_bar @ t) if active[0] else None,
        -(t @ q_bar) if active[1] else None,
        q_bar if active[2] else None,
    )


general(mf.sylvester, jvp=_sylvester_jvp, vjp=_sylvester_vjp)


def _lu_jvp(x_dot: Any, out: Any) -> Any:
    # With P x = L U and F = L⁻¹ P dx U⁻¹: dL = L tril(F, -1), dU = triu(F) U.
    lu, pivots = out
    f = la.solve_triangular(lu, x_dot[decided(row_order, pivots)], lower=True, unit=True)
    f = transposed(la.solve_triangular(transposed(lu), transposed(f), lower=True))
    below, upper = strictly_lower(f), triangle(f, False)
    unit_lower = strictly_lower(lu) + eye(lu.shape[-1], dtype=lu.dtype)
    return unit_lower @ below + upper @ triangle(lu, False), None


general(mf.lu, jvp=_lu_jvp)
