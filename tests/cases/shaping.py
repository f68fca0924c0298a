"""Moving, joining, repeating, padding, picking and placing."""

import numpy as np

from tests.cases import case

RNG = np.random.default_rng(7)
A = RNG.normal(size=(2, 3))
B = RNG.normal(size=(2, 3))
C = RNG.normal(size=(2, 3, 4))
M = RNG.normal(size=(3, 3))
V = RNG.normal(size=4)
Z = A + 1j * B
S = 0.7


def fill_parts(x):
    y = np.zeros((3, 3))
    np.fill_diagonal(y, x[0] * x[1])
    np.put(y, [1, -1], x[:2] * 3)
    np.put_along_axis(y, np.array([[0], [1], [2]]), (x[:3] ** 2)[:, None], 1)
    np.add.at(y, ([0, 0, 1], [1, 1, 2]), x[1:])
    np.multiply.at(y, ([0, 0, 1], [1, 1, 2]), x[1:])
    np.subtract.at(y, (0, slice(None)), x[3])
    y.flat[4] += x[0] * y.flat[2]
    y.flat[:2] = x[2]
    return y * y


def through_views(x):
    y = np.outer(x, x)
    np.flip(y)[0] = x * 3
    y.T[1] = x**2
    y.reshape(-1)[3] = x[1]
    y.ravel()[2] += x[0]
    y[::2][1:] *= x[2]
    np.swapaxes(y, 0, 1)[2, 3] = x[0] * x[1]
    np.squeeze(y[None])[0, 1] = x[3]
    np.expand_dims(y, 0)[0, 3, 3] *= x[0]
    np.atleast_3d(y)[1, 2, 0] += x[1]
    np.split(y, 2)[1][0, 0] = x[2] ** 2
    np.moveaxis(y, 0, -1)[2, 1] = x[3] * x[0]
    np.rot90(y)[0, 0] = x[2] * x[3]
    np.einsum("ii->i", y)[1:3] *= x[1]
    return y


def fortran_views(x):
    y = (x.reshape(2, 2) * 2).T
    z = y.T.reshape(-1)
    w = y.ravel(order="K")
    z[1] = x[0] * x[3]
    w[2] *= x[1]
    return y * z.reshape(2, 2)


def views_follow(x):
    y = x * 2
    b = np.broadcast_to(y, (3, 4))
    m = np.outer(x, x)
    d = np.diagonal(m, 1)
    y[0] = x[1] ** 2
    m[0, 1] = x[3]
    return b * b, d * d


def complex_parts(z):
    w = z * z
    w.real[0] = w.imag[1] * 2
    w.imag[:, 1:] *= w.real[:, :2]
    w.T[0].imag = 1.5
    return w


