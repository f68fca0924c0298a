"""Branches: ``if`` as an operation or as Python, and ``and``, ``or``, ``not``, ``a if c else b``.

A branch whose condition is known when the function is staged runs as Python. Of another, both sides
are run, each on the state before the branch; what they leave differently is a result of the
operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from adjoint import tree
from adjoint.ir.build import Builder, continuing, innermost, users_place
from adjoint.ir.dims import Dim
from adjoint.ir.edit import exported
from adjoint.ir.graph import Value
from adjoint.ops import control
from adjoint.staged.scopes import ABSENT, Cell, Location, changes, rollback, write
from adjoint.staged.sharing import link, may_share, release, retain, same, spoil, spoilt
from adjoint.staged.values import Staged, root_of, value_of, wrap
from adjoint.staging.carry import same_constant
from adjoint.staging.loops import _enter_block, _leave_block, picked, where
from adjoint.staging.recursion import Bottom
from adjoint.staging.state import (
    UNBOUND,
    CannotStage,
    Pending,
    convert,
    emit_undefined,
    is_numeric,
    join,
    type_of_leaf,
)
from adjoint.staging.truth import is_abstract, not_value, truth

__all__ = ["Branch", "and_", "if_", "or_", "test"]

_MISSING = object()


class _Side:
    """What one side of a branch leaves behind."""

    def __init__(self, builder: Builder, state: dict[str, Any] | None) -> None:
        self.builder = builder
        self.state = state
        self.changed: dict[Any, tuple[Location, Any, Any]] = {}
        self.changes = list(changes(builder))
        self.spoilt: list[tuple[Any, str]] = []

    @property
    def raises(self) -> bool:
        return self.state is None


class Branch:
    """``if``, seen from rewritten code: iterating over it gives the sides to run."""

    def __init__(
        self,
        condition: Any,
        names: tuple[str, ...],
        local: dict[str, Any],
        outer: dict[str, Any],
        concrete: bool = False,
    ) -> None:
        self.names = names
        self.state = picked(names, local, outer)
        self.before = self.state
        self.place = users_place()
        self.builder: Builder | None = None
        self.abstract = is_abstract(condition)
        if self.abstract and concrete:
            raise CannotStage(
                f"the branch at {where(self.place)} contains yield or await, and its condition is "
                "known at run time only",
                condition,
            )
        self.condition = truth(condition) if self.abstract else condition
        if isinstance(self.condition, bool) and not isinstance(self.condition, Staged):
            self.abstract = False
        self.sides: list[_Side] = []
        self.errors: list[BaseException] = []

    def __iter__(self) -> Iterator[bool]:
        if not self.abstract:
            yield bool(self.condition)
            return
        for side in (True, False):
            self.state = self.before
            self.builder = _enter_block()
            yield side
        self._merge()

    # -- called by rewritten code ------------------------------------------------------------------

    def enter(self) -> tuple[Any, ...]:
        """Return what the names are bound to at the start of a side."""
        return tuple(self.state.get(name, UNBOUND) for name in self.names)

    def leave(self, local: dict[str, Any], outer: dict[str, Any]) -> None:
        """End a side."""
        state = picked(self.names, local, outer)
        if self.builder is None:
            self.state = state
        else:
            self._end_side(state)

    def failed(self, error: BaseException) -> bool:
        """Tell whether to go on although a side ended with ``error``: one that the user raises."""
        if self.builder is None:
            return False
        if isinstance(error, Bottom):
            self.errors.append(error)
            self._end_side(None)  # what the other side gives tells the type
            return True
        if getattr(error, "__staged_raise__", False) and isinstance(error, Exception):
            innermost().emit(
                control.raise_error, (), {"error": error}, type_of_leaf(0), (), users_place()
            )
            self.errors.append(error)
            self._end_side(None)
            return True
        builder, self.builder = self.builder, None
        rollback(builder)
        _leave_block(builder)
        return False

    def results(self) -> tuple[Any, ...]:
        """Return what the names are bound to after the branch."""
        return tuple(self.state.get(name, UNBOUND) for name in self.names)

    # -- inside ------------------------------------------------------------------------------------

    def _end_side(self, state: dict[str, Any] | None) -> None:
        builder = self.builder
        assert builder is not None
        self.builder = None
        side = _Side(builder, state)
        side.spoilt = release(builder)
        rollback(builder)
        for location, before, now in side.changes:
            if is_from_around(builder, before):
                side.changed[location.key] = (location, before, now)
        _leave_block(builder)
        self.sides.append(side)

    def _merge(self) -> None:
        yes, no = self.sides
        if yes.raises and no.raises:
            # The program goes no further: the branch around this one ends here, too.
            self._emit([], [], [])
            raise self.errors[-1]
        merger = _Merger(yes, no, where(self.place))
        state = {}
        for name in self.names:
            a = (
                self.before.get(name, UNBOUND)
                if yes.state is None
                else yes.state.get(name, UNBOUND)
            )
            b = self.before.get(name, UNBOUND) if no.state is None else no.state.get(name, UNBOUND)
            state[name] = merger.place(f"the name {name!r}", a, b)
        heap = []
        for key in {**yes.changed, **no.changed}:
            location, before, _ = (yes.changed if key in yes.changed else no.changed)[key]
            a = yes.changed[key][2] if key in yes.changed else before
            b = no.changed[key][2] if key in no.changed else before
            if isinstance(location, Cell):
                heap.append((location, merger.cell(a, b)))
            else:
                a, b = (UNBOUND if v is ABSENT else v for v in (a, b))
                heap.append((location, merger.place(location.describe(), a, b)))
        merger.connect()
        values = self._emit(merger.types, merger.columns[0], merger.columns[1])
        for side in self.sides:
            retain(side.spoilt)
        # What arrays hold comes first: names may be bound to arrays that were stored into.
        heap.sort(key=lambda change: not isinstance(change[0], Cell))
        for location, merged in heap:
            value = merged.fill(values, self.condition)
            if isinstance(location, Cell):
                write(location, value_of(value))
            elif value is not UNBOUND:
                write(location, value)
        merger.link(values)
        fill = {name: merged.fill(values, self.condition) for name, merged in state.items()}
        self.state = {name: value for name, value in fill.items() if value is not UNBOUND}

    def _emit(self, types: list[Any], yes: list[Any], no: list[Any]) -> list[Any]:
        """Record the operation; return its results."""
        blocks = []
        for side, column in zip(self.sides, (yes, no), strict=True):
            side.builder.block.results = column
            blocks.append(side.builder.block)
        if not types and not any(block.nodes for block in blocks):
            return []
        inputs = (value_of(self.condition),)
        value = innermost().emit(control.cond, inputs, {}, tuple(types), tuple(blocks), self.place)
        return list(wrap(value))


def is_from_around(builder: Builder, value: Any) -> bool:
    """Tell whether what was somewhere is from around ``builder``'s block."""
    around = builder.parent
    assert around is not None
    if isinstance(value, Value):
        return around.sees(value)
    for leaf in tree.flatten(value)[0]:
        if isinstance(leaf, Staged) and not around.sees(root_of(leaf)._value):
            return False
        if isinstance(leaf, Dim) and not all(around.sees(v) for v, _ in leaf.terms):
            return False
    return True


