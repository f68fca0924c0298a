"""Which of the places that a function has changed can still be seen after it has returned.

A list or object that the function made for itself, and did not hand out, concerns nobody. Staging
cannot know who made it; but nothing refers to it any more, but for staging's own notes. Where these
explain all of Python's count of references the answer is known. Elsewhere the garbage collector is
asked who refers to it, which takes the longer the more objects the program has.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterable
from types import FrameType
from typing import Any

from adjoint.ir.build import Builder
from adjoint.staged.scopes import Cell, Location, noted
from adjoint.staging.outside import CONTAINERS
from adjoint.staging.session import session

__all__ = ["visible"]

Owners = dict[int, Any]


def visible(locations: Iterable[Location], builder: Builder) -> list[Location]:
    """Return those places that the program around a function can see.

    Parameters
    ----------
    locations : iterable of Location
        Places that the function has changed; changes of arrays are undone.
    builder : Builder
        Of the function's block.
    """
    locations = list(locations)
    parent = builder.parent
    cells = [x for x in locations if isinstance(x, Cell)]
    found: list[Location] = [x for x in cells if parent is not None and parent.sees(x.get())]
    places = [x for x in locations if not isinstance(x, Cell)]
    if places:
        seen = _referred_to({id(_owner(x)): _owner(x) for x in places}, builder)
        found += [x for x in places if id(_owner(x)) in seen]
    return found


def _owner(location: Location) -> Any:
    container = getattr(location, "container", None)
    return getattr(location, "owner", None) if container is None else container


def _referred_to(owners: Owners, builder: Builder) -> set[int]:
    """Return which of some objects (by identity) are referred to from elsewhere."""
    outside = owners.keys() & session().outside.keys()
    inner = {key: _referents(x) for key, x in owners.items()}
    noted_here = _noted(owners, builder)
    for referents in inner.values():
        noted_here.update(key for key in referents if key in owners)
    counts = dict(zip(owners, _counts(owners), strict=True))
    if any(counts[key] > _ALONE + noted_here[key] for key in owners.keys() - outside):
        found = _found_by_collector(owners, builder) - outside
        if found:
            gc.collect()  # loops and branches that have been staged may refer to each other
            outside |= found & _found_by_collector(owners, builder)
    todo = list(outside)
    while todo:
        more = set(inner[todo.pop()]) & owners.keys() - outside
        outside |= more
        todo += more
    return outside


def _referents(x: Any) -> list[int]:
    """Return what an object refers to, by identity, as often as it does."""
    own = getattr(x, "__dict__", None)
    found = Counter(map(id, gc.get_referents(x)))
    if id(own) in found:
        found |= Counter(map(id, gc.get_referents(own)))  # some Pythons tell of these in both
    return list(found.elements())


def _noted(owners: Owners, builder: Builder) -> Counter[int]:
    """Return how often staging's notes refer to each object."""
    found: Counter[int] = Counter()
    for location, before in noted(builder):
        found[id(_owner(location))] += 1
        found[id(before)] += 1
    for copy in _copies(owners, builder).values():
        found.update(map(id, gc.get_referents(copy)))
    for notes in (session().assigned, session().made):
        found.update(id(x) for x in notes.values() if id(x) in owners)
    return found


def _copies(owners: Owners, builder: Builder) -> Owners:
    """Return the copies of containers that staging keeps to compare them with."""
    copies: Owners = {}
    for location, before in noted(builder):
        for x in (before, getattr(location, "last", None)):
            if type(x) in _CONTAINERS and id(x) not in owners:
                copies[id(x)] = x
    return copies


_CONTAINERS = CONTAINERS | {set}


def _counts(owners: Owners) -> list[int]:
    return [sys.getrefcount(x) for x in owners.values()]


_ALONE = _counts({0: object()})[0]
"""The count of an object to which nothing refers but a dictionary of owners."""


def _found_by_collector(owners: Owners, builder: Builder) -> set[int]:
    """Return the objects to which something refers that is neither a note nor one of them."""
    current = session()
    # Their own dictionaries count as part of them.
    parts = {id(getattr(x, "__dict__", x)) for x in owners.values()} | owners.keys()
    mine = {id(owners), id(current.assigned), id(current.made), id(current.outside)}
    mine |= _copies(owners, builder).keys()
    found: set[int] = set()
    for referrer in gc.get_referrers(*owners.values()):
        if id(referrer) in mine or id(referrer) in parts or _is_note(referrer):
            continue
        found |= {id(x) for x in gc.get_referents(referrer)} & owners.keys()
    return found


def _is_note(x: Any) -> bool:
    if isinstance(x, (Location, FrameType)):
        return True
    return type(x) is tuple and bool(x) and isinstance(x[0], Location)
