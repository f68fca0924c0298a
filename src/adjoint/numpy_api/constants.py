"""Functions whose results are constants: shapes, comparisons, tests, orders, rounding.

They are piecewise constant, or of integers, booleans or strings; derivatives pass them by. Each is
NumPy's own function of the ordinary values; of staged values it is an operation without derivative,
save what their types can answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import any_staged, is_staged, is_weak, plain, record_call
from adjoint.eager.recorded import constant
from adjoint.errors import TracingError
from adjoint.ops.registry import FUNCTIONS, UFUNCS, Traced

__all__ = ["CONSTANTS", "register_constant"]

CONSTANTS: set[Any] = set()
"""The functions declared here and in other areas."""


# -- what the type of a staged value answers -------------------------------------------------------


def _shape(a: Any) -> tuple[Any, ...]:
    if isinstance(a, Traced):
        return a.shape
    if not isinstance(a, (list, tuple)):
        return np.shape(a)
    return (len(a), *_shape(a[0])) if len(a) else (0,)


def _size(a: Any, axis: Any = None) -> Any:
    shape = _shape(a)
    if axis is None:
        return math.prod(shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    return math.prod(shape[k] for k in axes)


def _is_complex(x: Any) -> bool:
    if isinstance(x, (list, tuple)) and not isinstance(x, Traced):
        return any(map(_is_complex, x))
    return x.dtype.kind == "c" if isinstance(x, Traced) else np.iscomplexobj(x)


def typical(x: Any) -> Any:
    """Return what stands for ``x`` in NumPy's promotions: a Python number, or a dtype."""
    if not is_staged(x):
        return x
    number = x.dtype.type(0)
    return number.item() if is_weak(x) else x.dtype


def _promoted(fn: Callable) -> Callable:
    return lambda *args, **kwargs: fn(*map(typical, args), **kwargs)


def _common_type(*arrays: Any) -> type:
    return np.common_type(*[np.empty(0, a.dtype) if is_staged(a) else a for a in arrays])


def _refused(fn: Callable, why: str) -> Callable:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise TracingError(
            f"np.{fn.__name__} {why}, which is not known yet when a function is staged"
        )

    return refuse


_OF_TYPES: dict[Any, Callable] = {
    np.shape: _shape,
    np.ndim: lambda a: len(_shape(a)),
    np.size: _size,
    np.iscomplexobj: _is_complex,
    np.isrealobj: lambda x: not _is_complex(x),
    np.result_type: _promoted(np.result_type),
    np.can_cast: _promoted(np.can_cast),
    np.common_type: _common_type,
    np.min_scalar_type: _refused(np.min_scalar_type, "asks for the number itself"),
    **{
        fn: _refused(fn, "writes numbers as text")
        for fn in (np.array_repr, np.array_str, np.array2string)
    },
    **{
        fn: _refused(fn, "asks where arrays lie in memory")
        for fn in (np.shares_memory, np.may_share_memory)
    },
}


def register_constant(*functions: Any) -> None:
    """Declare that ``functions`` have constant results."""
    CONSTANTS.update(functions)
    for fn in functions:
        (UFUNCS if isinstance(fn, np.ufunc) else FUNCTIONS)[fn] = _of_values(fn)


def _of_values(fn: Callable) -> Callable:
    of_type = _OF_TYPES.get(fn)

    def impl(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = plain(args), plain(kwargs)
        if any_staged(args) or (kwargs and any_staged(kwargs)):
            return of_type(*args, **kwargs) if of_type else record_call(fn, args, kwargs)
        result = fn(*args, **kwargs)
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
