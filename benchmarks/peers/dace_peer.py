"""DaCe 2: ``add_backward_pass`` to the graph of a program, compiled by the C++ compiler.

What it stores of intermediate results is its default, all; before each call the arrays that it
changes are set again, outside of the time.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from typing import Any

import dace
import numpy as np
from dace.autodiff import add_backward_pass

from benchmarks.peers.dace_programs import PROGRAMS
from benchmarks.peers.task import Flat, NotWritten, Prepared, Run, Task, flat_gradient

PACKAGE = "dace"


def setup(threads: int) -> None:
    """Keep quiet, and build where temporary files are; the environment has OpenMP's threads."""
    warnings.simplefilter("ignore")
    folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), "dacecache")
    dace.Config.set("default_build_folder", value=folder)
    dace.Config.set("compiler", "cpu", "openmp_sections", value=False)


def prepare(task: Task) -> Prepared:
    """Return the program's value and gradient."""
    make = PROGRAMS.get(task.problem)
    if make is None or not task.weights:
        raise NotWritten("not written for DaCe")
    function = make(*task.args)
    named = dict(zip(inspect.signature(task.function).parameters, task.args, strict=True))
    parameters = [p for p in inspect.signature(function).parameters if p != "s"]
    weights = zip([p for p in parameters if p not in named], task.weights, strict=True)
    known = {**named, **dict(weights), "s": 0.0}
    data = {k: np.atleast_1d(np.asarray(known[k], float)) for k in (*parameters, "s")}
    variables = [list(named)[k] for k in task.differentiated]
    shapes = [np.shape(task.args[k]) for k in task.differentiated]

    def flat(found: dict[str, np.ndarray]) -> Flat:
        gradients = zip(variables, shapes, strict=True)
        return flat_gradient(
            (found["s"][0], [found[f"gradient_{k}"].reshape(shape) for k, shape in gradients])
        )

    def arguments() -> tuple[dict[str, np.ndarray]]:
        copies = {k: x.copy() for k, x in data.items()}
        gradients = {f"gradient_{k}": np.zeros_like(data[k]) for k in variables}
        return ({**copies, **gradients, "gradient_s": np.ones(1)},)

    return Prepared(None, Run(_gradient(task.problem, function, data, variables), flat, arguments))


def _gradient(
    name: str, function: Callable, data: dict[str, np.ndarray], variables: list[str]
) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return what runs, on arrays by name, which it changes; its first call compiles."""
    code: Any = None

    def call(arguments: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        nonlocal code
        if code is None:
            types: dict[str, Any] = {k: dace.float64[x.shape] for k, x in data.items()}
            function.__annotations__ = types
            function.__name__ = name
            graph = dace.program(function).to_sdfg(simplify=True)
            add_backward_pass(graph, outputs=["s"], inputs=[*variables])
            code = graph.compile()
        code(**arguments)
        return arguments

    return call
