"""Interruption: code that runs long asks now and then whether Python has signals to handle.

Python's handlers of signals run in its main thread, which holds the GIL then; while machine code
runs nobody holds it. So code counts what it does: a function has a number of passes left
(``fuel``), which is a register in its loops. Loops that contain others look at it in each pass.
A loop without others in it, which LLVM may make vectors of, is cut into strips of some thousand
passes, between which it looks. Where nothing is left the runtime is called (`signals`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adjoint.backends.llvm.lower.runtime import WORD, needs
from adjoint.backends.llvm.writer import COLD, Integer
from adjoint.ir.core import Block
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value, values_in, walk

if TYPE_CHECKING:
    from adjoint.backends.llvm.lower.core import Lowering

__all__ = [
    "STRIP", "begin_function", "charge", "end_function", "moderate", "poll", "reload", "spill",
    "weight",
]  # fmt: skip

_LONGEST = 1 << 26

STRIP = 1 << 14
"""Passes of a loop without others in it between two looks at what is left."""


def weight(block: Block) -> int:
    """Return what a pass of a block counts, without the loops in it."""
    return 1 + sum([1 for _ in walk(block)])


def moderate(f: Lowering, value: Value, depth: int = 4) -> bool:
    """Tell whether an integer is no larger than arrays are long, or a few times that.

    A loop of so many simple passes does not take long, and is left whole.
    """
    if value.op is None:
        if f.lengths is None:
            block = f.function.block
            f.lengths = frozenset(v for p in block.parameters for v in values_in(p.type))
        if value in f.lengths:
            return True
    elif value.op.name == "constant":
        return abs(value.params["value"]) <= _LONGEST
    elif value.op.name in ("dim", "slice_length"):
        return True
    elif value.op.name in ("add", "subtract", "negative", "minimum", "maximum") and depth:
        return all(moderate(f, v, depth - 1) for v in value.inputs)
    lo, hi = value.bounds
    if lo is None or lo < -_LONGEST or hi is None:
        return False
    if isinstance(hi, Dim):
        return bool(depth) and all(moderate(f, v, depth - 1) for v, _ in hi.terms)
    return hi <= _LONGEST


def _context_word(f: Lowering) -> str:
    return f"getelementptr inbounds i64, ptr %ctx, i64 {WORD['fuel']}"


def _cell(f: Lowering) -> str:
    """Return where what is left is while the function runs, which becomes a register."""
    if f.fuel is None:
        f.fuel = f.alloca("i64")
        place, left = f.body.name(), f.body.name()
        f.allocas += [
            f"{place} = {_context_word(f)}",
            f"{left} = load i64, ptr {place}",
            f"store i64 {left}, ptr {f.fuel}",
        ]
    return f.fuel


def charge(f: Lowering, count: Integer, each: int = 1) -> None:
    """Count work done here; if it is known, at the end of the pass of the loop around."""
    if isinstance(count, int):
        f.uncounted += count * each
        return
    body, cell = f.body, _cell(f)
    left = body.let(f"load i64, ptr {cell}")
    if each > 1:
        count = body.let(f"mul i64 {count}, {each}")
    body.do(f"store i64 {body.let(f'sub i64 {left}, {count}')}, ptr {cell}")


def poll(f: Lowering, count: int) -> None:
    """Count work, and see whether to look at the clock."""
    body, cell = f.body, _cell(f)
    needs(f.module, "run.poll")
    left = body.let(f"load i64, ptr {cell}")
    if count:
        left = body.let(f"sub i64 {left}, {count}")
        body.do(f"store i64 {left}, ptr {cell}")
    some = body.let(f"icmp sge i64 {left}, 0")
    fine, empty, again = body.label(), body.label(), body.label()
    body.branch(some, fine, empty, COLD)
    status, place, new = body.name(), body.name(), body.name()
    f.fails = True
    f.cold += [
        f"{empty}:",
        f"{status} = call i32 @run.poll(ptr %ctx)",
        f"{status}.none = icmp eq i32 {status}, 0",
        f"br i1 {status}.none, label %{again}, label %failed",
        f"{again}:",
        f"{place} = {_context_word(f)}",
        f"{new} = load i64, ptr {place}",
        f"store i64 {new}, ptr {cell}",
        f"br label %{fine}",
    ]
    body.begin(fine)


def spill(f: Lowering) -> None:
    """Let a function that is called count on."""
    body = f.body
    left = body.let(f"load i64, ptr {_cell(f)}")
    body.do(f"store i64 {left}, ptr {body.let(_context_word(f))}")


def reload(f: Lowering) -> None:
    """Count on after a call."""
    body = f.body
    left = body.let(f"load i64, ptr {body.let(_context_word(f))}")
    body.do(f"store i64 {left}, ptr {_cell(f)}")


def begin_function(f: Lowering) -> None:
    """Count the call of a function: recursion may go on for long without a loop."""
    poll(f, weight(f.function.block))


def end_function(f: Lowering) -> None:
    """Let the caller count on."""
    if f.fuel is not None:
        spill(f)
