"""Gradient accumulation: one update for the gradients of several batches.

The staged front end rewrites this module like a user's: whether it is time for an update is known
at run time only.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.optim.leaves import moments, update_leaves
from adjoint.optim.settings import check_whole

__all__ = ["Accumulate", "AccumulateState"]


@dataclasses.dataclass(frozen=True)
class AccumulateState:
    """What `Accumulate` keeps.

    Attributes
    ----------
    count : int64
        How many gradients there are in the sum.
    total : pytree
        Their sum.
    inner : pytree
        The state of the optimiser.
    """

    count: Any
    total: Any
    inner: Any


@dataclasses.dataclass(frozen=True)
class Accumulate:
    """An optimiser that updates with the mean of the gradients of ``steps`` calls, at the last one.

    At the other calls the parameters stay as they are. Equal batches of a mean loss give what one
    large batch gives, in the memory of a small one.

    Parameters
    ----------
    optimizer
        What has `init` and `update`. Its schedules count its own updates.
    steps : int

    Examples
    --------
    >>> import numpy as np
    >>> from adjoint import optim
    >>> optimizer = optim.Accumulate(optim.SGD(lr=1.0), steps=2)
    >>> params, state = np.zeros(1), optimizer.init(np.zeros(1))
    >>> for g in (1.0, 3.0, 5.0):
    ...     params, state = optimizer.update(np.array([g]), state, params)
    ...     print(params)
    [0.]
    [-2.]
    [-2.]
    """

    optimizer: Any
    steps: int

    def __post_init__(self) -> None:
        check_whole(1, steps=self.steps)

    def init(self, params: Any) -> AccumulateState:
        """Return the state before the first update."""
        total = moments(np.zeros_like, params)
        return AccumulateState(np.int64(0), total, self.optimizer.init(params))

    def update(
        self, grads: Any, state: AccumulateState, params: Any
    ) -> tuple[Any, AccumulateState]:
        """Return the parameters and the state after one more batch of gradients."""
        total = _total(grads, state.total, params)
        count, inner = state.count + 1, state.inner
        if count == self.steps:
            params, inner = self.optimizer.update(_mean(total, grads, self.steps), inner, params)
            total, count = moments(np.zeros_like, params), np.int64(0)
        return params, AccumulateState(count, total, inner)


def _total(grads: Any, total: Any, params: Any) -> Any:
    """Return the sums with one more gradient each."""

    def leaf(p: Any, g: Any, flag: bool, total: Any) -> tuple[Any, Any]:
        return p, total + g

    count = len(tree.flatten(params)[0])
    return update_leaves(leaf, params, grads, [False] * count, total=total)[1]


def _mean(total: Any, grads: Any, steps: int) -> Any:
    """Return the mean gradients, with None where there is no gradient."""
    sums, spec = tree.flatten(total)
    there = spec.flatten_up_to(grads)
    return tree.unflatten(
        spec, [None if g is None else t / steps for t, g in zip(sums, there, strict=True)]
    )
