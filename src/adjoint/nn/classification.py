"""Losses of classifiers: from logits, log-probabilities and probabilities.

The names and numbers are those of `torch.nn.functional`, but for where the classes are: on the last
axis, unless ``axis`` says otherwise, as NumPy programs have them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.api.custom import stop_gradient
from adjoint.errors import InputError
from adjoint.nn.activations import log_softmax
from adjoint.nn.reduction import check_reduction, fitting, reduced

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "nll_loss",
]


def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    axis: int = -1,
) -> Any:
    """Return the cross-entropy between classes, or probabilities, and the softmax of logits.

    Parameters
    ----------
    logits : array (..., classes)
        Log-probabilities up to a constant.
    labels : array of int (...), or of float (..., classes)
        The class of each row, from 0; or its probabilities.
    weight : array (classes,), optional
        Factors of the classes. The mean is then the weighted one.
    ignore_index : int, optional
        A label whose rows count for nothing (PyTorch's default, -100, must be given).
    label_smoothing : float
        ε: each label is 1 − ε of itself and ε of all classes alike.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    axis : int
        The axis of the classes; 1 for PyTorch's (batch, classes, ...).

    References
    ----------
    C. Szegedy et al.: Rethinking the inception architecture for computer vision. CVPR 2016 (label
    smoothing).

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> logits = np.array([[1e4, 0.0, -1e4], [1.0, 1.0, 1.0]])
    >>> ad.nn.cross_entropy(logits, np.array([0, 2]), reduction="none")
    array([0.        , 1.09861229])
    >>> ad.nn.cross_entropy(logits, np.array([1, -1]), ignore_index=-1)
    np.float64(10000.0)
    """
    check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise InputError(f"label_smoothing is {label_smoothing}; it is between 0 and 1")
    logits = _classes_last(logits, axis)
    if labels.dtype.kind == "f":
        probs = _classes_last(labels, axis)
        return _soft(log_softmax(logits), probs, weight, label_smoothing, reduction)
    # log_softmax is the difference of these; of a row of it one entry is enough.
    logits = logits - stop_gradient(np.max(logits, axis=-1, keepdims=True))
    total = np.log(np.sum(np.exp(logits), axis=-1))
    return _hard(logits, total, labels, weight, ignore_index, label_smoothing, reduction)


def nll_loss(
    log_probs: Any,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    axis: int = -1,
) -> Any:
    """Return the negative log-probability of classes.

    Parameters
    ----------
    log_probs : array (..., classes)
        What `log_softmax` returns.
    labels : array of int (...)
        The class of each row, from 0.
    weight, ignore_index, reduction, axis
        As of `cross_entropy`.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.nll_loss(np.log([[0.25, 0.75]]), np.array([1])).round(6)
    np.float64(0.287682)
    """
    check_reduction(reduction)
    return _hard(_classes_last(log_probs, axis), None, labels, weight, ignore_index, 0.0, reduction)


def _classes_last(x: Any, axis: int) -> Any:
    return x if axis in (-1, x.ndim - 1) else np.moveaxis(x, axis, -1)


def _hard(
    scores: Any,
    total: Any,
    labels: Any,
    weight: Any,
    ignore_index: int | None,
    smooth: float,
    reduction: str,
) -> Any:
    """Return the loss of log-probabilities ``scores - total``; None for a total of 0."""
    if labels.shape != scores.shape[:-1]:
        raise InputError(
            f"labels of shape {tuple(labels.shape)} do not fit rows of shape "
            f"{tuple(scores.shape[:-1])}; classes are on the last axis, or on that of axis="
        )
    kept: Any = None
    if ignore_index is not None:
        kept = labels != ignore_index
        labels = np.where(kept, labels, 0)
    if np.any((labels < 0) | (labels >= scores.shape[-1])):
        raise InputError(
            "a label is negative, or not less than the number of classes; rows whose label is "
            "ignore_index are left out"
        )
    losses = -np.take_along_axis(scores, labels[..., None], -1)[..., 0]
    if total is not None:
        losses = losses + total
    factors = None if weight is None else weight[labels]
    if factors is not None:
        losses = losses * factors
    if smooth:
        rows = scores if total is None else scores - total[..., None]
        even = np.mean(rows if weight is None else rows * weight, axis=-1)
        losses = (1.0 - smooth) * losses - smooth * even
    if kept is not None:
        losses = np.where(kept, losses, 0.0)
    if reduction != "mean":
        return reduced(losses, reduction)
    if factors is None:
        return np.mean(losses) if kept is None else np.sum(losses) / _count(kept, losses)
    return np.sum(losses) / np.sum(factors if kept is None else np.where(kept, factors, 0.0))


def _count(kept: Any, like: Any) -> Any:
    return np.sum(kept, dtype=like.dtype)


def _soft(log_probs: Any, probs: Any, weight: Any, smooth: float, reduction: str) -> Any:
    if probs.shape != log_probs.shape:
        raise InputError(
            f"probabilities of shape {tuple(probs.shape)} do not fit logits of shape "
            f"{tuple(log_probs.shape)}; classes are numbers of an integer type"
        )
    if smooth:
        probs = probs * (1.0 - smooth) + smooth / log_probs.shape[-1]
    if weight is not None:
        probs = probs * weight
    return reduced(-np.sum(probs * log_probs, axis=-1), reduction)


def binary_cross_entropy_with_logits(
    logits: Any,
    targets: Any,
    *,
    weight: Any = None,
    pos_weight: Any = None,
    reduction: str = "mean",
) -> Any:
    """Return −t log σ(x) − (1 − t) log(1 − σ(x)), exact for all x.

    Parameters
    ----------
    logits : array
        x, of any shape.
    targets : array
        t, between 0 and 1, of the same shape.
    weight : array, optional
        Factors of the losses.
    pos_weight : array, optional
        Factors of the first term: of examples whose target is 1.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> x, t = np.array([-1e4, -50.0, 1e4]), np.array([1.0, 0.0, 0.0])
    >>> ad.nn.binary_cross_entropy_with_logits(x, t, reduction="none")
    array([1.00000000e+04, 1.92874985e-22, 1.00000000e+04])
    """
    targets = fitting(targets, logits)
    # Two terms neither of which is negative: nothing cancels.
    rest = np.log1p(np.exp(-np.abs(logits)))
    positive = targets if pos_weight is None else targets * pos_weight
    losses = positive * (rest + np.maximum(-logits, 0.0))
    losses = losses + (1.0 - targets) * (rest + np.maximum(logits, 0.0))
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy(
    probs: Any, targets: Any, *, weight: Any = None, reduction: str = "mean"
) -> Any:
    """Return −t log p − (1 − t) log(1 − p).

    Logarithms are not taken to be below −100, so that losses are finite; there, their derivative is
    0. `binary_cross_entropy_with_logits` needs no such bound.

    Parameters
    ----------
    probs, targets : array
        p and t, between 0 and 1, of the same shape.
    weight : array, optional
        Factors of the losses.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    """
    targets = fitting(targets, probs)
    below, above = np.where(probs > 0, probs, 1.0), np.where(probs < 1, probs, 0.0)
    log_p = np.where(probs > 0, np.maximum(np.log(below), -100.0), -100.0)
    log_rest = np.where(probs < 1, np.log1p(-above), -100.0)
    losses = -(targets * log_p + (1.0 - targets) * log_rest)
    return reduced(losses if weight is None else losses * weight, reduction)
