"""Loops, and what they carry.

A carried number is in registers. A carried array that is changed in place stays where it is. Of any
other there are two memories: a pass reads the one and makes its result in the other, and then they
change roles. Small arrays of constant shape are copied instead, so that LLVM makes registers of
them.
"""

from __future__ import annotations

import math
from typing import Any

from adjoint.backends.llvm.lower import stacks
from adjoint.backends.llvm.lower.blocks import (
    before_control,
    carried,
    is_kept,
    lower_block,
    root,
    set_destination,
)
from adjoint.backends.llvm.lower.control import enter_loop, leave_loop
from adjoint.backends.llvm.lower.core import INT, Lowering
from adjoint.backends.llvm.lower.memory import (
    SMALL,
    allocate,
    begin_pass,
    end_pass,
    lasting,
    real_buffer,
)
from adjoint.backends.llvm.lower.moving import Growing, Moving, share, turn
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.polling import STRIP, charge, moderate, poll, weight
from adjoint.backends.llvm.lower.types import cast, in_registers, parts_of
from adjoint.backends.llvm.lower.values import Buffer, Lazy, Number, Stack
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.core import Block
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import StackType

__all__ = ["for_loop", "while_loop"]


class _Number:
    """A carried number."""

    def __init__(self, f: Lowering, init: Value, param: Value) -> None:
        self.f = f
        self.dtype = param.dtype
        x = cast(f.body, f.number(init), init.dtype, param.dtype)
        self.start = parts_of(x)
        self.type = in_registers(param.dtype)
        self.names = [f.body.name() for _ in self.start]
        self.next: tuple[str, ...] = ()

    def rep(self) -> Number:
        return Number(self.dtype, _element(self.names))

    def settle(self, rep: Any, value: Value) -> None:
        """Say what it is in the next pass."""
        x = rep.element if isinstance(rep, Number) else self.f.element(rep, ())
        self.next = parts_of(cast(self.f.body, x, value.dtype, self.dtype))

    def registers(self) -> list[tuple[str, str, str, str]]:
        """Return the type, name, start and next value of each register."""
        return [(self.type, n, s, x) for n, s, x in zip(self.names, self.start, self.next)]

    def after(self, names: list[str]) -> Number:
        return Number(self.dtype, _element(names))


def _element(names: list[str]) -> Any:
    return names[0] if len(names) == 1 else (names[0], names[1])


class _Kept:
    """A carried array or stack that stays where it is."""

    def __init__(self, f: Lowering, loop: Value, k: int, init: Value, param: Value) -> None:
        self.f = f
        rep = f.rep(init)
        copied = k in f.ownership.entry.get(loop, ())
        changed = loop.blocks[-1].results[k] is not param
        tokens = f.tokens(param)
        if isinstance(rep, Stack):
            if copied:
                rep = stacks.copied(f, rep, param)
            self.held: Any = Stack(rep.header, rep.word, tokens | rep.tokens, rep.fresh)
            return
        if copied:
            buffer = allocate(f, rep.shape, rep.dtype, init.type.shape)
            copy_into(f, buffer, rep)
        else:
            known = tokens | f.tokens(init)
            buffer = real_buffer(f, rep) if changed else lasting(f, rep, known)
        self.held = Buffer(
            buffer.dtype, buffer.shape, buffer.pointer, buffer.strides, buffer.dense,
            buffer.tokens | tokens, buffer.memory, buffer.origins,
        )  # fmt: skip

    def rep(self) -> Any:
        return self.held

    def settle(self, rep: Any, value: Value) -> None:
        held = self.held
        if isinstance(held, Stack):
            assert rep.header == held.header
        else:
            if isinstance(rep, Lazy):
                rep = rep.buffer
            assert rep is not None and rep.pointer == held.pointer

    def registers(self) -> list[tuple[str, str, str, str]]:
        return []

    def after(self, names: list[str]) -> Any:
        return self.held


class _Small:
    """A carried array of few elements, in the function's frame."""

    def __init__(self, f: Lowering, init: Value, param: Value) -> None:
        self.f = f
        rep = f.rep(init)
        self.held = allocate(f, param.type.shape, param.dtype)
        self.held.tokens = f.tokens(param)
        copy_into(f, self.held, rep)
        self.fresh: Buffer | None = None

    def rep(self) -> Buffer:
        return self.held

    def read(self, rep: Any) -> None:
        """Take what the pass gives, before any carried array changes."""
        f = self.f
        if isinstance(rep, Lazy) and rep.buffer is not None:
            rep = rep.buffer
        if isinstance(rep, Buffer) and rep.pointer == self.held.pointer and rep.dense:
            self.fresh = None
            return
        self.fresh = allocate(f, self.held.shape, self.held.dtype)
        copy_into(f, self.fresh, rep)

    def settle(self, rep: Any, value: Value) -> None:
        if self.fresh is not None:
            copy_into(self.f, self.held, self.fresh)

    def registers(self) -> list[tuple[str, str, str, str]]:
        return []

    def after(self, names: list[str]) -> Buffer:
        return self.held


