"""What of a block varies with some values: of sides that are chosen by them, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adjoint.ir import Block
from adjoint.ir.graph import Value, walk
from adjoint.ops import control
from adjoint.transforms.batch.dependence import dependence

__all__ = ["varying"]


def varying(block: Block, values: Iterable[Value]) -> set[Any]:
    """Return the values of a block, and of those in it, that vary with some values around it.

    Random numbers do, too: they differ from run to run.
    """
    found = {*values, *[node for node in walk(block) if node.op is control.draw]}
    _inside(block, found)
    return found


def _inside(block: Block, found: set[Any]) -> None:
    found |= dependence(block, found)
    for node in block.nodes:
        # Where the operation as a whole varies, its blocks have not been looked into.
        if node.op is control.for_loop and any([v in found for v in node.inputs[:3]]):
            found.update(node.blocks[0].parameters)
        for inner in node.blocks:
            _inside(inner, found)
