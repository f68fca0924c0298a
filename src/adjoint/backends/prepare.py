"""From a function of the graph to what the interpreter runs.

Every value has a slot in the frame of its function. What is changed in place stays in the slot of
its operand, a loop's result in that of the carried value, so that most of what control operations
say about values costs nothing when it is run. A slot that refers to an array is cleared after the
last use.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from adjoint.backends.parameters import Frame, Step, evaluator
from adjoint.backends.program import Call, Observer, Program, Segment
from adjoint.backends.steps import step_of
from adjoint.ir.core import Block
from adjoint.ir.graph import Function, Value, walk
from adjoint.ops import control
from adjoint.ops.structural import project_result
from adjoint.transforms.lifetimes import Key, Lifetimes, parts, type_of, whole
from adjoint.transforms.ownership import Ownership, analyse
from adjoint.transforms.sharing import refers

__all__ = ["Preparation", "prepare"]


def prepare(
    function: Function,
    owned: frozenset[int] = frozenset(),
    in_place: bool = True,
    observer: Observer | None = None,
) -> Program:
    """Return a function as a program, which is made once.

    Parameters
    ----------
    function : Function
    owned : frozenset of int
        The arguments whose memory the program may change.
    in_place : bool
        False: every update copies.
    observer : Observer, optional
    """
    known = function.prepared if observer is None else observer.programs
    key = (owned, in_place) if observer is None else (function, owned, in_place)
    program = known.get(key)
    if program is None:
        program = known[key] = Preparation(function, owned, in_place, observer).program
    return program


def _refers(key: Key) -> bool:
    """Tell whether there is something to be let go of in the slot of a value."""
    return refers(type_of(key)) and whole(key).op is not control.constant


class Preparation:
    """A program while it is made."""

    def __init__(
        self, function: Function, owned: frozenset[int], in_place: bool, observer: Observer | None
    ) -> None:
        self.program = program = Program(function.name)
        self.options = (in_place, observer)
        self.observer = observer
        self.lifetimes = Lifetimes(function.block)
        self.ownership: Ownership = analyse(function, owned, self.lifetimes, in_place)
        self.slots: dict[Key, int] = {}
        self.segment = program.entry
        self.segments = [program.entry]
        self.projections = Counter(
            (node.inputs[0], node.params["k"])
            for node in walk(function.block)
            if node.op is project_result
        )
        block = function.block
        program.parameters = [self.define(p) for p in block.parameters]
        self._block(block)
        program.results = [self.slots[r] for r in block.results]
        program.copied = sorted(self.ownership.results)
        for segment in self.segments:
            segment.steps = tuple(segment.steps)

    # -- slots -------------------------------------------------------------------------------------

    def new_slot(self) -> int:
        """Return a slot that nothing else uses."""
        self.program.frame.append(None)
        return len(self.program.frame) - 1

    def define(self, key: Key) -> int:
        """Give a value a slot of its own."""
        slot = self.slots[key] = self.new_slot()
        return slot

    def _free(self, keys: Iterable[Key], but: Iterable[int] = ()) -> None:
        """Have the slots of values cleared that refer to memory."""
        but = set(but)
        slots = []
        for key in keys:
            if _refers(key):
                slot = self.slots[key]
                if slot not in but and slot not in slots:
                    slots.append(slot)
        if not slots:
            return
        if len(slots) == 1:
            (only,) = slots

            def free_one(f: Frame) -> None:
                f[only] = None

            self.segment.steps.append(free_one)
            return

        def free(f: Frame) -> None:
            for i in slots:
                f[i] = None

        self.segment.steps.append(free)

    # -- segments ----------------------------------------------------------------------------------

    def _open(self) -> Segment:
        """Begin a segment."""
        self.segment = Segment()
        self.segments.append(self.segment)
        return self.segment

    def _leave(self, node: Value, leave: Step, segment: Segment | None = None) -> None:
        (segment or self.segment).leave = leave
        self.program.nodes[leave] = node

    def _add(self, node: Value, step: Step) -> None:
        if self.observer is not None:
            step = self.observer.step(node, step, self)
        self.segment.steps.append(step)
        self.program.nodes[step] = node

    # -- blocks and nodes --------------------------------------------------------------------------

    def _block(self, block: Block, lasting: Iterable[Any] = ()) -> None:
        """Take a block's nodes; ``lasting`` are parameters that are needed after it."""
        step = self.observer and self.observer.parameters(block, self)
        if step is not None:
            self.segment.steps.append(step)
        last, home = self.lifetimes.last[block], self.lifetimes.home
        dying: defaultdict[int, list[Key]] = defaultdict(list)
        for key, at in last.items():
            if home[whole(key)] is block and key not in lasting:
                dying[at].append(key)
        node: Value
        for at, node in enumerate(block.nodes):
            dead = dying[at]
            dead += [key for key in parts(node) if key not in last]
            lower = self._CONTROL.get(node.op)
            if node.op is control.constant:
                self.program.frame[self.define(node)] = node.params["value"]
            elif node.op is project_result:
                self._project(node, block)
                self._free(dead, [self.slots[node]] if node in last else ())
            elif lower is not None:
                lower(self, node, dead)
            else:
                self._ordinary(node)
                kept = (
                    () if isinstance(node.type, tuple) or node not in last else [self.slots[node]]
                )
                self._free(dead, kept)

    def _project(self, node: Value, block: Block) -> None:
        key = (node.inputs[0], node.params["k"])
        source = self.slots[key]
        if self.projections[key] == 1 and self.lifetimes.home[key[0]] is block:
            self.slots[node] = source
            return
        target = self.define(node)

        def take(f: Frame) -> None:
            f[target] = f[source]

        self.segment.steps.append(take)

    def _ordinary(self, node: Value) -> None:
        found = self.ownership
        in_place = found.in_place.get(node, False)
        reused = found.reused.get(node)
        out: Any
        if isinstance(node.type, tuple):
            out = [(self.define(key), key[1]) for key in parts(node)]  # type: ignore[index]
        elif in_place or reused is not None:
            out = self.slots[node] = self.slots[node.inputs[reused or 0]]
        else:
            out = self.define(node)
        slot = self.slots.__getitem__
        marks = [node in marked for marked in (found.apart, found.kept, found.detached)]
        self._add(node, step_of(node, slot, out, in_place, reused, *marks))

    # -- control -----------------------------------------------------------------------------------

    def _moves(
        self, values: Iterable[Any], targets: list[int], copied: Iterable[int], inside: Block | None
    ) -> Step | None:
        """Return a step that puts values into the slots of others, all at once.

        Slots of what the block ``inside`` defines are cleared; the values by number in ``copied``
        are copied.
        """
        moves, clear = [], set()
        for value, target in zip(values, targets, strict=True):
            source = self.slots[value]
            if source != target:
                moves.append((source, target))
            if self.lifetimes.home[value] is inside and _refers(value):
                clear.add(source)
        copies = [targets[k] for k in copied]
        clear -= set(targets)
        if not moves and not copies:
            return None
        sources, into = [s for s, _ in moves], [t for _, t in moves]
        if not copies and len(moves) <= 2 and not clear:
            (s, t), (u, v) = moves[0], moves[-1]
            if len(moves) == 1:

                def move_one(f: Frame) -> None:
                    f[t] = f[s]

                return move_one

            def move_two(f: Frame) -> None:
                f[t], f[v] = f[s], f[u]

            return move_two
        observer = self.observer

        def move(f: Frame) -> None:
            values = [f[i] for i in sources]
            for i, x in zip(into, values):
                f[i] = x
            for i in clear:
                f[i] = None
            for i in copies:
                x = f[i]
                f[i] = x.copy() if isinstance(x, control.Stack) else np.array(x)
                if observer is not None:
                    observer.copied(f[i])

        return move

    def _enter(
        self, node: Value, inits: tuple[Value, ...], slots: list[int], dead: list[Key]
    ) -> None:
        """Fill the slots of carried values, and let go of what is needed no more."""
        entry = self.ownership.entry.get(node, ())
        move = self._moves(inits, slots, sorted(entry), None)
        if move is not None:
            self.segment.steps.append(move)
            self.program.nodes[move] = node
        captured = set().union(*[self.lifetimes.captured[b] for b in node.blocks])
        gone = [key for key in dead if key in inits and key not in captured]
        self._free(gone, slots)
        dead[:] = [key for key in dead if key not in gone]

    def _loop_results(self, node: Value, slots: list[int], dead: list[Key]) -> None:
        for k, slot in enumerate(slots):
            self.slots[node, k] = slot
        self._open()
        self._free(dead)

    def _for(self, node: Value, dead: list[Key]) -> None:
        (body,) = node.blocks
        lo, hi, by = (self.slots[v] for v in node.inputs[:3])
        index, *slots = [self.define(p) for p in body.parameters]
        iterator = self.new_slot()
        self._enter(node, node.inputs[3:], slots, dead)
        head = self.segment
        first = self._open()
        self._block(body)
        back = sorted(self.ownership.back.get(node, ()))
        move = self._moves(body.results, slots, back, body)
        tail = self.segment
        self._loop_results(node, slots, dead)
        after = self.segment

        def enter(f: Frame) -> Segment:
            f[iterator] = iter(range(f[lo], f[hi], f[by]))
            for k in f[iterator]:
                f[index] = k
                return first
            return after

        def again(f: Frame) -> Segment:
            for k in f[iterator]:
                f[index] = k
                return first
            return after

        def move_and_again(f: Frame) -> Segment:
            move(f)  # type: ignore[misc]
            for k in f[iterator]:
                f[index] = k
                return first
            return after

        self._leave(node, enter, head)
        self._leave(node, again if move is None else move_and_again, tail)

    def _while(self, node: Value, dead: list[Key]) -> None:
        condition, body = node.blocks
        slots = [self.define(p) for p in body.parameters]
        for param, slot in zip(condition.parameters, slots, strict=True):
            self.slots[param] = slot
        self._enter(node, node.inputs, slots, dead)
        head = self.segment
        test = self._open()
        self._block(condition, condition.parameters)
        tested = self.segment
        truth = self.slots[condition.results[0]]
        first = self._open()
        self._block(body)
        back = sorted(self.ownership.back.get(node, ()))
        move = self._moves(body.results, slots, back, body)
        tail = self.segment
        self._loop_results(node, slots, dead)
        after = self.segment

        def move_and_test(f: Frame) -> Segment:
            move(f)  # type: ignore[misc]
            return test

        self._leave(node, lambda f: test, head)
        self._leave(node, lambda f: first if f[truth] else after, tested)
        self._leave(node, (lambda f: test) if move is None else move_and_test, tail)

    def _if(self, node: Value, dead: list[Key]) -> None:
        truth = self.slots[node.inputs[0]]
        slots = [self.define(key) for key in parts(node)]
        head = self.segment
        starts, tails = [], []
        for block in node.blocks:
            starts.append(self._open())
            self._block(block)
            tails.append((self.segment, self._moves(block.results, slots, (), block)))
        after = self._open()
        self._free(dead)
        then, otherwise = starts
        self._leave(node, lambda f: then if f[truth] else otherwise, head)
        for tail, move in tails:
            self._leave(node, _to(after) if move is None else _move_to(move, after), tail)

    def _map(self, node: Value, dead: list[Key]) -> None:
        (body,) = node.blocks
        count = self.slots[node.inputs[0]]
        (index,) = [self.define(p) for p in body.parameters]
        slots = [self.define(key) for key in parts(node)]
        dtypes = [t.dtype for t in node.type]
        empty = [evaluator(t.shape[1:], self._length_slot) for t in node.type]
        iterator = self.new_slot()
        head = self.segment
        first = self._open()
        self._block(body)
        tail = self.segment
        given = [self.slots[r] for r in body.results]
        after = self._open()
        self._free(dead)
        observer = self.observer

        def enter(f: Frame) -> Segment:
            for i in slots:
                f[i] = None
            f[iterator] = iter(range(f[count]))
            for k in f[iterator]:
                f[index] = k
                return first
            for i, dtype, shape in zip(slots, dtypes, empty):
                f[i] = np.zeros((0, *[n or 0 for n in shape(f)]), dtype)
            return after

        def again(f: Frame) -> Segment:
            for i, j, dtype in zip(slots, given, dtypes):
                value, filled = f[j], f[i]
                if filled is None:
                    filled = f[i] = np.empty((f[count], *np.shape(value)), dtype)
                    if observer is not None:
                        observer.gathered(filled)
                elif np.shape(value) != filled.shape[1:]:
                    raise ValueError("all input arrays must have the same shape")
                filled[f[index]] = value
            for k in f[iterator]:
                f[index] = k
                return first
            return after

        self._leave(node, enter, head)
        self._leave(node, again, tail)

    def _length_slot(self, value: Value) -> int:
        return self.slots[value]

    def _call(self, node: Value, dead: list[Key]) -> None:
        in_place, observer = self.options
        function, owned = node.params["function"], self.ownership.handed[node]
        slots = [self.define(key) for key in parts(node)]
        call = Call(
            lambda: prepare(function, owned, in_place, observer),
            [self.slots[v] for v in node.inputs],
            [self.slots[v] for v in dead if v in node.inputs and _refers(v)],
            [(i, k) for k, i in enumerate(slots)],
        )
        self._leave(node, lambda f: None)
        self.segment.call = call
        self.segment = call.after
        self.segments.append(call.after)
        self._free(dead)

    _CONTROL: ClassVar[dict[Any, Any]] = {
        control.for_loop: _for,
        control.while_loop: _while,
        control.cond: _if,
        control.map_loop: _map,
        control.call: _call,
    }


def _to(segment: Segment) -> Step:
    return lambda f: segment


def _move_to(move: Step, segment: Segment) -> Step:
    def leave(f: Frame) -> Segment:
        move(f)
        return segment

    return leave
