"""Which of the places that a function has changed can still be seen after it has returned.

A list or object that the function made for itself, and did not hand out, concerns nobody. Staging
cannot know who made it; but nothing refers to it any more.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from types import FrameType
from typing import Any

from adjoint.ir.build import Builder
from adjoint.staged.scopes import Cell, Location
from adjoint.staging.session import session

__all__ = ["visible"]


def visible(locations: Iterable[Location], builder: Builder) -> list[Location]:
    """Return those places that the program around a function can see.

    Parameters
    ----------
    locations : iterable of Location
        Places that the function has changed; changes of arrays are undone.
    builder : Builder
        Of the function's block.
    """
    found, owners = [], {}
    for location in locations:
        if isinstance(location, Cell):
            if builder.parent is not None and builder.parent.sees(location.get()):
                found.append(location)
        else:
            owner = _owner(location)
            owners[id(owner)] = owner
    if owners:
        seen = _referred_to(owners)
        if seen:
            gc.collect()  # loops and branches that have been staged refer to each other
            seen = _referred_to(owners)
        found += [x for x in locations if not isinstance(x, Cell) and id(_owner(x)) in seen]
    return found


def _owner(location: Location) -> Any:
    container = getattr(location, "container", None)
    return getattr(location, "owner", None) if container is None else container


def _referred_to(owners: dict[int, Any]) -> set[int]:
    """Return which of some objects (by identity) are referred to from elsewhere."""
    current = session()
    seen = {key for key in owners if key in current.outside}
    # Their own dictionaries count as part of them.
    parts = {id(getattr(x, "__dict__", x)): key for key, x in owners.items()}
    parts.update((key, key) for key in owners)
    mine = {id(owners), id(current.assigned), id(parts)}
    inner: dict[int, set[int]] = {key: set() for key in owners}
    for referrer in gc.get_referrers(*owners.values()):
        if id(referrer) in mine or isinstance(referrer, (Location, FrameType)):
            continue
        named = {id(x) for x in gc.get_referents(referrer)} & owners.keys()
        part = parts.get(id(referrer))
        if part is None:
            seen |= named
        else:
            inner[part] |= named
    todo = list(seen)
    while todo:
        more = inner[todo.pop()] - seen
        seen |= more
        todo += more
    return seen
