"""Which sweeps to make, and where in what they give each entry stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.transforms.colouring.distance1 import colour_columns
from adjoint.transforms.colouring.star import star_colouring

__all__ = ["Compression", "fewest_sweeps", "of_jacobian", "of_symmetric"]


@dataclass(frozen=True)
class Compression:
    """Sweeps that give all entries of a pattern.

    Attributes
    ----------
    columns, rows : ndarray of int32
        The forward sweep that a column takes part in, the reverse sweep that a row does; -1: none.
    by_rows : ndarray of bool
        Of each entry, in CSR order: whether a reverse sweep gives it.
    sweep, place : ndarray
        Of each entry: which sweep gives it, and where in what that gives (a row of the result of a
        forward sweep, a column of that of a reverse one).
    """

    columns: np.ndarray
    rows: np.ndarray
    by_rows: np.ndarray
    sweep: np.ndarray
    place: np.ndarray

    @property
    def forward(self) -> int:
        """The number of forward sweeps."""
        return int(self.columns.max(initial=-1)) + 1

    @property
    def reverse(self) -> int:
        """The number of reverse sweeps."""
        return int(self.rows.max(initial=-1)) + 1


def _row_of_entry(pattern: Any) -> np.ndarray:
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))


def _made(pattern: Any, columns: np.ndarray, rows: np.ndarray, by_rows: np.ndarray) -> Compression:
    i, j = _row_of_entry(pattern), pattern.indices
    sweep = np.where(by_rows, rows[i], columns[j])
    return Compression(columns, rows, by_rows, sweep, np.where(by_rows, j, i))


def of_jacobian(pattern: Any, directions: str = "both") -> Compression:
    """Return the fewest sweeps that were found, forward, reverse or some of each.

    Parameters
    ----------
    pattern : scipy.sparse.csr_array
        Of booleans, sorted and without duplicates.
    directions : {"both", "forward", "reverse"}
        Which sweeps there are.
    """
    m, n = pattern.shape
    no_rows, no_columns = np.full(m, -1, np.int32), np.full(n, -1, np.int32)
    every, none = np.ones(pattern.nnz, bool), np.zeros(pattern.nnz, bool)
    of_rows, of_columns = np.diff(pattern.indptr), np.bincount(pattern.indices, minlength=n)
    found = []
    if directions != "reverse":
        found.append(_made(pattern, colour_columns(pattern), no_rows, none))
    fewest = found[0].forward if found else m + n + 1
    # The entries of a row (or column) all need sweeps of their own.
    if directions != "forward" and of_columns.max(initial=0) < fewest:
        turned = pattern.T.tocsr()
        rows = found[0].columns if found and _same(pattern, turned) else colour_columns(turned)
        found.append(_made(pattern, no_columns, rows, every))
        fewest = min(fewest, found[-1].reverse)
    if directions == "both":
        for by_rows, counts in ((True, of_rows), (False, of_columns)):
            dense, least = _densest(counts)
            if len(dense) and least < fewest:
                found.append(_of_both(pattern, dense, by_rows))
                fewest = min(fewest, found[-1].forward + found[-1].reverse)
    return min(found, key=lambda c: c.forward + c.reverse)


def fewest_sweeps(pattern: Any) -> int:
    """Return a number of sweeps that no compression of a pattern has less than."""
    of_rows = np.diff(pattern.indptr)
    of_columns = np.bincount(pattern.indices, minlength=pattern.shape[1])
    fewest = min(int(of_rows.max(initial=0)), int(of_columns.max(initial=0)))
    # With sweeps of both kinds: the fullest rows (columns), each in a sweep, and the others.
    return min([fewest, *[_densest(counts)[1] for counts in (of_rows, of_columns)]])


def _same(x: Any, y: Any) -> bool:
    return (
        x.shape == y.shape
        and np.array_equal(x.indptr, y.indptr)
        and np.array_equal(x.indices, y.indices)
    )


def _densest(counts: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the rows (or columns) worth a sweep each, and how many sweeps there are at least.

    Without the k fullest rows, all others take at least as many sweeps as the fullest of them has
    entries.
    """
    order = np.argsort(-counts, kind="stable")
    total = np.arange(len(counts)) + counts[order]
    if not len(total):
        return order, 0
    k = int(np.argmin(total))
    return order[:k], int(total[k])


def _of_both(pattern: Any, dense: np.ndarray, by_rows: bool) -> Compression:
    """Give a few full rows reverse sweeps, and forward ones to the rest; or the other way round."""
    turned = pattern if by_rows else pattern.T.tocsr()
    apart = np.zeros(turned.shape[0], bool)
    apart[dense] = True
    full = np.full(turned.shape[0], -1, np.int32)
    full[apart] = colour_columns(turned[apart].T.tocsr())
    rest = colour_columns(turned[~apart])
    if by_rows:
        return _made(pattern, rest, full, apart[_row_of_entry(pattern)])
    return _made(pattern, full, rest, ~apart[pattern.indices])


def of_symmetric(pattern: Any) -> Compression:
    """Return forward sweeps that give a symmetric matrix.

    Parameters
    ----------
    pattern : scipy.sparse.csr_array
        Symmetric, of booleans, sorted and without duplicates.
    """
    colours = star_colouring(pattern)
    i, j = _row_of_entry(pattern), pattern.indices.astype(np.int64)
    count = int(colours.max(initial=-1)) + 1
    # Alone in its colour in its row? Else its mirror image is.
    _, which, times = np.unique(i * count + colours[j], return_inverse=True, return_counts=True)
    alone = times[which] == 1
    sweep, place = np.where(alone, colours[j], colours[i]), np.where(alone, i, j)
    # Both are read where the one above the diagonal is: the matrix is symmetric to the last bit.
    mirror = np.lexsort((i, j))
    below = i > j
    sweep, place = np.where(below, sweep[mirror], sweep), np.where(below, place[mirror], place)
    none = np.full(pattern.shape[0], -1, np.int32)
    return Compression(colours, none, np.zeros(pattern.nnz, bool), sweep, place)
