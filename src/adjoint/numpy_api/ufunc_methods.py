"""The methods of ufuncs: ``reduce``, ``accumulate`` and ``reduceat``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import any_staged, is_staged, plain, without_derivative
from adjoint.errors import TracingError
from adjoint.numpy_api.creation import as_array, to_dtype
from adjoint.numpy_api.lengths import require, spread
from adjoint.numpy_api.recorded_loops import fold, for_each
from adjoint.numpy_api.reductions import (
    ABSENT,
    fmax,
    fmin,
    max_,
    min_,
    normalize_axis,
    operand,
    prod,
    sum_,
)  # fmt: skip
from adjoint.numpy_api.scans import cumprod, cumsum, scanned
from adjoint.ops import discrete, scan
from adjoint.ops import reduction as rd
from adjoint.ops.order import gather_along
from adjoint.ops.registry import METHODS
from adjoint.ops.structural import reshape, stack

__all__: list[str] = []


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


_leaders = without_derivative(discrete.leaders)


def _accumulate_extremum(ufunc: np.ufunc) -> Callable[..., Any]:
    def accumulate(a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        a, axis = scanned(a, axis, dtype)
        return gather_along(a, indices=_leaders(ufunc.__name__, plain(a), axis), axis=axis)

    return accumulate


def _accumulate_logaddexp(a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
    a, axis = scanned(a, axis, dtype)
    return scan.accumulate_logaddexp(a, axis=axis)


def _add_reduceat(a: Any, indices: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
    a, axis = scanned(a, axis, dtype)
    return rd.add_reduceat(a, indices=to_dtype(as_array(plain(indices)), np.intp), axis=axis)


# -- any other ufunc: one application after the other -------------------------------------------
#    (but no reduction by np.power or np.arctan2, which NumPy's own vector loops get wrong:
#    np.power.reduce([2.0, 3.0, 2.0]) is 4.0)


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
        a, axis = scanned(a, axis, None)
        n = a.shape[axis]
        if initial is ABSENT or initial is None:
            if n == 0:
                raise ValueError(
                    f"zero-size array to reduction operation {ufunc.__name__} which has no identity"
                )
            result, start = _at(a, axis, 0), 1
        else:
            result, start = initial, 0
        if is_staged(n):
            result = _folded(ufunc, a, axis, result, start)
        else:
            for k in range(start, n):
                result = ufunc(result, _at(a, axis, k))
        if not keepdims:
            return result
        return reshape(result, shape=(*a.shape[:axis], 1, *a.shape[axis + 1 :]))

    return reduce


def _folded(ufunc: np.ufunc, a: Any, axis: int, result: Any, start: int) -> Any:
    """Fold along an axis whose length is staged."""
    rest = a.shape[:axis] + a.shape[axis + 1 :]
    dtype = ufunc(np.zeros((), result.dtype if start else a.dtype), np.zeros((), a.dtype)).dtype
    init = spread(to_dtype(as_array(result), dtype), rest)
    return fold(start, a.shape[axis], init, lambda k, r: to_dtype(ufunc(r, _at(a, axis, k)), dtype))


def _running(ufunc: np.ufunc) -> Callable[..., Any]:
    def accumulate(a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        a, axis = scanned(a, axis, dtype)
        if a.shape[axis] == 0:
            return a
        if is_staged(a.shape[axis]):
            return _scanned_in_place(ufunc, a, axis)
        results = [_at(a, axis, 0)]
        for k in range(1, a.shape[axis]):
            results.append(ufunc(results[-1], _at(a, axis, k)))
        return stack(*results, axis=axis)

    return accumulate


def _scanned_in_place(ufunc: np.ufunc, a: Any, axis: int) -> Any:
    dtype = ufunc(np.zeros((), a.dtype), np.zeros((), a.dtype)).dtype
    result = to_dtype(a, dtype).copy()
    head = (slice(None),) * axis

    def change(k: Any) -> None:
        result[(*head, k + 1)] = ufunc(_at(result, axis, k), _at(a, axis, k + 1))

    for_each(a.shape[axis] - 1, (result,), change)
    return result


def _segments(ufunc: np.ufunc) -> Callable[..., Any]:
    def reduceat(a: Any, indices: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        a, axis = scanned(a, axis, dtype)
        if any_staged(indices):
            raise TracingError(
                f"np.{ufunc.__name__}.reduceat: how many segments there are, and where, is not "
                "known when the function is staged; np.add.reduceat can do without, or write the "
                "loop"
            )
        starts = np.asarray(plain(indices), np.intp)
        n = a.shape[axis]
        for k in starts.tolist():
            inside = (k >= 0) & (n > k)
            outside = f"index {k} out-of-bounds in {ufunc.__name__}.reduceat [0, {n})"
            require(inside, IndexError, outside)
        # A segment ends where the next begins, or after one element.
        ends = [j if j > i else i + 1 for i, j in itertools.pairwise(starts.tolist())] + [n]
        parts = [
            ufunc.reduce(_at(a, axis, slice(i, j)), axis=axis)
            for i, j in zip(starts.tolist(), ends)
        ]
        if not parts:
            return _at(a, axis, slice(0, 0))
        return stack(*parts, axis=axis)

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
METHODS[np.power, "accumulate"] = _running(np.power)
for _ufunc in (
    np.add, np.subtract, np.multiply, np.divide, np.floor_divide, np.remainder, np.fmod, np.hypot,
    np.copysign, np.heaviside,
    np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2,
):  # fmt: skip
    METHODS.setdefault((_ufunc, "reduce"), _fold(_ufunc))
    METHODS.setdefault((_ufunc, "accumulate"), _running(_ufunc))
    METHODS.setdefault((_ufunc, "reduceat"), _segments(_ufunc))
