"""Numbers of lists and tuples at indices that are known at run time only; slices in loops."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from tests.staged.comparison import assert_agrees, operations

X = np.array([0.3, -1.2, 0.7])
TREE = (-1, 0, 0, 1, 3)
SCALES = [1.5, -0.5, 2.0]


def along_a_tree(x, parents):
    found = np.zeros((len(parents), 3))
    for i in range(len(parents)):
        if parents[i] < 0:
            found[i] = x
        else:
            found[i] = found[parents[i]] * np.sin(x) + i
    return found


def horner(x, coefficients):
    y = 0.0
    for i in range(len(coefficients)):
        y = y * x[0] + coefficients[i]
    return y


def of_a_global(x):
    y = x
    for i in range(3):
        y = np.sin(y) * SCALES[i]
    return y


def backwards(x, numbers):
    y = x
    for i in range(1, len(numbers) + 1):
        y = y * numbers[-i] + 1
    return y


def at_an_index_of_an_array(x, order):
    weights = (0.5, 2.0, -1.0, 4.0)
    y = 0.0
    for k in order:
        y += x[0] * weights[k]
    return y


CASES = {
    "integers": (along_a_tree, (X, TREE), 0),
    "a list of floats": (horner, (X, [1.0, -2.0, 0.5, 3.0]), (0, 1)),
    "complex numbers": (horner, (X, (1.0 + 2.0j, 2.0j, 0.5 - 1.0j)), None),
    "a global list": (of_a_global, (X,), 0),
    "negative indices": (backwards, (X, (2, 5, -3)), 0),
    "indices from an array": (at_an_index_of_an_array, (X, np.array([3, 0, 2, 2])), 0),
}


@pytest.mark.parametrize("name", CASES)
def test_the_loop_stays_a_loop(name):
    fn, args, argnums = CASES[name]
    graph = assert_agrees(fn, *args)
    assert operations(graph)["for"] == 1
    assert not graph.unrolled
    if argnums is not None:
        weigh = ad.jit(ad.grad(lambda *a: np.sum(np.cos(fn(*a))), argnums))
        want = ad.grad(lambda *a: np.sum(np.cos(fn(*a))), argnums)(*args)
        got = ad.tree.flatten(weigh(*args))[0]
        for g, w in zip(got, ad.tree.flatten(want)[0], strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-12)


def test_the_numbers_of_a_global_list_are_those_of_the_call(monkeypatch):
    graph = ad.stage(of_a_global)(X)
    SCALES[1] = 7.0
    try:
        np.testing.assert_allclose(graph(X), of_a_global(X))
    finally:
        SCALES[1] = -0.5


def test_another_global_list_is_staged_anew(monkeypatch):
    run = ad.jit(of_a_global)
    run(X)
    monkeypatch.setitem(globals(), "SCALES", [1.5, 7.0, 2.0])
    np.testing.assert_allclose(run(X), of_a_global(X))
    assert "the variable 'SCALES' is" in ad.report(run)


COUNTS = [3, 1, 2]
SETTINGS = {"power": 2, "name": "sin", "deep": {"shift": 1}}


def test_an_integer_of_a_global_list_that_has_changed():
    def f(x):
        y = x
        for i in range(3):
            y = y * COUNTS[i] - COUNTS[0]
        return y

    run = ad.jit(f)
    run(X)
    COUNTS[1] = 5
    try:
        np.testing.assert_allclose(run(X), f(X))
    finally:
        COUNTS[1] = 1
    np.testing.assert_allclose(run(X), f(X))


def test_entries_of_a_global_dictionary_that_have_changed(monkeypatch):
    def f(x):
        y = getattr(np, SETTINGS["name"])(x) ** SETTINGS["power"]
        return y + SETTINGS["deep"]["shift"]

    run = ad.jit(f)
    run(X)
    for changed in ({"power": 3}, {"name": "cos"}, {"deep": {"shift": 4}}):
        for key, value in changed.items():
            monkeypatch.setitem(SETTINGS, key, value)
        np.testing.assert_allclose(run(X), f(X))
    SETTINGS["deep"]["shift"] = 6
    np.testing.assert_allclose(run(X), f(X))


class Line:
    def __init__(self, slope):
        self.slope = slope

    def at(self, x):
        return self.slope * x


LINE = Line(2.0)


def test_another_object_is_staged_anew(monkeypatch):
    line = Line(5.0)

    def f(x):
        return LINE.at(x) + line.slope

    run = ad.jit(f)
    run(X)
    LINE.slope = 3.0  # a number in the same object is an argument
    np.testing.assert_allclose(run(X), f(X))
    assert "2 graphs" not in ad.report(run)
    monkeypatch.setitem(globals(), "LINE", Line(7.0))
    np.testing.assert_allclose(run(X), f(X))
    line = Line(1.0)
    np.testing.assert_allclose(run(X), f(X))
    assert "3 graphs" in ad.report(run)


def test_an_integer_that_the_function_itself_counts_up():
    state = [0, 1.0]

    def f(x):
        state[0] += 1
        state[1] *= 2
        return x * state[0] + state[1]

    run = ad.jit(f)
    got = [run(1.0) for _ in range(3)]
    state[:] = [0, 1.0]
    assert got == [f(1.0) for _ in range(3)]


def test_an_index_out_of_range_is_an_error():
    def f(x, numbers):
        y = x
        for i in range(4):
            y = y * numbers[i]
        return y

    with pytest.raises(IndexError):
        ad.jit(f)(X, (1.0, 2.0, 3.0))


@pytest.mark.parametrize("entries", [(1, 2.5, 3), (True, False, True), (2**70, 1, 2)])
def test_entries_that_are_no_numbers_of_one_type_unroll_the_loop(entries, compiling):
    def f(x, numbers):
        y = x
        for i in range(3):
            y = y * numbers[i]
        return y

    graph = ad.stage(lambda x: f(x, entries))(X)
    assert graph.unrolled
    if compiling and max(entries) >= 2**63:
        with pytest.raises(OverflowError, match="64 bits"):
            graph(X)
        return
    np.testing.assert_allclose(graph(X), f(X, entries))


def test_a_list_that_grows_before_the_loop():
    def f(x):
        numbers = []
        for k in range(3):
            numbers.append(float(k) + 0.5)
        y = x
        for i in range(3):
            y = y * numbers[i] + x
        return y

    assert_agrees(f, X)


def test_an_entry_that_the_loop_assigns_to():
    def f(x, numbers):
        y = x
        for i in range(3):
            y = y * numbers[i]
            numbers[1] = numbers[1] + 1.0
        return y, numbers[1]

    assert_agrees(f, X, [1.0, 2.0, 3.0])


# -- slices whose bounds depend on the pass --------------------------------------------------------


def columns(x, w):
    total = np.zeros(x.shape)
    for i in range(4):
        total += w[:, i : i + 1] * np.sin(x)
    return total


def columns_by_two(x, w):
    total = np.zeros(x.shape)
    for i in range(0, 4, 2):
        total += w[:, i : i + 1] - w[:, i + 1 : i + 2] * x
    return total


def columns_downwards(x, w):
    total = np.zeros(x.shape)
    for i in range(4, 0, -1):
        total += w[:, i - 1 : i] * x
    return total


@pytest.mark.parametrize("fn", [columns, columns_by_two, columns_downwards])
def test_the_length_of_a_slice_is_that_of_all_passes(fn):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((30, 3)), rng.standard_normal((30, 20))
    graph = assert_agrees(fn, x, w)
    assert operations(graph)["for"] == 1
    assert not operations(graph)["slice_length"]
    # With another number of columns it is staged anew: what was taken for granted does not hold.
    short = w[:, :3]
    with pytest.raises(ValueError, match="broadcast"):
        fn(x, short)
    with pytest.raises(ValueError, match="broadcast"):
        ad.jit(fn)(x, short)
