"""Masks: which parameters decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from adjoint import tree
from adjoint.errors import InputError
from adjoint.optim.settings import is_zero

__all__ = ["Mask", "decaying", "flags_of"]

Mask: TypeAlias = Callable[[str], bool] | Any
"""A function of a leaf's name, or a tree of flags; None stands for all leaves."""


def decaying(settings: Any, params: Any) -> list[bool]:
    """Return which leaves of ``params`` decay under an optimiser's settings."""
    flags = flags_of(settings.weight_decay_mask, params)
    return [False] * len(flags) if is_zero(settings.weight_decay) else flags


def flags_of(mask: Mask, params: Any) -> list[bool]:
    """Return a flag for each leaf of ``params``.

    Parameters
    ----------
    mask : callable, pytree of bool, or None
        A function of the leaf's name, which reads as Python (``['layers'][0]['bias']``,
        ``.layers[0].bias``); or a tree of flags with the structure of ``params``, in which one flag
        may stand for a whole branch.
    params : pytree

    Raises
    ------
    InputError
        If the tree of flags has another structure.
    """
    leaves, spec = tree.flatten(params)
    if mask is None:
        return [True] * len(leaves)
    if callable(mask):
        return [bool(mask(name)) for name, _ in tree.leaves_with_names(params)]
    given, prefix = tree.flatten(mask)
    try:
        branches = prefix.flatten_up_to(params)
    except ValueError:
        raise InputError(
            f"weight_decay_mask has the structure {prefix}, and params {spec}: a mask is a tree of "
            "flags like params, in which a flag may stand for a whole branch"
        ) from None
    flags: list[bool] = []
    for flag, branch in zip(given, branches, strict=True):
        flags += [bool(flag)] * len(tree.flatten(branch)[0])
    return flags
