"""Recursion of a depth known at run time only: functions of the graph, and their derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import TracingError
from adjoint.ir.verify import verify


def power(x, n):
    if n == 0:
        return 1.0
    return x * power(x, n - 1)


def collatz(x, n):
    if n < 1:
        return x
    y = np.sin(x)
    if y > 0.5:
        return collatz(y * 1.2, n - 1) * x
    return collatz(y + 0.3 * x, n - 1)


def tree(a, n):
    if n < 2:
        return a * n
    return tree(a, n - 1) + np.sin(tree(a, n - 2))


def halves(x, lo, hi):
    if hi - lo < 2:
        return x[lo] ** 2
    middle = (lo + hi) // 2
    return halves(x, lo, middle) + halves(x, middle, hi)


def even(x, n):
    return x if n == 0 else odd(x * 1.1, n - 1)


def odd(x, n):
    return 2 * x if n == 0 else even(np.cos(x), n - 1)


@pytest.mark.parametrize(
    ("fn", "args"),
    [(power, (1.5, 5)), (collatz, (0.7, 6)), (tree, (0.3, 9)), (even, (0.4, 5)), (even, (0.4, 4))],
)
def test_derivatives_of_recursive_functions(fn, args):
    x, n = args
    np.testing.assert_allclose(ad.jit(fn)(x, n), fn(x, n), rtol=1e-14)
    want = ad.grad(fn)(x, n)
    np.testing.assert_allclose(ad.jit(ad.grad(fn))(x, n), want, rtol=1e-12)
    along = ad.jit(lambda x, n: ad.jvp(lambda y: fn(y, n), (x,), (1.0,))[1])
    np.testing.assert_allclose(along(x, n), want, rtol=1e-12)
    second = ad.grad(ad.grad(fn))
    np.testing.assert_allclose(ad.jit(second)(x, n), second(x, n), rtol=1e-11)


def test_one_graph_serves_all_depths():
    gradient = ad.jit(ad.grad(power))
    for n in (0, 1, 7):
        assert gradient(1.5, n) == pytest.approx(n * 1.5 ** (n - 1))
    assert ad.report(gradient).startswith("power: 1 graph\n")
    assert str(ad.stage(power)(2.0, 3)).count("call power_1") == 2


def test_recursion_over_an_array():
    x = np.linspace(0, 1, 20)
    np.testing.assert_allclose(ad.jit(ad.grad(halves))(x, 0, 20), 2 * x)


def spread(x, n):
    if n < 2:
        return x * x[n]
    return spread(np.sin(x), n - 1) + x * np.sum(spread(x * x[0], n - 2))


@pytest.mark.parametrize("length", [3, 20])
def test_recursion_with_arrays(length):
    x, d = np.linspace(0.3, 1, length), np.cos(np.arange(length))
    gradient = ad.grad(lambda x, n: np.sum(spread(x, n) ** 2))
    along = lambda x, n: ad.jvp(lambda x: gradient(x, n), (x,), (d,))[1]
    for fn in (spread, gradient, along):
        staged = ad.stage(fn)(x, 4)
        verify(staged.function)
        for n in (4, 0, 3):
            np.testing.assert_allclose(staged(x, n), fn(x, n), rtol=1e-11)


def test_recursion_of_a_known_depth_is_not_a_call():
    def nested(x, depth):
        return x if depth == 0 else np.sin(nested(x, depth - 1))

    graph = ad.stage(lambda x: nested(x, 3))(0.5)
    assert " = call " not in str(graph)
    assert graph(0.5) == np.sin(np.sin(np.sin(0.5)))


def test_a_recursion_without_end_is_refused():
    def forever(x, n):
        return forever(x, n + 1) if x > 0 else forever(x, n - 1)

    with pytest.raises(TracingError, match="calls itself on every path"):
        ad.stage(forever)(1.0, 2)
