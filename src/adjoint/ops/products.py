"""Sums of products: einsum and convolution. Products of matrices are in `adjoint.ops.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import primitive

__all__ = ["convolve", "einsum"]


def _einsum(*xs: Any, inputs: tuple[str, ...], output: str, options: Any = None) -> Any:
    return np.einsum(",".join(inputs) + "->" + output, *xs, **(options or {}))


def _convolve(x: Any, y: Any, *, mode: str = "full") -> np.ndarray:
    return np.convolve(x, y, mode)  # type: ignore[arg-type]


einsum = primitive("einsum", _einsum, "*xs")
"""``np.einsum`` with its subscripts spelt out: a string of letters an operand, and the result's.
``options`` are NumPy's keyword arguments."""

convolve = primitive("convolve", _convolve, "x", "y")
"""``np.convolve`` of two vectors."""
