"""Scans: results that take the elements of an axis one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import CHEAP
from adjoint.backends.llvm.lower.maps import cast_rep, combined
from adjoint.backends.llvm.lower.memory import force
from adjoint.backends.llvm.lower.nest import (
    Axes,
    aligned,
    copy_into,
    each,
    prepare,
    settled,
    write_into,
)
from adjoint.backends.llvm.lower.scalar import TABLE, Scalars, select
from adjoint.backends.llvm.lower.shaping import result_buffer
from adjoint.backends.llvm.lower.types import (
    Element,
    arithmetic,
    in_registers,
    literal,
    parts_of,
)
from adjoint.backends.llvm.lower.values import Buffer, Index, Lazy
from adjoint.backends.llvm.lower.views import Along, affine, uniform
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.graph import Value
from adjoint.ops.inference.lengths import as_length

__all__ = ["SCANS"]

Step = Callable[[Element, "list[Element]", str], Element]
"""From the former result, the operands' elements and whether it is the first to the next result."""


def _operation(f: Lowering, name: str, dtype: Any) -> Callable[[Any, Any], Any]:
    row = TABLE[name, dtype.kind]
    return lambda x, y: row(Scalars(f.body), (dtype, dtype), x, y)


def scan(
    f: Lowering, target: Buffer, reps: list[Any], axis: int, reverse: bool, start: Element,
    step: Step,
) -> None:  # fmt: skip
    """Fill an array along an axis; the operands are broadcast to its shape."""
    shape = target.shape
    if any(n == 0 for n in shape):
        return
    outer, f.through = f.through, {}
    prepare(f, shape, [(rep, len(rep.shape) == len(shape)) for rep in reps])
    body = f.body
    positions: list[Integer] = [0 if n == 1 else body.open_loop(n) for n in shape[:axis]]
    n = shape[axis]
    inner = shape[axis + 1 :]
    if all(m == 1 for m in inner):
        _of_registers(f, target, reps, positions, n, reverse, start, step)
    else:
        _of_rows(f, target, reps, positions, axis, reverse, start, step)
    for m in shape[:axis]:
        if m != 1:
            body.close_loop()
    settled(f)
    f.through = outer


def _of_registers(
    f: Lowering, target: Buffer, reps: list[Any], positions: list[Integer], n: Integer,
    reverse: bool, start: Element, step: Step,
) -> None:  # fmt: skip
    body, shape = f.body, target.shape
    rest = (0,) * (len(shape) - len(positions) - 1)
    i: Integer = body.open_loop(n)
    first = body.compare("eq", i, 0)
    if reverse:
        i = body.sub(body.sub(n, 1), i)
    index = (*positions, i, *rest)
    names = [body.carry(in_registers(target.dtype), s) for s in parts_of(start)]
    former: Any = names[0] if len(names) == 1 else (names[0], names[1])
    x = step(former, [f.element(rep, aligned(rep, shape, index)) for rep in reps], first)
    f.store(target, index, x)
    for name, part in zip(names, parts_of(x)):
        body.set_carried(name, part)
    body.close_loop()
    f.memo.clear()


def _of_rows(
    f: Lowering, target: Buffer, reps: list[Any], positions: list[Integer], axis: int,
    reverse: bool, start: Element, step: Step,
) -> None:  # fmt: skip
    body, shape = f.body, target.shape
    n = shape[axis]
    inner = shape[axis + 1 :]
    axes = Axes(f, inner, [uniform(target.dtype, inner, start)], frozenset(range(len(inner))))

    def row(i: Integer, former: Callable[[Index], Element], is_first: str) -> None:
        def element(rest: Index) -> None:
            index = (*positions, i, *rest)
            xs = [f.element(rep, aligned(rep, shape, index)) for rep in reps]
            f.store(target, index, step(former(rest), xs, is_first))

        each(f, axes, element)

    first: Integer = body.sub(n, 1) if reverse else 0
    if not isinstance(n, int):
        # Of a loop that runs once or not at all, for an axis without elements.
        body.open_loop(body.least(n, 1))
    row(first, lambda rest: start, "true")
    if not isinstance(n, int):
        body.close_loop()
    if n == 1:
        return
    j = body.open_loop(body.sub(n, 1))
    before: Integer = body.sub(first, j) if reverse else j
    here = body.sub(before, 1) if reverse else body.add(j, 1)
    row(here, lambda rest: f.load(target, (*positions, before, *rest), pinned=True), "false")
    body.close_loop()
    f.memo.clear()


# -- the operations --------------------------------------------------------------------------------


