"""One staging of one function: what it reads from outside, what was unrolled and why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from adjoint.errors import TracingError
from adjoint.ir.build import Builder
from adjoint.ir.dims import Dim, assumptions
from adjoint.ir.graph import Value
from adjoint.places import Place

__all__ = ["Capture", "Session", "session", "starting"]

CAP = 20_000
"""How many passes of unrolled loops a function may have."""


@dataclass
class Capture:
    """A number or array that a function reads from outside, anew at each call.

    Attributes
    ----------
    read : callable
        Returns it.
    value : Value
        Its parameter of the graph.
    staged : Staged
    what : str
    """

    read: Callable[[], Any]
    value: Value
    staged: Any
    what: str


@dataclass
class Session:
    """What is found out while a function is staged.

    Attributes
    ----------
    builder : Builder
        Of the function's own block.
    captures : dict
        By what is read.
    guards : dict
        By what is read: ``(read, value, what)``, which the graph takes for granted.
    unrolled_loops : dict
        Place -> why.
    signs : list
        Expressions of the arguments' lengths whose signs are taken for granted.
    """

    builder: Builder
    captures: dict[Any, Capture] = field(default_factory=dict)
    guards: dict[Any, tuple[Callable[[], Any], Any, str]] = field(default_factory=dict)
    unrolled_loops: dict[Any, str] = field(default_factory=dict)
    passes: int = 0
    frames: list[Any] = field(default_factory=list)
    cells: dict[int, Any] = field(default_factory=dict)
    managed: dict[Any, Any] = field(default_factory=dict)
    signs: list[tuple[Dim, str]] = field(default_factory=list)
    outside: dict[int, Any] = field(default_factory=dict)
    assigned: dict[Any, Any] = field(default_factory=dict)
    made: dict[int, Any] = field(default_factory=dict)

    def assume(self, x: Dim, now: int) -> str:
        """Take for granted, under a guard, the sign of an expression of the arguments' lengths."""
        sign = ">0" if now > 0 else ">=0" if now == 0 else "<0"
        if (x, sign) not in self.signs:
            self.signs.append((x, sign))
            ((value, c), *more) = x.terms
            if not more and abs(c) == 1:
                low, high = value.bounds
                if sign != "<0":  # c·n + k ≥ 0, or > 0
                    least = -x.constant + (sign == ">0")
                    value.bounds = (least, high) if c == 1 else (low, -least)
                else:
                    most = -x.constant - 1
                    value.bounds = (low, most) if c == 1 else (-most, high)
        return sign

    def note_unrolled(self, place: Place | None, reason: str) -> None:
        self.unrolled_loops.setdefault(place, reason)

    def unrolled(self, place: Place | None) -> bool:
        return place in self.unrolled_loops

    def check_unrolled(self, place: Place | None, count: int) -> None:
        """Count a pass of an unrolled loop.

        Raises
        ------
        TracingError
            If there are too many.
        """
        self.passes += 1
        if self.passes > CAP:
            name = f"{place[0]}:{place[1]}" if place else "an unknown line"
            raise TracingError(
                f"the loop at {name} was unrolled {count} times, since it cannot be staged: "
                f"{self.unrolled_loops.get(place)}"
            )


class _State(threading.local):
    session: Session | None = None


_state = _State()


def session() -> Session:
    """Return the staging that this thread is in."""
    if _state.session is None:
        raise RuntimeError("nothing is being staged")
    return _state.session


@contextmanager
def starting(builder: Builder) -> Iterator[Session]:
    """Begin a staging."""
    former = _state.session
    current = _state.session = Session(builder)
    assumptions.asked.append(current.assume)
    try:
        yield current
    finally:
        assumptions.asked.pop()
        _state.session = former


def staging_session() -> Session | None:
    """Return the staging that this thread is in, if any."""
    return _state.session
