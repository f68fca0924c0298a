"""The function that Python calls, and the module around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adjoint.backends.llvm.lower.blocks import lower_block, set_destination
from adjoint.backends.llvm.lower.calls import lower_called, parameters
from adjoint.backends.llvm.lower.callbacks import Item, _callback
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.program import Program
from adjoint.backends.llvm.lower.runtime import needs
from adjoint.backends.llvm.lower.stack_code import HEADER
from adjoint.backends.llvm.lower.stacks import copy_header
from adjoint.backends.llvm.lower.types import in_memory, in_registers, part_size
from adjoint.backends.llvm.lower.values import Buffer, Lazy, Stack
from adjoint.ir.graph import Function, Value, values_in
from adjoint.ir.types import StackType

__all__ = ["Lowered", "lower_function"]

OBJECT = object.__basicsize__
"""Where the fields of an ndarray begin: data, number of axes, lengths, strides."""

_DATA, _LENGTHS, _STRIDES = OBJECT, OBJECT + 16, OBJECT + 24


@dataclass(slots=True)
class Lowered:
    """A function as the text of a module, and how to call it.

    Attributes
    ----------
    text : str
        Its function ``run(context, arguments, results)`` returns 0, or 1 after an error.
    program : Program
    made : list of bool
        Which results are arrays that the caller makes: their shape is known before.
    offsets : list of int
        Where the results are that are not, in words.
    words : int
        How many words the results take.
    """

    text: str
    program: Program
    made: list[bool]
    offsets: list[int]
    words: int


def lower_function(
    function: Function, dense: tuple[bool, ...], attributes: str = ""
) -> Lowered:
    """Return a function and those that it calls as a module.

    Parameters
    ----------
    function : Function
    dense : tuple of bool
        Which parameters are arrays whose elements follow each other in C's order.
    attributes : str
        Of the functions of the module.
    """
    program = Program(attributes)
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
    offsets, words = _layout(block.results, made)
    for k, (r, target) in enumerate(zip(block.results, targets, strict=True)):
        _give(f, k, r, target, offsets[k])
    f.leave()
    f.body.do("ret i32 0")
    signature = f"define internal i32 @graph({', '.join(['ptr %ctx', *given, 'ptr %out'])}) #0"
    program.module.define(f.text(signature))
    while program.waiting:
        (called, owned, its_dense), name = program.waiting.pop()
        lower_called(program, name, called, owned, its_dense)
    keeps = any(isinstance(r.type, StackType) for r in block.results)
    program.module.define(_run(function, dense, made, keeps))
    needs(program.module, "memory.reset")
    return Lowered(program.module.text(), program, made, offsets, words)


def _is_made(f: Lowering, result: Value) -> bool:
    """Tell whether the shape of a result is known before the call."""
    type = result.type
    if isinstance(type, StackType) or not type.shape or None in type.shape:
        return False
    parameters = f.function.block.parameters
    return all(
        v in parameters or (v.op is not None and v.op.name == "constant")
        for v in values_in(type)
    )


def _layout(results: list[Value], made: list[bool]) -> tuple[list[int], int]:
    offsets, total = [], 0
    for r, known in zip(results, made, strict=True):
        offsets.append(total)
        if isinstance(r.type, StackType):
            total += HEADER // 8
        elif not known:
            total += 2
    return offsets, total


def _give(f: Lowering, k: int, r: Value, target: Buffer | None, at: int) -> None:
    """Put a result where the caller finds it."""
    body = f.body
    rep = f.rep(r)
    if isinstance(rep, Lazy) and rep.buffer is not None:
        rep = rep.buffer
    if target is not None:
        if not (isinstance(rep, Buffer) and rep.pointer == target.pointer):
            copy_into(f, target, rep)
        return
    if isinstance(rep, Stack):
        place = body.let(f"getelementptr inbounds i64, ptr %out, i64 {at}")
        copy_header(f, rep.header, place)
    elif not r.type.shape:
        place = body.let(f"getelementptr inbounds i64, ptr %out, i64 {at}")
        f.store_at(place, r.dtype, f.element(rep, ()))
    else:
        _ask_for_memory(f, k, rep)


def _ask_for_memory(f: Lowering, k: int, rep: Any) -> None:
    """Have Python make the array of a result, whose shape is known now, and fill it."""
    body = f.body
    ndim = len(rep.shape)
    frame = f.alloca(f"[{ndim + 1} x i64]", 16)
    for j, n in enumerate(rep.shape, 1):
        place = body.let(f"getelementptr inbounds i64, ptr {frame}, i64 {j}")
        body.do(f"store i64 {n}, ptr {place}")
    function, code = _callback(f)
    status = body.let(f"call i32 {function}(i64 {code}, i64 {-1 - k}, ptr {frame})")
    f.check_status(status)
    pointer = body.let(f"load ptr, ptr {frame}")
    copy_into(
        f, Buffer(rep.dtype, rep.shape, pointer, f.strides(rep.shape, rep.dtype), True), rep
    )


def _run(function: Function, dense: tuple[bool, ...], made: list[bool], keeps: bool) -> str:
    """Return the function that takes arguments from a table of words."""
    lines: list[str] = []
    given = ["ptr %ctx"]
    count = 0
    names = 0

    def let(text: str) -> str:
        nonlocal names
        names += 1
        lines.append(f"  %x{names} = {text}")
        return f"%x{names}"

    def word() -> str:
        nonlocal count
        count += 1
        return let(f"getelementptr inbounds i64, ptr %args, i64 {count - 1}")

    def field(array: str, offset: int) -> str:
        place = let(f"getelementptr inbounds i8, ptr {array}, i64 {offset}")
        return let(f"load ptr, ptr {place}")

    def integers(table: str, which: list[int]) -> list[str]:
        places = [let(f"getelementptr inbounds i64, ptr {table}, i64 {j}") for j in which]
        return ["i64 " + let(f"load i64, ptr {place}") for place in places]

    for k, p in enumerate(function.block.parameters):
        type = p.type
        if isinstance(type, StackType):
            given.append("ptr " + let(f"load ptr, ptr {word()}"))
        elif not type.shape:
            place = word()
            memory, register = in_memory(type.dtype), in_registers(type.dtype)
            x = let(f"load {memory}, ptr {place}")
            if memory != register:
                x = let(f"icmp ne i8 {x}, 0")
            given.append(f"{register} {x}")
            if type.dtype.kind == "c":
                size = part_size(type.dtype)
                other = let(f"getelementptr inbounds i8, ptr {place}, i64 {size}")
                given.append(f"{register} " + let(f"load {memory}, ptr {other}"))
                count += type.dtype.itemsize > 8
            elif type.dtype.itemsize > 8:
                count += 1
        else:
            array = let(f"load ptr, ptr {word()}")
            given.append(f"ptr {field(array, _DATA)}")
            unknown = [j for j, n in enumerate(type.shape) if n is None]
            if unknown:
                given += integers(field(array, _LENGTHS), unknown)
            if not dense[k]:
                given += integers(field(array, _STRIDES), list(range(len(type.shape))))
    for known in made:
        if known:
            given.append("ptr " + field(let(f"load ptr, ptr {word()}"), _DATA))
    given.append("ptr %out")
    text = "\n".join(lines)
    after = "" if keeps else "\n  call void @memory.reset(ptr %ctx)"
    return f"""define i32 @run(ptr %ctx, ptr %args, ptr %out) #0 {{
  call void @memory.reset(ptr %ctx)
{text}
  %status = call i32 @graph({", ".join(given)}){after}
  ret i32 %status
}}"""


_ = Item
