"""``scipy.linalg``, and sparse matrices times traced vectors."""

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
import scipy.sparse.linalg as spl

from tests.cases import case
from tests.cases.linalg import SPREAD, STACK, TALL, ZB, ZSPREAD, A, B, V, Z, phased, positive, sym

S = sp.csr_array(np.array([[0.3, 0, -1.2, 0], [0, 0.7, 0, 0.4], [1.1, 0, 0, -0.6]]))
SQUARE = sp.csc_array(A)
W = np.array([0.3, -1.0, 2.0, 0.7])


def lower_pos(x):
    """Only the lower triangle is meant."""
    return np.tril(positive(x)) + 7 * np.triu(np.ones((3, 3)), 1)


def banded(x):
    return x + np.array([[0, 0.0, 0.0], [4, 4, 4], [0, 0, 0]])


CASES = [
    case("sl.inv", lambda x: sl.inv(x), A),
    case("sl.det", lambda x: sl.det(x), A),
    case("sl.solve", lambda x, b: sl.solve(x, b), A, V),
    case("sl.solve transposed", lambda x, b: sl.solve(x, b, transposed=True), A, B),
    case("sl.solve pos", lambda x, b: sl.solve(lower_pos(x), b, assume_a="pos", lower=True), A, B),
    case("sl.solve sym", lambda x, b: sl.solve(x + x.T, b, assume_a="sym"), A, V),
    case("sl.solve her", lambda x, b: sl.solve(sym(x), b, assume_a="her"), Z, ZB),
    case("sl.solve_triangular", lambda x, b: sl.solve_triangular(x, b), A, V),
    case(
        "sl.solve_triangular lower unit",
        lambda x, b: sl.solve_triangular(x, b, lower=True, unit_diagonal=True),
        A,
        B,
    ),
    case(
        "sl.solve_triangular trans",
        lambda x, b: (
            sl.solve_triangular(x, b, trans="T"),
            sl.solve_triangular(x, b, trans=2, lower=True),
        ),
        Z,
        ZB,
    ),
    case("sl.lstsq", lambda a, b: sl.lstsq(a, b)[:2], TALL, W),
    case("sl.pinv", lambda a: sl.pinv(a), TALL, rtol=1e-5),
    case("sl.solve_banded", lambda ab, b: sl.solve_banded((1, 1), banded(ab), b), A, V),
    case(
        "sl.solveh_banded",
        lambda ab, b: sl.solveh_banded(banded(ab)[:2] + np.array([[0.0] * 3, [3.0] * 3]), b),
        A,
        V,
    ),
    case(
        "sl.solve_toeplitz",
        lambda c, b: (sl.solve_toeplitz(c, b), sl.solve_toeplitz((c, c * 0.5), b)),
        V + 2,
        B,
    ),
    case("sl.matmul_toeplitz", lambda c, b: sl.matmul_toeplitz(c, b), V, B),
    case(
        "sl.cholesky", lambda x: (sl.cholesky(positive(x)), sl.cholesky(positive(x), lower=True)), A
    ),
    case(
        "sl.cho_factor and cho_solve",
        lambda x, b: sl.cho_solve(sl.cho_factor(positive(x)), b),
        A,
        V,
    ),
    case(
        "sl.cho_solve lower",
        lambda x, b: sl.cho_solve(sl.cho_factor(positive(x), lower=True), b),
        Z,
        ZB,
    ),
    case("sl.lu", lambda x: sl.lu(x)[1:], A),
    case("sl.lu permuted", lambda x: sl.lu(x, permute_l=True), A[::-1].copy()),
    case(
        "sl.lu_factor and lu_solve", lambda x, b: sl.lu_solve(sl.lu_factor(x), b), A[::-1].copy(), B
    ),
    case(
        "sl.lu_solve trans",
        lambda x, b: (
            sl.lu_solve(sl.lu_factor(x), b, trans=1),
            sl.lu_solve(sl.lu_factor(x), b, trans=2),
        ),
        Z[::-1].copy(),
        ZB,
    ),
    case("sl.qr economic", lambda x: sl.qr(x, mode="economic"), TALL),
    case("sl.qr pivoting", lambda x: sl.qr(x, pivoting=True)[:2], A),
    case("sl.qr r", lambda x: sl.qr(x, mode="r"), TALL),
    case("sl.svd", lambda x: sl.svd(x, full_matrices=False), TALL),
    case("sl.svdvals", lambda x: (sl.svdvals(x), sl.svd(x, compute_uv=False)), A),
    case("sl.polar", lambda x: (*sl.polar(x), *sl.polar(x, side="left")), A),
    case("sl.eigh", lambda x: (lambda w, v: (w, phased(v)))(*sl.eigh(sym(x))), SPREAD),
    case(
        "sl.eigh subset",
        lambda x: (lambda w, v: (w, phased(v)))(*sl.eigh(sym(x), subset_by_index=[1, 2])),
        ZSPREAD,
    ),
    case(
        "sl.eigh generalised",
        lambda x, b: (lambda w, v: (w, phased(v)))(*sl.eigh(sym(x), positive(b))),
        SPREAD,
        A,
    ),
    case(
        "sl.eigh generalised, type 2",
        lambda x, b: (lambda w, v: (w, phased(v)))(*sl.eigh(sym(x), positive(b), type=2)),
        SPREAD,
        Z,
    ),
    case(
        "sl.eigh generalised, type 3",
        lambda x, b: (lambda w, v: (w, phased(v)))(*sl.eigh(sym(x), positive(b), type=3)),
        SPREAD,
        A,
    ),
    case(
        "sl.eigvalsh",
        lambda x: (sl.eigvalsh(sym(x)), sl.eigvalsh(sym(x), subset_by_index=[0, 1])),
        SPREAD,
    ),
    case("sl.eig", lambda x: (lambda w, v: (w, phased(v)))(*sl.eig(x)), SPREAD),
    case("sl.eigvals", lambda x: sl.eigvals(x), ZSPREAD),
    case("sl.expm", lambda x: sl.expm(x), A),
    case("sl.expm stack complex", lambda x: sl.expm(x), np.stack([Z, Z.T - 1])),
    case("sl.expm of a Jordan block", lambda x: sl.expm(x), np.array([[1.0, 1.0], [0.0, 1.0]])),
    case("sl.sqrtm", lambda x: sl.sqrtm(positive(x) + 0.1 * x), A),
    case("sl.sqrtm complex", lambda x: sl.sqrtm(x), ZSPREAD),
    case("sl.logm", lambda x: sl.logm(x), SPREAD, rtol=1e-5),
    case("sl.logm complex", lambda x: sl.logm(x), ZSPREAD, rtol=1e-5, float32=False),
    case("sl.cosm sinm", lambda x: (sl.cosm(x), sl.sinm(x)), A / 2, float32=False),
    case("sl.coshm sinhm", lambda x: (sl.coshm(x), sl.sinhm(x)), A / 2, float32=False),
    case("sl.tanm tanhm", lambda x: (sl.tanm(x / 4), sl.tanhm(x)), A / 2, float32=False, rtol=1e-5),
    case(
        "sl.fractional_matrix_power",
        lambda x: (sl.fractional_matrix_power(x, 0.3), sl.fractional_matrix_power(x, 2)),
        SPREAD,
        float32=False,
    ),
    case("sl.expm_frechet", lambda x, e: sl.expm_frechet(x, e), A / 2, SPREAD / 4, float32=False),
    case(
        "sl.solve_sylvester",
        lambda a, b, q: sl.solve_sylvester(a, b, q),
        A + 3 * np.eye(3),
        A[:2, :2],
        B,
    ),
    case(
        "sl.solve_continuous_lyapunov",
        lambda a, q: sl.solve_continuous_lyapunov(a, q),
        Z + 3 * np.eye(3),
        Z,
    ),
    case(
        "sl.solve_discrete_lyapunov",
        lambda a, q: (
            sl.solve_discrete_lyapunov(a, q),
            sl.solve_discrete_lyapunov(a, q, method="bilinear"),
        ),
        Z / 4,
        Z,
    ),
    case("sl.block_diag", lambda x, b, v: sl.block_diag(x * x, b, v[0], v), A, B, V),
    case("sl.toeplitz", lambda c, r: (sl.toeplitz(c * c), sl.toeplitz(c, r * r)), V + 1j, W),
    case(
        "sl.hankel",
        lambda c, r: (sl.hankel(c * c), sl.hankel(c, r * r)),
        V,
        np.array([V[-1], 1.0, 2.0]),
    ),
    case("sl.circulant", lambda c: sl.circulant(c * c), V),
    case("sl.companion", lambda c: sl.companion(c), V),
    case("sl.khatri_rao", lambda a, b: sl.khatri_rao(a, b), A, STACK[0]),
    case(
        "sl.norm", lambda x: (sl.norm(x), sl.norm(x, 1), sl.norm(x, "nuc"), sl.norm(x, axis=0)), A
    ),
    *[
        case(
            f"sparse {name} @ x", lambda x, s=make(S): (s @ x, s.dot(x), s @ x[:, None], x @ s.T), W
        )
        for name, make in (
            ("csr", sp.csr_array),
            ("csc", sp.csc_matrix),
            ("coo", sp.coo_array),
            ("dia", sp.dia_array),
            ("bsr", sp.bsr_array),
        )
    ],
    case("x @ sparse", lambda x, v: (x @ S, v @ sp.csr_matrix(S)), A, V),
    case("spsolve", lambda b, m: (spl.spsolve(SQUARE, b), spl.spsolve(SQUARE, m)), V, B),
]
