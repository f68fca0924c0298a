"""Reading parts of arrays: every kind of index that NumPy has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import CHEAP, lazy_cost
from adjoint.backends.llvm.lower.masks import places_of
from adjoint.backends.llvm.lower.nest import aligned
from adjoint.backends.llvm.lower.positions import Positions, positions_of
from adjoint.backends.llvm.lower.values import Index, Lazy, Number, Shape
from adjoint.backends.llvm.lower.views import Along, affine
from adjoint.backends.llvm.writer import Integer
from adjoint.ir import dims
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import Type
from adjoint.ops.inference.lengths import as_length

__all__ = ["Selection", "indexed", "select"]


@dataclass(slots=True)
class Slice:
    """A slice of an axis: where it starts, its step and length."""

    start: Integer
    step: Integer
    length: Integer


@dataclass(slots=True)
class Selection:
    """What an index names of an array.

    Attributes
    ----------
    shape : tuple of int or register
        Of what is named.
    sources : list
        For each axis of the array an `Along`, a place, or a `Positions`.
    gathered : tuple of int
        Where the axes that index arrays have together are, in the shape.
    """

    shape: Shape
    sources: list[Any]
    gathered: tuple[int, ...] = ()


# -- entries ---------------------------------------------------------------------------------------


def out_of_bounds(axis: int) -> Any:
    """Return the error of an index."""
    return lambda i, n: IndexError(f"index {i} is out of bounds for axis {axis} with size {n}")


def place(f: Lowering, i: Any, n: Integer, dimension: Any, axis: int) -> Integer:
    """Return an integer index as a place from 0 on, once it is known to be one of the axis."""
    body = f.body
    linear = as_length(i)
    at = f.dim(linear)
    if isinstance(at, int) and isinstance(n, int):
        if not -n <= at < n:
            f.check("false", out_of_bounds(axis), at, n)
            return 0
        return at % n
    low = dims.least(linear)
    inside = dimension is not None and _proved_less(linear, dimension)
    if isinstance(at, int) and at < 0:
        moved = body.add(at, n)
        if not (dimension is not None and _proved_less(-1 - at, dimension)):
            f.check(body.compare("sge", moved, 0), out_of_bounds(axis), at, n)
        return moved
    if low is None or low < 0:
        negative = body.compare("slt", at, 0)
        moved = body.select(negative, body.add(at, n), at)
    else:
        moved = at
        if inside:
            return moved
    truth = body.op(f"icmp ult i64 {moved}, {n}", moved, n)
    f.check(truth, out_of_bounds(axis), at, n)
    return moved


def _proved_less(x: Any, n: Any) -> bool:
    low = dims.least(dims.difference(n, dims.add(x, 1)))
    return low is not None and low >= 0


def slice_of(f: Lowering, s: slice, n: Integer, dimension: Any, length: Any) -> Slice:
    """Return a slice of an axis of n elements.

    ``dimension`` and ``length`` are those of the axis and of the slice as the graph has them, or
    None.
    """
    body = f.body
    start, stop, step = (None if x is None else as_length(x) for x in (s.start, s.stop, s.step))
    by = 1 if step is None else f.dim(step)
    if not isinstance(by, int):
        return _slice_any_step(f, start, stop, by, n, length)
    if by == 0:
        f.check("false", lambda i, m: ValueError("slice step cannot be zero"))
        by = 1
    top = n if by > 0 else body.sub(n, 1)
    first = _bound(f, start, 0 if by > 0 else top, n, top, by, length is not None, dimension)
    if length is not None:
        return Slice(first, by, f.dim(length))
    last = _bound(f, stop, top if by > 0 else -1, n, top, by, False, dimension)
    span = body.sub(last, first) if by > 0 else body.sub(first, last)
    size = abs(by)
    if size != 1:
        span = body.add(span, size - 1)
        span = span // size if isinstance(span, int) else body.op(f"sdiv i64 {span}, {size}", span)
    return Slice(first, by, body.most(span, 0))


def _bound(
    f: Lowering, bound: Any, default: Integer, n: Integer, top: Integer, step: int, loose: bool,
    dimension: Any,
) -> Integer:  # fmt: skip
    """Return where a slice begins or ends. ``loose``: past the end need not be clipped."""
    if bound is None:
        return default
    body = f.body
    at = f.dim(bound)
    low = dims.least(bound)
    bottom = 0 if step > 0 else -1
    if low is not None and low >= 0:
        if step > 0 and loose:
            return at
        if dimension is not None and step > 0 and _proved_less(bound, dims.add(dimension, 1)):
            return at
        return body.least(at, top)
    high = dims.greatest(bound)
    moved = body.add(at, n)
    if high is not None and high < 0:
        if isinstance(at, int) and dimension is not None and _proved_less(-1 - at, dimension):
            return moved
        return body.most(moved, bottom)
    negative = body.compare("slt", at, 0)
    clipped = body.select(negative, body.most(moved, bottom), at)
    return body.least(clipped, top)


def _slice_any_step(f: Lowering, start: Any, stop: Any, by: str, n: Integer, length: Any) -> Slice:
    """Return a slice whose step is known at run time only."""
    body = f.body
    f.check(body.compare("ne", by, 0), lambda i, m: ValueError("slice step cannot be zero"))
    up = body.compare("sgt", by, 0)
    bottom = body.select(up, 0, -1)
    top = body.select(up, n, body.sub(n, 1))

    def bound(x: Any, default: Integer) -> Integer:
        if x is None:
            return default
        at = f.dim(x)
        moved = body.select(body.compare("slt", at, 0), body.add(at, n), at)
        return body.least(body.most(moved, bottom), top)

    first = bound(start, body.select(up, 0, top))
    last = bound(stop, body.select(up, top, -1))
    if length is not None:
        return Slice(first, by, f.dim(length))
    span = body.select(up, body.sub(last, first), body.sub(first, last))
    size = body.select(up, by, body.sub(0, by))
    span = body.sub(body.add(span, size), 1)
    count = body.op(f"sdiv i64 {span}, {size}", span, size)
    return Slice(first, by, body.most(count, 0))


def _is_number(item: Any) -> bool:
    if isinstance(item, Value):
        if item.op is not None and item.op.name == "constant":
            return _is_number(item.params["value"])
        return item.shape == () and item.dtype.kind in "iu"
    if isinstance(item, (bool, np.bool)):
        return False
    return isinstance(item, (int, np.integer, Dim)) or (
        isinstance(item, np.ndarray) and item.shape == () and item.dtype.kind in "iu"
    )


def _plain(item: Any) -> Any:
    """Return an entry of an index without a constant's wrapping."""
    if isinstance(item, Value) and item.op is not None and item.op.name == "constant":
        return item.params["value"]
    return item


