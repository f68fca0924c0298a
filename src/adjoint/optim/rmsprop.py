"""RMSprop."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.optim.leaves import cast, moments, update_leaves
from adjoint.optim.masks import Mask, decaying
from adjoint.optim.settings import Rate, check_not_negative, check_rate, is_zero, rate_at

__all__ = ["RMSprop", "RMSpropState"]


@dataclasses.dataclass(frozen=True)
class RMSpropState:
    """What `RMSprop` keeps.

    Attributes
    ----------
    step : int64
        How many updates were made.
    square_avg : pytree
        Running means of the squares of the gradients.
    grad_avg : pytree or None
        Running means of the gradients; None if not ``centered``.
    momentum_buffer : pytree or None
        Running sums of the steps; None without momentum.
    """

    step: Any
    square_avg: Any
    grad_avg: Any
    momentum_buffer: Any


@dataclasses.dataclass(frozen=True)
class RMSprop:
    """RMSprop, as `torch.optim.RMSprop` has it (eps is added after the root).

    With gradient g (to which weight decay adds λ p)::

        v ← α v + (1 − α) g²
        a ← α a + (1 − α) g              (a = 0 if not centered)
        b ← μ b + g / (√(v − a²) + eps)
        p ← p − lr b

    Parameters
    ----------
    lr : float or callable
        The learning rate: a number, or a schedule, a function of the number of updates before.
    alpha : float
        α, from 0 to 1.
    eps : float
        Keeps the quotient finite.
    weight_decay : float
        λ: an L2 penalty, added to the gradient.
    momentum : float
        μ.
    centered : bool
        Divide by an estimate of the standard deviation, in place of the root mean square.
    maximize : bool
        Ascend.
    weight_decay_mask : callable or pytree of bool, optional
        Which leaves decay: a function of their names, or flags.

    References
    ----------
    T. Tieleman, G. Hinton: Neural networks for machine learning, lecture 6.5. 2012.
    A. Graves: Generating sequences with recurrent neural networks. arXiv:1308.0850 (centered).

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> optimizer = ad.optim.RMSprop(lr=0.01)
    >>> params = np.array([1.0, -2.0])
    >>> params, state = optimizer.update(2 * params, optimizer.init(params), params)
    >>> params.round(6)
    array([ 0.9, -1.9])
    """

    lr: Rate = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False
    maximize: bool = False
    weight_decay_mask: Mask = None

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_not_negative(
            alpha=self.alpha,
            eps=self.eps,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
        )
        if self.alpha > 1:
            raise InputError(f"alpha is {self.alpha!r}: it has to be 1 or less")

    def init(self, params: Any) -> RMSpropState:
        """Return the state before the first update."""
        square = moments(np.zeros_like, params)
        mean = moments(np.zeros_like, params) if self.centered else None
        buffer = None if is_zero(self.momentum) else moments(np.zeros_like, params)
        return RMSpropState(np.int64(0), square, mean, buffer)

    def update(self, grads: Any, state: RMSpropState, params: Any) -> tuple[Any, RMSpropState]:
        """Return the parameters and the state after one step against ``grads``."""
        lr = rate_at(self.lr, state.step)
        trees = {"square_avg": state.square_avg}
        if state.grad_avg is not None:
            trees["grad_avg"] = state.grad_avg
        if state.momentum_buffer is not None:
            trees["momentum_buffer"] = state.momentum_buffer

        def leaf(p: Any, g: Any, decays: bool, *kept: Any) -> tuple[Any, ...]:
            old = dict(zip(trees, kept, strict=True))
            g = -g if self.maximize else g
            if decays:
                g = g + self.weight_decay * p
            variance = square = self.alpha * old["square_avg"] + (1.0 - self.alpha) * (g * g)
            new = [square]
            if "grad_avg" in old:
                mean = old["grad_avg"] + (1.0 - self.alpha) * (g - old["grad_avg"])
                variance = square - mean * mean
                new.append(mean)
            step = g / (np.sqrt(variance) + self.eps)
            if "momentum_buffer" in old:
                step = self.momentum * old["momentum_buffer"] + step
                new.append(step)
            return p - cast(lr, p) * step, *new

        params, *new = update_leaves(leaf, params, grads, decaying(self, params), **trees)
        kept = dict(zip(trees, new, strict=True))
        return params, RMSpropState(
            state.step + 1, kept["square_avg"], kept.get("grad_avg"), kept.get("momentum_buffer")
        )
