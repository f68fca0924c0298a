"""Normalisation over features: of each example by itself, without anything kept between calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.nn import init
from adjoint.nn.module import Module

__all__ = ["GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "LayerNorm", "RMSNorm"]


def standardized(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    """Return (x − mean)/√(variance + eps), over some axes."""
    centred = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(centred * centred, axis=axes, keepdims=True)
    return centred / np.sqrt(variance + eps)


def per_channel(parameter: Any, ndim: int) -> Any:
    """Return an array (C,) as (C, 1, ...), for arrays (N, C, ...) of so many axes."""
    return np.reshape(parameter, (-1, *(1,) * (ndim - 2))) if ndim > 2 else parameter


def scaled(y: Any, weight: Any, bias: Any) -> Any:
    """Return y · weight + bias, of which either may be None."""
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _lengths(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    one = isinstance(normalized_shape, (int, np.integer))
    lengths = (normalized_shape,) if one else normalized_shape
    return tuple([int(n) for n in lengths])


def _check_last(x: Any, lengths: tuple[int, ...], name: str) -> tuple[int, ...]:
    count = len(lengths)
    if x.ndim < count or tuple(x.shape[x.ndim - count :]) != lengths:
        raise InputError(f"{name} of {lengths} takes arrays (..., *{lengths}), not {x.shape}")
    return tuple(range(-count, 0))


def check_channels(x: Any, channels: int, name: str, ndims: tuple[int, ...]) -> None:
    """Refuse what is not an array (N, channels, ...) of one of so many axes."""
    if x.ndim not in ndims or x.shape[1] != channels:
        raise InputError(
            f"{name} of {channels} takes arrays (N, {channels}, ...) of "
            f"{' or '.join(map(str, ndims))} axes, not of shape {tuple(x.shape)}"
        )


class LayerNorm(Module):
    """(x − mean)/√(variance + eps) · weight + bias, over the last axes.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The lengths of the last axes.
    eps : float
        Keeps the quotient finite.
    elementwise_affine : bool
        Whether there are weight and bias.
    bias : bool
        Whether there is a bias, if there is a weight.
    dtype : dtype
        Of weight and bias.

    Attributes
    ----------
    weight : array (*normalized_shape,) or None
        Begins as ones.
    bias : array (*normalized_shape,) or None
        Begins as zeros.

    References
    ----------
    J. Ba, J. Kiros, G. Hinton: Layer normalization. 2016.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.LayerNorm(2)(np.array([[1.0, 3.0], [-10.0, 10.0]])).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        self.normalized_shape, self.eps = _lengths(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.weight = init.ones(shape, dtype=dtype) if elementwise_affine else None
        self.bias = init.zeros(shape, dtype=dtype) if elementwise_affine and bias else None

    def __call__(self, x: Any) -> Any:
        """Return an array of the shape of x, (..., *normalized_shape)."""
        axes = _check_last(x, self.normalized_shape, "LayerNorm")
        return scaled(standardized(x, axes, self.eps), self.weight, self.bias)


class RMSNorm(Module):
    """x/√(mean of x² + eps) · weight, over the last axes.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The lengths of the last axes.
    eps : float, optional
        Keeps the quotient finite; the distance from 1 to the next number if not given.
    elementwise_affine : bool
        Whether there is a weight.
    dtype : dtype
        Of the weight.

    Attributes
    ----------
    weight : array (*normalized_shape,) or None
        Begins as ones.

    References
    ----------
    B. Zhang, R. Sennrich: Root mean square layer normalization. NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.RMSNorm(2)(np.array([6.0, 8.0])).round(3)
    array([0.849, 1.131])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        self.normalized_shape, self.eps = _lengths(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.weight = init.ones(shape, dtype=dtype) if elementwise_affine else None

    def __call__(self, x: Any) -> Any:
        """Return an array of the shape of x, (..., *normalized_shape)."""
        axes = _check_last(x, self.normalized_shape, "RMSNorm")
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        return scaled(
            x / np.sqrt(np.mean(x * x, axis=axes, keepdims=True) + eps), self.weight, None
        )


class GroupNorm(Module):
    """(x − mean)/√(variance + eps) over groups of channels, times weight plus bias of each channel.

    Parameters
    ----------
    num_groups, num_channels : int
        How many groups the channels are divided into.
    eps : float
        Keeps the quotient finite.
    affine : bool
        Whether there are weight and bias.
    dtype : dtype
        Of weight and bias.

    Attributes
    ----------
    weight, bias : array (num_channels,) or None
        Begin as ones and zeros.

    References
    ----------
    Y. Wu, K. He: Group normalization. ECCV 2018.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.GroupNorm(2, 4)(np.array([[1.0, 3.0, -10.0, 10.0]])).round(3)
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise InputError(f"{num_channels} channels are not {num_groups} groups of one length")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.affine = affine
        self.weight = init.ones(num_channels, dtype=dtype) if affine else None
        self.bias = init.zeros(num_channels, dtype=dtype) if affine else None

    def __call__(self, x: Any) -> Any:
        """Return an array of the shape of x, (N, num_channels, ...)."""
        check_channels(x, self.num_channels, "GroupNorm", (2, 3, 4, 5))
        groups, inside = self.num_groups, self.num_channels // self.num_groups
        grouped = np.reshape(x, (x.shape[0], groups, inside * math.prod(x.shape[2:])))
        y = np.reshape(standardized(grouped, (2,), self.eps), x.shape)
        return _affine(y, self.weight, self.bias)


def _affine(y: Any, weight: Any, bias: Any) -> Any:
    if weight is None:
        return y
    return scaled(y, per_channel(weight, y.ndim), per_channel(bias, y.ndim))


class _InstanceNorm(Module):
    """Instance normalisation of arrays of any number of axes."""

    _ndim = 0

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        *,
        affine: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        self.num_features, self.eps, self.affine = num_features, eps, affine
        self.weight = init.ones(num_features, dtype=dtype) if affine else None
        self.bias = init.zeros(num_features, dtype=dtype) if affine else None

    def __call__(self, x: Any) -> Any:
        """Return an array of the shape of x."""
        check_channels(x, self.num_features, type(self).__name__, (self._ndim,))
        y = standardized(x, tuple(range(2, self._ndim)), self.eps)
        return _affine(y, self.weight, self.bias)


class InstanceNorm1d(_InstanceNorm):
    """(x − mean)/√(variance + eps) of each channel of each example.

    The batch is an array (N, C, L). There are no running statistics.

    Parameters
    ----------
    num_features : int
        How many channels there are.
    eps : float
        Keeps the quotient finite.
    affine : bool
        Whether there are weight and bias.
    dtype : dtype
        Of weight and bias.

    Attributes
    ----------
    weight, bias : array (num_features,) or None
        Begin as ones and zeros.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky: Instance normalization: the missing ingredient for fast
    stylization. 2016.
    """

    _ndim = 3


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for batches of images, arrays (N, C, H, W)."""

    _ndim = 4
