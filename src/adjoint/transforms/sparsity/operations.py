"""What unions of sets of inputs a graph can form, as operations of it.

They stand in the graphs that the walk makes and nowhere else: no program records them, nothing
differentiates or batches them, and so they are in no table.

An operation here is what an operation of the program is on the sets that its operand's elements
depend on: `reduce` what a sum is, `merge` what adding to a part is, and so on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.backends.program import copy_of
from adjoint.ir.core import Op
from adjoint.ir.types import AnyType, StackType, Type
from adjoint.ops.control import Stack
from adjoint.ops.indexing import Path, follow
from adjoint.ops.reduction import segment_ends
from adjoint.transforms.sparsity.sets import ID, current

__all__ = [
    "ID", "SETS", "add_reduceat", "along", "bincount", "convolve", "matmul", "merge", "merge_at",
    "merge_stacks",
    "reduce", "repeat_segments", "scan", "scatter_along", "sets_type", "spread_pairs", "sum_to",
    "union",
]  # fmt: skip


def sets_type(type: AnyType) -> Any:
    """Return the type of the sets of a value."""
    if isinstance(type, StackType):
        return StackType(sets_type(type.entry))
    return Type(ID, type.shape, "array" if type.kind == "array" else "scalar")


SETS: set[Op] = set()
"""All of them."""


def _declare(name: str, fn: Any, *operands: str) -> Op:
    op = Op(name, fn, operands)
    SETS.add(op)
    return op


def _reduce(x: Any, *, axis: tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    return current().reduce(x, axis, keepdims)


def _sum_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    x = np.asarray(x)
    lead = x.ndim - len(shape)
    axes = (*range(lead), *[k + lead for k, n in enumerate(shape) if n == 1])
    return np.reshape(current().reduce(x, axes), shape)


def _merge(x: Any, value: Any) -> Any:
    if np.ndim(x) == 0 and np.ndim(value) == 0:
        return current().union(x, value)
    return current().union(x, _fitted(value, np.shape(x)))


def _fitted(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return what is stored in a part of an array, in the shape of that."""
    value = np.asarray(value)
    return np.broadcast_to(value.reshape(value.shape[max(value.ndim - len(shape), 0) :]), shape)


def _merge_at(x: np.ndarray, value: Any, *, path: Path) -> np.ndarray:
    where = follow(np.arange(x.size).reshape(x.shape), path)
    value = _fitted(value, where.shape).reshape(-1)
    at, groups = np.unique(where, return_inverse=True)
    result = x.reshape(-1).copy()
    members = np.concatenate([result[at], value])
    groups = np.concatenate([np.arange(len(at)), groups.reshape(-1)])
    result[at] = current().grouped(groups, members, len(at))
    return result.reshape(x.shape)


def _merge_stacks(x: Stack, y: Stack) -> Stack:
    entries = []
    for k in range(max(len(x.entries), len(y.entries))):
        a, b = x.get(k), y.get(k)
        if a is None or b is None:
            entries.append(copy_of(b if a is None else a))
        elif isinstance(a, Stack):
            entries.append(_merge_stacks(a, b))
        else:
            entries.append(current().union(a, b))
    return Stack(entries)


def _scan(x: np.ndarray, *, axis: int, reverse: bool = False) -> np.ndarray:
    result = np.array(x)
    lined = np.moveaxis(result, axis, 0)
    lined = lined[::-1] if reverse else lined
    for k in range(1, len(lined)):
        lined[k] = current().union(lined[k - 1], lined[k])
    return result


def _along(x: np.ndarray, *, axis: Any, shape: tuple[int, ...]) -> np.ndarray:
    axes = axis if isinstance(axis, tuple) else (axis,)
    return np.array(np.broadcast_to(current().reduce(x, axes, True), shape))


def _spread_pairs(y: np.ndarray, *, axis: int, length: int) -> np.ndarray:
    result = np.zeros((*y.shape[:axis], length, *y.shape[axis + 1 :]), ID)
    source, target = np.moveaxis(y, axis, 0), np.moveaxis(result, axis, 0)
    if length > 1:
        target[1:] = source
        target[:-1] = current().union(target[:-1], source)
    return result


def _bincount(weights: np.ndarray, *, index: np.ndarray, length: int) -> np.ndarray:
    count = max(length, int(np.max(index, initial=-1)) + 1)
    return current().grouped(index, weights, count)


def _add_reduceat(x: np.ndarray, *, indices: np.ndarray, axis: int) -> np.ndarray:
    lined = np.moveaxis(x, axis, 0)
    ends = segment_ends(indices, len(lined))
    parts = [current().reduce(lined[a:b], (0,)) for a, b in zip(indices.tolist(), ends.tolist())]
    shape = (len(parts), *lined.shape[1:])
    return np.moveaxis(np.array(parts, ID).reshape(shape), 0, axis)


