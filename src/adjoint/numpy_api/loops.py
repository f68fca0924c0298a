"""NumPy's functions that loop over a Python function: vectorize, frompyfunc, apply_along_axis.

NumPy collects their results in an array of objects or stores them into a plain one; here they are
stacked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import any_active, any_staged, from_nested, is_staged, plain
from adjoint.eager.recorded import constant
from adjoint.errors import TracingError
from adjoint.frontend import hooks
from adjoint.numpy_api.creation import as_array, to_dtype
from adjoint.numpy_api.lengths import broadcast_shapes, spread
from adjoint.numpy_api.python import number
from adjoint.numpy_api.recorded_loops import mapped
from adjoint.numpy_api.shaping import ravel
from adjoint.ops.registry import Traced, implements
from adjoint.ops.structural import cast, permute, reshape
from adjoint.staged import lift

__all__ = ["apply_along_axis", "apply_over_axes"]


def _array(x: Any) -> Any:
    if isinstance(x, Traced):
        return as_array(x)
    return from_nested(x) if any_active(x) else np.asarray(plain(x))


def _item(x: Any, index: tuple[int, ...]) -> Any:
    """Return an element as the Python number that NumPy passes to the function."""
    element = x[index]
    if isinstance(element, Traced):
        return number(element)
    return element.item() if isinstance(element, np.generic) else element


def _gather(results: list[Any], shape: tuple[int, ...], dtype: Any) -> Any:
    """Return the array of ``shape`` of numbers, some of which may be traced."""
    if dtype is None:
        dtype = as_array(plain(results[0])).dtype
    dtype = np.dtype(dtype)
    if any_staged(results) or (any_active(results) and dtype.kind in "fc"):
        stacked = reshape(from_nested(results), shape=shape)
        return stacked if stacked.dtype == dtype else cast(stacked, dtype=dtype)
    array = np.empty(len(results), dtype)
    for k, result in enumerate(results):
        array[k] = plain(result)
    array = array.reshape(shape)
    return constant(array) if dtype.kind in "fc" else array


MANY = 8
"""Calls of a function in a staged program up to which each is recorded for itself."""


def _is_long(shape: tuple[Any, ...], arrays: list[Any]) -> bool:
    """Tell whether the calls of a function are recorded as one operation."""
    if not any_staged((shape, arrays)):
        return False
    return any(is_staged(n) for n in shape) or math.prod(shape) > MANY


def _over_elements(
    fn: Callable, arrays: list[Any], kinds: Callable[[list[Any]], Any]
) -> tuple[Any, ...]:
    """Call ``fn`` with the elements of arrays; return its results, an array each.

    ``kinds(results)`` gives the dtype of each, or None for that of the first number.
    """
    shape = broadcast_shapes(*(np.shape(plain(a)) for a in arrays))
    arrays = [spread(a, shape) for a in arrays]
    if _is_long(shape, arrays):
        flat = [ravel(lift(a)) for a in arrays]
        made = mapped(flat[0].shape[0], lambda k: fn(*[number(a[k]) for a in flat]))
        columns = made if isinstance(made, tuple) else (made,)
        dtypes = kinds([made])
        return tuple(to_dtype(reshape(c, shape=shape), dtype) for c, dtype in zip(columns, dtypes))
    results = [fn(*[_item(a, i) for a in arrays]) for i in np.ndindex(*shape)]
    dtypes = kinds(results)
    if not results:
        return tuple(np.empty(shape, dtype) for dtype in dtypes)
    rows = [r if isinstance(r, tuple) else (r,) for r in results]
    columns = zip(*rows, strict=True)
    return tuple(_gather(list(c), shape, k) for c, k in zip(columns, dtypes, strict=True))


def _call_vectorized(vectorized: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call an `np.vectorize` object."""
    if vectorized.signature is not None:
        if any_active(args) or any_active(kwargs):
            raise TracingError(
                "np.vectorize with a signature does not take traced values: write the loop, or use "
                "ad.vmap"
            )
        return vectorized(*plain(args), **plain(kwargs))
    if vectorized.pyfunc is np._NoValue:  # used as a decorator with arguments
        return vectorized(*args, **kwargs)
    fn = hooks.resolve_argument(vectorized.pyfunc)
    excluded = vectorized.excluded
    spots = [k for k in range(len(args)) if k not in excluded]
    names = [name for name in kwargs if name not in excluded]
    if not spots and not names:
        return fn(*args, **kwargs)

    def call(*values: Any) -> Any:
        given, named = list(args), dict(kwargs)
        for spot, value in zip(spots, values[: len(spots)], strict=True):
            given[spot] = value
        named.update(zip(names, values[len(spots) :], strict=True))
        return fn(*given, **named)

    arrays = [_array(args[k]) for k in spots] + [_array(kwargs[name]) for name in names]
    otypes = vectorized.otypes

    def kinds(results: list[Any]) -> Any:
        if not results and otypes is None:
            raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
        return otypes or [None] * (len(results[0]) if isinstance(results[0], tuple) else 1)

    first, *others = _over_elements(call, arrays, kinds)
    return (first, *others) if others else first


