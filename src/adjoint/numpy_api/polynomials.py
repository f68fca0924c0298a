"""NumPy's functions of coefficient arrays, highest power first.

The package ``numpy.polynomial`` is Python code over arrays, which is rewritten like the user's.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from adjoint.dispatch import any_active, plain
from adjoint.numpy_api.creation import as_array, to_dtype
from adjoint.ops import structural as st
from adjoint.ops.registry import implements

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
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
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
    if k.shape[0] < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    p = as_array(p)
    for j in range(m):
        p = np.concatenate((p / np.arange(p.shape[0], 0, -1), k[j : j + 1]))
    return p


def _aligned(a: Any, b: Any) -> tuple[Any, Any]:
    a, b = _coefficients(a), _coefficients(b)
    n = max(a.shape[0], b.shape[0])
    return tuple(
        x if x.shape[0] == n else np.concatenate((np.zeros(n - x.shape[0], plain(x).dtype), x))
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
    p = np.trim_zeros(p, "f")
    return p if p.shape[0] else np.zeros(1, plain(p).dtype)


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """``np.polydiv``: long division."""
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    dtype = np.result_type(plain(u), plain(v))
    m, n = u.shape[0] - 1, v.shape[0] - 1
    scale = 1.0 / v[0]
    quotient = []
    r = to_dtype(u, dtype)
    for k in range(m - n + 1):
        d = scale * r[k]
        quotient.append(d)
        r = np.concatenate((r[:k], r[k : k + n + 1] - d * v, r[k + n + 1 :]))
    first = 0
    while first < r.shape[0] - 1 and np.allclose(plain(r)[first], 0, rtol=1e-14):
        first += 1
    q = st.stack(*quotient, axis=0) if quotient else np.zeros(1, dtype)
    return to_dtype(q, dtype), r[first:]


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """``np.vander``."""
    x = as_array(x)
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    n = x.shape[0] if N is None else int(N)
    x = to_dtype(x, np.promote_types(plain(x).dtype, int))
    columns = [np.ones(x.shape, plain(x).dtype)]
    for _ in range(n - 1):
        columns.append(x if len(columns) == 1 else columns[-1] * x)
    if n <= 0:
        return np.zeros((x.shape[0], 0), plain(x).dtype)
    return st.stack(*(columns if increasing else columns[::-1]), axis=1)


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """``np.poly``: from roots, or the characteristic polynomial of a matrix."""
    zeros = _coefficients(seq_of_zeros)
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] != 0:
        zeros = np.linalg.eigvals(zeros)
    elif zeros.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if zeros.shape[0] == 0:
        return 1.0
    dtype = plain(zeros).dtype
    one = np.ones(1, dtype)
    result: Any = one
    for k in range(zeros.shape[0]):
        result = np.convolve(result, np.concatenate((one, -zeros[k : k + 1])))
    if dtype.kind == "c":
        roots = plain(zeros)
        if np.all(np.sort(roots) == np.sort(roots.conjugate())):
            return np.real(result).copy()
    return result


@implements(np.roots)
def roots(p: Any) -> Any:
    """``np.roots``: the eigenvalues of the companion matrix."""
    p = _coefficients(p)
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
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


@implements(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """``np.polyfit``: NumPy's own scaled least squares."""
    order = int(plain(deg)) + 1
    x, y = as_array(x) + 0.0, as_array(y) + 0.0
    if order < 1:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if x.size == 0:
        raise TypeError("expected non-empty vector for x")
    if y.ndim < 1 or y.ndim > 2:
        raise TypeError("expected 1D or 2D array for y")
    if x.shape[0] != y.shape[0]:
        raise TypeError("expected x and y to have same length")
    if rcond is None:
        rcond = x.shape[0] * np.finfo(plain(x).dtype).eps
    lhs, rhs = vander(x, order) if any_active(x) else np.vander(plain(x), order), y
    if w is not None:
        w = as_array(w) + 0.0
        if w.ndim != 1:
            raise TypeError("expected a 1-d array for weights")
        if w.shape[0] != y.shape[0]:
            raise TypeError("expected w and y to have the same length")
        lhs = lhs * w[:, None]
        rhs = rhs * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt(np.sum(lhs * lhs, axis=0))
    lhs = lhs / scale
    c, resids, rank, s = np.linalg.lstsq(lhs, rhs, rcond)
    c = (c.T / scale).T
    if rank != order and not full:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=4)
    if full:
        return c, resids, rank, s, rcond
    if not cov:
        return c
    base = np.linalg.inv(np.dot(lhs.T, lhs)) / np.outer(scale, scale)
    if isinstance(cov, str) and cov == "unscaled":
        factor: Any = 1
    else:
        if x.shape[0] <= order:
            raise ValueError(
                "the number of data points must exceed order to scale the covariance matrix"
            )
        factor = resids / (x.shape[0] - order)
    return c, base * factor if y.ndim == 1 else base[:, :, None] * factor
