"""Losses of distances and margins: what is alike is to be near, what is not is to be far.

Names, arguments and numbers are those of `torch.nn.functional`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.nn.reduction import reduced

__all__ = [
    "cosine_embedding_loss", "cosine_similarity", "hinge_embedding_loss", "margin_ranking_loss",
    "pairwise_distance", "soft_margin_loss", "triplet_margin_loss",
]  # fmt: skip


def _positive(x: Any) -> Any:
    """Return max(x, 0), whose derivative is 0 at 0."""
    return np.where(x <= 0, 0.0, x)


def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Any:
    """Return x₁·x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)) along an axis.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.cosine_similarity(np.array([[3.0, 4.0]]), np.array([[1.0, 0.0]]))
    array([0.6])
    """
    norms = [np.maximum(np.linalg.norm(x, axis=axis, keepdims=True), eps) for x in (x1, x2)]
    return np.sum((x1 / norms[0]) * (x2 / norms[1]), axis=axis)


def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> Any:
    """Return the p-norm of x₁ − x₂ + eps along the last axis."""
    return np.linalg.norm(x1 - x2 + eps, ord=p, axis=-1, keepdims=keepdims)


def hinge_embedding_loss(
    x: Any, targets: Any, *, margin: float = 1.0, reduction: str = "mean"
) -> Any:
    """Return x where the target is 1, and max(0, margin − x) where it is −1."""
    losses = np.where(targets == 1, x, _positive(margin - x))
    return reduced(losses, reduction)


def margin_ranking_loss(
    x1: Any, x2: Any, targets: Any, *, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """Return max(0, margin − t (x₁ − x₂)), for targets t of ±1."""
    return reduced(_positive(margin - targets * (x1 - x2)), reduction)


def soft_margin_loss(x: Any, targets: Any, *, reduction: str = "mean") -> Any:
    """Return log(1 + exp(−t x)), for targets t of ±1."""
    return reduced(np.logaddexp(-targets * x, 0.0), reduction)


def cosine_embedding_loss(
    x1: Any, x2: Any, targets: Any, *, margin: float = 0.0, reduction: str = "mean"
) -> Any:
    """Return 1 − cos where the target is 1, and max(0, cos − margin) where it is −1.

    Parameters
    ----------
    x1, x2 : array (N, D) or (D,)
        What is compared.
    targets : array (N,) or ()
        1 or −1.
    margin : float
        How alike what is not alike may be.
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.
    """
    cos = cosine_similarity(x1, x2, axis=-1)
    return reduced(np.where(targets == 1, 1.0 - cos, _positive(cos - margin)), reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """Return max(0, d(a, p) − d(a, n) + margin), with d the `pairwise_distance`.

    Parameters
    ----------
    anchor, positive, negative : array (N, D)
        Points, one like each and one unlike it.
    margin : float
        How much farther what is unlike is to be.
    p, eps : float
        As of `pairwise_distance`.
    swap : bool
        Whether the distance of the latter two counts where it is less than d(a, n).
    reduction : str
        ``"mean"``, ``"sum"`` or ``"none"``.

    References
    ----------
    V. Balntas, E. Riba, D. Ponsa, K. Mikolajczyk: Learning local feature descriptors with triplets
    and shallow convolutional neural networks. BMVC 2016.
    """
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = np.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(_positive(margin + pairwise_distance(anchor, positive, p, eps) - far), reduction)
