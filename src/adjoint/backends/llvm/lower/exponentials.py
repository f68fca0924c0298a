"""Reductions of exponentials, which are shifted so that none overflows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.folds import fold
from adjoint.backends.llvm.lower.maps import cast_rep, combined
from adjoint.backends.llvm.lower.memory import comparable, force
from adjoint.backends.llvm.lower.reductions import extrema, sums
from adjoint.backends.llvm.lower.scalar import Scalars
from adjoint.backends.llvm.lower.types import Element, arithmetic, in_registers
from adjoint.backends.llvm.lower.values import Lazy, Number
from adjoint.ir.graph import Value
from adjoint.ops.inference.reduction import normalized

__all__ = ["EXPONENTIALS"]


class _Rows:
    """An array of real numbers with the axes that are taken together, and their maxima."""

    def __init__(self, f: Lowering, node: Value) -> None:
        (x,) = node.inputs
        self.f, self.node = f, node
        self.dtype = dtype = node.dtype
        self.rep = comparable(f, cast_rep(f, f.rep(x), dtype))
        self.dimensions = x.shape
        ndim = len(self.rep.shape)
        self.axes = tuple(sorted(normalized(node.params.get("axis"), ndim))) if ndim else ()
        self.type = in_registers(dtype)
        self.greatest = self.settled(
            fold(f, self.rep, extrema(f, dtype, "maximum"), self.axes, True, x.shape)
        )

    def settled(self, rep: Any) -> Any:
        """Return an array that is read for each element of a larger one, in memory."""
        return force(self.f, rep) if isinstance(rep, Lazy) and rep.cost > 1 else rep

    def shift(self, top: str) -> str:
        """Return what is subtracted before the exponential: not an infinity."""
        e = Scalars(self.f.body)
        zero = e.number(0, self.dtype)
        finite = e.op("fcmp olt", self.type, e.fabs(self.dtype, top), e.number(np.inf, self.dtype))
        return e.select(finite, self.type, top, zero)

    def exponential(self, x: str, top: str) -> str:
        """Return exp(x − greatest)."""
        e = Scalars(self.f.body)
        gap = e.op("fsub", self.type, x, self.shift(top))
        return e.math("exp", self.dtype, gap)

    def mapped(self, reps: list[Any], element: Callable[[list[Any]], Element], cost: int) -> Any:
        return combined(self.f, reps, self.rep.shape, self.dtype, element, cost)


def _accepts(node: Value) -> bool:
    return node.dtype.kind == "f" and arithmetic(node.dtype) and bool(node.inputs[0].shape)


def _logsumexp(f: Lowering, node: Value) -> Any:
    if not _accepts(node) or node.inputs[0].dtype.kind not in "fiu":
        return None
    rows = _Rows(f, node)
    e, t, dtype = Scalars(f.body), rows.type, rows.dtype
    pair = np.dtype(np.complex128 if dtype.itemsize == 8 else np.complex64)
    zero, one = e.number(0, dtype), e.number(1, dtype)

    def counted(xs: list[Any]) -> Element:
        # How many are the greatest, and the sum of the others: two sums at once.
        x, top = xs
        is_top = e.op("fcmp oeq", t, x, top)
        return e.select(is_top, t, one, zero), e.select(is_top, t, zero, rows.exponential(x, top))

    pairs = combined(f, [rows.rep, rows.greatest], rows.rep.shape, pair, counted, 22)
    total = fold(f, pairs, sums(f, pair), rows.axes, True, rows.dimensions)

    def finish(xs: list[Any]) -> Element:
        (count, rest), top = xs
        ratio = e.op("fdiv", t, rest, count)
        none = e.op("fcmp oeq", t, rest, zero)
        low = e.math("log1p", dtype, e.select(none, t, rest, ratio))
        high = e.op("fadd", t, low, e.math("log", dtype, count))
        return e.op("fadd", t, high, top)

    found = combined(f, [total, rows.greatest], rows.greatest.shape, dtype, finish, 60)
    return _without(f, node, found, rows.axes)


def _without(f: Lowering, node: Value, rep: Any, axes: tuple[int, ...]) -> Any:
    """Return an array without the axes of length one that a reduction has left."""
    from adjoint.backends.llvm.lower.views import Along, affine

    if node.params.get("keepdims"):
        return rep
    ndim = len(rep.shape)
    kept = [k for k in range(ndim) if k not in axes]
    if not kept:
        return Number(rep.dtype, f.element(rep, (0,) * ndim))
    sources: list[Any] = [0 if k in axes else Along(kept.index(k)) for k in range(ndim)]
    return affine(f, rep, tuple(rep.shape[k] for k in kept), sources)


def _softmax(logarithm: bool) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        if not _accepts(node) or node.inputs[0].dtype.kind not in "fiu":
            return None
        rows = _Rows(f, node)
        e, t, dtype = Scalars(f.body), rows.type, rows.dtype
        powers = rows.mapped(
            [rows.rep, rows.greatest], lambda xs: rows.exponential(xs[0], xs[1]), 22
        )
        powers.shared = not logarithm
        total = fold(f, powers, sums(f, dtype), rows.axes, True, rows.dimensions)
        if not logarithm:
            found = rows.mapped([powers, rows.settled(total)], lambda xs: e.op("fdiv", t, *xs), 6)
            return _kept(f, node, found)
        logs = combined(f, [total], total.shape, dtype, lambda xs: e.math("log", dtype, xs[0]), 20)

        def finish(xs: list[Any]) -> Element:
            x, top, log = xs
            return e.op("fsub", t, e.op("fsub", t, x, rows.shift(top)), log)

        found = rows.mapped([rows.rep, rows.greatest, rows.settled(logs)], finish, 2)
        return _kept(f, node, found)

    return lower


def _kept(f: Lowering, node: Value, rep: Any) -> Any:
    if isinstance(rep, Lazy):
        rep.shared = node in f.several
    return rep


EXPONENTIALS = {
    "logsumexp": _logsumexp,
    "softmax": _softmax(False),
    "log_softmax": _softmax(True),
}
