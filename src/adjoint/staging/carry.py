"""What a loop carries: found by running its body, and comparing what is there before and after.

A place is a local name, an attribute or an entry. The first pass over the body takes arrays and
integers as they are (an array may be changed in place without being bound anew, an integer may be a
constant of the program); what turns out to change is carried in the next pass, with the type that
its values before and after join to, until nothing changes any more.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

from adjoint import tree
from adjoint.ir.build import Builder
from adjoint.ir.dims import Dim
from adjoint.ir.edit import exported
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.staged.scopes import ABSENT, Cell, Location, changes, write
from adjoint.staged.sharing import begin_pass, spoil, spoilt
from adjoint.staged.values import Staged, root_of
from adjoint.staging.aliases import Aliases, Slot
from adjoint.staging.memory import still
from adjoint.staging.state import (
    UNBOUND,
    CannotStage,
    Pending,
    Plan,
    convert,
    is_numeric,
    join,
    parts,
    type_of_leaf,
)

__all__ = ["Carry", "Place"]


class Place:
    """A local name, or a location on the heap."""

    __slots__ = ("key", "location", "name")

    def __init__(self, name: str | None, location: Location | None = None) -> None:
        self.name = name
        self.location = location
        self.key: Any = name if location is None else location.key

    def describe(self) -> str:
        if self.location is not None:
            return self.location.describe()
        assert self.name is not None
        if " " in self.name:
            return "how the loop or function is left"
        return f"the name {self.name!r}"


class Carry:
    """The places that a loop changes, with what they hold before it.

    Attributes
    ----------
    places : dict
        By key.
    before : dict
        What each place holds before the loop.
    plans : dict
        What is carried of it; no entry where the value stays as it is.
    """

    def __init__(self, names: tuple[str, ...], state: dict[str, Any], loop: str) -> None:
        self.places: dict[Any, Place] = {name: Place(name) for name in names}
        self.before: dict[Any, Any] = {name: state.get(name, UNBOUND) for name in names}
        self.plans: dict[Any, Plan] = {}
        self.loop = loop
        self.late: dict[Any, tuple[Plan, Any]] = {}
        self.cells: list[Any] = []
        self.aliases = Aliases(loop)
        self.own: set[Any] = set()

    def start(self, remembered: dict[Any, Any]) -> None:
        """Plan the first pass: numbers that are surely not constants are carried at once."""
        for key, value in self.before.items():
            if value is UNBOUND:
                continue
            plan = Plan.of(value)
            now = [type_of_leaf(x) if is_numeric(x) else None for x in plan.leaves]
            plan.types = [
                t if _carried_at_once(x) else None for x, t in zip(plan.leaves, now, strict=True)
            ]
            then, former = remembered.get(key, ((), ()))
            if len(former) == len(now):
                plan.types = [
                    f if f is not None and n is not None and still(t, n, f) else mine
                    for mine, t, n, f in zip(plan.types, then, now, former, strict=True)
                ]
            if any(t is not None for t in plan.types):
                self.plans[key] = plan

    # -- a pass ----------------------------------------------------------------------------------

    def enter(self, builder: Builder) -> dict[str, Any]:
        """Give the body's block its parameters; return what the names are bound to in it."""
        self.params: list[Value] = []
        state = {}
        self.bound: dict[Any, Any] = {}
        for key, place in self.places.items():
            plan = self.plans.get(key)
            value = self.before[key] if plan is None else plan.bind(builder, self.params)
            self.bound[key] = value
            if place.location is None:
                state[key] = value
            elif plan is not None:
                write(place.location, value)
        carried = self._arrays(self.bound, ())
        before = {slot: self.plans[slot[0]].leaves[slot[1]] for slot in carried}
        arrays = {
            slot: (x, before[slot] if _is_array(before[slot]) else None)
            for slot, x in carried.items()
        }
        self.aliases.enter(builder, arrays, begin_pass(builder))
        return state

    def _arrays(self, held: dict[Any, Any], late: Iterable[Any]) -> dict[Slot, Staged]:
        """Return the arrays of what places hold: those that are carried, and in places ``late``."""
        found = {}
        for key, plan in self.plans.items():
            for k, (leaf, type) in enumerate(zip(parts(held[key])[0], plan.types, strict=False)):
                if type is not None and _is_array(leaf):
                    found[key, k] = leaf
        for key in late:
            leaves = parts(held[key])[0]
            found.update({(key, k): leaf for k, leaf in enumerate(leaves) if _is_array(leaf)})
        return found

    def leave(self, builder: Builder, state: dict[str, Any]) -> bool:
        """Compare what is there at the end of a pass; tell whether another pass is needed."""
        self.after: dict[Any, Any] = {}
        new: list[Location] = []
        around = builder.parent
        assert around is not None
        changed = [(location, before) for location, before, _ in changes(builder)]
        cells = [(x, v) for x, v in changed if isinstance(x, Cell) and around.sees(v)]
        stored = {id(location.root) for location, _ in cells}
        for location, before in changed:
            if isinstance(location, Cell) or location.key in self.places:
                continue
            if is_from_around(builder, before, stored):
                new.append(location)
                self.before[location.key] = UNBOUND if before is ABSENT else before
        again = self._settle(new)
        self.cells = cells
        self.late = {}
        for key, place in self.places.items():
            if place.location is None:
                after = state.get(key, UNBOUND)
            else:
                after = place.location.get()
                after = UNBOUND if after is ABSENT else after
            self.after[key] = after
        for key, place in self.places.items():
            if self._compare(key, place, self.after[key], builder):
                again = True
        if again:
            return True
        # What an array may share is to be known from the beginning of a pass.
        return self.aliases.leave(
            self._arrays(self.after, self.late),
            lambda x: id(x) in stored or around.sees(x._value if isinstance(x, Staged) else x),
        )

    def _settle(self, new: list[Location]) -> bool:
        """Add places on the heap that a pass has changed; tell whether another pass is needed.

        An object that each pass makes for itself is another one in each: what the pass before has
        changed is left alone in this one, which changes something like it.
        """
        new = [x for x in new if _kind(x) not in self.own]
        alone = {
            _kind(place.location): key
            for key, place in self.places.items()
            if place.location is not None and self._untouched(key, place.location)
        }
        for location in new:
            if _kind(location) in alone:
                self.own.add(_kind(location))
                continue
            self.places[location.key] = Place(None, location)
            self.bound[location.key] = self.before[location.key]
        gone = [key for kind, key in alone.items() if kind in self.own]
        for key in gone:
            del self.places[key]
            self.plans.pop(key, None)
        return bool(new or gone)

    def _untouched(self, key: Any, location: Location) -> bool:
        now = location.get()
        return (UNBOUND if now is ABSENT else now) is self.bound[key]

    def _compare(self, key: Any, place: Place, after: Any, builder: Builder) -> bool:
        before, bound = self.before[key], self.bound[key]
        if after is bound:
            return False
        if after is UNBOUND:
            raise CannotStage(f"{place.describe()} is deleted in {self.loop}")
        if before is UNBOUND:
            self._note_late(key, after)
            return False
        plan = self.plans.get(key) or Plan.of(before)
        leaves, spec, pending = parts(after)
        changed = pending and not plan.pending
        if changed:
            plan = plan.made_pending()
        elif plan.pending and not pending:
            leaves.append(True)
        if spec != plan.spec or len(leaves) != len(plan.leaves):
            raise CannotStage(
                f"{place.describe()} is {_describe(before)} before {self.loop} and "
                f"{_describe(after)} after a pass through it: its structure must stay the same"
            )
        types = list(plan.types)
        for k, (leaf, was, type) in enumerate(zip(leaves, plan.leaves, types, strict=True)):
            if type is None and (leaf is was or same_constant(leaf, was)):
                continue
            if not is_numeric(leaf) or not is_numeric(was):
                raise CannotStage(
                    f"{place.describe()} changes from {_describe(was)} to {_describe(leaf)} in "
                    f"{self.loop}, and only numbers and arrays can be carried"
                )
            now = exported(type_of_leaf(leaf), builder)
            wider = join(type or type_of_leaf(was), now)
            if wider is None:
                raise CannotStage(
                    f"{place.describe()} is {_describe(was)} before {self.loop} and "
                    f"{_describe(leaf)} after a pass through it: no type holds both"
                )
            if not getattr(was, "shape", ()) and isinstance(wider, Type) and None in wider.shape:
                raise CannotStage(
                    f"{place.describe()} is {_describe(was)} before {self.loop} and an array after "
                    "a pass through it, of a length that only that pass knows"
                )
            if type is None or wider != type:
                types[k] = wider
                changed = True
        if changed:
            self.plans[key] = Plan(plan.spec, plan.leaves, types, plan.pending)
        return changed

    def _note_late(self, key: Any, after: Any) -> None:
        """Plan to give back what a body binds that was unbound before the loop."""
        bound: Any = True
        if isinstance(after, Pending):
            after, bound = after.value, after.bound
        leaves, spec = tree.flatten(after)
        types = [type_of_leaf(leaf) if is_numeric(leaf) else None for leaf in leaves]
        self.late[key] = (Plan(spec, leaves, types), bound)

    # -- the operation -----------------------------------------------------------------------------

    def carried(self) -> list[tuple[Any, Plan]]:
        """Return the plans in the order of the parameters."""
        return [(key, self.plans[key]) for key in self.places if key in self.plans]

    def results(self) -> list[Value]:
        """Return the body's results, in the order of its parameters (in the body's block)."""
        results = []
        for key, plan in self.carried():
            after, _, pending = parts(self.after[key])
            if plan.pending and not pending:
                after.append(True)
            for leaf, type in zip(after, plan.types, strict=True):
                if type is not None:
                    results.append(convert(leaf, type))
        return results + self.aliases.results()

    def inits(self) -> list[Value]:
        """Return what the carried values are before the loop (in the block around it)."""
        inits = []
        for _, plan in self.carried():
            for leaf, type in zip(plan.leaves, plan.types, strict=True):
                if type is not None:
                    inits.append(convert(leaf, type))
        return inits + self.aliases.inits()

    def remembered(self) -> dict[Any, Any]:
        """Return what to start with when the loop around goes through another pass."""
        return {
            key: ([type_of_leaf(x) if is_numeric(x) else None for x in plan.leaves], plan.types)
            for key, plan in self.plans.items()
        }

    def give_back(self, values: list[Any]) -> dict[str, Any]:
        """Put the loop's results in their places; return the names' new values."""
        state = {}
        held: dict[Any, Any] = {}
        for key, plan in self.carried():
            held[key] = plan.rebuild(values)
        flags = {key: values.pop(0) for key in self.aliases.flags}
        for key, (plan, _) in self.late.items():
            value = plan.rebuild(values)
            for leaf, last in zip(tree.flatten(value)[0], parts(self.after[key])[0], strict=False):
                why = spoilt(last) if _is_array(last) else None
                if why is not None:
                    spoil(leaf, why)
            held[key] = Pending(value, values.pop(0))
        for key, place in self.places.items():
            if place.location is None:
                state[key] = held.get(key, self.before[key])
            elif key in held:
                write(place.location, held[key])
        flags.update({key: values.pop(0) for key in self.aliases.late_flags})
        self.aliases.end(self._arrays(held, self.late), flags)
        return state


