"""A transformer's layers: attention, and a network for each token.

Names and numbers are PyTorch's. Masks say who may attend (`adjoint.nn.attention`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from adjoint.errors import InputError
from adjoint.nn import init
from adjoint.nn.activations import gelu, relu
from adjoint.nn.dropout import dropout as drop
from adjoint.nn.linear import Linear
from adjoint.nn.module import Module
from adjoint.nn.multi_head_attention import KeyValueCache, MultiHeadAttention
from adjoint.nn.norms import LayerNorm

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer"]

Activation = Callable[[Any], Any]
_ACTIVATIONS: dict[str, Activation] = {"relu": relu, "gelu": gelu}


def _activation(given: str | Activation) -> Activation:
    if callable(given):
        return given
    if given not in _ACTIVATIONS:
        raise InputError(f"activation is 'relu', 'gelu' or a function, not {given!r}")
    return _ACTIVATIONS[given]


class _Layer(Module):
    """What the layers of encoders and decoders have in common."""

    _attentions: ClassVar[tuple[str, ...]]
    """The names of the attentions, each of which has a norm, as has the network for each token."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = "relu",
        layer_norm_eps: float = 1e-5,
        *,
        norm_first: bool = False,
        bias: bool = True,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        rng = init.generator(rng)
        for name in self._attentions:
            attention = MultiHeadAttention(d_model, nhead, dropout, bias, rng=rng, dtype=dtype)
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng, dtype=dtype)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng, dtype=dtype)
        for k in range(1, len(self._attentions) + 2):
            setattr(self, f"norm{k}", LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))
        self.dropout = dropout
        self.activation = _activation(activation)
        self.norm_first = norm_first

    def _added(self, x: Any, part: Any, norm: LayerNorm, rng: Any) -> Any:
        """Return x with the result of a part, some of which is dropped."""
        x = x + drop(part, self.dropout, rng=rng)
        return x if self.norm_first else norm(x)

    def _network(self, x: Any, norm: LayerNorm, rng: Any) -> Any:
        """Return what the network for each token makes of x."""
        x = norm(x) if self.norm_first else x
        return self.linear2(drop(self.activation(self.linear1(x)), self.dropout, rng=rng))


class TransformerEncoderLayer(_Layer):
    """Self-attention, and a network of two layers for each token; each added to what it reads.

    Parameters
    ----------
    d_model : int
        How many features a token has.
    nhead : int
        How many heads share them.
    dim_feedforward : int
        How many features are between the two layers.
    dropout : float
        The probability with which attention's weights, and elements of the results of both parts
        and between the two layers, are dropped if there is a generator.
    activation : {"relu", "gelu"} or callable
        Between the two layers.
    layer_norm_eps : float
        ``eps`` of the norms.
    norm_first : bool
        Normalise what the parts read, in place of the sums.
    bias : bool
        Whether there are biases.
    rng, dtype
        Where the weights come from, and what they are.

    Attributes
    ----------
    self_attn : MultiHeadAttention
    linear1, linear2 : Linear
    norm1, norm2 : LayerNorm

    References
    ----------
    A. Vaswani et al.: Attention is all you need. NIPS 2017.
    R. Xiong et al.: On layer normalization in the transformer architecture. ICML 2020: norms first.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> layer = ad.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, rng=0)
    >>> layer(np.ones((4, 6, 8), np.float32), causal=True).shape
    (4, 6, 8)
    """

    _attentions = ("self_attn",)

    self_attn: MultiHeadAttention
    norm1: LayerNorm
    norm2: LayerNorm

    def init_cache(self, batch: int, length: int) -> KeyValueCache:
        """Return a cache without tokens, for ``length`` of them."""
        return self.self_attn.init_cache(batch, length)

    def __call__(
        self,
        x: Any,
        *,
        mask: Any = None,
        key_mask: Any = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
        rng: np.random.Generator | None = None,
    ) -> Any:
        """Return (batch, length, d_model) for x of that shape; with a cache that, and the cache.

        Parameters
        ----------
        x : (batch, length, d_model) array
        mask, key_mask, causal, cache
            As `MultiHeadAttention` takes them.
        rng : numpy.random.Generator, optional
            Drops; without it nothing is dropped.
        """
        options = {"mask": mask, "key_mask": key_mask, "rng": rng}
        read = self.norm1(x) if self.norm_first else x
        if cache is None:
            part = self.self_attn(read, causal=causal, **options)
        else:
            part, cache = self.self_attn(read, cache=cache, **options)
        x = self._added(x, part, self.norm1, rng)
        x = self._added(x, self._network(x, self.norm2, rng), self.norm2, rng)
        return x if cache is None else (x, cache)


class TransformerDecoderLayer(_Layer):
    """As `TransformerEncoderLayer`, with attention to a memory between its parts.

    Attributes
    ----------
    self_attn, multihead_attn : MultiHeadAttention
    linear1, linear2 : Linear
    norm1, norm2, norm3 : LayerNorm

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> layer = ad.nn.TransformerDecoderLayer(8, 2, dim_feedforward=16, rng=0)
    >>> x, memory = np.ones((4, 6, 8), np.float32), np.ones((4, 9, 8), np.float32)
    >>> layer(x, memory, causal=True).shape
    (4, 6, 8)
    """

    _attentions = ("self_attn", "multihead_attn")

    self_attn: MultiHeadAttention
    multihead_attn: MultiHeadAttention
    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm

    def init_cache(self, batch: int, length: int) -> KeyValueCache:
        """Return a cache without tokens, for ``length`` of them."""
        return self.self_attn.init_cache(batch, length)

    def __call__(
        self,
        x: Any,
        memory: Any,
        *,
        mask: Any = None,
        memory_mask: Any = None,
        key_mask: Any = None,
        memory_key_mask: Any = None,
        causal: bool = False,
        cache: KeyValueCache | None = None,
        rng: np.random.Generator | None = None,
    ) -> Any:
        """Return (batch, length, d_model) for x of that shape; with a cache that, and the cache.

        Parameters
        ----------
        x : (batch, length, d_model) array
        memory : (batch, keys, d_model) array
            What an encoder made.
        mask, key_mask, causal, cache
            Of the self-attention, as `MultiHeadAttention` takes them.
        memory_mask, memory_key_mask
            The same of the attention to the memory.
        rng : numpy.random.Generator, optional
            Drops; without it nothing is dropped.
        """
        options = {"mask": mask, "key_mask": key_mask, "rng": rng}
        read = self.norm1(x) if self.norm_first else x
        if cache is None:
            part = self.self_attn(read, causal=causal, **options)
        else:
            part, cache = self.self_attn(read, cache=cache, **options)
        x = self._added(x, part, self.norm1, rng)
        read = self.norm2(x) if self.norm_first else x
        part = self.multihead_attn(
            read, memory, mask=memory_mask, key_mask=memory_key_mask, rng=rng
        )
        x = self._added(x, part, self.norm2, rng)
        x = self._added(x, self._network(x, self.norm3, rng), self.norm3, rng)
        return x if cache is None else (x, cache)
