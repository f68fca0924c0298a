"""A graph's function as a module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adjoint.backends.llvm.lower.blocks import lower_block, set_destination
from adjoint.backends.llvm.lower.calls import lower_called, parameters
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.program import Program
from adjoint.backends.llvm.lower.python_entry import DATA, Derived, enter, holding, new_array
from adjoint.backends.llvm.lower.runtime import WORD
from adjoint.backends.llvm.lower.stack_code import HEADER
from adjoint.backends.llvm.lower.stacks import copy_header
from adjoint.backends.llvm.lower.values import Buffer, Lazy, Stack
from adjoint.ir.graph import Function, Value, values_in
from adjoint.ir.types import StackType

__all__ = ["Body", "Lowered", "lower_body", "lower_function"]

STACK = 6 << 20
"""Bytes of the thread's stack that calls of functions may take."""


@dataclass(slots=True)
class Lowered:
    """A function as the text of a module, and how to call it.

    Attributes
    ----------
    text : str
        Its function ``enter`` is what Python calls (`lower.python_entry`).
    program : Program
    """

    text: str
    program: Program


@dataclass(slots=True)
class Body:
    """What the function ``graph`` of a module takes and gives.

    Attributes
    ----------
    made : list of bool
        Which results are arrays that exist before it is called; it takes their data.
    offsets : list of int
        Where the other results are in the table that it fills, in words.
    words : int
        How many words the table takes.
    """

    made: list[bool]
    offsets: list[int]
    words: int


def lower_function(
    function: Function,
    dense: tuple[bool, ...],
    attributes: str = "",
    derived: Sequence[Derived] = (),
    single: bool = False,
    notes: Any = None,
) -> Lowered:
    """Return a function and those that it calls as a module.

    Parameters
    ----------
    function : Function
    dense : tuple of bool
        Which parameters are arrays whose elements follow each other in C's order.
    attributes : str
        Of the functions of the module.
    derived : sequence of Derived
        Parameters that are lengths of others and not given.
    single : bool
        Whether the only result is returned itself; else a tuple of all of them.
    notes : Notes, optional
        Receives what is decided on the way.
    """
    program = Program(attributes)
    program.notes = notes
    body = lower_body(program, function, dense, _ask_for_memory)
    program.module.define(
        enter(
            program.module, function, dense, derived, body.made, body.offsets, body.words, single,
            STACK,
        )
    )  # fmt: skip
    return Lowered(program.module.text(), program)


def lower_body(
    program: Program,
    function: Function,
    dense: tuple[bool, ...],
    ask: Callable[[Lowering, Any, str], None],
    room: Callable[[int], int] = lambda ndim: 1,
) -> Body:
    """Put a function, as ``graph``, and those that it calls into a module.

    Parameters
    ----------
    program : Program
    function : Function
    dense : tuple of bool
        See `lower_function`.
    ask : callable
        Makes memory for a result whose shape is known now, fills it, and puts it into its place in
        the table.
    room : callable
        How many words such a result takes there, from the number of its axes.
    """
    f = Lowering(program, function)
    given = parameters(f, frozenset(), dense)
    block = function.block
    f.enter(block)
    made = [_is_made(f, r) for r in block.results]
    targets: list[Buffer | None] = []
    for k, (r, known) in enumerate(zip(block.results, made, strict=True)):
        if not known:
            targets.append(None)
            continue
        given.append(f"ptr noalias %r{k}")
        with f.at(f.hoists[0]):
            shape = f.shape(r.type.shape)
            strides = f.strides(shape, r.dtype)
        target = Buffer(r.dtype, shape, f"%r{k}", strides, True)
        set_destination(f, r, target, block)
        targets.append(target)
    lower_block(f, block)
    f.node = None
    offsets, words = _layout(block.results, room)
    for k, (r, target) in enumerate(zip(block.results, targets, strict=True)):
        _give(f, r, target, offsets[k], ask)
    f.leave()
    f.body.do("ret i32 0")
    signature = f"define internal i32 @graph({', '.join(['ptr %ctx', *given, 'ptr %out'])}) #0"
    program.module.define(f.text(signature))
    while program.waiting:
        (called, owned, its_dense), name = program.waiting.pop()
        lower_called(program, name, called, owned, its_dense)
    return Body(made, offsets, words)


def _is_made(f: Lowering, result: Value) -> bool:
    """Tell whether the shape of a result is known before the call."""
    type = result.type
    if isinstance(type, StackType) or not type.shape or None in type.shape:
        return False
    parameters = f.function.block.parameters
    return all(
        v in parameters or (v.op is not None and v.op.name == "constant") for v in values_in(type)
    )


def _layout(results: list[Value], room: Callable[[int], int]) -> tuple[list[int], int]:
    offsets, total = [], 0
    for r in results:
        offsets.append(total)
        if isinstance(r.type, StackType):
            total += HEADER // 8
        elif r.type.shape:
            total += room(len(r.type.shape))
        else:
            total += -(-r.type.dtype.itemsize // 8)
    return offsets, total


def _give(f: Lowering, r: Value, target: Buffer | None, at: int, ask: Callable) -> None:
    """Put a result where the caller finds it."""
    body = f.body
    rep = f.rep(r)
    if isinstance(rep, Lazy) and rep.buffer is not None:
        rep = rep.buffer
    if target is not None:
        if not (isinstance(rep, Buffer) and rep.pointer == target.pointer):
            copy_into(f, target, rep)
        return
    place = body.let(f"getelementptr inbounds i64, ptr %out, i64 {at}")
    if isinstance(rep, Stack):
        copy_header(f, rep.header, place)
    elif not r.type.shape:
        f.store_at(place, r.dtype, f.element(rep, ()))
    else:
        ask(f, rep, place)


def _ask_for_memory(f: Lowering, rep: Any, place: str) -> None:
    """Make the array of a result, whose shape is known now, and fill it."""
    body = f.body
    ndim = len(rep.shape)
    lengths = f.alloca(f"[{ndim} x i64]")
    for j, n in enumerate(rep.shape):
        body.do(
            f"store i64 {n}, ptr {body.let(f'getelementptr inbounds i64, ptr {lengths}, i64 {j}')}"
        )
    word = body.let(f"getelementptr inbounds i64, ptr %ctx, i64 {WORD['state']}")
    take, release = holding(f.module, body.let(f"load ptr, ptr {word}"))
    body.do(take)
    array = body.let(new_array(f.module, rep.dtype, ndim, lengths))
    body.let(release)
    body.do(f"store ptr {array}, ptr {place}")
    some = body.let(f"icmp ne ptr {array}, null")
    f.check(some, lambda x, y: MemoryError("there is no memory for a result"))
    data = body.let(f"getelementptr inbounds i8, ptr {array}, i64 {DATA}")
    pointer = body.let(f"load ptr, ptr {data}")
    copy_into(f, Buffer(rep.dtype, rep.shape, pointer, f.strides(rep.shape, rep.dtype), True), rep)
