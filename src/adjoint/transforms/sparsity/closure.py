"""What sets are, given of which others they are the unions.

A union that is a member of one other and of nothing that is asked for is written out there, so that
sums cost what they have of terms. The rest are found level by level. Few inputs a set, and a level
is one sort of the pairs (set, input); many, and sets are long integers whose bits are inputs, whose
union is one machine operation for 64 of them. The first way is left for the second as soon as that
is estimated to cost less for all that is left: sets only grow.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.transforms.sparsity.sets import Chunk, IndexSets

__all__ = ["rows"]

_FEW = 200
"""Chunks of unions that are taken as they were formed."""

_NS_A_PAIR = 40.0
_NS_A_LEVEL = 150e3
_NS_A_MEMBER = 250.0
_NS_A_BIT = 0.01
"""Measured: rows cost so much a pair and a level, bits so much a member and a bit."""


def rows(sets: IndexSets, wanted: np.ndarray) -> Any:
    """Return a boolean CSR matrix with a row for each wanted set and a column for each input."""
    from scipy.sparse import csr_array

    distinct, back = np.unique(wanted, return_inverse=True)
    starts, inputs = _solve(sets, distinct)
    shape = (len(distinct), sets.count)
    found = csr_array((np.ones(len(inputs), bool), inputs, starts), shape=shape)
    if len(distinct) == len(wanted) and np.array_equal(distinct, wanted):
        return found
    return (
        found[back.reshape(-1)]
        if len(distinct)
        else csr_array((len(wanted), sets.count), dtype=bool)
    )


def _solve(sets: IndexSets, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the wanted sets as the two index arrays of a CSR matrix."""
    chunks = _needed(sets, wanted)
    if len(chunks) > _FEW or not all([chunk.together for chunk in chunks]):
        chunks = _levels(sets, wanted, chunks)
    left = sum([len(chunk.members) for chunk in chunks])
    solver = _Solver(sets.count, sets.used)
    for k, chunk in enumerate(chunks):
        if len(chunk.members):
            solver.level(chunk.unions, chunk.members, left, len(chunks) - k)
            left -= len(chunk.members)
    return solver.rows(wanted)


def _needed(sets: IndexSets, wanted: np.ndarray) -> list[Chunk]:
    """Return the unions that the wanted sets are formed of."""
    reached = np.zeros(sets.used, bool)
    reached[wanted] = True
    kept = []
    for chunk in reversed(sets.chunks()):
        if not chunk.together:
            _reach_in_order(chunk, reached)
        keep = reached[chunk.unions]
        if not keep.all():
            chunk = Chunk(chunk.unions[keep], chunk.members[keep], chunk.together)
        reached[chunk.members] = True
        kept.append(chunk)
    return kept[::-1]


def _levels(sets: IndexSets, wanted: np.ndarray, chunks: list[Chunk]) -> list[Chunk]:
    """Return unions level by level, those of one use written out where they are used."""
    unions = np.concatenate([chunk.unions for chunk in chunks])
    members = np.concatenate([chunk.members for chunk in chunks])
    uses = np.bincount(members, minlength=sets.used)
    uses[wanted] += 2
    # A union of one use belongs to who uses it, and that perhaps to another.
    owner = np.arange(sets.used)
    once = (uses[members] == 1) & (members > sets.count)
    owner[members[once]] = unions[once]
    while True:
        further = owner[owner]
        if np.array_equal(further, owner):
            break
        owner = further
    unions, members = owner[unions[~once]], members[~once]
    levels = sets.levels[unions]
    order = np.lexsort((unions, levels))
    unions, members, levels = unions[order], members[order], levels[order]
    cuts = np.flatnonzero(levels[1:] != levels[:-1]) + 1
    ends = [0, *cuts.tolist(), len(levels)]
    return [Chunk(unions[a:b], members[a:b], True) for a, b in itertools.pairwise(ends)]


def _reach_in_order(chunk: Chunk, reached: np.ndarray) -> None:
    """Mark what unions reach that were formed one by one, each perhaps of those before it."""
    first = int(chunk.unions[0])
    flags = reached[first:].tolist()
    for union, member in zip(
        reversed(chunk.unions.tolist()), reversed(chunk.members.tolist()), strict=True
    ):
        if member >= first and flags[union - first]:
            flags[member - first] = True
    reached[first:] = flags


