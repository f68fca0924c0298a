"""Which updates may happen in place.

In a graph an ``update`` is a new value, and the old one stays what it was. Its memory may be used
for the new one if nobody can tell: if the program owns it and no value that may share it
(`adjoint.transforms.sharing`) is used afterwards. A value that is changed in place keeps the tokens
it had; what comes out of an ``if`` has those of both branches.

In the body of a loop, a token stands for what its operation made in this iteration. A carried value
has a token of its own, for what it holds when the iteration begins, and beside it

* those tokens of its initial value that are foreign or belong to a value that the loop captures or
  that is used after it (the rest nobody can see: the loop takes the memory over);
* the tokens from around the loop that its result in the body has (a captured array);
* a token in common with each carried value that may hold the same memory: because their initial
  values do or their results in the body do. ``u, v = v, u`` gives them none.

These sets are the least fixed point, found by walking the body until nothing is added; an update
that is once found to be impossible in place stays so, and so the walk ends.

Where only what a carried value held at entry, or what a back edge gives it, is in the way of an
update in the body, that is copied instead: once before the loop, or at each back edge. It is done
at the outermost loop where it helps, and the loop is analysed again.

Where only views of an array are in the way, they are copied when they are made: a part costs less
than the whole. So is what a stack keeps, if it is changed later, or if it is a part of an array
that the loop makes: a stack of views would keep all those arrays alive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adjoint.ir.core import Block
from adjoint.ir.graph import Function, Value, values_in, walk
from adjoint.ir.types import StackType, Type
from adjoint.ops import control
from adjoint.ops.indexing import index_add, update
from adjoint.ops.structural import project_result
from adjoint.transforms.carried import Carried
from adjoint.transforms.lifetimes import Key, Lifetimes, parts
from adjoint.transforms.provenance import Provenance, is_stack
from adjoint.transforms.sharing import (
    FOREIGN,
    NONE,
    NOTHING,
    Memory,
    Scope,
    Sharing,
    Tokens,
    gathers_in,
    may_view,
    refers,
    takes_part,
)

__all__ = ["CONSUMING", "Copy", "Ownership", "analyse", "copies"]

CONSUMING = frozenset({update, index_add, control.push, control.entry_add})
"""The operations that change their first operand, where they may."""

_LOOPS = frozenset({control.for_loop, control.while_loop})


@dataclass(slots=True)
class Ownership:
    """What the analysis of a function found.

    Attributes
    ----------
    in_place : dict
        Of every operation of `CONSUMING`: whether it changes its first operand.
    reused : dict
        Elementwise operation → the operand (by number) whose memory its result takes.
    apart : set
        Stores in place of a value that may share memory with what it is stored into, where NumPy
        does not take care of that: the value is copied.
    kept : set
        The operations that copy the array that they put into a stack.
    detached : set
        The views that are copied when they are made.
    entry, back : dict
        Loop → the carried values (by number) that are copied before it, at each back edge.
    handed : dict
        Call → the arguments (by number) whose memory the called function may change.
    results : frozenset
        The function's results (by number) that are copied: they may share memory with an argument,
        a constant or another result.
    sharing : Sharing or None
        Which values may share memory, as it was found.
    """

    in_place: dict[Value, bool] = field(default_factory=dict)
    reused: dict[Value, int] = field(default_factory=dict)
    apart: set[Value] = field(default_factory=set)
    kept: set[Value] = field(default_factory=set)
    detached: set[Value] = field(default_factory=set)
    entry: defaultdict[Value, set[int]] = field(default_factory=lambda: defaultdict(set))
    back: defaultdict[Value, set[int]] = field(default_factory=lambda: defaultdict(set))
    handed: dict[Value, frozenset[int]] = field(default_factory=dict)
    results: frozenset[int] = frozenset()
    sharing: Sharing | None = None


def analyse(
    function: Function,
    owned: frozenset[int] = frozenset(),
    lifetimes: Lifetimes | None = None,
    in_place: bool = True,
) -> Ownership:
    """Find out which updates of a function may happen in place.

    Parameters
    ----------
    function : Function
    owned : frozenset of int
        The arguments that the caller hands over: nobody else refers to their memory.
    lifetimes : Lifetimes, optional
        Of the function's block, if they are known.
    in_place : bool
        False: none may. What a program means does not depend on it.
    """
    return _Analysis(function, owned, lifetimes or Lifetimes(function.block), in_place).found


@dataclass(frozen=True, slots=True)
class Copy:
    """A place where a whole array (or stack) is copied.

    Attributes
    ----------
    value : Value
        The update, or the loop.
    what : str
        ``"update"``, ``"view"`` (that would be in the way of an update), ``"keep"`` (in a stack),
        ``"entry"`` or ``"back edge"`` of a loop.
    """

    value: Value
    what: str

    def __str__(self) -> str:
        name = self.value.op.name if self.value.op is not None else "parameter"
        at = f" at {self.value.place[0]}:{self.value.place[1]}" if self.value.place else ""
        return f"{self.what}: {name}{at}"


def copies(function: Function) -> list[Copy]:
    """Return the places in loop bodies where a whole array is copied for want of ownership.

    A function that is called in a loop counts as part of it. A program that fills arrays element by
    element takes time proportional to the number of elements if the list is empty.
    """
    return list(_copies(function, frozenset(), False, set()))


def _copies(
    function: Function, owned: frozenset[int], inside: bool, seen: set[Any]
) -> Iterator[Copy]:
    if (function, owned, inside) in seen:
        return
    seen.add((function, owned, inside))
    found = analyse(function, owned)

    def of_block(block: Block, inside: bool) -> Iterator[Copy]:
        node: Value
        for node in block.nodes:
            if inside and not found.in_place.get(node, True):
                yield Copy(node, "update")
            if inside and node in found.kept and not takes_part(node.inputs[1]):
                yield Copy(node, "keep")
            if inside and node in found.detached and not takes_part(node):
                yield Copy(node, "view")
            if inside and found.entry.get(node):
                yield Copy(node, "entry")
            if found.back.get(node):
                yield Copy(node, "back edge")
            if node.op is control.call:
                yield from _copies(node.params["function"], found.handed[node], inside, seen)
            for inner in node.blocks:
                yield from of_block(inner, inside or node.op is not control.cond)

    yield from of_block(function.block, inside)


class _Restart(Exception):
    """A loop copies one more of its carried values, and is to be analysed again."""

    def __init__(self, loop: Value) -> None:
        self.loop = loop


class _Analysis:
    def __init__(
        self, function: Function, owned: frozenset[int], lifetimes: Lifetimes, allowed: bool
    ) -> None:
        self.lifetimes = lifetimes
        self.allowed = allowed
        self.kept: set[Value] = set()
        self.detached: set[Value] = set()
        self.again = True
        while self.again:
            self.again = False
            self.known = frozenset(self.detached)
            self._analyse(function, owned)

    def _analyse(self, function: Function, owned: frozenset[int]) -> None:
        self.sharing = sharing = Sharing(self.lifetimes)
        self.found = Ownership(kept=self.kept, detached=self.detached, sharing=sharing)
        self.provenance = Provenance(sharing)
        self.impossible: set[Value] = set()
        self.carried: dict[Value, Carried] = {}

        block = function.block
        foreign = Memory(frozenset({FOREIGN}), frozenset({FOREIGN}))
        for k, param in enumerate(block.parameters):
            if k in owned:
                sharing.give_fresh(param)
            else:
                sharing.give(param, foreign)
        self._walk(block, None, frozenset())
        self.found.results = self._shared(block.results)

    # -- blocks and nodes --------------------------------------------------------------------------

    def _walk(self, block: Block, outer: Scope | None, again: frozenset[Key]) -> None:
        scope = Scope(block, self.lifetimes.last[block], outer, again)
        node: Value
        for at, node in enumerate(block.nodes):
            scope.at = at
            op = node.op
            if op in _LOOPS:
                self._loop(node, scope)
            elif op is control.cond:
                self._branches(node, scope)
            elif op is control.map_loop:
                self.sharing.loops.append(node)
                self._walk(node.blocks[0], scope, self.lifetimes.captured[node.blocks[0]])
                self.sharing.loops.pop()
                self.sharing.give_fresh(node)
            elif op is control.call:
                self._call(node, scope)
            elif op in CONSUMING:
                self._consume(node, scope)
            elif isinstance(node.type, tuple) or refers(node.type):
                self._ordinary(node, scope)

    def _ordinary(self, node: Value, scope: Scope) -> None:
        op, sharing = node.op, self.sharing
        assert op is not None
        if op is project_result:
            sharing.give(node, sharing.of((node.inputs[0], node.params["k"])))
        elif op is control.constant:
            sharing.give(node, Memory(frozenset({FOREIGN})))
        elif op is control.entry:
            held = sharing.of(node.inputs[0]).held
            sharing.give(node, Memory(held | sharing.fresh(node, "own"), held))
        elif may_view(node) and node not in self.detached:
            sharing.give(node, sharing.of_view(node))
        elif op is control.external or ("kwargs" in node.params and not node.inputs):
            # Any function of the user's or of NumPy's: who knows what it shares memory with.
            for key in parts(node):
                sharing.give(key, Memory(frozenset({FOREIGN})))
        elif isinstance(node.type, tuple):
            sharing.give_fresh(node)
        else:
            sharing.give(node, sharing.of_others(node))
            if isinstance(op.fn, np.ufunc):
                self._reuse(node, scope)

    def _reuse(self, node: Value, scope: Scope) -> None:
        """Let an elementwise operation write its result over an operand that nobody needs."""
        self.found.reused.pop(node, None)
        type = node.type
        if not isinstance(type, Type) or None in type.shape or node.params:
            return
        if node in self.impossible or not self.allowed:
            return
        for k, operand in enumerate(node.inputs):
            # A view may be a small part of what would be kept alive.
            if operand.type == type and not may_view(operand):
                memory = self.sharing.of(operand)
                if not self.sharing.in_use(memory.own, scope):
                    self.found.reused[node] = k
                    self.sharing.give(node, memory)
                    return
        self.impossible.add(node)

    def _consume(self, node: Value, scope: Scope) -> None:
        sharing = self.sharing
        memory, value = (sharing.of(v) for v in node.inputs)
        stack = isinstance(node.type, StackType)
        held = memory.held | self._keep(node, value) if stack else NONE
        allowed = self.allowed and node not in self.impossible
        if allowed:
            in_the_way = sharing.in_use(memory.own, scope)
            for param in values_in(node.params):
                in_the_way |= sharing.of(param).own & memory.own
            if in_the_way and not self._make_room(node, in_the_way, memory.own, scope):
                self.impossible.add(node)
                allowed = False
        self.found.in_place[node] = allowed
        self.found.apart.discard(node)
        if allowed:
            if not stack and value.own & memory.own and gathers_in(node.params["path"]):
                self.found.apart.add(node)
            sharing.give(node, Memory(memory.own, held))
        else:
            sharing.give(node, Memory(sharing.fresh(node, "own"), held))

    def _keep(self, node: Value, value: Memory) -> Tokens:
        """Return what a stack refers to through a value that is put into it."""
        sharing = self.sharing
        kept = node.inputs[1]
        if isinstance(kept.type, StackType):
            return value.all
        if may_view(kept) and sharing.any_in_a_loop(value.own - sharing.fresh(kept, "own")):
            self.kept.add(node)
        if node in self.kept:
            return sharing.fresh(node, "copy")
        for token in value.own:
            self.provenance.keepers[token].add(node)
        return value.own

    def _branches(self, node: Value, scope: Scope) -> None:
        outcomes = []
        for block in node.blocks:
            self._walk(block, scope, frozenset())
            outcomes.append([self.sharing.of(r) for r in block.results])
        for k, memories in enumerate(zip(*outcomes, strict=True)):
            memory = NOTHING
            for m in memories:
                memory |= m
            self.sharing.give((node, k), memory)

    def _call(self, node: Value, scope: Scope) -> None:
        sharing = self.sharing
        memories = [sharing.of(v).all for v in node.inputs]
        handed = set()
        for k, argument in enumerate(node.inputs):
            alone = not any(memories[k] & m for j, m in enumerate(memories) if j != k)
            candidate = self.allowed and refers(argument.type) and alone
            if candidate and not sharing.in_use(memories[k], scope):
                handed.add(k)
        self.found.handed[node] = frozenset(handed)
        sharing.give_fresh(node)

    def _shared(self, results: Sequence[Value]) -> frozenset[int]:
        """Return which results have to be copied before the caller gets them."""
        shared = set()
        given: set[int] = {FOREIGN}
        memories = [self.sharing.of(r).all for r in results]
        # Stacks first: an array may share memory with many entries, and is copied once.
        for k in sorted(range(len(results)), key=lambda k: not is_stack(results[k])):
            if memories[k] & given:
                shared.add(k)
            else:
                given |= memories[k]
        return frozenset(shared)

    # -- loops -------------------------------------------------------------------------------------

    def _loop(self, loop: Value, scope: Scope) -> None:
        loops = self.sharing.loops
        depth = len(loops)
        while True:
            loops.append(loop)
            try:
                state = self._settle(loop, scope)
                break
            except _Restart as restart:
                if restart.loop is not loop:
                    raise
                self._start_again(loop)
            finally:
                del loops[depth:]
        sharing = self.sharing
        for k, param in enumerate(state.tokens):
            own, held = sharing.fresh(loop, k, "own"), sharing.fresh(loop, k, "held")
            for token in own | held:
                self.provenance.sources[token] = param.all
            around = state.entry[k] | state.back[k] | self._common(state, k, "after", loop)
            sharing.give((loop, k), Memory(own, held) | around)

    def _start_again(self, loop: Value) -> None:
        for node in (node for block in loop.blocks for node in walk(block)):
            self.impossible.discard(node)
            self.found.entry.pop(node, None)
            self.found.back.pop(node, None)

    def _settle(self, loop: Value, scope: Scope) -> Carried:
        """Walk a loop's blocks until nothing new is found about its carried values."""
        sharing = self.sharing
        body = loop.blocks[-1]
        fixed = 3 if loop.op is control.for_loop else 0
        params: list[Value] = body.parameters[1 if fixed else 0 :]
        captured = frozenset().union(*[self.lifetimes.captured[b] for b in loop.blocks])
        state = self.carried[loop] = Carried(
            [Memory(sharing.fresh(p, "own"), sharing.fresh(p, "held")) for p in params]
        )
        taken = []
        for k, init in enumerate(loop.inputs[fixed:]):
            memory = sharing.of(init)
            if k in self.found.entry[loop]:
                memory = Memory(NONE, memory.held)
            seen = sharing.in_use(memory.all, scope, captured)
            state.entry[k] = Memory(memory.own & seen, memory.held & seen)
            taken.append(Memory(memory.own - seen, memory.held - seen))
            for token in state.tokens[k].all:
                self.provenance.sources[token] = memory.all
        state.pair(taken, True)
        new = True
        while new:
            sharing.forget_blocks(loop)
            self._enter(loop, params, state)
            if loop.op is control.while_loop:
                condition = loop.blocks[0]
                carried: Any = condition.parameters
                self._enter(loop, carried, state)
                self._walk(condition, scope, captured.union(carried))
            self._walk(body, scope, captured)
            new = self._leave(loop, body, state)
        return state

    def _enter(self, loop: Value, params: Iterable[Value], state: Carried) -> None:
        for k, param in enumerate(params):
            common = self._common(state, k, "in", loop)
            memory = state.tokens[k] | state.entry[k] | state.back[k] | common
            self.sharing.give(param, memory)

    def _common(self, state: Carried, k: int, where: str, loop: Value) -> Memory:
        """Return the tokens that carried value k has in common with others."""
        found: tuple[list[int], list[int]] = [], []
        for pair in state.pairs:
            for number, is_held in pair:
                if number == k:
                    token = self.sharing.token((loop, where, pair))
                    self.provenance.have_in_common(token, state.common[pair])
                    found[is_held].append(token)
        return Memory(*map(frozenset, found))

    def _leave(self, loop: Value, body: Block, state: Carried) -> bool:
        """Take in what the body gives; tell whether anything is new."""
        new = False
        made = []
        for k, result in enumerate(body.results):
            memory = self.sharing.of(result)
            if k in self.found.back[loop]:
                memory = Memory(NONE, memory.held)
            for token in state.tokens[k].all:
                self.provenance.sources[token] |= memory.all
            around = Memory(*[self.sharing.around(t, loop) for t in (memory.own, memory.held)])
            made.append(Memory(memory.own - around.own, memory.held - around.held))
            known = state.entry[k] | state.back[k]
            new |= known | around != known
            direct = around.own
            for j, carried in enumerate(state.tokens):
                if carried.own & memory.own:
                    direct -= state.entry[j].own | (NONE if j == k else state.back[j].own)
            state.direct[k] |= direct
            state.back[k] |= around
        return state.pair(made, False) or new

    def _make_room(self, node: Value, in_the_way: Tokens, own: Tokens, scope: Scope) -> bool:
        """Have something copied earlier, if that makes an update possible in place.

        Of views, that is done when the function is analysed again; until then it is taken as done.
        """
        users = {t: self.provenance.users(t, scope, node.inputs[0]) for t in in_the_way}
        rest = frozenset(t for t in in_the_way if not users[t])
        room = self._room(rest, own) if rest else None
        if rest != in_the_way and (not rest or room is not None):
            causes = set().union(*[found or () for found in users.values()])
            views = set(filter(may_view, causes))
            self.detached |= views
            if not self.detached - self.known:
                # What stacks keep may be such a view: that is seen when it is taken into account.
                self.kept |= causes - views
            self.again = True
            if not rest:
                return True
        elif rest != in_the_way:
            room = self._room(in_the_way, own)
        if room is not None:
            loop, copied, late = room
            copied |= late
            raise _Restart(loop)
        return False

    def _room(self, in_the_way: Tokens, own: Tokens) -> tuple[Value, set[int], set[int]] | None:
        """Return the outermost loop where copies make room for an update, and which.

        The carried values that are copied there, and those that have to be.
        """
        origins = self.provenance.origins(own)
        for loop in self.sharing.loops:
            state = self.carried.get(loop)
            if state is None:
                continue
            through = [k for k, memory in enumerate(state.tokens) if memory.own & origins]
            entry = {k: state.entry[k].own for k in through}
            back = {k: state.back[k].own for k in through}
            direct = {k: state.direct[k] for k in through}
            for pair, initial in state.pairs.items():
                common = self.sharing.fresh(loop, "in", pair)
                for k in through:
                    if (k, False) in pair:
                        for table in (entry,) if initial else (back, direct):
                            table[k] |= common
            if not in_the_way <= NONE.union(*entry.values(), *back.values()):
                continue
            at_entry, at_back = self.found.entry[loop], self.found.back[loop]
            for tokens, copied in ((entry, at_entry), (direct, at_back), (back, at_back)):
                late = {k for k in through if tokens[k] & in_the_way} - copied
                if late:
                    return loop, copied, late
        return None
