"""Lengths that a block takes to be the same, though they are different expressions.

The graph requires lengths to be the same where a program first relies on it (``require_equal``).
What follows in other blocks, above all a reverse sweep, just relies on it: there an elementwise
operation has operands of the one length and of the other. Where a block has such an operation and
does not itself require the lengths to be the same, they were known to be before it began.
"""

from __future__ import annotations

from typing import Any

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.ir.core import Block
from adjoint.ir.dims import Dim, of_value
from adjoint.ir.graph import Value, walk
from adjoint.ir.types import Type
from adjoint.ops.inference.elementwise import is_elementwise
from adjoint.ops.inference.lengths import as_length

__all__ = ["known_equal", "length_of_slice"]


def length_of_slice(f: Lowering, start: Any, stop: Any, step: Any, n: Any) -> Dim | None:
    """Return the value that is the length of a slice of n elements, if it has been computed."""
    if f.slices is None:
        f.slices = {}
        for node in walk(f.function.block):
            if node.op is not None and node.op.name == "slice_length":
                given = [as_length(node.params[k]) for k in ("start", "stop", "step")]
                f.slices.setdefault((*given, as_length(node.inputs[0])), []).append(node)
    for node in f.slices.get((start, stop, step, n), ()):
        home = f.lifetimes.home.get(node)
        if node in f.env and any(block is home for block, _ in f.blocks):
            return of_value(node)
    return None


def known_equal(f: Lowering, m: Any, n: Any) -> bool:
    """Tell whether two lengths are the same wherever the present operation runs."""
    if m == n:
        return True
    pair = frozenset({m, n})
    for block, _ in f.blocks:
        found = f.equal.get(block)
        if found is None:
            found = f.equal[block] = _relied_on(block)
        if pair in found:
            return True
    return False


def _relied_on(block: Block) -> set[frozenset[Any]]:
    """Return the pairs of lengths that operations of a block take to be the same."""
    found: set[frozenset[Any]] = set()
    required: set[frozenset[Any]] = set()
    node: Value
    for node in block.nodes:
        if node.op is None:
            continue
        if node.op.name == "require_equal":
            required.add(frozenset(as_length(v) for v in node.inputs))
        elif isinstance(node.type, Type) and node.type.shape and is_elementwise(node.op):
            for v in node.inputs:
                if isinstance(v.type, Type):
                    pairs = zip(reversed(v.type.shape), reversed(node.type.shape))
                    found.update(
                        frozenset({m, n})
                        for m, n in pairs
                        if isinstance(m, Dim) and isinstance(n, Dim) and m != n
                    )
    return found - required
