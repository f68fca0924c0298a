"""NumPy's functions that loop over a Python function: vectorize, frompyfunc, apply_along_axis.

NumPy collects their results in an array of objects or stores them into a plain one; here they are
stacked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import any_active, from_nested, plain
from adjoint.eager.recorded import Recorded, constant
from adjoint.errors import TracingError
from adjoint.frontend import hooks
from adjoint.numpy_api.python import number
from adjoint.ops.registry import implements
from adjoint.ops.structural import broadcast_to, cast, permute, reshape

__all__ = ["apply_along_axis", "apply_over_axes"]


def _array(x: Any) -> Any:
    if isinstance(x, Recorded):
        return x
    return from_nested(x) if any_active(x) else np.asarray(plain(x))


def _item(x: Any, index: tuple[int, ...]) -> Any:
    """Return an element as the Python number that NumPy passes to the function."""
    element = x[index]
    if isinstance(element, Recorded):
        return number(element)
    return element.item() if isinstance(element, np.generic) else element


def _gather(results: list[Any], shape: tuple[int, ...], dtype: Any) -> Any:
    """Return the array of ``shape`` of numbers, some of which may be traced."""
    if dtype is None:
        dtype = np.asarray(plain(results[0])).dtype
    dtype = np.dtype(dtype)
    if any_active(results) and dtype.kind in "fc":
        stacked = reshape(from_nested(results), shape=shape)
        return stacked if stacked.dtype == dtype else cast(stacked, dtype=dtype)
    array = np.empty(len(results), dtype)
    for k, result in enumerate(results):
        array[k] = plain(result)
    array = array.reshape(shape)
    return constant(array) if dtype.kind in "fc" else array


def _over_elements(fn: Callable, arrays: list[Any]) -> tuple[list[Any], tuple[int, ...]]:
    shape = np.broadcast_shapes(*(np.shape(plain(a)) for a in arrays))
    spread = [broadcast_to(a, shape=shape) for a in arrays]
    return [fn(*[_item(a, i) for a in spread]) for i in np.ndindex(*shape)], shape


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
    results, shape = _over_elements(call, arrays)
    otypes = vectorized.otypes
    if not results:
        if otypes is None:
            raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
        empty = tuple(np.empty(shape, kind) for kind in otypes)
        return empty if len(otypes) > 1 else empty[0]
    if isinstance(results[0], tuple):
        kinds = otypes or [None] * len(results[0])
        columns = zip(*results, strict=True)
        return tuple(_gather(list(c), shape, k) for c, k in zip(columns, kinds, strict=True))
    return _gather(results, shape, otypes[0] if otypes else None)


def _frompyfunc(func: Callable, /, nin: int, nout: int, **kwargs: Any) -> Callable:
    """Stand for ``np.frompyfunc`` in rewritten code; traced results are arrays, not objects."""
    ufunc = np.frompyfunc(func, nin, nout, **kwargs)
    fn = hooks.resolve_argument(func)

    def call(*args: Any, **options: Any) -> Any:
        if options or len(args) != nin:
            return ufunc(*args, **options)
        results, shape = _over_elements(fn, [_array(a) for a in args])
        if not any_active(results):
            kind = object
        else:
            kind = np.result_type(*[np.asarray(v) for v in plain(results)]) if nout == 1 else None
        if nout == 1:
            if shape == ():
                return results[0]
            return _gather(results, shape, kind)
        if shape == ():
            return results[0]
        return tuple(_gather(list(c), shape, kind) for c in zip(*results, strict=True))

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
    stacked = reshape(stacked, shape=lead + shape)
    # The axes of the results go where the axis was.
    n = len(lead)
    axes = (*range(axis), *range(n, n + len(shape)), *range(axis, n))
    result = permute(stacked, axes=axes)
    return result if isinstance(result, Recorded) else _kept(result)


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
