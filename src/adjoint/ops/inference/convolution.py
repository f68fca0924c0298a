"""Convolutions: channels and the places of a filter."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.dims import scale
from adjoint.ir.types import Type
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.inference.lengths import as_shape, equal, minus, plus, range_length, ratio

__all__: list[str] = []


def _dtype(call: Call) -> np.dtype:
    return np.result_type(*[t.dtype for t in call.operands])


def _ranks(call: Call) -> None:
    axes = len(call.params["stride"]) + 2
    if any(len(t.shape) != axes for t in call.operands):
        call.refuse(f"arrays of {axes} axes are needed, not of shapes")


def _times(n: Any, k: int) -> Any:
    return None if n is None else scale(n, k)


def _places(call: Call, x: tuple[Any, ...], w: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the lengths of the result for those of images and filters."""
    found = []
    stride, padding, dilation = (call.params[k] for k in ("stride", "padding", "dilation"))
    for n, k, s, (low, high), d in zip(x, w, stride, padding, dilation, strict=True):
        span = minus(plus(n, low + high), _times(minus(k, 1), d))
        length = range_length(call, 0, span, s)
        if type(length) is int and length < 1:
            call.refuse("filters do not fit into images:")
        found.append(length)
    return tuple(found)


def _facing(call: Call, x: tuple[Any, ...], w: tuple[Any, ...], y: tuple[Any, ...]) -> None:
    for have, want in zip(y, _places(call, x, w), strict=True):
        equal(call, have, want)


@rule("convolution")
def _convolution(call: Call) -> Type:
    _ranks(call)
    x, w = (t.shape for t in call.operands)
    groups = call.param("groups", 1)
    equal(call, x[1], _times(w[1], groups))
    if type(w[0]) is int and w[0] % groups:
        call.refuse(f"filters are not a multiple of {groups} groups:")
    return Type(_dtype(call), (x[0], w[0], *_places(call, x[2:], w[2:])))


@rule("convolution_input")
def _convolution_input(call: Call) -> Type:
    _ranks(call)
    y, w = (t.shape for t in call.operands)
    lengths = as_shape(call.params["lengths"])
    equal(call, y[1], w[0])
    _facing(call, lengths, w[2:], y[2:])
    return Type(_dtype(call), (y[0], _times(w[1], call.param("groups", 1)), *lengths))


@rule("convolution_weight")
def _convolution_weight(call: Call) -> Type:
    _ranks(call)
    x, y = (t.shape for t in call.operands)
    lengths = as_shape(call.params["lengths"])
    equal(call, x[0], y[0])
    _facing(call, x[2:], lengths, y[2:])
    groups = call.param("groups", 1)
    channels = x[1] if groups == 1 else ratio(call, (x[1],), (groups,))
    return Type(_dtype(call), (y[1], channels, *lengths))
