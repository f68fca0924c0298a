"""Discrete Fourier transforms along one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import Op, primitive

__all__ = ["fft", "ifft", "irfft", "rfft"]


def _transform(name: str) -> Op:
    def fn(x: Any, *, n: int, axis: int, norm: str | None) -> Any:
        return getattr(np.fft, name)(x, n, axis, norm)

    return primitive(name, fn, "x")


fft = _transform("fft")
ifft = _transform("ifft")
rfft = _transform("rfft")
irfft = _transform("irfft")
