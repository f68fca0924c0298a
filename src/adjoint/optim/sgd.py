"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.optim.leaves import cast, moments, update_leaves
from adjoint.optim.masks import Mask, decaying
from adjoint.optim.settings import Rate, check_not_negative, check_rate, is_zero, rate_at

__all__ = ["SGD", "SGDState"]


@dataclasses.dataclass(frozen=True)
class SGDState:
    """What `SGD` keeps.

    Attributes
    ----------
    step : int64
        How many updates were made.
    momentum_buffer : pytree or None
        Running sums of gradients; None without momentum.
    """

    step: Any
    momentum_buffer: Any


@dataclasses.dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, with momentum as `torch.optim.SGD` has it.

    With gradient g (to which weight decay adds λ p)::

        b ← μ b + (1 − dampening) g      (b ← g at the first step)
        p ← p − lr b                     (p ← p − lr (g + μ b) with nesterov)

    Parameters
    ----------
    lr : float or callable
        The learning rate: a number, or a schedule, a function of the number of updates before.
    momentum, dampening : float
        μ, and how much of the new gradient is kept out of the buffer.
    weight_decay : float
        λ: an L2 penalty, added to the gradient.
    nesterov : bool
        Look ahead by one step of the momentum.
    maximize : bool
        Ascend.
    weight_decay_mask : callable or pytree of bool, optional
        Which leaves decay: a function of their names, or flags.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl, G. Hinton: On the importance of initialization and momentum
    in deep learning. ICML 2013.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> optimizer = ad.optim.SGD(lr=0.1, momentum=0.9)
    >>> params = {"w": np.array([1.0, -2.0])}
    >>> state = optimizer.init(params)
    >>> for _ in range(3):
    ...     grads = ad.grad(lambda p: np.sum(p["w"] ** 2))(params)
    ...     params, state = optimizer.update(grads, state, params)
    >>> params["w"]
    array([ 0.062, -0.124])
    """

    lr: Rate = 1e-3
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False
    maximize: bool = False
    weight_decay_mask: Mask = None

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_not_negative(momentum=self.momentum, weight_decay=self.weight_decay)
        if self.nesterov and (is_zero(self.momentum) or not is_zero(self.dampening)):
            raise InputError(
                "nesterov looks ahead by the momentum: it needs one, and no dampening; found "
                f"momentum {self.momentum!r} and dampening {self.dampening!r}"
            )

    def init(self, params: Any) -> SGDState:
        """Return the state before the first update."""
        zeros = moments(np.zeros_like, params)
        return SGDState(np.int64(0), None if is_zero(self.momentum) else zeros)

    def update(self, grads: Any, state: SGDState, params: Any) -> tuple[Any, SGDState]:
        """Return the parameters and the state after one step against ``grads``."""
        lr = rate_at(self.lr, state.step)
        fresh: Any = 1.0
        if not is_zero(self.dampening):
            fresh = np.where(state.step == 0, 1.0, 1.0 - self.dampening)

        def direction(p: Any, g: Any, decays: bool) -> Any:
            g = -g if self.maximize else g
            return g + self.weight_decay * p if decays else g

        def plain(p: Any, g: Any, decays: bool) -> tuple[Any, ...]:
            return (p - cast(lr, p) * direction(p, g, decays),)

        def heavy(p: Any, g: Any, decays: bool, buffer: Any) -> tuple[Any, ...]:
            g = direction(p, g, decays)
            buffer = self.momentum * buffer + cast(fresh, p) * g
            g = g + self.momentum * buffer if self.nesterov else buffer
            return p - cast(lr, p) * g, buffer

        flags = decaying(self, params)
        if state.momentum_buffer is None:
            (params,) = update_leaves(plain, params, grads, flags)
            return params, SGDState(state.step + 1, None)
        buffers = {"momentum_buffer": state.momentum_buffer}
        params, buffer = update_leaves(heavy, params, grads, flags, **buffers)
        return params, SGDState(state.step + 1, buffer)
