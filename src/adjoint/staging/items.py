"""What staged loops run over: ranges, arrays, and zip, enumerate and reversed of them."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sized
from typing import Any

from adjoint.ir.dims import Dim, known_sign
from adjoint.ir.types import Type
from adjoint.ops import elementwise as ew
from adjoint.staged.failures import CannotStage
from adjoint.staged.integers import Integer, NeedsConstant
from adjoint.staged.values import Staged, current, emit
from adjoint.staging.outside import seen

__all__ = ["Items", "Range", "as_items", "enumerate_", "range_", "reversed_", "zip_"]


class Items:
    """A sequence by number: ``get(k)`` is its k-th item.

    Attributes
    ----------
    length : int or Integer
    get : callable
    fixed : bool
        Whether ``get`` takes plain numbers only: the loop cannot be an operation.
    """

    __slots__ = ("_rest", "fixed", "get", "length")

    def __init__(self, length: Any, get: Callable[[Any], Any], fixed: bool = False) -> None:
        self.length = length
        self.get = get
        self.fixed = fixed
        self._rest: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        if not isinstance(self.length, int) or isinstance(self.length, Dim):
            raise NeedsConstant(
                f"Python needs the items one by one, but how many there are ({self.length!r}) is "
                "known at run time only; write a for loop over them",
                self.length,
            )
        return (self.get(k) for k in range(self.length))

    def __next__(self) -> Any:
        if self._rest is None:
            self._rest = iter(self)
        return next(self._rest)

    def __len__(self) -> int:
        return int(self.length)

    def __getitem__(self, k: Any) -> Any:
        return self.get(k)


class Range(Items):
    """``range(lo, hi, step)`` of which a bound is staged."""

    __slots__ = ("hi", "lo", "step")

    def __init__(self, lo: Any, hi: Any, step: int) -> None:
        self.lo = lo
        self.hi = hi
        self.step = step
        super().__init__(trips(lo, hi, step), lambda k: lo + k * step)

    def __contains__(self, x: Any) -> bool:
        raise NeedsConstant("Python needs whether a staged range contains a number", self.hi)


def trips(lo: Any, hi: Any, step: int) -> Any:
    """Return the length of a range."""
    span = hi - lo if step > 0 else lo - hi
    size = abs(step)
    if type(span) is int:
        return max(0, -(-span // size))
    if size != 1:
        span = (span + (size - 1)) // size
    sign = known_sign(span) if isinstance(span, Dim) else None
    if sign in (">0", ">=0", "==0"):
        return span
    return python_max(span)


def python_max(x: Any) -> Any:
    """Return max(x, 0) of a staged integer, as one."""
    result = emit(ew.maximum, (x, 0), None, max)
    if isinstance(result, Integer):
        result.terms[0][0].bounds = (0, None)
    return result


def _integer(x: Any) -> Any:
    """Return an argument of ``range`` as an int or Integer."""
    if isinstance(x, Staged):
        type_ = current(x).type
        if not isinstance(type_, Type) or type_.shape or type_.dtype.kind not in "iub":
            raise TypeError(f"{x!r} cannot be interpreted as an integer")
        return emit(ew.python_number, (x,))
    return x


def range_(*args: Any) -> Any:
    """``range``."""
    if not any(isinstance(a, (Staged, Dim)) for a in args):
        return range(*args)
    given = [_integer(a) for a in args]
    lo, hi, step = {1: (0, *given, 1), 2: (*given, 1), 3: tuple(given)}[len(given)]
    if isinstance(step, Dim):
        step = operator.index(step)  # type: ignore[arg-type]  # its sign decides what the loop is
    if step == 0:
        raise ValueError("range() arg 3 must not be zero")
    return Range(lo, hi, step)


def as_items(x: Any) -> Items | None:
    """Return what a loop runs over as `Items` if it can be an operation; None if it cannot."""
    if isinstance(x, Items):
        return x
    if type(x) is range:
        return Range(x.start, x.stop, x.step)
    if isinstance(x, Staged) and not isinstance(x, Dim):
        if not x.ndim:
            raise TypeError("iteration over a 0-d array")
        array: Any = x
        return Items(x.shape[0], lambda k: array[k])
    return None


def _all_items(iterables: tuple[Any, ...]) -> list[Items] | None:
    """Return the arguments of zip as items, if one of them is staged, or all are ranges."""
    staged = any(isinstance(x, (Items, Staged)) for x in iterables)
    if not iterables or not (staged or all(type(x) is range for x in iterables)):
        return None
    known = [as_items(x) for x in iterables]
    shortest = _shortest([items.length for items in known if items is not None])
    found = []
    for x, items in zip(iterables, known, strict=True):
        if items is None:
            if isinstance(x, Sized):
                x = list(x)  # type: ignore[call-overload]
            elif type(shortest) is int:
                x = list(itertools.islice(x, shortest))
            else:
                raise CannotStage(
                    "an iterator stands beside an array whose length is known at run time only: "
                    "how much of it is used cannot be known; give zip arrays and ranges",
                    shortest,
                )
            items = Items(len(x), x.__getitem__, fixed=True)
        found.append(items)
    return found


def zip_(*iterables: Any, strict: bool = False) -> Any:
    """``zip``."""
    found = _all_items(iterables)
    if found is None:
        return zip(*map(seen, iterables), strict=strict)
    length = _shortest([items.length for items in found])
    return Items(
        length, lambda k: tuple(items.get(k) for items in found), any(i.fixed for i in found)
    )


def _shortest(lengths: list[Any]) -> Any:
    shortest = lengths[0]
    for n in lengths[1:]:
        difference = n - shortest
        if isinstance(difference, Dim):
            sign = known_sign(difference)
            if sign in (">0", ">=0", "==0"):
                continue
            if sign in ("<0", "<=0"):
                shortest = n
                continue
            shortest = emit(ew.minimum, (shortest, n), None, min)
        elif difference < 0:
            shortest = n
    return shortest


def enumerate_(iterable: Any, start: Any = 0) -> Any:
    """``enumerate``."""
    found = _all_items((iterable,))
    if found is None:
        return enumerate(seen(iterable), start)
    (items,) = found
    return Items(items.length, lambda k: (start + k, items.get(k)), items.fixed)


def reversed_(sequence: Any) -> Any:
    """``reversed``."""
    if type(sequence) is range:
        sequence = sequence[::-1]
        return Range(sequence.start, sequence.stop, sequence.step)
    if isinstance(sequence, Range):
        n = sequence.length
        return Range(
            sequence.lo + (n - 1) * sequence.step, sequence.lo - sequence.step, -sequence.step
        )
    found = as_items(sequence)
    if found is None:
        return reversed(seen(sequence))
    return Items(found.length, lambda k: found.get(found.length - 1 - k), found.fixed)
