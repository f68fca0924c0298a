"""Operations without a derivative: comparisons, tests, orders, rounding.

NumPy has many functions that are piecewise constant, and only staged programs need operations for
them (the eager tier calls NumPy). They are made when they are first met: a ufunc becomes an
elementwise operation; any other function an operation without operands whose parameters ``args``
and ``kwargs`` are its arguments, among which graph values stand.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ops.registry import LAZY, OPS, Op, primitive

__all__ = ["TUPLES", "function_op", "lookup", "ufunc_op", "when_created"]

TUPLES = frozenset({
    "numpy.nonzero", "numpy.unravel_index", "numpy.ix_", "numpy.diag_indices_from",
    "numpy.tril_indices_from", "numpy.triu_indices_from", "adjoint.ops.discrete.rest_of_svd",
})  # fmt: skip
"""The functions that return a tuple of arrays, whatever their arguments."""

_PACKAGES = frozenset({"", "adjoint", "numpy", "scipy"})
"""Whose functions are found by name: the text of a graph reaches nothing else."""

_lock = threading.RLock()
_functions: dict[Any, Op] = {}
_made: list[Op] = []
_listeners: list[Callable[[Op], Any]] = []


def when_created(listener: Callable[[Op], Any]) -> None:
    """Have ``listener`` told every operation made here: those there are and those to come.

    Derivative rules are above operations, so they give these theirs in this way.
    """
    _listeners.append(listener)
    for op in _made:
        listener(op)


def _make(name: str, fn: Callable, *operands: str, results: bool) -> Op:
    op = primitive(name, fn, *operands, results=results)
    _made.append(op)
    for listener in _listeners:
        listener(op)
    return op


def ufunc_op(ufunc: np.ufunc) -> Op:
    """Return the elementwise operation of a ufunc; one without derivative if it has none yet."""
    name = ufunc.__name__
    op = OPS.get(name)
    if op is not None and op.fn is ufunc:
        return op
    if getattr(np, name, None) is not ufunc:
        name = f"scipy.special.{name}"  # the only ufuncs that do not say where they come from
    operands = ("x", "y")[: ufunc.nin] if ufunc.nin < 3 else (f"x{k}" for k in range(ufunc.nin))
    with _lock:
        return OPS.get(name) or _make(name, ufunc, *operands, results=ufunc.nout > 1)


def function_op(fn: Callable) -> Op:
    """Return the operation of a NumPy or SciPy function with a constant result."""
    op = _functions.get(fn)
    if op is not None:
        return op
    name = f"{fn.__module__}.{fn.__qualname__}"

    def run(*, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return fn(*args, **kwargs)

    with _lock:
        if fn not in _functions:
            _functions[fn] = _make(name, run, results=name in TUPLES)
    return _functions[fn]


def lookup(name: str) -> Op:
    """Return the operation of that name, which need not have been met before in this process.

    Raises
    ------
    LookupError
        If there is none.
    """
    op = OPS.get(name)
    if op is None:
        op = _by_function(name)
    if op is None:
        for module in {*LAZY.values()}:
            importlib.import_module(module)
        op = OPS.get(name)
    if op is None:
        raise LookupError(f"there is no operation {name!r}")
    return op


def _by_function(name: str) -> Op | None:
    module, _, attribute = name.rpartition(".")
    if module.partition(".")[0] not in _PACKAGES:
        return None
    try:
        found = getattr(importlib.import_module(module or "numpy"), attribute, None)
    except ImportError:
        return None
    if isinstance(found, np.ufunc):
        return ufunc_op(found)
    return function_op(found) if module and callable(found) else None