class _Merged:
    """What a place holds after a branch: leaves by number of result, or as they are."""

    def __init__(self, fill: Callable[[list[Any], Any], Any]) -> None:
        self.fill = fill


def _as_is(value: Any) -> _Merged:
    return _Merged(lambda values, condition: value)


class _Merger:
    """Finds the results of the operation: the leaves that the two sides leave differently."""

    def __init__(self, yes: _Side, no: _Side, where: str) -> None:
        self.sides = (yes, no)
        self.where = where
        self.types: list[Any] = []
        self.columns: tuple[list[Any], list[Any]] = ([], [])
        self.arrays: dict[tuple[int, int], tuple[int, tuple[Any, Any]]] = {}
        self.links: list[tuple[int, Any, int | None]] = []
        self.unusable: dict[int, str] = {}

    def _in_side(self, k: int, make: Callable[[], Any]) -> Any:
        """Do something where a side has ended, with what it has changed."""
        side = self.sides[k]
        for location, _, now in side.changes:
            location.set(now)
        for x, why in side.spoilt:
            x._moved = why
        try:
            with continuing(side.builder):
                return make()
        finally:
            for location, before, _ in reversed(side.changes):
                location.set(before)
            for x, _ in side.spoilt:
                x._moved = None

    def _type(self, k: int, leaf: Any) -> Any:
        side = self.sides[k]
        return self._in_side(k, lambda: exported(type_of_leaf(leaf), side.builder))

    def _result(self, type: Any, a: Any, b: Any) -> int:
        """Add a result; ``a`` or ``b`` may be missing."""
        if type.kind == "array":
            known = self.arrays.get((id(a), id(b)))
            if known is not None:
                return known[0]
            self.arrays[id(a), id(b)] = (len(self.types), (a, b))
        for k, leaf in enumerate((a, b)):
            why = None
            if isinstance(leaf, Staged):
                why = self._in_side(k, lambda leaf=leaf: spoilt(leaf))
            if why is not None:
                self.unusable[len(self.types)] = why
            if leaf is _MISSING or self.sides[k].raises or why is not None:
                value = self._in_side(k, lambda: emit_undefined(type))
            else:
                value = self._in_side(k, lambda leaf=leaf: convert(leaf, type))
            self.columns[k].append(value)
        self.types.append(type)
        return len(self.types) - 1

    def connect(self) -> None:
        """Add results that tell which of the arrays are which, where the condition does not."""
        merged = list(self.arrays.values())
        for at, (number, pair) in enumerate(merged):
            for other in self._around(pair):
                self._connect(number, other, [self._same(k, pair[k], other) for k in (0, 1)])
            for other, others in merged[:at]:
                self._connect(number, other, [self._same(k, pair[k], others[k]) for k in (0, 1)])

    def _around(self, pair: tuple[Any, Any]) -> list[Staged]:
        """Return the arrays from around the branch that a result may be."""
        found: dict[int, Staged] = {}
        for k, leaf in enumerate(pair):
            around = self.sides[k].builder.parent
            if isinstance(leaf, Staged) and around is not None:
                root = root_of(leaf)
                known = [root, *[doubt.other for doubt in root._doubts]]
                found.update({id(x): x for x in known if around.sees(x._value)})
        return list(found.values())

    def _same(self, k: int, x: Any, y: Any) -> Any:
        """Tell whether two arrays are the same on a side; None: nobody knows."""
        if not (isinstance(x, Staged) and isinstance(y, Staged)) or self.sides[k].raises:
            return False
        return same(x, y)

    def _connect(self, number: int, other: Any, when: list[Any]) -> None:
        if all(x is False for x in when):
            return
        known: Any = None
        if all(x is not None for x in when):
            known = len(self.types)
            self.types.append(type_of_leaf(True))
            for k, x in enumerate(when):
                self.columns[k].append(self._in_side(k, lambda x=x: value_of(x)))
        self.links.append((number, other, known))

    def link(self, values: list[Any]) -> None:
        """Note which of the results may share memory with each other or with what was there."""
        for k, why in self.unusable.items():
            spoil(values[k], why)
        vague = []
        for number, other, when in self.links:
            y = values[other] if type(other) is int else other
            if when is None:
                vague.append((values[number], y))
            else:
                link(values[number], y, values[when])
        may_share(vague, CHOSEN)

    def cell(self, a: Any, b: Any) -> _Merged:
        self.types.append(a.type)
        for column, value in zip(self.columns, (a, b), strict=True):
            column.append(value)
        number = len(self.types) - 1
        return _Merged(lambda values, condition: values[number])

    def place(self, what: str, a: Any, b: Any) -> _Merged:
        yes, no = self.sides
        if a is b:
            return _as_is(a)
        if no.raises:
            b = a if a is not UNBOUND else b
            return self._one_sided(what, a, 0)
        if yes.raises:
            return self._one_sided(what, b, 1)
        if a is UNBOUND or b is UNBOUND or isinstance(a, Pending) or isinstance(b, Pending):
            return self._pending(what, a, b)
        leaves, spec = self._in_side(0, lambda: tree.flatten(a))
        others, other_spec = self._in_side(1, lambda: tree.flatten(b))
        if spec != other_spec:
            return self._conflict(what, a, b)
        numbers: list[Any] = []
        for x, y in zip(leaves, others, strict=True):
            if x is y or _same(x, y):
                numbers.append(x)
                continue
            if not (is_numeric(x) and is_numeric(y)):
                return self._conflict(what, a, b)
            type = join(self._type(0, x), self._type(1, y))
            if type is None:
                return self._conflict(what, a, b)
            numbers.append(_Number(self._result(type, x, y)))
        return _Merged(lambda values, condition: tree.unflatten(spec, _filled(numbers, values)))

    def _one_sided(self, what: str, value: Any, k: int) -> _Merged:
        """Merge what one side leaves when the other one raises."""
        if value is UNBOUND:
            return _as_is(value)
        bound: Any = True
        if isinstance(value, Pending):
            value, bound = value.value, value.bound
        leaves, spec = self._in_side(k, lambda: tree.flatten(value))
        numbers: list[Any] = []
        for x in leaves:
            if not isinstance(x, Staged) and not is_staged_integer(x):
                numbers.append(x)
                continue
            pair = (x, _MISSING) if k == 0 else (_MISSING, x)
            numbers.append(_Number(self._result(self._type(k, x), *pair)))
        if bound is True:
            return _Merged(lambda values, condition: tree.unflatten(spec, _filled(numbers, values)))
        pair = (bound, False) if k == 0 else (False, bound)
        flag = self._result(type_of_leaf(True), *pair)
        return _Merged(
            lambda values, condition: Pending(
                tree.unflatten(spec, _filled(numbers, values)), values[flag]
            )
        )

    def _pending(self, what: str, a: Any, b: Any) -> _Merged:
        """Merge a name that is bound on one side, or may be unbound."""
        sides = []
        for x in (a, b):
            if x is UNBOUND:
                sides.append((_MISSING, False))
            elif isinstance(x, Pending):
                sides.append((x.value, x.bound))
            else:
                sides.append((x, True))
        (va, fa), (vb, fb) = sides
        if va is _MISSING or vb is _MISSING:
            k, given = (1, vb) if va is _MISSING else (0, va)
            leaves, spec = self._in_side(k, lambda: tree.flatten(given))
            missing = [_MISSING] * len(leaves)
            pairs = list(zip(missing, leaves) if va is _MISSING else zip(leaves, missing))
        else:
            leaves, spec = self._in_side(0, lambda: tree.flatten(va))
            others, other = self._in_side(1, lambda: tree.flatten(vb))
            if other != spec:
                return self._conflict(what, a, b)
            pairs = list(zip(leaves, others, strict=True))
        numbers: list[Any] = []
        for x, y in pairs:
            one = y if x is _MISSING else x
            if not is_numeric(one):
                if x is _MISSING or y is _MISSING or x is y or _same(x, y):
                    numbers.append(one)
                    continue
                return self._conflict(what, a, b)
            if x is _MISSING:
                type = self._type(1, y)
            elif y is _MISSING:
                type = self._type(0, x)
            else:
                type = join(self._type(0, x), self._type(1, y))
                if type is None:
                    return self._conflict(what, a, b)
            numbers.append(_Number(self._result(type, x, y)))
        flag = self._result(type_of_leaf(True), fa, fb)
        return _Merged(
            lambda values, condition: Pending(
                tree.unflatten(spec, _filled(numbers, values)), values[flag]
            )
        )

    def _conflict(self, what: str, a: Any, b: Any) -> _Merged:
        message = (
            f"{what} is {_short(a)} on one side of the branch at {self.where} and {_short(b)} on "
            "the other; which one is known at run time only, and only numbers, arrays and "
            "containers of them of the same structure can be chosen between then"
        )
        return _as_is(Conflict(message))


