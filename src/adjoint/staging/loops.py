"""Loops: ``for`` and ``while`` as operations, as Python, or unrolled.

Rewritten code runs the body of a loop in its own frame, under a Python ``for`` over one of these
objects; they decide how often it is run. A pass that stages runs it once, on a loop index and
carried values that are parameters of a block (`adjoint.staging.carry` finds what is carried); a
loop that runs as Python runs it as often as Python would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

from adjoint import tree
from adjoint.ir.build import Builder, continuing, innermost, users_place
from adjoint.ir.core import Block
from adjoint.ir.dims import Dim
from adjoint.ir.edit import copied, exported, substitute
from adjoint.ir.graph import Value
from adjoint.ir.types import python_type
from adjoint.ops import control
from adjoint.staged.integers import Integer, NeedsConstant, compare
from adjoint.staged.scopes import note, rollback
from adjoint.staged.sharing import release, retain, spoilt
from adjoint.staged.values import Staged, value_of, wrap
from adjoint.staging.carry import Carry
from adjoint.staging.items import Range, as_items
from adjoint.staging.memory import Memory, memory_around
from adjoint.staging.outside import seen
from adjoint.staging.session import session
from adjoint.staging.state import UNBOUND, CannotStage, Pending, Plan, emit_undefined
from adjoint.staging.truth import and_values, is_abstract, not_value, or_values, select, truth

__all__ = ["ForLoop", "WhileLoop"]

INT = python_type(int)
BOOL = python_type(bool)


def picked(names: tuple[str, ...], local: dict[str, Any], outer: dict[str, Any]) -> dict[str, Any]:
    """Return what names are bound to, of those that are bound."""
    state = {}
    for name in names:
        if name in local:
            state[name] = local[name]
        elif name in outer and " " not in name:
            state[name] = outer[name]
    return state


class _Loop:
    """What both kinds of loop share."""

    kind = "the loop"

    def __init__(
        self,
        names: tuple[str, ...],
        targets: tuple[str, ...],
        local: dict[str, Any],
        outer: dict[str, Any],
        concrete: bool,
    ) -> None:
        self.names = names
        self.targets = targets
        self.state = picked((*names, *targets), local, outer)
        self.concrete = concrete
        self.done = False
        self.reason: CannotStage | None = None
        self.builder: Builder | None = None
        self.place = users_place()
        self.memory: Memory | None = None
        self.known_as: Any = None

    # -- called by rewritten code ------------------------------------------------------------------

    def enter(self) -> tuple[Any, ...]:
        """Return what the names are bound to at the start of a pass."""
        return tuple(self.state.get(name, UNBOUND) for name in self.names)

    def results(self) -> tuple[Any, ...]:
        """Return what names and targets are bound to after the loop."""
        return tuple(self.state.get(name, UNBOUND) for name in (*self.names, *self.targets))

    def failed(self, error: BaseException) -> bool:
        """Tell whether to go on although the pass ended with ``error``: with the loop unrolled."""
        if self.builder is None:
            return False
        self._abandon()
        if isinstance(error, (CannotStage, NeedsConstant)) and self._can_unroll():
            session().note_unrolled(self.place, str(error))
            self.concrete = True
            self.reason = error if isinstance(error, CannotStage) else None
            self.state = dict(self.initial)
            return True
        if isinstance(error, CannotStage):
            error.culprits.append(self._passes())
        return False

    # -- inside ------------------------------------------------------------------------------------

    def _can_unroll(self) -> bool:
        raise NotImplementedError

    def _passes(self) -> Any:
        """Return how often the loop runs, if that is known before it runs."""
        return None

    def _abandon(self) -> None:
        builder, self.builder = self.builder, None
        if builder is not None:
            release(builder)
            rollback(builder)
            _leave_block(builder)

    def _begin(self) -> Builder:
        builder = self.builder = _enter_block()
        builder.data["memory"] = self.memory = Memory(self.memory)
        return builder

    def _site(self) -> Any:
        return (self.place, self.names, self.targets)

    def _new_carry(self) -> Carry:
        self.initial = dict(self.state)
        carry = Carry((*self.names, *self.targets), self.state, f"the loop at {where(self.place)}")
        around = memory_around(innermost())
        remembered: dict[Any, Any] = {}
        self.memory = None
        if around is not None:
            self.known_as, remembered, self.memory = around.begin(self._site())
        carry.start(remembered)
        return carry

    def _remember(self, carry: Carry) -> None:
        """Tell the pass around what this loop carries, for the next one."""
        assert self.builder is not None and self.memory is not None
        around = memory_around(self.builder.parent)
        if around is not None:
            around.found[self.known_as] = (carry.remembered(), self.memory)

    def _operation_state(self, carry: Carry, values: list[Any]) -> dict[str, Any]:
        """Return what names are bound to after the operation, given its results."""
        values = list(values)
        state = carry.give_back(values)
        for (location, _), value in zip(carry.cells, values, strict=True):
            note(location)
            location.set(value_of(value))
        return {name: value for name, value in state.items() if value is not UNBOUND}


def _enter_block() -> Builder:
    context = continuing(Builder(innermost()))
    context.__enter__()
    builder = innermost()
    builder.data["context"] = context
    return builder


def _leave_block(builder: Builder) -> None:
    builder.data.pop("context").__exit__(None, None, None)


def where(place: Any) -> str:
    """Return a place for messages."""
    return f"{place[0]}:{place[1]}" if place else "an unknown line"


def finish_body(carry: Carry, builder: Builder) -> list[Value]:
    """Give the body its results, and parameters for what was found last; return those results.

    In the block: carried values, which of them are the same arrays, then (value, bound) of names
    that the body binds first, and which arrays these are, then arrays that are changed in place.
    """
    block = builder.block
    results = carry.results()
    for key, (plan, bound) in carry.late.items():
        leaves = _leaves(carry.after[key])
        params = []
        for leaf, type in zip(leaves, plan.types, strict=True):
            if type is not None:
                kept = exported(type, builder)
                param = builder.parameter(kept)
                params.append(param)
                value = leaf
                if isinstance(leaf, Staged) and spoilt(leaf) is not None:
                    value = wrap(param)
                elif bound is not True:
                    value = select(bound, leaf, wrap(param))
                results.append(value_of(value))
        flag = builder.parameter(BOOL)
        results.append(value_of(True if bound is True else or_values(bound, wrap(flag))))
    bounds = {key: bound for key, (_, bound) in carry.late.items()}
    results += carry.aliases.add_late(builder, bounds)
    for location, before in carry.cells:
        param = builder.parameter(before.type)
        substitute(block, {before: param})
        results.append(location.get() if location.get() is not before else param)
    return results


def _leaves(value: Any) -> list[Any]:
    return tree.flatten(value.value if isinstance(value, Pending) else value)[0]


def initial_values(carry: Carry, block: Block, count: int) -> list[Value]:
    """Return what the parameters of a loop's block are before it; ``count`` are not carried."""
    inits = carry.inits()
    k = count + len(inits)
    for plan, _ in carry.late.values():
        for type in plan.types:
            if type is not None:
                inits.append(emit_undefined(block.parameters[k].type))
                k += 1
        inits.append(value_of(False))
        k += 1
    inits += [value_of(False) for _ in carry.aliases.late_flags]
    inits += [before for _, before in carry.cells]
    return inits