CASES = [
    case("concatenate", lambda x, y: np.concatenate([x, y * y, A], axis=1), A, B),
    case("concatenate axis None", lambda x, y: np.concatenate((x, y), axis=None) ** 2, A, V),
    case(
        "concatenate dtype", lambda x, y: np.concatenate((x, y), dtype=complex), A, B, float32=False
    ),
    case(
        "concatenate mixed types",
        lambda x, z: np.concatenate([x * x, z * z, np.arange(6).reshape(2, 3)]),
        A,
        Z,
    ),
    case("concatenate array", lambda x: np.concatenate(x * x), C),
    case("stack", lambda x, y: np.stack([x, y * x, B], axis=-1), A, B),
    case(
        "hstack vstack dstack",
        lambda x, y: (np.hstack([x, y]), np.vstack([x, y]) ** 2, np.dstack([x, y])),
        A,
        B,
    ),
    case("hstack of numbers", lambda x, y: np.hstack([x * y, y, 2.0]), 0.3, 1.2, float32=False),
    case("hstack vstack of vectors", lambda x: (np.hstack([x, x * x]), np.vstack([x, x * x])), V),
    case("column_stack", lambda x, y: np.column_stack([x[:, 0], y, x[:, 1] * 2]) ** 2, A, B),
    case("block", lambda x, y: np.block([[x, y], [y * y, np.ones((2, 3))]]), A, B),
    case("block of vectors", lambda x: np.block([x, x[0] * x]), V),
    case(
        "splits",
        lambda x: [a * b for a, b in zip(np.split(x, 2, axis=2), np.array_split(x, [2], -1))],
        C,
    ),
    case(
        "array_split uneven", lambda x: [p * k for k, p in enumerate(np.array_split(x * x, 3))], V
    ),
    case(
        "hsplit vsplit dsplit",
        lambda x: (np.hsplit(x, 3)[1], np.vsplit(x, 2)[0] ** 2, np.dsplit(x, [1])[1]),
        C,
    ),
    case("unstack", lambda x: [a * a for a in np.unstack(x, axis=1)], A),
    case("tile", lambda x: np.tile(x * x, (2, 1, 2)), A),
    case("tile short", lambda x: np.tile(x, 2) ** 2, C),
    case("repeat", lambda x: np.repeat(x, 3, axis=1) ** 2, A),
    case("repeat by array", lambda x: np.repeat(x, [0, 2, 1], axis=-1) ** 2, A),
    case("repeat flat", lambda x: x.repeat(2) ** 2, A),
    case(
        "roll", lambda x: (np.roll(x, 2), np.roll(x, -1, 1) ** 2, np.roll(x, (1, 2), (0, 1)) * x), A
    ),
    case(
        "flips",
        lambda x: (np.flip(x) * x, np.fliplr(x) * x, np.flipud(x) * x, np.flip(x, (1,)) * x),
        A,
    ),
    case("rot90", lambda x: [np.rot90(x, k, (0, 2)) ** 2 for k in range(-1, 4)], C),
    case(
        "reshape orders",
        lambda x: (
            x.reshape(3, 2) @ x,
            np.reshape(x, (3, -1), order="F") @ x,
            np.ravel(x, "F") ** 2,
        ),
        A,
    ),
    case(
        "reshape A", lambda x: (x.T.reshape(2, 3, order="A") * x, np.ravel(x.T, "K") * x.ravel()), A
    ),
    case(
        "axes",
        lambda x: (
            np.transpose(x, (2, 0, 1)) ** 2,
            np.moveaxis(x, [0, 1], [-1, 0]) ** 2,
            np.rollaxis(x, 2) ** 2,
            np.matrix_transpose(x) ** 2,
            x.mT * 2,
            np.swapaxes(x, 0, -1),
        ),
        C,
    ),
    case(
        "squeeze expand_dims",
        lambda x: np.squeeze(np.expand_dims(x * x, (0, -1))) * np.squeeze(x[:, None], axis=1),
        A,
    ),
    case("broadcast_to", lambda x: np.broadcast_to(x, (3, 2, 3)) * x, A),
    case(
        "broadcast_arrays",
        lambda x, y: [a * a for a in np.broadcast_arrays(x[:, None], y)],
        A,
        V[:3],
    ),
    case(
        "atleast",
        lambda x, y: (
            np.atleast_1d(x) ** 2,
            np.atleast_2d(y) ** 2,
            np.atleast_3d(y) ** 2,
            *np.atleast_1d(x, y),
        ),
        S,
        V,
        float32=False,
    ),
    case("meshgrid", lambda x, y: [a * a for a in np.meshgrid(x, y)], V, V[:3]),
    case(
        "meshgrid sparse ij",
        lambda x, y: (lambda a, b: a * b)(*np.meshgrid(x, y, sparse=True, indexing="ij")),
        V,
        V[:3],
    ),
    case("resize", lambda x: np.resize(x * x, (2, 4)), A),
    case("append", lambda x, y: (np.append(x, y), np.append(x, y * y, axis=0)), A, B),
    case(
        "delete",
        lambda x: (
            np.delete(x, 1, 1) ** 2,
            np.delete(x, [0, -1]),
            np.delete(x, slice(0, 1), axis=0) ** 2,
        ),
        A,
    ),
    case(
        "insert",
        lambda x, y: (
            np.insert(x, 1, y * y),
            np.insert(x, [0, 2, 2], y[:3]),
            np.insert(x, -1, 2.0),
            np.insert(x, slice(0, 2), y[:2]),
        ),
        V,
        V[::-1].copy(),
    ),
    case(
        "insert axis",
        lambda x, y: (
            np.insert(x, 1, y, axis=0),
            np.insert(x, [1], y[:2, None] ** 2, axis=1),
            np.insert(x, [0, 2], y[:2], axis=1),
        ),
        A,
        V[:3],
    ),
    case("trim_zeros", lambda x: np.trim_zeros(np.concatenate([[0.0, 0.0], x * x, [0.0]]), "b"), V),
    case(
        "take",
        lambda x: (
            np.take(x, [[0, 5], [2, 2]]) ** 2,
            np.take(x, 1, axis=1),
            x.take([4, -7], mode="wrap"),
            np.take(x, [9, -3], 0, mode="clip") ** 2,
        ),
        A,
    ),
    case("take_along_axis", lambda x: np.take_along_axis(x, np.argsort(A, axis=1), axis=1) * x, A),
    case(
        "compress extract",
        lambda x: (np.compress([True, False, True], x, axis=1) ** 2, np.extract(A > 0, x) ** 2),
        A,
    ),
    case(
        "diag",
        lambda x, y: (np.diag(x, 1) * 2, np.diag(y) ** 2, np.diag(y, -1), np.diagflat(y, 2) * 3),
        V,
        M,
    ),
    case(
        "diagonal trace",
        lambda x: (
            np.diagonal(x, 1, 2, 1) ** 2,
            np.trace(x * x, offset=-1),
            np.trace(x, axis1=2, axis2=0) ** 2,
            x.diagonal(),
        ),
        C,
    ),
    case(
        "tril triu",
        lambda x, y: (np.tril(x, -1) ** 2, np.triu(x), np.triu(y, 1) ** 2, np.tril(y)),
        C,
        V,
    ),
    case(
        "linalg views",
        lambda x: (
            np.linalg.diagonal(x, offset=1) ** 2,
            np.linalg.trace(x * x),
            np.linalg.matrix_transpose(x) ** 2,
        ),
        C,
    ),
    case("fill parts", fill_parts, V),
    case("store through views", through_views, V),
    case("store through views in Fortran order", fortran_views, V),
    case("views see later stores", views_follow, V),
    case("parts of complex arrays", complex_parts, Z),
    case(
        "complex shapes",
        lambda z: np.concatenate([np.roll(z, 1, 1) * z, np.pad(z, 1)[1:, 2:] ** 2]),
        Z,
    ),
    case(
        "pad constant",
        lambda x, c: (
            np.pad(x, 1) ** 2,
            np.pad(x, ((1, 0), (2, 1)), constant_values=((c, c * c), (3, c))),
        ),
        A,
        S,
    ),
    *[
        case(
            f"pad {mode} {extra}",
            lambda x, mode=mode, extra=extra: np.pad(x, ((2, 1), (0, 4)), mode=mode, **extra) ** 2,
            A + 0.1,
        )
        for mode, extra in [
            ("edge", {}),
            ("wrap", {}),
            ("reflect", {}),
            ("symmetric", {}),
            ("reflect", {"reflect_type": "odd"}),
            ("symmetric", {"reflect_type": "odd"}),
            ("mean", {}),
            ("mean", {"stat_length": ((1, 2), (2, 2))}),
            ("maximum", {}),
            ("minimum", {"stat_length": 2}),
            ("median", {}),
            ("linear_ramp", {}),
        ]
    ],
    case(
        "pad linear_ramp",
        lambda x, e: np.pad(x, (2, 3), "linear_ramp", end_values=(e, e * e)),
        V,
        S,
    ),
    case("pad by axis", lambda x: np.pad(x, {1: (1, 2)}, mode="edge") ** 2, A),
    case("array nested", lambda x: np.array([[x[0], 1.0], [x[1] * x[2], x[3]]]) ** 2, V),
    case(
        "array of arrays",
        lambda x: np.array([x * 2, x**2, [1, 2, 3, 4]]) * np.asarray([[x], [x * x]]),
        V,
    ),
    case(
        "array of python numbers",
        lambda x, y: np.array([x * y, 2, x], dtype=complex) * np.array([x, y, 3]),
        S,
        1.3,
        float32=False,
    ),
    case(
        "full",
        lambda x, y: (
            np.full((2, 3), x) * x,
            np.full((2, 4), y) ** 2,
            np.full_like(np.zeros(3), x * x),
        ),
        S,
        V,
        float32=False,
    ),
    case(
        "likes", lambda x: np.zeros_like(x) + np.ones_like(x) * x**2 + np.full_like(x, 2.0) * x, A
    ),
    case(
        "linspace",
        lambda x, y: (
            np.linspace(x, y, 5),
            np.linspace(x, y * y, 4, endpoint=False, retstep=True)[1],
        ),
        S,
        1.9,
        float32=False,
    ),
    case("linspace of arrays", lambda x, y: np.linspace(x, y, 4, axis=1) ** 2, A, B),
    case(
        "logspace geomspace",
        lambda x, y: (
            np.logspace(x, y, 4),
            np.logspace(x, 2, 3, base=y),
            np.geomspace(x, y, 5),
            np.geomspace(-x, -y, 3, endpoint=False),
        ),
        S,
        1.4,
        float32=False,
    ),
    case("geomspace complex", lambda z: np.geomspace(z, 2.0 + 1j, 4), 1.2 + 0.3j, float32=False),
    case(
        "arange",
        lambda x: (np.arange(x, 5.0, 0.5) ** 2, np.arange(5) * x, np.arange(0.0, 3.0, x) ** 2),
        S,
        float32=False,
    ),
    case(
        "interp",
        lambda x, xp, fp: np.interp(x, xp, fp),
        np.array([-1.0, 0.3, 1.7, 2.5, 9.0]),
        np.array([0.0, 1.0, 2.2, 4.0]),
        V,
    ),
    case(
        "interp ends",
        lambda x, fp, l, r: np.interp(x, [0, 1, 2, 3], fp, left=l, right=r * r),
        np.array([[-1.0, 0.3], [2.5, 9.0]]),
        V,
        0.3,
        1.7,
        float32=False,
    ),
    case(
        "interp period",
        lambda x, xp, fp, p: np.interp(x, xp, fp, period=p),
        np.array([-1.0, 0.3, 5.7, 9.1]),
        np.array([2.2, 0.1, 1.0, 3.0]),
        V,
        3.7,
    ),
    case(
        "interp complex", lambda x, fp: np.interp(x, [0.0, 1.0], fp), 0.4, Z[0, :2], float32=False
    ),
]
