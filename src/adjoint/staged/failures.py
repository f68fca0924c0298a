"""Why something cannot be staged, for those who may do otherwise: unroll, or stage a constant."""

from __future__ import annotations

from typing import Any

from adjoint.errors import TracingError

__all__ = ["CannotStage", "NeedsConstant"]


class CannotStage(TracingError):
    """A loop or branch cannot be an operation; a loop may still be unrolled.

    Attributes
    ----------
    culprits : list
        The staged values whose numbers would help, from the inside out: what was asked for, the
        numbers of passes of the loops around it.
    parameters : set of int
        The argument leaves that would have to be constants, where that would help.
    """

    def __init__(self, message: str, culprit: Any = None) -> None:
        super().__init__(message)
        self.culprits: list[Any] = [] if culprit is None else [culprit]
        self.parameters: set[int] = set()


class NeedsConstant(CannotStage):
    """Python asked for the number behind a staged value."""
