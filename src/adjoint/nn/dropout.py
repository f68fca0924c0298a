"""Dropout: noise that comes from a generator given to the call, and from nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.nn.module import Module

__all__ = ["Dropout", "dropout"]


def dropout(x: Any, p: float = 0.5, *, rng: np.random.Generator | None = None) -> Any:
    """Put zeros in place of numbers, with probability p, and multiply the others by 1/(1 − p).

    Parameters
    ----------
    x : array
        Of any shape.
    p : float
        The probability of zero.
    rng : numpy.random.Generator, optional
        Where the choice comes from; without it nothing is dropped (evaluation). A jitted function
        that takes it as an argument draws anew at each call.

    References
    ----------
    N. Srivastava et al.: Dropout: a simple way to prevent neural networks from overfitting. JMLR 15
    (2014).

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> y = ad.nn.dropout(np.ones(1000), 0.2, rng=np.random.default_rng(0))
    >>> np.unique(y), bool(abs(y.mean() - 1) < 0.05)
    (array([0.  , 1.25]), True)
    """
    _check(p)
    if rng is None or p == 0.0:
        return x
    if p == 1.0:
        return x * 0.0
    kept = rng.random(x.shape, dtype=np.float32) >= np.float32(p)
    return np.where(kept, x * (1.0 / (1.0 - p)), 0.0)


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise InputError(f"p is {p}; a probability is between 0 and 1")


class Dropout(Module):
    """`dropout` as a layer.

    Parameters
    ----------
    p : float
        The probability of zero.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> layer = ad.nn.Dropout(0.5)
    >>> layer(np.ones(3))
    array([1., 1., 1.])
    >>> np.unique(layer(np.ones(100), np.random.default_rng(0)))
    array([0., 2.])
    """

    def __init__(self, p: float = 0.5) -> None:
        _check(p)
        self.p = p

    def __call__(self, x: Any, rng: np.random.Generator | None = None) -> Any:
        """Return x with zeros drawn by ``rng``, or x itself without one."""
        return dropout(x, self.p, rng=rng)
