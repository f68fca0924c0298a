"""Reductions, scans and transforms along axes: the axes of one example move by one."""

from __future__ import annotations

from typing import Any

from adjoint.ir.build import innermost
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import Type
from adjoint.ops.creation import full
from adjoint.ops.indexing import index_add
from adjoint.ops.inference.reduction import normalized
from adjoint.transforms.batch.table import OneByOne, Operation, expanded, rule

__all__: list[str] = []


@rule(
    "reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_fmax", "reduce_fmin",
    "reduce_logaddexp", "reduce_hypot", "variance", "standard_deviation", "norm", "logsumexp",
    "softmax", "log_softmax", varying=True,
)  # fmt: skip
def _reduction(o: Operation) -> Value:
    """Reduce over the axes of one example; ``where`` may differ between them."""
    n = o.rank(0)
    axes = normalized(o.params.get("axis"), n) if n else ()
    params = {**o.params, "axis": tuple([a + 1 for a in axes])}
    where = o.params.get("where")
    if isinstance(where, Value) and where in o.walk.copies:
        assert isinstance(where.type, Type)
        params["where"] = expanded(where, n + 1 - where.type.ndim)
    if any(v in o.walk.copies for k, p in o.params.items() if k != "where" for v in values_in(p)):
        raise OneByOne
    return o.emit(o.node.op, (o.whole(0),), params)


def _axis(o: Operation, k: int = 0) -> int:
    return o.params["axis"] % o.rank(k) + 1


@rule(
    "cumsum", "cumprod", "accumulate_logaddexp", "shift", "diff", "diff_transpose",
    "add_neighbours", "add_neighbours_transpose", "fft", "ifft", "rfft", "irfft",
    "add_reduceat", "repeat_segments",
)  # fmt: skip
def _along(o: Operation) -> Value:
    return o.emit(o.node.op, o.inputs, {**o.params, "axis": _axis(o)})


@rule("recurrence")
def _recurrence(o: Operation) -> Value:
    inputs = (o.aligned(0, o.rank(1)), o.whole(1))
    return o.emit(o.node.op, inputs, {**o.params, "axis": _axis(o, 1)})


@rule("gather_along", "scatter_along", varying=True)
def _by_order(o: Operation) -> Value:
    """Read or write along an axis in an order, which may differ between examples."""
    indices = o.params["indices"]
    node = o.node.params["indices"]
    if not isinstance(indices, Value):
        raise OneByOne
    params = {**o.params, "axis": _axis(o), "indices": o.walk.whole(node)}
    length = params.get("length")
    if isinstance(length, Value) and length in o.walk.copies:
        raise OneByOne
    return o.emit(o.node.op, (o.whole(0),), params)


@rule("bincount")
def _bincount(o: Operation) -> Value:
    index: Any = o.params["index"]
    weights = o.result(o.inputs[0])
    length = o.params["length"]
    type = Type(o.node.dtype, (o.count, length))
    params = {"shape": type.shape, "value": 0, "dtype": type.dtype}
    empty = innermost().emit(full, (), params, type)
    path = (("index", (slice(None), index)),)
    return o.emit(index_add, (empty, weights), {"path": path})
