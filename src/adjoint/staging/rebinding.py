"""Variables outside of a staged function that it rebinds: globals, and those of outer functions.

What is assigned to a global is read back by those who read it later in the same call, is carried by
loops, and is written at each call. A variable of a function that had been called before staging
began is refused.
"""

from __future__ import annotations

import dis
import functools
from types import CodeType, FunctionType
from typing import Any

from adjoint.errors import TracingError
from adjoint.ir.build import continuing
from adjoint.staged.scopes import ABSENT, Entry, note
from adjoint.staging.outside import captured
from adjoint.staging.session import session, staging_session

__all__ = ["note_cells", "watch"]


@functools.lru_cache(maxsize=1000)
def _rebound(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the globals and the free variables that a function's code assigns to."""
    stored: dict[str, set[str]] = {"GLOBAL": set(), "DEREF": set()}
    for instruction in dis.get_instructions(code):
        action, _, where = instruction.opname.partition("_")
        if action in ("STORE", "DELETE") and where in stored:
            stored[where].add(instruction.argval)
    free = stored["DEREF"] & set(code.co_freevars)
    return tuple(sorted(stored["GLOBAL"])), tuple(sorted(free))


def note_cells(fn: Any) -> None:
    """Remember the variables of outer functions that a function from outside refers to."""
    current = staging_session()
    if current is None:
        return
    cells = current.cells
    todo = [fn]
    while todo:
        function = todo.pop()
        todo += _new_functions(getattr(function, "__func__", function), cells)


def _new_functions(fn: Any, cells: dict[int, Any]) -> list[Any]:
    found = []
    for cell in getattr(fn, "__closure__", None) or ():
        if id(cell) in cells:
            continue
        cells[id(cell)] = cell
        try:
            value = cell.cell_contents
        except ValueError:  # not bound yet
            continue
        if type(value) is FunctionType:
            found.append(value)
    return found


def watch(function: FunctionType) -> None:
    """Note what a function that is about to be called may rebind.

    Raises
    ------
    TracingError
        If it rebinds a variable of a function that is not being staged.
    """
    names, free = _rebound(function.__code__)
    for name in names:
        _manage(function.__globals__, name)
    cells = session().cells
    for name in free:
        closure = function.__closure__ or ()
        cell = closure[function.__code__.co_freevars.index(name)]
        if id(cell) in cells:
            raise TracingError(
                f"{function.__qualname__} rebinds {name!r}, a variable of the function that it was "
                "defined in: that would happen when it is staged, not when it is called. Return "
                "the value, or keep it in an attribute of an object."
            )


def _manage(variables: dict[str, Any], name: str) -> None:
    """Give a global that is assigned to the value that it has when the graph is called."""
    location = Entry(variables, name)
    managed = session().managed
    key = (id(variables), name)
    if key not in managed:
        managed[key] = variables
        value = location.get()
        with continuing(session().builder):
            note(location)  # what is there is put back when staging ends
            if value is not ABSENT:
                read = functools.partial(variables.get, name)
                location.set(captured(key, value, read, f"the variable {name!r}"))
    note(location)