class _Number:
    """Stands for a result of the operation."""

    def __init__(self, number: int) -> None:
        self.number = number


CHOSEN = (
    "an array is a part of one or another, which is known at run time only (a name was bound to "
    "them on two sides of a branch), and one of them was stored into: make a copy on each side"
)


def _filled(numbers: list[Any], values: list[Any]) -> list[Any]:
    return [values[n.number] if isinstance(n, _Number) else n for n in numbers]


class Conflict:
    """What a name holds when the sides of a staged branch bind it to what cannot be merged."""

    __slots__ = ("_message",)

    def __init__(self, message: str) -> None:
        object.__setattr__(self, "_message", message)

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise CannotStage(object.__getattribute__(self, "_message"))

    __getattr__ = __call__ = __getitem__ = __setitem__ = __iter__ = __len__ = __bool__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __eq__ = __ne__ = _refuse
    __truediv__ = __rtruediv__ = __lt__ = __gt__ = __le__ = __ge__ = __index__ = _refuse
    __float__ = __int__ = __str__ = __contains__ = __neg__ = __matmul__ = _refuse
    __hash__: Any = None


def wrap_plain(value: Any) -> Staged:
    return Staged._class(value)


def is_staged_integer(x: Any) -> bool:
    return isinstance(x, Dim)


