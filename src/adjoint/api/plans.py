"""What is settled about a sparse derivative before its values are computed, and kept.

A plan is a pattern, the sweeps that give its entries, and for each entry where it is found in what
they give. Its values are then two staged calls at most, whose results are gathered into place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.api.sweeps import Sweeps
from adjoint.errors import InputError
from adjoint.transforms.colouring import Compression

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["Plan"]

_LARGEST = 1 << 24
"""Elements of the seeds or results of the sweeps that are made in one call."""


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
    ) -> None:
        self.pattern = pattern
        self.forward = compression.forward
        self.reverse = compression.reverse
        self._column_colours = _split(compression.columns, inputs)
        self._row_colours = _split(compression.rows, results)
        largest = max(1, *pattern.shape)
        by_rows = compression.by_rows
        self._forward = _batches(compression, ~by_rows, self.forward, results, largest)
        self._reverse = _batches(compression, by_rows, self.reverse, inputs, largest)

    def __repr__(self) -> str:
        m, n = self.pattern.shape
        counts = ((self.forward, "forward"), (self.reverse, "reverse"))
        kinds = " and ".join([f"{count} {name}" for count, name in counts if count]) or "no"
        sweeps = "sweep" if self.forward + self.reverse == 1 else "sweeps"
        entries = "1 entry" if self.pattern.nnz == 1 else f"{self.pattern.nnz} entries"
        return f"<plan: {m} × {n}, {entries} by {kinds} {sweeps}>"

    def matrix(
        self, sweeps: Sweeps, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]
    ) -> scipy.sparse.csr_array:
        """Compute the derivative."""
        from scipy.sparse import csr_array

        parts = []
        for batch in self._forward:
            results = sweeps.forward(args, kwargs, self._column_colours, batch.sweeps)
            parts += batch.found(results)
        for batch in self._reverse:
            results = sweeps.reverse(args, kwargs, self._row_colours, batch.sweeps)
            parts += batch.found(results)
        dtypes = [np.asarray(x).dtype for x in (*[x for _, x in parts], *leaves)]
        dtype = np.result_type(*dtypes) if dtypes else np.dtype(float)
        data = np.empty(self.pattern.nnz, dtype)
        for where, values in parts:
            data[where] = values
        # The caller may change the structure of a matrix in place.
        pattern = self.pattern
        structure = (pattern.indices.copy(), pattern.indptr.copy())
        return csr_array((data, *structure), shape=pattern.shape)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def _split(colours: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Return the colours of the elements of each leaf; of a number, in an array of one."""
    ends = np.cumsum([_size(shape) for shape in shapes])[:-1]
    parts = np.split(colours, ends.astype(int)) if shapes else []
    return [part.reshape(shape or (1,)) for part, shape in zip(parts, shapes, strict=True)]


class _Batch:
    """Sweeps that are made in one call, and where their entries are found.

    Attributes
    ----------
    sweeps : ndarray
        Their numbers.
    entries : list of (int, index, ndarray)
        For each leaf of the results in which there are any: its number, the entries (by number, in
        CSR order), and where they are in the results of all sweeps, taken as one vector.
    """

    def __init__(
        self, compression: Compression, chosen: np.ndarray, sweeps: np.ndarray, ends: np.ndarray
    ) -> None:
        self.sweeps = sweeps
        self.entries: list[tuple[int, Any, np.ndarray]] = []
        self.sizes = np.diff(ends, prepend=0).tolist()
        sweep, place = compression.sweep, compression.place
        mine = np.flatnonzero(chosen & (sweep >= sweeps[0]) & (sweep <= sweeps[-1]))
        leaf = np.searchsorted(ends, place[mine], "right")
        for k, (start, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
            where = mine[leaf == k]
            if len(where):
                at = (sweep[where] - sweeps[0]) * (end - start) + (place[where] - start)
                self.entries.append((k, _as_slice(where), at))

    def found(self, results: list[Any]) -> list[tuple[Any, np.ndarray]]:
        """Return the values of the entries, in parts, each with which they are."""
        sizes = [x.size // len(self.sweeps) for x in results]
        if sizes != self.sizes:
            raise InputError(
                f"the sparsity that was given is that of results of {self.sizes} elements, but "
                f"now there are {sizes} of them"
            )
        return [(where, results[k].reshape(-1)[at]) for k, where, at in self.entries]


def _as_slice(where: np.ndarray) -> Any:
    first, last = int(where[0]), int(where[-1])
    return slice(first, last + 1) if last - first + 1 == len(where) else where


def _batches(
    compression: Compression,
    chosen: np.ndarray,
    count: int,
    results: Sequence[tuple[int, ...]],
    largest: int,
) -> list[_Batch]:
    if not count:
        return []
    ends = np.cumsum([_size(shape) for shape in results])
    calls = -(-count * largest // _LARGEST)
    parts = np.array_split(np.arange(count), min(calls, count))
    return [_Batch(compression, chosen, part, ends) for part in parts]


def rows_that_differ(matrix: Any, vector: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Return the rows whose product with a random vector is not that of the derivative."""
    found = matrix @ vector
    size = abs(matrix) @ np.abs(vector) + np.abs(product)
    precision = np.finfo(product.dtype).eps
    # Rounding errors are of the size of the row; of what cancelled, of that of the largest ones.
    tolerance = 32 * precision**0.5 * size + 1e3 * precision * np.max(size, initial=0.0)
    return np.flatnonzero(np.abs(found - product) > tolerance)
