"""What staging costs: time, and the operations and memory of gradients, beside the eager tier.

One command prints the table::

    python benchmarks/staging.py

Times are medians; operations and bytes are counted by the interpreter.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.backends.interpret import count
from benchmarks.programs import PROGRAMS, fresh


def euler(theta: np.ndarray, n: int) -> Any:
    """The loop of the project's first page: n explicit steps, with a branch."""
    u = np.zeros(n)
    u[0] = theta[0]
    for t in range(1, n):
        u[t] = u[t - 1] + np.sin(theta[1] * u[t - 1]) / n
        if u[t] > 2.0:
            u[t] *= 0.5
    return np.sum(u**2)


def median_seconds(fn: Callable[[], Any], repeats: int = 5) -> float:
    """Return the median time of a call, after one that is not counted."""
    fn()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def row(name: str, fn: Callable[..., Any], argnums: Any, args: Callable[[], Any]) -> str:
    """Measure one function and its gradient."""
    gradient = ad.grad(fn, argnums)
    primal, reverse = ad.stage(fn)(*args()), ad.stage(gradient)(*args())
    forward = count(primal.function, primal.inputs(*args()))
    backward = count(reverse.function, reverse.inputs(*args()))
    stage_value = median_seconds(lambda: ad.stage(fn)(*args()))
    stage_gradient = median_seconds(lambda: ad.stage(gradient)(*args()))
    run = median_seconds(lambda: reverse(*args()))
    eager = median_seconds(lambda: gradient(*args()))
    return (
        f"{name:20s} {stage_value * 1e3:9.1f} {stage_gradient * 1e3:9.1f} "
        f"{backward.operations / forward.operations:8.2f} "
        f"{backward.peak / max(forward.peak, 1):8.2f} "
        f"{run * 1e3:10.2f} {eager * 1e3:10.2f} {eager / run:7.2f}"
    )


def main() -> None:
    """Print the table."""
    print(
        f"{'':20s} {'stage f':>9s} {'stage ∇f':>9s} {'ops ∇f/f':>8s} {'peak ∇f/f':>8s} "
        f"{'run ∇f':>10s} {'eager ∇f':>10s} {'eager/':>7s}"
    )
    print(f"{'':20s} {'ms':>9s} {'ms':>9s} {'':>8s} {'':>8s} {'ms':>10s} {'ms':>10s} {'run':>7s}")
    theta = np.array([0.5, 1.5])
    for n in (100, 1000, 10000):
        print(row(f"euler, {n} steps", euler, 0, lambda n=n: (theta, n)))
    for name, program in PROGRAMS.items():
        args = program.inputs("tiny", 0)
        loss = program.loss(program.weights("tiny"))
        print(row(name, loss, program.differentiated, lambda args=args: fresh(args)))


if __name__ == "__main__":
    main()
