"""Shape, layout, type and assembly."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from adjoint.ir.dims import known_sign, texts
from adjoint.ir.types import Type
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.inference.lengths import (
    as_length,
    as_shape,
    at_least,
    equal,
    minimum,
    minus,
    plus,
    ratio,
    same_size,
    size,
)

__all__ = ["broadcast_shape", "diagonal_shape", "permuted", "reshaped"]


# -- shape -----------------------------------------------------------------------------------------


@rule("reshape")
def _reshape(call: Call) -> Type:
    (x,) = call.operands
    return Type(x.dtype, reshaped(call, x.shape, call.param("shape")))


def reshaped(call: Call, shape: tuple[Any, ...], target: Any) -> tuple[Any, ...]:
    """Return the shape of ``x.reshape(target)``, in which -1 stands for what is left."""
    target = as_shape(target)
    rest = [k for k, n in enumerate(target) if type(n) is int and n == -1]
    if rest:
        (k,) = rest if len(rest) == 1 else _refuse_reshape(shape, target)
        others = target[:k] + target[k + 1 :]
        if all(type(n) is int for n in shape + others):
            known = math.prod(others)
            if not known or math.prod(shape) % known:
                _refuse_reshape(shape, target)
        return (*target[:k], ratio(call, shape, others), *target[k + 1 :])
    same = same_size(shape, target)
    if same is False:
        _refuse_reshape(shape, target)
    if same is None:
        have, want = size(shape), size(target)
        if have is not None and want is not None:
            if known_sign(minus(have, want)) in (">0", "<0"):
                _refuse_reshape(shape, target)
            call.require_equal(have, want)
    return target


def _refuse_reshape(shape: tuple[Any, ...], target: tuple[Any, ...]) -> NoReturn:
    if all(type(n) is int for n in shape + target):
        np.broadcast_to(np.float64(0), shape).reshape(target)  # NumPy's own refusal
    have, want = texts(shape, target)
    raise ValueError(f"cannot reshape array of shape {have} into shape {want}")


@rule("sum_to")
def _sum_to(call: Call) -> Type:
    (x,) = call.operands
    return x.with_shape(as_shape(call.param("shape")))


@rule("permute")
def _permute(call: Call) -> Type:
    (x,) = call.operands
    return Type(x.dtype, permuted(x.shape, call.param("axes")))


def permuted(shape: tuple[Any, ...], axes: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the shape of ``x.transpose(axes)``."""
    if sorted(a % len(shape) for a in axes) != list(range(len(shape))):
        raise ValueError("axes don't match array")
    return tuple([shape[a] for a in axes])


@rule("broadcast_to")
def _broadcast_to(call: Call) -> Type:
    (x,) = call.operands
    return Type(x.dtype, broadcast_shape(call, x.shape, call.param("shape")))


def broadcast_shape(call: Call, shape: tuple[Any, ...], target: Any) -> tuple[Any, ...]:
    """Return ``target``, to which an array of ``shape`` must be broadcastable."""
    target = as_shape(target)
    lead = len(target) - len(shape)
    ok = lead >= 0
    for n, m in zip(shape, target[max(lead, 0) :], strict=False):
        if n == 1 or n is None or m is None or n == m:
            continue
        if known_sign(minus(n, m)) in (">0", "<0") and known_sign(minus(n, 1)) == ">0":
            ok = False
        else:
            call.require_equal(n, m)
    if not ok:
        if all(type(n) is int for n in shape + target):
            np.broadcast_to(np.broadcast_to(np.float64(0), shape), target)  # NumPy's own refusal
        have, want = texts(shape, target)
        raise ValueError(f"an array of shape {have} could not be broadcast to shape {want}")
    return target


@rule("diagonal")
def _diagonal(call: Call) -> Type:
    (x,) = call.operands
    return Type(x.dtype, diagonal_shape(call, x.shape, call.param("offset_axes", (0, 0, 1))))


def diagonal_shape(
    call: Call, shape: tuple[Any, ...], offset_axes: tuple[Any, int, int]
) -> tuple[Any, ...]:
    """Return the shape of ``np.diagonal(x, *offset_axes)``."""
    offset, i, j = offset_axes[0], offset_axes[1] % len(shape), offset_axes[2] % len(shape)
    rest = tuple(n for k, n in enumerate(shape) if k not in (i, j))
    rows, columns = shape[i], shape[j]
    if offset < 0:
        rows = plus(rows, offset)
    else:
        columns = minus(columns, offset)
    for n in (rows, columns):
        if type(n) is int and n <= 0:
            return (*rest, 0)
    if not (at_least(rows, 0) or rows is shape[i]) or not (
        at_least(columns, 0) or columns is shape[j]
    ):
        return (*rest, None)
    return (*rest, minimum(call, rows, columns))


@rule("pad")
def _pad(call: Call) -> Type:
    (x,) = call.operands
    width = call.param("width")
    if not isinstance(width, (tuple, list)) or len(width) != len(x.shape):
        width = np.broadcast_to(width, (len(x.shape), 2)).tolist()
    sides = [(as_length(a), as_length(b)) for a, b in width]
    return x.with_shape(tuple(plus(plus(n, a), b) for n, (a, b) in zip(x.shape, sides)))


# -- type ------------------------------------------------------------------------------------------


@rule("cast")
def _cast(call: Call) -> Type:
    (x,) = call.operands
    dtype = np.dtype(call.param("dtype"))
    return Type(dtype, x.shape, "array" if x.kind == "array" else "scalar")


@rule("copy", "complement")
def _copy(call: Call) -> Type:
    return call.operands[-1]


# -- assembly --------------------------------------------------------------------------------------


@rule("stack")
def _stack(call: Call) -> Type:
    unit = call.unit(axis=call.param("axis", 0))
    first, *others = (t.shape for t in call.operands)
    for shape in others:
        if len(shape) != len(first):
            call.refuse("all input arrays must have the same shape, not")
        first = tuple([equal(call, m, n) for m, n in zip(first, shape)])
    axis = call.param("axis", 0) % (len(first) + 1)
    return unit.with_shape((*first[:axis], len(call.operands), *first[axis:]))


@rule("concatenate")
def _concatenate(call: Call) -> Type:
    unit = call.unit(axis=call.param("axis", 0))
    axis = call.param("axis", 0) % len(unit.shape)
    total: Any = 0
    rest: tuple[Any, ...] | None = None
    for t in call.operands:
        total = plus(total, t.shape[axis])
        others = t.shape[:axis] + t.shape[axis + 1 :]
        rest = others if rest is None else tuple(equal(call, m, n) for m, n in zip(rest, others))
    assert rest is not None
    return unit.with_shape((*rest[:axis], total, *rest[axis:]))


@rule("project")
def _project(call: Call) -> Any:
    types = call.operands[0]
    return types[call.params["k"]]
