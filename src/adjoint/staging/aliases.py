"""Which arrays that a loop carries are the same, or are arrays around it.

In the graph each carried array has its own memory. In the program it is, in the first pass, what
was there before the loop, and then what the pass before has left: two arrays that are swapped are
never the same one, but each may be either of those before the loop. For each such pair that is
possible the loop carries a truth value; one that nobody needs in the end is dropped with all that
is carried for nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from adjoint.ir.build import Builder, innermost
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import Type, python_type
from adjoint.ops.indexing import Path
from adjoint.staged.sharing import link, located, may_share, same
from adjoint.staged.stores import same_path
from adjoint.staged.values import Staged, root_of, value_of, wrap
from adjoint.staging.truth import and_values, not_value, or_values

__all__ = ["Aliases", "Slot"]

Slot = tuple[Any, int]
"""A place, and the number of a leaf of what it holds."""

Key = tuple[Slot, Any]
"""Two arrays that may be the same: of a slot, and of another slot or (by id) around the loop."""

BOOL = python_type(bool)


class Aliases:
    """What is known of the arrays that a loop carries, and of those that it binds first.

    Attributes
    ----------
    outer : dict
        The arrays around the loop that each may be, by id.
    pairs : dict
        The pairs of slots that may be the same array.
    parts : dict
        Key → which part of the array around the loop it may be.
    vague : set of Key
        Those of which no truth value tells whether they are.
    flags : dict
        Key → the truth value, in this pass.
    """

    def __init__(self, loop: str) -> None:
        self.outer: dict[Slot, dict[int, Staged]] = {}
        self.pairs: dict[Key, None] = {}
        self.parts: dict[Key, Path] = {}
        self.vague: set[Key] = set()
        self.flags: dict[Key, Any] = {}
        self.late_flags: dict[Key, Any] = {}
        self.params: dict[int, Slot] = {}
        self.before: dict[Slot, Staged | None] = {}
        self.after: dict[Slot, Staged] = {}
        self.is_around: Callable[[Any], bool] = _is_there
        self.why = (
            f"a part of an array is bound to another name, or a name to a part of another array, "
            f"in {loop}, and one of the arrays that it may be is stored into: which one, depends "
            "on the number of passes. Make a copy before (u = u.copy())."
        )

    # -- a pass ------------------------------------------------------------------------------------

    def enter(
        self, builder: Builder, arrays: dict[Slot, tuple[Staged, Staged | None]], since: int
    ) -> None:
        """Begin a pass.

        Parameters
        ----------
        builder : Builder
            Of the body; the block gets its parameters.
        arrays : dict
            Of each carried array, that of the pass and that before the loop, if it was one then.
        since : int
            When the pass began.
        """
        inside = {slot: x for slot, (x, _) in arrays.items()}
        self.params = {id(x): slot for slot, x in inside.items()}
        self.before = {slot: before for slot, (_, before) in arrays.items()}
        for slot, before in self.before.items():
            mine = self.outer.setdefault(slot, {})
            if before is not None:
                mine.update({id(root): root for root in _candidates(before)})
                if _dtype(before) != _dtype(inside[slot]):
                    self.vague.update((slot, other) for other in mine)
        for one, other in itertools.combinations(arrays, 2):
            x, y = self.before[one], self.before[other]
            if x is not None and y is not None and _of_pair(x, y, _is_there) is not False:
                self.pairs[one, other] = None
        self._note_vague(arrays, self._same_before)
        keys = self._keys(arrays)
        self.flags = {key: wrap(builder.parameter(BOOL)) for key in keys if key not in self.vague}
        self._link(keys, inside, self.flags, since)

    def leave(self, after: dict[Slot, Staged], is_around: Callable[[Any], bool]) -> bool:
        """End a pass; tell whether what is known of the carried arrays is more than before it."""
        carried = self.before
        known = self._known(carried)
        self.after, self.is_around = after, is_around
        roots = {slot: self._candidates_of(x) for slot, x in after.items()}
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
                candidates = itertools.product(roots[one], roots[other])
                same_after = _of_pair(after[one], after[other], is_around)
                if same_after is not False and any(self._may_be_same(x, y) for x, y in candidates):
                    self._pair(one, other)
        self._note_vague(after, self._same_after)
        return self._known(carried) > known

    def _candidates_of(self, x: Staged) -> list[Staged]:
        root = root_of(x)
        return [root] if id(root) in self.params else _candidates(x)

    def _may_be_same(self, x: Staged, y: Staged) -> bool:
        if x is y:
            return True
        one, other = self.params.get(id(x)), self.params.get(id(y))
        if one is not None and other is not None:
            return (one, other) in self.pairs or (other, one) in self.pairs
        if one is not None:
            return id(y) in self.outer[one]
        return other is not None and id(x) in self.outer[other]

    def _known(self, slots: Iterable[Slot]) -> int:
        keys = self._keys(slots)
        return len(keys) + sum(key in self.vague for key in keys)

    def _keys(self, slots: Iterable[Slot]) -> list[Key]:
        """Return the pairs that slots are in, with each other and with arrays around."""
        among = dict.fromkeys(slots)
        keys: list[Key] = [(slot, k) for slot in among for k in self.outer.get(slot, ())]
        return keys + [key for key in self.pairs if key[0] in among and key[1] in among]

    def _note_vague(self, slots: Iterable[Slot], tell: Callable[[Key], Any]) -> None:
        slots = list(slots)
        self.vague.update(key for key in self._keys(slots) if tell(key) is None)
        for one, other in itertools.combinations(slots, 2):
            shared = self.outer.get(one, {}).keys() & self.outer.get(other, {}).keys()
            if any((slot, k) in self.vague for k in shared for slot in (one, other)):
                self.vague.add(self._pair(one, other))

    def _pair(self, one: Slot, other: Slot) -> Key:
        """Return the key of two slots, which then may be the same array."""
        key = (other, one) if (other, one) in self.pairs else (one, other)
        self.pairs[key] = None
        return key

    def _other(self, key: Key, held: dict[Slot, Any]) -> Any:
        slot, other = key
        return self.outer[slot][other] if type(other) is int else held.get(other)

    def _same_before(self, key: Key) -> Any:
        return self._same(key, self.before, _is_there)

    def _same_after(self, key: Key) -> Any:
        return self._same(key, self.after, self.is_around)

    def _same(
        self, key: Key, held: dict[Slot, Any], is_around: Callable[[Staged | Value], bool]
    ) -> Any:
        """Tell whether the two are the same; None: nobody knows."""
        x, y = held.get(key[0]), self._other(key, held)
        if x is None or y is None:
            return False
        if type(key[1]) is not int:
            return _of_pair(x, y, is_around)
        when, part = located(x, y)
        if when is False or when is None:
            return when
        if not same_path(self.parts.setdefault(key, part), part):
            return None
        return when if all(map(is_around, values_in(part))) else None

    # -- the operation -----------------------------------------------------------------------------

    def inits(self) -> list[Value]:
        """Return what the flags are before the loop (in the block around it)."""
        return [value_of(self._same_before(key)) for key in self.flags]

    def results(self) -> list[Value]:
        """Return what they are at the end of a pass (in the body's block)."""
        return [value_of(self._same_after(key)) for key in self.flags]

    def add_late(self, builder: Builder, bounds: dict[Any, Any]) -> list[Value]:
        """Give the body parameters that tell which arrays are the ones that it binds first.

        Parameters
        ----------
        builder : Builder
            Of the body.
        bounds : dict
            Place → whether it is bound in this pass, of what is bound first.

        Returns
        -------
        list of Value
            Their results in the body. Before the loop they are False.
        """
        results = []
        self.late_flags = {}
        for key in self._keys(self.after):
            if key in self.flags or key in self.vague:
                continue
            slots = [slot for slot in key if type(slot) is not int]
            found = [bounds[place] for place, _ in slots if place in bounds]
            if not found:
                continue
            flag = wrap(builder.parameter(BOOL))
            now = self._same_after(key)
            if any(bound is not True for bound in found):
                if len(slots) > 1:  # one of now, another of an earlier pass
                    self.vague.add(key)
                kept = and_values(not_value(found[0]), flag)
                now = or_values(and_values(found[0], now), kept)
            self.late_flags[key] = flag
            results.append(value_of(now))
        return results

    def end(self, arrays: dict[Slot, Staged], values: dict[Key, Any]) -> None:
        """Note what the arrays after the loop are; ``values`` are the flags then."""
        self._link(self._keys(arrays), arrays, values, None)

    def _link(
        self, keys: list[Key], arrays: dict[Slot, Staged], flags: dict[Key, Any], since: int | None
    ) -> None:
        vague = []
        for key in keys:
            x, y = arrays[key[0]], self._other(key, arrays)
            if key in self.vague or key not in flags:
                vague.append((x, y))
            else:
                link(x, y, flags[key], self.parts.get(key) or None)
        may_share(vague, self.why, since)


def _candidates(x: Staged) -> list[Staged]:
    """Return what an array may be, of what is there."""
    root, sees = root_of(x), innermost().sees
    return [root, *[d.other for d in root._doubts if sees(d.other._value)]]


def _is_there(x: Staged | Value) -> bool:
    """Tell whether an array or a value is of this block, or from around it."""
    return innermost().sees(x._value if isinstance(x, Staged) else x)


def _of_pair(x: Staged, y: Staged, is_around: Callable[[Any], bool]) -> Any:
    """Tell whether two arrays of a loop are the same; None: nobody knows.

    If one is a part of an array around the loop, it is known of the other whether it is: no more is
    needed.
    """
    when = same(x, y)
    if when is None and (is_around(root_of(x)) or is_around(root_of(y))):
        return False
    return when


def _dtype(x: Staged) -> Any:
    type = x._value.type
    return type.dtype if isinstance(type, Type) else None
