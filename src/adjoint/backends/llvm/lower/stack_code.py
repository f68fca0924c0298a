"""What stacks of each form need at run time: functions of the module, written when first needed.

A header is four words: data, length, bytes that there is room for, bytes of an entry. Data that has
become too short for its stack stays where it is: an entry that is being read does not move.
"""

from __future__ import annotations

from adjoint.backends.llvm.lower import runtime
from adjoint.backends.llvm.lower.types import in_memory, part_size
from adjoint.backends.llvm.lower.values import Word
from adjoint.backends.llvm.writer import COLD, Module

__all__ = ["HEADER", "adding", "copying", "needs"]

HEADER = 32
"""Bytes of a header."""

_COPY = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
_SET = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"
_NOTHING = "@stack.nothing = private unnamed_addr constant [32 x i8] zeroinitializer, align 16"


_NEXT = "define internal ptr @stack.next(ptr %ctx, ptr %stack, i64 %index, i64 %size)"
_QUICK = f"""{_NEXT} alwaysinline #0 {{
  %lengthp = getelementptr inbounds i64, ptr %stack, i64 1
  %roomp = getelementptr inbounds i64, ptr %stack, i64 2
  %sizep = getelementptr inbounds i64, ptr %stack, i64 3
  %length = load i64, ptr %lengthp
  %room = load i64, ptr %roomp
  %further = add i64 %index, 1
  %bytes = mul i64 %further, %size
  %fits = icmp sle i64 %bytes, %room
  %next = icmp eq i64 %index, %length
  %fine = and i1 %fits, %next
  br i1 %fine, label %quick, label %slow, {COLD}
quick:
  store i64 %further, ptr %lengthp
  store i64 %size, ptr %sizep
  %data = load ptr, ptr %stack
  %at = mul i64 %index, %size
  %found = getelementptr inbounds i8, ptr %data, i64 %at
  ret ptr %found
slow:
  %other = call ptr @stack.place(ptr %ctx, ptr %stack, i64 %index, i64 %size)
  ret ptr %other
}}"""
"""An entry behind the others, for which there is room, as it is almost always."""

FETCHED = 8
"""Lines of 64 bytes at the end of a stack that are fetched before they are read."""

_FETCH = f"""define internal void @stack.fetch(ptr %stack) #0 {{
  %lengthp = getelementptr inbounds i64, ptr %stack, i64 1
  %sizep = getelementptr inbounds i64, ptr %stack, i64 3
  %data = load ptr, ptr %stack
  %length = load i64, ptr %lengthp
  %size = load i64, ptr %sizep
  %bytes = mul i64 %length, %size
{runtime.fetch("%data", "%bytes", [-64 * k for k in range(1, FETCHED + 1)], False)}
  ret void
}}"""
"""No cache sees by itself what comes next where stacks are read from the last to the first."""


def needs(module: Module) -> None:
    """Put what all stacks need into a module."""
    if module.declares("@stack.next"):
        return
    module.declare("@stack.next", "")
    module.define(_QUICK)
    module.declare("@llvm.prefetch.p0", runtime.PREFETCH)
    module.define(_FETCH)
    module.declare("@stack.nothing", _NOTHING)
    runtime.needs(module, "memory.take", "stack.place", "stack.zeros")
    module.declare("@llvm.memcpy.p0.p0.i64", _COPY)
    module.declare("@llvm.memset.p0.i64", _SET)


def _tag(word: Word) -> str:
    if word.kind == "stack":
        return "s" + _tag(word.inner)
    return f"{word.kind[0]}.{word.dtype.name}.{word.ndim}"


def _loop(body: str) -> str:
    """Return a loop over ``%length`` entries, from ``%start`` on; its body goes to ``%next``."""
    return f"""
  br label %head
head:
  %k = phi i64 [ 0, %start ], [ %k2, %next ]
  %more = icmp slt i64 %k, %length
  br i1 %more, label %each, label %end
each:{body}
  br label %next
next:
  %k2 = add i64 %k, 1
  br label %head
end:"""


def _ragged_bytes(word: Word, entry: str) -> str:
    lines = [f"  %n0 = add i64 0, {word.dtype.itemsize}"]
    for k in range(word.ndim):
        lines.append(f"  %d{k}p = getelementptr inbounds i64, ptr {entry}, i64 {k + 1}")
        lines.append(f"  %d{k} = load i64, ptr %d{k}p")
        lines.append(f"  %n{k + 1} = mul i64 %n{k}, %d{k}")
    return "\n".join(lines)


