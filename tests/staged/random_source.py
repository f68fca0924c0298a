"""Random Python programs, as text: what scientists write, all of it, in every combination.

`write` returns the source of a module with a function ``f(x, y, a, n)`` of two vectors of run-time
lengths, a matrix or a number, and an integer; it returns a number. The text is right by
construction: every name is bound (or is left alone), every index is in range, vectors that meet
have one length, numbers stay moderate, and every ``while`` counts its passes, too.

A function has up to `STATEMENTS` statements, blocks up to four, and loops and branches are nested
up to `DEPTH` deep; `CONSTRUCTS` says how many programs out of a hundred have each of the others, at
least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

__all__ = ["CONSTRUCTS", "DEPTH", "STATEMENTS", "Program", "write"]

DEPTH = 4
STATEMENTS = 10

PASSES = 60
"""How many passes the innermost loop may have, about."""

PRELUDE = """\
import math

import numpy as np


class Box:
    def __init__(self, s, v):
        self.s = s
        self.v = v

    def add(self, t):
        self.s = 0.5 * self.s + t
        return self.s


def mix(v):
    return np.dot(v, np.cos(np.arange(len(v))))


"""

CONSTRUCTS: dict[str, int] = {}


@dataclass(frozen=True)
class Program:
    """A program.

    Attributes
    ----------
    text : str
    matrix : bool
        Whether ``a`` is a matrix, not a number.
    same : bool
        Whether ``x`` and ``y`` have the same length.
    constructs : frozenset of str
    """

    text: str
    matrix: bool
    same: bool
    constructs: frozenset[str]


@dataclass(frozen=True)
class Length:
    """The length of vectors: those of the same one may be added."""

    text: str
    least: int = 1


X, Y, K, NUMBER, THREE = (
    Length("len(x)", 9),
    Length("len(y)", 9),
    Length("len(a)", 9),
    Length("n", 0),
    Length("3", 3),
)


@dataclass
class Scope:
    """The names that a block may use: numbers, integers, vectors, matrices, and so on."""

    numbers: list[str] = field(default_factory=list)
    integers: list[str] = field(default_factory=list)
    vectors: list[tuple[str, Length]] = field(default_factory=list)
    matrices: list[str] = field(default_factory=list)
    masks: list[tuple[str, Length]] = field(default_factory=list)
    lists: list[tuple[str, Length, int]] = field(default_factory=list)
    dicts: list[tuple[str, Length]] = field(default_factory=list)
    boxes: list[tuple[str, Length]] = field(default_factory=list)
    closures: list[str] = field(default_factory=list)
    # Integers that are indices of the vectors of some lengths.
    indices: list[tuple[str, frozenset[Length]]] = field(default_factory=list)


def write(random: Random) -> Program:
    """Return a program."""
    return _Writer(random).program()


class _Writer:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.constructs: set[str] = set()
        self.lines: list[str] = []
        self.indent = 0
        self.scopes: list[Scope] = []
        self.fresh = 0
        self.loops: list[bool] = []  # of each loop around, whether break and continue may be used
        self.depth = 0
        self.passes = 1
        self.helpers: list[str] = []
        self.matrix = False
        self.same = False
        self.returns = True  # whether a return may stand here
        self.local = 0  # scopes below this one belong to another function: not to be assigned to
        self.fixed: set[str] = set()  # names that are not to be bound anew here

    # -- choices -----------------------------------------------------------------------------------

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) >= 100 - percent

    def one(self, options: Any) -> Any:
        return options[self.random.randrange(len(options))]

    def say(self, *constructs: str) -> None:
        self.constructs.update(constructs)

    def name(self, stem: str) -> str:
        self.fresh += 1
        return f"{stem}{self.fresh}"

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def all(self, kind: str) -> list[Any]:
        return [item for scope in self.scopes for item in getattr(scope, kind)]

    def here(self, kind: str) -> list[Any]:
        """Return what may be assigned to."""
        found = [item for scope in self.scopes[self.local :] for item in getattr(scope, kind)]
        return [v for v in found if (v if isinstance(v, str) else v[0]) not in self.fixed]

    def add(self, kind: str, item: Any) -> None:
        getattr(self.scopes[-1], kind).append(item)

    @contextmanager
    def block(self) -> Iterator[None]:
        self.scopes.append(Scope())
        self.indent += 1
        yield
        self.indent -= 1
        self.scopes.pop()

    # -- the program -------------------------------------------------------------------------------

    def program(self) -> Program:
        self.matrix = self.chance(65)
        self.same = self.chance(40)
        for _ in range(self.random.randrange(3)):
            self.helper()
        self.line("def f(x, y, a, n):")
        self.scopes = [Scope(numbers=["1.3"], integers=["n"])]
        with self.block():
            self.add("vectors", ("x", X))
            self.add("vectors", ("y", X if self.same else Y))
            if self.matrix:
                self.add("matrices", "a")
                self.say("matrix")
            else:
                self.add("numbers", "a")
            self.statements(3, STATEMENTS)
            self.result()
        text = PRELUDE + "\n".join(self.lines) + "\n"
        return Program(text, self.matrix, self.same, frozenset(self.constructs))

    def statements(self, least: int, most: int) -> None:
        count = 0
        while count < least or (count < most and self.chance(85)):
            self.statement()
            count += 1

    def result(self) -> None:
        """Return a number that depends on everything."""
        terms = [f"0.7 * {s}" for s in self.all("numbers")[-6:]]
        terms += [f"0.01 * {k}" for k in self.all("integers")[-3:]]
        terms += [f"mix({v})" for v, _ in self.all("vectors")]
        terms += [f"np.sum(np.sin({m}) * np.arange(len({m})))" for m in self.all("matrices")]
        for name, _, count in self.all("lists"):
            terms += [f"mix({name}[{k}])" for k in range(count)]
        terms += [f"mix({name}['v']) + {name}['s']" for name, _ in self.all("dicts")]
        terms += [f"mix({name}.v) + {name}.s" for name, _ in self.all("boxes")]
        self.line("return " + " + ".join(terms))

    def helper(self) -> None:
        """Write a function ``h(u, i, s)`` that returns a number, and may store into u."""
        name = self.name("h")
        length = Length("len(u)", 1)
        self.line(f"def {name}(u, i, s):")
        self.scopes = [Scope()]
        with self.block():
            self.add("vectors", ("u", length))
            self.add("numbers", "s")
            self.add("integers", "i")
            self.passes = 10
            self.statements(1, 3)
            if self.chance(40):
                self.say("store in a helper")
                self.line(f"u[{self.index('u', length)}] = {self.damped()}")
            self.line(f"return {self.damped()}")
        self.passes = 1
        self.line("")
        self.line("")
        self.helpers.append(name)

    # -- numbers -----------------------------------------------------------------------------------

    def constant(self) -> str:
        return f"{self.random.randrange(-1999, 2000) / 1000 + 0.0003:.4f}"

    def number(self, depth: int = 2) -> str:
        """Return an expression for a number, most of them between -10 and 10."""
        if depth <= 0 or self.chance(15):
            numbers = self.all("numbers")
            if numbers and self.chance(75):
                return self.one(numbers[-5:])
            return self.element() if self.chance(70) else self.constant()
        e: Callable[[], str] = lambda: self.number(depth - 1)
        kind = self.random.randrange(23)
        if kind < 4:
            return f"{e()} {self.one('+-')} {e()}" if self.chance(50) else f"({e()} - {e()})"
        if kind < 6:
            return f"0.3 * ({e()}) * ({e()})"
        if kind < 9:
            return f"{self.one(('np.sin', 'np.tanh', 'math.sin', 'math.cos', 'np.cos'))}({e()})"
        if kind == 9:
            return f"math.exp(-abs({e()}))"
        if kind == 10:
            self.say("min and max")
            return f"{self.one(('max', 'min'))}({e()}, {e()} + 0.0317)"
        if kind == 11:
            self.say("conditional expression")
            return f"({e()} if {self.condition(1)} else {e()})"
        if kind == 12:
            return f"({e()}) / (1.5 + abs({e()}))"
        if kind < 15:
            self.say("reduction")
            v = self.vector(depth - 1)
            return self.one((f"0.2 * np.sum({v})", f"0.1 * np.sum({v} * {v})"))
        if kind == 15 and self.chance(30):
            self.say("stack")
            length = self.length()
            return f"0.1 * np.sum(np.stack(({self.vector(1, length)}, {self.vector(0, length)}))[{self.one((0, 1, ':, ::2'))}])"
        if kind == 15:
            length = self.length()
            self.say("dot")
            return f"0.1 * np.dot({self.vector(1, length)}, {self.vector(1, length)})"
        if kind == 16:
            return self.sliced_product()
        if kind == 17:
            return f"0.1 * {self.integer(1)}"
        if kind == 18 and self.helpers:
            return self.helper_call()
        if kind == 19 and self.all("closures"):
            return f"{self.one(self.all('closures'))}({e()})"
        if kind == 20:
            held = self.held_number()
            if held:
                return held
        if kind == 21:
            self.say("NumPy scalar")
            return f"np.float64({self.constant()})"
        return self.element()

    def damped(self) -> str:
        e = self.number()
        return self.one((f"np.tanh({e})", f"0.5 * math.sin({e})", f"0.4 * np.cos({e})"))

    def held_number(self) -> str | None:
        options = [f"{name}['s']" for name, _ in self.all("dicts")]
        options += [f"{name}.s" for name, _ in self.all("boxes")]
        return self.one(options) if options else None

    def helper_call(self) -> str:
        self.say("helper")
        name, length = self.some_vector(least=1)
        if name is None:
            return self.element()
        return f"{self.one(self.helpers)}({name}, {self.integer(1)}, {self.number(1)})"

    def element(self) -> str:
        if self.all("matrices") and self.chance(30):
            m = self.one(self.all("matrices"))
            return f"{m}[{self.index(m, K)}, {self.index(m, K)}]"
        name, length = self.some_vector(least=1)
        if name is None:
            return self.constant()
        return f"{name}[{self.index(name, length)}]"

    def sliced_product(self) -> str:
        """Return a product of slices of a run-time length."""
        self.say("run-time slice")
        k = self.integer(1, data=False)
        if self.all("matrices") and self.chance(50):
            m = self.one(self.all("matrices"))
            i, j = self.index(m, K), self.index(m, K)
            return self.one(
                (
                    f"0.1 * ({m}[{i}, :{k}] @ {m}[{j}, :{k}])",
                    f"0.1 * ({m}[{i}, :{k}] @ {m}[:{k}, {j}])",
                )
            )
        length = self.length()
        u, v = self.vector(0, length), self.vector(0, length)
        return self.one(
            (
                f"0.1 * ({u}[:{k}] @ {v}[:{k}])",
                f"0.1 * np.sum({u}[{k}:] * {v}[{k}:])",
                f"0.1 * np.dot({u}[1:], {v}[:-1])",
                f"0.1 * np.sum({u}[{k}::2])",
            )
        )

    # -- integers and indices ----------------------------------------------------------------------

    def integer(self, depth: int = 1, data: bool = True) -> str:
        """Return an expression for an integer ≥ 0, not large; of integers only, without ``data``."""
        known = self.all("integers")
        if depth <= 0 or self.chance(45):
            return self.one(known[-4:]) if known and self.chance(80) else str(self.random.randrange(4))
        e: Callable[[], str] = lambda: self.integer(depth - 1, data)
        self.say("integer arithmetic")
        kind = self.random.randrange(10)
        if kind < 2:
            return f"({e()} + {self.random.randrange(1, 3)})"
        if kind == 2:
            return f"({e()} // 2)"
        if kind == 3:
            return f"({e()} % {self.one((2, 3, 5))})"
        if kind == 4:
            self.say("min and max")
            return f"{self.one(('min', 'max'))}({e()}, {e()})"
        if kind == 5:
            return f"abs({e()} - {e()})"
        if kind == 6 and data:
            self.say("integer of data")
            return f"int(abs(math.sin({self.number(1)})) * 3.3)"
        if kind == 7 and data:
            name, _ = self.some_vector(least=1)
            if name:
                self.say("integer of data")
                return f"np.argmax({name}) % 4"
        if kind == 8 and data:
            self.say("conditional expression")
            return f"({e()} if {self.condition(0)} else {e()})"
        return f"({e()} * 2 + {e()}) % 4"

    def index(self, name: str, length: Length) -> str:
        """Return an index of a vector that is not empty."""
        known = [k for k, of in self.all("indices") if length in of]
        if known and self.chance(70):
            k = self.one(known[-3:])
            return self.one((k, k, k, f"{k} - 1", f"-1 - {k}"))
        if self.chance(25):
            return self.one(("0", "-1", "0" if length.least < 3 else "2"))
        self.say("remainder as index")
        return f"({self.integer(1)}) % len({name})"

    # -- vectors -----------------------------------------------------------------------------------

    def length(self) -> Length:
        return self.one([length for _, length in self.all("vectors")[-6:]] or [THREE])

    def some_vector(self, least: int = 0, assigned: bool = False) -> tuple[Any, Any]:
        options = self.here("vectors") if assigned else self.all("vectors")
        options = [(v, length) for v, length in options if length.least >= least]
        for name, length, count in self.all("lists"):
            if length.least >= least:
                options.append((f"{name}[{self.random.randrange(count)}]", length))
        for name, length in self.all("dicts"):
            if length.least >= least:
                options.append((f"{name}['v']", length))
        for name, length in self.all("boxes"):
            if length.least >= least:
                options.append((f"{name}.v", length))
        return self.one(options[-8:]) if options else (None, None)

    def vector(self, depth: int = 2, length: Length | None = None) -> str:
        """Return an expression for a vector."""
        length = length or self.length()
        names = [v for v, of in self.all("vectors") if of == length]
        for name, of, count in self.all("lists"):
            names += [f"{name}[{self.random.randrange(count)}]"] if of == length else []
        names += [f"{name}['v']" for name, of in self.all("dicts") if of == length]
        names += [f"{name}.v" for name, of in self.all("boxes") if of == length]
        if depth <= 0:
            if names:
                return self.one(names[-5:])
            return self.made(length)
        e: Callable[[], str] = lambda: self.vector(depth - 1, length)
        kind = self.random.randrange(16)
        if kind < 3 and names:
            return self.one(names[-5:])
        if kind < 5:
            return f"({e()} {self.one('+-')} {e()})"
        if kind == 5:
            return f"0.5 * {e()} * {e()}"
        if kind < 8:
            return f"{self.one(('np.sin', 'np.tanh', 'np.cos'))}({e()})"
        if kind == 8:
            return f"({e()} * ({self.number(1)}))"
        if kind == 9:
            self.say("where")
            return f"np.where({self.mask(length)}, {e()}, {self.one((e(), self.number(1)))})"
        if kind == 10:
            self.say("maximum")
            return f"np.{self.one(('maximum', 'minimum'))}({e()}, {self.number(1)} + 0.0431)"
        if kind == 11:
            return f"np.exp(-np.abs({e()}))"
        if kind == 12 and names:
            self.say("reversed view")
            return f"{self.one(names)}[::-1]"
        if kind == 13 and length is K and self.all("matrices"):
            m = self.one(self.all("matrices"))
            return self.one(
                (f"{m}[{self.index(m, K)}]", f"{m}[:, {self.index(m, K)}]", f"0.3 * ({m} @ {e()})")
            )
        if kind == 14 and names and length.least >= 1:
            self.say("concatenate")
            v = self.one(names)
            return f"np.concatenate(({v}[1:], {v}[:1]))"
        return self.made(length)

    def made(self, length: Length) -> str:
        """Return a new vector."""
        self.say("new array")
        n = length.text
        return self.one(
            (f"np.zeros({n})", f"np.full({n}, {self.number(1)})", f"(0.1 * np.arange({n}))",
             f"np.ones({n})")
        )  # fmt: skip

    def mask(self, length: Length) -> str:
        names = [v for v, of in self.all("masks") if of == length]
        self.say("mask")
        if names and self.chance(60):
            return self.one(names)
        v = self.vector(0, length)
        return self.one((f"{v} > {self.constant()}", f"np.abs({v}) < {self.number(0)} + 0.0173"))

    # -- conditions --------------------------------------------------------------------------------

    def condition(self, depth: int = 2) -> str:
        """Return an expression for a truth value."""
        kind = self.random.randrange(12)
        if depth > 0 and kind < 2:
            self.say("and, or, not")
            return f"({self.condition(depth - 1)} {self.one(('and', 'or'))} {self.condition(depth - 1)})"
        if depth > 0 and kind == 2:
            self.say("and, or, not")
            return f"not ({self.condition(depth - 1)})"
        if kind == 3:
            self.say("chained comparison")
            return f"{self.constant()} < {self.number(1)} < {self.number(1)} + 0.4321"
        if kind == 4:
            return f"{self.integer(1)} % 2 == {self.one('01')}"
        if kind == 5:
            return f"{self.integer(1)} {self.one(('<', '>', '<=', '!='))} {self.integer(1)}"
        if kind == 6:
            self.say("any and all")
            v = self.vector(0)
            return self.one(
                (f"np.any({v} > {self.number(0)} + 0.0271)", f"({v} < {self.constant()}).all()")
            )
        return f"{self.number(1)} {self.one('<>')} {self.constant()}"

    # -- statements --------------------------------------------------------------------------------

    def statement(self) -> None:
        nested = self.depth < DEPTH
        options: list[tuple[int, Callable[[], None]]] = [
            (8, self.new_number),
            (7, self.new_vector),
            (3, self.new_integer),
            (9, self.change_number),
            (4, self.change_integer),
            (4, self.change_vector),
            (10, self.store_element),
            (7, self.store_slice),
            (4, self.store_mask),
            (3, self.store_gathered),
            (6, self.view),
            (3, self.alias),
            (4, self.swap),
            (2, self.new_mask),
            (2, self.new_list),
            (2, self.new_dict),
            (2, self.new_box),
            (4, self.change_held),
            (2, self.closure),
            (3, self.call),
            (2, self.widen),
            (2, self.spread),
            (2, self.new_matrix),
        ]
        if self.matrix:
            options += [(5, self.store_in_matrix)]
        if self.returns and self.depth:
            options += [(2, self.leave)]
        if self.loops and self.loops[-1]:
            options += [(5, self.jump)]
        if nested:
            options += [(12, self.branch)]
            if self.passes < PASSES:
                options += [(18, self.for_loop), (5, self.while_loop)]
        total = sum(weight for weight, _ in options)
        k = self.random.randrange(total)
        for weight, write in options:
            if k < weight:
                return write()
            k -= weight

    def new_number(self) -> None:
        e = self.damped() if self.chance(70) else self.number()
        name = self.name("s")
        self.line(f"{name} = {e}")
        self.add("numbers", name)

    def new_integer(self) -> None:
        e = self.integer(2)
        name = self.name("k")
        self.line(f"{name} = {e}")
        self.add("integers", name)

    def new_vector(self) -> None:
        length = self.one([X, NUMBER, THREE, self.length(), self.length()])
        if length in (X, NUMBER) and self.local_length(length) is None:
            length = self.length()
        e = self.vector(2, length)
        name = self.name("u")
        self.line(f"{name} = {e}" + (" * 1.0" if self.chance(70) else ""))
        self.add("vectors", (name, length))

    def local_length(self, length: Length) -> Length | None:
        """Return a length if its text means something in this function."""
        return length if self.local == 0 and any(v == "x" for v, _ in self.all("vectors")) else None

    def new_mask(self) -> None:
        length = self.length()
        v = self.vector(1, length)
        name = self.name("m")
        self.line(f"{name} = {v} > {self.constant()}")
        self.say("mask")
        self.add("masks", (name, length))

    def new_matrix(self) -> None:
        if not self.all("matrices"):
            return self.new_number()
        m = self.one(self.all("matrices"))
        v = self.vector(0, K)
        name = self.name("b")
        self.line(
            f"{name} = "
            + self.one(
                (f"{m}.copy()", f"0.5 * {m} + {self.number(1)}", f"np.sin({m})", f"np.zeros_like({m})",
                 f"0.3 * np.outer({v}, {self.vector(0, K)})", f"{m}.T * 1.0",
                 f"{m} * {v}[:, None]")
            )  # fmt: skip
        )
        self.add("matrices", name)
        return None

    def new_list(self) -> None:
        length = self.length()
        name = self.name("l")
        count = self.random.randrange(2, 4)
        entries = ", ".join(f"{self.vector(1, length)} * 1.0" for _ in range(count))
        self.line(f"{name} = [{entries}]")
        self.say("list of arrays")
        self.add("lists", (name, length, count))

    def new_dict(self) -> None:
        length = self.length()
        name = self.name("d")
        self.line(f"{name} = {{'s': {self.number()}, 'v': {self.vector(1, length)} * 1.0}}")
        self.say("dictionary")
        self.add("dicts", (name, length))

    def new_box(self) -> None:
        length = self.length()
        name = self.name("o")
        self.line(f"{name} = Box({self.number()}, {self.vector(1, length)} * 1.0)")
        self.say("object")
        self.add("boxes", (name, length))

    def change_held(self) -> None:
        options = [(f"{n}['s']", f"{n}['v']", of, n) for n, of in self.all("dicts")]
        options += [(f"{n}.s", f"{n}.v", of, n) for n, of in self.all("boxes")]
        options += [("", f"{n}[{self.random.randrange(c)}]", of, n) for n, of, c in self.all("lists")]
        if not options:
            return self.new_box() if self.chance(50) else self.new_dict()
        number, vector, length, name = self.one(options)
        self.say("entry or attribute assigned to")
        if number and self.chance(60):
            if number.endswith(".s") and self.chance(30):
                self.line(f"{name}.add({self.damped()})")
                return None
            self.line(self.one((f"{number} = {self.damped()}", f"{number} += {self.damped()}",
                                f"{number} = 0.5 * {number} + {self.number(1)}")))  # fmt: skip
        elif self.chance(50):
            self.line(f"{vector} = 0.5 * {vector} + {self.vector(1, length)}")
        else:
            self.line(f"{vector} *= {self.damped()}")
        return None

    def change_number(self) -> None:
        numbers = [s for s in self.here("numbers") if s.isidentifier()]
        if not numbers:
            return self.new_number()
        s = self.one(numbers[-4:])
        self.line(
            self.one(
                (f"{s} = 0.5 * {s} + {self.damped()}", f"{s} += {self.damped()}", f"{s} *= {self.damped()}",
                 f"{s} = {self.damped()}", f"{s} -= 0.2 * {s} * {self.damped()}",
                 f"{s} = {s} if {self.condition(1)} else {self.damped()}")
            )  # fmt: skip
        )
        return None

    def change_integer(self) -> None:
        integers = [k for k in self.here("integers") if k.startswith("k")]
        if not integers:
            return self.new_integer()
        k = self.one(integers)
        self.say("counter")
        self.line(self.one((f"{k} += 1", f"{k} = ({k} * 2 + 1) % 7", f"{k} = {self.integer(1)}",
                            f"{k} = max({k} - 1, 0)")))  # fmt: skip
        return None

    def change_vector(self) -> None:
        vectors = self.here("vectors")
        if not vectors:
            return self.new_vector()
        v, length = self.one(vectors[-5:])
        if length.text.startswith("len(") and length.text == f"len({v})":
            return self.store_slice()
        e = self.vector(1, length)
        self.line(
            self.one((f"{v} = 0.5 * {v} + {e}", f"{v} = {e} * 1.0", f"{v} += 0.5 * {e}",
                      f"{v} *= {self.damped()}", f"{v}[:] = {e}", f"{v} = np.tanh({v} - {e})"))
        )  # fmt: skip
        return None

    def store_element(self) -> None:
        v, length = self.some_vector(least=1)
        if v is None:
            return self.new_vector()
        i = self.index(v, length)
        self.say("element stored")
        self.line(
            self.one((f"{v}[{i}] = {self.damped()}", f"{v}[{i}] = {self.damped()}",
                      f"{v}[{i}] += {self.damped()}", f"{v}[{i}] *= {self.damped()}",
                      f"{v}[{i}] = 0.5 * {v}[{i}] + {self.number(1)}"))
        )  # fmt: skip
        return None

    def store_slice(self) -> None:
        v, length = self.some_vector()
        if v is None:
            return self.new_vector()
        self.say("slice stored")
        k, j = self.integer(1, data=False), self.integer(1, data=False)
        e = self.vector(1, length)
        part = self.one((f"[:{k}]", f"[{k}:]", f"[{k}:{j} + 3]", "[::2]", "[::-1]", f"[-{self.one('123')}:]",
                         f"[{k}::-1]"))  # fmt: skip
        self.line(
            self.one((f"{v}{part} = {self.damped()}", f"{v}{part} *= {self.damped()}",
                      f"{v}{part} = ({e}){part}", f"{v}{part} += 0.5 * ({e}){part}",
                      f"{v}{part} -= 0.1 * {v}{part}"))
            if self.chance(80)
            else self.one((f"{v}[1:] += 0.5 * {v}[:-1]", f"{v}[:-1] = 0.5 * {v}[1:]",
                           f"{v}[:] = {v}[::-1]"))
        )  # fmt: skip
        return None

    def store_mask(self) -> None:
        v, length = self.some_vector()
        if v is None:
            return self.new_vector()
        m = self.mask(length)
        self.say("mask stored")
        self.line(
            self.one((f"{v}[{m}] = {self.damped()}", f"{v}[{m}] *= {self.damped()}",
                      f"{v}[{m}] += ({self.vector(0, length)})[{m}]"))
        )  # fmt: skip
        return None

    def store_gathered(self) -> None:
        v, length = self.some_vector(least=3)
        if v is None:
            return self.new_vector()
        self.say("index array")
        idx = self.one(("np.array([0, 2])", "[1, 0, 1]", f"np.arange({self.integer(1)} % 3)"))
        if self.chance(50):
            self.line(f"{v}[{idx}] {self.one(('=', '+=', '*='))} {self.damped()}")
        else:
            s = self.name("s")
            self.line(f"{s} = np.sum({v}[{idx}] * 0.7)")
            self.add("numbers", s)
        return None

    def store_in_matrix(self) -> None:
        matrices = self.all("matrices")
        if not matrices:
            return self.new_vector()
        m = self.one(matrices)
        i, j = self.index(m, K), self.index(m, K)
        self.say("matrix stored")
        self.line(
            self.one((f"{m}[{i}, {j}] = {self.damped()}", f"{m}[{i}, {j}] += {self.damped()}",
                      f"{m}[{i}] = {self.vector(1, K)}", f"{m}[{i}, :{self.integer(1)}] *= {self.damped()}",
                      f"{m}[:, {j}] += 0.5 * {self.vector(1, K)}", f"{m}[{i}][{j}] = {self.damped()}",
                      f"{m}[{i}:, {j}] = {self.damped()}", f"{m} *= 0.7",
                      f"{m}[{i}, {j}] = 0.25 * ({m}[{i}, {j}] + {m}[{j}, {i}])"))
        )  # fmt: skip
        return None

    def view(self) -> None:
        """Make a view, and store through it."""
        self.say("view")
        matrices = self.all("matrices")
        name = self.name("w")
        if matrices and self.chance(60):
            m = self.one(matrices)
            i = self.index(m, K)
            self.line(f"{name} = {m}{self.one((f'[{i}]', f'[:, {i}]', f'[{i}, :]', f'.T[{i}]'))}")
            self.add("vectors", (name, K))
        else:
            v, length = self.some_vector(least=3)
            if v is None:
                return self.new_vector()
            part = self.one(("[::-1]", "[:]", "[1:]", "[:-1]", "[::2]", f"[{self.integer(1)}:]"))
            self.line(f"{name} = {v}{part}")
            least = {"[::-1]": length.least, "[:]": length.least, "[1:]": length.least - 1,
                     "[:-1]": length.least - 1, "[::2]": 1}.get(part, 0)  # fmt: skip
            own = length if part in ("[::-1]", "[:]") else Length(f"len({name})", least)
            self.add("vectors", (name, own))
        if self.chance(70):
            name, length = self.all("vectors")[-1]
            if length.least:
                self.line(f"{name}[{self.index(name, length)}] {self.one(('=', '+='))} {self.damped()}")
            else:
                self.line(f"{name} *= {self.damped()}")
        return None

    def alias(self) -> None:
        vectors = self.all("vectors")
        if not vectors:
            return self.new_vector()
        v, length = self.one(vectors[-5:])
        if length.text == f"len({v})" and length.text not in ("len(x)", "len(y)"):
            return self.new_vector()
        self.say("alias")
        targets = [w for w, of in self.here("vectors") if of == length and w != v]
        if targets and self.chance(40):
            self.line(f"{self.one(targets)} = {v}")
            return None
        name = self.name("u")
        self.line(f"{name} = {v}")
        self.add("vectors", (name, length))
        return None

    def swap(self) -> None:
        if self.chance(60):
            vectors = self.here("vectors")
            pairs = [(u, v) for u, a in vectors for v, b in vectors if u < v and a == b]
            if pairs:
                self.say("swap")
                u, v = self.one(pairs[-4:])
                self.line(self.one((f"{u}, {v} = {v}, {u}", f"{u}, {v} = {v}, 0.5 * {u}")))
                return None
        numbers = [s for s in self.here("numbers") if s.isidentifier()]
        if len(numbers) < 2:
            return self.new_number()
        self.say("swap")
        s, t = numbers[-1], self.one(numbers[:-1])
        self.line(self.one((f"{s}, {t} = {t}, {s}", f"{s}, {t} = {t}, 0.5 * {s} + 0.5 * {t}")))
        return None

    def closure(self) -> None:
        self.say("closure")
        name = self.name("g")
        numbers = [s for s in self.all("numbers") if s.isidentifier()]
        v, length = self.some_vector(least=1)
        captured = self.one(numbers[-4:] or ["0.7"])
        if v is not None and self.chance(50):
            captured = f"{v}[{self.one((0, -1))}]"
        if self.chance(50):
            self.line(f"{name} = lambda t: 0.5 * t + {captured}")
        else:
            self.line(f"def {name}(t):")
            self.indent += 1
            if self.chance(60):
                self.line(f"if t > {self.constant()}:")
                self.line(f"    return {captured} * 0.5")
            if v is not None and self.chance(40):
                self.line(f"{v}[0] = 0.5 * t")
            self.line(f"return math.sin(t) + {captured}")
            self.indent -= 1
        self.add("closures", name)

    def call(self) -> None:
        if not self.helpers:
            return self.new_number()
        call = self.helper_call()
        if self.chance(30):
            self.line(call)
            return None
        name = self.name("s")
        self.line(f"{name} = {call}")
        self.add("numbers", name)
        return None

    def widen(self) -> None:
        """An integer becomes a floating-point number in a loop."""
        self.say("integer becomes float")
        name = self.name("s")
        self.line(f"{name} = {self.one('01')}")
        v, length = self.some_vector()
        if v is None:
            return self.new_number()
        k = self.name("i")
        self.line(f"for {k} in range({self.integer(0)}):")
        with self.block():
            if length.least:
                self.line(f"{name} += {v}[{k} % len({v})]")
            else:
                self.line(f"{name} += 0.5 * np.sum({v})")
        self.add("numbers", name)
        return None

    def spread(self) -> None:
        """A number becomes an array in a loop that runs once at least."""
        self.say("number becomes array")
        name = self.name("u")
        length = self.length()
        self.line(f"{name} = {self.one(('0.0', '0', '1.5'))}")
        self.line(f"for {self.name('i')} in range({self.integer(0)} + 1):")
        with self.block():
            self.line(f"{name} = 0.5 * {name} + {self.vector(1, length)}")
        self.add("vectors", (name, length))

    def leave(self) -> None:
        self.say("early return")
        self.line(f"if {self.condition(1)}:")
        self.line(f"    return 1.0 * ({self.number(1)})")

    def jump(self) -> None:
        word = self.one(("break", "continue"))
        self.say(word)
        self.line(f"if {self.condition(1)}:")
        with self.block():
            if self.chance(40):
                self.statement_simple()
            self.line(word)

    def statement_simple(self) -> None:
        self.one((self.change_number, self.store_element, self.change_vector))()

    # -- blocks ------------------------------------------------------------------------------------

    @contextmanager
    def nested(self) -> Iterator[None]:
        self.depth += 1
        with self.block():
            yield
        self.depth -= 1

    def branch(self) -> None:
        self.say("if")
        common = self.name("s") if self.chance(30) else None
        self.line(f"if {self.condition()}:")
        with self.nested():
            self.statements(1, 3)
            if common:
                self.line(f"{common} = {self.damped()}")
        while self.chance(25):
            self.say("elif")
            self.line(f"elif {self.condition()}:")
            with self.nested():
                self.statements(1, 2)
                if common:
                    self.line(f"{common} = {self.damped()}")
        if common or self.chance(50):
            self.say("else")
            self.line("else:")
            with self.nested():
                self.statements(1, 2)
                if common:
                    self.line(f"{common} = {self.damped()}")
        if common:
            self.add("numbers", common)

    def for_loop(self) -> None:
        self.say("for")
        passes = self.passes
        k = self.name("i")
        later = self.chance(15)
        if later:
            self.say("target after the loop")
            self.line(f"{k} = 0")
        head, prepare, trips = self.iterable(k)
        self.line(f"for {head}:")
        if self.loops:
            self.say("nested for")
        self.passes *= trips
        self.loops.append(True)
        fixed, self.fixed = self.fixed, {*self.fixed, k}
        with self.nested():
            prepare()
            self.statements(1, 4)
        self.fixed = fixed
        self.loops.pop()
        if self.chance(12):
            self.say("for-else")
            self.line("else:")
            with self.nested():
                self.statements(1, 2)
        self.passes = passes
        if later and "range(" in head:
            self.add("integers", k)

    def iterable(self, k: str) -> tuple[str, Callable[[], None], int]:
        """Return the head of a loop, what defines its names, and about how often it runs."""

        def index(of: frozenset[Length]) -> Callable[[], None]:
            def define() -> None:
                self.add("integers", k)
                self.add("indices", (k, of))

            return define

        def element(*names: str, index: str | None = None, of: Any = ()) -> Callable[[], None]:
            def define() -> None:
                for name in names:
                    self.add("numbers", name)
                if index:
                    self.add("integers", index)
                    self.add("indices", (index, frozenset(of)))

            return define

        main = any(v == "x" for v, _ in self.all("vectors"))
        all_lengths = frozenset((X, Y, K, NUMBER)) if main else frozenset()
        outer = self.all("indices")
        v, length = self.some_vector()
        kind = self.random.randrange(20)
        if kind < 5 and main:
            text = self.one(("range(n)", "range(1, n)", "range(n - 1, -1, -1)", "range(0, n, 2)",
                             "range(n - 1, 0, -2)", "reversed(range(n))"))  # fmt: skip
            self.say("range of an argument")
            if "-" in text or "rev" in text:
                self.say("negative step")
            return f"{k} in {text}", index(all_lengths), 4
        if kind < 9 and outer:
            i, of = self.one(outer[-3:])
            self.say("bounds of outer indices")
            text = self.one((f"range({i})", f"range({i} + 1)", f"range({i}, -1, -1)", f"range({i} // 2, {i})",
                             f"range({i} - 1, -1, -2)"))  # fmt: skip
            return f"{k} in {text}", index(of), 3
        if kind < 11:
            text = self.one(("range(2)", "range(3)", "range(2, -1, -1)"))
            return f"{k} in {text}", index(frozenset((X, Y, K, THREE))), 3
        if kind == 11 and v is not None:
            self.say("over an array")
            return f"{k} in {v}[:{self.integer(1)} + 1]", element(k), 4
        if kind == 12 and v is not None and main and length in (X, Y):
            self.say("over an array")
            return f"{k} in {v}", element(k), 10
        if kind == 13 and v is not None:
            self.say("enumerate")
            i = self.name("i")
            return (
                f"{i}, {k} in enumerate({v}[:{self.integer(1)} + 1])",
                element(k, index=i, of=(length,)),
                4,
            )
        if kind == 14 and v is not None:
            self.say("zip")
            j = self.name("i")
            w, _ = self.some_vector()
            return (
                f"{k}, {j} in zip({v}[:{self.integer(1)}], {w}[:4])",
                element(k, j),
                4,
            )
        if kind == 15 and v is not None:
            self.say("reversed", "over an array")
            return f"{k} in reversed({v}[:3])", element(k), 3
        if kind == 16 and self.all("matrices"):
            m = self.one(self.all("matrices"))
            self.say("over rows")
            return f"{k} in {m}[:{self.integer(1)} + 1]", lambda: self.add("vectors", (k, K)), 4
        if kind == 17 and self.all("lists"):
            name, length, count = self.one(self.all("lists"))
            self.say("over a list")
            return f"{k} in {name}", lambda: self.add("vectors", (k, length)), count
        if kind == 18 and v is not None and length.least >= 2:
            self.say("zip", "enumerate")
            i, j = self.name("i"), self.name("i")
            return (
                f"{i}, ({k}, {j}) in enumerate(zip({v}[1:4], {v}[:3]))",
                element(k, j, index=i, of=(length,)),
                3,
            )
        text = self.integer(1)
        return f"{k} in range({text})", index(frozenset()), 3

    def while_loop(self) -> None:
        self.say("while")
        passes = self.passes
        k = self.name("k")
        self.line(f"{k} = 0")
        numbers = [s for s in self.here("numbers") if s.isidentifier()]
        if not numbers:
            self.new_number()
            numbers = [self.all("numbers")[-1]]
        s = self.one(numbers[-3:])
        limit = self.one((3, 5, 7))
        test = self.one((f"{s} < 1.2345 and {k} < {limit}", f"{k} < {limit} and {self.condition(1)}",
                         f"not ({self.condition(0)} or {k} >= {limit})", f"{k} < {self.integer(1)}"))  # fmt: skip
        self.line(f"while {test}:")
        self.passes *= 4
        self.loops.append(True)
        fixed, self.fixed = self.fixed, {*self.fixed, k}
        with self.nested():
            self.line(f"{k} += 1")
            self.line(f"{s} = 1.1 * {s} + 0.21 + 0.1 * {self.damped()}")
            self.add("indices", (k, frozenset((X, Y, K)) if limit < 9 else frozenset()))
            self.statements(1, 4)
        self.fixed = fixed
        self.loops.pop()
        if self.chance(15):
            self.say("while-else")
            self.line("else:")
            with self.nested():
                self.statements(1, 2)
        self.passes = passes
        self.add("integers", k)
