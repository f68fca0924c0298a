"""Parameters of operations as functions of a frame, in which values stand by their slots."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeAlias

from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import AnyType, StackType, Type
from adjoint.ops import control

__all__ = ["Fixed", "Frame", "Part", "SlotOf", "Step", "evaluator", "getter", "part_of"]

Frame: TypeAlias = list[Any]
Step: TypeAlias = Callable[[Frame], Any]
SlotOf: TypeAlias = Callable[[Value], int]


class Fixed:
    """A part of a parameter that holds no value of the graph."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


Part: TypeAlias = Fixed | int | Step
"""Fixed, a slot, or computed from the frame."""


def evaluator(data: Any, slot: SlotOf) -> Step:
    """Return a function that gives a parameter with the values that stand in it filled in."""
    return getter(part_of(data, slot))


def getter(part: Part) -> Step:
    """Return a part as a function of the frame."""
    if isinstance(part, Fixed):
        value = part.value
        return lambda f: value
    return itemgetter(part) if isinstance(part, int) else part


def part_of(data: Any, slot: SlotOf) -> Part:
    """Return what a parameter is, given where values stand."""
    if isinstance(data, Value):
        return Fixed(data.params["value"]) if data.op is control.constant else slot(data)
    if isinstance(data, Dim):
        return _dim(data, slot)
    if isinstance(data, (tuple, list)):
        return _sequence(data, slot)
    if isinstance(data, slice):
        return _slice(data, slot)
    if isinstance(data, dict):
        items = {key: part_of(item, slot) for key, item in data.items()}
        if all(isinstance(item, Fixed) for item in items.values()):
            return Fixed({key: item.value for key, item in items.items()})  # type: ignore[union-attr]
        getters = {key: getter(item) for key, item in items.items()}
        return lambda f: {key: get(f) for key, get in getters.items()}
    if isinstance(data, (Type, StackType)):
        return _type(data, slot)
    return Fixed(data)


def _dim(dim: Dim, slot: SlotOf) -> Part:
    constant, terms = dim.constant, []
    for value, c in dim.terms:
        part = part_of(value, slot)
        if isinstance(part, Fixed):
            constant += c * int(part.value)
        else:
            terms.append((part, c))
    if not terms:
        return Fixed(constant)
    if len(terms) == 1:
        (i, c), *_ = terms
        if c == 1:
            return (lambda f: f[i] + constant) if constant else i
        return lambda f: c * f[i] + constant
    if len(terms) == 2:
        (i, c), (j, d) = terms
        return lambda f: c * f[i] + d * f[j] + constant
    return lambda f: sum([c * f[i] for i, c in terms], constant)


def _sequence(data: Any, slot: SlotOf) -> Part:
    kind = type(data)
    items = [part_of(item, slot) for item in data]
    make = (lambda x: kind(*x)) if hasattr(data, "_fields") else kind
    if all(isinstance(item, Fixed) for item in items):
        return Fixed(make([item.value for item in items]))  # type: ignore[union-attr]
    if kind is tuple:
        if len(items) == 1:
            get = getter(items[0])
            return lambda f: (get(f),)
        if all(isinstance(item, int) for item in items):
            return itemgetter(*items)
        if len(items) == 2:
            first, second = map(getter, items)
            return lambda f: (first(f), second(f))
    getters = [getter(item) for item in items]
    return lambda f: make([get(f) for get in getters])


def _slice(data: slice, slot: SlotOf) -> Part:
    start, stop, step = (part_of(x, slot) for x in (data.start, data.stop, data.step))
    if isinstance(step, Fixed):
        by = step.value
        if isinstance(start, Fixed):
            if isinstance(stop, Fixed):
                return Fixed(slice(start.value, stop.value, by))
            lo, end = start.value, getter(stop)
            return lambda f: slice(lo, end(f), by)
        begin, end = getter(start), getter(stop)
        return lambda f: slice(begin(f), end(f), by)
    getters = [getter(x) for x in (start, stop, step)]
    return lambda f: slice(*[get(f) for get in getters])


def _type(type: AnyType, slot: SlotOf) -> Part:
    if isinstance(type, StackType):
        return Fixed(type)  # its zero has no entries
    shape = part_of(type.shape, slot)
    if isinstance(shape, Fixed):
        return Fixed(type)
    get, dtype, kind = getter(shape), type.dtype, type.kind
    return lambda f: Type(dtype, get(f), kind)
