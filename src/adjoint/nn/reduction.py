"""What losses have in common: targets that fit, and what becomes of losses one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import InputError

__all__ = ["check_reduction", "fitting", "reduced"]


def check_reduction(reduction: str, *others: str) -> None:
    """Refuse what is not a reduction."""
    known = ("mean", "sum", "none", *others)
    if reduction not in known:
        raise InputError(f"reduction is {reduction!r}; it is one of {', '.join(map(repr, known))}")


def reduced(losses: Any, reduction: str) -> Any:
    """Return the mean of losses, their sum, or the losses themselves."""
    check_reduction(reduction)
    if reduction == "mean":
        return np.mean(losses)
    return np.sum(losses) if reduction == "sum" else losses


def fitting(targets: Any, x: Any) -> Any:
    """Return targets for ``x``: of its shape, and of its dtype where they are integers or flags.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if x.shape != targets.shape:
        raise InputError(
            f"targets of shape {tuple(targets.shape)} do not fit an array of shape "
            f"{tuple(x.shape)}; both have the same, because what broadcasts is seldom meant to"
        )
    return targets.astype(x.dtype) if targets.dtype.kind in "biu" else targets
