"""What all modules call: memory and stacks, a module of its own that is compiled once.

The *context* of a call is a table of words of 64 bits: what went wrong, where memory comes from,
what the code refers to. Memory is taken from chunks that stay when a call has ended; what is given
back during a call goes to a list of blocks of its size, of which there are four between powers of
two. All of it is free again when the call ends, however it ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from adjoint.backends.llvm.lower import pool, results, signals
from adjoint.backends.llvm.writer import Module

__all__ = ["CONTEXT_WORDS", "EXPORTS", "WORD", "define", "give_back", "needs", "take", "text"]

WORD = {
    "site": 0, "first": 1, "second": 2, "top": 3, "end": 4, "chunks": 5, "total": 6, "returned": 7,
    "limit": 8, "code": 9, "callback": 10, "constants": 11, "deepest": 12, "next": 13, "state": 14,
    "fuel": 15, "grant": 16, "looked": 17, "asked": 18,
    "job": 19, "chunk": 20,
}  # fmt: skip
"""Where the words of the context are."""

_LISTS = 24
_CLASSES = 192
CONTEXT_WORDS = _LISTS + _CLASSES

CHUNK = 1 << 20
"""Bytes of the first chunk."""


def _word(name: str) -> str:
    return f"getelementptr inbounds i64, ptr %ctx, i64 {WORD[name]}"


_CLASS = """
define internal { i64, i64 } @memory.class(i64 %bytes) #0 {
  %some = call i64 @llvm.smax.i64(i64 %bytes, i64 1)
  %few = icmp sle i64 %some, 1024
  br i1 %few, label %small, label %large
small:
  %up = add i64 %some, 63
  %size = and i64 %up, -64
  %at = lshr i64 %size, 6
  %r0 = insertvalue { i64, i64 } poison, i64 %size, 0
  %r1 = insertvalue { i64, i64 } %r0, i64 %at, 1
  ret { i64, i64 } %r1
large:
  %less = sub i64 %some, 1
  %zeros = call i64 @llvm.ctlz.i64(i64 %less, i1 true)
  %e = sub i64 63, %zeros
  %e2 = sub i64 %e, 2
  %step = shl i64 1, %e2
  %mask = sub i64 %step, 1
  %over = add i64 %some, %mask
  %not = xor i64 %mask, -1
  %wide = and i64 %over, %not
  %base = shl i64 1, %e
  %past = sub i64 %wide, %base
  %steps = lshr i64 %past, %e2
  %octave = sub i64 %e, 10
  %four = shl i64 %octave, 2
  %sum = add i64 %four, %steps
  %index = add i64 %sum, 16
  %r2 = insertvalue { i64, i64 } poison, i64 %wide, 0
  %r3 = insertvalue { i64, i64 } %r2, i64 %index, 1
  ret { i64, i64 } %r3
}
"""

PREFETCH = "declare void @llvm.prefetch.p0(ptr nocapture readonly, i32, i32, i32)"

AHEAD = 4096
"""How far behind the memory that a stack takes the memory is that it, or another, takes soon."""


def fetch(pointer: str, offset: str, offsets: Iterable[int], written: bool) -> str:
    """Return the text that fetches lines of memory into the cache, to be read or written."""
    lines = [f"  %fetched = getelementptr i8, ptr {pointer}, i64 {offset}"]
    for k, n in enumerate(offsets):
        lines.append(f"  %line{k} = getelementptr i8, ptr %fetched, i64 {n}")
        lines.append(
            f"  call void @llvm.prefetch.p0(ptr %line{k}, i32 {int(written)}, i32 3, i32 1)"
        )
    return "\n".join(lines)


_DECLARED = {
    "@llvm.prefetch.p0": PREFETCH,
    "@llvm.smax.i64": "declare i64 @llvm.smax.i64(i64, i64)",
    "@llvm.smin.i64": "declare i64 @llvm.smin.i64(i64, i64)",
    "@llvm.umax.i64": "declare i64 @llvm.umax.i64(i64, i64)",
    "@llvm.ctlz.i64": "declare i64 @llvm.ctlz.i64(i64, i1)",
    "@llvm.frameaddress.p0": "declare ptr @llvm.frameaddress.p0(i32 immarg)",
    "@malloc": "declare noalias ptr @malloc(i64)",
    "@free": "declare void @free(ptr)",
    "@llvm.memcpy.p0.p0.i64": "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
    "@llvm.memset.p0.i64": "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
}

_TAKE = f"""
define ptr @memory.take(ptr %ctx, i64 %bytes) #0 {{
  %class = call {{ i64, i64 }} @memory.class(i64 %bytes)
  %size = extractvalue {{ i64, i64 }} %class, 0
  %index = extractvalue {{ i64, i64 }} %class, 1
  %slot = add i64 %index, {_LISTS}
  %list = getelementptr inbounds i64, ptr %ctx, i64 %slot
  %head = load ptr, ptr %list
  %some = icmp ne ptr %head, null
  br i1 %some, label %known, label %new
