"""The program itself, run by NumPy: forward times."""

from __future__ import annotations

from benchmarks.peers.task import Prepared, Run, Task, flat

PACKAGE = "numpy"


def setup(threads: int) -> None:
    """Do nothing: the environment says how many threads BLAS has."""


def prepare(task: Task) -> Prepared:
    """Return the program, called as it is."""
    copies = task.copies()
    if copies is None:
        return Prepared(Run(lambda: task.function(*task.args), flat))
    return Prepared(Run(task.function, flat, copies))
