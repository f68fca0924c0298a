"""Functions that are called with numbers, in both tiers: in C, with rules of the user's."""

import ctypes
import ctypes.util

import numpy as np
import pytest
from numpy.testing import assert_allclose

import adjoint as ad
from adjoint.api.external import external
from adjoint.errors import InputError, NoRuleError, RuleError, TracingError
from tests.staged.nestings import FIRST, SECOND

X = np.linspace(0.1, 1.2, 12)
TIERS = pytest.mark.parametrize("tier", [lambda f: f, ad.jit], ids=["eager", "staged"])


def shape_of_first(shape, *_):
    return shape


def only_numbers(*args):
    for x in args:
        assert type(x) in (np.ndarray, np.float64, float, int), type(x)
        if type(x) is np.ndarray:
            assert x.flags.owndata and x.flags.c_contiguous and x.flags.writeable


def sine_with(**rules):
    def sine(x):
        only_numbers(x)
        result = np.sin(x)
        if np.ndim(x):
            x[:] = np.nan  # its own
        return result

    def vjp(x, ct):
        only_numbers(x, ct)
        return ct * np.cos(x)

    def jvp(primals, tangents):
        only_numbers(*primals, *tangents)
        return np.cos(primals[0]) * tangents[0]

    known = {"vjp": vjp, "jvp": jvp}
    return external(sine, shape_of_first, **{k: known[k] for k in rules if rules[k]})


SINE = sine_with(vjp=True, jvp=True)


def total(f):
    return lambda x: np.sum(f(x) * x)


TRANSFORMS = FIRST | {
    "value": lambda g: g,
    "vjp twice": lambda g: lambda x: (lambda pull: pull(1.0)[0] + pull(2.0)[0])(ad.vjp(g, x)[1]),
    "vmap": lambda g: lambda x: ad.vmap(g)(x.reshape(3, 4)),
    "vmap of grad": lambda g: lambda x: ad.vmap(ad.grad(g))(x.reshape(3, 4)),
    "grad of vmap": lambda g: ad.grad(lambda x: np.sum(ad.vmap(g)(x.reshape(3, 4)))),
}


@TIERS
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_it_is_differentiable_in_every_mode(transform, tier):
    want = TRANSFORMS[transform](total(np.sin))(X)
    got = tier(TRANSFORMS[transform](total(SINE)))(X)
    assert_allclose(got, want, rtol=1e-13)
    assert_allclose(X, np.linspace(0.1, 1.2, 12))


@TIERS
def test_in_loops_and_branches(tier):
    def loop(sin):
        def fn(x, n):
            s = 0.0
            for i in range(n):
                if x[i] > 0.4:
                    s = s + sin(x[i]) * sin(s) + x[i]
            return s

        return fn

    for t in (ad.grad, lambda g: lambda x, n: ad.jvp(lambda x: g(x, n), (x,), (x,))):
        assert_allclose(tier(t(loop(SINE)))(X, 9), t(loop(np.sin))(X, 9), rtol=1e-13)


@TIERS
def test_a_function_in_c(tier):
    libm = ctypes.CDLL(ctypes.util.find_library("m") or "msvcrt")
    libm.hypot.argtypes, libm.hypot.restype = [ctypes.c_double] * 2, ctypes.c_double
    hypot = external(
        libm.hypot,
        (),
        vjp=lambda x, y, ct: (ct * x / np.hypot(x, y), ct * y / np.hypot(x, y)),
    )

    def fn(hypot):
        return lambda x, y: hypot(x, hypot(y, 2.0)) ** 2

    want = ad.grad(fn(np.hypot), (0, 1))(3.0, 4.0)
    assert_allclose(tier(ad.grad(fn(hypot), (0, 1)))(3.0, 4.0), want, rtol=1e-14)


