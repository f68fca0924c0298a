"""Declaring operations, and the tables in which NumPy's functions find theirs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ir.core import Op, Traced

__all__ = [
    "FUNCTIONS", "LAZY", "METHODS", "OPS", "STORAGE", "UFUNCS", "Op", "Traced", "implements",
    "load_for", "primitive",
]  # fmt: skip


OPS: dict[str, Op] = {}
"""Every declared operation by name."""

UFUNCS: dict[Any, Callable] = {}
"""NumPy and SciPy ufunc -> operation or composition, called as ``impl(*inputs)``."""

METHODS: dict[tuple[Any, str], Callable] = {}
"""(ufunc, "reduce" | "accumulate" | "outer" | "at" | "reduceat") -> implementation."""

FUNCTIONS: dict[Any, Callable] = {}
"""NumPy or SciPy function -> implementation with the same signature."""

STORAGE: set[Any] = set()
"""Functions that return views of an argument or store to one. Their implementations serve constants
too, since an array that holds a constant so far may hold a traced value later."""

LAZY: dict[str, str] = {}
"""Package -> our module about its functions, imported when one of them is first met unknown.

Importing SciPy's packages costs more than all of this one, and a program that does not use them
should not pay for it.
"""


def load_for(fn: Any) -> bool:
    """Import our module about the package of ``fn``; tell whether that was news.

    To be asked when a look-up of ``fn`` in the tables has failed: if the answer is True it is worth
    another try.
    """
    name = getattr(fn, "__module__", None)
    if name is None and isinstance(fn, np.ufunc) and "scipy.special" in sys.modules:
        name = "scipy.special"  # the only ufuncs that do not say where they come from
    if not isinstance(name, str):
        return False
    for package, module in list(LAZY.items()):
        if name == package or name.startswith(package + "."):
            importlib.import_module(module)  # holds a lock: other threads wait until it is there
            LAZY.pop(package, None)
            return True
    return False


def load_if_imported(package: str) -> None:
    """Import our module about ``package`` if the program has imported the package."""
    module = LAZY.get(package)
    if module is not None and package in sys.modules:
        importlib.import_module(module)
        LAZY.pop(package, None)


def primitive(
    name: str,
    fn: Callable,
    *operands: str,
    ufunc: Any = None,
    results: bool = False,
    views: bool = False,
) -> Op:
    """Declare an operation.

    Parameters
    ----------
    name : str
        Unique; the name under which the graph prints it.
    fn : callable
        Its NumPy meaning. Operands come first and by position, parameters by keyword.
    *operands : str
        Names of the operands.
    ufunc : numpy.ufunc, optional
        The ufunc (or several, in a tuple) that this operation implements.
    results, views : bool
        See `Op`.
    """
    if name in OPS:
        raise ValueError(f"operation {name!r} is declared twice")
    op = OPS[name] = Op(name, fn, operands, results, views)
    for u in ufunc if isinstance(ufunc, tuple) else (ufunc,) if ufunc is not None else ():
        UFUNCS[u] = op
    return op


def implements(*functions: Any, storage: bool = False) -> Callable[[Callable], Callable]:
    """Decorate a composition as the traced meaning of NumPy or SciPy functions.

    The implementation has the signature of the function it stands for, and is called whenever an
    argument (or an element of a list or tuple argument) is traced; with ``storage``, also for
    arrays that hold constants so far (see `STORAGE`).
    """

    def register(impl: Callable) -> Callable:
        for fn in functions:
            FUNCTIONS[fn] = impl
            if storage:
                STORAGE.add(fn)
        return impl

    return register
