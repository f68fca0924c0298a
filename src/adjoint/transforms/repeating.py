"""Blocks that run more often than they stand in the program, since reverse sweeps repeat them."""

from __future__ import annotations

from typing import Any

from adjoint.errors import TracingError
from adjoint.ir import Block
from adjoint.ir.edit import Copier
from adjoint.ir.graph import walk
from adjoint.ops import control

__all__ = ["repeatable"]


def repeatable(block: Block, what: str) -> Block:
    """Return a block that can run again for its values alone.

    What it prints and whom it calls for an effect is left out. Random numbers would be others.

    Raises
    ------
    TracingError
        If the block draws random numbers.
    """
    effects = False
    for node in walk(block):
        if node.op is control.draw:
            place = f" ({node.place[0]}:{node.place[1]})" if node.place else ""
            raise TracingError(
                f"{what} draws random numbers{place}; computed again they would be others. Draw "
                "them before, and pass them as an argument."
            )
        effects |= node.op is control.effect
    return _Quiet().block(block) if effects else block


class _Quiet(Copier):
    """Copies all but effects."""

    def block(self, block: Block) -> Block:
        new = Block()
        new.parameters = [self.parameter(p) for p in block.parameters]
        nodes: list[Any] = new.nodes
        nodes += [self.node(n) for n in block.nodes if n.op is not control.effect]
        new.results = [self.value(r) for r in block.results]
        return new
