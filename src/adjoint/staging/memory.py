"""What a pass through a loop has found out about the loops inside, for the next pass.

The body of a loop is staged until what it carries is known; each time, so are the loops in it. What
those carried the last time they begin with, instead of finding it out again. It holds in the same
place of the next pass alone: another call of the same function may carry other types.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from adjoint.ir.build import Builder
from adjoint.ir.types import AnyType, Type
from adjoint.staging.state import join

__all__ = ["Memory", "memory_around"]


class Memory:
    """What is found out about the loops in one pass.

    Attributes
    ----------
    known : Memory or None
        That of the pass before.
    found : dict
        By line and number: what the loop carries (place -> types before, types carried), and the
        memory of its last pass.
    """

    def __init__(self, known: Memory | None = None) -> None:
        self.known = known
        self.found: dict[Any, tuple[dict[Any, Any], Memory]] = {}
        self.count: Counter[Any] = Counter()

    def begin(self, site: Any) -> tuple[Any, dict[Any, Any], Memory | None]:
        """Begin a loop; return its key, what it carried in the pass before, and its memory then."""
        key = (site, self.count[site])
        self.count[site] += 1
        before = self.known.found.get(key) if self.known is not None else None
        carried, memory = before if before is not None else ({}, None)
        return key, carried, memory


def memory_around(builder: Builder | None) -> Memory | None:
    """Return the memory of the pass that a block is in."""
    while builder is not None:
        if "memory" in builder.data:
            return builder.data["memory"]
        builder = builder.parent
    return None


def still(then: AnyType | None, now: AnyType | None, carried: AnyType | None) -> bool:
    """Tell whether what was carried of a value of type ``then`` is so of one of type ``now``."""
    if then is None or now is None or not isinstance(now, Type) or not isinstance(carried, Type):
        return False
    return join(then, now) == now and (not carried.shape or carried.shape == now.shape)
