"""What a value of the graph is while its function is written.

=============  =====================================================================================
`Number`       registers: a number, or an array without axes
`Buffer`       an array in memory: a pointer, and strides for the axes
`Lazy`         an array that is not in memory: a function from an index to the code of one element
`Stack`        what a loop keeps: a header in memory
=============  =====================================================================================

A lazy array is written into the loops of whoever reads it. It is put into memory (*forced*) where
it is read more than once and costs something, before memory that it reads is overwritten, and where
something other than its elements is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from adjoint.backends.llvm.lower.types import Element
from adjoint.backends.llvm.writer import Integer

__all__ = ["MERGED", "Array", "Buffer", "Index", "Lazy", "Number", "Rep", "Shape", "Stack", "Word"]

Shape: TypeAlias = "tuple[Integer, ...]"

MERGED = "merged"
"""Stands in an index for an axis that is gone through together with the one behind it."""

Index: TypeAlias = "tuple[Integer, ...]"


@dataclass(slots=True, eq=False)
class Number:
    """A number in registers."""

    dtype: np.dtype
    element: Element

    @property
    def shape(self) -> Shape:
        return ()


@dataclass(slots=True, eq=False)
class Buffer:
    """An array in memory.

    Attributes
    ----------
    dtype : numpy.dtype
    shape : tuple of int or register
    pointer : str
        Of the element whose indices are 0.
    strides : tuple of int or register
        In bytes.
    dense : bool
        Whether the elements are known to follow each other in C's order.
    tokens : frozenset of int
        What memory it is of, as the analysis of ownership has it.
    memory : object
        Keeps what the array lies in from being used for another (`lower.memory`).
    origins : frozenset of str
        The pointers one of which the pointer is, of what comes out of a branch.
    whole : object
        What memory it is all of, if it is known to be apart from all that is not the same.
    scratch : bool
        Whether it is there for the sake of one value, which may turn out not to be read again.
    """

    dtype: np.dtype
    shape: Shape
    pointer: str
    strides: Shape
    dense: bool = False
    tokens: frozenset[int] = frozenset()
    memory: Any = None
    origins: frozenset[str] = frozenset()
    whole: Any = None
    scratch: bool = False


@dataclass(slots=True, eq=False, weakref_slot=True)
class Lazy:
    """An array whose elements are computed where they are read.

    Attributes
    ----------
    dtype : numpy.dtype
    shape : tuple of int or register
    element : callable
        From an index to the element, which it writes the code of.
    operands : tuple of (Rep, bool)
        What it reads; whether an element is computed from elements at the same index alone.
    cost : int
        Of an element: about how many additions it is worth.
    mergeable : callable or None
        Whether axes k and k + 1 may be gone through as one.
    shared : bool
        Whether it is to be in memory once it is computed.
    buffer : Buffer or None
        Where it is, once it was forced.
    view : Buffer or None
        Memory that has these elements for the time being, of an array that is a copy of it.
    key : Value or (Value, int) or None
        The value that it is.
    bounds : tuple or None
        The least and the greatest of its elements, which are integers, where they are known.
    tokens : frozenset of int
        What memory it is of, or will be once it is forced, as the analysis of ownership has it.
    """

    dtype: np.dtype
    shape: Shape
    element: Callable[[Index], Element]
    operands: tuple[tuple[Any, bool], ...] = ()
    cost: int = 1
    mergeable: Callable[[int], bool] | None = None
    shared: bool = False
    buffer: Buffer | None = None
    view: Buffer | None = None
    key: Any = None
    bounds: tuple[Integer, Integer] | None = None
    tokens: frozenset[int] = frozenset()


@dataclass(slots=True, eq=False)
class Word:
    """How entries of a stack lie in memory.

    ``kind`` is "number", "fixed" (arrays of one size), "ragged" (arrays of any) or "stack".
    """

    kind: str
    dtype: Any = None
    ndim: int = 0
    inner: Any = None


@dataclass(slots=True, eq=False)
class Stack:
    """What a loop keeps: a header in memory (`lower.stack_code`).

    ``fresh``: no other header refers to its data.
    """

    header: str
    word: Word
    tokens: frozenset[int] = field(default_factory=frozenset)
    fresh: bool = False


Array: TypeAlias = "Number | Buffer | Lazy"
Rep: TypeAlias = "Number | Buffer | Lazy | Stack"
