"""Sets of inputs, by number, and how they were formed: a graph of unions that is solved later.

Number 0 is the empty set, 1 ... n are the n inputs on their own, and a union of others gets the
next free number. An array of numbers, one an element, says which inputs each element depends on;
reading, storing and moving elements is NumPy's business, on those numbers.

Only the members of a union are noted when it is formed, so that a loop that sums a thousand numbers
forms a thousand sets of two members. What the sets are is found at the end, of those alone that a
result needs (`adjoint.transforms.sparsity.closure`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

__all__ = ["ID", "Chunk", "IndexSets", "current", "forming"]

ID = np.dtype(np.int64)

_REMEMBERED = 1 << 16
"""Unions of numbers that are found again if they are formed again."""

_BUFFERED = 1 << 18


class Chunk(NamedTuple):
    """Unions, a pair with each member.

    Attributes
    ----------
    unions, members : ndarray
    together : bool
        Whether they were formed at once, so that none is a member of another.
    """

    unions: np.ndarray
    members: np.ndarray
    together: bool


class IndexSets:
    """The sets that a run forms.

    Attributes
    ----------
    count : int
        How many inputs there are.
    used : int
        The next free number.
    levels : ndarray
        Of each set: more than that of each of its members.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.used = count + 1
        self.levels = np.zeros(2 * count + 1024, np.int32)
        self._chunks: list[Chunk] = []
        self._unions: list[int] = []
        self._members: list[int] = []
        self._known: dict[frozenset[int], int] = {}
        self._formed: dict[int, frozenset[int]] = {}

    def chunks(self) -> list[Chunk]:
        """Return what was formed, in order."""
        self._flush()
        return self._chunks

    # -- one set -----------------------------------------------------------------------------------

    def of_numbers(self, numbers: Iterable[int]) -> int:
        """Return the union of some sets."""
        members = set(numbers)
        members.discard(0)
        if len(members) < 2:
            return members.pop() if members else 0
        key = frozenset(members)
        found = self._known.get(key)
        if found is None:
            last = max(members)
            inside = self._formed.get(last, ())
            # A union with what a set holds already: s + x + x.
            held = inside and all(m in inside for m in members if m != last)
            found = last if held else self._form(key)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
                self._formed.clear()
            self._known[key] = found
        return found

    def _form(self, members: frozenset[int]) -> int:
        new = self._reserve(1)
        levels = self.levels
        levels[new] = max([levels.item(m) for m in members]) + 1
        self._unions += [new] * len(members)
        self._members += members
        self._formed[new] = members
        if len(self._unions) >= _BUFFERED:
            self._flush()
        return new

    # -- arrays of sets ----------------------------------------------------------------------------

    def union(self, *xs: Any) -> Any:
        """Return the unions of the elements of arrays that are broadcast together."""
        if all([np.ndim(x) == 0 for x in xs]):
            return self.of_numbers([int(x) for x in xs])
        arrays = np.broadcast_arrays(*xs)
        shape = arrays[0].shape
        # What is the same along an axis is formed once.
        once = tuple([
            slice(0, 1) if all([a.strides[k] == 0 for a in arrays]) else slice(None)
            for k in range(len(shape))
        ])  # fmt: skip
        members = np.stack([a[once] for a in arrays], axis=-1)
        formed = self._rows(members.reshape(-1, len(arrays))).reshape(members.shape[:-1])
        return formed if formed.shape == shape else np.array(np.broadcast_to(formed, shape))

    def reduce(self, x: Any, axis: tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
        """Return the unions along axes."""
        x = np.asarray(x)
        axes = tuple(range(x.ndim)) if axis is None else tuple([a % x.ndim for a in axis])
        kept = tuple([k for k in range(x.ndim) if k not in axes])
        shape = tuple([1 if k in axes else n for k, n in enumerate(x.shape)])
        once = tuple([slice(0, 1) if s == 0 else slice(None) for s in x.strides])
        lined = x[once].transpose(kept + axes)
        rows = lined.reshape(*lined.shape[: len(kept)], -1) if x.size else lined
        if not x.size:
            formed = np.zeros(shape, ID)
        else:
            formed = self._rows(rows.reshape(-1, rows.shape[-1]))
            small = iter(rows.shape[:-1])
            formed = formed.reshape([1 if k in axes else next(small) for k in range(x.ndim)])
            formed = np.array(np.broadcast_to(formed, shape))
        if not keepdims:
            formed = formed.reshape([n for k, n in enumerate(x.shape) if k in kept])
        return formed if formed.shape else int(formed)

    def _rows(self, members: np.ndarray) -> np.ndarray:
        """Return the union of each row."""
        rows, width = members.shape
        return self.grouped(np.repeat(np.arange(rows), width), members.reshape(-1), rows)

    def grouped(self, groups: np.ndarray, members: np.ndarray, count: int) -> np.ndarray:
        """Return ``count`` unions: the k-th of the members whose group is k."""
        result = np.zeros(count, ID)
        some = members != 0
        if not some.all():
            groups, members = groups[some], members[some]
        if not len(groups):
            return result
        if (groups[1:] < groups[:-1]).any():
            order = np.argsort(groups, kind="stable")
            groups, members = groups[order], members[order]
        starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
        last = np.maximum.reduceat(members, starts)
        several = np.minimum.reduceat(members, starts) != last
        result[groups[starts]] = last
        if not several.any():
            return result
        lengths = np.diff(np.append(starts, len(groups)))
        new = self._reserve(int(np.count_nonzero(several)))
        new = np.arange(new, self.used)
        result[groups[starts[several]]] = new
        members = members[np.repeat(several, lengths)]
        lengths = lengths[several]
        at = np.concatenate([[0], np.cumsum(lengths[:-1])])
        self.levels[new] = np.maximum.reduceat(self.levels[members], at) + 1
        self._flush()
        self._chunks.append(Chunk(np.repeat(new, lengths), members, True))
        return result

    # -- room --------------------------------------------------------------------------------------

    def _reserve(self, count: int) -> int:
        """Return the first of ``count`` new numbers."""
        first = self.used
        self.used += count
        if self.used > len(self.levels):
            former, self.levels = self.levels, np.zeros(2 * self.used, np.int32)
            self.levels[:first] = former[:first]
        return first

    def _flush(self) -> None:
        if self._unions:
            formed = np.array(self._unions, ID), np.array(self._members, ID)
            self._chunks.append(Chunk(*formed, False))
            self._unions, self._members = [], []


class _State(threading.local):
    sets: IndexSets | None = None


_state = _State()


@contextmanager
def forming(sets: IndexSets) -> Iterator[None]:
    """Have the operations of `adjoint.transforms.sparsity.operations` form these sets."""
    former = _state.sets
    _state.sets = sets
    try:
        yield
    finally:
        _state.sets = former


def current() -> IndexSets:
    """Return the sets of the run."""
    sets = _state.sets
    if sets is None:
        raise RuntimeError("no sets of inputs are being formed")
    return sets
