"""Layers that are matrix products, or rows of a matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.api.custom import stop_gradient
from adjoint.errors import InputError
from adjoint.nn import init
from adjoint.nn.module import Module

__all__ = ["Bilinear", "Embedding", "Linear"]


class Linear(Module):
    """y = x Wᵀ + b, over the last axis.

    Parameters
    ----------
    in_features, out_features : int
        The lengths of the last axes of x and y.
    bias : bool
        Whether there is a b.
    rng : numpy.random.Generator or int
        Where the weights come from.
    dtype : dtype
        Of the weights.

    Attributes
    ----------
    weight : array (out_features, in_features)
        Drawn uniformly between ±1/√in_features, as is the bias.
    bias : array (out_features,) or None

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> layer = ad.nn.Linear(3, 2, rng=0)
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    >>> ad.grad(lambda layer: np.sum(layer(np.ones((5, 3), np.float32))))(layer).bias
    array([5., 5.], dtype=float32)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        rng = init.generator(rng)
        bound = 1.0 / math.sqrt(in_features) if in_features else 0.0
        shape = (out_features, in_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = init.uniform(shape, -bound, bound, rng=rng, dtype=dtype)
        self.bias = init.uniform(shape[:1], -bound, bound, rng=rng, dtype=dtype) if bias else None

    def __call__(self, x: Any) -> Any:
        """Return y of shape (..., out_features) for x of shape (..., in_features)."""
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


class Bilinear(Module):
    """y_k = x₁ᵀ W_k x₂ + b_k, over the last axes.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
        The lengths of the last axes of x₁, x₂ and y.
    bias : bool
        Whether there is a b.
    rng, dtype
        As of `Linear`.

    Attributes
    ----------
    weight : array (out_features, in1_features, in2_features)
        Drawn uniformly between ±1/√in1_features, as is the bias.
    bias : array (out_features,) or None

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.Bilinear(3, 4, 2, rng=0)(np.ones((5, 3)), np.ones((5, 4))).shape
    (5, 2)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        rng = init.generator(rng)
        bound = 1.0 / math.sqrt(in1_features) if in1_features else 0.0
        shape = (out_features, in1_features, in2_features)
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        self.weight = init.uniform(shape, -bound, bound, rng=rng, dtype=dtype)
        self.bias = init.uniform(shape[:1], -bound, bound, rng=rng, dtype=dtype) if bias else None

    def __call__(self, input1: Any, input2: Any) -> Any:
        """Return y of shape (..., out_features)."""
        lead = input1.shape[:-1]
        x1 = np.reshape(input1, (-1, self.in1_features))
        x2 = np.reshape(input2, (-1, self.in2_features))
        y = np.sum((x1 @ self.weight) * x2, axis=-1)  # (out, n, j) · (n, j)
        y = np.reshape(y.T, (*lead, self.out_features))
        return y if self.bias is None else y + self.bias


class Embedding(Module):
    """Rows of a matrix, by their numbers.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        How many rows there are, and their length.
    padding_idx : int, optional
        A row that begins as zeros and gets no gradient; negative numbers count from the end.
    rng, dtype
        As of `Linear`.

    Attributes
    ----------
    weight : array (num_embeddings, embedding_dim)
        Drawn from the standard normal distribution.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> embedding = ad.nn.Embedding(10, 3, padding_idx=0, rng=0)
    >>> embedding(np.array([[4, 2, 0]])).shape
    (1, 3, 3)
    >>> ad.grad(lambda e: np.sum(e(np.array([2, 0]))))(embedding).weight[:3, 0]
    array([0., 0., 1.], dtype=float32)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise InputError(f"padding_idx is {padding_idx}; there are {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        weight = init.normal((num_embeddings, embedding_dim), rng=rng, dtype=dtype)
        if padding_idx is not None:
            weight[padding_idx] = 0.0
        self.weight = weight

    def __call__(self, indices: Any) -> Any:
        """Return an array (*indices.shape, embedding_dim) for integers ``indices``."""
        rows = self.weight[indices]
        if self.padding_idx is None:
            return rows
        padding = np.expand_dims(np.equal(indices, self.padding_idx), -1)
        return np.where(padding, stop_gradient(rows), rows)
