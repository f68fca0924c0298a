"""What is settled about a sparse derivative before its values are computed, and kept.

A plan is a pattern, the sweeps that give its entries, and for each entry where it is found in what
they give. Its values are then two staged calls at most, whose results are gathered into place.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.api.compile import Jitted
from adjoint.api.seeds import Apart, Regular, Rows
from adjoint.api.sweeps import Sweeps
from adjoint.errors import InputError
from adjoint.transforms.colouring import Compression

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["Plan"]

_LARGEST = 1 << 24
"""Elements of the seeds or results of the sweeps that are made in one call."""

_APART = 4
"""Up to so many reverse sweeps are recorded one by one."""

_LONG = 256
"""The most entries of a row of results that are put into place one column after the other."""

_WIDE = 16
"""The longest row of colours that is part of what is recorded."""


class Plan:
    """The pattern of a sparse derivative, and how its values are computed.

    Attributes
    ----------
    pattern : scipy.sparse.csr_array
        Of booleans: where the derivative may be nonzero.
    forward, reverse : int
        How many sweeps in each mode give all entries.
    checked : bool
        Whether a product is known to be that of the derivative.
    """

    checked = False

    def __init__(
        self,
        pattern: Any,
        compression: Compression,
        inputs: Sequence[tuple[int, ...]],
        results: Sequence[tuple[int, ...]],
        sweeps: Sweeps,
    ) -> None:
        self.pattern = pattern
        self.sweeps = sweeps
        self.forward = compression.forward
        self.reverse = compression.reverse
        columns = _split(compression.columns, inputs)
        rows = _split(compression.rows, results)
        largest = max(1, *pattern.shape)
        by_rows = compression.by_rows
        self._batches = [
            *_batches(compression, ~by_rows, self.forward, columns, results, largest, True),
            *_batches(compression, by_rows, self.reverse, rows, inputs, largest, False),
        ]
        self._repeated = pattern.indices[:0]
        self._results = results
        self._rows = [shape[0] if shape else 1 for shape in results]
        self._arrange()

    def __repr__(self) -> str:
        m, n = self.pattern.shape
        counts = ((self.forward, "forward"), (self.reverse, "reverse"))
        kinds = " and ".join([f"{count} {name}" for count, name in counts if count]) or "no"
        sweeps = "sweep" if self.forward + self.reverse == 1 else "sweeps"
        entries = "1 entry" if self.pattern.nnz == 1 else f"{self.pattern.nnz} entries"
        return f"<plan: {m} × {n}, {entries} by {kinds} {sweeps}>"

    def placed(self, elements: Sequence[np.ndarray], size: int) -> Plan:
        """Return the plan of the derivative by what the columns of this one's were read from.

        Parameters
        ----------
        elements : sequence of ndarray
            Which element each column was read from.
        size : int
            How many of them there are.
        """
        plan = copy.copy(self)
        columns = np.concatenate([np.zeros(0, int), *map(np.ravel, elements)])
        plan.pattern, order, plan._repeated = _placed(self.pattern, columns, size)
        if order is not None:
            plan._batches = [batch.ordered(order) for batch in self._batches]
            plan._arrange()
        return plan

    def _arrange(self) -> None:
        """Find out whether the entries are the same in every row of the results."""
        if len(self._batches) != 1 or len(self._repeated):
            return
        (batch,) = self._batches
        if len(batch.widths):
            sizes = [_size(x) for x in self._results]
            ends = self.pattern.indptr[np.cumsum([0, *sizes])].tolist()
            self._batches = [replace(batch, regular=_regular(batch, ends, self._rows))]

    def matrix(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]
    ) -> scipy.sparse.csr_array:
        """Compute the derivative."""
        from scipy.sparse import csr_array

        pattern = self.pattern
        parts = [batch.values(self.sweeps, args, kwargs) for batch in self._batches]
        if len(parts) == 1:
            data = parts[0]
        else:
            dtypes = [np.asarray(x).dtype for x in (*parts, *leaves)]
            dtype = np.result_type(*dtypes) if dtypes else np.dtype(float)
            data = np.empty(pattern.nnz + len(self._repeated), dtype)
            for batch, values in zip(self._batches, parts, strict=True):
                data[batch.entries] = values
        if len(self._repeated):
            data, more = np.split(data, [pattern.nnz])
            np.add.at(data, self._repeated, more)
        # The caller may change the structure of a matrix in place.
        indices, indptr = _copies(pattern.indices, pattern.indptr)
        matrix = csr_array((data, indices, indptr), shape=pattern.shape)
        matrix.has_canonical_format = True
        return matrix


def _copy(*arrays: Any) -> Any:
    return [x.copy() for x in arrays]


_copies = Jitted(_copy)
"""Copies in memory that is kept from one call to the next."""


def _placed(pattern: Any, columns: np.ndarray, size: int) -> tuple[Any, Any, np.ndarray]:
    """Return a pattern whose columns stand for others, of which several may be the same.

    Returns
    -------
    pattern : scipy.sparse.csr_array
    order : ndarray or None
        Its entries, and then those that are added to them, as entries of the one that was given;
        None if they are in order.
    repeated : ndarray
        Which are added to.
    """
    from scipy.sparse import csr_array

    kind = np.int32 if max(size, pattern.nnz) < 1 << 31 else np.int64
    indices, indptr = columns.astype(kind)[pattern.indices], pattern.indptr.astype(kind)
    none, m = np.zeros(0, np.intp), pattern.shape[0]
    row = np.repeat(np.arange(m), np.diff(indptr))
    rising = np.all((np.diff(indices) > 0) | (np.diff(row) > 0))
    order = None
    if not rising:
        key = row * size + indices
        order = np.argsort(key, kind="stable")
        key = key[order]
        first = np.append(True, key[1:] != key[:-1])
        none = np.cumsum(first)[~first] - 1
        order = np.concatenate([order[first], order[~first]])
        chosen = order[: len(order) - len(none)]
        indices, row = indices[chosen], row[chosen]
        indptr = np.append(0, np.cumsum(np.bincount(row, minlength=m))).astype(kind)
    found = csr_array((np.ones(len(indices), bool), indices, indptr), shape=(m, size))
    return found, order, none


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def _split(colours: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Return the colours of the elements of each leaf; of a number, in an array of one."""
    ends = np.cumsum([_size(shape) for shape in shapes])[:-1]
    parts = np.split(colours, ends.astype(int)) if shapes else []
    return [part.reshape(shape or (1,)) for part, shape in zip(parts, shapes, strict=True)]