known:
  %next = load ptr, ptr %head
  store ptr %next, ptr %list
  ret ptr %head
new:
  %at = {_word("top")}
  %last = {_word("end")}
  %top = load i64, ptr %at
  %end = load i64, ptr %last
  %further = add i64 %top, %size
  %fits = icmp ule i64 %further, %end
  br i1 %fits, label %bump, label %grow, !prof !0
bump:
  store i64 %further, ptr %at
  %found = inttoptr i64 %top to ptr
  ret ptr %found
grow:
  %fresh = call ptr @memory.grow(ptr %ctx, i64 %size)
  ret ptr %fresh
}}
define internal ptr @memory.grow(ptr %ctx, i64 %size) #1 {{
  %sum = {_word("total")}
  %total = load i64, ptr %sum
  %least = call i64 @llvm.umax.i64(i64 %total, i64 {CHUNK})
  %room = call i64 @llvm.umax.i64(i64 %least, i64 %size)
  %bytes = add i64 %room, 128
  %chunk = call ptr @pages.take(i64 %bytes)
  %none = icmp eq ptr %chunk, null
  br i1 %none, label %fail, label %link
fail:
  ret ptr null
link:
  %chunks = {_word("chunks")}
  %former = load ptr, ptr %chunks
  store ptr %former, ptr %chunk
  store ptr %chunk, ptr %chunks
  %more = add i64 %total, %bytes
  store i64 %more, ptr %sum
  %start = ptrtoint ptr %chunk to i64
  %up = add i64 %start, 127
  %first = and i64 %up, -64
  %used = add i64 %first, %size
  %end = add i64 %start, %bytes
  %at = {_word("top")}
  %last = {_word("end")}
  store i64 %used, ptr %at
  store i64 %end, ptr %last
  %found = inttoptr i64 %first to ptr
  ret ptr %found
}}
define void @memory.give(ptr %ctx, ptr %block, i64 %bytes) #0 {{
  %class = call {{ i64, i64 }} @memory.class(i64 %bytes)
  %index = extractvalue {{ i64, i64 }} %class, 1
  %slot = add i64 %index, {_LISTS}
  %list = getelementptr inbounds i64, ptr %ctx, i64 %slot
  %head = load ptr, ptr %list
  store ptr %head, ptr %block
  store ptr %block, ptr %list
  %returned = {_word("returned")}
  store i64 1, ptr %returned
  ret void
}}
define void @memory.reset(ptr %ctx) #0 {{
  %chunks = {_word("chunks")}
  %chunk = load ptr, ptr %chunks
  %none = icmp eq ptr %chunk, null
  br i1 %none, label %end, label %some
some:
  %next = load ptr, ptr %chunk
  %single = icmp eq ptr %next, null
  %sum = {_word("total")}
  %total = load i64, ptr %sum
  %most = {_word("limit")}
  %limit = load i64, ptr %most
  %moderate = icmp ule i64 %total, %limit
  %keep = and i1 %single, %moderate
  br i1 %keep, label %clear, label %release, !prof !0
