"""A module under construction: a graph's functions, and what their code refers to by number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.backends.llvm.writer import Module
from adjoint.ir.graph import Function, Value

__all__ = ["Failure", "Program"]


@dataclass(slots=True, eq=False)
class Failure:
    """An error that code reports by its number.

    Attributes
    ----------
    node : Value or None
        The operation that fails.
    error : callable
        From the two integers that code gives along to the exception.
    """

    node: Value | None
    error: Callable[[int, int], BaseException]


class Program:
    """A module and its tables.

    Attributes
    ----------
    failures : list of Failure
    calls : list
        What code calls back, by number (`lower.callbacks`).
    constants : list of ndarray
        Arrays that are too large for the text, or have no literal.
    texts : dict
        Small arrays, as text, and the names under which they are in the module.
    notes : Notes or None
        Where to tell what is decided (`lower.notes`).
    standalone : bool
        Whether there is no Python to call back.
    """

    def __init__(self, attributes: str = "") -> None:
        self.module = Module(attributes)
        self.failures: list[Failure] = []
        self.calls: list[Any] = []
        self.constants: list[np.ndarray] = []
        self._constant_numbers: dict[int, int] = {}
        self.texts: dict[str, str] = {}
        self._alive: list[np.ndarray] = []
        self._names: dict[Any, str] = {}
        self.waiting: list[tuple[Any, str]] = []
        self.notes: Any = None
        self.standalone = False

    def failure(self, node: Value | None, error: Callable[[int, int], BaseException]) -> int:
        """Return the number of an error."""
        self.failures.append(Failure(node, error))
        return len(self.failures) - 1

    def callee(self, function: Function, owned: frozenset[int], dense: tuple[bool, ...]) -> str:
        """Return the name of a graph's function that code calls; it is lowered later."""
        key = (function, owned, dense)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self.module.name("@graph")
            self.waiting.append((key, name))
        return name

    def constant(self, value: np.ndarray, kept: np.ndarray) -> int:
        """Return the number of an array, which is kept as ``kept``."""
        number = self._constant_numbers.get(id(value))
        if number is None:
            number = self._constant_numbers[id(value)] = len(self.constants)
            self.constants.append(kept)
            self._alive.append(value)
        return number
