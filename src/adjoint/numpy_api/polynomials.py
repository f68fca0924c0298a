"""NumPy's functions of coefficient arrays, highest power first.

The package ``numpy.polynomial`` is Python code over arrays, which is rewritten like the user's.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from adjoint.dispatch import any_active, certainly, fresh, is_staged, plain
from adjoint.numpy_api.creation import as_array, to_dtype
from adjoint.numpy_api.lengths import (
    as_length,
    at_least,
    greatest,
    least,
    places,
    same_lengths,
    spread,
)  # fmt: skip
from adjoint.numpy_api.recorded_loops import fold, for_each
from adjoint.ops import elementwise as ew
from adjoint.ops import scan
from adjoint.ops import structural as st
from adjoint.ops.creation import arange, eye, ones, zeros
from adjoint.ops.registry import implements
from adjoint.staged import lift

__all__ = ["polyval", "vander"]


def _coefficients(p: Any) -> Any:
    return np.atleast_1d(as_array(p))


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """``np.polyval``: Horner's rule."""
    p = as_array(p)
    if isinstance(x, np.poly1d):
        y: Any = 0
    else:
        x = as_array(x)
        y = np.zeros_like(plain(x))
    if is_staged(p.shape[0]) and not isinstance(x, np.poly1d):
        start = to_dtype(y, np.result_type(x, p))
        return fold(0, p.shape[0], start, lambda k, y: to_dtype(y * x + p[k], start.dtype))
    for k in range(p.shape[0]):
        y = y * x + p[k]
    return y


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """``np.polyder``."""
    m = int(m)
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    p = as_array(p)
    for _ in range(m):
        p = p[:-1] * arange(p.shape[0] - 1, 0, -1)
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """``np.polyint``."""
    m = int(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    k = np.zeros(m) if k is None else _coefficients(k)
    if k.shape[0] == 1 and m > 1:
        k = k[0] * np.ones(m)
    if certainly(k.shape[0] < m):
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    p = as_array(p)
    for j in range(m):
        p = np.concatenate((p / arange(p.shape[0], 0, -1), k[j : j + 1]))
    return p


def _aligned(a: Any, b: Any) -> tuple[Any, Any]:
    a, b = _coefficients(a), _coefficients(b)
    n = greatest(a.shape[0], b.shape[0])
    return tuple(
        x if x.shape[0] == n else np.concatenate((zeros(n - x.shape[0], plain(x).dtype), x))
        for x in (a, b)
    )  # type: ignore[return-value]


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """``np.polyadd``."""
    a1, a2 = _aligned(a1, a2)
    return a1 + a2


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """``np.polysub``."""
    a1, a2 = _aligned(a1, a2)
    return a1 - a2


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """``np.polymul``; leading zeros are dropped first, as by `numpy.poly1d`."""
    return np.convolve(_without_leading_zeros(a1), _without_leading_zeros(a2))


def _without_leading_zeros(p: Any) -> Any:
    p = _coefficients(p)
    if p.ndim > 1:
        raise ValueError("Polynomial must be 1d only.")
    if is_staged(p):  # the last coefficient stays, whatever it is
        nonzero = p != 0
        last = p.shape[0] - 1
        return p[as_length(np.where(np.any(nonzero), np.argmax(nonzero), last)) :]
    p = np.trim_zeros(p, "f")
    return p if p.shape[0] else np.zeros(1, plain(p).dtype)


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """``np.polydiv``: long division."""
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    dtype = np.result_type(plain(u), plain(v))
    m, n = u.shape[0] - 1, v.shape[0] - 1
    scale = 1.0 / v[0]
    if is_staged(m) or is_staged(n):
        return _staged_division(to_dtype(u, dtype), to_dtype(v, dtype), scale, m, n)
    quotient = []
    r = to_dtype(u, dtype)
    for k in range(m - n + 1):
        d = scale * r[k]
        quotient.append(d)
        r = np.concatenate((r[:k], r[k : k + n + 1] - d * v, r[k + n + 1 :]))
    if is_staged(r):
        q = st.stack(*quotient, axis=0) if quotient else lift(np.zeros(1, dtype))
        return to_dtype(q, dtype), _remainder(r)
    first = 0
    while first < r.shape[0] - 1 and np.allclose(plain(r)[first], 0, rtol=1e-14):
        first += 1
    q = st.stack(*quotient, axis=0) if quotient else np.zeros(1, dtype)
    return to_dtype(q, dtype), r[first:]


def _staged_division(u: Any, v: Any, scale: Any, m: Any, n: Any) -> tuple[Any, Any]:
    """Divide polynomials of degrees m and n, which are staged."""
    steps = at_least(m - n + 1, 0)
    q, r = fresh((at_least(steps, 1),), u.dtype, u, v), lift(u).copy()

    def divide(k: Any) -> None:
        q[k] = scale * r[k]
        r[k : k + n + 1] -= q[k] * v

    for_each(steps, (q, r), divide)
    return q, _remainder(r)


def _remainder(r: Any) -> Any:
    """Return a remainder without the leading coefficients that are zero to rounding."""
    large = ~np.isclose(r, 0, rtol=1e-14)
    last = r.shape[0] - 1
    return r[as_length(np.where(np.any(large), np.argmax(large), last)) :]


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """``np.vander``."""
    x = as_array(x)
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    n = x.shape[0] if N is None else as_length(N)
    x = to_dtype(x, np.promote_types(plain(x).dtype, int))
    if is_staged(n):
        shape = (x.shape[0], n)
        column = places(n, 2, 1)
        first = column == 0 if increasing else column == n - 1
        factors = ew.where(spread(first, shape), np.ones((), x.dtype), x[:, None])
        return scan.cumprod(factors, axis=1, reverse=not increasing)
    columns = [ones(x.shape, plain(x).dtype)]
    for _ in range(n - 1):
        columns.append(x if len(columns) == 1 else columns[-1] * x)
    if n <= 0:
        return zeros((x.shape[0], 0), plain(x).dtype)
    return st.stack(*(columns if increasing else columns[::-1]), axis=1)


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """``np.poly``: from roots, or the characteristic polynomial of a matrix."""
    zeros_ = _coefficients(seq_of_zeros)
    if zeros_.ndim == 2 and same_lengths(*zeros_.shape) and zeros_.shape[0] != 0:
        zeros_ = np.linalg.eigvals(zeros_)
    elif zeros_.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if zeros_.shape[0] == 0:
        return 1.0
    dtype = plain(zeros_).dtype
    if is_staged(zeros_.shape[0]):
        return _staged_product(zeros_)
    one = np.ones(1, dtype)
    result: Any = one
    for k in range(zeros_.shape[0]):
        result = np.convolve(result, np.concatenate((one, -zeros_[k : k + 1])))
    if dtype.kind == "c" and not is_staged(zeros_):  # staged, it stays complex
        roots = plain(zeros_)
        if np.all(np.sort(roots) == np.sort(roots.conjugate())):
            return np.real(result).copy()
    return result


def _staged_product(roots: Any) -> Any:
    """Return the coefficients of Π (x − root)."""
    n = roots.shape[0]
    result = fresh((n + 1,), roots.dtype, roots)
    result[0] = 1

    def multiply(k: Any) -> None:
        result[1 : k + 2] -= roots[k] * result[: k + 1].copy()

    for_each(n, (result,), multiply)
    return result


@implements(np.roots)
def roots(p: Any) -> Any:
    """``np.roots``: the eigenvalues of the companion matrix."""
    p = _coefficients(p)
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    if is_staged(p):
        return _staged_roots(p)
    nonzero = np.flatnonzero(plain(p))
    if not nonzero.size:
        return np.zeros(0)
    trailing = p.shape[0] - int(nonzero[-1]) - 1
    p = p[int(nonzero[0]) : int(nonzero[-1]) + 1]
    n = p.shape[0]
    dtype = plain(p).dtype
    if n == 1:
        return np.zeros(trailing, dtype)
    top = (-p[1:] / p[0])[None]
    companion = np.concatenate((top, np.eye(n - 2, n - 1, dtype=dtype)))
    found = np.linalg.eigvals(companion)
    return np.concatenate((found, np.zeros(trailing, plain(found).dtype))) if trailing else found


def _staged_roots(p: Any) -> Any:
    nonzero = p != 0
    n = p.shape[0]
    first = as_length(np.argmax(nonzero))
    trailing = as_length(np.argmax(nonzero[::-1]))
    p = p[first : n - trailing]
    n = p.shape[0]
    # Of a constant, which has no roots, no row is left.
    top = (-p[1:] / p[0])[None][: least(n - 1, 1)]
    below = eye(at_least(n - 2, 0), n - 1, dtype=p.dtype)
    found = np.linalg.eigvals(np.concatenate((top, below)))
    return np.concatenate((found, zeros(trailing, found.dtype)))


@implements(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """``np.polyfit``: NumPy's own scaled least squares."""
    order = operator.index(plain(deg)) + 1
    x, y = as_array(x) + 0.0, as_array(y) + 0.0
    if order < 1:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if x.size == 0:
        raise TypeError("expected non-empty vector for x")
    if y.ndim < 1 or y.ndim > 2:
        raise TypeError("expected 1D or 2D array for y")
    if not same_lengths(x.shape[0], y.shape[0]):
        raise TypeError("expected x and y to have same length")
    if rcond is None:
        rcond = x.shape[0] * np.finfo(plain(x).dtype).eps
    lhs, rhs = vander(x, order) if any_active(x) else np.vander(plain(x), order), y
    if w is not None:
        w = as_array(w) + 0.0
        if w.ndim != 1:
            raise TypeError("expected a 1-d array for weights")
        if not same_lengths(w.shape[0], y.shape[0]):
            raise TypeError("expected w and y to have the same length")
        lhs = lhs * w[:, None]
        rhs = rhs * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt(np.sum(lhs * lhs, axis=0))
    lhs = lhs / scale
    c, resids, rank, s = np.linalg.lstsq(lhs, rhs, rcond)
    c = (c.T / scale).T
    if not full and certainly(rank != order):
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=4)
    if full:
        return c, resids, rank, s, rcond
    if not cov:
        return c
    base = np.linalg.inv(np.dot(lhs.T, lhs)) / np.outer(scale, scale)
    if isinstance(cov, str) and cov == "unscaled":
        factor: Any = 1
    else:
        if certainly(x.shape[0] <= order):
            raise ValueError(
                "the number of data points must exceed order to scale the covariance matrix"
            )
        factor = resids / (x.shape[0] - order)
    return c, base * factor if y.ndim == 1 else base[:, :, None] * factor
