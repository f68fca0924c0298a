"""Colourings: every entry can be read off, and known patterns take the known number of colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from adjoint.transforms import colouring
from adjoint.transforms.colouring import compression, distance1, of_jacobian, of_symmetric
from adjoint.transforms.colouring.distance1 import colour_columns
from adjoint.transforms.colouring.star import star_colouring


def pattern(x):
    found: Any = sparse.csr_array(x).astype(bool)
    found.sum_duplicates()
    found.sort_indices()
    return found


def banded(n, *offsets):
    along: Any = offsets
    return pattern(sparse.diags_array([1.0] * len(along), offsets=along, shape=(n, n)))


def arrow(n, at=0):
    x = np.eye(n)
    x[at] = x[:, at] = 1
    return pattern(x)


def five_point(g):
    line, one = banded(g, -1, 0, 1).astype(float), sparse.eye_array(g)
    return pattern(sparse.kron(line, one) + sparse.kron(one, line))


def numbers(of):
    """Return a matrix of the pattern with random entries; symmetric if the pattern is."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(of.shape)
    if of.shape[0] == of.shape[1]:
        x = x + x.T
    return np.where(of.toarray(), x, 0)


def read_off(of, plan):
    """Return the entries as the sweeps give them."""
    x = numbers(of)
    forward = (plan.columns == np.arange(plan.forward)[:, None]) @ x.T
    reverse = (plan.rows == np.arange(plan.reverse)[:, None]) @ x
    data = np.empty(of.nnz)
    for by_rows, swept in ((False, forward), (True, reverse)):
        mine = plan.by_rows == by_rows
        data[mine] = swept[plan.sweep[mine], plan.place[mine]]
    return sparse.csr_array((data, of.indices, of.indptr), shape=of.shape).toarray()


def check(of, plan):
    np.testing.assert_allclose(read_off(of, plan), numbers(of), rtol=0, atol=1e-12)


