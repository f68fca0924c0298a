"""What an operation does with the rows of arrays.

*Rows* are the entries along the one axis of an array that has a given length, wherever it is among
the axes. Row k of a result may be computed from row k of operands (and from all of operands that
have no rows), or the result may be a sum over rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import indexing, structural
from adjoint.ops.inference.elementwise import is_elementwise
from adjoint.ops.registry import OPS

__all__ = ["Rows", "axis_of_rows", "rows_of", "with_length"]


@dataclass(frozen=True, slots=True)
class Rows:
    """What an operation does with rows.

    Attributes
    ----------
    by_row : tuple of bool
        Of each operand: whether row k of it is for row k of the result; all of it is read else.
    adds : bool
        Whether the result is the sum of what the rows give.
    free : bool
        Whether nothing is computed: a view, or an array of equal numbers.
    """

    by_row: tuple[bool, ...]
    adds: bool = False
    free: bool = False


def axis_of_rows(type: Any, length: Dim) -> int | None:
    """Return the axis of an array that has a length; None where none has, or several have."""
    if not isinstance(type, Type) or type.kind != "array" or None in type.shape:
        return None
    return _only(type.shape, length)


def _only(shape: Sequence[Any], length: Dim) -> int | None:
    found = [k for k, n in enumerate(shape) if n == length]
    return found[0] if len(found) == 1 else None


def rows_of(node: Value, length: Dim) -> Rows | None:
    """Return what an operation does with rows; None where they depend on each other."""
    op = node.op
    if op is None or node.blocks or not isinstance(node.type, Type) or None in node.type.shape:
        return None
    if not all(isinstance(x.type, Type) and None not in x.type.shape for x in node.inputs):
        return None
    at = axis_of_rows(node.type, length)
    if at is None and any(n == length for n in node.type.shape):
        return None
    if is_elementwise(op):
        return _elementwise(node, at, length)
    found = _RULES.get(op.name) if OPS.get(op.name) is op else None
    return None if found is None else found(node, at, length)


# -- element by element ----------------------------------------------------------------------------


def _elementwise(node: Value, at: int | None, length: Dim) -> Rows | None:
    if at is None:
        return None
    return _aligned(node, at - len(node.shape), length)


def _aligned(node: Value, axis: int, length: Dim) -> Rows | None:
    """Return it for operands that are broadcast; ``axis`` is counted from the end."""
    by_row = [_has_rows(x.type, axis, length) for x in node.inputs]
    if None in by_row or not any(by_row):
        return None
    return Rows(tuple(map(bool, by_row)))


def _has_rows(type: Type, axis: int, length: Dim) -> bool | None:
    """Tell whether an operand's axis is that of the rows; None if another one is."""
    if not any(n == length for n in type.shape):
        return False
    at = axis_of_rows(type, length)
    return True if at is not None and at - len(type.shape) == axis else None


# -- reductions ------------------------------------------------------------------------------------


def _reduction(node: Value, at: int | None, length: Dim) -> Rows | None:
    (x,) = node.inputs
    have = axis_of_rows(x.type, length)
    if have is None or not set(node.params) <= {"axis", "keepdims"}:
        return None
    axes = _axes(node.params.get("axis"), len(x.shape))
    if have in axes:
        if node.op is structural.reduce_sum and at is None:
            return Rows((True,), adds=True)
        return None
    return Rows((True,)) if at is not None else None


def _along(node: Value, at: int | None, length: Dim) -> Rows | None:
    """Return it for what is computed along some axes and keeps them."""
    (x,) = node.inputs
    have = axis_of_rows(x.type, length)
    if have is None or have != at or not set(node.params) <= {"axis"}:
        return None
    return None if have in _axes(node.params.get("axis"), len(x.shape)) else Rows((True,))


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    return tuple(k % ndim for k in (axis if isinstance(axis, tuple) else (axis,)))


# -- products --------------------------------------------------------------------------------------


def _matmul(node: Value, at: int | None, length: Dim) -> Rows | None:
    x, y = node.inputs
    if not x.shape or not y.shape or node.dtype.kind not in "fc":
        return None
    i, j = axis_of_rows(x.type, length), axis_of_rows(y.type, length)
    if at is None:
        inner = len(y.shape) - min(len(y.shape), 2)
        both = i == len(x.shape) - 1 and j == inner
        return Rows((True, True), adds=True) if both else None
    # The axes of the result, counted from the end, as they are in stacks of matrices.
    axis = at - len(node.shape)
    if len(y.shape) == 1:
        axis -= 1
    if len(x.shape) == 1 and axis < -1:
        axis -= 1
    wanted: list[int | None] = [axis, axis]
    if axis == -1:
        wanted[0] = None
    if axis == -2:
        wanted[1] = None
    by_row = []
    for operand, w in zip(node.inputs, wanted, strict=True):
        if not any(n == length for n in operand.shape):
            by_row.append(False)
        elif w is not None and _has_rows(operand.type, w, length):
            by_row.append(True)
        else:
            return None
    return Rows(tuple(by_row)) if any(by_row) else None


