"""Linear algebra at its edges: singular matrices, repeated eigenvalues, refusals, result types."""

import math

import numpy as np
import pytest
import scipy.linalg as sl
import scipy.sparse as sp

import adjoint as ad
from adjoint.errors import NoRuleError, UndefinedDerivativeError

rng = np.random.default_rng(3)
X = rng.standard_normal((3, 3))
E = X + X.T


def hermitian(w, is_complex=False):
    q = rng.standard_normal((len(w), len(w)))
    if is_complex:
        q = q + 1j * rng.standard_normal(q.shape)
    q, _ = np.linalg.qr(q)
    a = (q * np.array(w)) @ q.conj().T
    return (a + a.conj().T) / 2


# -- det -------------------------------------------------------------------------------------------


def test_det_of_a_singular_matrix_has_its_cofactors():
    a = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(ad.grad(np.linalg.det)(a), [[4.0, -2.0], [-2.0, 1.0]], atol=1e-14)
    hessian = ad.hessian(np.linalg.det)(np.zeros((2, 2))).reshape(4, 4)
    np.testing.assert_allclose(hessian, np.fliplr(np.diag([1.0, -1.0, -1.0, 1.0])), atol=1e-14)


def test_det_has_third_derivatives_where_it_is_regular():
    a = np.diag([1.0, 2.0, 4.0])

    def along(t):
        return np.linalg.det(a + t * E)

    third = ad.grad(ad.grad(ad.grad(along)))(0.0)
    assert math.isclose(third, 6 * np.linalg.det(E), rel_tol=1e-9)
    with pytest.raises(UndefinedDerivativeError, match="third and higher"):
        ad.grad(ad.grad(ad.grad(lambda t: np.linalg.det(t * E))))(0.0)


def test_slogdet_of_a_singular_matrix_is_refused():
    with pytest.raises(UndefinedDerivativeError, match=r"np\.linalg\.det is there"):
        ad.grad(lambda x: np.linalg.slogdet(x)[1])(np.ones((2, 2)))


# -- functions of a matrix with repeated eigenvalues -----------------------------------------------


def of_scaled_columns(a):
    w, v = np.linalg.eigh(a)
    return (v * np.exp(w)) @ v.conj().T


def of_divided_columns(a):
    w, v = np.linalg.eigh(a)
    return (v / np.exp(-w)) @ v.conj().T


def of_a_diagonal_matrix(a):
    w, v = np.linalg.eigh(a)
    return v @ np.diag(np.exp(w)) @ v.conj().T


def of_scaled_rows(a):
    w, v = np.linalg.eigh(a)
    return v @ (np.exp(w)[:, None] * v.conj().T)


def of_both_sides(a):
    w, v = np.linalg.eigh(a, UPLO="U")
    half = v * np.exp(0.5 * w)
    return np.matmul(half, half.conj().T)


def of_dot(a):
    w, v = np.linalg.eigh(a)
    return np.dot(v * np.exp(w), np.transpose(v).conj())


def filled(a):
    w, v = np.linalg.eigh(a)
    h = np.zeros(len(w))
    for k in range(len(w)):
        h[k] = np.exp(w[k])
    return (v * h) @ v.conj().T


