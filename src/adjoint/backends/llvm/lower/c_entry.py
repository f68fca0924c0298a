"""Functions that C calls, beside a graph's: arguments taken, results given, errors put into words.

The module stands alone: what all modules call (`lower.runtime`) is part of it, and nothing of
Python. Each thread has a context and the message of its last error.

A function takes the lengths that are known at run time (``int64_t``), the arguments (numbers by
value, arrays and complex numbers as pointers), then pointers for the results. An array whose shape
turns out while the program runs is given as memory of ``malloc`` and a table of lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.backends.blame import named
from adjoint.backends.llvm.lower import runtime
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.entry import STACK, Body, lower_body
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.program import Failure, Program
from adjoint.backends.llvm.lower.runtime import CONTEXT_WORDS, WORD
from adjoint.backends.llvm.lower.straight import Straight
from adjoint.backends.llvm.lower.types import (
    arithmetic,
    in_memory,
    in_registers,
    literal,
    part_size,
    parts_of,
)
from adjoint.backends.llvm.lower.values import Buffer
from adjoint.errors import CompileError
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import StackType, Type

__all__ = ["Length", "Plan", "lower_for_c"]

MESSAGE = 512
"""Bytes of a message."""

KEPT = 1 << 30
"""Bytes of memory that a thread keeps between calls."""


@dataclass(frozen=True, slots=True)
class Length:
    """A parameter that is a length: what the code takes for granted of it.

    Attributes
    ----------
    name : str
    least : int
    others : tuple of int
        Which numbers it is not; nor is it another length.
    """

    name: str
    least: int
    others: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What of a function's parameters and results C sees.

    Attributes
    ----------
    name : str
        Of the C function.
    lengths : list of Length
        The first parameters.
    signs : list of (Dim, str)
        What is taken for granted of them besides.
    stores : dict
        Parameter that is changed in place → the number of the result that it holds afterwards.
    outputs : list
        Results: the number of one of the graph's, or a NumPy scalar.
    """

    name: str
    lengths: list[Length]
    signs: list[tuple[Dim, str]]
    stores: dict[int, int]
    outputs: list[Any]


def lower_for_c(
    function: Function, plan: Plan, attributes: str
) -> tuple[Program, tuple[bool, ...]]:
    """Return a module with functions ``NAME``, ``NAME_error`` and ``NAME_free``.

    Also for which results the caller has memory: numbers, and arrays of known shape.

    Raises
    ------
    CompileError
        Where Python is needed to run it; the message names operations and lines.
    """
    for value in (*function.block.parameters, *function.block.results):
        _check_type(value.type)
    program = Program(attributes)
    program.standalone = True
    runtime.define(program.module)
    dense = (True,) * len(function.block.parameters)
    body = lower_body(program, function, dense, _ask_malloc, lambda ndim: 1 + ndim)
    if program.calls:
        raise CompileError(_refusal(function, program.calls))
    for number in plan.stores.values():
        if not body.made[number]:
            raise CompileError("the shape of an argument that is changed in place is not known")
    _define(program, function, plan, body)
    results = function.block.results
    made = [done or not r.type.shape for done, r in zip(body.made, results, strict=True)]
    return program, tuple(made)


def _check_type(type: Any) -> None:
    if isinstance(type, StackType) or not arithmetic(type.dtype):
        raise CompileError(f"C has no numbers of dtype {type} that machine code computes with")


def _refusal(function: Function, calls: Sequence[Any]) -> str:
    found = dict.fromkeys(_told(call.node) for call in calls)
    return (
        f"{function.name} cannot be exported, since Python has to run a part of it: "
        f"{'; '.join(found)}"
    )


def _told(node: Value) -> str:
    name = node.op.name if node.op is not None else "an operation"
    return f"{name} at {node.place[0]}:{node.place[1]}" if node.place else name


def _ask_malloc(f: Lowering, rep: Any, place: str) -> None:
    """Make memory for a result whose shape is known now; put it and the lengths into the table."""
    body = f.body
    bytes = body.mul(body.product(rep.shape), rep.dtype.itemsize)
    pointer = body.let(f"call ptr @malloc(i64 {body.most(bytes, 1)})")
    some = body.let(f"icmp ne ptr {pointer}, null")
    f.check(some, lambda x, y: MemoryError("there is no memory for a result"))
    body.do(f"store ptr {pointer}, ptr {place}")
    for j, n in enumerate(rep.shape, 1):
        at = body.let(f"getelementptr inbounds i64, ptr {place}, i64 {j}")
        body.do(f"store i64 {n}, ptr {at}")
    copy_into(f, Buffer(rep.dtype, rep.shape, pointer, f.strides(rep.shape, rep.dtype), True), rep)


