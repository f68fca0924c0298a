"""Not a peer but a bound: the products of matrices of our own step, alone, by NumPy's BLAS.

Which there are is seen by running the step's graph with the interpreter: the shapes of operands,
and how they lie in memory. A convolution counts as the one product that it is of filters and
columns; making the columns is not part of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.backends import interpret
from adjoint.backends.parameters import Frame, Step
from adjoint.backends.prepare import Preparation
from adjoint.backends.program import Observer
from adjoint.ir.graph import Value
from adjoint.ops.convolution import convolution, convolution_input, convolution_weight
from adjoint.ops.linalg import matmul
from benchmarks.networks import Network
from benchmarks.peers import adjoint_peer
from benchmarks.peers.adjoint_training import arguments, step_of

__all__ = ["Products", "prepare", "setup"]

setup = adjoint_peer.setup

Operand = tuple[tuple[int, ...], bool]
"""A shape, and whether the last two axes lie in memory in the other order."""


class Products(Observer):
    """Takes down the operands of each product of a run, in the order in which they are made."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Operand, Operand]] = []

    def step(self, node: Value, step: Step, at: Preparation) -> Step:
        """Return the step, which takes down its operands if it is a product."""
        shapes = SHAPES.get(node.op)
        if shapes is None:
            return step
        x, y = (at.slots[v] for v in node.inputs)
        (result,) = (at.slots[v] for v in (node,))

        def noted(f: Frame) -> None:
            operands = f[x], f[y]
            step(f)
            self.found.append(shapes(*operands, f[result]))

        return noted


def _of_matmul(x: Any, y: Any, result: Any) -> tuple[Operand, Operand]:
    if y.ndim == 2 and x.ndim > 2:
        return ((math.prod(x.shape[:-1]), x.shape[-1]), False), _operand(y)
    return _operand(x), _operand(y)


def _operand(x: Any) -> Operand:
    turned = x.ndim > 1 and x.strides[-2] < x.strides[-1]
    return x.shape, turned


def _of_convolution(x: Any, w: Any, y: Any) -> tuple[Operand, Operand]:
    filters, rows, columns = _matrices(w.shape, y.shape)
    return ((filters, rows), False), ((rows, columns), False)


def _of_input(y: Any, w: Any, x: Any) -> tuple[Operand, Operand]:
    filters, rows, columns = _matrices(w.shape, y.shape)
    return ((rows, filters), True), ((filters, columns), False)


def _of_weight(x: Any, y: Any, w: Any) -> tuple[Operand, Operand]:
    filters, rows, columns = _matrices(w.shape, y.shape)
    return ((filters, columns), False), ((columns, rows), True)


def _matrices(w: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, int, int]:
    return w[0], math.prod(w[1:]), y[0] * math.prod(y[2:])


SHAPES = {
    matmul: _of_matmul, convolution: _of_convolution, convolution_input: _of_input,
    convolution_weight: _of_weight,
}  # fmt: skip


def products_of(network: Network, model: Any, data: tuple[np.ndarray, ...]) -> list[Any]:
    """Return the operands of the products of a step."""
    args = arguments(network, model, data)
    staged = ad.stage(step_of(network))(*args)
    seen = Products()
    interpret.watch(staged.function, staged.inputs(*args), seen)
    return seen.found


def prepare(
    network: Network, size: str, model: Any, data: tuple[np.ndarray, ...]
) -> Callable[[], float]:
    """Return what makes the products of a step, one after the other."""
    found = products_of(network, model, data)
    arrays = {operand: _ones(*operand) for pair in found for operand in pair}
    # The results of products of the same shapes share memory, as arrays of a loop's passes do.
    results = {pair: arrays[pair[0]] @ arrays[pair[1]] for pair in dict.fromkeys(found)}
    calls = [(arrays[pair[0]], arrays[pair[1]], results[pair]) for pair in found]

    def run() -> float:
        for x, y, result in calls:
            np.matmul(x, y, out=result)
        return math.nan

    return run


def _ones(shape: tuple[int, ...], turned: bool) -> np.ndarray:
    if not turned:
        return np.ones(shape, np.float32)
    return np.ones((*shape[:-2], shape[-1], shape[-2]), np.float32).swapaxes(-1, -2)
