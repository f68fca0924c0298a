"""Derivatives of the reductions.

The tangent of a reduction is a weighted sum of its operand's tangents, and its transpose gives
every element the cotangent times that element's weight. A row states the weights once, as a pair
``(w, s)``: w of the operand's shape, s (None for 1) of the result's with the reduced axes kept, so
that factors common to a whole reduction cost no pass over the operand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ops import elementwise as ew
from adjoint.ops import reduction as rd
from adjoint.ops import scan
from adjoint.ops import structural as st
from adjoint.ops.registry import Op
from adjoint.rules.derive import general, linear
from adjoint.staged.lengths import greatest


def kept(y: Any, shape: tuple[int, ...], axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    """Return the result of a reduction of an array of ``shape`` with the reduced axes kept."""
    if keepdims or axis is None or not shape:
        return y  # a number broadcasts as it is
    return st.reshape(y, shape=tuple(1 if k in axis else n for k, n in enumerate(shape)))


def reduction(op: Op, weights: Callable) -> None:
    """Give a reduction its row: ``weights(x, out, **parameters) -> (w, s)``, out with axes kept."""
    defaults: dict[str, Any] = getattr(op.fn, "__kwdefaults__", {})

    def linearise(x: Any, out: Any, node: Any) -> tuple[Any, Any, dict[str, Any]]:
        params = {**defaults, **(node.params or {})}
        out = kept(out, x.shape, params["axis"], params["keepdims"])
        w, s = weights(x, out, **params)
        return w, s, params

    def jvp(x_dot: Any, x: Any, out: Any, node: Any) -> Any:
        w, s, params = linearise(x, out, node)
        total = st.reduce_sum(w * x_dot, axis=params["axis"], keepdims=params["keepdims"])
        if s is None:
            return total
        return total * (s if s.shape in ((), node.shape) else st.reshape(s, shape=node.shape))

    def vjp(ct: Any, x: Any, out: Any, node: Any) -> Any:
        w, s, params = linearise(x, out, node)
        ct = kept(ct, x.shape, params["axis"], params["keepdims"])
        bar = w * (ct if s is None else ct * s)
        return bar if bar.shape == x.shape else st.broadcast_to(bar, shape=x.shape)

    general(op, jvp=jvp, vjp=vjp)


def _real_type(x: Any) -> np.dtype:
    return np.finfo(x.dtype).dtype


def _extremum(x: Any, out: Any, axis: Any, keepdims: bool) -> tuple[Any, Any]:
    # A tie is shared evenly. Where the extremum is NaN nothing equals it: the derivative is NaN.
    chosen = np.equal(x, out)
    count = np.add.reduce(chosen, axis=axis, keepdims=True, dtype=_real_type(x))
    if not x.shape:
        count = count[()]
    return chosen, np.divide(1, count, out=np.full_like(count, np.nan), where=count != 0)[()]


def _others(x: Any, out: Any, axis: Any, keepdims: bool) -> tuple[Any, None]:
    """Return for each element the product of all others along the axes, without dividing."""
    shape = x.shape
    axes = tuple(range(len(shape))) if axis is None else axis
    rest = tuple(k for k in range(len(shape)) if k not in axes)
    order = rest + tuple(axes)
    if len(axes) == 1:
        return _others_along(x, axes[0]), None
    lined = st.permute(x, axes=order)
    lined_shape = lined.shape
    length = math.prod(shape[k] for k in axes)
    flat = st.reshape(lined, shape=(*(shape[k] for k in rest), length))
    w = st.reshape(_others_along(flat, len(rest)), shape=lined_shape)
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    return st.permute(w, axes=back), None


def _others_along(x: Any, axis: int) -> Any:
    before = scan.shift(scan.cumprod(x, axis=axis), by=1, axis=axis, fill=1)
    after = scan.shift(scan.cumprod(x, axis=axis, reverse=True), by=-1, axis=axis, fill=1)
    return before * after


def _deviations(x: Any, axis: Any, ddof: Any, where: Any) -> tuple[Any, Any]:
    """Return the conjugate deviations from the mean, and the reciprocal of n − ddof."""
    if where is True:
        count = x.size if axis is None else math.prod(x.shape[k] for k in axis)
        mean = st.reduce_sum(x, axis=axis, keepdims=True) / greatest(count, 1)
        d = x - mean
    else:
        where = st.broadcast_to(where, shape=x.shape)
        count = np.add.reduce(where, axis=axis, keepdims=True)
        total = st.reduce_sum(ew.where(where, x, 0), axis=axis, keepdims=True)
        mean = total / np.maximum(count, 1).astype(_real_type(x))
        d = ew.where(where, x - mean, 0)
    if x.dtype.kind == "c":
        d = np.conjugate(d)
    # Of too few elements the variance is NaN whatever they are: the weights are 0.
    free = st.cast(count - ddof, dtype=_real_type(x))
    some = np.greater(free, 0)
    return d, ew.where(some, 1 / ew.where(some, free, 1), 0)


def _variance(
    x: Any, out: Any, axis: Any, ddof: Any, keepdims: bool, where: Any
) -> tuple[Any, Any]:
    # var = Σ|x − m|²/(n − ddof); the derivative through the mean m is zero, as Σ(x − m) is.
    d, scale = _deviations(x, axis, ddof, where)
    return d, 2 * scale


def _standard_deviation(
    x: Any, out: Any, axis: Any, ddof: Any, keepdims: bool, where: Any
) -> tuple[Any, Any]:
    d, scale = _deviations(x, axis, ddof, where)
    return d, scale * reciprocal_or_zero(out)


def reciprocal_or_zero(x: Any) -> Any:
    """Return 1/x, and 0 with all its derivatives where x is 0."""
    zero = np.equal(x, 0)
    return ew.where(zero, 0, 1 / ew.where(zero, 1, x))


def _logaddexp(x: Any, out: Any, axis: Any, keepdims: bool) -> tuple[Any, Any]:
    # The weights exp(x − out) add up to 1 only within the rounding of out, which is an absolute
    # one here. Where all are −∞ the result is −∞ whatever they do: the weights are 0.
    w = np.exp(x - ew.where(np.isneginf(out), 0, out))
    return w, reciprocal_or_zero(st.reduce_sum(w, axis=axis, keepdims=True))


def _hypot(x: Any, out: Any, axis: Any, keepdims: bool) -> tuple[Any, Any]:
    return x, reciprocal_or_zero(out)


for _op in (rd.reduce_max, rd.reduce_min, rd.reduce_fmax, rd.reduce_fmin):
    reduction(_op, _extremum)
reduction(rd.reduce_prod, _others)
reduction(rd.variance, _variance)
reduction(rd.standard_deviation, _standard_deviation)
reduction(rd.reduce_logaddexp, _logaddexp)
reduction(rd.reduce_hypot, _hypot)

linear(rd.bincount, lambda ct, index: ct[index])
linear(
    rd.add_reduceat,
    lambda ct, x_type, indices, axis: rd.repeat_segments(
        ct, indices=indices, axis=axis, length=x_type.shape[axis]
    ),
)
linear(
    rd.repeat_segments,
    lambda ct, indices, axis: rd.add_reduceat(ct, indices=indices, axis=axis),
)
