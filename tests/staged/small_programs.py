"""A few small programs, and a check of all that staging makes of them.

They are chosen so that hardly anything may go wrong in staging, in the transforms or in what runs
graphs without one of them giving other numbers: `test_planted` says what.
"""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import adjoint as ad
from adjoint import tree
from adjoint.backends.interpret import run
from adjoint.transforms.ownership import copies
from tests.staged.comparison import assert_close, staged

__all__ = ["SAMPLES", "Expected", "Sample", "check", "expected"]

X = np.array([0.6, 0.3, 0.9, 0.5, 0.1, 0.7, 0.45, 0.25, 0.8, 0.35, 0.55, 0.65])
LONGER = np.concatenate((X[::-1], [0.2, 0.75]))
SCALE = np.array([1.5, 0.5])
RATE = 0.5
NOISE = np.random.default_rng(3)
STATE = NOISE.bit_generator.state


# -- loops -----------------------------------------------------------------------------------------


def overwritten(x, n):
    u = np.zeros(n + 1)
    u[0] = x[0]
    for i in range(n):
        u[i] = u[i] * x[i]
        u[i + 1] = np.sin(u[i]) + x[0]
        u[-1] += x[i]
    return np.sum(u * u)


def triangle(x, n):
    s = first = x[5] * 2.0
    for i in range(n):
        t = x[i]
        for j in range(i):
            s = s * np.cos(x[j]) + x[i] * t
            t = t * x[j]
        s = s + np.sin(s) * (x[:i] @ x[1 : i + 1])
    return s * first


def backwards(x, n):
    s = 1.0
    for i in range(n - 1, -1, -1):
        s = np.sin(s) * x[i] + s
    for i in range(n + 4, 0, -3):
        s = np.cos(s) * x[i] + s
    for i in range(0, n, 2):
        s = np.exp(-s) * x[i] + s
    return s


def until(x, n):
    s, k = x[0], 0
    while s < 3.0 and k < n + 3:
        s = s * np.exp(x[k]) + 0.1
        if s * x[k + 1] > 1.5:
            break
        k += 1
    return s * s * x[k]


def swapped(x, n):
    u, v, s, t = x * 2.0, np.cos(x), 1.0, 2.0
    for i in range(n):
        u[i] += v[i]
        u, v = v, u
        v[0] *= u[1]
        s, t = t * x[i], s + t
    return np.sum(u * x) + np.sum(v * v) * s + t


def delayed(x, n):
    """Pass on what changes through several names."""
    a = b = c = d = 0.0
    u = np.zeros(4)
    for i in range(n):
        a, b, c, d = x[i], a, b, c + d * 0.5
        u[1:] = u[:-1] * a
        u[0] = b
    return d * x[1] + c + np.sum(u)


def short(x, n):
    s, t = 0, 0
    for k in range(2):
        s = s * x[k] + x[k + 1] * (k + 1)
    for i in range(n, n + 1):
        s += x[i]
    for i in range(n - 1):
        s = s * x[13 - n] + 1 / n
    for i in range(n):
        t = t + (i / 4 if n > 1 else 2)
        s = s * x[i]
    return s + t * x[0]


# -- branches, and what is changed in them ---------------------------------------------------------


def branches(x, n):
    u, s = x * 1.0, 0.5
    for i in range(n):
        if x[i] > 0.55:
            s = s * np.exp(x[i])
            u[i] = s * u[i]
        elif x[i] > 0.25 and i > 0:
            u[i + 1] = np.sin(u[i]) * x[i] ** 2
        else:
            s -= u[i] * u[i]
        if i < n - 1:
            s += u[i + 1]
    return s * np.sum(u * x)


def stores(x, n):
    u = x * 1.0
    i, j = n % 3, n % 2
    u[i] = x[3] ** 2
    u[j] = x[4] * 2.0
    s = u[i] * x[0]
    u[-1] = s * s
    u[i:5] *= x[5]
    s += u[2] - x[1] + (x[1] - u[2]) * x[0]
    u[n + 6] = 3.0
    w = u[::-1]
    w[i] = x[7] * w[j]
    v = x[: n + 1] * 1.0
    v[0] = x[8]
    v[-1] = 3.0
    s = s * v[0] - -x[9]
    return s + np.sum(u * u) + u[11] * u[-2]


class Box:
    def __init__(self, x):
        self.total = 0
        self.values = x * RATE

    def add(self, y):
        self.total = self.total + y * self.values[1]
        self.values[2] *= y


def held(x, n):
    box, parts = Box(x), {"last": x[0], "sums": np.zeros(2)}
    for i in range(n):
        box.add(x[i] * parts["last"])
        parts["last"] = parts["last"] + SCALE[i % 2] * x[i]
        parts["sums"][i % 2] += box.total
    return box.total + np.sum(box.values) * parts["last"] + parts["sums"] @ SCALE


