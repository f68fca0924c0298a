"""Adam, and AdamW, whose weight decay is apart from the gradient."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from adjoint.optim.leaves import cast, moments, update_leaves
from adjoint.optim.masks import Mask, decaying
from adjoint.optim.settings import Rate, check_betas, check_not_negative, check_rate, rate_at

__all__ = ["Adam", "AdamState", "AdamW"]


@dataclasses.dataclass(frozen=True)
class AdamState:
    """What `Adam` and `AdamW` keep.

    Attributes
    ----------
    step : int64
        How many updates were made.
    exp_avg, exp_avg_sq : pytree
        Running means of the gradients and of their squares, biased towards zero.
    max_exp_avg_sq : pytree or None
        The largest of the latter so far; None without ``amsgrad``.
    """

    step: Any
    exp_avg: Any
    exp_avg_sq: Any
    max_exp_avg_sq: Any


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam, as `torch.optim.Adam` has it.

    At step t, with gradient g (to which weight decay adds λ p)::

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²           (v̂ ← max(v̂, v) with amsgrad, which then stands for v)
        p ← p − lr · m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + eps)

    Parameters
    ----------
    lr : float or callable
        The learning rate: a number, or a schedule, a function of the number of updates before.
    betas : (float, float)
        β₁ and β₂.
    eps : float
        Keeps the quotient finite.
    weight_decay : float
        λ: an L2 penalty, added to the gradient.
    amsgrad : bool
        Divide by the largest mean of squares so far.
    maximize : bool
        Ascend.
    weight_decay_mask : callable or pytree of bool, optional
        Which leaves decay: a function of their names, or flags.

    References
    ----------
    D. Kingma, J. Ba: Adam: a method for stochastic optimization. ICLR 2015.
    S. Reddi, S. Kale, S. Kumar: On the convergence of Adam and beyond. ICLR 2018 (amsgrad).

    Examples
    --------
    The whole step in one jitted function:

    >>> import numpy as np, adjoint as ad
    >>> optimizer = ad.optim.Adam(lr=0.1)
    >>> def step(params, state, x, y):
    ...     loss, grads = ad.value_and_grad(lambda w: np.mean((x @ w - y) ** 2))(params)
    ...     params, state = optimizer.update(grads, state, params)
    ...     return params, state, loss
    >>> step = ad.jit(step, backend="interpret")
    >>> params = np.zeros(2)
    >>> state = optimizer.init(params)
    >>> for _ in range(200):
    ...     params, state, loss = step(params, state, np.eye(2), np.array([1.0, -2.0]))
    >>> params.round(3), state.step
    (array([ 1., -2.]), np.int64(200))
    """

    lr: Rate = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False
    maximize: bool = False
    weight_decay_mask: Mask = None

    _decoupled: ClassVar[bool] = False
    """Whether weight decay is apart from the gradient."""

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_betas(self.betas)
        check_not_negative(eps=self.eps, weight_decay=self.weight_decay)

    def init(self, params: Any) -> AdamState:
        """Return the state before the first update."""
        m, v = moments(np.zeros_like, params), moments(np.zeros_like, params)
        largest = moments(np.zeros_like, params) if self.amsgrad else None
        return AdamState(np.int64(0), m, v, largest)

    def update(self, grads: Any, state: AdamState, params: Any) -> tuple[Any, AdamState]:
        """Return the parameters and the state after one step against ``grads``."""
        beta1, beta2 = self.betas
        lr, step = rate_at(self.lr, state.step), state.step + 1
        shrink = 1.0 - lr * self.weight_decay
        step_size = lr / (1.0 - beta1**step)
        root = np.sqrt(1.0 - beta2**step)

        def leaf(p: Any, g: Any, decays: bool, m: Any, v: Any, *largest: Any) -> tuple[Any, ...]:
            g = -g if self.maximize else g
            if decays and self._decoupled:
                p = p * cast(shrink, p)
            elif decays:
                g = g + self.weight_decay * p
            m = m + (1.0 - beta1) * (g - m)
            v = beta2 * v + (1.0 - beta2) * (g * g)
            if largest:
                largest = (np.maximum(largest[0], v),)
            square = largest[0] if largest else v
            p = p - cast(step_size, p) * (m / (np.sqrt(square) / cast(root, p) + self.eps))
            return p, m, v, *largest

        trees = {"exp_avg": state.exp_avg, "exp_avg_sq": state.exp_avg_sq}
        if state.max_exp_avg_sq is not None:
            trees["max_exp_avg_sq"] = state.max_exp_avg_sq
        flags = decaying(self, params)
        params, m, v, *largest = update_leaves(leaf, params, grads, flags, **trees)
        return params, AdamState(step, m, v, largest[0] if largest else None)


@dataclasses.dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, as `torch.optim.AdamW` has it.

    Before each step of `Adam`, in whose means it takes no part, ``p ← p − lr λ p``.

    Parameters
    ----------
    lr, betas, eps, amsgrad, maximize, weight_decay_mask
        As of `Adam`.
    weight_decay : float
        λ.

    References
    ----------
    I. Loshchilov, F. Hutter: Decoupled weight decay regularization. ICLR 2019.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> optimizer = ad.optim.AdamW(lr=0.1, weight_decay_mask=lambda name: name != "['b']")
    >>> params = {"w": np.ones(2), "b": np.ones(1)}
    >>> zero = {"w": np.zeros(2), "b": np.zeros(1)}
    >>> optimizer.update(zero, optimizer.init(params), params)[0]
    {'w': array([0.999, 0.999]), 'b': array([1.])}
    """

    weight_decay: float = 1e-2

    _decoupled: ClassVar[bool] = True
