"""Reading and storing parts of arrays.

An index that is the same for all examples gets a slice of all of them in front. One that differs
names the examples, too: ``x[i]`` becomes ``x[[0, 1, 2, ...], i]``. NumPy puts the axes of index
arrays where they stand if they stand side by side, and first if they do not, so that the axes of
the part may have to be put in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.ir.build import innermost
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import Type
from adjoint.ops import elementwise as ew
from adjoint.ops.indexing import Path, getitem, read, update
from adjoint.ops.structural import permute
from adjoint.transforms.batch.table import (
    OneByOne,
    Operation,
    expanded,
    permuted,
    record,
    rule,
    shaped,
)

__all__: list[str] = []

_WHOLE = slice(None)


@dataclass(frozen=True)
class _Entry:
    """An entry of an index.

    Attributes
    ----------
    kind : str
        "new", "slice", "integer", "array" or "mask".
    item :
        With values recorded again.
    ndim : int
        Of an array.
    differs : bool
        Whether it differs between examples.
    """

    kind: str
    item: Any
    ndim: int
    differs: bool

    @property
    def axes(self) -> int:
        """How many axes it uses up."""
        return {"new": 0, "mask": self.ndim}.get(self.kind, 1)

    @property
    def gathers(self) -> int:
        """How many axes it gives to those of the arrays together."""
        return {"mask": 1, "array": self.ndim}.get(self.kind, 0)


def _entry(old: Any, new: Any, copies: set[Value]) -> _Entry:
    if old is None:
        return _Entry("new", None, 0, False)
    if isinstance(old, slice):
        if any(v in copies for v in values_in(new)):
            raise OneByOne
        return _Entry("slice", new, 0, False)
    if isinstance(old, Value):
        differs = isinstance(new, Value) and new in copies
        ndim = old.type.ndim
        if old.dtype.kind == "b":
            if not ndim or differs:
                raise OneByOne
            return _Entry("mask", new, ndim, False)
        return _Entry("array" if ndim else "integer", new, ndim, differs)
    if isinstance(old, Dim):
        return _Entry("integer", new, 0, isinstance(new, Value) and new in copies)
    array = np.asarray(old)
    if array.dtype.kind == "b" or array.dtype.kind not in "iu":
        raise OneByOne
    return _Entry("array" if array.ndim else "integer", new, array.ndim, False)


def _entries(old: Any, new: Any, ndim: int, copies: set[Value]) -> list[_Entry]:
    """Return the entries of an index, one an axis or more, with nothing left out."""
    olds, news = (i if isinstance(i, tuple) else (i,) for i in (old, new))
    before: list[_Entry] = []
    after: list[_Entry] | None = None
    for a, b in zip(olds, news, strict=True):
        if a is Ellipsis:
            after = []
        else:
            (before if after is None else after).append(_entry(a, b, copies))
    missing = ndim - sum(e.axes for e in (*before, *(after or ())))
    return [*before, *[_Entry("slice", _WHOLE, 0, False)] * missing, *(after or ())]


@dataclass(frozen=True)
class _Index:
    """An index into the arrays of all examples.

    Attributes
    ----------
    items : tuple
    order : tuple of int
        Where the axes of what it reads are: that of examples, then those of one example.
    """

    items: tuple[Any, ...]
    order: tuple[int, ...]


_PLAIN = ("new", "slice")
_ARRAYS = ("array", "mask")
_EXAMPLES = "examples"


def _layout(
    entries: list[tuple[Any, _Entry]], gathered: list[Any], counted: tuple[str, ...]
) -> list[Any]:
    """Return the names of the axes of what an index reads, in NumPy's order.

    Parameters
    ----------
    entries : list of (name, _Entry)
    gathered : list
        Names of the axes that the index arrays give together.
    counted : tuple of str
        The kinds of entries that count as index arrays.
    """
    plain = [name for name, e in entries if e.kind in _PLAIN]
    spots = [k for k, (_, e) in enumerate(entries) if e.kind in counted]
    if not spots:
        return plain
    place = 0
    if _side_by_side(spots):
        place = sum(e.kind in _PLAIN for _, e in entries[: spots[0]])
    return [*plain[:place], *gathered, *plain[place:]]


def _side_by_side(spots: list[int]) -> bool:
    return not spots or spots[-1] - spots[0] == len(spots) - 1


def _of_all(walk: Any, old: Any, new: Any, ndim: int, whole: bool = True) -> _Index:
    """Return the index for all examples of an index of one.

    Parameters
    ----------
    walk : Batch
    old, new :
        The index, and the same recorded again.
    ndim : int
        Of the array of one example.
    whole : bool
        Whether the array has an axis of examples.
    """
    entries: list[tuple[Any, _Entry]] = list(enumerate(_entries(old, new, ndim, walk.copies)))
    depth = max((e.gathers for _, e in entries), default=0)
    gathered = [f"gathered {k}" for k in range(depth)]
    has_arrays = any(e.kind in _ARRAYS for _, e in entries)
    counted = (*_ARRAYS, "integer") if has_arrays else ()
    wanted = [_EXAMPLES, *_layout(entries, gathered, counted)]
    spots = [k for k, e in entries if e.kind in counted]
    if whole and _side_by_side(spots) and not any(e.differs for _, e in entries):
        return _Index((_WHOLE, *[e.item for _, e in entries]), tuple(range(len(wanted))))
    items = [expanded(e.item, depth - e.ndim) if e.differs else e.item for _, e in entries]
    if whole:
        numbers = walk.numbers()
        items.insert(0, shaped(numbers, (walk.count, *(1,) * depth)) if depth else numbers)
        entries.insert(0, (_EXAMPLES, _Entry("integer", None, 0, True)))
    found = _layout(entries, [_EXAMPLES, *gathered], (*_ARRAYS, "integer"))
    return _Index(tuple(items), tuple([found.index(name) for name in wanted]))


def _is_sorted(order: tuple[int, ...]) -> bool:
    return list(order) == sorted(order)


def _emit(
    o: Operation, inputs: tuple[Value, ...], params: dict[str, Any], order: tuple[int, ...]
) -> Value:
    """Record the operation, and put the axes of its result in order."""
    op = o.node.op
    assert op is not None
    if _is_sorted(order):
        return o.emit(op, inputs, params)
    type = o.walk.type_of_all(o.node.type)
    lengths: list[Any] = [None] * len(order)
    for n, axis in zip(type.shape, order, strict=True):
        lengths[axis] = n
    found = innermost().emit(op, inputs, params, type.with_shape(tuple(lengths)))
    return o.emit(permute, (found,), {"axes": order})


# -- reading ---------------------------------------------------------------------------------------


@rule("getitem", varying=True)
def _getitem(o: Operation) -> Value:
    old, new = o.node.params["index"], o.params["index"]
    index = _of_all(o.walk, old, new, o.rank(0), o.on[0])
    return _emit(o, o.inputs, {"index": index.items}, index.order)


@rule("read", varying=True)
def _read(o: Operation) -> Value:
    *before, (steps, order) = _parts_of_path(o, o.rank(0))
    x = o.whole(0)
    for path, axes in before:
        x = permuted(record(read, (x,), {"path": path}), axes)
    return _emit(o, (x,), {"path": steps}, order)


Part = tuple[Path, tuple[int, ...]]
"""A path for all examples, and the order of the axes of what it leads to."""


def _path(o: Operation, ndim: int) -> Part:
    """Return a path for all examples that can be stored through."""
    part, *more = _parts_of_path(o, ndim)
    if more:
        raise OneByOne
    return part


def _parts_of_path(o: Operation, ndim: int) -> list[Part]:
    """Return a path for all examples: several if a step gathers that is not the last."""
    parts: list[Part] = []
    steps: list[tuple[str, Any]] = []
    order: tuple[int, ...] | None = None
    for (kind, before), (_, argument) in zip(o.node.params["path"], o.params["path"], strict=True):
        if order is not None:
            parts.append((tuple(steps), order))
            steps, order = [], None
        if kind == "index":
            index = _of_all(o.walk, before, argument, ndim)
            steps.append(("index", index.items))
            ndim = len(index.order) - 1
            if not _is_sorted(index.order) or any(v in o.walk.copies for v in values_in(argument)):
                order = index.order
            continue
        if kind == "permute":
            argument = (0, *[a % ndim + 1 for a in argument])
        elif kind == "reshape":
            shape = argument if isinstance(argument, (tuple, list)) else (argument,)
            ndim = len(shape)
            argument = (o.count, *_fixed(o, shape))
        elif kind == "broadcast_to":
            if len(argument) > ndim:
                steps.append(("index", (_WHOLE, *(None,) * (len(argument) - ndim), ...)))
            ndim = len(argument)
            argument = (o.count, *_fixed(o, argument))
        elif kind in ("diagonal", "read-only diagonal"):
            offset, i, j = argument
            argument = (offset, i % ndim + 1, j % ndim + 1)
            ndim -= 1
        steps.append((kind, argument))
    return [*parts, (tuple(steps), tuple(range(ndim + 1)) if order is None else order)]


def _fixed(o: Operation, shape: Any) -> tuple[Any, ...]:
    if any(v in o.walk.copies for v in values_in(shape)):
        raise OneByOne
    return tuple(shape)


# -- storing ---------------------------------------------------------------------------------------


@rule("update", "index_add", varying=True)
def _store(o: Operation) -> Value:
    masked = _where(o)
    if masked is not None:
        return masked
    steps, order = _path(o, o.rank(0))
    value = _facing(o, len(order) - 1, order)
    return o.emit(o.node.op, (o.whole(0), value), {"path": steps})


def _facing(o: Operation, ndim: int, order: tuple[int, ...]) -> Value:
    """Return what is stored such that it broadcasts to the part, which has ``ndim`` axes."""
    value, rank = o.inputs[1], o.rank(1)
    assert isinstance(value.type, Type)
    if _is_sorted(order) and not o.on[1]:
        return value
    if rank > ndim:  # a store drops leading axes of length one
        rank = ndim
        lengths = value.type.shape[len(value.type.shape) - ndim :]
        value = shaped(value, (o.count, *lengths) if o.on[1] else lengths)
    if o.on[1]:
        value = expanded(value, ndim - rank)
    elif rank:
        more = (1,) * (ndim + 1 - rank)
        type = value.type.with_shape(more + value.type.shape)
        index = (*[None] * len(more), ...)
        value = innermost().emit(getitem, (value,), {"index": index}, type)
    else:
        return value
    back = sorted(range(ndim + 1), key=order.__getitem__)
    return permuted(value, back)


def _where(o: Operation) -> Value | None:
    """Return ``x[mask] = number`` as a choice, where the mask differs between examples."""
    path = o.params["path"]
    if o.node.op is not update or len(path) != 1 or path[0][0] != "index" or o.rank(1):
        return None
    index = path[0][1]
    mask = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if not isinstance(mask, Value) or mask not in o.walk.copies or mask.dtype.kind != "b":
        return None
    assert isinstance(mask.type, Type)
    more = o.rank(0) + 1 - mask.type.ndim
    if more:
        type = mask.type.with_shape((*mask.type.shape, *(1,) * more))
        params = {"index": (..., *(None,) * more)}
        mask = innermost().emit(getitem, (mask,), params, type)
    value = o.result(o.aligned(1, o.rank(0)))
    return o.emit(ew.where, (mask, value, o.whole(0)))


@rule("last_writers", varying=True)
def _last_writers(o: Operation) -> Value:
    shape = _fixed(o, o.params["shape"])
    steps, order = _path(o, len(shape))
    return _emit(o, (), {"shape": (o.count, *shape), "path": steps}, order)