def _with_last(iterable: Any) -> Iterator[tuple[Any, bool]]:
    """Yield items, each with whether it is known to be the last."""
    items: Any = iterable
    count = len(items) if isinstance(items, Sized) else None
    for k, item in enumerate(iterable, 1):
        yield item, k == count


class ForLoop(_Loop):
    """``for`` over something."""

    def __init__(
        self,
        iterable: Any,
        names: tuple[str, ...],
        targets: tuple[str, ...],
        local: dict[str, Any],
        outer: dict[str, Any],
        concrete: bool = False,
    ) -> None:
        super().__init__(names, targets, local, outer, concrete)
        self.iterable = iterable
        items = as_items(iterable)
        if items is None or items.fixed or (type(items.length) is int and items.length < 2):
            self.concrete = True
        self.items = items
        if self.concrete and items is not None and isinstance(items.length, Dim):
            raise CannotStage(
                f"the loop at {where(self.place)} contains yield or await, or runs over a list "
                "beside an array, and how often it runs is known at run time only",
                items.length,
            )
        self.initial = dict(self.state)

    def __iter__(self) -> Iterator[Any]:
        if not self.concrete:
            yield from self._staged()
        if not self.concrete:
            return
        self.stop = False
        self.last = False
        for count, (item, last) in enumerate(_with_last(seen(self.iterable)), 1):
            self.last = last
            if self.reason is not None or session().unrolled(self.place):
                session().check_unrolled(self.place, count)
            yield item
            if self.stop:
                return

    def leave(self, local: dict[str, Any], outer: dict[str, Any], stop: Any) -> None:
        """End a pass."""
        state = picked((*self.names, *self.targets), local, outer)
        if self.builder is None:
            if isinstance(stop, Staged) and self.last:
                stop = True  # there is no other pass
            if isinstance(stop, Staged):
                if self.reason is not None:
                    raise self.reason
                raise CannotStage(
                    f"the loop at {where(self.place)} runs as Python, but a condition that is "
                    "at run time only ends it",
                    stop,
                )
            self.state = state
            self.stop = stop
            return
        self._finish_pass(state, stop)

    def _can_unroll(self) -> bool:
        items = self.items
        return items is None or type(items.length) is int

    def _passes(self) -> Any:
        return self.items.length if self.items is not None else None

    def _staged(self) -> Iterator[Any]:
        items = self.items
        assert items is not None
        carry = self._new_carry()
        for _ in range(30):
            builder = self._begin()
            index = builder.parameter(INT)
            if isinstance(items, Range):
                self._bound_index(index, items)
                item: Any = Integer(0, ((index, 1),))
            else:
                index.bounds = (0, items.length - 1)
                item = items.get(Integer(0, ((index, 1),)))
            self.index = index
            self.carry = carry
            self.state = carry.enter(builder)
            self.finished = False
            yield item
            if self.concrete or self.finished:
                return
        raise CannotStage(
            f"what the loop at {where(self.place)} carries changes its type without end"
        )

    def _bound_index(self, index: Value, items: Range) -> None:
        if all(type(n) is int for n in (items.lo, items.hi)):
            passes = range(items.lo, items.hi, items.step)
            ends = (passes[0], passes[-1]) if passes else (0, 0)
            index.bounds = (min(ends), max(ends))
        elif items.step > 0:
            index.bounds = (items.lo, items.hi - 1)
        else:
            index.bounds = (items.hi + 1, items.lo)

    def _finish_pass(self, state: dict[str, Any], stop: Any) -> None:
        carry, builder = self.carry, self.builder
        assert builder is not None and self.items is not None
        if stop is True:
            raise CannotStage(f"the loop at {where(self.place)} ends in its first pass in any case")
        again = carry.leave(builder, state)
        self._remember(carry)
        if again:
            self._abandon()
            return
        results = finish_body(carry, builder)
        block = builder.block
        self.builder = None
        if stop is False:
            block.results = results
        else:
            ended = value_of(stop)
        unusable = release(builder)
        rollback(builder)
        _leave_block(builder)
        inits = initial_values(carry, block, 1)
        types = tuple(p.type for p in block.parameters[1:])
        items = self.items
        if stop is False:
            if isinstance(items, Range):
                lo, hi, step = items.lo, items.hi, items.step
            else:
                lo, hi, step = 0, items.length, 1
            inputs = (value_of(lo), value_of(hi), value_of(step), *inits)
            values = _emit(control.for_loop, inputs, types, (block,), self.place)
        else:
            values = self._emit_while(block, results, ended, inits, types)
        retain(unusable)
        self.state = self._operation_state(carry, values)
        self.finished = True

    def _emit_while(
        self, block: Block, results: list[Value], ended: Value, inits: list[Value], types: Any
    ) -> list[Any]:
        """Record a loop that may end early: a while over the number of the pass."""
        items = self.items
        assert items is not None
        step = items.step if isinstance(items, Range) else 1
        lo, hi = (items.lo, items.hi) if isinstance(items, Range) else (0, items.length)
        index = block.parameters[0]
        over = Value(None, (), None, BOOL)
        block.parameters.insert(1, over)
        builder = _enter_block()
        builder.block = block
        builder.own.update(walk_own(block))
        following = value_of(Integer(0, ((index, 1),)) + step)
        _leave_block(builder)
        block.results = [following, ended, *results]
        builder = _enter_block()
        k = builder.parameter(INT)
        stopped = builder.parameter(BOOL)
        for type in types:
            builder.parameter(type)
        number = Integer(0, ((k, 1),))
        more = compare("<" if step > 0 else ">", number, hi)
        builder.block.results = [value_of(and_values(not_value(wrap(stopped)), more))]
        _leave_block(builder)
        inputs = (value_of(lo), value_of(False), *inits)
        values = _emit(
            control.while_loop, inputs, (INT, BOOL, *types), (builder.block, block), self.place
        )
        return values[2:]


