"""Why something cannot be staged, for those who may do otherwise: unroll, or stage a constant."""

from __future__ import annotations

from typing import Any

from adjoint.errors import AdjointError

__all__ = ["CannotStage", "NeedsConstant"]


class CannotStage(AdjointError):
    """A loop or branch cannot be an operation; a loop may still be unrolled.

    It is no TypeError: NumPy takes one that ``__index__`` raises for the answer that something is
    no integer. What the user sees is a TracingError with this message.

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
