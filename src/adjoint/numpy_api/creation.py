"""Making arrays: from nested lists of traced values, between traced ends, and empty ones to fill.

In rewritten code ``np.zeros(n)`` gives an `Array` that is constant so far; what is stored into it
later is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import (
    any_active,
    any_staged,
    call_function,
    is_active,
    is_staged,
    is_weak,
    plain,
)  # fmt: skip
from adjoint.eager.recorded import constant
from adjoint.errors import TracingError
from adjoint.frontend import hooks
from adjoint.numpy_api.lengths import as_shape, same_shapes
from adjoint.numpy_api.staged_creation import MAKERS
from adjoint.ops.registry import FUNCTIONS, Traced, implements
from adjoint.ops.structural import broadcast_to, cast, permute, reshape, stack
from adjoint.ops.structural import copy as copy_of
from adjoint.staged import lift
from adjoint.staged.sharing import may_share
from adjoint.staged.values import LAYOUT

__all__ = [
    "array",
    "as_array",
    "as_made",
    "beside",
    "laid_out",
    "laid_out_like",
    "made",
    "moved_axis",
    "notice_every_argument",
    "to_dtype",
]


def as_array(x: Any) -> Any:
    """Return an argument as an array: itself if it is one, traced or not."""
    if isinstance(x, Traced):
        return broadcast_to(x, shape=()) if is_weak(x) else x
    if isinstance(x, (list, tuple)) and any_recorded(x):
        return array(x)
    return np.asarray(x)


def beside(x: Any, *others: Any) -> Any:
    """Return an array as a staged one if there is anything staged in ``others``."""
    return lift(plain(x)) if not is_active(x) and any_staged(others) else x


def any_recorded(x: Any) -> bool:
    """Tell whether ``x``, or anything in the lists and tuples it is, is an Array or staged."""
    if isinstance(x, Traced):
        return True
    return isinstance(x, (list, tuple)) and any(any_recorded(item) for item in x)


def to_dtype(x: Any, dtype: Any) -> Any:
    """Return ``x`` in the given type; itself if it has that type or none is given."""
    if dtype is None:
        return x
    dtype = np.dtype(dtype)
    if dtype.kind not in "fc":
        if dtype.kind == "V" and any_active(x):
            raise TracingError(
                f"an array of dtype {dtype} cannot carry the derivative of a traced value; use one "
                "array a field, or a dictionary of arrays"
            )
        if is_staged(x):
            return x if x.dtype == dtype and not is_weak(x) else x.astype(dtype)
        return x.astype(dtype) if isinstance(x, np.ndarray) else np.asarray(plain(x)).astype(dtype)
    return x if x.dtype == dtype else cast(x, dtype=dtype)


def notice_every_argument(fn: Any) -> None:
    """Let rewritten code see a traced value in any argument of ``fn``.

    NumPy's protocol asks only the arguments that are arrays by nature; numbers such as the fill
    value of ``np.pad`` are not among them.
    """

    def reached(*args: Any, **kwargs: Any) -> Any:
        if any_active(args) or any_active(kwargs):
            return call_function(fn, args, kwargs)
        return fn(*args, **kwargs)

    hooks.register(fn, reached)


def moved_axis(x: Any, source: int, destination: int) -> Any:
    """Return ``np.moveaxis(x, source, destination)``, traced or not."""
    return x if source == destination else np.moveaxis(x, source, destination)


# -- from nested sequences ---------------------------------------------------------------------


def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int = 0,
    like: Any = None,
) -> Any:
    """``np.array``."""
    if not any_recorded(object):
        options: Any = {"ndmax": ndmax} if ndmax else {}
        result = np.array(
            object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin, **options
        )
        return _adopted(result, object)
    if isinstance(object, Traced):
        number = not isinstance(plain(object), np.ndarray)
        result = broadcast_to(object, shape=()) if number else object
        result = to_dtype(result, dtype)
        if (copy or number) and isinstance(result, Traced):
            known = is_staged(result) and result._contiguous  # type: ignore[attr-defined]
            result = copy_of(result) if known else copy_of(result, order=order or "K")
    else:
        if copy is False:
            np.array([0], dtype, copy=False)  # NumPy's own refusal
        result = to_dtype(_assemble(object), dtype)
        order = order if order == "F" else "C"
    if order in ("C", "F"):
        result = laid_out(result, order)
    missing = ndmin - result.ndim
    return result[(None,) * missing] if missing > 0 else result


FUNCTIONS[np.array] = array


def _assemble(x: Any) -> Any:
    """Join the elements of nested sequences: all of them in one operation, then a reshape."""
    leaves: list[Any] = []
    shape = _flatten(x, leaves)
    if shape is None:
        # Arrays beside lists of numbers, perhaps: [x, [0.0, 1.0]].
        rows = [
            _assemble(row)
            if isinstance(row, (list, tuple)) and not isinstance(row, Traced) and len(row)
            else row
            for row in x
        ]
        shapes = [np.shape(plain(row)) for row in rows]
        if shapes and shapes[0] and all(same_shapes(shape, shapes[0]) for shape in shapes):
            return stack(*rows, axis=0)
        if any_staged(x):
            raise ValueError(
                "setting an array element with a sequence. The requested array has an "
                f"inhomogeneous shape: its rows have the shapes {shapes}"
            )
        np.array(plain(x))  # NumPy's own message for ragged sequences, if it has one
        raise TracingError(f"np.array: this sequence is too ragged to be an array: {plain(x)!r}")
    if any(_kind(leaf) not in "biufc" for leaf in leaves):
        whole = np.array(plain(x))
        if any_active(leaves):
            raise TracingError(
                "np.array was given traced values together with things that are not numbers. An "
                "array of objects or text cannot carry a derivative; use a list."
            )
        return whole
    inner = np.shape(plain(leaves[0]))
    # Python numbers are strong in np.array([...]), as they are here.
    result = stack(*leaves, axis=0)
    return result if len(shape) == 1 else reshape(result, shape=(*shape, *inner))


def _flatten(x: Any, leaves: list[Any]) -> tuple[int, ...] | None:
    """Append the elements of ``x`` to ``leaves``; return the shape of the nest, None if ragged."""
    if isinstance(x, Traced) or not isinstance(x, (list, tuple)):
        if not isinstance(x, Traced) and not isinstance(x, (int, float, complex)):
            x = np.asarray(x)
        if leaves and not same_shapes(np.shape(plain(x)), np.shape(plain(leaves[0]))):
            return None
        leaves.append(x)
        return ()
    if not x:
        leaves.append(np.zeros(0))  # an empty row beside traced values: only if all are empty
        return None
    shapes = {_flatten(item, leaves) for item in x}
    inner = shapes.pop()
    return None if shapes or inner is None else (len(x), *inner)


def _kind(x: Any) -> str:
    x = plain(x)
    return x.dtype.kind if hasattr(x, "dtype") else np.asarray(x).dtype.kind


def laid_out(x: Any, order: str) -> Any:
    """Return ``x`` with its elements in C or Fortran order in memory."""
    if is_staged(x):
        return _laid_out_staged(x, order)
    flags = plain(x).flags
    fits = flags.c_contiguous if order == "C" else flags.f_contiguous
    return x if fits else copy_of(x, order=order)


def _laid_out_staged(x: Any, order: str) -> Any:
    if x.ndim < 2 or (order == "C" and x._contiguous):
        return x
    result = copy_of(x) if order == "C" else copy_of(x, order=order)
    view = x._view
    if view is not None and view.path[-1][0] != "permute":
        # NumPy returns x itself if it happens to be laid out like that.
        may_share([(result, view.base)], LAYOUT)
    return result


def as_made(x: Any, order: str = "C") -> Any:
    """Return ``x``, which has just been made and is a view of nothing, laid out as NumPy's is."""
    if not is_staged(x):
        return laid_out(x, order)
    x._contiguous = order == "C" or x.ndim < 2
    return x


