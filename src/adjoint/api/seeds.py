"""What sweeps start from, and the matrix entries in what they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.api.staged_tracing import StagedCall
from adjoint.eager.tape import type_of
from adjoint.ir.dims import difference
from adjoint.ops.creation import ones
from adjoint.ops.structural import broadcast_to, cast, concatenate, reshape, stack
from adjoint.staged.values import lift
from adjoint.staging.session import session
from adjoint.staging.stage import Output
from adjoint.transforms.columns import columns

__all__ = ["Apart", "Regular", "Rows", "Table", "grouped", "in_order", "seeds_of", "split"]


class Known:
    """What is part of what is recorded: a leaf to trees of arguments, compared by what it holds."""

    __slots__ = ()

    def _held(self) -> Any:
        return tuple([getattr(self, name) for name in self.__slots__])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._held() == other._held()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._held()))


class Apart(Known):
    """Sweeps that are recorded one by one, each with what is known of its seed.

    Attributes
    ----------
    parts : tuple of (int, int)
        What is wanted of them: the number of a leaf, and of a sweep.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[tuple[int, int], ...]) -> None:
        self.parts = parts


class Rows(Known):
    """The colours of an array whose rows are all coloured the same.

    Attributes
    ----------
    colours : tuple of int
        Of a row.
    """

    __slots__ = ("colours",)

    def __init__(self, colours: tuple[int, ...]) -> None:
        self.colours = colours


class Regular(Known):
    """Entries that are the same columns in every row.

    Attributes
    ----------
    segments : tuple
        One after the other, each row by row: for each entry of a row, a part and a column of it.
    """

    __slots__ = ("segments",)

    def __init__(self, segments: tuple[tuple[tuple[int, int], ...], ...]) -> None:
        self.segments = segments


@dataclass(frozen=True)
class Table:
    """An array as its columns.

    Attributes
    ----------
    columns : list
    shape : tuple of int
        Of a row.
    """

    columns: list[Any]
    shape: tuple[int, ...]


Shapes = list[tuple[int, ...] | None]
"""Of the rows of leaves; None of those that are not tables."""


def split(call: StagedCall) -> tuple[Shapes, Shapes] | None:
    """Write a call in columns, if that can be; return the rows of its parameters and results."""
    if call.writes or call.aux:
        return None
    found = columns(call.block, call.parameters, call.given)
    if found is None:
        return None
    for length, size in found.taken.items():
        session().assume(difference(length, size), 0)
        session().assume(difference(size, length), 0)
    starts = np.cumsum([0, *map(len, found.results)]).tolist()
    outputs: list[Any] = []
    shapes: Shapes = []
    for leaf in call.outputs:
        if isinstance(leaf, Output):
            first, end = starts[leaf.number], starts[leaf.number + 1]
            outputs += [Output(k) for k in range(first, end)]
            shapes.append(found.of_results[leaf.number])
        else:
            outputs.append(leaf)
            shapes.append(None)
    call.outputs = outputs
    call.block = found.recorded
    call.parameters = [v for each in found.parameters for v in each]
    call.given = [v for each in found.given for v in each]
    return found.of_parameters, shapes


def grouped(leaves: Sequence[Any], shapes: Shapes) -> list[Any]:
    """Return leaves with the columns of each table together."""
    left = iter(leaves)
    return [
        next(left) if shape is None else Table([next(left) for _ in range(math.prod(shape))], shape)
        for shape in shapes
    ]


def seeds_of(colours: Any, sweep: Any, likes: list[Any]) -> list[Any]:
    """Return the seeds of a sweep, those of a table one a column; None for zeros."""
    seeds = []
    for colour, like in zip(colours, likes, strict=True):
        if isinstance(like, Table):
            for k, (at, x) in enumerate(zip(np.ndindex(*like.shape), like.columns, strict=True)):
                shape, dtype = type_of(x)  # type: ignore[misc]
                if not isinstance(colour, Rows):
                    seeds.append(cast(np.equal(colour[(slice(None), *at)], sweep), dtype=dtype))
                else:
                    seeds.append(ones(shape, dtype) if colour.colours[k] == sweep else None)
            continue
        shape, dtype = type_of(like)  # type: ignore[misc]
        if isinstance(colour, Rows):
            row = np.array(np.equal(colour.colours, sweep), dtype)
            row = row.reshape([*shape[1:]]) if len(shape) > 1 else row[0]
            if shape:
                row = broadcast_to(lift(row), shape=shape)
            seeds.append(row if sweep in colour.colours else None)
            continue
        seed = cast(np.equal(colour, sweep), dtype=dtype)
        seeds.append(seed if shape else seed[0])
    return seeds


def in_order(results: list[Any], at: Any, dtypes: list[np.dtype]) -> tuple[Any, list[Any]]:
    """Return numbers of some results, and the lengths of these, each taken as one vector."""
    results = [x if isinstance(x, Table) else lift(x) for x in results]
    of = [x.columns if isinstance(x, Table) else [x] for x in results]
    dtype = np.result_type(*[type_of(x)[1] for xs in of for x in xs], *dtypes)  # type: ignore[index]
    sizes = [xs[0].size * len(xs) for xs in of]
    if isinstance(at, Regular):
        parts = []
        for segment in at.segments:
            rows = [cast(_column(results[part], k), dtype=dtype) for part, k in segment]
            whole = rows[0] if len(rows) == 1 else stack(*rows, axis=1)
            parts.append(reshape(whole, shape=(-1,)))
        return concatenate(*parts, axis=0) if len(parts) > 1 else parts[0], sizes
    flat = [cast(np.ravel(_whole(x)), dtype=dtype) for x in results]
    return concatenate(*flat, axis=0)[at], sizes


def _column(x: Any, k: int) -> Any:
    if isinstance(x, Table):
        return lift(x.columns[k])
    if x.ndim < 2:
        return np.ravel(x)
    return reshape(x, shape=(x.shape[0], -1))[:, k]


def _whole(x: Any) -> Any:
    if not isinstance(x, Table):
        return x
    return stack(*map(lift, x.columns), axis=1) if x.shape else lift(x.columns[0])
