"""A program of the suite: a plain NumPy function, its inputs by size, and its scalar loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Program", "floating_results", "fresh"]


@dataclass(frozen=True)
class Program:
    """One program of the suite.

    Attributes
    ----------
    name : str
        Unique in the suite.
    function : callable
        Plain NumPy, as a scientist would write it. It may change its arguments in place; whatever
        it computes it also returns.
    inputs : callable
        ``inputs(size, seed)`` makes the tuple of the function's positional arguments, new at each
        call, the same for the same seed.
    differentiated : tuple of int
        Positions of the arguments to differentiate; the others are constants (integers, index
        arrays, masks).
    sizes : mapping
        From the name of a size to what it means (extents); "tiny" is for tests, "S" and "M" are
        NPBench's where it has the program.
    source : str
        Where the problem comes from.
    """

    name: str
    function: Callable[..., Any]
    inputs: Callable[[str, int], tuple[Any, ...]]
    differentiated: tuple[int, ...]
    sizes: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def weights(self, size: str, seed: int = 0) -> tuple[Any, ...]:
        """Return the fixed random weights of the loss, one for each floating-point result.

        They never sum to a constant direction: a plain sum of the results would make the gradients
        of softmax zero and let a compiler delete matrix products.
        """
        rng = np.random.default_rng([seed, 0x105E])
        results = floating_results(self.function(*self.inputs(size, seed)))
        return tuple(
            rng.standard_normal(np.shape(y)).astype(np.asarray(y).dtype)[()] for y in results
        )

    def loss(self, weights: tuple[Any, ...]) -> Callable[..., Any]:
        """Return ``Σ ⟨w, result⟩`` as a function of all of the program's arguments."""
        function = self.function

        def loss(*args: Any) -> Any:
            total = 0.0
            for w, y in zip(weights, floating_results(function(*args))):
                total = total + np.sum(w * y)
            return total

        return loss


def floating_results(result: Any) -> tuple[Any, ...]:
    """Return a program's floating-point results as a flat tuple, whether one or several."""
    results = result if isinstance(result, (tuple, list)) else (result,)
    return tuple(
        y
        for y in results
        if isinstance(y, float) or (isinstance(y, (np.ndarray, np.generic)) and y.dtype.kind == "f")
    )


def fresh(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return copies of the arguments, for a program that changes them in place."""
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in args)
