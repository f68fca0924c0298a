"""Batch normalisation, whose running statistics go in and come out with the call."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from adjoint.api.custom import stop_gradient
from adjoint.errors import InputError
from adjoint.nn import init
from adjoint.nn.module import Module
from adjoint.nn.norms import check_channels, per_channel, scaled

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNormState"]


@dataclasses.dataclass(frozen=True)
class BatchNormState:
    """What batch normalisation keeps from call to call.

    Attributes
    ----------
    running_mean, running_var : array (C,)
        Averages of the batches' means and (unbiased) variances.
    num_batches_tracked : int64
        How many batches there were.
    """

    running_mean: Any
    running_var: Any
    num_batches_tracked: Any


class _BatchNorm(Module):
    """Batch normalisation of arrays of any number of axes."""

    _ndims = ()

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.dtype = np.dtype(dtype)
        self.weight = init.ones(num_features, dtype=dtype) if affine else None
        self.bias = init.zeros(num_features, dtype=dtype) if affine else None

    def init_state(self) -> BatchNormState | None:
        """Return the running statistics before the first batch: means of 0, variances of 1."""
        if not self.track_running_stats:
            return None
        zeros = init.zeros(self.num_features, dtype=self.dtype)
        ones = init.ones(self.num_features, dtype=self.dtype)
        return BatchNormState(zeros, ones, np.int64(0))

    def __call__(self, x: Any, state: BatchNormState | None = None, training: bool = True) -> Any:
        """Return ``(y, state)``, with y of the shape of x; y alone without running statistics.

        Parameters
        ----------
        x : array (N, C, ...)
            A batch.
        state : BatchNormState
            What `init_state` or the last call returned.
        training : bool
            Whether the statistics are the batch's, which the state returned then has taken up, or
            the running ones.
        """
        check_channels(x, self.num_features, type(self).__name__, self._ndims)
        if not self.track_running_stats:
            return self._normalized(x, *self._statistics(x))
        if state is None:
            raise InputError(
                f"{type(self).__name__} has a state: y, state = layer(x, state), where the first "
                "state is layer.init_state(), or model.init_state() of a whole model"
            )
        if not training:
            return self._normalized(x, state.running_mean, state.running_var), state
        mean, variance = self._statistics(x)
        return self._normalized(x, mean, variance), self._updated(state, x, mean, variance)

    def _statistics(self, x: Any) -> tuple[Any, Any]:
        axes = (0, *range(2, x.ndim))
        mean = np.mean(x, axis=axes)
        centred = x - per_channel(mean, x.ndim)
        return mean, np.mean(centred * centred, axis=axes)

    def _normalized(self, x: Any, mean: Any, variance: Any) -> Any:
        scale = 1.0 / np.sqrt(variance + self.eps)
        y = (x - per_channel(mean, x.ndim)) * per_channel(scale, x.ndim)
        if not self.affine:
            return y
        return scaled(y, per_channel(self.weight, x.ndim), per_channel(self.bias, x.ndim))

    def _updated(self, state: BatchNormState, x: Any, mean: Any, variance: Any) -> BatchNormState:
        count = x.shape[0] * math.prod(x.shape[2:])
        if count < 2:
            raise InputError(
                f"{type(self).__name__} needs more than one number of each channel in training; "
                f"the batch has shape {tuple(x.shape)}"
            )
        tracked = state.num_batches_tracked + 1
        old_mean, old_var = state.running_mean, state.running_var
        part = (1.0 / tracked).astype(old_mean.dtype) if self.momentum is None else self.momentum
        mean, variance = stop_gradient(mean), stop_gradient(variance) * (count / (count - 1))
        return BatchNormState(
            (1.0 - part) * old_mean + part * mean.astype(old_mean.dtype),
            (1.0 - part) * old_var + part * variance.astype(old_var.dtype),
            tracked,
        )


class BatchNorm1d(_BatchNorm):
    """(x − mean)/√(variance + eps) · weight + bias, of each channel over a batch.

    The batch is an array (N, C) or (N, C, L).

    Parameters
    ----------
    num_features : int
        How many channels there are.
    eps : float
        Keeps the quotient finite.
    momentum : float or None
        How much of the running statistics each batch makes up; None for the mean of all batches.
    affine : bool
        Whether there are weight and bias.
    track_running_stats : bool
        Whether there are running statistics. Without them there is no state, the call returns y
        alone, and the batch's own statistics are used always.
    dtype : dtype
        Of weight, bias and running statistics.

    Attributes
    ----------
    weight, bias : array (num_features,) or None
        Begin as ones and zeros.

    References
    ----------
    S. Ioffe, C. Szegedy: Batch normalization: accelerating deep network training by reducing
    internal covariate shift. ICML 2015.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> norm = ad.nn.BatchNorm1d(2, dtype=np.float64)
    >>> state = norm.init_state()
    >>> y, state = norm(np.array([[1.0, 2.0], [3.0, 6.0]]), state)
    >>> y.round(2), state.running_mean
    (array([[-1., -1.],
           [ 1.,  1.]]), array([0.2, 0.4]))
    >>> y, state = norm(np.array([[1.0, 2.0]]), state, training=False)
    """

    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for batches of images, arrays (N, C, H, W)."""

    _ndims = (4,)