@TIERS
def test_several_results_pytrees_and_constants(tier):
    def fn(p, x, power, label):
        assert label == "label" and type(power) is int
        return np.sum(p["w"]) * x**power, np.argmax(x), np.outer(p["w"], x).astype(np.float32)

    def vjp(p, x, power, label, cts):
        y_bar, count_bar, z_bar = cts
        assert count_bar == 0 and z_bar.dtype == np.float32
        w_bar = np.full(len(p["w"]), np.sum(y_bar * x**power)) + z_bar @ x
        x_bar = np.sum(p["w"]) * power * x ** (power - 1) * y_bar + p["w"] @ z_bar
        return {"w": w_bar}, x_bar, None, None

    def jvp(primals, tangents):
        p, x, power, _ = primals
        p_dot, x_dot, _, _ = tangents
        y_dot = np.sum(p_dot["w"]) * x**power
        y_dot = y_dot + np.sum(p["w"]) * power * x ** (power - 1) * x_dot
        z_dot = np.outer(p_dot["w"], x) + np.outer(p["w"], x_dot)
        return y_dot, 0, z_dot.astype(np.float32)

    mine = external(
        fn,
        lambda p, x, power, label: (x, (), (*p["w"], *x)),
        vjp=vjp,
        jvp=jvp,
        dtype=(float, np.intp, np.float32),
    )

    def loss(f):
        def of(w, x):
            y, k, z = f({"w": w}, x, 3, "label")
            return np.sum(y * y) + x[k] + np.sum(z * z)

        return of

    w = np.array([0.5, 2.0])
    for t in (
        lambda g: ad.grad(g, (0, 1)),
        lambda g: lambda w, x: ad.jvp(g, (w, x), (w * 2, x)),
    ):
        want, got = t(loss(fn))(w, X), tier(t(loss(mine)))(w, X)
        for a, b in zip(got, want, strict=True):
            assert_allclose(a, b, rtol=1e-6)


@TIERS
def test_none_is_a_zero_cotangent(tier):
    f = external(lambda x, y: x * y, shape_of_first, vjp=lambda x, y, ct: (None, ct * x))
    x_bar, y_bar = tier(ad.grad(lambda x, y: np.sum(f(x, y)), (0, 1)))(X, X)
    assert_allclose(x_bar, 0 * X)
    assert_allclose(y_bar, X)


@TIERS
def test_lengths_of_the_run(tier):
    f = external(
        lambda x: np.concatenate([x, x[:2]]),
        lambda shape: (shape[0] + 2,),
        vjp=lambda x, ct: ct[:-2] + np.concatenate([ct[-2:], np.zeros(len(x) - 2)]),
    )
    g = tier(ad.grad(lambda x: np.sum(f(x) ** 2)))
    for n in (10, 12):
        want = 2 * X[:n] * np.where(np.arange(n) < 2, 2, 1)
        assert_allclose(g(X[:n]), want)


@TIERS
def test_higher_derivatives_need_rules_of_their_own(tier):
    for name, t in SECOND.items():
        which = "jvp" if name.endswith("over forward") else "vjp"
        with pytest.raises(NoRuleError, match=f"the {which} of .*sine .* higher"):
            tier(t(total(SINE)))(X)

    slope = external(
        lambda x, ct: ct * np.cos(x),
        shape_of_first,
        vjp=lambda x, ct, bar: (-bar * ct * np.sin(x), bar * np.cos(x)),
        jvp=lambda p, t: t[1] * np.cos(p[0]) - p[1] * t[0] * np.sin(p[0]),
    )
    forward = ad.custom_jvp(lambda primals, tangents: np.cos(primals[0]) * tangents[0])
    forward.defjvp(
        lambda p, t: (
            forward(*p),
            t[1][0] * np.cos(p[0][0]) - p[1][0] * t[0][0] * np.sin(p[0][0]),
        )
    )
    twice = external(np.sin, shape_of_first, vjp=slope, jvp=forward)
    for t in SECOND.values():
        assert_allclose(tier(t(total(twice)))(X), t(total(np.sin))(X), rtol=1e-12)


