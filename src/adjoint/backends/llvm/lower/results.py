"""The memory of results: kept when an array is gone, for the next one of its size.

A new large array costs more than what is computed for it if the system has to find and clear its
pages at every call. Arrays of at least `LARGE` bytes are made under a memory handler of our own
(NumPy's NEP 49), which does not give their memory back to the system when they are gone: it is kept
in a few places, no more than `KEPT` bytes of it, and the next array of the same size gets it. The
arrays are NumPy's own in every other way. The GIL is held in all of this.
"""

from __future__ import annotations

import sys

__all__ = ["EXPORTS", "HANDLER", "SYSTEM", "pages", "text"]

LARGE = 1 << 20
"""Bytes from which on memory is kept."""

KEPT = 1 << 29
"""Bytes of memory that no array uses."""

PLACES = 16

_HUGE = 1 << 21
"""Bytes of a huge page; memory of twice that is asked for in such pages, where Linux has them."""

HANDLER = ("malloc", "calloc", "realloc", "free")
"""What a handler has, in the order of NumPy's ``PyDataMemAllocator``."""

EXPORTS = {
    "result.new": "declare ptr @result.new(ptr, ptr, i32, ptr, i64) nounwind",
    **dict.fromkeys([f"result.{name}" for name in HANDLER], ""),
}

_LINUX = sys.platform.startswith("linux")

SYSTEM = ("malloc", "free", "realloc", *(("aligned_alloc", "madvise") if _LINUX else ()))
"""The functions of the system's library that this needs."""

_PAGES = f"""
define ptr @pages.take(i64 %bytes) #0 {{
  %large = icmp uge i64 %bytes, {2 * _HUGE}
  br i1 %large, label %huge, label %usual
huge:
  %up = add i64 %bytes, {_HUGE - 1}
  %whole = and i64 %up, {-_HUGE}
  %found = call ptr @aligned_alloc(i64 {_HUGE}, i64 %whole)
  %none = icmp eq ptr %found, null
  br i1 %none, label %end, label %advise
advise:
  %ignored = call i32 @madvise(ptr %found, i64 %whole, i32 14)
  br label %end
usual:
  %some = call ptr @malloc(i64 %bytes)
  ret ptr %some
end:
  ret ptr %found
}}
declare ptr @aligned_alloc(i64, i64)
declare i32 @madvise(ptr, i64, i32)
"""

_PLAIN_PAGES = """
define ptr @pages.take(i64 %bytes) #0 {
  %some = call ptr @malloc(i64 %bytes)
  ret ptr %some
}
"""

_GIVEN = "ptr %kind, ptr %descr, i32 %axes, ptr %lengths, ptr null, ptr null, i32 0, ptr null"

