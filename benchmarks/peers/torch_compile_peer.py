"""PyTorch, ``torch.compile`` of the versions without loops: others are unrolled, pass by pass.

Fifty steps of jacobi_2d take minutes to compile. Inductor's C++ needs a compiler.
"""

from __future__ import annotations

import ast
import inspect
import textwrap

import torch
import torch._inductor.config

from benchmarks.peers import torch_peer, torch_programs
from benchmarks.peers.task import NotWritten, Prepared, Task

PACKAGE = "torch"


def setup(threads: int) -> None:
    """Set the number of threads, and start the compiler, in this process so that it is timed."""
    torch_peer.setup(threads)
    torch._inductor.config.compile_threads = 1
    x = torch.ones(3, requires_grad=True)
    torch.compile(lambda x: (x * x).sum())(x).backward()


def prepare(task: Task) -> Prepared:
    """Return the value and gradient of the program, compiled; the loss is not part of it."""
    function = torch_programs.PROGRAMS.get(task.problem)
    if function is None or not task.weights:
        raise NotWritten("not written for torch.compile")
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    if any(isinstance(node, (ast.For, ast.While)) for node in ast.walk(tree)):
        raise NotWritten("has a loop, which would be unrolled")
    return torch_peer.prepare_with(task, torch.compile(function))