FORMS = [
    of_scaled_columns, of_divided_columns, of_a_diagonal_matrix, of_scaled_rows, of_both_sides,
    of_dot, filled,
]  # fmt: skip
SPECTRA = [[0, 0, 0], [1, 1, 2], [1, 1 + 1e-10, 1], [1, 1 + 1e-7, 2], [1, 1.00001, 2], [-1, 0, 1]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("w", SPECTRA, ids=str)
@pytest.mark.parametrize("is_complex", [False, True])
def test_spectral_functions_at_repeated_eigenvalues(form, w, is_complex):
    a, e = hermitian(w, is_complex), hermitian([1.0, -2.0, 0.7], is_complex)
    ct = rng.standard_normal((3, 3)) * (1 + 1j if is_complex else 1)
    value, dot = ad.jvp(form, (a,), (e,))
    np.testing.assert_allclose(value, sl.expm(a), atol=1e-13)
    np.testing.assert_allclose(dot, sl.expm_frechet(a, e, compute_expm=False), atol=1e-8)
    bar = sl.expm_frechet(a.T, ct, compute_expm=False)
    (got,) = ad.vjp(form, a)[1](ct)
    np.testing.assert_allclose(got, (bar + bar.conj().T) / 2, atol=1e-8)


def test_spectral_functions_of_stacks_and_in_single_precision():
    stack = np.stack([np.eye(3), hermitian([1.0, 2.0, 2.0]), hermitian([0.0, 1.0, 4.0])])

    def f(a):
        w, v = np.linalg.eigh(a)
        return (v * np.exp(w)[..., None, :]) @ np.swapaxes(v, -1, -2)

    e = np.stack([E, 2 * E, -E])
    want = np.stack([sl.expm_frechet(a, b, compute_expm=False) for a, b in zip(stack, e)])
    np.testing.assert_allclose(ad.jvp(f, (stack,), (e,))[1], want, atol=1e-9)
    single = ad.jvp(f, (stack.astype("f"),), (e.astype("f"),))[1]
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, want, rtol=3e-3, atol=3e-2)


def test_entries_that_depend_on_all_eigenvalues():
    def softmax(a):
        w, v = np.linalg.eigh(a)
        return (v * (np.exp(w) / np.sum(np.exp(w)))) @ v.T

    def direct(a):
        f = sl.expm(a)
        return f / np.trace(f)

    a = hermitian([1.0, 1.0, 3.0])
    np.testing.assert_allclose(
        ad.jvp(softmax, (a,), (E,))[1], ad.jvp(direct, (a,), (E,))[1], atol=1e-10
    )


def test_h_may_have_parameters_of_its_own():
    def f(a, p):
        w, v = np.linalg.eigh(a)
        return np.sum(((v * np.exp(p * w)) @ v.T) * np.arange(4.0).reshape(2, 2))

    mixed = ad.jacfwd(ad.grad(f), argnums=1)(np.eye(2), 0.7)
    np.testing.assert_allclose(mixed, np.exp(0.7) * 1.7 * np.array([[0, 1.5], [1.5, 3]]))


def test_functions_of_eigenvalues_have_hessians_at_repeated_ones():
    hessian = ad.hessian(lambda a: np.sum(np.linalg.eigvalsh(a) ** 3))(np.eye(2))
    want = ad.hessian(lambda a: np.trace(np.linalg.matrix_power((a + a.T) / 2, 3)))(np.eye(2))
    np.testing.assert_allclose(hessian, want, atol=1e-12)


def einsum(a):
    w, v = np.linalg.eigh(a)
    return np.einsum("ij,j,kj->ik", v, np.exp(w), v)


def one_vector(a):
    return np.linalg.eigh(a)[1][:, 0]


def by_place(a):
    v = np.linalg.eigh(a)[1]
    return (v * np.array([1.0, 2.0, 3.0])) @ v.T


def with_other_eigenvalues(a):
    v = np.linalg.eigh(a)[1]
    return (v * np.exp(np.linalg.eigvalsh(a))) @ v.T


def with_the_matrix(a):
    v = np.linalg.eigh(a)[1]
    return (v * np.diag(a)) @ v.T


def equal_by_chance(a):
    w, v = np.linalg.eigh(a)
    k = np.array([1.0, 2.0, 3.0])
    return (v * (w * k - k)) @ v.T


@pytest.mark.parametrize(
    "f", [einsum, one_vector, by_place, with_other_eigenvalues, with_the_matrix, equal_by_chance]
)
def test_what_is_not_recognised_is_refused(f):
    value, pullback = ad.vjp(f, np.eye(3))
    with pytest.raises(UndefinedDerivativeError, match="eigenvectors have no derivative"):
        pullback(np.ones_like(value))
    with pytest.raises(UndefinedDerivativeError, match="eigenvectors have no derivative"):
        ad.jvp(f, (np.eye(3),), (E,))


def test_second_derivatives_of_spectral_functions_are_refused_there():
    f = lambda a: np.sum(of_scaled_columns(a)[0])
    with pytest.raises(UndefinedDerivativeError):
        ad.hessian(f)(np.eye(2))
    assert np.all(np.isfinite(ad.hessian(f)(np.diag([1.0, 2.0]))))


