"""Times of several runs beside each other: interleaved rounds, process time and wall time."""

from __future__ import annotations

import gc
import os
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.task import Run

__all__ = ["Times", "first_call", "interleaved", "paired_ratio", "with_children"]

SAMPLE = 2e-3
"""Seconds that a sample should last: short calls are repeated within one."""
MOST_ROUNDS = 40


@dataclass
class Times:
    """Seconds a call, by round (a round in which it did not take part is missing)."""

    wall: dict[int, float] = field(default_factory=dict)
    process: dict[int, float] = field(default_factory=dict)

    def median(self, clock: str) -> float:
        """Return the median over the rounds by one of the clocks."""
        return statistics.median(getattr(self, clock).values())

    def least(self, clock: str) -> float:
        """Return the least of the rounds by one of the clocks."""
        return min(getattr(self, clock).values())


def first_call(run: Run) -> tuple[dict[str, float], Any]:
    """Return the seconds of the first call, which compiles, by clock, and what it returned."""
    arguments = run.arguments() if run.arguments else ()
    wall, process = time.perf_counter(), with_children()
    result = run.call(*arguments)
    process, wall = with_children() - process, time.perf_counter() - wall
    return {"wall": wall, "process": process}, result


def with_children() -> float:
    """Return the processor's seconds of this process and of compilers that it has run."""
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


def _sample(run: Run, repeats: int) -> tuple[float, float]:
    wall = process = 0.0
    if run.arguments is None:
        call = run.call
        wall, process = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            call()
        process, wall = time.process_time() - process, time.perf_counter() - wall
        return wall / repeats, process / repeats
    for _ in range(repeats):
        arguments = run.arguments()
        before, before_process = time.perf_counter(), time.process_time()
        run.call(*arguments)
        process += time.process_time() - before_process
        wall += time.perf_counter() - before
    return wall / repeats, process / repeats


def interleaved(runs: dict[str, Run], seconds: float) -> dict[str, Times]:
    """Time runs that have been called before, one sample of each a round, in turned order.

    Parameters
    ----------
    runs : dict
    seconds : float
        What each may spend; one that has spent it leaves the rounds, after two at least (after one
        where a single call takes longer).
    """
    repeats, spent = {}, dict.fromkeys(runs, 0.0)
    for name, run in runs.items():
        wall, _ = _sample(run, 1)
        repeats[name] = max(1, min(1000, round(SAMPLE / max(wall, 1e-7))))
    times = {name: Times() for name in runs}
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for number in range(MOST_ROUNDS):
            present = [
                n
                for n in runs
                if spent[n] < seconds
                or (len(times[n].wall) < 2 and times[n].median("wall") < seconds)
            ]
            if not present:
                break
            turn = number % len(present)
            for name in present[turn:] + present[:turn]:
                wall, process = _sample(runs[name], repeats[name])
                spent[name] += wall * repeats[name]
                times[name].wall[number] = wall
                times[name].process[number] = process
    finally:
        if enabled:
            gc.enable()
    return times


def paired_ratio(a: Times, b: Times, clock: str) -> float:
    """Return the median of a's time over b's, of the rounds that both took part in."""
    x, y = getattr(a, clock), getattr(b, clock)
    return statistics.median(x[n] / y[n] for n in x if n in y)
