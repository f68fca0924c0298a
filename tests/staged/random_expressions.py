"""Random expressions of a program: numbers, integers, vectors, masks and truth values.

An expression is drawn from a table of texts, in which ``<…>`` stands for another one:

====  =====================================  ====  =====================================
<n>   a number                               <v>   a vector of the length at hand
<d>   a number between -1 and 1              <m>   a mask of that length
<q>   a constant of four digits              <c>   a truth value
<i>   an integer ≥ 0                         <p>   an integer ≥ 0, not made of data
====  =====================================  ====  =====================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

__all__ = ["Expressions", "K", "Length", "N", "Scope", "THREE", "X", "Y", "held"]


@dataclass(frozen=True)
class Length:
    """The length of vectors, as text; those of the same one may be added."""

    text: str
    least: int = 1


X, Y, K = Length("len(x)", 9), Length("len(y)", 9), Length("len(a)", 9)
N, THREE = Length("n", 0), Length("3", 3)


@dataclass
class Scope:
    """The names that a block may use. With vectors stands their length.

    Of ``indices``: integers that are surely indices of vectors of some lengths.
    """

    numbers: list[str] = field(default_factory=list)
    integers: list[str] = field(default_factory=list)
    indices: list[tuple[str, frozenset[Length]]] = field(default_factory=list)
    vectors: list[tuple[str, Length]] = field(default_factory=list)
    masks: list[tuple[str, Length]] = field(default_factory=list)
    matrices: list[str] = field(default_factory=list)
    lists: list[tuple[str, Length, int]] = field(default_factory=list)
    holders: list[tuple[str, str, Length]] = field(default_factory=list)
    closures: list[str] = field(default_factory=list)


# What a text shows, by what is in it.
_NUMBERS = (
    (5, "sum", "<n> + <n>"),
    (3, "sum", "(<n> - <n>)"),
    (4, "product", "0.3 * (<n>) * (<n>)"),
    (3, "product", "0.4 * (<n>) ** 2"),
    (2, "quotient", "(<n>) / (1.5 + abs(<n>))"),
    (5, "function of a number", "np.sin(<n>)"),
    (2, "function of a number", "np.tanh(<n>)"),
    (3, "function of a number", "math.sin(<n>)"),
    (2, "function of a number", "math.exp(-abs(<n>))"),
    (2, "min and max", "max(<n>, <n> + 0.0317)"),
    (2, "min and max", "min(<n>, <n> - 0.0317)"),
    (3, "conditional expression", "(<n> if <c> else <n>)"),
    (2, "reduction", "0.2 * np.sum(<v>)"),
    (2, "reduction", "0.05 * np.sum((<v>) ** 3)"),
    (1, "reduction", "np.max(<v>)"),
    (2, "dot", "0.1 * np.dot(<v>, <v>)"),
    (2, "dot", "0.1 * ((<v>) @ (<v>))"),
    (1, "stack", "0.1 * np.sum(np.stack((<v>, <v>))[1])"),
    (1, "stack", "0.1 * np.sum(np.stack((<v>, <v>)) ** 2)"),
    (2, "integer in arithmetic", "0.1 * <i>"),
    (1, "integer in arithmetic", "<i> / 7"),
    (1, "NumPy scalar", "np.float64(<q>)"),
    (1, "NumPy scalar", "<q> * float(<i> % 3)"),
    (2, "masked", "0.3 * np.sum((<v>)[<m>])"),
)
_MATRIX_NUMBERS = (
    (4, "run-time slice", "0.1 * (<a>[<r>, :<P>] @ <a>[<s>, :<P>])"),
    (2, "run-time slice", "0.1 * (<a>[<r>, :<P>] @ <a>[:<P>, <s>])"),
    (2, "run-time slice", "0.1 * np.sum(<a>[<r>, <P>:] * <a>[<P>:, <s>])"),
    (2, "element", "<a>[<r>, <s>]"),
    (1, "reduction", "0.03 * np.sum(<a>[:<P>, :<i>])"),
    (1, "reduction", "np.sum(np.diag(<a>)) * 0.1"),
)
_SLICED = (
    (3, "run-time slice", "0.1 * (<u>[:<P>] @ <w>[:<P>])"),
    (2, "run-time slice", "0.1 * np.sum(<u>[<P>:] * <w>[<P>:])"),
    (1, "run-time slice", "0.1 * np.sum(<u>[<P>::2])"),
    (1, "slice", "0.1 * np.dot(<u>[1:], <w>[:-1])"),
    (1, "run-time slice", "0.1 * np.sum(<u>[<P>:<i>])"),
    (1, "run-time slice", "0.1 * np.sum(<u>[-1 - <P>:])"),
)
_INTEGERS = (
    (3, "integer arithmetic", "(<i> + 1)"),
    (2, "integer arithmetic", "(<i> // 2)"),
    (2, "integer arithmetic", "(<i> % 3)"),
    (1, "integer arithmetic", "(<i> * 2 + <i>) % 4"),
    (1, "integer arithmetic", "abs(<i> - <i>)"),
    (1, "min and max", "min(<i>, <i>)"),
    (1, "min and max", "max(<i> - 1, <i>)"),
    (1, "NumPy integer", "np.int64(2)"),
)
_INTEGERS_OF_DATA = (
    (1, "integer of data", "int(abs(math.sin(<n>)) * 3.3)"),
    (1, "integer of data", "int(np.sum(<m>)) % 4"),
    (1, "integer of data", "np.argmax(<u>) % 4"),
    (1, "conditional expression", "(<i> if <c> else <i>)"),
)
_VECTORS = (
    (3, "sum", "(<v> + <v>)"),
    (2, "sum", "(<v> - <v>)"),
    (2, "product", "0.5 * (<v>) * (<v>)"),
    (3, "function of a vector", "np.sin(<v>)"),
    (2, "function of a vector", "np.tanh(<v>)"),
    (1, "function of a vector", "np.exp(-np.abs(<v>))"),
    (2, "product", "(<v>) * (<n>)"),
    (2, "where", "np.where(<m>, <v>, <v>)"),
    (1, "where", "np.where(<m>, <v>, <n>)"),
    (2, "maximum", "np.maximum(<v>, <n> + 0.0431)"),
    (1, "maximum", "np.minimum(<v>, (<v>) + 0.0431)"),
    (1, "new array", "np.zeros_like(<v>)"),
)
_VECTORS_OF_NAMES = (
    (2, "reversed view", "<u>[::-1]"),
    (2, "concatenate", "np.concatenate((<u>[1:], <u>[:1]))"),
    (1, "concatenate", "np.concatenate([<u>[<P>:], <u>[:<P>]])"),
)
_ROWS = (
    (2, "row or column", "<a>[<r>]"),
    (1, "row or column", "<a>[:, <r>]"),
    (2, "matrix times vector", "0.3 * (<a> @ (<v>))"),
    (1, "matrix times vector", "0.3 * ((<v>) @ <a>)"),
    (1, "reduction", "0.1 * np.sum(<a>, axis=0)"),
)
_NEW = (
    (2, "new array", "np.zeros(<L>)"),
    (1, "new array", "np.full(<L>, <n>)"),
    (2, "new array", "(0.1 * np.arange(<L>))"),
    (1, "new array", "np.ones(<L>)"),
)
_MASKS = (
    (2, "mask", "<v> > <q>"),
    (1, "mask", "np.abs(<v>) < <n> + 0.0173"),
    (1, "mask", "(<v> > <q>) & (<v> < <n>)"),
)
_CONDITIONS = (
    (5, "comparison", "<n> > <q>"),
    (3, "comparison", "<n> < <q>"),
    (2, "chained comparison", "<q> < <n> < <n> + 0.4321"),
    (1, "chained comparison", "0 <= <i> < <i>"),
    (2, "comparison of integers", "<i> % 2 == 0"),
    (2, "comparison of integers", "<i> < <i>"),
    (1, "comparison of integers", "<i> != <i>"),
    (1, "any and all", "np.any(<v> > <n> + 0.0271)"),
    (1, "any and all", "(<v> < <q>).all()"),
    (3, "and, or, not", "(<c> and <c>)"),
    (3, "and, or, not", "(<c> or <c>)"),
    (2, "and, or, not", "not (<c>)"),
)
_DAMPED = (
    (3, "function of a number", "np.tanh(<n>)"),
    (2, "function of a number", "0.5 * math.sin(<n>)"),
    (1, "function of a number", "0.4 * np.cos(<n>)"),
)


class Expressions:
    """Draws expressions over the names that are in scope.

    Attributes
    ----------
    constructs : set of str
        What has been drawn so far.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.constructs: set[str] = set()
        self.scopes: list[Scope] = []
        self.helpers: list[str] = []

    # -- choices -----------------------------------------------------------------------------------

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) >= 100 - percent

    def one(self, options: Any) -> Any:
        return options[self.random.randrange(len(options))]

    def say(self, *constructs: str) -> None:
        self.constructs.update(constructs)

    def row(self, table: Any) -> Any:
        """Return a row of a table, which begins with its weight."""
        k = self.random.randrange(sum(row[0] for row in table))
        for row in table:
            k -= row[0]
            if k < 0:
                return row
        raise AssertionError

    def draw(self, table: Any, depth: int, length: Length | None = None, **given: str) -> str:
        """Draw a text from a table, and fill it in."""
        _, construct, text = self.row(table)
        self.say(construct)
        return self.fill(text, depth, length, **given)

    def fill(self, text: str, depth: int = 1, length: Length | None = None, **given: str) -> str:
        length = length or self.length()

        def found(match: re.Match[str]) -> str:
            key = match[1]
            if key in given:
                return given[key]
            return _PLACEHOLDERS[key](self, depth - 1, length)

        return re.sub(r"<(\w)>", found, text)

    # -- names -------------------------------------------------------------------------------------

    def all(self, kind: str) -> list[Any]:
        return [item for scope in self.scopes for item in getattr(scope, kind)]

    def vectors(self, least: int = 0) -> list[tuple[str, Length]]:
        """Return what is a vector, the entries of lists and attributes of objects among them."""
        found = self.all("vectors")
        for name, length, count in self.all("lists"):
            found.append((f"{name}[{self.random.randrange(count)}]", length))
        for name, of, length in self.all("holders"):
            found.append((held(name, of, "v"), length))
        return [(v, length) for v, length in found if length.least >= least]

    def length(self) -> Length:
        return self.one([length for _, length in self.all("vectors")[-6:]] or [THREE])

    def some_vector(self, least: int = 0) -> tuple[Any, Any]:
        found = self.vectors(least)
        return self.one(found[-8:]) if found else (None, None)

    # -- expressions -------------------------------------------------------------------------------

    def constant(self) -> str:
        return f"{self.random.randrange(-1999, 2000) / 1000 + 0.0003:.4f}"

    def number(self, depth: int = 2) -> str:
        """Return a number, most of them between -10 and 10."""
        numbers = self.all("numbers")
        kind = self.random.randrange(100)
        if depth <= 0 or kind < 20:
            return self.one(numbers[-5:]) if numbers and self.chance(65) else self.element()
        if kind < 28:
            length = self.length()
            u, w = self.vector(0, length), self.vector(0, length)
            return self.draw(_SLICED, depth, length, u=u, w=w, P=self.integer(1, data=False))
        if kind < 36 and self.all("matrices"):
            a = self.one(self.all("matrices"))
            given = {"a": a, "r": self.index(a, K), "s": self.index(a, K)}
            return self.draw(_MATRIX_NUMBERS, depth, P=self.integer(1, data=False), **given)
        if kind < 40 and self.helpers and self.vectors(1):
            return self.helper_call(depth)
        if kind < 44 and self.all("closures"):
            return self.fill(f"{self.one(self.all('closures'))}(<n>)", depth)
        if kind < 50 and self.all("holders"):
            name, of, _ = self.one(self.all("holders"))
            return held(name, of, "s")
        return self.draw(_NUMBERS, depth)

    def damped(self, depth: int = 2) -> str:
        return self.draw(_DAMPED, depth)

    def helper_call(self, depth: int) -> str:
        self.say("helper")
        name, _ = self.some_vector(1)
        return self.fill(f"{self.one(self.helpers)}({name}, <i>, <n>)", depth)

    def element(self) -> str:
        if self.all("matrices") and self.chance(30):
            a = self.one(self.all("matrices"))
            return f"{a}[{self.index(a, K)}, {self.index(a, K)}]"
        name, length = self.some_vector(1)
        if name is None:
            return self.constant()
        return f"{name}[{self.index(name, length)}]"

    def integer(self, depth: int = 1, data: bool = True) -> str:
        """Return an integer ≥ 0, not large; without ``data`` it does not call anything twice."""
        known = self.all("integers")
        if depth <= 0 or self.chance(40):
            return self.one(known[-4:]) if known and self.chance(85) else self.one("0123")
        if data and self.chance(15):
            name, _ = self.some_vector(1)
            if name is not None:
                return self.draw(_INTEGERS_OF_DATA, depth, u=name)
        _, construct, text = self.row(_INTEGERS)
        self.say(construct)
        return self.fill(text if data else text.replace("<i>", "<p>"), depth)

    def index(self, name: str, length: Length) -> str:
        """Return an index of a vector that is not empty."""
        known = [k for k, of in self.all("indices") if length in of]
        if known and self.chance(70):
            k = self.one(known[-3:])
            return self.one((k, k, k, k, f"{k} - 1", f"-1 - {k}"))
        if self.chance(25):
            return self.one(("0", "-1", "0" if length.least < 3 else "2"))
        self.say("remainder as index")
        return f"({self.integer(1)}) % len({name})"

    def vector(self, depth: int = 2, length: Length | None = None) -> str:
        length = length or self.length()
        names = [v for v, of in self.vectors() if of == length]
        kind = self.random.randrange(100)
        if names and (depth <= 0 or kind < 25):
            return self.one(names[-5:])
        if depth <= 0 or kind < 32:
            return self.draw(_NEW, 1, length, L=length.text)
        if kind < 42 and names and length.least:
            p = self.integer(1, data=False)
            return self.draw(_VECTORS_OF_NAMES, depth, length, u=self.one(names), P=p)
        if kind < 55 and length is K and self.all("matrices"):
            a = self.one(self.all("matrices"))
            return self.draw(_ROWS, depth, K, a=a, r=self.index(a, K))
        return self.draw(_VECTORS, depth, length)

    def mask(self, depth: int, length: Length) -> str:
        names = [v for v, of in self.all("masks") if of == length]
        if names and self.chance(60):
            return self.one(names)
        return self.draw(_MASKS, min(depth, 1), length)

    def condition(self, depth: int = 2) -> str:
        table = _CONDITIONS if depth > 0 else _CONDITIONS[:-3]
        return self.draw(table, depth)


def held(name: str, of: str, what: str) -> str:
    """Return the text of an attribute of an object, or of an entry of a dictionary."""
    return f"{name}.{what}" if of == "object" else f"{name}['{what}']"


_PLACEHOLDERS: dict[str, Callable[[Expressions, int, Length], str]] = {
    "n": lambda e, depth, length: e.number(depth),
    "d": lambda e, depth, length: e.damped(depth),
    "q": lambda e, depth, length: e.constant(),
    "i": lambda e, depth, length: e.integer(min(depth, 1)),
    "p": lambda e, depth, length: e.integer(min(depth, 1), data=False),
    "v": lambda e, depth, length: e.vector(depth, length),
    "m": lambda e, depth, length: e.mask(depth, length),
    "c": lambda e, depth, length: e.condition(depth),
}