def entries_of(f: Lowering, index: Any, ndim: int) -> list[Any] | None:
    """Return the entries of an index, one an axis and None for a new one; no ellipsis.

    Index arrays are `Positions`. None where the index is of a kind that is left to NumPy.
    """
    given = [_plain(item) for item in (index if isinstance(index, tuple) else (index,))]
    entries: list[Any] = []
    ellipsis = None
    for item in given:
        if item is None or isinstance(item, slice):
            entries.append(item)
        elif item is Ellipsis:
            ellipsis = len(entries)
        elif _is_number(item):
            entries.append(item if isinstance(item, (Value, Dim)) else int(item))
        else:
            arrays = _arrays(f, item)
            if arrays is None:
                return None
            entries += arrays
    used = sum(e is not None for e in entries)
    at = len(entries) if ellipsis is None else ellipsis
    entries[at:at] = [slice(None)] * (ndim - used)
    return entries


def _arrays(f: Lowering, item: Any) -> list[Any] | None:
    """Return the index arrays that an entry stands for: of a mask, one an axis of it."""
    if isinstance(item, Value):
        if not isinstance(item.type, Type):
            return None
        if item.dtype.kind == "b":
            return None if not item.shape else places_of(f, f.rep(item))
        return [positions_of(f, f.rep(item))]
    if isinstance(item, (list, tuple)) and any(True for _ in values_in(item)):
        flat = np.empty(_nested(item), object)
        for at in np.ndindex(flat.shape):
            inner = item
            for k in at:
                inner = inner[k]
            flat[at] = f.dim(as_length(inner))
        return [_written(f, flat)]
    array = np.asarray(item)
    if array.dtype.kind == "b":
        if not array.shape:
            return None
        return [Positions.constant(f, a) for a in np.nonzero(array)]
    if array.dtype.kind not in "iu" and array.size:
        return None
    return [Positions.constant(f, array.astype(np.int64))]


def _nested(item: Any) -> tuple[int, ...]:
    return (len(item), *_nested(item[0])) if isinstance(item, (list, tuple)) else ()


def _written(f: Lowering, integers: np.ndarray) -> Positions:
    """Put a few integers, which are known at run time, into memory."""
    from adjoint.backends.llvm.lower.memory import allocate

    target = allocate(f, integers.shape, np.dtype(np.int64))
    for at in np.ndindex(integers.shape):
        f.store(target, at, str(integers[at]))
    return Positions(target)


# -- selections ------------------------------------------------------------------------------------


