"""The one-cycle policy: up to a large learning rate and down to a very small one."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from adjoint.errors import InputError
from adjoint.optim.schedules import annealed
from adjoint.optim.settings import check_not_negative, check_whole

__all__ = ["OneCycleLR"]


@dataclasses.dataclass(frozen=True)
class OneCycleLR:
    """The one-cycle policy, as `torch.optim.lr_scheduler.OneCycleLR` has it.

    From ``max_lr / div_factor`` up to ``max_lr``, then down to ``max_lr / div_factor /
    final_div_factor``, where it stays. Momentum is left as it is (``cycle_momentum=False`` there).

    Parameters
    ----------
    max_lr : float
    total_steps : int
    pct_start : float
        The share of the steps that go up.
    anneal_strategy : {"cos", "linear"}
    div_factor, final_div_factor : float
    three_phase : bool
        Go down as slowly as up, and then on to the end, in place of all the way at once.

    References
    ----------
    L. Smith, N. Topin: Super-convergence: very fast training of neural networks using large
    learning rates. arXiv:1708.07120.

    Examples
    --------
    >>> from adjoint import optim
    >>> schedule = optim.OneCycleLR(1.0, total_steps=10, pct_start=0.3)
    >>> [round(float(schedule(step)), 3) for step in (0, 1, 2, 5, 9)]
    [0.04, 0.52, 1.0, 0.611, 0.0]
    """

    max_lr: float
    total_steps: int
    pct_start: float = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        check_not_negative(max_lr=self.max_lr)
        check_whole(1, total_steps=self.total_steps)
        for name in ("div_factor", "final_div_factor"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)!r}: it has to be more than 0")
        most = 0.5 if self.three_phase else 1.0
        if not 0 <= self.pct_start <= most:
            raise InputError(f"pct_start is {self.pct_start!r}: it has to be from 0 to {most}")
        if self.anneal_strategy not in ("cos", "linear"):
            raise InputError(
                f'anneal_strategy is {self.anneal_strategy!r}: it is "cos" or "linear"'
            )

    def __call__(self, step: Any) -> Any:
        step = np.minimum(step, self.total_steps - 1)
        rate, begin = None, 0.0
        for end, first, last in self._phases():
            width = end - begin
            done = (step - begin) / width if width else 1.0
            here = annealed(first, last, done)
            if self.anneal_strategy == "linear":
                here = first + (last - first) * done
            rate = here if rate is None else np.where(step > begin, here, rate)
            begin = end
        return rate

    def _phases(self) -> list[tuple[float, Any, Any]]:
        """Return the last step of each phase, and the rates between which it goes."""
        initial = self.max_lr / self.div_factor
        up, last = self.pct_start * self.total_steps - 1.0, self.total_steps - 1.0
        final = initial / self.final_div_factor
        if self.three_phase:
            down = 2.0 * self.pct_start * self.total_steps - 2.0
            return [
                (up, initial, self.max_lr),
                (down, self.max_lr, initial),
                (last, initial, final),
            ]
        return [(up, initial, self.max_lr), (last, self.max_lr, final)]
