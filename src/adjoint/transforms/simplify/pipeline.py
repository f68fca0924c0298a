"""The passes, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from adjoint.ir.graph import Function, walk
from adjoint.ops import control
from adjoint.transforms.simplify.algebra import ALGEBRA
from adjoint.transforms.simplify.carried import CARRIED
from adjoint.transforms.simplify.common import COMMON
from adjoint.transforms.simplify.constants import CONSTANTS
from adjoint.transforms.simplify.dead import remove_dead
from adjoint.transforms.simplify.forwarding import FORWARDING
from adjoint.transforms.simplify.gathers import move_gathers
from adjoint.transforms.simplify.invariant import move_invariant
from adjoint.transforms.simplify.rereading import read_again
from adjoint.transforms.simplify.rewriting import Rewriter, Rules
from adjoint.transforms.simplify.signs import SIGNS
from adjoint.transforms.simplify.sums import SUMS, bring_together
from adjoint.transforms.simplify.zeros import ZEROS

__all__ = ["PASSES", "Pass", "simplify"]

Pass: TypeAlias = "Rules | Callable[[Function], bool]"
"""Rules, or a function that changes a graph and tells whether it did."""

Step: TypeAlias = "Callable[[Function], bool]"

PASSES: tuple[Pass, ...] = (
    remove_dead, CONSTANTS, CARRIED, ZEROS, ALGEBRA, SIGNS, FORWARDING, SUMS, COMMON, read_again,
    remove_dead, move_gathers, move_invariant, bring_together,
)  # fmt: skip

ROUNDS = 8
"""After so many rounds a graph is left as it is: what is left to gain is little."""


def simplify(function: Function, passes: Sequence[Pass] = PASSES) -> Function:
    """Simplify a function and those that it calls, in place, until nothing changes.

    Parameters
    ----------
    function : Function
        A function that has been run is left as it is: backends keep what they know of it.
    passes : sequence of Pass

    Returns
    -------
    Function
        The same one.
    """
    steps = _grouped(passes)
    for each in _called(function):
        if not each.prepared:
            _settle(each, steps)
    return function


def _settle(function: Function, steps: Sequence[Step]) -> None:
    """Run the steps in turn until each of them finds nothing to do."""
    changes, settled = 0, dict.fromkeys(steps, -1)
    for _ in range(ROUNDS):
        for step in steps:
            if settled[step] == changes:
                continue
            if step(function):
                changes += 1
            else:
                settled[step] = changes
        if all([at == changes for at in settled.values()]):
            return


def _grouped(passes: Sequence[Pass]) -> list[Step]:
    """Return the passes as steps; rules that follow each other share one."""
    steps: list[Step] = []
    group: list[Rules] = []
    for each in passes:
        if isinstance(each, Rules):
            group.append(each)
            continue
        if group:
            steps.append(_walk(group))
            group = []
        steps.append(each)
    if group:
        steps.append(_walk(group))
    return steps


def _walk(passes: list[Rules]) -> Step:
    rules = Rules.joined(passes)
    return lambda function: Rewriter(function, rules).changed


def _called(function: Function) -> list[Function]:
    found: dict[Any, None] = {function: None}
    for each in (waiting := [function]):
        for node in walk(each.block):
            if node.op is control.call and node.params["function"] not in found:
                found[node.params["function"]] = None
                waiting.append(node.params["function"])
    return list(found)
