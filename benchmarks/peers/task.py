"""What is measured: a program with its data, and what a peer makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.programs import Program, floating_results, fresh

__all__ = ["NotWritten", "Prepared", "Run", "Task", "disagreement", "program_task"]

Flat = list[np.ndarray]


class NotWritten(Exception):
    """A peer has no version of a program; the message says why."""


@dataclass(frozen=True)
class Run:
    """Something to time.

    Attributes
    ----------
    call : callable
        What is timed; it returns when its results are there. Its first call compiles.
    flat : callable
        From what ``call`` returns to a list of NumPy arrays, for the check; not timed.
    arguments : callable, optional
        New arguments of each call, made outside of the time: for what changes them in place.
    """

    call: Callable[..., Any]
    flat: Callable[[Any], Flat]
    arguments: Callable[[], tuple[Any, ...]] | None = None


@dataclass(frozen=True)
class Prepared:
    """What a peer can do of a task: its values, its derivative, or both."""

    forward: Run | None = None
    derivative: Run | None = None


@dataclass(frozen=True)
class Task:
    """A program with its data.

    Attributes
    ----------
    name : str
        As the table shows it.
    problem : str
        The program's name; peers find their version by it.
    function : callable
        The program in NumPy.
    args : tuple
        Its arguments, never to be changed.
    differentiated : tuple of int
    weights : tuple
        Of the loss Σ ⟨w, result⟩; empty for ADBench's problems, whose derivative is their own.
    mutates : bool
        Whether the function changes its arguments.
    reference : callable
        Returns ``(forward, derivative)``, each flat, as the eager tier computes them.
    """

    name: str
    problem: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    differentiated: tuple[int, ...]
    weights: tuple[Any, ...]
    mutates: bool
    reference: Callable[[], tuple[Flat, Flat]]

    def copies(self) -> Callable[[], tuple[Any, ...]] | None:
        """Return what makes new arguments for each call, where the program changes them."""
        return (lambda: fresh(self.args)) if self.mutates else None


def flat(results: Any) -> Flat:
    """Return floating-point results, one or several, as a list of arrays."""
    return [np.asarray(y, float) for y in floating_results(results)]


def flat_gradient(found: Any) -> Flat:
    """Return a value and its gradient as a list of arrays."""
    value, gradient = found
    return [np.asarray(value, float), *(np.asarray(g, float) for g in gradient)]


def program_task(program: Program, size: str, seed: int = 0) -> Task:
    """Return the task of a program of the suite: the value and gradient of Σ ⟨w, result⟩."""
    import adjoint as ad

    args, weights = program.inputs(size, seed), program.weights(size, seed)
    used = fresh(args)
    program.function(*used)
    mutates = any(
        isinstance(a, np.ndarray) and not np.array_equal(a, b, equal_nan=True)
        for a, b in zip(args, used, strict=True)
    )

    def reference() -> tuple[Flat, Flat]:
        gradient = ad.value_and_grad(program.loss(weights), program.differentiated)
        return flat(program.function(*fresh(args))), flat_gradient(gradient(*fresh(args)))

    return Task(
        program.name,
        program.name,
        program.function,
        args,
        program.differentiated,
        weights,
        mutates,
        reference,
    )


def disagreement(found: Flat, expected: Flat) -> float:
    """Return the largest |x − y| of any array over the array's largest |y|."""
    if len(found) != len(expected):
        raise ValueError(f"{len(found)} results where the reference has {len(expected)}")
    worst = 0.0
    for x, y in zip(found, expected, strict=True):
        if x.shape != y.shape:
            raise ValueError(f"a result of shape {x.shape} where the reference has {y.shape}")
        scale = float(np.max(np.abs(y), initial=0.0)) or 1.0
        error = float(np.max(np.abs(x - y), initial=0.0)) / scale
        if not error <= worst:  # NaN is the worst
            worst = error
    return worst
