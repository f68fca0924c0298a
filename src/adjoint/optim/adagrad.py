"""Adagrad."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from adjoint.optim.leaves import cast, moments, update_leaves
from adjoint.optim.masks import Mask, decaying
from adjoint.optim.settings import Rate, check_not_negative, check_rate, rate_at

__all__ = ["Adagrad", "AdagradState"]


@dataclasses.dataclass(frozen=True)
class AdagradState:
    """What `Adagrad` keeps.

    Attributes
    ----------
    step : int64
        How many updates were made.
    sum : pytree
        Sums of the squares of the gradients.
    """

    step: Any
    sum: Any


@dataclasses.dataclass(frozen=True)
class Adagrad:
    """Adagrad, as `torch.optim.Adagrad` has it.

    After t updates, with gradient g (to which weight decay adds λ p)::

        s ← s + g²
        p ← p − lr / (1 + t · lr_decay) · g / (√s + eps)

    Parameters
    ----------
    lr : float or callable
        The learning rate: a number, or a schedule, a function of the number of updates before.
    lr_decay : float
        How fast the rate falls.
    weight_decay : float
        λ: an L2 penalty, added to the gradient.
    initial_accumulator_value : float
        What s begins with.
    eps : float
        Keeps the quotient finite.
    maximize : bool
        Ascend.
    weight_decay_mask : callable or pytree of bool, optional
        Which leaves decay: a function of their names, or flags.

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer: Adaptive subgradient methods for online learning and stochastic
    optimization. JMLR 12, 2011.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> optimizer = ad.optim.Adagrad(lr=0.1)
    >>> params = np.array([1.0, -2.0])
    >>> params, state = optimizer.update(2 * params, optimizer.init(params), params)
    >>> params, state.sum
    (array([ 0.9, -1.9]), array([ 4., 16.]))
    """

    lr: Rate = 1e-2
    lr_decay: float = 0.0
    weight_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10
    maximize: bool = False
    weight_decay_mask: Mask = None

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_not_negative(
            lr_decay=self.lr_decay,
            weight_decay=self.weight_decay,
            initial_accumulator_value=self.initial_accumulator_value,
            eps=self.eps,
        )

    def init(self, params: Any) -> AdagradState:
        """Return the state before the first update."""
        first = self.initial_accumulator_value
        return AdagradState(np.int64(0), moments(lambda p: np.full_like(p, first), params))

    def update(self, grads: Any, state: AdagradState, params: Any) -> tuple[Any, AdagradState]:
        """Return the parameters and the state after one step against ``grads``."""
        lr = rate_at(self.lr, state.step) / (1.0 + state.step * self.lr_decay)

        def leaf(p: Any, g: Any, decays: bool, total: Any) -> tuple[Any, ...]:
            g = -g if self.maximize else g
            if decays:
                g = g + self.weight_decay * p
            total = total + g * g
            return p - cast(lr, p) * (g / (np.sqrt(total) + self.eps)), total

        flags = decaying(self, params)
        params, total = update_leaves(leaf, params, grads, flags, sum=state.sum)
        return params, AdagradState(state.step + 1, total)
