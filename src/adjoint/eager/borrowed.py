"""Memory that the tape reads but does not own: plain arrays that the program may go on to change.

A plain array (a work buffer made outside, an array of integers or booleans, an index) that a rule
needs is saved as it is, without a copy. Rewritten code tells us before it stores into a plain array
(`release_plain`), and what is saved of that memory is copied then. So recording costs nothing for
it, and programs that change no plain arrays pay nothing at all. A function that cannot be
rewritten tells us nothing: there everything is copied when it is saved (`copy_at_once`). What
outlives the call (`vjp`, `linearize`) gets copies of its own (`own_saved`), since the caller's code
does not tell us either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.eager.tape import Tape
from adjoint.ir import Block, Node

__all__ = ["copy_at_once", "live", "own_saved", "release_plain"]

live: set[Tape] = set()
"""Tapes on which a user's function is being recorded, of any thread."""

MANY = 64
SMALL = 4096  # bytes

Pin = tuple[Any, Any]
"""A list or dictionary, and the index or key in it under which something is saved."""


def release_plain(part: np.ndarray) -> None:
    """Copy what any tape has saved of the memory of ``part``, which is about to be overwritten."""
    for tape in list(live):
        if tape.borrowed is None:
            tape.borrowed = {}
        _look_through(tape, tape.borrowed)
        key = id(_owner(part))
        pins = tape.borrowed.pop(key, None)
        if pins:
            many = len(pins) > MANY
            kept = [pin for pin in pins if not _released(pin, part, many)]
            if kept:
                tape.borrowed[key] = kept


def copy_at_once(node: Node, operands: Any, result: Any) -> None:
    """Copy the plain arrays that a node has saved: the observer of code that is not rewritten."""
    for k, operand in enumerate(node.inputs[: len(node.saved or ())]):
        if operand is None and type(node.saved[k]) is np.ndarray:
            node.saved = list(node.saved)
            node.saved[k] = node.saved[k].copy()
    for key, value in (node.params or {}).items():
        if _arrays_in(value):
            node.params[key] = _copied(value)


def own_saved(block: Block) -> None:
    """Give a block its own copies of the constant operands that it has saved."""
    copies: dict[int, Any] = {}
    for node in block.nodes:
        saved = node.saved
        if not saved:
            continue
        for k, operand in enumerate(node.inputs[: len(saved)]):
            value = saved[k]
            if operand is None and type(value) is np.ndarray and value.flags.writeable:
                if type(saved) is tuple:
                    saved = node.saved = list(saved)
                if id(value) not in copies:
                    copies[id(value)] = (value.copy(), value)  # the original keeps its identity
                saved[k] = copies[id(value)][0]


def _look_through(tape: Tape, borrowed: dict[int, list[Pin]]) -> None:
    """Enter what the nodes since the last time have saved, by the array that owns the memory."""
    nodes = tape.block.nodes
    start, tape.looked = tape.looked, len(nodes)
    for k in range(start, tape.looked):
        node = nodes[k]
        if type(node.saved) is tuple:
            node.saved = list(node.saved)  # so that an entry can be replaced
        for k, value in enumerate(node.saved or ()):
            if type(value) is np.ndarray:
                borrowed.setdefault(id(_owner(value)), []).append((node.saved, k))
        for key, value in (node.params or {}).items():
            for array in _arrays_in(value):
                borrowed.setdefault(id(_owner(array)), []).append((node.params, key))


def _owner(array: Any) -> Any:
    while type(array.base) is np.ndarray:
        array = array.base
    return array


def _arrays_in(value: Any) -> list[np.ndarray]:
    if type(value) is np.ndarray:
        return [value]
    if type(value) is tuple:
        return [array for item in value for array in _arrays_in(item)]
    return []


def _released(pin: Pin, part: np.ndarray, many: bool) -> bool:
    holder, key = pin
    arrays = _arrays_in(holder[key])
    # Looking again and again at many small values would cost more than copying them.
    if any(np.may_share_memory(a, part) or (many and a.nbytes < SMALL) for a in arrays):
        holder[key] = _copied(holder[key])
        return True
    return not arrays


def _copied(value: Any) -> Any:
    if type(value) is np.ndarray:
        return value.copy()
    return tuple(map(_copied, value)) if type(value) is tuple else value
