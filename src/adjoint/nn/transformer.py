"""Transformers: layers one after another, and a norm after the last.

PyTorch's take one layer and copy it, so that all begin with the same weights. These take the
layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.nn.module import Module
from adjoint.nn.multi_head_attention import KeyValueCache
from adjoint.nn.transformer_layers import TransformerDecoderLayer, TransformerEncoderLayer

__all__ = ["TransformerDecoder", "TransformerEncoder"]


Layer = TransformerEncoderLayer | TransformerDecoderLayer


class _Stack(Module):
    def __init__(self, layers: Sequence[Layer], norm: Callable[[Any], Any] | None = None) -> None:
        self.layers = tuple(layers)
        self.norm = norm

    def init_cache(self, batch: int, length: int) -> tuple[KeyValueCache, ...]:
        """Return the layers' caches without tokens, for ``length`` of them."""
        return tuple([layer.init_cache(batch, length) for layer in self.layers])

    def _through(self, x: Any, args: tuple[Any, ...], caches: Any, options: dict[str, Any]) -> Any:
        after = []
        for k, layer in enumerate(self.layers):
            if caches is None:
                x = layer(x, *args, **options)
            else:
                x, cache = layer(x, *args, cache=caches[k], **options)
                after.append(cache)
        x = x if self.norm is None else self.norm(x)
        return x if caches is None else (x, tuple(after))


class TransformerEncoder(_Stack):
    """Layers of an encoder, one after another; causally, what is called a decoder without memory.

    Parameters
    ----------
    layers : sequence of TransformerEncoderLayer
    norm : callable, optional
        What the last result goes through; layers with ``norm_first`` want it.

    Attributes
    ----------
    layers : tuple
    norm : callable or None

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> nn, rng = ad.nn, np.random.default_rng(0)
    >>> layers = [nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, rng=rng) for _ in range(3)]
    >>> model = nn.TransformerEncoder(layers, nn.LayerNorm(8))
    >>> x = rng.normal(size=(4, 6, 8)).astype(np.float32)
    >>> y = model(x, causal=True)

    Token by token:

    >>> cache = model.init_cache(batch=4, length=6)
    >>> for t in range(6):
    ...     step, cache = model(x[:, t : t + 1], cache=cache)
    ...     assert np.allclose(step, y[:, t : t + 1], atol=1e-4)
    """

    def __call__(
        self,
        x: Any,
        *,
        mask: Any = None,
        key_mask: Any = None,
        causal: bool = False,
        cache: Any = None,
        rng: np.random.Generator | None = None,
    ) -> Any:
        """Return what the last layer returns; the arguments are those of `TransformerEncoderLayer`.

        ``cache`` is a tuple of the layers' caches, and so is the one returned.
        """
        options = {"mask": mask, "key_mask": key_mask, "causal": causal, "rng": rng}
        return self._through(x, (), cache, options)


class TransformerDecoder(_Stack):
    """Layers of a decoder with a memory, one after another.

    Parameters
    ----------
    layers : sequence of TransformerDecoderLayer
    norm : callable, optional
        What the last result goes through.

    Attributes
    ----------
    layers : tuple
    norm : callable or None

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> rng = np.random.default_rng(0)
    >>> layers = [ad.nn.TransformerDecoderLayer(8, 2, 16, rng=rng) for _ in range(2)]
    >>> x, memory = np.ones((4, 6, 8), np.float32), np.ones((4, 9, 8), np.float32)
    >>> ad.nn.TransformerDecoder(layers)(x, memory, causal=True).shape
    (4, 6, 8)
    """

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
        cache: Any = None,
        rng: np.random.Generator | None = None,
    ) -> Any:
        """Return what the last layer returns; the arguments are those of `TransformerDecoderLayer`.

        ``cache`` is a tuple of the layers' caches, and so is the one returned.
        """
        options = {
            "mask": mask, "memory_mask": memory_mask, "key_mask": key_mask,
            "memory_key_mask": memory_key_mask, "causal": causal, "rng": rng,
        }  # fmt: skip
        return self._through(x, (memory,), cache, options)