clear:
  %start = ptrtoint ptr %chunk to i64
  %up = add i64 %start, 127
  %first = and i64 %up, -64
  %at = {_word("top")}
  store i64 %first, ptr %at
  %returned = {_word("returned")}
  %any = load i64, ptr %returned
  %dirty = icmp ne i64 %any, 0
  br i1 %dirty, label %wipe, label %end
wipe:
  call void @memory.wipe(ptr %ctx)
  ret void
release:
  call void @memory.release(ptr %ctx)
  br i1 %moderate, label %whole, label %end
whole:
  %block = call ptr @memory.grow(ptr %ctx, i64 %total)
  call void @memory.reset(ptr %ctx)
  ret void
end:
  ret void
}}
define internal void @memory.wipe(ptr %ctx) #1 {{
  %returned = {_word("returned")}
  store i64 0, ptr %returned
  %lists = getelementptr inbounds i64, ptr %ctx, i64 {_LISTS}
  call void @llvm.memset.p0.i64(ptr %lists, i8 0, i64 {8 * _CLASSES}, i1 false)
  ret void
}}
define internal void @memory.release(ptr %ctx) #1 {{
  %chunks = {_word("chunks")}
  br label %loop
loop:
  %chunk = load ptr, ptr %chunks
  %none = icmp eq ptr %chunk, null
  br i1 %none, label %end, label %some
some:
  %next = load ptr, ptr %chunk
  store ptr %next, ptr %chunks
  call void @free(ptr %chunk)
  br label %loop
end:
  %sum = {_word("total")}
  %at = {_word("top")}
  %last = {_word("end")}
  store i64 0, ptr %sum
  store i64 0, ptr %at
  store i64 0, ptr %last
  call void @memory.wipe(ptr %ctx)
  ret void
}}
"""


_REPORT = """
define void @memory.report(ptr %ctx, i64 %site, i64 %x, i64 %y) #1 {
  store i64 %site, ptr %ctx
  %first = getelementptr inbounds i64, ptr %ctx, i64 1
  store i64 %x, ptr %first
  %second = getelementptr inbounds i64, ptr %ctx, i64 2
  store i64 %y, ptr %second
  ret void
}
"""

# What small stacks take next lies a little further on: it is fetched while this is filled.
_STACK = f"""
define void @stack.grow(ptr %ctx, ptr %stack, i64 %bytes) #1 {{
  %roomp = getelementptr inbounds i64, ptr %stack, i64 2
  %room = load i64, ptr %roomp
  %twice = shl i64 %room, 1
  %some = call i64 @llvm.smax.i64(i64 %bytes, i64 512)
  %more = call i64 @llvm.smax.i64(i64 %twice, i64 %some)
  call void @stack.reserve(ptr %ctx, ptr %stack, i64 %more)
  ret void
}}
define void @stack.reserve(ptr %ctx, ptr %stack, i64 %bytes) #1 {{
  %lengthp = getelementptr inbounds i64, ptr %stack, i64 1
  %roomp = getelementptr inbounds i64, ptr %stack, i64 2
  %sizep = getelementptr inbounds i64, ptr %stack, i64 3
  %old = load ptr, ptr %stack
  %length = load i64, ptr %lengthp
  %size = load i64, ptr %sizep
  %used = mul i64 %length, %size
  %new = call ptr @memory.take(ptr %ctx, i64 %bytes)
  %none = icmp eq ptr %new, null
  br i1 %none, label %fail, label %move
fail:
  call void @abort()
  unreachable
