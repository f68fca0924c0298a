"""Differences and integrals of sampled functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.dispatch import certainly, is_staged, plain
from adjoint.numpy_api.lengths import same_lengths
from adjoint.numpy_api.reductions import operand, sum_
from adjoint.ops import scan
from adjoint.ops.registry import implements
from adjoint.ops.structural import broadcast_to, cast, concatenate, reshape

__all__ = ["diff", "gradient", "trapezoid"]


def _only_axis(axis: Any, ndim: int) -> int:
    return np.lib.array_utils.normalize_axis_tuple(plain(axis), ndim)[0]


@implements(np.diff)
def diff(
    a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue
) -> Any:
    """``np.diff``."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError("order must be non-negative but got " + repr(n))
    a = operand(a)
    if a.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    axis = _only_axis(axis, a.ndim)
    edge = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
    parts = [a]
    if prepend is not np._NoValue:
        prepend = operand(prepend)
        parts.insert(0, broadcast_to(prepend, shape=edge) if prepend.ndim == 0 else prepend)
    if append is not np._NoValue:
        append = operand(append)
        parts.append(broadcast_to(append, shape=edge) if append.ndim == 0 else append)
    if len(parts) > 1:
        a = concatenate(*parts, axis=axis)
    for _ in range(n):
        a = scan.diff(a, axis=axis)
    return a


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """``np.ediff1d``."""
    ary = operand(ary)
    parts = [scan.diff(reshape(ary, shape=(ary.size,)), axis=0)]
    for extra, place, name in ((to_begin, 0, "to_begin"), (to_end, 2, "to_end")):
        if extra is None:
            continue
        extra = operand(extra)
        if not np.can_cast(extra.dtype, ary.dtype, casting="same_kind"):
            raise TypeError(
                f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule."
            )
        extra = reshape(extra, shape=(extra.size,))
        parts.insert(place, cast(extra, dtype=ary.dtype))
    return parts[0] if len(parts) == 1 else concatenate(*parts)


def _spacings(f: Any, varargs: tuple[Any, ...], axes: tuple[int, ...]) -> list[Any]:
    """Return per axis a scalar spacing, or the widths between given coordinates."""
    if not varargs:
        return [1.0] * len(axes)
    if len(varargs) == 1 and np.ndim(plain(varargs[0])) == 0:
        return list(varargs) * len(axes)
    if len(varargs) != len(axes):
        raise TypeError("invalid number of arguments")
    spacings: list[Any] = []
    for given, axis in zip(varargs, axes, strict=True):
        if np.ndim(plain(given)) == 0:
            spacings.append(given)
            continue
        given = operand(given)
        if given.ndim != 1:
            raise ValueError("distances must be either scalars or 1d")
        if not same_lengths(given.shape[0], f.shape[axis]):
            raise ValueError(
                "when 1d, distances must match the length of the corresponding dimension"
            )
        widths = diff(given)
        # As NumPy does: evenly spaced coordinates are one spacing. With traced coordinates the
        # general formula keeps the derivative in each of them.
        value = plain(widths)
        even = widths is value and not is_staged(value) and (value == value[0]).all()
        spacings.append(value[0] if even else widths)
    return spacings


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """``np.gradient``."""
    f = operand(f)
    axes = (
        tuple(range(f.ndim))
        if axis is None
        else np.lib.array_utils.normalize_axis_tuple(plain(axis), f.ndim)
    )
    spacings = _spacings(f, varargs, axes)
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    results = []
    for k, h in zip(axes, spacings, strict=True):
        if certainly(f.shape[k] < edge_order + 1):
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, at least "
                "(edge_order + 1) elements are required."
            )
        results.append(_gradient_along(f, h, k, edge_order))
    if len(axes) == 1:
        return results[0]
    return tuple(results)


def _gradient_along(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """Second-order differences inside, one-sided ones of ``edge_order`` at the edges."""

    def at(start: int | None, stop: int | None) -> Any:
        return f[(slice(None),) * axis + (slice(start, stop),)]

    if np.ndim(plain(h)) == 0:
        inside = (at(2, None) - at(None, -2)) / (2.0 * h)
        first = last = h
        before = after = h
    else:
        shape = [1] * f.ndim
        shape[axis] = -1
        left = reshape(h[:-1], shape=tuple(shape))
        right = reshape(h[1:], shape=tuple(shape))
        inside = (
            at(None, -2) * (-right / (left * (left + right)))
            + at(1, -1) * ((right - left) / (left * right))
            + at(2, None) * (left / (right * (left + right)))
        )
        first, last = h[0], h[-1]
        before, after = (h[1], h[-2]) if edge_order == 2 else (None, None)
    if edge_order == 1:
        head = (at(1, 2) - at(0, 1)) / first
        tail = (at(-1, None) - at(-2, -1)) / last
    else:
        # The derivative at the edge of the parabola through the three nearest points.
        head = (
            at(0, 1) * (-(2 * first + before) / (first * (first + before)))
            + at(1, 2) * ((first + before) / (first * before))
            + at(2, 3) * (-first / (before * (first + before)))
        )
        tail = (
            at(-3, -2) * (last / (after * (after + last)))
            + at(-2, -1) * (-(last + after) / (after * last))
            + at(-1, None) * ((2 * last + after) / (last * (after + last)))
        )
    return concatenate(head, inside, tail, axis=axis)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """``np.trapezoid``."""
    y = operand(y)
    axis = _only_axis(axis, y.ndim)
    if x is None:
        d = dx
    else:
        x = operand(x)
        if x.ndim == 1:
            shape = [1] * y.ndim
            shape[axis] = -1
            d = reshape(diff(x), shape=tuple(shape))
        else:
            d = diff(x, axis=axis)
    return sum_(d * scan.add_neighbours(y, axis=axis) / 2.0, axis)


for _name in ("trapezoid", "trapz"):  # the second until NumPy 2.3
    if _name in vars(np):
        implements(getattr(np, _name))(trapezoid)
