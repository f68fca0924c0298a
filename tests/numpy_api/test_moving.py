"""Moving and combining arrays: values, types and exceptions as NumPy's, for every kind of input."""

import warnings

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import NoRuleError, TracingError

RNG = np.random.default_rng(5)
KINDS = {
    "matrix": RNG.normal(size=(2, 3)),
    "vector": RNG.normal(size=4),
    "empty": np.zeros((0, 3)),
    "scalar": np.float64(0.5),
    "0-d": np.array(0.5),
    "cube": RNG.normal(size=(2, 3, 2)),
    "single": RNG.normal(size=(2, 3)).astype(np.float32),
    "complex": RNG.normal(size=(2, 3)) + 1j,
}

FUNCTIONS = {
    "reshape": [
        lambda x: np.reshape(x, -1),
        lambda x: np.reshape(x, (2, -1)),
        lambda x: np.reshape(x, (-1, -1)),
        lambda x: np.ravel(x, "K"),
        lambda x: np.ravel(x, "F"),
        lambda x: np.resize(x, (3, 3)),
        lambda x: np.resize(x, 0),
    ],
    "axes": [
        lambda x: np.transpose(x),
        lambda x: np.transpose(x, (1, 0)),
        lambda x: np.transpose(x, (0, 0)),
        lambda x: np.swapaxes(x, 0, 1),
        lambda x: np.moveaxis(x, 0, -1),
        lambda x: np.moveaxis(x, 5, 0),
        lambda x: np.rollaxis(np.asarray(x), -1),
        lambda x: np.squeeze(x),
        lambda x: np.squeeze(x, 0),
        lambda x: np.expand_dims(x, (0, 2)),
        lambda x: np.expand_dims(x, 9),
        lambda x: np.atleast_3d(x),
        lambda x: np.matrix_transpose(x),
        lambda x: np.broadcast_to(x, (2, 2, 3)),
        lambda x: np.broadcast_arrays(x, np.ones((2, 1, 1))),
    ],
    "directions": [
        lambda x: np.flip(x, 0),
        lambda x: np.fliplr(x),
        lambda x: np.flipud(x),
        lambda x: np.rot90(x, 3, (1, 0)),
        lambda x: np.rot90(x, 1, (0, 0)),
        lambda x: np.roll(x, 1),
        lambda x: np.roll(x, (1, 2), 0),
        lambda x: np.roll(x, -3, -1),
    ],
    "joining": [
        lambda x: np.concatenate([x, x], -1),
        lambda x: np.concatenate([x, x], axis=None),
        lambda x: np.concatenate([x, [1]]),
        lambda x: np.concatenate(x),
        lambda x: np.concatenate([x, x], dtype=np.float32),
        lambda x: np.concatenate([x, x], dtype=int),
        lambda x: np.concatenate([x, np.ones(3, np.float32)]),
        lambda x: np.stack([x, x], -1),
        lambda x: np.stack(x),
        lambda x: np.hstack([x, x]),
        lambda x: np.vstack([x, x]),
        lambda x: np.dstack([x, x]),
        lambda x: np.column_stack([x, x]),
        lambda x: np.block([[x, x], [x, x]]),
        lambda x: np.block([[x], x]),
        lambda x: np.append(x, 1.0),
        lambda x: np.append(x, x, 0),
    ],
    "splitting": [
        lambda x: np.split(np.asarray(x), 2),
        lambda x: np.array_split(np.asarray(x), 3, -1),
        lambda x: np.array_split(np.asarray(x), [1, 5]),
        lambda x: np.hsplit(x, 3),
        lambda x: np.vsplit(x, 2),
        lambda x: np.dsplit(x, 2),
        lambda x: np.unstack(np.asarray(x), axis=-1),
    ],
    "repeating": [
        lambda x: np.tile(x, (2, 1, 2)),
        lambda x: np.tile(x, 0),
        lambda x: np.tile(x, ()),
        lambda x: np.repeat(x, 2, 0),
        lambda x: np.repeat(x, [1, 2], 0),
        lambda x: np.repeat(x, [2]),
    ],
    "deleting and inserting": [
        lambda x: np.delete(x, 0),
        lambda x: np.delete(x, [0, 1], -1),
        lambda x: np.delete(x, 99),
        lambda x: np.insert(x, 0, 1.5),
        lambda x: np.insert(x, [0, 0], 2.0),
        lambda x: np.insert(x, 1, [7.0], axis=0),
        lambda x: np.insert(x, [1], 9.0, -1),
        lambda x: np.insert(x, 99, 1.0),
        lambda x: np.insert(x, [True, False], 3.0),
        lambda x: np.trim_zeros(np.tril(x)),
    ],
    "taking": [
        lambda x: np.take(x, 0),
        lambda x: np.take(x, [0, -1]),
        lambda x: np.take(x, [[0]], -1),
        lambda x: np.take(x, 99),
        lambda x: np.take(x, 99, mode="clip"),
        lambda x: np.take(x, 99, mode="wrap"),
        lambda x: np.take(x, 0, mode="nearest"),
        lambda x: np.take(x, [], 0),
        lambda x: np.take_along_axis(np.asarray(x), np.zeros(np.shape(x), int), -1),
        lambda x: np.take_along_axis(np.asarray(x), np.zeros(2, int), None),
        lambda x: np.take_along_axis(np.asarray(x), np.zeros(2), -1),
        lambda x: np.compress([1, 0], x, 0),
        lambda x: np.extract(np.ones(np.shape(x)), x),
    ],
    "matrices": [
        lambda x: np.diag(x, 1),
        lambda x: np.diag(x, -5),
        lambda x: np.diagflat(x, -1),
        lambda x: np.diagonal(x, 1, 0, 1),
        lambda x: np.diagonal(x, 0, 1, 1),
        lambda x: np.trace(x, 1, dtype=np.complex128),
        lambda x: np.tril(x),
        lambda x: np.triu(x, 1),
        lambda x: np.linalg.diagonal(x),
        lambda x: np.meshgrid(x, [1, 2], indexing="ij"),
        lambda x: np.meshgrid(x, indexing="q"),
    ],
    "padding": [
        lambda x: np.pad(x, 1),
        lambda x: np.pad(x, (1, 2), "edge"),
        lambda x: np.pad(x, 1, "wrap"),
        lambda x: np.pad(x, 2, "reflect"),
        lambda x: np.pad(x, 5, "symmetric", reflect_type="odd"),
        lambda x: np.pad(x, 1, "mean"),
        lambda x: np.pad(x, 1, "median"),
        lambda x: np.pad(x, 2, "linear_ramp", end_values=3),
        lambda x: np.pad(x, 1, constant_values=2.5),
        lambda x: np.pad(x, -1),
        lambda x: np.pad(x, 1.5),
        lambda x: np.pad(x, 1, "nowhere"),
        lambda x: np.pad(x, 1, "edge", constant_values=1),
        lambda x: np.pad(x, ((1, 1), (0, 0))),
    ],
    "products": [
        lambda x: np.dot(x, x),
        lambda x: np.dot(x, 2.0),
        lambda x: np.dot(x, np.ones((3, 2))),
        lambda x: np.vdot(x, x),
        lambda x: np.inner(x, x),
        lambda x: np.outer(x, x),
        lambda x: np.tensordot(x, x, 0),
        lambda x: np.kron(x, [1, 2]),
        lambda x: np.cross(x, x),
        lambda x: np.convolve(x, [1, 2], "same"),
        lambda x: np.convolve(x, []),
        lambda x: np.einsum("...->...", x),
        lambda x: np.einsum("ij->i", x),
        lambda x: np.einsum("ii", x),
        lambda x: np.einsum("i->j", x),
        lambda x: np.einsum("...i,...i", x, x),
        lambda x: np.einsum("i...->i", x),
        lambda x: np.einsum(x, [0, 1], [1]),
        lambda x: np.vander(x, 2),
        lambda x: np.polyval([1, 2.0], x),
        lambda x: np.polyadd(x, [1, 2]),
        lambda x: np.polymul(x, [1, 2]),
    ],
    "fft": [
        lambda x: np.fft.fft(x),
        lambda x: np.fft.rfft(x),
        lambda x: np.fft.irfft(x),
        lambda x: np.fft.hfft(x, 3),
        lambda x: np.fft.ihfft(x),
        lambda x: np.fft.fft2(x),
        lambda x: np.fft.rfftn(x),
        lambda x: np.fft.irfftn(x),
        lambda x: np.fft.fft(x, 0),
        lambda x: np.fft.fft(x, norm="none"),
        lambda x: np.fft.fft(x, axis=7),
        lambda x: np.fft.fftn(x, (2,), (0, 1)),
    ],
    "creation": [
        lambda x: np.array(x),
        lambda x: np.asarray(x),
        lambda x: np.array([x, x], dtype=np.complex64),
        lambda x: np.array(x, ndmin=3),
        lambda x: np.array([[x, 1.0], [2, x]]),
        lambda x: np.array([x, [x]]),
        lambda x: np.array([x, []]),
        lambda x: np.array([x, x], copy=False),
        lambda x: np.full(3, x),
        lambda x: np.full((2, 3), x),
        lambda x: np.full_like(x, 3.5, shape=(2,)),
        lambda x: np.asfortranarray(x),
        lambda x: np.asarray(x, dtype=int),
        lambda x: np.linspace(x, 2.0, 3),
        lambda x: np.linspace(0, x, 1),
        lambda x: np.linspace(0, x, 0),
        lambda x: np.linspace(0, x, -1),
        lambda x: np.linspace(x, x, 3, axis=-1),
        lambda x: np.linspace(0, x, 5, dtype=np.complex64),
        lambda x: np.logspace(x, 2.0, 3),
        lambda x: np.geomspace(1.0, np.abs(x) + 1, 3),
        lambda x: np.fromiter([x, x], float),
        lambda x: np.interp(x, [0.0, 1], [1.0, 2]),
        lambda x: np.interp(x, [1.0], [2.0], left=-1.0),
        lambda x: np.asarray(x).ravel()[:2].copy(),
    ],
}


