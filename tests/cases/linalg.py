"""Products, solvers, determinants, factorisations, spectra, norms."""

import numpy as np

import adjoint as ad
from tests.cases import case

rng = np.random.default_rng(7)
A = rng.standard_normal((3, 3)) + 2 * np.eye(3)
B = rng.standard_normal((3, 2))
V = rng.standard_normal(3)
C = rng.standard_normal((4, 4)) * 0.5 + np.diag([1.0, 2.0, 3.5, 5.0])
Z = A + 1j * rng.standard_normal((3, 3))
ZB = B + 1j * rng.standard_normal((3, 2))
STACK = rng.standard_normal((2, 3, 3)) + 2 * np.eye(3)
TALL = rng.standard_normal((4, 2))
ZTALL = TALL + 1j * rng.standard_normal((4, 2))
WIDE = TALL.T.copy()
RANK1 = np.outer(V, [1.0, -0.5, 2.0])
SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 0.5], [3.0, 3.0, 3.5]])  # rank 2
SPREAD = np.diag([1.0, 3.0, 6.0]) + 0.2 * rng.standard_normal((3, 3))
ZSPREAD = SPREAD + 0.2j * rng.standard_normal((3, 3))
TURNED = np.array([[0.5, -1.2, 0.1], [1.1, 0.4, 0.3], [0.2, -0.3, 2.0]])  # a complex pair


def sym(x):
    return x + np.swapaxes(x, -1, -2).conj()


def positive(x):
    return x @ np.swapaxes(x, -1, -2).conj() + np.eye(x.shape[-1])


def low_rank(x):
    """A matrix of rank 2 for every 4 × 2 x."""
    return x @ x.T @ np.array([[1.0, 0.2, 0, 0], [0, 1, 0.3, 0], [0, 0, 1, 0.1], [0, 0, 0, 1]])


def phased(v):
    """Eigenvectors without their phase."""
    return v[..., :, None, :] * v[..., None, :, :].conj()


REPEATED = np.diag([1.0, 1.0, 2.0])


def exponential(x):
    w, v = np.linalg.eigh((x + x.T) / 2)
    return (v * np.exp(w)) @ v.T


