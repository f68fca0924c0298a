"""Schedules of binomial checkpointing as values of a graph.

How many steps a loop has is known when it runs, and so is the schedule of its reversal
(`adjoint.transforms.revolve`). The loops that `adjoint.transforms.revolved_loops` records ask these
operations what to do next. They compute with integers alone, and have no derivative.

A *stretch* of steps is an array (start, steps, room, r): the steps that are to be reversed from the
state before ``start``, with room for so many snapshots, that state among them, and no step advanced
more than r times.

What the forward sweep of a loop of unknown length keeps is an array of rows of three::

    steps  level  slot                 so far; of the working state; where it is to be kept, or -1
    room   0      0
    step   level  slot                 of each snapshot, first step first; once there is no room

As long as there is room every state is kept, in the slot of its number, and the rows are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from adjoint.ir.types import Type, python_type
from adjoint.ops.control import Stack
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.registry import primitive
from adjoint.rules.derive import zero
from adjoint.transforms.revolve import (
    check_snapshots,
    dispensable,
    repetitions_for,
    snapshots_for,
    split,
)

__all__ = [
    "begin_stretch", "begin_sweep", "continue_sweep", "divide_stretch", "room_for", "stretches",
]  # fmt: skip


# -- what fits -------------------------------------------------------------------------------------


def _room_for(*state: Any, snapshots: int | None, memory: int | None) -> int:
    if memory is None:
        assert snapshots is not None
        check_snapshots(snapshots)
        return snapshots
    return snapshots_for(memory, sum(map(_bytes, state)))


def _bytes(x: Any) -> int:
    if isinstance(x, Stack):
        return sum(map(_bytes, x.entries))
    return np.asarray(x).nbytes


room_for = primitive("room_for", _room_for, "*state")
"""How many snapshots of a state may be kept: so many, or what ``memory`` bytes hold."""


# -- stretches -------------------------------------------------------------------------------------


def _stretch(start: int, steps: int, room: int) -> tuple[int, int, int, int]:
    return start, steps, room, repetitions_for(steps, room)


def _begin_stretch(trips: int, room: int) -> np.ndarray:
    # One more: the last step stands for what comes after the loop.
    return np.array(_stretch(0, max(trips, 0) + 1, room))


def _divide_stretch(stretch: np.ndarray) -> np.ndarray:
    start, steps, room, r = stretch.tolist()
    ahead = split(steps, room, r)
    return np.array([(start, ahead, room, r - 1), (start + ahead, steps - ahead, room - 1, r)])


begin_stretch = primitive("begin_stretch", _begin_stretch, "trips", "room")
"""The stretch of all steps of a loop, and what comes after it."""

divide_stretch = primitive("divide_stretch", _divide_stretch, "stretch")
"""The first part of a stretch of several steps, from its snapshot, and the rest, from a new one."""


# -- loops of unknown length -----------------------------------------------------------------------


def _begin_sweep(room: int) -> np.ndarray:
    return np.array([(0, 0, -1), (room, 0, 0)])


def _continue_sweep(plan: np.ndarray) -> np.ndarray:
    steps, level, _ = plan[0].tolist()
    room = int(plan[1, 0])
    if steps < room:
        return np.array([(steps + 1, 0, steps), (room, 0, 0)])
    kept = _snapshots(plan)
    place = dispensable(cast(Sequence[int], kept[:, 1]), level)
    if not place:
        return np.concatenate(([(steps + 1, level + 1, -1)], plan[1:2], kept))
    slot = kept[place, 2]
    head = [(steps + 1, 0, slot), (room, 0, 0)]
    return np.concatenate((head, kept[:place], kept[place + 1 :], [(steps, level, slot)]))


def _snapshots(plan: np.ndarray) -> np.ndarray:
    """Return step, level and slot of the snapshots."""
    if len(plan) > 2:
        return plan[2:]
    numbers = np.arange(min(plan[0, 0], plan[1, 0]))
    return np.stack((numbers, np.zeros_like(numbers), numbers), axis=1)


def _stretches(plan: np.ndarray) -> np.ndarray:
    room, kept = int(plan[1, 0]), _snapshots(plan)
    starts, _, slots = kept.T.tolist()
    ends = [*starts[1:], int(plan[0, 0])]
    found = [
        (*_stretch(start, end - start, room - place), slot)
        for place, (start, end, slot) in enumerate(zip(starts, ends, slots))
    ]
    return np.array(found, np.int64).reshape(len(found), 5)


begin_sweep = primitive("begin_sweep", _begin_sweep, "room")
"""The plan of a forward sweep before its first step."""

continue_sweep = primitive("continue_sweep", _continue_sweep, "plan")
"""The plan for one more step: whether the state before it is to be kept, and in which slot."""

stretches = primitive("stretches", _stretches, "plan")
"""What is to be reversed when a sweep has ended: a row (start, steps, room, r, slot) a snapshot."""

zero(room_for, begin_stretch, divide_stretch, begin_sweep, continue_sweep, stretches)


# -- types -----------------------------------------------------------------------------------------

INT = python_type(int)
STRETCH = Type(INT.dtype, (4,))
_TYPES = {
    room_for: INT,
    begin_stretch: STRETCH,
    divide_stretch: Type(INT.dtype, (2, 4)),
    begin_sweep: Type(INT.dtype, (2, 3)),
    continue_sweep: Type(INT.dtype, (None, 3)),
    stretches: Type(INT.dtype, (None, 5)),
}


@rule(*[op.name for op in _TYPES])
def _type(call: Call) -> Any:
    return _TYPES[call.op]
