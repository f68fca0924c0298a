"""The text of a module and of its functions, while they are written.

Making text is several times as fast as building LLVM's objects through a binding. What is written
here is not optimised, apart from what is free: integers that are known are computed, the same index
is not computed twice, and an expression in a nest of loops stands in the outermost loop in which
its operands exist.

A *level* is a place where text is written: the function's own body, and one for each loop of the
nest that is open. Its text is put together when the loop is closed, so that code for an outer level
can be written while an inner one is open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from adjoint.backends.llvm import vector_math

__all__ = ["Body", "Integer", "Level", "Module", "Nest", "flatten"]

Integer: TypeAlias = "int | str"
"""An integer of 64 bits: known, or a register."""

_METADATA = re.compile(r"!\d+\b")
_NAMES = re.compile(r"%(?:v\d+|p\d[\d.]*|r\d+|out|b\d+)\b|\bb\d+(?=:)|" + _METADATA.pattern)

COLD = "!prof !0"
"""Of a branch whose first side is the usual one."""


class Module:
    """A module: functions, and what they refer to.

    Attributes
    ----------
    attributes : str
        What every function defined in it has.
    functions : dict
        The functions of `vector_math` that it calls.
    """

    def __init__(self, attributes: str = "") -> None:
        self.attributes = attributes
        self._declared: dict[str, str] = {}
        self._functions: list[str] = []
        self._metadata: list[str] = ['!{!"branch_weights", i32 100000, i32 1}']
        self.functions: dict[Any, None] = {}
        self._alike: dict[str, str] = {}
        self._names = 0

    def declare(self, name: str, text: str) -> str:
        """Put a declaration or global into the module, once; return its name."""
        self._declared.setdefault(name, text)
        return name

    def declares(self, name: str) -> bool:
        """Tell whether there is a declaration of that name."""
        return name in self._declared

    def define(self, text: str) -> None:
        """Put a function into the module."""
        self._functions.append(text)

    def define_once(self, text: str, prefix: str, write: Callable[[str], str]) -> str:
        """Put a function into the module unless there is one alike; return its name.

        Parameters
        ----------
        text : str
            What it does; registers, labels and metadata may have other names in one alike.
        prefix : str
            Of its name.
        write : callable
            From its name to the function.
        """
        key = self._numbered(text)
        name = self._alike.get(key)
        if name is None:
            name = self._alike[key] = self.name(prefix)
            self.define(write(name))
        return name

    def _numbered(self, text: str) -> str:
        """Return a text in which names are numbers, in the order in which they appear."""
        numbers: dict[str, str] = {}

        def number(match: re.Match[str]) -> str:
            name = match[0]
            if name[0] == "b":
                name = f"%{name}"
            if name[0] == "!":
                meaning = self._metadata[int(name[1:])]
                if not meaning.startswith("distinct"):
                    return _METADATA.sub(number, meaning)
                if name not in numbers:
                    numbers[name] = f"!{len(numbers)}"
                    return numbers[name] + _METADATA.sub(number, meaning)
            return numbers.setdefault(name, f"%{len(numbers)}")

        return _NAMES.sub(number, text)

    def metadata(self, text: str) -> str:
        """Put a node of metadata into the module, and return its name."""
        self._metadata.append(text)
        return f"!{len(self._metadata) - 1}"

    def fill(self, name: str, text: str) -> None:
        """Say what a node of metadata is that was reserved."""
        self._metadata[int(name[1:])] = text

    def name(self, prefix: str) -> str:
        """Return a name that nothing else in the module has."""
        self._names += 1
        return f"{prefix}.{self._names}"

    def text(self) -> str:
        """Return the module."""
        lines = [
            vector_math.prelude(self.functions),
            *self._declared.values(),
            *self._functions,
            f"attributes #0 = {{ {self.attributes} }}",
            f"attributes #1 = {{ noinline cold {self.attributes} }}",
            *[f"!{k} = {text}" for k, text in enumerate(self._metadata)],
        ]
        return "\n".join(lines) + "\n"


class Nest(list):
    """The lines of a nest of loops, which stand alone: few of their registers are read after it."""

    __slots__ = ()


class Level:
    """A place where text is written.

    Attributes
    ----------
    lines : list
        Of text, and of lists of it.
    block : str
        The label of the block that is being written.
    scopes : list of dict
        Integers that are computed already, innermost scope last.
    """

    __slots__ = ("block", "carried", "count", "first", "index", "lines", "note", "scopes", "start")

    def __init__(self, block: str) -> None:
        self.lines: list[Any] = []
        self.block = self.start = block
        self.scopes: list[dict[Any, str]] = [{}]
        self.count: Integer = 0
        self.first: Integer = 0
        self.index = ""
        self.carried: list[list[str]] = []
        self.note = ""


class Body:
    """A function while it is written.

    Attributes
    ----------
    levels : list of Level
        The function's own, and those of the open loops of a nest.
    depth : dict
        Register → the level at which it is defined, if that is not the function's own.
    again : bool
        Whether what is written computes numbers that are computed elsewhere too, and have to be
        the same to the last bit there.
    settle : callable or None
        Ends a nest that stays open while what is written has nothing to do with it.
    loops : int
        How many loops and calls were written.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.levels = [Level("body")]
        self.depth: dict[Any, int] = {}
        self.again = False
        self.settle: Callable[[], None] | None = None
        self.loops = 0
        self._names = 0

    # -- names and lines ---------------------------------------------------------------------------

    def name(self) -> str:
        """Return a new register."""
        self._names += 1
        return f"%v{self._names}"

    def label(self) -> str:
        """Return a new label."""
        self._names += 1
        return f"b{self._names}"

    @property
    def here(self) -> Level:
        """The innermost level."""
        return self.levels[-1]

    def settled(self) -> None:
        """End a nest that was left open, if there is one."""
        if self.settle is not None:
            self.settle()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Write what has nothing to do with the nest that is open: it stands before it."""
        outer, self.settle = self.settle, None
        try:
            yield
        finally:
            self.settle = outer

    def do(self, text: str) -> None:
        """Write an instruction without a result."""
        self.settled()
        self.levels[-1].lines.append(text)

    def let(self, text: str) -> str:
        """Write an instruction at the innermost level; return its result."""
        self.settled()
        name = self.name()
        self.levels[-1].lines.append(f"{name} = {text}")
        if len(self.levels) > 1:
            self.depth[name] = len(self.levels) - 1
        return name

    def op(self, text: str, *operands: Any) -> str:
        """Write an instruction without effect as far out as its operands allow."""
        name = self.name()
        if len(self.levels) == 1:
            self.levels[0].lines.append(f"{name} = {text}")
            return name
        depth = self.depth
        at = max([depth.get(x, 0) for x in operands], default=0)
        self.levels[at].lines.append(f"{name} = {text}")
        if at:
            depth[name] = at
        return name

    def place(self, text: str, *operands: Any) -> str:
        """Write an instruction as `op` does, unless it was written already."""
        at = max([self.depth.get(x, 0) for x in operands], default=0)
        scopes = self.levels[at].scopes
        for scope in scopes:
            found = scope.get(text)
            if found is not None:
                return found
        found = scopes[-1][text] = self.op(text, *operands)
        return found

    def flags(self, flags: str = "contract") -> str:
        """Return what LLVM may do with a floating-point instruction, as a suffix of its name."""
        return "" if self.again else f" {flags}"

    # -- integers ----------------------------------------------------------------------------------

    def _integer(self, key: tuple[str, Any, Any], text: str) -> str:
        _, x, y = key
        level = self.levels[max(self.depth.get(x, 0), self.depth.get(y, 0))]
        for scope in level.scopes:
            found = scope.get(key)
            if found is not None:
                return found
        found = level.scopes[-1][key] = self.op(text, x, y)
        return found

    def add(self, x: Integer, y: Integer) -> Integer:
        """Return x + y."""
        if isinstance(x, int):
            if isinstance(y, int):
                return x + y
            x, y = y, x
        if y == 0:
            return x
        return self._integer(("add", x, y), f"add i64 {x}, {y}")

    def sub(self, x: Integer, y: Integer) -> Integer:
        """Return x − y."""
        if isinstance(y, int):
            return self.add(x, -y)
        return self._integer(("sub", x, y), f"sub i64 {x}, {y}")

    def mul(self, x: Integer, y: Integer) -> Integer:
        """Return x · y."""
        if isinstance(x, int):
            if isinstance(y, int):
                return x * y
            x, y = y, x
        if y == 0:
            return 0
        if y == 1:
            return x
        return self._integer(("mul", x, y), f"mul i64 {x}, {y}")

    def product(self, factors: Iterable[Integer]) -> Integer:
        """Return the product of integers, taken from the last to the first."""
        result: Integer = 1
        for x in reversed(list(factors)):
            result = self.mul(result, x)
        return result

    def compare(self, how: str, x: Integer, y: Integer) -> str:
        """Return the truth of a comparison of integers (``slt``, ``eq``, ...), an i1."""
        if isinstance(x, int) and isinstance(y, int):
            outcome = {
                "slt": x < y, "sle": x <= y, "sgt": x > y, "sge": x >= y, "eq": x == y, "ne": x != y
            }  # fmt: skip
            return "true" if outcome[how] else "false"
        return self._integer((how, x, y), f"icmp {how} i64 {x}, {y}")

    def select(self, truth: str, x: Integer, y: Integer) -> Integer:
        """Return x or y."""
        if truth == "true" or x == y:
            return x
        if truth == "false":
            return y
        return self.op(f"select i1 {truth}, i64 {x}, i64 {y}", truth, x, y)

    def least(self, x: Integer, y: Integer) -> Integer:
        """Return the smaller of two integers."""
        return self.select(self.compare("slt", x, y), x, y)

    def most(self, x: Integer, y: Integer) -> Integer:
        """Return the greater of two integers."""
        return self.select(self.compare("sgt", x, y), x, y)

    def enter_scope(self) -> None:
        """Begin a part of the body that does not always run: what it computes is lost after it."""
        self.settled()
        self.here.scopes.append({})

    def leave_scope(self) -> None:
        """End that part."""
        self.settled()
        self.here.scopes.pop()

    # -- flow --------------------------------------------------------------------------------------

    def begin(self, label: str) -> None:
        """Begin a block."""
        self.settled()
        here = self.here
        here.lines.append(f"{label}:")
        here.block = label

    def go(self, label: str) -> None:
        """End a block."""
        self.settled()
        self.here.lines.append(f"br label %{label}")

    def branch(self, truth: str, then: str, otherwise: str, note: str = "") -> None:
        """End a block with a branch."""
        self.settled()
        suffix = f", {note}" if note else ""
        self.here.lines.append(f"br i1 {truth}, label %{then}, label %{otherwise}{suffix}")

    # -- nests of loops ----------------------------------------------------------------------------

    def begin_nest(self) -> list[Any] | None:
        """Begin lines that stand alone; return what `end_nest` is to be given."""
        self.settled()
        if len(self.levels) > 1:
            return None
        here = self.here
        outer, here.lines = here.lines, Nest()
        here.scopes.append({})
        return outer

    def end_nest(self, outer: list[Any] | None) -> None:
        """End lines that stand alone."""
        if outer is not None:
            here = self.here
            outer.append(here.lines)
            here.lines = outer
            here.scopes.pop()

    def open_loop(self, count: Integer, note: str = "", first: Integer = 0) -> str:
        """Open a loop; return its index, from ``first`` to ``count``. ``note`` is metadata."""
        self.settled()
        level = Level(self.label())
        level.count, level.note, level.first = count, note, first
        self.levels.append(level)
        level.index = self.name()
        self.depth[level.index] = len(self.levels) - 1
        return level.index

    def carry(self, type: str, start: str) -> str:
        """Have the innermost loop carry a value from pass to pass; return it."""
        level = self.here
        name = self.name()
        level.carried.append([type, name, start, name])
        self.depth[name] = len(self.levels) - 1
        return name

    def set_carried(self, name: str, value: str) -> None:
        """Say what a carried value is in the next pass."""
        for entry in self.here.carried:
            if entry[1] == name:
                entry[3] = value

    def close_loop(self) -> list[str]:
        """Close the innermost loop; return what its carried values are after it."""
        level = self.levels.pop()
        outer = self.here
        self.loops += 1
        start, latch, before = level.start, level.block, outer.block
        after, further, more = self.label(), self.name(), self.name()
        lines = outer.lines
        guarded = not (isinstance(level.count, int) and level.count > 0)
        if guarded:
            some = self.name()
            lines.append(f"{some} = icmp sgt i64 {level.count}, {level.first}")
            lines.append(f"br i1 {some}, label %{start}, label %{after}")
        else:
            lines.append(f"br label %{start}")
        lines.append(f"{start}:")
        first = level.first
        lines.append(f"{level.index} = phi i64 [ {first}, %{before} ], [ {further}, %{latch} ]")
        for type, name, first, value in level.carried:
            lines.append(f"{name} = phi {type} [ {first}, %{before} ], [ {value}, %{latch} ]")
        lines.append(level.lines)
        lines.append(f"{further} = add nuw nsw i64 {level.index}, 1")
        lines.append(f"{more} = icmp slt i64 {further}, {level.count}")
        note = f", {level.note}" if level.note else ""
        lines.append(f"br i1 {more}, label %{start}, label %{after}{note}")
        lines.append(f"{after}:")
        outer.block = after
        results = []
        for type, _, first, value in level.carried:
            if not guarded:
                result = value
            else:
                result = self.name()
                lines.append(f"{result} = phi {type} [ {first}, %{before} ], [ {value}, %{latch} ]")
            self.depth[result] = len(self.levels) - 1
            results.append(result)
        return results


def flatten(lines: list[Any], into: list[str]) -> None:
    """Append text to ``into``, lists of it taken apart."""
    for line in lines:
        if isinstance(line, list):
            flatten(line, into)
        else:
            into.append(line)