# -- messages --------------------------------------------------------------------------------------

_PROBES = ((31415926, 27182818), (16180339, 14142135))


def _message(failure: Failure) -> tuple[str, list[int]]:
    """Return a format of an error, and which of its two numbers stand in it, in order.

    What an error says is a function of Python's: it is asked twice, with numbers that are found
    again in the text. Where that gives two formats, the message has no numbers.
    """
    name = named(failure.node)
    where = f" ({name})" if name else ""
    found = []
    kind = "an error"
    for pair in _PROBES:
        try:
            error = failure.error(*pair)
        except Exception:
            break
        kind = type(error).__name__
        found.append(_format(f"{kind}: {error}{where}", pair))
    if len(found) == 2 and found[0] == found[1] and len(found[0][1]) <= 3:
        return found[0]
    return f"{kind}{where}".replace("%", "%%"), []


def _format(text: str, pair: tuple[int, int]) -> tuple[str, list[int]]:
    text = text.replace("%", "%%")
    order = []
    while True:
        places = [(text.find(str(n)), k) for k, n in enumerate(pair)]
        places = [(at, k) for at, k in places if at >= 0]
        if not places:
            return text, order
        at, k = min(places)
        order.append(k)
        text = text[:at] + "%lld" + text[at + len(str(pair[k])) :]


def _bytes(data: bytes) -> str:
    return "".join(chr(b) if 32 <= b < 127 and b not in (34, 92) else f"\\{b:02X}" for b in data)


def _string(text: str) -> tuple[int, str]:
    data = text.encode()[: MESSAGE - 1].decode(errors="ignore").encode() + b"\0"
    return len(data), _bytes(data)


class _Writer(Straight):
    """The entry while it is written."""

    def __init__(self, program: Program, function: Function, plan: Plan, body: Body) -> None:
        super().__init__(program.module)
        self.program = program
        self.function = function
        self.plan = plan
        self.body = body
        self.numbers = {p: f"%p{k}" for k, p in enumerate(function.block.parameters)}

    def text(self, text: str) -> str:
        """Return the name of a string."""
        size, data = _string(text)
        name = self.module.name("@text")
        self.module.declare(name, f'{name} = private unnamed_addr constant [{size} x i8] c"{data}"')
        return name

    def say(self, format: str, *numbers: str) -> None:
        """Put a message where `NAME_error` finds it."""
        given = "".join(f", i64 {n}" for n in numbers)
        message = self.let("call ptr @message.here()")
        self.do(
            f"%said{self.names} = call i32 (ptr, i64, ptr, ...) @snprintf(ptr {message}, "
            f"i64 {MESSAGE}, ptr {format}{given})"
        )

    # -- lengths -----------------------------------------------------------------------------------

    def bytes(self, type: Type) -> Any:
        """Return the bytes of an array."""
        total: Any = type.dtype.itemsize
        for n in type.shape:
            total = self.let(f"mul i64 {total}, {self.dim(n, self.numbers)}")
        return total

    def require(self, truth: str, message: str, *numbers: str) -> None:
        """Return 2 with a message unless a truth holds."""
        fine, bad = self.label(), self.label()
        self.do(f"br i1 {truth}, label %{fine}, label %{bad}, !prof !0")
        self.do(f"{bad}:")
        self.say(self.text(message), *numbers)
        self.do("ret i32 2")
        self.do(f"{fine}:")

    def check_lengths(self) -> None:
        lengths = self.plan.lengths
        for k, n in enumerate(lengths):
            truth = self.compare("sge", "i64", f"%p{k}", n.least)
            self.require(
                truth, f"{n.name} is %lld: the code is for lengths of at least {n.least}", f"%p{k}"
            )
            for j in range(k):
                truth = self.compare("ne", "i64", f"%p{j}", f"%p{k}")
                other = lengths[j].name
                self.require(
                    truth, f"{other} and {n.name} are %lld: the code is for lengths that differ",
                    f"%p{k}",
                )  # fmt: skip
            for c in n.others:
                if c >= n.least:
                    truth = self.compare("ne", "i64", f"%p{k}", c)
                    self.require(truth, f"{n.name} is {c}, for which the code is not")
        names = {p: n.name for p, n in zip(self.function.block.parameters, lengths, strict=False)}
        for x, sign in self.plan.signs:
            how = {">0": "sgt", ">=0": "sge", "<0": "slt"}[sign]
            n = self.dim(x, self.numbers)
            truth = self.compare(how, "i64", n, 0)
            text = Dim.text(x, names.__getitem__)
            self.require(truth, f"{text} is %lld: the code is for {text} {sign[:-1]} 0", str(n))

    # -- arguments and results ---------------------------------------------------------------------

    def argument(self, k: int, type: Type) -> tuple[list[str], list[str]]:
        """Return a parameter's declaration, and what the graph is given for it."""
        dtype = type.dtype
        if type.shape:
            return [f"ptr %p{k}"], [f"ptr %p{k}"]
        if dtype.kind == "c":
            part, size = in_memory(dtype), part_size(dtype)
            re = self.let(f"load {part}, ptr %p{k}, align {size}")
            im = self.let(f"load {part}, ptr {self.place(f'%p{k}', size)}, align {size}")
            return [f"ptr %p{k}"], [f"{part} {re}", f"{part} {im}"]
        if dtype.kind == "b":
            x = self.compare("ne", "i8", f"%p{k}", 0)
            return [f"i8 %p{k}"], [f"i1 {x}"]
        kind = in_registers(dtype)
        return [f"{kind} %p{k}"], [f"{kind} %p{k}"]


