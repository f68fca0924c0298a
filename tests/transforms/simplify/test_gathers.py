"""Gathers that are moved to where there is less to compute."""

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends import interpret
from adjoint.ir.dims import Dim
from adjoint.ir.graph import walk

ROWS = np.array([3, 3, 0, -1, 17, 5, 2, 1, 30])
X = np.linspace(0.5, 2.0, 40 * 3).reshape(40, 3)
A = np.linspace(-1.0, 1.0, 9).reshape(3, 3)


def elementwise(x, rows):
    return (np.sin(x) * x + 1.0)[rows]


def product(x, rows):
    return (np.exp(x) @ A + x)[rows]


def broadcast(x, rows):
    return (x[:, :1] * np.arange(3.0) + np.cos(x))[rows]


def accumulated(x, rows):
    total = np.zeros(x.shape)
    total += x[:, 1:2] * (x @ A)
    total += x[:, 2:3] * (x @ A.T)
    return total[rows]


def second_axis(x, rows):
    return np.sin(x.T)[:, rows]


def twice(x, rows):
    y = np.sin(x)
    return y[rows] + np.cos(y)[rows]


def several(x, rows):
    y = np.exp(x) @ A
    return y[rows] - 2.0 * y[rows.reshape(3, 3).T.reshape(9)]


def computed_first(x, rows):
    y = np.sin(x)
    return y[rows.reshape(3, 3).T[1]]


MOVED = [several, computed_first, elementwise, product, broadcast, accumulated, second_axis, twice]


@pytest.mark.parametrize("fn", MOVED)
def test_less_is_computed_and_the_result_is_the_same(fn):
    graph = ad.stage(fn)(X, ROWS)
    np.testing.assert_array_equal(graph(X, ROWS), fn(X, ROWS))
    big = graph.function.block.parameters[0]
    used = {
        v
        for node in walk(graph.function.block)
        if node.op.name in ("sin", "cos", "exp", "matmul")
        for n in node.shape
        if not isinstance(n, int)
        for v, _ in n.terms
    }
    assert big not in used


@pytest.mark.parametrize("fn", MOVED)
def test_derivatives_are_the_same(fn):
    loss = lambda x, rows: np.sum(fn(x, rows) ** 2)
    got = ad.stage(ad.grad(loss))(X, ROWS)(X, ROWS)
    np.testing.assert_allclose(got, ad.grad(loss)(X, ROWS), rtol=1e-12)
    push = lambda x, rows: ad.jvp(lambda x: fn(x, rows), (x,), (np.cos(x),))[1]
    got = ad.stage(push)(X, ROWS)(X, ROWS)
    np.testing.assert_allclose(got, push(X, ROWS), rtol=1e-12)


def kept_whole(x, rows):
    y = np.sin(x)
    return y[rows], np.sum(y)


def read_from_far(x, rows):
    return np.sin(np.cumsum(x, axis=0))[rows]


def computed_index(x, rows):
    y = np.sin(x)
    return y[np.argsort(y[:9, 0])]


@pytest.mark.parametrize("fn", [kept_whole, read_from_far, computed_index])
def test_what_others_read_is_computed_whole(fn):
    rows = np.abs(ROWS)
    got, want = ad.stage(fn)(X, rows)(X, rows), fn(X, rows)
    if not isinstance(want, tuple):
        got, want = (got,), (want,)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_more_rows_than_there_are_stay_where_they_are():
    rows = np.arange(200) % 40
    graph = ad.stage(elementwise)(X, rows)
    kinds = [node.op.name for node in graph.function.block.nodes]
    assert kinds.index("sin") < kinds.index("getitem")
    np.testing.assert_array_equal(graph(X, rows), elementwise(X, rows))


def test_an_index_that_is_out_of_range_is_refused():
    graph = ad.stage(product)(X, ROWS)
    with pytest.raises(IndexError, match="40"):
        interpret.run(graph.function, graph.inputs(X, ROWS + 30))


# -- through loops ---------------------------------------------------------------------------------


def carries_all(graph):
    """Tell whether a loop of a graph carries an array of as many rows as the first argument."""
    big = Dim(0, ((graph.function.block.parameters[0], 1),))
    loops = [node for node in walk(graph.function.block) if node.op.name == "for"]
    assert loops
    return any(big in type.shape for loop in loops for type in loop.type)


def summed_in_a_loop(x, rows):
    total = np.zeros(x.shape)
    for i in range(3):
        total += x[:, i : i + 1] * (np.sin(x) @ A)
    return total[rows]


def carried_along(x, rows):
    y = x
    for i in range(5):
        y = np.cos(y) * i + x
    return y[rows]


def two_sets(x, rows):
    total = np.zeros(x.shape)
    for i in range(3):
        total = total + np.exp(x) * A[i]
    return total[rows[:4]] * total[rows[4:8]]


def beside_another(x, rows):
    total, steps = np.zeros(x.shape), np.zeros(3)
    for i in range(3):
        total += np.sin(x) * i
        steps += A[i]
    return total[rows] + steps


def nested(x, rows):
    total = np.zeros(x.shape)
    for i in range(3):
        for j in range(2):
            total += np.sin(x * i) * A[j]
    return total[rows]


THROUGH = [summed_in_a_loop, carried_along, two_sets, beside_another, nested]


@pytest.mark.parametrize("fn", THROUGH)
def test_a_loop_carries_the_rows_that_are_read(fn):
    graph = ad.stage(fn)(X, ROWS)
    np.testing.assert_array_equal(graph(X, ROWS), fn(X, ROWS))
    assert not carries_all(graph)


def whole_is_read_inside(x, rows):
    total = x
    for _ in range(3):
        total = np.sin(total) + total.sum(axis=0)
    return total[rows]


def whole_is_returned(x, rows):
    total = x
    for _ in range(3):
        total = np.sin(total)
    return total[rows], total


def rows_are_shifted(x, rows):
    total = x
    for _ in range(3):
        total = total[::-1] * 2.0
    return total[rows]


@pytest.mark.parametrize("fn", [whole_is_read_inside, whole_is_returned, rows_are_shifted])
def test_a_loop_that_needs_all_rows_carries_them(fn):
    graph = ad.stage(fn)(X, ROWS)
    for got, want in zip(graph(X, ROWS), fn(X, ROWS), strict=True):
        np.testing.assert_array_equal(got, want)
    assert carries_all(graph)


def test_an_index_out_of_range_is_an_error_of_the_line_that_reads():
    line = summed_in_a_loop.__code__.co_firstlineno + 4
    for backend in ("interpret", "llvm"):
        with pytest.raises(IndexError) as error:
            ad.jit(summed_in_a_loop, backend=backend)(X, ROWS + 20)
        assert any(f":{line}" in n or f"line {line}" in n for n in error.value.__notes__)
