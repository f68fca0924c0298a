"""Colouring the columns of a pattern so that no two of a colour meet in a row.

That is a distance-1 colouring of the column intersection graph (Curtis, Powell, Reid 1974; Coleman,
Moré 1983), found greedily, a column at a time. The graph is never made: each row knows the colours
that it has, as the bits of an integer, and a column takes the lowest that none of its rows has.

What a pattern repeats is looked at once. Rows of the same columns forbid the same, and columns of
the same rows (the three coordinates of a point, say) are one column that takes several colours.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["colour_columns"]

_GROUPS = 64
"""Groups of columns that are coloured together."""

_WORTH_IT = 300_000
"""Pairs of columns that meet, counted in each row, up to which incidence ordering is tried."""


def colour_columns(pattern: Any) -> np.ndarray:
    """Return the colours of the columns: 0, 1, ...; -1 for empty ones.

    Several orders are tried, and the one with the fewest colours is taken: as they stand, largest
    degree first, and by incidence degree (next is the column with the most coloured neighbours).

    Parameters
    ----------
    pattern : scipy.sparse.csr_array
        Of booleans, without duplicates.
    """
    colours = np.full(pattern.shape[1], -1, np.int32)
    if not pattern.nnz:
        return colours
    classes = _Classes(pattern)
    # All columns of a row differ.
    least = int(np.diff(pattern.indptr).max())
    best: list[int] | None = None
    count = 0
    for order in classes.orders():
        found = (classes.together() if best is None else None) or classes.greedy(order)
        used = max([mask.bit_length() for mask in found])
        if best is None or used < count:
            best, count = found, used
        if count == least:
            break
    assert best is not None
    classes.write(best, colours)
    return colours


class _Classes:
    """Classes of columns with the same rows, in the order of their first columns.

    Attributes
    ----------
    rows : _Lists
        The rows of each class, rows with the same classes counted once.
    classes : _Lists
        The classes of each row.
    sizes : list of int
        How many columns a class has.
    """

    def __init__(self, pattern: Any) -> None:
        lengths = np.diff(pattern.indptr)
        distinct = pattern[_distinct(pattern, lengths > 1)]
        columns = distinct.T.tocsr()
        some = np.bincount(pattern.indices, minlength=pattern.shape[1]) > 0
        # Columns that meet no other are in none of these rows, and make one class.
        first, which = _distinct(columns, some, True)
        self.of_column = np.full(pattern.shape[1], -1, np.int64)
        self.of_column[some] = which
        alone = np.diff(columns.indptr)[first] == 0
        self.sizes = np.where(alone, 1, np.bincount(which, minlength=len(first))).tolist()
        reduced = columns[first]
        self.rows = _Lists(reduced)
        self.classes = _Lists(reduced.T.tocsr())

    def orders(self) -> Iterable[Any]:
        """Yield orders of the classes to be tried."""
        yield range(len(self.sizes))
        columns = np.array(self.sizes)
        weights = self.classes.sums(columns)
        degrees = self.rows.sums(weights)
        largest = np.argsort(-degrees, kind="stable").tolist()
        yield largest
        if int((self.classes.lengths**2).sum()) <= _WORTH_IT:
            yield self._by_incidence(largest)

    def _by_incidence(self, largest: list[int]) -> Iterable[int]:
        """Yield the classes by incidence degree, those of large degree first among equals."""
        incidence = [0] * len(largest)
        done = [False] * len(largest)
        # waiting[d]: classes that had incidence degree d at some time; what has changed is skipped.
        waiting: list[list[int]] = [largest[::-1]]
        top = 0
        for _ in largest:
            while True:
                while not waiting[top]:
                    top -= 1
                chosen = waiting[top].pop()
                if not done[chosen] and incidence[chosen] == top:
                    break
            done[chosen] = True
            yield chosen
            for row in self.rows[chosen]:
                for other in self.classes[row]:
                    if not done[other]:
                        incidence[other] += 1
                        at = incidence[other]
                        if at == len(waiting):
                            waiting.append([])
                        waiting[at].append(other)
                        top = max(top, at)

    def together(self) -> list[int] | None:
        """Return what `greedy` does for the classes as they stand, many at a time.

        As long as no class meets one after the first of them, they can be coloured together: all
        cameras, then all points. None where that gives many small groups, or more colours than fit.
        """
        pattern = self.classes.pattern
        ends, meets = pattern.indptr, pattern.indices
        last = np.full(len(self.sizes), -1)
        inside = np.ones(len(meets), bool)
        inside[ends[:-1][self.classes.lengths > 0]] = False
        here = np.flatnonzero(inside)
        np.maximum.at(last, meets[here], meets[here - 1])
        last = np.maximum.accumulate(last)
        starts = [0]
        while starts[-1] < len(last):
            if len(starts) > _GROUPS:
                return None
            starts.append(int(np.searchsorted(last, starts[-1])))
        seen = np.zeros(len(self.classes) + 1, np.uint64)
        found: list[int] = []
        sizes = np.array(self.sizes)
        one = np.uint64(1)
        for a, b in itertools.pairwise(starts):
            first, stop = self.rows.ends[a], self.rows.ends[b]
            rows = self.rows.pattern.indices[first:stop]
            lengths = self.rows.lengths[a:b]
            taken = np.zeros(b - a, np.uint64)
            some = lengths > 0
            at = (self.rows.pattern.indptr[a:b] - first)[some]
            if len(at):
                taken[some] = np.bitwise_or.reduceat(seen[rows], at)
            mask = np.zeros(b - a, np.uint64)
            for k in range(int(sizes[a:b].max())):
                free = np.where(sizes[a:b] > k, ~taken & (taken + one), np.uint64(0))
                taken |= free
                mask |= free
            if (taken >> np.uint64(63)).any():
                return None
            seen[rows] |= np.repeat(mask, lengths)
            found += mask.tolist()
        return found

    def greedy(self, order: Iterable[int]) -> list[int]:
        """Return the colours of each class, as bits."""
        seen = [0] * len(self.classes)
        found = [0] * len(self.rows)
        lists = self.rows
        for each in order:
            taken = 0
            rows = lists[each]
            for row in rows:
                taken |= seen[row]
            mask = 0
            for _ in range(self.sizes[each]):
                free = ~taken & (taken + 1)
                taken |= free
                mask |= free
            for row in rows:
                seen[row] |= mask
            found[each] = mask
        return found

    def write(self, found: list[int], colours: np.ndarray) -> None:
        """Give the columns of each class its colours."""
        members = np.argsort(self.of_column, kind="stable")
        members = members[np.count_nonzero(self.of_column < 0) :]
        sizes = np.bincount(self.of_column[members], minlength=len(found)).tolist()
        flat: list[int] = []
        for mask, size in zip(found, sizes, strict=True):
            if mask & (mask - 1) == 0:
                flat += [mask.bit_length() - 1] * size
                continue
            while mask:
                low = mask & -mask
                flat.append(low.bit_length() - 1)
                mask ^= low
        colours[members] = flat


class _Lists:
    """The rows of a pattern as lists, each made when it is asked for."""

    def __init__(self, pattern: Any) -> None:
        self.lengths = np.diff(pattern.indptr).astype(np.int64)
        self.pattern = pattern
        self.indices = pattern.indices.tolist()
        self.ends = pattern.indptr.tolist()

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, k: int) -> list[int]:
        return self.indices[self.ends[k] : self.ends[k + 1]]

    def sums(self, numbers: np.ndarray) -> np.ndarray:
        """Return the sum of the numbers of the entries of each row."""
        return self.pattern.astype(np.int64) @ numbers


def _distinct(pattern: Any, some: np.ndarray, inverse: bool = False) -> Any:
    """Return the first of each kind of rows among ``some``, and on request the kind of each.

    Rows are compared by two sums of random numbers, 128 bits together.
    """
    rng = np.random.default_rng(0)
    lengths = np.diff(pattern.indptr)[some]
    keys = []
    for _ in range(2):
        numbers = rng.integers(0, 1 << 63, pattern.shape[1], dtype=np.uint64)
        keys.append(_sums(numbers[pattern.indices], pattern.indptr)[some])
    _, first, which = np.unique(keys[0], return_index=True, return_inverse=True)
    same = (keys[1] == keys[1][first][which]) & (lengths == lengths[first][which])
    if not same.all():  # two kinds with one sum: every row counts as a kind of its own
        first = which = np.arange(len(lengths))
    order = np.argsort(first)
    at = np.flatnonzero(some)[first[order]]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return (at, rank[which]) if inverse else at


def _sums(numbers: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the sum of each row, modulo 2⁶⁴."""
    total = np.concatenate([np.zeros(1, numbers.dtype), np.cumsum(numbers)])
    return total[ends[1:]] - total[ends[:-1]]
