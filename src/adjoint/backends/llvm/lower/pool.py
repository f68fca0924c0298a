"""The runtime's part that runs the passes of a loop on several threads.

A *job* is a function of a range of passes, and how many there are. Its passes are cut into chunks,
whose borders follow from the work alone and not from the number of threads, and whoever is free
takes the next one: the caller, and the workers, which are threads of Python's that stay in
``pool.work`` and hold no GIL. There is one job at a time. Whoever wants another one meanwhile, from
another thread or from within a job, runs it alone, chunk by chunk.

A worker that finds nothing to do looks out for some microseconds and then sleeps on a lock. A job
is put into the *slot* of each worker; the worker takes it out, and the caller takes back what
nobody has taken when all chunks are gone, so that it never waits for a thread to wake up.

An error of the chunk that comes first in order is the job's, whichever comes first in time.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

from adjoint.backends.llvm.lower.signals import FAILED, RAISED

__all__ = ["SLOTS", "TARGET", "standalone", "text"]

SLOTS = 128
"""Workers at most."""

TARGET = 1 << 16
"""Work of a chunk, in additions of elements (`lower.costs`): some 30 microseconds."""

_MEASURED = 50_000
"""Nanoseconds of a chunk of passes whose work is not known."""

_LOOKS = 20_000
"""Nanoseconds for which a worker looks out for a job before it sleeps."""

_STACK = 6 << 20
"""Bytes of a worker's stack that functions may take."""

_SLOT = {"job": 0, "asleep": 1, "lock": 2, "context": 3}
_SLOT_WORDS = 16

_JOB = {
    "function": 0, "captured": 1, "context": 2, "count": 3, "size": 4, "chunks": 5,
    "failed": FAILED, "site": 7, "first": 8, "second": 9, "writing": 10, "base": 11,
    "next": 16, "pending": 24,
}  # fmt: skip
_JOB_WORDS = 32

_GLOBALS = f"""
@pool.slots = internal global [{SLOTS * _SLOT_WORDS} x i64] zeroinitializer, align 128
@pool.busy = internal global i64 0, align 128
@pool.limit = internal global i64 1
@pool.started = internal global i64 0
@pool.starter = internal global ptr null
@pool.waiting = internal global i64 0, align 128
@pool.done = internal global ptr null
@pool.asked = internal constant [2 x i8] c"L\\00"
define void @pool.reset(ptr %starter, ptr %done) #0 {{
  store ptr %starter, ptr @pool.starter
  store ptr %done, ptr @pool.done
  store i64 0, ptr @pool.started
  store i64 0, ptr @pool.waiting
  store atomic i64 0, ptr @pool.busy seq_cst, align 8
  ret void
}}
define void @pool.set_limit(i64 %threads) #0 {{
  store i64 %threads, ptr @pool.limit
  ret void
}}
define i64 @pool.add(ptr %lock, ptr %context) #0 {{
  %k = load i64, ptr @pool.started
  %slot = call ptr @pool.slot(i64 %k)
  store i64 0, ptr %slot
  %asleep = getelementptr inbounds i64, ptr %slot, i64 {_SLOT["asleep"]}
  store i64 0, ptr %asleep
  %lockp = getelementptr inbounds i64, ptr %slot, i64 {_SLOT["lock"]}
  store ptr %lock, ptr %lockp
  %contextp = getelementptr inbounds i64, ptr %slot, i64 {_SLOT["context"]}
  store ptr %context, ptr %contextp
  %more = add i64 %k, 1
  store atomic i64 %more, ptr @pool.started seq_cst, align 8
  ret i64 %k
}}
define internal ptr @pool.slot(i64 %k) alwaysinline #0 {{
  %at = mul i64 %k, {_SLOT_WORDS}
  %slot = getelementptr inbounds i64, ptr @pool.slots, i64 %at
  ret ptr %slot
}}
"""

