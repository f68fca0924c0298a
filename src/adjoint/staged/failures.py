"""Why something cannot be staged, for those who may do otherwise: unroll, or stage a constant."""

from __future__ import annotations

from typing import Any

from adjoint.errors import TracingError

__all__ = ["CannotStage", "NeedsConstant"]


class CannotStage(TracingError):
    """A loop or branch cannot be an operation; a loop may still be unrolled.

    Attributes
    ----------
    culprit : object
        The staged value whose number was wanted, if that was the reason.
    parameters : set of int
        The argument leaves that would have to be constants, where that would help.
    """

    def __init__(self, message: str, culprit: Any = None) -> None:
        super().__init__(message)
        self.culprit = culprit
        self.parameters: set[int] = set()


class NeedsConstant(CannotStage):
    """Python asked for the number behind a staged value."""
