"""Every exception that `adjoint` raises.

All of them derive from `AdjointError`, and each also derives from the built-in exception that a
NumPy user would expect for the same mistake, so that existing ``except`` clauses keep working.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AdjointError",
    "CheckpointError",
    "CompileError",
    "EscapedValueError",
    "IRError",
    "InputError",
    "MissingDependencyError",
    "NoRuleError",
    "NonDifferentiableError",
    "NonFiniteError",
    "RuleError",
    "TracingError",
    "UndefinedDerivativeError",
]


class AdjointError(Exception):
    """Base class of all errors raised by `adjoint`."""


class InputError(AdjointError, ValueError):
    """An argument of a transformation has the wrong shape, structure or value."""


class NonDifferentiableError(AdjointError, TypeError):
    """A derivative was asked of something that has none (an integer, a string, a boolean)."""


class TracingError(AdjointError, TypeError):
    """A traced value met code that cannot carry its derivative."""


class CheckpointError(AdjointError, ValueError):
    """A file of arrays is damaged, or does not fit what is to be read from it."""


class CompileError(AdjointError, RuntimeError):
    """A graph could not be made machine code."""


class EscapedValueError(AdjointError, RuntimeError):
    """A traced value was used after the transformation that made it had ended."""


class IRError(AdjointError, RuntimeError):
    """A graph is not valid, or its text is not that of a graph."""


class MissingDependencyError(AdjointError, ImportError):
    """An optional package that this needs is not installed, or is too old."""


class NoRuleError(AdjointError, NotImplementedError):
    """A function of a traced value has no derivative rule."""


class NonFiniteError(AdjointError, FloatingPointError):
    """Training met a NaN or an infinity.

    Attributes
    ----------
    result : FitResult
        As training was before that step: the last model whose numbers are finite.
    step : int
        How many steps had been made.
    layer : str or None
        The part of the model in which it appeared first.
    place : (str, int) or None
        File and line of the user's program.
    """

    def __init__(
        self,
        message: str,
        result: Any = None,
        step: int = 0,
        layer: str | None = None,
        place: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.result = result
        self.step = step
        self.layer = layer
        self.place = place


class RuleError(AdjointError, RuntimeError):
    """A derivative rule returned something of the wrong shape or type."""


class UndefinedDerivativeError(AdjointError, ArithmeticError):
    """A function has no derivative at this point (eigenvectors at repeated eigenvalues, say)."""
