"""Sparse Jacobians and Hessians: values against dense ones, what is kept, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import least_squares, minimize

import adjoint as ad
from adjoint import tree
from adjoint.api import plans
from adjoint.errors import InputError, NonDifferentiableError, NoRuleError, TracingError
from benchmarks.programs.ba import PROGRAM as BA
from benchmarks.programs.ba import ba
from benchmarks.programs.jacobi_2d import PROGRAM as JACOBI
from benchmarks.programs.seidel_2d import PROGRAMS as SEIDEL

X = np.array([0.3, -0.7, 1.1, 0.4, 0.9])


def dense(fn: Any, args: Any, argnums: Any = 0) -> np.ndarray:
    """The Jacobian as one matrix, by the tape."""
    several = argnums if isinstance(argnums, tuple) else (argnums,)
    blocks = ad.jacrev(fn, several)(*args)
    sizes = [np.size(x) for k in several for x in tree.flatten(args[k])[0]]
    leaves = tree.flatten(blocks)[0]
    rows = [leaves[k : k + len(sizes)] for k in range(0, len(leaves), len(sizes))]
    return np.vstack(
        [
            np.hstack([np.reshape(x, (-1, n)) for x, n in zip(row, sizes, strict=True)])
            for row in rows
        ]
    )


def agrees(fn: Any, args: Any, argnums: Any = 0, rtol: float = 1e-10) -> Any:
    derivative = ad.sparse_jacobian(fn, argnums)
    found = derivative(*args)
    assert isinstance(found, sparse.csr_array)
    assert found.has_sorted_indices
    want = dense(fn, args, argnums)
    size = max(1.0, np.max(np.abs(want), initial=0.0))
    np.testing.assert_allclose(found.toarray(), want, rtol=0, atol=rtol * size)
    return derivative


def residuals(x):
    return np.diff(x**3)


def tridiagonal(x):
    u = np.zeros(len(x))
    for i in range(1, len(x) - 1):
        u[i] = x[i - 1] * x[i] - np.exp(x[i + 1])
    return u


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


# -- values ----------------------------------------------------------------------------------------


def test_jacobians():
    plan = agrees(residuals, (X,)).plan(X)
    assert (plan.forward, plan.reverse) == (2, 0)
    plan = agrees(tridiagonal, (np.linspace(0, 1, 40),)).plan(np.ones(40))
    assert (plan.forward, plan.reverse) == (3, 0)
    agrees(lambda x: x.reshape(1, 5).T @ x.reshape(1, 5), (X,))
    agrees(lambda x: 2.0 * x, (3.0,))
    agrees(lambda x: np.zeros(3), (X,))
    agrees(lambda x: (x[0], np.zeros(2), x[1:] * x[0]), (X,))


def test_both_modes_at_once():
    def fn(x):
        y = x**2 * x[0]
        y[0] = np.prod(x)
        return y

    x = np.linspace(1, 2, 30)
    plan = agrees(fn, (x,)).plan(x)
    assert (plan.forward, plan.reverse) == (2, 1)


def test_reverse_sweeps():
    groups = np.repeat(np.arange(10), 4)
    fn = lambda x: np.array([np.sum(x[groups == k] ** 2) for k in range(10)])
    plan = agrees(fn, (np.arange(40.0),)).plan(np.ones(40))
    assert (plan.forward, plan.reverse) == (0, 1)


@pytest.mark.parametrize("program", [*SEIDEL, JACOBI], ids=lambda p: p.name)
def test_stencils_in_loops(program):
    args = program.inputs("tiny", 1)

    def fn(*a):
        return program.function(*[x.copy() if isinstance(x, np.ndarray) else x for x in a])

    agrees(fn, args, program.differentiated)


def test_several_arguments_and_pytrees():
    def fn(p, scale, shift):
        return {"a": p["w"] * scale, "b": (p["v"][1:] + shift, np.sum(p["w"]))}

    p = {"w": X, "v": np.ones((3, 2))}
    agrees(fn, (p, 2.0, 0.5), (0, 1, 2))
    agrees(fn, (p, 2.0, 0.5), (0,))
    agrees(fn, (p, 2.0, 0.5), 1)
    found = ad.sparse_jacobian(fn, 0)(p, scale=2.0, shift=np.float64(0.5))
    assert found.shape == (5 + 4 + 1, 6 + 5)


def test_single_precision():
    found = ad.sparse_jacobian(residuals)(X.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), dense(residuals, (X,)), rtol=1e-5)


def test_holomorphic_functions():
    z = X + 1j * X[::-1]
    found = ad.sparse_jacobian(residuals, holomorphic=True)(z)
    want = ad.jacfwd(residuals, holomorphic=True)(z)
    np.testing.assert_allclose(found.toarray(), want, rtol=1e-12)
    with pytest.raises(NonDifferentiableError, match="holomorphic"):
        ad.sparse_jacobian(residuals)(z)
    with pytest.raises(NonDifferentiableError, match="complex"):
        ad.sparse_jacobian(lambda x: x * 1j)(X)


def test_of_jitted_functions_and_methods():
    agrees(ad.jit(residuals), (X,))

    class Model:
        def __init__(self, scale):
            self.scale = scale

        def residuals(self, x):
            return self.scale * np.diff(x)

    model = Model(3.0)
    derivative = ad.sparse_jacobian(model.residuals)
    assert derivative(X)[0, 0] == -3
    model.scale = 5.0  # read at each call
    assert derivative(X)[0, 0] == -5


def test_in_parts(monkeypatch):
    monkeypatch.setattr(plans, "_LARGEST", 25)
    for fn in (tridiagonal, lambda x: np.array([np.sum(x), np.sum(x[:6] ** 2), x[0]])):
        x = np.linspace(0, 1, 12)
        plan = agrees(fn, (x,)).plan(x)
        assert len(plan._batches) > 1


def test_bundle_adjustment():
    args = BA.inputs("tiny", 2)
    derivative = agrees(ba, args, (0, 1, 2), rtol=1e-12)
    # 14 entries in each row of an observation, one in that of its weight
    assert derivative.plan(*args).pattern.nnz == 29 * len(args[2])
    more = BA.inputs("tiny", 3)
    more = (*more[:4], np.arange(12) % 3, np.arange(12) // 3)
    np.testing.assert_allclose(
        derivative(*more).toarray(), dense(ba, more, (0, 1, 2)), rtol=1e-10, atol=1e-10
    )


# -- Hessians --------------------------------------------------------------------------------------


def agrees_twice(fn: Any, args: Any, argnums: Any = 0, rtol: float = 1e-10) -> Any:
    derivative = ad.sparse_hessian(fn, argnums)
    several = argnums if isinstance(argnums, tuple) else (argnums,)
    found = derivative(*args).toarray()
    want = dense(lambda *a: tuple(ad.grad(fn, several)(*a)), args, several)
    size = max(1.0, np.max(np.abs(want)))
    np.testing.assert_allclose(found, want, rtol=0, atol=rtol * size)
    np.testing.assert_array_equal(found, found.T)
    return derivative.plan(*args)


def test_hessians():
    x = np.linspace(-1, 1, 30)
    assert agrees_twice(rosenbrock, (x,)).forward == 3
    assert agrees_twice(lambda x: np.sum(np.sin(x)), (x,)).forward == 1
    assert agrees_twice(lambda x: np.sum(x[0] * x[1:] ** 2), (x,)).forward == 2  # an arrow
    assert agrees_twice(lambda x: np.sum(3 * x) + x[0] * x[1], (x,)).pattern.nnz == 2
    agrees_twice(lambda x, y: np.sum(x * np.exp(y)), (X, X[::-1].copy()), (0, 1))
    agrees_twice(lambda p: np.sum(p["a"] ** 3) * p["b"], ({"a": X, "b": 2.0},))


def test_hessian_of_a_loop():
    def energy(x):
        s = 0.0
        for i in range(len(x) - 1):
            s += (x[i + 1] - x[i] ** 2) ** 2
        return s

    plan = agrees_twice(energy, (np.linspace(-1, 1, 20),))
    assert plan.forward == 3
    assert plan.pattern.nnz == 3 * 20 - 2

    def carried(x):
        s = 1.0
        for i in range(len(x)):
            s = s * x[i] + 1.0
        return s

    agrees_twice(carried, (np.linspace(0.5, 1, 9),))


def test_hessian_of_no_scalar():
    with pytest.raises(InputError, match="scalar"):
        ad.sparse_hessian(residuals)(X)


# -- random functions ------------------------------------------------------------------------------


def passes(y, count):
    y = y * 1.0
    for _ in range(count):
        for i in range(1, len(y) - 1):
            y[i] = 0.5 * y[i - 1] * y[i] + y[i + 1]
    return y


def kinked(y):
    z = np.zeros(len(y))
    for i in range(len(y) - 1):
        if y[i] > 0.1:
            z[i] = y[i] * y[i + 1]
        elif y[i + 1] > 0:
            z[i] += y[i]
    return z


def added(y, index):
    z = y * 0.5
    np.add.at(z, index, y[::-1])
    return z


def stored(y, index):
    z = np.sin(y)
    z[index] = y[0] * y[index[::-1]]
    return z


STEPS = {
    "elementwise": lambda y, d: np.sin(y) * d.normal + y,
    "gather": lambda y, d: y[d.index],
    "shift": lambda y, d: np.concatenate([y[1:] * y[:-1], y[:1]]),
    "stencil": lambda y, d: passes(y, d.count),
    "branch": lambda y, d: kinked(y),
    "scatter": lambda y, d: added(y, d.index),
    "store": lambda y, d: stored(y, d.index[:3]),
    "scan": lambda y, d: np.cumsum(y[: d.count + 1] ** 2)[-1] + y,
    "band": lambda y, d: d.matrix @ np.tanh(y),
    "mask": lambda y, d: np.where(d.mask, y, 0.5) * y,
    "sum": lambda y, d: y * np.sum(y[d.mask]),
    "outer": lambda y, d: np.sum(np.outer(y[:2], y), axis=0),
    "root": lambda y, d: y / np.sqrt(1 + y**2),
}


class Data:
    def __init__(self, rng, n):
        self.normal = rng.standard_normal(n)
        self.index = rng.integers(0, n, n)
        self.count = int(rng.integers(1, 3))
        self.matrix = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.2)
        self.mask = rng.random(n) < 0.6


@st.composite
def functions(draw):
    n = draw(st.integers(4, 13))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    chosen = draw(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4))
    data = [Data(rng, n) for _ in chosen]

    def fn(x):
        y = x
        for name, d in zip(chosen, data):
            y = STEPS[name](y, d)
        return y

    fn.__name__ = " ".join(chosen)
    return fn, rng.uniform(-1, 1, n), rng.uniform(-1, 1, n)


@settings(max_examples=60, deadline=None)
@given(functions())
def test_random_functions(drawn):
    fn, x, other = drawn
    derivative = agrees(fn, (x,), rtol=1e-9)
    want = dense(fn, (other,))
    size = max(1.0, np.max(np.abs(want)))
    np.testing.assert_allclose(derivative(other).toarray(), want, rtol=0, atol=1e-9 * size)


@settings(max_examples=30, deadline=None)
@given(functions())
def test_random_hessians(drawn):
    fn, x, _ = drawn
    weights = np.cos(np.arange(len(x)))
    agrees_twice(lambda x: np.sum(weights * fn(x)), (x,), rtol=1e-8)


# -- what is kept ----------------------------------------------------------------------------------


def counted(monkeypatch):
    """Count the patterns that are found, and the colourings."""
    from adjoint.api import sparse as module
    from adjoint.transforms.sparsity.detect import Detection

    calls = []
    find, colour = Detection.__call__, module.of_jacobian
    monkeypatch.setattr(Detection, "__call__", lambda s, v: calls.append("pattern") or find(s, v))
    monkeypatch.setattr(module, "of_jacobian", lambda *a: calls.append("colours") or colour(*a))
    return calls


def test_a_second_call_computes_values_alone(monkeypatch):
    calls = counted(monkeypatch)
    derivative = ad.sparse_jacobian(tridiagonal)
    for k in range(4):
        derivative(np.linspace(0, k, 30))
    assert calls == ["pattern", "colours"]
    derivative(np.linspace(0, 1, 31))  # another length of the same graph
    derivative(np.linspace(0, 1, 30))
    assert calls == ["pattern", "colours"] * 2


def test_other_indices_have_another_pattern(monkeypatch):
    calls = counted(monkeypatch)
    fn = lambda x, index: x[index] * x[0]
    derivative = ad.sparse_jacobian(fn)
    first, second = np.array([1, 2, 3]), np.array([4, 4, 0])
    for index in (first, second, first, second.copy()):
        found = derivative(X, index).toarray()
        np.testing.assert_allclose(found, dense(lambda x: fn(x, index), (X,)))
    assert calls == ["pattern", "colours"]
    first[0] = 4  # in place
    np.testing.assert_allclose(derivative(X, first).toarray(), dense(lambda x: fn(x, first), (X,)))


def test_values_that_decide_are_looked_at_at_each_call(monkeypatch):
    calls = counted(monkeypatch)
    derivative = ad.sparse_jacobian(lambda x: np.sort(x) ** 2)
    for x in (X, X[::-1].copy(), X * 2, X[::-1] * 3.0):
        np.testing.assert_allclose(derivative(x).toarray(), dense(lambda x: np.sort(x) ** 2, (x,)))
    # of the same order of values the pattern is the same, and so are the sweeps
    assert calls.count("pattern") == 4
    assert calls.count("colours") == 2


def test_zeros_of_a_matrix_that_is_an_argument(monkeypatch):
    calls = counted(monkeypatch)
    fn = lambda x, a: a @ np.sin(x)
    derivative = ad.sparse_jacobian(fn)
    a = np.eye(5) + np.eye(5, k=2)
    for matrix in (a, 2 * a, a + np.eye(5, k=-1), a - 1.0):
        found = derivative(X, matrix)
        assert found.nnz == np.count_nonzero(matrix)
        np.testing.assert_allclose(found.toarray(), dense(lambda x: fn(x, matrix), (X,)))
    assert calls.count("pattern") == 3


def test_a_matrix_is_the_callers_own():
    derivative = ad.sparse_jacobian(residuals)
    first = derivative(X)
    want = first.toarray()
    first.data[:] = 0
    first.eliminate_zeros()
    first.resize((2, 2))
    np.testing.assert_array_equal(derivative(X).toarray(), want)


# -- patterns that are given -----------------------------------------------------------------------

BAND = np.eye(4, 5) + np.eye(4, 5, k=1) > 0


@pytest.mark.parametrize(
    "given_pattern",
    [
        BAND,
        BAND.astype(int),
        sparse.csr_array(BAND),
        sparse.coo_matrix(BAND.astype(float)),
        sparse.csc_array(BAND),
        np.ones((4, 5), bool),
    ],
)
def test_given_patterns(given_pattern, monkeypatch):
    calls = counted(monkeypatch)
    derivative = ad.sparse_jacobian(residuals, sparsity=given_pattern)
    for x in (X, 2 * X):
        np.testing.assert_allclose(derivative(x).toarray(), dense(residuals, (x,)), atol=1e-14)
    assert calls == ["colours"]


def test_stored_zeros_of_a_pattern_count():
    stored_zeros = sparse.csr_array(BAND.astype(float))
    stored_zeros.data[:] = 0
    found = ad.sparse_jacobian(residuals, sparsity=stored_zeros)(X)
    np.testing.assert_allclose(found.toarray(), dense(residuals, (X,)))


@pytest.mark.parametrize("entry", range(8))
def test_a_pattern_that_lacks_an_entry(entry):
    lacking = BAND.copy()
    lacking[tuple(np.argwhere(BAND)[entry])] = False
    with pytest.raises(InputError, match="lacks entries"):
        ad.sparse_jacobian(residuals, sparsity=lacking)(X)


def test_a_hessians_pattern_that_lacks_an_entry():
    full = np.eye(5) + np.eye(5, k=1) + np.eye(5, k=-1)
    found = ad.sparse_hessian(rosenbrock, sparsity=full)(X)
    np.testing.assert_allclose(found.toarray(), ad.hessian(rosenbrock)(X), rtol=1e-12, atol=1e-12)
    full[0, 1] = full[1, 0] = 0
    with pytest.raises(InputError, match="lacks entries"):
        ad.sparse_hessian(rosenbrock, sparsity=full)(X)
    full[0, 1] = 1
    with pytest.raises(InputError, match="symmetric"):
        ad.sparse_hessian(rosenbrock, sparsity=full)


def test_patterns_of_another_shape_or_kind():
    with pytest.raises(InputError, match=r"\(5, 5\).*\(4, 5\)"):
        ad.sparse_jacobian(residuals, sparsity=np.eye(5))(X)
    for wrong in ("dense", np.ones(3), [[None]]):
        with pytest.raises(InputError, match="sparsity is a matrix"):
            ad.sparse_jacobian(residuals, sparsity=wrong)


def test_a_pattern_for_other_lengths():
    for fn, of in (
        (lambda x, k: x[:k] * x[0], np.ones((3, 5))),
        (lambda x, k: np.cumsum(x)[:k], np.ones((2, 5))),
    ):
        derivative = ad.sparse_jacobian(fn, sparsity=of)
        k = len(of)
        np.testing.assert_allclose(
            derivative(X, k).toarray(), dense(lambda x: fn(x, k), (X,)), rtol=1e-12
        )
        for other in (k - 1, k + 1, 5):
            with pytest.raises(InputError, match="shape"):
                derivative(X, other)


# -- jacobian --------------------------------------------------------------------------------------


def test_jacobian_with_sparsity():
    for given_pattern in (True, BAND):
        found = ad.jacobian(residuals, sparsity=given_pattern)(X)
        assert isinstance(found, sparse.csr_array)
        np.testing.assert_allclose(found.toarray(), ad.jacobian(residuals)(X), rtol=1e-12)
    assert isinstance(ad.jacobian(residuals, sparsity=False)(X), np.ndarray)
    with pytest.raises(InputError, match="has_aux"):
        ad.jacobian(residuals, has_aux=True, sparsity=True)


# -- what is refused -------------------------------------------------------------------------------


def test_inside_of_other_transformations():
    derivative = ad.sparse_jacobian(residuals)
    with pytest.raises(InputError, match="ad.jacobian"):
        ad.grad(lambda x: derivative(x).sum())(X)
    with pytest.raises(InputError, match="ad.jacobian"):
        ad.jit(lambda x: derivative(x).data)(X)


def test_integers_have_no_derivative():
    with pytest.raises(NonDifferentiableError, match="integers"):
        ad.sparse_jacobian(residuals)(np.arange(5))
    with pytest.raises(NonDifferentiableError, match="returned"):
        ad.sparse_jacobian(lambda x: (x, 3))(X)
    with pytest.raises(NonDifferentiableError, match="returned"):
        ad.sparse_jacobian(lambda x: np.argsort(x))(X)
    with pytest.raises(InputError, match="argnums"):
        ad.sparse_jacobian(residuals, 2)(X)


def test_arguments_stay_as_they_are():
    def fn(x, out):
        x[0] *= 2
        out[:] = x[0] * x**2
        return out

    for given_pattern in (None, np.ones((5, 5))):
        x, out = X.copy(), np.zeros(5)
        found = ad.sparse_jacobian(fn, sparsity=given_pattern)(x, out)
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(out, 0)
        np.testing.assert_allclose(found.toarray(), ad.jacobian(fn)(x, out), rtol=1e-12)


def test_functions_that_must_run_once():
    rng = np.random.default_rng(0)
    with pytest.raises(TracingError, match="random numbers"):
        ad.sparse_jacobian(lambda x: x * rng.standard_normal(5))(X)

    class Counted:
        calls = 0

        def fn(self, x):
            self.calls += 1
            return x[:2] * np.sum(x)

    for given_pattern in (None, np.ones((2, 5))):
        counted = Counted()
        with pytest.raises(TracingError, match="changes"):
            ad.sparse_jacobian(counted.fn, sparsity=given_pattern)(X)
        assert counted.calls == 0


def test_a_hessian_without_symmetry():
    @ad.custom_vjp
    def fn(x):
        return np.sum(x)

    fn.defvjp(lambda x: (np.sum(x), x), lambda x, ct: (ct * np.concatenate([x[1:], x[:1]]),))
    with pytest.raises(InputError, match="not symmetric"):
        ad.sparse_hessian(lambda x: fn(x))(X)


def test_nothing_to_differentiate_by():
    assert ad.sparse_jacobian(lambda p: np.ones(2))(()).shape == (2, 0)
    assert ad.sparse_jacobian(lambda x: x**2)(np.zeros(0)).shape == (0, 0)
    assert ad.sparse_jacobian(lambda x: ())(X).shape == (0, 5)


def test_functions_that_cannot_be_staged():
    seen = []

    def fn(x):
        seen.append(x)
        return x * 1.0

    with pytest.raises(ad.AdjointError, match="append"):
        ad.sparse_jacobian(fn)(X)


# -- functions of the user's -----------------------------------------------------------------------


def test_functions_with_one_mode():
    square = ad.external(lambda x: x**2, shape=lambda x: x, vjp=lambda x, ct: 2 * x * ct)
    derivative = agrees(lambda x: square(x)[:2] * x[0], (X,))
    assert derivative.plan(X).forward == 0
    given_pattern = np.ones((2, 5))
    found = ad.sparse_jacobian(lambda x: square(x)[:2] * x[0], sparsity=given_pattern)(X)
    np.testing.assert_allclose(found.toarray(), derivative(X).toarray())
    with pytest.raises(NoRuleError):
        ad.sparse_hessian(lambda x: np.sum(square(x)))(X)

    def push(xs, dots):
        return 2 * xs[0] * dots[0]

    pushed = ad.external(lambda x: x**2, shape=lambda x: x, jvp=push)
    derivative = ad.sparse_jacobian(lambda x: pushed(x)[:2])
    assert derivative.plan(X).reverse == 0
    np.testing.assert_allclose(derivative(X).toarray(), np.eye(2, 5) * 2 * X)


# -- in use ----------------------------------------------------------------------------------------


def test_scipy_takes_them():
    def system(x):
        r = (3 - 2 * x) * x + 1
        r[1:] -= x[:-1]
        r[:-1] -= 2 * x[1:]
        return r

    start = np.full(40, -1.0)
    jacobian: Any = ad.sparse_jacobian(system)
    found = least_squares(system, start, jac=jacobian, xtol=1e-12)
    np.testing.assert_allclose(system(found.x), 0, atol=1e-8)
    start = np.full(40, 0.5)
    gradient = ad.jit(ad.grad(rosenbrock))
    hessian: Any = ad.sparse_hessian(rosenbrock)
    found = minimize(rosenbrock, start, jac=gradient, hess=hessian, method="trust-constr")
    np.testing.assert_allclose(found.x, 1, atol=1e-3)
