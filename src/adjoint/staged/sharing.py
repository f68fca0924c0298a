"""Arrays that may have their memory in common, which is known at run time only.

What a name is bound to after a branch, or at the beginning of a pass through a loop, is an array
of its own in the graph, and may be one or another of the program's. Mostly a truth value of the
graph tells whether it is: then a store into one is, if that holds, a store into the other.

So it is with a view, which may be a part of one array or another: what is stored into it is stored
into that array, and after a store into the array it is read again.

Where it is not known (which part it is; a layout), two arrays can be told apart by a store alone,
which makes the others unusable: the next use of one is refused, and so is the store if one was used
before in a loop that goes round again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from adjoint.ir.build import Builder, innermost, users_place
from adjoint.ops.indexing import Path
from adjoint.staged.failures import CannotStage

__all__ = [
    "Doubt",
    "begin_pass",
    "link",
    "located",
    "may_share",
    "note_store",
    "note_use",
    "release",
    "retain",
    "same",
    "spoil",
    "spoilt",
]

_clock = itertools.count(1)


class Doubt(NamedTuple):
    """An array that may be another, or a part of it.

    Attributes
    ----------
    other : Staged
    when : Staged or None
        Whether it is that array; None: nobody knows.
    part, whole : path or None
        Which part of the other one it is; which part of it the other one is.
    why : str
        What is said when that matters.
    since : int
        Since when that is so.
    """

    other: Any
    when: Any
    part: Path | None = None
    whole: Path | None = None
    why: str = ""
    since: int = 0


def link(x: Any, other: Any, when: Any, part: Path | None = None) -> None:
    """Note that an array is another (no views), or a part of it, if ``when`` (staged) is true.

    It is to be said of all pairs: that the first may be the second, and this a third, says nothing
    of the first and the third.
    """
    for array in (x, other):
        _forget(array)
    x._doubts = (*x._doubts, Doubt(other, when, part, None))
    other._doubts = (*other._doubts, Doubt(x, when, None, part))


def _forget(x: Any) -> None:
    """Forget arrays of blocks that are done: nobody can refer to them."""
    sees = innermost().sees
    if not all([sees(doubt.other._value) for doubt in x._doubts]):
        x._doubts = tuple([d for d in x._doubts if d.when is None or sees(d.other._value)])


def located(x: Any, y: Any) -> tuple[Any, Path]:
    """Tell whether an array or view is a part of an array, and which (all of it: no steps).

    Whether: True, False, a staged truth value; None if that is not known.
    """
    view = x._view
    root, path = (x, ()) if view is None else (view.base, view.path)
    if root is y:
        return True, path
    for doubt in root._doubts:
        if doubt.other is y:
            if doubt.when is None or doubt.whole is not None:
                return None, ()
            return doubt.when, (*(doubt.part or ()), *path)
    for doubt in y._doubts:  # the other may have forgotten it, as of a block that is done
        if doubt.other is root:
            if doubt.when is None or doubt.part is not None:
                return None, ()
            return doubt.when, (*(doubt.whole or ()), *path)
    return False, ()


def same(x: Any, y: Any) -> Any:
    """Tell whether two arrays or views are the same: True, False, a staged truth value.

    None if that is not known, and if one may be a part of the other or both of a third.
    """
    if x is y:
        return True
    when, path = located(x, y if y._view is None else y._view.base)
    return None if when is not False and (path or y._view is not None) else when


def may_share(links: Iterable[tuple[Any, Any]], why: str, since: int | None = None) -> None:
    """Note which of some new arrays may share memory, where no value of the graph tells.

    Parameters
    ----------
    links : iterable of pairs of Staged
        No views. The first of a pair is new, and may be the second, or whatever that may be.
    why : str
        What is said when that matters.
    since : int, optional
        A time of `begin_pass`; now, without it.
    """
    links = list(links)
    # All of what is known before: that two may be a third does not make them the same.
    links += [(x, doubt.other) for x, other in links for doubt in other._doubts]
    since = next(_clock) if since is None else since
    new = {id(x) for x, _ in links}
    for x, other in links:
        if x is not other and all(doubt.other is not other for doubt in x._doubts):
            # What is new in each pass through a loop has in the next what the memory has then.
            x._doubts = (
                *x._doubts,
                Doubt(other, None, None, None, why, since + (id(other) in new)),
            )
            other._doubts = (*other._doubts, Doubt(x, None, None, None, why, since + 1))


def note_use(x: Any) -> None:
    """Note that an array is used now."""
    x._used = next(_clock)


def begin_pass(builder: Builder) -> int:
    """Note that a pass through a loop begins, in its block; return the time."""
    now = builder.data["pass"] = next(_clock)
    return now


def note_store(root: Any) -> None:
    """Note that an array is stored into.

    Raises
    ------
    CannotStage
        If another one that may share its memory was used before in the same pass through a loop:
        the next pass would use it afterwards.
    """
    for doubt in root._doubts:
        if doubt.when is None:
            lose(doubt, doubt.why)


def lose(doubt: Doubt, why: str) -> None:
    """Note that what an array holds is not known any more."""
    if _used_in_pass(doubt.other, doubt.since):
        raise CannotStage(why)
    place = users_place()
    spoil(doubt.other, f"{why} (The store is at {place[0]}:{place[1]}.)" if place else why)


def _used_in_pass(x: Any, since: int) -> bool:
    builder: Builder | None = innermost()
    while builder is not None:
        start = builder.data.get("pass", 0)
        if since <= start < x._used:
            return True
        builder = builder.parent
    return False


def spoilt(x: Any) -> str | None:
    """Return why an array, or what it is a view of, may not be used any more; None if it may."""
    return x._moved if x._view is None else x._moved or x._view.base._moved


def spoil(x: Any, why: str) -> None:
    """Make an array unusable."""
    if x._moved is None:
        x._moved = why
        innermost().data.setdefault("spoilt", []).append(x)


def release(builder: Builder) -> list[tuple[Any, str]]:
    """Make usable again what a block has made unusable; return it, for `retain`."""
    found = [(x, x._moved) for x in builder.data.pop("spoilt", ())]
    for x, _ in found:
        x._moved = None
    return found


def retain(found: list[tuple[Any, str]]) -> None:
    """Make unusable, in the block around, what `release` has made usable."""
    for x, why in found:
        spoil(x, why)
