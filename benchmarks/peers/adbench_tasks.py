"""ADBench's problems as tasks: what their derivatives are, and what they have to agree with.

The derivatives are those that ADBench times: the gradients of GMM and LSTM, BA's blocks (p, 2, 15)
and its weights' derivatives, HAND's Jacobian (3N, 26), of the complicated one (3N, 28) with the two
columns by the point's own u first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.adbench import instances
from benchmarks.peers.task import Flat, Task, flat

__all__ = ["RESULTS", "instance_task"]

RESULTS = {
    "gmm": ("alphas", "means", "icf"),
    "ba": ("block", "weight_derivative"),
    "hand_simple": ("jacobian",),
    "hand_complicated": ("jacobian",),
    "lstm": ("main", "extra"),
}
DIFFERENTIATED = {
    "gmm": (0, 1, 2),
    "ba": (0, 1, 2),
    "hand_simple": (0,),
    "hand_complicated": (0, 1),
    "lstm": (0, 1),
}


def instance_task(name: str, data: Path | None) -> Task:
    """Return the task of an instance, on ADBench's files or on inputs made from a seed.

    The reference is the file's, or without files the eager tier's.
    """
    instance = next(i for i in instances() if i.name == name)
    problem = instance.objective.__name__
    args = instance.arguments(data)

    def reference() -> tuple[Flat, Flat]:
        found = instance.reference(data) if data else instance.derivative(args)
        expected = [np.asarray(found[key], float) for key in RESULTS[problem]]
        if problem == "ba":  # the file has one observation for all
            p = len(args[2])
            expected = [
                np.broadcast_to(x, (p, *x.shape[-k:]) if k else (p,))
                for x, k in zip(expected, (2, 0), strict=True)
            ]
        return flat(instance.objective(*args)), expected

    return Task(
        name, problem, instance.objective, args, DIFFERENTIATED[problem], (), False, reference
    )
