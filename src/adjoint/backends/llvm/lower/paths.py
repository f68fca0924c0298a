"""Paths: parts of arrays by several steps, each a view (`adjoint.ops.indexing`)."""

from __future__ import annotations

from typing import Any

from adjoint.backends.llvm.lower import views
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.indexing import Selection, indexed, select
from adjoint.backends.llvm.lower.positions import Positions
from adjoint.backends.llvm.lower.values import Buffer
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import inference
from adjoint.ops.inference.call import Call
from adjoint.ops.inference.lengths import as_length

__all__ = ["Target", "followed", "reached", "types_along"]


class Target:
    """Where a path leads to: a part of memory, or the elements that a selection names of one."""

    __slots__ = ("buffer", "selection")

    def __init__(self, buffer: Buffer, selection: Selection | None = None) -> None:
        self.buffer = buffer
        self.selection = selection


def _no_requirement(m: Any, n: Any) -> Any:
    return None


def types_along(x: Value, path: Any, length: Any = None) -> list[Any]:
    """Return the type of an array, and of its part after each step of a path.

    ``length`` finds the lengths of slices that are not linear expressions (`ops.inference.infer`).
    """
    op = x.op
    call = Call(
        op if op is not None else inference.infer,  # type: ignore[arg-type]
        (x.type,), {}, lambda *a, **k: None, _no_requirement, length or _length, _no_quotient,
    )  # fmt: skip
    types: list[Any] = [Type(x.type.dtype, x.type.shape, "array")]
    for step in path:
        types.append(inference.indexing.follow(call, types[-1], (step,)))
    return types


def _length(start: Any, stop: Any, step: Any, n: Any) -> Any:
    return None


def _no_quotient(above: Any, below: Any) -> Any:
    return None


def followed(f: Lowering, x: Value, path: Any, result: Any) -> Any:
    """Return the part of an array at a path, to be read; None where that is left to NumPy.

    ``result`` is the shape of the part as the graph has it.
    """
    rep = f.rep(x)
    types = types_along(x, path)
    for k, (kind, argument) in enumerate(path):
        last = k == len(path) - 1
        rep = _step(f, rep, kind, argument, types[k], result if last else types[k + 1].shape)
        if rep is None:
            return None
    return rep


def _step(f: Lowering, rep: Any, kind: str, argument: Any, have: Any, want: Any) -> Any:
    if kind == "index":
        return indexed(f, rep, argument, have.shape, want)
    if kind == "permute":
        return views.permute(f, rep, argument)
    if kind == "reshape":
        return views.reshape(f, rep, views.shape_of_reshape(f, rep, want, argument))
    if kind in ("real", "imag"):
        return views.part(f, rep, kind == "imag")
    if kind == "broadcast_to":
        target = argument if isinstance(argument, tuple) else (argument,)
        shape = tuple(f.dim(as_length(n)) for n in target)
        return views.broadcast_to(f, rep, have.shape, shape)
    if kind in ("diagonal", "read-only diagonal"):
        return diagonal(f, rep, argument, want)
    return None


def diagonal(f: Lowering, rep: Any, offset_axes: Any, want: Any) -> Any:
    """Return a diagonal; ``want`` is its shape as the graph has it."""
    offset_axes = (as_length(offset_axes[0]), *offset_axes[1:])
    offset_axes = (f.dim(offset_axes[0]), *offset_axes[1:])
    if want is not None and want[-1] is not None:
        length = f.dim(want[-1])
    else:
        length = views.diagonal_length(f, rep, offset_axes)
    ndim = len(rep.shape)
    apart = (offset_axes[1] % ndim, offset_axes[2] % ndim)
    shape = (*[n for k, n in enumerate(rep.shape) if k not in apart], length)
    return views.diagonal(f, rep, shape, offset_axes)


def reached(f: Lowering, buffer: Buffer, x: Value, path: Any) -> Target | None:
    """Return where a path leads to in an array that is to be changed; None: left to NumPy."""
    types = types_along(x, path)
    part: Any = buffer
    for k, (kind, argument) in enumerate(path):
        have, want = types[k], types[k + 1].shape
        if kind == "index":
            found = select(f, part.shape, argument, have.shape, want)
            if found is None:
                return None
            if any(isinstance(s, Positions) for s in found.sources):
                return Target(part, found) if k == len(path) - 1 else None
            part = views.affine(f, part, found.shape, found.sources)
        elif kind == "reshape":
            shape = views.shape_of_reshape(f, part, want, argument)
            part = views.reshaped_view(f, part, shape)
        elif (kind == "imag" and part.dtype.kind != "c") or kind == "broadcast_to":
            return None
        else:
            part = _step(f, part, kind, argument, have, want)
        if part is None or not isinstance(part, Buffer):
            return None
    return Target(part)
