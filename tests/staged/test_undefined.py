"""Where derivatives are undefined: what a staged program refuses when it runs, and what not.

The same programs as in tests/numpy_api/test_linalg.py, where the numbers are checked.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg as sl

import adjoint as ad
from adjoint.errors import UndefinedDerivativeError
from adjoint.ir.parse import parse
from adjoint.ir.text import text
from adjoint.ops.plain import lookup
from tests.numpy_api import test_linalg as eager

E = eager.E
TALL = np.array([[1.0, 0.3], [-0.4, 2.0], [0.5, 0.7], [1.5, -0.2]])

REFUSED = {
    "singular value of several": (lambda x: np.linalg.svd(x)[0], np.eye(2), "values are repeated"),
    "right vectors": (lambda x: np.linalg.svd(x)[2], np.eye(2), "values are repeated"),
    "singular value zero": (
        lambda x: np.linalg.svd(x, full_matrices=False)[0],
        np.outer([1.0, 2, 3], [1.0, 1]),
        "singular value is zero",
    ),
    "completed basis": (
        lambda x: np.linalg.qr(x, "complete")[0][0, 3], TALL, "space they span",
    ),
    "defective": (lambda x: np.linalg.eig(x)[0], np.eye(3, k=1), "defective"),
    "repeated": (lambda x: np.linalg.eig(x)[1], np.eye(2), "repeated"),
    "eigenvector": (lambda x: np.linalg.eigh(x)[1][:, 0], np.eye(3), "eigenvectors have no"),
    "some eigenvectors": (
        lambda x: sl.eigh(x, subset_by_index=[1, 2])[1],
        eager.hermitian([1.0, 1.0, 4.0]),
        "eigenvectors have no",
    ),
    "slogdet": (lambda x: np.linalg.slogdet(x)[1], np.ones((2, 2)), r"np\.linalg\.det is there"),
    "sqrtm": (lambda x: sl.sqrtm(x), np.diag([1.0, 0.0]), "sqrtm"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_both_modes(name, lengths):
    f, x, message = REFUSED[name]
    value = f(x)

    def reverse(x, ct):
        return ad.vjp(f, x)[1](ct)

    forward = ad.jit(lambda x, t: ad.jvp(f, (x,), (t,))[1])
    # Qualified at a regular matrix, run at the others.
    regular = np.eye(*x.shape) * np.arange(1.0, x.shape[1] + 1) + 0.1 * np.arange(x.size).reshape(
        x.shape
    )
    regular = regular + regular.T if x.shape[0] == x.shape[1] else regular
    t, ct = np.ones_like(x), np.ones_like(f(regular))
    backward = ad.jit(reverse)
    if name != "completed basis":
        assert np.all(np.isfinite(forward(regular, t)))
        assert np.all(np.isfinite(backward(regular, ct)[0]))
        with pytest.raises(UndefinedDerivativeError, match=message):
            forward(x, t)
    with pytest.raises(UndefinedDerivativeError, match=message):
        backward(x, np.ones_like(value))


def test_what_is_not_used_does_no_harm(lengths):
    def f(x):
        w, _ = np.linalg.eigh(x)
        return np.sum(w**2) + np.sum(np.linalg.svd(x)[1]) + np.linalg.eigvals(x)[0].real

    gradient = ad.jit(ad.grad(f))(np.eye(3))
    np.testing.assert_allclose(gradient, ad.grad(f)(np.eye(3)), atol=1e-14)
    push = ad.jit(lambda x, t: ad.jvp(f, (x,), (t,))[1])
    np.testing.assert_allclose(push(np.eye(3), E), ad.jvp(f, (np.eye(3),), (E,))[1])


def test_branches_that_are_not_taken_refuse_nothing():
    @ad.jit
    @ad.grad
    def f(x):
        if x[0, 1] > 0:
            return np.linalg.eigh(x)[1][0, 0]
        return np.sum(x**2)

    np.testing.assert_allclose(f(np.eye(2)), 2 * np.eye(2))


def test_third_derivatives_of_det():
    third = ad.jit(ad.grad(ad.grad(ad.grad(lambda t, a: np.linalg.det(a + t * E)))))
    assert np.isclose(third(0.0, np.diag([1.0, 2.0, 4.0])), 6 * np.linalg.det(E))
    with pytest.raises(UndefinedDerivativeError, match="third and higher"):
        third(0.0, np.zeros((3, 3)))


def test_checks_are_written_and_read():
    graph = ad.stage(ad.grad(lambda x: np.linalg.eigh(x)[1][0, 0]))(np.eye(2))
    assert "checked(" in str(graph)
    constants: dict[str, object] = {}
    written = text(graph.function, constants=constants)
    (function,) = parse(written, lookup, constants)
    assert text(function) == text(graph.function)


def test_checks_of_all_examples():
    f = ad.grad(lambda x: np.linalg.slogdet(x)[1])
    stack = np.stack([np.eye(2), 2 * np.eye(2)])
    batched = ad.jit(ad.vmap(f))
    np.testing.assert_allclose(batched(stack), np.linalg.inv(stack))
    with pytest.raises(UndefinedDerivativeError, match="slogdet"):
        batched(np.stack([np.eye(2), np.ones((2, 2))]))


# -- functions of a Hermitian matrix through its eigenvectors --------------------------------------


@pytest.mark.parametrize("form", eager.FORMS)
@pytest.mark.parametrize("is_complex", [False, True])
def test_spectral_functions_at_repeated_eigenvalues(form, is_complex, lengths):
    e = eager.hermitian([1.0, -2.0, 0.7], is_complex)
    ct = eager.rng.standard_normal((3, 3)) * (1 + 1j if is_complex else 1)
    forward = ad.jit(lambda a, e: ad.jvp(form, (a,), (e,)))
    backward = ad.jit(lambda a, ct: ad.vjp(form, a)[1](ct))
    for w in eager.SPECTRA:
        a = eager.hermitian(w, is_complex)
        value, dot = forward(a, e)
        np.testing.assert_allclose(value, sl.expm(a), atol=1e-13)
        np.testing.assert_allclose(dot, sl.expm_frechet(a, e, compute_expm=False), atol=1e-8)
        bar = sl.expm_frechet(a.T, ct, compute_expm=False)
        (got,) = backward(a, ct)
        np.testing.assert_allclose(got, (bar + bar.conj().T) / 2, atol=1e-8)


def test_spectral_functions_of_stacks(lengths):
    stack = np.stack([np.eye(3), eager.hermitian([1.0, 2, 2]), eager.hermitian([0.0, 1, 4])])

    def f(a):
        w, v = np.linalg.eigh(a)
        return (v * np.exp(w)[..., None, :]) @ np.swapaxes(v, -1, -2)

    e = np.stack([E, 2 * E, -E])
    want = np.stack([sl.expm_frechet(a, b, compute_expm=False) for a, b in zip(stack, e)])
    got = ad.jit(lambda a, e: ad.jvp(f, (a,), (e,))[1])(stack, e)
    np.testing.assert_allclose(got, want, atol=1e-9)


def test_spectral_functions_of_examples():
    stack = np.stack([np.eye(3), eager.hermitian([1.0, 2, 2])])
    f = ad.grad(lambda a: np.sum(eager.of_scaled_columns(a) * E))
    np.testing.assert_allclose(
        ad.jit(ad.vmap(f))(stack), np.stack([f(a) for a in stack]), atol=1e-12
    )


def test_spectral_functions_in_loops():
    def f(a):
        for _ in range(3):
            w, v = np.linalg.eigh(a)
            a = (v * np.cos(w)) @ v.T
        return np.sum(a * E)

    for w in ([1.0, 1, 2], [0.3, 1, 2]):
        a = eager.hermitian(w)
        np.testing.assert_allclose(ad.jit(ad.grad(f))(a), ad.grad(f)(a), atol=1e-12)


def test_entries_that_depend_on_all_eigenvalues():
    def softmax(a):
        w, v = np.linalg.eigh(a)
        return (v * (np.exp(w) / np.sum(np.exp(w)))) @ v.T

    a = eager.hermitian([1.0, 1.0, 3.0])
    push = lambda a, e: ad.jvp(softmax, (a,), (e,))[1]
    np.testing.assert_allclose(ad.jit(push)(a, E), push(a, E), atol=1e-12)


def test_h_may_have_parameters_of_its_own():
    def f(a, p):
        w, v = np.linalg.eigh(a)
        return np.sum(((v * np.exp(p * w)) @ v.T) * np.arange(4.0).reshape(2, 2))

    mixed = ad.jit(ad.jacfwd(ad.grad(f), argnums=1))(np.eye(2), 0.7)
    np.testing.assert_allclose(mixed, np.exp(0.7) * 1.7 * np.array([[0, 1.5], [1.5, 3]]))


def test_second_derivatives_of_spectral_functions():
    f = lambda a: np.sum(eager.of_scaled_columns(a)[0])
    hessian = ad.jit(ad.hessian(f))
    a = np.diag([1.0, 2.0])
    np.testing.assert_allclose(hessian(a), ad.hessian(f)(a), atol=1e-12)
    with pytest.raises(UndefinedDerivativeError):
        hessian(np.eye(2))


@pytest.mark.parametrize(
    "f",
    [
        eager.einsum, eager.one_vector, eager.by_place, eager.with_other_eigenvalues,
        eager.with_the_matrix, eager.equal_by_chance,
    ],
)  # fmt: skip
def test_what_is_not_recognised_is_refused(f):
    value = f(np.eye(3))
    backward = ad.jit(lambda a, ct: ad.vjp(f, a)[1](ct))
    with pytest.raises(UndefinedDerivativeError, match="eigenvectors have no derivative"):
        backward(np.eye(3), np.ones_like(value))
    forward = ad.jit(lambda a, e: ad.jvp(f, (a,), (e,))[1])
    with pytest.raises(UndefinedDerivativeError, match="eigenvectors have no derivative"):
        forward(np.eye(3), E)
    a = eager.hermitian([1.0, 2, 4])
    np.testing.assert_allclose(forward(a, E), ad.jvp(f, (a,), (E,))[1], atol=1e-12)
