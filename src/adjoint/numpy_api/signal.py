"""``scipy.signal``: convolution and correlation of arrays of any number of axes.

Two arrays are an image and a filter of one channel (`adjoint.ops.convolution`), the filter reversed
along each axis; long ones are multiplied as spectra where SciPy would do so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
import scipy.signal

from adjoint.numpy_api.creation import as_array
from adjoint.numpy_api.lengths import are_constant, as_length, greatest, require
from adjoint.numpy_api.replaced import replace
from adjoint.ops import structural as st
from adjoint.ops.convolution import convolution

__all__ = ["convolve", "correlate", "fftconvolve"]

_MODES = {0: "valid", 1: "same", 2: "full", "valid": "valid", "same": "same", "full": "full"}

_UNFIT = "For 'valid' mode, one must be at least as large as the other in every dimension"


def _reversed(x: Any) -> Any:
    return x[(slice(None, None, -1),) * x.ndim]


def _operands(in1: Any, in2: Any, mode: Any) -> tuple[Any, Any, str]:
    x, y = as_array(in1), as_array(in2)
    if mode not in _MODES:
        raise ValueError("Acceptable mode flags are 'valid', 'same', or 'full'.")
    if x.ndim != y.ndim:
        raise ValueError("in1 and in2 should have the same dimensionality")
    return x, y, _MODES[mode]


def _fits(x: Any, y: Any) -> bool:
    """Tell whether y fits into x; refuse it if neither fits into the other.

    Of lengths that show when the program runs, y's are to be the shorter ones, unless those that
    are known say otherwise.
    """
    pairs = list(zip(x.shape, y.shape, strict=True))
    known = [(n, m) for n, m in pairs if are_constant((n, m))]
    within = all([m <= n for n, m in known])
    for n, m in pairs:
        require(n >= m if within else m >= n, ValueError, _UNFIT)
    return within


def _centred(x: Any, lengths: tuple[Any, ...]) -> Any:
    index = []
    for n, m in zip(x.shape, lengths, strict=True):
        start = as_length((n - m) // 2)
        index.append(slice(start, start + m))
    return x[tuple(index)]


def _whole(x: Any, y: Any, full: bool) -> Any:
    """Return all of the convolution, or what y lies over x for whole."""
    axes = x.ndim
    if full:
        width = tuple([(m - 1, m - 1) for m in y.shape])
        if not are_constant(width):
            x, width = st.pad(x, width=width), ((0, 0),) * axes
    else:
        width = ((0, 0),) * axes
    found = convolution(
        x[None, None], _reversed(y)[None, None], stride=(1,) * axes, padding=width,
        dilation=(1,) * axes,
    )  # fmt: skip
    return found[0, 0]


def _direct(x: Any, y: Any, mode: str) -> Any:
    if not x.ndim:
        return x * y
    if mode == "valid":
        return _whole(x, y, False) if _fits(x, y) else _whole(y, x, False)
    found = _whole(x, y, True)
    return found if mode == "full" else _centred(found, x.shape)


def _fast(lengths: tuple[Any, ...], real: bool) -> Any:
    """Return lengths, or more, of which transforms are fast."""
    if not are_constant(lengths):
        return list(lengths)
    return [scipy.fft.next_fast_len(n, real) for n in lengths]


def _by_spectra(x: Any, y: Any, mode: str) -> Any:
    if not x.ndim:
        return x * y
    full = tuple([n + m - 1 for n, m in zip(x.shape, y.shape, strict=True)])
    axes = tuple(range(x.ndim))
    if x.dtype.kind == "c" or y.dtype.kind == "c":
        lengths = _fast(full, False)
        spectrum = np.fft.fftn(x, lengths, axes) * np.fft.fftn(y, lengths, axes)
        found = np.fft.ifftn(spectrum, lengths, axes)
    else:
        lengths = _fast(full, True)
        spectrum = np.fft.rfftn(x, lengths, axes) * np.fft.rfftn(y, lengths, axes)
        found = np.fft.irfftn(spectrum, lengths, axes)
    found = found[tuple([slice(n) for n in full])]
    if mode == "valid":
        _fits(x, y)
        pairs = zip(x.shape, y.shape, strict=True)
        return _centred(found, tuple([greatest(n - m, m - n) + 1 for n, m in pairs]))
    return found if mode == "full" else _centred(found, x.shape)


def _is_by_spectra(x: Any, y: Any, mode: str, method: str) -> bool:
    if method not in ("auto", "direct", "fft"):
        raise ValueError("Acceptable method flags are 'auto', 'direct', or 'fft'.")
    if method != "auto" or not are_constant((*x.shape, *y.shape)):
        return method == "fft"
    like = [np.broadcast_to(a.dtype.type(1), a.shape) for a in (x, y)]
    return scipy.signal.choose_conv_method(*like, mode) == "fft"  # type: ignore[arg-type]


def convolve(in1: Any, in2: Any, mode: Any = "full", method: str = "auto") -> Any:
    """``scipy.signal.convolve``."""
    x, y, mode = _operands(in1, in2, mode)
    return (_by_spectra if _is_by_spectra(x, y, mode, method) else _direct)(x, y, mode)


def correlate(in1: Any, in2: Any, mode: Any = "full", method: str = "auto") -> Any:
    """``scipy.signal.correlate``: the convolution with in2 conjugated and reversed."""
    x, y, mode = _operands(in1, in2, mode)
    return convolve(x, np.conjugate(_reversed(y)), mode, method)


def fftconvolve(in1: Any, in2: Any, mode: Any = "full", axes: Any = None) -> Any:
    """``scipy.signal.fftconvolve``, over all axes."""
    x, y, mode = _operands(in1, in2, mode)
    if axes is not None and sorted(np.atleast_1d(axes) % x.ndim) != list(range(x.ndim)):
        raise NotImplementedError(
            "fftconvolve over some of the axes has no derivative; use scipy.fft.rfftn and irfftn"
        )
    return _by_spectra(x, y, mode)


replace(scipy.signal.convolve, convolve)
replace(scipy.signal.correlate, correlate)
replace(scipy.signal.fftconvolve, fftconvolve)
