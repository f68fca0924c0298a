"""``numpy.polynomial``: Python code over arrays, which is rewritten like the user's.

Only the functions that go through NumPy's protocol need anything: their implementations are what is
rewritten. And in staged programs those that trim coefficients, whose number is then not known: what
NumPy does with loops and stores is one operation of the graph here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import (
    chebyshev,
    hermite,
    hermite_e,
    laguerre,
    legendre,
    polynomial,
    polyutils,
)

from adjoint.dispatch import any_staged
from adjoint.frontend import hooks
from adjoint.frontend.staged_transform import STAGED
from adjoint.numpy_api.creation import as_array
from adjoint.numpy_api.lengths import as_length, greatest
from adjoint.ops.creation import zeros
from adjoint.ops.registry import FUNCTIONS

__all__: list[str] = []


def _register(dispatcher: Any) -> None:
    def impl(*args: Any, **kwargs: Any) -> Any:
        return hooks.call(dispatcher.__wrapped__, *args, **kwargs)

    FUNCTIONS[dispatcher] = impl
    hooks.register(dispatcher, impl)


for _module in (chebyshev, hermite, hermite_e, laguerre, legendre, polynomial):
    for _function in vars(_module).values():
        if hasattr(_function, "_implementation") and hasattr(_function, "__wrapped__"):
            _register(_function)


# -- in staged programs ----------------------------------------------------------------------------


def _trimseq(seq: Any) -> Any:
    """Return coefficients without the zeros at the end; the first one stays."""
    if not any_staged(seq):
        return polyutils.trimseq(seq)
    seq = as_array(seq)
    nonzero, n = seq != 0, seq.shape[0]
    return seq[: as_length(np.where(np.any(nonzero), n - np.argmax(nonzero[::-1]), 1))]


def _padded(c: Any, n: Any) -> Any:
    m = c.shape[0]
    return c if m is n else np.concatenate((c, zeros(n - m, c.dtype)))


def _added(original: Any, sign: int) -> Any:
    def combine(c1: Any, c2: Any) -> Any:
        if not any_staged((c1, c2)):
            return original(c1, c2)
        c1, c2 = hooks.call(polyutils.as_series, [c1, c2])
        n = greatest(c1.shape[0], c2.shape[0])
        c1, c2 = _padded(c1, n), _padded(c2, n)
        return _trimseq(c1 + c2 if sign > 0 else c1 - c2)

    return combine


hooks.register(polyutils.trimseq, _trimseq, STAGED)
for _name, _sign in (("_add", 1), ("_sub", -1)):
    _original = getattr(polyutils, _name, None)
    if _original is not None:
        hooks.register(_original, _added(_original, _sign), STAGED)