def walk_own(block: Block) -> list[Value]:
    """Return the values that a block defines itself."""
    return [*block.parameters, *block.nodes]  # type: ignore[list-item]


def _emit(
    op: Any,
    inputs: tuple[Value, ...],
    types: tuple[Any, ...],
    blocks: tuple[Block, ...],
    place: Any,
) -> list[Any]:
    value = innermost().emit(op, inputs, {}, types, blocks, place)
    return list(wrap(value))


class WhileLoop(_Loop):
    """``while``."""

    def __init__(
        self,
        names: tuple[str, ...],
        local: dict[str, Any],
        outer: dict[str, Any],
        concrete: bool = False,
    ) -> None:
        super().__init__(names, (), local, outer, concrete)
        self.initial = dict(self.state)
        self.ended = False

    def __iter__(self) -> Iterator[Any]:
        if not self.concrete:
            yield from self._staged()
        count = 0
        while self.concrete and not self.ended:
            count += 1
            if session().unrolled(self.place):
                session().check_unrolled(self.place, count)
            yield None

    def test(self, value: Any) -> bool:
        """Take the condition's value; tell whether the body is to be run."""
        if self.builder is None:
            if is_abstract(value):
                if self.reason is not None:
                    raise self.reason
                raise CannotStage(
                    f"the while loop at {where(self.place)} runs as Python, but its condition is "
                    "known at run time only",
                    value,
                )
            self.ended = not value
            return not self.ended
        if is_abstract(value):
            self.condition = value_of(truth(value))
            self.split = len(self.builder.block.nodes)
            return True
        if not value:
            # False whatever the carried values are: the body never runs.
            self._abandon()
            self.state = dict(self.initial)
            self.finished = True
            return False
        self.condition = None
        return True

    def leave(self, local: dict[str, Any], outer: dict[str, Any]) -> None:
        """End a pass."""
        state = picked(self.names, local, outer)
        if self.builder is None:
            self.state = state
            return
        self._finish_pass(state)

    def _can_unroll(self) -> bool:
        return True

    def _staged(self) -> Iterator[Any]:
        carry = self._new_carry()
        for key, value in carry.before.items():
            # What counts the passes is carried from the first on.
            if type(value) is int and key not in carry.plans and " " not in str(key):
                carry.plans[key] = _carried_number(value)
        for _ in range(30):
            builder = self._begin()
            self.carry = carry
            self.state = carry.enter(builder)
            self.finished = False
            yield None
            if self.concrete or self.finished:
                return
        raise CannotStage(
            f"what the loop at {where(self.place)} carries changes its type without end"
        )

    def _finish_pass(self, state: dict[str, Any]) -> None:
        carry, builder = self.carry, self.builder
        assert builder is not None
        again = carry.leave(builder, state)
        self._remember(carry)
        if again:
            self._abandon()
            return
        if self.condition is None:
            raise CannotStage(
                f"the condition of the while loop at {where(self.place)} does not depend on "
                "anything that is known at run time only"
            )
        results = finish_body(carry, builder)
        block = builder.block
        self.builder = None
        block.results = results
        unusable = release(builder)
        rollback(builder)
        _leave_block(builder)
        condition = copied(block, self.split, [self.condition])
        inits = initial_values(carry, block, 0)
        types = tuple(p.type for p in block.parameters)
        values = _emit(control.while_loop, tuple(inits), types, (condition, block), self.place)
        retain(unusable)
        self.state = self._operation_state(carry, values)
        self.finished = True
        self.ended = True


def _carried_number(value: int) -> Any:
    leaves, spec = tree.flatten(value)
    return Plan(spec, leaves, [INT])
