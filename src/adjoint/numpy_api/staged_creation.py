"""Arrays that a staged program makes: operations of the graph, which it can store to.

``np.zeros(n)`` asks no argument what to do. Rewritten staged code calls what `STAGED` has for it,
with ordinary numbers for arguments too: what is stored later may be staged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import any_active, any_staged, call_function, is_staged, plain
from adjoint.frontend import hooks
from adjoint.numpy_api.lengths import as_length, as_shape, at_least, places
from adjoint.ops import creation as cr
from adjoint.ops.registry import FUNCTIONS, Traced
from adjoint.ops.structural import broadcast_to, cast, copy, stack
from adjoint.staged import Staged, emit, lift
from adjoint.staging.maps import stacked

__all__ = ["MAKERS", "STAGED", "adopted", "filled"]

STAGED: dict[Any, Callable[..., Any]] = {}
"""NumPy's and Python's functions -> what rewritten staged code calls in their place."""

MAKERS: dict[Any, Callable[..., Any]] = {}
"""Of those, the functions that make arrays of given shape and type."""


def _numeric(dtype: np.dtype) -> bool:
    return dtype.kind in "biufc"


def laid(x: Any, order: Any) -> Any:
    """Note that a new array is in Fortran order, if it is to be."""
    if order == "F" and isinstance(x, Staged) and x.ndim > 1:
        x._contiguous = False
    return x


def filled(shape: tuple[Any, ...], value: Any, dtype: np.dtype) -> Any:
    """Record an array with one number everywhere, which may be staged."""
    if is_staged(value) or np.ndim(value):
        return copy(cast(broadcast_to(lift(value), shape=shape), dtype=dtype))
    number = dtype.type(value).item()
    if number == 0 and not np.signbit(number.real):
        number = 0  # which memory is, to begin with
    return emit(cr.full, (), {"shape": shape, "value": number, "dtype": dtype})


def _constant(value: float) -> Callable[..., Any]:
    def make(
        shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None
    ) -> Any:
        dtype = np.dtype(dtype)
        if not _numeric(dtype):
            return (np.ones if value else np.zeros)(shape, dtype)
        return laid(filled(as_shape(shape), value, dtype), order)

    return make


def _full(
    shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None,
    like: Any = None,
) -> Any:  # fmt: skip
    shape = as_shape(shape)
    value = hooks.call(np.asarray, fill_value) if isinstance(fill_value, list) else fill_value
    dtype = np.result_type(np.asarray(value)) if dtype is None and not is_staged(value) else dtype
    dtype = value.dtype if dtype is None else np.dtype(dtype)
    if not _numeric(dtype):
        return np.full(shape, plain(fill_value), dtype)
    return laid(filled(shape, value, dtype), order)


def _prototype(a: Any, dtype: Any, shape: Any) -> tuple[tuple[Any, ...], np.dtype]:
    a = a if hasattr(a, "shape") else np.asarray(a)
    return (
        tuple(a.shape) if shape is None else as_shape(shape),
        np.dtype(a.dtype if dtype is None else dtype),
    )


def _like(value: float) -> Callable[..., Any]:
    def make(
        a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *,
        device: Any = None,
    ) -> Any:  # fmt: skip
        shape, dtype = _prototype(a, dtype, shape)
        return filled(shape, value, dtype)

    return make


def _full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True,
    shape: Any = None, *, device: Any = None,
) -> Any:  # fmt: skip
    shape, dtype = _prototype(a, dtype, shape)
    return filled(shape, fill_value, dtype)


def _arange(
    *args: Any, dtype: Any = None, device: Any = None, like: Any = None, **named: Any
) -> Any:
    start = named.get("start", args[0] if len(args) > 1 else 0)
    stop = named.get("stop", args[1] if len(args) > 1 else args[0] if args else None)
    step = named.get("step", args[2] if len(args) > 2 else 1)
    if stop is None:
        start, stop = 0, start
    dtype = args[3] if len(args) > 3 else dtype
    start, stop, step = map(_whole_number, (start, stop, step))
    if any(isinstance(x, Staged) for x in (start, stop, step)):
        return FUNCTIONS[np.arange](start, stop, step, dtype)  # it has a derivative
    dtype = None if dtype is None else np.dtype(dtype)
    return emit(cr.iota, (), {"start": start, "stop": stop, "step": step, "dtype": dtype})


def _whole_number(x: Any) -> Any:
    return as_length(x) if is_staged(x) and x.dtype.kind in "iub" else x


def _eye(
    N: Any, M: Any = None, k: Any = 0, dtype: Any = float, order: Any = "C", *,
    device: Any = None, like: Any = None,
) -> Any:  # fmt: skip
    rows = as_length(N)
    params = {
        "rows": rows,
        "columns": rows if M is None else as_length(M),
        "k": as_length(k),
        "dtype": np.dtype(dtype),
    }
    return laid(emit(cr.identity, (), params), order)


def _identity(n: Any, dtype: Any = None, *, like: Any = None) -> Any:
    return _eye(n, dtype=float if dtype is None else dtype)


def _tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, *, like: Any = None) -> Any:
    rows = as_length(N)
    columns = rows if M is None else as_length(M)
    below = lift(places(columns, 2, 1)) <= places(rows, 2, 0) + as_length(k)
    return cast(below, dtype=np.dtype(dtype))


def _window(formula: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def make(M: Any) -> Any:
        n = as_length(M)
        # NumPy's points, from −(M − 1) to M − 1; one point alone is 0.
        points = cast(_arange(1 - n, n, 2), dtype=np.dtype(float))
        return formula(points, at_least(n - 1, 1))

    return make


def _indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    shape = as_shape(dimensions)
    axes = range(len(shape))
    grids = [
        cast(lift(places(n, len(shape), k)), dtype=np.dtype(dtype)) for k, n in zip(axes, shape)
    ]
    if sparse:
        return tuple(grids)
    if not grids:
        return lift(np.indices((), dtype))
    return stack(*(broadcast_to(grid, shape=shape) for grid in grids), axis=0)


def _fromfunction(
    function: Any, shape: Any, *, dtype: Any = float, like: Any = None, **kw: Any
) -> Any:
    return hooks.resolve_argument(function)(*_indices(shape, dtype), **kw)


MAKERS.update({
    np.zeros: _constant(0), np.empty: _constant(0), np.ones: _constant(1), np.full: _full,
    np.zeros_like: _like(0), np.empty_like: _like(0), np.ones_like: _like(1),
    np.full_like: _full_like, np.arange: _arange, np.eye: _eye, np.identity: _identity,
})  # fmt: skip

_FORMULAS: dict[Any, Callable[..., Any]] = {
    np.tri: _tri, np.indices: _indices,
    np.hanning: _window(lambda n, m: 0.5 + 0.5 * np.cos(np.pi * n / m)),
    np.hamming: _window(lambda n, m: 0.54 + 0.46 * np.cos(np.pi * n / m)),
    np.bartlett: _window(lambda n, m: 1 - abs(n) / m),
    np.blackman: _window(
        lambda n, m: 0.42 + 0.5 * np.cos(np.pi * n / m) + 0.08 * np.cos(2.0 * np.pi * n / m)
    ),
}  # fmt: skip


def adopted(result: Any, given: tuple[Any, ...]) -> Any:
    """Return new arrays of numbers as staged ones, which can be stored to."""
    if type(result) in (tuple, list):
        return type(result)([adopted(r, given) for r in result])
    if type(result) is not np.ndarray or not _numeric(result.dtype):
        return result
    for x in given:
        if (
            isinstance(x, np.ndarray)
            and not isinstance(x, Traced)
            and np.may_share_memory(result, x)
        ):
            return result
    return lift(result)


def _making(fn: Any) -> Callable[..., Any]:
    """Return ``fn`` for rewritten staged code: the arrays that it makes can be stored to."""

    def call(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = stacked(args), stacked(kwargs)
        if any_staged(args) or any_staged(kwargs):
            return call_function(fn, args, kwargs) if fn in FUNCTIONS else _ours(fn, args, kwargs)
        if any_active(args) or any_active(kwargs):
            return _ours(fn, args, kwargs)
        return adopted(fn(*plain(args), **plain(kwargs)), (*args, *kwargs.values()))

    return call


def _ours(fn: Any, args: Any, kwargs: Any) -> Any:
    return hooks.resolve(fn)(*args, **kwargs)


def _computed(fn: Any, formula: Callable[..., Any]) -> Callable[..., Any]:
    """Return what computes an array of constants, or records how if a length is staged."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if any_staged(args) or any_staged(kwargs):
            return formula(*args, **kwargs)
        return adopted(fn(*args, **kwargs), ())

    return call


def _maker(fn: Any, make: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if (any_active(args) or any_active(kwargs)) and not (
            any_staged(args) or any_staged(kwargs)
        ):
            return _ours(fn, args, kwargs)  # values of an eager tape
        return make(*args, **kwargs)

    return call


for _fn, _make in MAKERS.items():
    STAGED[_fn] = _maker(_fn, _make)
for _fn, _make in _FORMULAS.items():
    MAKERS[_fn] = STAGED[_fn] = _computed(_fn, _make)
STAGED[np.fromfunction] = _fromfunction
for _fn in (
    np.array, np.asarray, np.asanyarray, np.copy, np.ascontiguousarray, np.asfortranarray,
    np.asarray_chkfinite, np.require, np.fromiter, np.linspace, np.logspace, np.geomspace,
    np.meshgrid, np.kaiser, np.diag, np.diagflat, np.vander, np.tril, np.triu, np.tile, np.repeat,
    np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack, np.block,
):  # fmt: skip
    STAGED[_fn] = _making(_fn)
