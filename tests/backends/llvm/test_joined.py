"""Nests over few elements that are left open: what joins them, what does not, and what is right."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled, engine
from adjoint.backends.llvm.lower import joined
from adjoint.backends.llvm.lower.entry import lower_function
from adjoint.ir import dims
from tests.backends.llvm.lowering import agree

N = 14
RNG = np.random.default_rng(7)


def vector(n=N):
    return RNG.standard_normal(n)


# -- programs --------------------------------------------------------------------------------------


def gates(w, x, s):
    """Do what a recurrent network does: small arrays, rows of states."""
    s = s.copy()
    total = 0.0
    for t in range(x.shape[0]):
        h = x[t]
        for i in range(s.shape[0]):
            a = np.exp(-(h * w[2 * i] + w[2 * i + 1]))
            s[i] = s[i] / (1 + a) + np.tanh(h * s[i])
            h = np.tanh(s[i]) * a
        total = total + np.sum(h * x[t])
    return total


def quarters(w, x):
    """Read parts of rows whose length is a quotient."""
    n = w.shape[1] // 2
    y = x[0] * 0.0
    for t in range(x.shape[0]):
        for i in range(2):
            y = np.sin(y * w[2 * i, :n] + x[t]) + 0.1 * w[2 * i + 1, n:] * y
    return np.sum(y * y)


def shifted(x, n):
    x = x.copy()
    for _ in range(2):
        for _ in range(n):
            x[1:] = x[1:] * 0.5 + x[:-1]
            x[:-1] = x[:-1] + np.exp(x[1:])
            x = x / (1.0 + np.abs(x))
    return x


def crossed(x, y, n):
    x, y = x.copy(), y.copy()
    for _ in range(2):
        for k in range(n):
            u = np.exp(-x)
            x[:] = np.tanh(y + u)
            y[:] = u - x
            x[k] = y[k] + u[k]
            y += x[::-1]
    return x - y


def parts(x, n):
    """Store into parts of rows that meet, overlap, and are the same counted from the end."""
    x = x.copy()
    m = x.shape[1] // 3
    for _ in range(2):
        for k in range(n):
            v = np.tanh(x[k, :m])
            x[k + 1, :m] = v * x[k, m : 2 * m]
            x[k + 1, m : 2 * m] += v
            x[k, 1 : m + 1] += np.sin(v)
            x[-1, :m] = x[-1, :m] + v
            x[x.shape[0] - 1, :m] *= 1.5
    return x


def swapped(x, y, n):
    for _ in range(2):
        for _ in range(n):
            x, y = y + np.exp(-x), x * 0.5 - y
            y = np.tanh(y) + x
    return x * y


def truths(x, n):
    count = np.zeros(x.shape, int)
    z = x + 0j
    for _ in range(2):
        for k in range(n):
            high = x > 0.1 * k
            count[high] += 1
            x = np.where(high, x - 0.3, np.exp(x) - 1.0)
            z = z * (1 + 0.5j) + x
    return x, count, z


def stretched(x, n):
    s = x[:, None] * x
    for _ in range(2):
        for k in range(n):
            s = np.tanh(s + x) - s[k]
            x = x + s[:, k]
            s = s * x
    return s, x


PROGRAMS = {
    "gates": (gates, tuple(RNG.standard_normal((k, N)) for k in (8, 6, 4)), (0, 1, 2)),
    "quarters": (quarters, (RNG.standard_normal((4, 2 * N)), RNG.standard_normal((5, N))), (0, 1)),
    "shifted": (shifted, (vector(), 5), None),
    "crossed": (crossed, (vector(), vector(), 6), None),
    "parts": (parts, (RNG.standard_normal((9, 3 * N)), 6), None),
    "swapped": (swapped, (vector(), vector(), 7), None),
    "truths": (truths, (vector(), 5), None),
    "stretched": (stretched, (vector(), 4), None),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_values(name):
    fn, args, _ = PROGRAMS[name]
    check(fn, args)


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients(name):
    fn, args, argnums = PROGRAMS[name]

    def scalar(*args):
        found = fn(*args)
        first = found[0] if isinstance(found, tuple) else found
        return np.sum(first * np.cos(first))

    check(ad.value_and_grad(scalar, argnums or 0), args)


def check(fn, args):
    graph = ad.stage(fn)(*deepcopy(args))
    given = graph.inputs(*deepcopy(args))
    with np.errstate(all="ignore"):
        want = run(graph.function, given)
        got = compiled.run(graph.function, graph.inputs(*deepcopy(args)))
    for g, w in zip(got, want, strict=True):
        agree(g, w, 1e-11)


# -- what is written -------------------------------------------------------------------------------


def lowered(fn, *args):
    graph = ad.stage(fn)(*args)
    count = len(graph.inputs(*args))
    return lower_function(graph.function, (True,) * count, engine.host().attributes).text


@pytest.fixture
def closed(monkeypatch):
    """Return a list of the nests that were left open: the arrays of each that turned out needed."""
    found = []
    close = joined.Joined.close

    def noted(self):
        temporary = self.temporary
        close(self)
        needed = [any(line.startswith("store") for line in lines) for lines, _ in temporary]
        found.append(needed)

    monkeypatch.setattr(joined.Joined, "close", noted)
    return found


def test_what_a_pass_stores_is_one_nest(closed):
    def states(x, y, n):
        x, y = x.copy(), y.copy()
        for _ in range(n):
            for k in range(5):
                u = np.exp(-y[k])
                x[k] = u * x[k]
                y[k] = np.tanh(x[k]) * u + x[k]
        return x, y

    lowered(states, *RNG.standard_normal((2, 6, N)), 5)
    assert len(closed) == 1


def test_what_is_read_in_the_nest_alone_is_not_stored(closed):
    def kept(x, y, n):
        x, y = x.copy(), y.copy()
        for _ in range(n):
            for _ in range(n):
                u = np.exp(-x)
                x[:] = u * x + u
                y[:] = y - np.tanh(u)
        return x, y

    lowered(kept, vector(), vector(), 5)
    assert closed == [[False]]


def test_what_is_read_elsewhere_is_stored(closed):
    def kept(x, y, n):
        x, y = x.copy(), y.copy()
        for _ in range(n):
            for _ in range(n):
                u = np.exp(-x)
                x[:] = u * x + u
                y += u[::-1]
        return x, y

    lowered(kept, vector(), vector(), 5)
    assert closed == [[True], []]


def test_reverse_sweep_adds_to_parts_of_one_array_in_one_nest(monkeypatch):
    refused = []
    takes = joined.Joined.takes

    def noted(self, *given):
        found = takes(self, *given)
        refused.extend([] if found else [self.f.node])
        return found

    monkeypatch.setattr(joined.Joined, "takes", noted)
    fn, args, argnums = PROGRAMS["quarters"]
    lowered(ad.grad(fn, argnums), *args)
    assert not refused


# -- parts of an array -----------------------------------------------------------------------------


@pytest.fixture
def lengths():
    """Return a length, a quotient of it, and the index of a loop."""

    def fn(x, n):
        y = x[: x.shape[0] // 4]
        for i in range(n):
            y = y + x[i]
        return y

    block = ad.stage(fn)(np.zeros(16), 5).function.block
    (n,) = [v for v in block.parameters if v.example == 16]
    nodes = {node.op.name: node for node in block.nodes}
    index = nodes["for"].blocks[0].parameters[0]
    return [dims.of_value(v) for v in (n, nodes["floor_divide"], index)]


def test_parts_that_are_apart(lengths):
    n, q, i = lengths

    def apart(x, y):
        return joined._apart((("index", x),), (("index", y),))

    assert apart(dims.scale(i, 2), dims.add(dims.scale(i, 2), 1))
    assert not apart(i, i)
    assert not apart(i, dims.difference(n, dims.add(i, 1)))
    assert not apart(-1, dims.add(n, -1))
    assert apart(slice(None, q), slice(q, dims.scale(q, 2)))
    assert apart(slice(dims.scale(q, 3), None), slice(None, q))
    assert apart(slice(q, dims.scale(q, 2)), slice(dims.scale(q, 3), None))
    assert not apart(slice(None, dims.add(q, 1)), slice(q, dims.scale(q, 2)))
    assert not apart(slice(None, dims.scale(q, -1)), slice(q, None))
    assert not apart(slice(None, 4, 2), slice(4, None))
    assert apart((i, slice(None)), (dims.add(i, 1), slice(None)))
    assert apart((slice(None), slice(None, q)), (slice(None), slice(q, None)))
    assert not apart((Ellipsis, 0), (Ellipsis, 1))
    assert not apart(np.array([0]), np.array([1]))


def test_parts_by_several_steps(lengths):
    _, q, i = lengths
    step = lambda *entries: tuple(("index", e) for e in entries)
    assert joined._apart(step(i, slice(None, q)), step(i, slice(q, None)))
    assert joined._apart(
        step(dims.scale(i, 2), slice(None, q)), step(dims.add(dims.scale(i, 2), 1), slice(None, q))
    )
    assert not joined._apart(step(slice(1, None), 0), step(slice(None, None), 1))
    assert not joined._apart(step((i, slice(None)), 0), step(i, 1))
