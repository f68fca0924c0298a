"""Loops as functions of a range of their passes, which several threads can run (`pool`).

Such a function reads what it needs of the one it stands in from a table in memory. It is there
once, for small loops and large ones: whether there is enough work to share shows in the run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import lazy_cost
from adjoint.backends.llvm.lower.outline import REGISTER, assembled, type_of
from adjoint.backends.llvm.lower.pool import TARGET
from adjoint.backends.llvm.lower.runtime import needs
from adjoint.backends.llvm.writer import Integer, flatten

__all__ = [
    "Passes", "check_regions", "close_first", "element_cost", "grouped", "may_share", "one_by_one",
    "shared", "splits",
]  # fmt: skip

COSTLY = 2
"""Work of an element from which a nest of one loop within a loop is worth a function."""

_ARRAY = re.compile(r"(%\w+) = alloca \[(\d+) x (double|float|i\d+)\]")

_DEFINED = re.compile(r"^(%[\w.]+) = ", re.M)


def element_cost(rep: Any) -> int:
    """Return what an element takes in additions that stand alone, memory read and written."""
    return 1 + lazy_cost(rep) // 16


def splits(f: Lowering, counts: Sequence[Integer], cost: int) -> bool:
    """Tell whether a nest may have work for several threads.

    ``cost``: of an element, in additions.
    """
    if len(f.body.levels) > 1 or f.within:
        return False
    running = [n for n in counts if not isinstance(n, int)]
    if not running:
        return math.prod(counts) * cost > TARGET  # type: ignore[arg-type]
    depth = len(f.hoists) - 1
    return depth == 0 or (depth == 1 and (len(running) > 1 or cost >= COSTLY))


def shared(counts: Sequence[Integer]) -> int:
    """Return which loop of a nest is cut: the first that has several passes; −1: none."""
    return next((k for k, n in enumerate(counts) if n != 1), -1)


def grouped(f: Lowering, count: Integer, work: Integer) -> tuple[Integer, Integer]:
    """Return how many passes, of so much work each, are taken together, and how many times."""
    body = f.body
    if isinstance(work, int):
        size: Integer = max(TARGET // max(work, 1), 1)
    else:
        some = body.most(work, 1)
        size = body.most(body.op(f"udiv i64 {TARGET}, {some}", some), 1)
    up = body.add(body.add(count, size), -1)
    if isinstance(up, int) and isinstance(size, int):
        return size, up // size
    return size, body.op(f"udiv i64 {up}, {size}", up, size)


def may_share(f: Lowering, count: Integer) -> bool:
    """Tell whether the passes of a loop, which are independent, may be work for several threads."""
    few = isinstance(count, int) and count < 2
    return not (few or f.within or len(f.body.levels) > 1 or len(f.hoists) > 2)


def one_by_one(f: Lowering) -> str:
    """Return what the end of a loop is marked with whose passes are all to be done alike.

    What several passes do at once may differ in the last bit from what one does, and which ones
    are done at once would follow from where chunks end, and so from the time that passes take.
    """
    own = f.module.metadata("")
    no_vectors = f.module.metadata('!{!"llvm.loop.vectorize.enable", i1 false}')
    no_copies = f.module.metadata('!{!"llvm.loop.unroll.disable"}')
    f.module.fill(own, f"distinct !{{{own}, {no_vectors}, {no_copies}}}")
    return f"!llvm.loop {own}"


def close_first(f: Lowering, count: Integer, work: Integer, cold: Sequence[str] = ()) -> None:
    """Close the outermost loop of a nest, from ``%begin`` to ``%end``, as a function; call it.

    ``work``: of a pass, in additions. ``cold``: blocks that end it in another way.
    """
    body = f.body
    here = body.levels[-2]
    lines, here.lines = here.lines, []
    block, here.block = here.block, "body"
    body.close_loop()
    own, here.lines = here.lines, lines
    here.block = block
    own += ["ret i32 0", *cold]
    f.regions.append(_call(f, own, [], "parallel.run", count, work))


def check_regions(f: Lowering) -> None:
    """Go on unless a nest was interrupted."""
    found, f.regions = f.regions, []
    for status in found:
        f.check_status(status)


class Passes:
    """The passes of a loop while they are lowered: what they need is their own."""

    def __init__(self, f: Lowering) -> None:
        self.f = f
        here = f.body.here
        self.outer = (here.lines, here.block, f.allocas, f.cold, f.fails, f.fuel, f.barrier)
        here.lines, here.block = [], "body"
        f.allocas, f.cold, f.fails, f.fuel = [], [], False, None
        f.barrier = len(f.hoists)
        f.within += 1
        f.body.enter_scope()

    def close(self, count: Integer, work: int | None, apart: bool) -> None:
        """End them, and call them.

        Parameters
        ----------
        count : int or register
        work : int or None
            Of a pass; None where it shows in the run.
        apart : bool
            Whether no pass needs another one.
        """
        f = self.f
        here = f.body.here
        f.body.leave_scope()
        f.within -= 1
        lines: list[Any] = [here.lines, "ret i32 0", *f.cold]
        if f.fails:
            lines += ["failed:", "ret i32 1"]
        allocas = f.allocas
        here.lines, here.block, f.allocas, f.cold, f.fails, f.fuel, f.barrier = self.outer
        text: list[str] = []
        flatten(lines, text)
        how = "parallel.passes" if work is None else "parallel.run"
        if not apart or any(c in line for line in text for c in _ALONE):
            how = "parallel.serial"
        f.check_status(_call(f, lines, allocas, how, count, work or 1))


_ALONE = ("@run.python(", "call i32 @graph", "@blas.")
"""What is not run by several threads: calls of Python, and what may lead to some; BLAS."""


def _call(
    f: Lowering, lines: list[Any], allocas: list[str], how: str, count: Integer, work: Integer
) -> str:
    """Make a function of lines; return the status of its call."""
    module, body = f.module, f.body
    needs(module, how)
    whole: list[str] = []
    flatten([allocas, lines], whole)
    text = "\n".join(whole)
    own = set(_DEFINED.findall(text))
    free = [r for r in dict.fromkeys(REGISTER.findall(text)) if r not in own and r != "%ctx"]
    loads: list[str] = []
    small = _small(f, free)
    table = ""
    if free:
        table = body.name()
        f.allocas.append(f"{table} = alloca [{len(free)} x i64], align 16")
    for k, r in enumerate(free):
        type = type_of(r, whole)
        loads.append(f"%c{k} = getelementptr inbounds i64, ptr %captured, i64 {k}")
        loads.append(f"{r} = load {type}, ptr %c{k}, align 8")
        place = body.let(f"getelementptr inbounds i64, ptr {table}, i64 {k}")
        body.do(f"store {type} {small[r][0] if r in small else r}, ptr {place}, align 8")
    for r, (copy, bytes) in small.items():
        body.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {copy}, ptr {r}, i64 {bytes}, i1 false)")
    first = [*allocas, *loads, "br label %body", "body:"]

    def write(name: str) -> str:
        inner = assembled(module, lines)
        parameters = "ptr %ctx, ptr %captured, i64 %begin, i64 %end"
        text = "\n".join([*first, *inner])
        return f"define internal i32 {name}({parameters}) noinline #0 {{\nstart:\n{text}\n}}"

    name = module.define_once("\n".join([*loads, text]), "@passes", write)
    status = body.let(
        f"call i32 @{how}(ptr %ctx, ptr {name}, ptr {table or 'null'}, i64 {count}, i64 {work})"
    )
    for r, (copy, bytes) in small.items():
        body.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {r}, ptr {copy}, i64 {bytes}, i1 false)")
    return status


def _small(f: Lowering, free: list[str]) -> dict[str, tuple[str, int]]:
    """Return copies of the small arrays that a function needs, and their sizes.

    An array whose address another function has seen would not be in registers any more.
    """
    found: dict[str, tuple[str, int]] = {}
    for line in f.allocas:
        match = _ARRAY.match(line)
        if match is not None and match[1] in free:
            type = match[3]
            bytes = int(match[2]) * {"double": 8, "float": 4}.get(type, _bits(type) // 8)
            found[match[1]] = (f.body.name(), bytes)
    for r, (copy, _) in found.items():
        line = next(line for line in f.allocas if line.startswith(f"{r} = "))
        f.allocas.append(line.replace(r, copy, 1))
    if found:
        f.module.declare(
            "@llvm.memcpy.p0.p0.i64", "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
        )
    return found


def _bits(type: str) -> int:
    return int(type[1:]) if type[1:].isdecimal() else 0
