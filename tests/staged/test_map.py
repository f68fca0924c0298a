"""``map``: comprehensions of run-time length, and derivatives through independent iterations."""

from __future__ import annotations

import math

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import TracingError
from tests.staged.comparison import assert_agrees, assert_same, operations, staged

X = np.linspace(0.1, 2.0, 20)
A = np.linspace(-1.0, 1.0, 60).reshape(20, 3)


# -- what may be done with the list ----------------------------------------------------------------


def vector(x, n):
    return np.array([math.sin(x[i]) * x[i] for i in range(n)])


def as_list(x, n):
    return [x[i] * 2 for i in range(n)]


def of_python_numbers(x, n):
    return [float(x[i]) for i in range(n)], [i * 2 for i in range(n)], [i > 3 for i in range(n)]


def of_tuples(x, n):
    pairs = [(x[i], i) for i in range(n)]
    total = 0.0
    for a, k in pairs:
        total += a * k
    return total + pairs[0][1] + pairs[-1][0] + pairs[n // 2][1], pairs


def of_lists(x, n):
    return np.array([[x[i], x[i] ** 2] for i in range(n)])


def of_rows(a):
    return (
        np.stack([row * 2 for row in a]),
        np.vstack([row for row in a]),
        np.hstack([row for row in a]),
    )


def joined(a):
    return np.concatenate([row[1:] for row in a]), np.asarray([row for row in a])


def totals(x, n):
    return sum([np.exp(-x[i]) for i in range(n)]), sum(x[i] * i for i in range(n))


def total_of_arrays(a):
    return sum([row * row[0] for row in a])


def total_of_integers(x, n):
    return sum([1 for i in range(n)]), sum(i * i for i in range(n)), sum(x[i] > 1 for i in range(n))


def extrema(x, n):
    return max(x[i] * (2 - x[i]) for i in range(n)), min([float(x[i]) for i in range(n)])


def quantifiers(x, n):
    return all(x[i] < x[i + 1] for i in range(n - 1)), any(x[i] > 100 for i in range(n))


def numpy_functions(x, n):
    return np.mean([x[i] ** 2 for i in range(n)]), np.sqrt([x[i] for i in range(n)])


def chained(x, n):
    y = [x[i] for i in range(n)]
    z = [y[i] + y[i - 1] for i in range(1, len(y))]
    return np.array([a - b for a, b in zip(z, y[1:])])


def numbered(x, n):
    return np.array([k * v for k, v in enumerate([x[i] for i in range(n)])])


def carried(x, n):
    values = [x[i] for i in range(n)]
    for _ in range(n):
        values = [v * 0.5 + 1.0 for v in values]
    return values


def chosen(x, n):
    if x[0] > 0:
        values = [x[i] for i in range(n)]
    else:
        values = [-x[i] for i in range(n)]
    return values


def filled(x, n):
    points = [np.zeros(3) for i in range(n)]
    for i in range(n):
        points[i][0] = x[i]
        points[i][1] += 2 * x[i]
    return points


def with_a_scratch_list(x, n):
    def one(v):
        scratch = [0.0, 0.0]
        scratch[0] = v
        scratch[1] = scratch[0] * v
        return scratch[1]

    return [one(x[i]) for i in range(n)]


def nested(x, n):
    return [[x[i] * x[j] for j in range(n)] for i in range(n)]


def with_a_loop(x, n):
    def power(v, k):
        p = 1.0
        for _ in range(k):
            p *= v
        return p

    return np.array([power(x[i], i) for i in range(n)])


def decided(x, n):
    return [x[i] if x[i] > 1 else -x[i] for i in range(n)]


@pytest.mark.parametrize(
    "fn",
    [
        vector, as_list, of_python_numbers, of_tuples, of_lists, totals, total_of_integers, extrema,
        quantifiers, numpy_functions, chained, numbered, carried, chosen, filled,
        with_a_scratch_list, nested, with_a_loop, decided,
    ],
)  # fmt: skip
def test_of_a_range(fn):
    graph = staged(fn, X, 11)
    assert operations(graph)["map"], "the comprehension was unrolled"
    for n in (11, 12, 20):
        assert_same(graph(X, n), fn(X, n))


@pytest.mark.parametrize("fn", [of_rows, joined, total_of_arrays])
def test_of_rows(fn):
    graph = staged(fn, A)
    assert operations(graph)["map"]
    assert_same(graph(A), fn(A))
    assert_same(graph(A), fn(A))


def test_no_items():
    graph = staged(vector, X, 11)
    assert_same(graph(X, 0), np.zeros(0))


# -- what makes the length a constant --------------------------------------------------------------


def of_slices(x, n):
    return [x[:i] for i in range(n)]


def in_order(x, n):
    return sorted([-x[i] for i in range(n)])


def changed(x, n):
    values = [x[i] for i in range(n)]
    values[2] = 7.0
    return values


def appended(x, n):
    values = [x[i] for i in range(n)]
    values.append(x[0])
    return values


def changing(x, n):
    log = [0.0]

    def one(v):
        log[0] += v
        return v * 2

    values = [one(x[i]) for i in range(n)]
    return log[0], values


def dictionary(x, n):
    return {i: x[i] for i in range(n)}[3]


@pytest.mark.parametrize("fn", [of_slices, in_order, changed, appended, changing, dictionary])
def test_the_length_becomes_a_constant(fn):
    graph = staged(fn, X, 11)
    assert not operations(graph)["map"]
    assert_same(graph(X, 11), fn(X, 11))


@pytest.mark.parametrize(
    "fn, message",
    [
        (lambda x: [v for v in x[x > 1] if v < 1.5], "a comprehension with a condition"),
        (lambda x: sorted([v for v in x[x > 1]]), "is known at run time only"),
        (lambda x: [str(v) for v in x[x > 1]], "its items are str objects"),
        (lambda x: {v for v in x[x > 1]}, "a set is made"),
        (lambda x: [x[: int(v)] for v in x[x > 1]], "the shape of its items is not fixed"),
    ],
)
def test_refused(fn, message):
    with pytest.raises(TracingError, match=message):
        ad.stage(fn)(X)


def test_items_that_share_memory_are_not_written_through():
    def stored(a):
        y = a * 1.0
        rows = [row[1:] for row in y]
        rows[0][1] = 5.0
        return y

    def stored_in_a_part(a):
        y = a * 1.0
        part = [row for row in y][0][1:]
        part[0] = 5.0
        return y

    def stale(a):
        y = a * 1.0
        rows = [row for row in y]
        y[1] = 5.0
        return rows[0]

    def copied(a):
        y = a * 1.0
        rows = [row.copy() for row in y]
        y[1] = 5.0
        rows[0][:] = 7.0
        return rows, y

    for fn in (stored, stored_in_a_part, stale):
        with pytest.raises(TracingError, match="Put a copy"):
            ad.stage(fn)(A)
    graph = staged(copied, A)
    assert_same(graph(A), copied(A))


# -- derivatives -----------------------------------------------------------------------------------


def loss(x, n):
    def inner(v, k):
        for _ in range(k):
            v = v * np.sin(v) + x[0]
        return v

    values = [inner(x[i], i) if x[i] > 0.5 else x[i] * x[i - 1] for i in range(n)]
    return sum(values) + values[2] * max(values)


def simple(x, n):
    return sum(np.exp(x[i]) * x[i] ** 2 for i in range(n))


def rows(a, n):
    return np.sum(np.array([row @ a[0] * np.tanh(row) for row in a]) ** 2)


@pytest.mark.parametrize("fn, x", [(loss, X), (simple, X), (rows, A)])
def test_derivatives(fn, x):
    n = 11
    d = np.cos(x)
    for of in (
        ad.grad(fn),
        lambda x, n: ad.jvp(lambda x: fn(x, n), (x,), (d,))[1],
        lambda x, n: ad.jvp(lambda x: ad.grad(fn)(x, n), (x,), (d,))[1],
        lambda x, n: ad.grad(lambda x: np.sum(ad.grad(fn)(x, n) * d))(x),
    ):
        ops = operations(assert_agrees(of, x, n, rtol=1e-10))
        assert ops["map"] or ops["for"]


def test_independent_iterations_keep_what_the_reverse_needs_and_no_stacks():
    ops = operations(staged(ad.grad(simple), X, 11))
    assert not ops["push"] and not ops["empty_stack"]
    graph = staged(ad.grad(lambda x, n: sum(2.0 * x[i] for i in range(n))), X, 11)
    assert not operations(graph)[
        "map"
    ]  # the value is wanted by nobody, and the derivative needs nothing of it
    np.testing.assert_array_equal(graph(X, 11), np.where(np.arange(20) < 11, 2.0, 0.0))


def test_reverse_is_one_loop_that_adds_to_elements():
    graph = staged(ad.grad(simple), X, 11)
    loops = [n for n in graph.function.block.nodes if n.op.name in ("for", "map")]
    assert [n.op.name for n in loops][-1] == "for"
    body = loops[-1].blocks[0].nodes
    assert {n.op.name for n in body if n.type.shape} == {"index_add"}


def test_random_draws_are_kept():
    def noisy(x, n, rng):
        return sum(x[i] * rng.standard_normal() for i in range(n))

    got = ad.jit(ad.grad(noisy))(X, 11, np.random.default_rng(3))
    want = ad.grad(noisy)(X, 11, np.random.default_rng(3))
    np.testing.assert_allclose(got, want)


def test_effects_happen_in_order(capsys):
    def printing(x, n):
        def one(i):
            print(i, x[i])
            return x[i]

        return sum([one(i) for i in range(n)])

    ad.jit(printing)(X, 11)
    got = capsys.readouterr().out
    printing(X, 11)
    assert got == capsys.readouterr().out
