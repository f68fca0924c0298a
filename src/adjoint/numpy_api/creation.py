"""Making arrays: from nested lists of traced values, and empty ones that will hold such values.

In rewritten code ``np.zeros(n)`` gives an `Array` that is constant so far; what is stored into it
later is recorded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.dispatch import any_active, call_function, plain
from adjoint.eager.recorded import Recorded, constant
from adjoint.frontend import hooks
from adjoint.ops.registry import implements
from adjoint.ops.structural import broadcast_to, cast, copy, stack

__all__ = ["array"]


@implements(np.array)
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    like: Any = None,
) -> Any:
    """``np.array`` of nested sequences with traced values in them."""
    result = _assemble(object)
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        return np.array(plain(result), dtype=dtype, ndmin=ndmin)
    if dtype is not None:
        result = cast(result, dtype=np.dtype(dtype))
    while len(result.shape) < ndmin:
        result = result[None]
    return result


def _assemble(x: Any) -> Any:
    if isinstance(x, Recorded):
        if x.ndim == 0 and type(plain(x)) is not np.ndarray:
            return broadcast_to(x, shape=())
        return copy(x)
    if isinstance(x, (list, tuple)) and any_active(x):
        return stack(*[_assemble(item) for item in x], axis=0)
    return np.array(plain(x))


def _made(fn: Any) -> None:
    """Let ``fn`` make arrays that record what is stored to them."""

    def make(*args: Any, **kwargs: Any) -> Any:
        if any_active(args) or any_active(kwargs):
            return call_function(fn, args, kwargs)
        result = fn(*plain(args), **plain(kwargs))
        return constant(result) if result.dtype.kind in "fc" else result

    hooks.register(fn, make)


for _fn in (
    np.zeros, np.empty, np.ones, np.full, np.zeros_like, np.empty_like, np.ones_like, np.full_like,
    np.eye, np.identity, np.arange, np.linspace, np.logspace, np.geomspace, np.array, np.asarray,
    np.ascontiguousarray, np.asfortranarray, np.copy, np.asanyarray,
):  # fmt: skip
    _made(_fn)

