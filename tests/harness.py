"""The checks that every case passes: values, forward, reverse, second order, single precision.

Differences are of sixth order with a step of ``case.step``: good to about 1e-9 relative for smooth
functions, and independent of every rule. The modes are compared with each other to rounding.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

import adjoint as ad
from tests.cases import Case

Arrays = list[Any]


def _leaves(result: Any) -> Arrays:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _is_inexact(x: Any) -> bool:
    return np.asarray(x).dtype.kind in "fc"


def _random_like(rng: np.random.Generator, x: Any) -> Any:
    x = np.asarray(x)
    sample = rng.standard_normal(x.shape)
    if x.dtype.kind == "c":
        sample = sample + 1j * rng.standard_normal(x.shape)
    return np.asarray(sample, x.dtype)[()]


def _inner(a: Arrays, b: Arrays) -> float:
    """Return Re Σ a·b, the pairing of cotangents and tangents."""
    return float(sum(np.sum(np.asarray(x) * np.asarray(y)).real for x, y in zip(a, b, strict=True)))


def _close(got: Any, want: Any, rtol: float, what: str, scale: float | None = None) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape} instead of {want.shape}"
    size = np.max(np.abs(want), initial=0.0) if scale is None else scale
    np.testing.assert_allclose(
        got, want, rtol=rtol, atol=rtol * max(1.0, float(size)), err_msg=what
    )


def differences(f: Callable[[float], Arrays], h: float) -> Arrays:
    """Return df/ds at s = 0 by central differences of sixth order."""
    weights = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    total: Arrays | None = None
    for k, w in weights.items():
        plus, minus = f(k * h), f(-k * h)
        terms = [w * (np.asarray(p) - np.asarray(m)) / h for p, m in zip(plus, minus, strict=True)]
        total = terms if total is None else [a + b for a, b in zip(total, terms, strict=True)]
    assert total is not None
    return total


class Problem:
    """A case with its differentiable arguments apart from its constants, and random directions."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.rng = np.random.default_rng(zlib.crc32(case.name.encode()))
        self.spots = [k for k, x in enumerate(case.args) if _is_inexact(x)]
        self.point = [case.args[k] for k in self.spots]

    def call(self, *xs: Any) -> Any:
        """Call the function with ``xs`` in the place of its differentiable arguments."""
        args = list(self.case.args)
        for k, x in zip(self.spots, xs, strict=True):
            args[k] = x
        return self.case.fn(*args)

    def inexact(self, *xs: Any) -> tuple[Any, ...]:
        """Return those results that have a derivative."""
        return tuple(y for y in _leaves(self.call(*xs)) if has_derivative(y))

    def along(self, direction: Arrays) -> Callable[[float], Arrays]:
        """Return the results as a function of the distance along ``direction``."""
        return lambda s: list(
            self.inexact(*[x + s * d for x, d in zip(self.point, direction, strict=True)])
        )

    def direction(self) -> Arrays:
        return [_random_like(self.rng, x) for x in self.point]


def check_first_order(case: Case) -> None:
    """Values as NumPy's; jvp against differences; vjp against jvp."""
    p = Problem(case)
    fn = ad_ready(p)
    plain = p.inexact(*p.point)
    assert plain, "the function returns nothing that could have a derivative"
    t = p.direction()
    values, dots = ad.jvp(fn, tuple(p.point), tuple(t))
    for got, want in zip(values, plain, strict=True):
        _close(got, want, 1e-12, "the traced value differs from the plain one")
        assert np.asarray(got).dtype == np.asarray(want).dtype
    numeric = differences(p.along(t), case.step)
    for got, want in zip(dots, numeric, strict=True):
        _close(got, want, case.rtol, "jvp against differences")
    values, pullback = ad.vjp(fn, *p.point)
    ct = [_random_like(p.rng, v) for v in plain]
    bars = pullback(tuple(ct))
    for bar, x in zip(bars, p.point, strict=True):
        assert np.shape(bar) == np.shape(x), "a cotangent has another shape than its argument"
        assert np.asarray(bar).dtype == np.asarray(x).dtype
    scale = sum(
        float(np.sum(np.abs(np.asarray(c) * np.asarray(d)))) for c, d in zip(ct, dots, strict=True)
    )
    narrow = any(np.asarray(v).dtype in (np.float32, np.complex64) for v in plain)
    strict = 1e-6 if narrow else 1e-10
    _close(_inner(list(bars), t), _inner(ct, list(dots)), strict, "vjp against jvp", scale)


