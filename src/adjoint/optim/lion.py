"""Lion: steps of one size, in the direction of signs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from adjoint.optim.leaves import cast, moments, update_leaves
from adjoint.optim.masks import Mask, decaying
from adjoint.optim.settings import Rate, check_betas, check_not_negative, check_rate, rate_at

__all__ = ["Lion", "LionState"]


@dataclasses.dataclass(frozen=True)
class LionState:
    """What `Lion` keeps.

    Attributes
    ----------
    step : int64
        How many updates were made.
    exp_avg : pytree
        Running means of the gradients.
    """

    step: Any
    exp_avg: Any


@dataclasses.dataclass(frozen=True)
class Lion:
    """Lion (evolved sign momentum), with decoupled weight decay λ.

    With gradient g::

        c = β₁ m + (1 − β₁) g
        p ← p − lr (sign(c) + λ p)
        m ← β₂ m + (1 − β₂) g

    Every parameter moves by the learning rate, which is therefore best a tenth or a third of
    Adam's, with a weight decay that is as many times larger.

    Parameters
    ----------
    lr : float or callable
        The learning rate: a number, or a schedule, a function of the number of updates before.
    betas : (float, float)
        β₁ and β₂.
    weight_decay : float
        λ.
    maximize : bool
        Ascend.
    weight_decay_mask : callable or pytree of bool, optional
        Which leaves decay: a function of their names, or flags.

    References
    ----------
    X. Chen and others: Symbolic discovery of optimization algorithms. NeurIPS 2023, algorithm 2.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> optimizer = ad.optim.Lion(lr=0.1)
    >>> params = np.array([1.0, -2.0, 0.0])
    >>> params, state = optimizer.update(2 * params, optimizer.init(params), params)
    >>> params
    array([ 0.9, -1.9,  0. ])
    """

    lr: Rate = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    maximize: bool = False
    weight_decay_mask: Mask = None

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_betas(self.betas)
        check_not_negative(weight_decay=self.weight_decay)

    def init(self, params: Any) -> LionState:
        """Return the state before the first update."""
        return LionState(np.int64(0), moments(np.zeros_like, params))

    def update(self, grads: Any, state: LionState, params: Any) -> tuple[Any, LionState]:
        """Return the parameters and the state after one step against ``grads``."""
        lr = rate_at(self.lr, state.step)
        beta1, beta2 = self.betas
        shrink = 1.0 - lr * self.weight_decay

        def leaf(p: Any, g: Any, decays: bool, m: Any) -> tuple[Any, ...]:
            g = -g if self.maximize else g
            if decays:
                p = p * cast(shrink, p)
            p = p - cast(lr, p) * np.sign(beta1 * m + (1.0 - beta1) * g)
            return p, beta2 * m + (1.0 - beta2) * g

        flags = decaying(self, params)
        params, m = update_leaves(leaf, params, grads, flags, exp_avg=state.exp_avg)
        return params, LionState(state.step + 1, m)
