"""Sums, products, extrema, and the ufunc methods ``reduce``, ``accumulate`` and ``reduceat``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import from_nested, plain
from adjoint.ops import reduction as rd
from adjoint.ops import scan
from adjoint.ops.order import gather_along
from adjoint.ops.registry import METHODS, Op, Traced, implements
from adjoint.ops.structural import broadcast_to, cast, permute, reduce_sum, reshape

__all__ = [
    "ABSENT",
    "cumprod",
    "cumsum",
    "lined_up",
    "max_",
    "min_",
    "normalize_axis",
    "operand",
    "prod",
    "reduced_shape",
    "sum_",
]

ABSENT: Any = np._NoValue  # type: ignore[attr-defined]
"""NumPy's own mark of an argument that was not given."""


def operand(a: Any, dtype: Any = None) -> Any:
    """Return an argument as an array, traced or not, of the given type."""
    if isinstance(a, (list, tuple)) and not isinstance(a, Traced):
        a = from_nested(a)
    if not hasattr(plain(a), "dtype"):
        a = broadcast_to(a, shape=())
    return a if dtype is None else cast(a, dtype=np.dtype(dtype))


def normalize_axis(axis: Any, ndim: int) -> tuple[int, ...] | None:
    """Return the axes of a reduction as non-negative integers; None for all of them."""
    if axis is None:
        return None
    return np.lib.array_utils.normalize_axis_tuple(plain(axis), ndim)


def reduced_shape(
    shape: tuple[int, ...], axis: tuple[int, ...] | None, keepdims: bool
) -> tuple[int, ...]:
    """Return the shape of a reduction's result."""
    axis = tuple(range(len(shape))) if axis is None else axis
    if keepdims:
        return tuple(1 if k in axis else n for k, n in enumerate(shape))
    return tuple(n for k, n in enumerate(shape) if k not in axis)


def lined_up(a: Any, axis: tuple[int, ...] | None) -> Any:
    """Return ``a`` with the given axes made one, the last."""
    shape = a.shape
    if axis is None:
        return reshape(a, shape=(a.size,)) if len(shape) != 1 else a
    if axis == (len(shape) - 1,):
        return a
    rest = tuple(k for k in range(len(shape)) if k not in axis)
    length = math.prod(shape[k] for k in axis)
    moved = permute(a, axes=rest + tuple(sorted(axis)))
    return reshape(moved, shape=(*(shape[k] for k in rest), length))


# -- reductions --------------------------------------------------------------------------------


