"""SciPy's Python functions: they ask no argument what to do, and are reached in rewritten code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from adjoint.dispatch import any_active, call_function, no_rule, plain
from adjoint.frontend import hooks
from adjoint.numpy_api.creation import any_recorded
from adjoint.ops.registry import FUNCTIONS

__all__ = ["refuse", "replace"]


def replace(fn: Any, impl: Callable[..., Any]) -> Callable[..., Any]:
    """Have rewritten code call ``impl`` in place of ``fn`` when an argument is traced."""
    FUNCTIONS[fn] = impl

    @functools.wraps(fn, updated=())
    def reached(*args: Any, **kwargs: Any) -> Any:
        if any_active(args) or any_active(kwargs):
            return call_function(fn, args, kwargs)
        if any_recorded(args) or any_recorded(tuple(kwargs.values())):
            return fn(*plain(args), **plain(kwargs))
        return fn(*args, **kwargs)

    hooks.register(fn, reached)
    return reached


def refuse(fn: Any) -> None:
    """Refuse ``fn`` by name when an argument that has a derivative is traced."""

    def refused(*args: Any, **kwargs: Any) -> Any:
        no_rule(fn)

    refused.refuses = True
    replace(fn, refused)