def _accumulate(name: str, start: int) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        (x,) = node.inputs
        dtype = node.dtype
        if not arithmetic(dtype) or not arithmetic(x.dtype) or dtype.kind == "b":
            return None
        if not x.shape:
            return None
        rep = cast_rep(f, f.rep(x), dtype)
        target = result_buffer(f, node, rep.shape)
        combine = _operation(f, name, dtype)
        scan(
            f, target, [rep], node.params["axis"] % len(rep.shape),
            bool(node.params.get("reverse")), literal(start, dtype),
            lambda former, xs, first: combine(former, xs[0]),
        )  # fmt: skip
        return target

    return lower


def _recurrence(f: Lowering, node: Value) -> Any:
    a, b = node.inputs
    dtype = node.dtype
    if not all(arithmetic(t) for t in (dtype, a.dtype, b.dtype)) or dtype.kind not in "fc":
        return None
    reps = [cast_rep(f, f.rep(v), dtype) for v in (a, b)]
    shape = reps[1].shape
    target = result_buffer(f, node, shape)
    times, plus = _operation(f, "multiply", dtype), _operation(f, "add", dtype)
    axis = node.params["axis"] % len(shape)
    reverse = bool(node.params.get("reverse"))
    e = Scalars(f.body)

    def step(former: Any, xs: list[Any], first: str) -> Any:
        if first == "true":
            return xs[1]  # a's first element counts for nothing, even if it is not finite
        x = plus(times(xs[0], former), xs[1])
        return x if first == "false" else select(e, first, dtype, xs[1], x)

    scan(f, target, reps, axis, reverse, literal(0, dtype), step)
    return target


def _part(rep: Any, axis: int, start: Integer, length: Integer, f: Lowering) -> Any:
    shape = (*rep.shape[:axis], length, *rep.shape[axis + 1 :])
    sources: list[Any] = [Along(k) for k in range(len(shape))]
    sources[axis] = Along(axis, start)
    return affine(f, rep, shape, sources)


def _neighbours(name: str) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        (x,) = node.inputs
        dtype = node.dtype
        if (name, dtype.kind) not in TABLE or not arithmetic(dtype):
            return None
        rep = f.rep(x)
        axis = node.params["axis"] % len(rep.shape)
        length = f.body.most(f.body.sub(rep.shape[axis], 1), 0)
        first, second = (_part(rep, axis, k, length, f) for k in (0, 1))
        combine = _operation(f, name, dtype)
        return combined(f, [second, first], first.shape, dtype, lambda xs: combine(xs[0], xs[1]), 1)

    return lower


def _neighbours_transpose(name: str) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        (y,) = node.inputs
        dtype = node.dtype
        if (name, dtype.kind) not in TABLE or not arithmetic(dtype):
            return None
        rep = f.rep(y)
        axis = node.params["axis"] % len(rep.shape)
        length = f.dim(as_length(node.params["length"]))
        shape = (*rep.shape[:axis], length, *rep.shape[axis + 1 :])
        target = result_buffer(f, node, shape)
        count = rep.shape[axis]
        first = f.body.least(length, 1)
        head = _part(target, axis, 0, first, f)
        copy_into(f, head, uniform(dtype, head.shape, literal(0, dtype)))
        rep = _settled(f, rep)
        copy_into(f, _part(target, axis, 1, count, f), rep)
        write_into(f, [(_part(target, axis, 0, count, f), rep)], _operation(f, name, dtype))
        return target

    return lower


def _settled(f: Lowering, rep: Any) -> Any:
    costly = isinstance(rep, Lazy) and rep.buffer is None and rep.cost > CHEAP
    return force(f, rep) if costly else rep


def _shift(f: Lowering, node: Value) -> Any:
    (x,) = node.inputs
    dtype, by = node.dtype, node.params["by"]
    if not arithmetic(dtype) or not isinstance(by, int) or by == 0:
        return None
    rep = f.rep(x)
    axis = node.params["axis"] % len(rep.shape)
    n = rep.shape[axis]
    edge = f.body.least(n, abs(by))
    rest = f.body.sub(n, edge)
    target = result_buffer(f, node, rep.shape)
    fill = literal(node.params.get("fill", 0), dtype)
    head = _part(target, axis, 0 if by > 0 else rest, edge, f)
    copy_into(f, head, uniform(dtype, head.shape, fill))
    to, start = (edge, 0) if by > 0 else (0, edge)
    copy_into(f, _part(target, axis, to, rest, f), _part(rep, axis, start, rest, f))
    return target


SCANS = {
    "cumsum": _accumulate("add", 0),
    "cumprod": _accumulate("multiply", 1),
    "recurrence": _recurrence,
    "diff": _neighbours("subtract"),
    "add_neighbours": _neighbours("add"),
    "diff_transpose": _neighbours_transpose("subtract"),
    "add_neighbours_transpose": _neighbours_transpose("add"),
    "shift": _shift,
}
