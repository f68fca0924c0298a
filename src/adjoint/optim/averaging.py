"""Exponential moving averages of parameters, which often predict better than the last ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.ops.registry import Traced
from adjoint.optim.leaves import cast, map_trained

__all__ = ["EMA", "EMAState"]


@dataclasses.dataclass(frozen=True)
class EMAState:
    """What `EMA` keeps.

    Attributes
    ----------
    step : int64
        How many updates were made.
    average : pytree
        The averaged parameters, ready for use.
    """

    step: Any
    average: Any


@dataclasses.dataclass(frozen=True)
class EMA:
    """The exponential moving average of parameters.

    ``a ← (1 − w) a + w p`` with w = 1 − decay, from ``a = p`` of the parameters given to `init` on,
    as `torch.optim.swa_utils.AveragedModel` with `get_ema_avg_fn` has it. With ``debias`` the
    average begins at zero and is divided by ``1 − decayᵗ``, as Adam's means are: parameters of
    before the first update have no part in it. (That is ``w = (1 − decay) / (1 − decayᵗ)`` above,
    so that the state holds the average itself.)

    Parameters
    ----------
    decay : float
        From 0 to below 1: about the last 1 / (1 − decay) parameters count.
    debias : bool

    References
    ----------
    B. Polyak, A. Juditsky: Acceleration of stochastic approximation by averaging. SIAM J. Control
    Optim. 30, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from adjoint import optim
    >>> ema = optim.EMA(decay=0.5)
    >>> state = ema.init(np.array([0.0]))
    >>> for p in (1.0, 2.0):
    ...     state = ema.update(np.array([p]), state)
    >>> state.average
    array([1.25])
    """

    decay: float = 0.999
    debias: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.decay, Traced) and not 0 <= self.decay < 1:
            raise InputError(f"decay is {self.decay!r}: it has to be 0 or more, and below 1")

    def init(self, params: Any) -> EMAState:
        """Return the state before the first update."""
        return EMAState(np.int64(0), map_trained(np.copy, params))

    def update(self, params: Any, state: EMAState) -> EMAState:
        """Return the state with ``params`` averaged in; what does not train is taken from them."""
        step = state.step + 1
        weight: Any = 1.0 - self.decay
        if self.debias:
            weight = weight / (1.0 - self.decay**step)

        def leaf(p: Any, a: Any) -> Any:
            return cast(1.0 - weight, p) * a + cast(weight, p) * p

        average = map_trained(leaf, params, average=state.average)
        return EMAState(step, average)
