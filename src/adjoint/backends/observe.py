"""Watching a program run: counting what it does, checking what is assumed about values."""

from __future__ import annotations

import weakref
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adjoint.backends.parameters import Frame, Step, evaluator
from adjoint.backends.prepare import Preparation
from adjoint.backends.program import Observer
from adjoint.ir.core import Block
from adjoint.ir.graph import Value, values_in
from adjoint.ir.types import AnyType, StackType, Type
from adjoint.ops import control
from adjoint.ops.indexing import follow, index_add, update
from adjoint.transforms.lifetimes import Key, parts, type_of
from adjoint.transforms.ownership import CONSUMING
from adjoint.transforms.sharing import may_view

__all__ = ["Checker", "Counter", "Counts"]

_WORD = 8
"""Bytes of a Python number, and of what a stack keeps of an entry: a reference."""


@dataclass
class Counts:
    """What a run did.

    Attributes
    ----------
    operations : int
        How many operations were executed, apart from control and constants.
    by_name : Counter
        The same, by the name of the operation.
    touched : int
        Bytes read and written: of a store in place the part that is stored, of a view none, of any
        other operation the operands and the results.
    copied : int
        Bytes of arrays and stacks that were copied because an update could not be in place.
    allocated : int
        Bytes of the arrays that were made, and of what stacks grew by.
    peak : int
        The most bytes of them that were alive at the same time. What an operation makes and lets
        go of itself is not seen.
    """

    operations: int = 0
    by_name: Tally[str] = field(default_factory=Tally)
    touched: int = 0
    copied: int = 0
    allocated: int = 0
    peak: int = 0


def _bytes(x: Any) -> int:
    if isinstance(x, (np.ndarray, np.generic)):
        return x.nbytes
    return 0 if isinstance(x, control.Stack) else _WORD


def _owner(x: np.ndarray) -> np.ndarray:
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


class Counter(Observer):
    """Counts. It knows memory by the arrays that own it, and hears when they die."""

    def __init__(self, args: Iterable[Any]) -> None:
        super().__init__()
        self.counts = Counts()
        self._alive = 0
        self._known: dict[int, Any] = {}
        self._lengths: dict[int, int] = {}
        for x in args:
            self._be_given(x)

    def _be_given(self, x: Any) -> None:
        """Know memory that the run did not make."""
        if isinstance(x, np.ndarray):
            owner = _owner(x)
            self._known[id(owner)] = owner
        elif isinstance(x, control.Stack):
            self._known[id(x)] = x
            self._lengths[id(x)] = len(x.entries)
            for e in x.entries:
                self._be_given(e)

    def _allocate(self, n: int) -> None:
        self.counts.allocated += n
        self._alive += n
        self.counts.peak = max(self.counts.peak, self._alive)

    def _see(self, x: Any) -> None:
        """Take note of a result."""
        if isinstance(x, np.ndarray):
            owner = _owner(x)
            if id(owner) not in self._known:
                self._watch(owner, owner.nbytes)
                self._allocate(owner.nbytes)
        elif isinstance(x, control.Stack):
            if id(x) not in self._known:
                self._watch(x, 0)
                self._lengths[id(x)] = 0
            grown = len(x.entries) - self._lengths[id(x)]
            self._lengths[id(x)] += grown
            self._allocate(grown * _WORD)

    def _watch(self, x: Any, n: int) -> None:
        key = id(x)

        def died(_: Any) -> None:
            del self._known[key]
            self._alive -= n + self._lengths.pop(key, 0) * _WORD

        self._known[key] = weakref.ref(x, died)

    def step(self, node: Value, step: Step, at: Preparation) -> Step:
        """Return the step, counted."""
        op = node.op
        assert op is not None
        slot = at.slots.__getitem__
        if op is control.constant:
            return step
        read = [slot(v) for v in (*node.inputs, *values_in(node.params))]
        made = [at.slots[key] for key in parts(node)]
        counts, name = self.counts, op.name
        in_place = at.ownership.in_place.get(node, False)
        store = op in (update, index_add)
        path = evaluator(node.params["path"], slot) if store else None
        kept = node in at.ownership.kept
        index = evaluator(node.params["index"], slot) if kept else None
        cost = self._cost(node)

        def counted(f: Frame) -> None:
            operands = [f[i] for i in read]
            part = _bytes(follow(operands[0], path(f))) if path is not None else _WORD
            step(f)
            results = [f[i] for i in made]
            counts.operations += 1
            counts.by_name[name] += 1
            if cost is not None:
                counts.touched += cost(operands, results, part)
            if op in CONSUMING and not in_place:
                self.copied(results[0])
            if index is not None:
                entry = results[0].get(index(f))
                counts.touched += 2 * _bytes(entry)
                self._see(entry)
            for x in results:
                self._see(x)

        return counted

    def _cost(self, node: Value) -> Any:
        op = node.op
        if op in (control.dim, control.slice_length):
            return None
        if op in CONSUMING:
            return lambda operands, results, part: part
        if op is control.entry:
            return lambda operands, results, part: part
        if may_view(node):

            def of_view(operands: list[Any], results: list[Any], part: int) -> int:
                (result,) = results
                if isinstance(result, np.ndarray) and any(
                    isinstance(x, np.ndarray) and _owner(result) is _owner(x) for x in operands
                ):
                    return 0
                return _bytes(result)

            return of_view
        return lambda operands, results, part: sum(map(_bytes, (*operands, *results)))

    def copied(self, x: Any) -> None:
        """Count a copy."""
        n = len(x.entries) * _WORD if isinstance(x, control.Stack) else _bytes(x)
        self.counts.copied += n
        self.counts.touched += 2 * n
        self._see(x)

    def gathered(self, x: np.ndarray) -> None:
        """Count an array that a ``map`` fills."""
        self.counts.touched += 2 * x.nbytes
        self._see(x)


