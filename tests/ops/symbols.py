"""Lengths as graph values: what the tests of inference put in the place of numbers."""

from __future__ import annotations

import math
from typing import Any

from adjoint.ir.core import Op
from adjoint.ir.dims import Dim, evaluate, of_value
from adjoint.ir.graph import Value
from adjoint.ir.types import Type, python_type
from adjoint.ops.inference import infer

__all__ = ["Symbols", "integer"]


def integer(low: Any = None, high: Any = None) -> Value:
    """Return an integer parameter of a graph with the given bounds."""
    value = Value(None, (), {}, python_type(int))
    value.bounds = (low, high)
    return value


class Symbols:
    """Graph values that stand for known numbers, and what inference asks for and requires.

    Attributes
    ----------
    env : dict
        The numbers.
    required : list of pairs
        The lengths that must be equal when the program runs.
    fresh : int
        How many lengths inference asked for because it had no expression for them.
    """

    def __init__(self, shared: bool = False) -> None:
        self.shared = shared
        self.env: dict[Value, int] = {}
        self.known: dict[int, Dim] = {}
        self.required: list[tuple[Any, Any]] = []
        self.fresh = 0

    def symbol(self, number: int, low: Any = None, high: Any = None) -> Dim:
        """Return an expression for ``number`` with the given bounds."""
        value = integer(low, high)
        self.env[value] = number
        return of_value(value)

    def length(self, n: int) -> Any:
        """Return a symbol for a length: of its own, or (``shared``) that of all equal lengths."""
        if n < 2:
            return n
        if not self.shared:
            return self.symbol(n, 2)
        if n not in self.known:
            self.known[n] = self.symbol(n, 2)
        return self.known[n]

    def operand(self, t: Any) -> Any:
        """Return a type, or the types of a tuple, with symbols for lengths."""
        if isinstance(t, tuple):
            return tuple(map(self.operand, t))
        return t.with_shape(tuple(map(self.length, t.shape)))

    def infer(self, op: Op, operands: Any, params: dict[str, Any]) -> Any:
        return infer(
            op,
            operands,
            params,
            require_equal=lambda m, n: self.required.append((m, n)),
            length=self._length,
            quotient=self._quotient,
        )

    def _length(self, start: Any, stop: Any, step: Any, n: Any) -> Dim:
        self.fresh += 1
        parts = [None if x is None else self.number(x) for x in (start, stop, step)]
        if n is None:
            return self.symbol(len(range(*parts)), 0)
        return self.symbol(len(range(*slice(*parts).indices(self.number(n)))), 0, n)

    def _quotient(self, above: Any, below: Any) -> Dim:
        self.fresh += 1
        return self.symbol(math.prod(self.shape(above)) // math.prod(self.shape(below)), 0)

    def number(self, n: Any) -> int:
        return evaluate(n, self.env)

    def shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(None if n is None else self.number(n) for n in shape)

    def hold(self) -> bool:
        """Tell whether all that is required is so."""
        return all(self.number(m) == self.number(n) for m, n in self.required)


def symbolic(t: Type, *shape: Any) -> Type:
    """Return a type with another shape."""
    return t.with_shape(shape)
