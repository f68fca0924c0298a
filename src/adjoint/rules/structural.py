"""Derivatives of operations that move numbers: each is linear, its row is its transpose."""

from __future__ import annotations

import itertools
from typing import Any

from adjoint.ops import creation, plain
from adjoint.ops import structural as st
from adjoint.ops.creation import arange, eye
from adjoint.ops.indexing import add_at
from adjoint.ops.registry import Traced
from adjoint.rules.cotangents import At, Part
from adjoint.rules.derive import linear, zero


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
    return [ct[(*head, slice(a, b))] for a, b in itertools.pairwise(cuts)]


def _unstack(ct: Any, shapes: list[tuple[int, ...]], axis: int) -> list[Any]:
    head = (slice(None),) * (axis % len(ct.shape))
    return [ct[(*head, k)] for k in range(len(shapes))]


def _unpad(ct: Any, x_type: Any, width: tuple[tuple[int, int], ...], mode: str, odd: bool) -> Any:
    """Send what went into the margins back to where it came from, the last axis first."""
    for axis in reversed(range(len(width))):
        left, right = width[axis]
        if left == 0 and right == 0:
            continue
        n = x_type.shape[axis]
        head = (slice(None),) * axis
        sides = (slice(0, left), slice(left + n, None))
        core = ct[(*head, slice(left, left + n))]
        if mode != "constant" and n != 0:
            core = core.copy()
            if odd:
                source = st.pad(eye(n), width=((left, right), (0, 0)), mode=mode, odd=True)
                ends = st.concatenate(*[ct[(*head, s)] for s in sides], axis=axis)
                source = st.concatenate(*[source[s] for s in sides], axis=0)
                ends = _axis_last(ends, axis) @ source
                core += _axis_back(ends, axis)
            else:
                source = st.pad(arange(n), width=((left, right),), mode=mode)
                for s in sides:
                    _add(core, (*head, source[s]), ct[(*head, s)])
        ct = core
    return ct


def _add(x: Any, index: Any, value: Any) -> None:
    path = (("index", index),)
    x._add_at(path, value) if isinstance(x, Traced) else add_at(x, path, value)


def _axis_last(x: Any, axis: int) -> Any:
    n = len(x.shape)
    return st.permute(x, axes=(*range(axis), *range(axis + 1, n), axis))


def _axis_back(x: Any, axis: int) -> Any:
    n = len(x.shape)
    return st.permute(x, axes=(*range(axis), n - 1, *range(axis, n - 1)))


linear(st.reshape, lambda ct, x_type: st.reshape(ct, shape=x_type.shape))
linear(st.permute, lambda ct, axes: st.permute(ct, axes=_inverse(axes)))
linear(st.broadcast_to, lambda ct, x_type: st.unbroadcast(ct, x_type.shape))
linear(st.sum_to, lambda ct, x_type: st.broadcast_to(ct, shape=x_type.shape))
linear(st.cast, lambda ct, x_type: st.project(ct, x_type.dtype))
linear(st.copy, lambda ct: ct)
linear(st.diagonal, lambda ct, offset_axes: At((("diagonal", offset_axes),), ct))
linear(st.pad, _unpad)
linear(st.reduce_sum, _spread)
linear(st.concatenate, _split)
linear(st.stack, _unstack)
linear(st.project_result, lambda ct, k: Part(k, ct))

zero(creation.full, creation.iota, creation.identity, creation.range_length)
plain.when_created(zero)
