"""What is proved of integers: lengths, indices, numbers of passes.

An integer is a linear expression of others as far as it is computed by Python's sums, differences
and products with constants, which do not wrap around. Signs follow from the bounds of the values in
it, and from *facts*: in the body of a loop there is a first pass.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir.dims import Dim, add, difference, known_sign, scale
from adjoint.ir.graph import Value
from adjoint.ir.types import python_type
from adjoint.ops import control
from adjoint.ops import elementwise as ew

__all__ = ["Integers"]

_INT = python_type(int)


class Integers:
    """Linear expressions of values, and their signs.

    Attributes
    ----------
    facts : list
        Linear expressions that are not negative where the question is asked.
    """

    def __init__(self) -> None:
        self.facts: list[Any] = []
        self._known: dict[Value, Any] = {}

    def of(self, x: Any) -> Any:
        """Return a value, dimension or number as a linear expression; None of what is neither."""
        if type(x) is Value:
            found = self._known.get(x)
            if found is None:
                found = self._known[x] = self._expression(x)
            return found
        if not isinstance(x, Dim):
            return x
        total: Any = x.constant
        for v, c in x.terms:
            total = add(total, scale(self.of(v), c))
        return total

    def _expression(self, value: Value) -> Any:
        op, itself = value.op, Dim(0, ((value, 1),))
        if op is None or value.type != _INT:
            return itself
        if op is control.constant:
            return value.params["value"]
        if op is control.dim:
            n = value.inputs[0].shape[value.params["axis"]]
            return itself if n is None else self.of(n)
        if op not in _LINEAR or any([v.type != _INT for v in value.inputs]):
            return itself
        x, *rest = map(self.of, value.inputs)
        if op is ew.negative:
            return scale(x, -1)
        (y,) = rest
        if op is ew.add:
            return add(x, y)
        if op is ew.subtract:
            return difference(x, y)
        if type(y) is int:
            return scale(x, y)
        return scale(y, x) if type(x) is int else itself

    def sign(self, x: Any, y: Any = 0) -> str | None:
        """Return what is proved of the sign of x − y (`known_sign`)."""
        n = difference(self.of(x), self.of(y))
        if type(n) is int:
            return ">0" if n > 0 else "<0" if n else "==0"
        found = known_sign(n)
        if found is None:
            for fact in self.facts:
                if known_sign(difference(n, fact)) == ">0":
                    return ">0"
                if known_sign(add(n, fact)) == "<0":
                    return "<0"
        return found

    def note_passes(self, lo: Value, hi: Value, step: Value) -> None:
        """Note that the body of a ``for`` is only run if there is a first pass."""
        if step.op is control.constant:
            span = difference(self.of(hi), self.of(lo))
            fact = add(scale(span, -1) if step.params["value"] < 0 else span, -1)
            if isinstance(fact, Dim):
                self.facts.append(fact)


_LINEAR = frozenset({ew.add, ew.subtract, ew.multiply, ew.negative})