@implements(np.sum)
def sum_(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """``np.sum``."""
    a = operand(a, dtype)
    where = plain(where)
    if where is not True:
        a = np.where(where, a, a.dtype.type(0))
    result = reduce_sum(a, axis=normalize_axis(axis, a.ndim), keepdims=bool(keepdims))
    if initial is ABSENT or (type(initial) is int and initial == 0):
        return result
    return result + initial


@implements(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    """``np.prod``."""
    a = operand(a, dtype)
    where = plain(where)
    if where is not True:
        a = np.where(where, a, a.dtype.type(1))
    result = rd.reduce_prod(a, axis=normalize_axis(axis, a.ndim), keepdims=bool(keepdims))
    if initial is ABSENT or (type(initial) is int and initial == 1):
        return result
    return result * initial


def _extremum(op: Op, ufunc: np.ufunc) -> Callable[..., Any]:
    def extremum(
        a: Any,
        axis: Any = None,
        out: None = None,
        keepdims: Any = False,
        initial: Any = ABSENT,
        where: Any = True,
    ) -> Any:
        a = operand(a)
        keepdims = keepdims is not ABSENT and bool(keepdims)
        axes = normalize_axis(axis, a.ndim)
        where = plain(where)
        if initial is ABSENT or initial is None:
            if where is not True and where is not ABSENT:
                raise ValueError(
                    f"reduction operation {ufunc.__name__!r} does not have an identity, so to use "
                    "a where mask one has to specify 'initial'"
                )
            return op(a, axis=axes, keepdims=keepdims)
        if where is not True and where is not ABSENT:
            a = np.where(where, a, initial)
        shape = reduced_shape(a.shape, axes, keepdims)
        if a.size == 0:
            return broadcast_to(operand(initial, a.dtype), shape=shape)
        return ufunc(op(a, axis=axes, keepdims=keepdims), initial)

    return extremum


max_ = implements(np.max, np.amax)(_extremum(rd.reduce_max, np.maximum))
min_ = implements(np.min, np.amin)(_extremum(rd.reduce_min, np.minimum))
fmax = _extremum(rd.reduce_fmax, np.fmax)
fmin = _extremum(rd.reduce_fmin, np.fmin)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: None = None, keepdims: Any = False) -> Any:
    """``np.ptp``."""
    return max_(a, axis, None, keepdims) - min_(a, axis, None, keepdims)


def _logaddexp(
    a: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    a = operand(a, dtype)
    where = plain(where)
    if where is not True:
        a = np.where(where, a, -np.inf)
    result = rd.reduce_logaddexp(a, axis=normalize_axis(axis, a.ndim), keepdims=bool(keepdims))
    return result if initial is None else np.logaddexp(result, initial)


def _logaddexp2(a: Any, axis: Any = 0, initial: Any = None, **options: Any) -> Any:
    scale = math.log(2)
    initial = initial if initial is None else initial * scale
    return _logaddexp(operand(a) * scale, axis, initial=initial, **options) / scale


def _hypot(
    a: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    a = operand(a, dtype)
    where = plain(where)
    if where is not True:
        a = np.where(where, a, a.dtype.type(0))
    result = rd.reduce_hypot(a, axis=normalize_axis(axis, a.ndim), keepdims=bool(keepdims))
    return result if initial is None else np.hypot(result, initial)


# -- scans -------------------------------------------------------------------------------------


def _scanned(a: Any, axis: Any, dtype: Any) -> tuple[Any, int]:
    a = operand(a, dtype)
    if axis is None:
        return reshape(a, shape=(a.size,)), 0
    (axis,) = np.lib.array_utils.normalize_axis_tuple(plain(axis), a.ndim)
    return a, axis


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """``np.cumsum``."""
    a, axis = _scanned(a, axis, dtype)
    return scan.cumsum(a, axis=axis)


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """``np.cumprod``."""
    a, axis = _scanned(a, axis, dtype)
    return scan.cumprod(a, axis=axis)


def _cumulative(scanned: Callable, ufunc: np.ufunc) -> Callable[..., Any]:
    def cumulative(
        x: Any,
        /,
        *,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        include_initial: bool = False,
    ) -> Any:
        x = operand(x)
        if axis is None:
            if x.ndim != 1:
                raise ValueError(
                    "For arrays which have more than one dimension ``axis`` argument is required."
                )
            axis = 0
        result = scanned(x, axis, dtype)
        if not include_initial:
            return result
        (axis,) = np.lib.array_utils.normalize_axis_tuple(axis, x.ndim)
        shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        first = np.full(shape, ufunc.identity, result.dtype)
        return np.concatenate([first, result], axis=axis)

    return cumulative


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    implements(np.cumulative_sum)(_cumulative(cumsum, np.add))
    implements(np.cumulative_prod)(_cumulative(cumprod, np.multiply))


def _leaders(ufunc: np.ufunc, x: np.ndarray, axis: int) -> np.ndarray:
    """Return which element each running extremum is; of equal ones the first."""
    running = ufunc.accumulate(x, axis=axis)
    shape = [1] * x.ndim
    shape[axis] = -1
    positions = np.broadcast_to(np.arange(x.shape[axis]).reshape(shape), x.shape)
    here = tuple(slice(1, None) if k == axis else slice(None) for k in range(x.ndim))
    before = tuple(slice(None, -1) if k == axis else slice(None) for k in range(x.ndim))
    changed = running[here] != running[before]
    if x.dtype.kind in "fc":
        # A NaN, once there, is passed on; it differs from itself.
        changed &= ~(np.isnan(running[here]) & np.isnan(running[before]))
    starts = np.zeros(x.shape, np.intp)
    starts[here] = np.where(changed, positions[here], 0)
    return np.maximum.accumulate(starts, axis=axis)


def _accumulate_extremum(ufunc: np.ufunc) -> Callable[..., Any]:
    def accumulate(a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        a, axis = _scanned(a, axis, dtype)
        return gather_along(a, indices=_leaders(ufunc, plain(a), axis), axis=axis)

    return accumulate


def _accumulate_logaddexp(a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
    a, axis = _scanned(a, axis, dtype)
    return scan.accumulate_logaddexp(a, axis=axis)


def _add_reduceat(
    a: Any, indices: Any, axis: int = 0, dtype: Any = None, out: None = None
) -> Any:
    a, axis = _scanned(a, axis, dtype)
    return rd.add_reduceat(a, indices=np.asarray(plain(indices), np.intp), axis=axis)


# -- any other ufunc: one application after the other -------------------------------------------


def _at(a: Any, axis: int, index: Any) -> Any:
    return a[(slice(None),) * axis + (index,)]


def _fold(ufunc: np.ufunc) -> Callable[..., Any]:
    def reduce(
        a: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = ABSENT,
        where: Any = True,
    ) -> Any:
        if plain(where) is not True:
            raise NotImplementedError(
                f"numpy.{ufunc.__name__}.reduce of traced values takes no `where`; select the "
                "elements with an index or np.where first"
            )
        a = operand(a, dtype)
        if axis is None and a.ndim != 1:
            raise ValueError(
                f"reduction operation {ufunc.__name__!r} is not reorderable, so at most one axis "
                "may be specified"
            )
        a, axis = _scanned(a, axis, None)
        n = a.shape[axis]
        if initial is ABSENT or initial is None:
            if n == 0:
                raise ValueError(
                    f"zero-size array to reduction operation {ufunc.__name__} which has no identity"
                )
            result, start = _at(a, axis, 0), 1
        else:
            result, start = initial, 0
        for k in range(start, n):
            result = ufunc(result, _at(a, axis, k))
        return np.expand_dims(result, axis) if keepdims else result

    return reduce


def _running(ufunc: np.ufunc) -> Callable[..., Any]:
    def accumulate(a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        a, axis = _scanned(a, axis, dtype)
        if a.shape[axis] == 0:
            return a
        results = [_at(a, axis, 0)]
        for k in range(1, a.shape[axis]):
            results.append(ufunc(results[-1], _at(a, axis, k)))
        return np.stack(results, axis)

    return accumulate


def _segments(ufunc: np.ufunc) -> Callable[..., Any]:
    def reduceat(
        a: Any, indices: Any, axis: int = 0, dtype: Any = None, out: None = None
    ) -> Any:
        a, axis = _scanned(a, axis, dtype)
        starts = np.asarray(plain(indices), np.intp)
        n = a.shape[axis]
        if np.any((starts < 0) | (starts >= n)):
            bad = int(starts[(starts < 0) | (starts >= n)][0])
            raise IndexError(f"index {bad} out-of-bounds in {ufunc.__name__}.reduceat [0, {n})")
        ends = rd.segment_ends(starts, n)
        parts = [
            ufunc.reduce(_at(a, axis, slice(int(i), int(j))), axis=axis)
            for i, j in zip(starts, ends, strict=True)
        ]
        if not parts:
            return _at(a, axis, slice(0, 0))
        return np.stack(parts, axis)

    return reduceat


def _method(function: Callable) -> Callable[..., Any]:
    """Return a reduction as a ufunc's method, which goes along the first axis by default."""

    def reduce(a: Any, axis: Any = 0, dtype: Any = None, out: None = None, **options: Any) -> Any:
        return function(operand(a, dtype), axis, **options)

    return reduce


def _of_reduction(function: Callable) -> Callable[..., Any]:
    def reduce(
        a: Any, axis: Any = 0, dtype: Any = None, out: None = None, initial: Any = ABSENT, **kw: Any
    ) -> Any:
        initial = ABSENT if initial is None else initial
        return function(a, axis, dtype, initial=initial, **kw)

    return reduce


METHODS[np.add, "reduce"] = _of_reduction(sum_)
METHODS[np.multiply, "reduce"] = _of_reduction(prod)
METHODS[np.maximum, "reduce"] = _method(max_)
METHODS[np.minimum, "reduce"] = _method(min_)
METHODS[np.fmax, "reduce"] = _method(fmax)
METHODS[np.fmin, "reduce"] = _method(fmin)
METHODS[np.logaddexp, "reduce"] = _logaddexp
METHODS[np.logaddexp2, "reduce"] = _logaddexp2
METHODS[np.hypot, "reduce"] = _hypot
METHODS[np.add, "accumulate"] = lambda a, axis=0, dtype=None: cumsum(a, axis, dtype)
METHODS[np.multiply, "accumulate"] = lambda a, axis=0, dtype=None: cumprod(a, axis, dtype)
METHODS[np.logaddexp, "accumulate"] = _accumulate_logaddexp
for _ufunc in (np.maximum, np.minimum, np.fmax, np.fmin):
    METHODS[_ufunc, "accumulate"] = _accumulate_extremum(_ufunc)
METHODS[np.add, "reduceat"] = _add_reduceat
for _ufunc in (
    np.add, np.subtract, np.multiply, np.divide, np.floor_divide, np.remainder, np.fmod, np.power,
    np.float_power, np.hypot, np.arctan2, np.copysign, np.heaviside,
    np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2,
):  # fmt: skip
    METHODS.setdefault((_ufunc, "reduce"), _fold(_ufunc))
    METHODS.setdefault((_ufunc, "accumulate"), _running(_ufunc))
    METHODS.setdefault((_ufunc, "reduceat"), _segments(_ufunc))
