"""What the hooks of rewritten, staged code mean.

`adjoint.frontend.staged_transform` says where they stand in the user's code. Those of loops and
branches are in `adjoint.staging.loops` and `adjoint.staging.branches`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.frontend.calls import staged
from adjoint.ir.build import innermost, users_place
from adjoint.ir.dims import Dim
from adjoint.ops import control
from adjoint.ops.registry import Traced
from adjoint.places import is_users
from adjoint.staged.integers import compare as compare_numbers
from adjoint.staged.scopes import Entry, Field, note
from adjoint.staged.values import Staged, emit
from adjoint.staging import outside
from adjoint.staging.branches import and_, if_, not_, or_, test
from adjoint.staging.chosen import chosen
from adjoint.staging.items import Items, as_items
from adjoint.staging.loops import ForLoop, WhileLoop
from adjoint.staging.merging import Conflict
from adjoint.staging.outside import (
    CONTAINERS,
    captured,
    entry_of,
    is_assigned,
    is_made,
    manage_entry,
    manage_field,
    note_assigned,
    seen,
)  # fmt: skip
from adjoint.staging.recursion import resolve_call
from adjoint.staging.session import session
from adjoint.staging.state import UNBOUND, CannotStage, Pending
from adjoint.staging.truth import and_values, is_abstract, truth

__all__ = [
    "UNBOUND", "and_", "assert_", "attribute", "compare", "compare_chain", "comprehension",
    "fields", "for_loop", "if_", "item", "items", "not_", "or_", "outer", "raised", "returned",
    "target", "test", "use", "while_loop",
]  # fmt: skip

for_loop = ForLoop
while_loop = WhileLoop


# -- names -----------------------------------------------------------------------------------------


def use(name: str, value: Any) -> Any:
    """Return what a name that may be unbound is bound to, once it is known to be."""
    if isinstance(value, Pending):
        place = users_place()
        message = (
            f"cannot access local variable {name!r} where it is not associated with a value"
            + (f" ({place[0]}:{place[1]})" if place else "")
        )
        if value.bound is not True:
            emit(
                control.check,
                (value.bound,),
                {"error": UnboundLocalError, "args": (message,)},
            )
        return value.value
    if isinstance(value, Conflict):
        value._refuse()
    return value


def outer(name: str, value: Any, read: Callable[[], Any]) -> Any:
    """Return what a global or a variable of an enclosing function stands for."""
    if isinstance(value, (Pending, Conflict)):
        return use(name, value)
    return outside.outer(name, value, read)


# -- comparisons -----------------------------------------------------------------------------------

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def compare(a: Any, symbol: str, b: Any) -> Any:
    """``a < b``, ``a in b`` and so on."""
    if symbol == "in":
        return contains(b, a)
    if symbol == "not in":
        return not_(contains(b, a))
    if isinstance(a, Dim) or isinstance(b, Dim):
        other = b if isinstance(a, Dim) else a
        if isinstance(other, Dim | int | float | complex | Traced | np.ndarray | np.generic):
            return compare_numbers(symbol, a, b)
        if symbol in ("==", "!="):
            return symbol == "!="  # of another kind: text, None
    elif type(a) is tuple and type(b) is tuple and symbol in ("==", "!=") and _any_traced(*a, *b):
        same = _same_tuples(a, b)
        return same if symbol == "==" else not_(same)
    return _OPERATORS[symbol](a, b)


def _any_traced(*values: Any) -> bool:
    return any(isinstance(x, Traced) for x in values)


def _same_tuples(a: tuple[Any, ...], b: tuple[Any, ...]) -> Any:
    if len(a) != len(b):
        return False
    same: Any = True
    for x, y in zip(a, b, strict=True):
        equal = compare(x, "==", y)
        same = and_values(same, truth(equal) if is_abstract(equal) else bool(equal))
    return same


def contains(container: Any, x: Any) -> Any:
    """``x in container``."""
    if isinstance(container, Staged):
        return np.any(container == x)
    if isinstance(x, Traced) and type(container) in (list, tuple, set, frozenset, range):
        found: Any = False
        number: Any = x
        if type(container) is range:
            found = and_(compare(x, ">=", container.start), lambda: compare(x, "<", container.stop))
            return and_(
                found, lambda: compare((number - container.start) % container.step, "==", 0)
            )
        for entry in container:
            if entry is x:
                return True
            equal = compare(x, "==", entry)
            found = or_(found, lambda equal=equal: equal)
        return found
    return x in container


def compare_chain(a: Any, *steps: tuple[str, Callable[[], Any]]) -> Any:
    """``a < b < c``: each operand is computed once, and only if it is needed."""
    symbol, make = steps[0]
    b = make()
    first = compare(a, symbol, b)
    if len(steps) == 1:
        return first
    return and_(first, lambda: compare_chain(b, *steps[1:]))


# -- attributes, entries ---------------------------------------------------------------------------

_SETTINGS = frozenset({bool, int, float, complex, str, type(None)})


def attribute(owner: Any, name: str) -> Any:
    """``owner.name``."""
    if isinstance(owner, Traced) or type(owner) is ModuleType:
        value = getattr(owner, name)
        if type(owner) is ModuleType and is_users_module(owner):
            return captured(
                (id(owner), name), value, lambda: getattr(owner, name), f"{owner.__name__}.{name}"
            )
        return value
    if isinstance(owner, Conflict):
        owner._refuse()
    value = staged.attribute(owner, name)
    if isinstance(value, Pending):
        return use(name, value)
    mine = is_made(owner) or is_assigned(owner, name)
    if mine or isinstance(value, (Traced, type)) or callable(value):
        return value
    if type(owner) in tree.frozen_types:
        if type(value) in _SETTINGS:
            return value
        if type(value) is tuple:
            outside.note_outside(value)  # of its arrays
            return value
    what = f"the attribute {name!r} of a {type(owner).__name__}"
    return captured((id(owner), name), value, lambda: getattr(owner, name), what)


def is_users_module(module: ModuleType) -> bool:
    """Tell whether a module may hold variables of the program."""
    return is_users(getattr(module, "__file__", None) or "<none>")


class _Fields:
    """An object whose attributes are assigned to."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Any) -> None:
        object.__setattr__(self, "_owner", owner)

    def __getattribute__(self, name: str) -> Any:
        return attribute(object.__getattribute__(self, "_owner"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        owner = object.__getattribute__(self, "_owner")
        kind = getattr(type(owner), name, None)
        if isinstance(kind, property) and kind.fset is not None:
            resolve_call(kind.fset)(owner, value)
            return
        if hasattr(kind, "__set__") and not _is_slot(kind):
            setattr(owner, name, value)
            return
        own = type(type(owner).__setattr__) is FunctionType
        if not own or not hasattr(type(owner), "__getattr__"):
            manage_field(owner, name)
            note(Field(owner, name))
        if own:
            setattr(owner, name, value)  # a frozen dataclass refuses
            return
        note_assigned(owner, name)
        setattr(owner, name, value)

    def __delattr__(self, name: str) -> None:
        owner = object.__getattribute__(self, "_owner")
        note(Field(owner, name))
        delattr(owner, name)


def _is_slot(descriptor: Any) -> bool:
    return type(descriptor).__name__ == "member_descriptor"


def fields(owner: Any) -> Any:
    """Return what ``owner.name = value`` assigns to."""
    if isinstance(owner, (Traced, type, ModuleType)):
        return owner
    return _Fields(owner)


def item(container: Any, index: Any) -> Any:
    """``container[index]``."""
    kind = type(container)
    if kind is np.ndarray:
        if _has_traced(index):
            return captured_array(container)[index]
        return container[index]
    if kind in (list, tuple) and container and isinstance(index, (Dim, Traced)):
        number = chosen(container, index)
        if number is not None:
            return number
    if kind in CONTAINERS:
        if isinstance(index, Dim):
            entry: Any = index
            index = operator.index(entry)  # which entry it is, decides what the program is
        if hasattr(kind, "__missing__") and index not in container:
            note(Entry(container, index))  # a default may be put there
            note_assigned(container, index)
        value = container[index] if type(index) is slice else entry_of(container, index)
        return use(repr(index), value) if isinstance(value, Pending) else value
    if kind is tuple and type(index) is int:
        return entry_of(container, index)
    return container[index]


def captured_array(array: np.ndarray) -> Any:
    """Return an ordinary array as a value of the graph, read at each call."""
    return captured(("array", id(array)), array, lambda: array, "an array")


def _has_traced(index: Any) -> bool:
    if isinstance(index, Traced):
        return True
    if type(index) is tuple:
        return any(map(_has_traced, index))
    if type(index) is slice:
        return any(map(_has_traced, (index.start, index.stop, index.step)))
    return False


class _Entries:
    """A list or dictionary whose entries are assigned to."""

    __slots__ = ("container",)

    def __init__(self, container: Any) -> None:
        self.container = container

    def _prepare(self, index: Any) -> Any:
        if isinstance(index, (Traced, slice)):
            raise CannotStage(
                f"a {type(self.container).__name__} was assigned to at an index that is known at "
                "run time only, or at a slice; use an array, or a constant index",
                index,
            )
        manage_entry(self.container, index)
        note(Entry(self.container, index))
        note_assigned(self.container, index)

    def __getitem__(self, index: Any) -> Any:
        return item(self.container, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice) and innermost() is session().builder:
            self.container[index] = value
            return
        self._prepare(index)
        self.container[index] = value

    def __delitem__(self, index: Any) -> None:
        if innermost() is not session().builder:
            note(Entry(self.container, index))
        del self.container[index]


def target(container: Any) -> Any:
    """Return what ``container[index] = value`` stores into."""
    kind = type(container)
    if kind is np.ndarray:
        if container.dtype.kind in "biufc":
            return captured_array(container)
        return container
    return _Entries(container) if kind in CONTAINERS else container


# -- the rest --------------------------------------------------------------------------------------


def assert_(condition: Any, message: Callable[[], Any]) -> None:
    """``assert condition, message``."""
    if not is_abstract(condition):
        if not condition:
            said = message()
            raise AssertionError(said) if said is not None else AssertionError
        return
    said = message()
    args = () if said is None else (said,)
    emit(control.check, (truth(condition),), {"error": AssertionError, "args": args})


def raised(error: Any) -> Any:
    """Return an exception that the user's code is about to raise."""
    if isinstance(error, type) and issubclass(error, BaseException):
        error = error()
    if isinstance(error, BaseException):
        try:
            error.__staged_raise__ = True  # type: ignore[attr-defined]
        except AttributeError:
            pass
    return error


def returned(flag: Any, value: Any) -> Any:
    """Return a function's result, which flags tell to be bound; it may end without ``return``."""
    if flag is False:
        return None
    if isinstance(value, Pending):
        value = value.value
    if flag is True:
        return value
    if value is None:
        return None
    raise CannotStage(
        "the function returns a value on one path and ends without one on another; which one is "
        "known at run time only. Return a number or an array on every path."
    )


def items(iterable: Any) -> Any:
    """Return an iterable of a comprehension, item by item."""
    found = as_items(iterable)
    return seen(iterable) if found is None else list(found)


def comprehension(
    kind: str, iterable: Any, make: Callable[[Any], Any], keep: Callable[[Any], Any] | None = None
) -> Any:
    """``[make(x) for x in iterable if keep(x)]``, and of the other kinds."""
    found = as_items(iterable)
    if found is not None and isinstance(found.length, Dim):
        return abstract_list(kind, found, make, keep)
    source = seen(iterable) if found is None else found
    if kind == "generator":
        return (make(x) for x in source if keep is None or test(keep(x)))
    made = [make(x) for x in source if keep is None or test(keep(x))]
    if kind == "set":
        return set(made)
    return dict(made) if kind == "dict" else made


def abstract_list(kind: str, found: Items, make: Callable[[Any], Any], keep: Any) -> Any:
    """Return the items of a comprehension whose number is known at run time only."""
    if keep is not None:
        raise CannotStage(
            "a comprehension with a condition runs over something whose length is known at run "
            "time only: how many items it has cannot be known. Use a boolean mask.",
            found.length,
        )
    if kind in ("set", "dict"):
        raise CannotStage(
            f"a {kind} is made by a comprehension over something whose length is known at run time "
            "only; make a list or an array",
            found.length,
        )
    from adjoint.staging.maps import mapped

    return mapped(found, make)