def select(
    f: Lowering, shape: Shape, index: Any, dimensions: tuple[Any, ...], result: Any
) -> Selection | None:
    """Return what an index names of an array.

    Parameters
    ----------
    f : Lowering
    shape : tuple
        Of the array.
    index
        The parameter of the operation.
    dimensions : tuple
        The array's shape as the graph has it.
    result : tuple or None
        The shape of what is named, as far as the graph has it.
    """
    entries = entries_of(f, index, len(shape))
    if entries is None:
        return None
    arrays = [e for e in entries if isinstance(e, Positions)]
    if not arrays:
        return _basic(f, shape, entries, dimensions, result)
    together = _broadcast_positions(f, arrays)
    spots = [k for k, e in enumerate(entries) if e is not None and not isinstance(e, slice)]
    adjacent = spots[-1] - spots[0] == len(spots) - 1
    before = sum(e is None or isinstance(e, slice) for e in entries[: spots[0]]) if adjacent else 0
    count = len(together)
    out: list[Integer] = []
    sources: list[Any] = []
    axis = 0
    number = 0
    for e in entries:
        if e is not None and not isinstance(e, slice):
            if isinstance(e, Positions):
                e.check(f, shape[axis])
                sources.append(e)
            else:
                sources.append(place(f, e, shape[axis], dimensions[axis], axis))
            axis += 1
            continue
        spot = number + (count if number >= before else 0)
        number += 1
        if e is None:
            out.append(1)
            continue
        length = None if result is None else result[spot]
        s = slice_of(f, e, shape[axis], dimensions[axis], length)
        sources.append(Along(spot, s.start, s.step))
        out.append(s.length)
        axis += 1
    out[before:before] = together
    return Selection(tuple(out), sources, tuple(range(before, before + count)))


def _basic(
    f: Lowering, shape: Shape, entries: list[Any], dimensions: tuple[Any, ...], result: Any
) -> Selection:
    out: list[Integer] = []
    sources: list[Any] = []
    axis = 0
    for e in entries:
        if e is None:
            out.append(1)
            continue
        n, dimension = shape[axis], dimensions[axis]
        if isinstance(e, slice):
            length = None if result is None else result[len(out)]
            if e.start is None and e.stop is None and e.step is None:
                s = Slice(0, 1, n)
            else:
                s = slice_of(f, e, n, dimension, length)
            sources.append(Along(len(out), s.start, s.step))
            out.append(s.length)
        else:
            sources.append(place(f, e, n, dimension, axis))
        axis += 1
    return Selection(tuple(out), sources)


def _broadcast_positions(f: Lowering, arrays: list[Positions]) -> Shape:
    from adjoint.backends.llvm.lower.shapes import broadcast

    ndim = max(len(a.rep.shape) for a in arrays)
    dimensions: list[Any] = []
    for k in range(ndim):
        lengths = {a.rep.shape[k - ndim] for a in arrays if len(a.rep.shape) >= ndim - k}
        known = [n for n in lengths if isinstance(n, int) and n != 1]
        dimensions.append(known[0] if known else None)
    unknown = tuple(
        tuple(None if not isinstance(n, int) else n for n in a.rep.shape) for a in arrays
    )
    types = [Type(np.dtype(np.int64), d) for d in unknown]
    shape, reps = broadcast(f, tuple(dimensions), [a.rep for a in arrays], types)
    for a, rep in zip(arrays, reps):
        a.rep = rep
    return shape


def indexed(f: Lowering, rep: Any, index: Any, dimensions: tuple[Any, ...], result: Any) -> Any:
    """Return ``rep[index]``; None where that is left to NumPy."""
    if isinstance(rep, Number):
        entries = index if isinstance(index, tuple) else (index,)
        if all(e is Ellipsis for e in entries):
            return rep
        if all(e is None or e is Ellipsis for e in entries):
            return affine(f, rep, (1,) * sum(e is None for e in entries), [])
        return None
    found = select(f, rep.shape, index, dimensions, result)
    if found is None:
        return None
    if not any(isinstance(s, Positions) for s in found.sources):
        if not found.shape:
            if isinstance(rep, Lazy) and rep.buffer is None and rep.shared:
                from adjoint.backends.llvm.lower.memory import force

                rep = force(f, rep)  # computed again, it may differ in the last bit
            at = tuple(found.sources)
            return Number(rep.dtype, f.element(rep, at))
        return affine(f, rep, found.shape, found.sources)
    return gather(f, rep, found)


def gather(f: Lowering, rep: Any, found: Selection) -> Lazy:
    """Return the array of the elements that a selection with index arrays names."""
    if isinstance(rep, Lazy) and rep.buffer is None and rep.cost > CHEAP:
        from adjoint.backends.llvm.lower.memory import force

        rep = force(f, rep)
    shape, sources = found.shape, found.sources

    def at(index: Index) -> Any:
        return f.element(rep, source_index(f, rep.shape, found, index))

    reads = tuple((s.rep, False) for s in sources if isinstance(s, Positions))
    cost = lazy_cost(rep) + 3 * len(reads)
    return Lazy(rep.dtype, shape, at, ((rep, False), *reads), cost, shared=f.node in f.several)


def source_index(f: Lowering, have: Shape, found: Selection, index: Index) -> Index:
    """Return the index of the array for one of what a selection names."""
    body = f.body
    inner: list[Integer] = []
    together = tuple(index[k] for k in found.gathered)
    shape = tuple(found.shape[k] for k in found.gathered)
    for s, n in zip(found.sources, have):
        if isinstance(s, Along):
            inner.append(body.add(s.start, body.mul(index[s.axis], s.step)))
        elif isinstance(s, Positions):
            inner.append(s.at(f, aligned(s.rep, shape, together), n))
        else:
            inner.append(s)
    return tuple(inner)