def ad_ready(p: Problem) -> Callable[..., Any]:
    """Return the case's function of its differentiable arguments alone, rewritten like a user's."""

    def fn(*xs: Any) -> Any:
        args = list(p.case.args)
        for k, x in zip(p.spots, xs, strict=True):
            args[k] = x
        results = p.case.fn(*args)
        results = list(results) if isinstance(results, (tuple, list)) else [results]
        return tuple(y for y in results if has_derivative(y))

    return fn


def has_derivative(y: Any) -> bool:
    """Tell whether a result is of floating-point or complex numbers; works for traced ones too."""
    if isinstance(y, (float, complex)):
        return True
    return isinstance(y, (np.ndarray, np.generic)) and y.dtype.kind in "fc"


def check_second_order(case: Case) -> None:
    """Forward over reverse, reverse over reverse and forward over forward against differences."""
    p = Problem(case)
    fn = ad_ready(p)
    plain = p.inexact(*p.point)
    ct = [_random_like(p.rng, v) for v in plain]
    t = p.direction()
    u = p.direction()

    def gradient(*xs: Any) -> Any:
        return ad.vjp(fn, *xs)[1](tuple(ct))

    def directional(*xs: Any) -> Any:
        return ad.jvp(fn, xs, tuple(u))[1]

    def moved(s: float) -> list[Any]:
        return [x + s * d for x, d in zip(p.point, t, strict=True)]

    numeric = differences(lambda s: list(gradient(*moved(s))), case.step)
    _, forward_reverse = ad.jvp(gradient, tuple(p.point), tuple(t))
    for got, want in zip(forward_reverse, numeric, strict=True):
        _close(got, want, case.rtol, "forward over reverse against differences")
    _, pullback = ad.vjp(gradient, *p.point)
    w = [_random_like(p.rng, x) for x in p.point]
    reverse_reverse = pullback(tuple(w))
    scale = sum(
        float(np.sum(np.abs(np.asarray(a) * np.asarray(b))))
        for a, b in zip(w, forward_reverse, strict=True)
    )
    _close(
        _inner(list(reverse_reverse), t), _inner(w, list(forward_reverse)), 1e-8,
        "reverse over reverse against forward over reverse", scale,
    )  # fmt: skip
    _, forward_forward = ad.jvp(directional, tuple(p.point), tuple(t))
    both = _inner(ct, list(forward_forward))
    _close(_inner(list(forward_reverse), u), both, 1e-8, "forward over forward", abs(both) + scale)


def check_float32(case: Case) -> None:
    """Single precision in, single precision out, near the derivative in double precision."""
    p = Problem(case)
    fn = ad_ready(p)
    narrow = {"f": np.float32, "c": np.complex64}
    point32 = [np.asarray(x, narrow[np.asarray(x).dtype.kind])[()] for x in p.point]
    point64 = [
        np.asarray(x, np.complex128 if np.iscomplexobj(x) else np.float64)[()] for x in point32
    ]
    values32, pull32 = ad.vjp(fn, *point32)
    values64, pull64 = ad.vjp(fn, *point64)
    plain32 = p.inexact(*point32)
    for got, want in zip(values32, plain32, strict=True):
        assert np.asarray(got).dtype == np.asarray(want).dtype, "another dtype than NumPy gives"
    ct = [_random_like(p.rng, v) for v in values64]
    bars32 = pull32(
        tuple(np.asarray(c, np.asarray(v).dtype)[()] for c, v in zip(ct, values32, strict=True))
    )
    bars64 = pull64(tuple(ct))
    for got, want, x in zip(bars32, bars64, point32, strict=True):
        assert np.asarray(got).dtype == x.dtype, "the gradient is not in single precision"
        _close(got, want, 5e-3, "single against double precision")
