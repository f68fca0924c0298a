"""Where Python's functions of real numbers are undefined: errors when the graph runs."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import adjoint as ad
from adjoint.ir.graph import walk

NAN = math.nan

OUTSIDE = {
    "sqrt": (math.sqrt, [-1.0, -1e-300], [0.0, -0.0, 2.0, math.inf, NAN]),
    "log": (math.log, [0.0, -0.0, -1.0], [1e-300, 2.0, math.inf, NAN]),
    "log with a base": (lambda x: math.log(x, 3), [0.0, -1.0], [2.0]),
    "log2": (math.log2, [0.0, -1.0], [2.0, NAN]),
    "log10": (math.log10, [0.0, -1.0], [2.0, NAN]),
    "log1p": (math.log1p, [-1.0, -2.0], [-0.5, NAN]),
    "asin": (math.asin, [2.0, -1.5], [0.5, NAN]),
    "acos": (math.acos, [2.0, -1.5], [0.5, NAN]),
    "acosh": (math.acosh, [0.5, -1.5], [2.0, NAN]),
    "atanh": (math.atanh, [1.0, -1.0, 2.0], [0.5, NAN]),
    "fmod": (lambda x: math.fmod(2.0, x), [0.0, -0.0], [0.3, NAN]),
    "remainder": (lambda x: math.remainder(2.0, x), [0.0], [0.3, NAN]),
    "gamma": (math.gamma, [0.0, -1.0, -2.0], [-0.5, 2.0, NAN]),
    "lgamma": (math.lgamma, [0.0, -1.0], [-0.5, 2.0, NAN]),
    "pow": (lambda x: math.pow(x, 0.5), [-1.0], [0.0, 2.0, NAN]),
    "pow of zero": (lambda x: math.pow(x, -0.5), [0.0, -1.0], [2.0, NAN]),
    "pow, a staged exponent": (lambda x: math.pow(x, 0.5 * x), [-1.0], [0.0, 2.0, -2.0, NAN]),
    "reciprocal": (lambda x: x**-1, [0.0], [2.0, -2.0, NAN]),
    "root": (lambda x: x**-0.5, [0.0], [2.0, NAN]),
    "exponent": (lambda x: 0.0**x, [-1.0], [2.0, 0.0, NAN]),
    "integers": (lambda x: (3 if x > 0 else 5) ** -2 * x, [], [2.0, -2.0]),
}
"""By name: the function, where Python raises an error, and where it does not."""


@pytest.mark.parametrize("name", OUTSIDE)
def test_functions_raise_what_python_raises(name):
    f, outside, inside = OUTSIDE[name]
    graph = ad.stage(f)(2.0)
    for x in outside:
        with pytest.raises((ValueError, ZeroDivisionError)) as wanted:
            f(x)
        with pytest.raises(wanted.type) as raised:
            graph(x)
        notes = getattr(raised.value, "__notes__", "")
        assert re.search(r"line \d+ of .*test_domains\.py", str(notes))
    for x in inside:
        np.testing.assert_allclose(graph(x), f(x), rtol=1e-14)


CONSTANT = ("fmod", "remainder")
"""Functions with second derivatives that are zero, which need nothing."""


@pytest.mark.parametrize("name", [n for n in OUTSIDE if n not in ("integers", "exponent")])
def test_derivatives_raise_it_too(name):
    f, outside, inside = OUTSIDE[name]
    point = next(x for x in inside if x and math.isfinite(x))
    second = () if name in CONSTANT else (ad.grad(ad.grad(f)),)
    for derivative in (ad.grad(f), ad.jacfwd(f), *second):
        graph = ad.stage(derivative)(point)
        np.testing.assert_allclose(graph(point), derivative(point), rtol=1e-12)
        for x in outside:
            with pytest.raises((ValueError, ZeroDivisionError)):
                graph(x)


def test_a_complex_power_is_refused():
    def f(x):
        return abs((-x) ** 1.5)

    assert f(2.0) > 0

    def g(x, y):
        return abs((-x) ** y)

    for staged, args in ((f, (2.0,)), (ad.grad(f), (2.0,)), (g, (2.0, 1.5))):
        with pytest.raises(ValueError, match=r"-2\.0 \*\* 1\.5 is a complex number.*x \+ 0j"):
            ad.jit(staged)(*args)
    np.testing.assert_allclose(ad.jit(lambda x: abs((-x + 0j) ** 1.5))(2.0), f(2.0))
    assert math.isnan(ad.jit(lambda x: np.power(-x, 1.5))(2.0))


def test_numpy_numbers_and_arrays_are_not_checked():
    def f(x):
        return x[0] ** 0.5 + np.sqrt(x[1]) + np.sum(x**-1.5)

    graph = ad.stage(f)(np.ones(12))
    assert "unless" not in str(graph)
    with np.errstate(all="ignore"):
        assert math.isnan(graph(-np.ones(12)))


def test_what_is_not_needed_is_not_refused():
    def f(x):
        unused = math.log(x)
        return x if unused is not None else 0.0

    assert ad.jit(f)(-1.0) == -1.0

    def chosen(x):
        return math.sqrt(x) if x > 0 else -x

    for g in (chosen, ad.grad(chosen)):
        assert ad.jit(g)(-4.0) == g(-4.0) and ad.jit(g)(4.0) == g(4.0)


def names(graph):
    return [node.op.name for node in walk(graph.function.block)]


def test_checks_that_cannot_fail_are_left_out():
    def distance(x, y):
        s = 0.0
        for i in range(len(x)):
            s += math.sqrt((x[i] - y[i]) ** 2 + 1e-3) + math.log(1 + abs(x[i]) * math.exp(y[i]))
        return s * math.sqrt(x[0] * x[0] + y[0] * y[0])

    x, y = np.ones(10), np.zeros(10)
    for f in (distance, ad.grad(distance)):
        graph = ad.stage(f)(x, y)
        assert "unless" not in names(graph)
        np.testing.assert_allclose(graph(x, y), f(x, y), rtol=1e-13)

    def lengths(x, n):
        s = 0.0
        for i in range(n):
            s += (i + 1) ** 0.5 * x[i] + math.log(i + 1)
        return s

    graph = ad.stage(lengths)(x, 5)
    assert "unless" not in names(graph)
    np.testing.assert_allclose(graph(x, 5), lengths(x, 5), rtol=1e-13)


def test_checks_stay_where_they_are():
    """What a loop computes anew in each pass moves out of it; the check does not."""

    def f(x, n):
        s = 0.0
        for _ in range(n):
            s += math.sqrt(x) * s + 1.0
        return s

    graph = ad.stage(f)(2.0, 3)
    assert graph(-1.0, 0) == 0.0
    outer = [node.op.name for node in graph.function.block.nodes]
    assert "sqrt" in outer and "unless" not in outer
    with pytest.raises(ValueError, match="math domain error"):
        graph(-1.0, 1)


def test_many_examples():
    x = np.array([1.0, 4.0, 9.0])

    def f(x):
        return math.sqrt(x) * x**1.5

    mapped = ad.stage(ad.vmap(f))(x)
    assert "map" not in names(mapped)
    np.testing.assert_allclose(mapped(x), x**2)
    for g in (f, ad.grad(f)):
        with pytest.raises(ValueError, match=r"math domain error: math\.sqrt"):
            ad.stage(ad.vmap(g))(x)(-x)
