"""SciPy's Python functions: they ask no argument what to do, and are reached in rewritten code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from adjoint.dispatch import call_function, no_rule
from adjoint.frontend import hooks
from adjoint.ops.registry import FUNCTIONS

__all__ = ["refuse", "replace"]


def replace(fn: Any, impl: Callable[..., Any]) -> Callable[..., Any]:
    """Have rewritten code call ``impl`` in place of ``fn`` when an argument is traced."""
    FUNCTIONS[fn] = impl

    @functools.wraps(fn, updated=())
    def reached(*args: Any, **kwargs: Any) -> Any:
        if hooks.contains_traced(args) or hooks.contains_traced(kwargs):
            return call_function(fn, args, kwargs)
        return fn(*args, **kwargs)

    hooks.register(fn, reached)
    return reached


def refuse(fn: Any) -> None:
    """Refuse ``fn`` by name when an argument that has a derivative is traced."""

    def refused(*args: Any, **kwargs: Any) -> Any:
        no_rule(fn)

    replace(fn, refused)