@dataclass(frozen=True)
class _Batch:
    """Sweeps that are made in one call, and where their entries are found.

    Attributes
    ----------
    forward : bool
        Whether they are forward sweeps.
    colours : list of ndarray or Rows
        Of what they start from.
    sweeps : ndarray or Apart
        Their numbers.
    entries, at : ndarray
        Which entries they give, and where these are in what they give: in the results of all
        sweeps, the first leaf's in one vector, then the next one's; or in the parts of them that
        are wanted.
    sizes : list of int
        The lengths of those vectors.
    widths : list of int
        How much of each is a row of a leaf, if they are parts.
    regular : Regular or None
        The same as ``at``.
    """

    forward: bool
    colours: list[Any]
    sweeps: Any
    entries: np.ndarray
    at: np.ndarray
    sizes: list[int]
    widths: list[int]
    regular: Regular | None = None

    def values(self, sweeps: Sweeps, args: Any, kwargs: Any) -> np.ndarray:
        """Compute the values of the entries."""
        make = sweeps.forward if self.forward else sweeps.reverse
        values, sizes = make(args, kwargs, self.colours, self.sweeps, self.regular or self.at)
        if sizes != self.sizes:
            raise InputError("the sparsity that was given is that of results of other lengths")
        return values

    def ordered(self, order: np.ndarray) -> _Batch:
        """Return the batch for entries in another order."""
        where = np.full(int(order.max(initial=-1)) + 1, -1, self.at.dtype)
        where[self.entries] = self.at
        where = where[order]
        entries = np.flatnonzero(where >= 0)
        return replace(self, entries=entries, at=where[entries], regular=None)


