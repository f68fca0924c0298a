"""Schedules are executable, bounded in memory, and as short as the published counts."""

from collections import Counter
from functools import lru_cache
from itertools import islice

import pytest

from adjoint.errors import InputError
from adjoint.transforms.revolve import (
    Advance,
    Discard,
    Online,
    Restore,
    Reverse,
    Store,
    beta,
    optimal_advances,
    repetitions_for,
    schedule,
    snapshots_for,
)


class Machine:
    """Runs actions, and refuses those that cannot be run."""

    def __init__(self, steps, snapshots):
        self.working = 0
        self.stored = set()
        self.room = snapshots
        self.to_reverse = steps
        self.advanced = Counter()
        self.stores = 0

    def run(self, actions):
        for action in actions:
            match action:
                case Store(step):
                    assert step == self.working and step not in self.stored
                    self.stored.add(step)
                    self.stores += 1
                    assert len(self.stored) <= self.room
                case Restore(step):
                    assert step in self.stored
                    self.working = step
                case Discard(step):
                    self.stored.remove(step)
                case Advance(start, stop):
                    assert start == self.working < stop
                    self.advanced.update(range(start, stop))
                    self.working = stop
                case Reverse(step):
                    assert step == self.working == self.to_reverse - 1
                    self.to_reverse = step
                    self.working = None
        return self

    @property
    def advances(self):
        return self.advanced.total()

    def assert_done(self):
        assert self.to_reverse == 0 and not self.stored


@lru_cache(None)
def by_dynamic_programming(steps, snapshots):
    """Return the least advances, and with those the least stores behind the first state."""
    if steps == 1:
        return 0, 0
    if snapshots == 1:
        return steps * (steps - 1) // 2, 0
    best = []
    for ahead in range(1, steps):
        first = by_dynamic_programming(ahead, snapshots)
        rest = by_dynamic_programming(steps - ahead, snapshots - 1)
        stores = steps - ahead > 1
        best.append((ahead + first[0] + rest[0], stores + first[1] + rest[1]))
    return min(best)


@pytest.mark.parametrize("snapshots", range(1, 9))
def test_schedules_are_optimal(snapshots):
    for steps in range(1, 61):
        machine = Machine(steps, snapshots).run(schedule(steps, snapshots))
        machine.assert_done()
        advances, stores = by_dynamic_programming(steps, snapshots)
        assert machine.advances == advances == optimal_advances(steps, snapshots)
        assert machine.stores == stores + (steps > 1)
        assert max(machine.advanced.values(), default=0) == repetitions_for(steps, snapshots)


def test_the_bound_is_the_number_of_steps_within_so_many_repetitions():
    for snapshots in range(1, 6):
        for repetitions in range(5):
            steps = beta(snapshots, repetitions)
            assert repetitions_for(steps, snapshots) == repetitions
            assert repetitions_for(steps + 1, snapshots) == repetitions + 1


@pytest.mark.parametrize(
    "steps, snapshots", [(0, 1), (1, 1), (5, 5), (5, 100), (2000, 2), (400, 1)]
)
def test_extremes(steps, snapshots):
    machine = Machine(steps, snapshots).run(schedule(steps, snapshots))
    machine.assert_done()
    assert machine.advances == optimal_advances(steps, snapshots)


def test_a_forward_sweep_to_the_end_is_a_schedule_of_one_more_step():
    actions = list(schedule(21, 4))
    first = actions.index(Reverse(20))
    sweep, reversal = actions[:first], actions[first + 1 :]
    machine = Machine(20, 4).run(sweep)
    assert machine.working == 20 and machine.advances == 20
    machine.run(reversal).assert_done()
    assert machine.advances == optimal_advances(21, 4)


def test_long_schedules_are_made_as_they_are_used():
    steps, snapshots = 10**6, 30
    assert repetitions_for(steps, snapshots) == 6
    assert optimal_advances(steps, snapshots) == 6 * steps - beta(31, 5)
    actions = list(islice(schedule(steps, snapshots), 100_000))
    sweep = actions[: actions.index(Reverse(steps - 1))]
    assert sum(isinstance(a, Store) for a in sweep) <= snapshots
    machine = Machine(steps, snapshots)
    machine.advanced = Counter()
    for action in actions:
        if isinstance(action, Advance):  # of a million steps one by one takes its time
            assert action.start == machine.working
            machine.working = action.stop
        else:
            machine.run([action])
    assert list(islice(schedule(10**15, 3), 2))[0] == Store(0)


@pytest.mark.parametrize("snapshots", [1, 2, 3, 4, 5, 7, 10, 16, 25, 400])
def test_unknown_numbers_of_steps(snapshots):
    """No step is advanced more often than if the number had been known (Wang et al. 2009), and for
    so few that two repetitions do, the total is the optimum (Stumm and Walther 2010)."""
    online = Online(snapshots)
    sweep = Machine(0, snapshots)
    for steps in range(301):
        machine = Machine(steps, snapshots)
        machine.working = None
        machine.stored = set(sweep.stored)
        machine.advanced = Counter(sweep.advanced)
        machine.run(online.reverse()).assert_done()
        least = repetitions_for(steps + 1, snapshots)
        assert max(machine.advanced.values(), default=0) <= least
        optimum = optimal_advances(steps + 1, snapshots)
        assert optimum <= machine.advances <= least * steps
        if steps <= beta(snapshots, 2):
            assert machine.advances == optimum
        assert online.steps == sweep.working == steps
        sweep.run(online.advance())


def test_memory_becomes_snapshots():
    assert snapshots_for(1000, 8) == 125
    assert snapshots_for(1000, 1000) == 1
    assert snapshots_for(1000, 0) == 1000
    with pytest.raises(InputError, match="do not hold one state of the loop, which takes 1001"):
        snapshots_for(1000, 1001)


def test_what_makes_no_sense_is_refused_at_once():
    with pytest.raises(InputError, match="snapshots=0"):
        schedule(5, 0)
    with pytest.raises(InputError, match="snapshots=0"):
        Online(0)
    with pytest.raises(InputError, match="-1 steps"):
        schedule(-1, 3)
    with pytest.raises(InputError, match="snapshots=0"):
        optimal_advances(5, 0)
