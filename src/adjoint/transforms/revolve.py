"""When to store, advance, restore and reverse: binomial checkpointing of long loops.

Step k of a loop takes state k to state k + 1. The reverse sweep needs the states last to first;
with room for s of them (*snapshots*, state 0 among them) the others are computed again from the
nearest stored one before them. If no step is advanced more than r times, at most

    β(s, r) = (s + r)! / (s! r!)

steps can be reversed: the first stretch, up to the second snapshot, is advanced once and then
reversed with all s snapshots and r − 1 repetitions; what is behind it has s − 1 snapshots and r
repetitions; and β(s, r) = β(s, r − 1) + β(s − 1, r). The least number of advances for l steps obeys

    t(s, l) = min over m of  m + t(s, m) + t(s − 1, l − m),     t(s, 1) = 0,

and is, since β(s, i) − β(s, i − 1) = β(s − 1, i) steps can do with i repetitions but not with less,

    t(s, l) = Σ over i < r of i β(s − 1, i)  +  r (l − β(s, r − 1))  =  r l − β(s + 1, r − 1)

for β(s, r − 1) ≤ l ≤ β(s, r); the two sides agree since Σ over i < r of β(s, i) = β(s + 1, r − 1).
A split at m is optimal if both parts stay within their repetitions:

    β(s, r − 2) ≤ m ≤ β(s, r − 1),     β(s − 1, r − 1) ≤ l − m ≤ β(s − 1, r).

A. Griewank, Optimization Methods and Software 1 (1992); A. Griewank and A. Walther, Algorithm 799:
revolve, ACM TOMS 26 (2000), whose choice among the optimal splits stores least often; A. Griewank
and A. Walther, Evaluating Derivatives, 2nd ed. (2008), chapter 12.

Where the number of steps is not known (a ``while``), snapshots are moved while the loop runs
(`Online`): the minimal repetition algorithm of Q. Wang, P. Moin and G. Iaccarino, SIAM J. Sci.
Comput. 31 (2009). Whenever the loop ends, no step needs to be advanced more often than if the
number of steps had been known: r times with β(s, r − 1) < l + 1 ≤ β(s, r), so that there are at
most r l advances, the sweep included. (It is l + 1, since that the loop ends is only known in state
l: the sweep passes over state l − 1.) The first algorithm of P. Stumm and A. Walther, SIAM J. Sci.
Comput. 32 (2010), has the least total for l + 1 ≤ β(s, 2); so has this one as `Online` does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import TypeAlias

from adjoint.errors import InputError

__all__ = [
    "Action",
    "Advance",
    "Discard",
    "Online",
    "Restore",
    "Reverse",
    "Store",
    "beta",
    "check_snapshots",
    "dispensable",
    "optimal_advances",
    "schedule",
    "snapshots_for",
    "split",
]


# -- actions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Store:
    """Make the working state, that before ``step``, a snapshot."""

    step: int


@dataclass(frozen=True, slots=True)
class Restore:
    """Make the snapshot of the state before ``step`` the working state."""

    step: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget the snapshot of the state before ``step``."""

    step: int


