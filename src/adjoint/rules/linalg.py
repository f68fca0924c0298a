"""Derivatives of linear algebra."""

from __future__ import annotations

from typing import Any

from adjoint.ops import linalg as la
from adjoint.ops import structural as st
from adjoint.rules.derive import multilinear


def transposed(x: Any) -> Any:
    """Swap the last two axes."""
    n = len(x.shape)
    return st.permute(x, axes=(*range(n - 2), n - 1, n - 2))


def _matmul_x(ct: Any, y: Any, x_type: Any) -> Any:
    nx, ny = len(x_type.shape), len(y.shape)
    if ny == 1:
        return ct * y if nx == 1 else ct[..., None] * y
    if nx == 1:
        ct = ct[..., None, :]
        bar = (ct @ transposed(y))[..., 0, :]
    else:
        bar = ct @ transposed(y)
    return st.unbroadcast(bar, x_type.shape)


def _matmul_y(ct: Any, x: Any, y_type: Any) -> Any:
    nx, ny = len(x.shape), len(y_type.shape)
    if nx == 1:
        bar = ct * x if ny == 1 else x[:, None] * ct[..., None, :]
    elif ny == 1:
        bar = (transposed(x) @ ct[..., None])[..., 0]
    else:
        bar = transposed(x) @ ct
    return st.unbroadcast(bar, y_type.shape)


multilinear(la.matmul, _matmul_x, _matmul_y)
