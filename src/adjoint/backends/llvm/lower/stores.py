"""Storing into arrays, in place where the analysis of ownership allows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import CHEAP, lazy_cost
from adjoint.backends.llvm.lower.equal import known_equal, length_of_slice
from adjoint.backends.llvm.lower.indexing import source_index
from adjoint.backends.llvm.lower.memory import (
    allocate,
    force,
    overwritten,
    reads,
    real_buffer,
)
from adjoint.backends.llvm.lower.nest import (
    Axes,
    aligned,
    copy_into,
    each,
    prepare,
    settled,
    write_into,
)
from adjoint.backends.llvm.lower.paths import Target, reached, types_along
from adjoint.backends.llvm.lower.positions import Positions
from adjoint.backends.llvm.lower.scalar import TABLE, Scalars
from adjoint.backends.llvm.lower.shapes import fit
from adjoint.backends.llvm.lower.types import Element, arithmetic, cast
from adjoint.backends.llvm.lower.values import Buffer, Index, Lazy, Number
from adjoint.backends.llvm.lower.views import uniform
from adjoint.ir.core import Block
from adjoint.ir.graph import Value
from adjoint.ops.indexing import index_add
from adjoint.ops.linalg import matmul

__all__ = ["is_summed", "own_copy", "store"]


def store(f: Lowering, node: Value) -> Any:
    """Lower ``update`` and ``index_add``; None where that is left to NumPy."""
    x, value = node.inputs
    adds = node.op is index_add
    if adds and (not arithmetic(x.dtype) or not arithmetic(value.dtype)):
        return None
    path = node.params["path"]
    if isinstance(f.rep(x), Number):
        return _of_number(f, node, adds)
    buffer = own_copy(f, node, x, path)
    target = reached(f, buffer, x, path)
    if target is None:
        from adjoint.backends.llvm.lower.callbacks import make_what_is_left, store_by_numpy

        make_what_is_left(f, node)
        store_by_numpy(f, node, buffer)
        return buffer
    if value not in f.env and value.op is matmul:
        surely = _surely(f, x, path, value.type.shape)
        if _add_product(f, value, target, buffer, surely):
            return buffer
    rep = _value(f, value, target, buffer, _surely(f, x, path, value.type.shape))
    _settle_positions(f, target, buffer)
    if target.selection is None:
        combine = _addition(f, target.buffer.dtype) if adds else None
        write_into(f, [(target.buffer, rep)], combine, path=(buffer.pointer, path))
    else:
        _scatter(f, target, rep, _addition(f, target.buffer.dtype) if adds else None)
    return buffer


def is_summed(f: Lowering, block: Block, at: int) -> bool:
    """Tell whether a product is made for nothing but being added to an array by what comes next.

    It is left to that, which may have BLAS add it up in place: C ← C + A B.
    """
    node = block.nodes[at]
    if node.op is not matmul or f.lifetimes.last[block].get(node) != at + 1:
        return False
    after = block.nodes[at + 1] if at + 1 < len(block.nodes) else None
    return (
        after is not None
        and after.op is index_add
        and after.inputs[1] is node
        and after.inputs[0] is not node
        and bool(after.shape)
        and f.ownership.in_place.get(after, False)
    )


def _add_product(
    f: Lowering, node: Value, target: Target, buffer: Buffer, shape: tuple[Any, ...]
) -> bool:
    """Make a product that `is_summed` left; tell whether it was added up where it belongs.

    ``shape`` is the place's as the graph has it.
    """
    from adjoint.backends.llvm.lower.table import lower

    place = target.buffer
    asked = (
        target.selection is None
        and place.dense
        and place.dtype == node.dtype
        and len(shape) == len(node.shape)
        and all([known_equal(f, m, n) for m, n in zip(shape, node.shape)])
        and not any([reads(f.rep(v)) & buffer.tokens for v in node.inputs])
    )
    if asked:
        f.sums[node] = place
    lower(f, node)
    return asked and f.sums.pop(node, None) is None


def _surely(f: Lowering, x: Value, path: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the shape of the part at a path; None for lengths that may not be those given."""
    place = types_along(x, path)[-1].shape
    if None not in place:
        return place
    found = types_along(x, path, lambda *of: length_of_slice(f, *of))[-1].shape
    lead = len(given) - len(place)
    return tuple(
        m
        if m is not None or n is None or k < -lead or not known_equal(f, n, given[k + lead])
        else n
        for k, (m, n) in enumerate(zip(place, found))
    )


def own_copy(f: Lowering, node: Value, x: Value, path: Any) -> Buffer:
    """Return the memory that an operation changes: its operand's, or that of a copy."""
    rep = f.rep(x)
    if f.ownership.in_place.get(node, False):
        buffer = real_buffer(f, rep)
        overwritten(f, buffer.tokens | f.tokens(x), but=rep)
        return buffer
    target = f.destinations.pop(node, None)
    if target is None:
        target = allocate(f, rep.shape, rep.dtype, x.type.shape)
    copy_into(f, target, rep)
    target.tokens = target.tokens | f.tokens(node)
    return target


