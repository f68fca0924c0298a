"""The suite of whole programs, at its smallest size: both modes against differences, closed forms.

Differences are along one random direction and see every argument at once; the closed forms are
element for element and exact to rounding.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import adjoint as ad
from benchmarks.programs import PROGRAMS, Program, floating_results, fresh
from tests.harness import differences

STEP = 2e-4
NAMES = (
    "adi", "atax", "azimint_naive", "cavity_flow", "cholesky", "cholesky_elements", "conv2d_bias",
    "correlation", "deriche", "doitgen", "durbin", "gemm", "gemver", "go_fast", "gramschmidt",
    "hdiff", "heat_3d", "jacobi_1d", "jacobi_2d", "k3mm", "lenet", "lu", "mlp", "seidel_2d",
    "seidel_2d_elements", "softmax", "spmv", "symm", "syrk", "trisolv", "trmm", "vadv",
)  # fmt: skip


class Setting:
    """A program with its arguments, its loss, and a direction of the size of the arguments."""

    def __init__(self, program: Program, seed: int = 0) -> None:
        self.program = program
        self.args = program.inputs("tiny", seed)
        self.weights = program.weights("tiny", seed)
        self.loss = program.loss(self.weights)
        rng = np.random.default_rng(zlib.crc32(program.name.encode()))
        self.direction = []
        for k in program.differentiated:
            x = np.asarray(self.args[k])
            size = np.sqrt(np.mean(x**2)) if x.any() else 1.0
            self.direction.append((size * rng.standard_normal(x.shape))[()])

    def moved(self, s: float) -> tuple[Any, ...]:
        args = list(fresh(self.args))
        for k, d in zip(self.program.differentiated, self.direction):
            args[k] = args[k] + s * d
        return tuple(args)

    def gradient(self, *args: Any) -> tuple[Any, ...]:
        return ad.grad(self.loss, argnums=self.program.differentiated)(*args)

    def along(self, gradient: tuple[Any, ...]) -> float:
        return float(sum(np.sum(g * d) for g, d in zip(gradient, self.direction)))

    def size(self, gradient: tuple[Any, ...]) -> float:
        return float(sum(np.sum(abs(g * d)) for g, d in zip(gradient, self.direction)))

    def pushed(self, fn: Any) -> tuple[Any, Any]:
        """Return jvp of ``fn`` of all arguments; buffers that it overwrites have zero tangents."""
        spots = [k for k, a in enumerate(self.args) if is_float(a)]
        moving = dict(zip(self.program.differentiated, self.direction))
        tangents = [moving.get(k, np.zeros(np.shape(self.args[k]))[()]) for k in spots]

        def of_floats(*xs: Any) -> Any:
            args = list(self.args)
            for k, x in zip(spots, xs):
                args[k] = x
            return fn(*args)

        return ad.jvp(of_floats, tuple(self.args[k] for k in spots), tuple(tangents))


def is_float(x: Any) -> bool:
    return isinstance(x, float) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and np.array_equal(a, b)


def test_the_thirty_are_there() -> None:
    assert not set(NAMES) - set(PROGRAMS)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_come_from_the_seed(name: str) -> None:
    program = PROGRAMS[name]
    assert {"tiny", "S", "M"} <= set(program.sizes)
    first, again = program.inputs("tiny", 3), program.inputs("tiny", 3)
    assert all(map(same, first, again))
    other = program.inputs("tiny", 4)
    assert any(not same(a, b) for a, b in zip(first, other))
    assert all(is_float(first[k]) for k in program.differentiated)


@pytest.mark.parametrize("name", NAMES)
def test_reverse_forward_and_differences(name: str) -> None:
    at = Setting(PROGRAMS[name])
    before = fresh(at.args)
    value = at.loss(*fresh(at.args))
    assert np.isfinite(value)
    gradient = at.gradient(*at.args)
    assert all(map(same, at.args, before)), "the caller's arguments were changed"
    for g, k in zip(gradient, at.program.differentiated):
        assert np.shape(g) == np.shape(at.args[k])
        assert np.all(np.isfinite(g)) and np.any(g), "a gradient that is zero tests nothing"
    reverse, scale = at.along(gradient), at.size(gradient)
    pushed, forward = at.pushed(at.loss)
    assert all(map(same, at.args, before)), "the caller's arguments were changed"
    np.testing.assert_allclose(pushed, value, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(forward, reverse, rtol=0, atol=1e-12 * scale)
    (numeric,) = differences(lambda s: [at.loss(*at.moved(s))], STEP)
    np.testing.assert_allclose(reverse, numeric, rtol=0, atol=1e-9 * max(scale, abs(value)))


@pytest.mark.parametrize("name", NAMES)
def test_second_order(name: str) -> None:
    at = Setting(PROGRAMS[name], seed=1)
    _, dots = at.pushed(at.gradient)
    numeric = differences(lambda s: list(at.gradient(*at.moved(s))), STEP)
    gradient = at.gradient(*at.args)
    for dot, want, g in zip(dots, numeric, gradient):
        size = max(np.max(abs(np.asarray(want))), np.max(abs(np.asarray(g))))
        np.testing.assert_allclose(dot, want, rtol=0, atol=1e-8 * size)


# ------------------------------------------------------------------------------------ closed forms


def symmetric(lower: Any) -> Any:
    return np.tril(lower) + np.tril(lower, -1).T


def of_atax(args: Any, w: Any) -> Any:
    a, x = args
    return np.outer(a @ w, x) + np.outer(a @ x, w), a.T @ (a @ w)


def of_azimint_naive(args: Any, w: Any) -> Any:
    data, radius, npt = args
    rings = (radius / radius.max() * npt).astype(int)
    counts = np.bincount(rings, minlength=npt + 1)
    return (np.append(w, 0.0)[rings] / counts[rings],)


def of_cholesky(args: Any, w: Any) -> Any:
    # I. Murray 2016, arXiv:1602.07527, for a function of the lower triangle alone.
    l = np.linalg.cholesky(args[0])
    phi = np.tril(l.T @ np.tril(w))
    phi[np.diag_indices_from(phi)] /= 2.0
    inverse = np.linalg.inv(l)
    s = inverse.T @ phi @ inverse
    return (np.tril(s + s.T) - np.diag(np.diag(s)) + np.triu(w, 1),)


def of_doitgen(args: Any, w: Any) -> Any:
    a, c4 = args
    return w @ c4.T, np.einsum("rqs,rqp->sp", a, w)


def of_durbin(args: Any, w: Any) -> Any:
    # T y = −r: with λ = T⁻¹ w, r̄ = −λ − Σ_{|a−b|=i+1} λ_a y_b.
    (r,) = args
    n = len(r)
    t = scipy.linalg.toeplitz(np.append(1.0, r[:-1]))
    y, lam = np.linalg.solve(t, -r), np.linalg.solve(t, w)
    outer = np.outer(lam, y)
    diagonals = [np.trace(outer, k) + np.trace(outer, -k) for k in range(1, n)]
    return (-lam - np.append(diagonals, 0.0),)


def of_gemm(args: Any, w: Any) -> Any:
    alpha, beta, c, a, b = args
    return np.sum(w * (a @ b)), np.sum(w * c), beta * w, alpha * w @ b.T, alpha * a.T @ w


def of_go_fast(args: Any, w: Any) -> Any:
    return (w + np.sum(w) * np.diag(1.0 / np.cosh(np.diag(args[0])) ** 2),)


def of_k3mm(args: Any, w: Any) -> Any:
    a, b, c, d = args
    e, f = a @ b, c @ d
    return w @ f.T @ b.T, a.T @ w @ f.T, e.T @ w @ d.T, c.T @ e.T @ w


def of_lu(args: Any, w: Any) -> Any:
    packed = PROGRAMS["lu"].function(*fresh(args))
    l, u = np.tril(packed, -1) + np.eye(len(packed)), np.triu(packed)
    middle = np.tril(l.T @ np.tril(w, -1), -1) + np.triu(np.triu(w) @ u.T)
    return (np.linalg.inv(l).T @ middle @ np.linalg.inv(u).T,)


def of_softmax(args: Any, w: Any) -> Any:
    y = scipy.special.softmax(args[0], axis=-1)
    return (y * (w - np.sum(w * y, axis=-1, keepdims=True)),)


def of_spmv(args: Any, w: Any) -> Any:
    row, col, val, x = args
    rows = np.repeat(np.arange(len(row) - 1), np.diff(row.astype(int)))
    return w[rows] * x[col], np.bincount(col, weights=val * w[rows], minlength=len(x))


def of_symm(args: Any, w: Any) -> Any:
    alpha, beta, c, a, b = args
    s = symmetric(a)
    s_bar = alpha * w @ b.T
    a_bar = np.tril(s_bar) + np.tril(s_bar.T, -1)
    return np.sum(w * (s @ b)), np.sum(w * c), beta * w, a_bar, alpha * s @ w


def of_syrk(args: Any, w: Any) -> Any:
    alpha, beta, c, a = args
    lower = np.tril(w)
    return (
        np.sum(lower * (a @ a.T)), np.sum(lower * c),
        beta * lower + np.triu(w, 1), alpha * (lower + lower.T) @ a,
    )  # fmt: skip


def of_trisolv(args: Any, w: Any) -> Any:
    l, _, b = args
    x = np.linalg.solve(l, b)
    b_bar = np.linalg.solve(l.T, w)
    return np.tril(-np.outer(b_bar, x)), b_bar


def of_trmm(args: Any, w: Any) -> Any:
    alpha, a, b = args
    l = np.tril(a, -1) + np.eye(len(a))
    return np.sum(w * (l.T @ b)), np.tril(alpha * b @ w.T, -1), alpha * l @ w


def of_jacobi(args: Any, w_a: Any, w_b: Any, weight: float, offsets: Any) -> Any:
    """The transposed sweeps, one scatter a neighbour."""
    tsteps = args[0]
    bars = [w_a.copy(), w_b.copy()]
    inside = (slice(1, -1),) * w_a.ndim
    for _ in range(1, tsteps):
        for target, source in ((0, 1), (1, 0)):
            ct = bars[target][inside].copy()
            bars[target][inside] = 0.0
            for offset in offsets:
                where = tuple(slice(1 + o, n - 1 + o) for o, n in zip(offset, w_a.shape))
                bars[source][where] += weight * ct
    return tuple(bars)


def of_jacobi_1d(args: Any, w_a: Any, w_b: Any) -> Any:
    return of_jacobi(args, w_a, w_b, 0.33333, [(-1,), (0,), (1,)])


def of_jacobi_2d(args: Any, w_a: Any, w_b: Any) -> Any:
    return of_jacobi(args, w_a, w_b, 0.2, [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])


CLOSED = {
    "atax": of_atax,
    "azimint_naive": of_azimint_naive,
    "cholesky": of_cholesky,
    "cholesky_elements": of_cholesky,
    "doitgen": of_doitgen,
    "durbin": of_durbin,
    "gemm": of_gemm,
    "go_fast": of_go_fast,
    "jacobi_1d": of_jacobi_1d,
    "jacobi_2d": of_jacobi_2d,
    "k3mm": of_k3mm,
    "lu": of_lu,
    "softmax": of_softmax,
    "spmv": of_spmv,
    "symm": of_symm,
    "syrk": of_syrk,
    "trisolv": of_trisolv,
    "trmm": of_trmm,
}


@pytest.mark.parametrize("name", CLOSED)
def test_gradient_in_closed_form(name: str) -> None:
    at = Setting(PROGRAMS[name], seed=2)
    want = CLOSED[name](at.args, *at.weights)
    for got, expected in zip(at.gradient(*at.args), want, strict=True):
        size = np.max(abs(np.asarray(expected)))
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * size)


# ------------------------------------------------------------------- what the programs compute


def of_tiny(name: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    args = PROGRAMS[name].inputs("tiny", 5)
    return args, floating_results(PROGRAMS[name].function(*fresh(args)))


def test_factorisations_multiply_back() -> None:
    for name in ("cholesky", "cholesky_elements"):
        (a,), (packed,) = of_tiny(name)
        np.testing.assert_allclose(np.tril(packed), np.linalg.cholesky(a), rtol=1e-12, atol=1e-13)
        assert same(np.triu(packed, 1), np.triu(a, 1))
    (a,), (packed,) = of_tiny("lu")
    l = np.tril(packed, -1) + np.eye(len(a))
    np.testing.assert_allclose(l @ np.triu(packed), a, rtol=1e-12, atol=1e-13)
    (a,), (orthogonal, q, r) = of_tiny("gramschmidt")
    np.testing.assert_allclose(q @ r, a, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(q.T @ q, np.eye(a.shape[1]), atol=1e-12)
    np.testing.assert_allclose(orthogonal, q * np.diag(r), rtol=1e-12, atol=1e-13)


def test_solvers_solve() -> None:
    (l, _, b), (x,) = of_tiny("trisolv")
    np.testing.assert_allclose(l @ x, b, rtol=1e-12, atol=1e-13)
    (r,), (y,) = of_tiny("durbin")
    t = scipy.linalg.toeplitz(np.append(1.0, r[:-1]))
    np.testing.assert_allclose(t @ y, -r, atol=1e-13)


def test_vertical_advection_solves_its_columns() -> None:
    (stage, u, wcon, u_pos, utens, dtr), (out,) = of_tiny("vadv")
    x = out / dtr + u_pos
    face = 0.125 * (wcon[1:] + wcon[:-1])
    below, above = -face, np.concatenate([face[:, :, 1:], 0.0 * face[:, :, :1]], axis=2)
    below[:, :, 0] = 0.0

    def applied(f: Any) -> Any:
        down = np.concatenate([f[:, :, :1], f[:, :, :-1]], axis=2)
        up = np.concatenate([f[:, :, 1:], f[:, :, -1:]], axis=2)
        return below * (down - f) + above * (up - f)

    np.testing.assert_allclose(
        dtr * x + applied(x), dtr * u_pos + utens + stage - applied(u), rtol=1e-12
    )


def test_adi_is_exact_where_the_boundary_values_are_the_solution() -> None:
    steady = np.ones((6, 6))
    np.testing.assert_allclose(PROGRAMS["adi"].function(2, 6, steady.copy()), steady, rtol=1e-12)


def test_both_forms_of_a_program_agree() -> None:
    for name in ("seidel_2d", "cholesky"):
        (*_, a), (row,) = of_tiny(name)
        _, (elements,) = of_tiny(name + "_elements")
        np.testing.assert_allclose(row, elements, rtol=1e-12, atol=1e-13)
        assert not same(row, a)


def test_correlation_is_numpys() -> None:
    (_, data), (corr, _) = of_tiny("correlation")
    wide = np.std(data, axis=0) > 0.1
    assert not wide.all()
    want = np.corrcoef(data[:, wide], rowvar=False)
    np.testing.assert_allclose(corr[np.ix_(wide, wide)], want, atol=1e-12)


def test_deriche_is_the_same_along_both_axes() -> None:
    deriche = PROGRAMS["deriche"].function
    image = np.random.default_rng(0).uniform(size=(5, 7))
    np.testing.assert_allclose(deriche(0.3, image.T), deriche(0.3, image).T, rtol=1e-12)


def test_convolution_is_scipys() -> None:
    from scipy.signal import correlate

    (x, weights, bias), (out,) = of_tiny("conv2d_bias")
    for n in range(x.shape[0]):
        for o in range(weights.shape[3]):
            want = correlate(x[n], weights[..., o], mode="valid")[..., 0] + bias[o]
            np.testing.assert_allclose(out[n, :, :, o], want, rtol=1e-12, atol=1e-13)
