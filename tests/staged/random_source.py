"""Random Python programs, as text: what scientists write, in all combinations.

`write` returns the source of a module with a function ``f(x, y, a, n)`` of two vectors of run-time
lengths, a matrix or a number, and an integer; it returns a number. The text is right by
construction: names are bound, indices in range, vectors that meet of one length, numbers moderate,
and every ``while`` counts its passes beside what else it asks.

The function has 3 to `STATEMENTS` statements, blocks of up to four, loops and branches nested up to
`DEPTH` deep, and up to two helper functions; half of the programs are longer than 60 lines. Out of
100 so many at least have (``test_random_staged`` counts)

===  ===========================================================================================
 95  function of a number · remainder as index
 90  integer arithmetic
 85  for · 1 deep · mask
 80  sum · element stored · product · min and max · function of a vector
 75  comparison · new array · 2 deep · if
 70  view · slice stored · comparison of integers
 65  else · and, or, not · 3 deep · nested loops · run-time slice
 60  integer of data · where · maximum · chained comparison · object
 55  4 deep · NumPy integer · alias · dictionary · while · list of arrays · matrix · closure
 50  reduction · mask stored · conditional expression · any and all · helper · concatenate
 45  bound on all sides · dot · swap · range of an argument
 40  elif · integer becomes float · number becomes array · store in a helper · reversed view
 35  over an array · number as argument · integer in arithmetic · early return · for-else
 30  bounds of outer indices · break · continue · entry or attribute assigned to
 30  target after the loop · masked
 25  index array · stack · enumerate · matrix stored · NumPy scalar · quotient · zip · counter
 25  negative step
 15  reversed
 10  while-else · slice
  5  element · over rows
  3  method
  1  row or column · over a list · matrix times vector
===  ===========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.staged.random_expressions import THREE, Expressions, K, Length, N, Scope, X, Y, held

__all__ = ["DEPTH", "STATEMENTS", "Program", "write"]

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


def write(random: Random) -> Program:
    """Return a program."""
    return _Writer(random).program()


_ELEMENT_STORES = ("<u>[<j>] = <d>", "<u>[<j>] = <d>", "<u>[<j>] += <d>", "<u>[<j>] *= <d>",
                   "<u>[<j>] = 0.5 * <u>[<j>] + <n>")  # fmt: skip
_SLICE_STORES = ("<u><s> = <d>", "<u><s> *= <d>", "<u><s> = (<v>)<s>", "<u><s> += 0.5 * (<v>)<s>",
                 "<u><s> -= 0.1 * <u><s>", "<u>[1:] += 0.5 * <u>[:-1]", "<u>[:-1] = 0.5 * <u>[1:]",
                 "<u>[:] = <u>[::-1]")  # fmt: skip
_SLICES = ("[:<p>]", "[<p>:]", "[<p>:<p> + 3]", "[::2]", "[::-1]", "[-2:]", "[<p>::-1]")
_MASK_STORES = ("<u>[<m>] = <d>", "<u>[<m>] *= <d>", "<u>[<M>] += (<v>)[<M>]")
_MATRIX_STORES = ("<a>[<r>, <s>] = <d>", "<a>[<r>, <s>] += <d>", "<a>[<r>] = <v>",
                  "<a>[<r>, :<i>] *= <d>", "<a>[:, <s>] += 0.5 * (<v>)", "<a>[<r>][<s>] = <d>",
                  "<a>[<r>:, <s>] = <d>", "<a> *= 0.7", "<a>[<i>:, :<i>] *= <d>",
                  "<a>[<r>, <s>] = 0.25 * (<a>[<r>, <s>] + <a>[<s>, <r>])")  # fmt: skip
_MATRICES = ("<a>.copy()", "0.5 * <a> + <n>", "np.sin(<a>)", "np.zeros_like(<a>)", "<a>.T * 1.0",
             "0.3 * np.outer(<v>, <v>)", "<a> * (<v>)[:, None]", "0.2 * (<a> @ <a>.T)",
             "np.zeros((len(a), len(a)))")  # fmt: skip
_NUMBER_CHANGES = ("<s> = 0.5 * <s> + <d>", "<s> += <d>", "<s> *= <d>", "<s> = <d>",
                   "<s> -= 0.2 * <s> * <d>", "<s> = <s> if <c> else <d>")  # fmt: skip
_INTEGER_CHANGES = ("<k> += 1", "<k> = (<k> * 2 + 1) % 7", "<k> = <i>", "<k> = max(<k> - 1, 0)")
_VECTOR_CHANGES = ("<u> = 0.5 * <u> + <v>", "<u> = (<v>) * 1.0", "<u> += 0.5 * (<v>)", "<u> *= <d>",
                   "<u>[:] = <v>", "<u> = np.tanh(<u> - <v>)", "<u> = <u> * <d>")  # fmt: skip
_WHILE_TESTS = ("<s> < 1.2345 and <k> < <l>", "<k> < <l> and <c>", "not (<c> or <k> >= <l>)",
                "<k> < min(<i>, 7)", "<k> < <l> and -0.9 < <s> < 1.3")  # fmt: skip
_RANGES = ("range(n)", "range(n)", "range(1, n)", "range(n - 1, -1, -1)", "range(0, n, 2)",
           "range(n - 1, 0, -2)", "reversed(range(n))")  # fmt: skip
_INNER_RANGES = ("range(<o>)", "range(<o> + 1)", "range(<o>, -1, -1)", "range(<o> // 2, <o>)",
                 "range(<o> - 1, -1, -2)")  # fmt: skip


class _Writer(Expressions):
    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self.lines: list[str] = []
        self.indent = 0
        self.fresh = 0
        self.depth = 0
        self.loops = 0
        self.passes = 1
        self.matrix = False
        self.same = False
        self.main = False
        self.fixed: frozenset[str] = frozenset()  # names that are not to be bound anew here

    def name(self, stem: str) -> str:
        self.fresh += 1
        return f"{stem}{self.fresh}"

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def add(self, kind: str, *item: Any) -> None:
        getattr(self.scopes[-1], kind).append(item[0] if len(item) == 1 else item)

    def bindable(self, kind: str) -> list[str]:
        """Return names that may be bound anew."""
        names = [item if isinstance(item, str) else item[0] for item in self.all(kind)]
        return [v for v in names if v.isidentifier() and v not in self.fixed]

    @contextmanager
    def block(self) -> Iterator[None]:
        self.scopes.append(Scope())
        self.indent += 1
        yield
        self.indent -= 1
        self.scopes.pop()

    @contextmanager
    def nested(self) -> Iterator[None]:
        self.depth += 1
        self.say(f"{self.depth} deep")
        with self.block():
            yield
        self.depth -= 1

    # -- the program -------------------------------------------------------------------------------

    def program(self) -> Program:
        self.matrix = self.chance(60)
        self.same = self.chance(40)
        for _ in range(self.random.randrange(3)):
            self.helper()
        self.line("def f(x, y, a, n):")
        self.scopes = [Scope(integers=["n"])]
        self.main = True
        with self.block():
            self.add("vectors", "x", X)
            self.add("vectors", "y", X if self.same else Y)
            self.add("matrices" if self.matrix else "numbers", "a")
            self.say("matrix" if self.matrix else "number as argument")
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
        terms += [f"np.sum(np.sin({a}) * np.arange(len({a})))" for a in self.all("matrices")]
        for name, _, count in self.all("lists"):
            terms += [f"mix({name}[{k}])" for k in range(count)]
        for name, of, _ in self.all("holders"):
            terms.append(f"mix({held(name, of, 'v')}) + {held(name, of, 's')}")
        self.line("return " + " + ".join(terms))

    def helper(self) -> None:
        """Write a function ``h(u, i, s)`` that returns a number, and may store into u."""
        name = self.name("h")
        length = Length("len(u)")
        self.line(f"def {name}(u, i, s):")
        self.scopes = [Scope()]
        self.passes = 10
        with self.block():
            self.add("vectors", "u", length)
            self.add("numbers", "s")
            self.add("integers", "i")
            self.statements(1, 3)
            if self.chance(50):
                self.say("store in a helper")
                self.line(self.fill("u[<j>] = <d>", 2, j=self.index("u", length)))
            self.line(f"return {self.damped()}")
        self.passes = 1
        self.line("")
        self.line("")
        self.helpers.append(name)

    # -- statements --------------------------------------------------------------------------------

    def statement(self) -> None:
        options: list[tuple[int, Callable[[], None]]] = [
            (8, self.new_number), (3, self.new_integer), (7, self.new_vector), (2, self.new_mask),
            (2, self.new_matrix), (2, self.new_list), (2, self.new_dict), (2, self.new_object),
            (8, self.change_number), (4, self.change_integer), (6, self.change_vector),
            (9, self.store_element), (6, self.store_slice), (3, self.store_mask),
            (2, self.store_gathered), (6, self.view), (4, self.alias), (4, self.swap),
            (5, self.change_held), (3, self.closure), (3, self.call), (2, self.widen),
            (2, self.spread), (4 if self.all("matrices") else 0, self.store_in_matrix),
            (2 if self.depth else 0, self.leave), (5 if self.loops else 0, self.jump),
        ]  # fmt: skip
        if self.depth < DEPTH:
            options.append((12, self.branch))
            if self.passes < PASSES:
                options += [(18, self.for_loop), (5, self.while_loop)]
        self.row(options)[1]()

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
        length = self.length()
        if self.main and self.chance(50):
            length = self.one((X, N, THREE))
        e = self.vector(2, length)
        name = self.name("u")
        self.line(f"{name} = {e} * 1.0" if self.chance(70) else f"{name} = {e}")
        self.add("vectors", name, length)

    def new_mask(self) -> None:
        length = self.length()
        e = self.fill("<v> > <q>", 2, length)
        name = self.name("m")
        self.say("mask")
        self.line(f"{name} = {e}")
        self.add("masks", name, length)

    def new_matrix(self) -> None:
        if not self.all("matrices"):
            return self.new_vector()
        e = self.fill(self.one(_MATRICES), 1, K, a=self.one(self.all("matrices")))
        name = self.name("b")
        self.line(f"{name} = {e}")
        return self.add("matrices", name)

    def new_list(self) -> None:
        length = self.length()
        count = self.random.randrange(2, 4)
        e = ", ".join(f"{self.vector(1, length)} * 1.0" for _ in range(count))
        name = self.name("l")
        self.say("list of arrays")
        self.line(f"{name} = [{e}]")
        self.add("lists", name, length, count)

    def new_dict(self) -> None:
        length = self.length()
        e = self.fill("{'s': <n>, 'v': <v> * 1.0}", 2, length)
        name = self.name("d")
        self.say("dictionary")
        self.line(f"{name} = {e}")
        self.add("holders", name, "dictionary", length)

    def new_object(self) -> None:
        length = self.length()
        e = self.fill("Box(<n>, <v> * 1.0)", 2, length)
        name = self.name("o")
        self.say("object")
        self.line(f"{name} = {e}")
        self.add("holders", name, "object", length)

    def change_held(self) -> None:
        """Assign to an entry of a list or dictionary, or to an attribute."""
        lists, holders = self.all("lists"), self.all("holders")
        if not lists and not holders:
            return self.one((self.new_list, self.new_dict, self.new_object))()
        self.say("entry or attribute assigned to")
        if holders and (not lists or self.chance(65)):
            name, of, length = self.one(holders)
            u, s = held(name, of, "v"), held(name, of, "s")
            if of == "object" and self.chance(25):
                self.say("method")
                return self.line(f"{name}.add({self.damped()})")
            if self.chance(50):
                return self.line(self.fill(self.one(_NUMBER_CHANGES), 2, s=s))
        else:
            name, length, count = self.one(lists)
            u = f"{name}[{self.random.randrange(count)}]"
            if self.chance(20):
                self.say("swap")
                return self.line(f"{name}[0], {name}[1] = {name}[1], {name}[0]")
        return self.line(self.fill(self.one(_VECTOR_CHANGES), 2, length, u=u))

    def change_number(self) -> None:
        names = self.bindable("numbers")
        if not names:
            return self.new_number()
        return self.line(self.fill(self.one(_NUMBER_CHANGES), 2, s=self.one(names[-4:])))

    def change_integer(self) -> None:
        names = [k for k in self.bindable("integers") if k.startswith("k")]
        if not names:
            return self.new_integer()
        self.say("counter")
        return self.line(self.fill(self.one(_INTEGER_CHANGES), 2, k=self.one(names)))

    def change_vector(self) -> None:
        names = self.bindable("vectors")
        found = [(v, of) for v, of in self.all("vectors") if v in names and of.text != f"len({v})"]
        if not found:
            return self.new_vector()
        u, length = self.one(found[-5:])
        return self.line(self.fill(self.one(_VECTOR_CHANGES), 2, length, u=u))

    def store_element(self) -> None:
        u, length = self.some_vector(1)
        if u is None:
            return self.new_vector()
        self.say("element stored")
        return self.line(self.fill(self.one(_ELEMENT_STORES), 2, j=self.index(u, length), u=u))

    def store_slice(self) -> None:
        u, length = self.some_vector()
        if u is None:
            return self.new_vector()
        self.say("slice stored")
        s = self.fill(self.one(_SLICES), 2)
        return self.line(self.fill(self.one(_SLICE_STORES), 2, length, u=u, s=s))

    def store_mask(self) -> None:
        u, length = self.some_vector()
        if u is None:
            return self.new_vector()
        self.say("mask stored")
        text = self.one(_MASK_STORES)
        return self.line(self.fill(text, 2, length, u=u, M=self.mask(0, length)))

    def store_gathered(self) -> None:
        u, _ = self.some_vector(3)
        if u is None:
            return self.new_vector()
        self.say("index array")
        at = self.fill(self.one(("np.array([0, 2])", "[1, 0, 1]", "np.arange(<i> % 3)")), 2)
        if self.chance(50):
            return self.line(f"{u}[{at}] {self.one(('=', '+=', '*='))} {self.damped()}")
        name = self.name("s")
        self.line(f"{name} = np.sum({u}[{at}] * 0.7)")
        return self.add("numbers", name)

    def store_in_matrix(self) -> None:
        a = self.one(self.all("matrices"))
        r, s = self.index(a, K), self.index(a, K)
        self.say("matrix stored")
        self.line(self.fill(self.one(_MATRIX_STORES), 2, K, a=a, r=r, s=s))

    def view(self) -> None:
        """Make a view, and perhaps store through it."""
        name = self.name("w")
        self.say("view")
        if self.all("matrices") and self.chance(50):
            a = self.one(self.all("matrices"))
            part = self.one(("[<r>]", "[:, <r>]", "[<r>, :]", ".T[<r>]"))
            own = K
            self.line(f"{name} = {a}" + self.fill(part, r=self.index(a, K)))
        else:
            u, length = self.some_vector(3)
            if u is None:
                return self.new_vector()
            part = self.fill(self.one(("[::-1]", "[:]", "[1:]", "[:-1]", "[::2]", "[<p>:]")), 2)
            own = length if part in ("[::-1]", "[:]") else Length(
                f"len({name})", {"[1:]": length.least - 1, "[:-1]": 1, "[::2]": 1}.get(part, 0)
            )  # fmt: skip
            self.line(f"{name} = {u}{part}")
        self.add("vectors", name, own)
        if own.least and self.chance(70):
            at = self.index(name, own)
            self.line(f"{name}[{at}] {self.one(('=', '+='))} {self.damped()}")
        return None

    def alias(self) -> None:
        found = [(v, of) for v, of in self.all("vectors") if of.text != f"len({v})" or v in "xy"]
        if not found:
            return self.new_vector()
        v, length = self.one(found[-5:])
        self.say("alias")
        names = self.bindable("vectors")
        others = [w for w, of in self.all("vectors") if of == length and w != v and w in names]
        if others and self.chance(40):
            return self.line(f"{self.one(others)} = {v}")
        name = self.name("u")
        self.line(f"{name} = {v}")
        return self.add("vectors", name, length)

    def swap(self) -> None:
        names = self.bindable("vectors")
        found = [(v, of) for v, of in self.all("vectors") if v in names]
        pairs = [(u, v) for u, of in found for v, o in found if u < v and of == o]
        numbers = self.bindable("numbers")
        if pairs and self.chance(60):
            u, v = self.one(pairs[-4:])
            text = self.one((f"{u}, {v} = {v}, {u}", f"{u}, {v} = {v}, 0.5 * {u}"))
        elif len(numbers) > 1:
            s, t = numbers[-1], self.one(numbers[:-1])
            text = self.one((f"{s}, {t} = {t}, {s}", f"{s}, {t} = {t}, 0.5 * {s} + 0.5 * {t}"))
        else:
            return self.new_number()
        self.say("swap")
        return self.line(text)

    def closure(self) -> None:
        """Define a function that reads a name of this one, and may store into an array of it."""
        self.say("closure")
        u, _ = self.some_vector(1)
        inside = self.one(self.bindable("numbers")[-4:] or ["0.7"])
        if u is not None and self.chance(50):
            inside = f"{u}[{self.one((0, -1))}]"
        name = self.name("g")
        if self.chance(50):
            self.line(f"{name} = lambda t: 0.5 * t + {inside}")
        else:
            self.line(f"def {name}(t):")
            if self.chance(60):
                self.line(f"    if t > {self.constant()}:")
                self.line(f"        return {inside} * 0.5")
            if u is not None and self.chance(40):
                self.line(f"    {u}[0] = 0.5 * t")
            self.line(f"    return math.sin(t) + {inside}")
        self.add("closures", name)

    def call(self) -> None:
        if not self.helpers or not self.vectors(1):
            return self.new_number()
        call = self.helper_call(2)
        if self.chance(30):
            return self.line(call)
        name = self.name("s")
        self.line(f"{name} = {call}")
        return self.add("numbers", name)

    def widen(self) -> None:
        """An integer becomes a floating-point number in a loop."""
        u, length = self.some_vector()
        if u is None:
            return self.new_number()
        self.say("integer becomes float", "for")
        name, k = self.name("s"), self.name("i")
        self.line(f"{name} = {self.one('01')}")
        self.line(f"for {k} in range({self.integer(0)}):")
        part = f"{u}[{k} % len({u})]" if length.least else f"0.5 * np.sum({u})"
        self.line(f"    {name} += {part}")
        return self.add("numbers", name)

    def spread(self) -> None:
        """A number becomes an array in a loop that runs at least once."""
        self.say("number becomes array", "for")
        length = self.length()
        name = self.name("u")
        self.line(f"{name} = {self.one(('0.0', '0', '1.5'))}")
        self.line(f"for {self.name('i')} in range({self.integer(0)} + 1):")
        self.line(f"    {name} = 0.5 * {name} + {self.vector(1, length)}")
        self.add("vectors", name, length)

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
                self.one((self.change_number, self.store_element, self.change_vector))()
            self.line(word)

    # -- blocks ------------------------------------------------------------------------------------

    def branch(self) -> None:
        self.say("if")
        common = self.name("s") if self.chance(30) else None

        def side(most: int) -> None:
            with self.nested():
                self.statements(1, most)
                if common:
                    self.line(f"{common} = {self.damped()}")

        self.line(f"if {self.condition()}:")
        side(3)
        while self.chance(25):
            self.say("elif")
            self.line(f"elif {self.condition()}:")
            side(2)
        if common or self.chance(50):
            self.say("else")
            self.line("else:")
            side(2)
        if common:
            self.say("bound on all sides")
            self.add("numbers", common)

    def for_loop(self) -> None:
        k = self.name("i")
        head, names, trips = self.iterable(k)
        self.say("nested loops" if self.loops else "for", "for")
        later = "range(" in head and self.chance(15)
        if later:
            self.say("target after the loop")
            self.line(f"{k} = 0")
        self.line(f"for {head}:")
        self.body(trips, names, {k}, [], 12, "for-else")
        if later:
            self.add("integers", k)

    def body(
        self,
        trips: int,
        names: list[Any],
        fixed: set[str],
        first: list[str],
        percent: int,
        word: str,
    ) -> None:
        """Write the body of a loop, and an ``else`` sometimes."""
        before = self.passes, self.fixed
        self.passes *= trips
        self.fixed = self.fixed | fixed
        self.loops += 1
        with self.nested():
            for item in names:
                self.add(*item)
            for text in first:
                self.line(text)
            self.statements(1, 4)
        self.loops -= 1
        if self.chance(percent):
            self.say(word)
            self.line("else:")
            loops, self.loops = self.loops, self.loops
            with self.nested():
                self.statements(1, 2)
            self.loops = loops
        self.passes, self.fixed = before

    def iterable(self, k: str) -> tuple[str, list[Any], int]:
        """Return the head of a loop, the names that it binds, and about how often it runs."""
        everything = frozenset((X, Y, K, N)) if self.main else frozenset()
        outer = self.all("indices")
        u, length = self.some_vector()
        kind = self.random.randrange(20)

        def index(of: Any, name: str = k) -> list[Any]:
            return [("integers", name), ("indices", name, frozenset(of))]

        if kind < 5 and self.main:
            text = self.one(_RANGES)
            self.say("range of an argument", *["negative step"] * ("-" in text or "rev" in text))
            return f"{k} in {text}", index(everything), 4
        if kind < 9 and outer:
            o, of = self.one(outer[-3:])
            self.say("bounds of outer indices")
            return f"{k} in {self.fill(self.one(_INNER_RANGES), o=o)}", index(of), 3
        if kind < 11:
            text = self.one(("range(2)", "range(3)", "range(2, -1, -1)"))
            return f"{k} in {text}", index((X, Y, K, THREE)), 3
        if kind == 11 and u is not None:
            self.say("over an array")
            return self.fill("<k> in <u>[:<i> + 1]", k=k, u=u), [("numbers", k)], 4
        if kind == 12 and u is not None and length in (X, Y):
            self.say("over an array")
            return f"{k} in {u}", [("numbers", k)], 10
        if kind == 13 and u is not None:
            self.say("enumerate")
            j = self.name("i")
            head = self.fill("<j>, <k> in enumerate(<u>[:<i> + 1])", j=j, k=k, u=u)
            return head, [*index((length,), j), ("numbers", k)], 4
        if kind == 14 and u is not None:
            self.say("zip")
            j = self.name("t")
            w, _ = self.some_vector()
            head = self.fill("<k>, <j> in zip(<u>[:<i>], <w>[:4])", j=j, k=k, u=u, w=w)
            return head, [("numbers", k), ("numbers", j)], 4
        if kind == 15 and u is not None:
            self.say("reversed", "over an array")
            return f"{k} in reversed({u}[:3])", [("numbers", k)], 3
        if kind == 16 and self.all("matrices"):
            self.say("over rows")
            a = self.one(self.all("matrices"))
            return self.fill("<k> in <a>[:<i> + 1]", k=k, a=a), [("vectors", k, K)], 4
        if kind == 17 and self.all("lists"):
            self.say("over a list")
            name, of, count = self.one(self.all("lists"))
            return f"{k} in {name}", [("vectors", k, of)], count
        if kind == 18 and u is not None and length.least >= 2:
            self.say("zip", "enumerate")
            i, j = self.name("i"), self.name("t")
            head = f"{i}, ({k}, {j}) in enumerate(zip({u}[1:4], {u}[:3]))"
            return head, [*index((length,), i), ("numbers", k), ("numbers", j)], 3
        return self.fill("<k> in range(<i>)", 2, k=k), index(()), 3

    def while_loop(self) -> None:
        self.say("while")
        k = self.name("k")
        self.line(f"{k} = 0")
        if not self.bindable("numbers"):
            self.new_number()
        s = self.one(self.bindable("numbers")[-3:])
        test = self.fill(self.one(_WHILE_TESTS), 2, s=s, k=k, l=self.one("357"))
        self.line(f"while {test}:")
        first = [f"{k} += 1", f"{s} = 1.1 * {s} + 0.21 + 0.1 * {self.damped()}"]
        self.body(4, [("indices", k, frozenset((X, Y, K)))], {k}, first, 15, "while-else")
        self.add("integers", k)
