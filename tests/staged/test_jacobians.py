"""Jacobians in staged programs: all columns or rows together, of whatever number."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint.ir.graph import walk
from tests.staged.comparison import assert_agrees as agrees

RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal(12), RNG.standard_normal(15)
MODES = (ad.jacfwd, ad.jacrev, ad.jacobian)


def products(x):
    return np.sin(x) * x[0]


def recurrence(x):
    s, c = np.zeros(len(x)), 1.0
    for i in range(len(x)):
        if x[i] > 0:
            c = c * np.cos(x[i]) + x[0]
        s[i] = c + x[i] ** 2
    return s


def until(x):
    c, k = x[0], 0
    while k < 5 and c < 100:
        c = c * 1.5 + np.sum(x**2) * 0.1
        k += 1
    return np.array([c, c * x[1]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fn", [products, recurrence, until])
def test_one_graph_for_all_lengths(mode, fn):
    graph = agrees(mode(fn), X, others=[(Y,)])
    assert "%n0" in str(graph)


@pytest.mark.parametrize("mode", MODES)
def test_shapes_structures_and_dtypes(mode, compiling):
    agrees(mode(lambda a: a @ a.T), RNG.standard_normal((3, 10)), others=[(np.ones((3, 11)),)])
    agrees(mode(lambda x, y: np.outer(np.sin(x), y)[1:], (0, 1)), X, Y, others=[(Y, X)])
    agrees(
        mode(lambda p: {"u": p["w"] @ p["v"], "s": np.sum(p["v"])}), {"w": np.ones((3, 12)), "v": X}
    )
    agrees(mode(lambda t: t * X), 2.0)
    agrees(mode(lambda t: t**2), 2.0)
    agrees(mode(lambda x: np.sum(x**2)), X)
    agrees(mode(lambda x: (x**2, x[1:] * x[0])), X[:3])
    agrees(mode(lambda x: x**2), np.zeros(0))
    agrees(mode(lambda x: (np.sin(x), np.sum(x)), has_aux=True), X)
    agrees(mode(lambda z: z**2 * 1j, holomorphic=True), X + 1j)
    # The vector sine of float32 is another than NumPy's.
    agrees(mode(np.sin), X.astype(np.float32), rtol=1e-6 if compiling else 1e-12)


def test_hessians():
    agrees(ad.hessian(lambda x: np.sum(recurrence(x) * x)), X, others=[(Y,)])
    agrees(ad.hessian(lambda x, y: np.sum(np.sin(np.outer(x, y))), (0, 1)), X, Y, others=[(Y, X)])
    agrees(ad.jacfwd(ad.hessian(lambda x: np.sum(recurrence(x) * x))), X[:10])
    agrees(ad.vmap(ad.hessian(lambda x: np.sum(recurrence(x)))), np.stack([X, -X, 0.5 * X]))


def test_the_function_itself_is_computed_once():
    """The products with the matrix are one product; the loop's own values are carried once."""
    a = RNG.standard_normal((12, 12))

    def f(x):
        for _ in range(3):
            x = np.tanh(a @ x)
        return x

    graph = agrees(ad.jacfwd(f), X)
    (loop,) = [node for node in walk(graph.function.block) if node.op.name == "for"]
    names = [node.op.name for node in walk(loop.blocks[0])]
    assert names.count("matmul") == 2 and names.count("tanh") == 1
    assert "map" not in {node.op.name for node in walk(graph.function.block)}
