"""Every exception that `adjoint` raises.

All of them derive from `AdjointError`, and each also derives from the built-in exception that a
NumPy user would expect for the same mistake, so that existing ``except`` clauses keep working.
"""

from __future__ import annotations

__all__ = [
    "AdjointError",
    "CompileError",
    "EscapedValueError",
    "IRError",
    "InputError",
    "MissingDependencyError",
    "NoRuleError",
    "NonDifferentiableError",
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


class RuleError(AdjointError, RuntimeError):
    """A derivative rule returned something of the wrong shape or type."""


class UndefinedDerivativeError(AdjointError, ArithmeticError):
    """A function has no derivative at this point (eigenvectors at repeated eigenvalues, say)."""
