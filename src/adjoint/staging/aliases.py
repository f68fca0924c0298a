"""Which arrays that a loop carries may share memory, with each other and with arrays around it.

In the graph each carried array has its own memory. In the program it is, in the first pass, what
was there before the loop, and then what the pass before has left: two arrays that are swapped are
never the same one, but each may be either of those before the loop.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from adjoint.staged.sharing import may_share
from adjoint.staged.values import Staged, root_of

__all__ = ["Aliases", "Slot"]

Slot = tuple[Any, int]
"""A place, and the number of a leaf of what it holds."""


class Aliases:
    """What is known of the carried arrays of a loop.

    Attributes
    ----------
    outer : dict
        The arrays around the loop that each may be, by id.
    pairs : set of frozenset of two slots
        Which may be the same array.
    """

    def __init__(self, loop: str) -> None:
        self.outer: dict[Slot, dict[int, Staged]] = {}
        self.pairs: set[frozenset[Slot]] = set()
        self.params: dict[int, Slot] = {}
        self.why = (
            f"an array is bound to another name, or a name to another array, in {loop}, and one of "
            "the arrays that it may be is stored into: which one, depends on the number of passes. "
            "Make a copy before (u = u.copy()), and work on copies of arguments."
        )

    def enter(self, arrays: dict[Slot, tuple[Staged, Staged | None]], since: int) -> None:
        """Begin a pass.

        Parameters
        ----------
        arrays : dict
            Of each carried array, that of the pass and that before the loop, if it was one then.
        since : int
            When the pass began.
        """
        self.params = {id(inside): slot for slot, (inside, _) in arrays.items()}
        for slot, (_, before) in arrays.items():
            mine = self.outer.setdefault(slot, {})
            if before is not None:
                mine[id(root_of(before))] = root_of(before)
        for (one, (_, x)), (other, (_, y)) in itertools.combinations(arrays.items(), 2):
            if x is not None and y is not None and root_of(x) is root_of(y):
                self.pairs.add(frozenset((one, other)))
        self._link({slot: inside for slot, (inside, _) in arrays.items()}, since)

    def leave(self, after: dict[Slot, Staged], is_around: Callable[[Staged], bool]) -> bool:
        """End a pass; tell whether what is known of the carried arrays is more than before it."""
        carried = self.params.values()
        known = self._known(carried)
        roots = {slot: self._candidates(root_of(x)) for slot, x in after.items()}
        size = -1
        while size != self._known(after):
            size = self._known(after)
            for slot, candidates in roots.items():
                mine = self.outer.setdefault(slot, {})
                for root in candidates:
                    source = self.params.get(id(root))
                    if source is not None:
                        mine.update(self.outer[source])
                    elif is_around(root):
                        mine[id(root)] = root
            for one, other in itertools.combinations(roots, 2):
                if any(self._may_be_same(x, y) for x in roots[one] for y in roots[other]):
                    self.pairs.add(frozenset((one, other)))
        return self._known(carried) > known

    def _candidates(self, root: Staged) -> list[Staged]:
        """Return what an array may be."""
        if id(root) in self.params:
            return [root]
        return [root, *[doubt.other for doubt in root._doubts]]

    def _may_be_same(self, x: Staged, y: Staged) -> bool:
        if x is y:
            return True
        one, other = self.params.get(id(x)), self.params.get(id(y))
        if one is not None and other is not None:
            return frozenset((one, other)) in self.pairs
        if one is not None:
            return id(y) in self.outer[one]
        return other is not None and id(x) in self.outer[other]

    def _known(self, slots: Iterable[Slot]) -> int:
        among = set(slots)
        return sum(len(self.outer.get(s, ())) for s in among) + sum(p <= among for p in self.pairs)

    def end(self, arrays: dict[Slot, Staged]) -> None:
        """Note what the arrays after the loop may share."""
        self._link(arrays, None)

    def _link(self, arrays: dict[Slot, Staged], since: int | None) -> None:
        links = [(x, root) for slot, x in arrays.items() for root in self.outer[slot].values()]
        for pair in self.pairs:
            if pair <= arrays.keys():
                one, other = pair
                links.append((arrays[one], arrays[other]))
        may_share(links, self.why, since)
