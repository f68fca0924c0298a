"""Log densities of ``scipy.stats``' multivariate distributions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.stats as stats

from adjoint.dispatch import any_active, any_staged, detached, is_staged, plain
from adjoint.errors import NoRuleError
from adjoint.numpy_api.creation import as_array, to_dtype
from adjoint.ops import elementwise as ew
from adjoint.ops import special as s
from adjoint.ops.creation import eye, zeros

__all__ = ["MULTIVARIATE"]


def _double(x: Any) -> Any:
    return to_dtype(as_array(x), np.float64)


def _covariance(cov: Any, dim: int) -> Any:
    if isinstance(cov, stats.Covariance):
        return cov.covariance
    cov = _double(cov)
    if cov.ndim == 0:
        return cov * eye(dim)
    return cov[:, None] * eye(dim) if cov.ndim == 1 else cov


def _normal_logpdf(x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
    """``multivariate_normal.logpdf``, through the Cholesky factor of a definite covariance."""
    if allow_singular:
        raise NoRuleError(
            "scipy.stats.multivariate_normal with allow_singular=True has no derivative rule: the "
            "rank of the covariance is not continuous. Give it a definite covariance."
        )
    x = _double(x)
    if mean is not None:
        mean = _double(mean)
        dim = mean.shape[0] if mean.ndim else 1
    else:
        shape = cov.shape if isinstance(cov, stats.Covariance) else np.shape(plain(cov))
        dim = shape[-1] if len(shape) > 1 else 1
        mean = zeros(dim)
    if x.ndim == 0:
        x = x[None]
    elif x.ndim == 1:
        x = x[:, None] if dim == 1 else x[None, :]
    offset = x - mean
    factor = np.linalg.cholesky(_covariance(cov, dim))
    flat = np.reshape(offset, (-1, dim))
    white = np.linalg.solve(factor, np.transpose(flat))
    squares = np.reshape(np.sum(white * white, axis=0), offset.shape[:-1])
    log_det = 2 * np.sum(np.log(np.diagonal(factor)))
    result = -0.5 * (dim * math.log(2 * math.pi) + log_det + squares)
    return _squeezed(result)


def _squeezed(result: Any) -> Any:
    result = np.squeeze(result)
    return result[()] if not np.ndim(plain(result)) else result


def _dirichlet_logpdf(x: Any, alpha: Any) -> Any:
    """``dirichlet.logpdf``: the components of x are along its first axis."""
    x, alpha = as_array(x), as_array(alpha)
    if any_staged((x, alpha)):
        missing = operator.index(alpha.shape[0]) - operator.index(x.shape[0])
    else:
        stats.dirichlet.logpdf(plain(x), plain(alpha))  # SciPy's own errors
        missing = alpha.shape[0] - x.shape[0]
    if missing == 1:
        x = np.concatenate([x, 1 - np.sum(x, axis=0, keepdims=True)], axis=0)
    constant = s.gammaln(np.sum(alpha)) - np.sum(s.gammaln(alpha))
    exponents = np.reshape(alpha, (-1,) + (1,) * (x.ndim - 1)) - 1
    return _squeezed(constant + np.sum(s.xlogy(exponents, x), axis=0))


def _multinomial_logpmf(x: Any, n: Any, p: Any) -> Any:
    """``multinomial.logpmf``: SciPy replaces the last probability by 1 minus the others."""
    if any_active(n) and not is_staged(n):
        raise NoRuleError("scipy.stats.multinomial has no derivative in the number of trials")
    x, n, p = as_array(plain(x)), as_array(plain(n)), _double(p)
    if any_staged((x, n, p)):
        value = _support(x, n, p)
    else:
        value = stats.multinomial.logpmf(x, n, plain(p))
    p = np.concatenate([p[..., :-1], 1 - np.sum(p[..., :-1], axis=-1, keepdims=True)], axis=-1)
    constant = s.gammaln(n + 1) - np.sum(s.gammaln(x + 1), axis=-1)
    proper = np.isfinite(value)
    counts = np.where(proper[..., None], x, 0)
    result = constant + np.sum(s.xlogy(counts, p), axis=-1)
    if is_staged(proper):
        return ew.where(proper, result, value)
    return (result if np.all(proper) else ew.where(proper, result, value))[()]


def _support(x: Any, n: Any, p: Any) -> Any:
    """Return 0 where there is mass, −∞ where there is none, and NaN for improper parameters."""
    head = p[..., :-1]
    last = 1 - np.sum(head, axis=-1)
    inside = np.all((head >= 0) & (head <= 1), axis=-1) & (last >= 0) & (last <= 1) & (n >= 0)
    possible = np.all((x >= 0) & (x == np.floor(x)), axis=-1) & (np.sum(x, axis=-1) == n)
    return detached(ew.where(inside, ew.where(possible, 0.0, -np.inf), np.nan))


def _exp(logarithm: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: np.exp(logarithm(*args, **kwargs))


MULTIVARIATE: dict[type, dict[str, Callable[..., Any]]] = {
    type(stats.multivariate_normal): {"logpdf": _normal_logpdf, "pdf": _exp(_normal_logpdf)},
    type(stats.dirichlet): {"logpdf": _dirichlet_logpdf, "pdf": _exp(_dirichlet_logpdf)},
    type(stats.multinomial): {"logpmf": _multinomial_logpmf, "pmf": _exp(_multinomial_logpmf)},
}
