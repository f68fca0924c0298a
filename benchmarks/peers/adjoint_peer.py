"""This library: ``ad.jit`` on the program as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from benchmarks.peers.task import Flat, Prepared, Run, Task, flat, flat_gradient

PACKAGE = "llvmlite"


def setup(threads: int) -> None:
    """Set the number of threads of compiled code, and start the compiler."""
    ad.set_threads(threads)
    run_of(ad.grad(lambda x: np.sum(x * x)), (np.ones(3),), flat).call()


def run_of(
    function: Callable,
    args: tuple[Any, ...],
    to_flat: Callable[[Any], Flat],
    copies: Callable[[], tuple[Any, ...]] | None = None,
) -> Run:
    """Return the run of a function as machine code."""
    code = ad.jit(function, backend="llvm")
    return Run(code, to_flat, copies) if copies else Run(lambda: code(*args), to_flat)


def prepare(task: Task) -> Prepared:
    """Return the program and its value and gradient; of ADBench's problems their derivative."""
    if not task.weights:
        from benchmarks.peers.adjoint_adbench import derivative

        return derivative(task)
    loss = _loss(task.function, task.weights)
    gradient = ad.value_and_grad(loss, task.differentiated)
    return Prepared(
        run_of(task.function, task.args, flat, task.copies()),
        run_of(gradient, task.args, flat_gradient),
    )


def _loss(function: Callable, weights: tuple[Any, ...]) -> Callable:
    from benchmarks.programs.registry import Program

    return Program("", function, lambda size, seed: (), ()).loss(weights)
