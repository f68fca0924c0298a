"""Pooling: the largest number, or the mean, of windows that go over images.

Images are (N, C, *lengths), or (C, *lengths) for one; names and settings are those of
`torch.nn.functional`. A window is gone through place by place: what is at one place of all windows
is a strided slice of the images, and the result is a chain of elementwise operations on slices. Of
several numbers that are the largest of a window the first one has the derivative, as in PyTorch.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.nn.conv import Setting, numbers
from adjoint.numpy_api.lengths import least
from adjoint.ops.creation import arange

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "global_avg_pool", "global_max_pool", "max_pool1d", "max_pool2d",
]  # fmt: skip


class _Windows:
    """Where windows lie: an entry an axis.

    Attributes
    ----------
    kernel, stride, padding, dilation : tuple of int
    lengths : tuple of int
        Of the images.
    places : tuple of int
        How many windows there are.
    behind : tuple of int
        How much is missing behind the images for all windows to be whole.
    """

    def __init__(
        self, name: str, axes: int, x: Any, kernel: Any, stride: Any, padding: Any,
        dilation: Any, ceil_mode: bool,
    ) -> None:  # fmt: skip
        if np.ndim(x) not in (axes + 1, axes + 2):
            lengths = ", ".join(f"L{k + 1}" for k in range(axes))
            raise InputError(
                f"{name} takes images (N, C, {lengths}), not an array of {np.ndim(x)} axes"
            )
        self.kernel = numbers("kernel_size", kernel, axes)
        self.stride = self.kernel if stride is None else numbers("stride", stride, axes)
        self.padding = numbers("padding", padding, axes, 0)
        self.dilation = numbers("dilation", dilation, axes)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise InputError(
                f"{name}: padding {self.padding} is more than half the kernel {self.kernel}"
            )
        self.lengths = tuple(x.shape[-axes:])
        self.places, self.behind = (), ()
        for n, k, s, p, d in self.each():
            span = n + 2 * p - d * (k - 1) - 1
            if ceil_mode:
                # The last window has to begin in the image or in front of it.
                count = least((span + s - 1) // s, (n + p - 1) // s) + 1
            else:
                count = span // s + 1
            if isinstance(count, int) and count < 1:
                raise InputError(
                    f"{name}: a window of {d * (k - 1) + 1} does not fit into {n} numbers with "
                    f"padding {p}"
                )
            rest = (count - 1) * s + d * (k - 1) + 1 - (n + p)
            self.places += (count,)
            self.behind += (rest if not isinstance(rest, int) else max(rest, 0),)

    def each(self) -> Iterator[tuple[Any, ...]]:
        return zip(self.lengths, self.kernel, self.stride, self.padding, self.dilation, strict=True)

    def padded(self, x: Any, value: float) -> Any:
        """Return the images with a number around them where windows go beyond them."""
        behind = [
            (p, n) if isinstance(n, int) else (p, p + s)
            for p, n, s in zip(self.padding, self.behind, self.stride, strict=True)
        ]
        if not any(itertools.chain(*behind)):
            return x
        lead = [(0, 0)] * (np.ndim(x) - len(self.kernel))
        return np.pad(x, [*lead, *behind], constant_values=value)

    def slices(self, x: Any) -> Iterator[Any]:
        """Yield what is at one place of all windows, the places in order."""
        for tap in itertools.product(*map(range, self.kernel)):
            spots = [
                slice(d * t, d * t + (count - 1) * s + 1, s)
                for t, count, s, d in zip(tap, self.places, self.stride, self.dilation, strict=True)
            ]
            yield x[(..., *spots)]


def _larger(x: Any, y: Any) -> Any:
    """Return the larger of two numbers: x where they are equal, NaN where there is one."""
    return np.where((y > x) | (y != y), y, x)


def _max_pool(
    name: str, axes: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> Any:  # fmt: skip
    windows = _Windows(name, axes, x, kernel, stride, padding, dilation, ceil_mode)
    x = windows.padded(x, -np.inf)
    found = None
    for part in windows.slices(x):
        found = part if found is None else _larger(found, part)
    return found


def _avg_pool(
    name: str, axes: int, x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Any:  # fmt: skip
    windows = _Windows(name, axes, x, kernel, stride, padding, 1, ceil_mode)
    total: Any = functools.reduce(operator.add, windows.slices(windows.padded(x, 0.0)))
    if divisor_override is not None:
        if divisor_override == 0:
            raise InputError(f"{name}: divisor_override is 0")
        return total / divisor_override
    for axis, (n, k, s, p, _) in enumerate(windows.each(), -axes):
        within = count_include_pad or not p
        if within and not ceil_mode:
            total = total / k
            continue
        first = arange(windows.places[axis]) * s - p
        last = np.minimum(first + k, n + p)
        if not count_include_pad:
            first, last = np.maximum(first, 0), np.minimum(last, n)
        count = np.reshape(last - first, (-1,) + (1,) * (-axis - 1))
        total = total / count.astype(total.dtype)
    return total


def max_pool1d(
    x: Any, kernel_size: Setting, stride: Setting | None = None, padding: Setting = 0,
    dilation: Setting = 1, ceil_mode: bool = False,
) -> Any:  # fmt: skip
    """Return the largest number of each window of signals (N, C, L). See `max_pool2d`."""
    return _max_pool("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Any, kernel_size: Setting, stride: Setting | None = None, padding: Setting = 0,
    dilation: Setting = 1, ceil_mode: bool = False,
) -> Any:  # fmt: skip
    """Return the largest number of each window.

    Parameters
    ----------
    x : array (N, C, H, W) or (C, H, W)
    kernel_size, stride, dilation : int or pair of int
        ``stride`` is ``kernel_size`` by default: windows that lie side by side.
    padding : int or pair of int
        How far windows go beyond the edges, half of the kernel at most.
    ceil_mode : bool
        Whether there is a last window for numbers that do not fill one.

    Returns
    -------
    array (N, C, P, Q) or (C, P, Q)

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> x = np.arange(16.0).reshape(1, 4, 4)
    >>> ad.nn.max_pool2d(x, 2)
    array([[[ 5.,  7.],
            [13., 15.]]])
    """
    return _max_pool("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    x: Any, kernel_size: Setting, stride: Setting | None = None, padding: Setting = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Any:  # fmt: skip
    """Return the mean of each window of signals (N, C, L). See `avg_pool2d`."""
    return _avg_pool(
        "avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


def avg_pool2d(
    x: Any, kernel_size: Setting, stride: Setting | None = None, padding: Setting = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Any:  # fmt: skip
    """Return the mean of each window.

    Parameters
    ----------
    x, kernel_size, stride, padding, ceil_mode
        As of `max_pool2d`.
    count_include_pad : bool
        Whether the zeros of the padding count.
    divisor_override : int, optional
        What sums are divided by.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """
    return _avg_pool(
        "avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, count_include_pad,
        divisor_override,
    )  # fmt: skip


# -- of any images to a given size -----------------------------------------------------------------


def global_avg_pool(x: Any) -> Any:
    """Return the mean of each channel: (N, C, *lengths) becomes (N, C)."""
    return np.mean(x, axis=tuple(range(2, np.ndim(x))))


def global_max_pool(x: Any) -> Any:
    """Return the largest number of each channel: (N, C, *lengths) becomes (N, C).

    Of several that are the largest the first one has the derivative.
    """
    return _first_max(x, np.ndim(x) - 2)


def _mean(x: Any, axes: int) -> Any:
    return np.mean(x, axis=tuple(range(-axes, 0)))


def _first_max(x: Any, axes: int) -> Any:
    flat = np.reshape(x, (*x.shape[: np.ndim(x) - axes], -1))
    at = np.argmax(flat, axis=-1)
    return np.take_along_axis(flat, at[..., None], -1)[..., 0]


def _adaptive(name: str, axes: int, x: Any, output_size: Any, fold: Callable) -> Any:
    if np.ndim(x) not in (axes + 1, axes + 2):
        raise InputError(f"{name} takes images (N, C, …), not an array of {np.ndim(x)} axes")
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    wanted = [x.shape[k - axes] if n is None else n for k, n in enumerate(given)]
    # Window i of m over n numbers: from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉.
    ends = [
        [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]
        for n, m in zip(x.shape[-axes:], wanted, strict=True)
    ]
    parts = [
        fold(x[(..., *[slice(a, b) for a, b in spot])], axes) for spot in itertools.product(*ends)
    ]
    return np.reshape(np.stack(parts, axis=-1), (*x.shape[: np.ndim(x) - axes], *wanted))


def adaptive_avg_pool1d(x: Any, output_size: Any) -> Any:
    """Return the means of ``output_size`` windows over signals. See `adaptive_avg_pool2d`."""
    return _adaptive("adaptive_avg_pool1d", 1, x, output_size, _mean)


def adaptive_avg_pool2d(x: Any, output_size: Any) -> Any:
    """Return the means of as many windows as are wanted, whatever the size of the images.

    Window i of m over n numbers goes from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉: windows may overlap.

    Parameters
    ----------
    x : array (N, C, H, W) or (C, H, W)
    output_size : int, or pair of int or None
        Of the result; None is the length of the image.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.adaptive_avg_pool2d(np.arange(16.0).reshape(1, 4, 4), (1, 2))
    array([[[6.5, 8.5]]])
    """
    return _adaptive("adaptive_avg_pool2d", 2, x, output_size, _mean)


def adaptive_max_pool1d(x: Any, output_size: Any) -> Any:
    """Return the largest of ``output_size`` windows over signals. See `adaptive_avg_pool2d`."""
    return _adaptive("adaptive_max_pool1d", 1, x, output_size, _first_max)


def adaptive_max_pool2d(x: Any, output_size: Any) -> Any:
    """Return the largest numbers of as many windows as are wanted. See `adaptive_avg_pool2d`."""
    return _adaptive("adaptive_max_pool2d", 2, x, output_size, _first_max)
