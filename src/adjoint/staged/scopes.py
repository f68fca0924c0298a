"""What a block under construction changes outside of itself: arrays, attributes, entries.

While the body of a loop or branch is being staged, every change of something that was there before
is noted with what was there. At the end of the block the changes are undone, and become what the
loop carries or the branch returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from adjoint.ir.build import Builder, innermost

__all__ = [
    "ABSENT", "Cell", "Entry", "Field", "Location", "changes", "note", "noted", "rollback", "write",
]  # fmt: skip


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()
"""What a location holds that does not exist."""


class Location:
    """Something that can be assigned to. Equal locations are the same place."""

    __slots__ = ("key",)

    key: tuple[Any, ...]

    def get(self) -> Any:
        """Return what is there, or ``ABSENT``."""
        raise NotImplementedError

    def set(self, value: Any) -> None:
        """Assign; ``ABSENT`` deletes."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return what it is, for messages."""
        raise NotImplementedError


class Cell(Location):
    """What the memory of an array holds: a graph value."""

    __slots__ = ("root",)

    def __init__(self, root: Any) -> None:
        self.root = root
        self.key = ("cell", id(root))

    def get(self) -> Any:
        return self.root._value

    def set(self, value: Any) -> None:
        self.root._value = value

    def describe(self) -> str:
        return f"an array ({self.root._value.type}) that is changed in place"


class Field(Location):
    """An attribute of an object."""

    __slots__ = ("name", "owner")

    def __init__(self, owner: Any, name: str) -> None:
        self.owner = owner
        self.name = name
        self.key = ("field", id(owner), name)

    def get(self) -> Any:
        return getattr(self.owner, self.name, ABSENT)

    def set(self, value: Any) -> None:
        if value is ABSENT:
            if hasattr(self.owner, self.name):
                delattr(self.owner, self.name)
        else:
            object.__setattr__(self.owner, self.name, value)

    def describe(self) -> str:
        return f"the attribute {self.name!r} of a {type(self.owner).__name__}"


class Entry(Location):
    """An entry of a dictionary or list."""

    __slots__ = ("container", "index")

    def __init__(self, container: Any, index: Any) -> None:
        self.container = container
        self.index = index
        self.key = ("entry", id(container), index)

    def get(self) -> Any:
        try:
            return self.container[self.index]
        except (KeyError, IndexError):
            return ABSENT

    def set(self, value: Any) -> None:
        if value is ABSENT:
            if self.index in self.container:
                del self.container[self.index]
        else:
            self.container[self.index] = value

    def describe(self) -> str:
        return f"the entry {self.index!r} of a {type(self.container).__name__}"


Journal = dict[tuple[Any, ...], tuple[Location, Any]]


def _journal(builder: Builder) -> Journal:
    journal = builder.data.get("journal")
    if journal is None:
        journal = builder.data["journal"] = {}
    return journal


def note(location: Location) -> None:
    """Remember what is at ``location``, which is about to change."""
    journal = _journal(innermost())
    if location.key not in journal:
        journal[location.key] = (location, location.get())


def write(location: Location, value: Any) -> None:
    """Assign to a location."""
    note(location)
    location.set(value)


def changes(builder: Builder) -> Iterator[tuple[Location, Any, Any]]:
    """Yield (location, value before the block, value now) of what a block has changed."""
    for location, before in _journal(builder).values():
        now = location.get()
        if now is not before:
            yield location, before, now


def noted(builder: Builder) -> Iterable[tuple[Location, Any]]:
    """Return the places that a block has changed, with what was there before."""
    return _journal(builder).values()


def rollback(builder: Builder) -> None:
    """Undo what a block has changed."""
    for location, before in reversed(list(_journal(builder).values())):
        location.set(before)