def _repeat_segments(y: np.ndarray, *, indices: np.ndarray, axis: int, length: int) -> np.ndarray:
    lined = np.moveaxis(y, axis, 0)
    result = np.zeros((*y.shape[:axis], length, *y.shape[axis + 1 :]), ID)
    target = np.moveaxis(result, axis, 0)
    ends = segment_ends(indices, length)
    for k, (a, b) in enumerate(zip(indices.tolist(), ends.tolist())):
        target[a:b] = current().union(target[a:b], np.broadcast_to(lined[k], target[a:b].shape))
    return result


def _scatter_along(
    y: np.ndarray, *, indices: np.ndarray, axis: int, length: int, distinct: bool = False
) -> np.ndarray:
    shape = (*y.shape[:axis], length, *y.shape[axis + 1 :])
    indices = np.broadcast_to(indices, y.shape)
    spots = list(np.ogrid[tuple([slice(n) for n in y.shape])])
    spots[axis] = indices
    where = np.arange(int(np.prod(shape))).reshape(shape)[tuple(spots)]
    formed = current().grouped(where.reshape(-1), y.reshape(-1), int(np.prod(shape)))
    return formed.reshape(shape)


def _convolve(x: np.ndarray, *, other: np.ndarray, mode: str) -> np.ndarray:
    n, m = len(x), len(other)
    at = np.flatnonzero(other)
    groups = np.arange(n)[:, None] + at
    members = np.broadcast_to(x[:, None], groups.shape)
    full = current().grouped(groups.reshape(-1), members.reshape(-1), n + m - 1)
    short, longer = min(n, m), max(n, m)
    if mode == "same":
        start = (short - 1) // 2
        return full[start : start + longer]
    return full[short - 1 : longer] if mode == "valid" else full


def _matmul(x: Any, *, matrix: Any, left: bool = True) -> np.ndarray:
    """Return the sets of ``matrix @ x``, or ``x @ matrix``, where the matrix has its zeros."""
    a, b = (matrix, x) if left else (x, matrix)
    row, column = a.ndim == 1, b.ndim == 1
    a = a[None] if row else a
    b = b[:, None] if column else b
    result = _product(a, b) if left else _turned(_product(_turned(b), _turned(a)))
    result = result[..., 0, :] if row else result
    return result[..., 0] if column else result


def _turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2) if isinstance(x, np.ndarray) else x.T


def _product(matrix: Any, x: np.ndarray) -> np.ndarray:
    dense = isinstance(matrix, np.ndarray)
    if dense and (matrix.ndim > 2 or x.ndim > 2):
        lead = np.broadcast_shapes(matrix.shape[:-2], x.shape[:-2])
        matrix = np.broadcast_to(matrix, (*lead, *matrix.shape[-2:]))
        x = np.broadcast_to(x, (*lead, *x.shape[-2:]))
        result = np.zeros((*lead, matrix.shape[-2], x.shape[-1]), ID)
        for at in np.ndindex(*lead):
            result[at] = _product(matrix[at], x[at])
        return result
    shape = (matrix.shape[0], x.shape[1])
    if dense and matrix.all():
        return np.array(np.broadcast_to(current().reduce(x, (0,), True), shape))
    rows, inner = matrix.nonzero()
    groups = rows[:, None] * np.int64(shape[1]) + np.arange(shape[1])
    formed = current().grouped(groups.reshape(-1), x[inner].reshape(-1), shape[0] * shape[1])
    return formed.reshape(shape)


union = _declare("set_union", lambda *xs: current().union(*xs), "*xs")
"""Of operands that are broadcast together."""

reduce = _declare("set_reduce", _reduce, "x")
sum_to = _declare("set_sum_to", _sum_to, "x")

merge = _declare("set_merge", _merge, "x", "value")
"""A part of an array, and what is added to it."""

merge_at = _declare("set_merge_at", _merge_at, "x", "value")
"""An array to which something is added at a path, which may lead to one element several times."""

merge_stacks = _declare("set_merge_stacks", _merge_stacks, "x", "y")
scan = _declare("set_scan", _scan, "x")

along = _declare("set_along", _along, "x")
"""Every element of the result depends on all that the operand has along the axes."""

spread_pairs = _declare("set_spread_pairs", _spread_pairs, "y")
bincount = _declare("set_bincount", _bincount, "weights")
add_reduceat = _declare("set_add_reduceat", _add_reduceat, "x")
repeat_segments = _declare("set_repeat_segments", _repeat_segments, "y")
scatter_along = _declare("set_scatter_along", _scatter_along, "y")
convolve = _declare("set_convolve", _convolve, "x")
matmul = _declare("set_matmul", _matmul, "x")
