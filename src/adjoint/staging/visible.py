"""Which of the places that a function has changed can still be seen after it has returned.

A list or object that the function made for itself, and did not hand out, concerns nobody. Staging
cannot know who made it; but nothing refers to it any more.
"""

from __future__ import annotations

import gc
from typing import Any

from adjoint.ir.build import Builder
from adjoint.staged.scopes import Cell, Location
from adjoint.staging.session import session

__all__ = ["is_visible"]


def is_visible(location: Location, builder: Builder) -> bool:
    """Tell whether the program around a function sees a place that the function has changed.

    Parameters
    ----------
    location : Location
        With the change undone.
    builder : Builder
        Of the function's block.
    """
    if isinstance(location, Cell):
        return builder.parent is not None and builder.parent.sees(location.get())
    owner: Any = getattr(location, "container", None)
    if owner is None:
        owner = getattr(location, "owner", None)
    if id(owner) in session().outside:
        return True
    known = session().assigned
    return any(
        r is not known and not isinstance(r, Location) and type(r).__name__ != "frame"
        for r in gc.get_referrers(owner)
    )
