"""Activations: functions of arrays, with the numbers and the conventions of `torch.nn.functional`.

They are written so that values and derivatives are exact wherever they can be represented, however
large the argument: what would overflow or cancel is not computed. At a kink the derivative is
PyTorch's (`relu`: 0 at 0). Not-a-number stays what it is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from adjoint.api.custom import stop_gradient
from adjoint.errors import InputError
from adjoint.nn import init
from adjoint.nn.module import Module

__all__ = [
    "PReLU", "celu", "elu", "gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "log_sigmoid", "log_softmax", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu",
    "softmax", "softplus", "softsign", "swish", "tanh",
]  # fmt: skip

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def relu(x: Any) -> Any:
    """Return max(x, 0).

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    >>> ad.grad(lambda x: np.sum(ad.nn.relu(x)))(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """
    return np.where(x <= 0, 0.0, x)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """Return x where it is positive, and x times a small slope elsewhere."""
    return np.where(x > 0, x, negative_slope * x)


def prelu(x: Any, weight: Any) -> Any:
    """Return x where it is positive, and x times ``weight`` elsewhere.

    Parameters
    ----------
    x : array (N, C, ...)
        Of any shape if there is one weight only.
    weight : array (1,) or (C,)
        The slopes, one for all or one for each channel.
    """
    if weight.size > 1 and x.ndim > 2:
        weight = np.reshape(weight, (-1, *(1,) * (x.ndim - 2)))
    return np.where(x > 0, x, weight * x)


class PReLU(Module):
    """`prelu`, with slopes that are learnt.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels.
    init : float
        The slopes to begin with.
    dtype : dtype
        Of the slopes.

    Attributes
    ----------
    weight : array (num_parameters,)

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers. ICCV 2015.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = np.float32
    ) -> None:
        self.num_parameters, self.init = num_parameters, init
        self.weight = _slopes(num_parameters, init, dtype)

    def __call__(self, x: Any) -> Any:
        """Return an array of the shape of x."""
        return prelu(x, self.weight)


def _slopes(count: int, value: float, dtype: Any) -> np.ndarray:
    return init.ones(count, dtype=dtype) * value


