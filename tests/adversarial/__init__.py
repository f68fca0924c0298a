"""Whole programs and hostile situations: right, or loudly refused; never silently wrong.

``stores``, ``language``, ``kinds`` and ``algorithms`` hold plain ``import numpy as np`` programs,
each a `Case` in the table of its module; ``test_programs`` runs them in every mode. The other tests
are about situations: nesting, escaped values, exceptions, threads, forks, huge graphs, memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cases import Case

__all__ = ["Table"]


class Table(list):
    """The programs of a module; called with arguments, it decorates a program with them."""

    def __call__(self, *args: Any, **options: Any) -> Callable[[Callable], Callable]:
        options.setdefault("float32", False)

        def add(fn: Callable) -> Callable:
            self.append(Case(fn.__name__.replace("_", " "), fn, args, **options))
            return fn

        return add
