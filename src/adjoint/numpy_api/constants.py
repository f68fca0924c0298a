"""Functions whose results are constants: shapes, comparisons, tests, orders, rounding.

They are piecewise constant, or of integers, booleans or strings; derivatives pass them by. Each is
NumPy's own function of the ordinary values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import plain
from adjoint.eager.recorded import constant
from adjoint.ops.registry import FUNCTIONS, UFUNCS

__all__ = ["CONSTANTS", "register_constant"]

CONSTANTS: set[Any] = set()
"""The functions declared here and in other areas."""


def register_constant(*functions: Any) -> None:
    """Declare that ``functions`` have constant results."""
    CONSTANTS.update(functions)
    for fn in functions:
        (UFUNCS if isinstance(fn, np.ufunc) else FUNCTIONS)[fn] = _of_values(fn)


def _of_values(fn: Callable) -> Callable:
    def impl(*args: Any, **kwargs: Any) -> Any:
        result = fn(*plain(args), **plain(kwargs))
        # A floating-point result may be filled with traced values later.
        return constant(result) if getattr(result, "dtype", None) in _INEXACT else result

    return impl


_INEXACT = {np.dtype(t) for t in "fdFD"}

register_constant(
    np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.iscomplex, np.isreal,
    np.result_type, np.can_cast, np.min_scalar_type, np.common_type,
    np.any, np.all, np.allclose, np.array_equal, np.array_equiv, np.isclose,
    np.argmax, np.argmin, np.argsort, np.argpartition, np.lexsort, np.nanargmax, np.nanargmin,
    np.nonzero, np.flatnonzero, np.argwhere, np.count_nonzero, np.searchsorted, np.digitize,
    np.isposinf, np.isneginf, np.isin,
    np.array_repr, np.array_str, np.array2string, np.shares_memory, np.may_share_memory,
    np.fix,
    np.isnan, np.isfinite, np.isinf, np.signbit, np.floor, np.ceil, np.trunc, np.rint,
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
)  # fmt: skip
