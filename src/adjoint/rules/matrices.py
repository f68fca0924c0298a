"""What the derivatives of linear algebra are written with: transposes, diagonals, triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.graph import Value
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops import structural as st
from adjoint.ops.control import constant
from adjoint.ops.creation import arange, eye
from adjoint.rules.checks import none_of
from adjoint.staged.values import Staged, current

__all__ = [
    "adjoint",
    "columns",
    "diagonal",
    "distinct",
    "hermitian_part",
    "is_absent",
    "on_diagonal",
    "real_part",
    "reciprocal_gaps",
    "rows",
    "strictly_lower",
    "transposed",
    "triangle",
]


def transposed(x: Any) -> Any:
    """Swap the last two axes."""
    n = len(x.shape)
    return st.permute(x, axes=(*range(n - 2), n - 1, n - 2))


def adjoint(x: Any) -> Any:
    """Return xᴴ, of each matrix of a stack."""
    return transposed(x.conj())


def hermitian_part(x: Any) -> Any:
    """Return (x + xᴴ)/2."""
    return 0.5 * (x + adjoint(x))


def real_part(x: Any) -> Any:
    """Return the real part, of real x itself."""
    return ew.real(x) if x.dtype.kind == "c" else x


def diagonal(x: Any) -> Any:
    """Return the diagonals of a stack of matrices."""
    m, n = x.shape[-2:]
    k = arange(m if m == n else min(m, n))
    return x[..., k, k]


def on_diagonal(d: Any) -> Any:
    """Return the diagonal matrices of a stack of vectors."""
    return d[..., None] * eye(d.shape[-1], dtype=d.real.dtype)


def columns(d: Any) -> Any:
    """Return ``d`` such that multiplying by it scales columns: x diag(d)."""
    return d[..., None, :]


def rows(d: Any) -> Any:
    """Return ``d`` such that multiplying by it scales rows: diag(d) x."""
    return d[..., :, None]


def triangle(x: Any, lower: bool, k: int = 0) -> Any:
    """Return ``x`` with zeros outside a triangle; ``k = 1`` leaves the diagonal out too."""
    rows, columns = arange(x.shape[-2])[:, None], arange(x.shape[-1])
    inside = columns <= rows - k if lower else columns >= rows + k
    return x * st.cast(inside, dtype=x.real.dtype)


def strictly_lower(x: Any) -> Any:
    """Return the entries below the diagonal."""
    return triangle(x, True, 1)


def reciprocal_gaps(w: Any) -> tuple[Any, Any]:
    """Return the matrix 1/(w_j − w_i), 0 where they are equal, and where they are.

    Equal is what differs by rounding: by less than 16 n units in the last place of the largest.
    """
    n = w.shape[-1]
    gap = w[..., None, :] - w[..., :, None]
    scale = la.norm(w, axis=(len(w.shape) - 1,), keepdims=True)[..., None]
    same = np.abs(gap) <= 16 * n * np.finfo(w.dtype).eps * scale
    return ew.where(same, 0, 1 / ew.where(same, 1, gap)), same


def distinct(same: Any) -> Any:
    """Return whether no two are the same, by the matrix that tells which are."""
    return none_of(same & ~eye(same.shape[-1], dtype=bool))


def is_absent(ct: Any) -> bool:
    """Tell whether a result of an operation with several was not used at all.

    The walk then gives zeros that take no memory, which differ in that from a cotangent that
    happens to vanish.
    """
    if isinstance(ct, Staged):
        value = current(ct)
        return value.op is st.broadcast_to and _is_zero(value.inputs[0])
    return type(ct) is np.ndarray and ct.size > 0 and not any(ct.strides) and not ct.flat[0]


def _is_zero(value: Value) -> bool:
    return value.op is constant and value.shape == () and not value.params["value"]