# Of the chunks that are left, a thread takes one after the other.
_PART = """
define internal void @pool.part(ptr %ctx, ptr %job) #1 {{
  %function = load ptr, ptr %job
  %capturedp = {captured}
  %captured = load ptr, ptr %capturedp
  %countp = {count}
  %count = load i64, ptr %countp
  %sizep = {size}
  %size = load i64, ptr %sizep
  %basep = {base}
  %base = load i64, ptr %basep
  %failedp = {failed}
  %nextp = {next}
  %sitep = {site}
  %firstp = {first}
  %secondp = {second}
  %writingp = {writing}
  %chunkp = {ctx_chunk}
  %statep = {ctx_state}
  %state = load ptr, ptr %statep
  %worker = icmp eq ptr %state, null
  br label %take
take:
  %chunk = atomicrmw add ptr %nextp, i64 1 seq_cst
  %bound = load atomic i64, ptr %failedp seq_cst, align 8
  %some = icmp slt i64 %chunk, %bound
  br i1 %some, label %run, label %end
run:
  store i64 %chunk, ptr %chunkp
  %before = mul i64 %chunk, %size
  %begin = add i64 %base, %before
  %far = add i64 %begin, %size
  %stop = call i64 @llvm.smin.i64(i64 %far, i64 %count)
  %status = call i32 %function(ptr %ctx, ptr %captured, i64 %begin, i64 %stop)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %look, label %bad, !prof !0
look:
  br i1 %worker, label %take, label %ask
ask:
  %signals = call i32 @run.ask(ptr %ctx)
  %none = icmp eq i32 %signals, 0
  br i1 %none, label %take, label %bad, !prof !0
bad:
  %mine = load i64, ptr %ctx
  %raised = icmp eq i64 %mine, {raised}
  %order = select i1 %raised, i64 -1, i64 %chunk
  br label %lock
lock:
  %taken = atomicrmw xchg ptr %writingp, i64 1 seq_cst
  %free = icmp eq i64 %taken, 0
  br i1 %free, label %compare, label %lock
compare:
  %known = load atomic i64, ptr %failedp seq_cst, align 8
  %earlier = icmp slt i64 %order, %known
  br i1 %earlier, label %write, label %unlock
write:
  %myfirstp = {ctx_first}
  %mysecondp = {ctx_second}
  %x = load i64, ptr %myfirstp
  %y = load i64, ptr %mysecondp
  store i64 %mine, ptr %sitep
  store i64 %x, ptr %firstp
  store i64 %y, ptr %secondp
  store atomic i64 %order, ptr %failedp seq_cst, align 8
  br label %unlock
unlock:
  store atomic i64 0, ptr %writingp seq_cst, align 8
  br label %take
end:
  ret void
}}
"""

_WORK = """
define void @pool.work(i64 %k) #1 {{
  %slot = call ptr @pool.slot(i64 %k)
  %asleepp = getelementptr inbounds i64, ptr %slot, i64 {slot_asleep}
  %lockp = getelementptr inbounds i64, ptr %slot, i64 {slot_lock}
  %lock = load ptr, ptr %lockp
  %contextp = getelementptr inbounds i64, ptr %slot, i64 {slot_context}
  %ctx = load ptr, ptr %contextp
  %frame = call ptr @llvm.frameaddress.p0(i32 0)
  %here = ptrtoint ptr %frame to i64
  %lowest = sub i64 %here, {stack}
  %deepestp = {ctx_deepest}
  store i64 %lowest, ptr %deepestp
  br label %begin
begin:
  %start = call i64 @run.clock()
  br label %watch
watch:
  %tries = phi i64 [ 0, %begin ], [ 0, %timed ], [ %more, %idle ]
  %seen = load atomic i64, ptr %slot seq_cst, align 8
  %any = icmp ne i64 %seen, 0
  br i1 %any, label %take, label %idle
idle:
  {pause}
  %more = add i64 %tries, 1
  %again = icmp slt i64 %more, 64
  br i1 %again, label %watch, label %timed
timed:
  %now = call i64 @run.clock()
  %waited = sub i64 %now, %start
  %patient = icmp slt i64 %waited, {looks}
  br i1 %patient, label %watch, label %sleep
sleep:
  %former = atomicrmw xchg ptr %asleepp, i64 1 seq_cst
  %late = load atomic i64, ptr %slot seq_cst, align 8
  %none = icmp eq i64 %late, 0
  br i1 %none, label %block, label %stay
stay:
  %was = atomicrmw xchg ptr %asleepp, i64 0 seq_cst
  %called = icmp eq i64 %was, 0
  br i1 %called, label %block, label %begin
block:
  %got = call i32 @PyThread_acquire_lock(ptr %lock, i32 1)
  br label %begin
take:
  %found = atomicrmw xchg ptr %slot, i64 0 seq_cst
  %gone = icmp eq i64 %found, 0
  br i1 %gone, label %begin, label %run
run:
  %job = inttoptr i64 %found to ptr
  %callerp = {context}
  %caller = load ptr, ptr %callerp
  %fromp = getelementptr inbounds i64, ptr %caller, i64 {code}
  %top = getelementptr inbounds i64, ptr %ctx, i64 {code}
  call void @llvm.memcpy.p0.p0.i64(ptr %top, ptr %fromp, i64 24, i1 false)
  %jobp = {ctx_job}
  store ptr %job, ptr %jobp
  %lookedp = {ctx_looked}
  store i64 0, ptr %lookedp
  call void @memory.reset(ptr %ctx)
  call void @pool.part(ptr %ctx, ptr %job)
  %pendingp = {pending}
  %left = atomicrmw sub ptr %pendingp, i64 1 seq_cst
  %last = icmp eq i64 %left, 1
  br i1 %last, label %tell, label %begin
tell:
  %waits = atomicrmw xchg ptr @pool.waiting, i64 0 seq_cst
  %blocked = icmp eq i64 %waits, 1
  br i1 %blocked, label %wake, label %begin
wake:
  %done = load ptr, ptr @pool.done
  call void @PyThread_release_lock(ptr %done)
  br label %begin
}}
"""

