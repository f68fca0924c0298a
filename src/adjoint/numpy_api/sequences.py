"""Sequences of numbers between traced ends: arange, linspace, logspace, geomspace."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.dispatch import any_staged, certainly, is_staged, plain, record_call
from adjoint.numpy_api.constants import typical
from adjoint.numpy_api.creation import as_array, made, moved_axis, to_dtype
from adjoint.numpy_api.lengths import as_length, at_least, places
from adjoint.numpy_api.staged_creation import MAKERS
from adjoint.ops import creation as cr
from adjoint.ops import elementwise as ew
from adjoint.ops.registry import implements
from adjoint.ops.structural import broadcast_to

__all__ = ["linspace"]


def _arange(
    *args: Any, dtype: Any = None, device: Any = None, like: Any = None, **named: Any
) -> Any:
    """``np.arange``: its length is a constant, its values are not."""
    if any_staged((args, named)):
        return _staged_arange(args, dtype, named)
    constant_values = np.arange(*plain(args), **plain(named))
    n = len(constant_values)
    start = named.get("start", args[0] if len(args) > 1 else 0)
    step = named.get("step", args[2] if len(args) > 2 else 1)
    if "dtype" not in named and len(args) > 3:
        dtype = args[3]
    # NumPy adds the difference of the first two values over and over, not the step.
    result = start + np.arange(n) * ((start + step) - start)
    return to_dtype(result, constant_values.dtype if dtype is None else dtype)


def _staged_arange(args: tuple[Any, ...], dtype: Any, named: dict[str, Any]) -> Any:
    start = named.get("start", args[0] if len(args) > 1 else 0)
    stop = named.get("stop", args[1] if len(args) > 1 else args[0] if args else None)
    step = named.get("step", args[2] if len(args) > 2 else 1)
    if stop is None:
        start, stop = 0, start
    dtype = args[3] if len(args) > 3 else dtype
    bounds: list[Any] = [start, stop, step]
    if not any(is_staged(x) and x.dtype.kind in "fc" for x in bounds):
        return MAKERS[np.arange](start, stop, step, dtype)
    n = at_least(record_call(math.ceil, ((stop - start) / step,)), 0)
    result = start + cr.arange(n) * ((start + step) - start)
    if dtype is None:
        like: Any = [np.zeros((), np.result_type(typical(x)))[()] for x in bounds]
        dtype = np.arange(like[0], like[1], like[2] + 1).dtype
    return to_dtype(result, dtype)


def _count(num: Any) -> Any:
    num = as_length(num)
    if certainly(num < 0):
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    return num


def _with_ends(y: Any, num: Any, first: Any, last: Any) -> Any:
    """Return samples along the first axis with what is given, if it is, at the ends.

    Where one sample is both, it is the first.
    """
    if not is_staged(num):
        head = [] if first is None or num < 1 else [broadcast_to(first, shape=y.shape[1:])[None]]
        tail = [] if last is None or num < 2 else [broadcast_to(last, shape=y.shape[1:])[None]]
        if not head and not tail:
            return y
        return np.concatenate([*head, y[len(head) : num - len(tail)], *tail])
    index = places(num, y.ndim, 0)
    if last is not None:
        y = ew.where(index == at_least(num - 1, 1), last, y)
    return y if first is None else ew.where(index == 0, first, y)


@implements(np.linspace)
def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """``np.linspace``: NumPy's own formula."""
    num = _count(num)
    steps = num - 1 if endpoint else num
    integral = dtype is not None and np.issubdtype(dtype, np.integer)
    wide = np.result_type(start, stop, 0.0) if any_staged((start, stop)) else _wide(start, stop)
    start, stop = as_array(start), as_array(stop)
    start, stop = 1.0 * to_dtype(start, wide), 1.0 * to_dtype(stop, wide)
    delta = stop - start
    y = to_dtype(places(num, plain(delta).ndim + 1, 0), plain(delta).dtype)
    step: Any = np.nan
    if is_staged(num):
        step = delta / at_least(steps, 1)
        y = y * step
    elif steps > 0:
        step = delta / steps
        y = y / steps * delta if certainly(np.any(plain(step) == 0)) else y * step
    else:
        y = y * delta
    y = _with_ends(y + start, num, None, stop if endpoint else None)
    y = moved_axis(y, 0, axis)
    if integral:
        y = np.floor(y)
    y = to_dtype(y, wide if dtype is None else dtype)
    return (y, step) if retstep else y


def _wide(start: Any, stop: Any) -> np.dtype:
    return np.linspace(plain(start), plain(stop), 1).dtype


@implements(np.logspace)
def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    """``np.logspace``."""
    if np.ndim(plain(base)) > 0:
        start, stop, base = as_array(start), as_array(stop), as_array(base)
        n = max(x.ndim for x in (start, stop, base))
        start, stop, base = (x[(None,) * (n - x.ndim)] for x in (start, stop, base))
        base = np.expand_dims(base, axis)
    y = linspace(start, stop, num, endpoint, axis=axis)
    return to_dtype(np.power(base, y), dtype)


@implements(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """``np.geomspace``: NumPy's own formula."""
    num = _count(num)
    start, stop = as_array(start), as_array(stop)
    if certainly(np.any(plain(start) == 0)) or certainly(np.any(plain(stop) == 0)):
        raise ValueError("Geometric sequence cannot include zero")
    wide = np.result_type(plain(start), plain(stop), 0.0, np.zeros((), dtype))
    start, stop = to_dtype(start, wide), to_dtype(stop, wide)
    # NumPy takes the sign (of complex numbers the phase) out, and puts it back: real numbers stay
    # real, and numbers on an axis stay on it.
    turn = start / np.abs(start) if wide.kind == "c" else np.sign(plain(start))
    first, last = start / turn, stop / turn
    y = logspace(np.log10(first), np.log10(last), num, endpoint, base=10.0)
    y = _with_ends(y, num, first, last if endpoint else None)
    y = moved_axis(y * turn, 0, axis)
    return to_dtype(y, wide if dtype is None else dtype)


made(np.arange, _arange)
for _fn in (np.linspace, np.logspace, np.geomspace):
    made(_fn)