def copying(module: Module, word: Word) -> str:
    """Return the function that makes the header ``%to`` one of a copy of the stack ``%from``."""
    name = f"@stack.copy.{_tag(word)}"
    if module.declares(name):
        return name
    needs(module)
    module.declare(name, "")
    inside = ""
    if word.kind == "ragged":
        inside = _loop(f"""
  %at = mul i64 %k, %size
  %entry = getelementptr inbounds i8, ptr %new, i64 %at
  %array = load ptr, ptr %entry
  %none = icmp eq ptr %array, null
  br i1 %none, label %next, label %some
some:
{_ragged_bytes(word, "%entry")}
  %own = call ptr @memory.take(ptr %ctx, i64 %n{word.ndim})
  call void @llvm.memcpy.p0.p0.i64(ptr %own, ptr %array, i64 %n{word.ndim}, i1 false)
  store ptr %own, ptr %entry""")
    elif word.kind == "stack":
        inner = copying(module, word.inner)
        inside = _loop(f"""
  %at = mul i64 %k, %size
  %entry = getelementptr inbounds i8, ptr %new, i64 %at
  %old = getelementptr inbounds i8, ptr %data, i64 %at
  call void {inner}(ptr %ctx, ptr %old, ptr %entry)""")
    module.define(f"""define internal void {name}(ptr %ctx, ptr %from, ptr %to) #0 {{
start:
  %data = load ptr, ptr %from
  %lengthp = getelementptr inbounds i64, ptr %from, i64 1
  %sizep = getelementptr inbounds i64, ptr %from, i64 3
  %length = load i64, ptr %lengthp
  %size = load i64, ptr %sizep
  %bytes = mul i64 %length, %size
  %new = call ptr @memory.take(ptr %ctx, i64 %bytes)
  call void @llvm.memcpy.p0.p0.i64(ptr %new, ptr %data, i64 %bytes, i1 false)
  store ptr %new, ptr %to
  %length2 = getelementptr inbounds i64, ptr %to, i64 1
  %room2 = getelementptr inbounds i64, ptr %to, i64 2
  %size2 = getelementptr inbounds i64, ptr %to, i64 3
  store i64 %length, ptr %length2
  store i64 %bytes, ptr %room2
  store i64 %size, ptr %size2{inside}
  ret void
}}""")
    return name


def adding(module: Module, word: Word) -> str:
    """Return the function that adds the entries of stack ``%y`` to those of ``%x``, in place."""
    name = f"@stack.add.{_tag(word)}"
    if module.declares(name):
        return name
    needs(module)
    module.declare(name, "")
    if word.kind == "stack":
        inner, copy = adding(module, word.inner), copying(module, word.inner)
        inside = f"""
  %have = icmp slt i64 %k, %mine
  %to = call ptr @stack.place(ptr %ctx, ptr %x, i64 %k, i64 {HEADER})
  br i1 %have, label %both, label %only
both:
  call void {inner}(ptr %ctx, ptr %to, ptr %entry)
  br label %next
only:
  call void {copy}(ptr %ctx, ptr %entry, ptr %to)"""
    elif word.kind == "ragged":
        inside = f"""
  %array = load ptr, ptr %entry
  %none = icmp eq ptr %array, null
  br i1 %none, label %next, label %some
some:
{_ragged_bytes(word, "%entry")}
  %have = icmp slt i64 %k, %mine
  %to = call ptr @stack.place(ptr %ctx, ptr %x, i64 %k, i64 %size)
  br i1 %have, label %known, label %only
known:
  %own = load ptr, ptr %to
  %gap = icmp eq ptr %own, null
  br i1 %gap, label %only, label %both
both:
  call void {_adding_numbers(module, word)}(ptr %own, ptr %array, i64 %n{word.ndim})
  br label %next
only:
  %new = call ptr @memory.take(ptr %ctx, i64 %n{word.ndim})
  call void @llvm.memcpy.p0.p0.i64(ptr %new, ptr %array, i64 %n{word.ndim}, i1 false)
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %entry, i64 %size, i1 false)
  store ptr %new, ptr %to"""
    else:
        inside = f"""
  %have = icmp slt i64 %k, %mine
  %to = call ptr @stack.place(ptr %ctx, ptr %x, i64 %k, i64 %size)
  br i1 %have, label %both, label %only
both:
  call void {_adding_numbers(module, word)}(ptr %to, ptr %entry, i64 %size)
  br label %next
only:
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %entry, i64 %size, i1 false)"""
    inside = f"""
  %at = mul i64 %k, %size
  %entry = getelementptr inbounds i8, ptr %data, i64 %at{inside}"""
    module.define(f"""define internal void {name}(ptr %ctx, ptr %x, ptr %y) #0 {{
start:
  %data = load ptr, ptr %y
  %lengthp = getelementptr inbounds i64, ptr %y, i64 1
  %sizep = getelementptr inbounds i64, ptr %y, i64 3
  %length = load i64, ptr %lengthp
  %size = load i64, ptr %sizep
  %minep = getelementptr inbounds i64, ptr %x, i64 1
  %mine = load i64, ptr %minep
{_loop(inside)}
  ret void
}}""")
    return name


def _adding_numbers(module: Module, word: Word) -> str:
    """Return the function that adds the numbers of a block of memory to those of another."""
    type, size = in_memory(word.dtype), part_size(word.dtype)
    name = f"@stack.numbers.{word.dtype.name}"
    if not module.declares(name):
        add = "fadd" if word.dtype.kind in "fc" else "add"
        module.declare(name, "")
        numbers = f"""
  %p = getelementptr inbounds {type}, ptr %x, i64 %k
  %q = getelementptr inbounds {type}, ptr %y, i64 %k
  %a = load {type}, ptr %p
  %b = load {type}, ptr %q
  %c = {add} {type} %a, %b
  store {type} %c, ptr %p"""
        module.define(f"""define internal void {name}(ptr %x, ptr %y, i64 %bytes) #0 {{
start:
  %length = sdiv i64 %bytes, {size}{_loop(numbers)}
  ret void
}}""")
    return name
