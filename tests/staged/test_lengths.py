"""Lengths that are values: of what loops carry, branches give and derivatives accumulate."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import TracingError
from adjoint.ir.graph import walk
from tests.staged.comparison import assert_agrees

X = np.linspace(-1.0, 1.2, 12)
Y = np.linspace(0.3, 1.5, 14)


def agrees(fn, args, *others, rtol=1e-12):
    """Check a function and its derivatives, staged once, at these arguments and others."""

    def slope(*args):
        return ad.jvp(lambda x, y: fn(x, y, *args[2:]), args[:2], (args[0] + 1, args[1] - 2))[1]

    gradient = ad.grad(fn, (0, 1))
    for f in (fn, gradient, slope, ad.grad(slope, (0, 1))):
        assert_agrees(f, *args, others=others, rtol=rtol)


def sums(x, y, n):
    """A number becomes an array whose length nobody knows before the loop but from n."""
    s = 0
    for i in range(n + 1):
        s = 0.5 * s + 0.1 * np.arange(n) * x[i]
    return np.sum(s * s) * y[0]


def parts(x, y, n):
    """Lengths that are equal where they meet, and are computed apart."""
    u = x[:n] * 1.0
    for i in range(3):
        if x[i] < 0.5:
            v = y[i : n + i] * x[i]
            u = np.tanh(u * v) + v
        else:
            u = u[::-1] * y[: max(n, 1)]
    return np.sum(u * u)


def inner(x, y, n):
    """A length that an inner loop's types alone mention."""
    s = 0.0
    for i in range(n):
        u = x[i:] * y[0]
        for j in range(i, n):
            u = u * np.cos(x[i:] * y[j])
            u[:i] = u[:i] * 0.5
        s += np.sum(u[:i]) * np.sum(u)
    return s


def masked(x, y, n):
    """Cotangents of numbers that meet arrays of unknown lengths."""
    for i in range(n):
        m = np.abs(y) < 0.9 + 0.1 * i
        y[m] *= np.tanh(max(x[i], 0.1))
        y[m] += (y * x[0])[m]
    return np.sum(y * y)


def joined(x, y, n):
    """Slices of what was joined, of lengths that are not proved to be those of the parts."""
    u = x
    for i in range(n):
        u = np.concatenate((u[1:], u[:1])) * y[i]
        x[:1] = np.concatenate([x[i:], x[:i]])[:1] * u[0]
    return np.sum(u * x)


def left(x, y, n):
    """A loop that is left early, with arrays of lengths of their own."""
    s = 1.0
    for i in range(n):
        w = x[i : i + 3] * y[: len(x[i : i + 3])]
        while s < 3 and np.sum(w) < 1:
            s = s + 0.5
            w = w + 0.1 * x[i : i + 3]
        if s > 100:
            return np.sum(w)
        s = s + np.sum(w * w)
    return s


def swapped(x, y, n):
    """Arrays of one length, which only the run shows to be one, that change places."""
    parts = [np.full(len(x), y[n]), np.concatenate([x[n:], x[:n]])]
    for i in range(3):
        parts[0][x > 0.3] = 0.5 * y[i]
        if n == 0:
            continue
        parts[0], parts[1] = parts[1], parts[0]
    return np.dot(parts[0], x) + np.sum(parts[1] ** 2)


def larger(x, y, n):
    """The larger of two numbers, whose derivative NumPy has as an array without axes."""
    s, t = 1, 0
    for i in range(n):
        s += x[i]
        t += y[i] * s
    w = x[::2]
    w[n] += max(t, s) * s
    return w[n] * np.sum(w)


PROGRAMS = (sums, parts, inner, masked, joined, left, swapped, larger)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fn", PROGRAMS)
def test_programs(fn):
    more = np.append(X, [0.2, 0.4, -0.3]), np.append(Y, [0.7, 0.1, 0.2])
    agrees(fn, (X, Y, 4), (X, Y, 1), (*more, 3), rtol=1e-10)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fn", PROGRAMS)
def test_their_vmap(fn):
    xs = np.stack([X, X[::-1] * 0.5, X**2])

    def one(x, y):
        return ad.grad(lambda x, y: fn(x * 1.0, y * 1.0, 3), (0, 1))(x, y)

    assert_agrees(ad.vmap(one, in_axes=(0, None)), xs, Y, rtol=1e-10)


def test_a_length_that_is_the_same_in_all_passes_is_computed_once():
    graph = ad.stage(lambda x, n: sums(x, x, n))(X, 4)
    (loop,) = [node for node in walk(graph.function.block) if node.op.name == "for"]
    inside = {node.op.name for node in walk(loop.blocks[0])}
    assert not inside & {"range_length", "slice_length", "require_equal", "dim"}


def test_an_array_of_a_length_of_its_pass_does_not_follow_a_number():
    def growing(x, n):
        s = 0
        for i in range(n):
            s = np.sum(s) + x[:i]
        return np.sum(s)

    def over(x):
        s, i = 0, 0
        while np.sum(s) < 3 + x[0]:
            s = np.sum(s) + x[:i] + 1.0
            i += 1
        return np.sum(s)

    with pytest.raises(TracingError, match=r"name 's'.*of a length that only that pass knows"):
        ad.stage(over)(X)
    # What Python knows the number of passes of is unrolled.
    graph = ad.jit(growing)
    np.testing.assert_allclose(graph(X, 4), growing(X, 4))
    assert "was unrolled" in ad.report(graph)


def test_recursion_over_arrays_from_around_it():
    def f(x, k):
        def go(i, s):
            if i <= 0:
                return s
            y = x[k:] * s
            for _ in range(k):
                y = y * x[k:]
            return go(i - 1, np.sum(y * x[1:][k - 1 :]) * 0.1 + s)

        return go(k, 1.0)

    for g in (f, ad.grad(f)):
        assert_agrees(g, X, 3, others=[(Y, 2)])