def laid_out_like(x: Any, a: Any) -> Any:
    """Return a new array ``x`` with the layout that ``np.empty_like(a)`` has."""
    if is_staged(x) or is_staged(a):
        return x
    strides = np.empty_like(plain(a)).strides
    if plain(x).strides == strides:
        return x
    axes = tuple(sorted(range(x.ndim), key=lambda k: -abs(strides[k])))
    moved = copy_of(permute(x, axes=axes))
    return permute(moved, axes=tuple(sorted(range(x.ndim), key=axes.__getitem__)))


def _adopted(result: np.ndarray, given: Any) -> Any:
    """Let a fresh array record what is stored to it; one that is the caller's stays as it is."""
    if type(result) is not np.ndarray or result.dtype.kind not in "fc" or result is given:
        return result
    if isinstance(given, np.ndarray) and np.may_share_memory(result, given):
        return result
    return constant(result)


def _asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None,
    like: Any = None,
) -> Any:  # fmt: skip
    """``np.asarray``: what it is given, if that is an array of the type asked for."""
    return array(a, dtype, copy=copy, order=order)


def _ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    return array(a, dtype, copy=None, order="C", ndmin=1)


def _asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    return array(a, dtype, copy=None, order="F", ndmin=1)


def _asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    np.asarray_chkfinite(plain(a), dtype=dtype)
    return array(a, dtype, copy=None, order=order)


