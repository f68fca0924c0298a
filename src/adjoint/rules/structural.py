"""Derivatives of operations that move numbers: each is linear, its row is its transpose."""

from __future__ import annotations

from typing import Any

from adjoint.ops import structural as st
from adjoint.rules.cotangents import Part
from adjoint.rules.derive import linear


def _spread(ct: Any, x_type: Any, axis: Any, keepdims: bool) -> Any:
    """Give every summand the cotangent of its sum."""
    shape = x_type.shape
    if not shape:
        return ct
    if axis is not None and not keepdims:
        axes = (axis,) if isinstance(axis, int) else axis
        axes = {a % len(shape) for a in axes}
        ct = st.reshape(ct, shape=tuple(1 if k in axes else n for k, n in enumerate(shape)))
    return st.broadcast_to(ct, shape=shape)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _split(ct: Any, shapes: list[tuple[int, ...]], axis: int) -> list[Any]:
    axis %= len(ct.shape)
    cuts = [0]
    for shape in shapes:
        cuts.append(cuts[-1] + shape[axis])
    head = (slice(None),) * axis
    return [ct[(*head, slice(a, b))] for a, b in zip(cuts, cuts[1:], strict=False)]


def _unstack(ct: Any, shapes: list[tuple[int, ...]], axis: int) -> list[Any]:
    head = (slice(None),) * (axis % len(ct.shape))
    return [ct[(*head, k)] for k in range(len(shapes))]


linear(st.reshape, lambda ct, x_type: st.reshape(ct, shape=x_type.shape))
linear(st.permute, lambda ct, axes: st.permute(ct, axes=_inverse(axes)))
linear(st.broadcast_to, lambda ct, x_type: st.unbroadcast(ct, x_type.shape))
linear(st.cast, lambda ct, x_type: st.project(ct, x_type.dtype))
linear(st.copy, lambda ct: ct)
linear(st.reduce_sum, _spread)
linear(st.concatenate, _split)
linear(st.stack, _unstack)
linear(st.project_result, lambda ct, k: Part(k, ct))
