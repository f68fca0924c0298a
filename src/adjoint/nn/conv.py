"""Convolutions as functions: those of `torch.nn.functional`, over one, two and three axes.

Images are (N, C, *lengths), or (C, *lengths) for one; filters are (O, C/groups, *kernel). What
networks call a convolution is the cross-correlation

    y[n, o, p] = b[o] + Σ_{c, k} x[n, c, stride · p + dilation · k − padding] w[o, c, k],

and the transposed convolution is the transpose of that map from x to y. Both are operations
(`adjoint.ops.convolution`), so that derivatives of any kind and order are convolutions, too.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from adjoint.errors import InputError
from adjoint.numpy_api.lengths import are_constant
from adjoint.ops.convolution import convolution, convolution_input

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip

Setting: TypeAlias = "int | tuple[int, ...]"


def numbers(name: str, given: Any, axes: int, least: int = 1) -> tuple[int, ...]:
    """Return a setting as an integer an axis; one integer is for all axes."""
    found = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in found)
    if len(found) == 1:
        found = found * axes
    if len(found) != axes or not whole or min(found) < least:
        raise InputError(
            f"{name} is {given!r}; give an integer, {least} at least{f', or {axes}' * (axes > 1)}"
        )
    return tuple(map(int, found))


def margins(padding: Any, kernel: tuple[Any, ...], stride: Any, dilation: Any) -> list[Any]:
    """Return a pair of paddings an axis."""
    axes = len(kernel)
    if padding == "valid":
        return [(0, 0)] * axes
    if padding == "same":
        if max(stride) > 1:
            raise InputError("padding 'same' keeps the lengths of images: it needs stride 1")
        whole = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(n // 2, n - n // 2) for n in whole]
    if isinstance(padding, str):
        raise InputError(f"padding is {padding!r}; give integers, 'same' or 'valid'")
    return [(n, n) for n in numbers("padding", padding, axes, 0)]


def _as_batch(x: Any, weight: Any, axes: int, name: str) -> tuple[Any, bool]:
    """Return images, and whether there was one only."""
    if np.ndim(weight) != axes + 2 or np.ndim(x) not in (axes + 1, axes + 2):
        lengths = ", ".join(f"L{k + 1}" for k in range(axes))
        raise InputError(
            f"{name} takes images (N, C, {lengths}) and filters of {axes + 2} axes, not arrays of "
            f"{np.ndim(x)} and {np.ndim(weight)} axes"
        )
    one = np.ndim(x) == axes + 1
    return (x[None] if one else x), one


def _finish(y: Any, bias: Any, one: bool) -> Any:
    if bias is not None:
        y = y + np.reshape(bias, (-1,) + (1,) * (np.ndim(y) - 2))
    return y[0] if one else y


def convolve(
    name: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Any:  # fmt: skip
    x, one = _as_batch(x, weight, axes, name)
    stride, dilation = numbers("stride", stride, axes), numbers("dilation", dilation, axes)
    (groups,) = numbers("groups", groups, 1)
    pads = margins(padding, weight.shape[2:], stride, dilation)
    if not are_constant(pads):
        # Of a kernel whose lengths show in the run.
        x, pads = np.pad(x, [(0, 0), (0, 0), *pads]), [(0, 0)] * axes
    y = convolution(x, weight, stride=stride, padding=tuple(pads), dilation=dilation, groups=groups)
    return _finish(y, bias, one)


def convolve_transposed(
    name: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any,
) -> Any:  # fmt: skip
    x, one = _as_batch(x, weight, axes, name)
    stride, dilation = numbers("stride", stride, axes), numbers("dilation", dilation, axes)
    (groups,) = numbers("groups", groups, 1)
    pads = numbers("padding", padding, axes, 0)
    more = numbers("output_padding", output_padding, axes, 0)
    if any(n >= max(s, d) for n, s, d in zip(more, stride, dilation, strict=True)):
        raise InputError(
            f"output_padding {more} has to be less than the stride {stride} or the dilation "
            f"{dilation}"
        )
    lengths, pairs, behind = [], [], []
    settings = zip(x.shape[2:], weight.shape[2:], stride, dilation, pads, more, strict=True)
    for n, k, s, d, p, extra in settings:
        # Where so much more is wanted that the filter would fit once more, less is cut off, and
        # what is further out is zero.
        cut = p if extra < s else max(p - extra, 0)
        rest = 0 if extra < s else max(extra - p, 0)
        lengths.append((n - 1) * s + d * (k - 1) + 1 - 2 * p + extra - rest)
        pairs.append((p, cut))
        behind.append((0, rest))
    y = convolution_input(
        x, weight, lengths=tuple(lengths), stride=stride, padding=tuple(pairs), dilation=dilation,
        groups=groups,
    )  # fmt: skip
    if any(rest for _, rest in behind):
        y = np.pad(y, [(0, 0), (0, 0), *behind])
    return _finish(y, bias, one)


def conv1d(
    x: Any, weight: Any, bias: Any = None, stride: Setting = 1, padding: Setting | str = 0,
    dilation: Setting = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """Convolve signals (N, C, L) with filters (O, C/groups, K). See `conv2d`."""
    return convolve("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Setting = 1, padding: Setting | str = 0,
    dilation: Setting = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """Convolve images with filters.

    Parameters
    ----------
    x : array (N, C, H, W) or (C, H, W)
    weight : array (O, C/groups, K, L)
    bias : array (O,), optional
    stride, dilation : int or pair of int
    padding : int, pair of int, "valid" or "same"
        Zeros on both sides of each axis; "same" keeps the lengths, and puts the odd one behind.
    groups : int
        Into how many parts channels and filters are divided.

    Returns
    -------
    array (N, O, P, Q) or (O, P, Q)
        P = ⌊(H + 2 padding − dilation (K − 1) − 1) / stride⌋ + 1.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> x = np.arange(9.0).reshape(1, 3, 3)
    >>> ad.nn.conv2d(x, np.ones((1, 1, 2, 2)))
    array([[[ 8., 12.],
            [20., 24.]]])
    """
    return convolve("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Any, weight: Any, bias: Any = None, stride: Setting = 1, padding: Setting | str = 0,
    dilation: Setting = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """Convolve volumes (N, C, D, H, W) with filters (O, C/groups, I, J, K). See `conv2d`."""
    return convolve("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Any, weight: Any, bias: Any = None, stride: Setting = 1, padding: Setting = 0,
    output_padding: Setting = 0, groups: int = 1, dilation: Setting = 1,
) -> Any:  # fmt: skip
    """Apply the transpose of `conv1d` to (N, C, L). See `conv_transpose2d`."""
    return convolve_transposed(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    x: Any, weight: Any, bias: Any = None, stride: Setting = 1, padding: Setting = 0,
    output_padding: Setting = 0, groups: int = 1, dilation: Setting = 1,
) -> Any:  # fmt: skip
    """Apply the transpose of `conv2d`: each number of x times a filter is added to the result.

    Parameters
    ----------
    x : array (N, C, H, W) or (C, H, W)
    weight : array (C, O/groups, K, L)
    bias : array (O,), optional
    stride, padding, dilation : int or pair of int
        Of the convolution that this is the transpose of.
    output_padding : int or pair of int
        Numbers more at the end of each axis: images of several lengths have results of the same.
    groups : int

    Returns
    -------
    array (N, O, P, Q) or (O, P, Q)
        P = (H − 1) stride − 2 padding + dilation (K − 1) + output_padding + 1.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.conv_transpose2d(np.array([[[1.0, 2.0]]]), np.ones((1, 1, 1, 2)), stride=(1, 2))
    array([[[1., 1., 2., 2.]]])
    """
    return convolve_transposed(
        "conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    x: Any, weight: Any, bias: Any = None, stride: Setting = 1, padding: Setting = 0,
    output_padding: Setting = 0, groups: int = 1, dilation: Setting = 1,
) -> Any:  # fmt: skip
    """Apply the transpose of `conv3d` to (N, C, D, H, W). See `conv_transpose2d`."""
    return convolve_transposed(
        "conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation
    )
