"""Sums that gradients add to: by products in place, and in the order of the array itself.

The reverse sweep adds the cotangent of a view to the array's, at the view's path. Some views are no
memory that could be stored into: then what is added is brought into the array's order instead.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from adjoint.ir.core import Block
from adjoint.ir.dims import least
from adjoint.ir.graph import Function, Value, free_values, operands, walk
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.indexing import index_add, update
from adjoint.ops.linalg import matmul
from adjoint.ops.structural import concatenate, permute, reduce_sum, reshape
from adjoint.transforms.simplify.facts import fill_of, known_shape
from adjoint.transforms.simplify.rewriting import Answer, Rewriter, Rules

__all__ = ["SUMS", "bring_together"]

_SMALL = 16**3
"""Multiplications up to which a product of known size is not BLAS's."""

_STORES = frozenset({control.push, index_add, update})

_WHOLE = {"path": (("index", Ellipsis),)}


def _swapped(node: Value, walk: Rewriter) -> Answer:
    """Add a product to an array, rather than the swapped product to the swapped array."""
    x, value = node.inputs
    path = node.params["path"]
    if value.op is not matmul or len(path) != 1 or path[0][0] != "permute":
        return None
    ndim = len(value.shape)
    swap = (*range(ndim - 2), ndim - 1, ndim - 2)
    if tuple([a % ndim for a in path[0][1]]) != swap or len(x.shape) != ndim:
        return None
    type = Type(value.dtype, (*value.shape[:-2], value.shape[-1], value.shape[-2]))
    swapped = walk.emit(permute, (value,), {"axes": swap}, type, node)
    return walk.emit(index_add, (x, swapped), _WHOLE, node.type, node)


def _accumulated(node: Value, walk: Rewriter) -> Answer:
    """Add a product to what a loop carries, or to another product, as a store into that.

    Stores are done in place, by BLAS itself where the product is large.
    """
    if node.dtype.kind not in "fc" or len(node.shape) < 2:
        return None
    for x, value in (node.inputs, node.inputs[::-1]):
        carried = x.op is None and x not in walk.function.block.parameters
        if (
            value.op is matmul
            and (carried or x.op is matmul)
            and x is not value
            and x.type == value.type == node.type
            and known_shape(node.type)
            and walk.uses(value) == walk.uses(x) == 1
            and not _is_small(value)
        ):
            return walk.emit(index_add, (x, value), _WHOLE, node.type, node)
    return None


def _is_small(product: Value) -> bool:
    """Tell whether a product is known to take no more work than a call of BLAS."""
    lengths = (*product.shape[-2:], product.inputs[0].shape[-1])
    return all([type(n) is int for n in lengths]) and math.prod(lengths) <= _SMALL


def _elsewhere(node: Value, walk: Rewriter) -> Answer:
    """Bring a value into the order of the array to whose elements, in another one, it is added.

    Arrays whose axes are permuted before they are reshaped, and broadcast ones, are no memory; and
    what is added to all elements of an array of zeros is the array.
    """
    x, value = node.inputs
    path = node.params["path"]
    kinds = [kind for kind, _ in path]
    reordered = "reshape" in kinds and "permute" in kinds[: kinds.index("reshape")]
    if not reordered and "broadcast_to" not in kinds and fill_of(x) != 0:
        return None
    shapes = [x.shape]
    for kind, how in path:
        shape = _shape_after(kind, how, shapes[-1])
        if shape is None or None in shape or -1 in shape:
            return None
        shapes.append(shape)
    if not _same_lengths(value.shape, shapes[-1]) or value.dtype.kind not in "fc":
        return None
    for (kind, how), shape in zip(reversed(path), reversed(shapes[:-1])):
        if kind == "permute":
            axes = [a % len(how) for a in how]
            params: dict[str, Any] = {"axes": tuple([axes.index(a) for a in range(len(how))])}
            value = walk.emit(permute, (value,), params, Type(value.dtype, shape), node)
            continue
        if kind == "broadcast_to":
            lead = len(value.shape) - len(shape)
            stretched = [
                k for k in range(len(value.shape))
                if k < lead or (shape[k - lead] == 1 and value.shape[k] != 1)
            ]  # fmt: skip
            left = tuple([n for k, n in enumerate(value.shape) if k not in stretched])
            params = {"axis": tuple(stretched), "keepdims": False}
            value = walk.emit(reduce_sum, (value,), params, Type(value.dtype, left), node)
        value = walk.emit(reshape, (value,), {"shape": shape}, Type(value.dtype, shape), node)
    if fill_of(x) == 0 and value.dtype == x.dtype:
        if value.type == x.type:
            return value
        return walk.emit(reshape, (value,), {"shape": x.shape}, x.type, node)
    if path == _WHOLE["path"]:
        return None
    return walk.emit(index_add, (x, value), _WHOLE, node.type, node)