def outcome(fn, x):
    try:
        result = fn(x)
    except Exception as error:
        return error
    return list(result) if isinstance(result, (tuple, list)) else [result]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_as_numpy(name, kind):
    x = KINDS[kind]
    for k, fn in enumerate(FUNCTIONS[name]):
        where = f"{name} {k} of a {kind}"
        want = outcome(fn, x)
        got = outcome(lambda x, fn=fn: ad.jvp(fn, (x,), (np.ones_like(x),))[0], x)
        if isinstance(want, Exception):
            assert isinstance(got, Exception), f"{where}: NumPy raises {want!r}, not {got!r}"
            # A list of arrays that NumPy cannot join is a ValueError or an IndexError by accident.
            assert isinstance(got, (type(want), ValueError, TypeError, IndexError)), where
            continue
        assert isinstance(got, list), f"{where}: {got!r}"
        assert len(got) == len(want), where
        for a, b in zip(got, want, strict=True):
            assert np.shape(a) == np.shape(b), where
            assert np.asarray(a).dtype == np.asarray(b).dtype, where
            eps = np.finfo(np.asarray(b).dtype).eps if np.asarray(b).dtype.kind in "fc" else 0
            np.testing.assert_allclose(a, b, rtol=20 * eps, atol=20 * eps, err_msg=where)


