"""Regions: blocks that run once where they stand, and have a derivative of their own.

``custom`` is the call of a function for which the user has given a rule, ``checkpoint`` one whose
values are computed again in the reverse sweep. Both matter while derivatives are being recorded.
Once a function has been staged nothing is left to be differentiated, and `inline` puts their
operations in their place.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir import Block
from adjoint.ir.edit import Copier
from adjoint.ir.graph import Function, Value, walk
from adjoint.ops import control
from adjoint.ops.structural import project_result

__all__ = ["inline"]


def inline(function: Function) -> None:
    """Take the regions of a function apart, and those of the functions that it calls."""
    waiting = [function]
    for each in waiting:
        regions = False
        for node in walk(each.block):
            regions |= node.op in control.REGIONS
            if node.op is control.call and node.params["function"] not in waiting:
                waiting.append(node.params["function"])
        if regions:
            inliner = _Inliner()
            block = each.block
            nodes: list[Any] = []
            inliner.operations(block, nodes)
            block.nodes = nodes
            block.results = [inliner.value(r) for r in block.results]


class _Inliner(Copier):
    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[Value, list[Value]] = {}

    def operations(self, block: Block, out: list[Any]) -> None:
        """Append the operations of a block to ``out``, those of its regions in their places."""
        for node in block.nodes:
            if node.op in control.REGIONS:
                (body,) = node.blocks
                for p, v in zip(body.parameters, node.inputs, strict=True):
                    self.table[p] = self.value(v)
                self.operations(body, out)
                self.parts[node] = [self.value(r) for r in body.results]
            elif node.op is project_result and node.inputs[0] in self.parts:
                self.table[node] = self.parts[node.inputs[0]][node.params["k"]]
            else:
                out.append(self.node(node))

    def block(self, block: Block) -> Block:
        new = Block()
        new.parameters = [self.parameter(p) for p in block.parameters]
        self.operations(block, new.nodes)
        new.results = [self.value(r) for r in block.results]
        return new
