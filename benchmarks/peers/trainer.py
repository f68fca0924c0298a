"""A process that trains one network with one peer, as it is told to line by line.

What it is sent is a word and a number: ``check 6`` makes the first steps and answers with their
losses, the time of the first, and the memory that they took; ``time 10`` answers with the seconds
of so many steps. Answers are lines of JSON. Several such processes take turns, so that none works
while another one is timed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.measure import with_children

__all__ = ["serve"]

MEMORY_STEPS = 20
MIB = 2.0**20


def serve(peer: str, name: str, size: str, threads: int) -> None:
    """Answer what comes in by standard input until it ends."""
    # What libraries print goes elsewhere.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    trainee: Trainee | None = None
    for line in sys.stdin:
        word, number = line.split()
        try:
            if trainee is None:
                trainee = Trainee(peer, name, size, threads)
            answer = trainee.check(int(number)) if word == "check" else trainee.time(int(number))
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {lines[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


class Trainee:
    """A network being trained."""

    def __init__(self, peer: str, name: str, size: str, threads: int) -> None:
        import numpy as np

        from benchmarks.networks import NETWORKS

        network = NETWORKS[name]
        model = network.make(network.sizes[size])
        data = network.data(network.sizes[size])
        if peer == "reference":
            from adjoint import tree
            from benchmarks.peers.adjoint_training import prepare

            leaves, spec = tree.flatten(model)
            precise = tree.unflatten(spec, [leaf.astype(np.float64) for leaf in leaves])
            self.prepare = lambda: prepare(network, size, precise, data, compiled=False)
        else:
            module = importlib.import_module(f"benchmarks.peers.{MODULES[peer]}")
            module.setup(threads)
            self.prepare = lambda: module.prepare(network, size, model, data)
        self.step: Callable[[], float] = lambda: 0.0

    def check(self, steps: int) -> dict[str, Any]:
        """Make the first steps; return losses, the first call's time, and the peaks of memory."""
        gc.collect()
        forget_peak()
        before = resident("VmRSS")
        wall, process = time.perf_counter(), with_children()
        self.step = self.prepare()
        losses = [float(self.step())]
        process, wall = with_children() - process, time.perf_counter() - wall
        compiling = resident("VmHWM")
        forget_peak()
        losses += [float(self.step()) for _ in range(steps - 1)]
        for _ in range(steps, MEMORY_STEPS):
            self.step()
        peak = resident("VmHWM")
        return {
            "losses": losses,
            "first call": {"wall": wall, "process": process},
            "memory": peak - before,
            "memory of the first call": compiling - before,
        }

    def time(self, steps: int) -> dict[str, Any]:
        """Return the seconds of each of so many steps, by clock; one is made before."""
        self.step()
        gc.collect()
        walls, processes = [], []
        for _ in range(steps):
            wall, process = time.perf_counter(), time.process_time()
            self.step()
            processes.append(time.process_time() - process)
            walls.append(time.perf_counter() - wall)
        return {"wall": walls, "process": processes}


MODULES = {
    "adjoint": "adjoint_training",
    "torch": "torch_training",
    "torch-compile": "torch_compile_training",
    "jax": "jax_training",
    "products": "products_training",
}
"""Where a peer's version is: a module with ``setup(threads)`` and ``prepare(network, size, model,
data)``, which returns what makes a step and returns the loss before it."""


def resident(which: str) -> float:
    """Return the memory that the process has, or has had at most, in MiB; NaN where not known."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith(which))
    return int(line.split()[1]) * 1024 / MIB


def forget_peak() -> None:
    """Let the peak begin at what there is (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass
