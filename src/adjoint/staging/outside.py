"""What a staged function reads from outside: globals, closure variables, attributes, entries.

Arrays and floating-point numbers become hidden inputs of the graph, read again at each call. Other
constants (integers, flags, strings) are taken for granted, under a guard: if one has changed at a
later call, the function is staged anew. So it is if another list, dictionary or object stands
there.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from adjoint.ir.build import continuing
from adjoint.ir.types import Type, of_value
from adjoint.ops.registry import Traced
from adjoint.staged.scopes import Entry, Field, Location, note
from adjoint.staged.values import wrap
from adjoint.staging.session import Capture, session

__all__ = [
    "CONTAINERS", "captured", "entries_of", "entry_of", "is_assigned", "is_made", "manage_entry",
    "manage_field", "note_assigned", "note_made", "note_outside", "outer", "seen",
]  # fmt: skip

_GUARDED = (bool, int, str, type(None))
CONTAINERS = frozenset({list, dict, OrderedDict, defaultdict, Counter})
"""Types whose entries staging sees to."""

_NOTED = CONTAINERS | {set, tuple}
_LIBRARIES = frozenset({"builtins", "functools", "numpy", "scipy"})
"""Whose objects are code (ufuncs, partial functions), or read at each call (generators)."""


class _Itself:
    """An object that is compared by its identity."""

    __slots__ = ("object",)

    def __init__(self, object: Any) -> None:
        self.object = object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.object is self.object

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"a {type(self.object).__name__} at {id(self.object):#x}"


def outer(name: str, value: Any, read: Callable[[], Any]) -> Any:
    """Return what a global or closure variable stands for in the graph."""
    kind = type(value)
    if kind is FunctionType or kind is ModuleType or kind is type:
        return value
    closure = getattr(read, "__closure__", None)
    where = id(closure[0]) if closure else id(read.__globals__)
    if closure and where not in session().cells:
        return value  # a variable of a function that is being staged
    if (where, name) in session().managed:
        return value  # assigned to here: it is what it is
    return captured((where, name), value, read, f"the variable {name!r}")


def captured(key: Any, value: Any, read: Callable[[], Any], what: str) -> Any:
    """Return what is read from outside as the program sees it."""
    kind = type(value)
    current = session()
    if isinstance(value, Traced):
        return value
    if kind in _NOTED:
        note_outside(value)
        current.guards.setdefault(key, (lambda: _Itself(read()), _Itself(value), what))
        return value
    if kind in _GUARDED:
        current.guards.setdefault(key, (read, value, what))
        return value
    if kind is float or kind is complex or isinstance(value, (np.ndarray, np.generic)):
        found = current.captures.get(key)
        if found is None:
            type_ = of_value(value)
            if type_ is None or type_.dtype.kind not in "biufc":
                return value
            found = current.captures[key] = capture(value, type_, read, what)
        return found.staged
    if kind.__module__.partition(".")[0] not in _LIBRARIES:
        current.guards.setdefault(key, (lambda: _Itself(read()), _Itself(value), what))
    return value


def capture(value: Any, type: Type, read: Callable[[], Any], what: str) -> Capture:
    """Make a hidden input of the graph."""
    current = session()
    param = current.builder.parameter(type)
    param.name = what
    staged = wrap(param, bool(getattr(getattr(value, "flags", None), "c_contiguous", True)))
    return Capture(read, param, staged, what)


def entry_of(container: Any, index: Any) -> Any:
    """Return an entry of a list, tuple or dictionary as the program sees it."""
    value = container[index]
    kind = type(value)
    inside = id(container) not in session().outside or is_assigned(container, index)
    if inside or isinstance(value, Traced):
        return value
    if (
        kind in _NOTED
        or kind in _GUARDED
        or kind in (np.ndarray, float, complex)
        or (isinstance(value, np.generic))
    ):
        what = f"the entry {index!r} of a {type(container).__name__}"
        return captured((id(container), index), value, lambda: _entry(container, index), what)
    return value


def _entry(container: Any, index: Any) -> Any:
    """Return an entry, or None if it is no longer there."""
    try:
        return container[index]
    except LookupError:
        return None


def entries_of(container: Any) -> list[Any]:
    """Return the entries of a list or tuple as the program sees them."""
    outside, guards = session().outside, session().guards
    if id(container) not in outside:
        return list(container)
    if type(container) is list:  # under one guard: there may be many
        what = "the numbers, flags and strings of a list"
        read = lambda: [x if type(x) in _GUARDED else None for x in container]
        guards.setdefault((id(container), "entries"), (read, read(), what))
    return [x if type(x) in _GUARDED else entry_of(container, k) for k, x in enumerate(container)]


def seen(iterable: Any) -> Any:
    """Return what a loop of Python runs over, entries from outside as the program sees them."""
    return entries_of(iterable) if type(iterable) in (list, tuple) else iterable


def note_outside(container: Any) -> None:
    """Remember that a list, dictionary or set is not the function's own."""
    current = session()
    current.outside[id(container)] = container


def is_outside(container: Any) -> bool:
    """Tell whether a container is known to be from outside."""
    return id(container) in session().outside


def note_made(instance: Any) -> None:
    """Remember that the program has made an object itself: nothing of it is read anew."""
    session().made[id(instance)] = instance


def is_made(owner: Any) -> bool:
    """Tell whether the program has made an object itself."""
    return id(owner) in session().made


def note_assigned(owner: Any, name: Any) -> None:
    """Remember that the program has assigned to an attribute or entry: it is not read anew."""
    current = session()
    current.assigned[(id(owner), name)] = owner


def manage_field(owner: Any, name: str) -> None:
    """Note an assignment to an attribute, which from now on holds what it holds at each call."""
    if not is_made(owner) and not is_assigned(owner, name):
        what = f"the attribute {name!r} of a {type(owner).__name__}"
        _manage(Field(owner, name), owner, name, lambda: getattr(owner, name), what)


def manage_entry(container: Any, index: Any) -> None:
    """Note an assignment to an entry, which from now on holds what it holds at each call."""
    if is_outside(container) and not is_assigned(container, index):
        what = f"the entry {index!r} of a {type(container).__name__}"
        _manage(Entry(container, index), container, index, lambda: container[index], what)


def _manage(location: Location, owner: Any, name: Any, read: Callable[[], Any], what: str) -> None:
    value = location.get()
    if isinstance(value, Traced) or not isinstance(value, (float, complex, np.ndarray, np.generic)):
        return
    with continuing(session().builder):
        note(location)  # what is there is put back when staging ends
        location.set(captured((id(owner), name), value, read, what))


def is_assigned(owner: Any, name: Any) -> bool:
    """Tell whether the program has assigned to an attribute or entry."""
    return (id(owner), name) in session().assigned