def results(x, n):
    u = x * 2.0
    part = u[1:4]
    x[0] = 3.0
    for i in range(n):
        part = part + u[i]
        u[i] = part[0]
    y = u[:3]
    z = np.sin(u) * u
    z = z + u
    return u, part, y, z, x, u[4] * 1.0


def refused(x, n):
    if x[n] > 0.85:
        raise ValueError("large")
    assert np.sum(x[:n]) < 3.0, "too many"
    return ad.vmap(_reciprocal)(x)


def _reciprocal(y):
    assert y < 0.95
    return 1.0 / y


# -- effects, numbers that are not finite ----------------------------------------------------------


def speaking(x, n):
    s = x[0]
    for i in range(n):
        print("pass", i)
        s = s * NOISE.standard_normal() + x[i] * NOISE.standard_normal()
    NOISE.standard_normal()
    assert s < 1000.0
    return s + NOISE.standard_normal() * x[1]


def infinite(x, n):
    with np.errstate(all="ignore"):
        y = np.zeros(n + 2) * np.exp(5000.0 * x[: n + 2])
        return np.sum(np.where(x > 0.4, np.log(x - 0.39), 0.0)) + np.sum(y)


# -- functions of the graph ------------------------------------------------------------------------


def recursive(x, n):
    return _tree(x[0], np.cos(np.arange(4.0)), n) + _tree(x[0], x[1:], n)


def _tree(a, x, n):
    if n < 2:
        return a * x[n]
    return _tree(np.sin(a), x, n - 1) * a + _tree(a * x[n % 4], x * a, n - 2)


def listed(x, n):
    def power(v, k):
        for _ in range(k):
            v = v * np.sin(v) + x[0]
        return v

    y = np.array([power(x[i], i) * x[i + 1] for i in range(n + 1)])
    return np.sum(y * y) + y[-1] * x[1]


def looped(x, n):
    k = 0
    while np.sum(x) < 12.0 and k < n + 4:
        x = x * (1.0 + 0.1 * x)
        k += 1
    for i in range(n + 2):
        x = np.sin(x) * x[i] + 0.5 * x
    return np.sum(x * x)


def examples(x, n):
    a = np.outer(x[:4], np.cos(x[:4])) + 1.0
    b = np.outer(x[:9], x[:9])

    def one(row, i):
        s = np.cumsum(row)
        if row[0] > 1.4:
            s[i] *= np.sum(row[:n])
        for k in range(n):
            s = s * row[k % 3] + row
        return s * np.max(row)

    def same(row):
        t, u = 0.0, row
        for _ in range(n):
            t, u = t + np.sum(u), u * x[n]
        return np.flip(np.cumsum(row)) * t

    return np.sum(ad.vmap(one)(a, np.arange(4)) ** 2) + np.sum(ad.vmap(same)(b) * b)


def few(x, n):
    rows = np.array([3, 0, -1, 3])
    scales = (0.5, -1.5, 0.25)
    y, z = np.zeros((len(x), 2)), np.outer(x, x[:2])
    w = z
    for i in range(3):
        y += np.sin(z) * scales[i]
        z = z * x[i] + np.sum(z, axis=0)
        w = np.cos(w) * x[i]
    u = np.exp(w) * x[n]
    return np.sum(y[rows] * z[rows]) + np.sum(w[rows[:2]] * u[rows[1:3]] + u[rows[1:3]])


def rows(x, n):
    a = np.outer(x[:6], x[:6]) + np.eye(6)
    for i in range(n + 1):
        for j in range(i):
            a[i, j] = np.sin(a[i, j] - a[i, :j] @ a[j, :j]) / a[j, j]  # nothing is kept
        a[i, i] += np.exp(-a[i, :i] @ a[i, :i])
    b = a.copy()
    for i in range(1, 5):
        for j in range(1, i + 1):
            b[i, j] = b[i, j] * b[i, j - 1] + b[i - 1, j] * b[i + 1, j]  # stored to in later passes
        b[i - 1, 2] *= b[i, 2]
    u = np.sin(x)
    for k in range(3, -1, -1):
        u[k] = np.cos(u[k] * u[k + 1] ** 2)
        u[k + 2] += np.sin(u[k] * u[k + 1])
    for k in range(0, 4, 2):
        u[k : k + 2] = np.cos(u[k : k + 2] * u[k + 1 : k + 3] * u[k])
    for _ in range(2):
        for k in range(1, 6):
            u[k] = np.sin(u[k - 1] * u[k]) + 0.7
    for k in range(3, -1, -1):
        u[k] = np.cos(u[k : k + 2] @ u[k : k + 2])
    return np.sum(a * b) + np.sum(u * u)


