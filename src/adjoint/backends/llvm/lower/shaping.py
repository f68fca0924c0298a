"""Shape, layout, assembly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.backends.llvm.lower import views
from adjoint.backends.llvm.lower.choice import kept_if
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import CHEAP, lazy_cost
from adjoint.backends.llvm.lower.indexing import indexed
from adjoint.backends.llvm.lower.maps import cast_rep
from adjoint.backends.llvm.lower.memory import allocate, in_memory_of, lasting
from adjoint.backends.llvm.lower.nest import copy_into, mergeable, write_into
from adjoint.backends.llvm.lower.paths import diagonal, followed
from adjoint.backends.llvm.lower.reductions import sum_over
from adjoint.backends.llvm.lower.scalar import Scalars, select
from adjoint.backends.llvm.lower.types import Element, arithmetic, literal
from adjoint.backends.llvm.lower.values import Buffer, Index, Lazy, Number, Shape
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.graph import Value
from adjoint.ops.inference.lengths import as_length

__all__ = ["SHAPING", "result_buffer"]

TOGETHER = 32
"""Operands of ``stack`` up to which one nest of loops stores all."""

FEW = 8
"""Operands of ``stack`` up to which it is told at each element which of them it is of."""


def result_buffer(f: Lowering, node: Value, shape: Shape) -> Buffer:
    """Return memory for the result of the present operation."""
    target = f.destinations.pop(node, None)
    return target if target is not None else allocate(f, shape, node.dtype, node.shape)


def _getitem(f: Lowering, node: Value) -> Any:
    (x,) = node.inputs
    return indexed(f, f.rep(x), node.params["index"], x.shape, node.shape)


def _read(f: Lowering, node: Value) -> Any:
    return followed(f, node.inputs[0], node.params["path"], node.shape)


def _permute(f: Lowering, node: Value) -> Any:
    return views.permute(f, f.rep(node.inputs[0]), node.params["axes"])


def _reshape(f: Lowering, node: Value) -> Any:
    rep = f.rep(node.inputs[0])
    shape = views.shape_of_reshape(f, rep, node.shape, node.params["shape"])
    if not shape:
        return Number(node.dtype, f.element(rep, (0,) * len(rep.shape)))
    return views.reshape(f, rep, shape)


def _broadcast_to(f: Lowering, node: Value) -> Any:
    (x,) = node.inputs
    rep = f.rep(x)
    shape = node.shape
    if None in shape:
        target = node.params["shape"]
        target = target if isinstance(target, (tuple, list)) else (target,)
        final = tuple(f.dim(as_length(n)) for n in target)
    else:
        final = f.shape(shape)
    if not final:
        return rep
    return views.broadcast_to(f, rep, x.shape, final)


def _diagonal(f: Lowering, node: Value) -> Any:
    offset_axes = node.params.get("offset_axes", (0, 0, 1))
    return diagonal(f, f.rep(node.inputs[0]), offset_axes, node.shape)


def _cast(f: Lowering, node: Value) -> Any:
    (x,) = node.inputs
    if x.dtype != node.dtype and not (arithmetic(x.dtype) and arithmetic(node.dtype)):
        return None
    rep = f.rep(x)
    if rep.dtype != node.dtype:
        return _shared(f, node, cast_rep(f, rep, node.dtype))
    return _copy(f, node)


def _shared(f: Lowering, node: Value, rep: Any) -> Any:
    if isinstance(rep, Lazy):
        rep.shared = node in f.several and rep.cost > CHEAP
    return rep


def _copy(f: Lowering, node: Value) -> Any:
    rep = f.rep(node.inputs[0])
    return rep if isinstance(rep, Number) else copy_of(f, rep)


def copy_of(f: Lowering, rep: Any) -> Lazy:
    """Return a copy of an array, which is made when memory is written to that it is a copy of."""
    if isinstance(rep, Lazy) and rep.buffer is not None:
        rep = rep.buffer
    mergeable_at = lambda k: mergeable(f, rep, rep.shape, k)
    if isinstance(rep, Buffer):
        return Lazy(
            rep.dtype, rep.shape, lambda index: f.load(rep, index), ((rep, True),), 1,
            mergeable_at, view=rep,
        )  # fmt: skip
    return Lazy(
        rep.dtype, rep.shape, lambda index: f.element(rep, index), ((rep, True),), lazy_cost(rep),
        mergeable_at, view=rep.view,
    )  # fmt: skip


def _same(f: Lowering, node: Value) -> Any:
    return f.rep(node.inputs[0])


def _part(which: int) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        (x,) = node.inputs
        if not node.shape or not arithmetic(x.dtype):
            return None
        return views.part(f, f.rep(x), which)

    return lower


# -- assembly --------------------------------------------------------------------------------------


def _agree(f: Lowering, node: Value, but: int) -> None:
    """Have operands refused whose lengths differ, but on an axis, and that nobody knows."""
    first, *others = node.inputs
    for v in others:
        lengths = zip(f.rep(first).shape, f.rep(v).shape, strict=True)
        for k, (n, m) in enumerate(lengths):
            if k != but and n != m and None in (first.shape[k], v.shape[k]):
                f.refuse_unless(f.body.compare("eq", n, m))


def _stack(f: Lowering, node: Value) -> Any:
    dtype = node.dtype
    if any(v.dtype != dtype and not arithmetic(v.dtype) for v in node.inputs):
        return None
    reps = [cast_rep(f, f.rep(v), dtype) for v in node.inputs]
    axis = node.params.get("axis", 0) % len(node.shape)
    _agree(f, node, -1)
    inner = node.shape[:axis] + node.shape[axis + 1 :]
    shape = f.shape(
        node.shape, _stacked_shape(reps, axis) if None in inner else (0,) * len(node.shape)
    )
    known = all(isinstance(n, int) for n in shape)
    if len(reps) <= FEW and axis == len(shape) - 1 and not known:
        return _picked(f, node, reps, axis, shape)
    target = result_buffer(f, node, shape)
    rest = shape[:axis] + shape[axis + 1 :]
    places = []
    for k in range(len(reps)):
        sources: list[Any] = [views.Along(j if j < axis else j - 1) for j in range(len(shape))]
        sources[axis] = k
        places.append(views.affine(f, target, rest, sources))
    if rest and len(reps) <= TOGETHER:
        write_into(f, list(zip(places, reps, strict=True)))
        return target
    for place, rep in zip(places, reps, strict=True):
        copy_into(f, place, rep)
    return target


def _stacked_shape(reps: list[Any], axis: int) -> Shape:
    shape = reps[0].shape
    return (*shape[:axis], len(reps), *shape[axis:])


def _picked(f: Lowering, node: Value, reps: list[Any], axis: int, shape: Shape) -> Lazy:
    """Return a stack along the last axis, which is written out where it is read."""
    body = f.body

    def at(index: Index) -> Element:
        k = index[axis]
        inner = index[:axis] + index[axis + 1 :]
        if isinstance(k, int):
            return f.element(reps[k], inner)
        e = Scalars(body)
        found = f.element(reps[-1], inner)
        for j, rep in enumerate(reps[:-1]):
            truth = body.compare("eq", k, j)
            found = select(e, truth, node.dtype, f.element(rep, inner), found)
        return found

    cost = max(lazy_cost(rep) for rep in reps)
    return Lazy(
        node.dtype, shape, at, tuple((rep, False) for rep in reps), cost,
        shared=node in f.several and cost > CHEAP,
    )  # fmt: skip


def _concatenate(f: Lowering, node: Value) -> Any:
    dtype = node.dtype
    if any(v.dtype != dtype and not arithmetic(v.dtype) for v in node.inputs):
        return None
    reps = [f.rep(v) for v in node.inputs]
    axis = node.params.get("axis", 0) % len(node.shape)
    _agree(f, node, axis)
    body = f.body
    starts: list[Integer] = [0]
    for rep in reps:
        starts.append(body.add(starts[-1], rep.shape[axis]))
    first = reps[0].shape
    runtime = (*first[:axis], starts[-1], *first[axis + 1 :])
    shape = f.shape(node.shape, runtime)
    target = result_buffer(f, node, shape)
    for rep, start in zip(reps, starts):
        sources: list[Any] = [views.Along(j) for j in range(len(shape))]
        sources[axis] = views.Along(axis, start)
        place = views.affine(
            f, target, (*shape[:axis], rep.shape[axis], *shape[axis + 1 :]), sources
        )
        copy_into(f, place, rep)
    return target


def _pad(f: Lowering, node: Value) -> Any:
    if node.params.get("mode", "constant") != "constant" or not arithmetic(node.dtype):
        return None
    (x,) = node.inputs
    rep = f.rep(x)
    width = node.params["width"]
    if not isinstance(width, (tuple, list)) or len(width) != len(rep.shape):
        return None
    body = f.body
    before = [f.dim(as_length(a)) for a, _ in width]
    after = [f.dim(as_length(b)) for _, b in width]
    runtime = tuple(
        body.add(body.add(a, n), b) for a, n, b in zip(before, rep.shape, after, strict=True)
    )
    shape = f.shape(node.shape, runtime)
    target = result_buffer(f, node, shape)
    copy_into(f, target, views.uniform(node.dtype, shape, literal(0, node.dtype)))
    sources: list[Any] = [views.Along(k, a) for k, a in enumerate(before)]
    copy_into(f, views.affine(f, target, rep.shape, sources), rep)
    return target


def _sum_to(f: Lowering, node: Value) -> Any:
    """Sum over the axes along which an array was broadcast, which may show at run time only."""
    (x,) = node.inputs
    rep = f.rep(x)
    shape = tuple(f.dim(as_length(n)) for n in node.params["shape"])
    if len(rep.shape) < len(shape) or not arithmetic(node.dtype):
        return None
    lead = len(rep.shape) - len(shape)
    unsure = [k for k, n in enumerate(shape) if n != 1 and n != rep.shape[k + lead]]
    axes = (*range(lead), *(k + lead for k, n in enumerate(shape) if n == 1))
    axes = tuple(k for k in axes if not (k >= lead and rep.shape[k] == 1))
    given = tuple(rep.shape[k + lead] if k in unsure else n for k, n in enumerate(shape))
    if axes:
        rep = sum_over(f, rep, axes, False, node.dtype)
    if rep.shape != given:
        rep = views.reshape(f, rep, given)
    for k in unsure:
        rep = _sum_if_stretched(f, lasting(f, rep, f.tokens(node)), k, shape[k])
    return rep


def _sum_if_stretched(f: Lowering, buffer: Buffer, axis: int, length: Integer) -> Buffer:
    """Sum over an axis unless it has the given length, which is 1 otherwise."""
    shape = (*buffer.shape[:axis], length, *buffer.shape[axis + 1 :])

    def summed() -> Buffer:
        found = in_memory_of(f, sum_over(f, buffer, axis, True, buffer.dtype))
        return Buffer(
            found.dtype, shape, found.pointer, found.strides, found.dense, found.tokens,
            found.memory,
        )  # fmt: skip

    same = f.body.compare("eq", buffer.shape[axis], length)
    return kept_if(f, same, buffer, summed)


SHAPING: dict[str, Callable[..., Any]] = {
    "getitem": _getitem,
    "read": _read,
    "permute": _permute,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "diagonal": _diagonal,
    "cast": _cast,
    "copy": _copy,
    "recompute": _same,
    "spectral_product": _same,
    "real": _part(0),
    "imag": _part(1),
    "stack": _stack,
    "concatenate": _concatenate,
    "pad": _pad,
    "sum_to": _sum_to,
}
