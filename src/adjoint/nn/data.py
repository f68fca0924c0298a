"""Batches: from arrays in memory or on disk, or from whatever gives them.

An epoch of arrays goes through all rows once, in an order drawn from a generator. Only the rows of
a batch are read, so that memory-mapped files may be larger than memory.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.errors import InputError

__all__ = ["Arrays", "Batch", "Stream", "as_source", "leaves_of"]


@dataclass(frozen=True)
class Batch:
    """Some examples.

    Attributes
    ----------
    args : tuple
        What the loss is given after the model: trees of arrays.
    rows : ndarray or None
        Which rows of the data they are, where that is known.
    """

    args: tuple[Any, ...]
    rows: np.ndarray | None = None

    @functools.cached_property
    def size(self) -> int:
        """How many examples: the length of the first array."""
        for leaf in tree.flatten(self.args)[0]:
            if np.ndim(leaf):
                return len(leaf)
        return 1


@dataclass(frozen=True)
class Arrays:
    """A tree of arrays that have one row an example.

    Attributes
    ----------
    value : pytree
    batch_size : int
    shuffle : bool
    """

    value: Any
    batch_size: int
    shuffle: bool

    @property
    def examples(self) -> int:
        return len(tree.flatten(self.value)[0][0])

    @property
    def batches(self) -> int:
        return -(-self.examples // self.batch_size)

    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch but the first ``skip``."""
        count, size = self.examples, self.batch_size
        order = rng.permutation(count) if self.shuffle else None
        leaves, spec = tree.flatten(self.value)
        for begin in range(skip * size, count, size):
            end = min(begin + size, count)
            rows = np.arange(begin, end) if order is None else order[begin:end]
            at = slice(begin, end) if order is None else rows
            part = tree.unflatten(spec, [np.asarray(leaf[at]) for leaf in leaves])
            yield Batch(_spread(part), rows)


@dataclass(frozen=True)
class Stream:
    """Batches that something else makes.

    Attributes
    ----------
    make : callable
        From a generator of random numbers to the batches of an epoch.
    """

    make: Callable[[np.random.Generator], Iterable[Any]]
    examples: None = None
    batches: int | None = None

    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch but the first ``skip``."""
        for number, batch in enumerate(self.make(rng)):
            if number >= skip:
                yield Batch(_spread(tree.map_leaves(np.asarray, batch)))


def _spread(batch: Any) -> tuple[Any, ...]:
    """Return the arguments that a batch is: a tuple or list is several, all else is one."""
    return tuple(batch) if type(batch) in (tuple, list) else (batch,)


def as_source(data: Any, batch_size: int, shuffle: bool, epochs: int, title: str) -> Any:
    """Return what gives the batches of each epoch.

    Parameters
    ----------
    data : array, tuple or dict of arrays, iterable or callable
        Arrays with one row an example; or batches: an iterable of them, or a function that returns
        one for each epoch, which may take ``rng``.
    batch_size : int
    shuffle : bool
        Of arrays.
    epochs : int
        How often it is gone through.
    title : str
        Its name in messages.

    Raises
    ------
    InputError
        If it is nothing of this kind, is empty, or its arrays differ in length.
    """
    if callable(data):
        return Stream(_maker(data))
    if isinstance(data, (tuple, dict, np.ndarray)) or hasattr(data, "__array__"):
        return Arrays(_checked(data, title), batch_size, shuffle)
    if isinstance(data, list) and data and isinstance(data[0], np.ndarray):
        raise InputError(
            f"{title} is a list of arrays: give a tuple of arrays with one row an example, or a "
            "list of batches, each of which is a tuple"
        )
    if not isinstance(data, Iterable):
        raise InputError(
            f"{title} is {_a(data)}: it has to be arrays, batches or a function that returns "
            "batches"
        )
    if iter(data) is data and epochs > 1:
        raise InputError(
            f"{title} is {_a(data)}, which gives its batches once, not for {epochs} epochs: give "
            "the function that makes it"
        )
    if isinstance(data, list) and not data:
        raise InputError(f"{title} is empty")
    count = len(data) if hasattr(data, "__len__") else None  # type: ignore[arg-type]
    return Stream(lambda rng: data, batches=count)


def _maker(data: Callable[..., Any]) -> Callable[[np.random.Generator], Iterable[Any]]:
    try:
        takes = "rng" in inspect.signature(data).parameters
    except (TypeError, ValueError):
        takes = False
    return (lambda rng: data(rng=rng)) if takes else (lambda rng: data())


def _checked(data: Any, title: str) -> Any:
    """Return a tree of arrays of one length."""
    data = data if isinstance(data, (tuple, dict)) else np.asanyarray(data)
    named = [(title + path, leaf) for path, leaf in tree.leaves_with_names(data)]
    if not named:
        raise InputError(f"{title} holds no arrays")
    arrays = []
    for name, leaf in named:
        array = leaf if isinstance(leaf, np.ndarray) else np.asarray(leaf)
        if array.dtype == object:
            raise InputError(f"{name} holds Python objects: training takes arrays of numbers")
        if array.ndim == 0:
            raise InputError(
                f"{name} is {leaf!r:.60}: it has to be an array, with one row an example"
            )
        arrays.append(array)
    length = len(arrays[0])
    for (name, _), array in zip(named, arrays, strict=True):
        if len(array) != length:
            raise InputError(
                f"{name} has {len(array)} rows, but {named[0][0]} has {length}: there has to be "
                "one row an example"
            )
    if length == 0:
        raise InputError(f"{title} is empty: {named[0][0]} has no rows")
    return tree.unflatten(tree.structure(data), arrays)


def _a(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def leaves_of(args: tuple[Any, ...], dtype: np.dtype | None) -> tuple[list[Any], Any]:
    """Return the leaves of a batch, with all floats of one dtype (None: as they are)."""
    leaves, spec = tree.flatten(args)
    if dtype is not None:
        leaves = [
            x.astype(dtype, copy=False) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x
            for x in leaves
        ]
    return leaves, spec