# -- the check -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """A program and what it is called with.

    Attributes
    ----------
    fn : callable
    calls : tuple
        Arguments; the function is staged for the first.
    like : callable, optional
        What it should do, if that is not what it does in Python.
    orders : int
        The derivatives that are checked: 0, 1 or 2.
    in_place : bool
        Whether no whole array may be copied in loops.
    """

    fn: Callable
    calls: tuple[tuple[Any, ...], ...]
    like: Callable | None = None
    orders: int = 1
    in_place: bool = False


SIZES = tuple((x, n) for n, x in ((5, X), (0, LONGER), (1, X), (2, LONGER), (5, LONGER)))
SAMPLES = {
    "overwritten": Sample(overwritten, SIZES, orders=2, in_place=True),
    "triangle": Sample(triangle, SIZES, orders=2, in_place=True),
    "backwards": Sample(backwards, SIZES, orders=2),
    "until": Sample(until, SIZES, orders=2),
    "swapped": Sample(swapped, SIZES),
    "delayed": Sample(delayed, SIZES),
    "short": Sample(short, SIZES),
    "branches": Sample(branches, SIZES, orders=2),
    "stores": Sample(stores, SIZES),
    "held": Sample(held, SIZES),
    "results": Sample(results, SIZES, orders=0),
    "refused": Sample(refused, (*SIZES, (X, 2), (X * 1.1, 4)), orders=0),
    "speaking": Sample(speaking, SIZES),
    "infinite": Sample(infinite, SIZES),
    "recursive": Sample(recursive, SIZES),
    "listed": Sample(listed, SIZES),
    "looped": Sample(ad.checkpoint(looped, snapshots=3), SIZES, looped, orders=2),
    "rows": Sample(rows, ((X, 4), (LONGER, 1), (X, 0), (LONGER, 5)), orders=2),
    "few": Sample(few, ((LONGER, 3), (X, 1), (LONGER, 0)), orders=2),
    "examples": Sample(examples, ((X, 3), (LONGER, 1), (X, 5))),
}


def along(fn: Callable) -> Callable:
    return lambda x, *rest: ad.jvp(lambda x: fn(x, *rest), (x,), (np.cos(x),))[1]


def curved(fn: Callable) -> Callable:
    return lambda x, *rest: ad.grad(lambda x: np.sum(ad.grad(fn)(x, *rest) * np.cos(x)))(x)


def derived(fn: Callable, orders: int) -> list[Callable]:
    """Return a function and its derivatives in both modes."""
    return [fn, *[ad.grad(fn), along(fn)][: 2 * orders], *[curved(fn)][: max(orders - 1, 0)]]


@dataclass(frozen=True)
class Outcome:
    """What a call returned (or the error that it raised), left of its arguments, and printed."""

    results: list[Any]
    arguments: list[Any]
    text: str


Expected = list[list[Outcome]]
"""By derivative and call."""


def outcome(fn: Callable, args: tuple[Any, ...], number: int, apart: bool = False) -> Outcome:
    """Call a function with copies of arguments.

    Parameters
    ----------
    fn : callable
    args : tuple
    number : int
        Of the call: a global variable depends on it.
    apart : bool
        Whether results may share memory neither with each other nor with the arguments.
    """
    given = copy.deepcopy(args)
    globals()["RATE"] = 0.5 + 0.1 * number
    NOISE.bit_generator.state = STATE
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            found = tree.flatten(fn(*given))[0]
        except (AssertionError, ValueError) as error:
            found = [f"{type(error).__name__}: {error}"]
    arrays = [x for x in found if isinstance(x, np.ndarray)]
    changed = [x for x in given if isinstance(x, np.ndarray)]
    pairs = itertools.combinations((*arrays, *changed), 2)
    assert not (apart and any(np.shares_memory(x, y) for x, y in pairs)), "shared memory"
    return Outcome(found, changed, out.getvalue())


def expected(sample: Sample) -> Expected:
    """Return what Python and the eager tier give."""
    functions = derived(sample.like or sample.fn, sample.orders)
    return [[outcome(fn, args, k) for k, args in enumerate(sample.calls)] for fn in functions]


def check(sample: Sample, wanted: Expected) -> None:
    """Stage a program and its derivatives; run them, in place and not."""
    for fn, wants in zip(derived(sample.fn, sample.orders), wanted, strict=True):
        graph = staged(fn, *copy.deepcopy(sample.calls[0]))
        if sample.in_place:
            assert not copies(graph.function)
        for k, (args, want) in enumerate(zip(sample.calls, wants, strict=True)):
            found = outcome(graph, args, k, apart=True)
            assert found.text == want.text
            _compare(found.results, want.results)
            _compare(found.arguments, want.arguments)
            results = outcome(_copying(graph), args, k).results
            _compare(results[: len(want.results)], want.results)


def _copying(graph: Any) -> Callable:
    """Return a graph as a function that changes nothing in place, and checks all types."""
    return lambda *args: run(graph.function, graph.inputs(*args), in_place=False, check=True)


def _compare(found: list[Any], wanted: list[Any]) -> None:
    if any(isinstance(x, str) for x in (*found, *wanted)):
        assert str(found) == str(wanted)  # an error
    else:
        assert_close(found, wanted, 1e-9)