def _define(program: Program, function: Function, plan: Plan, body: Body) -> None:
    e = _Writer(program, function, plan, body)
    parameters, results = function.block.parameters, function.block.results
    declared: list[str] = []
    given = ["ptr %ctx"]
    e.check_lengths()
    for k, p in enumerate(parameters):
        mine, its = e.argument(k, p.type)
        declared += mine
        given += its
    e.do("%ctx = call ptr @context.here()")
    e.do("call void @memory.reset(ptr %ctx)")
    frame = e.let("call ptr @llvm.frameaddress.p0(i32 0)")
    here = e.let(f"ptrtoint ptr {frame} to i64")
    words = {
        "limit": str(KEPT),
        "deepest": e.let(f"sub i64 {here}, {STACK}"),
        "constants": e.let("ptrtoint ptr @constants to i64"),
    }
    for name, x in words.items():
        e.do(f"store i64 {x}, ptr {e.place('%ctx', 8 * WORD[name])}")
    targets, late = _results(e, declared)
    in_place = {number: k for k, number in plan.stores.items()}
    copies = []
    for number, r in enumerate(results):
        at = f"%o{number}"
        e.do(f"{at} = getelementptr inbounds i64, ptr %out, i64 {body.offsets[number]}")
        if isinstance(r.type, Type) and r.type.shape and not body.made[number]:
            e.do(f"store ptr null, ptr {at}")
        if not body.made[number]:
            continue
        if number in targets:
            given.append(f"ptr {targets[number]}")
            continue
        size = e.bytes(r.type)
        block = e.let(runtime.take(e.module, "%ctx", str(size)))
        some = e.compare("ne", "ptr", block, "null")
        e.require(some, "there is no memory for an array of %lld bytes", str(size))
        given.append(f"ptr {block}")
        if number in in_place:
            copies.append((in_place[number], block, size))
    status = e.let(f"call i32 @graph({', '.join([*given, 'ptr %out'])})")
    fine, bad = e.label(), e.label()
    truth = e.compare("eq", "i32", status, 0)
    e.do(f"br i1 {truth}, label %{fine}, label %{bad}, !prof !0")
    e.do(f"{bad}:")
    for number, r in enumerate(results):
        if r.type.shape and not body.made[number]:
            e.do(f"call void @free(ptr {e.let(f'load ptr, ptr %o{number}')})")
    _report(e)
    e.do("ret i32 1")
    e.do(f"{fine}:")
    for k, block, size in copies:
        e.do(f"call void @llvm.memcpy.p0.p0.i64(ptr %p{k}, ptr {block}, i64 {size}, i1 false)")
    for line in late:
        e.do(line)
    e.do("ret i32 0")
    _write(e, declared)


