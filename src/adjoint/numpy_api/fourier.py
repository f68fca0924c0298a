"""``np.fft``: transforms along several axes are transforms along one after another, as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import certainly, plain
from adjoint.numpy_api.creation import as_array
from adjoint.numpy_api.lengths import as_length
from adjoint.numpy_api.shaping import normalized, roll
from adjoint.ops import fft as ft
from adjoint.ops.registry import Op, implements

__all__ = ["ONE_AXIS", "SEVERAL_AXES", "fftshift", "ifftshift"]

OPPOSITE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _checked(a: Any, n: Any, axis: Any, norm: Any, half: bool = False) -> tuple[Any, int, int]:
    a = as_array(a)
    axis = normalized(axis, a.ndim)
    if norm not in OPPOSITE:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    length = 2 * (a.shape[axis] - 1) if half else a.shape[axis]
    n = length if n is None else as_length(n)
    if certainly(n < 1):
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    return a, n, axis


def _transform(op: Op, half: bool = False, real: bool = False) -> Callable[..., Any]:
    def impl(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: None = None) -> Any:
        a, n, axis = _checked(a, n, axis, norm, half)
        if real and plain(a).dtype.kind == "c":
            raise TypeError(f"{op.name} takes real numbers; for complex ones there is fft")
        return op(a, n=n, axis=axis, norm=norm)

    return impl


fft = _transform(ft.fft)
ifft = _transform(ft.ifft)
rfft = _transform(ft.rfft, real=True)
irfft = _transform(ft.irfft, half=True)


def hfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: None = None) -> Any:
    """``np.fft.hfft``."""
    a, n, axis = _checked(a, n, axis, norm, half=True)
    return irfft(np.conjugate(a), n, axis, OPPOSITE[norm])


def ihfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: None = None) -> Any:
    """``np.fft.ihfft``."""
    a, n, axis = _checked(a, n, axis, norm)
    return np.conjugate(rfft(a, n, axis, OPPOSITE[norm]))


ONE_AXIS: dict[str, Callable[..., Any]] = {
    "fft": fft, "ifft": ifft, "rfft": rfft, "irfft": irfft, "hfft": hfft, "ihfft": ihfft,
}  # fmt: skip


def _shape_and_axes(a: Any, s: Any, axes: Any, half: bool = False) -> tuple[list[int], list[int]]:
    axes = plain(axes)
    s = plain(s)
    if axes is None:
        axes = range(-(a.ndim if s is None else len(s)), 0)
    axes = [normalized(k, a.ndim) for k in axes]
    if s is None:
        s = [a.shape[k] for k in axes]
        if half and s:
            s[-1] = 2 * (s[-1] - 1)
    s = [as_length(n) for n in s]
    if len(s) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    return [a.shape[k] if n == -1 else n for n, k in zip(s, axes)], axes


def _several(transform: Callable[..., Any]) -> Callable[..., Any]:
    def impl(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: None = None) -> Any:
        a = as_array(a)
        s, axes = _shape_and_axes(a, s, axes)
        for n, axis in zip(reversed(s), reversed(axes)):
            a = transform(a, n, axis, norm)
        return a

    return impl


fftn = _several(fft)
ifftn = _several(ifft)


def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: None = None) -> Any:
    """``np.fft.rfftn``: real along the last axis, then complex along the others."""
    a = as_array(a)
    s, axes = _shape_and_axes(a, s, axes)
    a = rfft(a, s[-1], axes[-1], norm)
    for n, axis in zip(reversed(s[:-1]), reversed(axes[:-1])):
        a = fft(a, n, axis, norm)
    return a


def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: None = None) -> Any:
    """``np.fft.irfftn``: complex along all axes but the last, then real along that."""
    a = as_array(a)
    s, axes = _shape_and_axes(a, s, axes, half=True)
    for n, axis in zip(s[:-1], axes[:-1]):
        a = ifft(a, n, axis, norm)
    return irfft(a, s[-1], axes[-1], norm)


SEVERAL_AXES: dict[str, Callable[..., Any]] = {
    "fftn": fftn, "ifftn": ifftn, "rfftn": rfftn, "irfftn": irfftn,
}  # fmt: skip


def two_axes(transform: Callable[..., Any]) -> Callable[..., Any]:
    """Return a transform along several axes with the last two as its default."""

    def impl(
        a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: None = None
    ) -> Any:
        return transform(a, s, axes, norm)

    return impl


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """``np.fft.fftshift``."""
    return _shifted(x, axes, lambda n: n // 2)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """``np.fft.ifftshift``."""
    return _shifted(x, axes, lambda n: -(n // 2))


def _shifted(x: Any, axes: Any, by: Callable[[int], int]) -> Any:
    x = as_array(x)
    axes = range(x.ndim) if axes is None else plain(axes)
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    return roll(x, [by(x.shape[k]) for k in axes], axes)


for _name, _impl in {**ONE_AXIS, **SEVERAL_AXES}.items():
    implements(getattr(np.fft, _name))(_impl)
for _name, _impl in SEVERAL_AXES.items():
    implements(getattr(np.fft, _name.replace("fftn", "fft2")))(two_axes(_impl))
