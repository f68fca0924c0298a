"""The runtime's part that talks to Python during a call: signals that wait, operations it runs.

A function that has nothing left of what it was granted (`polling`) calls ``run.poll``, which reads
the clock. That tells how much to grant for about a millisecond; and when Python was asked long
enough ago, it is asked again. An error that Python raises stays set in the thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

__all__ = ["FAILED", "GRANT", "RAISED", "text"]

GRANT = 1 << 14
"""What a context begins with; the clock tells what it has to be."""

FAILED = 6
"""Where a job has the first of the chunks that failed (`pool`)."""

RAISED = -2
"""The site of an error that Python has raised, and that is set in the thread."""

_LEAST, _MOST = 1 << 8, 1 << 24
_SHORT, _LONG = 250_000, 2_000_000
"""Nanoseconds between two looks at the clock: below, more is granted, and above, less."""

_WAIT = 50_000_000
"""Nanoseconds between two questions to Python."""

_CLOCK = """
define internal i64 @run.clock() #1 {{
  %time = alloca {{ i64, i64 }}
  %status = call i32 @clock_gettime(i32 {monotonic}, ptr %time)
  %seconds = load i64, ptr %time
  %at = getelementptr inbounds i64, ptr %time, i64 1
  %rest = load i64, ptr %at
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  ret i64 %now
}}
declare i32 @clock_gettime(i32, ptr)
"""

_WINDOWS_CLOCK = """
define internal i64 @run.clock() #1 {
  %ticks = call i64 @GetTickCount64()
  %now = mul i64 %ticks, 1000000
  ret i64 %now
}
declare i64 @GetTickCount64()
"""

_POLL = """
@run.main = internal global i64 0
define void @run.set_main(i64 %thread) #0 {{
  store i64 %thread, ptr @run.main
  ret void
}}
define i32 @run.poll(ptr %ctx) #1 {{
  %statep = {state}
  %state = load ptr, ptr %statep
  %worker = icmp eq ptr %state, null
  br i1 %worker, label %within, label %python
within:
  %jobp = {job}
  %job = load ptr, ptr %jobp
  %boundp = getelementptr inbounds i64, ptr %job, i64 {failed}
  %bound = load atomic i64, ptr %boundp seq_cst, align 8
  %chunkp = {chunk}
  %chunk = load i64, ptr %chunkp
  %myfuelp = {fuel}
  store i64 {least_grant}, ptr %myfuelp
  %over = icmp slt i64 %bound, %chunk
  %stop = zext i1 %over to i32
  ret i32 %stop
python:
  %now = call i64 @run.clock()
  %lookedp = {looked}
  %looked = load i64, ptr %lookedp
  store i64 %now, ptr %lookedp
  %fuelp = {fuel}
  %grantp = {grant}
  %grant = load i64, ptr %grantp
  %first = icmp eq i64 %looked, 0
  br i1 %first, label %begin, label %adapt
begin:
  store i64 %grant, ptr %fuelp
  br label %ask
adapt:
  %elapsed = sub i64 %now, %looked
  %short = icmp slt i64 %elapsed, {short_time}
  %long = icmp sgt i64 %elapsed, {long_time}
  %double = shl i64 %grant, 1
  %quarter = ashr i64 %grant, 2
  %up = select i1 %short, i64 %double, i64 %grant
  %down = select i1 %long, i64 %quarter, i64 %up
  %some = call i64 @llvm.smax.i64(i64 %down, i64 {least})
  %new = call i64 @llvm.smin.i64(i64 %some, i64 {most})
  store i64 %new, ptr %grantp
  store i64 %new, ptr %fuelp
  br label %ask
ask:
  %status = call i32 @run.ask_at(ptr %ctx, i64 %now)
  ret i32 %status
}}
define i32 @run.ask(ptr %ctx) #1 {{
  %now = call i64 @run.clock()
  %status = call i32 @run.ask_at(ptr %ctx, i64 %now)
  ret i32 %status
}}
define internal i32 @run.ask_at(ptr %ctx, i64 %now) #1 {{
  %askedp = {asked}
  %asked = load i64, ptr %askedp
  %none_yet = icmp eq i64 %asked, 0
  br i1 %none_yet, label %begin, label %known
begin:
  store i64 %now, ptr %askedp
  ret i32 0
known:
  %since = sub i64 %now, %asked
  %due = icmp sgt i64 %since, {wait}
  br i1 %due, label %ask, label %fine
ask:
  store i64 %now, ptr %askedp
  %thread = call i64 @PyThread_get_thread_ident()
  %main = load i64, ptr @run.main
  %mine = icmp eq i64 %thread, %main
  br i1 %mine, label %python, label %fine
python:
  %statep = {state}
  %state = load ptr, ptr %statep
  call void @PyEval_RestoreThread(ptr %state)
  %status = call i32 @PyErr_CheckSignals()
  %none = icmp eq i32 %status, 0
  %same = call ptr @PyEval_SaveThread()
  br i1 %none, label %fine, label %raised
raised:
  store i64 {raised}, ptr %ctx
  ret i32 1
fine:
  ret i32 0
}}
"""

_PYTHON = """
@run.given = internal constant [4 x i8] c"LLL\\00"
define i32 @run.python(ptr %ctx, i64 %number, ptr %frame) #1 {{
  %callbackp = {callback}
  %callback = load ptr, ptr %callbackp
  %statep = {state}
  %state = load ptr, ptr %statep
  %context = ptrtoint ptr %ctx to i64
  %where = ptrtoint ptr %frame to i64
  call void @PyEval_RestoreThread(ptr %state)
  %result = call ptr (ptr, ptr, ...) @PyObject_CallFunction(
    ptr %callback, ptr @run.given, i64 %context, i64 %number, i64 %where)
  %none = icmp eq ptr %result, null
  br i1 %none, label %raised, label %done
done:
  call void @Py_DecRef(ptr %result)
  %same = call ptr @PyEval_SaveThread()
  ret i32 0
raised:
  %again = call ptr @PyEval_SaveThread()
  store i64 {raised}, ptr %ctx
  ret i32 1
}}
"""

_DECLARED = """
declare i64 @PyThread_get_thread_ident()
declare i32 @PyErr_CheckSignals()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyEval_SaveThread()
declare ptr @PyObject_CallFunction(ptr, ptr, ...)
declare void @Py_DecRef(ptr)
"""


def text(word: Callable[[str], str]) -> str:
    """Return the functions of the runtime; ``word`` gives the place of a word of the context."""
    if sys.platform == "win32":
        clock = _WINDOWS_CLOCK
    else:
        clock = _CLOCK.format(monotonic=6 if sys.platform == "darwin" else 1)
    names = ("looked", "fuel", "grant", "asked", "state", "callback", "job", "chunk")
    places = {name: word(name) for name in names}
    numbers = {
        "short_time": _SHORT, "long_time": _LONG, "least": _LEAST, "most": _MOST, "wait": _WAIT,
        "raised": RAISED, "least_grant": GRANT, "failed": FAILED,
    }  # fmt: skip
    return "".join(
        [
            clock,
            *[part.format(**places, **numbers) for part in (_POLL, _PYTHON)],
            _DECLARED,
        ]
    )