def _results(e: _Writer, declared: list[str]) -> tuple[dict[int, str], list[str]]:
    """Declare the parameters for results.

    Return where the caller wants arrays that the graph fills, and what gives the others.
    """
    targets: dict[int, str] = {}
    late: list[str] = []
    for j, output in enumerate(e.plan.outputs):
        declared.append(f"ptr %r{j}")
        if not isinstance(output, int):
            dtype = output.dtype
            for k, part in enumerate(parts_of(literal(output, dtype))):
                x = {"true": "1", "false": "0"}.get(part, part)
                at = f"getelementptr inbounds i8, ptr %r{j}, i64 {k * part_size(dtype)}"
                late.append(f"%w{j}.{k} = {at}")
                late.append(f"store {in_memory(dtype)} {x}, ptr %w{j}.{k}, align 1")
            continue
        type = e.function.block.results[output].type
        if not type.shape:
            size = f"i64 {type.dtype.itemsize}, i1 false"
            late.append(f"call void @llvm.memcpy.p0.p0.i64(ptr %r{j}, ptr %o{output}, {size})")
        elif e.body.made[output]:
            targets[output] = f"%r{j}"
        else:
            declared.append(f"ptr %s{j}")
            late.append(f"%d{j} = load ptr, ptr %o{output}")
            late.append(f"store ptr %d{j}, ptr %r{j}")
            late.append(f"%n{j} = getelementptr inbounds i64, ptr %o{output}, i64 1")
            size = f"i64 {8 * len(type.shape)}, i1 false"
            late.append(f"call void @llvm.memcpy.p0.p0.i64(ptr %s{j}, ptr %n{j}, {size})")
    return targets, late


def _report(e: _Writer) -> None:
    """Put the message of the error that the graph has reported where it is found."""
    found = [_message(failure) for failure in e.program.failures]
    rows = [
        f"{{ ptr, [3 x i8] }} {{ ptr {e.text(format)}, [3 x i8] "
        f"[{', '.join(f'i8 {k}' for k in (order + [0, 0, 0])[:3])}] }}"
        for format, order in found
    ]
    count = max(len(rows), 1)
    kind = "{ ptr, [3 x i8] }"
    value = f"[{', '.join(rows)}]" if rows else "zeroinitializer"
    e.module.declare("@messages", f"@messages = internal constant [{count} x {kind}] {value}")
    site = e.field("%ctx", 8 * WORD["site"], "i64")
    first = e.place("%ctx", 8 * WORD["first"])
    row = e.let(f"getelementptr inbounds {kind}, ptr @messages, i64 {site}")
    format = e.let(f"load ptr, ptr {row}")
    numbers = []
    for k in range(3):
        which = e.field(row, 8 + k, "i8")
        wide = e.let(f"zext i8 {which} to i64")
        at = e.let(f"getelementptr inbounds i64, ptr {first}, i64 {wide}")
        numbers.append(e.let(f"load i64, ptr {at}"))
    e.say(format, *numbers)


def _write(e: _Writer, declared: list[str]) -> None:
    """Put the functions and what they refer to into the module."""
    module, name = e.module, e.plan.name
    module.declare("@snprintf", "declare i32 @snprintf(ptr, i64, ptr, ...)")
    module.declare(
        "@llvm.threadlocal.address.p0",
        "declare nonnull ptr @llvm.threadlocal.address.p0(ptr nonnull)",
    )
    module.declare(
        "@context",
        f"@context = internal thread_local global [{CONTEXT_WORDS} x i64] zeroinitializer, "
        "align 64",
    )
    module.declare(
        "@message", f"@message = internal thread_local global [{MESSAGE} x i8] zeroinitializer"
    )
    # The system finds the memory of a thread by a function that may overwrite any register that a
    # call may. LLVM takes it to leave the upper ones of AVX-512 alone: a number in one is lost.
    for what in ("context", "message"):
        module.define(f"""define internal ptr @{what}.here() noinline #0 {{
  %here = call ptr @llvm.threadlocal.address.p0(ptr @{what})
  ret ptr %here
}}""")
    rows = []
    for k, array in enumerate(e.program.constants):
        data = np.ascontiguousarray(array).tobytes()
        module.declare(
            f"@constant.{k}",
            f'@constant.{k} = internal constant [{len(data)} x i8] c"{_bytes(data)}", align 64',
        )
        rows.append(f"ptr @constant.{k}")
    table = f"[{', '.join(rows)}]" if rows else "zeroinitializer"
    module.declare(
        "@constants", f"@constants = internal constant [{max(len(rows), 1)} x ptr] {table}"
    )
    text = "\n".join(e.lines)
    module.define(f"""define i32 @{name}({", ".join(declared)}) #0 {{
start:
%out = alloca [{max(e.body.words, 1)} x i64], align 16
{text}
}}
define ptr @{name}_error() #0 {{
  %message = call ptr @message.here()
  ret ptr %message
}}
define void @{name}_free() #0 {{
  %ctx = call ptr @context.here()
  call void @memory.release(ptr %ctx)
  ret void
}}""")
