"""Edges of reductions and scans: zeros, ties, empty arrays, infinities, arguments."""

import itertools

import numpy as np
import pytest

import adjoint as ad


def products_of_others(x, *without):
    return np.prod([v for k, v in enumerate(x) if k not in without])


@pytest.mark.parametrize("x", [[0.0, 2, 3, -4], [0.0, 2, 0, -4], [0.0, 0, 0, 5], [1.5, 2, 3, -4]])
def test_prod_and_cumprod_with_zeros_to_second_order(x):
    x = np.array(x)
    gradient = [products_of_others(x, i) for i in range(4)]
    hessian = np.zeros((4, 4))
    for i, j in itertools.permutations(range(4), 2):
        hessian[i, j] = products_of_others(x, i, j)
    for fn in (np.prod, lambda x: np.cumprod(x)[-1], lambda x: np.multiply.accumulate(x)[-1]):
        np.testing.assert_array_equal(ad.grad(fn)(x), gradient)
        np.testing.assert_array_equal(ad.hessian(fn)(x), hessian)
        np.testing.assert_array_equal(ad.jacfwd(ad.grad(fn))(x), hessian)


def test_prod_does_not_divide():
    x = np.array([1e-200, 1e200, 1e-300, 1e300])
    np.testing.assert_allclose(ad.grad(np.prod)(x), 1 / x, rtol=1e-12)
    x = np.array([5e-324, 2.0])
    np.testing.assert_array_equal(ad.grad(np.prod)(x), [2.0, 5e-324])


def test_recurrence_whose_neighbours_overflow_together():
    from adjoint.ops.scan import recurrence

    a, b = np.ones(64), np.zeros(64)
    b[0], a[11:16], a[20:25] = 1e-300, 1e100, 1e-100
    want = np.cumprod(np.where(np.arange(64) == 0, 1e-300, a))
    np.testing.assert_allclose(recurrence(a, b, axis=0), want, rtol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "shape, axis", [((100, 3), 0), ((2, 33), 1), ((17,), 0), ((4, 5), -1), ((0, 2), 0)]
)
def test_recurrence_is_what_a_loop_gives(shape, axis, reverse):
    from adjoint.ops.scan import recurrence

    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, *shape))
    got = recurrence(a, b, axis=axis % len(shape), reverse=reverse)
    a, b = (np.moveaxis(v, axis, 0)[:: -1 if reverse else 1] for v in (a, b))
    r, want = 0.0, []
    for i in range(len(b)):
        r = a[i] * r + b[i]
        want.append(r)
    want = np.reshape(want, b.shape)[:: -1 if reverse else 1]
    np.testing.assert_allclose(got, np.moveaxis(want, 0, axis), rtol=1e-12, atol=1e-12)


def test_ties_of_extrema_are_shared_evenly():
    x = np.array([[2.0, 5, 5], [5, 1, 0]])
    np.testing.assert_array_equal(ad.grad(np.max)(x), (x == 5) / 3)
    got = ad.grad(lambda x: np.sum(np.max(x, axis=1)))(x)
    np.testing.assert_array_equal(got, [[0, 0.5, 0.5], [1, 0, 0]])
    got = ad.grad(lambda x: np.maximum.reduce(x, axis=None, initial=5.0))(x)
    np.testing.assert_array_equal(got, (x == 5) / 6)
    np.testing.assert_array_equal(ad.grad(np.ptp)(np.ones(4)), np.zeros(4))
    np.testing.assert_array_equal(ad.jvp(np.min, (np.ones(4),), (np.arange(4.0),))[1], 1.5)


def test_running_extrema_belong_to_the_first_of_equals():
    x = np.array([1.0, 3, 3, 2, 5, 5])
    jac = ad.jacobian(np.maximum.accumulate)(x)
    np.testing.assert_array_equal(jac.argmax(1), [0, 1, 1, 1, 4, 4])
    np.testing.assert_array_equal(jac.sum(1), np.ones(6))
    jac = ad.jacobian(np.fmin.accumulate)(np.array([np.nan, 2, np.nan, 1]))
    np.testing.assert_array_equal(jac.argmax(1)[1:], [1, 1, 3])


def test_extremum_of_nan():
    x = np.array([1.0, np.nan, 3.0])
    assert np.isnan(ad.grad(np.max)(x)).all()
    np.testing.assert_array_equal(ad.grad(np.fmax.reduce)(x), [0, 0, 1])
    np.testing.assert_array_equal(ad.grad(np.nanmin)(x), [1, 0, 0])


@pytest.mark.parametrize("fn", [np.std, np.nanstd, lambda x: np.std(x, where=x > 0)])
def test_standard_deviation_of_equal_numbers_has_derivative_zero(fn):
    x = np.full(3, 2.5)
    np.testing.assert_array_equal(ad.grad(fn)(x), np.zeros(3))
    np.testing.assert_array_equal(ad.hessian(fn)(x), np.zeros((3, 3)))


def test_variance_far_from_zero_keeps_its_derivative():
    d = np.array([0.25, -0.5, 1.0, 0.0])
    np.testing.assert_array_equal(ad.grad(np.var)(1e8 + d), (d - d.mean()) / 2)
    hessian = (np.eye(4) - 0.25) / 2
    np.testing.assert_allclose(ad.hessian(np.var)(1e8 + d), hessian, rtol=1e-15)


