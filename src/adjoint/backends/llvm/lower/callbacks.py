"""Operations without code of their own: Python is called back and runs them with NumPy.

A call has a *frame* in the function's own frame: words of 64 bits with the numbers and arrays that
it is given, and room for what it returns. Arrays are looked at where they are; a result whose shape
is known goes straight to its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.memory import allocate, in_memory_of
from adjoint.backends.llvm.lower.nest import copy_into
from adjoint.backends.llvm.lower.polling import charge
from adjoint.backends.llvm.lower.runtime import needs
from adjoint.backends.llvm.lower.values import Buffer, Number
from adjoint.backends.llvm.writer import COLD
from adjoint.backends.parameters import evaluator
from adjoint.backends.steps import step_of
from adjoint.errors import CompileError
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import StackType, Type
from adjoint.ops import control
from adjoint.ops.linalg import matmul
from adjoint.transforms.lifetimes import Key, parts, type_of

__all__ = [
    "Called",
    "Item",
    "call_back",
    "call_if_not",
    "make_what_is_left",
    "refuse",
    "store_by_numpy",
]

CALL = 1000
"""What a call of Python counts (`lower.polling`)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A number or an array in a frame.

    ``at`` is its first word. An array has a pointer, lengths and strides; ``known``: of a result,
    whether the pointer and the lengths are there before the call.
    """

    at: int
    type: Type
    known: bool = True


@dataclass(slots=True)
class Called:
    """An operation that Python runs.

    Attributes
    ----------
    node : Value
    step : callable
        Runs it on a list of values (`adjoint.backends.steps`).
    operands, results : list of (int, Item)
        Their places in that list, and in the frame.
    slots : int
        How long the list is.
    cold : bool
        Whether it runs only to fail.
    """

    node: Value
    step: Callable[[list[Any]], Any]
    operands: list[tuple[int, Item]]
    results: list[tuple[int, Item]]
    slots: int
    cold: bool = False


class _Frame:
    """The words of a call while they are written."""

    def __init__(self, f: Lowering) -> None:
        self.f = f
        self.words = 0
        self.stores: list[tuple[int, Any, Any]] = []

    def room(self, count: int) -> int:
        at = self.words
        self.words += count
        return at


def _words(type: Type) -> int:
    return 1 + 2 * len(type.shape) if type.shape else -(-type.dtype.itemsize // 8)


def _types_of(node: Value) -> list[Value]:
    given: dict[Value, None] = dict.fromkeys(node.inputs)
    given.update(dict.fromkeys(values_in(node.params)))
    return list(given)


def call_back(f: Lowering, node: Value) -> None:
    """Have Python run an operation, and define its results."""
    keys = list(parts(node))
    for key in keys:
        if isinstance(type_of(key), StackType):
            raise CompileError(f"{node.op.name if node.op else ''} of stacks has no machine code")
    slots: dict[Value, int] = {}
    operands = [v for v in _types_of(node) if v.op is not control.constant]
    for v in _types_of(node):
        slots[v] = len(slots)
    used = [key for key in keys if not isinstance(key, tuple) or _is_used(f, key)]
    out: Any = len(slots)
    if isinstance(node.type, tuple):
        out = [(len(slots) + k, key[1]) for k, key in enumerate(used)]  # type: ignore[index]
    step = step_of(node, slots.__getitem__, out)
    targets = _run(f, node, step, operands, slots, used, len(slots))
    for key, rep in zip(used, targets, strict=True):
        f.define(key, rep)


def _is_used(f: Lowering, key: Key) -> bool:
    return any(key in last for last in f.lifetimes.last.values())


def store_by_numpy(f: Lowering, node: Value, buffer: Buffer) -> None:
    """Have NumPy store into an array that is in memory."""
    x = node.inputs[0]
    slots: dict[Value, int] = {}
    for v in _types_of(node):
        slots[v] = len(slots)
    apart = node in f.ownership.apart or not f.ownership.in_place.get(node, False)
    step = step_of(node, slots.__getitem__, slots[x], in_place=True, apart=apart)
    operands = [v for v in _types_of(node) if v is x or v.op is not control.constant]
    _run(f, node, step, operands, slots, [], len(slots), {x: buffer})


def _run(
    f: Lowering,
    node: Value,
    step: Any,
    operands: list[Value],
    slots: dict[Value, int],
    results: list[Any],
    first: int,
    instead: dict[Value, Buffer] | None = None,
    cold: bool = False,
) -> list[Any]:
    body = f.body
    frame = _Frame(f)
    given: list[tuple[int, Item]] = []
    alive: list[Any] = []
    for v in operands:
        if not isinstance(v.type, Type):
            raise CompileError(f"{node.op.name if node.op else ''} of stacks has no machine code")
        item = Item(frame.room(_words(v.type)), v.type)
        given.append((slots[v], item))
        if v.type.shape:
            rep = (instead or {}).get(v)
            rep = in_memory_of(f, f.rep(v)) if rep is None else rep
            alive.append(rep)
            frame.stores.append((item.at, "ptr", rep.pointer))
            for k, n in enumerate((*rep.shape, *rep.strides), item.at + 1):
                frame.stores.append((k, "i64", n))
        else:
            frame.stores.append((item.at, v.type.dtype, f.number(v)))
    returned: list[tuple[int, Item]] = []
    targets: list[Any] = []
    for k, key in enumerate(results):
        type = type_of(key)
        known = bool(type.shape) and None not in type.shape
        item = Item(frame.room(_words(type)), type, known)
        returned.append((first + k, item))
        if known:
            shape = f.shape(type.shape)
            target = f.destinations.pop(key, None)
            target = target if target is not None else allocate(f, shape, type.dtype, type.shape)
            targets.append(target)
            frame.stores.append((item.at, "ptr", target.pointer))
            for j, n in enumerate((*target.shape, *target.strides), item.at + 1):
                frame.stores.append((j, "i64", n))
        else:
            targets.append(None)
    constants = [
        (k, v.params["value"])
        for v, k in slots.items()
        if v.op is control.constant and v not in operands
    ]
    call = Called(
        node, _with_constants(step, constants), given, returned, first + len(results), cold
    )
    f.program.calls.append(call)
    pointer = f.alloca(f"[{max(frame.words, 1)} x i64]", 16)
    for at, type, x in frame.stores:
        place = body.let(f"getelementptr inbounds i64, ptr {pointer}, i64 {at}")
        if type == "ptr":
            body.do(f"store ptr {x}, ptr {place}")
        elif type == "i64":
            body.do(f"store i64 {x}, ptr {place}")
        else:
            f.store_at(place, type, x)
    needs(f.module, "run.python")
    number = len(f.program.calls) - 1
    status = body.let(f"call i32 @run.python(ptr %ctx, i64 {number}, ptr {pointer})")
    body.loops += 1
    charge(f, CALL)
    f.check_status(status)
    for k, (_, item) in enumerate(returned):
        if targets[k] is None:
            targets[k] = _taken(f, pointer, item)
    return targets


def _with_constants(step: Any, constants: list[tuple[int, Any]]) -> Any:
    if not constants:
        return step

    def run(values: list[Any]) -> None:
        for k, value in constants:
            values[k] = value
        step(values)

    return run


def _taken(f: Lowering, frame: str, item: Item) -> Any:
    """Return a result that Python has put into the frame."""
    body = f.body

    def word(k: int, type: str = "i64") -> str:
        place = body.let(f"getelementptr inbounds i64, ptr {frame}, i64 {item.at + k}")
        return body.let(f"load {type}, ptr {place}")

    type = item.type
    if not type.shape:
        place = body.let(f"getelementptr inbounds i64, ptr {frame}, i64 {item.at}")
        return Number(type.dtype, f.load_at(place, type.dtype, pinned=True))
    pointer = word(0, "ptr")
    ndim = len(type.shape)
    shape = tuple(word(1 + k) for k in range(ndim))
    strides = tuple(word(1 + ndim + k) for k in range(ndim))
    source = Buffer(type.dtype, shape, pointer, strides)
    target = allocate(f, shape, type.dtype)
    copy_into(f, target, source)
    return target


def call_if_not(f: Lowering, node: Value, truth: str) -> None:
    """Have Python run a check, which raises an error, unless a truth holds."""
    if f.program.standalone:
        f.check(truth, lambda x, y: node.params["error"]())  # C is told which, and no more
        return
    named = [v for v in dict.fromkeys(values_in(node.params)) if v.op is not control.constant]
    slots = {v: k for k, v in enumerate(named)}
    make, args = node.params["error"], evaluator(node.params["args"], slots.__getitem__)

    def step(values: list[Any]) -> None:
        raise make(*args(values))

    with _aside(f, truth):
        _run(f, node, step, named, slots, [], len(slots), cold=True)


def refuse(f: Lowering, truth: str) -> None:
    """Have NumPy refuse the present operation, with the error that it has for it.

    That is: run it, unless a truth holds.
    """
    node = f.node
    if truth == "true":
        return
    assert node is not None and node.op is not None
    name = node.op.name
    if f.program.standalone:
        f.check(truth, lambda x, y: ValueError(f"{name} is not defined for these arguments"))
        return
    slots: dict[Value, int] = {}
    for v in _types_of(node):
        slots[v] = len(slots)
    operands = [v for v in slots if v.op is not control.constant]
    out: Any = len(slots)
    if isinstance(node.type, tuple):
        out = [(len(slots) + k, k) for k in range(len(node.type))]
    run = step_of(node, slots.__getitem__, out)

    def step(values: list[Any]) -> None:
        run([*values, *[None] * (len(out) if isinstance(out, list) else 1)])
        raise AssertionError(f"{name} is refused by compiled code, and not by NumPy")

    with _aside(f, truth):
        made = make_what_is_left(f, node)
        _run(f, node, step, operands, slots, [], len(slots), cold=True)
    for v in made:
        f.forget(v)


def make_what_is_left(f: Lowering, node: Value) -> list[Value]:
    """Make the products among an operation's operands that were left to it (`stores.is_summed`)."""
    from adjoint.backends.llvm.lower.table import lower

    left = [v for v in node.inputs if v.op is matmul and v not in f.env]
    for v in left:
        lower(f, v)
    return left


@contextmanager
def _aside(f: Lowering, truth: str) -> Iterator[None]:
    """Write what runs, and fails, unless a truth holds."""
    body = f.body
    assert len(body.levels) == 1
    fine, bad = body.label(), body.label()
    body.branch(truth, fine, bad, COLD)
    body.begin(bad)
    kept = f.memo, f.destinations, f.through
    f.memo, f.destinations, f.through = {}, {}, {}
    f.enter_scope()
    yield
    f.leave_scope()
    f.memo, f.destinations, f.through = kept
    body.go(fine)
    body.begin(fine)