def test_eigenvectors_that_are_not_used_do_no_harm():
    f = lambda a: np.sum(np.linalg.eigh(a)[0] ** 2)
    np.testing.assert_allclose(ad.grad(f)(np.eye(3)), 2 * np.eye(3), atol=1e-14)
    assert math.isclose(ad.jvp(f, (np.eye(3),), (E,))[1], 2 * np.trace(E))


def test_some_eigenvectors_apart_from_repeated_ones():
    a = hermitian([1.0, 1.0, 4.0])

    def projector(a):
        v = sl.eigh(a, subset_by_index=[2, 2])[1]
        return v @ v.T

    h = 1e-5
    numeric = (projector(a + h * E) - projector(a - h * E)) / (2 * h)
    np.testing.assert_allclose(ad.jvp(projector, (a,), (E,))[1], numeric, atol=1e-8)
    with pytest.raises(UndefinedDerivativeError):
        ad.jvp(lambda a: sl.eigh(a, subset_by_index=[1, 2])[1], (a,), (E,))


# -- other refusals --------------------------------------------------------------------------------


def test_singular_vectors_at_repeated_singular_values():
    with pytest.raises(UndefinedDerivativeError, match="singular values are repeated"):
        ad.jvp(lambda x: np.linalg.svd(x)[0], (np.eye(2),), (np.ones((2, 2)),))
    with pytest.raises(UndefinedDerivativeError, match="singular values are repeated"):
        ad.vjp(lambda x: np.linalg.svd(x)[2], np.eye(2))[1](np.ones((2, 2)))
    with pytest.raises(UndefinedDerivativeError, match="singular value is zero"):
        ad.vjp(lambda x: np.linalg.svd(x, full_matrices=False)[0], np.outer([1.0, 2, 3], [1.0, 1]))[
            1
        ](np.ones((3, 2)))
    total = ad.grad(lambda x: np.sum(np.linalg.svd(x)[1]))(np.eye(2))
    np.testing.assert_allclose(total, np.eye(2), atol=1e-15)


def test_individual_vectors_of_a_null_space_are_refused():
    tall = rng.standard_normal((4, 2))
    with pytest.raises(UndefinedDerivativeError, match="space they span"):
        ad.grad(lambda x: np.linalg.qr(x, "complete")[0][0, 3])(tall)


