"""ADBench's derivatives by this library: each by the call that a user would make."""

from __future__ import annotations

from typing import Any

import numpy as np

import adjoint as ad
from benchmarks.peers.adjoint_peer import run_of
from benchmarks.peers.task import Flat, Prepared, Run, Task, flat

__all__ = ["derivative"]


def arrays(found: Any) -> Flat:
    """Return a gradient as ADBench's files have it, each argument's flat where LSTM's is."""
    return [np.asarray(x, float) for x in found]


def raveled(found: Any) -> Flat:
    """Return a gradient with each argument's part flat."""
    return [np.ravel(np.asarray(x, float)) for x in found]


def hand_simple_jacobian(task: Task) -> tuple[Any, Any]:
    """Return the Jacobian's function and what makes it (3N, 26)."""
    return ad.jacfwd(task.function), lambda found: [np.asarray(found).reshape(-1, 26)]


def hand_complicated_jacobian(task: Task) -> tuple[Any, Any]:
    """Return the Jacobian's function: by theta, and by a shift that all rows of u share."""
    function = task.function

    def jacobian(theta: Any, u: Any, *model: Any) -> Any:
        shifted = lambda t, shift: function(t, u + shift, *model)
        return ad.jacfwd(shifted, (0, 1))(theta, np.zeros(2))

    def joined(found: Any) -> Flat:
        by_theta, by_shift = (np.asarray(x).reshape(-1, x.shape[-1]) for x in found)
        return [np.hstack([by_shift, by_theta])]

    return jacobian, joined


def ba_jacobian(task: Task) -> Run:
    """Return the run of the sparse Jacobian."""
    jacobian = ad.sparse_jacobian(task.function, argnums=(0, 1, 2))
    cameras, points, weights, _, camera_of, point_of = task.args
    p, start = len(weights), (cameras.size, cameras.size + points.size)

    def blocks(matrix: Any) -> Flat:
        columns = np.hstack(
            [
                11 * camera_of[:, None] + np.arange(11),
                start[0] + 3 * point_of[:, None] + np.arange(3),
                start[1] + np.arange(p)[:, None],
            ]
        )
        rows = np.arange(2 * p).reshape(p, 2, 1)
        matrix = matrix.tocsr()
        block = matrix[np.broadcast_to(rows, (p, 2, 15)).ravel(), np.repeat(columns, 2, 0).ravel()]
        own = matrix[2 * p + np.arange(p), start[1] + np.arange(p)]
        return [np.asarray(block).reshape(p, 2, 15), np.asarray(own).ravel()]

    return Run(lambda: jacobian(*task.args), blocks)


def derivative(task: Task) -> Prepared:
    """Return the objective and the derivative of one of the problems."""
    forward = run_of(task.function, task.args, flat)
    if task.problem == "ba":
        return Prepared(forward, ba_jacobian(task))
    if task.problem.startswith("hand"):
        make = {"hand_simple": hand_simple_jacobian}.get(task.problem, hand_complicated_jacobian)
        function, to_flat = make(task)
    else:
        function = ad.grad(task.function, task.differentiated)
        to_flat = raveled if task.problem == "lstm" else arrays
    return Prepared(forward, run_of(function, task.args, to_flat))
