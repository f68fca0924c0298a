"""Arithmetic of lengths that may be expressions or unknown: broadcasting, slices, sizes.

None is a length that is read when the program runs; whatever depends on it is None too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from adjoint.ir.dims import (
    Dim,
    add,
    difference,
    greatest,
    known_sign,
    least,
    of_value,
    scale,
    texts,
)
from adjoint.ir.graph import Value
from adjoint.ops.inference.call import Call

__all__ = [
    "as_length", "as_shape", "at_least", "broadcast", "equal", "minimum", "plus", "minus",
    "range_length", "slice_length", "unequal", "without_zero",
]  # fmt: skip


def as_length(n: Any) -> Any:
    """Return an int, a dimension or None for a number, an integer value of the graph or None."""
    if n is None or type(n) is int or isinstance(n, Dim):
        return n
    if isinstance(n, Value):
        if n.op is not None and n.op.name == "constant":
            return int(n.params["value"])
        return of_value(n)
    return int(n)


def as_shape(shape: Any) -> tuple[Any, ...]:
    """Return a shape parameter as a tuple of lengths; -1 stays."""
    if isinstance(shape, (tuple, list)):
        return tuple(as_length(n) for n in shape)
    if isinstance(shape, np.ndarray):
        return tuple(shape.tolist())
    return (as_length(shape),)


def plus(m: Any, n: Any) -> Any:
    """Return m + n."""
    return None if m is None or n is None else add(m, n)


def minus(m: Any, n: Any) -> Any:
    """Return m − n."""
    return None if m is None or n is None else difference(m, n)


def at_least(m: Any, n: Any) -> bool:
    """Tell whether m ≥ n is proved."""
    if m is None or n is None:
        return False
    gap = difference(m, n)
    low = least(gap)
    if low is not None and low >= 0:
        return True
    return known_sign(gap) in (">0", ">=0", "==0")


def unequal(m: Any, n: Any) -> bool:
    """Tell whether m ≠ n is proved."""
    return m is not None and n is not None and known_sign(difference(m, n)) in (">0", "<0")


def equal(call: Call, m: Any, n: Any) -> Any:
    """Return the length that m and n both must be; what is not proved is required at run time.

    Refuses the call where they are known to differ.
    """
    if m is None or n is None:
        return n if m is None else m
    if m == n:
        return m
    if unequal(m, n):
        call.refuse(f"lengths {' and '.join(t[1:-2] for t in texts((m,), (n,)))} differ:")
    call.require_equal(m, n)
    return n if isinstance(m, Dim) and not isinstance(n, Dim) else m


# -- broadcasting ----------------------------------------------------------------------------------


def broadcast(
    call: Call,
    shapes: Iterable[tuple[Any, ...]],
    what: str = "operands",
    error: type[Exception] = ValueError,
) -> Any:
    """Return the shape to which NumPy broadcasts the shapes.

    The number 1 stretches. A length that is an expression does not, even if it happens to be 1 when
    the program runs: it must equal the one that it meets.
    """
    given = list(shapes)
    first = given[0]
    if all(shape == first for shape in given):
        return first
    result: list[Any] = [1] * max(map(len, given))
    for shape in given:
        lead = len(result) - len(shape)
        for k, n in enumerate(shape, lead):
            m = result[k]
            if m is n or n == 1 or m == n:
                continue
            if m == 1:
                result[k] = n
            elif m is None or n is None:
                known = n if m is None else m
                result[k] = known if without_zero(known, 2) else None
            elif unequal(m, n) and unequal(m, 1) and unequal(n, 1):
                raise error(
                    f"{what} could not be broadcast together with shapes {' '.join(texts(*given))} "
                )
            else:
                call.require_equal(m, n)
                if isinstance(m, Dim) and not isinstance(n, Dim):
                    result[k] = n
    return tuple(result)


def without_zero(n: Any, low: int = 1) -> bool:
    """Tell whether a length is proved to be at least ``low``."""
    return at_least(n, low)


# -- slices ----------------------------------------------------------------------------------------


def minimum(call: Call, m: Any, n: Any) -> Any:
    """Return the smaller of two lengths."""
    if m is None or n is None:
        return None
    if at_least(n, m):
        return m
    if at_least(m, n):
        return n
    return call.length(None, m, None, n)


def range_length(call: Call, start: Any, stop: Any, step: Any) -> Any:
    """Return the length of ``range(start, stop, step)``."""
    if None in (start, stop, step):
        return None
    span, step_sign = difference(stop, start), known_sign(step)
    if type(span) is int and type(step) is int:
        return len(range(0, span, step))
    if step_sign == "<0":
        exact = _steps(scale(span, -1), scale(step, -1))
    else:
        exact = _steps(span, step) if step_sign == ">0" else None
    return call.length(start, stop, step, None) if exact is None else exact


def _steps(span: Any, step: Any, length: Any = 0) -> Any:
    """Return max(0, ⌈span/step⌉) for a step > 0, if it is known to be a linear expression.

    ``length`` is a number that is not negative.
    """
    high = greatest(span)
    if high is not None and high <= 0:
        return 0
    if type(step) is not int:
        return None
    # For integers ⌈span/step⌉ ≥ 0 where span > -step.
    low = 0 if span == length else least(span)
    if low is None or low <= -step:
        return None
    if not isinstance(span, Dim):
        return -(-span // step)
    if any(c % step for _, c in span.terms):
        return None
    terms = tuple((value, c // step) for value, c in span.terms)
    return Dim(-(-span.constant // step), terms)


def slice_length(call: Call, index: slice, n: Any) -> Any:
    """Return the length of a slice of n elements."""
    start, stop, step = as_length(index.start), as_length(index.stop), as_length(index.step)
    if type(n) is int and not any(isinstance(x, Dim) for x in (start, stop, step)):
        return len(range(*slice(start, stop, step).indices(n)))
    if n is None:
        return None
    if step is None:
        step = 1
    if type(step) is int and step != 0:
        exact = _slice_of(start, stop, step, n)
        if exact is not None:
            return exact
    return call.length(start, stop, step, n)


def _slice_of(start: Any, stop: Any, step: int, n: Any) -> Any:
    """Return the length of a slice if it is known to be a linear expression."""
    if step > 0:
        first, last = _clipped(start, 0, 0, n), _clipped(stop, n, 0, n)
        span = minus(last, first)
    else:
        top = difference(n, 1)
        first, last = _clipped(start, top, -1, top), _clipped(stop, -1, -1, top)
        span = minus(first, last)
    return None if span is None else _steps(span, abs(step), n)


def _clipped(bound: Any, default: Any, low: int, high: Any) -> Any:
    """Return where a slice that is bounded so begins or ends, if it is proved.

    As Python has it: a negative bound counts from the end, then it is clipped to [low, high].
    """
    if bound is None:
        return default
    if type(bound) is int and bound == low == 0:
        return bound
    n = high if low == 0 else add(high, 1)
    sign = known_sign(bound)
    if sign == "<0":
        bound = add(bound, n)
        if known_sign(difference(bound, low)) in ("<0", "<=0", "==0"):
            return low
        return bound if at_least(bound, low) else None
    if sign is None or sign == "<=0":
        return None
    if at_least(high, bound):
        return bound
    return high if at_least(bound, high) else None


# -- sizes -----------------------------------------------------------------------------------------


class _Product:
    """A product of lengths: a number times expressions with coprime coefficients."""

    __slots__ = ("dims", "number")

    def __init__(self, shape: Iterable[Any]) -> None:
        self.number = 1
        self.dims: Counter[Dim] = Counter()
        for n in shape:
            if not isinstance(n, Dim):
                self.number *= n
                continue
            common = math.gcd(n.constant, *(c for _, c in n.terms))
            self.number *= common
            terms = tuple((value, c // common) for value, c in n.terms)
            self.dims[Dim(n.constant // common, terms)] += 1


def size(shape: tuple[Any, ...]) -> Any:
    """Return the number of elements, if it is known to be a linear expression."""
    if None in shape:
        return None
    product = _Product(shape)
    factors = list(product.dims.elements())
    if product.number == 0 or not factors:
        return product.number
    return scale(factors[0], product.number) if len(factors) == 1 else None


def ratio(call: Call, above: tuple[Any, ...], below: tuple[Any, ...]) -> Any:
    """Return the product of some lengths divided by that of others, which divides it."""
    if None in above or None in below:
        return None
    over, under = _Product(above), _Product(below)
    over.dims, under.dims = over.dims - under.dims, under.dims - over.dims
    if under.number and not under.dims and over.number % under.number == 0:
        number = over.number // under.number
        factors = list(over.dims.elements())
        if not factors or not number:
            return number
        if len(factors) == 1:
            return scale(factors[0], number)
    return call.quotient(above, below)


def same_size(above: tuple[Any, ...], below: tuple[Any, ...]) -> bool | None:
    """Tell whether two shapes have as many elements; None if neither is proved."""
    if None in above or None in below:
        return None
    over, under = _Product(above), _Product(below)
    left, right = over.dims - under.dims, under.dims - over.dims
    if not left and not right:
        if over.number == under.number:
            return True
        nonzero = all(without_zero(n) for n in over.dims)
        return False if nonzero else None
    return None
