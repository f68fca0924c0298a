"""Boolean arrays as an index: the places at which they are true."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import lazy_cost
from adjoint.backends.llvm.lower.memory import allocate, force
from adjoint.backends.llvm.lower.values import Lazy
from adjoint.backends.llvm.writer import Integer

__all__ = ["count_true", "places_of"]

INT = np.dtype(np.int64)


def count_true(f: Lowering, rep: Any) -> Integer:
    """Return how many elements of a boolean array are true."""
    from adjoint.backends.llvm.lower.folds import fold_all

    def step(xs: list[str], x: Any) -> list[str]:
        one = f.body.op(f"zext i1 {x} to i64", x)
        return [f.body.op(f"add i64 {xs[0]}, {one}", xs[0], one)]

    (count,) = fold_all(f, rep, ["i64"], ["0"], step)
    return count if count.startswith("%") else int(count)


def places_of(f: Lowering, rep: Any) -> list[Any]:
    """Return the places of the true elements: an index array for each axis."""
    from adjoint.backends.llvm.lower.positions import Positions

    if isinstance(rep, Lazy) and rep.buffer is None and lazy_cost(rep) > 2:
        rep = force(f, rep)
    shape = rep.shape
    body = f.body
    count = count_true(f, rep)
    targets = [allocate(f, (count,), INT) for _ in shape]
    outer, f.through = f.through, {}
    # One entry after the other: each true element writes behind the one before.
    number = "0"
    levels: list[str] = []
    positions: list[Integer] = []
    for n in shape:
        positions.append(body.open_loop(n))
        number = body.carry("i64", number)
        levels.append(number)
    truth = f.element(rep, tuple(positions))
    assert isinstance(truth, str)
    hit, after = body.label(), body.label()
    body.branch(truth, hit, after)
    body.begin(hit)
    for target, i in zip(targets, positions):
        pointer = body.let(f"getelementptr inbounds i64, ptr {target.pointer}, i64 {number}")
        body.do(f"store i64 {i}, ptr {pointer}, align 8")
    body.go(after)
    body.begin(after)
    one = body.let(f"zext i1 {truth} to i64")
    further = body.let(f"add i64 {number}, {one}")
    for name in reversed(levels):
        body.set_carried(name, further)
        (further,) = body.close_loop()
    f.memo.clear()
    f.through = outer
    return [Positions(t, 0, body.sub(n, 1)) for t, n in zip(targets, shape)]
