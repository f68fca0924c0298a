"""Elementwise operations, and what reads, moves, stores and takes together elements."""

from __future__ import annotations

from typing import Any

from adjoint.ir.graph import Value
from adjoint.ir.types import StackType
from adjoint.ops import control, indexing, scan, structural
from adjoint.ops import elementwise as ew
from adjoint.staged.values import emit, value_of, wrap
from adjoint.transforms.sharing import gathers_in
from adjoint.transforms.sparsity import operations as on_sets
from adjoint.transforms.sparsity.table import Operation, no_set, rule, spread_over

__all__: list[str] = []

# -- elementwise -----------------------------------------------------------------------------------


@rule("copy", "cast", "python_number", "real", "imag", "conjugate")
def _first(o: Operation) -> list[Value]:
    return o.spread(o.sets(0))


@rule("multiply", "strong_multiply")
def _multiply(o: Operation) -> list[Value]:
    # What a program multiplies by may be a mask: then it is one of integers or constants.
    found = spread_over(o)
    for k in (0, 1):
        v = o.node.inputs[k]
        if found and v.shape and not o.sets(k) and v not in o.walk.data:
            mask = o.nonzero(k)
            return [o.record(ew.where, (mask, s, no_set())) for s in found]
    return found


@rule("where")
def _where(o: Operation) -> list[Value]:
    condition = o.node.inputs[0]
    if condition in o.walk.data:
        return o.spread([*o.sets(1), *o.sets(2)])
    new = o.new.inputs[0]
    found = [o.record(ew.where, (new, s, no_set())) for s in o.sets(1)]
    return found + [o.record(ew.where, (new, no_set(), s)) for s in o.sets(2)]


# -- what moves elements ---------------------------------------------------------------------------


@rule(
    "getitem", "reshape", "permute", "broadcast_to", "diagonal", "gather_along",
)  # fmt: skip
def _moved(o: Operation) -> list[Value]:
    return o.same()


def _without_parts(path: Any) -> Any:
    """Return a path without the steps to real and imaginary parts, which depend on the same."""
    return tuple([step for step in path if step[0] not in ("real", "imag")])


@rule("read")
def _read(o: Operation) -> list[Value]:
    path = _without_parts(o.params["path"])
    return o.each(indexing.read, path=path) if path else list(o.sets(0))


@rule("pad")
def _pad(o: Operation) -> list[Value]:
    return o.along(0, tuple(range(len(o.new.shape)))) if o.params.get("odd") else o.same()


@rule("shift")
def _shift(o: Operation) -> list[Value]:
    return o.each(scan.shift, by=o.params["by"], axis=o.params["axis"], fill=0)


@rule("stack", "concatenate")
def _assembled(o: Operation) -> list[Value]:
    assert o.node.op is not None
    parts = [o.whole(k) for k in range(len(o.node.inputs))]
    return [o.record(o.node.op, parts, **o.params)]


# -- what takes elements together ------------------------------------------------------------------


@rule(
    "reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_fmax", "reduce_fmin",
    "reduce_logaddexp", "reduce_hypot", "variance", "standard_deviation", "norm",
)  # fmt: skip
def _reduced(o: Operation) -> list[Value]:
    axis, keepdims = o.params.get("axis"), o.params.get("keepdims", False)
    if not o.new.inputs[0].shape:
        return o.spread(o.sets(0))
    axes = tuple(range(len(o.new.inputs[0].shape))) if axis is None else axis
    axes = (axes,) if isinstance(axes, int) else axes
    return [_reduced_sets(o, s, axes, keepdims) for s in o.sets(0)]


def _reduced_sets(o: Operation, s: Value, axes: tuple[int, ...], keepdims: bool) -> Value:
    if keepdims and s.op is structural.broadcast_to and s.inputs[0].shape == o.type.shape:
        source = s.inputs[0]
        if all([source.shape[a] == 1 for a in axes]):
            return source  # what was spread along the axes
    return o.record(on_sets.reduce, (s,), axis=axes, keepdims=keepdims)


@rule("sum_to")
def _sum_to(o: Operation) -> list[Value]:
    return o.each(on_sets.sum_to, shape=o.params["shape"])


@rule("fsum")
def _fsum(o: Operation) -> list[Value]:
    return o.all()