def _tiles(node: Value, walk: Rewriter) -> Answer:
    """Join arrays rather than add them to the parts of an array of zeros of which they are all."""
    parts: dict[int, tuple[int, Value]] = {}
    axis, x = None, node
    while x.op is index_add and (x is node or walk.uses(x) == 1):
        found = _tile(x)
        if found is None or found[0] != (found[0] if axis is None else axis):
            return None
        axis, start, stop = found
        if start in parts or x.inputs[1].type != _tile_type(x, axis, stop - start):
            return None
        parts[start] = stop, x.inputs[1]
        x = x.inputs[0]
    if axis is None or len(parts) < 2 or fill_of(x) != 0:
        return None
    end, joined = 0, []
    for start in sorted(parts):
        if start != end:
            return None
        end, value = parts[start]
        joined.append(value)
    if end != node.shape[axis]:
        return None
    return walk.emit(concatenate, tuple(joined), {"axis": axis}, node.type, node)


def _tile(node: Value) -> tuple[int, int, int] | None:
    """Return the axis, the first and the last position of the slice that is all a path names."""
    path = node.params["path"]
    if len(path) != 1 or path[0][0] != "index":
        return None
    how = path[0][1]
    entries = how if isinstance(how, tuple) else (how,)
    if any([type(e) is not slice for e in entries]):
        return None
    cut = [k for k, e in enumerate(entries) if e != slice(None)]
    if len(cut) != 1 or type(node.shape[cut[0]]) is not int:
        return None
    (axis,) = cut
    part = entries[axis]
    if any([type(n) not in (int, type(None)) for n in (part.start, part.stop, part.step)]):
        return None
    start, stop, step = part.indices(node.shape[axis])
    return (axis, start, stop) if step == 1 and start < stop else None


def _tile_type(node: Value, axis: int, length: int) -> Type:
    return Type(node.dtype, (*node.shape[:axis], length, *node.shape[axis + 1 :]))


def _same_lengths(given: tuple[Any, ...], place: tuple[Any, ...]) -> bool:
    """Tell whether a value has the lengths of where it goes, if it can go there at all."""
    return len(given) == len(place) and all(
        [n == m or (least(n) or 0) > 1 for n, m in zip(given, place)]
    )


def _shape_after(kind: str, how: Any, shape: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return the shape after a step of a path that reads every element; None for other steps."""
    if kind == "reshape":
        return tuple(how)
    if kind == "permute":
        return tuple([shape[a] for a in how])
    if kind == "broadcast_to":
        lead = len(how) - len(shape)
        # A length of one that may be stretched, or not, shows when the program runs.
        sure = all([n == m or n == 1 or (least(n) or 0) > 1 for n, m in zip(shape, how[lead:])])
        return tuple(how) if sure else None
    if kind != "index":
        return None
    entries = how if isinstance(how, tuple) else (how,)
    rest, taken = list(shape), []
    for k, e in enumerate(entries):
        if e is None:
            taken.append(1)
        elif e is Ellipsis:
            after = len([later for later in entries[k + 1 :] if later is not None])
            taken += rest[: len(rest) - after]
            rest = rest[len(rest) - after :]
        elif type(e) is slice and e == slice(None):
            taken.append(rest.pop(0))
        else:
            return None
    return (*taken, *rest)


def bring_together(function: Function) -> bool:
    """Have products that are added to an array come right before that; tell whether any moved."""
    changed = False
    for block in [function.block, *[b for node in walk(function.block) for b in node.blocks]]:
        changed = _bring_together(block) or changed
    return changed


def _bring_together(block: Block) -> bool:
    nodes = block.nodes
    sums = {
        node.inputs[1]: node
        for node in nodes
        if node.op is index_add and node.inputs[1].op is matmul and node.inputs[0].op is not matmul
    }
    if not sums:
        return False
    used = Counter([v for node in nodes for v in operands(node)])
    inside = {v for node in nodes for b in node.blocks for v in free_values(b)}
    at = {node: k for k, node in enumerate(nodes)}
    changed = False
    for product, node in sums.items():
        k = at.get(product)
        if k is None or used[product] != 1 or product in inside or product in block.results:
            continue
        between = nodes[k + 1 : at[node]]
        # What stores in place, or runs blocks, may be in want of the operands.
        if not between or any([n.blocks or n.op in _STORES for n in between]):
            continue
        nodes.remove(product)
        nodes.insert(nodes.index(node), product)
        at = {node: k for k, node in enumerate(nodes)}
        changed = True
    return changed


SUMS = Rules("sums", of={ew.add: (_accumulated,), index_add: (_swapped, _elsewhere, _tiles)})
