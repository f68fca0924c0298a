"""Dead code: what neither a result nor an effect needs.

A value is *live* if a result of the function, an effect or a live value needs it. What loops carry
and what branches return is live result by result: carried value k is needed if result k is, or if
the body reads it for something live, and then so are its initial value and what the body makes of
it. A value that a loop carries for its own next value only is found dead for the same reason.

Live values keep the lengths in their types alive. Operations that may raise an error, but are not
there for that, are dead like any other; so is a ``while`` that would not end.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir.core import Block
from adjoint.ir.graph import Function, Value
from adjoint.ops import control
from adjoint.ops.structural import project_result
from adjoint.transforms.simplify.effects import STAYS, Effects
from adjoint.transforms.simplify.values import lengths_of, mentioned, set_type

__all__ = ["Liveness", "remove_dead", "remove_dead_from"]

_FOR, _WHILE = control.for_loop, control.while_loop


def remove_dead(function: Function) -> bool:
    """Remove dead operations, carried values and results; tell whether there were any."""
    return remove_dead_from(function.block)


def remove_dead_from(block: Block) -> bool:
    """Do the same to a block, which may have regions in it (`adjoint.ops.control.REGIONS`)."""
    return _Sweep(Liveness(block)).block(block)


class Liveness:
    """What is live in a block and the blocks in it.

    Attributes
    ----------
    live : set of Value
    parts : dict
        Operation with blocks → its live results, by number.
    """

    def __init__(self, block: Block) -> None:
        self.live: set[Value] = set()
        self.parts: dict[Value, set[int]] = {}
        self._loop_of: dict[Any, tuple[Value, int]] = {}
        self._effects = Effects()
        self._waiting: list[Value] = []
        self._survey(block)
        self._mark(block.parameters)
        self._mark(block.results)
        waiting = self._waiting
        while waiting:
            self._visit(waiting.pop())

    def _survey(self, block: Block) -> bool:
        """Note whose parameters are whose; mark what has effects, and what is around it."""
        found = False
        node: Value
        for node in block.nodes:
            op = node.op
            if node.blocks:
                self.parts[node] = set()
                inside = [self._survey(inner) for inner in node.blocks]
                first = 0 if op is _WHILE else 1
                for inner in node.blocks if op not in control.REGIONS else ():
                    for k, parameter in enumerate(inner.parameters):
                        self._loop_of[parameter] = (node, k - first)
                stays = any(inside)
            else:
                stays = op in STAYS or (op is control.call and self._effects.of(node))
            if stays:
                found = True
                self._mark((node,))
        return found

    def _mark(self, values: Any) -> None:
        live, waiting = self.live, self._waiting
        for v in values:
            if v not in live:
                live.add(v)
                waiting.append(v)

    def _visit(self, v: Value) -> None:
        op, parts = v.op, self.parts
        if v in parts:
            self._mark(v.inputs[:3] if op is _FOR else () if op is _WHILE else v.inputs)
            if v.params:
                self._mark(mentioned(v.params))
            if op in control.REGIONS:  # whose rules are of all their results
                for k in range(len(v.type)):
                    self._mark_part(v, k)
            if op is _WHILE:
                self._mark(v.blocks[0].results)
            return
        self._mark_lengths(v.type)
        if op is None:
            around = self._loop_of.get(v)
            if around is not None:
                self._mark_part(*around)
            return
        if op is project_result and v.inputs[0] in parts:
            self._mark_part(v.inputs[0], v.params["k"])
            return
        self._mark(v.inputs)
        if v.params:
            self._mark(mentioned(v.params))

    def _mark_part(self, node: Value, k: int) -> None:
        self._mark((node,))
        if k < 0 or k in self.parts[node]:
            return
        self.parts[node].add(k)
        self._mark_lengths(node.type[k])
        blocks = node.blocks
        if node.op is _FOR:
            self._mark((node.inputs[3 + k], blocks[0].parameters[1 + k], blocks[0].results[k]))
        elif node.op is _WHILE:
            self._mark((node.inputs[k], blocks[1].results[k]))
            self._mark([block.parameters[k] for block in blocks])
        else:
            self._mark([block.results[k] for block in blocks])

    def _mark_lengths(self, type: Any) -> None:
        lengths = lengths_of(type)
        if lengths:
            self._mark(lengths)


class _Sweep:
    def __init__(self, found: Liveness) -> None:
        self.live = found.live
        self.parts = found.parts
        self.numbers: dict[Value, dict[int, int]] = {}

    def block(self, block: Block) -> bool:
        live = self.live
        left: list[Any] = [node for node in block.nodes if node in live]
        changed = len(left) < len(block.nodes)
        block.nodes = left
        for node in left:
            if node.blocks:
                changed |= self.narrow(node)
                for inner in node.blocks:
                    changed |= self.block(inner)
            elif node.op is project_result and node.inputs[0] in self.numbers:
                node.params = {"k": self.numbers[node.inputs[0]][node.params["k"]]}
        return changed

    def narrow(self, node: Value) -> bool:
        """Leave out the dead results of an operation with blocks."""
        live, types = self.parts[node], node.type
        assert isinstance(types, tuple)
        if len(live) == len(types):
            return False
        kept = sorted(live)
        self.numbers[node] = {k: number for number, k in enumerate(kept)}

        def chosen(x: Any, first: int = 0) -> list[Any]:
            return [*x[:first], *[x[first + k] for k in kept]]

        op, blocks = node.op, node.blocks
        first = {_FOR: 1, _WHILE: 0}.get(op)
        if first is not None:
            node.inputs = tuple(chosen(node.inputs, 3 * first))
            for block in blocks:
                block.parameters = chosen(block.parameters, first)
        for block in blocks[1:] if op is _WHILE else blocks:
            block.results = chosen(block.results)
        set_type(node, tuple(chosen(types)))
        return True