# -- views of arrays that are constant so far ------------------------------------------------------


def reshaped(x):
    u = np.zeros(4)
    np.reshape(u, (2, 2))[0, 0] = x[0]
    return u


def shared(x):
    u = np.zeros(4)
    v = np.asarray(u)
    u[0] = x[0] * 3
    return v


def split_up(x):
    y = np.zeros((2, 3))
    np.swapaxes(y, 0, 1)[1] = x[:2]
    np.moveaxis(y, 0, -1)[2, 1] = x[3]
    np.split(y, 2)[0][0, 0] = x[2] ** 2
    np.atleast_3d(y)[1, 0, 0] = x[1] ** 2
    return y


def on_the_diagonal(x):
    y = np.ones((3, 3))
    np.einsum("ii->i", y)[:] = x[:3] ** 2
    np.fill_diagonal(y[:, 1:], x[3])
    return y


def broadcast_then_stored(x):
    y = np.zeros(4)
    b = np.broadcast_to(y, (2, 4))
    y[1] = x[2]
    return b * x


def first_in_fortran_order(x):
    y = np.asfortranarray(np.outer(x, x))
    y *= 2.0
    z = y.ravel(order="K")
    z[1] = x[0] * 11
    y[0, 0] = x[1]
    y.ravel()[5] = 3.0
    return y[:, :2] + z[:2]


