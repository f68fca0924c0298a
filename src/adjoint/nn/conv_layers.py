"""Layers with filters: convolutions and transposed convolutions of images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.nn import conv, init
from adjoint.nn.module import Module

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
]  # fmt: skip

_MODES: dict[str, Any] = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
}


class _Filters(Module):
    """Filters, their bias, and how they are applied; see `Conv2d` and `ConvTranspose2d`."""

    axes = 0

    def _draw(self, shape: tuple[int, ...], bias: int, rng: Any, dtype: Any) -> None:
        rng = init.generator(rng)
        fan_in = math.prod(shape[1:])
        bound = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
        self.weight = init.uniform(shape, -bound, bound, rng=rng, dtype=dtype)
        self.bias = init.uniform((bias,), -bound, bound, rng=rng, dtype=dtype) if bias else None

    def _divide(self, in_channels: int, out_channels: int, groups: int) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise InputError(
                f"{in_channels} and {out_channels} channels cannot be divided into {groups} groups"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups


class _Conv(_Filters):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: conv.Setting,
        stride: conv.Setting = 1,
        padding: conv.Setting | str = 0,
        dilation: conv.Setting = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        self._divide(in_channels, out_channels, groups)
        if padding_mode not in _MODES:
            raise InputError(f"padding_mode is {padding_mode!r}; give one of {list(_MODES)}")
        self.kernel_size = conv.numbers("kernel_size", kernel_size, self.axes)
        self.stride = conv.numbers("stride", stride, self.axes)
        self.dilation = conv.numbers("dilation", dilation, self.axes)
        if not isinstance(padding, str):
            padding = conv.numbers("padding", padding, self.axes, 0)
        self.padding, self.padding_mode = padding, padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self._draw(shape, out_channels if bias else 0, rng, dtype)

    def __call__(self, x: Any) -> Any:
        """Return images (N, out_channels, …) for images (N, in_channels, …), or one for one."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            pairs = conv.margins(padding, self.kernel_size, self.stride, self.dilation)
            lead = [(0, 0)] * (np.ndim(x) - self.axes)
            x, padding = np.pad(x, [*lead, *pairs], _MODES[self.padding_mode]), 0
        return conv.convolve(
            type(self).__name__, self.axes, x, self.weight, self.bias, self.stride, padding,
            self.dilation, self.groups,
        )  # fmt: skip


class Conv1d(_Conv):
    """Convolution of signals (N, C, L). See `Conv2d`."""

    axes = 1


class Conv2d(_Conv):
    """Convolution of images (N, C, H, W) with filters, and a bias.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or pair of int
    stride, padding, dilation, groups
        As of `conv2d`.
    bias : bool
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What is beyond the edges of an image.
    rng : numpy.random.Generator or int
        Where the weights come from.
    dtype : dtype
        Of the weights.

    Attributes
    ----------
    weight : array (out_channels, in_channels/groups, *kernel_size)
        Drawn uniformly between ±1/√(numbers of a filter), as is the bias.
    bias : array (out_channels,) or None

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> layer = ad.nn.Conv2d(1, 4, 3, padding=1, rng=0)
    >>> layer(np.ones((2, 1, 8, 8), np.float32)).shape
    (2, 4, 8, 8)
    """

    axes = 2


class Conv3d(_Conv):
    """Convolution of volumes (N, C, D, H, W). See `Conv2d`."""

    axes = 3


class _ConvTranspose(_Filters):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: conv.Setting,
        stride: conv.Setting = 1,
        padding: conv.Setting = 0,
        output_padding: conv.Setting = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: conv.Setting = 1,
        *,
        rng: init.Rng,
        dtype: Any = np.float32,
    ) -> None:
        self._divide(in_channels, out_channels, groups)
        self.kernel_size = conv.numbers("kernel_size", kernel_size, self.axes)
        self.stride = conv.numbers("stride", stride, self.axes)
        self.padding = conv.numbers("padding", padding, self.axes, 0)
        self.output_padding = conv.numbers("output_padding", output_padding, self.axes, 0)
        self.dilation = conv.numbers("dilation", dilation, self.axes)
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        self._draw(shape, out_channels if bias else 0, rng, dtype)

    def __call__(self, x: Any) -> Any:
        """Return images (N, out_channels, …) for images (N, in_channels, …), or one for one."""
        return conv.convolve_transposed(
            type(self).__name__, self.axes, x, self.weight, self.bias, self.stride, self.padding,
            self.output_padding, self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of signals (N, C, L). See `ConvTranspose2d`."""

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images (N, C, H, W), and a bias.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or pair of int
    stride, padding, output_padding, groups, dilation
        As of `conv_transpose2d`.
    bias : bool
    rng : numpy.random.Generator or int
    dtype : dtype

    Attributes
    ----------
    weight : array (in_channels, out_channels/groups, *kernel_size)
        Drawn uniformly between ±1/√(out_channels/groups · numbers of the kernel), as is the bias.
    bias : array (out_channels,) or None

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> layer = ad.nn.ConvTranspose2d(4, 1, 2, stride=2, rng=0)
    >>> layer(np.ones((2, 4, 8, 8), np.float32)).shape
    (2, 1, 16, 16)
    """

    axes = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes (N, C, D, H, W). See `ConvTranspose2d`."""

    axes = 3
