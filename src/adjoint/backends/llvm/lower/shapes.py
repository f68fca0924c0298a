"""Shapes that operands are broadcast to, where some lengths are known at run time only."""

from __future__ import annotations

from typing import Any

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import in_memory_of
from adjoint.backends.llvm.lower.values import Buffer, Number, Shape
from adjoint.backends.llvm.writer import Integer

__all__ = ["broadcast", "fit"]


def broadcast(
    f: Lowering, dimensions: tuple[Any, ...], reps: list[Any], types: list[Any]
) -> tuple[Shape, list[Any]]:
    """Return the shape of a result, and the operands as they are to be read.

    Parameters
    ----------
    f : Lowering
    dimensions : tuple of int, Dim or None
        The shape as the graph has it.
    reps : list of Rep
    types : list of Type
        Of the operands.
    """
    shape: list[Integer] = []
    for k, n in enumerate(dimensions):
        if n is not None:
            shape.append(f.dim(n))
            continue
        found: Integer = 1
        for rep in reps:
            at = k - (len(dimensions) - len(rep.shape))
            if at < 0 or rep.shape[at] == 1 or rep.shape[at] == found:
                continue
            m = rep.shape[at]
            if found == 1:
                found = m
                continue
            body = f.body
            single, other = body.compare("eq", found, 1), body.compare("eq", m, 1)
            fine = body.op(f"or i1 {single}, {other}", single, other)
            same = body.compare("eq", found, m)
            fine = body.op(f"or i1 {fine}, {same}", fine, same)
            f.refuse_unless(fine)
            found = body.select(single, m, found)
        shape.append(found)
    final = tuple(shape)
    return final, [fit(f, rep, t.shape, final) for rep, t in zip(reps, types)]


def fit(f: Lowering, rep: Any, dimensions: tuple[Any, ...], shape: Shape) -> Any:
    """Return an operand, stretched where a length that is not known turns out to be 1."""
    if isinstance(rep, Number) or None not in dimensions:
        return rep
    lead = len(shape) - len(dimensions)
    odd = [
        k
        for k, n in enumerate(dimensions)
        if n is None and rep.shape[k] != 1 and rep.shape[k] != shape[k + lead]
    ]
    if not odd:
        return rep
    rep = in_memory_of(f, rep)
    body = f.body
    strides = list(rep.strides)
    have = list(rep.shape)
    for k in odd:
        n, want = rep.shape[k], shape[k + lead]
        single = body.compare("eq", n, 1)
        same = body.compare("eq", n, want)
        fine = body.op(f"or i1 {single}, {same}", single, same)
        f.refuse_unless(fine)
        strides[k] = body.select(body.compare("eq", n, want), strides[k], 0)
        have[k] = want
    return Buffer(
        rep.dtype, tuple(have), rep.pointer, tuple(strides), False, rep.tokens, rep.memory
    )