def _negative(x: Any) -> Any:
    """Return x where it is not positive: what an exponential may be taken of."""
    return np.where(x > 0, 0.0, x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return x where it is positive, and α (exp(x) − 1) elsewhere.

    D.-A. Clevert, T. Unterthiner, S. Hochreiter: Fast and accurate deep network learning by
    exponential linear units. ICLR 2016.
    """
    return np.where(x > 0, x, alpha * np.expm1(_negative(x)))


def selu(x: Any) -> Any:
    """Return `elu` scaled so that activations normalise themselves.

    G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter: Self-normalizing neural networks. NIPS
    2017.
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """Return x where it is positive, and α (exp(x / α) − 1) elsewhere."""
    return np.where(x > 0, x, alpha * np.expm1(_negative(x) / alpha))


def gelu(x: Any, approximate: str = "none") -> Any:
    """Return x Φ(x), with Φ the distribution function of the normal distribution.

    Parameters
    ----------
    x : array
        Of any shape.
    approximate : str
        ``"none"``, or ``"tanh"`` for x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.

    References
    ----------
    D. Hendrycks, K. Gimpel: Gaussian error linear units. 2016.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.gelu(np.array([-10.0, 1.0]))
    array([-7.61985302e-23,  8.41344746e-01])
    """
    if approximate == "none":
        # Φ(x) = erfc(−x/√2)/2 does not cancel where x is negative, as (1 + erf)/2 does.
        return 0.5 * x * special.erfc(x * -math.sqrt(0.5))
    if approximate != "tanh":
        raise InputError(f"approximate is {approximate!r}; it is 'none' or 'tanh'")
    # (1 + tanh u)/2 = σ(2u). It is 0 or 1 long before the cube could overflow.
    z = np.clip(x, -30.0, 30.0)
    return x * special.expit(2.0 * math.sqrt(2.0 / math.pi) * z * (1.0 + 0.044715 * (z * z)))


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(−x))."""
    return special.expit(x)


def log_sigmoid(x: Any) -> Any:
    """Return log(1 / (1 + exp(−x)))."""
    return -np.logaddexp(-x, 0.0)


def softplus(x: Any, beta: float = 1.0) -> Any:
    """Return log(1 + exp(β x)) / β.

    It is exact for all x: there is none of PyTorch's ``threshold``, beyond which it is x.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.softplus(np.array([-50.0, 0.0, 1e4]))
    array([1.92874985e-22, 6.93147181e-01, 1.00000000e+04])
    """
    return np.logaddexp(x, 0.0) if beta == 1.0 else np.logaddexp(beta * x, 0.0) / beta


def silu(x: Any) -> Any:
    """Return x / (1 + exp(−x)); `swish` is another name of it."""
    return x * special.expit(x)


swish = silu


def mish(x: Any) -> Any:
    """Return x tanh(log(1 + exp(x))).

    D. Misra: Mish: a self regularized non-monotonic activation function. BMVC 2020.
    """
    # With u = exp(x), tanh(log(1 + u)) = (u² + 2u)/(u² + 2u + 2), which is 1 beyond exp(20).
    u = np.exp(np.minimum(x, 20.0))
    w = u * (u + 2.0)
    return x * (w / (w + 2.0))


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of x."""
    return np.tanh(x)


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Return x between two bounds, and the bounds outside."""
    return np.where(x <= min_val, min_val, np.where(x >= max_val, max_val, x))


def relu6(x: Any) -> Any:
    """Return min(max(x, 0), 6)."""
    return hardtanh(x, 0.0, 6.0)


def hardsigmoid(x: Any) -> Any:
    """Return x/6 + 1/2 between 0 and 1, and these bounds outside."""
    return np.where(x <= -3.0, 0.0, np.where(x >= 3.0, 1.0, x / 6.0 + 0.5))


def hardswish(x: Any) -> Any:
    """Return x times `hardsigmoid` of x.

    A. Howard et al.: Searching for MobileNetV3. ICCV 2019.
    """
    return np.where(x <= -3.0, 0.0, np.where(x >= 3.0, x, _between(x) * (x / 6.0 + 0.5)))


def _between(x: Any) -> Any:
    # What is not taken is not to overflow.
    return np.clip(x, -3.0, 3.0)


def softsign(x: Any) -> Any:
    """Return x / (1 + |x|)."""
    # sign(x) (1 − 1/(1 + |x|)) has the exact derivative 1/(1 + |x|)² where the quotient's cancels.
    rest = 1.0 / (1.0 + np.abs(x))
    return np.where(np.abs(x) < 1.0, x * rest, np.sign(x) * (1.0 - rest))


def softmax(x: Any, axis: int = -1) -> Any:
    """Return exp(x) divided by its sum over an axis.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.softmax(np.array([[1e4, 1e4, -1e4]]))
    array([[0.5, 0.5, 0. ]])
    """
    # The result does not depend on what is subtracted, and neither does the derivative.
    e = np.exp(x - stop_gradient(np.max(x, axis=axis, keepdims=True)))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Return the logarithm of `softmax`.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.nn.log_softmax(np.array([[1e4, 0.0, -1e4]]))
    array([[     0., -10000., -20000.]])
    """
    z = x - stop_gradient(np.max(x, axis=axis, keepdims=True))
    return z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True))


def glu(x: Any, axis: int = -1) -> Any:
    """Return the first half of x along an axis times the `sigmoid` of the second.

    Y. Dauphin, A. Fan, M. Auli, D. Grangier: Language modeling with gated convolutional networks.
    ICML 2017.
    """
    if x.shape[axis] % 2:
        raise InputError(f"glu halves axis {axis} of an array of shape {tuple(x.shape)}")
    a, b = np.split(x, 2, axis=axis)
    return a * special.expit(b)
