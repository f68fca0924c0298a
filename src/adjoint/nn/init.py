"""How parameters begin: arrays drawn from the published distributions.

A shape is a weight's: (outputs, inputs), or (outputs, inputs, *kernel) for a convolution. The names
and formulas are those of `torch.nn.init`, whose functions fill tensors where these return arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy import special

from adjoint.errors import InputError

__all__ = [
    "calculate_gain", "fans", "generator", "glorot_normal", "glorot_uniform", "he_normal",
    "he_uniform", "kaiming_normal", "kaiming_uniform", "lecun_normal", "lecun_uniform", "normal",
    "ones", "orthogonal", "truncated_normal", "uniform", "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip

Rng: TypeAlias = "np.random.Generator | int"
Shape: TypeAlias = "int | Sequence[int]"

_SELU_GAIN = 3.0 / 4.0
_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0),
          "selu": _SELU_GAIN}  # fmt: skip


def generator(rng: Rng) -> np.random.Generator:
    """Return a generator: the one given, or one that begins with the seed given.

    Raises
    ------
    InputError
        If it is neither a `numpy.random.Generator` nor an integer that is not negative.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    raise InputError(
        f"rng is {rng!r}; give a numpy.random.Generator (np.random.default_rng(0)) or a seed, "
        "an integer that is not negative"
    )


def _floating(dtype: Any) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise InputError(f"parameters are floating-point numbers; dtype is {dtype}")
    return dtype


def zeros(shape: Shape, *, dtype: Any = np.float32) -> np.ndarray:
    """Return an array of zeros."""
    return np.zeros(shape, _floating(dtype))


def ones(shape: Shape, *, dtype: Any = np.float32) -> np.ndarray:
    """Return an array of ones."""
    return np.ones(shape, _floating(dtype))


def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, rng: Rng, dtype: Any = np.float32
) -> np.ndarray:
    """Return numbers drawn uniformly between ``low`` and ``high``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> x = ad.nn.init.uniform((1000,), -2.0, 2.0, rng=0)
    >>> x.dtype, bool(abs(x).max() <= 2), bool(abs(x.mean()) < 0.1)
    (dtype('float32'), True, True)
    """
    dtype = _floating(dtype)
    drawn = generator(rng).random(shape, dtype=_drawable(dtype)) * (high - low) + low
    return np.asarray(drawn, dtype)


def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, rng: Rng, dtype: Any = np.float32
) -> np.ndarray:
    """Return numbers drawn from the normal distribution."""
    dtype = _floating(dtype)
    drawn = generator(rng).standard_normal(shape, dtype=_drawable(dtype)) * std + mean
    return np.asarray(drawn, dtype)


def _drawable(dtype: np.dtype) -> Any:
    return np.float32 if dtype == np.float32 else np.float64


def truncated_normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    *,
    rng: Rng,
    dtype: Any = np.float32,
) -> np.ndarray:
    """Return numbers of the normal distribution that lie between ``low`` and ``high``.

    The bounds are numbers themselves, not multiples of ``std``, as in
    `torch.nn.init.trunc_normal_`. Drawn by inverting the distribution function.
    """
    dtype = _floating(dtype)
    below, above = special.ndtr((low - mean) / std), special.ndtr((high - mean) / std)
    drawn = special.ndtri(generator(rng).uniform(below, above, shape)) * std + mean
    return np.asarray(np.clip(drawn, low, high), dtype)


def fans(shape: Shape) -> tuple[int, int]:
    """Return how many numbers go into and out of each unit of a weight.

    Examples
    --------
    >>> import adjoint as ad
    >>> ad.nn.init.fans((32, 16, 3, 3))
    (144, 288)
    """
    if isinstance(shape, (int, np.integer)) or len(shape) < 2:
        raise InputError(
            f"a weight of shape {shape} has no fans: it takes (outputs, inputs, *kernel)"
        )
    outputs, inputs, *kernel = shape
    return inputs * math.prod(kernel), outputs * math.prod(kernel)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return what a nonlinearity wants weights to be multiplied by.

    Parameters
    ----------
    nonlinearity : str
        ``"linear"``, ``"conv1d"``, ``"conv2d"``, ``"conv3d"``, ``"conv_transpose1d"`` …,
        ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"`` or ``"selu"``.
    param : float, optional
        The slope of ``"leaky_relu"`` for negative numbers; 0.01 if not given.

    Examples
    --------
    >>> import adjoint as ad
    >>> ad.nn.init.calculate_gain("relu")
    1.4142135623730951
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1.0 + slope**2))
    name = "linear" if nonlinearity.startswith("conv") else nonlinearity
    if name not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise InputError(f"nonlinearity is {nonlinearity!r}; it is one of {known}")
    return _GAINS[name]