class _Stack:
    """A carried stack that is another one after a pass."""

    def __init__(self, f: Lowering, loop: Value, k: int, init: Value, param: Value) -> None:
        self.f = f
        rep = f.rep(init)
        if k in f.ownership.entry.get(loop, ()):
            rep = stacks.copied(f, rep, param)
        self.back = k in f.ownership.back.get(loop, ())
        self.header = stacks.new_header(f)
        self.next = stacks.new_header(f)
        stacks.copy_header(f, rep.header, self.header)
        self.held = Stack(self.header, rep.word, f.tokens(param))

    def rep(self) -> Stack:
        return self.held

    def read(self, rep: Any) -> None:
        f = self.f
        if self.back:
            name = stacks.stack_code.copying(f.module, rep.word)
            f.body.do(f"call void {name}(ptr %ctx, ptr {rep.header}, ptr {self.next})")
        else:
            stacks.copy_header(f, rep.header, self.next)

    def settle(self, rep: Any, value: Value) -> None:
        stacks.copy_header(self.f, self.next, self.header)

    def registers(self) -> list[tuple[str, str, str, str]]:
        return []

    def after(self, names: list[str]) -> Stack:
        return self.held


def _invariant(f: Lowering, loop: Value, param: Value) -> bool:
    """Tell whether the shape of a carried array is known before the loop."""
    if None in param.type.shape:
        return False
    return all(v in f.env or _is_constant(v) for v in values_in(param.type))


def _is_constant(v: Value) -> bool:
    return v.op is not None and v.op.name == "constant"


def _make(f: Lowering, loop: Value, k: int, init: Value, param: Value) -> Any:
    type = param.type
    if isinstance(type, StackType):
        if is_kept(f, loop, k):
            return _Kept(f, loop, k, init, param)
        return _Stack(f, loop, k, init, param)
    if not type.shape:
        return _Number(f, init, param)
    if is_kept(f, loop, k):
        return _Kept(f, loop, k, init, param)
    if all(isinstance(n, int) for n in type.shape) and math.prod(type.shape) <= SMALL:
        return _Small(f, init, param)
    if _invariant(f, loop, param):
        return Moving(f, loop, k, init, param)
    return Growing(f, init, param)


def _begin(f: Lowering, loop: Value) -> list[Any]:
    inits, params, _ = carried(loop)
    states = [_make(f, loop, k, i, p) for k, (i, p) in enumerate(zip(inits, params, strict=True))]
    share([s for s in states if isinstance(s, Moving)])
    if f.program.notes is not None:
        f.program.notes.carry(f, loop, states)
    return states


def _turn(f: Lowering, loop: Value, states: list[Any]) -> None:
    """At the end of a pass: give the carried values what it has made."""
    _, _, results = carried(loop)
    reps = [f.rep(r) for r in results]
    for state, rep in zip(states, reps, strict=True):
        if isinstance(state, (_Small, _Stack)):
            state.read(rep)
    turn(f, [(s, r) for s, r in zip(states, reps, strict=True) if isinstance(s, Moving)])
    for state, rep, result in zip(states, reps, results, strict=True):
        if isinstance(state, Growing):
            state.settle(rep, result)
    for state, rep, result in zip(states, reps, results, strict=True):
        if not isinstance(state, (Moving, Growing)):
            state.settle(rep, result)


def _destinations(f: Lowering, loop: Value, states: list[Any], block: Block) -> None:
    _, params, results = carried(loop)
    for state, result in zip(states, results, strict=True):
        if isinstance(state, Moving) and root(f, result) not in params:
            set_destination(f, result, state.other(), block)


# -- for -------------------------------------------------------------------------------------------