def _same(x: Any, y: Any) -> bool:
    return same_constant(x, y)


def _short(x: Any) -> str:
    if x is UNBOUND:
        return "unbound"
    text = repr(x)
    return text if len(text) < 60 else f"a {type(x).__name__}"


# -- expressions -----------------------------------------------------------------------------------


def expression(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    """Return ``yes() if condition else no()`` of a staged condition."""
    name = "the value"
    branch = Branch(condition, (name,), {}, {})
    for side in branch:
        try:
            value = yes() if side else no()
            branch.leave({name: value}, {})
        except BaseException as error:
            if not branch.failed(error):
                raise
    result = branch.state.get(name, UNBOUND)
    if isinstance(result, Conflict):
        result._refuse()
    return result


def if_(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    """``yes() if condition else no()``."""
    if not is_abstract(condition):
        return yes() if condition else no()
    return expression(condition, yes, no)


def and_(a: Any, b: Callable[[], Any]) -> Any:
    """``a and b()``."""
    if not is_abstract(a):
        return a and b()
    return expression(a, b, lambda: a)


def or_(a: Any, b: Callable[[], Any]) -> Any:
    """``a or b()``."""
    if not is_abstract(a):
        return a or b()
    return expression(a, lambda: a, b)


def not_(a: Any) -> Any:
    """``not a``."""
    if not is_abstract(a):
        return not a
    return not_value(truth(a))


def test(a: Any) -> Any:
    """Return a value whose truth Python needs now.

    Raises
    ------
    CannotStage
        If it is known at run time only.
    """
    if is_abstract(a):
        raise CannotStage(
            "a condition is known at run time only, where Python needs it when the function is "
            "staged (beside :=, await or yield, in a guard of match, or in a comprehension)",
            a,
        )
    return a