def xavier_uniform(
    shape: Shape, *, rng: Rng, gain: float = 1.0, dtype: Any = np.float32
) -> np.ndarray:
    """Return numbers drawn uniformly, of variance 2 gain² / (fan_in + fan_out).

    X. Glorot, Y. Bengio: Understanding the difficulty of training deep feedforward neural networks.
    AISTATS 2010.
    """
    bound = gain * math.sqrt(6.0 / max(1, sum(fans(shape))))
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def xavier_normal(
    shape: Shape, *, rng: Rng, gain: float = 1.0, dtype: Any = np.float32
) -> np.ndarray:
    """Return normal numbers of variance 2 gain² / (fan_in + fan_out); see `xavier_uniform`."""
    std = gain * math.sqrt(2.0 / max(1, sum(fans(shape))))
    return normal(shape, 0.0, std, rng=rng, dtype=dtype)


def _kaiming_std(shape: Shape, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise InputError(f"mode is {mode!r}; it is 'fan_in' or 'fan_out'")
    fan = fans(shape)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fan))


def kaiming_uniform(
    shape: Shape,
    *,
    rng: Rng,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    dtype: Any = np.float32,
) -> np.ndarray:
    """Return numbers drawn uniformly, of variance gain² / fan.

    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers: surpassing human-level
    performance on ImageNet classification. ICCV 2015.

    Parameters
    ----------
    shape : sequence of int
        (outputs, inputs, *kernel).
    rng : numpy.random.Generator or int
        Where the numbers come from.
    a : float
        The slope for negative numbers of the ``"leaky_relu"`` that follows.
    mode : str
        ``"fan_in"`` keeps the variance of what goes forward, ``"fan_out"`` of what goes back.
    nonlinearity : str
        What `calculate_gain` knows.
    dtype : dtype
        Of the result.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> w = ad.nn.init.kaiming_uniform((64, 100), rng=0, nonlinearity="relu")
    >>> bool(abs(w).max() <= np.sqrt(6 / 100)), bool(abs(w.var() / (2 / 100) - 1) < 0.05)
    (True, True)
    """
    bound = math.sqrt(3.0) * _kaiming_std(shape, a, mode, nonlinearity)
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def kaiming_normal(
    shape: Shape,
    *,
    rng: Rng,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    dtype: Any = np.float32,
) -> np.ndarray:
    """Return normal numbers of variance gain² / fan; see `kaiming_uniform`."""
    return normal(shape, 0.0, _kaiming_std(shape, a, mode, nonlinearity), rng=rng, dtype=dtype)


def lecun_uniform(shape: Shape, *, rng: Rng, dtype: Any = np.float32) -> np.ndarray:
    """Return numbers drawn uniformly, of variance 1 / fan_in; see `lecun_normal`."""
    bound = math.sqrt(3.0 / max(1, fans(shape)[0]))
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def lecun_normal(shape: Shape, *, rng: Rng, dtype: Any = np.float32) -> np.ndarray:
    """Return normal numbers of variance 1 / fan_in, as `selu` wants them.

    Y. LeCun, L. Bottou, G. Orr, K.-R. Müller: Efficient BackProp. In: Neural networks: tricks of
    the trade, 1998.
    """
    return normal(shape, 0.0, 1.0 / math.sqrt(max(1, fans(shape)[0])), rng=rng, dtype=dtype)


def orthogonal(shape: Shape, *, rng: Rng, gain: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """Return a matrix whose rows (or columns, the fewer of both) are orthonormal, times ``gain``.

    Axes beyond the first are taken together. The distribution is uniform over such matrices: the
    signs of the QR factorisation's R are made positive (F. Mezzadri, Notices of the AMS 54, 2007).
    A. Saxe, J. McClelland, S. Ganguli: Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks. ICLR 2014.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> q = ad.nn.init.orthogonal((3, 5), rng=0, dtype=np.float64)
    >>> bool(np.allclose(q @ q.T, np.eye(3)))
    True
    """
    fans(shape)
    rows, *rest = list(shape)  # pyright: ignore[reportArgumentType]
    columns = math.prod(rest)
    drawn = generator(rng).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
    q = q.T if rows < columns else q
    return np.asarray(gain * q.reshape(tuple(shape)), _floating(dtype))  # pyright: ignore[reportArgumentType]


glorot_uniform, glorot_normal = xavier_uniform, xavier_normal
he_uniform, he_normal = kaiming_uniform, kaiming_normal
