"""Whole programs in plain NumPy, each with inputs by size: what the library is measured on.

``PROGRAMS`` maps names to entries. A module of this folder takes part by defining ``PROGRAM`` or
``PROGRAMS`` (a sequence); nothing else has to be edited. The programs import NumPy alone, and
SciPy's special functions where the mathematics has them.
"""

from __future__ import annotations

import importlib
import pkgutil

from benchmarks.programs.registry import Program, floating_results, fresh

__all__ = ["PROGRAMS", "Program", "floating_results", "fresh"]


def _discover() -> dict[str, Program]:
    """Return the programs of this folder's modules by name, in the order of the names."""
    found: dict[str, Program] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        single = getattr(module, "PROGRAM", None)
        several = getattr(module, "PROGRAMS", ())
        for program in (*([] if single is None else [single]), *several):
            if program.name in found:
                raise ValueError(f"two programs are named {program.name!r}")
            found[program.name] = program
    return dict(sorted(found.items()))


PROGRAMS: dict[str, Program] = _discover()
