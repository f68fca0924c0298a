"""PyTorch, eager: ``torch.autograd.grad`` of the program as a user of PyTorch writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.peers import torch_programs
from benchmarks.peers.task import NotWritten, Prepared, Run, Task, flat_gradient

PACKAGE = "torch"


def setup(threads: int) -> None:
    """Set the number of threads, and work in double precision."""
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float64)


def tensor(x: Any, differentiated: bool = False) -> Any:
    """Return data as a tensor; integers and tuples stay."""
    if not isinstance(x, (float, np.ndarray)):
        return x
    array = np.array(x)
    if array.dtype.kind == "u":
        array = array.astype(np.int64)
    return torch.from_numpy(array).requires_grad_(differentiated)


def prepare(task: Task) -> Prepared:
    """Return the program's value and gradient."""
    if not task.weights:
        from benchmarks.peers.torch_adbench import derivative

        return derivative(task)
    function = torch_programs.PROGRAMS.get(task.problem)
    if function is None:
        raise NotWritten("not written for PyTorch")
    return prepare_with(task, function)


def prepare_with(task: Task, function: Callable) -> Prepared:
    """Return a version of the program and its value and gradient."""
    args = [tensor(x, k in task.differentiated) for k, x in enumerate(task.args)]
    leaves = [args[k] for k in task.differentiated]
    weights = [tensor(w) if isinstance(w, np.ndarray) else float(w) for w in task.weights]

    def gradient() -> Any:
        results = function(*args)
        results = results if isinstance(results, tuple) else (results,)
        loss: Any = sum((w * y).sum() for w, y in zip(weights, results, strict=True))
        return loss.detach(), torch.autograd.grad(loss, leaves)

    return Prepared(None, Run(gradient, flat_gradient))
