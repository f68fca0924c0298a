"""HIPS autograd: programs without stores into arrays, which it does not differentiate."""

from __future__ import annotations

from typing import Any

import autograd
import autograd.numpy

from benchmarks.peers.task import NotWritten, Prepared, Run, Task, flat_gradient

PACKAGE = "autograd"
anp: Any = autograd.numpy  # its functions are made at run time


def setup(threads: int) -> None:
    """Do nothing: it runs NumPy."""


def atax(a, x):
    return (a @ x) @ a


def azimint_naive(data, radius, npt):
    r_max = radius.max()
    means = []
    for i in range(npt):
        ring = (r_max * i / npt <= radius) & (radius < r_max * (i + 1) / npt)
        means.append(anp.mean(data[ring]))
    return anp.array(means)


def doitgen(a, c4):
    return a @ c4


def gemm(alpha, beta, c, a, b):
    return alpha * (a @ b) + beta * c


def gemver(alpha, beta, a, u1, v1, u2, v2, w, x, y, z):
    a = a + anp.outer(u1, v1) + anp.outer(u2, v2)
    x = x + beta * y @ a + z
    return a, x, w + alpha * a @ x


def go_fast(a):
    trace = 0.0
    for i in range(a.shape[0]):
        trace = trace + anp.tanh(a[i, i])
    return a + trace


def hdiff(field, out, coeff):
    laplacian = 4.0 * field[1:-1, 1:-1] - (
        field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2]
    )
    step = laplacian[1:, 1:-1] - laplacian[:-1, 1:-1]
    flux_x = anp.where(step * (field[2:-1, 2:-2] - field[1:-2, 2:-2]) > 0.0, 0.0, step)
    step = laplacian[1:-1, 1:] - laplacian[1:-1, :-1]
    flux_y = anp.where(step * (field[2:-2, 2:-1] - field[2:-2, 1:-2]) > 0.0, 0.0, step)
    divergence = flux_x[1:] - flux_x[:-1] + flux_y[:, 1:] - flux_y[:, :-1]
    return field[2:-2, 2:-2] - coeff * divergence


def k3mm(a, b, c, d):
    return (a @ b) @ (c @ d)


def softmax(x):
    shifted = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
    return shifted / anp.sum(shifted, axis=-1, keepdims=True)


def mlp(x, w1, b1, w2, b2, w3, b3):
    x = anp.maximum(x @ w1 + b1, 0.0)
    x = anp.maximum(x @ w2 + b2, 0.0)
    return softmax(x @ w3 + b3)


PROGRAMS = {
    f.__name__: f
    for f in (
        atax, azimint_naive, doitgen, gemm, gemver, go_fast, hdiff, k3mm, mlp, softmax,
    )
}  # fmt: skip


def prepare(task: Task) -> Prepared:
    """Return the program's value and gradient."""
    if not task.weights:
        raise NotWritten("not written for HIPS autograd")
    function = PROGRAMS.get(task.problem)
    if function is None:
        raise NotWritten("stores into arrays")

    def loss(*args: Any) -> Any:
        results = function(*args)
        results = results if isinstance(results, tuple) else (results,)
        return sum(anp.sum(w * y) for w, y in zip(task.weights, results, strict=True))

    gradient: Any = autograd.value_and_grad(loss, task.differentiated)
    return Prepared(None, Run(lambda: gradient(*task.args), flat_gradient))
