"""A block: its operations in order, and what has to be settled before control flow."""

from __future__ import annotations

from collections import defaultdict

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import force, reads
from adjoint.backends.llvm.lower.stores import is_summed
from adjoint.backends.llvm.lower.values import Buffer
from adjoint.ir.core import Block
from adjoint.ir.graph import Value, walk
from adjoint.ir.types import StackType, Type
from adjoint.ops import control
from adjoint.ops.structural import project_result
from adjoint.transforms.lifetimes import Key, parts, whole
from adjoint.transforms.ownership import CONSUMING

__all__ = ["before_control", "is_kept", "lower_block", "root", "set_destination"]

LOOPS = frozenset({control.for_loop, control.while_loop})

CAPTURED = 3
"""What an element that a loop reads may cost to be computed again in each pass."""


def lower_block(f: Lowering, block: Block) -> None:
    """Lower the operations of a block."""
    from adjoint.backends.llvm.lower.table import lower

    last, home = f.lifetimes.last[block], f.lifetimes.home
    dying: defaultdict[int, list[Key]] = defaultdict(list)
    for key, at in last.items():
        if home.get(whole(key)) is block:
            dying[at].append(key)
    node: Value
    place = f.blocks[-1]
    for at, node in enumerate(block.nodes):
        place[1] = at
        f.node = node
        if node.op is control.constant:
            continue
        if is_summed(f, block, at):
            dying[at + 1] += dying.pop(at, [])
            continue
        lower(f, node)
        for key in dying[at]:
            f.forget(key)
        for key in parts(node):
            if key not in last:
                f.forget(key)
    place[1] = len(block.nodes)


# -- which memory a value is in --------------------------------------------------------------------


def carried(loop: Value) -> tuple[tuple[Value, ...], list[Value], list[Value]]:
    """Return initial values, parameters of the body and results of the body of a loop."""
    fixed = 3 if loop.op is control.for_loop else 0
    body = loop.blocks[-1]
    return loop.inputs[fixed:], body.parameters[1 if fixed else 0 :], body.results


def root(f: Lowering, key: Key) -> Key:
    """Return the value in whose memory, or header, a value is for sure."""
    while True:
        if isinstance(key, tuple):
            node, k = key
            if node.op in LOOPS:
                if not is_kept(f, node, k) or k in f.ownership.entry.get(node, ()):
                    return key
                key = carried(node)[0][k]
                continue
            if node.op is control.cond:
                found = f.roots.get(key)
                if found is None:
                    first, second = (root(f, b.results[k]) for b in node.blocks)
                    found = f.roots[key] = first if first == second else key
                return found
            return key
        op = key.op
        if op is project_result:
            key = (key.inputs[0], key.params["k"])
        elif (op in CONSUMING and f.ownership.in_place.get(key, False)) or op in (
            control.recompute, control.checked, control.unless,
        ):  # fmt: skip
            key = key.inputs[0]
        else:
            return key


def is_kept(f: Lowering, loop: Value, k: int) -> bool:
    """Tell whether a carried array or stack stays in its memory from pass to pass."""
    found = f.kept.get((loop, k))
    if found is None:
        f.kept[loop, k] = False  # of a loop in its own body nothing is asked
        _, params, results = carried(loop)
        found = k not in f.ownership.back.get(loop, ()) and root(f, results[k]) is params[k]
        f.kept[loop, k] = found
    return found


def set_destination(f: Lowering, key: Key, target: Buffer, block: Block) -> None:
    """Have a value made in memory that is there, if it is made in a block from now on."""
    start = root(f, key)
    if start in f.env or f.lifetimes.home.get(whole(start)) is not block:
        return
    if not isinstance(start, tuple) and start.op in (None, control.constant):
        return
    f.destinations[start] = target


def modified(f: Lowering, node: Value) -> set[int]:
    """Return the memory that the blocks of an operation overwrite."""
    found = f.changed.get(node)
    if found is not None:
        return found
    found = f.changed[node] = set()
    sharing = f.sharing
    for inner in [node, *[n for b in node.blocks for n in walk(b)]]:
        if inner.op in CONSUMING:
            if f.ownership.in_place.get(inner, False):
                found |= sharing.of(inner.inputs[0]).own
        elif inner.op in LOOPS:
            for k, init in enumerate(carried(inner)[0]):
                if _refers(init) and is_kept(f, inner, k):
                    found |= sharing.of(init).own
        elif inner.op is control.call:
            for k in f.ownership.handed[inner]:
                found |= sharing.of(inner.inputs[k]).own
    return found


def _refers(value: Value) -> bool:
    type = value.type
    return isinstance(type, StackType) or (isinstance(type, Type) and bool(type.shape))


def before_control(f: Lowering, node: Value, repeated: bool) -> None:
    """Put into memory what is read in the blocks of an operation again and again, or too late."""
    captured: frozenset[Key] = frozenset()
    if node.blocks:
        captured = frozenset().union(*[f.lifetimes.captured[b] for b in node.blocks])
    changed = modified(f, node)
    for key, lazy in list(f.pending.items()):
        if lazy.buffer is not None:
            continue
        inside = key in captured
        if not inside and not f.live(key):
            continue
        late = bool(changed and reads(lazy) & changed)
        again = inside and repeated and (lazy.cost > CAPTURED or key in f.whole)
        if late or again or (inside and lazy.shared):
            force(f, lazy)