@rule("cumsum", "cumprod", "accumulate_logaddexp")
def _scanned(o: Operation) -> list[Value]:
    reverse = o.params.get("reverse", False)
    return o.each(on_sets.scan, axis=o.params["axis"], reverse=reverse)


@rule("recurrence")
def _recurrence(o: Operation) -> list[Value]:
    given = o.spread([*o.sets(0), *o.sets(1)])
    reverse = o.params.get("reverse", False)
    return [o.record(on_sets.scan, (s,), axis=o.params["axis"], reverse=reverse) for s in given]


@rule("diff", "add_neighbours")
def _neighbours(o: Operation) -> list[Value]:
    head = (slice(None),) * (o.params["axis"] % len(o.new.shape))
    return [
        *o.each(indexing.getitem, index=(*head, slice(1, None))),
        *o.each(indexing.getitem, index=(*head, slice(None, -1))),
    ]


@rule("diff_transpose", "add_neighbours_transpose")
def _pairs(o: Operation) -> list[Value]:
    axis = o.params["axis"] % len(o.new.shape)
    return o.each(on_sets.spread_pairs, axis=axis, length=o.params["length"])


@rule("bincount")
def _bincount(o: Operation) -> list[Value]:
    return o.each(on_sets.bincount, **o.params)


@rule("add_reduceat")
def _add_reduceat(o: Operation) -> list[Value]:
    return o.each(on_sets.add_reduceat, **o.params)


@rule("repeat_segments")
def _repeat_segments(o: Operation) -> list[Value]:
    return o.each(on_sets.repeat_segments, **o.params)


@rule("scatter_along")
def _scatter_along(o: Operation) -> list[Value]:
    return o.each(on_sets.scatter_along, **o.params)


@rule("fft", "ifft", "rfft", "irfft")
def _transformed(o: Operation) -> list[Value]:
    return o.along(0, o.params["axis"])


# -- stores ----------------------------------------------------------------------------------------


def _stored(o: Operation, path: Any, value: Value) -> list[Value]:
    return [o.record(indexing.update, (o.whole(0), value), path=path)]


@rule("update")
def _update(o: Operation) -> list[Value]:
    path = _without_parts(o.params["path"])
    if len(path) < len(o.params["path"]):  # the other part stays
        return _merged(o, path)
    return _stored(o, path, o.whole(1) if o.sets(1) else no_set())


@rule("index_add")
def _index_add(o: Operation) -> list[Value]:
    return _merged(o, _without_parts(o.params["path"]))


def _merged(o: Operation, path: Any) -> list[Value]:
    """Return the sets of an array to a part of which something is added."""
    if not o.sets(1):
        return list(o.sets(0))
    x = o.whole(0)
    if gathers_in(path) or any([kind == "broadcast_to" for kind, _ in path]):
        return [o.record(on_sets.merge_at, (x, o.whole(1)), path=path)]
    part = value_of(emit(indexing.read, (wrap(x),), {"path": path})) if path else x
    value = o.record(on_sets.merge, (part, o.whole(1)), part.type)
    return _stored(o, path, value) if path else [value]


@rule("push")
def _push(o: Operation) -> list[Value]:
    if not o.sets(1) and not o.params.get("replaces"):
        return list(o.sets(0))
    return [o.record(control.push, (o.whole(0), o.whole(1)), **o.params)]


@rule("entry")
def _entry(o: Operation) -> list[Value]:
    return o.each(control.entry, index=o.params["index"], type=o.type)


@rule("entry_add")
def _entry_add(o: Operation) -> list[Value]:
    if not o.sets(1):
        return list(o.sets(0))
    stack, value = o.whole(0), o.whole(1)
    index = o.params["index"]
    if isinstance(value.type, StackType):
        held = o.record(control.entry, (stack,), value.type, index=index, type=value.type)
        value = o.record(on_sets.merge_stacks, (held, value), value.type)
    else:
        held = o.record(control.entry, (stack,), value.type, index=index, type=value.type)
        value = o.record(on_sets.merge, (held, value), value.type)
    return [o.record(control.push, (stack, value), index=index, replaces=True)]


@rule("add_stacks")
def _add_stacks(o: Operation) -> list[Value]:
    if not o.sets(0) or not o.sets(1):
        return o.all()
    return [o.record(on_sets.merge_stacks, (o.whole(0), o.whole(1)))]
