"""``scipy.sparse.linalg``: solving for traced right-hand sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from adjoint.dispatch import any_active, no_rule, plain
from adjoint.frontend import hooks
from adjoint.numpy_api.creation import as_array
from adjoint.numpy_api.replaced import refuse, replace
from adjoint.ops import linalg as la

__all__ = ["spsolve"]


def spsolve(A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True) -> Any:
    """``scipy.sparse.linalg.spsolve`` of a constant sparse matrix."""
    if any_active(A):
        no_rule(scipy.sparse.linalg.spsolve)
    b = as_array(b)
    factor = scipy.sparse.linalg.splu(
        scipy.sparse.csc_array(plain(A)).astype(np.result_type(A.dtype, np.float32), copy=False),
        permc_spec,
    )
    x = la.sparse_solve(b, factor=factor, dtype=np.result_type(A.dtype, b.dtype))
    return x[:, 0] if b.ndim == 2 and b.shape[1] == 1 else x


replace(scipy.sparse.linalg.spsolve, spsolve)

for _name in scipy.sparse.linalg.__all__:
    _original = getattr(scipy.sparse.linalg, _name)
    if (
        callable(_original)
        and not isinstance(_original, type)
        and _original not in hooks.replacements
    ):
        refuse(_original)
