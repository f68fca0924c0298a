"""Nests that stay open, so that what is stored next is stored in them.

A loop over few elements costs less than what stands around it, and an array that one nest writes
and the next one reads goes through memory. So a nest of few passes is not closed when it is
written: its levels are put aside, and what is to be stored next over the same lengths goes on in
them, where elements that the nest has are in registers. Whatever else refers to memory, and what
ends a block, closes it first (`Body.settle`). Text that stands outside of nests meanwhile stands
before the nest.

In a pass the stores of one follow those of another, so what is joined reads and writes nothing that
the nest writes, or reads, at other elements than those of the pass. Two parts of memory are apart
if the analysis of ownership says so, or the paths that lead to them. Arrays that nobody refers to
when the nest is closed are not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adjoint.backends.llvm.lower.core import SHORT, Lowering
from adjoint.backends.llvm.lower.types import Element, parts_of
from adjoint.backends.llvm.lower.values import Array, Buffer, Index, Lazy, Number, Shape
from adjoint.ir import dims
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value

__all__ = ["Joined", "common_shape", "few"]

MOST = 64
"""Arrays that one nest stores at most: what it has in registers is limited."""


def common_shape(target: Shape, given: Shape) -> Shape:
    """Return the shape of a place and of what is stored there, which are the same.

    Lengths that the graph knows to be the same may be different registers. A length of 1 is
    stretched; that of a register is not, unless the graph does not know it.
    """
    if len(target) != len(given):
        return target
    return tuple([n if isinstance(n, int) or m == 1 else m for n, m in zip(target, given)])


def few(f: Lowering, counts: Sequence[Any]) -> bool:
    """Tell whether the loops of a nest have few passes."""
    return all([n <= SHORT if isinstance(n, int) else n in f.short for n in counts])


class Joined:
    """A nest of which more may be written.

    Attributes
    ----------
    shape : tuple of int or register
    groups : list of list of int
        The axes that are gone through as one.
    each : callable
        Writes what it is given once for each element of a pass.
    finish : callable
        Ends the loops.
    """

    def __init__(self, f: Lowering, axes: Any) -> None:
        self.f = f
        self.shape: Shape = axes.shape
        self.groups: list[list[int]] = axes.groups
        self.each: Callable[[Callable[[Index], None]], None]
        self.finish: Callable[[], None]
        self.reads: list[tuple[Any, bool]] = []
        self.writes: list[tuple[Buffer, Any]] = []
        self.temporary: list[tuple[list[Any], Buffer]] = []
        self.levels: list[Any] = []
        self.lines: Any = None
        self.scope: dict[Any, str] = {}
        self.memo: dict[Any, Element] = {}
        self.values: dict[Any, Element] | None = None
        self.group = ""

    # -- what may be joined ------------------------------------------------------------------------

    def takes(
        self,
        shape: Shape,
        groups: list[list[int]],
        pairs: Sequence[tuple[Buffer, Array]],
        more: Sequence[Buffer],
        path: Any,
    ) -> bool:
        """Tell whether arrays can be stored in this nest, after what it stores already.

        ``more``: where arrays are stored on the way. ``path``: from which array to the place.
        """
        if shape != self.shape or groups != self.groups or len(self.writes) >= MOST:
            return False
        read = self.leaves(pairs)
        for rep, same in read:
            for target, where in self.writes:
                if _meet(rep, target, None, where) and not (same and _is_place(rep, target)):
                    return False
        for target, where in [*[(t, path) for t, _ in pairs], *[(t, None) for t in more]]:
            for other, its in self.writes:
                if _meet(other, target, its, where) and not _is_place(other, target):
                    return False
            for rep, same in self.reads:
                if _meet(rep, target, None, where) and not (same and _is_place(rep, target)):
                    return False
        return True

    def leaves(self, pairs: Sequence[tuple[Buffer, Array]]) -> list[tuple[Any, bool]]:
        """Return what is read of memory, and whether at the index of the pass alone."""
        found: dict[int, tuple[Any, bool]] = {}
        seen: set[tuple[int, bool]] = set()
        waiting: list[tuple[Any, bool]] = [
            (rep, len(rep.shape) == len(self.shape)) for _, rep in pairs
        ]
        while waiting:
            rep, same = waiting.pop()
            if isinstance(rep, Number) or (id(rep), same) in seen:
                continue
            seen.add((id(rep), same))
            if isinstance(rep, Lazy) and rep.buffer is None:
                if not rep.operands:
                    found[id(rep)] = (rep, False)
                waiting += [(x, same and here) for x, here in rep.operands]
                continue
            buffer = rep.buffer if isinstance(rep, Lazy) else rep
            assert buffer is not None
            known = found.get(id(buffer))
            if known is None or known[1]:
                found[id(buffer)] = (buffer, same)
        return list(found.values())

    # -- writing -----------------------------------------------------------------------------------

    def suspend(self) -> None:
        """Put the levels of the nest aside."""
        f, body = self.f, self.f.body
        for known in (f.memo, f.values):
            self._forget_inner(known)
        self.levels, body.levels = body.levels[1:], body.levels[:1]
        here = body.here
        self.lines, here.lines = here.lines, self.lines
        self.scope = here.scopes.pop()
        self.memo, f.memo = f.memo, {}
        self.values, f.values = f.values, None
        self.group, f.group = f.group, self.group
        body.settle = self.close
        f.joined = self

    def _forget_inner(self, known: Any) -> None:
        """Drop what was computed in loops within the nest, and is not there behind them."""
        body = self.f.body
        deepest = len(body.levels) - 1
        for key, x in list(known.items()):
            if any(body.depth.get(part, 0) > deepest for part in parts_of(x)):
                del known[key]

    def resume(self) -> None:
        """Go on in the nest."""
        f, body = self.f, self.f.body
        body.settle = None
        f.joined = None
        here = body.here
        self.lines, here.lines = here.lines, self.lines
        here.scopes.append(self.scope)
        body.levels = [here, *self.levels]
        f.memo, f.values, f.temporary = self.memo, self.values, self.temporary
        self.group, f.group = f.group, self.group

    def close(self) -> None:
        """End the nest."""
        f = self.f
        self.resume()
        self._leave_out()
        f.values, f.temporary = None, []
        finish = self.finish
        # What is not referred to any more is free again: no cycle keeps it.
        del self.each, self.finish, self.memo, self.values
        del self.reads, self.writes, self.temporary
        finish()

    def _leave_out(self) -> None:
        """Drop the stores of arrays that nobody refers to any more."""
        if not self.temporary:
            return
        used = _referred(self.f)
        for lines, target in self.temporary:
            if target.pointer not in used and id(target.memory) not in used:
                lines[:] = [line for line in lines if not line.startswith("store ")]


def _referred(f: Lowering) -> set[Any]:
    """Return the pointers, and the memories, that values which may still be read refer to."""
    found: set[Any] = set()
    seen: set[int] = set()
    waiting: list[Any] = [*f.env.values(), *f.pending.values()]
    while waiting:
        rep = waiting.pop()
        if id(rep) in seen:
            continue
        seen.add(id(rep))
        if isinstance(rep, Buffer):
            found.add(rep.pointer)
            found.update(map(id, _memories(rep.memory)))
        elif isinstance(rep, Lazy):
            waiting += [x for x in (rep.buffer, rep.view) if x is not None]
            if rep.buffer is None:
                waiting += [operand for operand, _ in rep.operands]
        elif not isinstance(rep, Number):
            waiting += [x for x in (getattr(rep, "rep", None),) if x is not None]
    return found


# -- which parts of memory are apart ---------------------------------------------------------------


def _is_place(rep: Any, target: Buffer) -> bool:
    """Tell whether an array is, for sure, just the elements of another."""
    return (
        isinstance(rep, Buffer)
        and rep.pointer == target.pointer
        and rep.strides == target.strides
        and rep.dtype == target.dtype
        and len(rep.shape) == len(target.shape)
    )


def _meet(rep: Any, target: Buffer, path: Any, where: Any) -> bool:
    """Tell whether arrays may share memory."""
    if isinstance(rep, Lazy):
        return bool(rep.tokens & target.tokens)
    if rep.whole is not None and target.whole is not None:
        return rep.whole is target.whole
    for one, other in ((rep, target), (target, rep)):
        if one.whole is not None and one.whole is one.memory:
            return one.memory in _memories(other.memory)
    if rep.tokens and target.tokens and not rep.tokens & target.tokens:
        return False
    if path is not None and where is not None and path[0] == where[0]:
        return not _apart(path[1], where[1])
    return True


def _memories(memory: Any) -> list[Any]:
    """Return what an array lies in, of which there is more than one after a branch or in a loop."""
    if isinstance(memory, (tuple, list)):
        return [x for part in memory for x in _memories(part)]
    return [memory]


def _apart(path: Any, other: Any) -> bool:
    """Tell whether two paths lead to parts of an array that share no element."""
    for (kind, index), (its, another) in zip(path, other):
        if kind != "index" or its != "index":
            return False
        one = index if isinstance(index, tuple) else (index,)
        two = another if isinstance(another, tuple) else (another,)
        for x, y in zip(one, two):
            if not (_plain(x) and _plain(y)):
                return False
            if _no_common(x, y):
                return True
        if len(one) != len(two) or any(isinstance(x, slice) for x in (*one, *two)):
            return False
    return False


def _plain(entry: Any) -> bool:
    """Tell whether an entry of an index stands for one axis, in a way that is known."""
    if isinstance(entry, slice):
        parts = (entry.start, entry.stop)
        return entry.step in (None, 1) and all(x is None or _whole(x) for x in parts)
    return _whole(entry)


def _whole(x: Any) -> bool:
    return isinstance(x, Dim) or (isinstance(x, int) and not isinstance(x, bool))


def _no_common(x: Any, y: Any) -> bool:
    """Tell whether two entries of indices stand for no common place of an axis."""
    if isinstance(x, slice) and isinstance(y, slice):
        return _ends_before(x, y) or _ends_before(y, x)
    if isinstance(x, slice) or isinstance(y, slice):
        return False
    apart = dims.difference(x, y)
    if isinstance(apart, Dim) or apart == 0:
        return False
    return _natural(x) and _natural(y)  # −1 and n − 1 are the same place


def _ends_before(x: slice, y: slice) -> bool:
    """Tell whether a slice ends before another begins."""
    if x.stop is None or y.start is None:
        return False
    between = dims.difference(y.start, x.stop)
    return between == 0 or (_natural(between) and _natural(x.stop))


def _natural(x: Any) -> bool:
    """Tell whether a dimension is known not to be negative."""
    low = dims.least(x)
    if low is not None:
        return low >= 0
    return x.constant >= 0 and all(c > 0 and _is_quotient(v) for v, c in x.terms)


def _is_quotient(value: Value) -> bool:
    """Tell whether a value is not negative: it is, or is a part of, what is not."""
    low = value.bounds[0]
    if low is not None and dims.least(low) is not None:
        return dims.least(low) >= 0  # type: ignore[operator]
    if value.op is None or value.op.name != "floor_divide":
        return False
    above, below = value.inputs
    if below.op is None or below.op.name != "constant" or below.params["value"] <= 0:
        return False
    return _is_quotient(above)
