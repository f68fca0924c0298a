"""Stacks that are arguments or results of compiled functions, in memory and as Python's objects."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import numpy as np

from adjoint.ir.types import StackType
from adjoint.ops.control import Stack

__all__ = ["from_memory", "to_memory"]


class Header:
    """A header in memory, and what it refers to."""

    __slots__ = ("address", "alive", "words")

    def __init__(self, data: np.ndarray, length: int, size: int, alive: Any) -> None:
        self.words = np.array([data.ctypes.data if data.size else 0, length, data.nbytes, size])
        self.address = self.words.ctypes.data
        self.alive = (data, alive)


def to_memory(stack: Stack, type: StackType) -> Header:
    """Put a stack into memory, as parameters are (`lower.stack_words`)."""
    entry = type.entry
    entries = stack.entries
    alive: list[Any] = []
    if isinstance(entry, StackType):
        rows = []
        for e in entries:
            inner = to_memory(Stack() if e is None else e, entry)
            alive.append(inner)
            rows.append(inner.words)
        data = np.array(rows, np.int64).reshape(len(rows), 4)
        return Header(data, len(rows), 32, alive)
    if not entry.shape:
        data = np.array([0 if e is None else e for e in entries], entry.dtype)
        return Header(data, len(entries), entry.dtype.itemsize, alive)
    n = len(entry.shape)
    table = np.zeros((len(entries), 1 + n), np.int64)
    for k, e in enumerate(entries):
        if e is not None:
            e = np.ascontiguousarray(e)
            alive.append(e)
            table[k] = (e.ctypes.data, *e.shape)
    return Header(table, len(entries), 8 * (1 + n), alive)


def from_memory(raw: bytes, type: StackType) -> Stack:
    """Return the stack whose header is ``raw``."""
    data, length, _, size = struct.unpack("=4q", raw)
    entry = type.entry
    entries: list[Any] = []
    for k in range(length):
        at = data + k * size
        if isinstance(entry, StackType):
            entries.append(from_memory(ctypes.string_at(at, 32), entry))
        elif not entry.shape:
            number = np.frombuffer(ctypes.string_at(at, entry.dtype.itemsize), entry.dtype)[0]
            if entry.kind == "array":
                number = np.array(number)
            entries.append(number.item() if entry.kind == "python" else number)
        else:
            n = len(entry.shape)
            pointer, *shape = struct.unpack(f"={1 + n}q", ctypes.string_at(at, 8 * (1 + n)))
            if not pointer:
                entries.append(None)
                continue
            count = int(np.prod(shape))
            raw_entry = ctypes.string_at(pointer, count * entry.dtype.itemsize)
            entries.append(np.frombuffer(raw_entry, entry.dtype).reshape(shape).copy())
    return Stack(entries)