_POOL = f"""
@result.handler = external global i8
%place = type {{ ptr, i64 }}
@result.places = internal global [{PLACES} x %place] zeroinitializer
@result.kept = internal global i64 0
@result.next = internal global i64 0

define ptr @result.malloc(ptr %self, i64 %bytes) #0 {{
start:
  %large = icmp uge i64 %bytes, {LARGE}
  br i1 %large, label %look, label %new
look:
  %k = phi i64 [ 0, %start ], [ %k2, %further ]
  %place = getelementptr inbounds %place, ptr @result.places, i64 %k
  %sizep = getelementptr inbounds %place, ptr %place, i64 0, i32 1
  %size = load i64, ptr %sizep
  %same = icmp eq i64 %size, %bytes
  br i1 %same, label %known, label %further
further:
  %k2 = add i64 %k, 1
  %more = icmp ult i64 %k2, {PLACES}
  br i1 %more, label %look, label %new
known:
  %found = load ptr, ptr %place
  store ptr null, ptr %place
  store i64 0, ptr %sizep
  %kept = load i64, ptr @result.kept
  %less = sub i64 %kept, %bytes
  store i64 %less, ptr @result.kept
  ret ptr %found
new:
  %some = call i64 @llvm.umax.i64(i64 %bytes, i64 1)
  %made = call ptr @pages.take(i64 %some)
  ret ptr %made
}}
define ptr @result.calloc(ptr %self, i64 %count, i64 %each) #0 {{
  %bytes = mul i64 %count, %each
  %made = call ptr @result.malloc(ptr %self, i64 %bytes)
  %none = icmp eq ptr %made, null
  br i1 %none, label %end, label %clear
clear:
  call void @llvm.memset.p0.i64(ptr %made, i8 0, i64 %bytes, i1 false)
  br label %end
end:
  ret ptr %made
}}
define ptr @result.realloc(ptr %self, ptr %old, i64 %bytes) #0 {{
  %made = call ptr @realloc(ptr %old, i64 %bytes)
  ret ptr %made
}}
define void @result.free(ptr %self, ptr %old, i64 %bytes) #0 {{
start:
  %large = icmp uge i64 %bytes, {LARGE}
  %fits = icmp ule i64 %bytes, {KEPT}
  %keep = and i1 %large, %fits
  br i1 %keep, label %turn, label %away
away:
  call void @free(ptr %old)
  ret void
turn:
  ; The place whose turn it is, and as many after it as leave enough room.
  %at = load i64, ptr @result.next
  %next = add i64 %at, 1
  %round = and i64 %next, {PLACES - 1}
  store i64 %round, ptr @result.next
  %place = getelementptr inbounds %place, ptr @result.places, i64 %at
  call void @result.empty(ptr %place)
  br label %room
room:
  %k = phi i64 [ %round, %turn ], [ %k2, %drop ]
  %kept = load i64, ptr @result.kept
  %sum = add i64 %kept, %bytes
  %much = icmp ugt i64 %sum, {KEPT}
  br i1 %much, label %drop, label %put
drop:
  %other = getelementptr inbounds %place, ptr @result.places, i64 %k
  call void @result.empty(ptr %other)
  %up = add i64 %k, 1
  %k2 = and i64 %up, {PLACES - 1}
  br label %room
put:
  store ptr %old, ptr %place
  %sizep = getelementptr inbounds %place, ptr %place, i64 0, i32 1
  store i64 %bytes, ptr %sizep
  store i64 %sum, ptr @result.kept
  ret void
}}
define internal void @result.empty(ptr %place) #0 {{
  %old = load ptr, ptr %place
  %sizep = getelementptr inbounds %place, ptr %place, i64 0, i32 1
  %size = load i64, ptr %sizep
  %kept = load i64, ptr @result.kept
  %less = sub i64 %kept, %size
  store i64 %less, ptr @result.kept
  store i64 0, ptr %sizep
  store ptr null, ptr %place
  call void @free(ptr %old)
  ret void
}}
define ptr @result.new(ptr %kind, ptr %descr, i32 %axes, ptr %lengths, i64 %each) #0 {{
start:
  call void @Py_IncRef(ptr %descr)
  %n = zext i32 %axes to i64
  br label %count
count:
  %k = phi i64 [ 0, %start ], [ %k2, %one ]
  %bytes = phi i64 [ %each, %start ], [ %product, %one ]
  %more = icmp ult i64 %k, %n
  br i1 %more, label %one, label %counted
one:
  %lengthp = getelementptr inbounds i64, ptr %lengths, i64 %k
  %length = load i64, ptr %lengthp
  %product = mul i64 %bytes, %length
  %k2 = add i64 %k, 1
  br label %count
counted:
  %large = icmp uge i64 %bytes, {LARGE}
  br i1 %large, label %ours, label %theirs
theirs:
  %made = call ptr @PyArray_NewFromDescr({_GIVEN})
  ret ptr %made
ours:
  %former = call ptr @PyDataMem_SetHandler(ptr @result.handler)
  %kept = call ptr @PyArray_NewFromDescr({_GIVEN})
  %mine = call ptr @PyDataMem_SetHandler(ptr %former)
  call void @Py_DecRef(ptr %former)
  call void @Py_DecRef(ptr %mine)
  ret ptr %kept
}}
declare ptr @realloc(ptr, i64)
declare ptr @PyDataMem_SetHandler(ptr)
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
"""


def pages() -> str:
    """Return the function that takes memory from the system."""
    return _PAGES if _LINUX else _PLAIN_PAGES


def text() -> str:
    """Return the functions."""
    return pages() + _POOL
