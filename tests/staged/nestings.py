"""Derivatives of a function of one argument: of first order, and of second in every nesting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import adjoint as ad

__all__ = ["FIRST", "SECOND"]

FIRST: dict[str, Callable] = {
    "grad": ad.grad,
    "jvp": lambda g: lambda x: ad.jvp(g, (x,), (x * x,))[1],
    "linearize": lambda g: lambda x: ad.linearize(g, x)[1](x),
}
SECOND: dict[str, Callable] = {
    "reverse over reverse": lambda g: ad.grad(lambda x: np.sum(ad.grad(g)(x) * x)),
    "forward over reverse": lambda g: lambda x: ad.jvp(ad.grad(g), (x,), (x,))[1],
    "reverse over forward": lambda g: ad.grad(lambda x: ad.jvp(g, (x,), (x,))[1]),
    "forward over forward": lambda g: (
        lambda x: ad.jvp(lambda x: ad.jvp(g, (x,), (x,))[1], (x,), (x,))[1]
    ),
}
