"""Index arrays: checked once, before the elements that they name are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import CHEAP, lazy_cost
from adjoint.backends.llvm.lower.types import cast
from adjoint.backends.llvm.lower.values import Index, Lazy, Number
from adjoint.backends.llvm.writer import Integer

__all__ = ["Positions", "positions_of"]

INT = np.dtype(np.int64)


class Positions:
    """An array of integers that are places along an axis.

    Attributes
    ----------
    rep : Rep
    low, high : int or register, or None
        Bounds of the integers, where they are known.
    """

    __slots__ = ("high", "low", "rep", "value")

    def __init__(
        self, rep: Any, low: Integer | None = None, high: Integer | None = None, value: Any = None
    ) -> None:
        self.rep = rep
        self.low = low
        self.high = high
        self.value = value

    @classmethod
    def constant(cls, f: Lowering, value: np.ndarray) -> Positions:
        """Return an index array that is known."""
        from adjoint.backends.llvm.lower.creation import constant_array

        value = np.ascontiguousarray(value, np.int64).reshape(np.shape(value))
        rep = constant_array(f, value)
        if not value.size:
            return cls(rep, 0, -1, value)
        return cls(rep, int(value.min()), int(value.max()), value)

    def check(self, f: Lowering, n: Integer) -> None:
        """Report an index that is out of bounds of an axis of n elements."""
        low, high = self.extent(f)
        body = f.body
        fine = body.compare("slt", high, n)
        if not (isinstance(low, int) and low >= 0):
            above = body.compare("sge", body.add(low, n), 0)
            fine = body.op(f"and i1 {fine}, {above}", fine, above)
        f.refuse_unless(fine)

    def extent(self, f: Lowering) -> tuple[Integer, Integer]:
        """Return bounds of the integers, computed if they are not known."""
        if self.low is None or self.high is None:
            self.low, self.high = _extent(f, self.rep)
        return self.low, self.high

    def at(self, f: Lowering, index: Index, n: Integer) -> Integer:
        """Return a place, from 0 on."""
        body = f.body
        if self.value is not None and all(isinstance(i, int) for i in index):
            i = int(self.value[index])
            return i if i >= 0 else body.add(i, n)
        x = cast(body, f.element(self.rep, index), self.rep.dtype, INT)
        assert isinstance(x, str)
        if not x.startswith("%"):
            i = int(x)
            return i if i >= 0 else body.add(i, n)
        if (isinstance(self.low, int) and self.low >= 0) or self.rep.dtype.kind == "u":
            return x
        return body.select(body.compare("slt", x, 0), body.add(x, n), x)


def positions_of(f: Lowering, rep: Any) -> Positions:
    """Return an array of integers as an index array; it is put into memory if it costs much."""
    if isinstance(rep, Lazy) and rep.buffer is None and lazy_cost(rep) > CHEAP:
        from adjoint.backends.llvm.lower.memory import force

        rep = force(f, rep)
    bounds = getattr(rep, "bounds", None)
    if bounds is not None:
        return Positions(rep, *bounds)
    return Positions(rep)


def _extent(f: Lowering, rep: Any) -> tuple[Integer, Integer]:
    """Return the least and the greatest integer of an array; (0, -1) of one without elements."""
    from adjoint.backends.llvm.lower.folds import fold_all

    body = f.body
    if isinstance(rep, Number):
        x = cast(body, rep.element, rep.dtype, INT)
        assert isinstance(x, str)
        return (x, x) if x.startswith("%") else (int(x), int(x))

    def extrema(xs: list[str], x: Any) -> list[str]:
        i = cast(body, x, rep.dtype, INT)
        found = []
        for name, former in zip(("smin", "smax"), xs):
            full = f"@llvm.{name}.i64"
            body.module.declare(full, f"declare i64 {full}(i64, i64)")
            found.append(body.op(f"call i64 {full}(i64 {former}, i64 {i})", former, i))
        return found

    low, high = fold_all(f, rep, ["i64", "i64"], ["0", "-1"], extrema)
    return low, high
