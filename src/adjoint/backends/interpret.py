"""The interpreter: a graph run with NumPy. It defines what the graph means.

It never changes an argument or a constant; results share memory neither with them nor with each
other. Within, updates happen in place where nobody can tell (`adjoint.transforms.ownership`).

An error is that of the operation that raises it, with a note that names the operation and the line
of the user's program. Recursion is as deep as memory allows, or `DEEPEST`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.backends.blame import note
from adjoint.backends.observe import Checker, Counter, Counts
from adjoint.backends.parameters import Frame
from adjoint.backends.prepare import prepare
from adjoint.backends.program import Observer, Program
from adjoint.ir.graph import Function

__all__ = ["DEEPEST", "Counts", "count", "run", "watch"]

DEEPEST = 100_000
"""How deep functions may call themselves."""


def run(
    function: Function, args: Sequence[Any], in_place: bool = True, check: bool = False
) -> list[Any]:
    """Run a function.

    Parameters
    ----------
    function : Function
        Not to be changed afterwards: what is prepared for running it is kept.
    args : sequence
        Arrays, NumPy scalars, Python numbers and stacks, one a parameter.
    in_place : bool
        False: copy at every update.
    check : bool
        Whether to check that every value is of its type, and that operations return views only
        where they are declared to.
    """
    observer = Checker() if check else None
    return _start(prepare(function, frozenset(), in_place, observer), function, args)


def count(function: Function, args: Sequence[Any], in_place: bool = True) -> Counts:
    """Run a function and count what it does."""
    counter = Counter(args)
    watch(function, args, counter, in_place)
    return counter.counts


def watch(
    function: Function, args: Sequence[Any], observer: Observer, in_place: bool = True
) -> list[Any]:
    """Run a function; the observer sees each of its steps."""
    return _start(prepare(function, frozenset(), in_place, observer), function, args)


def _start(program: Program, function: Function, args: Sequence[Any]) -> list[Any]:
    if len(args) != len(program.parameters):
        raise TypeError(
            f"{function.name!r} takes {len(program.parameters)} arguments, not {len(args)}"
        )
    return _execute(program, program.start(args))


def _execute(program: Program, frame: Frame) -> list[Any]:
    callers: list[tuple[Program, Frame, Any]] = []
    segment = program.entry
    step: Any = None
    try:
        while True:
            for step in segment.steps:
                step(frame)
            step = segment.leave
            following = step(frame)
            if following is not None:
                segment = following
                continue
            call = segment.call
            if call is not None:
                if len(callers) >= DEEPEST:
                    raise RecursionError(f"functions call each other {DEEPEST} deep")
                called = call.program()
                inner = called.start([frame[i] for i in call.arguments])
                for i in call.dead:
                    frame[i] = None
                callers.append((program, frame, call))
                program, frame, segment = called, inner, called.entry
                del inner
                continue
            results = program.finish(frame)
            if not callers:
                return results
            program, frame, call = callers.pop()
            for i, k in call.results:
                frame[i] = results[k]
            del results
            segment = call.after
    except Exception as error:
        note(error, program.nodes.get(step))
        raise
