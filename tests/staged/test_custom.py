"""Functions with rules of their own in staged programs: as in the eager tier, in every nesting."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import adjoint as ad
from adjoint.errors import RuleError, TracingError
from tests.staged.nestings import FIRST, SECOND

X = np.linspace(0.1, 1.2, 12)


def with_vjp():
    """A rule that is not the derivative of what the function computes."""

    @ad.custom_vjp
    def f(x):
        return np.exp(x)

    f.defvjp(lambda x: (f(x), x), lambda x, ct: (3 * x * ct,))
    return f


def with_jvp():
    @ad.custom_jvp
    def f(x):
        return np.exp(x)

    f.defjvp(lambda primals, tangents: (f(*primals), 3 * primals[0] * tangents[0]))
    return f


def with_both():
    f = with_vjp()
    f.defjvp(lambda primals, tangents: (f(*primals), 3 * primals[0] * tangents[0]))
    return f


KINDS = {"vjp": with_vjp, "jvp": with_jvp, "both": with_both}


def total(f):
    return lambda x: np.sum(f(x) * x)


TRANSFORMS = {"value": lambda g: g} | FIRST | SECOND


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_rules_are_used_in_every_nesting(kind, transform):
    fn = TRANSFORMS[transform](total(KINDS[kind]()))
    assert_allclose(ad.jit(fn)(X), fn(X), rtol=1e-13)


def test_the_rule_is_used_and_not_the_function():
    for make in KINDS.values():
        assert_allclose(ad.jit(ad.grad(lambda x, f=make(): np.sum(f(x))))(X), 3 * X)


@pytest.mark.parametrize("kind", KINDS)
def test_in_loops_and_branches(kind):
    f = KINDS[kind]()

    def loop(x, n):
        s = 0.0
        for i in range(n):
            if x[i] > 0.5:
                s += f(x[i]) * np.sin(s) + x[i]
            else:
                x = x + 0.1 * f(x)
        return s

    def until(x):
        s, i = 0.0, 0
        while s < 6.0:
            s = s + f(x[i] * 0.1 * s) * x[i]
            i += 1
        return s

    for fn, args in ((loop, (X, 7)), (until, (X,))):
        assert_allclose(ad.jit(ad.grad(fn))(*args), ad.grad(fn)(*args), rtol=1e-12)
        along = lambda *args, fn=fn: ad.jvp(lambda x: fn(x, *args[1:]), args[:1], args[:1])[1]
        assert_allclose(ad.jit(along)(*args), along(*args), rtol=1e-12)


def test_residuals_are_chosen_among_the_values_of_fwd():
    @ad.custom_vjp
    def f(x):
        return np.sum(np.exp(x))

    # What bwd needs is redone from x, which needs not be kept: it is carried unchanged.
    f.defvjp(lambda x: (f(x), np.cos(x * 1.0)), lambda c, ct: (c * ct,))

    def loop(x, n):
        s = 0.0
        for _ in range(n):
            s += f(x)
        return s

    staged = ad.stage(ad.grad(loop))(X, 3)
    assert_allclose(staged(X, 5), 5 * np.cos(X))
    assert "stack" not in str(staged)


@lambda f: ad.custom_vjp(f, nondiff_argnums=(0, 2))
def scaled(f, p, n, scale=2.0):
    return {"y": f(p["a"]) * n, "z": (p["b"] * scale, 3)}


scaled.defvjp(
    lambda f, p, n, scale=2.0: (scaled(f, p, n, scale), (p, n)),
    lambda f, n, res, ct: (
        {"a": 10 * n * ct["y"] * np.cos(res[0]["a"]), "b": 7 * ct["z"][0]},
        None,
    ),
)


def test_pytrees_nondiff_arguments_and_keywords():
    def fn(x, n):
        result = scaled(np.sin, {"a": x, "b": x * 2}, n, scale=1.5)
        assert type(result["z"][1]) is int
        return np.sum(result["y"]) + np.sum(result["z"][0]) * result["z"][1]

    for t in (fn, ad.grad(fn), lambda x, n: ad.jvp(lambda x: fn(x, n), (x,), (x,))[1]):
        assert_allclose(ad.jit(t)(X, 3), t(X, 3), rtol=1e-13)
    assert_allclose(ad.jit(ad.grad(fn))(X, 3), 30 * np.cos(X) + 42)


def test_methods_and_none():
    class Model:
        rate = 2.0

        @ad.custom_vjp
        def f(self, x, y):
            return self.rate * x * y

    Model.f.defvjp(lambda self, x, y: (self.f(x, y), y), lambda y, ct: (None, 5 * ct * y, None))

    def fn(x, y):
        return np.sum(Model().f(x, y))

    for argnums in (0, 1, (0, 1)):
        want, got = ad.grad(fn, argnums)(X, X), ad.jit(ad.grad(fn, argnums))(X, X)
        assert_allclose(got, want)


def test_what_is_not_differentiated_runs_the_function():
    f = with_vjp()
    assert_allclose(ad.jit(f)(X), np.exp(X))
    assert_allclose(ad.jit(ad.grad(lambda x, y: np.sum(x * f(y))))(X, X), np.exp(X))


def test_without_rules_it_is_like_any_other_function():
    square = ad.custom_jvp(lambda x: x * x)
    assert_allclose(ad.jit(ad.grad(lambda x: np.sum(square(x))))(X), 2 * X)


@pytest.mark.parametrize(
    ("fwd", "bwd", "message"),
    [
        (lambda x: (2 * x, None), lambda r, ct: (np.ones(3),), r"bwd .* returned shape \(3,\)"),
        (lambda x: 2 * x, lambda r, ct: (ct,), "must return a pair"),
        (lambda x: (2 * x, None), lambda r, ct: ct, "tuple with one entry for each of its 1"),
        (lambda x: ((2 * x, 1), None), lambda r, ct: (ct,), "result of structure"),
        (lambda x: (np.sum(x), None), lambda r, ct: (ct,), "result of type"),
        (lambda x: (2 * x, None), lambda r, ct: ({"a": ct},), "entry of structure"),
    ],
)
def test_wrong_reverse_rules_are_named(fwd, bwd, message):
    f = ad.custom_vjp(lambda x: 2 * x)
    f.defvjp(fwd, bwd)
    for x in (X, X[:4]):
        with pytest.raises(RuleError, match=message):
            ad.jit(ad.grad(lambda x: np.sum(f(x))))(x)


@pytest.mark.parametrize(
    ("jvp", "message"),
    [
        (lambda p, t: (2 * p[0], np.ones(3)), r"tangent of shape \(3,\)"),
        (lambda p, t: 2 * t[0], "must return a pair"),
        (lambda p, t: (2 * p[0], (t[0], t[0])), "tangent of structure"),
    ],
)
def test_wrong_forward_rules_are_named(jvp, message):
    f = ad.custom_jvp(lambda x: 2 * x)
    f.defjvp(jvp)
    for transform in (ad.grad, lambda g: lambda x: ad.jvp(g, (x,), (x,))):
        with pytest.raises(RuleError, match=message):
            ad.jit(transform(lambda x: np.sum(f(x))))(X)


def test_traced_values_that_are_no_arguments_are_refused():
    def outer(x):
        f = ad.custom_vjp(lambda y: x * y)
        f.defvjp(lambda y: (f(y), y), lambda y, ct: (ct,))
        return np.sum(f(x))

    with pytest.raises(TracingError, match="not one of its arguments"):
        ad.jit(ad.grad(outer))(X)
    assert_allclose(ad.jit(outer)(X), np.sum(X * X))
    with pytest.raises(TracingError, match="nondiff argument of scaled"):
        ad.jit(ad.grad(lambda x: np.sum(scaled(np.sin, {"a": x, "b": x}, x)["y"])))(X)


def test_changes_in_place():
    def twice(x):
        x *= 2
        return x * 1

    f = ad.custom_vjp(twice)
    f.defvjp(lambda x: (twice(x), None), lambda _, ct: (2 * ct,))
    with pytest.raises(TracingError, match="in place"):
        ad.jit(ad.grad(lambda x: np.sum(f(x * 1))))(X)

    class Counter:
        n = 0

    counter = Counter()

    @ad.custom_vjp
    def counted(x):
        counter.n += 1
        return x * 2

    counted.defvjp(lambda x: (counted(x), None), lambda _, ct: (2 * ct,))
    with pytest.raises(TracingError, match="changes the attribute 'n'"):
        ad.jit(lambda x: np.sum(counted(x)))(X)


@pytest.mark.parametrize("transform", [lambda f: f, ad.jit])
def test_rules_may_work_in_place_on_what_they_are_given(transform):
    @ad.custom_vjp
    def f(x):
        return np.sin(x)

    def bwd(c, ct):
        ct *= c
        c *= 0
        return (ct,)

    f.defvjp(lambda x: (f(x), np.cos(x)), bwd)

    def twice(x):
        _, pull = ad.vjp(lambda x: np.sum(f(x) * x), x)
        return pull(1.0)[0] + pull(1.0)[0]

    assert_allclose(transform(twice)(X), 2 * (np.cos(X) * X + np.sin(X)))

    @ad.custom_jvp
    def g(x):
        return np.sin(x)

    def jvp(primals, tangents):
        (x,), (t,) = primals, tangents
        t *= np.cos(x)
        x[:] = 0
        return np.sin(x), t

    g.defjvp(jvp)
    x = X.copy()
    for d in (ad.grad, lambda g: lambda x: ad.jvp(g, (x,), (np.ones(12),))[1]):
        got = np.sum(transform(d(lambda x: np.sum(g(x) * x)))(x))
        assert_allclose(got, np.sum(np.cos(X) * X + np.sin(X)))
        assert_allclose(x, X)


def test_cotangents_that_a_loop_uses_again_are_not_changed():
    def clear_first(x):
        y = x.copy()
        y[0] = 0.0
        return y * y

    def loop(x, n):
        ct = np.ones(12) * 2
        s = 0.0
        for _ in range(n):
            s += np.sum(ad.vjp(clear_first, x)[1](ct)[0]) + np.sum(ct)
            x = x * 0.5
        return s

    assert_allclose(ad.jit(loop)(X, 4), loop(X, 4))


def test_stop_gradient():
    def fn(x):
        held = ad.stop_gradient({"k": x, "n": 3, "s": "text"})
        assert held["s"] == "text"
        s = 0.0
        for i in range(len(x)):
            s += x[i] * ad.stop_gradient(s + x[i]) * held["n"]
        return s + np.sum(held["k"] * x)

    for t in (ad.grad(fn), lambda x: ad.jvp(fn, (x,), (x,))[1]):
        assert_allclose(ad.jit(t)(X), t(X), rtol=1e-13)
    assert_allclose(ad.jit(ad.grad(lambda x: np.sum(ad.stop_gradient(x))))(X), 0 * X)


@pytest.mark.parametrize("kind", KINDS)
def test_under_vmap(kind):
    g = total(KINDS[kind]())
    examples = X.reshape(3, 4)
    for t in (
        ad.vmap(g),
        ad.vmap(ad.grad(g)),
        ad.grad(lambda x: np.sum(ad.vmap(g)(x))),
        lambda x: ad.jvp(ad.vmap(g), (x,), (x,))[1],
    ):
        assert_allclose(ad.jit(t)(examples), t(examples), rtol=1e-13)


def test_second_derivatives_of_a_forward_rule_differentiate_the_rule_eagerly():
    f = with_jvp()
    # d/dx of f(x) f'(x), with f' = 3x by the rule, both times.
    got = ad.grad(lambda x: f(x) * ad.grad(f)(x))(0.5)
    assert_allclose(got, (3 * 0.5) ** 2 + 3 * np.exp(0.5))


def test_forward_mode_of_a_reverse_rule_with_integer_results():
    f = ad.custom_vjp(lambda x: (x * x, 3))
    f.defvjp(lambda x: ((x * x, 3), x), lambda x, ct: (2 * x * ct[0],))
    for transform in (lambda f: f, ad.jit):
        along = transform(lambda x: ad.jvp(lambda x: f(x)[0], (x,), (x,))[1])
        assert_allclose(along(X), 2 * X * X)