def _of_number(f: Lowering, node: Value, adds: bool) -> Any:
    """Store into an array without axes, which is a number in registers."""
    x, value = node.inputs
    for kind, index in node.params["path"]:
        entries = index if isinstance(index, tuple) else (index,)
        if kind != "index" or any(e is not Ellipsis for e in entries):
            return None
    given = f.rep(value)
    y = f.element(given, (0,) * len(given.shape))
    if adds:
        y = _addition(f, x.dtype)(f.number(x), cast(f.body, y, value.dtype, x.dtype))
        return Number(x.dtype, y)
    return Number(x.dtype, cast(f.body, y, value.dtype, x.dtype))


def _addition(f: Lowering, t: np.dtype) -> Callable[[Element, Element], Element]:
    if t.kind == "b":
        return lambda x, y: f.body.op(f"or i1 {x}, {y}", x, y)
    add = TABLE["add", t.kind]
    return lambda x, y: add(Scalars(f.body), (t,), x, y)


def _value(
    f: Lowering, value: Value, target: Target, buffer: Buffer, place: tuple[Any, ...]
) -> Any:
    """Return what is stored, fit for the place where it goes.

    ``place`` is the shape of that as the graph has it.
    """
    rep = f.rep(value)
    shape = target.buffer.shape if target.selection is None else target.selection.shape
    if isinstance(rep, Number):
        return rep
    dimensions = value.type.shape
    lead = len(rep.shape) - len(shape)
    if lead > 0:  # a store drops leading axes of length one
        from adjoint.backends.llvm.lower.views import Along, affine

        sources: list[Any] = [0] * lead + [Along(k) for k in range(len(shape))]
        for n in rep.shape[:lead]:
            f.refuse_unless(f.body.compare("eq", n, 1))
        rep = affine(f, rep, rep.shape[lead:], sources)
        dimensions, lead = dimensions[lead:], 0
    # What nobody knows the length of may be of another one than what is stored there.
    unsure = [None if place[k - lead] is None else n for k, n in enumerate(dimensions)]
    rep = fit(f, rep, tuple(unsure), shape)
    if isinstance(rep, Lazy) and rep.buffer is None and lazy_cost(rep) > CHEAP:
        lead = len(shape) - len(rep.shape)
        if lead or any(m == 1 and n != 1 for m, n in zip(rep.shape, shape[lead:])):
            rep = force(f, rep)
    if _overlaps(rep, target, buffer):
        copy = allocate(f, rep.shape, rep.dtype)
        copy_into(f, copy, rep)
        return copy
    return rep


def _overlaps(rep: Any, target: Target, buffer: Buffer) -> bool:
    """Tell whether storing may change what is still to be read."""
    tokens = buffer.tokens
    if not (reads(rep) & tokens):
        return False
    if target.selection is not None:
        return True
    return not _same_places(rep, target.buffer, tokens, len(target.buffer.shape))


def _settle_positions(f: Lowering, target: Target, buffer: Buffer) -> None:
    """Compute index arrays beforehand that are read from what is stored into."""
    for s in target.selection.sources if target.selection is not None else ():
        if isinstance(s, Positions) and reads(s.rep) & buffer.tokens:
            copy = allocate(f, s.rep.shape, s.rep.dtype)
            copy_into(f, copy, s.rep)
            s.rep = copy


def _same_places(rep: Any, target: Buffer, tokens: frozenset[int], ndim: int) -> bool:
    """Tell whether what is read of the target's memory is read at the place that is stored."""
    if isinstance(rep, Lazy) and rep.buffer is not None:
        rep = rep.buffer
    if isinstance(rep, Buffer):
        if not rep.tokens & tokens:
            return True
        return (
            rep.pointer == target.pointer
            and rep.strides == target.strides
            and rep.shape == target.shape
            and rep.dtype == target.dtype
        )
    if isinstance(rep, Lazy):
        return all(
            (same and len(operand.shape) == ndim and _same_places(operand, target, tokens, ndim))
            or not (reads(operand) & tokens)
            for operand, same in rep.operands
        )
    return True


def _scatter(
    f: Lowering,
    target: Target,
    rep: Any,
    combine: Callable[[Element, Element], Element] | None,
) -> None:
    """Store at index arrays, in the order in which they name places: of several the last stays."""
    found, buffer = target.selection, target.buffer
    assert found is not None
    if any(n == 0 for n in found.shape):
        return
    outer, f.through = f.through, {}
    prepare(f, found.shape, [(rep, len(rep.shape) == len(found.shape))])
    axes = Axes(f, found.shape, [uniform(buffer.dtype, found.shape, "0")], _every(found.shape))

    def body(index: Index) -> None:
        inner = source_index(f, buffer.shape, found, index)
        x = cast(f.body, f.element(rep, aligned(rep, found.shape, index)), rep.dtype, buffer.dtype)
        if combine is not None:
            x = combine(f.load(buffer, inner, pinned=True), x)
        f.store(buffer, inner, x)

    each(f, axes, body, independent=False)
    settled(f)
    f.through = outer


def _every(shape: Any) -> frozenset[int]:
    return frozenset(range(len(shape)))
