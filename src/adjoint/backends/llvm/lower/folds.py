"""Folds: the elements of an array, or those along some of its axes, taken together.

Sums are taken in blocks whose sums are added with compensation: within a block LLVM may add in any
order, and does so in several accumulators at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import CHEAP, lazy_cost
from adjoint.backends.llvm.lower.memory import allocate
from adjoint.backends.llvm.lower.nest import (
    Axes,
    copy_into,
    count_nest,
    mergeable,
    parallel,
    prepare,
    settled,
    write_out,
)
from adjoint.backends.llvm.lower.regions import (
    check_regions,
    close_first,
    element_cost,
    grouped,
    shared,
    splits,
)
from adjoint.backends.llvm.lower.types import Element, in_registers, literal, parts_of
from adjoint.backends.llvm.lower.values import Buffer, Index, Lazy, Number, Shape
from adjoint.backends.llvm.lower.views import uniform
from adjoint.backends.llvm.writer import Integer

__all__ = ["Fold", "fold", "fold_all"]

BLOCK = 1024
"""Elements that are added without compensation."""

FEW = 8
"""Elements that are taken together where they are read."""


@dataclass(frozen=True, slots=True)
class Fold:
    """What takes two numbers together.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the numbers.
    start : object
        The number to begin with.
    combine : callable
        From two elements to the element that stands for both.
    sums : bool
        Whether it adds floating-point numbers.
    """

    dtype: np.dtype
    start: Any
    combine: Callable[[Element, Element], Element]
    sums: bool = False


def fold_all(
    f: Lowering,
    rep: Any,
    types: Sequence[str],
    starts: Sequence[str],
    combine: Callable[[list[str], Element], list[str]],
) -> list[str]:
    """Fold all elements; ``combine`` returns new registers from the former ones and an element."""
    outer, f.through = f.through, {}
    prepare(f, rep.shape, [(rep, True)])
    axes = Axes(f, rep.shape, [rep])
    lines = f.body.begin_nest()
    found = _loops(
        f, axes.counts, axes.first_written, types, starts,
        lambda at, xs: combine(xs, f.element(rep, axes.index(at))),
    )  # fmt: skip
    f.body.end_nest(lines)
    settled(f)
    f.through = outer
    count_nest(f, rep.shape)
    return found


def _loops(
    f: Lowering,
    counts: Sequence[Integer],
    first_written: int,
    types: Sequence[str],
    starts: Sequence[str],
    step: Callable[[list[Integer], list[str]], list[str]],
    unrolled: bool = True,
) -> list[str]:
    """Write loops that carry registers, the last axes written out; return them after the loops."""
    body = f.body
    loops = counts[:first_written]
    if any(n == 0 for n in counts):
        return list(starts)
    former = f.group
    last = max([k for k, n in enumerate(loops) if n != 1], default=-1)
    note, group = parallel(f, loops[last], unrolled=unrolled) if last >= 0 else ("", former)
    state = list(starts)
    names: list[list[str]] = []
    positions: list[Integer] = []
    for k, n in enumerate(loops):
        if n == 1:
            positions.append(0)
            continue
        positions.append(body.open_loop(n, note if k == last else ""))
        state = [body.carry(t, x) for t, x in zip(types, state)]
        names.append(state)
    f.group = group

    def inner(at: list[Integer]) -> None:
        nonlocal state
        state = step(at, state)

    write_out(counts[first_written:], positions, inner)
    f.group = former
    for carried in reversed(names):
        for name, x in zip(carried, state):
            body.set_carried(name, x)
        state = body.close_loop()
    return state


# -- folds of numbers ------------------------------------------------------------------------------


def fold(
    f: Lowering, rep: Any, how: Fold, axes: tuple[int, ...], keepdims: bool, dimensions: Any = None
) -> Any:
    """Return an array folded along axes.

    Parameters
    ----------
    f : Lowering
    rep : Rep
        Of the fold's dtype.
    how : Fold
    axes : tuple of int
        From 0 on, in order.
    keepdims : bool
    dimensions : tuple, optional
        The shape of ``rep`` as the graph has it.
    """
    ndim = len(rep.shape)
    kept = [k for k in range(ndim) if k not in axes]
    shape = tuple(rep.shape[k] for k in kept)
    full = tuple(1 if k in axes else n for k, n in enumerate(rep.shape))
    if not kept:
        x = _number(f, rep, how)
        return uniform(how.dtype, full, x) if keepdims and full else Number(how.dtype, x)
    known = None if dimensions is None else tuple(dimensions[k] for k in kept)
    result = _along(f, rep, how, axes, kept, shape, known)
    if not keepdims:
        return result
    from adjoint.backends.llvm.lower.views import Along, affine

    places = iter([k for k in range(ndim) if k not in axes])
    return affine(f, result, full, [Along(next(places)) for _ in kept])


def _registers(how: Fold) -> tuple[list[str], list[str]]:
    starts = list(parts_of(literal(how.start, how.dtype)))
    return [in_registers(how.dtype)] * len(starts), starts


def _element(xs: list[str]) -> Element:
    return xs[0] if len(xs) == 1 else (xs[0], xs[1])


def _number(f: Lowering, rep: Any, how: Fold) -> Element:
    if isinstance(rep, Number):
        return how.combine(literal(how.start, how.dtype), rep.element)
    outer, f.through = f.through, {}
    prepare(f, rep.shape, [(rep, True)])
    axes = Axes(f, rep.shape, [rep])
    lines = f.body.begin_nest()
    found = _folded(f, rep, how, axes.counts, axes.first_written, axes.index)
    f.body.end_nest(lines)
    settled(f)
    f.through = outer
    count_nest(f, rep.shape)
    return found


def _folded(
    f: Lowering,
    rep: Any,
    how: Fold,
    counts: Sequence[Integer],
    first_written: int,
    index: Callable[[list[Integer]], Index],
) -> Element:
    """Fold what lies at the positions in some axes, the other ones fixed by ``index``."""
    types, starts = _registers(how)

    def step(at: list[Integer], xs: list[str]) -> list[str]:
        return list(parts_of(how.combine(_element(xs), f.element(rep, index(at)))))

    loops = [n for n in counts[:first_written] if n != 1]
    cost = element_cost(rep)
    several = len(loops) >= 1 and splits(f, counts, cost)
    if several or (how.sums and len(loops) >= 1 and not _few(counts)):
        return _in_blocks(f, how, counts, first_written, step, cost if several else None)
    return _element(_loops(f, counts, first_written, types, starts, step))


def _few(counts: Sequence[Integer]) -> bool:
    return all(isinstance(n, int) for n in counts) and math.prod(counts) <= BLOCK  # type: ignore[arg-type]


def _in_blocks(
    f: Lowering,
    how: Fold,
    counts: Sequence[Integer],
    first_written: int,
    step: Any,
    cost: int | None,
) -> Element:
    """Add block by block, with what the sum of two blocks loses kept apart (Neumaier 1974).

    ``cost``: of an element, if several threads may do it.
    """
    body = f.body
    types, starts = _registers(how)
    width = len(types)
    at = max(k for k, n in enumerate(counts[:first_written]) if n != 1)
    count = counts[at]
    outer = list(counts[:at])
    blocks = (
        -(-count // BLOCK)
        if isinstance(count, int)
        else body.op(f"ashr i64 {body.add(count, BLOCK - 1)}, 10", body.add(count, BLOCK - 1))
    )
    rest = counts[at + 1 :]

    def whole(place: list[Integer]) -> list[str]:
        *before, b = place
        first = body.mul(b, BLOCK)
        size = body.least(body.sub(count, first), BLOCK)

        def inside(at_inner: list[Integer], xs: list[str]) -> list[str]:
            k, *others = at_inner
            return step([*before, body.add(first, k), *others], xs)

        written = max(first_written - at, 1)
        sums = _loops(f, [size, *rest], written, types, starts, inside)
        f.memo.clear()
        return sums

    def merged(state: list[str], sums: list[str]) -> list[str]:
        if not how.sums:
            return list(parts_of(how.combine(_element(state), _element(sums))))
        new: list[str] = []
        for t, s, c, x in zip(types, state[:width], state[width:], sums):
            new += _two_sum(f, t, s, c, x)
        return new[0::2] + new[1::2]

    def block(place: list[Integer], state: list[str]) -> list[str]:
        return merged(state, whole(place))

    def two(place: list[Integer], state: list[str]) -> list[str]:
        """Add what was found of a part of the array to what was found of those before."""
        parts = [p for k in range(twice) for p in parts_of(f.load(table, (*place, k), pinned=True))]
        new = merged(state, parts[:width])
        for k, (t, c) in enumerate(zip(types, parts[width:]), width):
            new[k] = body.op(f"fadd {t} {new[k]}, {c}", new[k], c)
        return new

    def total(state: list[str]) -> Element:
        if not how.sums:
            return _element(state)
        return _element(
            [_compensated(f, t, s, c) for t, s, c in zip(types, state[:width], state[width:])]
        )

    loops = [*outer, blocks]
    twice = 2 if how.sums else 1
    cut = shared(loops) if cost is not None else -1
    if cut < 0:
        state = _loops(f, loops, len(loops), types * twice, starts * twice, block)
    else:
        assert cost is not None
        inner = loops[cut + 1 :]
        last = all(n == 1 for n in inner)
        work = body.mul(
            body.mul(body.product(rest), BLOCK) if last else body.product(counts[cut + 1 :]), cost
        )
        size, groups = grouped(f, loops[cut], work)
        table = allocate(f, (groups, twice), how.dtype)
        g = body.open_loop("%end", "", "%begin")
        first = body.mul(g, size)
        one = _loops(
            f, [body.least(body.sub(loops[cut], first), size), *inner], 1 + len(inner),
            types * twice, starts * twice,
            lambda at, xs: block([*[0] * cut, body.add(first, at[0]), *at[1:]], xs),
        )  # fmt: skip
        for k in range(twice):
            f.store(table, (g, k), _element(one[width * k : width * (k + 1)]))
        f.memo.clear()
        close_first(f, groups, body.mul(size, work))
        check_regions(f)
        lines = body.begin_nest()
        state = _loops(f, [groups], 1, types * twice, starts * twice, two, unrolled=False)
        found = total(state)
        body.end_nest(lines)
        return found
    return total(state)


def _two_sum(f: Lowering, t: str, s: str, c: str, x: str) -> list[str]:
    op = f.body.op
    total = op(f"fadd {t} {s}, {x}", s, x)
    back = op(f"fsub {t} {total}, {s}", total, s)
    first = op(f"fsub {t} {s}, {op(f'fsub {t} {total}, {back}', total, back)}", total, s, back)
    second = op(f"fsub {t} {x}, {back}", x, back)
    lost = op(f"fadd {t} {first}, {second}", first, second)
    return [total, op(f"fadd {t} {c}, {lost}", c, lost)]


def _compensated(f: Lowering, t: str, s: str, c: str) -> str:
    op = f.body.op
    total = op(f"fadd {t} {s}, {c}", s, c)
    known = op(f"fcmp ord {t} {c}, {c}", c)  # not so where an infinity was added
    return op(f"select i1 {known}, {t} {total}, {t} {s}", known, total, s)


# -- folds along axes ------------------------------------------------------------------------------


def _along(
    f: Lowering, rep: Any, how: Fold, axes: tuple[int, ...], kept: list[int], shape: Shape,
    dimensions: Any,
) -> Any:  # fmt: skip
    counts = [rep.shape[k] for k in axes]
    if all(isinstance(n, int) for n in counts) and math.prod(counts) <= FEW:
        return _where_read(f, rep, how, axes, kept, shape, counts)
    ndim = len(rep.shape)
    result = allocate(f, shape, how.dtype, dimensions)
    trailing = ndim
    while trailing and trailing - 1 in axes:
        trailing -= 1
    if all(k >= trailing for k in axes):
        _trailing(f, rep, how, trailing, result)
    elif trailing == ndim and _few_kept(rep.shape, axes):
        _in_registers(f, rep, how, axes, result)
    else:
        _in_memory(f, rep, how, axes, trailing, result)
    return result


def _where_read(
    f: Lowering, rep: Any, how: Fold, axes: Any, kept: Any, shape: Shape, counts: Any
) -> Lazy:
    """Return an array of short folds, which are written where an element of it is read."""
    ndim = len(rep.shape)

    def at(index: Index) -> Element:
        total: Any = None

        def one(places: list[Integer]) -> None:
            nonlocal total
            inner: list[Integer] = [0] * ndim
            for k, i in zip(kept, index):
                inner[k] = i
            for k, i in zip(axes, places):
                inner[k] = i
            x = f.element(rep, tuple(inner))
            total = x if total is None else how.combine(total, x)

        write_out(counts, [], one)
        return literal(how.start, how.dtype) if total is None else total

    cost = math.prod(counts) * (1 + lazy_cost(rep))
    return Lazy(
        how.dtype,
        shape,
        at,
        ((rep, False),),
        cost,
        lambda k: kept[k + 1] == kept[k] + 1 and mergeable(f, rep, rep.shape, kept[k]),
        shared=f.node in f.several and cost > CHEAP,
    )


def _apart(ndim: int, axes: tuple[int, ...]) -> frozenset[int]:
    return frozenset(k for k in range(1, ndim) if (k in axes) != (k - 1 in axes))


def _result_index(groups: list[list[int]], axes: Any, positions: Sequence[Integer]) -> Index:
    from adjoint.backends.llvm.lower.values import MERGED

    index: list[Integer] = []
    for group, i in zip(groups, positions):
        if group[0] not in axes:
            index += [MERGED] * (len(group) - 1) + [i]
    return tuple(index)


def _trailing(f: Lowering, rep: Any, how: Fold, trailing: int, result: Buffer) -> None:
    """Fold the last axes: a loop of its own for each element of the result."""
    outer, f.through = f.through, {}
    prepare(f, rep.shape, [(rep, True)])
    ndim = len(rep.shape)
    axes = Axes(f, rep.shape, [rep], frozenset({trailing}))
    split = next(k for k, g in enumerate(axes.groups) if g[0] >= trailing)
    first = max(axes.first_written, split)
    body = f.body
    loops = axes.counts[:split]
    cost = element_cost(rep)
    cut = shared(loops) if splits(f, axes.counts, cost) else -1
    positions: list[Integer] = [
        0 if n == 1 else body.open_loop("%end", "", "%begin") if k == cut else body.open_loop(n)
        for k, n in enumerate(loops)
    ]
    x = _folded(
        f, rep, how, axes.counts[split:], first - split,
        lambda at: axes.index([*positions, *at]),
    )  # fmt: skip
    index = _result_index(axes.groups, range(trailing, ndim), positions)
    f.store(result, index, x)
    for n in loops[cut + 1 :]:
        if n != 1:
            body.close_loop()
    if cut >= 0:
        f.memo.clear()
        close_first(f, loops[cut], body.mul(body.product(axes.counts[cut + 1 :]), cost))
        check_regions(f)
    settled(f)
    f.through = outer
    count_nest(f, rep.shape)


def _few_kept(shape: Shape, axes: Any) -> bool:
    kept = [n for k, n in enumerate(shape) if k not in axes]
    first = max(axes) + 1
    return (
        all(k >= first for k in range(len(shape)) if k not in axes)
        and all(isinstance(n, int) for n in kept)
        and math.prod(kept) <= FEW  # type: ignore[arg-type]
    )


def _in_registers(f: Lowering, rep: Any, how: Fold, axes: Any, result: Buffer) -> None:
    """Fold the first axes where few elements are left: each in a register of its own."""
    outer, f.through = f.through, {}
    prepare(f, rep.shape, [(rep, True)])
    ndim = len(rep.shape)
    grouped = Axes(f, rep.shape, [rep], frozenset(range(len(axes), ndim)), unrolled=False)
    split = next(k for k, g in enumerate(grouped.groups) if g[0] >= len(axes))
    types, starts = _registers(how)
    kept = grouped.counts[split:]
    places: list[list[Integer]] = []
    write_out(kept, [], lambda at: places.append(list(at)))
    width = len(types)

    def step(at: list[Integer], xs: list[str]) -> list[str]:
        new: list[str] = []
        for k, place in enumerate(places):
            x = f.element(rep, grouped.index([*at, *place]))
            new += parts_of(how.combine(_element(xs[width * k : width * (k + 1)]), x))
        return new

    count = len(places)
    found = _loops(f, grouped.counts[:split], split, types * count, starts * count, step)
    for k, place in enumerate(places):
        f.store(result, tuple(place), _element(found[width * k : width * (k + 1)]))
    settled(f)
    f.through = outer
    count_nest(f, rep.shape)


def _in_memory(f: Lowering, rep: Any, how: Fold, axes: Any, trailing: int, result: Buffer) -> None:
    """Fold axes before others: into the result, row by row."""
    copy_into(f, result, uniform(how.dtype, result.shape, literal(how.start, how.dtype)))
    outer, f.through = f.through, {}
    prepare(f, rep.shape, [(rep, True)])
    ndim = len(rep.shape)
    grouped = Axes(f, rep.shape, [rep], _apart(ndim, axes), unrolled=False)
    split = len([g for g in grouped.groups if g[0] < trailing])
    plan = Axes.__new__(Axes)
    plan.shape, plan.groups = rep.shape, grouped.groups[:split]
    plan.counts, plan.first_written = grouped.counts[:split], split

    def body(positions: list[Integer]) -> None:
        if split < len(grouped.groups):
            x = _folded(
                f, rep, how, grouped.counts[split:], len(grouped.groups) - split,
                lambda at: grouped.index([*positions, *at]),
            )  # fmt: skip
        else:
            x = f.element(rep, grouped.index(positions))
        index = _result_index(grouped.groups, axes, positions)
        former = f.load(result, index, pinned=True)
        f.store(result, index, how.combine(former, x))

    last_kept = plan.groups and plan.groups[-1][0] not in axes and split == len(grouped.groups)
    _nested(f, plan.counts, body, bool(last_kept))
    settled(f)
    f.through = outer
    count_nest(f, rep.shape)


def _nested(
    f: Lowering, counts: Sequence[Integer], body: Callable[[list[Integer]], None], independent: bool
) -> None:
    former = f.group
    last = max([k for k, n in enumerate(counts) if n != 1], default=-1)
    # The innermost loop has to be one along which the result is not the same element.
    independent = independent and last == len(counts) - 1
    note, group = parallel(f, counts[last]) if independent else ("", former)
    positions: list[Integer] = [
        0 if n == 1 else f.body.open_loop(n, note if k == last else "")
        for k, n in enumerate(counts)
    ]
    f.group = group
    body(positions)
    f.group = former
    for n in counts:
        if n != 1:
            f.body.close_loop()
