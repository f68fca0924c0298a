"""What it costs to compute an element of an array anew."""

from __future__ import annotations

from typing import Any

from adjoint.backends.llvm.lower.values import Buffer, Lazy

__all__ = ["CHEAP", "lazy_cost"]

CHEAP = 8
"""What an element may cost to be computed again rather than kept in memory."""


def lazy_cost(rep: Any) -> int:
    """Return about how many additions reading an element is worth."""
    if isinstance(rep, Buffer):
        return 1
    if isinstance(rep, Lazy):
        return 1 if rep.buffer is not None or rep.shared else rep.cost
    return 0