def _frompyfunc(func: Callable, /, nin: int, nout: int, **kwargs: Any) -> Callable:
    """Stand for ``np.frompyfunc`` in rewritten code; traced results are arrays, not objects."""
    ufunc = np.frompyfunc(func, nin, nout, **kwargs)
    fn = hooks.resolve_argument(func)

    def call(*args: Any, **options: Any) -> Any:
        if options or len(args) != nin:
            return ufunc(*args, **options)
        arrays = [_array(a) for a in args]
        if not any(a.ndim for a in arrays):
            return fn(*[_item(a, ()) for a in arrays])

        def kinds(results: list[Any]) -> Any:
            if not any_active(results):
                return [object] * nout
            if nout > 1:
                return [None] * nout
            return [np.result_type(*map(as_array, plain(results)))]

        found = _over_elements(fn, arrays, kinds)
        return found if nout > 1 else found[0]

    return call


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Callable, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """``np.apply_along_axis``."""
    fn = hooks.resolve_argument(func1d)
    arr = _array(arr)
    (axis,) = np.lib.array_utils.normalize_axis_tuple(axis, arr.ndim)
    lead = arr.shape[:axis] + arr.shape[axis + 1 :]
    if 0 in lead:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    if _is_long(lead, [arr]):
        rows = reshape(np.moveaxis(arr, axis, -1), shape=(math.prod(lead), arr.shape[axis]))
        stacked = mapped(rows.shape[0], lambda k: _array(fn(rows[k], *args, **kwargs)))
        return _arranged(stacked, lead, stacked.shape[1:], axis)
    results = []
    for index in np.ndindex(*lead):
        results.append(
            _array(fn(arr[(*index[:axis], slice(None), *index[axis:])], *args, **kwargs))
        )
    shape = results[0].shape
    if any_active(results):
        stacked = from_nested(results)
        dtype = plain(results[0]).dtype
        stacked = stacked if stacked.dtype == dtype else cast(stacked, dtype=dtype)
    else:
        stacked = np.stack(plain(results)).astype(plain(results[0]).dtype)
    result = _arranged(stacked, lead, shape, axis)
    return result if isinstance(result, Traced) else _kept(result)


def _arranged(stacked: Any, lead: tuple[Any, ...], shape: tuple[Any, ...], axis: int) -> Any:
    stacked = reshape(stacked, shape=lead + shape)
    # The axes of the results go where the axis was.
    n = len(lead)
    return permute(stacked, axes=(*range(axis), *range(n, n + len(shape)), *range(axis, n)))


def _kept(result: np.ndarray) -> Any:
    return constant(result.copy()) if result.dtype.kind in "fc" else result


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable, a: Any, axes: Any) -> Any:
    """``np.apply_over_axes``."""
    fn = hooks.resolve_argument(func)
    value = _array(a)
    n = value.ndim
    for axis in [axes] if np.ndim(axes) == 0 else axes:
        axis = axis + n if axis < 0 else axis
        result = fn(value, axis)
        if result.ndim != value.ndim:
            result = np.expand_dims(result, axis)
            if result.ndim != value.ndim:
                raise ValueError("function is not returning an array of the correct shape")
        value = result
    return value


hooks.register_type(np.vectorize, _call_vectorized)
hooks.register(np.frompyfunc, _frompyfunc)
hooks.register(np.apply_along_axis, apply_along_axis)
hooks.register(np.apply_over_axes, apply_over_axes)
