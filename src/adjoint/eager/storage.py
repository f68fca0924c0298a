"""NumPy's memory model over values: views, and stores that copy only what the tape still needs.

An ndarray's memory is owned by one `Recorded`, the *root*; a view is a root and a path. A store
through either gives the root a new node (``update``) and changes its buffer in place, after copying
what was saved from the part that it overwrites. A view notices that its root has a new node, and
reads its part again, when it is next used.

The first store to an array copies its buffer once: until then nobody kept a list of what the tape
had saved of it, which keeps the price of recording low for arrays that are never stored to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.ops.indexing import Path

if TYPE_CHECKING:
    from adjoint.eager.recorded import Recorded
    from adjoint.ir import Node

__all__ = ["View", "keep", "release", "root_of"]

MANY = 64
SMALL = 4096  # bytes


class View:
    """The part of ``base`` at ``path``; ``node`` and ``value`` are the base's when last read."""

    __slots__ = ("base", "node", "path", "value")

    def __init__(self, base: Recorded, path: Path, node: Node | None, value: Any) -> None:
        self.base = base
        self.path = path
        self.node = node
        self.value = value


def root_of(x: Recorded) -> Recorded:
    """Return the array that owns the memory of ``x``."""
    cell = x._cell
    return cell.base if type(cell) is View else x


def keep(saved: list[Any], k: int, x: Recorded) -> None:
    """Note that ``saved[k]`` refers to memory of ``x``, which a store must not change."""
    cell = root_of(x)._cell
    if cell is not None and hasattr(saved[k], "shape"):
        cell.append((saved, k))


def release(root: Recorded, part: np.ndarray) -> None:
    """Copy what is saved from the memory of ``part`` before it is overwritten."""
    pins = root._cell
    if not pins:
        return
    many = len(pins) > MANY
    still = []
    for pin in pins:
        value = _raw(pin[0]._value if pin[1] is None else pin[0][pin[1]])
        if type(value) is not np.ndarray:
            continue
        # Beyond a number of them, small values are copied at once: looking at each of them again
        # at every store would cost more.
        if np.may_share_memory(value, part) or (many and value.nbytes < SMALL):
            _detach(pin)
        else:
            still.append(pin)
    pins[:] = still


def _detach(pin: tuple[Any, int | None]) -> None:
    holder, k = pin
    if k is None:
        holder._value = _copied(holder._value)
    else:
        holder[k] = _copied(holder[k])


def _copied(value: Any) -> Any:
    if type(value) is np.ndarray:
        return value.copy()
    if hasattr(value, "_value"):
        return type(value)(_copied(value._value), value._tape, value._node)
    return value


def _raw(value: Any) -> Any:
    while hasattr(value, "_value"):
        value = value._value
    return value
