"""JAX: ``jit(value_and_grad)`` of the program as a user of JAX writes it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.task import NotWritten, Prepared, Run, Task, flat_gradient

PACKAGE = "jax"
MODULES = ("jax_stencils", "jax_factorisations", "jax_products", "jax_networks")


def setup(threads: int) -> None:
    """Work in double precision, and start the compiler; the environment has the threads."""
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    jax.jit(jax.grad(lambda x: jnp.sum(x * x)))(jnp.ones(3)).block_until_ready()


def programs(*modules: str) -> dict[str, Callable]:
    """Return the versions that modules of this folder have, by the program's name."""
    found = {}
    for name in modules:
        found.update(importlib.import_module(f"benchmarks.peers.{name}").PROGRAMS)
    return found


def is_traced(x: Any) -> bool:
    """Tell whether an argument is data; integers and tuples are what a program is compiled for."""
    return isinstance(x, (float, np.ndarray))


def prepare_with(task: Task, function: Callable) -> Prepared:
    """Return a version of the program and its value and gradient, compiled."""
    traced = [k for k, x in enumerate(task.args) if is_traced(x)]
    arrays = [jnp.asarray(task.args[k]) for k in traced]
    weights = tuple(jnp.asarray(w) for w in task.weights)

    def whole(*data: Any) -> Any:
        args = list(task.args)
        for k, x in zip(traced, data, strict=True):
            args[k] = x
        return function(*args)

    def loss(weights: Any, *data: Any) -> Any:
        results = whole(*data)
        results = results if isinstance(results, tuple) else (results,)
        return sum(jnp.sum(w * y) for w, y in zip(weights, results, strict=True))

    forward = jax.jit(whole)
    argnums = tuple(1 + traced.index(k) for k in task.differentiated)
    gradient = jax.jit(jax.value_and_grad(loss, argnums))
    return Prepared(
        Run(lambda: jax.block_until_ready(forward(*arrays)), flat),
        Run(lambda: jax.block_until_ready(gradient(weights, *arrays)), flat_gradient),
    )


def flat(results: Any) -> list[np.ndarray]:
    """Return results as NumPy arrays."""
    results = results if isinstance(results, tuple) else (results,)
    return [np.asarray(y, float) for y in results]


def prepare(task: Task) -> Prepared:
    """Return the program as JAX compiles it."""
    if not task.weights:
        from benchmarks.peers.jax_adbench import derivative

        return derivative(task)
    function = programs(*MODULES).get(task.problem)
    if function is None:
        raise NotWritten("not written for JAX")
    return prepare_with(task, function)