class Checker(Observer):
    """Checks that every value is of its type, and shares memory only where that is announced."""

    def step(self, node: Value, step: Step, at: Preparation) -> Step:
        """Return the step, checked."""
        check = _checked(parts(node), at)
        makes = _makes_its_results(node, at)
        slot = at.slots.__getitem__
        read = [slot(v) for v in (*node.inputs, *values_in(node.params))]
        made = [at.slots[key] for key in parts(node)]

        def checked(f: Frame) -> None:
            operands = [f[i] for i in read]
            step(f)
            check(f)
            for result in [f[i] for i in made] if makes else ():
                if isinstance(result, np.ndarray) and any(
                    isinstance(x, np.ndarray) and np.shares_memory(x, result) for x in operands
                ):
                    raise TypeError("the result shares memory with an operand, unannounced")

        return checked

    def parameters(self, block: Block, at: Preparation) -> Step | None:
        """Return a step that checks what a function or a body is given."""
        return _checked(block.parameters, at)


def _makes_its_results(node: Value, at: Preparation) -> bool:
    """Tell whether the results of an operation are taken to share no memory with its operands."""
    found = at.ownership
    return not (
        may_view(node)
        or found.in_place.get(node, False)
        or node in found.reused
        or node.op in (control.entry, control.external)
        or "kwargs" in node.params
    )


def _checked(keys: Iterable[Key], at: Preparation) -> Step:
    expected = []
    for key in keys:
        type = type_of(key)
        shape = type.shape if isinstance(type, Type) else ()
        expected.append((at.slots[key], type, evaluator(shape, at.slots.__getitem__)))

    def check(f: Frame) -> None:
        for i, type, shape in expected:
            problem = "; ".join(_misfits(f[i], type, shape(f)))
            if problem:
                raise TypeError(f"the graph says {type}, the value {problem}")

    return check


def _misfits(x: Any, type: AnyType, shape: tuple[int | None, ...]) -> Iterator[str]:
    """Yield what contradicts that ``x`` is of a type; ``shape`` is that of the type."""
    if isinstance(type, StackType):
        if not isinstance(x, control.Stack):
            yield f"is of {x.__class__.__name__}"
        return
    if type.kind == "python":
        kinds = {"b": bool, "i": int, "f": float, "c": complex}
        if x.__class__ is not kinds[type.dtype.kind]:
            yield f"is of {x.__class__.__name__}"
        return
    if not isinstance(x, np.generic if type.kind == "scalar" else np.ndarray):
        yield f"is of {x.__class__.__name__}"
    elif x.dtype != type.dtype:
        yield f"has dtype {x.dtype}"
    elif len(x.shape) != len(shape) or any(
        n is not None and n != m for n, m in zip(shape, x.shape, strict=True)
    ):
        yield f"has shape {x.shape}, not {shape}"
