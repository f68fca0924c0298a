"""Products, convolutions, einsum and polynomials."""

import numpy as np
from numpy.polynomial import (
    Polynomial,
    chebyshev,
    hermite,
    hermite_e,
    laguerre,
    legendre,
    polynomial,
)

from tests.cases import case

RNG = np.random.default_rng(11)
A = RNG.normal(size=(2, 3))
B = RNG.normal(size=(3, 4))
C = RNG.normal(size=(4, 2, 3))
M = RNG.normal(size=(3, 3))
V = RNG.normal(size=3)
W = RNG.normal(size=4)
Z = V + 1j * RNG.normal(size=3)
N3 = RNG.normal(size=(3, 3, 3))

EINSUMS = [
    ("ij,jk->ik", A, B),
    ("ij,jk", A, B),
    ("ij->", A, None),
    ("ji", A, None),
    ("ij->j", A, None),
    ("ii->i", M, None),
    ("ii", M, None),
    ("iij->ji", N3, None),
    ("iii", N3, None),
    ("ii,i->i", M, V),
    ("iji,jj->i", N3, M),
    ("...ij,jk->...ik", C, B),
    ("...j,...j", C, A),
    ("...,...", C, V),
    ("i...->...", C, None),
    ("i,j->ij", V, W),
    ("ij,kl->", A, B),
    ("ij,ij->ij", A, A[:1]),
]


def einsum_case(subscripts, x, y):
    if y is None:
        return case(f"einsum {subscripts}", lambda x: np.einsum(subscripts, x) ** 2, x)
    return case(f"einsum {subscripts} of two", lambda x, y: np.einsum(subscripts, x, y) * 2, x, y)


CASES = [
    case(
        "dot",
        lambda x, y, v: (np.dot(x, y), np.dot(y.T, v), np.dot(v, v), np.dot(2.5, v), v.dot(y)),
        A,
        B,
        V,
    ),
    case("dot of many dimensions", lambda x, y: np.dot(x, y), C, N3),
    case("dot with a vector", lambda x, v: np.dot(x, v) ** 2, C, V),
    case(
        "vdot inner outer",
        lambda x, y: (np.vdot(x, y), np.inner(x, y), np.outer(x, y), np.inner(x, 3.0)),
        A,
        A + 1,
    ),
    case(
        "vdot complex",
        lambda x, y: (np.vdot(x, y), np.inner(x, y), np.outer(x, y)),
        Z,
        Z[::-1] * 1j,
    ),
    case("inner of many dimensions", lambda x, y: np.inner(x, y), C, M),
    case(
        "tensordot",
        lambda x, y: (
            np.tensordot(x, y, axes=([2, 1], [1, 0])),
            np.tensordot(x, y, 0),
            np.tensordot(y, x, (1, 2)),
        ),
        C,
        A,
    ),
    case("kron", lambda x, y: (np.kron(x, y), np.kron(y[0], x), np.kron(x, 2.0)), A, B),
    case(
        "cross",
        lambda x, y: (
            np.cross(x, y),
            np.cross(A, x, axisc=0) ** 2,
            np.cross(x, y[:2]),
            np.linalg.cross(x, y),
        ),
        V,
        V[::-1] + 1,
    ),
    case("cross axes", lambda x, y: np.cross(x, y, axis=0), M, N3[0]),
    *[
        case(
            f"convolve {m}",
            lambda x, y, m=m: (np.convolve(x, y, m), np.convolve(y, x, mode=m) ** 2),
            np.append(W, V),
            V,
        )
        for m in ("full", "same", "valid")
    ],
    *[
        case(
            f"correlate {m}",
            lambda x, y, m=m: (np.correlate(x, y, m), np.correlate(y, x, mode=m) ** 2),
            np.append(W, 0.3),
            W,
        )
        for m in ("full", "same", "valid")
    ],
    case("convolve complex", lambda x, y: (np.convolve(x, y), np.correlate(x, y, "same")), Z, V),
    case("correlate complex", lambda x, y: np.correlate(x, y, "full"), Z, np.append(Z, 0.2j)),
    *[einsum_case(*e) for e in EINSUMS],
    case("einsum of four", lambda x, y, v, c: np.einsum("ij,jk,j,lij->lk", x, y, v, c), A, B, V, C),
    case(
        "einsum optimised",
        lambda x, y, v, c: np.einsum("ij,jk,j,lij->lk", x, y, v, c, optimize=True),
        A,
        B,
        V,
        C,
    ),
    case(
        "einsum of lists",
        lambda x, y: (
            np.einsum(x, [0, 1], y, [1, 2], [2, 0]),
            np.einsum(x, [5, 3]),
            np.einsum(x, [..., 1], y[:, :2], [1, ...]),
        ),
        A,
        B,
    ),
    case("einsum complex", lambda x, y: np.einsum("i,i,j->j", x, y, x), Z, V),
    case("einsum broadcasting", lambda x, y: np.einsum("ij,jk->ik", x, y), A[:, :1], B),
    case("vander", lambda x: (np.vander(x), np.vander(x, 3, increasing=True) ** 2), V),
    case("polyval", lambda p, x: (np.polyval(p, x), np.polyval([1, 2, 3], x)), W, A),
    case(
        "polyder polyint",
        lambda p: (
            np.polyder(p),
            np.polyder(p, 2) ** 2,
            np.polyint(p),
            np.polyint(p, 2, k=[p[0], 1.0]),
        ),
        W,
    ),
    case(
        "polyadd polymul",
        lambda p, q: (np.polyadd(p, q), np.polysub(q, p), np.polymul(p, q), *np.polydiv(p, q)),
        W,
        V,
    ),
    case("poly", lambda r: np.poly(r), V),
    case(
        "poly of conjugate roots",
        lambda r: np.poly(np.array([r[0] + 1j * r[1], r[0] - 1j * r[1]])),
        V,
        float32=False,
    ),
    case(
        "polynomial",
        lambda x, c: (
            polynomial.polyval(x, c),
            polynomial.polyder(c),
            polynomial.polyint(c),
            polynomial.polymul(c, c[:2]),
            polynomial.polyvander(x, 2),
            polynomial.polyadd(c, c[:2]),
        ),
        V,
        W,
    ),
    case(
        "polynomial 2d",
        lambda x, y, c: (polynomial.polyval2d(x, y, c), polynomial.polygrid2d(x, y, c)),
        V,
        V[::-1].copy(),
        B,
    ),
    *[
        case(
            f"{name} series",
            lambda x, c, m=m, name=name: (
                getattr(m, name + "val")(x, c),
                getattr(m, name + "der")(c),
                getattr(m, name + "int")(c),
                getattr(m, name + "vander")(x, 3),
                getattr(m, name + "mul")(c, c),
            ),
            V,
            W,
        )
        for name, m in [
            ("cheb", chebyshev),
            ("leg", legendre),
            ("lag", laguerre),
            ("herm", hermite),
            ("herme", hermite_e),
        ]
    ],
    case(
        "Polynomial",
        lambda x, c: (Polynomial(c)(x), Polynomial(c).deriv()(x), np.poly1d(c)(x)),
        V,
        W,
    ),
]
