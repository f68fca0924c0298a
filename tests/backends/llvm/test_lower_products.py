"""Products of matrices that lie in memory in every way that a program can have them lie."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.staging import stage
from tests.backends.llvm.lowering import evaluate

pytestmark = pytest.mark.usefixtures("compiled_quickly")

PARTS = {
    "whole": lambda x: x,
    "transposed": lambda x: x.T,
    "rows reversed": lambda x: x[::-1],
    "columns reversed": lambda x: x[:, ::-1],
    "every other row": lambda x: x[::2],
    "every other column": lambda x: x[:, ::2],
    "inner": lambda x: x[2:-1, 1:-2],
    "inner, transposed": lambda x: x[2:-1, 1:-2].T,
    "rows reversed, transposed": lambda x: x[::-1].T,
    "a column": lambda x: x[:, 1:2],
    "a row": lambda x: x[1:2],
    "no row": lambda x: x[:0],
    "no column": lambda x: x[:, :0],
    "a row again and again": lambda x: np.broadcast_to(x[0], (5, x.shape[1])),
    "a column again and again": lambda x: np.broadcast_to(x[:, :1], (x.shape[0], 7)),
    "a column again and again, transposed": lambda x: np.broadcast_to(x[:, :1].T, (6, x.shape[0])),
    "real": lambda x: x.real,
    "imaginary": lambda x: x.imag,
}


def matrix(seed, dtype):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(18, 18))
    return (x + 1j * rng.normal(size=(18, 18)) if dtype == "complex128" else x).astype(dtype)


def check(part, other, dtype):
    a, b = matrix(0, dtype), matrix(1, dtype)
    k = min(part(a).shape[1], other(b).shape[0])
    rtol = 1e-5 if dtype == "float32" else 1e-13

    def inside(a, b):
        return part(a)[:, :k] @ other(b)[:k]

    for fn, args in ((inside, (a, b)), (np.matmul, (part(a)[:, :k], other(b)[:k]))):
        graph = ad.stage(fn)(*args)
        evaluate(graph.function, *graph.inputs(*args), rtol=rtol)


@pytest.mark.parametrize("few", [1, None])
@pytest.mark.parametrize("name", PARTS)
def test_layouts(name, few, monkeypatch):
    if few is not None:
        monkeypatch.setattr(stage, "FEW", few)
    names = list(PARTS)
    at = names.index(name)
    for other, dtype in ((at, "float64"), (3 * at + 1, "complex128"), (5 * at + 2, "float32")):
        check(PARTS[name], PARTS[names[other % len(names)]], dtype)


def test_stacks_of_matrices():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(3, 1, 17, 18)), rng.normal(size=(4, 18, 19))
    for fn in (
        np.matmul,
        lambda x, y: x[::-1, :, ::2] @ y[:, :, ::-1],
        lambda x, y: np.swapaxes(y, 1, 2) @ np.swapaxes(x[0], 1, 2),
    ):
        graph = ad.stage(fn)(a, b)
        evaluate(graph.function, *graph.inputs(a, b))


SMALL, LARGE = (9, 17, 70), (1030, 2100)
FEW_ROWS = {
    "rows": lambda x, y: x @ y,
    "rows of a transposed matrix": lambda x, y: x @ np.ascontiguousarray(y.T).T,
    "columns": lambda x, y: y.T @ x.T,
    "columns, matrix by rows": lambda x, y: np.ascontiguousarray(y.T) @ np.ascontiguousarray(x.T),
    "a vector first": lambda x, y: x[-1] @ y,
    "a vector last": lambda x, y: np.ascontiguousarray(y.T) @ x[0],
    "with parts": lambda x, y: x[:, ::2] @ y[: 2 * (y.shape[0] // 2) : 2, 1:],
    "from the end": lambda x, y: x[:, ::-1] @ y[::-1],
    "into a part": lambda x, y: np.concatenate([x @ y, 2.0 * (x @ y)], axis=1),
}


@pytest.mark.parametrize("name", FEW_ROWS)
def test_few_rows(name):
    """Of every number of rows that are few, with lengths around those of vectors and blocks."""
    rng = np.random.default_rng(3)
    for rows in range(1, 9):
        for dtype, rtol in (("float64", 1e-12), ("float32", 2e-5)):
            inner = 2 * rng.choice(SMALL) if rows % 3 else rng.choice(LARGE)
            columns = rng.choice(LARGE) if rows % 3 == 1 else rng.choice(SMALL)
            x = rng.normal(size=(rows, inner)).astype(dtype)
            y = rng.normal(size=(inner, columns)).astype(dtype)
            graph = ad.stage(FEW_ROWS[name])(x, y)
            evaluate(graph.function, *graph.inputs(x, y), rtol=rtol)


def test_few_rows_of_stacks():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(3, 1, 5, 37)), rng.normal(size=(4, 37, 90))
    graph = ad.stage(lambda a, b: (a @ b, np.swapaxes(b, 1, 2) @ np.swapaxes(a[0], 1, 2)))(a, b)
    evaluate(graph.function, *graph.inputs(a, b), rtol=1e-12)


def test_few_rows_in_a_loop_and_its_gradient():
    rng = np.random.default_rng(5)

    def states(x, w, n):
        for k in range(n):
            x = np.tanh(x @ w + w.T @ x[0])
            x[k % 3] = w @ x[1]
        return np.sum(x * x)

    x, w = rng.normal(size=(3, 20)), 0.1 * rng.normal(size=(20, 20))
    for fn in (states, ad.grad(states, argnums=(0, 1))):
        graph = ad.stage(fn)(x, w, 4)
        evaluate(graph.function, *graph.inputs(x, w, 4), rtol=1e-11)


def test_few_rows_keep_what_is_no_number():
    """An infinity is met by the numbers of its own row and column alone."""
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(3, 27)), rng.normal(size=(27, 45))
    x[1, 26] = np.inf
    y[3, 44] = np.nan
    f = ad.jit(lambda x, y: (x @ y, (y.T @ x.T).T))
    for found in f(x, y):
        np.testing.assert_allclose(found, x @ y, rtol=1e-12)


def test_few_rows_of_a_number_that_is_known_of_one_operand_alone(monkeypatch):
    """The number of the result's rows is then that of an argument, as far as the graph knows."""
    monkeypatch.setattr(stage, "FEW", 1)
    rng = np.random.default_rng(7)
    w = rng.normal(size=(4, 12))

    def both(x, y):
        return w @ y + x, y.T @ w.T + x.T

    x, y = rng.normal(size=(4, 11)), rng.normal(size=(12, 11))
    for fn in (both, ad.grad(lambda x, y: np.sum(both(x, y)[0] * both(x, y)[1].T), argnums=(0, 1))):
        graph = ad.stage(fn)(x, y)
        evaluate(graph.function, *graph.inputs(x, y))


