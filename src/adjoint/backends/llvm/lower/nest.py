"""Nests of loops over the elements of arrays.

Axes that lie in memory as one are gone through as one; short axes at the end are written out, so
that the loop around them is the one that LLVM makes vectors of. Every pass of such a nest is
independent of the others, which LLVM is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from adjoint.backends.llvm.lower.core import SHORT, Lowering
from adjoint.backends.llvm.lower.joined import Joined, common_shape, few
from adjoint.backends.llvm.lower.polling import charge
from adjoint.backends.llvm.lower.regions import (
    check_regions,
    close_first,
    element_cost,
    shared,
    splits,
)
from adjoint.backends.llvm.lower.types import Element, cast
from adjoint.backends.llvm.lower.values import (
    MERGED,
    Array,
    Buffer,
    Index,
    Lazy,
    Number,
    Shape,
)
from adjoint.backends.llvm.writer import Integer

__all__ = [
    "aligned",
    "copy_into",
    "count_nest",
    "each",
    "mergeable",
    "prepare",
    "settled",
    "write_into",
]

UNROLLED = 8
"""Elements of the last axes up to which they are written out."""

_FEW_PASSES = (
    '!{{!"llvm.loop.vectorize.predicate.enable", i1 true}}',
    '!{{!"llvm.loop.interleave.count", i32 {vectors}}}',
    '!{{!"llvm.loop.unroll.disable"}}',
)
"""What LLVM is told of a loop of few passes; the last, if it knows how many."""

LANES = 8
"""Numbers in a vector."""

WRITTEN_OUT = 16
"""Elements up to which a whole array is written out."""


# -- axes ------------------------------------------------------------------------------------------


def aligned(rep: Array, shape: Shape, index: Index) -> Index:
    """Return the index of an operand for an index of the shape that it is broadcast to."""
    lead = len(shape) - len(rep.shape)
    if lead == 0 and rep.shape == shape:
        return index
    found = []
    for k, n in enumerate(rep.shape, lead):
        i = index[k]
        found.append(0 if n == 1 and shape[k] != 1 else i)
    return tuple(found)


def mergeable(f: Lowering, rep: Array, shape: Shape, k: int) -> bool:
    """Tell whether axes k and k + 1 of a shape are as one for an operand stretched to it."""
    if isinstance(rep, Number):
        return True
    at = k - (len(shape) - len(rep.shape))
    if at < -1:
        return True
    if at == -1:
        return rep.shape[0] == 1
    first = rep.shape[at] == 1 and shape[k] != 1
    second = rep.shape[at + 1] == 1 and shape[k + 1] != 1
    if first or second:
        return first and second
    if isinstance(rep, Lazy):
        if rep.buffer is None:
            return rep.mergeable is not None and rep.mergeable(at)
        rep = rep.buffer
    if rep.dense:
        return True
    return rep.strides[at] == f.body.mul(rep.strides[at + 1], rep.shape[at + 1])


class Axes:
    """How the axes of a nest are gone through.

    Attributes
    ----------
    groups : list of list of int
        Axes that are gone through as one.
    counts : list of int or register
    first_written : int
        The groups from this one on are written out.

    Axes k of ``apart`` are not merged with the one before.
    """

    def __init__(
        self,
        f: Lowering,
        shape: Shape,
        reps: Sequence[Array],
        apart: frozenset[int] = frozenset(),
        unrolled: bool = True,
    ) -> None:
        self.shape = shape
        self.groups = []
        for k in range(len(shape)):
            if (
                self.groups
                and k not in apart
                and shape[k] != 1
                and shape[k - 1] != 1
                and all([mergeable(f, rep, shape, k - 1) for rep in reps])
            ):
                self.groups[-1].append(k)
            else:
                self.groups.append([k])
        self.counts = [f.body.product([shape[k] for k in g]) for g in self.groups]
        self.first_written = len(self.groups)
        if not unrolled:
            return
        known = [n for n in self.counts if isinstance(n, int)]
        if len(known) == len(self.counts) and math.prod(known) <= WRITTEN_OUT:
            self.first_written = 0
            return
        written = 1
        while self.first_written:
            n = self.counts[self.first_written - 1]
            if not isinstance(n, int) or written * n > UNROLLED:
                break
            written *= n
            self.first_written -= 1

    def index(self, positions: Sequence[Integer]) -> Index:
        """Return the index of the array for positions in the groups."""
        index: list[Integer] = []
        for group, i in zip(self.groups, positions, strict=True):
            index += [MERGED] * (len(group) - 1) + [i]
        return tuple(index)


def each(
    f: Lowering,
    axes: Axes,
    body: Callable[[Index], None],
    independent: bool = True,
    cost: int | None = None,
) -> None:
    """Write a nest whose innermost part is written by ``body``, from the index.

    ``cost``: of an element, if several threads may run the nest (`regions`).
    """
    loops = axes.counts[: axes.first_written]
    cut = shared(loops) if cost is not None and splits(f, axes.counts, cost) else -1
    former = f.group
    last = max([k for k, n in enumerate(loops) if n != 1], default=-1)
    note, group = parallel(f, loops[last], True) if independent and last >= 0 else ("", former)
    positions: list[Integer] = [
        0
        if n == 1
        else f.body.open_loop("%end", note if k == last else "", "%begin")
        if k == cut
        else f.body.open_loop(n, note if k == last else "")
        for k, n in enumerate(loops)
    ]
    f.group = group
    write_out(axes.counts[axes.first_written :], positions, lambda at: body(axes.index(at)))
    f.group = former
    for n in loops[cut + 1 :]:
        if n != 1:
            f.body.close_loop()
    if cut >= 0:
        assert cost is not None
        inner = f.body.product(axes.counts[cut + 1 :])
        f.memo.clear()
        close_first(f, loops[cut], f.body.mul(inner, cost))
    f.memo.clear()


def count_nest(f: Lowering, counts: Sequence[Integer]) -> None:
    """Count the elements of a nest within a loop (`polling`)."""
    if len(f.body.levels) == 1 and len(f.hoists) > 1:
        charge(f, f.body.product(counts))


def parallel(
    f: Lowering,
    count: Integer,
    stores: bool = False,
    long: bool = False,
    unrolled: bool = True,
) -> tuple[str, str]:
    """Return what the end of a loop, and what each access in it is marked with.

    It says that no pass of the loop reads or writes what another one writes. Where passes are few,
    it says to make vectors of the last ones too, under a mask. ``stores``: each pass stores what
    it computes, and that is all. ``long``: a pass may be long. Then two vectors are computed side
    by side where that is all, so that neither waits for the other. ``unrolled``: whether several
    passes may be written out.
    """
    group = f.module.metadata("distinct !{}")
    accesses = f.module.metadata(f'!{{!"llvm.loop.parallel_accesses", {group}}}')
    parts = [accesses]
    few = stores and isinstance(count, int) and UNROLLED < count <= SHORT
    if few or count in f.short:
        now = count if isinstance(count, int) else f.short[count]
        told = _FEW_PASSES[: 3 if few else 2]
        vectors = 2 if long and LANES < now <= 2 * LANES else 1
        parts += [f.module.metadata(text.format(vectors=vectors)) for text in told]
    if not unrolled:
        parts.append(f.module.metadata('!{!"llvm.loop.unroll.disable"}'))
    own = f.module.metadata("")
    f.module.fill(own, f"distinct !{{{', '.join([own, *parts])}}}")
    return f"!llvm.loop {own}", f", !llvm.access.group {group}"


def write_out(
    counts: Sequence[Integer], positions: list[Integer], body: Callable[[list[Integer]], None]
) -> None:
    """Call ``body`` with each of the positions in axes of known lengths."""
    if not counts:
        body(positions)
        return
    n = counts[0]
    assert isinstance(n, int)
    for i in range(n):
        write_out(counts[1:], [*positions, i], body)


# -- what is read ----------------------------------------------------------------------------------


def prepare(
    f: Lowering, shape: Shape, reps: Sequence[tuple[Any, bool]], written: Any = None
) -> None:
    """Make ready what a nest over a shape reads: (operand, whether at the index of the nest).

    What is to be in memory once it is computed is computed before, or in the nest if that goes
    through all of it: then it is stored on the way.
    """
    from adjoint.backends.llvm.lower.memory import force, new_buffer

    while True:
        seen: dict[Lazy, bool] = {}
        for rep, same in reps:
            _visit(rep, same, seen)
        late = [
            lazy
            for lazy, same in seen.items()
            if lazy.shared and not (same and lazy.shape == shape)
        ]
        if not late:
            break
        # What a later one reads comes first.
        force(f, late[-1])
    for lazy in seen:
        if lazy.shared and lazy not in f.through:
            f.through[lazy] = new_buffer(f, lazy)
    if f.program.notes is not None:
        f.program.notes.nest(f, written, seen, f.through)


def _visit(rep: Any, same: bool, seen: dict[Lazy, bool]) -> None:
    if not isinstance(rep, Lazy) or rep.buffer is not None:
        return
    known = seen.get(rep)
    if known is not None and (same or not known):
        return
    seen[rep] = same
    for operand, here in rep.operands:
        _visit(operand, same and here, seen)


def settled(f: Lowering) -> None:
    """Note, after a nest, what is in memory now."""
    from adjoint.backends.llvm.lower.memory import made

    through, f.through = f.through, {}
    for lazy, target in through.items():
        made(f, lazy, target)
    f.memo.clear()


# -- writing arrays --------------------------------------------------------------------------------


def copy_into(f: Lowering, target: Buffer, rep: Array, itself: bool = False) -> None:
    """Store an array, or what is broadcast to it, in memory that it does not overlap.

    ``itself``: the memory is the array's own from now on.
    """
    write_into(f, [(target, rep)], None, itself)


def write_into(
    f: Lowering,
    pairs: Sequence[tuple[Buffer, Array]],
    combine: Callable[[Element, Element], Element] | None = None,
    itself: bool = False,
    path: Any = None,
) -> None:
    """Store arrays of one shape in memory that no other of them reads, in one nest.

    ``combine``: what was there, combined with them. ``path``: the pointer of an array, and the path
    in the graph from it to the place where one is stored.
    """
    shape = pairs[0][0].shape
    for _, rep in pairs:
        shape = common_shape(shape, rep.shape)
    if any(n == 0 for n in shape):
        return
    outer, f.through = f.through, {}
    read = [(rep, len(rep.shape) == len(shape)) for _, rep in pairs]
    ((rep, same), *_) = read
    if itself and isinstance(rep, Lazy):
        prepare(f, shape, [(x, same and here) for x, here in rep.operands], rep.key)
    else:
        prepare(f, shape, read)
    stores: list[tuple[Buffer, Index, Element]] = []

    def body(index: Index) -> None:
        for target, rep in pairs:
            at = aligned(rep, shape, index)
            x = rep.element(at) if itself and isinstance(rep, Lazy) else f.element(rep, at)
            x = cast(f.body, x, rep.dtype, target.dtype)
            if combine is not None:
                x = combine(f.load(target, index, pinned=True), x)
            if not axes.first_written:
                stores.append((target, index, x))  # nothing that is read lies in the way then
            elif itself:
                f.keep(target, index, x)
            else:
                f.store(target, index, x)

    axes = Axes(f, shape, [array for pair in pairs for array in pair])
    cost = sum([element_cost(rep) for _, rep in pairs])
    if _may_stay_open(f, axes, cost):
        _join(f, axes, pairs, path, body)
    else:
        lines = f.body.begin_nest()
        # Of several arrays it stays whole: LLVM makes no vectors in functions of many pointers.
        each(f, axes, body, cost=cost if len(pairs) == 1 else None)
        for target, index, x in stores:
            f.store(target, index, x)
        f.body.end_nest(lines)
        check_regions(f)
        count_nest(f, axes.counts)
    settled(f)
    f.through = outer


def _may_stay_open(f: Lowering, axes: Axes, cost: int) -> bool:
    """Tell whether what is stored next may be stored in the same nest."""
    if len(f.body.levels) > 1 or len(f.hoists) == 1:
        return False
    loops = axes.counts[: axes.first_written]
    return any(n != 1 for n in loops) and few(f, loops) and not splits(f, axes.counts, cost)


def _join(
    f: Lowering,
    axes: Axes,
    pairs: Sequence[tuple[Buffer, Array]],
    path: Any,
    body: Callable[[Index], None],
) -> None:
    """Write a nest into the one that is open, or leave it open."""
    more = list(f.through.values())
    joined = f.joined
    if joined is not None and not joined.takes(axes.shape, axes.groups, pairs, more, path):
        f.body.settled()
        joined = None
    if joined is None:
        joined = _open(f, axes)
    else:
        joined.resume()
        if f.program.notes is not None:
            f.program.notes.join(f)
    joined.reads += joined.leaves(pairs)
    joined.writes += [(target, path) for target, _ in pairs] + [(target, None) for target in more]
    joined.each(body)
    joined.suspend()


def _open(f: Lowering, axes: Axes) -> Joined:
    """Begin a nest of which more may be written."""
    joined = Joined(f, axes)
    joined.lines = f.body.begin_nest()
    loops = axes.counts[: axes.first_written]
    last = max([k for k, n in enumerate(loops) if n != 1])
    note, group = parallel(f, loops[last], True, True)
    positions: list[Integer] = [
        0 if n == 1 else f.body.open_loop(n, note if k == last else "") for k, n in enumerate(loops)
    ]
    joined.group, f.group = f.group, group
    f.memo.clear()
    f.values, f.temporary = {}, joined.temporary

    def write(body: Callable[[Index], None]) -> None:
        write_out(
            axes.counts[axes.first_written :], list(positions), lambda at: body(axes.index(at))
        )

    def finish() -> None:
        f.group = joined.group
        for n in loops:
            if n != 1:
                f.body.close_loop()
        f.memo = {}
        f.body.end_nest(joined.lines)
        count_nest(f, axes.counts)

    joined.each, joined.finish = write, finish
    return joined
