"""Sums of products: matrix products, einsum, convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.types import Type
from adjoint.ops.inference import dummies
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.inference.lengths import broadcast, equal, minimum, minus, plus

__all__: list[str] = []


@rule("matmul")
def _matmul(call: Call) -> Type:
    x, y = call.operands
    if not x.shape or not y.shape:
        call.unit()  # NumPy's own refusal
    inner = x.shape[-1], y.shape[-2] if len(y.shape) > 1 else y.shape[-1]
    equal(call, *inner)
    lead = broadcast(call, [x.shape[:-2], y.shape[:-2]])
    rows = x.shape[-2:-1]
    columns = y.shape[-1:] if len(y.shape) > 1 else ()
    return call.unit().with_shape((*lead, *rows, *columns))


@rule("einsum")
def _einsum(call: Call) -> Type:
    inputs, output = call.params["inputs"], call.params["output"]
    lengths: dict[str, Any] = {}
    for labels, t in zip(inputs, call.operands):
        for label, n in zip(labels, t.shape, strict=True):
            have = lengths.get(label, 1)
            if type(have) is int and have == 1:
                lengths[label] = n
            elif not (type(n) is int and n == 1):
                lengths[label] = equal(call, have, n)
    options = call.param("options")
    key = tuple(sorted(options.items())) if options else ()
    unit = dummies.run(
        _unit_einsum, call.operands, {"inputs": inputs, "output": output, "key": key}
    )
    assert isinstance(unit, Type)
    return unit.with_shape(tuple(lengths[label] for label in output))


def _unit_einsum(*xs: Any, inputs: tuple[str, ...], output: str, key: Any) -> Any:
    return np.einsum(",".join(inputs) + "->" + output, *xs, **dict(key))


@rule("convolve")
def _convolve(call: Call) -> Type:
    x, y = call.operands
    mode = call.param("mode", "full")
    n, m = x.shape[0], y.shape[0]
    total = minus(plus(n, m), 1)
    if mode != "full":
        short = minimum(call, n, m)
        longer = minus(plus(n, m), short)
        total = longer if mode == "same" else plus(minus(longer, short), 1)
    return call.unit(mode=mode).with_shape((total,))
