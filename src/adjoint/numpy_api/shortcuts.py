"""Rewritten code reaches NumPy's functions of traced values without NumPy's protocols.

A call such as ``np.sin(x)`` in rewritten code goes through the front end's hook anyway. Where its
first argument is traced, the hook calls our implementation directly, which saves NumPy's own
dispatch: about a microsecond a call. What is computed is the same. NumPy does not look for traced
values in lists that stand for arrays, ``np.maximum([x, y], 0)``; here they are seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import Array, fast_ufunc
from adjoint.dispatch import any_active, any_staged, call_function, call_ufunc, from_nested
from adjoint.frontend import hooks
from adjoint.frontend.values import written
from adjoint.numpy_api.staged_creation import STAGED
from adjoint.ops.registry import FUNCTIONS, UFUNCS

__all__ = ["shorten"]


def _unary(ufunc: np.ufunc) -> Callable[..., Any]:
    apply = fast_ufunc(ufunc)
    if apply is None:
        return _binary(ufunc)

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        if type(x) is Array and not args and not kwargs:
            return apply(x)
        return _call(ufunc, (x, *args), kwargs)

    return call


def _binary(ufunc: np.ufunc) -> Callable[..., Any]:
    apply = fast_ufunc(ufunc)
    nin = ufunc.nin

    def call(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and len(args) == nin and (type(args[0]) is Array or type(args[-1]) is Array):
            result = apply(*args) if apply is not None else NotImplemented
            if result is not NotImplemented:
                return result
        return _call(ufunc, args, kwargs)

    return call


def _call(ufunc: np.ufunc, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) > ufunc.nin:
        written(args[ufunc.nin :])
    if any(type(a) in _LISTS and any_active(a) for a in args):
        return call_ufunc(ufunc, "__call__", args, kwargs)
    return ufunc(*args, **kwargs)


def _function(fn: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if args and type(args[0]) is Array:
            return call_function(fn, args, kwargs)
        if any(type(a) in _LISTS and any_active(a) for a in args):
            return call_function(fn, tuple(map(_array_of_numbers, args)), kwargs)
        return fn(*args, **kwargs)

    return call


_LISTS = (list, tuple)


def _array_of_numbers(x: Any) -> Any:
    """Return a nested list with traced numbers in it as an array; a list of arrays as it is."""
    return from_nested(x) if type(x) in _LISTS and any_active(x) and _holds_numbers(x) else x


def _array_of_staged_numbers(x: Any) -> Any:
    # But a shape, whose lengths are integers, stays one.
    return _array_of_numbers(x) if type(x) in _LISTS and not _holds_integers(x) else x


def _holds_integers(x: Any) -> bool:
    if type(x) in _LISTS:
        return all(map(_holds_integers, x))
    return isinstance(x, int)


def _holds_numbers(x: Any) -> bool:
    if type(x) in _LISTS:
        return all(map(_holds_numbers, x))
    return not isinstance(x, np.ndarray) or x.ndim == 0


def _staged_ufunc(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return ``ufunc`` for staged code, which may have lists of staged values for operands."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if any(type(a) in _LISTS and any_staged(a) for a in args):
            return call_ufunc(ufunc, "__call__", args, kwargs)
        return ufunc(*args, **kwargs)

    return call


def _staged_function(fn: Any) -> Callable[..., Any]:
    """Return ``fn`` for staged code: NumPy does not look for staged values in every argument."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if any_staged(args) or any_staged(kwargs):
            if fn is not np.trim_zeros:  # which trims lists, too
                args = tuple(map(_array_of_staged_numbers, args))
            return call_function(fn, args, kwargs)
        return hooks.resolve(fn)(*args, **kwargs)

    return call


def shorten() -> None:
    """Register every NumPy function that has an implementation and no replacement yet."""
    for ufunc in UFUNCS:
        if isinstance(ufunc, np.ufunc):
            STAGED.setdefault(ufunc, _staged_ufunc(ufunc))
    for fn in FUNCTIONS:
        STAGED.setdefault(fn, _staged_function(fn))
    for ufunc in UFUNCS:
        if isinstance(ufunc, np.ufunc) and ufunc not in hooks.replacements:
            hooks.register(ufunc, _unary(ufunc) if ufunc.nin == 1 else _binary(ufunc))
    for fn in FUNCTIONS:
        if fn not in hooks.replacements:
            hooks.register(fn, _function(fn))
