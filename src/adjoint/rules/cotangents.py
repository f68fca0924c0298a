"""Tangents and cotangents that are not written out as arrays.

Most of a cotangent may be zero by construction: one element was read, one result of several was
used. These say so, and the reverse walk adds them in place to the accumulator of the operand.
"""

from __future__ import annotations

from typing import Any

from adjoint.ops.indexing import Path

__all__ = ["At", "Handed", "Part", "Undefined"]


class At:
    """Zero but for the part at ``path``, which is ``value``."""

    __slots__ = ("path", "value")

    def __init__(self, path: Path, value: Any) -> None:
        self.path = path
        self.value = value


class Part:
    """The cotangent of a tuple, zero but for entry ``k``."""

    __slots__ = ("k", "value")

    def __init__(self, k: int, value: Any) -> None:
        self.k = k
        self.value = value


class Handed:
    """An accumulator handed on whole: the receiver may go on adding to it in place."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Undefined:
    """The tangent of a value that has no derivative here; ``error`` says why.

    What is computed from the value has none either. The error is raised where a result is one: an
    eigenvector that is computed and never used does no harm.
    """

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error