@pytest.mark.parametrize("rows", [1, 3, 8, 11])
def test_few_rows_beside_vectors_and_backwards(rows):
    """A vector is the few rows, however it and the matrix lie in memory."""
    rng = np.random.default_rng(8)
    a, v, b = rng.normal(size=(rows, 13)), rng.normal(size=13), rng.normal(size=(13, 4))
    functions = (
        lambda a, v, b: (a @ v, a[:, ::-1] @ v, a @ v[::-1], a[::-1] @ v, a[:, ::2] @ v[::2]),
        lambda a, v, b: (v @ a.T, v[::-1] @ a.T, v @ a[:, ::-1].T, a[0] @ b, a[0, ::-1] @ b),
        lambda a, v, b: (a @ b[::-1], a[:, ::-1] @ b, a @ b[:, ::-1], a[::-1] @ b, a @ b[::-1, 0]),
    )
    for fn in functions:
        for got, want in zip(ad.jit(fn)(a, v, b), fn(a, v, b), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)


def test_a_product_added_where_lengths_are_checked_first():
    """What refuses other lengths is given the product, which is made there alone."""
    rng = np.random.default_rng(9)
    w, x = rng.normal(size=(24, 20)), rng.normal(size=(5, 12, 20))

    def loss(w, x, n):
        matrix = np.reshape(w, (24, 20)).T  # the lengths of w are known at run time only
        total = 0.0
        for t in range(n):
            total += np.sum(np.sin(x[t] @ matrix))
        return total

    got, want = ad.jit(ad.grad(loss))(w, x, 5), ad.grad(loss)(w, x, 5)
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_common_length_that_is_known_of_the_left_operand_alone(order):
    def product(a, b):
        return np.reshape(a, (a.shape[0], 12)) @ b

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(40, 3, 4)), np.asarray(rng.normal(size=(12, 5)), order=order)
    np.testing.assert_allclose(ad.jit(product)(a, b), product(a, b), rtol=1e-13)


def test_memory_of_what_is_not_read_any_more_is_used_again():
    def layers(x, w):
        a = np.maximum(x @ w, 0.0)
        b = np.maximum(a @ w, 0.0)
        c = np.maximum(b @ w, 0.0)
        return np.sum(np.maximum(c @ w, 0.0) @ w)

    lines = ad.jit(layers).lower(np.ones((20, 30)), np.ones((30, 30))).loops.splitlines()
    taken = [line for line in lines if line.endswith(" bytes, taken at the beginning")]
    assert len(taken) <= 3