@dataclass(frozen=True, slots=True)
class Advance:
    """Run the steps ``start``, ..., ``stop - 1`` on the working state."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Reverse:
    """Record ``step`` from the working state before it, and pull the cotangents back through it.

    The working state is not used afterwards.
    """

    step: int


Action: TypeAlias = Store | Restore | Discard | Advance | Reverse


# -- counts ----------------------------------------------------------------------------------------


def beta(snapshots: int, repetitions: int) -> int:
    """Return how many steps can be reversed if none is advanced more often than ``repetitions``."""
    if snapshots < 0 or repetitions < 0:
        return 0
    return comb(snapshots + repetitions, snapshots)


def repetitions_for(steps: int, snapshots: int) -> int:
    """Return the least r with β(snapshots, r) ≥ steps."""
    if snapshots == 1:
        return max(steps - 1, 0)
    r, reached = 0, 1
    while reached < steps:
        r += 1
        reached = reached * (snapshots + r) // r
    return r


def optimal_advances(steps: int, snapshots: int) -> int:
    """Return the least number of advanced steps with which ``steps`` steps can be reversed.

    The recording of each step when it is reversed is not counted.
    """
    _check(steps, snapshots)
    r = repetitions_for(steps, snapshots)
    return r * steps - beta(snapshots + 1, r - 1)


def snapshots_for(memory_bytes: int, state_bytes: int) -> int:
    """Return how many snapshots of ``state_bytes`` each fit into ``memory_bytes``."""
    snapshots = memory_bytes // max(state_bytes, 1)
    if snapshots < 1:
        raise InputError(
            f"memory={memory_bytes} bytes do not hold one state of the loop, which takes "
            f"{state_bytes} bytes: at least the state before the first step has to be kept"
        )
    return snapshots


def _check(steps: int, snapshots: int) -> None:
    if steps < 0:
        raise InputError(f"a loop cannot have {steps} steps")
    check_snapshots(snapshots)


def check_snapshots(snapshots: int) -> None:
    """Raise an error unless there is room for a snapshot."""
    if snapshots < 1:
        raise InputError(
            f"snapshots={snapshots}: at least the state before the first step has to be kept"
        )


# -- a known number of steps -----------------------------------------------------------------------


def schedule(steps: int, snapshots: int) -> Iterator[Action]:
    """Return what reverses a loop with the least number of advances.

    The working state is at first that before step 0. The actions before the first `Reverse` are the
    forward sweep. It ends in state ``steps - 1``; if the cotangents are known only after the loop
    has ended, its schedule is that of ``steps + 1`` steps, of which the last one stands for what
    comes after the loop, and its `Reverse` is left out.

    Parameters
    ----------
    steps : int
    snapshots : int
        How many states may be stored at a time, the first one included.

    Examples
    --------
    >>> for action in schedule(3, 2):
    ...     print(action)
    Store(step=0)
    Advance(start=0, stop=1)
    Store(step=1)
    Advance(start=1, stop=2)
    Reverse(step=2)
    Restore(step=1)
    Discard(step=1)
    Reverse(step=1)
    Restore(step=0)
    Discard(step=0)
    Reverse(step=0)
    """
    _check(steps, snapshots)
    return _schedule(steps, snapshots)


def _schedule(steps: int, snapshots: int) -> Iterator[Action]:
    if steps > 1:
        yield Store(0)
    if steps > 0:
        yield from _reversal(0, steps, snapshots)


def _reversal(start: int, steps: int, snapshots: int) -> Iterator[Action]:
    """Reverse ``steps`` steps from the working state ``start``, the first of so many snapshots.

    That snapshot is there, and discarded in the end, if there is more than one step.
    """
    r = repetitions_for(steps, snapshots)
    waiting: list[tuple[int, int, int, int]] = []  # stretches whose first state is a snapshot
    while True:
        while steps > 1:
            ahead = split(steps, snapshots, r)
            yield Advance(start, start + ahead)
            waiting.append((start, ahead, snapshots, r - 1))
            start += ahead
            steps -= ahead
            snapshots -= 1
            if steps > 1:
                yield Store(start)
        yield Reverse(start)
        if not waiting:
            return
        start, steps, snapshots, r = waiting.pop()
        yield Restore(start)
        if steps == 1:
            yield Discard(start)


def split(steps: int, snapshots: int, r: int) -> int:
    """Return the length of the first stretch, with β(snapshots, r − 1) ≤ steps ≤ β(snapshots, r).

    Of the optimal ones it is that of Algorithm 799.
    """
    s = snapshots
    if steps <= beta(s, r - 1) + beta(s - 2, r - 1):
        return max(beta(s, r - 2), 1)
    if steps >= beta(s, r) - beta(s - 3, r):
        return beta(s, r - 1)
    return steps - beta(s - 1, r - 1) - beta(s - 2, r - 1)


# -- an unknown number of steps --------------------------------------------------------------------


def dispensable(levels: Sequence[int], level: int) -> int:
    """Return the place of the last dispensable snapshot; 0, that of state 0, if none is.

    Parameters
    ----------
    levels : sequence of int
        Of the snapshots.
    level : int
        Of the working state.
    """
    for place in range(len(levels) - 1, 0, -1):
        if levels[place] < level:
            return place
        level = levels[place]
    return 0


class Online:
    """Checkpointing of a loop whose number of steps is not known.

    `advance` gives the actions of one more step of the forward sweep, `reverse` those of the
    reversal when the sweep has ended. The working state is at first that before step 0, and need
    not be there any more when the reversal starts.

    Every snapshot has a level; one is dispensable when a later state has a higher level. If there
    is no room for the working state, the last of the dispensable snapshots makes room. If there is
    none, the working state goes on without being stored, one level up.

    Parameters
    ----------
    snapshots : int
        How many states may be stored at a time, the first one included.
    """

    __slots__ = ("_level", "_levels", "_stored", "room", "steps")

    def __init__(self, snapshots: int) -> None:
        _check(0, snapshots)
        self.room = snapshots
        self.steps = 0
        self._stored: list[int] = []
        self._levels: list[int] = []
        self._level = 0  # of the working state

    def advance(self) -> list[Action]:
        """Return the actions of the next step of the forward sweep."""
        actions: list[Action] = []
        if len(self._stored) == self.room:
            place = dispensable(self._levels, self._level)
            if place:
                del self._levels[place]
                actions.append(Discard(self._stored.pop(place)))
        if len(self._stored) < self.room:
            self._stored.append(self.steps)
            self._levels.append(self._level)
            actions.append(Store(self.steps))
            self._level = 0
        else:
            self._level += 1
        actions.append(Advance(self.steps, self.steps + 1))
        self.steps += 1
        return actions

    def reverse(self) -> Iterator[Action]:
        """Return the actions of the reversal, which is optimal for the snapshots that there are."""
        end = self.steps
        for place in range(len(self._stored) - 1, -1, -1):
            start = self._stored[place]
            yield Restore(start)
            if end - start == 1:
                yield Discard(start)
            yield from _reversal(start, end - start, self.room - place)
            end = start
