"""Numba's ``njit`` of the program's own functions: forward times.

A program's helpers are compiled with it. Where Numba refuses NumPy's form, the version that a user
would write instead is in `numba_programs`.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import Any

import numba

from benchmarks.peers import numba_programs
from benchmarks.peers.task import Prepared, Run, Task, flat

PACKAGE = "numba"


def setup(threads: int) -> None:
    """Set the number of threads, keep quiet about products with strides, start the compiler."""
    numba.set_num_threads(threads)
    warnings.simplefilter("ignore", numba.NumbaPerformanceWarning)
    numba.njit(lambda x: x + x)(1.0)


def compiled(function: Callable, known: dict[Callable, Any] | None = None) -> Any:
    """Return ``njit`` of a function, and of the functions of its module that it calls."""
    known = {} if known is None else known
    if function not in known:
        own = {
            name: compiled(value, known)
            for name, value in function.__globals__.items()
            if name in function.__code__.co_names
            and isinstance(value, types.FunctionType)
            and value.__module__ == function.__module__
        }
        copy = types.FunctionType(
            function.__code__, {**function.__globals__, **own}, function.__name__
        )
        known[function] = numba.njit(copy)
    return known[function]


def prepare(task: Task) -> Prepared:
    """Return the program as Numba compiles it."""
    function = compiled(numba_programs.REWRITTEN.get(task.problem, task.function))
    copies = task.copies()
    if copies is None:
        return Prepared(Run(lambda: function(*task.args), flat))
    return Prepared(Run(function, flat, copies))
