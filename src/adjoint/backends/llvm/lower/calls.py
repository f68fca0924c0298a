"""Functions of the module: what they take and give, and calls of one by another."""

from __future__ import annotations

from typing import Any

from adjoint.backends.llvm.lower.blocks import before_control, lower_block
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import (
    give_all,
    give_cell,
    lasting,
    overwritten,
    real_buffer,
)
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.polling import begin_function, end_function, reload, spill
from adjoint.backends.llvm.lower.program import Program
from adjoint.backends.llvm.lower.runtime import WORD, take
from adjoint.backends.llvm.lower.stack_code import HEADER
from adjoint.backends.llvm.lower.stacks import copied, copy_header, new_header
from adjoint.backends.llvm.lower.types import in_registers, parts_of
from adjoint.backends.llvm.lower.values import Buffer, Lazy, Number, Shape, Stack
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import StackType, Type
from adjoint.transforms.lifetimes import Key

__all__ = ["call", "lower_called", "parameters"]


# -- parameters ------------------------------------------------------------------------------------


def parameters(
    f: Lowering, owned: frozenset[int], dense: tuple[bool, ...], prefix: str = "p"
) -> list[str]:
    """Define the parameters of a function; return them as LLVM's, with types."""
    given: list[str] = []
    arrays: list[tuple[Value, str, bool, bool]] = []
    for k, p in enumerate(f.function.block.parameters):
        type = p.type
        if isinstance(type, StackType):
            given.append(f"ptr %{prefix}{k}")
            f.define(p, Stack(f"%{prefix}{k}", f.word(p), f.tokens(p)))
        elif not type.shape:
            names = [f"%{prefix}{k}.{j}" for j in range(2 if type.dtype.kind == "c" else 1)]
            given += [f"{in_registers(type.dtype)} {name}" for name in names]
            f.define(p, Number(type.dtype, names[0] if len(names) == 1 else (names[0], names[1])))
        else:
            name = f"%{prefix}{k}"
            given.append(f"ptr noalias {'' if k in owned else 'readonly '}{name}")
            given += [f"i64 {name}.n{j}" for j, n in enumerate(type.shape) if n is None]
            if not dense[k]:
                given += [f"i64 {name}.s{j}" for j in range(len(type.shape))]
            arrays.append((p, name, dense[k], k in owned))
    # Lengths may be other parameters.
    with f.at(f.hoists[0]):
        for p, name, is_dense, _ in arrays:
            otherwise = tuple(f"{name}.n{j}" for j in range(len(p.shape)))
            shape = f.shape(p.shape, otherwise)
            strides: Shape = tuple(f"{name}.s{j}" for j in range(len(shape)))
            if is_dense:
                strides = f.strides(shape, p.dtype)
            f.define(p, Buffer(p.dtype, shape, name, strides, is_dense, f.tokens(p)))
    return given


# -- functions that are called ---------------------------------------------------------------------