def test_logaddexp_reduce_is_stable():
    x = np.array([1000.0, 1001.0, -np.inf])
    s = 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(ad.grad(np.logaddexp.reduce)(x), [1 - s, s, 0], rtol=1e-15)
    np.testing.assert_allclose(ad.hessian(np.logaddexp.reduce)(x)[0, 1], -s * (1 - s), rtol=1e-12)
    got = ad.jacobian(np.logaddexp.accumulate)(x)
    np.testing.assert_allclose(got, [[1, 0, 0], [1 - s, s, 0], [1 - s, s, 0]], rtol=1e-15)
    none = np.full(2, -np.inf)
    np.testing.assert_array_equal(ad.grad(np.logaddexp.reduce)(none), [0, 0])


def test_hypot_reduce_at_zero():
    np.testing.assert_array_equal(ad.grad(np.hypot.reduce)(np.zeros(3)), np.zeros(3))
    np.testing.assert_array_equal(ad.grad(np.hypot.reduce)(np.array([-3.0])), [-1])


@pytest.mark.parametrize("fn", [np.sum, np.prod, np.nansum, np.nanprod, np.add.reduce])
def test_empty_sums_and_products(fn):
    value, gradient = ad.value_and_grad(fn)(np.zeros(0))
    assert value == fn(np.zeros(0)) and gradient.shape == (0,)
    jac = ad.jacobian(lambda x: fn(x, axis=0))(np.zeros((0, 2)))
    assert jac.shape == (2, 0, 2)


@pytest.mark.parametrize(
    "fn", [np.cumsum, np.cumprod, np.diff, np.sort, np.maximum.accumulate, np.unique]
)
def test_empty_scans(fn):
    values, pull = ad.vjp(fn, np.zeros(0))
    assert values.shape == pull(values)[0].shape == (0,)


def test_empty_extrema():
    with pytest.raises(ValueError, match="zero-size array"):
        ad.grad(np.max)(np.zeros(0))
    value, (x_bar, y_bar) = ad.value_and_grad(
        lambda x, y: np.sum(np.max(x, axis=1, initial=y)), argnums=(0, 1)
    )(np.zeros((2, 0)), 3.0)
    assert value == 6 and x_bar.shape == (2, 0) and y_bar == 2


def test_empty_mean_warns():
    with pytest.warns(RuntimeWarning):
        value, gradient = ad.value_and_grad(np.mean)(np.zeros(0))
    assert np.isnan(value) and gradient.shape == (0,)


@pytest.mark.parametrize(
    "fn", [np.sum, np.mean, np.prod, np.max, np.min, np.median, np.nansum, np.nanmax, np.nanmean]
)
def test_scalars(fn):
    assert ad.grad(fn)(2.5) == 1
    assert ad.grad(fn)(np.float32(2.5)).dtype == np.float32
    assert ad.grad(fn)(np.array(2.5)) == 1
    assert ad.grad(np.var)(2.5) == ad.grad(np.std)(2.5) == ad.grad(np.ptp)(2.5) == 0


def test_lists_of_traced_values():
    def f(x):
        return np.sum([x[0], x[1] * x[2]]) + np.max([x[0], x[2]]) * np.mean([x[0], 3.0])

    np.testing.assert_allclose(ad.grad(f)(np.array([1.0, 2, 3])), [1 + 1.5, 3, 2 + 2])


def test_arguments_are_checked_as_by_numpy():
    x = np.ones((2, 3))
    with pytest.raises(np.exceptions.AxisError):
        ad.grad(lambda x: np.sum(x, axis=2))(x)
    with pytest.raises(ValueError, match="initial"):
        ad.grad(lambda x: np.max(x, where=x > 0))(x)
    with pytest.raises(ValueError, match="ddof and correction"):
        ad.grad(lambda x: np.var(x, ddof=1, correction=1))(x)
    with pytest.raises(TypeError, match="one axis"):
        ad.jacobian(lambda x: np.cumsum(x, axis=(0, 1)))(x)
    with pytest.raises(TypeError, match="unexpected keyword"):
        ad.grad(lambda x: np.var(x, dof=1))(x)
    with pytest.raises(IndexError, match="out-of-bounds"):
        ad.jacobian(lambda x: np.maximum.reduceat(x, [0, 7]))(x)
    with pytest.raises(ad.errors.NoRuleError, match="numpy.power.reduce|power.reduce"):
        ad.jacobian(np.power.reduce)(x)


def test_integer_results_are_constants():
    assert ad.grad(lambda x: np.sum(x, dtype=int) * x[0])(np.array([1.5, 2.5])).tolist() == [3, 0]
    assert ad.grad(lambda x: x[np.argmax(x)] + np.argmin(x))(np.array([1.0, 4.0])).tolist() == [
        0,
        1,
    ]


@pytest.mark.parametrize("fn", [np.sum, np.mean, np.max, np.prod, np.var])
def test_out(fn):
    def f(x):
        y = np.zeros(2)
        fn(x * x, axis=1, out=y)
        return np.sum(y)

    x = np.array([[1.0, 2], [3, 4.5]])
    got = ad.grad(f)(x)
    np.testing.assert_allclose(got, ad.grad(lambda x: np.sum(fn(x * x, axis=1)))(x))


@pytest.mark.parametrize("fn", [np.nanvar, np.nanstd, np.nanmean, np.nanmax, np.nanmedian])
def test_slices_of_nan_alone(fn):
    x = np.array([[np.nan, np.nan], [1.0, 3.0]])
    with pytest.warns(RuntimeWarning):
        values, pull = ad.vjp(lambda x: fn(x, axis=1), x)
    np.testing.assert_array_equal(np.isnan(values), [True, False])
    assert np.isfinite(pull(np.array([0.0, 1.0]))[0][1]).all()