def real_and_imaginary(x):
    z = np.zeros(4, complex)
    z.real[1:] = x[1:]
    z.imag[...] = x**2
    z.imag[1:3] += x[0] * z.real[2]
    return np.abs(z) ** 2


@pytest.mark.parametrize(
    "fn",
    [
        reshaped,
        shared,
        split_up,
        on_the_diagonal,
        broadcast_then_stored,
        first_in_fortran_order,
        real_and_imaginary,
    ],
)
def test_views_of_arrays_to_be_filled(fn):
    x = np.array([1.0, 2.0, 3.0, 4.0])
    h = 1e-6
    numeric = np.stack([(fn(x + h * e) - fn(x - h * e)) / (2 * h) for e in np.eye(4)], -1)
    np.testing.assert_array_equal(ad.vjp(fn, x)[0], fn(x))
    np.testing.assert_allclose(ad.jacrev(fn)(x), numeric, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ad.jacfwd(fn)(x), numeric, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "view", [lambda y: np.broadcast_to(y, (2, 4)), lambda y: np.diagonal(np.outer(y, y))]
)
def test_read_only_views(view):
    def store(x):
        view(x * 2)[0] = x[0]
        return x

    with pytest.raises(ValueError, match="read-only"):
        ad.jvp(store, (np.ones(4),), (np.ones(4),))


def test_what_numpy_copies_is_a_copy():
    def fn(x):
        y = x * 1.0
        for part in (np.roll(y, 0), np.take(y, [0, 1]), np.copy(y), np.array(y), np.tile(y, 1)):
            part[0] = 100.0
        for part in (y.T.reshape(2, 2).T.ravel(), np.repeat(y, 1), y.flatten(), np.append(y, y)):
            part[...] = 7.0
        return y

    x = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(ad.jacrev(fn)(x), np.eye(4))


# -- in code that is not rewritten -----------------------------------------------------------------

PLAIN = {"np": np}
exec(
    """
def joined(x): return np.stack([x[0] * x[1], x[2]])
def spaced(x): return np.linspace(x[0], x[1], 3)
def like(x): return np.zeros_like(x) + np.full_like(x, 2.0) * x
def padded(x): return np.pad(x, 1, "reflect")
def filled(x):
    u = np.zeros(3)
    u[0] = x[0]
    return u
def listed(x): return np.array([x[0], x[1]])
def converted(x): return np.asarray(x)
def full(x): return np.full(3, x[0])
def counted(x): return np.arange(x[0])
def put(x): return np.put(np.zeros(3), [0], x[0])
def added(x): return np.add.at(np.zeros(3), [0], x[0])
""",
    PLAIN,
)


@pytest.mark.parametrize("name", ["joined", "spaced", "like", "padded"])
def test_plain_code(name):
    x = np.array([1.0, 2.5, 3.0])
    fn = PLAIN[name]
    np.testing.assert_allclose(ad.jacrev(fn)(x) @ x, ad.jvp(fn, (x,), (x,))[1])


@pytest.mark.parametrize(
    "name", ["filled", "listed", "converted", "full", "counted", "put", "added"]
)
def test_plain_code_is_refused_loudly(name):
    x = np.array([1.0, 2.5, 3.0])
    # NumPy turns our error into its own when an element cannot be made a number.
    with pytest.raises((TracingError, ValueError)):
        ad.jvp(PLAIN[name], (x,), (x,))


# -- others ----------------------------------------------------------------------------------------


def test_callable_padding_is_refused():
    def margin(vector, width, axis, kwargs):
        vector[: width[0]] = 0

    with pytest.raises(NoRuleError, match=r"np\.pad with a function"):
        ad.grad(lambda x: np.sum(np.pad(x, 1, margin)))(np.ones(3))


