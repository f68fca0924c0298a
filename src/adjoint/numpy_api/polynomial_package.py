"""``numpy.polynomial``: Python code over arrays, which is rewritten like the user's.

Only the functions that go through NumPy's protocol need anything: their implementations are what is
rewritten.
"""

from __future__ import annotations

from typing import Any

from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial

from adjoint.frontend import hooks
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
