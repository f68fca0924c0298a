"""One layer after another."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from adjoint.errors import InputError
from adjoint.nn.module import Module

__all__ = ["Sequential"]


@functools.cache
def _parameters(call: Callable) -> frozenset[str]:
    """Return the names of the parameters of a class's calls."""
    return frozenset(inspect.signature(call).parameters)


def _takes(layer: Callable, name: str) -> bool:
    if isinstance(layer, Module):
        return name in _parameters(type(layer).__call__)
    try:
        return name in inspect.signature(layer).parameters
    except (TypeError, ValueError):  # a function of C, such as NumPy's
        return False


class Sequential(Module):
    """Layers and functions, one after another.

    Parameters
    ----------
    *layers : Module or callable
        Functions of an array; those that have a parameter ``rng`` are given it, and so are layers
        with a state with the parameter ``training``.

    Attributes
    ----------
    layers : tuple
        What was given.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> nn = ad.nn
    >>> rng = np.random.default_rng(0)
    >>> model = nn.Sequential(
    ...     nn.Linear(4, 8, rng=rng), np.tanh, nn.Dropout(0.1), nn.Linear(8, 3, rng=rng)
    ... )
    >>> model(np.ones((2, 4), np.float32)).shape  # nothing is dropped
    (2, 3)
    >>> model(np.ones((2, 4), np.float32), rng=rng).shape  # some is
    (2, 3)
    """

    def __init__(self, *layers: Callable) -> None:
        for layer in layers:
            if not callable(layer):
                raise InputError(f"Sequential takes layers and functions, not {layer!r}")
        self.layers = layers

    def init_state(self) -> Any:
        """Return a tuple of the layers' states, None for those without; None where all are."""
        states = super().init_state()
        return None if states is None else states["layers"]

    def __call__(self, x: Any, state: Any = None, *, rng: Any = None, training: bool = True) -> Any:
        """Return what the last layer returns; with a state, ``(result, state)``.

        Parameters
        ----------
        x : array
            What the first layer takes.
        state : tuple, optional
            What `init_state` or the last call returned, for layers that have one.
        rng : numpy.random.Generator, optional
            For layers that draw; without it they do not (`Dropout` drops nothing).
        training : bool
            Whether layers with a state use the batch and update their state, or use the state.
        """
        states = (None,) * len(self.layers) if state is None else state
        if len(states) != len(self.layers):
            raise InputError(f"the state is of {len(states)} layers, not of {len(self.layers)}")
        new = []
        for layer, kept in zip(self.layers, states, strict=True):
            options: dict[str, Any] = {}
            if rng is not None and _takes(layer, "rng"):
                options["rng"] = rng
            if kept is None:
                x = layer(x, **options)
            else:
                if _takes(layer, "training"):
                    options["training"] = training
                x, kept = layer(x, kept, **options)
            new.append(kept)
        return x if state is None else (x, tuple(new))
