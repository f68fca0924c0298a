"""What becomes of a graph: nests of loops, places in memory, what is in place. Written on request.

The lowering tells `Program.notes`, if it is there, what it decides; here that is kept by function
and put into words, with the names that the text of the graph has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from adjoint.ir.dims import Dim
from adjoint.ir.graph import Function, Value, walk
from adjoint.ir.text import Printer
from adjoint.ir.writer import Writer
from adjoint.transforms.lifetimes import Key, whole

__all__ = ["Notes"]

_CARRIED = {
    "_Kept": "stays where it is",
    "_Small": "copied at the end of a pass, in the frame",
    "Moving": "two memories that change roles",
    "Growing": "two memories that grow",
    "_Stack": "a header for each pass",
}


@dataclass(slots=True)
class _Nest:
    node: Value | None
    written: Key | None
    fused: list[Key]
    stored: list[Key]
    joined: bool = False


@dataclass(slots=True)
class _Memory:
    node: Value | None
    key: Key | None
    where: str
    bounds: tuple[Any, ...]
    itemsize: int


@dataclass(slots=True)
class _Notes:
    nests: list[_Nest] = field(default_factory=list)
    memory: list[_Memory] = field(default_factory=list)
    carried: list[tuple[Value, int, str]] = field(default_factory=list)
    ownership: Any = None


class Notes:
    """What the lowering has told."""

    def __init__(self) -> None:
        self._functions: dict[Function, _Notes] = {}

    def _of(self, f: Any) -> _Notes:
        found = self._functions.setdefault(f.function, _Notes())
        found.ownership = f.ownership
        return found

    # -- what the lowering tells -------------------------------------------------------------------

    def nest(
        self, f: Any, written: Key | None, fused: Iterable[Any], stored: Iterable[Any]
    ) -> None:
        """Note a nest of loops over the elements of an array.

        Parameters
        ----------
        f : Lowering
        written : Value, (Value, int) or None
            What it puts into memory, if that is a value.
        fused : iterable of Lazy
            What is computed in it.
        stored : iterable of Lazy
            What of that is put into memory on the way.
        """
        if f.node is None and written is None:
            return
        keys = [lazy.key for lazy in fused if lazy.key is not None and lazy.key != written]
        kept = [lazy.key for lazy in stored if lazy.key is not None]
        self._of(f).nests.append(_Nest(f.node, written, keys, kept))

    def join(self, f: Any) -> None:
        """Note that the last nest is written into the one before."""
        nests = self._of(f).nests
        if nests:
            nests[-1].joined = True

    def memory(
        self, f: Any, key: Key | None, where: str, bounds: tuple[Any, ...], itemsize: int
    ) -> None:
        """Note where an array lies: ``bounds`` of its lengths, None where they are not known."""
        self._of(f).memory.append(_Memory(f.node, key, where, bounds, itemsize))

    def carry(self, f: Any, loop: Value, states: Iterable[Any]) -> None:
        """Note how a loop carries arrays and stacks."""
        found = self._of(f)
        for k, state in enumerate(states):
            kind = _CARRIED.get(type(state).__name__)
            if kind is not None:
                found.carried.append((loop, k, kind))

    # -- in words ----------------------------------------------------------------------------------

    def text(self) -> str:
        """Return all of it in words."""
        writer = Writer(None, True)
        parts = []
        for function, notes in self._functions.items():
            Printer(writer).lines(function)  # gives the values their names
            parts.append("\n".join(_lines(writer, function, notes)))
        return "\n\n".join(parts or ["no loops, and no arrays in memory"]) + "\n"


def _name(writer: Writer, key: Key) -> str:
    if isinstance(key, tuple):
        node, k = key
        named = writer.projections.get(node, {})
        return writer.name(named[k]) if k in named else f"{writer.name(node)}.{k}"
    return writer.name(key)


def _operation(writer: Writer, key: Key) -> str:
    node = whole(key)
    if node.op is None:
        return _name(writer, key)
    if node is key and node.blocks:
        parameters = node.blocks[-1].parameters
        at = f" at {writer.name(parameters[0])}" if parameters else ""
        return f"what the {node.op.name}{at} needs"
    return f"{_name(writer, key)} {node.op.name}"


def _line(node: Value | None) -> str:
    return f"  (line {node.place[1]})" if node is not None and node.place else ""


def _lines(writer: Writer, function: Function, notes: _Notes) -> list[str]:
    lines = [f"function {function.name}"]
    loops = [(n, "for") for n in walk(function.block) if n.op is not None and n.op.name == "for"]
    loops += [
        (n, "while") for n in walk(function.block) if n.op is not None and n.op.name == "while"
    ]
    if notes.nests:
        lines.append("  loops over elements, and what each computes:")
    for nest in notes.nests:
        target = nest.written if nest.written is not None else nest.node
        assert target is not None
        fused = ", ".join(_operation(writer, k) for k in dict.fromkeys(nest.fused))
        stored = ", ".join(_name(writer, k) for k in dict.fromkeys(nest.stored))
        tail = f" <- {fused}" if fused else ""
        tail += f"; kept on the way: {stored}" if stored else ""
        start = "    and " if nest.joined else "    "
        lines.append(f"{start}{_operation(writer, target)}{tail}{_line(whole(target))}")
    if notes.carried or loops:
        lines.append("  loops of the program:")
    for loop, kind in loops:
        head = loop.blocks[-1].parameters
        shift = 1 if kind == "for" else 0
        index = f" {writer.name(head[0])}" if shift else ""
        lines.append(f"    {kind}{index}{_line(loop)}")
        for other, k, how in notes.carried:
            if other is loop:
                lines.append(f"      carries {writer.name(head[k + shift])}: {how}")
    if notes.memory:
        lines.append("  memory:")
    for m in notes.memory:
        key = m.key if m.key is not None else m.node
        what = "a result" if key is None else _operation(writer, key)
        lines.append(f"    {what}: {_bytes(writer, m)}, {m.where}")
    stores = notes.ownership.in_place
    if stores:
        lines.append("  stores:")
    for node, here in stores.items():
        how = "in place" if here else "into a copy"
        lines.append(f"    {_operation(writer, node)}: {how}{_line(node)}")
    if len(lines) == 1:
        lines.append("  numbers in registers alone")
    return lines


def _bytes(writer: Writer, m: _Memory) -> str:
    """Return how many bytes an array takes: a number, or a formula of lengths."""
    if None in m.bounds:
        return "as many bytes as it turns out to need"
    count, factors = m.itemsize, []
    for n in m.bounds:
        if isinstance(n, Dim):
            text = writer.dimension(n)
            factors.append(f"({text})" if " " in text else text)
        elif isinstance(n, Value):
            factors.append(writer.name(n))
        else:
            count *= int(n)
    return " * ".join([str(count), *factors]) + " bytes"