def _require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    wanted = {str(r).upper() for r in requirements or ()}
    order = (
        "F"
        if wanted & {"F", "FORTRAN", "F_CONTIGUOUS"}
        else ("C" if wanted & {"C", "CONTIGUOUS", "C_CONTIGUOUS"} else None)
    )
    return array(a, dtype, copy=None, order=order)


def _fromiter(iter: Any, dtype: Any, count: int = -1, *, like: Any = None) -> Any:
    items = [x for _, x in zip(range(count), iter)] if count >= 0 else list(iter)
    if any(np.ndim(plain(x)) for x in items):
        raise ValueError("setting an array element with a sequence.")
    if not any_recorded(items):
        return _adopted(np.fromiter(items, dtype, count), None)
    if len(items) < count:
        raise ValueError("iterator too short")
    return array(items, dtype)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """``np.copy``."""
    return array(a, copy=True, order=order)


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """``np.astype``."""
    return x.astype(dtype, copy=copy)


for _fn, _impl in (
    (np.array, array), (np.asarray, _asarray), (np.asanyarray, _asarray), (np.copy, copy),
    (np.ascontiguousarray, _ascontiguousarray), (np.asfortranarray, _asfortranarray),
    (np.asarray_chkfinite, _asarray_chkfinite), (np.require, _require), (np.fromiter, _fromiter),
):  # fmt: skip
    hooks.register(_fn, _impl)


# -- of given shape ----------------------------------------------------------------------------


def made(fn: Callable[..., Any], traced: Callable[..., Any] | None = None) -> None:
    """Let ``fn`` make arrays that record what is stored to them."""
    if traced is not None:
        FUNCTIONS[fn] = traced

    def make(*args: Any, **kwargs: Any) -> Any:
        if any_active(args) or any_active(kwargs):
            return call_function(fn, args, kwargs)
        result = fn(*plain(args), **plain(kwargs))
        return constant(result) if getattr(result, "dtype", _INT).kind in "fc" else result

    hooks.register(fn, make)


_INT = np.dtype(int)


def _of_values(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Only the shape and the type of a traced prototype matter; so do values of sizes."""

    def impl(*args: Any, **kwargs: Any) -> Any:
        if any_staged(args) or any_staged(kwargs):
            return MAKERS[fn](*args, **kwargs)
        result = fn(*plain(args), **plain(kwargs))
        return constant(result) if result.dtype.kind in "fc" else result

    return impl


def _full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None,
    like: Any = None,
) -> Any:  # fmt: skip
    """``np.full``."""
    if any_staged((shape, fill_value)):
        return MAKERS[np.full](shape, fill_value, dtype, order)
    fill_value = to_dtype(as_array(fill_value), dtype)
    return copy_of(broadcast_to(fill_value, shape=as_shape(shape)), order=order)


@implements(np.full_like)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None, *, device: Any = None,
) -> Any:  # fmt: skip
    """``np.full_like``."""
    if any_staged((a, fill_value, shape)):
        return MAKERS[np.full_like](a, fill_value, dtype, order, subok, shape)
    prototype = np.empty_like(plain(as_array(a)), dtype=dtype, shape=plain(shape))
    result = _full(prototype.shape, fill_value, prototype.dtype)
    return laid_out_like(result, prototype) if order in ("K", "A") else laid_out(result, order)


for _fn in (
    np.zeros, np.empty, np.ones, np.zeros_like, np.empty_like, np.ones_like, np.eye, np.identity,
    np.tri, np.hanning, np.hamming, np.bartlett, np.blackman,
):  # fmt: skip
    made(_fn, _of_values(_fn))
made(np.full, _full)
made(np.full_like)
