"""What calls in staged code reach that is staging's own business: iteration, effects, lists."""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Callable
from typing import Any

from adjoint.errors import TracingError
from adjoint.frontend import hooks
from adjoint.frontend.calls import staged
from adjoint.frontend.staged_transform import STAGED
from adjoint.ir.build import innermost, users_place
from adjoint.ir.types import python_type
from adjoint.ops import control
from adjoint.ops.registry import Traced
from adjoint.staged.scopes import Location, note
from adjoint.staged.values import param
from adjoint.staging import hooks as meanings
from adjoint.staging.branches import Branch
from adjoint.staging.items import enumerate_, range_, reversed_, zip_
from adjoint.staging.outside import CONTAINERS, entry_of, is_outside
from adjoint.staging.rebinding import note_cells
from adjoint.staging.recursion import resolve_call
from adjoint.staging.session import session

__all__ = ["install"]

INT = python_type(int)
_CONTAINERS = CONTAINERS | {set}


# -- effects ---------------------------------------------------------------------------------------


def contains_traced(x: Any) -> bool:
    """Tell whether a value or the containers it is made of hold something staged."""
    if isinstance(x, Traced):
        return True
    if isinstance(x, dict):
        return any(map(contains_traced, x.values()))
    return isinstance(x, (list, tuple, set)) and any(map(contains_traced, x))


def effect(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Record that a Python function is called with numbers, for what it does."""
    params = {"call": call, "args": param(args), "kwargs": param(kwargs)}
    innermost().emit(control.effect, (), params, INT, (), users_place())


def print_(*args: Any, **kwargs: Any) -> None:
    """``print``: at each call of the staged function."""
    effect(builtins.print, args, kwargs)


# -- attributes ------------------------------------------------------------------------------------


def getattr_(owner: Any, name: str, *default: Any) -> Any:
    """``getattr``."""
    try:
        return meanings.attribute(owner, name)
    except AttributeError:
        if not default:
            raise
        return default[0]


def setattr_(owner: Any, name: str, value: Any) -> None:
    """``setattr``."""
    builtins.setattr(meanings.fields(owner), name, value)


def vars_(*owner: Any) -> Any:
    """``vars``: of an object, or of the function that calls it."""
    return meanings.attribute(owner[0], "__dict__") if owner else sys._getframe(1).f_locals


# -- lists, dictionaries, sets ---------------------------------------------------------------------

_CHANGING = frozenset((
    "append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update",
    "setdefault", "popitem", "add", "discard",
))  # fmt: skip


class Contents(Location):
    """All that a list, dictionary or set holds."""

    __slots__ = ("container", "last")

    def __init__(self, container: Any) -> None:
        self.container = container
        self.key = ("contents", id(container))
        self.last: Any = None

    def get(self) -> Any:
        if self.last is None or self.last != self.container:
            self.last = self.container.copy()
        return self.last

    def set(self, value: Any) -> None:
        self.container.clear()
        if isinstance(self.container, list):
            self.container.extend(value if isinstance(value, list) else [value])
        else:
            self.container.update(value)

    def describe(self) -> str:
        return f"a {type(self.container).__name__} that is changed"


class _Identity(Contents):
    """Contents compared entry by entry, by identity: staged values have no truth value."""

    __slots__ = ()

    def get(self) -> Any:
        now = self.container
        last: Any = self.last
        if last is None:
            same = False
        elif type(now) is list:
            same = len(last) == len(now) and all(map(_is, last, now))
        elif type(now) is dict:
            same = list(last) == list(now) and all(last[key] is now[key] for key in now)
        else:
            same = last == now
        if not same:
            self.last = now.copy()
        return self.last


def _is(a: Any, b: Any) -> bool:
    return a is b


def _changing(method: Any) -> Callable[..., Any]:
    container = method.__self__

    def changed(*args: Any, **kwargs: Any) -> Any:
        if is_outside(container):
            raise TracingError(
                f"{type(container).__name__}.{method.__name__} of a container from outside of the "
                "staged function: that would happen when the function is staged, not when it is "
                "called. Return the value instead."
            )
        if innermost() is not session().builder:
            note(_Identity(container))
        return method(*args, **kwargs)

    return changed


def resolve_builtin(fn: Any) -> Any:
    """Return what a builtin method that staging must know of reaches; None for any other."""
    owner = fn.__self__
    kind = type(owner)
    if kind in _CONTAINERS and fn.__name__ in _CHANGING:
        return _changing(fn)
    if issubclass(kind, dict) and fn.__name__ in _READING and is_outside(owner):
        return functools.partial(_READING[fn.__name__], owner)
    return None


def _get(container: dict[Any, Any], key: Any, default: Any = None) -> Any:
    return entry_of(container, key) if key in container else default


_READING: dict[str, Callable[..., Any]] = {
    "get": _get,
    "values": lambda container: [entry_of(container, key) for key in container],
    "items": lambda container: [(key, entry_of(container, key)) for key in container],
}


def install() -> None:
    """Fill in the hooks of staged code."""
    names = [name for name in meanings.__all__]
    vars(STAGED.hooks).update({name: getattr(meanings, name) for name in names})
    vars(STAGED.hooks).update(branch=Branch, resolve=resolve_call)
    for fn, implementation in (
        (range, range_),
        (zip, zip_),
        (enumerate, enumerate_),
        (reversed, reversed_),
        (print, print_),
        (getattr, getattr_),
        (setattr, setattr_),
        (vars, vars_),
    ):
        hooks.register(fn, implementation, STAGED)
    staged.methods = resolve_builtin
    STAGED.shared.append(note_cells)