move:
  call void @llvm.memcpy.p0.p0.i64(ptr %new, ptr %old, i64 %used, i1 false)
  store ptr %new, ptr %stack
  store i64 %bytes, ptr %roomp
{fetch("%new", str(AHEAD), range(0, 512, 64), True)}
  ret void
}}
define void @stack.gap(ptr %stack, i64 %index) #1 {{
  %lengthp = getelementptr inbounds i64, ptr %stack, i64 1
  %sizep = getelementptr inbounds i64, ptr %stack, i64 3
  %length = load i64, ptr %lengthp
  %size = load i64, ptr %sizep
  %data = load ptr, ptr %stack
  %from = mul i64 %length, %size
  %to = mul i64 %index, %size
  %bytes = sub i64 %to, %from
  %at = getelementptr inbounds i8, ptr %data, i64 %from
  call void @llvm.memset.p0.i64(ptr %at, i8 0, i64 %bytes, i1 false)
  ret void
}}
define ptr @stack.zeros(ptr %ctx, i64 %bytes) #1 {{
  %new = call ptr @memory.take(ptr %ctx, i64 %bytes)
  call void @llvm.memset.p0.i64(ptr %new, i8 0, i64 %bytes, i1 false)
  ret ptr %new
}}
define ptr @stack.place(ptr %ctx, ptr %stack, i64 %index, i64 %size) #0 {{
  %lengthp = getelementptr inbounds i64, ptr %stack, i64 1
  %roomp = getelementptr inbounds i64, ptr %stack, i64 2
  %sizep = getelementptr inbounds i64, ptr %stack, i64 3
  store i64 %size, ptr %sizep
  %further = add i64 %index, 1
  %bytes = mul i64 %further, %size
  %room = load i64, ptr %roomp
  %fits = icmp sle i64 %bytes, %room
  br i1 %fits, label %enough, label %grow, !prof !0
grow:
  call void @stack.grow(ptr %ctx, ptr %stack, i64 %bytes)
  br label %enough
enough:
  %length = load i64, ptr %lengthp
  %dense = icmp sle i64 %index, %length
  br i1 %dense, label %near, label %gap, !prof !0
gap:
  call void @stack.gap(ptr %stack, i64 %index)
  br label %near
near:
  %longer = call i64 @llvm.smax.i64(i64 %length, i64 %further)
  store i64 %longer, ptr %lengthp
  %data = load ptr, ptr %stack
  %at = mul i64 %index, %size
  %found = getelementptr inbounds i8, ptr %data, i64 %at
  ret ptr %found
}}
declare void @abort()
"""

# Contexts that no call uses are a list, which is changed with the GIL held. A *link* has the words
# that are the same for all calls of a piece of code: its number, the callback, the constants.
_CONTEXT = f"""
@context.idle = internal global ptr null
define ptr @context.take(ptr %link, i64 %stack) #0 {{
  %ctx = load ptr, ptr @context.idle
  %none = icmp eq ptr %ctx, null
  br i1 %none, label %end, label %some
some:
  %nextp = {_word("next")}
  %next = load ptr, ptr %nextp
  store ptr %next, ptr @context.idle
  %codep = {_word("code")}
  call void @llvm.memcpy.p0.p0.i64(ptr %codep, ptr %link, i64 24, i1 false)
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  %here = ptrtoint ptr %frame to i64
  %lowest = sub i64 %here, %stack
  %deepestp = {_word("deepest")}
  store i64 %lowest, ptr %deepestp
  %grantp = {_word("grant")}
  %grant = load i64, ptr %grantp
  %fuelp = {_word("fuel")}
  store i64 %grant, ptr %fuelp
  %lookedp = {_word("looked")}
  store i64 0, ptr %lookedp
  %askedp = {_word("asked")}
  store i64 0, ptr %askedp
  br label %end