def for_loop(f: Lowering, node: Value) -> None:
    """Lower a ``for``."""
    before_control(f, node, True)
    body = f.body
    (block,) = node.blocks
    lo, hi, step = (f.integer(v) for v in node.inputs[:3])
    f.check(body.compare("ne", step, 0), lambda x, y: ValueError("range() arg 3 must not be zero"))
    states = _begin(f, node)
    hoist = enter_loop(f)
    before = body.here.block
    first, head, latch, after = (body.label() for _ in range(4))
    index, further = body.name(), body.name()
    guard, more_text, extra = _range(f, lo, hi, step, index, further)
    some = guard == "true"
    if some:
        body.go(first)
    else:
        body.branch(guard, first, after)
    body.begin(first)
    entry: list[str] = []
    body.here.lines.append(entry)
    outside, f.uncounted = f.uncounted, 0
    written = body.loops
    body.begin(head)
    phis: list[str] = []
    body.here.lines.append(phis)
    lines = begin_pass(f)
    f.captured.append(f.lifetimes.captured[block])
    f.enter(block)
    parameters: list[Value] = block.parameters
    i, *params = parameters
    f.define(i, Number(INT, index))
    for p, state in zip(params, states, strict=True):
        f.define(p, state.rep())
    _destinations(f, node, states, block)
    lower_block(f, block)
    f.node = node
    _turn(f, node, states)
    f.leave()
    f.captured.pop()
    end_pass(f, hoist, lines)
    carrying = [("i64", index, str(lo), further), *[r for s in states for r in s.registers()]]
    cost = weight(block) + f.uncounted
    f.uncounted = outside
    leaf = body.loops == written
    body.loops += 1
    count = _count(lo, hi, step)
    uncut: tuple[Integer, Integer] | None = None
    if not leaf or not isinstance(step, int) or extra:
        poll(f, cost)
    elif count is None and moderate(f, node.inputs[0]) and moderate(f, node.inputs[1]):
        uncut = (hi, lo) if step > 0 else (lo, hi)
    elif count is None or count > STRIP:
        body.go(latch)
        body.begin(latch)
        latch = _strips(
            f, carrying, entry, phis, (before, first, head, latch, after), hi, step, cost
        )
        carrying = []
    else:
        charge(f, count, cost)
    if carrying:
        body.go(latch)
        body.begin(latch)
        entry.append(f"br label %{head}")
        for t, name, start, following in carrying:
            phis.append(f"{name} = phi {t} [ {start}, %{first} ], [ {following}, %{latch} ]")
        if extra:
            phis.append(extra.format(before=first, latch=latch))
        for line in more_text[:-1]:
            body.do(line)
        body.branch(more_text[-1], head, after)
    body.begin(after)
    ends: list[str] = []
    body.here.lines.append(ends)
    for k, state in enumerate(states):
        names = []
        for t, _, start, following in state.registers():
            if some:
                names.append(following)
                continue
            name = body.name()
            ends.append(f"{name} = phi {t} [ {start}, %{before} ], [ {following}, %{latch} ]")
            names.append(name)
        f.loops_around[node] = len(f.hoists) - 2
        _define_result(f, (node, k), state.after(names))
    leave_loop(f, hoist)
    f.loops_around[node] = len(f.hoists) - 1
    if uncut is not None:
        charge(f, body.most(body.sub(*uncut), 0), cost)


def _define_result(f: Lowering, key: Any, rep: Any) -> None:
    if isinstance(rep, Buffer):
        rep = Buffer(
            rep.dtype, rep.shape, rep.pointer, rep.strides, rep.dense,
            rep.tokens | f.tokens(key), rep.memory, rep.origins,
        )  # fmt: skip
    elif isinstance(rep, Stack):
        rep = Stack(rep.header, rep.word, rep.tokens | f.tokens(key), rep.fresh)
    f.define(key, rep)


def _count(lo: Integer, hi: Integer, step: Integer) -> int | None:
    """Return the number of passes, if it is known."""
    if isinstance(lo, int) and isinstance(hi, int) and isinstance(step, int) and step:
        return len(range(lo, hi, step))
    return None


