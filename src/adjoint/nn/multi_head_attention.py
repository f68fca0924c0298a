"""Attention of several heads, with the weights of its projections."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.nn import init
from adjoint.nn.attention import scaled_dot_product_attention
from adjoint.nn.linear import Linear
from adjoint.nn.module import Module

__all__ = ["KeyValueCache", "MultiHeadAttention"]


@dataclasses.dataclass(frozen=True)
class KeyValueCache:
    """The keys and values of the tokens so far, for those that follow.

    Attributes
    ----------
    key, value : (batch, heads, length, features) array
        With room for ``length`` tokens.
    position : int64
        How many there are.
    """

    key: Any
    value: Any
    position: Any


class MultiHeadAttention(Module):
    """Attention of several heads: PyTorch's `MultiheadAttention` but for the meaning of masks.

    Parameters
    ----------
    embed_dim : int
        The length of queries and results.
    num_heads : int
        How many heads the features are shared out among.
    dropout : float
        The probability with which weights are dropped, if there is a generator.
    bias : bool
        Whether projections have biases.
    kdim, vdim : int, optional
        The lengths of keys and values, if they are others.
    rng : numpy.random.Generator or int
        Where the weights come from.
    dtype : dtype
        Of the weights.

    Attributes
    ----------
    in_proj_weight : (3 embed_dim, embed_dim) array
        Of the projections of queries, keys and values, one below the other; with another ``kdim``
        or ``vdim`` they are ``q_proj_weight``, ``k_proj_weight`` and ``v_proj_weight``. Drawn by
        `init.xavier_uniform`.
    in_proj_bias : (3 embed_dim,) array
        Zeros.
    out_proj : Linear
        The projection of the result; its bias is zero.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> mha = ad.nn.MultiHeadAttention(8, 2, rng=0)
    >>> x = np.random.default_rng(0).normal(size=(4, 6, 8)).astype(np.float32)
    >>> y = mha(x, causal=True)
    >>> y.shape
    (4, 6, 8)

    Token by token, with what was computed for those before:

    >>> cache = mha.init_cache(batch=4, length=6)
    >>> for t in range(6):
    ...     step, cache = mha(x[:, t : t + 1], cache=cache)
    ...     assert np.allclose(step, y[:, t : t + 1], atol=1e-5)
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        if num_heads < 1 or embed_dim % num_heads:
            raise InputError(
                f"embed_dim is {embed_dim}, which {num_heads} heads cannot share evenly"
            )
        if not 0.0 <= dropout <= 1.0:
            raise InputError(f"dropout is a probability, not {dropout}")
        rng = init.generator(rng)
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        draw = {"rng": rng, "dtype": dtype}
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = init.xavier_uniform((3 * embed_dim, embed_dim), **draw)
        else:
            self.q_proj_weight = init.xavier_uniform((embed_dim, embed_dim), **draw)
            self.k_proj_weight = init.xavier_uniform((embed_dim, self.kdim), **draw)
            self.v_proj_weight = init.xavier_uniform((embed_dim, self.vdim), **draw)
        self.in_proj_bias = init.zeros(3 * embed_dim, dtype=dtype) if bias else None
        out_proj = Linear(embed_dim, embed_dim, bias, **draw)
        zeros = init.zeros(embed_dim, dtype=dtype) if bias else None
        self.out_proj = out_proj.replace(bias=zeros)

    def init_cache(self, batch: int, length: int) -> KeyValueCache:
        """Return a cache without tokens, for ``length`` of them."""
        dtype = self.out_proj.weight.dtype
        shape = (batch, self.num_heads, length, self.embed_dim // self.num_heads)
        return KeyValueCache(np.zeros(shape, dtype), np.zeros(shape, dtype), np.int64(0))

    def __call__(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        *,
        mask: Any = None,
        key_mask: Any = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
        rng: np.random.Generator | None = None,
    ) -> Any:
        """Return (batch, queries, embed_dim); with a cache that, and the cache after it.

        Parameters
        ----------
        query : (batch, queries, embed_dim) array
        key : (batch, keys, kdim) array, optional
            The queries by default: self-attention.
        value : (batch, keys, vdim) array, optional
            The keys by default.
        mask : array, optional
            That broadcasts to (batch, heads, queries, keys). Of booleans: which keys a query *may*
            attend to. Of numbers: what is added to the scores.
        key_mask : (batch, keys) array of bool, optional
            Which keys are there to be attended to: True, a token; False, padding.
        causal : bool
            Whether queries attend to keys at no later places only.
        cache : KeyValueCache, optional
            What is known of the tokens before the queries, which attend to all of these, and to
            themselves causally. Its length is that of the keys in masks.
        rng : numpy.random.Generator, optional
            Drops weights, with probability ``dropout``.
        """
        if cache is not None and key is not None:
            raise InputError("a cache is for self-attention: give the query alone")
        queries, keys, values = self._projections(query, key, value)
        if cache is not None:
            cache = _extended(cache, keys, values)
            keys, values, causal = cache.key, cache.value, False
            places = cache.position - query.shape[1] + np.arange(query.shape[1])
            mask = _and_allowed(mask, places[:, None] >= np.arange(keys.shape[2]))
        if key_mask is not None:
            mask = _and_allowed(mask, key_mask[:, None, None, :])
        result = scaled_dot_product_attention(
            queries, keys, values, mask=mask, causal=causal, dropout=self.dropout, rng=rng
        )
        # One copy, so that the heads' features lie side by side for the product that follows.
        result = np.ascontiguousarray(np.swapaxes(result, 1, 2))
        batch, length, _ = query.shape
        out = self.out_proj
        result = _affine(np.reshape(result, (batch, length, self.embed_dim)), out.weight, out.bias)
        return result if cache is None else (result, cache)

    def _projections(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        """Return queries, keys and values, (batch, heads, length, features)."""
        n, bias = self.embed_dim, self.in_proj_bias
        if self.kdim == self.vdim == n:
            weight = np.reshape(self.in_proj_weight, (3 * n, n))
            if key is None and value is None:
                return self._heads(_affine(query, weight, bias), 3)
            weights = weight[:n], weight[n : 2 * n], weight[2 * n :]
        else:
            weights = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        biases = (None,) * 3 if bias is None else (bias[:n], bias[n : 2 * n], bias[2 * n :])
        key = query if key is None else key
        operands = query, key, key if value is None else value
        parts = [
            self._heads(_affine(x, w, b), 1)[0]
            for x, w, b in zip(operands, weights, biases, strict=True)
        ]
        return parts[0], parts[1], parts[2]

    def _heads(self, x: Any, parts: int) -> Any:
        """Return the parts of the last axis, each with its heads before its length."""
        batch, length, _ = x.shape
        heads = self.num_heads
        x = np.reshape(x, (batch, length, parts, heads, self.embed_dim // heads))
        return tuple([np.swapaxes(x[:, :, k], 1, 2) for k in (0, 1, 2)[:parts]])


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    """Return x Wᵀ + b for x of three axes, as one product of matrices."""
    batch, length, features = x.shape
    y = np.reshape(x, (batch * length, features)) @ weight.T
    y = y if bias is None else y + bias
    return np.reshape(y, (batch, length, weight.shape[0]))


def _and_allowed(mask: Any, allowed: Any) -> Any:
    """Return a mask that leaves out what is not allowed as well."""
    if mask is None:
        return allowed
    return mask & allowed if mask.dtype == bool else np.where(allowed, mask, -np.inf)


def _extended(cache: KeyValueCache, key: Any, value: Any) -> KeyValueCache:
    """Return the cache with keys and values of the tokens that follow."""
    start = cache.position
    end = start + key.shape[2]
    if end > cache.key.shape[2]:
        raise InputError(
            f"the cache has room for {cache.key.shape[2]} tokens: {int(start)} are in it, and "
            f"{key.shape[2]} more do not fit"
        )
    keys, values = cache.key.copy(), cache.value.copy()
    keys[:, :, start:end] = key
    values[:, :, start:end] = value
    return KeyValueCache(keys, values, end)
