"""Derivatives of Fourier transforms: linear maps, given by their transposes.

The matrix F of the transform is symmetric, so the transpose of *crop or pad to n, then F* is *F,
then pad or crop to the operand's length*, in the same normalisation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops import elementwise as ew
from adjoint.ops import fft as ft
from adjoint.ops import structural as st
from adjoint.ops.creation import arange
from adjoint.rules.derive import linear
from adjoint.staged.lengths import may_exceed

_OPPOSITE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _fitted(x: Any, length: int, axis: int) -> Any:
    """Crop or zero-pad ``x`` along an axis."""
    axis %= len(x.shape)
    if x.shape[axis] == length:
        return x
    if may_exceed(x.shape[axis], length):
        x = x[(*(slice(None),) * axis, slice(length))]
    have = x.shape[axis]
    if not may_exceed(length, have):
        return x
    width = tuple((0, length - have) if k == axis else (0, 0) for k in range(len(x.shape)))
    return st.pad(x, width=width)


def _fft(ct: Any, x_type: Any, n: int, axis: int, norm: str | None) -> Any:
    return _fitted(ft.fft(ct, n=n, axis=axis, norm=norm), x_type.shape[axis], axis)


def _ifft(ct: Any, x_type: Any, n: int, axis: int, norm: str | None) -> Any:
    return _fitted(ft.ifft(ct, n=n, axis=axis, norm=norm), x_type.shape[axis], axis)


def _rfft(ct: Any, x_type: Any, n: int, axis: int, norm: str | None) -> Any:
    # The cotangent of the frequencies that rfft leaves out is zero; that of a real x is real.
    bar = ew.real(ft.fft(_fitted(ct, n, axis), n=n, axis=axis, norm=norm))
    return _fitted(bar, x_type.shape[axis], axis)


def _irfft(ct: Any, x_type: Any, n: int, axis: int, norm: str | None) -> Any:
    """Return w · conj(rfft(ct)), opposite normalisation.

    y[j] = s Σ_k w[k] Re(x[k] exp(2πi jk/n)) with w = 1 where a frequency is its own mirror image
    (k = 0 and k = n/2) and 2 elsewhere; so ∂y[j]/∂Re x[k] − i ∂y[j]/∂Im x[k] = s w[k]
    exp(2πi jk/n).
    """
    bar = ew.conjugate(ft.rfft(ct, n=n, axis=axis, norm=_OPPOSITE[norm]))
    k = arange(n // 2 + 1)
    mirrored = np.logical_or(np.equal(k, 0), np.equal(2 * k, n))
    weight = st.cast(2 - mirrored, dtype=ct.dtype)
    axis %= len(ct.shape)
    bar = bar * weight.reshape((-1,) + (1,) * (len(ct.shape) - 1 - axis))
    return _fitted(bar, x_type.shape[axis], axis)


linear(ft.fft, _fft)
linear(ft.ifft, _ifft)
linear(ft.rfft, _rfft)
linear(ft.irfft, _irfft)
