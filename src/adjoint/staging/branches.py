"""Branches: ``if`` as an operation or as Python, and ``and``, ``or``, ``not``, ``a if c else b``.

A branch whose condition is known when the function is staged runs as Python. Of another, both sides
are run, each on the state before the branch; what they leave differently is a result of the
operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from adjoint.ir.build import Builder, innermost, users_place
from adjoint.ops import control
from adjoint.staged.scopes import ABSENT, Cell, rollback, write
from adjoint.staged.sharing import release, retain
from adjoint.staged.values import Staged, value_of, wrap
from adjoint.staging.carry import is_from_around
from adjoint.staging.loops import _enter_block, _leave_block, picked, where
from adjoint.staging.merging import Conflict, Merger, Side
from adjoint.staging.recursion import Bottom
from adjoint.staging.state import (
    UNBOUND,
    CannotStage,
    type_of_leaf,
)
from adjoint.staging.truth import is_abstract, not_value, truth

__all__ = ["Branch", "and_", "if_", "or_", "test"]


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
        self.sides: list[Side] = []
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
        side = Side(builder, state)
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
        for error in self.errors:  # the graph keeps them, and is not to keep what frames hold
            error.__traceback__ = error.__context__ = None
        merger = Merger(yes, no, where(self.place))
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
