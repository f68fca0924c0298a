"""Functions that write their result into an argument, as functions that return it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from adjoint.api.tracing import positions
from adjoint.frontend import resolve

__all__ = ["returning"]


def returning(fun: Callable, argnums: int | Sequence[int]) -> Callable[..., Any]:
    """Return ``fun`` as a function that returns arguments of its own, after it has changed them.

    Under a transformation the caller's arrays are left as they are.

    Parameters
    ----------
    fun : callable
        Writes its result into arguments; what it returns is dropped.
    argnums : int or sequence of int
        The arguments to return; a tuple of them for a sequence.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> def kernel(a, out):
    ...     out[:] = a**2
    >>> ad.jacobian(ad.returning(kernel, 1))(np.array([1.0, 2.0]), np.zeros(2))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(fun)
    def call(*args: Any, **kwargs: Any) -> Any:
        wanted = positions(argnums, len(args), fun)
        resolve(fun)(*args, **kwargs)
        results = tuple(args[k] for k in wanted)
        try:
            operator.index(argnums)  # type: ignore[arg-type]
        except TypeError:
            return results
        return results[0]

    return call