def test_objects_are_refused():
    with pytest.raises(TracingError, match="array of objects"):
        ad.grad(lambda x: np.array([x[0], None])[0])(np.ones(3))


def test_integers_pass_through():
    def fn(x):
        index = np.concatenate([np.arange(2), np.asarray([2])])
        return np.sum(x[np.roll(index, 1)] * np.array([1, 2, 3])) + np.full(2, 7).sum()

    np.testing.assert_array_equal(ad.grad(fn)(np.ones(3)), [2.0, 3.0, 1.0])


def test_r_and_c():
    def fn(x):
        a = np.r_[x, 0, x[0], 1:3, 0:1:3j, x * x]
        b = np.c_[x, x * x, np.ones((3, 2)), 2 * x[:, None]]
        c = np.r_["0,2", x, x]
        d = np.r_[1.0, 2.0, 3.0]
        d[0] = x[0] ** 2
        return [a, b, c, d, np.r_["0,2,0", x, x], np.r_[x[0] : 4.9 : 0.5]]

    x = np.array([1.0, 2.0, 3.0])
    values, dots = ad.jvp(fn, (x,), (x,))
    h = 1e-6
    for value, dot, want, plus, minus in zip(
        values, dots, fn(x), fn(x * (1 + h)), fn(x * (1 - h)), strict=True
    ):
        np.testing.assert_array_equal(value, want)
        np.testing.assert_allclose(dot, (plus - minus) / (2 * h), atol=1e-7)


def test_ellipsis_and_optimize_of_einsum_agree():
    x, y, z = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))
    grads = [
        ad.grad(lambda x, o=o: np.einsum("ij,jk,ki->", x, y, z, optimize=o))(x)
        for o in (False, True, "greedy", ["einsum_path", (0, 1), (0, 1)])
    ]
    for g in grads:
        np.testing.assert_allclose(g, (y @ z).T, rtol=1e-12)


def test_edge_of_interpolation_is_the_segment_on_the_right():
    x, xp, fp = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 7.0])
    slopes = np.diag(ad.jacrev(lambda x: np.interp(x, xp, fp))(x))
    np.testing.assert_array_equal(slopes, [1.0, 3.0, 3.0, 3.0])


def test_gradient_of_a_padded_array_counts_copies():
    x = np.arange(3.0)
    np.testing.assert_array_equal(ad.grad(lambda x: np.sum(np.pad(x, 2, "edge")))(x), [3, 1, 3])
    np.testing.assert_array_equal(ad.grad(lambda x: np.sum(np.pad(x, 4, "wrap")))(x), [4, 3, 4])
    np.testing.assert_array_equal(ad.grad(lambda x: np.sum(np.pad(x, 1, "reflect")))(x), [1, 3, 1])
    odd = ad.grad(lambda x: np.sum(np.pad(x, 1, "reflect", reflect_type="odd")))(x)
    np.testing.assert_array_equal(odd, [3, -1, 3])


def test_empty_arrays():
    x = np.zeros((0, 3))
    for fn in (
        lambda x: np.sum(np.concatenate([x, x])),
        lambda x: np.sum(x.reshape(3, 0) @ x),
        lambda x: np.sum(np.einsum("ij,ik->jk", x, x)),
        lambda x: np.sum(np.pad(x, 1)),
        lambda x: np.sum(np.outer(x, x)),
        lambda x: np.sum(np.tile(x, 2)) + np.sum(np.repeat(x, 2)),
        lambda x: np.sum(np.take(x, [], axis=0)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert ad.grad(fn)(x).shape == (0, 3)


def test_first_store_of_repeated_multiplications_in_place():
    def fn(x):
        y = x.copy()
        np.multiply.at(y, [0, 0, 1], x)
        np.maximum.at(y, [2], 10.0)
        np.negative.at(y, [1])
        return y

    x = np.array([2.0, 3.0, 5.0])
    np.testing.assert_array_equal(ad.vjp(fn, x)[0], [12.0, -15.0, 10.0])
    np.testing.assert_array_equal(
        ad.jacrev(fn)(x), [[12.0, 4.0, 0.0], [0.0, -5.0, -3.0], [0.0, 0.0, 0.0]]
    )