@TIERS
def test_missing_rules_are_named(tier):
    for rules, transform, missing in (
        ({"jvp": True}, ad.grad, "vjp"),
        ({"vjp": True}, lambda g: lambda x: ad.jvp(g, (x,), (x,)), "jvp"),
        ({}, ad.grad, "vjp"),
    ):
        with pytest.raises(NoRuleError, match=rf"sine \(ad.external\) has no {missing}"):
            tier(transform(total(sine_with(**rules))))(X)
    assert_allclose(tier(sine_with())(X), np.sin(X))
    without = sine_with()
    assert_allclose(tier(ad.grad(lambda x, y: np.sum(x * without(y))))(X, X), np.sin(X))


@TIERS
@pytest.mark.parametrize(
    ("fn", "shape", "dtype", "message"),
    [
        (
            lambda x: x[:-1],
            shape_of_first,
            float,
            r"shape \(11,\); dtype float64 and shape \(12,\)",
        ),
        (lambda x: 1, (), float, "dtype int64 and shape"),
        (lambda x: np.float32(1), (), float, "dtype float32 and shape"),
        (lambda x: (x, x), shape_of_first, float, r"shape \(2, 12\)"),
        (lambda x: x, lambda s: (s, s), float, "tuple of results was declared"),
        (lambda x: (x,), lambda s: (s, s), float, "1 results; 2 were declared"),
        (lambda x: (x, x[0]), lambda s: (s, s), float, r"shape \(\) as result 1"),
        (lambda x: x, lambda s: 12, float, "neither a shape nor a tuple"),
        (lambda x: x, lambda s: (s, s), (float, float, float), "2 shapes and 3 dtypes"),
    ],
)
def test_other_results_than_declared(fn, shape, dtype, message, tier):
    with pytest.raises(InputError, match=message):
        tier(external(fn, shape, dtype=dtype))(X)


@TIERS
@pytest.mark.parametrize(
    ("vjp", "message"),
    [
        (lambda x, ct: ct[:-1], r"returned shape \(11,\) for an argument of shape \(12,\)"),
        (lambda x, ct: (ct, ct), "one entry for each of its 1"),
        (lambda x, ct: ct * 1j, "dtype complex128 for an argument of dtype float64"),
    ],
)
def test_wrong_reverse_rules_are_named(vjp, message, tier):
    f = external(np.sin, shape_of_first, vjp=vjp)
    with pytest.raises(RuleError, match=message):
        tier(ad.grad(lambda x: np.sum(f(x))))(X)


@TIERS
def test_wrong_forward_rules_are_named(tier):
    f = external(np.sin, shape_of_first, jvp=lambda p, t: t[0][:-1])
    with pytest.raises(RuleError, match=r"the jvp of .* returned an array of .*shape \(11,\)"):
        tier(lambda x: ad.jvp(f, (x,), (x,)))(X)


@pytest.mark.parametrize("shape", ["text", (1, "n"), ((1,), 2)])
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(InputError, match="neither a shape nor a tuple of shapes"):
        external(np.sin, shape)


def test_equal_calls_are_made_once_and_unused_ones_never():
    calls = []

    def fn(x):
        calls.append(1)
        return np.sin(x)

    f = external(fn, shape_of_first)

    def program(x):
        f(x * 2)
        return f(x) + f(x)

    assert_allclose(ad.jit(program)(X), 2 * np.sin(X))
    assert len(calls) == 1


def test_functions_that_record_are_refused():
    def fn(x):
        return external(lambda x: np.sin(x), (12,))(x)

    assert_allclose(fn(X), np.sin(X))
    assert_allclose(ad.vjp(fn, X)[0], np.sin(X))
    with pytest.raises(TracingError, match="define a function for ad.external outside"):
        ad.jit(fn)(X)
