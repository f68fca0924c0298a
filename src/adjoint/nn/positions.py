"""Where a token stands: waves of the position, added to its features or turning them."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import InputError

__all__ = ["rotary_embedding", "sinusoidal_encoding"]


def _angles(length: Any, pairs: int, start: Any, base: float) -> Any:
    """Return position · base^(−k/pairs), (length, pairs), in double precision."""
    rates = float(base) ** (-np.arange(pairs) / pairs)
    return (start + np.arange(length))[:, None] * rates


def sinusoidal_encoding(
    length: int, features: int, *, start: Any = 0, base: float = 1e4, dtype: Any = np.float32
) -> Any:
    """Return waves of the position, to be added to tokens' features.

    Of position p the features 2k and 2k + 1 are sin(p/base^(2k/features)) and its cosine.

    Parameters
    ----------
    length, features : int
        The shape of the result; ``features`` is even.
    start : int
        The first position, which may be known at run time only.
    base : float
        The longest wave is 2π base long.
    dtype : dtype
        Of the result.

    References
    ----------
    A. Vaswani et al.: Attention is all you need. NIPS 2017 (section 3.5).

    Examples
    --------
    >>> import adjoint as ad
    >>> ad.nn.sinusoidal_encoding(2, 4).round(3)
    array([[0.   , 1.   , 0.   , 1.   ],
           [0.841, 0.54 , 0.01 , 1.   ]], dtype=float32)
    """
    if features % 2:
        raise InputError(f"sine and cosine take an even number of features, not {features}")
    angles = _angles(length, features // 2, start, base)
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return np.reshape(waves, (length, features)).astype(dtype)


def rotary_embedding(x: Any, *, start: Any = 0, base: float = 1e4, interleaved: bool = True) -> Any:
    """Turn pairs of features by angles that grow with the position.

    Of position p the pair k is turned by p/base^(2k/features). The product of a query and a key
    turned so depends on the distance of their positions.

    Parameters
    ----------
    x : (..., length, features) array
        Queries or keys, with an even number of features.
    start : int
        The first position, which may be known at run time only.
    base : float
        The slowest pair turns once in about 2π base positions.
    interleaved : bool
        Whether pair k is the features 2k and 2k + 1, as published; otherwise k and
        k + features/2, as in LLaMA's and GPT-NeoX's weights.

    References
    ----------
    J. Su et al.: RoFormer: enhanced transformer with rotary position embedding. 2021.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> q, k = np.random.default_rng(0).normal(size=(2, 1, 4))
    >>> near = ad.nn.rotary_embedding(q, start=2) @ ad.nn.rotary_embedding(k, start=1).T
    >>> far = ad.nn.rotary_embedding(q, start=102) @ ad.nn.rotary_embedding(k, start=101).T
    >>> bool(np.allclose(near, far))
    True
    """
    length, features = x.shape[-2:]
    if features % 2:
        raise InputError(f"rotations take an even number of features, not {features}")
    angles = _angles(length, features // 2, start, base)
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    if interleaved:
        a, b = x[..., 0::2], x[..., 1::2]
        return np.reshape(np.stack([a * cos - b * sin, a * sin + b * cos], axis=-1), x.shape)
    a, b = x[..., : features // 2], x[..., features // 2 :]
    return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)
