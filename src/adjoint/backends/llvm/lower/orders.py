"""Places: of extrema, by index arrays along an axis, of stores that stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.folds import Fold, fold
from adjoint.backends.llvm.lower.indexing import source_index
from adjoint.backends.llvm.lower.memory import allocate, comparable, force
from adjoint.backends.llvm.lower.nest import Axes, aligned, copy_into, each, prepare, settled
from adjoint.backends.llvm.lower.paths import reached
from adjoint.backends.llvm.lower.positions import Positions, positions_of
from adjoint.backends.llvm.lower.reductions import extrema
from adjoint.backends.llvm.lower.scalar import TABLE, Scalars
from adjoint.backends.llvm.lower.shaping import result_buffer
from adjoint.backends.llvm.lower.types import BOOL, Element, arithmetic, in_registers, literal
from adjoint.backends.llvm.lower.values import Index, Lazy, Number, Shape
from adjoint.backends.llvm.lower.views import uniform
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops.inference.lengths import as_length, as_shape

__all__ = ["ORDERS"]

INT = np.dtype(np.int64)
LAST = (1 << 63) - 1


def _extremum(name: str) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        args, kwargs = node.params["args"], node.params["kwargs"]
        if len(args) > 2 or set(kwargs) - {"axis", "keepdims"} or not isinstance(args[0], Value):
            return None
        x = args[0]
        if not x.shape or x.dtype.kind == "c" or not arithmetic(x.dtype):
            return None
        axis = args[1] if len(args) == 2 else kwargs.get("axis")
        if axis is not None and not isinstance(axis, int):
            return None
        return _place_of(f, x, name, axis, kwargs.get("keepdims") is True)

    return lower


def _place_of(f: Lowering, x: Value, name: str, axis: int | None, keepdims: bool) -> Any:
    """Return where the first of the greatest (or least) elements is; a NaN is one."""
    body = f.body
    rep = comparable(f, f.rep(x))
    shape = rep.shape
    ndim = len(shape)
    axes = tuple(range(ndim)) if axis is None else (axis % ndim,)
    count = body.product([shape[k] for k in axes])
    f.check(
        body.compare("sgt", count, 0),
        lambda a, b: ValueError(f"attempt to get arg{name[:3]} of an empty sequence"),
    )
    best = fold(f, rep, extrema(f, rep.dtype, name), axes, True, x.shape)
    if isinstance(best, Lazy) and best.cost > 1:
        best = force(f, best)
    t = in_registers(rep.dtype)
    e = Scalars(body)
    strides = f.strides(shape, np.dtype(np.int8))

    def at(index: Index) -> Element:
        y, top = f.element(rep, index), f.element(best, aligned(best, shape, index))
        assert isinstance(y, str) and isinstance(top, str)
        if rep.dtype.kind == "f":
            # Unordered or equal: a NaN, once there, is the extremum.
            truth = e.op("fcmp ueq", t, y, top)
            order = e.op("fcmp uno", t, y, y)
            nan = e.op("fcmp uno", t, top, top)
            truth = e.op("and", "i1", truth, e.op("icmp eq", "i1", order, nan))
        else:
            truth = e.op("icmp eq", t, y, top)
        place: Integer = 0
        if axis is not None:
            place = index[axes[0]]
        else:
            for i, s in zip(index, strides):
                place = body.add(place, body.mul(i, s))
        return e.select(truth, "i64", str(place), str(LAST))

    places = Lazy(INT, shape, at, ((rep, True), (best, False)), 4)
    least = Fold(INT, LAST, lambda a, b: e.intrinsic("smin", "i64", a, b))  # type: ignore[arg-type]
    return fold(f, places, least, axes, keepdims and axis is not None, x.shape)


# -- index arrays along an axis --------------------------------------------------------------------


def _indices(f: Lowering, data: Any) -> Positions | None:
    if isinstance(data, Value):
        return positions_of(f, f.rep(data))
    return Positions.constant(f, np.asarray(data, np.int64))


def _gather_along(f: Lowering, node: Value) -> Any:
    (x,) = node.inputs
    rep = f.rep(x)
    found = _indices(f, node.params["indices"])
    if found is None or None in node.shape or not rep.shape:
        return None
    if isinstance(rep, Lazy) and rep.buffer is None and rep.cost > 2:
        rep = force(f, rep)
    axis = node.params["axis"] % len(rep.shape)
    shape = f.shape(node.shape)
    found.check(f, rep.shape[axis])
    positions = found

    def at(index: Index) -> Element:
        inner = list(aligned(rep, shape, index))
        inner[axis] = positions.at(f, aligned(positions.rep, shape, index), rep.shape[axis])
        return f.element(rep, tuple(inner))

    return Lazy(node.dtype, shape, at, ((rep, False), (positions.rep, False)), 4)


def _scatter_along(f: Lowering, node: Value) -> Any:
    (y,) = node.inputs
    dtype = node.dtype
    found = _indices(f, node.params["indices"])
    if found is None or not arithmetic(dtype) or ("add", dtype.kind) not in TABLE:
        return None
    rep = f.rep(y)
    if len(found.rep.shape) != len(rep.shape):
        return None
    axis = node.params["axis"] % len(rep.shape)
    length = f.dim(as_length(node.params["length"]))
    shape = (*rep.shape[:axis], length, *rep.shape[axis + 1 :])
    found.check(f, length)
    target = result_buffer(f, node, shape)
    copy_into(f, target, uniform(dtype, shape, literal(0, dtype)))
    add = TABLE["add", dtype.kind]
    positions = found

    def body(index: Index) -> None:
        inner = list(index)
        inner[axis] = positions.at(f, aligned(positions.rep, rep.shape, index), length)
        x = f.element(rep, index)
        former = f.load(target, tuple(inner), pinned=True)
        f.store(target, tuple(inner), add(Scalars(f.body), (dtype,), former, x))

    _one_by_one(f, rep.shape, [(rep, True)], body)
    return target


def _one_by_one(
    f: Lowering, shape: Shape, reads: list[tuple[Any, bool]], body: Callable[[Index], None]
) -> None:
    if any(n == 0 for n in shape):
        return
    outer, f.through = f.through, {}
    prepare(f, shape, reads)
    every = frozenset(range(len(shape)))
    axes = Axes(f, shape, [uniform(INT, shape, "0")], every)
    each(f, axes, body, independent=False)
    settled(f)
    f.through = outer


# -- stores that stay ------------------------------------------------------------------------------


def _last_writers(f: Lowering, node: Value) -> Any:
    """Tell of each stored entry whether it stays: of those at one place the last."""
    dimensions = as_shape(node.params["shape"])
    shape = tuple(f.dim(n) for n in dimensions)
    whole = Value(None, (), None, Type(INT, dimensions))
    who = allocate(f, shape, INT, dimensions)
    target = reached(f, who, whole, node.params["path"])
    if target is None:
        return None
    if target.selection is None:
        if not node.shape:
            return Number(BOOL, "true")
        return uniform(BOOL, target.buffer.shape, "true")
    found, buffer = target.selection, target.buffer
    strides = f.strides(found.shape, np.dtype(np.int8))

    def number(index: Index) -> str:
        total: Integer = 0
        for i, s in zip(index, strides):
            total = f.body.add(total, f.body.mul(i, s))
        return str(total)

    _one_by_one(
        f, found.shape, [],
        lambda index: f.store(buffer, source_index(f, buffer.shape, found, index), number(index)),
    )  # fmt: skip

    def at(index: Index) -> Element:
        stored = f.load(buffer, source_index(f, buffer.shape, found, index))
        return f.body.compare("eq", str(stored), number(index))

    reads = tuple((s.rep, False) for s in found.sources if isinstance(s, Positions))
    return Lazy(BOOL, found.shape, at, ((buffer, False), *reads), 3)


ORDERS = {
    "numpy.argmax": _extremum("maximum"),
    "numpy.argmin": _extremum("minimum"),
    "gather_along": _gather_along,
    "scatter_along": _scatter_along,
    "last_writers": _last_writers,
}