def _result_words(type: Any) -> int:
    if isinstance(type, StackType):
        return HEADER // 8
    if not type.shape:
        return -(-type.dtype.itemsize // 8)
    return 1 + len(type.shape)


def _offsets(types: Any) -> tuple[list[int], int]:
    offsets, total = [], 0
    for type in types:
        offsets.append(total)
        total += _result_words(type)
    return offsets, total


def lower_called(
    program: Program, name: str, function: Function, owned: frozenset[int], dense: tuple[bool, ...]
) -> None:
    """Lower a function that code calls: its results go to memory that the caller has."""
    f = Lowering(program, function, owned)
    body = f.body
    given = parameters(f, owned, dense)
    f.enter(function.block)
    _check_depth(f)
    begin_function(f)
    lower_block(f, function.block)
    results = function.block.results
    offsets, _ = _offsets([r.type for r in results])
    f.node = None
    reps: list[Any] = []
    for k, r in enumerate(results):
        rep = f.rep(r)
        if isinstance(rep, Stack):
            reps.append(copied(f, rep, r) if k in f.ownership.results or not rep.fresh else rep)
        elif r.type.shape:
            reps.append(_own_result(f, k, rep, owned))
        else:
            reps.append(rep)
    for at, rep, r in zip(offsets, reps, results, strict=True):
        place = body.let(f"getelementptr inbounds i64, ptr %out, i64 {at}")
        if isinstance(rep, Stack):
            copy_header(f, rep.header, place)
        elif isinstance(rep, Buffer):
            body.do(f"store ptr {rep.pointer}, ptr {place}")
            for j, n in enumerate(rep.shape, 1):
                field = body.let(f"getelementptr inbounds i64, ptr {place}, i64 {j}")
                body.do(f"store i64 {n}, ptr {field}")
        else:
            f.store_at(place, r.dtype, f.element(rep, ()))
    for cell in f.hoists[0].cells:
        give_cell(f, cell)
    _clear_cells(f)
    give_all(f, f.hoists[0])
    f.leave()
    end_function(f)
    body.do("ret i32 0")
    program.module.define(
        f.text(f"define internal i32 {name}({', '.join(['ptr %ctx', *given, 'ptr %out'])}) #0")
    )


def _clear_cells(f: Lowering) -> None:
    for cell in f.hoists[0].cells:
        f.allocas.append(f"store ptr null, ptr {cell}")


def _own_result(f: Lowering, k: int, rep: Any, owned: frozenset[int]) -> Buffer:
    """Return a result in memory that outlives the call: its own, or handed over by the caller."""
    if isinstance(rep, Lazy) and rep.buffer is not None:
        rep = rep.buffer
    if isinstance(rep, Buffer) and rep.dense and k not in f.ownership.results:
        for number in owned:
            p = f.function.block.parameters[number]
            mine = f.env.get(p)
            same = mine is None or (isinstance(mine, Buffer) and mine.pointer == rep.pointer)
            if same and rep.pointer == f"%p{number}":
                return rep
    shape = rep.shape
    body = f.body
    bytes = body.mul(body.product(shape), rep.dtype.itemsize)
    pointer = body.let(take(f.module, "%ctx", str(bytes)))
    truth = body.let(f"icmp ne ptr {pointer}, null")
    f.check(truth, lambda x, y: MemoryError("no memory for a result"))
    target = Buffer(rep.dtype, shape, pointer, f.strides(shape, rep.dtype), True)
    copy_into(f, target, rep)
    return target


def _check_depth(f: Lowering) -> None:
    """Report a recursion that is too deep for the thread's stack."""
    f.module.declare("@llvm.frameaddress.p0", "declare ptr @llvm.frameaddress.p0(i32 immarg)")
    body = f.body
    here = body.let("call ptr @llvm.frameaddress.p0(i32 0)")
    address = body.let(f"ptrtoint ptr {here} to i64")
    at = body.let(f"getelementptr inbounds i64, ptr %ctx, i64 {WORD['deepest']}")
    deepest = body.let(f"load i64, ptr {at}")
    truth = body.let(f"icmp ugt i64 {address}, {deepest}")
    f.check(
        truth,
        lambda x, y: RecursionError(
            "functions call each other deeper than the stack of the thread"
        ),
    )


def call(f: Lowering, node: Value) -> None:
    """Lower the call of a function of the graph."""
    function = node.params["function"]
    handed = f.ownership.handed[node]
    body = f.body
    before_control(f, node, False)
    reps: list[Any] = []
    for k, v in enumerate(node.inputs):
        rep = f.rep(v)
        if isinstance(rep, Stack) or not v.type.shape:
            if isinstance(rep, Stack) and k not in handed:
                rep = copied(f, rep, v)
            reps.append(rep)
        elif k in handed:
            buffer = real_buffer(f, rep)
            overwritten(f, buffer.tokens | f.tokens(v), but=rep)
            reps.append(buffer)
        else:
            reps.append(lasting(f, rep, f.tokens(v)))
    dense = tuple([not isinstance(r, Buffer) or r.dense for r in reps])
    name = f.program.callee(function, handed, dense)
    given = ["ptr %ctx"]
    for rep, v, p in zip(reps, node.inputs, function.block.parameters, strict=True):
        if isinstance(rep, Stack):
            given.append(f"ptr {rep.header}")
        elif isinstance(rep, Buffer):
            given.append(f"ptr {rep.pointer}")
            given += [f"i64 {n}" for n, m in zip(rep.shape, p.type.shape, strict=True) if m is None]
            if not rep.dense:
                given += [f"i64 {s}" for s in rep.strides]
        else:
            from adjoint.backends.llvm.lower.types import cast

            x = cast(body, f.element(rep, ()), v.dtype, p.dtype)
            given += [f"{in_registers(p.dtype)} {part}" for part in parts_of(x)]
    offsets, total = _offsets(node.type)
    out = f.alloca(f"[{max(total, 1)} x i64]", 16)
    spill(f)
    status = body.let(f"call i32 {name}({', '.join([*given, f'ptr {out}'])})")
    f.check_status(status)
    reload(f)
    body.loops += 1
    mine = [r for k, r in enumerate(reps) if k in handed and isinstance(r, Buffer)]
    for k, (type, at) in enumerate(zip(node.type, offsets, strict=True)):
        place = body.let(f"getelementptr inbounds i64, ptr {out}, i64 {at}")
        f.define((node, k), _result(f, (node, k), type, place, mine))


def _result(f: Lowering, key: Key, type: Any, place: str, handed: list[Buffer]) -> Any:
    body = f.body
    if isinstance(type, StackType):
        header = new_header(f)
        copy_header(f, place, header)
        return Stack(header, f.word(key), f.tokens(key), fresh=True)
    if not type.shape:
        return Number(type.dtype, f.load_at(place, type.dtype, pinned=True))
    pointer = body.let(f"load ptr, ptr {place}")
    shape = []
    for j, n in enumerate(type.shape, 1):
        field = body.let(f"getelementptr inbounds i64, ptr {place}, i64 {j}")
        shape.append(body.let(f"load i64, ptr {field}") if n is None else f.dim(n))
    final = tuple(shape)
    _give_later(f, pointer, final, type, handed)
    return Buffer(
        type.dtype, final, pointer, f.strides(final, type.dtype), True, f.tokens(key),
        [b.memory for b in handed],
    )  # fmt: skip


def _give_later(f: Lowering, pointer: str, shape: Shape, type: Type, handed: list[Buffer]) -> None:
    """Give a result's memory back when the pass ends, unless the caller had it before."""
    body = f.body
    own = pointer
    for b in handed:
        same = body.let(f"icmp eq ptr {pointer}, {b.pointer}")
        own = body.let(f"select i1 {same}, ptr null, ptr {own}")
    cell = f.alloca("{ ptr, i64 }")
    body.do(f"store ptr {own}, ptr {cell}")
    field = body.op(f"getelementptr inbounds i8, ptr {cell}, i64 8", cell)
    bytes = body.mul(body.product(shape), type.dtype.itemsize)
    body.do(f"store i64 {bytes}, ptr {field}")
    f.hoists[-1].cells.append(cell)
