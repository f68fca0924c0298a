"""Dimensions: linear expressions of integer values of a graph.

``n - 1`` of a length n is ``Dim(-1, ((n, 1),))``. Two dimensions are equal if they are the same
expression; `difference` and `known_sign` tell what can be proved, from the bounds of the values.

A dimension is an ``int`` wherever no value of the graph is left in it: the functions here take and
return ``int | Dim``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from adjoint.ir.core import Traced

if TYPE_CHECKING:
    from adjoint.ir.graph import Value

__all__ = [
    "Dim", "add", "difference", "evaluate", "example", "greatest", "known_sign", "least", "linear",
    "of_value", "scale", "texts",
]  # fmt: skip

Terms = tuple[tuple["Value", int], ...]

_DEEPEST = 32
"""Substitutions of bounds in one proof: more than any nest of loops needs."""


class Dim(Traced):
    """constant + Σ coefficient · value, over integer scalars of a graph.

    It is a Python ``int`` of the staged program: what is not linear is recorded as an operation.
    The class that users meet, `adjoint.staged.integers.Integer`, adds the operators.

    Attributes
    ----------
    constant : int
    terms : tuple of (Value, int)
        In the order in which the values first came up; no coefficient is 0.
    """

    __slots__ = ("_key", "constant", "terms")

    def __init__(self, constant: int, terms: Terms) -> None:
        self.constant = constant
        self.terms = terms
        self._key = (constant, frozenset(terms))

    def __eq__(self, other: Any) -> Any:
        # Whether they are known to be equal.
        return isinstance(other, Dim) and self._key == other._key

    def __ne__(self, other: Any) -> Any:
        return not self.__eq__(other)

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return Dim.text(self, _Letters())

    def __repr__(self) -> str:
        return f"<dimension {Dim.__str__(self)}>"

    def text(self, name: Callable[[Value], str]) -> str:
        """Return the expression, with the values under the names that ``name`` gives them."""
        parts: list[str] = []
        for value, c in self.terms:
            size = name(value) if abs(c) == 1 else f"{abs(c)}*{name(value)}"
            if parts:
                parts.append(f" {'-' if c < 0 else '+'} {size}")
            else:
                parts.append(f"-{size}" if c < 0 else size)
        if self.constant or not parts:
            sign = "-" if self.constant < 0 else "+"
            size = str(abs(self.constant))
            parts.append(f" {sign} {size}" if parts else f"{self.constant}")
        return "".join(parts)


class _Letters:
    """Names for values in the order in which they come up: n, m, k, p, q, r, n1, m1, ..."""

    def __init__(self) -> None:
        self.names: dict[Value, str] = {}

    def __call__(self, value: Value) -> str:
        name = self.names.get(value)
        if name is None:
            round_, k = divmod(len(self.names), 6)
            name = self.names[value] = "nmkpqr"[k] + (str(round_) if round_ else "")
        return name


def texts(*shapes: tuple[Any, ...]) -> list[str]:
    """Return shapes as NumPy writes them, with the same letters for the same values."""
    letters = _Letters()
    written = []
    for shape in shapes:
        entries = [
            "?" if n is None else Dim.text(n, letters) if isinstance(n, Dim) else str(n)
            for n in shape
        ]
        written.append(f"({entries[0]},)" if len(entries) == 1 else f"({','.join(entries)})")
    return written


# -- arithmetic ------------------------------------------------------------------------------------


def linear(constant: int, terms: dict[Value, int]) -> tuple[int, Terms]:
    """Return constant and terms with zero coefficients left out."""
    return constant, tuple((v, c) for v, c in terms.items() if c)


def of_value(value: Value) -> Dim:
    """Return the dimension that an integer value of the graph is."""
    return Dim(0, ((value, 1),))


def _make(constant: int, terms: dict[Value, int]) -> Any:
    constant, left = linear(constant, terms)
    return Dim(constant, left) if left else constant


def add(x: Any, y: Any) -> Any:
    """Return x + y."""
    return _combine(x, y, 1)


def difference(x: Any, y: Any) -> Any:
    """Return x − y."""
    return _combine(x, y, -1)


def _combine(x: Any, y: Any, times: int) -> Any:
    if not isinstance(y, Dim):
        if not isinstance(x, Dim):
            return x + times * y
        return Dim(x.constant + times * y, x.terms) if y else x
    terms = dict(x.terms) if isinstance(x, Dim) else {}
    constant = x.constant if isinstance(x, Dim) else x
    for value, c in y.terms:
        terms[value] = terms.get(value, 0) + times * c
    return _make(constant + times * y.constant, terms)


def scale(x: Any, times: int) -> Any:
    """Return times · x."""
    if not isinstance(x, Dim):
        return times * x
    return _make(times * x.constant, {value: times * c for value, c in x.terms})


def evaluate(x: Any, env: Mapping[Value, Any]) -> Any:
    """Return the number that a dimension is where the values are what ``env`` says."""
    if not isinstance(x, Dim):
        return x
    return x.constant + sum(c * int(env[value]) for value, c in x.terms)


# -- what can be proved ----------------------------------------------------------------------------


def least(x: Any) -> int | None:
    """Return a number that x is proved never to be below, the best found; None if none is known."""
    low = _lowest(x, of_arguments=False) if isinstance(x, Dim) else x
    return None if isinstance(low, Dim) else low


def _lowest(x: Dim, of_arguments: bool) -> Any:
    """Return what x is proved never to be below: a number, or an expression of arguments' lengths.

    Those stay in it with ``of_arguments``; without, what is known of them takes their place.
    """
    levels: dict[Value, int] = {}
    constant, terms = x.constant, dict(x.terms)
    kept: dict[Value, int] = {}
    for _ in range(_DEEPEST):
        if not terms:
            return _make(constant, kept)
        # A value goes after all whose bounds mention it: only then is its coefficient final.
        value = max(terms, key=lambda v: _level(v, levels, 0))
        c = terms.pop(value)
        if of_arguments and value.example is not None:
            kept[value] = c
            continue
        bound = value.bounds[0 if c > 0 else 1]
        if bound is None:
            return None
        if not isinstance(bound, Dim):
            constant += c * bound
            continue
        constant += c * bound.constant
        for other, k in bound.terms:
            total = terms.get(other, 0) + c * k
            if total:
                terms[other] = total
            else:
                terms.pop(other, None)
    return None


def greatest(x: Any) -> int | None:
    """Return a number that x is proved never to exceed, the best found; None if none is known."""
    if not isinstance(x, Dim):
        return x
    bound = least(scale(x, -1))
    return None if bound is None else -bound


def _level(value: Value, levels: dict[Value, int], depth: int) -> int:
    """Return the height of a value above those that its bounds lead to."""
    level = levels.get(value)
    if level is None:
        level = 0
        if depth < _DEEPEST:
            for bound in value.bounds:
                if isinstance(bound, Dim):
                    for other, _ in bound.terms:
                        level = max(level, 1 + _level(other, levels, depth + 1))
        levels[value] = level
    return level


def example(x: Any) -> int | None:
    """Return what a dimension was for the arguments at hand, if it depends on nothing else."""
    if not isinstance(x, Dim):
        return x
    lengths = {v: v.example for v, _ in x.terms}
    return None if None in lengths.values() else evaluate(x, lengths)


def known_sign(x: Any) -> str | None:
    """Return what is proved of x: ``"==0"``, ``">0"``, ``">=0"``, ``"<0"``, ``"<=0"`` or None."""
    low = least(x)
    if low is not None and low > 0:
        return ">0"
    high = greatest(x)
    if high is not None and high < 0:
        return "<0"
    if low == 0 and high == 0:
        return "==0"
    known = ">=0" if low == 0 else "<=0" if high == 0 else None
    if known is None and isinstance(x, Dim) and assumptions.asked:
        return _assumed_sign(x)
    return known


def _assumed_sign(x: Dim) -> str | None:
    """Return the sign of x that is taken for granted, for what it is with the arguments at hand.

    Where x depends on a loop's index too, the sign is that of all passes: ``n - i - 1`` is not
    negative for an i below 5 if ``n - 5`` is not.
    """
    ask = assumptions.asked[-1]
    now = example(x)
    if now is not None:
        return ask(x, now)
    low = _lowest(x, of_arguments=True)
    now = example(low)
    if now is not None and now >= 0:
        return ask(low, now) if isinstance(low, Dim) else None
    high = _lowest(scale(x, -1), of_arguments=True)
    now = example(high)
    if now is not None and now > 0:
        return "<0" if isinstance(high, Dim) and ask(high, now) == ">0" else None
    return None


class _Assumptions(threading.local):
    """What each thread takes for granted.

    Attributes
    ----------
    asked : list of callable
        What is asked, last first, about lengths of the arguments of which nothing is proved: it is
        given the expression and what it is for the arguments at hand, and may take its sign for
        granted.
    """

    def __init__(self) -> None:
        self.asked: list[Callable[[Dim, int], str | None]] = []


assumptions = _Assumptions()
