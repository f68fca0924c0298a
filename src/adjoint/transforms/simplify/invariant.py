"""Loop-invariant code: what a pass does like every other is done once, before the loop.

The loop may not run at all, so only operations that cannot fail are moved (`total`), and from loops
that surely run reads whose indices may be wrong; the moved ones are those that compute: an array
that a pass makes to fill it is made by each pass. Innermost loops come first, so that an operation
leaves all the loops that it does not depend on. Nothing leaves a branch.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir.core import Block
from adjoint.ir.dims import Dim, difference
from adjoint.ir.graph import Function, Value
from adjoint.ops import control, indexing
from adjoint.transforms.simplify.common import APART
from adjoint.transforms.simplify.integers import Integers
from adjoint.transforms.simplify.total import is_total
from adjoint.transforms.simplify.values import lengths_of, mentioned

__all__ = ["move_invariant"]

_READS = frozenset({indexing.getitem, indexing.read})
_LOOPS = frozenset({control.for_loop, control.while_loop, control.map_loop})


def move_invariant(function: Function) -> bool:
    """Move what does not depend on the pass out of loops; tell whether anything was."""
    motion = _Motion()
    motion.block(function.block)
    return motion.changed


class _Motion:
    def __init__(self) -> None:
        self.changed = False
        self.integers = Integers()

    def block(self, block: Block) -> None:
        nodes: list[Any] = []
        for node in block.nodes:
            for inner in node.blocks:
                self.block(inner)
                if node.op in _LOOPS:
                    nodes += self.leaving(inner, self.surely_runs(node))
            nodes.append(node)
        block.nodes = nodes

    def surely_runs(self, loop: Value) -> bool:
        """Tell whether there is a first pass."""
        if loop.op is not control.for_loop:
            return False
        lo, hi, step = [self.integers.of(v) for v in loop.inputs[:3]]
        if type(step) is not int or lo is None or hi is None:
            return False
        return self.integers.sign(difference(hi, lo) if step > 0 else difference(lo, hi)) == ">0"

    def leaving(self, body: Block, runs: bool) -> list[Value]:
        """Take what is to be moved out of a loop's block; return it in order."""
        inside: set[Any] = set(body.parameters)
        leaving: list[Value] = []
        left: list[Any] = []
        for node in body.nodes:
            if self.may_leave(node, inside, runs):
                leaving.append(node)
            else:
                inside.add(node)
                left.append(node)
        if leaving:
            self.changed = True
            body.nodes = left
            for node in leaving:
                node.bounds = tuple([None if _depends(n, inside) else n for n in node.bounds])
        return leaving

    def may_leave(self, node: Value, inside: set[Value], runs: bool) -> bool:
        if node.blocks or node.op in APART or node.op is control.require_equal:
            return False
        for v in node.inputs:
            if v in inside:
                return False
        if node.op is control.constant:
            return True
        for v in (*mentioned(node.params), *(lengths_of(node.type) or ())):
            if v in inside:
                return False
        return is_total(node, self.integers) or (runs and node.op in _READS)


def _depends(n: Any, inside: set[Value]) -> bool:
    return isinstance(n, Dim) and any([v in inside for v, _ in n.terms])
