"""Schedules: the learning rate as a function of the number of updates before.

Names, settings and numbers are those of `torch.optim.lr_scheduler`, with the base learning rate as
first setting. They are written over NumPy's functions, so that a step count that is known at run
time only goes through.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.errors import InputError
from adjoint.optim.settings import check_not_negative, check_whole, rate_at

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LinearLR",
    "SequentialLR",
    "StepLR",
    "WarmupCosineLR",
]


@dataclasses.dataclass(frozen=True)
class ConstantLR:
    """``factor · lr`` for the first ``total_iters`` steps, then ``lr``.

    (A learning rate that is the same at all steps is a number.)

    Examples
    --------
    >>> from adjoint import optim
    >>> schedule = optim.ConstantLR(0.1, factor=0.5, total_iters=2)
    >>> [float(schedule(step)) for step in range(4)]
    [0.05, 0.05, 0.1, 0.1]
    """

    lr: float
    factor: float = 1.0 / 3.0
    total_iters: int = 5

    def __post_init__(self) -> None:
        check_not_negative(lr=self.lr, factor=self.factor)
        check_whole(0, total_iters=self.total_iters)

    def __call__(self, step: Any) -> Any:
        return self.lr * np.where(step < self.total_iters, self.factor, 1.0)


@dataclasses.dataclass(frozen=True)
class StepLR:
    """``lr · gamma ** (t // step_size)``.

    Examples
    --------
    >>> from adjoint import optim
    >>> schedule = optim.StepLR(1.0, step_size=2, gamma=0.5)
    >>> [float(schedule(step)) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    lr: float
    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        check_not_negative(lr=self.lr, gamma=self.gamma)
        check_whole(1, step_size=self.step_size)

    def __call__(self, step: Any) -> Any:
        return self.lr * self.gamma ** (step // self.step_size)


@dataclasses.dataclass(frozen=True)
class ExponentialLR:
    """``lr · gamma ** t``.

    Examples
    --------
    >>> from adjoint import optim
    >>> optim.ExponentialLR(1.0, gamma=0.5)(3)
    0.125
    """

    lr: float
    gamma: float

    def __post_init__(self) -> None:
        check_not_negative(lr=self.lr, gamma=self.gamma)

    def __call__(self, step: Any) -> Any:
        return self.lr * self.gamma**step


@dataclasses.dataclass(frozen=True)
class LinearLR:
    """From ``start_factor · lr`` to ``end_factor · lr`` in ``total_iters`` steps: a warm-up.

    Examples
    --------
    >>> from adjoint import optim
    >>> schedule = optim.LinearLR(1.0, start_factor=0.5, total_iters=2)
    >>> [float(schedule(step)) for step in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """

    lr: float
    start_factor: float = 1.0 / 3.0
    end_factor: float = 1.0
    total_iters: int = 5

    def __post_init__(self) -> None:
        check_not_negative(lr=self.lr, start_factor=self.start_factor, end_factor=self.end_factor)
        check_whole(1, total_iters=self.total_iters)

    def __call__(self, step: Any) -> Any:
        done = np.minimum(step, self.total_iters) / self.total_iters
        return self.lr * (self.start_factor + (self.end_factor - self.start_factor) * done)


@dataclasses.dataclass(frozen=True)
class CosineAnnealingLR:
    """Half a wave of a cosine, from ``lr`` to ``eta_min`` in ``T_max`` steps (and back again)::

        eta_min + (lr − eta_min) (1 + cos(π t / T_max)) / 2

    References
    ----------
    I. Loshchilov, F. Hutter: SGDR: stochastic gradient descent with warm restarts. ICLR 2017.

    Examples
    --------
    >>> from adjoint import optim
    >>> schedule = optim.CosineAnnealingLR(1.0, T_max=4)
    >>> [round(float(schedule(step)), 3) for step in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    lr: float
    T_max: int
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative(lr=self.lr, eta_min=self.eta_min)
        check_whole(1, T_max=self.T_max)

    def __call__(self, step: Any) -> Any:
        return annealed(self.lr, self.eta_min, step / self.T_max)


@dataclasses.dataclass(frozen=True)
class CosineAnnealingWarmRestarts:
    """Half a wave of a cosine in ``T_0`` steps, then one ``T_mult`` times as long, and so on.

    References
    ----------
    I. Loshchilov, F. Hutter: SGDR: stochastic gradient descent with warm restarts. ICLR 2017.

    Examples
    --------
    >>> from adjoint import optim
    >>> schedule = optim.CosineAnnealingWarmRestarts(1.0, T_0=2, T_mult=2)
    >>> [round(float(schedule(step)), 3) for step in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    lr: float
    T_0: int
    T_mult: int = 1
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative(lr=self.lr, eta_min=self.eta_min)
        check_whole(1, T_0=self.T_0, T_mult=self.T_mult)

    def __call__(self, step: Any) -> Any:
        if self.T_mult == 1:
            return annealed(self.lr, self.eta_min, (step % self.T_0) / self.T_0)
        # The n-th wave begins at T_0 (T_multⁿ − 1) / (T_mult − 1). A logarithm may miss a whole
        # number by its rounding: half a step more, which begins no wave, keeps it away from them.
        ratio = self.T_mult - 1.0
        n = np.floor(np.log1p((step + 0.5) / self.T_0 * ratio) / np.log(self.T_mult))
        length = self.T_0 * np.rint(float(self.T_mult) ** n)
        return annealed(self.lr, self.eta_min, (step - (length - self.T_0) / ratio) / length)


@dataclasses.dataclass(frozen=True)
class SequentialLR:
    """One schedule after the other: each counts its steps from its milestone on.

    Parameters
    ----------
    schedulers : sequence of callable
    milestones : sequence of int
        Where the second and the further ones begin.

    Examples
    --------
    >>> from adjoint import optim
    >>> schedule = optim.SequentialLR(
    ...     [optim.LinearLR(1.0, 0.5, total_iters=2), optim.ExponentialLR(1.0, 0.9)], [2]
    ... )
    >>> [round(float(schedule(step)), 3) for step in range(5)]
    [0.5, 0.75, 1.0, 0.9, 0.81]
    """

    schedulers: tuple[Callable[[Any], Any], ...] | list[Callable[[Any], Any]]
    milestones: tuple[int, ...] | list[int]

    def __post_init__(self) -> None:
        if len(self.milestones) != len(self.schedulers) - 1:
            raise InputError(
                f"{len(self.milestones)} milestones for {len(self.schedulers)} schedulers: there "
                "has to be one for each but the first"
            )
        if list(self.milestones) != sorted(self.milestones):
            raise InputError(f"milestones are {self.milestones}: they have to increase")

    def __call__(self, step: Any) -> Any:
        rate = rate_at(self.schedulers[0], step)
        for begin, schedule in zip(self.milestones, self.schedulers[1:], strict=True):
            later = rate_at(schedule, np.maximum(step - begin, 0))
            rate = np.where(step < begin, rate, later)
        return rate


@dataclasses.dataclass(frozen=True)
class WarmupCosineLR:
    """A linear warm-up, then half a wave of a cosine, which ends at ``eta_min`` and stays there.

    Up to ``total_steps`` it is ``SequentialLR([LinearLR, CosineAnnealingLR], [warmup_steps])``.

    Parameters
    ----------
    lr : float
        The learning rate after the warm-up.
    warmup_steps, total_steps : int
        How long the warm-up takes, and both together.
    start_factor : float
        The warm-up begins at ``start_factor · lr``.
    eta_min : float
        The learning rate in the end.

    Examples
    --------
    >>> from adjoint import optim
    >>> schedule = optim.WarmupCosineLR(1.0, warmup_steps=2, total_steps=6)
    >>> [round(float(schedule(step)), 3) for step in range(8)]
    [0.0, 0.5, 1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    lr: float
    warmup_steps: int
    total_steps: int
    start_factor: float = 0.0
    eta_min: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative(lr=self.lr, start_factor=self.start_factor, eta_min=self.eta_min)
        check_whole(1, warmup_steps=self.warmup_steps)
        check_whole(self.warmup_steps + 1, total_steps=self.total_steps)

    def __call__(self, step: Any) -> Any:
        warmup = LinearLR(self.lr, self.start_factor, total_iters=self.warmup_steps)
        fall = self.total_steps - self.warmup_steps
        done = np.minimum(np.maximum(step - self.warmup_steps, 0), fall) / fall
        return np.where(
            step < self.warmup_steps, warmup(step), annealed(self.lr, self.eta_min, done)
        )


def annealed(start: Any, end: Any, done: Any) -> Any:
    """Return what half a wave of a cosine from ``start`` to ``end`` is when ``done`` of it is."""
    return end + (start - end) * (1.0 + np.cos(np.pi * done)) / 2.0
