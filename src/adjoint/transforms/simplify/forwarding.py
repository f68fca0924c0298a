"""What was stored is what is read: loads from stores, stores over stores, entries from stacks.

A load looks through stores to other places as far as the store to its own, or to an array that is
the same everywhere. If it finds neither it stays where it is: to read an older version of an array
would keep that version alive, and the stores in between could not be in place any more. For the
same reason only numbers, and arrays that are no views, are forwarded, and a store is only left out
if nothing but the next one uses its result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control, creation, structural
from adjoint.ops.indexing import getitem, index_add, read, update
from adjoint.transforms.sharing import gathers_in, may_view
from adjoint.transforms.simplify.facts import fill_of, is_number, known_shape
from adjoint.transforms.simplify.places import apart, same
from adjoint.transforms.simplify.rewriting import Answer, Rewriter, Rules

__all__ = ["FORWARDING"]

_FARTHEST = 20
"""Stores that a load looks through."""


def _path(node: Value) -> Any:
    return (("index", node.params["index"]),) if node.op is getitem else node.params["path"]


def _index(path: Any) -> Any:
    """Return the index that a path begins with; None if it begins with something else."""
    return path[0][1] if path and path[0][0] == "index" else None


def _load(node: Value, walk: Rewriter) -> Answer:
    """Find what was stored where a load reads."""
    path = _path(node)
    of, array = node.type, node.inputs[0]
    assert isinstance(of, Type)
    if array.op is structural.stack:
        return _of_stack(node, array, path, walk)
    index = _index(path)
    for _ in range(_FARTHEST):
        if array.op is creation.full:
            found = fill_of(array) if is_number(of) and len(path) == 1 else None
            return None if found is None else walk.number(found, node)
        if array.op is not update and array.op is not index_add:
            return None
        there = array.params["path"]
        other = _index(there)
        if index is None or other is None or not apart(walk.integers, index, other):
            if array.op is update and same(walk.integers, path, there) and not gathers_in(path):
                return _stored(node, array.inputs[1], walk)
            return None
        array = array.inputs[0]
    return None


def _stored(node: Value, value: Value, walk: Rewriter) -> Answer:
    """Return what is read where ``value`` was stored."""
    of, given = node.type, value.type
    assert isinstance(of, Type) and isinstance(given, Type)
    if given == of:
        whole = known_shape(of) and value.op is not None and not may_view(value)
        return value if whole or is_number(of) else None
    if not is_number(of) or given.shape:
        return None
    if given.kind == "array":
        same_dtype = given.dtype == of.dtype
        return walk.emit(getitem, (value,), {"index": ()}, of, node) if same_dtype else None
    # As NumPy stores it: exactly, or rounded.
    if np.can_cast(given.dtype, of.dtype, "safe") or (given.dtype.kind == of.dtype.kind == "f"):
        return walk.emit(structural.cast, (value,), {"dtype": of.dtype}, of, node)
    return None


def _of_stack(node: Value, array: Value, path: Any, walk: Rewriter) -> Answer:
    """Return the operand of ``stack`` that is read."""
    index = _index(path)
    if len(path) != 1 or array.params.get("axis", 0) != 0:
        return None
    entries = index if isinstance(index, tuple) else (index,)
    k = walk.integers.of(entries[0]) if entries and type(entries[0]) is not slice else None
    if type(k) is not int or not -len(array.inputs) <= k < len(array.inputs):
        return None
    found = array.inputs[k]
    if len(entries) > 1:
        params = {"index": entries[1:]}
        return walk.emit(getitem, (found,), params, node.type, node) if found.shape else None
    return _stored(node, found, walk)


def _store(node: Value, walk: Rewriter) -> Answer:
    """Leave out a store that is overwritten, and one of what is there already."""
    x, value = node.inputs
    path = node.params["path"]
    if value.op in (getitem, read) and value.inputs[0] is x and not gathers_in(path):
        return x if same(walk.integers, _path(value), path) else None
    if x.op is update and same(walk.integers, x.params["path"], path) and walk.uses(x) == 1:
        return walk.emit(update, (x.inputs[0], value), {"path": path}, node.type, node)
    return None


def _addition(node: Value, walk: Rewriter) -> Answer:
    """Store what is added to a zero that was stored just before."""
    x, value = node.inputs
    path = node.params["path"]
    if x.op is not update or gathers_in(path) or fill_of(x.inputs[1]) != 0:
        return None
    if same(walk.integers, x.params["path"], path) and walk.uses(x) == 1:
        return walk.emit(update, (x.inputs[0], value), {"path": path}, node.type, node)
    return None


def _entry(node: Value, walk: Rewriter) -> Answer:
    stack, k = node.inputs[0], node.params["index"]
    while stack.op is control.push:
        other = stack.params["index"]
        if same(walk.integers, k, other):
            value = stack.inputs[1]
            return value if value.op is None or not may_view(value) else None
        if not apart(walk.integers, k, other):
            return None
        stack = stack.inputs[0]
    return None


FORWARDING = Rules(
    "forwarding",
    of={
        getitem: (_load,),
        read: (_load,),
        update: (_store,),
        index_add: (_addition,),
        control.entry: (_entry,),
    },
)