def test_defective_and_repeated_general_eigenvalues():
    jordan = np.array([[1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(UndefinedDerivativeError):
        ad.vjp(lambda x: np.linalg.eig(x)[1], jordan)[1](np.ones((2, 2)))
    total = ad.vjp(lambda x: np.sum(np.linalg.eigvals(x)), np.eye(2))[1](1.0)[0]
    np.testing.assert_allclose(total, np.eye(2))


def test_modes_without_a_derivative():
    with pytest.raises(NotImplementedError, match="Householder"):
        ad.jvp(lambda x: np.linalg.qr(x, "raw")[0], (X,), (X,))


def test_functions_without_a_rule_are_named():
    with pytest.raises(NoRuleError, match="null_space"):
        ad.grad(lambda x: np.sum(sl.null_space(x)))(np.ones((2, 2)))
    with pytest.raises(NoRuleError, match="schur"):
        ad.grad(lambda x: np.sum(sl.schur(x)[0]))(X)
    warned = pytest.warns(sl.LinAlgWarning)
    with warned, pytest.raises(UndefinedDerivativeError, match="sqrtm"):
        ad.grad(lambda x: np.sum(sl.sqrtm(x).real))(np.zeros((2, 2)))


def test_errors_are_numpys():
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        ad.grad(lambda x: np.sum(np.linalg.inv(x)))(np.ones((2, 2)))
    with pytest.raises(np.linalg.LinAlgError, match="square"):
        ad.grad(lambda x: np.sum(np.linalg.matrix_power(x, 2)))(np.ones((2, 3)))
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        ad.grad(lambda x: np.sum(np.linalg.cholesky(x)))(-np.eye(2))
    with pytest.raises(ValueError, match="norm order"):
        ad.grad(lambda x: np.linalg.norm(x, "bad"))(X)


# -- conventions -----------------------------------------------------------------------------------


def test_norms_at_zero():
    zero = np.zeros(3)
    for p in (None, 1, 2, 3, 2.5, 0.5, np.inf):
        f = lambda x, p=p: np.linalg.norm(x, p)
        np.testing.assert_array_equal(ad.grad(f)(zero), zero)
        np.testing.assert_array_equal(ad.hessian(f)(zero), np.zeros((3, 3)))
    for p in ("fro", "nuc", 2, 1, np.inf):
        f = lambda x, p=p: np.linalg.norm(x, p)
        np.testing.assert_array_equal(ad.grad(f)(np.zeros((2, 2))), np.zeros((2, 2)))


def test_norms_with_zeros_among_the_entries():
    x = np.array([3.0, 0.0, -4.0])
    np.testing.assert_allclose(ad.grad(np.linalg.norm)(x), [0.6, 0, -0.8])
    np.testing.assert_allclose(ad.grad(lambda x: np.linalg.norm(x, 1))(x), [1, 0, -1])
    got = ad.grad(lambda x: np.linalg.norm(x, 0.5))(x)
    norm = np.linalg.norm(x, 0.5)
    np.testing.assert_allclose(got, [np.sqrt(norm / 3), 0, -np.sqrt(norm / 4)])
    assert np.all(ad.grad(lambda x: np.linalg.norm(x, -1))(x) == 0)
    assert np.all(ad.grad(lambda x: np.linalg.norm(x, 0) * x[0])(x) == [2, 0, 0])


def test_symmetric_operands_get_symmetric_cotangents():
    a = hermitian([1.0, 2.0, 4.0])
    for f in (np.linalg.cholesky, np.linalg.eigvalsh, lambda a: np.linalg.eigh(a)[1]):
        value, pullback = ad.vjp(f, a)
        (bar,) = pullback(rng.standard_normal(value.shape))
        np.testing.assert_allclose(bar, bar.T, atol=1e-14)


def test_results_are_numpys_named_tuples():
    kinds = {}

    def f(x):
        for name in ("eig", "eigh", "qr", "slogdet", "svd"):
            kinds[name] = type(getattr(np.linalg, name)(x))
        return np.linalg.svd(x).S.sum() + np.linalg.eigh(x).eigenvalues[0]

    ad.grad(f)(E)
    for name, kind in kinds.items():
        assert kind is type(getattr(np.linalg, name)(E))


def test_empty_matrices():
    empty = np.zeros((0, 0))
    assert ad.grad(np.linalg.det)(empty).shape == (0, 0)
    assert ad.vjp(np.linalg.inv, empty)[1](empty)[0].shape == (0, 0)
    assert ad.grad(lambda x: np.sum(np.linalg.solve(np.eye(2), x)))(np.zeros((2, 0))).shape == (
        2,
        0,
    )
    assert ad.grad(lambda x: np.sum(np.linalg.norm(x, axis=-1)))(np.zeros((0, 3))).shape == (0, 3)


def test_rank_is_a_constant():
    assert (
        ad.grad(lambda x: np.linalg.matrix_rank(x) * np.sum(x))(np.eye(2)).tolist() == [[2, 2]] * 2
    )


# -- sparse matrices -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
def test_sparse_products_need_no_rewriting(kind):
    dense = np.array([[1.0, 0, 2], [0, 3, 0]])
    array = getattr(sp, f"{kind}_array")(dense)
    matrix = getattr(sp, f"{kind}_matrix")(dense)
    x, y = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0])
    for f in (array.__matmul__, array.dot, matrix.dot, matrix.__mul__):
        np.testing.assert_allclose(ad.jacobian(f)(x), dense)
    for f in (array.__rmatmul__, matrix.__rmatmul__, matrix.__rmul__):
        np.testing.assert_allclose(ad.jacobian(f)(y), dense.T)
    assert isinstance(array @ x, np.ndarray)  # as ever
    np.testing.assert_allclose(ad.jacobian(lambda d: (array + d)[0])(dense)[0, 0], [1, 0, 0])
    with pytest.raises(NoRuleError, match="toarray"):
        ad.grad(lambda c: (array * c).sum())(2.0)
    with pytest.raises(ValueError, match="do not match"):
        ad.grad(lambda x: np.sum(array @ x))(np.zeros(2))