_SPLIT = """
define internal i32 @pool.split(
    ptr %ctx, ptr %function, ptr %captured, i64 %base, i64 %count, i64 %size, i64 %chunks) #1 {{
  %job = alloca [{job_words} x i64], align 128
  %limit = load i64, ptr @pool.limit
  %others = sub i64 %limit, 1
  %have = load i64, ptr @pool.started
  %enough = icmp sge i64 %have, %others
  br i1 %enough, label %ready, label %start
start:
  %statep = {ctx_state}
  %state = load ptr, ptr %statep
  %starter = load ptr, ptr @pool.starter
  call void @PyEval_RestoreThread(ptr %state)
  %made = call ptr (ptr, ptr, ...) @PyObject_CallFunction(
    ptr %starter, ptr @pool.asked, i64 %others)
  %error = icmp eq ptr %made, null
  br i1 %error, label %raised, label %started
started:
  call void @Py_DecRef(ptr %made)
  %same = call ptr @PyEval_SaveThread()
  br label %ready
raised:
  %same2 = call ptr @PyEval_SaveThread()
  store i64 {raised}, ptr %ctx
  store atomic i64 0, ptr @pool.busy seq_cst, align 8
  ret i32 1
ready:
  %now = load i64, ptr @pool.started
  %most = call i64 @llvm.smin.i64(i64 %now, i64 %others)
  %besides = sub i64 %chunks, 1
  %workers = call i64 @llvm.smin.i64(i64 %most, i64 %besides)
  store ptr %function, ptr %job
  %capturedp = {captured}
  store ptr %captured, ptr %capturedp
  %contextp = {context}
  store ptr %ctx, ptr %contextp
  %countp = {count}
  store i64 %count, ptr %countp
  %sizep = {size}
  store i64 %size, ptr %sizep
  %basep = {base}
  store i64 %base, ptr %basep
  %failedp = {failed}
  store i64 %chunks, ptr %failedp
  %writingp = {writing}
  store i64 0, ptr %writingp
  %nextp = {next}
  store i64 0, ptr %nextp
  %pendingp = {pending}
  store atomic i64 %workers, ptr %pendingp seq_cst, align 8
  %word = ptrtoint ptr %job to i64
  br label %give
give:
  %k = phi i64 [ 0, %ready ], [ %k1, %given ]
  %more = icmp slt i64 %k, %workers
  br i1 %more, label %put, label %mine
put:
  %slot = call ptr @pool.slot(i64 %k)
  store atomic i64 %word, ptr %slot seq_cst, align 8
  %asleepp = getelementptr inbounds i64, ptr %slot, i64 {slot_asleep}
  %asleep = atomicrmw xchg ptr %asleepp, i64 0 seq_cst
  %sleeps = icmp eq i64 %asleep, 1
  br i1 %sleeps, label %rouse, label %given
rouse:
  %lockp = getelementptr inbounds i64, ptr %slot, i64 {slot_lock}
  %lock = load ptr, ptr %lockp
  call void @PyThread_release_lock(ptr %lock)
  br label %given
given:
  %k1 = add i64 %k, 1
  br label %give
mine:
  call void @pool.part(ptr %ctx, ptr %job)
  br label %back
back:
  %j = phi i64 [ 0, %mine ], [ %j1, %had ], [ %j1, %retract ]
  %further = icmp slt i64 %j, %workers
  br i1 %further, label %look, label %wait
look:
  %j1 = add i64 %j, 1
  %its = call ptr @pool.slot(i64 %j)
  %left = atomicrmw xchg ptr %its, i64 0 seq_cst
  %untaken = icmp ne i64 %left, 0
  br i1 %untaken, label %retract, label %had
retract:
  %p1 = atomicrmw sub ptr %pendingp, i64 1 seq_cst
  br label %back
had:
  br label %back
wait:
  %tries = phi i64 [ 0, %back ], [ %tries1, %pause ], [ 0, %woken ]
  %pending = load atomic i64, ptr %pendingp seq_cst, align 8
  %none = icmp eq i64 %pending, 0
  br i1 %none, label %end, label %pause
pause:
  {pause}
  %tries1 = add i64 %tries, 1
  %again = icmp slt i64 %tries1, 2000
  br i1 %again, label %wait, label %block
block:
  %former = atomicrmw xchg ptr @pool.waiting, i64 1 seq_cst
  %late = load atomic i64, ptr %pendingp seq_cst, align 8
  %over = icmp eq i64 %late, 0
  br i1 %over, label %cancel, label %sleep
cancel:
  %was = atomicrmw xchg ptr @pool.waiting, i64 0 seq_cst
  %called = icmp eq i64 %was, 0
  br i1 %called, label %sleep, label %woken
sleep:
  %done = load ptr, ptr @pool.done
  %got = call i32 @PyThread_acquire_lock(ptr %done, i32 1)
  br label %woken
woken:
  br label %wait
end:
  store atomic i64 0, ptr @pool.busy seq_cst, align 8
  %failed = load i64, ptr %failedp
  %fine = icmp eq i64 %failed, %chunks
  br i1 %fine, label %good, label %bad
good:
  ret i32 0
bad:
  %sitep = {site}
  %firstp = {first}
  %secondp = {second}
  %site = load i64, ptr %sitep
  %x = load i64, ptr %firstp
  %y = load i64, ptr %secondp
  %myfirstp = {ctx_first}
  %mysecondp = {ctx_second}
  store i64 %site, ptr %ctx
  store i64 %x, ptr %myfirstp
  store i64 %y, ptr %mysecondp
  ret i32 1
}}
"""

