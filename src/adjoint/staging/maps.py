"""Comprehensions over something whose length is known at run time only.

What a comprehension computes does not depend on the order of its items, so that it is a ``map``
operation: `StagedList` is the list that it makes. The numbers or arrays of all items lie in one
array each, one behind the other.

Where an item changes something, has no fixed shape, or where the program does to the list what only
a list of known length can answer, Python needs the length itself: an argument that it comes from
becomes a constant of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from adjoint import tree
from adjoint.dispatch import call_function, call_ufunc
from adjoint.ir.build import Builder, building, innermost, users_place
from adjoint.ir.dims import difference
from adjoint.ir.edit import exported
from adjoint.ir.types import Type, python_type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.registry import Traced
from adjoint.staged.integers import Integer, NeedsConstant
from adjoint.staged.scopes import changes, rollback
from adjoint.staged.sharing import may_share
from adjoint.staged.values import Staged, emit, param, root_of, value_of, wrap
from adjoint.staging.items import Items
from adjoint.staging.state import CannotStage, is_numeric
from adjoint.staging.visible import visible

_SHARED = (
    "an item of a list that a comprehension has made is an array from around it, or a part of one, "
    "and one of the two was stored into: they no longer share memory. Put a copy (x.copy()) in the "
    "list, or store into the array itself."
)

__all__ = ["FixedList", "StagedList", "mapped", "stacked"]

INT = python_type(int)


class FixedList(list):
    """A list in a `StagedList`, made anew each time that it is asked for: not to be changed."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise CannotStage(
            "a list that a comprehension of run-time length has made was changed; use an array of "
            "two dimensions"
        )


for _name in (
    "append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "__setitem__",
    "__delitem__", "__iadd__", "__imul__",
):  # fmt: skip
    setattr(FixedList, _name, FixedList._refuse)


