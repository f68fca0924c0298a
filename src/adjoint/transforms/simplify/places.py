"""When two indices name the same part of an array, and when parts have nothing in common."""

from __future__ import annotations

from typing import Any

from adjoint.ir.agreement import is_integer
from adjoint.ir.dims import Dim, add
from adjoint.ir.graph import Value
from adjoint.ops import control
from adjoint.transforms.simplify.integers import Integers

__all__ = ["apart", "in_bounds", "same"]

Path = tuple[tuple[str, Any], ...]


def same(integers: Integers, a: Any, b: Any) -> bool:
    """Tell whether two paths, indices or entries of them are known to be the same."""
    if a is b:
        return True
    kind = type(a)
    if kind is int and type(b) is int:
        return a == b
    if kind is tuple and type(b) is tuple:
        return len(a) == len(b) and all(same(integers, x, y) for x, y in zip(a, b, strict=True))
    if kind is slice and type(b) is slice:
        parts = (a.start, b.start), (a.stop, b.stop), (a.step, b.step)
        return all(same(integers, x, y) for x, y in parts)
    if _is_number(a) and _is_number(b):
        return integers.of(a) == integers.of(b)
    return type(a) is str and a == b


def apart(integers: Integers, a: Any, b: Any) -> bool:
    """Tell whether two indices are known to name no element in common."""
    a, b = (i if isinstance(i, tuple) else (i,) for i in (a, b))
    for x, y in zip(a, b, strict=False):
        if type(x) is int and type(y) is int:
            if x != y and (x < 0) == (y < 0):
                return True
            continue
        if not _is_number(x) or not _is_number(y):
            # What an array, None or an ellipsis takes of the axes is not looked into.
            if not all([_is_number(e) or isinstance(e, slice) for e in (x, y)]):
                return False
            if _disjoint(integers, x, y):
                return True
            continue
        if integers.sign(x, y) in ("<0", ">0") and _same_side(integers, x, y):
            return True
    return False


def _same_side(integers: Integers, x: Any, y: Any) -> bool:
    """Tell whether both count from the beginning, or both from the end."""
    signs = integers.sign(x), integers.sign(y)
    return signs == ("<0", "<0") or all([s in _NOT_NEGATIVE for s in signs])


def _disjoint(integers: Integers, x: Any, y: Any) -> bool:
    """Tell whether numbers or slices along one axis are known to have nothing in common."""
    (first, end), (start, last) = _interval(integers, x), _interval(integers, y)
    return any([
        end is not None and start is not None and integers.sign(start, end) in _NOT_NEGATIVE,
        last is not None and first is not None and integers.sign(first, last) in _NOT_NEGATIVE,
    ])  # fmt: skip


def _interval(integers: Integers, x: Any) -> tuple[Any, Any]:
    """Return where what an index takes of an axis begins and ends, None where it is not known."""
    if isinstance(x, slice):
        if x.step not in (None, 1):
            return None, None
        first, end = 0 if x.start is None else x.start, x.stop
    else:
        first = x
        end = add(integers.of(x), 1)
    known = [
        None if e is None or not _is_number(e) or integers.sign(e) not in _NOT_NEGATIVE else e
        for e in (first, end)
    ]
    return known[0], known[1] if isinstance(x, slice) or known[0] is not None else None


def in_bounds(integers: Integers, index: Any, shape: tuple[Any, ...]) -> bool:
    """Tell whether reading the part of an array that a basic index names cannot fail."""
    entries = index if isinstance(index, tuple) else (index,)
    axis = 0
    for k, entry in enumerate(entries):
        if entry is Ellipsis:
            axis = len(shape) - sum([e is not None for e in entries[k + 1 :]])
            continue
        if entry is None:
            continue
        n = shape[axis]
        axis += 1
        if isinstance(entry, slice):
            if entry.step is not None and (type(entry.step) is not int or entry.step == 0):
                return False
        elif not _is_number(entry) or n is None or not _is_within(integers, entry, n):
            return False
    return True


def _is_within(integers: Integers, i: Any, n: Any) -> bool:
    """Tell whether −n ≤ i < n is known, and the sign of i."""
    if integers.sign(i) in _NOT_NEGATIVE:
        return integers.sign(n, i) == ">0"
    from_front = add(integers.of(n), integers.of(i))
    return integers.sign(i) == "<0" and integers.sign(from_front) in _NOT_NEGATIVE


_NOT_NEGATIVE = frozenset({">0", ">=0", "==0"})


def _is_number(x: Any) -> bool:
    if type(x) is int or isinstance(x, Dim):
        return True
    if type(x) is not Value or not is_integer(x.type):
        return False
    return x.op is not control.constant or type(x.params["value"]) is int
