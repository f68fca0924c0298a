"""Losses of regression, of distributions and of distances.

Names, arguments and numbers are those of `torch.nn.functional`. Losses of classifiers are in
`adjoint.nn.classification`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.api.custom import stop_gradient
from adjoint.errors import InputError
from adjoint.nn.reduction import check_reduction, fitting, reduced

__all__ = [
    "gaussian_nll_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss", "poisson_nll_loss",
    "smooth_l1_loss",
]  # fmt: skip


def _difference(x: Any, targets: Any) -> Any:
    return x - fitting(targets, x)


def mse_loss(x: Any, targets: Any, *, reduction: str = "mean") -> Any:
    """Return (x − t)².

    Parameters
    ----------
    x, targets : array
        Of the same shape.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(2.0)
    """
    d = _difference(x, targets)
    return reduced(d * d, reduction)


def l1_loss(x: Any, targets: Any, *, reduction: str = "mean") -> Any:
    """Return |x − t|, whose derivative is 0 at 0; arguments as of `mse_loss`."""
    return reduced(np.abs(_difference(x, targets)), reduction)


def huber_loss(x: Any, targets: Any, *, reduction: str = "mean", delta: float = 1.0) -> Any:
    """Return d²/2 where d = |x − t| is less than δ, and δ (d − δ/2) elsewhere.

    P. Huber: Robust estimation of a location parameter. Annals of Mathematical Statistics 35
    (1964). Arguments are those of `mse_loss`, and:

    Parameters
    ----------
    x, targets, reduction
        As of `mse_loss`.
    delta : float
        Where the parabola ends, positive.
    """
    if delta <= 0:
        raise InputError(f"delta is {delta}; it is positive")
    return reduced(_huber(_difference(x, targets), delta), reduction)


def _huber(difference: Any, delta: float) -> Any:
    d = np.abs(difference)
    least = np.minimum(d, delta)  # so that large differences are not squared
    return least * (d - 0.5 * least)


def smooth_l1_loss(x: Any, targets: Any, *, reduction: str = "mean", beta: float = 1.0) -> Any:
    """Return d²/(2β) where d = |x − t| is less than β, and d − β/2 elsewhere.

    R. Girshick: Fast R-CNN. ICCV 2015. It is `huber_loss` divided by β, and `l1_loss` for β = 0.

    Parameters
    ----------
    x, targets, reduction
        As of `mse_loss`.
    beta : float
        Where the parabola ends, not negative.
    """
    if beta < 0:
        raise InputError(f"beta is {beta}; it is not negative")
    if beta == 0:
        return l1_loss(x, targets, reduction=reduction)
    return reduced(_huber(_difference(x, targets), beta) / beta, reduction)


def kl_div(x: Any, targets: Any, *, reduction: str = "mean", log_target: bool = False) -> Any:
    """Return t (log t − x): the terms of the divergence of exp(x) from t.

    Parameters
    ----------
    x : array
        Log-probabilities.
    targets : array
        Probabilities, or their logarithms if ``log_target``, of the same shape. What is 0 adds 0.
    reduction : str
        ``"batchmean"`` (the divergence: the sum over the number of rows), ``"mean"`` (over all
        numbers), ``"sum"`` or ``"none"``.
    log_target : bool
        Whether targets are logarithms.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    >>> ad.nn.kl_div(np.log(q), p, reduction="batchmean").round(6)
    np.float64(0.346574)
    """
    check_reduction(reduction, "batchmean")
    if log_target:
        losses = np.exp(targets) * -_difference(x, targets)
    else:
        positive = targets > 0
        logs = np.log(np.where(positive, targets, 1.0))
        losses = np.where(positive, targets * -_difference(x, logs), 0.0)
    if reduction == "batchmean":
        return np.sum(losses) / x.shape[0]
    return reduced(losses, reduction)


def gaussian_nll_loss(
    x: Any,
    targets: Any,
    var: Any,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """Return (log v + (x − t)²/v)/2, minus the logarithm of the normal density.

    Parameters
    ----------
    x, targets : array
        Expected values, and what was seen, of the same shape.
    var : array or float
        v, of the same shape or one that broadcasts.
    full : bool
        Whether to add log(2π)/2.
    eps : float
        What v is taken to be where it is less; its derivative does not notice.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    References
    ----------
    D. Nix, A. Weigend: Estimating the mean and variance of the target probability distribution.
    ICNN 1994.
    """
    d = _difference(x, targets)
    var = var + stop_gradient(np.maximum(var, eps) - var)
    losses = 0.5 * (np.log(var) + d * d / var)
    if full:
        losses = losses + 0.5 * math.log(2.0 * math.pi)
    return reduced(losses, reduction)


def poisson_nll_loss(
    x: Any,
    targets: Any,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:
    """Return exp(x) − t x, or x − t log(x + eps): minus the logarithm of Poisson's probability.

    Parameters
    ----------
    x, targets : array
        Logarithms of expected counts (expected counts if not ``log_input``) and counts, of the same
        shape.
    log_input : bool
        Whether x is a logarithm.
    full : bool
        Whether to add Stirling's approximation of log(t!) where t > 1.
    eps : float
        Keeps the logarithm finite.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    """
    targets = fitting(targets, x)
    losses = np.exp(x) - targets * x if log_input else x - targets * np.log(x + eps)
    if full:
        t = np.where(targets > 1, targets, 1.0)
        stirling = t * np.log(t) - t + 0.5 * np.log(2.0 * math.pi * t)
        losses = losses + np.where(targets > 1, stirling, 0.0)
    return reduced(losses, reduction)
