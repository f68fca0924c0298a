"""Views: an array's elements by other indices, without a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import force
from adjoint.backends.llvm.lower.nest import mergeable
from adjoint.backends.llvm.lower.shapes import fit
from adjoint.backends.llvm.lower.types import Element, part_size, zero
from adjoint.backends.llvm.lower.values import MERGED, Buffer, Index, Lazy, Number, Shape
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.dims import Dim

__all__ = [
    "Along", "affine", "broadcast_to", "diagonal", "part", "permute", "reshape", "uniform",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Along:
    """An axis of the source as the index of the view says: start + step · (index on ``axis``)."""

    axis: int
    start: Integer = 0
    step: Integer = 1


Source = "Along | int | str"
"""An axis of the source: gone along, or at one place."""


def uniform(dtype: np.dtype, shape: Shape, x: Element) -> Lazy:
    """Return an array of one number."""
    return Lazy(dtype, shape, lambda index: x, cost=0, mergeable=lambda k: True)


def affine(f: Lowering, rep: Any, shape: Shape, sources: list[Any]) -> Any:
    """Return the view of ``shape`` whose element at an index is one of ``rep``'s.

    Parameters
    ----------
    f : Lowering
    rep : Number, Buffer or Lazy
    shape : tuple
    sources : list
        For each axis of ``rep`` an `Along`, or the place where it is read.
    """
    if isinstance(rep, Number):
        return uniform(rep.dtype, shape, rep.element)
    if isinstance(rep, Lazy) and rep.buffer is not None:
        rep = rep.buffer
    if isinstance(rep, Buffer):
        return _of_buffer(f, rep, shape, sources)
    if rep.cost == 0 and not rep.operands:
        return uniform(rep.dtype, shape, f.element(rep, (0,) * len(rep.shape)))
    body = f.body
    # What the places are computed from has to be there wherever an element is read.
    fixed = [s if not isinstance(s, Along) else None for s in sources]

    def at(index: Index) -> Element:
        inner: list[Integer] = []
        for s, place in zip(sources, fixed):
            if place is not None:
                inner.append(place)
            else:
                i = index[s.axis]
                inner.append(i if i == MERGED else body.add(s.start, body.mul(i, s.step)))
        return f.element(rep, tuple(inner))

    view = None
    if rep.view is not None:
        view = _of_buffer(f, rep.view, shape, sources)
    same = len(shape) == len(rep.shape) and all(
        s == Along(k) for k, s in enumerate(sources)
    ) and shape == rep.shape  # fmt: skip
    return Lazy(
        rep.dtype,
        shape,
        at,
        ((rep, same),),
        rep.cost if not rep.shared else 1,
        lambda k: _merges(f, rep, sources, shape, k),
        view=view,
    )


def _of_buffer(f: Lowering, rep: Buffer, shape: Shape, sources: list[Any]) -> Buffer:
    body = f.body
    starts = tuple([s.start if isinstance(s, Along) else s for s in sources])
    pointer = f.offset(rep.pointer, rep.strides, starts, rep.dtype)
    strides: list[Integer] = [0] * len(shape)
    for s, stride in zip(sources, rep.strides):
        if isinstance(s, Along):
            strides[s.axis] = body.add(strides[s.axis], body.mul(stride, s.step))
    final = tuple(strides)
    dense = bool(final) and final[-1] == rep.dtype.itemsize and final == f.strides(shape, rep.dtype)
    return Buffer(rep.dtype, shape, pointer, final, dense or not final, rep.tokens, rep.memory)


def _merges(f: Lowering, rep: Any, sources: list[Any], shape: Shape, k: int) -> bool:
    """Tell whether axes k and k + 1 of a view are axes of the source that can be merged."""
    users = [at for at, s in enumerate(sources) if isinstance(s, Along) and s.axis in (k, k + 1)]
    if not users:
        return True
    if len(users) != 2 or users[1] != users[0] + 1:
        return False
    at = users[0]
    whole = sources[at] == Along(k) and sources[at + 1] == Along(k + 1)
    return whole and shape[k + 1] == rep.shape[at + 1] and mergeable(f, rep, rep.shape, at)


# -- the views that NumPy has ----------------------------------------------------------------------


def permute(f: Lowering, rep: Any, axes: tuple[int, ...]) -> Any:
    """Return ``rep.transpose(axes)``."""
    if isinstance(rep, Number):
        return rep
    axes = tuple(a % len(axes) for a in axes)
    shape = tuple(rep.shape[a] for a in axes)
    return affine(f, rep, shape, [Along(axes.index(k)) for k in range(len(axes))])


def broadcast_to(f: Lowering, rep: Any, dimensions: tuple[Any, ...], shape: Shape) -> Any:
    """Return an array broadcast to a shape; ``dimensions`` are its own, as the graph has them."""
    if isinstance(rep, Number):
        return uniform(rep.dtype, shape, rep.element)
    rep = fit(f, rep, dimensions, shape)
    lead = len(shape) - len(rep.shape)
    sources: list[Any] = [
        0 if n == 1 and shape[k] != 1 else Along(k) for k, n in enumerate(rep.shape, lead)
    ]
    return affine(f, rep, shape, sources)


def diagonal(f: Lowering, rep: Any, shape: Shape, offset_axes: tuple[Any, int, int]) -> Any:
    """Return ``np.diagonal(rep, *offset_axes)``, of a shape that is known."""
    ndim = len(rep.shape)
    offset, first, second = offset_axes[0], offset_axes[1] % ndim, offset_axes[2] % ndim
    down = f.body.sub(0, offset) if not isinstance(offset, int) else -offset
    rest = [k for k in range(ndim) if k not in (first, second)]
    sources: list[Any] = []
    for k in range(ndim):
        if k == first:
            sources.append(Along(len(shape) - 1, f.body.most(down, 0)))
        elif k == second:
            sources.append(Along(len(shape) - 1, f.body.most(offset, 0)))
        else:
            sources.append(Along(rest.index(k)))
    return affine(f, rep, shape, sources)


def diagonal_length(f: Lowering, rep: Any, offset_axes: tuple[Any, int, int]) -> Integer:
    """Return how many elements the diagonal has."""
    body, ndim = f.body, len(rep.shape)
    offset, rows, columns = offset_axes[0], rep.shape[offset_axes[1]], rep.shape[offset_axes[2]]
    del ndim
    below = body.sub(rows, body.most(body.sub(0, offset), 0))
    beside = body.sub(columns, body.most(offset, 0))
    return body.most(body.least(below, beside), 0)


def part(f: Lowering, rep: Any, which: int) -> Any:
    """Return the real (0) or imaginary (1) part of an array."""
    dtype = rep.dtype
    real = dtype.type(0).real.dtype
    if isinstance(rep, Lazy) and rep.buffer is not None:
        rep = rep.buffer
    if dtype.kind != "c":
        if which == 0:
            return rep
        nothing = zero(dtype)
        return Number(dtype, nothing) if not rep.shape else uniform(dtype, rep.shape, nothing)
    if isinstance(rep, Number):
        return Number(real, rep.element[which])
    if isinstance(rep, Buffer):
        pointer = rep.pointer
        if which:
            size = part_size(dtype)
            pointer = f.body.op(f"getelementptr inbounds i8, ptr {pointer}, i64 {size}", pointer)
        return Buffer(real, rep.shape, pointer, rep.strides, False, rep.tokens, rep.memory)
    return Lazy(
        real,
        rep.shape,
        lambda index: f.element(rep, index)[which],
        ((rep, True),),
        rep.cost,
        rep.mergeable,
        view=None if rep.view is None else part(f, rep.view, which),
    )


# -- reshape ---------------------------------------------------------------------------------------


def reshape(f: Lowering, rep: Any, shape: Shape) -> Any:
    """Return ``rep.reshape(shape)``: a view where that is possible."""
    found = reshaped_view(f, rep, shape)
    if found is not None:
        return found
    if isinstance(rep, Buffer):
        from adjoint.backends.llvm.lower.memory import allocate
        from adjoint.backends.llvm.lower.nest import copy_into

        copy = allocate(f, rep.shape, rep.dtype)
        copy_into(f, copy, rep)
        return Buffer(
            rep.dtype, shape, copy.pointer, f.strides(shape, rep.dtype), True, memory=copy.memory
        )
    return reshape(f, force(f, rep), shape)


def reshaped_view(f: Lowering, rep: Any, shape: Shape) -> Any:
    """Return a view of another shape; None where there is none, or none that is known."""
    if isinstance(rep, Number):
        return uniform(rep.dtype, shape, rep.element)
    if isinstance(rep, Lazy) and rep.buffer is not None:
        rep = rep.buffer
    have = [n for n in rep.shape if n != 1]
    want = [n for n in shape if n != 1]
    if have == want:
        places = [k for k, n in enumerate(shape) if n != 1]
        sources: list[Any] = []
        for n in rep.shape:
            sources.append(0 if n == 1 else Along(places.pop(0)))
        found = affine(f, rep, shape, sources)
        if isinstance(rep, Buffer) and rep.dense and not found.dense:
            found.strides, found.dense = f.strides(shape, rep.dtype), True
        return found
    count, total = f.body.product(rep.shape), f.body.product(shape)
    f.refuse_unless(f.body.compare("eq", count, total))
    if isinstance(rep, Buffer):
        if not rep.dense:
            return None
        return Buffer(
            rep.dtype, shape, rep.pointer, f.strides(shape, rep.dtype), True, rep.tokens, rep.memory
        )
    if not rep.operands and rep.cost == 0:
        return uniform(rep.dtype, shape, f.element(rep, (0,) * len(rep.shape)))
    if rep.view is not None and rep.view.dense:
        # The elements are not in this order in any loop, but memory is.
        view = reshaped_view(f, rep.view, shape)
        return Lazy(
            rep.dtype, shape, lambda index: f.load(view, index), ((view, True),), 1,
            lambda k: mergeable(f, view, shape, k), view=view,
        )  # fmt: skip
    return None


def shape_of_reshape(f: Lowering, rep: Any, dimensions: tuple[Any, ...], target: Any) -> Shape:
    """Return the shape of ``rep.reshape(target)``; ``dimensions`` as far as the graph knows it."""
    if None not in dimensions:
        return f.shape(dimensions)
    given = [target] if isinstance(target, (int, Dim)) else list(target)
    known = [f.dim(n) for n in given]
    if -1 in known:
        at = known.index(-1)
        others = f.body.product(known[:at] + known[at + 1 :])
        total = f.body.product(rep.shape)
        nonzero = f.body.most(others, 1)
        known[at] = (
            total // nonzero
            if isinstance(total, int) and isinstance(nonzero, int)
            else f.body.op(f"sdiv i64 {total}, {nonzero}", total, nonzero)
        )
    return tuple(known)