@st.composite
def patterns(draw, square=False):
    m = draw(st.integers(1, 14))
    n = m if square else draw(st.integers(1, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.random((m, n)) < draw(st.sampled_from([0.05, 0.15, 0.3, 0.7]))
    for _ in range(draw(st.integers(0, 2))):  # full rows and columns, and repeated ones
        x[rng.integers(m)] = True
        x[:, rng.integers(n)] = True
        x[:, rng.integers(n)] = x[:, rng.integers(n)]
    return pattern(x | x.T if square else x)


@settings(max_examples=300, deadline=None)
@given(patterns(), st.sampled_from(["both", "forward", "reverse"]))
def test_jacobians_are_read_off(of, directions):
    plan = of_jacobian(of, directions)
    check(of, plan)
    assert directions != "forward" or plan.reverse == 0
    assert directions != "reverse" or plan.forward == 0


@settings(max_examples=300, deadline=None)
@given(patterns(square=True))
def test_symmetric_matrices_are_read_off(of):
    check(of, of_symmetric(of))


@settings(max_examples=100, deadline=None)
@given(patterns(square=True))
def test_star_colouring_is_one(of):
    colours = star_colouring(of).tolist()
    near = [
        set(of.indices[a:b].tolist()) - {i}
        for i, (a, b) in enumerate(zip(of.indptr[:-1], of.indptr[1:]))
    ]
    for w in range(of.shape[0]):
        for x in near[w]:
            assert colours[w] != colours[x]
            for v in near[w] - {x}:
                for y in near[x] - {w}:
                    if v != y:
                        assert len({colours[v], colours[w], colours[x], colours[y]}) > 2


@pytest.mark.parametrize(
    "of, forward, reverse",
    [
        (banded(40, 0), 1, 0),
        (banded(40, -1, 0, 1), 3, 0),
        (banded(40, 0, 1), 2, 0),
        (banded(60, -2, -1, 0, 1, 2), 5, 0),
        (arrow(40), 2, 1),
        (arrow(40, 39), 2, 1),
        (pattern(np.ones((1, 9))), 0, 1),
        (pattern(np.ones((9, 1))), 1, 0),
        (pattern(np.kron(np.eye(7), np.ones((2, 15)))), 0, 2),
        (pattern(np.kron(np.eye(7), np.ones((5, 3)))), 3, 0),
        (pattern(np.zeros((3, 4))), 0, 0),
    ],
)
def test_known_numbers_of_sweeps(of, forward, reverse):
    plan = of_jacobian(of)
    assert (plan.forward, plan.reverse) == (forward, reverse)
    check(of, plan)


@pytest.mark.parametrize(
    "of, colours",
    [
        (banded(40, 0), 1),
        (banded(40, -1, 0, 1), 3),
        (arrow(40), 2),
        (arrow(40, 20), 2),
        (pattern(np.ones((6, 6))), 6),
        (pattern(np.zeros((6, 6))), 0),
    ],
)
def test_known_star_colourings(of, colours):
    plan = of_symmetric(of)
    assert (plan.forward, plan.reverse) == (colours, 0)
    check(of, plan)


def test_a_grid_takes_few_colours():
    of = five_point(30)
    plan = of_jacobian(of)
    assert plan.forward + plan.reverse <= 7  # 5 is the least
    check(of, plan)
    plan = of_symmetric(of)
    assert plan.forward <= 5
    check(of, plan)


def test_full_columns_get_forward_sweeps_and_the_rest_reverse_ones():
    # Rows in pairs of columns, and one column that all rows have.
    x = np.kron(np.eye(20), np.ones((1, 30)))
    x = np.hstack([np.ones((20, 1)), x])
    plan = of_jacobian(pattern(x))
    assert (plan.forward, plan.reverse) == (1, 1)
    check(pattern(x), plan)


def observations(n, m, p):
    """The Jacobian of p observations of m points by n cameras, as bundle adjustment has it."""
    o = np.arange(p)
    cameras = (o % n)[:, None] * 11 + np.arange(11)
    points = 11 * n + (o % m)[:, None] * 3 + np.arange(3)
    columns = np.hstack([cameras, points, 11 * n + 3 * m + o[:, None]])
    rows = np.repeat(2 * o, 15)
    i = np.concatenate([rows, rows + 1, 2 * p + o])
    j = np.concatenate([columns.ravel(), columns.ravel(), 11 * n + 3 * m + o])
    return pattern(sparse.coo_array((np.ones(len(i)), (i, j)), shape=(3 * p, 11 * n + 3 * m + p)))


def test_many_observations():
    of = observations(9, 300, 2000)
    plan = of_jacobian(of)
    assert (plan.forward, plan.reverse) == (15, 0)
    check(of, plan)


@settings(max_examples=150, deadline=None)
@given(patterns())
def test_many_at_a_time_is_one_at_a_time(of):
    if of.nnz:
        classes = distance1._Classes(of)
        together = classes.together()
        assert together is None or together == classes.greedy(range(len(classes.sizes)))


def test_every_order_gives_a_colouring():
    rng = np.random.default_rng(3)
    for _ in range(30):
        of: Any = pattern(rng.random((20, 25)) < 0.15)
        classes = distance1._Classes(of)
        for order in classes.orders():
            order = list(order)
            assert sorted(order) == list(range(len(classes.sizes)))
            colours = np.full(of.shape[1], -1)
            classes.write(classes.greedy(order), colours)
            for row in of.toarray():
                used = colours[row]
                assert len(set(used.tolist())) == len(used)


def test_incidence_order_may_need_fewer_colours_than_the_others():
    """Of many patterns it is the best for some: it is worth being tried."""
    rng = np.random.default_rng(1)
    wins = 0
    for _ in range(60):
        of = pattern(rng.random((30, 30)) < 0.12)
        classes = distance1._Classes(of)
        counts = [
            max(mask.bit_length() for mask in classes.greedy(order)) for order in classes.orders()
        ]
        wins += counts[2] < min(counts[:2])
    assert wins


def test_wrong_colours_are_seen(monkeypatch):
    """Planted: two columns that meet share a colour; a path has two colours."""

    def one_less(of):
        colours = colour_columns(of)
        return np.where(colours == colours.max(), 0, colours)

    monkeypatch.setattr(compression, "colour_columns", one_less)
    with pytest.raises(AssertionError):
        check(banded(40, -1, 0, 1), colouring.of_jacobian(banded(40, -1, 0, 1), "forward"))

    two = np.arange(40, dtype=np.int32) % 2
    monkeypatch.setattr(compression, "star_colouring", lambda of: two)
    with pytest.raises(AssertionError):
        check(banded(40, -1, 0, 1), of_symmetric(banded(40, -1, 0, 1)))