class _Solver:
    """The sets that have been found: as rows of inputs, or as bits."""

    def __init__(self, count: int, used: int) -> None:
        self.count = count
        self.starts = np.zeros(used, np.int64)
        self.lengths = np.zeros(used, np.int64)
        self.starts[1 : count + 1] = np.arange(count)
        self.lengths[1 : count + 1] = 1
        self.inputs = np.arange(count, dtype=np.int32)
        self.filled = count
        self.bits: dict[int, int] = {}
        self.in_bits = False

    def level(self, unions: np.ndarray, members: np.ndarray, left: int, levels: int) -> None:
        """Find the unions of one level, whose members have been found.

        ``left`` members and ``levels``, these included, are left to be looked at.
        """
        if not self.in_bits:
            pairs = self.lengths[members].sum() / len(members)
            as_rows = left * pairs * _NS_A_PAIR + levels * _NS_A_LEVEL
            self.in_bits = left * (_NS_A_MEMBER + self.count * _NS_A_BIT) < as_rows
        (self._as_bits if self.in_bits else self._as_rows)(unions, members)

    def _pairs(self, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs of sets, one after the other, and how many each has."""
        lengths = self.lengths[sets]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        at = np.repeat(self.starts[sets] - (ends - lengths), lengths) + np.arange(total)
        return self.inputs[at], lengths

    def _as_rows(self, unions: np.ndarray, members: np.ndarray) -> None:
        new = np.concatenate([[True], unions[1:] != unions[:-1]])
        distinct = unions[new]
        inputs, lengths = self._pairs(members)
        keys = np.repeat((np.cumsum(new) - 1) * np.int64(self.count), lengths) + inputs
        keys.sort()
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
        which, inputs = np.divmod(keys, self.count)
        counts = np.bincount(which, minlength=len(distinct))
        self._append(distinct, inputs, counts)

    def _append(self, sets: np.ndarray, inputs: np.ndarray, counts: np.ndarray) -> None:
        end = self.filled + len(inputs)
        if end > len(self.inputs):
            former, self.inputs = self.inputs, np.empty(2 * end, np.int32)
            self.inputs[: self.filled] = former[: self.filled]
        self.inputs[self.filled : end] = inputs
        self.starts[sets] = self.filled + np.cumsum(counts) - counts
        self.lengths[sets] = counts
        self.filled = end

    # -- bits ----------------------------------------------------------------------------------

    def _as_bits(self, unions: np.ndarray, members: np.ndarray) -> None:
        bits = self.bits
        for union, member in zip(unions.tolist(), members.tolist(), strict=True):
            bits[union] = bits.get(union, 0) | (bits.get(member) or self._bits_of(member))

    def _bits_of(self, known: int) -> int:
        """Return a set that was found as a row."""
        if known <= self.count:
            return 1 << (known - 1)
        flags = np.zeros(self.count, bool)
        start = self.starts[known]
        flags[self.inputs[start : start + self.lengths[known]]] = True
        packed = np.packbits(flags, bitorder="little")
        found = self.bits[known] = int.from_bytes(packed.tobytes(), "little")
        return found

    def rows(self, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return sets as the two index arrays of a CSR matrix."""
        held = [(known, self.bits[known]) for known in sets.tolist() if known in self.bits]
        held = [(known, bits) for known, bits in held if not self.lengths[known]]
        _check_count(sum([bits.bit_count() for _, bits in held]))
        for known, bits in held:
            self._unpack(known, bits)
        _check_count(int(self.lengths[sets].sum()))
        inputs, lengths = self._pairs(sets)
        return np.concatenate([[0], np.cumsum(lengths)]), inputs

    def _unpack(self, known: int, bits: int) -> None:
        data = np.frombuffer(bits.to_bytes((self.count + 7) // 8, "little"), np.uint8)
        inputs = np.flatnonzero(np.unpackbits(data, bitorder="little", count=self.count))
        self._append(np.array([known]), inputs, np.array([len(inputs)]))


def _check_count(entries: int) -> None:
    if entries >= 1 << 31:
        raise InputError(
            f"the derivative has {entries} entries that may be nonzero, more than a sparse matrix "
            "with 32-bit indices holds. Compute products with it instead: ad.jvp, ad.vjp, ad.hvp."
        )
