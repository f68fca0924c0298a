"""Shape, layout, type and assembly: the axis of examples stays in front."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.build import innermost
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops.indexing import getitem
from adjoint.ops.structural import broadcast_to, pad, sum_to
from adjoint.transforms.batch.table import OneByOne, Operation, rule, shaped

__all__: list[str] = []


@rule("cast", "copy", "stop_gradient", "real", "imag")
def _same(o: Operation) -> Value:
    return o.emit(o.node.op, o.inputs, o.params)


@rule("complement")
def _complement(o: Operation) -> Value:
    return o.emit(o.node.op, (o.whole(0), o.whole(1)), o.params)


@rule("reshape")
def _reshape(o: Operation) -> Value:
    shape = o.params["shape"]
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return o.emit(o.node.op, o.inputs, {"shape": (o.count, *shape)})


@rule("permute")
def _permute(o: Operation) -> Value:
    n = o.rank(0)
    axes = (0, *[a % n + 1 for a in o.params["axes"]])
    return o.emit(o.node.op, o.inputs, {"axes": axes})


@rule("broadcast_to")
def _broadcast_to(o: Operation) -> Value:
    shape = tuple(o.params["shape"])
    x = o.aligned(0, len(shape))
    return o.emit(broadcast_to, (x,), {"shape": (o.count, *shape)})


@rule("sum_to")
def _sum_to(o: Operation) -> Value:
    shape = tuple(o.params["shape"])
    lead = o.rank(0) - len(shape)
    if lead <= 0:
        return o.emit(sum_to, o.inputs, {"shape": (o.count, *shape)})
    wide = (o.count, *(1,) * lead, *shape)
    summed = innermost().emit(sum_to, o.inputs, {"shape": wide}, Type(o.node.dtype, wide))
    return o.emit(getitem, (summed,), {"index": (slice(None), *(0,) * lead, ...)})


@rule("diagonal")
def _diagonal(o: Operation) -> Value:
    n = o.rank(0)
    offset, i, j = o.params.get("offset_axes", (0, 0, 1))
    params = {**o.params, "offset_axes": (offset, i % n + 1, j % n + 1)}
    return o.emit(o.node.op, o.inputs, params)


@rule("pad")
def _pad(o: Operation) -> Value:
    width: Any = o.params["width"]
    n = o.rank(0)
    if not isinstance(width, (tuple, list)) or len(width) != n:
        width = np.broadcast_to(width, (n, 2)).tolist()
    width = ((0, 0), *[tuple(side) for side in width])
    return o.emit(pad, o.inputs, {**o.params, "width": width})


@rule("stack")
def _stack(o: Operation) -> Value:
    axis = o.params.get("axis", 0) % (o.rank(0) + 1) + 1
    return _joined(o, axis)


@rule("concatenate")
def _concatenate(o: Operation) -> Value:
    axis = o.params.get("axis", 0) % o.rank(0) + 1
    return _joined(o, axis)


def _joined(o: Operation, axis: int) -> Value:
    inputs = [o.result(o.whole(k)) for k in range(len(o.inputs))]
    return o.emit(o.node.op, inputs, {"axis": axis})


@rule("full", varying=True)
def _full(o: Operation) -> Value:
    shape = o.params["shape"]
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    value = o.params["value"]
    if not isinstance(value, Value) or value not in o.walk.copies:
        raise OneByOne
    if any(v in o.walk.copies for v in shape if isinstance(v, Value)):
        raise OneByOne
    value = shaped(o.result(value), (o.count, *(1,) * len(shape)))
    return o.emit(broadcast_to, (value,), {"shape": (o.count, *shape)})