# Chunks that are long enough for whole vectors are multiples of what LLVM takes at a time.
_RUN = """
define i32 @parallel.run(ptr %ctx, ptr %function, ptr %captured, i64 %count, i64 %work) #0 {{
  %total = mul i64 %count, %work
  %small = icmp sle i64 %total, {target}
  br i1 %small, label %one, label %many
one:
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %all, label %none
all:
  %status = call i32 %function(ptr %ctx, ptr %captured, i64 0, i64 %count)
  ret i32 %status
none:
  ret i32 0
many:
  %few = udiv i64 {target}, %work
  %least = call i64 @llvm.smax.i64(i64 %few, i64 1)
  %long = icmp uge i64 %least, 1024
  %round = and i64 %least, -1024
  %size = select i1 %long, i64 %round, i64 %least
  %result = call i32 @pool.chunks(
    ptr %ctx, ptr %function, ptr %captured, i64 0, i64 %count, i64 %size)
  ret i32 %result
}}
define internal i32 @pool.alone(
    ptr %ctx, ptr %function, ptr %captured, i64 %first, i64 %count, i64 %size) #1 {{
start:
  br label %head
head:
  %begin = phi i64 [ %first, %start ], [ %far, %next ]
  %some = icmp slt i64 %begin, %count
  br i1 %some, label %run, label %end
run:
  %far = add i64 %begin, %size
  %stop = call i64 @llvm.smin.i64(i64 %far, i64 %count)
  %status = call i32 %function(ptr %ctx, ptr %captured, i64 %begin, i64 %stop)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %ask, label %bad
ask:
  %signals = call i32 @run.ask(ptr %ctx)
  %quiet = icmp eq i32 %signals, 0
  br i1 %quiet, label %next, label %bad
next:
  br label %head
end:
  ret i32 0
bad:
  ret i32 1
}}
define i32 @parallel.serial(ptr %ctx, ptr %function, ptr %captured, i64 %count, i64 %work) #1 {{
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %all, label %end
all:
  %status = call i32 %function(ptr %ctx, ptr %captured, i64 0, i64 %count)
  ret i32 %status
end:
  ret i32 0
}}
"""

