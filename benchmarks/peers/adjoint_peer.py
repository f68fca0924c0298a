"""This library: ``ad.jit`` on the program as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from adjoint import tree
from adjoint.errors import InputError
from benchmarks.peers.task import Flat, Prepared, Run, Task, flat, flat_gradient

PACKAGE = "llvmlite"


def setup(threads: int) -> None:
    """Set the number of threads of compiled code, where it has them, and start the compiler."""
    if hasattr(ad, "set_threads"):
        ad.set_threads(threads)  # type: ignore[attr-defined]
    run_of(ad.grad(lambda x: np.sum(x * x)), (np.ones(3),), flat).call()


def has_machine_code() -> bool:
    """Tell whether ``ad.jit`` makes machine code."""
    try:
        ad.jit(lambda x: x, backend="llvm")
    except InputError:
        return False
    return True


def how() -> str:
    """Return how functions are compiled, for the head of the table."""
    if has_machine_code():
        return "ad.jit(backend='llvm')"
    return "ad.stage and its machine code, without ad.jit's dispatch"


def run_of(
    function: Callable,
    args: tuple[Any, ...],
    to_flat: Callable[[Any], Flat],
    copies: Callable[[], tuple[Any, ...]] | None = None,
) -> Run:
    """Return the run of a function as machine code."""
    if has_machine_code():
        code = ad.jit(function, backend="llvm")
        return Run(code, to_flat, copies) if copies else Run(lambda: code(*args), to_flat)
    return _staged_run(function, args, to_flat)


def _staged_run(function: Callable, args: tuple[Any, ...], to_flat: Callable) -> Run:
    """Return the run of a staged graph's machine code on its inputs, without dispatch."""
    from adjoint.backends.llvm.compiled import compile_function

    made: list[Any] = []

    def call() -> Any:
        if not made:
            staged = ad.stage(function)(*args)
            made.extend((staged, compile_function(staged.function), staged.inputs(*args)))
        return made[1](*made[2])

    def structured(results: Any) -> Flat:
        graph = made[0]._graph
        seen = [results[x.number] if hasattr(x, "number") else x for x in graph.outputs]
        return to_flat(tree.unflatten(graph.out_spec, seen))

    return Run(call, structured)


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
