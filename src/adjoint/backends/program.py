"""What the interpreter runs: segments of steps.

A *segment* is a straight run of steps and a way to leave it, which says what is next: loops and
branches are segments that lead to each other, so that running one takes no recursion, and a
program that calls itself needs memory and not Python's stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.backends.parameters import Frame, Step
from adjoint.ir.core import Block
from adjoint.ir.graph import Value
from adjoint.ops import control

if TYPE_CHECKING:
    from adjoint.backends.prepare import Preparation

__all__ = ["Call", "Observer", "Program", "Segment", "copy_of"]


class Segment:
    """Steps to be run one after the other, and what is next.

    Attributes
    ----------
    steps : sequence of callable
    leave : callable
        From the frame to the next segment; None after a call, and at the end.
    call : Call or None
    """

    __slots__ = ("call", "leave", "steps")

    def __init__(self) -> None:
        self.steps: Any = []
        self.leave: Step = _end
        self.call: Call | None = None


def _end(frame: Frame) -> None:
    return None


class Call:
    """A call of another function: where the arguments are, and where the results go."""

    __slots__ = ("after", "arguments", "dead", "program", "results")

    def __init__(
        self,
        program: Callable[[], Program],
        arguments: list[int],
        dead: list[int],
        results: list[tuple[int, int]],
    ) -> None:
        self.program = program
        self.arguments = arguments
        self.dead = dead
        self.results = results
        self.after = Segment()


class Observer:
    """What is told of all that a program does. This one does not listen."""

    def __init__(self) -> None:
        self.programs: dict[Any, Program] = {}

    def step(self, node: Value, step: Step, at: Preparation) -> Step:
        """Return a step that does the same."""
        return step

    def parameters(self, block: Block, at: Preparation) -> Step | None:
        """Return a step for the beginning of a block."""
        return None

    def copied(self, x: Any) -> None:
        """Be told of an array or stack that was copied for want of ownership."""

    def gathered(self, x: np.ndarray) -> None:
        """Be told of an array of the results of a ``map``."""


class Program:
    """A function, prepared to be run.

    Attributes
    ----------
    name : str
    entry : Segment
    frame : list
        Slots, filled with constants.
    parameters, results : list of int
        Their slots.
    copied : list of int
        Results that are copied, lest they share memory with arguments or each other.
    nodes : dict
        Step → the operation that it runs.
    """

    __slots__ = ("copied", "entry", "frame", "name", "nodes", "parameters", "results")

    def __init__(self, name: str) -> None:
        self.name = name
        self.entry = Segment()
        self.frame: Frame = []
        self.parameters: list[int] = []
        self.results: list[int] = []
        self.copied: list[int] = []
        self.nodes: dict[Step, Value] = {}

    def start(self, args: Iterable[Any]) -> Frame:
        """Return a frame with the arguments in it."""
        frame = self.frame.copy()
        for i, x in zip(self.parameters, args, strict=True):
            frame[i] = x
        return frame

    def finish(self, frame: Frame) -> list[Any]:
        """Return the results."""
        results = [frame[i] for i in self.results]
        for k in self.copied:
            results[k] = copy_of(results[k])
        return results


def copy_of(x: Any, copies: dict[int, Any] | None = None) -> Any:
    """Return a copy that shares no memory; arrays that a stack holds twice are copied once."""
    if not isinstance(x, control.Stack):
        return np.array(x) if isinstance(x, np.ndarray) else x
    copies = {} if copies is None else copies
    entries = []
    for e in x.entries:
        if isinstance(e, (np.ndarray, control.Stack)):
            if id(e) not in copies:
                copies[id(e)] = copy_of(e, copies)
            e = copies[id(e)]
        entries.append(e)
    return control.Stack(entries)