def _kind(location: Location) -> Any:
    """Return what kind of place it is: of what type of object, and which entry or attribute."""
    kind, _, *rest = location.key
    return kind, type(getattr(location, "owner", getattr(location, "container", None))), *rest


def is_from_around(builder: Builder, value: Any, stored: Container[int] = ()) -> bool:
    """Tell whether what was somewhere is from around ``builder``'s block.

    ``stored`` are the arrays from around (by id) that the block has changed, as it is now.
    """
    around = builder.parent
    assert around is not None
    if isinstance(value, Value):
        return around.sees(value)
    for leaf in tree.flatten(value)[0]:
        if isinstance(leaf, Staged):
            root = root_of(leaf)
            if id(root) not in stored and not around.sees(root._value):
                return False
        if isinstance(leaf, Dim) and not all(around.sees(v) for v, _ in leaf.terms):
            return False
    return True


def _is_array(x: Any) -> bool:
    return isinstance(x, Staged) and getattr(x._value.type, "kind", None) == "array"


def _carried_at_once(leaf: Any) -> bool:
    if isinstance(leaf, Dim) or type(leaf) in (float, complex):
        return True
    if isinstance(leaf, Staged):
        type_ = leaf._value.type
        return isinstance(type_, Type) and type_.kind != "array"
    return False


def same_constant(a: Any, b: Any) -> bool:
    if isinstance(a, (Staged, Dim)) or isinstance(b, (Staged, Dim)):
        return a is b or (isinstance(a, Dim) and isinstance(b, Dim) and a == b)
    try:
        return type(a) is type(b) and bool(a == b)
    except (ValueError, TypeError):
        return False


def _describe(x: Any) -> str:
    if is_numeric(x):
        return f"of type {type_of_leaf(x)}"
    text = repr(x)
    return f"{text if len(text) < 40 else '…'} ({type(x).__name__})"
