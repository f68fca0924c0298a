"""What must happen as often as it stands in the program, and in that order."""

from __future__ import annotations

from adjoint.ir.core import Block
from adjoint.ir.graph import Function, Value
from adjoint.ops import control

__all__ = ["STAYS", "Effects"]

STAYS = control.EFFECTS | {control.draw}
"""Operations that are never moved, merged or left out."""


class Effects:
    """Which operations are there for what they do, with answers kept for functions."""

    def __init__(self) -> None:
        self._functions: dict[Function, bool] = {}

    def of(self, node: Value) -> bool:
        """Tell whether an operation, or one in its blocks, has an effect."""
        op = node.op
        if op in STAYS:
            return True
        if op is control.call:
            return self._of_function(node.params["function"])
        return any([self.of_block(block) for block in node.blocks])

    def of_block(self, block: Block) -> bool:
        """Tell whether an operation of a block has an effect."""
        return any(map(self.of, block.nodes))

    def _of_function(self, function: Function) -> bool:
        found = self._functions.get(function)
        if found is None:
            # A function that calls itself has the effects that the rest of it has.
            self._functions[function] = False
            found = self._functions[function] = self.of_block(function.block)
        return found
