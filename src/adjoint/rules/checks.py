"""What a rule decides by numbers, which staged values do not have until the program runs.

A derivative that is undefined for some numbers is refused where it meets them: at once on ordinary
values; on staged ones by an operation through which the values go that it is undefined for. If
nobody needs those, the operation goes with them, and nothing is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ops import control
from adjoint.ops.plain import function_op
from adjoint.rules.derive import linear
from adjoint.staged.values import Staged

__all__ = ["decided", "none_of", "required"]


def required(x: Any, condition: Any, error: Exception) -> Any:
    """Return ``x``, which has a meaning only if the condition holds; else raise ``error``."""
    if isinstance(condition, Staged):
        params = {"error": type(error), "args": error.args}
        return condition._record(control.checked, (x, condition), params)
    if not condition:
        raise error
    return x


def none_of(flags: Any) -> Any:
    """Return whether no element of an array of booleans is true."""
    return np.logical_not(np.any(flags))


def decided(fn: Callable[..., Any], *args: Any) -> Any:
    """Return ``fn(*args)`` of a function without a derivative: now, or when the program runs."""
    for x in args:
        if isinstance(x, Staged):
            return x._record(function_op(fn), (), {"args": args, "kwargs": {}})
    return fn(*args)


def _checked_transpose(ct: Any, condition: Any, error: Any, args: tuple[Any, ...]) -> Any:
    return control.checked(ct, condition, error=error, args=args)


def _unless_transpose(ct: Any, condition: Any, error: Any, args: tuple[Any, ...]) -> Any:
    return control.unless(ct, condition, error=error, args=args)


linear(control.checked, _checked_transpose)
linear(control.unless, _unless_transpose)