# -- views -----------------------------------------------------------------------------------------


def _view(node: Value, at: int | None, length: Dim) -> Rows | None:
    (x,) = node.inputs
    if at is None:
        return None
    if not any(n == length for n in x.shape):
        # Rows that are all equal.
        born = node.op is structural.broadcast_to
        return Rows((False,), free=True) if born else None
    have = axis_of_rows(x.type, length)
    if have is None:
        return None
    shape: Sequence[Any] | None = x.shape
    place: int | None = have
    for kind, argument in _path(node):
        shape, place = _followed(shape, place, kind, argument, length)
        if place is None:
            return None
    return Rows((True,), free=True) if place == at else None


def _path(node: Value) -> tuple[tuple[str, Any], ...]:
    op, params = node.op, node.params
    if op is indexing.read:
        return params["path"]
    if op is indexing.getitem:
        return (("index", params["index"]),)
    if op is structural.permute:
        return (("permute", params["axes"]),)
    if op in (structural.reshape, structural.broadcast_to):
        assert op is not None
        return ((op.name, params["shape"]),)
    return ()


def _followed(
    shape: Any, at: int | None, kind: str, argument: Any, length: Dim
) -> tuple[Any, int | None]:
    """Return the shape after a step of a path (None: unknown lengths), and where the rows are."""
    assert at is not None
    if kind == "permute":
        axes = argument or tuple(reversed(range(len(shape))))
        axes = [k % len(shape) for k in axes]
        return [shape[k] for k in axes], axes.index(at)
    if kind == "reshape":
        if not isinstance(argument, (tuple, list)):
            return None, None
        place = _only(argument, length)
        kept = place is not None and (
            _same_size(shape[:at], argument[:place])
            and _same_size(shape[at + 1 :], argument[place + 1 :])
        )
        return list(argument), place if kept else None
    if kind == "broadcast_to":
        place = at + len(argument) - len(shape)
        return list(argument), place if _only(argument, length) == place else None
    if kind == "index":
        return _indexed(shape, at, argument)
    return None, None


def _same_size(have: Sequence[Any], want: Sequence[Any]) -> bool:
    have, want = [n for n in have if n != 1], [n for n in want if n != 1]
    if have == want and None not in have:
        return True
    if all(type(n) is int and n >= 0 for n in (*have, *want)):
        return math.prod(have) == math.prod(want)
    return False


def _indexed(shape: Any, at: int, index: Any) -> tuple[Any, int | None]:
    """Follow an index of whole slices along the rows, and of slices and new axes."""
    entries = list(index) if isinstance(index, tuple) else [index]
    used = sum(e is not None and e is not Ellipsis for e in entries)
    whole = [slice(None)] * (len(shape) - used)
    dots = [k for k, e in enumerate(entries) if e is Ellipsis]
    if dots:
        entries[dots[0] : dots[0] + 1] = whole
    else:
        entries += whole
    found: list[Any] = []
    place, axis = None, 0
    for e in entries:
        if e is None:
            found.append(1)
            continue
        if not isinstance(e, slice):
            return None, None
        everything = e.start is None and e.stop is None and e.step in (None, 1)
        if axis == at:
            if not everything:
                return None, None
            place = len(found)
        found.append(shape[axis] if everything else None)
        axis += 1
    return found, place


def _full(node: Value, at: int | None, length: Dim) -> Rows | None:
    value = node.params["value"]
    if at is None or (isinstance(value, Value) and value.shape):
        return None
    return Rows((), free=True)


_RULES: dict[str, Callable[[Value, int | None, Dim], Rows | None]] = {
    **dict.fromkeys(
        ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_fmax", "reduce_fmin"),
        _reduction,
    ),
    "logsumexp": _reduction,
    **dict.fromkeys(("softmax", "log_softmax"), _along),
    "matmul": _matmul,
    **dict.fromkeys(("read", "getitem", "permute", "reshape", "broadcast_to"), _view),
    "full": _full,
}


# -- the same operation of fewer rows --------------------------------------------------------------


def with_length(data: Any, length: Dim, other: Dim) -> Any:
    """Return a type, a shape or a path with another number of rows."""
    if isinstance(data, Type):
        return data.with_shape(with_length(data.shape, length, other))
    if isinstance(data, Dim):
        return other if data == length else data
    if type(data) is tuple or type(data) is list:
        return type(data)(with_length(item, length, other) for item in data)
    return data
