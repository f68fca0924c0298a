"""What loops keep: stacks in memory that grow."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.backends.llvm.lower import stack_code
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import (
    force,
    in_memory_of,
    overwritten,
)
from adjoint.backends.llvm.lower.nest import copy_into, mergeable, write_into
from adjoint.backends.llvm.lower.runtime import take
from adjoint.backends.llvm.lower.scalar import TABLE, Scalars
from adjoint.backends.llvm.lower.types import cast
from adjoint.backends.llvm.lower.values import Buffer, Lazy, Number, Shape, Stack, Word
from adjoint.backends.llvm.writer import COLD, Integer
from adjoint.ir.graph import Value
from adjoint.ir.types import StackType
from adjoint.ops.inference.lengths import as_length
from adjoint.transforms.lifetimes import Key

__all__ = ["STACKS", "copied", "empty", "new_header"]


def new_header(f: Lowering) -> str:
    """Return memory for a header."""
    stack_code.needs(f.module)
    return f.alloca("[4 x i64]", 16)


def empty(f: Lowering, node: Value) -> Stack:
    """Lower an empty stack."""
    header = new_header(f)
    clear(f, header)
    return Stack(header, f.word(node), f.tokens(node), fresh=True)


def clear(f: Lowering, header: str) -> None:
    """Make a stack empty."""
    stack_code.needs(f.module)
    size = stack_code.HEADER
    f.body.do(f"call void @llvm.memset.p0.i64(ptr {header}, i8 0, i64 {size}, i1 false)")


def _field(f: Lowering, header: str, k: int) -> str:
    return f.body.op(f"getelementptr inbounds i64, ptr {header}, i64 {k}", header)


def copied(f: Lowering, stack: Stack, key: Key) -> Stack:
    """Return a copy of a stack, which can be changed."""
    header = new_header(f)
    name = stack_code.copying(f.module, stack.word)
    f.body.do(f"call void {name}(ptr %ctx, ptr {stack.header}, ptr {header})")
    return Stack(header, stack.word, f.tokens(key), fresh=True)


def copy_header(f: Lowering, source: str, target: str) -> None:
    """Store the header of a stack elsewhere."""
    stack_code.needs(f.module)
    pointers = f"ptr {target}, ptr {source}"
    f.body.do(f"call void @llvm.memcpy.p0.p0.i64({pointers}, i64 {stack_code.HEADER}, i1 false)")


def _own(f: Lowering, node: Value) -> Stack:
    """Return the stack that an operation changes."""
    stack_code.needs(f.module)
    stack = f.rep(node.inputs[0])
    if f.ownership.in_place.get(node, False):
        return stack
    return copied(f, stack, node)


def place(f: Lowering, stack: Stack, index: Integer, size: Integer) -> str:
    """Return a pointer to an entry, for which there is room then; a new one is not defined."""
    with f.body.aside():
        return f.body.let(
            f"call ptr @stack.next(ptr %ctx, ptr {stack.header}, i64 {index}, i64 {size})"
        )


def _index(f: Lowering, node: Value) -> Integer:
    return f.dim(as_length(node.params["index"]))


def bytes_of(f: Lowering, shape: Shape, dtype: np.dtype) -> Integer:
    """Return the bytes of an array."""
    return f.body.mul(f.body.product(shape), dtype.itemsize)


# -- changing --------------------------------------------------------------------------------------


def _push(f: Lowering, node: Value) -> Any:
    value = node.inputs[1]
    stack = _own(f, node)
    index = _index(f, node)
    rep = f.rep(value)
    if node.params.get("replaces"):
        overwritten(f, stack.tokens | f.tokens(node.inputs[0]))
    word = stack.word
    if word.kind == "number":
        pointer = place(f, stack, index, word.dtype.itemsize)
        f.store_at(pointer, word.dtype, cast(f.body, f.number(value), value.dtype, word.dtype))
    elif word.kind == "stack":
        pointer = place(f, stack, index, stack_code.HEADER)
        if rep.fresh and not f.live(value):
            copy_header(f, rep.header, pointer)
        else:
            name = stack_code.copying(f.module, rep.word)
            f.body.do(f"call void {name}(ptr %ctx, ptr {rep.header}, ptr {pointer})")
    elif word.kind == "fixed":
        pointer = place(f, stack, index, bytes_of(f, rep.shape, word.dtype))
        strides, tokens = f.strides(rep.shape, word.dtype), stack.tokens | f.tokens(node)
        entry = Buffer(word.dtype, rep.shape, pointer, strides, True, tokens)
        once = not node.params.get("replaces") and f.live(value)
        if isinstance(rep, Lazy) and rep.buffer is None and rep.shared and once:
            # It is computed into the stack, and read there from now on: a new entry stays.
            force(f, rep, entry)
        else:
            copy_into(f, entry, rep)
    else:
        _push_ragged(f, stack, index, rep)
    return Stack(stack.header, word, f.tokens(node), stack.fresh)


def _push_ragged(f: Lowering, stack: Stack, index: Integer, rep: Any) -> None:
    word = stack.word
    pointer = place(f, stack, index, 8 * (1 + word.ndim))
    copy = _new_array(f, rep.shape, word.dtype)
    f.body.do(f"store ptr {copy.pointer}, ptr {pointer}")
    for k, n in enumerate(rep.shape, 1):
        f.body.do(f"store i64 {n}, ptr {_field(f, pointer, k)}")
    copy_into(f, copy, rep)


def _new_array(f: Lowering, shape: Shape, dtype: np.dtype) -> Buffer:
    """Return an array that lives as long as the call."""
    pointer = f.body.let(take(f.module, "%ctx", str(bytes_of(f, shape, dtype))))
    truth = f.body.let(f"icmp ne ptr {pointer}, null")
    f.check(truth, lambda x, y: MemoryError("no memory for what a loop keeps"))
    return Buffer(dtype, shape, pointer, f.strides(shape, dtype), True)


def _entry_add(f: Lowering, node: Value) -> Any:
    value = node.inputs[1]
    stack = _own(f, node)
    index = _index(f, node)
    rep = f.rep(value)
    overwritten(f, stack.tokens | f.tokens(node.inputs[0]))
    word = stack.word
    if word.kind == "stack":
        _add_stack_to_entry(f, stack, index, rep)
        return Stack(stack.header, word, f.tokens(node), stack.fresh)
    add = TABLE["add", word.dtype.kind]
    combine = lambda x, y: add(Scalars(f.body), (word.dtype,), x, y)
    if word.kind == "number":
        size = word.dtype.itemsize
        pointer = _existing(f, stack, index, size)
        former = f.load_at(pointer, word.dtype, pinned=True)
        y = cast(f.body, f.number(value), value.dtype, word.dtype)
        f.store_at(pointer, word.dtype, combine(former, y))
    elif word.kind == "fixed":
        if isinstance(rep, Lazy) and rep.buffer is None and rep.shared:
            force(f, rep)
        pointer = _existing(f, stack, index, bytes_of(f, rep.shape, word.dtype))
        entry = Buffer(word.dtype, rep.shape, pointer, f.strides(rep.shape, word.dtype), True)
        write_into(f, [(entry, rep)], combine)
    else:
        _add_ragged(f, stack, index, rep, combine)
    return Stack(stack.header, word, f.tokens(node), stack.fresh)


def _existing(f: Lowering, stack: Stack, index: Integer, size: Integer) -> str:
    """Return a pointer to an entry, which is zero if it is new."""
    body = f.body
    length = body.let(f"load i64, ptr {_field(f, stack.header, 1)}")
    pointer = place(f, stack, index, size)
    known = body.let(f"icmp slt i64 {index}, {length}")
    after, new = body.label(), body.label()
    body.branch(known, after, new)
    body.begin(new)
    body.do(f"call void @llvm.memset.p0.i64(ptr {pointer}, i8 0, i64 {size}, i1 false)")
    body.go(after)
    body.begin(after)
    return pointer


def _add_ragged(f: Lowering, stack: Stack, index: Integer, rep: Any, combine: Any) -> None:
    body = f.body
    rep = in_memory_of(f, rep)
    pointer = _existing(f, stack, index, 8 * (1 + stack.word.ndim))
    array = body.let(f"load ptr, ptr {pointer}")
    gap = body.let(f"icmp eq ptr {array}, null")
    new, both, after = body.label(), body.label(), body.label()
    body.branch(gap, new, both)
    body.begin(new)
    body.enter_scope()
    copy = _new_array(f, rep.shape, stack.word.dtype)
    body.do(f"store ptr {copy.pointer}, ptr {pointer}")
    for k, n in enumerate(rep.shape, 1):
        body.do(f"store i64 {n}, ptr {_field(f, pointer, k)}")
    copy_into(f, copy, rep)
    body.leave_scope()
    body.go(after)
    body.begin(both)
    body.enter_scope()
    dtype = stack.word.dtype
    entry = Buffer(dtype, rep.shape, array, f.strides(rep.shape, dtype), True)
    write_into(f, [(entry, rep)], combine)
    body.leave_scope()
    body.go(after)
    body.begin(after)


def _add_stack_to_entry(f: Lowering, stack: Stack, index: Integer, rep: Stack) -> None:
    body = f.body
    length = body.let(f"load i64, ptr {_field(f, stack.header, 1)}")
    pointer = place(f, stack, index, stack_code.HEADER)
    known = body.let(f"icmp slt i64 {index}, {length}")
    both, only, after = body.label(), body.label(), body.label()
    body.branch(known, both, only)
    body.begin(both)
    add = stack_code.adding(f.module, rep.word)
    body.do(f"call void {add}(ptr %ctx, ptr {pointer}, ptr {rep.header})")
    body.go(after)
    body.begin(only)
    copy = stack_code.copying(f.module, rep.word)
    body.do(f"call void {copy}(ptr %ctx, ptr {rep.header}, ptr {pointer})")
    body.go(after)
    body.begin(after)


def _add_stacks(f: Lowering, node: Value) -> Any:
    x, y = (f.rep(v) for v in node.inputs)
    total = copied(f, x, node)
    add = stack_code.adding(f.module, total.word)
    f.body.do(f"call void {add}(ptr %ctx, ptr {total.header}, ptr {y.header})")
    return total


# -- reading ---------------------------------------------------------------------------------------


def _entry(f: Lowering, node: Value) -> Any:
    stack_code.needs(f.module)
    stack = f.rep(node.inputs[0])
    index = _index(f, node)
    word, type = stack.word, node.type
    body = f.body
    length = body.let(f"load i64, ptr {_field(f, stack.header, 1)}")
    data = body.let(f"load ptr, ptr {stack.header}")
    known = body.let(f"icmp ult i64 {index}, {length}")
    if isinstance(type, StackType):
        return _entry_stack(f, node, stack, index, data, known)
    if word.kind == "number":
        at = body.let(f"getelementptr inbounds i8, ptr {data}, i64 {_times(f, index, word)}")
        pointer = body.let(f"select i1 {known}, ptr {at}, ptr @stack.nothing")
        return Number(type.dtype, f.load_at(pointer, word.dtype, pinned=True))
    tokens = stack.tokens | f.tokens(node.inputs[0])
    if word.kind == "fixed":
        shape = f.shape(type.shape)
        size = bytes_of(f, shape, word.dtype)
        at = body.let(f"getelementptr inbounds i8, ptr {data}, i64 {body.mul(index, size)}")
        pointer = _or_zeros(f, known, at, size)
    else:
        shape, pointer = _ragged(f, node, word, data, index, known)
    buffer = Buffer(word.dtype, shape, pointer, f.strides(shape, word.dtype), True, tokens)
    return Lazy(
        word.dtype, shape, lambda i: f.load(buffer, i), ((buffer, True),), 1,
        lambda k: mergeable(f, buffer, shape, k), view=buffer,
    )  # fmt: skip


def _times(f: Lowering, index: Integer, word: Word) -> Integer:
    return f.body.mul(index, word.dtype.itemsize)


def _or_zeros(f: Lowering, known: str, pointer: str, size: Integer) -> str:
    """Return a pointer, or one to zeros where there is no entry."""
    body = f.body
    new, after = body.label(), body.label()
    before = body.here.block
    body.branch(known, after, new, COLD)
    body.begin(new)
    zeros = body.let(f"call ptr @stack.zeros(ptr %ctx, i64 {size})")
    body.go(after)
    body.begin(after)
    return body.let(f"phi ptr [ {pointer}, %{before} ], [ {zeros}, %{new} ]")


def _ragged(
    f: Lowering, node: Value, word: Word, data: str, index: Integer, known: str
) -> tuple[Shape, str]:
    body = f.body
    size = 8 * (1 + word.ndim)
    at = body.let(f"getelementptr inbounds i8, ptr {data}, i64 {body.mul(index, size)}")
    nothing = _no_entry(f, word.ndim)
    record = body.let(f"select i1 {known}, ptr {at}, ptr {nothing}")
    array = body.let(f"load ptr, ptr {record}")
    lengths = [body.let(f"load i64, ptr {_field(f, record, k + 1)}") for k in range(word.ndim)]
    given = [lengths[k] if n is None else f.dim(n) for k, n in enumerate(node.type.shape)]
    shape = tuple(given)
    some = body.let(f"icmp ne ptr {array}, null")
    return shape, _or_zeros(f, some, array, bytes_of(f, shape, word.dtype))


def _no_entry(f: Lowering, ndim: int) -> str:
    name = f"@stack.gap.{ndim}"
    f.module.declare(
        name,
        f"{name} = private unnamed_addr constant [{1 + ndim} x i64] zeroinitializer, align 8",
    )
    return name


def _entry_stack(
    f: Lowering, node: Value, stack: Stack, index: Integer, data: str, known: str
) -> Stack:
    body = f.body
    at = body.let(
        f"getelementptr inbounds i8, ptr {data}, i64 {body.mul(index, stack_code.HEADER)}"
    )
    pointer = body.let(f"select i1 {known}, ptr {at}, ptr @stack.nothing")
    header = new_header(f)
    copy_header(f, pointer, header)
    # A reverse sweep reads the entry before this one in its next pass.
    some = body.let(f"icmp ne i64 {index}, 0")
    both = body.let(f"and i1 {some}, {known}")
    back = body.let(f"getelementptr i8, ptr {pointer}, i64 -{stack_code.HEADER}")
    body.do(
        f"call void @stack.fetch(ptr {body.let(f'select i1 {both}, ptr {back}, ptr {header}')})"
    )
    return Stack(header, stack.word.inner, f.tokens(node))


STACKS = {
    "empty_stack": empty,
    "push": _push,
    "entry": _entry,
    "entry_add": _entry_add,
    "add_stacks": _add_stacks,
}