_THREADS = """
define internal i32 @pool.chunks(
    ptr %ctx, ptr %function, ptr %captured, i64 %base, i64 %count, i64 %size) #1 {{
  %left = sub i64 %count, %base
  %up = add i64 %left, %size
  %over = sub i64 %up, 1
  %chunks = udiv i64 %over, %size
  %limit = load i64, ptr @pool.limit
  %several = icmp sgt i64 %limit, 1
  %enough = icmp sgt i64 %chunks, 1
  %wanted = and i1 %several, %enough
  br i1 %wanted, label %try, label %alone
try:
  %busy = atomicrmw xchg ptr @pool.busy, i64 1 seq_cst
  %free = icmp eq i64 %busy, 0
  br i1 %free, label %split, label %alone
split:
  %result = call i32 @pool.split(
    ptr %ctx, ptr %function, ptr %captured, i64 %base, i64 %count, i64 %size, i64 %chunks)
  ret i32 %result
alone:
  %status = call i32 @pool.alone(
    ptr %ctx, ptr %function, ptr %captured, i64 %base, i64 %count, i64 %size)
  ret i32 %status
}}
define i32 @parallel.passes(ptr %ctx, ptr %function, ptr %captured, i64 %count, i64 %work) #1 {{
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %first, label %end
first:
  %begin = call i64 @run.clock()
  %status = call i32 %function(ptr %ctx, ptr %captured, i64 0, i64 1)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %further, label %bad
further:
  %rest = sub i64 %count, 1
  %single = icmp eq i64 %rest, 0
  br i1 %single, label %end, label %more
more:
  %now = call i64 @run.clock()
  %taken = sub i64 %now, %begin
  %time = call i64 @llvm.smax.i64(i64 %taken, i64 20)
  %total = mul i64 %time, %rest
  %few = udiv i64 {measured}, %time
  %size = call i64 @llvm.smax.i64(i64 %few, i64 1)
  %short = icmp slt i64 %total, {measured}
  br i1 %short, label %alone, label %many
alone:
  %one = call i32 @pool.alone(ptr %ctx, ptr %function, ptr %captured, i64 1, i64 %count, i64 %size)
  ret i32 %one
many:
  %several = call i32 @pool.chunks(
    ptr %ctx, ptr %function, ptr %captured, i64 1, i64 %count, i64 %size)
  ret i32 %several
bad:
  ret i32 1
end:
  ret i32 0
}}
"""

_DECLARED = """
declare i32 @PyThread_acquire_lock(ptr, i32)
declare void @PyThread_release_lock(ptr)
"""


def _pause() -> tuple[str, str]:
    """Return the call with which a processor waits a little, and the declaration it needs."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64", "i386", "i686"):
        return "call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()\n"
    if machine in ("arm64", "aarch64"):
        return "call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)\n"
    return "fence seq_cst", ""


def text(word: Callable[[str], str], words: dict[str, int]) -> str:
    """Return the functions of the runtime; ``word`` gives the place of a word of the context."""
    pause, declared = _pause()
    places = {f"ctx_{name}": word(name) for name in words}
    places |= {name: f"getelementptr inbounds i64, ptr %job, i64 {at}" for name, at in _JOB.items()}
    numbers = {
        "raised": RAISED, "target": TARGET, "looks": _LOOKS, "measured": _MEASURED,
        "job_words": _JOB_WORDS, "stack": _STACK, "code": words["code"], "pause": pause,
        **{f"slot_{name}": at for name, at in _SLOT.items()},
    }  # fmt: skip
    parts = [part.format(**places, **numbers) for part in (_PART, _WORK, _SPLIT, _RUN, _THREADS)]
    return "".join([_GLOBALS, *parts, _DECLARED, declared])


_STANDALONE = """
define internal i32 @run.poll(ptr %ctx) #1 {{
  %fuelp = {fuel}
  store i64 {grant}, ptr %fuelp
  ret i32 0
}}
define internal i32 @run.ask(ptr %ctx) alwaysinline #0 {{
  ret i32 0
}}
define internal i32 @pool.chunks(
    ptr %ctx, ptr %function, ptr %captured, i64 %base, i64 %count, i64 %size) #0 {{
  %status = call i32 @pool.alone(
    ptr %ctx, ptr %function, ptr %captured, i64 %base, i64 %count, i64 %size)
  ret i32 %status
}}
define i32 @parallel.passes(ptr %ctx, ptr %function, ptr %captured, i64 %count, i64 %work) #0 {{
  %status = call i32 @parallel.serial(
    ptr %ctx, ptr %function, ptr %captured, i64 %count, i64 %work)
  ret i32 %status
}}
"""


def standalone(word: Callable[[str], str]) -> str:
    """Return what code without Python calls instead: one thread does all, in the same chunks."""
    parts = _STANDALONE.format(fuel=word("fuel"), grant=1 << 62), _RUN.format(target=TARGET)
    return "".join(parts)