class StagedList(Items):
    """A list of run-time length, as the program sees it.

    Attributes
    ----------
    arrays : tuple
        The numbers or arrays of the items, stacked: one array a leaf of an item.
    kinds : tuple of str
        What each is in an item: "array", "scalar" or "python" (`adjoint.ir.types.Type`).
    spec :
        The structure of an item.
    """

    __slots__ = ("arrays", "kinds", "spec")

    def __init__(self, arrays: tuple[Any, ...], kinds: tuple[str, ...], spec: Any) -> None:
        self.arrays = arrays
        self.kinds = kinds
        self.spec = spec
        super().__init__(getattr(arrays[0], "shape", (None,))[0], self._item)

    def _item(self, k: Any) -> Any:
        return tree.unflatten(
            self.spec, [_entry(x, kind, k) for x, kind in zip(self.arrays, self.kinds, strict=True)]
        )

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return StagedList(tuple([x[k] for x in self.arrays]), self.kinds, self.spec)
        return self._item(k)

    @property
    def _stacked(self) -> Any:
        """What ``np.array`` makes of the list."""
        return _as_array(self, 0)

    # -- Python's functions of lists -------------------------------------------------------------

    def _numbers(self, what: str) -> tuple[Any, str]:
        if len(self.arrays) != 1 or type(self._structure()) is not int:
            self._needed(what)
        return self.arrays[0], self.kinds[0]

    def _structure(self) -> Any:
        return tree.unflatten(self.spec, list(range(len(self.arrays))))

    def total(self, start: Any = 0) -> Any:
        """Return ``sum(self, start)``, added up as NumPy adds."""
        x, kind = self._numbers("sum() of its items")
        dtype = np.dtype(np.int64) if x.dtype.kind == "b" else x.dtype
        total = _as_kind(np.sum(x, axis=0, dtype=dtype), kind)
        return total if type(start) is int and start == 0 else start + total

    def extremum(self, place: Callable[[Any], Any], options: dict[str, Any]) -> Any:
        """Return the first of the greatest or least numbers, as ``max`` and ``min`` do.

        Like them it does not see NaN, unless the first item is one.
        """
        x, kind = self._numbers("max() or min() of its items")
        if kind == "array" or any(v is not None for v in options.values()):
            self._needed("max() or min() of its items")
        if x.dtype.kind == "f":
            last = -np.inf if place is np.argmax else np.inf
            seen = np.where(np.isnan(x), last, x)
            k = np.where(np.isnan(x[0]), 0, place(seen))
        else:
            k = place(x)
        return _as_kind(x[k], kind)

    def test(self, every: Callable[[Any], Any]) -> Any:
        """Return ``any(self)`` or ``all(self)``; all items are computed."""
        x, kind = self._numbers("any() or all() of its items")
        if kind == "array":
            self._needed("any() or all() of its items")
        return _as_kind(every(x), "python")

    # -- NumPy's functions -------------------------------------------------------------------------

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call_function(func, stacked(args), stacked(kwargs))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call_ufunc(ufunc, method, stacked(inputs), stacked(kwargs))

    # -- what needs the length ---------------------------------------------------------------------

    def _needed(self, what: str) -> NoReturn:
        raise NeedsConstant(
            f"Python needs {what}, of a list that a comprehension made and whose length "
            f"({self.length!r}) is known at run time only. Make an array of it (np.array), or fill "
            "an array in a loop.",
            self.length,
        )

    def __len__(self) -> int:
        return self._needed("the length as a number")

    def __iter__(self) -> Iterator[Any]:
        if type(self.length) is int:
            return (self._item(k) for k in range(self.length))
        return self._needed("the items one by one")

    def __setitem__(self, index: Any, value: Any) -> None:
        self._needed("to change an item")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._needed("an ordinary array")

    def _operator(self, *args: Any) -> Any:
        return self._needed("an operator of lists")

    __add__ = __radd__ = __mul__ = __rmul__ = __iadd__ = __contains__ = __delitem__ = _operator
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _operator

    def __bool__(self) -> bool:
        truth = self.length != 0 if type(self.length) is int else bool(self.length)
        return truth

    def __getattr__(self, name: str) -> Any:
        if hasattr(list, name) and not name.startswith("__"):
            self._needed(f"list.{name}")
        raise AttributeError(f"'list' object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"staged list of {self.length!r} items"


def _entry(x: Any, kind: str, k: Any) -> Any:
    if kind != "array":
        return _as_kind(x[k], kind)
    return x[k] if x.ndim > 1 else x[k, ...]


def _as_kind(x: Any, kind: str) -> Any:
    return emit(ew.python_number, (x,)) if kind == "python" else x


def stacked(data: Any) -> Any:
    """Return arguments with staged lists made arrays."""
    if isinstance(data, StagedList):
        return data._stacked
    if type(data) is tuple:
        return tuple([stacked(item) for item in data])
    if type(data) is dict:
        return {key: stacked(item) for key, item in data.items()}
    return data


def _as_array(x: Any, depth: int) -> Any:
    """Return a structure of arrays with ``depth`` leading axes of items as one array."""
    if isinstance(x, StagedList):
        return _as_array(tree.unflatten(x.spec, list(x.arrays)), depth + 1)
    if isinstance(x, (tuple, list)):
        return np.stack([_as_array(item, depth) for item in x], axis=depth)
    return x


# -- in containers ---------------------------------------------------------------------------------


def _take_apart(x: StagedList) -> tuple[Any, Any]:
    return x.arrays, (x.kinds, x.spec)


def _put_together(metadata: Any, children: Any) -> Any:
    kinds, spec = metadata
    children = tuple(children)
    if not all(type(x) is np.ndarray for x in children):
        return StagedList(children, kinds, spec)
    # What a call of the staged function returns.
    columns = [
        x.tolist() if kind == "python" else list(x) if kind == "scalar" else [e.copy() for e in x]
        for x, kind in zip(children, kinds, strict=True)
    ]
    return [tree.unflatten(spec, list(item)) for item in zip(*columns, strict=True)]


def _fixed(_: Any, children: Any) -> Any:
    children = list(children)
    return FixedList(children) if any(map(_is_staged, children)) else children


def _is_staged(x: Any) -> bool:
    if isinstance(x, (tuple, FixedList)):
        return any(map(_is_staged, x))
    return isinstance(x, (Traced, StagedList))


tree.register(StagedList, _take_apart, _put_together)
tree.register(FixedList, lambda x: (tuple(x), None), _fixed)


# -- comprehensions --------------------------------------------------------------------------------


def mapped(items: Items, make: Callable[[Any], Any]) -> StagedList:
    """Return ``[make(x) for x in items]``."""
    length = items.length
    place = users_place()

    def needed(reason: str) -> NeedsConstant:
        return NeedsConstant(
            f"a comprehension runs over something whose length ({length!r}) is known at run time "
            f"only, and {reason}",
            length,
        )

    with building(innermost()) as builder:
        index = builder.parameter(INT)
        index.bounds = (0, difference(param(length), 1))
        try:
            item = make(items.get(Integer(0, ((index, 1),))))
            leaves, spec = tree.flatten(_without_lists(item, needed))
            values = [value_of(leaf) for leaf in leaves]
            shared = [_shared_with(leaf, builder) for leaf in leaves]
            changed = [location for location, _, _ in changes(builder)]
            item = leaves = None  # what the items made for themselves is seen by nobody now
        except CannotStage as error:
            error.culprits.append(length)
            raise
        finally:
            rollback(builder)
        for location in visible(changed, builder):
            raise needed(f"its items change {location.describe()}; write a for loop instead")
        builder.block.results = values
    types = []
    for value in values:
        entry = exported(value.type, builder)
        if not isinstance(entry, Type) or None in entry.shape:
            raise needed("the shape of its items is not fixed; write them into an array")
        types.append(Type(entry.dtype, (param(length), *entry.shape)))
    inputs = (value_of(length),)
    node = innermost().emit(control.map_loop, inputs, {}, tuple(types), (builder.block,), place)
    arrays = wrap(node)
    for array, root in zip(arrays, shared, strict=True):
        if root is not None:
            may_share([(array, root)], _SHARED)
    return StagedList(arrays, tuple([v.type.kind for v in values]), spec)


def _without_lists(item: Any, needed: Callable[[str], NeedsConstant]) -> Any:
    """Return an item with its lists made unchangeable; refuse what it may not hold."""
    if type(item) is list:
        return FixedList([_without_lists(x, needed) for x in item])
    if type(item) is tuple:
        return tuple([_without_lists(x, needed) for x in item])
    if isinstance(item, StagedList) or is_numeric(item):
        return item
    raise needed(
        f"its items are {type(item).__name__} objects; only numbers, arrays, and lists and tuples "
        "of them can be kept then"
    )


def _shared_with(leaf: Any, builder: Builder) -> Staged | None:
    """Return the array from around the comprehension whose memory an item shares."""
    if not isinstance(leaf, Staged) or not isinstance(leaf.type, Type) or leaf.type.kind != "array":
        return None
    root = root_of(leaf)
    outer = builder.parent
    assert outer is not None
    return root if outer.sees(root._value) else None