def _strips(
    f: Lowering,
    carrying: list[tuple[str, str, str, str]],
    entry: list[str],
    phis: list[str],
    labels: tuple[str, str, str, str, str],
    hi: Integer,
    step: int,
    cost: int,
) -> str:
    """End a loop whose passes are gone through in strips; return the block that ends it.

    The registers of a strip begin with those of the one before. ``phis`` and ``entry`` are the
    texts at the heads of the loop within a strip, and of the one over strips.
    """
    body = f.body
    before, first, head, latch, after = labels
    check, onward = body.label(), body.label()
    _, index, _, further = carrying[0]
    begins = [body.name() for _ in carrying]
    for (t, name, _, following), begin in zip(carrying, begins, strict=True):
        phis.append(f"{name} = phi {t} [ {begin}, %{first} ], [ {following}, %{latch} ]")
    how = "slt" if step > 0 else "sgt"
    far, near, end, more, rest = (body.name() for _ in range(5))
    body.do(f"{further} = add nsw i64 {index}, {step}")
    body.do(f"{more} = icmp {how} i64 {further}, {end}")
    body.branch(more, head, check)
    body.begin(check)
    passed = (further, begins[0]) if step > 0 else (begins[0], further)
    charge(f, body.let(f"sub i64 {passed[0]}, {passed[1]}"), cost)
    body.do(f"{rest} = icmp {how} i64 {further}, {hi}")
    body.branch(rest, onward, after)
    body.begin(onward)
    poll(f, 0)
    last = body.here.block
    body.go(first)
    for (t, _, start, following), begin in zip(carrying, begins, strict=True):
        entry.append(f"{begin} = phi {t} [ {start}, %{before} ], [ {following}, %{last} ]")
    # Where the sum is out of range the strip is one pass.
    entry += [
        f"{far} = add i64 {begins[0]}, {step * STRIP}",
        f"{near} = icmp {how} i64 {far}, {hi}",
        f"{end} = select i1 {near}, i64 {far}, i64 {hi}",
        f"br label %{head}",
    ]
    return check


def _range(
    f: Lowering, lo: Integer, hi: Integer, step: Integer, index: str, further: str
) -> tuple[str, list[str], str]:
    """Return whether there is a first pass, and how to tell whether there is a further one."""
    body = f.body
    more = body.name()
    if isinstance(step, int) and abs(step) < 1 << 31:
        how = "slt" if step > 0 else "sgt"
        guard = body.compare(how, lo, hi)
        lines = [
            f"{further} = add nsw i64 {index}, {step}",
            f"{more} = icmp {how} i64 {further}, {hi}",
            more,
        ]
        return guard, lines, ""
    from adjoint.backends.llvm.lower.creation import range_count

    count = range_count(f, lo, hi, step)
    left, fewer = body.name(), body.name()
    lines = [
        f"{further} = add i64 {index}, {step}",
        f"{fewer} = sub i64 {left}, 1",
        f"{more} = icmp sgt i64 {fewer}, 0",
        more,
    ]
    extra = f"{left} = phi i64 [ {count}, %{{before}} ], [ {fewer}, %{{latch}} ]"
    return body.compare("sgt", count, 0), lines, extra


# -- while -----------------------------------------------------------------------------------------


def while_loop(f: Lowering, node: Value) -> None:
    """Lower a ``while``."""
    before_control(f, node, True)
    body = f.body
    condition, block = node.blocks
    states = _begin(f, node)
    hoist = enter_loop(f)
    before = body.here.block
    head, first, latch, after = (body.label() for _ in range(4))
    outside, f.uncounted = f.uncounted, 0
    body.go(head)
    body.begin(head)
    phis: list[str] = []
    body.here.lines.append(phis)
    captured = frozenset().union(*[f.lifetimes.captured[b] for b in node.blocks])
    lines = begin_pass(f)
    f.captured.append(captured)
    f.enter(condition)
    for p, state in zip(condition.parameters, states, strict=True):
        f.define(p, state.rep())
    reps = [f.env[p] for p in condition.parameters]
    lower_block(f, condition)
    f.node = node
    truth = f.number(condition.results[0])
    f.leave()
    cells, hoist.cells = hoist.cells, []
    body.branch(str(truth), first, after)
    body.begin(first)
    f.enter(block)
    for p, rep in zip(block.parameters, reps, strict=True):
        f.define(p, rep)
    _destinations(f, node, states, block)
    lower_block(f, block)
    f.node = node
    _turn(f, node, states)
    f.leave()
    f.captured.pop()
    hoist.cells = cells + hoist.cells
    end_pass(f, hoist, lines)
    poll(f, weight(condition) + weight(block) + f.uncounted)
    f.uncounted = outside
    body.loops += 1
    body.go(latch)
    body.begin(latch)
    for t, name, start, following in [r for s in states for r in s.registers()]:
        phis.append(f"{name} = phi {t} [ {start}, %{before} ], [ {following}, %{latch} ]")
    body.go(head)
    body.begin(after)
    for k, state in enumerate(states):
        names = [name for _, name, _, _ in state.registers()]
        _define_result(f, (node, k), state.after(names))
    leave_loop(f, hoist)
    f.loops_around[node] = len(f.hoists) - 1
