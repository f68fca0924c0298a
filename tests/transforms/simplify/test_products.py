"""Products of matrices that are written as sums, and sums of products."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.ir.graph import walk

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(20, 30)), RNG.normal(size=(30, 40))
AS, BS = RNG.normal(size=(7, 20, 30)), RNG.normal(size=(7, 30, 40))

PRODUCTS = {
    "both broadcast": (lambda a, b: np.sum(a[:, :, None] * b[None, :, :], axis=1), A, B),
    "one broadcast": (lambda a, b: np.sum(a[:, :, None] * b, axis=1), A, B),
    "the first axis": (lambda a, b: np.sum(a.T[:, :, None] * b[:, None, :], axis=0), A, B),
    "the last axis": (lambda a, b: (a[:, None, :] * b.T[None]).sum(2), A, B),
    "a stack": (lambda a, b: (a[:, :, :, None] * b[:, None, :, :]).sum(2), AS, BS),
    "the second first": (lambda a, b: (b[:, None, :, :] * a[:, :, :, None]).sum(2), AS, BS),
}


def counts(graph):
    names = [node.op.name for node in walk(graph.function.block)]
    return names.count("matmul"), names.count("multiply")


@pytest.mark.parametrize("name", PRODUCTS)
def test_sums_of_broadcast_products_are_products_of_matrices(name):
    fn, a, b = PRODUCTS[name]
    graph = ad.stage(fn)(a, b)
    assert counts(graph) == (1, 0)
    np.testing.assert_allclose(graph(a, b), fn(a, b), rtol=1e-12, atol=1e-13)
    loss = lambda a, b: np.sum(np.sin(fn(a, b)))
    graph = ad.stage(ad.grad(loss, (0, 1)))(a, b)
    assert counts(graph) == (3, 0)
    for got, want in zip(graph(a, b), ad.grad(loss, (0, 1))(a, b), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)


def test_other_sums_of_products_stay():
    for fn in (
        lambda a, b: np.sum(a * b.T[:20, :30], axis=1),
        lambda a, b: np.sum(a[:, :, None] * b[None, :, :], axis=(0, 1)),
        lambda a, b: np.sum(a[:, :, None] * b[None, :, :], axis=0),
    ):
        graph = ad.stage(fn)(A, B)
        assert counts(graph)[0] == 0
        np.testing.assert_allclose(graph(A, B), fn(A, B), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
@pytest.mark.parametrize("keepdims", [False, True])
def test_the_rows_of_a_product_are_summed_before_it_is_multiplied(axis, keepdims):
    fn = lambda a, b: -np.sum(-(a @ b), axis=axis, keepdims=keepdims)
    graph = ad.stage(fn)(A, B)
    (product,) = [n for n in walk(graph.function.block) if n.op.name == "matmul"]
    assert 1 in product.shape
    np.testing.assert_allclose(graph(A, B), fn(A, B), rtol=1e-12, atol=1e-13)
