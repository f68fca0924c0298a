"""The table of test cases, by area: one module an area, each with a list ``CASES``.

A case is a function of arrays and a point. `tests.harness` checks it in every mode.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Case", "all_cases", "case"]


@dataclass(frozen=True)
class Case:
    """A function and a point at which its derivatives are checked.

    Attributes
    ----------
    name : str
        Unique in its module; shown in the test's name.
    fn : callable
        Of the arguments; returns a number, an array or a tuple of them.
    args : tuple
        Numbers and arrays; every inexact one is differentiated.
    order : int
        1 or 2: the highest derivative that is checked.
    float32 : bool
        Whether to run the case in single precision too.
    rtol : float
        Of the comparison with differences; comparisons between modes are always strict.
    step : float
        Of the differences.
    """

    name: str
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    order: int = 2
    float32: bool = True
    rtol: float = 1e-6
    step: float = 1e-3


def case(name: str, fn: Callable[..., Any], *args: Any, **options: Any) -> Case:
    """Make a case; positional arguments after the function are its arguments."""
    return Case(name, fn, args, **options)


def all_cases() -> list[Case]:
    """Return the cases of every module of this package."""
    cases: list[Case] = []
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        cases += [replace(c, name=f"{info.name}: {c.name}") for c in module.CASES]
    names = [c.name for c in cases]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"two cases are named {sorted(twice)}"
    return cases
