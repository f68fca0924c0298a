"""Choosing elements by conditions: where, select, piecewise, choose, clip, copyto, place, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.dispatch import (
    any_active,
    any_staged,
    certainly,
    fresh,
    from_nested,
    is_staged,
    is_weak,
    plain,
    refuse_out,
    store_result,
    without_derivative,
)  # fmt: skip
from adjoint.frontend import hooks
from adjoint.numpy_api.creation import as_array, beside, to_dtype
from adjoint.numpy_api.lengths import as_length, broadcast_shapes, require
from adjoint.ops import elementwise as ew
from adjoint.ops.creation import arange
from adjoint.ops.registry import Traced, implements
from adjoint.ops.structural import broadcast_to

__all__ = ["clip", "where"]


def _array(x: Any) -> Any:
    """Return nested lists as an array; numbers and arrays as they are."""
    return from_nested(x) if isinstance(x, (list, tuple)) else x


def _constant(x: Any) -> Any:
    """Return an argument without its derivative as an array."""
    return as_array(plain(x))


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """``np.where``."""
    if x is None and y is None:
        return np.nonzero(plain(condition))
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    return ew.where(_array(plain(condition)), _array(x), _array(y))


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """``np.select``."""
    conditions = [_constant(c) for c in condlist]
    choices = [_array(c) for c in choicelist]
    # NumPy's own checks, and the dtype of the result.
    tiny = [np.zeros((), c.dtype)[()] for c in conditions], [_tiny(c) for c in choices]
    dtype = np.select(*tiny, _tiny(default)).dtype  # type: ignore[arg-type]
    result = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = ew.where(condition, choice, result)
    return _as(result, dtype, *conditions, *choices, default)


def _tiny(x: Any) -> Any:
    """Return a number of the type of ``x``."""
    x = plain(x)
    if is_staged(x):
        return x.dtype.type(0).item() if is_weak(x) else np.zeros((), x.dtype)
    return np.zeros((), x.dtype) if isinstance(x, np.ndarray) else x


def _as(x: Any, dtype: np.dtype, *given: Any) -> Any:
    """Return a choice between arrays in their common shape, and in the type of the result."""
    shape = broadcast_shapes(*(np.shape(plain(g)) for g in given))
    if np.shape(plain(x)) != shape:
        x = broadcast_to(x, shape=shape)
    return to_dtype(as_array(x), dtype)


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """``np.piecewise``."""
    x = _array(x)
    if any_staged((x, condlist)):
        return _piecewise_staged(as_array(x), condlist, funclist, args, kw)
    value = np.asarray(plain(x))
    count = len(funclist)
    if np.isscalar(plain(condlist)) or (
        not isinstance(condlist[0], (list, np.ndarray)) and value.ndim != 0
    ):
        condlist = [condlist]
    conditions = np.asarray(plain(condlist), dtype=bool)
    if count == len(conditions) + 1:
        conditions = np.concatenate([conditions, ~np.any(conditions, axis=0, keepdims=True)])
    elif count != len(conditions):
        n = len(conditions)
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    result: Any = fresh(value.shape, value.dtype)
    if value.dtype.kind not in "fc":  # integers: nothing that is stored has a derivative
        return np.piecewise(value, list(conditions), funclist, *args, **kw)
    x = broadcast_to(x, shape=()) if value.ndim == 0 else x
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            result[condition] = function
            continue
        picked = x[condition]
        if picked.size > 0:
            result[condition] = hooks.resolve_argument(function)(picked, *args, **kw)
    return result


def _piecewise_staged(
    x: Any, condlist: Any, funclist: Any, args: tuple[Any, ...], kw: dict[str, Any]
) -> Any:
    """Do as `piecewise` where nobody knows how many elements a function is for."""
    if isinstance(condlist, Traced) or not isinstance(condlist, (list, tuple)):
        condlist = as_array(condlist)
        nested = condlist.ndim > 1 or (x.ndim == 0 and condlist.ndim == 1)
    else:
        nested = isinstance(condlist[0], (list, np.ndarray)) or x.ndim == 0
    rows = [condlist[k] for k in range(len(condlist))] if nested else [condlist]
    conditions = [as_array(c) for c in rows]
    if len(funclist) == len(conditions) + 1:
        met = conditions[0]
        for c in conditions[1:]:
            met = met | c
        conditions.append(~met)
    elif len(funclist) != len(conditions):
        n = len(conditions)
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    result: Any = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            result = ew.where(condition, to_dtype(as_array(function), x.dtype), result)
            continue
        result[condition] = hooks.resolve_argument(function)(x[condition], *args, **kw)
    return result


@implements(np.choose)
def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Any:
    """``np.choose``."""
    count = len(choices)
    index = _constant(a)
    options = [_array(choices[k]) for k in range(count)]
    one = np.zeros((), index.dtype)
    dtype = np.choose(one, [_tiny(c) for c in options], mode=mode).dtype  # type: ignore[arg-type]
    if mode == "raise":
        inside = np.all((index >= 0) & (index < count))
        require(inside, ValueError, "invalid entry in choice array")
    index = index % count if mode == "wrap" else np.minimum(np.maximum(index, 0), count - 1)
    result = options[-1]
    for k in reversed(range(count - 1)):
        result = ew.where(index == k, options[k], result)
    return _as(result, dtype, index, *options)


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = np._NoValue,
    a_max: Any = np._NoValue,
    out: None = None,
    *,
    min: Any = np._NoValue,
    max: Any = np._NoValue,
    dtype: Any = None,
    where: Any = True,
    **kwargs: Any,
) -> Any:
    """``np.clip``: at a bound, the derivative is shared evenly between the value and the bound."""
    lower = min if a_min is np._NoValue else a_min
    upper = max if a_max is np._NoValue else a_max
    # Both positional or both by keyword, and numbers: NumPy's own checks and dtype.
    given = {"a_min": a_min, "a_max": a_max, "min": min, "max": max}
    if not any_staged((a, given)):
        np.clip(plain(a), **{k: plain(v) for k, v in given.items() if v is not np._NoValue})
    options: dict[str, Any] = {"where": where} if where is not True else {}
    if dtype is not None:
        options["dtype"] = dtype
    result = a
    if lower is not None and lower is not np._NoValue:
        result = np.maximum(result, lower, **options)
    if upper is not None and upper is not np._NoValue:
        result = np.minimum(result, upper, **options)
    return np.positive(a, **options) if result is a else result


# -- in place --------------------------------------------------------------------------------------


def _needs_traced(target: Any, value: Any) -> bool:
    """Tell whether ``target`` records; refuse a traced value for one that does not."""
    if isinstance(target, Traced):
        return True
    if any_active(value):
        refuse_out(target)
    return False


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """``np.copyto``."""
    src, mask = _array(src), plain(where)
    if not _needs_traced(dst, src):
        np.copyto(dst, plain(src), casting, mask)
        return
    value = plain(src)
    have = getattr(value, "dtype", np.result_type(value))
    if not np.can_cast(have, dst.dtype, casting):
        raise TypeError(
            f"Cannot cast array data from {have!r} to {dst.dtype!r} according to the rule "
            f"{casting!r}"
        )
    if mask is True:
        dst[...] = src
        return
    if any_staged((dst, mask)):
        dst[...] = ew.where(mask, to_dtype(as_array(src), dst.dtype), dst)
        return
    mask = np.broadcast_to(mask, dst.shape)
    dst[mask] = broadcast_to(src, shape=dst.shape)[mask]


@implements(np.putmask)
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    """``np.putmask``: ``a.flat[n] = values.flat[n % size]`` wherever ``mask.flat[n]``."""
    values, mask = _array(values), _mask(mask)
    if not _needs_traced(a, values):
        np.putmask(a, mask, plain(values))
        return
    mask = beside(mask, a).reshape(a.shape)
    _store_cyclic(a, mask, values, np.flatnonzero(mask))


def _mask(mask: Any) -> Any:
    return to_dtype(_constant(mask), bool)


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """``np.place``: the first values go to where ``mask`` is true, over again if there are few."""
    vals, mask = _array(vals), _mask(mask)
    if not _needs_traced(arr, vals):
        np.place(arr, mask, plain(vals))
        return
    mask = beside(mask, arr).reshape(arr.shape)
    count = np.count_nonzero(mask)
    _store_cyclic(arr, mask, vals, arange(as_length(count)))


def _store_cyclic(a: Any, mask: Any, values: Any, positions: Any) -> None:
    size = np.size(plain(values))
    if size == 0:
        if certainly(positions.size != 0) and certainly(np.size(plain(a)) != 0):
            raise ValueError("Cannot insert from an empty array!")
        return
    flat = broadcast_to(values, shape=(1,)) if np.ndim(plain(values)) == 0 else values.reshape(-1)
    a[mask] = flat[positions % size]


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """``np.nan_to_num``: what is replaced is a constant."""
    x = _array(x)
    replaced = _nan_to_num(plain(x), nan=nan, posinf=posinf, neginf=neginf)
    if np.iscomplexobj(replaced):
        finite = np.isfinite(plain(x).real), np.isfinite(plain(x).imag)
        re, im = ew.real(x), ew.imag(x)
        result = ew.where(finite[0], re, replaced.real) + 1j * ew.where(
            finite[1], im, replaced.imag
        )
    else:
        result = ew.where(np.isfinite(plain(x)), x, replaced)
    if np.ndim(replaced) == 0:
        result = result[()]
    return result if copy or not isinstance(x, Traced) else store_result(x, result)


_nan_to_num = without_derivative(np.nan_to_num)


# These take functions, or write to their argument: in rewritten code they come here although no
# argument that NumPy looks at is traced.
for _fn, _impl in ((np.piecewise, piecewise), (np.copyto, copyto), (np.putmask, putmask),
                   (np.place, place)):  # fmt: skip
    hooks.register(_fn, _impl)
