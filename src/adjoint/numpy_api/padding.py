"""``np.pad`` in all its modes."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.dispatch import any_active, any_staged, certainly, is_staged, plain
from adjoint.errors import NoRuleError
from adjoint.numpy_api.creation import array as make_array
from adjoint.numpy_api.creation import as_array, beside, notice_every_argument, to_dtype
from adjoint.numpy_api.lengths import as_length, least, spread
from adjoint.numpy_api.sequences import linspace
from adjoint.ops import structural as st
from adjoint.ops.registry import implements

__all__ = ["pad"]

_OPTIONS = {
    "empty": (), "edge": (), "wrap": (),
    "constant": ("constant_values",), "linear_ramp": ("end_values",),
    "maximum": ("stat_length",), "mean": ("stat_length",), "median": ("stat_length",),
    "minimum": ("stat_length",),
    "reflect": ("reflect_type",), "symmetric": ("reflect_type",),
}  # fmt: skip

_STATISTICS: dict[str, Any] = {
    "maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median,
}  # fmt: skip


def _pairs(x: Any, ndim: int) -> list[tuple[Any, Any]]:
    """Return ``x`` broadcast to a pair an axis; its entries may be traced."""
    x = as_array(x)
    if x.ndim < 3 and x.size == 1:
        one = x.reshape(())[()]
        return [(one, one)] * ndim
    x = st.broadcast_to(x, shape=(ndim, 2))
    return [(x[k, 0], x[k, 1]) for k in range(ndim)]


def _widths(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    if isinstance(pad_width, dict):
        widths: list[Any] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            widths[axis] = (width, width) if isinstance(width, int) else width
        pad_width = widths
    pad_width = plain(pad_width)
    if any_staged(pad_width) and isinstance(pad_width, (list, tuple)):
        return _staged_widths(pad_width, ndim)
    pad_width = as_array(pad_width)
    if is_staged(pad_width):
        wide = st.broadcast_to(pad_width, shape=(ndim, 2))
        return tuple((as_length(wide[k, 0]), as_length(wide[k, 1])) for k in range(ndim))
    if pad_width.dtype.kind != "i":
        raise TypeError("`pad_width` must be of integral type.")
    if (pad_width < 0).any():
        raise ValueError("index can't contain negative values")
    return tuple((int(a), int(b)) for a, b in np.broadcast_to(pad_width, (ndim, 2)))


def _staged_widths(widths: Any, ndim: int) -> tuple[Any, ...]:
    """Return lists of widths, which may be lengths of the program, as a pair an axis."""
    rows = [row if isinstance(row, (list, tuple)) else None for row in widths]
    if rows[0] is None:
        rows = [widths]
    pairs = [tuple(map(as_length, row)) for row in rows]  # type: ignore[arg-type]
    pairs = [pair * 2 if len(pair) == 1 else pair for pair in pairs]
    pairs = pairs * ndim if len(pairs) == 1 else pairs
    if len(pairs) != ndim or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"np.pad: {widths!r} does not say how to pad {ndim} axes")
    return tuple(pairs)


def _some(pair: tuple[Any, Any]) -> bool:
    return any(is_staged(n) or n for n in pair)


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """``np.pad``."""
    x = beside(as_array(array), pad_width)
    width = _widths(pad_width, x.ndim)
    if callable(mode):
        raise NoRuleError(
            "np.pad with a function as its mode has no derivative: the function fills an ordinary "
            "array. Pad with one of NumPy's modes and overwrite the margins, or use np.concatenate."
        )
    if mode not in _OPTIONS:
        raise ValueError(f"mode '{mode}' is not supported")
    unknown = set(kwargs) - set(_OPTIONS[mode])
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if x.ndim == 0:
        return make_array(x)
    if mode not in ("constant", "empty"):
        for axis, pair in enumerate(width):
            if x.shape[axis] == 0 and _some(pair):
                raise ValueError(
                    f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
                )
    if mode in _STATISTICS:
        lengths = _pairs(kwargs.get("stat_length"), x.ndim) if kwargs.get("stat_length") else None
        return _by_axis(x, width, lambda y, k: _statistics(y, k, _STATISTICS[mode], lengths))
    if mode == "linear_ramp":
        ends = _pairs(kwargs.get("end_values", 0), x.ndim)
        return _by_axis(x, width, lambda y, k: _ramps(y, k, width[k], ends[k]))
    if mode in ("constant", "empty"):
        values = kwargs.get("constant_values", 0)
        if not any_active(values) and certainly(np.all(plain(as_array(values)) == 0)):
            return st.pad(x, width=width, mode="constant")
        pairs = _pairs(values, x.ndim)
        return _by_axis(x, width, lambda y, k: pairs[k])
    odd = kwargs.get("reflect_type", "even") == "odd"
    return st.pad(x, width=width, mode=mode, odd=odd)


def _by_axis(x: Any, width: tuple[tuple[int, int], ...], margins: Any) -> Any:
    """Put margins at both ends of each axis, the first axis first."""
    dtype = plain(x).dtype
    for axis, pair in enumerate(width):
        if not _some(pair):
            continue
        parts = [x]
        for n, values, at in zip(pair, margins(x, axis), (0, 1)):
            shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
            margin = spread(to_dtype(as_array(values), dtype), shape)
            parts.insert(0 if at == 0 else len(parts), margin)
        x = st.concatenate(*parts, axis=axis)
    return x


def _statistics(x: Any, axis: int, function: Any, lengths: Any) -> list[Any]:
    n = x.shape[axis]
    head = (slice(None),) * axis
    left, right = (
        (n, n)
        if lengths is None
        else (n if m is None else least(as_length(m), n) for m in lengths[axis])
    )
    if (left == 0 or right == 0) and function in (np.max, np.min):
        raise ValueError("stat_length of 0 yields no value for padding")
    one = function(x[(*head, slice(0, left))], axis=axis, keepdims=True)
    if left == n and right == n:
        return [one, one]
    return [one, function(x[(*head, slice(n - right, n))], axis=axis, keepdims=True)]


def _ramps(x: Any, axis: int, pair: tuple[int, int], ends: tuple[Any, Any]) -> list[Any]:
    head = (slice(None),) * axis
    first, last = x[(*head, 0)], x[(*head, -1)]
    dtype = plain(x).dtype
    left = linspace(ends[0], first, pair[0], False, dtype=dtype, axis=axis)
    right = linspace(ends[1], last, pair[1], False, dtype=dtype, axis=axis)
    return [left, np.flip(right, axis)]


notice_every_argument(np.pad)
