"""Settings: which numbers are allowed, and what the learning rate is at a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from adjoint.errors import InputError
from adjoint.frontend import resolve
from adjoint.ir.build import staging
from adjoint.ops.registry import Traced
from adjoint.staging.recursion import resolve_call

__all__ = [
    "Rate",
    "check_betas",
    "check_not_negative",
    "check_rate",
    "check_whole",
    "is_zero",
    "rate_at",
]

Rate: TypeAlias = float | Callable[[Any], Any]
"""A learning rate: a number, or a function of the number of updates made before this one."""


def check_not_negative(**settings: Any) -> None:
    """Refuse negative numbers and NaN. Traced ones are taken as they are."""
    for name, value in settings.items():
        if not isinstance(value, Traced) and not value >= 0:
            raise InputError(f"{name} is {value!r}: it has to be 0 or more")


def check_rate(lr: Any) -> None:
    """Refuse learning rates that are neither functions nor numbers from 0 on."""
    if not callable(lr):
        check_not_negative(lr=lr)


def check_betas(betas: Any) -> None:
    """Refuse what is not a pair of numbers from 0 to below 1."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise InputError(f"betas is {betas!r}: it has to be a pair of numbers")
    for number, beta in enumerate(betas):
        if not isinstance(beta, Traced) and not 0 <= beta < 1:
            raise InputError(f"betas[{number}] is {beta!r}: it has to be 0 or more, and below 1")


def check_whole(least: int, **settings: Any) -> None:
    """Refuse what is not an integer from ``least`` on."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name} is {value!r}: it has to be a whole number from {least} on")


def rate_at(lr: Any, step: Any) -> Any:
    """Return the learning rate of the update that comes after ``step`` others.

    A schedule is the user's function: it is staged, or rewritten, as if they had called it.
    """
    if not callable(lr):
        return lr
    return resolve_call(lr)(step) if staging() else resolve(lr)(step)


def is_zero(value: Any) -> bool:
    """Tell whether a setting is the number 0, so that what it weighs need not be computed."""
    return not isinstance(value, Traced) and bool(value == 0)
