"""Attention: each query's mean of the values, weighted by how well their keys fit it.

Masks say who *may* attend: True, take part; False, be left out. That is the meaning of JAX's masks
and of PyTorch's ``scaled_dot_product_attention``, and the opposite of that of PyTorch's
``MultiheadAttention``. Numbers in a mask are added to the scores, as everywhere.

A query that may attend to nothing gets zeros, in the value as in the derivative: no exponential is
taken of what is left out, and nothing is divided by a sum of nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.api.custom import stop_gradient
from adjoint.nn.dropout import dropout as drop

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    mask: Any = None,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Any:
    """Return softmax(scale · q kᵀ) v, over the last two axes.

    Parameters
    ----------
    q : (..., queries, features) array
    k : (..., keys, features) array
    v : (..., keys, values) array
    mask : array, optional
        That broadcasts to (..., queries, keys). Of booleans: which keys a query may attend to. Of
        numbers: what is added to the scores, −inf to leave a key out.
    causal : bool
        Whether query i attends to the keys 0 … i only, of those that the mask lets it attend to.
    scale : float, optional
        1/√features by default.
    dropout : float
        The probability with which weights are dropped, if there is a generator.
    rng : numpy.random.Generator, optional
        Where the choice comes from.

    Returns
    -------
    (..., queries, values) array
        Zero where a query may attend to nothing.

    References
    ----------
    A. Vaswani et al.: Attention is all you need. NIPS 2017.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> q, k, v = np.zeros((2, 3, 4)), np.zeros((2, 3, 4)), np.ones((2, 3, 1))
    >>> v[:, :, 0] = [1.0, 2.0, 3.0]
    >>> ad.nn.scaled_dot_product_attention(q, k, v, causal=True)[0, :, 0]
    array([1. , 1.5, 2. ])
    """
    scale = 1.0 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = (q * scale) @ np.swapaxes(k, -1, -2)
    allowed = None
    if mask is not None:
        if mask.dtype == bool:
            allowed = mask
        else:
            allowed = mask > -np.inf
            scores = scores + np.where(allowed, mask, 0.0)
    if causal:
        earlier = np.arange(q.shape[-2])[:, None] >= np.arange(k.shape[-2])
        allowed = earlier if allowed is None else allowed & earlier
    return drop(attention_weights(scores, allowed), dropout, rng=rng) @ v


def attention_weights(scores: Any, allowed: Any = None) -> Any:
    """Return the softmax over the last axis of those that are allowed, and zero for the others."""
    if allowed is None:
        raised = np.exp(scores - stop_gradient(np.max(scores, axis=-1, keepdims=True)))
        return raised / np.sum(raised, axis=-1, keepdims=True)
    lowest = np.finfo(scores.dtype).min
    largest = np.max(np.where(allowed, scores, lowest), axis=-1, keepdims=True)
    shifted = np.where(allowed, scores - stop_gradient(largest), 0.0)
    raised = np.where(allowed, np.exp(shifted), 0.0)
    total = np.sum(raised, axis=-1, keepdims=True)
    return raised / np.where(total > 0, total, 1.0)
