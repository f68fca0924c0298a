"""Patterns: they hold every nonzero entry, and few others."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
from scipy import sparse

import adjoint as ad
from adjoint.api.sparse import SparseDerivative
from adjoint.ir import text as ir_text
from adjoint.ir.verify import verify
from adjoint.ops import indexing
from adjoint.ops.registry import OPS
from adjoint.transforms.sparsity import closure, elements, operations, sets, table
from adjoint.transforms.sparsity.sets import IndexSets, forming
from tests import harness
from tests.staged.test_cases import CASES

# -- sets ------------------------------------------------------------------------------------------


def test_unions_are_what_they_say():
    rng = np.random.default_rng(0)
    for count in (1, 7, 40):
        for _ in range(20):
            found = IndexSets(count)
            meant = [frozenset(), *[frozenset({k}) for k in range(count)]]
            ids = list(range(count + 1))

            def note(numbers, members):
                for number, inside in zip(np.ravel(numbers).tolist(), members):
                    if number == len(meant):
                        meant.append(frozenset(inside))
                        ids.append(number)
                    assert meant[number] == inside

            for _ in range(30):
                kind = rng.integers(3)
                if kind == 0:
                    some = rng.choice(ids, rng.integers(1, 4)).tolist()
                    note(found.of_numbers(some), [frozenset().union(*[meant[k] for k in some])])
                elif kind == 1:
                    x, y = rng.choice(ids, (4, 3)), rng.choice(ids, (1, 3))
                    pairs = zip(x.ravel(), np.broadcast_to(y, x.shape).ravel())
                    note(found.union(x, y), [meant[a] | meant[b] for a, b in pairs])
                else:
                    x = rng.choice(ids, (3, 5))
                    each = [frozenset().union(*[meant[k] for k in row]) for row in x]
                    note(found.reduce(x, (1,)), each)
            wanted = rng.choice(ids, 12)
            dense = closure.rows(found, wanted).toarray()
            for row, number in zip(dense, wanted.tolist()):
                assert set(np.flatnonzero(row).tolist()) == meant[number]


@pytest.mark.parametrize("in_bits", [False, True])
@pytest.mark.parametrize("few", [0, 10**6])
def test_both_ways_to_solve(in_bits, few, monkeypatch):
    monkeypatch.setattr(closure, "_NS_A_MEMBER", 0.0 if in_bits else 1e12)
    monkeypatch.setattr(closure, "_NS_A_BIT", 0.0)
    monkeypatch.setattr(closure, "_FEW", few)
    test_unions_are_what_they_say()


def test_the_second_way_may_follow_the_first(monkeypatch):
    monkeypatch.setattr(closure, "_NS_A_LEVEL", 0.0)
    monkeypatch.setattr(closure, "_NS_A_PAIR", 1.0)
    monkeypatch.setattr(closure, "_NS_A_MEMBER", 3.0)
    monkeypatch.setattr(closure, "_NS_A_BIT", 0.0)
    test_unions_are_what_they_say()


def test_what_is_the_same_along_an_axis_is_formed_once():
    found = IndexSets(6)
    one = np.array([[1], [2], [3]])
    row = np.broadcast_to(one, (3, 1000))
    before = found.used
    assert found.union(row, np.broadcast_to(one + 3, row.shape)).shape == (3, 1000)
    assert found.used - before == 3
    found.reduce(row, (1,))
    assert found.used - before == 3


def test_a_long_sum_is_solved_in_time_that_is_linear():
    found = IndexSets(50_000)
    number = 0
    for k in range(1, 50_001):
        number = found.of_numbers([number, k])
    assert closure.rows(found, np.array([number])).nnz == 50_000


def test_operations_stand_nowhere_but_in_a_run():
    with pytest.raises(RuntimeError):
        operations.union(1, 2)
    with forming(IndexSets(2)):
        assert operations.union(1, 1) == 1
    assert sets._state.sets is None


def test_more_entries_than_a_matrix_holds(monkeypatch):
    from adjoint.errors import InputError

    with pytest.raises(InputError, match="32-bit"):
        closure._check_count(1 << 31)


def test_every_rule_is_of_an_operation():
    assert table._RULES.keys() <= OPS.keys()


# -- every case of the table -----------------------------------------------------------------------


def columns(fn, point):
    """Return |J|, the sum of those by real and imaginary parts: eager, a column a walk."""
    _, push = ad.linearize(fn, *point)
    found = []
    for k, x in enumerate(point):
        for at in np.ndindex(np.shape(x)):
            total = 0.0
            for unit in (1, 1j) if np.asarray(x).dtype.kind == "c" else (1,):
                dots = [np.zeros(np.shape(y), np.asarray(y).dtype) for y in point]
                dots[k][at] = unit
                pushed = push(*[d if d.shape else d[()] for d in dots])
                total = total + np.abs(np.concatenate([np.ravel(y) for y in pushed]))
            found.append(total)
    return np.stack(found, axis=1)


def nonzero(jacobian):
    size = np.max(np.abs(jacobian), initial=0.0, where=np.isfinite(jacobian))
    return ~(np.abs(jacobian) <= 1e-13 * max(1.0, size))


def problem_of(name):
    problem = harness.Problem(CASES[name])
    return harness.ad_ready(problem), tuple(problem.point)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_every_case(name):
    fn, point = problem_of(name)
    with np.errstate(all="ignore"):
        if not point or not fn(*point):
            pytest.skip("nothing that has a derivative")
        derivative = SparseDerivative(fn, fn, tuple(range(len(point))), None, True, False)
        plan = derivative.plan(*point)
        want = columns(fn, point)
        missing = nonzero(want) & ~plan.pattern.toarray()
        assert not missing.any(), np.argwhere(missing)
        for known in derivative._known.values():
            verify(known.detection.function)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(CASES)[::6])
def test_by_reverse_mode(name):
    """The graphs of reverse sweeps have other operations."""
    fn, point = problem_of(name)
    with np.errstate(all="ignore"):
        if not point or not fn(*point):
            pytest.skip("nothing that has a derivative")
        derivative = SparseDerivative(fn, fn, tuple(range(len(point))), None, True, False)
        derivative.forward = False
        missing = nonzero(columns(fn, point)) & ~derivative.pattern(*point).toarray()
        assert not missing.any(), np.argwhere(missing)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(CASES)[::7])
def test_hessians(name):
    fn, point = problem_of(name)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    argnums = tuple(range(len(point)))
    with np.errstate(all="ignore"):
        values = fn(*point) if point else ()
        real = all(np.asarray(x).dtype.kind == "f" for x in (*point, *values))
        if not values or not real or CASES[name].order < 2 or sum(map(np.size, point)) > 40:
            pytest.skip("not a real function of a few numbers")
        weights = [rng.standard_normal(np.shape(v)) for v in values]

        def loss(*xs):
            total = 0.0
            for w, y in zip(weights, fn(*xs)):
                total = total + np.sum(w * y)
            return total

        def gradient(*xs):
            return tuple(ad.grad(loss, argnums)(*xs))

        want = columns(gradient, point)
        found = ad.sparse_hessian(loss, argnums)
        missing = nonzero(want) & ~found.plan(*point).pattern.toarray()
        assert not missing.any(), np.argwhere(missing)


# -- how many entries there are --------------------------------------------------------------------


def pattern(fn, *args, argnums=0):
    return ad.sparsity(fn, argnums)(*args).toarray().astype(int)


X = np.array([0.3, -0.7, 1.1, 0.4])


def same(fn, want, *args):
    np.testing.assert_array_equal(pattern(fn, *(args or (X,))), want)


def test_elementwise_and_views():
    eye = np.eye(4)
    same(lambda x: np.sin(x) * x + 2, eye)
    same(lambda x: x[::-1], eye[::-1])
    same(lambda x: x.reshape(2, 2).T.ravel(), eye[[0, 2, 1, 3]])
    same(lambda x: x[[3, 3, 0]], eye[[3, 3, 0]])
    same(lambda x: np.roll(x, 1) - x, eye + np.roll(eye, 1, 0))
    same(lambda x: np.stack([x, x * 2], 1), np.repeat(eye, 2, 0))
    same(
        lambda x: np.concatenate([x[2:], np.zeros(2), x[:1]]),
        np.vstack([eye[2:], 0 * eye[:2], eye[:1]]),
    )
    same(lambda x: np.floor(x) * 2.0, 0 * eye)
    same(lambda x: ad.stop_gradient(x) * x, eye)


def test_sums_and_scans():
    lower = np.tri(4)
    same(lambda x: np.sum(x), np.ones((1, 4)))
    same(lambda x: np.sum(x.reshape(2, 2), 1), [[1, 1, 0, 0], [0, 0, 1, 1]])
    same(np.cumsum, lower)
    same(lambda x: np.cumprod(x[::-1])[::-1], lower.T)
    same(np.diff, [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])
    same(lambda x: np.max(x) * x, np.ones((4, 4)))


def test_products():
    band = np.eye(4) - np.eye(4, k=1)
    stored = sparse.csr_array(band)
    same(lambda x: band @ np.sin(x), band != 0)
    same(lambda x: np.sin(x) @ band, band.T != 0)
    same(lambda x: stored @ x, band != 0)
    same(lambda x: np.einsum("ij,j->i", np.ones((4, 4)), x), np.ones((4, 4)))
    same(lambda x: np.trace(np.outer(x, x)), np.ones((1, 4)))
    same(lambda x: np.convolve(x, [1.0, 0.0, 2.0], "valid"), [[1, 0, 1, 0], [0, 1, 0, 1]])
    rows = np.kron(np.eye(2), np.ones((2, 2)))
    same(lambda x: (x.reshape(2, 2) @ np.ones((2, 2))).ravel(), rows)
    same(lambda x: np.linalg.solve(band, x), np.ones((4, 4)))


def test_what_is_masked():
    half = np.array([True, False, True, False])
    same(lambda x: np.where(half, x, 0.0), np.diag(half))
    same(lambda x: half * x, np.diag(half))
    same(
        lambda x: np.tril(np.outer(x, np.ones(4))).ravel(),
        np.tri(4).ravel()[:, None] * np.repeat(np.eye(4), 4, 0),
    )
    same(lambda x: x[half] ** 2, np.eye(4)[half])


def test_stores():
    def stored(x):
        u = np.zeros(5)
        u[1:3] = x[:2]
        u[2] = x[3] * x[0]
        u[0] += x[1]
        u[0] += x[2]
        return u

    same(stored, [[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]])

    def scattered(x):
        u = np.zeros(3)
        np.add.at(u, [0, 2, 0, 2], x)
        return u

    same(scattered, [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 1]])


def test_loops():
    def recurrence(x):
        u = np.zeros(len(x))
        s = 0.0
        for i in range(len(x)):
            s = 0.5 * s + x[i]
            u[i] = s
        return u

    same(recurrence, np.tri(4))
    n = 23
    same(recurrence, np.tri(n), np.ones(n))

    def neighbours(x):
        u = x.copy()
        for _ in range(2):
            u[1:-1] = u[:-2] + u[2:]
        return u

    step = np.eye(9)
    step[1:-1] = np.eye(9)[:-2] + np.eye(9)[2:]
    same(neighbours, (step @ step) != 0, np.ones(9))

    def swapped(x):
        u, v = x.copy(), np.zeros(len(x))
        for i in range(3):
            u, v = v, u
            u[i] = v[i]
        return u

    assert pattern(swapped, X).sum() == np.count_nonzero(ad.jacobian(swapped)(X))


def test_a_branch_counts_as_both_of_its_sides():
    def upwind(u):
        w = np.zeros(len(u))
        for i in range(1, len(u) - 1):
            if u[i] > 0:
                w[i] = u[i] - u[i - 1]
            else:
                w[i] = u[i + 1]
        return w

    want = [[0, 0, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 0, 0]]
    same(upwind, want)
    same(upwind, want, -X)
    known = ad.sparse_jacobian(upwind)
    known(X)
    (found,) = known._known.values()
    assert found.detection.reads == ()  # true for all values

    def chosen(x):
        if x[0] > 0:
            y = x[1] * x
        elif x[1] > 0:
            y = x * 1.0
        else:
            y = x[::-1] * 3
        return y

    want = np.eye(4) + np.eye(4)[::-1]
    want[:, 1] = 1
    same(chosen, want)


def test_a_branch_that_may_fail_counts_as_the_side_that_runs():
    def guarded(x, k):
        return x[k] * x if x[0] > 0 else x * 1.0

    first = ad.sparse_jacobian(guarded)
    want = np.eye(4)
    np.testing.assert_array_equal(first.plan(-np.abs(X), 99).pattern.toarray(), want)
    want[:, 2] = 1
    np.testing.assert_array_equal(first.plan(np.abs(X), 2).pattern.toarray(), want)


def test_a_side_is_not_run_for_as_long_as_numbers_say():
    def guarded(x):
        if x[0] < 3:
            s = 0.0
            for _ in range(np.floor(x[0] ** 9).astype(int)):
                s += x[1]
        else:
            s = x[2]
        return s * x

    want = np.eye(4)
    want[:, 2] = 1
    same(guarded, want, np.array([1000.0, 1.0, 1.0, 1.0]))
    want = np.eye(4)
    want[:, 1] = 1
    same(guarded, want, np.array([1.5, 1.0, 1.0, 1.0]))


def test_checks_of_domains_change_nothing():
    def fn(x, k):
        i = int(math.sqrt(k))
        return np.array([math.log(x[0] + 2) * x[i], float(x[1]) ** 0.5, math.sqrt(x[2])])

    want = [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    same(fn, want, np.abs(X), 4)


def test_a_store_into_one_of_two_arrays():
    def fn(x):
        u, v = np.zeros(2), np.ones(2)
        w = u if x[0] > 0 else v
        w[1] = x[1] * x[2]
        return np.concatenate([u, v])

    for x in (X, -X):
        found = ad.sparsity(fn)(x).toarray()
        assert not (nonzero(columns(lambda x: (fn(x),), (x,))) & ~found).any()


def test_what_a_loop_that_ends_by_values_does_is_found_at_the_point():
    def halved(x):
        k = 0
        while x[k] < 1:
            k += 1
        return x[k] * x

    same(halved, np.eye(4) + (np.arange(4) == 2) > 0)
    np.testing.assert_array_equal(
        pattern(halved, np.array([2.0, 1, 1, 1])), np.eye(4) + (np.arange(4) == 0) > 0
    )


def test_functions_of_the_graph():
    def power(x, n):
        if n == 0:
            return x * 0.0 + 1.0
        return x * power(x, n - 1)

    def fn(x, n):
        return power(x[:2], n)

    same(fn, [[1, 0, 0, 0], [0, 1, 0, 0]], X, 3)


def test_what_a_custom_rule_says_counts():
    @ad.custom_vjp
    def rounded(x):
        return np.round(x)

    rounded.defvjp(lambda x: (np.round(x), None), lambda _, ct: (ct,))  # straight through
    same(lambda x: rounded(x), np.eye(4))


def test_random_numbers_that_decide_are_refused():
    rng = np.random.default_rng(0)

    def fn(x):
        return x[rng.integers(0, 4)] * 2.0

    with pytest.raises(ad.AdjointError, match="random"):
        pattern(fn, X)

    def harmless(x):
        return x * rng.standard_normal(4)

    same(harmless, np.eye(4))


def test_nothing_is_computed_that_is_not_needed():
    def fn(x, i):
        u = np.exp(np.sin(x))[i]
        for k in range(len(u)):
            u[k] = u[k] * x[k]
        return u

    derivative = ad.sparse_jacobian(fn)
    derivative(np.ones(20), np.arange(15))
    (known,) = derivative._known.values()
    text = ir_text.text(known.detection.function)
    assert "sin" not in text and "exp" not in text and "multiply" not in text


# -- planted ---------------------------------------------------------------------------------------


def lost(x):
    u = np.zeros(len(x))
    for i in range(len(x) - 1):
        u[i] = np.sum(x[i : i + 2]) * x[0]
        u[i] += x[-1]
    return u


def first_only(o):
    return [s for s in o.sets(0)][:1]


def first_element(o):
    return [o.record(indexing.getitem, (s,), index=0) for s in o.sets(0)]


def stored_over(o):
    return elements._stored(o, o.params["path"], o.whole(1))


PLANTED = {
    "a sum forgets all but one": ("reduce_sum", first_element),
    "a sum of two forgets one": ("add", first_only),
    "adding forgets what was there": ("index_add", stored_over),
    "a store forgets": ("update", lambda o: list(o.sets(0))),
}


@pytest.mark.parametrize("name", [None, *PLANTED])
def test_a_missing_entry_is_seen(name, monkeypatch):
    fn = lost
    if name == "adding forgets what was there":
        fn = ad.grad(lambda x: np.sum(lost(x) ** 2))
    x = np.linspace(1, 2, 6)
    if name is not None:
        monkeypatch.setitem(table._RULES, *PLANTED[name])
    missing = nonzero(columns(lambda x: (fn(x),), (x,))) & ~ad.sparsity(fn)(x).toarray()
    assert missing.any() == (name is not None)
