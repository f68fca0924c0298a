"""Costs grow as they should: counted operations and bytes of the interpreter, not seconds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpret import count
from benchmarks.programs import PROGRAMS


def fill(x, n):
    u = np.zeros(n)
    u[0] = x[0]
    for t in range(1, n):
        u[t] = u[t - 1] + np.sin(x[t]) / n
    return np.sum(u**2)


def triangle(a, n):
    s = 0.0
    for i in range(n):
        for j in range(i):
            s += a[i] * a[j] * np.cos(a[j])
    return s


def running(x, n):
    # Linear in what is carried: no residual is needed.
    u = np.zeros(n)
    for t in range(1, n):
        u[t] = 0.5 * (u[t - 1] + x[t])
    return np.sum(u)


def element_cholesky(a, n):
    for i in range(n):
        for j in range(i):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
        for k in range(i):
            a[i, i] -= a[i, k] * a[i, k]
        a[i, i] = np.sqrt(a[i, i])
    return np.sum(np.tril(a))


def seidel(a, n):
    for t in range(2):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                a[i, j] = (
                    a[i - 1, j - 1] + a[i - 1, j] + a[i - 1, j + 1]
                    + a[i, j - 1] + a[i, j] + a[i, j + 1]
                    + a[i + 1, j - 1] + a[i + 1, j] + a[i + 1, j + 1]
                ) / 9.0  # fmt: skip
    return np.sum(a)


def vector(n):
    return np.linspace(0.1, 0.9, n)


def matrix(n):
    rng = np.random.default_rng(n)
    b = rng.standard_normal((n, n))
    return b @ b.T / n + 2 * np.eye(n)


KERNELS = {
    "fill": (fill, vector, (20, 40, 80), 1),
    "triangle": (triangle, vector, (12, 24, 48), 2),
    "running": (running, vector, (20, 40, 80), 1),
    "cholesky": (element_cholesky, matrix, (10, 20, 40), 3),
    "seidel": (seidel, matrix, (10, 20, 40), 2),
}


def counts(kernel):
    fn, make, sizes, _ = KERNELS[kernel]
    found = []
    forward, reverse = ad.stage(fn), ad.stage(ad.grad(fn))
    primal, gradient = forward(make(sizes[0]), sizes[0]), reverse(make(sizes[0]), sizes[0])
    for n in sizes:
        found.append(
            (
                count(primal.function, primal.inputs(make(n), n)),
                count(gradient.function, gradient.inputs(make(n), n)),
            )
        )
    return found


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_the_reverse_sweep_costs_a_small_multiple_of_the_program(kernel):
    _, _, sizes, power = KERNELS[kernel]
    found = counts(kernel)
    for primal, gradient in found:
        assert gradient.operations <= 6 * primal.operations
        assert gradient.touched <= 6 * primal.touched + 4096
        # Arguments and results are copied once at most; nothing is in a loop.
        assert primal.copied <= primal.peak and gradient.copied <= gradient.peak
    # No hidden power of the size: doubling it multiplies the work by 2**power.
    for (_, small), (_, large) in zip(found, found[1:], strict=False):
        assert large.touched <= 2.0**power * 1.6 * small.touched


@pytest.mark.parametrize("kernel", ["running", "seidel"])
def test_without_residuals_memory_stays(kernel):
    for primal, gradient in counts(kernel):
        assert gradient.peak <= 6 * primal.peak


def test_staging_does_not_depend_on_the_number_of_passes():
    passes = itertools.count()

    def step(u, x):
        next(passes)  # when the function is staged
        return u + np.sin(x)

    def walk(x, n):
        u = 0.0
        for t in range(n):
            u = step(u, x[t])
        return u

    texts = []
    for n in (20, 1000):
        texts.append(str(ad.stage(walk)(vector(1000), n)))
    assert next(passes) <= 6
    assert texts[0] == texts[1]


def test_one_graph_serves_all_sizes():
    gradient = ad.jit(ad.grad(fill))
    for n in (20, 50, 31):
        np.testing.assert_allclose(gradient(vector(n), n), ad.grad(fill)(vector(n), n), rtol=1e-12)
    assert ad.report(gradient).startswith("fill: 1 graph")


def test_a_while_loop_of_any_number_of_passes_has_both_derivatives():
    def until(x):
        s, k = x, 0
        while s < 10.0:
            s = s * 1.3 + 0.1 * x
            k += 1
        return s * k

    gradient = ad.jit(ad.grad(until))
    forward = ad.jit(lambda x: ad.jvp(until, (x,), (1.0,))[1])
    for x in (0.1, 1.0, 5.0, 20.0):
        assert gradient(x) == pytest.approx(ad.grad(until)(x), rel=1e-13)
        assert forward(x) == pytest.approx(ad.grad(until)(x), rel=1e-13)
    assert "until: 1 graph\n" in ad.report(gradient)


def test_the_element_loops_of_the_suite():
    for name in ("seidel_2d_elements", "cholesky_elements"):
        program = PROGRAMS[name]
        args = program.inputs("tiny", 0)
        loss = program.loss(program.weights("tiny"))
        primal = ad.stage(loss)(*args)
        gradient = ad.stage(ad.grad(loss, program.differentiated))(*args)
        ratio = (
            count(gradient.function, gradient.inputs(*args)).operations
            / count(primal.function, primal.inputs(*args)).operations
        )
        assert ratio <= 6
