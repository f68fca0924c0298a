"""What is there after a branch: which of what its two sides leave behind are results.

What is bound on one side alone may be unbound afterwards; what cannot be chosen between at run time
is refused where it is used. Arrays come with truth values that tell which they are
(`adjoint.staged.sharing`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint import tree
from adjoint.ir.build import Builder, continuing
from adjoint.ir.dims import Dim
from adjoint.ir.edit import exported
from adjoint.ir.graph import Value, values_in
from adjoint.ops.indexing import Path
from adjoint.staged.scopes import Location, changes
from adjoint.staged.sharing import link, located, may_share, same, spoil, spoilt
from adjoint.staged.stores import same_path
from adjoint.staged.values import Staged, root_of, value_of
from adjoint.staging.carry import same_constant
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

__all__ = ["Conflict", "Merger", "Side"]

_MISSING = object()


CHOSEN = (
    "an array is a part of one or another, which is known at run time only (a name was bound to "
    "them on two sides of a branch), and one of them was stored into: make a copy on each side"
)


class Side:
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


class _Merged:
    """What a place holds after a branch: leaves by number of result, or as they are."""

    def __init__(self, fill: Callable[[list[Any], Any], Any]) -> None:
        self.fill = fill


def _as_is(value: Any) -> _Merged:
    return _Merged(lambda values, condition: value)


class Merger:
    """Finds the results of the operation: the leaves that the two sides leave differently."""

    def __init__(self, yes: Side, no: Side, where: str) -> None:
        self.sides = (yes, no)
        self.where = where
        self.types: list[Any] = []
        self.columns: tuple[list[Any], list[Any]] = ([], [])
        self.arrays: dict[tuple[int, int], tuple[int, tuple[Any, Any]]] = {}
        self.links: list[tuple[int, Any, int | None, Path]] = []
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
                self._connect(number, other, [self._located(k, pair[k], other) for k in (0, 1)])
            for other, others in merged[:at]:
                found = [self._same(k, pair[k], others[k]) for k in (0, 1)]
                if self._where_is_unknown(number, other):
                    found = [(None, ())] * 2
                self._connect(number, other, found)

    def _around(self, pair: tuple[Any, Any]) -> list[Staged]:
        """Return the arrays from around the branch that a result may be."""
        found: dict[int, Staged] = {}
        for k, leaf in enumerate(pair):
            if isinstance(leaf, Staged):
                root = root_of(leaf)
                known = [root, *[doubt.other for doubt in root._doubts]]
                found.update({id(x): x for x in known if self._sees(k, x._value)})
        return list(found.values())

    def _sees(self, k: int, value: Value) -> bool:
        around = self.sides[k].builder.parent
        return around is not None and around.sees(value)

    def _located(self, k: int, x: Any, y: Staged) -> tuple[Any, Path]:
        """Tell whether, and where, an array of a side is in one from around the branch."""
        if not isinstance(x, Staged) or self.sides[k].raises:
            return False, ()
        when, path = located(x, y)
        return (when if all(self._sees(k, v) for v in values_in(path)) else None), path

    def _same(self, k: int, x: Any, y: Any) -> tuple[Any, Path]:
        """Tell whether two arrays of a side are the same."""
        if not (isinstance(x, Staged) and isinstance(y, Staged)) or self.sides[k].raises:
            return False, ()
        when = same(x, y)
        if when is None and any(self._sees(k, root_of(a)._value) for a in (x, y)):
            when = False  # where each is in that array is known
        return when, ()

    def _where_is_unknown(self, number: int, other: int) -> bool:
        """Tell whether two results may be parts of one array, one of them nobody knows which."""
        mine, theirs = [
            {id(x): when for n, x, when, _ in self.links if n == k and isinstance(x, Staged)}
            for k in (number, other)
        ]
        return any(mine[k] is None or theirs[k] is None for k in mine.keys() & theirs.keys())

    def _connect(self, number: int, other: Any, found: list[tuple[Any, Path]]) -> None:
        paths = [path for when, path in found if when is not False]
        if not paths:
            return
        known: int | None = None
        if all(when is not None for when, _ in found) and same_path(paths[0], paths[-1]):
            known = len(self.types)
            self.types.append(type_of_leaf(True))
            for k, (when, _) in enumerate(found):
                self.columns[k].append(self._in_side(k, lambda x=when: value_of(x)))
        self.links.append((number, other, known, paths[0]))

    def link(self, values: list[Any]) -> None:
        """Note which of the results may share memory with each other or with what was there."""
        for k, why in self.unusable.items():
            spoil(values[k], why)
        vague = []
        for number, other, when, path in self.links:
            y = values[other] if type(other) is int else other
            if when is None:
                vague.append((values[number], y))
            else:
                link(values[number], y, values[when], path or None)
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
            if x is y or same_constant(x, y):
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
                if x is _MISSING or y is _MISSING or x is y or same_constant(x, y):
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


def is_staged_integer(x: Any) -> bool:
    return isinstance(x, Dim)


def _short(x: Any) -> str:
    if x is UNBOUND:
        return "unbound"
    text = repr(x)
    return text if len(text) < 60 else f"a {type(x).__name__}"