CASES = [
    case("matmul stacks", lambda x, y: x @ y, STACK, A),
    case("matmul vector stack", lambda x, y: x @ y, V, STACK),
    case("matmul stack vector", np.matmul, STACK, V),
    case("matmul complex", lambda x, y: x @ y, Z, B),
    case("matmul vectors", np.matmul, V, V + 1),
    case("vecdot", lambda x, y: np.vecdot(x, y), A, V),
    case("vecdot complex axis", lambda x, y: np.linalg.vecdot(x, y, axis=0), Z, ZB[:, :1]),
    case("linalg.matmul", lambda x, y: np.linalg.matmul(x, y), A, B),
    case("multi_dot", lambda x, y, v: np.linalg.multi_dot([v, x, y, v[:2]]), A, B, V),
    case("multi_dot matrices", lambda x, y: np.linalg.multi_dot([x, y, y.T, x]), A, B),
    case("matrix_power 5", lambda x: np.linalg.matrix_power(x, 5), A / 3),
    case(
        "matrix_power -2 1",
        lambda x: (np.linalg.matrix_power(x, -2), np.linalg.matrix_power(x, 1)),
        STACK,
    ),
    case("inv", np.linalg.inv, A),
    case("inv complex stack", np.linalg.inv, np.stack([Z, Z.T + 1])),
    case("solve vector", np.linalg.solve, A, V),
    case("solve matrix", np.linalg.solve, A, B),
    case("solve stacks", np.linalg.solve, STACK, B),
    case("solve broadcast", np.linalg.solve, A, STACK),
    case("solve complex", np.linalg.solve, Z, ZB),
    case("solve for a constant", lambda x: np.linalg.solve(x, V), A),
    case("solve by a constant", lambda b: np.linalg.solve(A, b), B),
    case(
        "tensorsolve",
        lambda a, b: np.linalg.tensorsolve(a, b, axes=(0,)),
        np.moveaxis(C.reshape(4, 2, 2), -1, 0).copy(),
        np.array([0.3, 1.0, 2.0, -1.0]),
    ),
    case("tensorinv", lambda a: np.linalg.tensorinv(a, ind=1), C.reshape(4, 2, 2)),
    case("det", np.linalg.det, A),
    case("cofactors", lambda x: ad.grad(np.linalg.det)(x), A),
    case("function of a matrix with repeated eigenvalues", exponential, REPEATED, order=1),
    case("det complex stack", np.linalg.det, np.stack([Z, Z.T + 1])),
    case("det of rank n-1", np.linalg.det, SINGULAR),
    case("det of rank n-2", np.linalg.det, RANK1),
    case("det of complex rank n-1", np.linalg.det, SINGULAR * np.array([1, 1j, 1 + 1j])),
    case("det of zeros", np.linalg.det, np.zeros((2, 2))),
    case("slogdet", lambda x: np.linalg.slogdet(x)[1], A),
    case("slogdet complex", np.linalg.slogdet, Z),
    case("slogdet stack", lambda x: np.linalg.slogdet(x).logabsdet, STACK),
    case("pinv tall", np.linalg.pinv, TALL, rtol=1e-5),
    case("pinv wide complex", np.linalg.pinv, ZTALL.T.copy(), rtol=1e-5),
    case(
        "pinv of constant rank",
        lambda x: np.linalg.pinv(low_rank(x), rcond=1e-6),
        TALL,
        rtol=1e-5,
        float32=False,
    ),
    case("pinv hermitian", lambda x: np.linalg.pinv(sym(x), hermitian=True), A),
    case("lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=None), TALL, C[:, :3].copy()),
    case("lstsq vector complex", lambda a, b: np.linalg.lstsq(a, b)[:2], ZTALL, C[0]),
    case("lstsq wide", lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], WIDE, V[:2]),
    case("cholesky", lambda x: np.linalg.cholesky(positive(x)), A),
    case("cholesky upper stack", lambda x: np.linalg.cholesky(positive(x), upper=True), STACK),
    case("cholesky complex", lambda x: np.linalg.cholesky(positive(x)), Z),
    case("qr", np.linalg.qr, TALL),
    case("qr square complex stack", np.linalg.qr, np.stack([Z, Z.T + 1])),
    case("qr wide", np.linalg.qr, WIDE),
    case("qr r", lambda x: np.linalg.qr(x, mode="r"), ZTALL),
    case(
        "qr complete",
        lambda x: (lambda q, r: (q[:, :2], r, q[:, 2:] @ q[:, 2:].T))(*np.linalg.qr(x, "complete")),
        TALL,
    ),
    case("svd", lambda x: np.linalg.svd(x, full_matrices=False), TALL),
    case("svd wide stack", lambda x: np.linalg.svd(x, full_matrices=False), STACK[:, :2]),
    case(
        "svd square",
        lambda x: (lambda u, s, vh: (phased(u), s, u[:, None] * vh.T[None], u @ vh))(
            *np.linalg.svd(x)
        ),
        SPREAD,
    ),
    case(
        "svd full",
        lambda x: (lambda u, s, vh: (u[:, :2], s, vh, u[:, 2:] @ u[:, 2:].T))(*np.linalg.svd(x)),
        TALL,
    ),
    case(
        "svd full wide",
        lambda x: (lambda u, s, vh: (u, s, vh[:2], vh[2:].T @ vh[2:]))(*np.linalg.svd(x)),
        WIDE,
    ),
    case(
        "svd complex",
        lambda x: (lambda u, s, vh: (s, phased(u), phased(np.swapaxes(vh, -1, -2)), u @ vh))(
            *np.linalg.svd(x, full_matrices=False)
        ),
        ZTALL,
    ),
    case(
        "svd complex wide",
        lambda x: (lambda u, s, vh: (s, u @ vh))(*np.linalg.svd(x, full_matrices=False)),
        ZTALL.T.copy(),
    ),
    case("svd values", lambda x: (np.linalg.svd(x, compute_uv=False), np.linalg.svdvals(x)), STACK),
    case(
        "svd hermitian",
        lambda x: (lambda u, s, vh: (s, u * vh.T))(*np.linalg.svd(sym(x), hermitian=True)),
        SPREAD - 3 * np.eye(3),
    ),
    case("eigh", lambda x: np.linalg.eigh(sym(x)), SPREAD),
    case(
        "eigh upper stack",
        lambda x: np.linalg.eigh(sym(x), UPLO="U"),
        np.stack([SPREAD, SPREAD.T - 1]),
    ),
    case("eigh complex", lambda x: (lambda w, v: (w, phased(v)))(*np.linalg.eigh(sym(x))), ZSPREAD),
    case("eigvalsh", lambda x: np.linalg.eigvalsh(sym(x)), np.stack([SPREAD, SPREAD.T - 1])),
    case(
        "function of a matrix",
        lambda x: (lambda w, v: (v * np.sin(w)) @ v.T)(*np.linalg.eigh(sym(x))),
        SPREAD,
    ),
    case(
        "eig", lambda x: (lambda w, v: (w, phased(v), v * np.sign(v[0])))(*np.linalg.eig(x)), SPREAD
    ),
    case("eig complex", np.linalg.eig, ZSPREAD),
    case("eig of a real matrix with complex eigenvalues", np.linalg.eig, TURNED),
    case("eigvals stack", np.linalg.eigvals, np.stack([SPREAD, SPREAD.T - 1])),
    *[
        case(f"norm {p}", lambda x, p=p: np.linalg.norm(x, p), V)
        for p in (None, 1, 2, 3, 2.5, 0.5, -1.5, np.inf, -np.inf)
    ],
    *[
        case(f"complex norm {p}", lambda x, p=p: np.linalg.norm(x, p, axis=0, keepdims=True), Z)
        for p in (None, 1, 3, np.inf)
    ],
    *[
        case(f"matrix norm {p}", lambda x, p=p: np.linalg.norm(x, p), A)
        for p in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    ],
    *[
        case(
            f"complex matrix norm {p}",
            lambda x, p=p: np.linalg.norm(x, p, axis=(2, 0), keepdims=True),
            np.stack([Z, Z.T + 1]),
        )
        for p in ("fro", "nuc", 1, 2, -np.inf)
    ],
    case(
        "norm of an array",
        lambda x: (np.linalg.norm(x), np.linalg.norm(x, axis=-1), np.linalg.norm(x, axis=(0, 1))),
        STACK,
    ),
    case(
        "vector_norm",
        lambda x: (
            np.linalg.vector_norm(x),
            np.linalg.vector_norm(x, axis=(0, 2), ord=3, keepdims=True),
        ),
        STACK,
    ),
    case(
        "matrix_norm",
        lambda x: (np.linalg.matrix_norm(x), np.linalg.matrix_norm(x, ord="nuc", keepdims=True)),
        STACK,
    ),
    *[
        case(f"cond {p}", lambda x, p=p: np.linalg.cond(x, p), A, rtol=1e-5)
        for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro")
    ],
]

if hasattr(np, "matvec"):
    CASES += [
        case("matvec", lambda x, y: np.matvec(x, y), STACK, V),
        case("vecmat", lambda x, y: np.vecmat(x, y), Z[0], Z),
    ]
