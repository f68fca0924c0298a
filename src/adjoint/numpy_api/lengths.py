"""Integer arguments: axes are constants; lengths, counts and positions may be staged."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from adjoint.dispatch import is_staged, plain, to_python_number
from adjoint.ir.dims import Dim, known_sign
from adjoint.ops import elementwise as ew
from adjoint.ops.control import check
from adjoint.ops.creation import arange
from adjoint.ops.registry import Traced
from adjoint.ops.structural import broadcast_to
from adjoint.staged import emit, lift
from adjoint.staged.lengths import greatest

__all__ = [
    "are_constant", "as_length", "as_shape", "at_least", "broadcast_shapes", "greatest", "least",
    "places", "require", "same_lengths", "same_shapes", "spread",
]  # fmt: skip


def as_length(n: Any) -> Any:
    """Return a length, a count or a position as an int, or as a staged integer."""
    if isinstance(n, Dim):
        return n
    n = plain(n)
    if not is_staged(n):
        return operator.index(n)
    if n.dtype.kind not in "iu" or n.ndim:
        raise TypeError(f"{n!r} cannot be interpreted as an integer")
    return to_python_number(n)


def as_shape(shape: Any) -> tuple[Any, ...]:
    """Return a shape given as a number or a sequence as a tuple."""
    if isinstance(shape, (list, tuple)) and not isinstance(shape, Traced):
        return tuple(as_length(n) for n in shape)
    shape = plain(shape)
    if np.ndim(shape) == 0:
        return (as_length(shape),)
    return tuple(as_length(shape[k]) for k in range(len(shape)))


def are_constant(lengths: Any) -> bool:
    """Tell whether none of nested lengths is staged."""
    if isinstance(lengths, (list, tuple)):
        return all(map(are_constant, lengths))
    return not (isinstance(lengths, Dim) or is_staged(lengths))


def at_least(n: Any, least: int) -> Any:
    """Return max(n, least) of a length."""
    if not isinstance(n, Dim):
        return max(n, least)
    return _bounded(emit(ew.maximum, (n, least), None, max), least, None)


def _bounded(n: Any, low: Any, high: Any) -> Any:
    """Note what is known of a length that an operation gives."""
    (value, _), *_ = n.terms
    value.bounds = (low, Dim(high.constant, high.terms) if isinstance(high, Dim) else high)
    return n


def least(m: Any, n: Any) -> Any:
    """Return min(m, n) of two lengths."""
    if not (isinstance(m, Dim) or isinstance(n, Dim)):
        return min(m, n)
    if m == n:
        return m
    low = 0 if known_sign(m) in _NOT_NEGATIVE and known_sign(n) in _NOT_NEGATIVE else None
    return _bounded(emit(ew.minimum, (m, n), None, min), low, n if isinstance(n, int) else m)


_NOT_NEGATIVE = frozenset({"==0", ">0", ">=0"})


def require(condition: Any, error: type[Exception], message: str) -> None:
    """Raise an error if a condition does not hold: now, or when the staged program runs."""
    if is_staged(condition):
        emit(check, (condition,), {"error": error, "args": (message,)})
    elif not condition:
        raise error(message)


def same_lengths(m: Any, n: Any) -> bool:
    """Tell whether two lengths may be equal: of staged ones that shows when the program runs."""
    return m == n or isinstance(m, Dim) or isinstance(n, Dim)


def same_shapes(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Tell whether two shapes may be equal."""
    return len(first) == len(second) and all(map(same_lengths, first, second))


def broadcast_shapes(*shapes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``np.broadcast_shapes`` of shapes in which staged lengths may stand."""
    if not any(isinstance(n, Dim) for shape in shapes for n in shape):
        return np.broadcast_shapes(*shapes)
    result: list[Any] = [1] * max(map(len, shapes))
    for shape in shapes:
        for k, n in enumerate(shape, len(result) - len(shape)):
            have = result[k]
            # Whether two different ones fit together shows when an array is broadcast to them.
            if have == 1 or (isinstance(have, Dim) and not isinstance(n, Dim) and n != 1):
                result[k] = n
    fixed = [tuple(1 if isinstance(n, Dim) else n for n in shape) for shape in shapes]
    np.broadcast_shapes(*fixed)
    return tuple(result)


def spread(x: Any, shape: tuple[Any, ...]) -> Any:
    """Return ``np.broadcast_to(x, shape)`` of a shape in which staged lengths may stand."""
    staged = any(isinstance(n, Dim) for n in shape)
    return broadcast_to(lift(x) if staged else x, shape=shape)


def places(length: Any, ndim: int, axis: int) -> Any:
    """Return 0, 1, ..., length − 1 along an axis of an array with ``ndim`` axes."""
    shape = (1,) * axis + (length,) + (1,) * (ndim - axis - 1)
    return arange(length).reshape(shape)