end:
  ret ptr %ctx
}}
define void @context.give(ptr %ctx) #0 {{
  %nextp = {_word("next")}
  %next = load ptr, ptr @context.idle
  store ptr %next, ptr %nextp
  store ptr %ctx, ptr @context.idle
  ret void
}}
"""

_NOTHING = "nounwind"
_COLD = "nounwind cold"
# What Python's handlers of signals do to arrays is not seen by code that runs meanwhile.
_QUIET = "nounwind memory(argmem: readwrite, inaccessiblemem: readwrite)"
EXPORTS = {
    "memory.take": f"declare noalias ptr @memory.take(ptr nocapture, i64) {_NOTHING}",
    "memory.give": f"declare void @memory.give(ptr nocapture, ptr, i64) {_NOTHING}",
    "memory.reset": f"declare void @memory.reset(ptr nocapture) {_NOTHING}",
    "memory.report": f"declare void @memory.report(ptr nocapture, i64, i64, i64) {_NOTHING} cold",
    "context.take": f"declare ptr @context.take(ptr, i64) {_NOTHING}",
    "context.give": f"declare void @context.give(ptr) {_NOTHING}",
    **results.EXPORTS,
    "run.poll": f"declare i32 @run.poll(ptr nocapture) {_QUIET} cold",
    "run.python": f"declare i32 @run.python(ptr, i64, ptr) {_NOTHING}",
    "parallel.run": f"declare i32 @parallel.run(ptr, ptr, ptr, i64, i64) {_NOTHING}",
    "parallel.passes": f"declare i32 @parallel.passes(ptr, ptr, ptr, i64, i64) {_NOTHING}",
    "parallel.serial": f"declare i32 @parallel.serial(ptr, ptr, ptr, i64, i64) {_NOTHING}",
    "pool.work": f"declare void @pool.work(i64) {_NOTHING}",
    "pool.add": f"declare i64 @pool.add(ptr, ptr) {_NOTHING}",
    "pool.reset": f"declare void @pool.reset(ptr, ptr) {_NOTHING}",
    "pool.set_limit": f"declare void @pool.set_limit(i64) {_NOTHING}",
    "run.set_main": f"declare void @run.set_main(i64) {_NOTHING}",
    "stack.reserve": f"declare void @stack.reserve(ptr nocapture, ptr nocapture, i64) {_COLD}",
    "stack.zeros": f"declare noalias ptr @stack.zeros(ptr nocapture, i64) {_NOTHING} cold",
    "stack.place": f"declare ptr @stack.place(ptr nocapture, ptr nocapture, i64, i64) {_NOTHING}",
}
"""The functions of the module, and how others declare them."""


def text(attributes: str) -> str:
    """Return the module."""
    module = Module(attributes)
    for name, declaration in _DECLARED.items():
        module.declare(name, declaration)
    further = results.text(), signals.text(_word), pool.text(_word, WORD)
    for part in (_CLASS, _TAKE, _REPORT, _CONTEXT, _STACK, *further):
        lines = part.split("\n")
        module.define("\n".join([line for line in lines if not line.startswith("declare ")]))
        for line in lines:
            if line.startswith("declare "):
                module.declare(line[line.index("@") : line.index("(")], line)
    return module.text()


def define(module: Module) -> None:
    """Put the functions of the module, but those about contexts, into another that stands alone."""
    for name in EXPORTS:
        module.declare(f"@{name}", "")
    for name, declaration in _DECLARED.items():
        module.declare(name, declaration)
    for part in (_CLASS, _TAKE, _REPORT, _STACK, results.pages(), pool.standalone(_word)):
        own = part.replace("define internal ", "define ")
        module.define(own.replace("define ", "define internal "))


def needs(module: Module, *names: str) -> None:
    """Declare functions of the module in another."""
    for name in names:
        module.declare(f"@{name}", EXPORTS[name])


def take(module: Module, ctx: str, bytes: str) -> str:
    """Return the text of a call that takes memory; null if there is none."""
    needs(module, "memory.take")
    return f"call ptr @memory.take(ptr {ctx}, i64 {bytes})"


def give_back(module: Module, ctx: str, block: str, bytes: str) -> str:
    """Return the text of a call that gives a block back, of which ``bytes`` had been asked for."""
    needs(module, "memory.give")
    return f"call void @memory.give(ptr {ctx}, ptr {block}, i64 {bytes})"