def _batches(
    compression: Compression,
    chosen: np.ndarray,
    count: int,
    colours: list[np.ndarray],
    results: Sequence[tuple[int, ...]],
    largest: int,
    forward: bool,
) -> list[_Batch]:
    if not count:
        return []
    calls = -(-count * largest // _LARGEST)
    parts = np.array_split(np.arange(count), min(calls, count))
    sizes = np.array([_size(shape) for shape in results], int)
    ends = np.cumsum(sizes)
    of, place = compression.sweep, compression.place
    apart = len(parts) == 1 and count <= (1 if forward else _APART)
    found = []
    for sweeps in parts:
        mine = np.flatnonzero(chosen & (of >= sweeps[0]) & (of <= sweeps[-1]))
        leaf = np.searchsorted(ends, place[mine], "right")
        first = (ends - sizes)[leaf]
        number = of[mine] - sweeps[0]
        lengths, start = sizes * len(sweeps), number * sizes[leaf]
        given: Any = sweeps
        widths: list[int] = []
        if apart:
            # A vector for each leaf and sweep, of those in which there are entries.
            part = leaf * count + number
            wanted, which = np.unique(part, return_inverse=True)
            given = Apart(tuple([(int(p) // count, int(p) % count) for p in wanted]))
            colours = [_as_rows(x) for x in colours]
            lengths = sizes[wanted // count]
            widths = [_size(results[p // count][1:]) for p in wanted.tolist()]
            leaf, start = which, 0
        at = (np.cumsum(lengths) - lengths)[leaf] + start + place[mine] - first
        kind = np.int32 if sum(lengths) < 1 << 31 else np.int64
        at, lengths = at.astype(kind), lengths.tolist()
        found.append(_Batch(forward, colours, given, mine, at, lengths, widths))
    return found


def _regular(batch: _Batch, ends: list[int], rows: list[int]) -> Regular | None:
    """Return the entries of a batch as columns, if they are the same ones in each row.

    Parameters
    ----------
    ends : list of int
        Where the entries of the rows of each result begin, and those of the last one end.
    rows : list of int
        The lengths of the results.
    """
    starts, widths = np.cumsum([0, *batch.sizes]), np.array(batch.widths)
    lengths = np.array(batch.sizes) // np.maximum(widths, 1)
    segments = []
    for k, n in enumerate(rows):
        at = batch.at[ends[k] : ends[k + 1]].astype(np.int64)
        if not len(at):
            continue
        if not n or len(at) % n or len(at) // n > _LONG:
            return None
        table = at.reshape(n, -1)
        part = np.searchsorted(starts, table[0], "right") - 1
        column = table[0] - starts[part]
        if np.any(column >= widths[part]) or np.any(lengths[part] != n):
            return None
        if not np.array_equal(table, table[0] + np.arange(n)[:, np.newaxis] * widths[part]):
            return None
        segments.append(tuple(zip(part.tolist(), column.tolist(), strict=True)))
    return Regular(tuple(segments)) if segments else None


def _as_rows(colours: np.ndarray) -> Any:
    """Return colours as those of one row, if all rows are coloured the same."""
    width = _size(colours.shape[1:])
    if not len(colours) or not 0 < width <= _WIDE or np.any(colours != colours[0]):
        return colours
    return Rows(tuple(np.ravel(colours[0]).tolist()))


def rows_that_differ(matrix: Any, vector: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Return the rows whose product with a random vector is not that of the derivative."""
    found = matrix @ vector
    size = abs(matrix) @ np.abs(vector) + np.abs(product)
    precision = np.finfo(product.dtype).eps
    # Rounding errors are of the size of the row; of what cancelled, of that of the largest ones.
    tolerance = 32 * precision**0.5 * size + 1e3 * precision * np.max(size, initial=0.0)
    return np.flatnonzero(np.abs(found - product) > tolerance)
