"""Star colouring: for symmetric matrices, of which every entry is there twice.

Neighbours differ in colour, and every path of four vertices has at least three colours. Then each
entry is alone in its colour in its row, or its mirror image is (Coleman, Moré 1984; Gebremedhin,
Manne, Pothen 2005, section 4). An arrow takes two colours where columns that share no row take as
many as it has columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["star_colouring"]


def star_colouring(pattern: Any) -> np.ndarray:
    """Return the colours of the vertices: 0, 1, ...; -1 for empty rows.

    Parameters
    ----------
    pattern : scipy.sparse.csr_array
        Symmetric.
    """
    size = pattern.shape[0]
    lengths = np.diff(pattern.indptr)
    row = np.repeat(np.arange(size), lengths)
    off = pattern.indices != row
    degrees = np.bincount(row[off], minlength=size)
    graph = pattern.indices[off].tolist(), np.concatenate([[0], np.cumsum(degrees)]).tolist()
    some = np.flatnonzero(lengths)
    largest = some[np.argsort(-degrees[some], kind="stable")]
    found = [_greedy(*graph, order.tolist()) for order in (some, largest)]
    return np.array(min(found, key=lambda colours: max(colours, default=-1)), np.int32)


def _greedy(neighbours: list[int], ends: list[int], order: Iterable[int]) -> list[int]:
    """Colour vertices in order, each with the lowest colour that keeps the rule.

    Sets of colours are the bits of integers. Of each vertex is known which colours its neighbours
    have, which of those at least two of them have, and the colours of its *hubs*: neighbours that
    have another neighbour of its colour. To end a path v–w–x–y in two colours, v would have to have
    the colour of a hub x of w; to be inside of one, w'–v–w–x, it would need two neighbours of one
    colour, and the colour of a neighbour x of theirs.
    """
    size = len(ends) - 1
    colours = [-1] * size
    seen, twice, hubs = [0] * size, [0] * size, [0] * size
    first: dict[tuple[int, int], int] = {}
    for v in order:
        repeated = twice[v]
        taken = seen[v]
        mine = neighbours[ends[v] : ends[v + 1]]
        for w in mine:
            colour = colours[w]
            if colour >= 0:
                taken |= hubs[w]
                if repeated >> colour & 1:
                    taken |= seen[w]
        bit = ~taken & (taken + 1)
        colour = colours[v] = bit.bit_length() - 1
        for w in mine:
            other = colours[w]
            hub = 1 << other if other >= 0 else 0
            if not seen[w] & bit:
                seen[w] |= bit
                first[w, colour] = v
            else:
                hubs[v] |= hub
                if not twice[w] & bit:
                    twice[w] |= bit
                    hubs[first[w, colour]] |= hub
            if other >= 0 and repeated >> other & 1:
                hubs[w] |= bit
    return colours
