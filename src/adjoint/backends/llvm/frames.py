"""The words that machine code leaves for Python when it calls back: numbers and arrays."""

from __future__ import annotations

import ctypes
import struct
import threading
from typing import Any

import numpy as np

__all__ = ["array_at", "run_call"]


class _Memory:
    """Memory that NumPy is to look at as an array."""

    __slots__ = ("__array_interface__",)


def array_at(pointer: int, dtype: np.dtype, shape: Any, strides: Any) -> np.ndarray:
    """Return the array that lies at an address."""
    if 0 in shape:
        return np.empty(shape, dtype)
    memory = _Memory()
    memory.__array_interface__ = {
        "data": (pointer, False), "shape": tuple(shape), "strides": tuple(strides),
        "typestr": dtype.str, "version": 3,
    }  # fmt: skip
    return np.asarray(memory)


def run_call(call: Any, frame: int) -> None:
    """Run an operation on what a frame has, and put the results there.

    Parameters
    ----------
    call : lower.callbacks.Called
    frame : int
        Its address.
    """
    values: list[Any] = [None] * call.slots
    for slot, item in call.operands:
        values[slot] = _read(item, frame)
    call.step(values)
    for slot, item in call.results:
        _write(item, frame, values[slot])


def _read(item: Any, frame: int) -> Any:
    type = item.type
    at = frame + 8 * item.at
    if not type.shape:
        raw = ctypes.string_at(at, type.dtype.itemsize)
        number = np.frombuffer(raw, type.dtype)[0]
        if type.kind == "array":
            return np.array(number)
        return number.item() if type.kind == "python" else number
    n = len(type.shape)
    words = struct.unpack(f"={1 + 2 * n}q", ctypes.string_at(at, 8 * (1 + 2 * n)))
    return array_at(words[0], type.dtype, words[1 : 1 + n], words[1 + n :])


_last = threading.local()


def _write(item: Any, frame: int, value: Any) -> None:
    type = item.type
    at = frame + 8 * item.at
    if not type.shape:
        raw = np.asarray(value).astype(type.dtype, copy=False).tobytes()
        ctypes.memmove(at, raw, len(raw))
        return
    if item.known:
        target = _read(item, frame)
        if np.shape(value) != target.shape:
            raise ValueError(f"the result has shape {np.shape(value)}, not {target.shape}")
        target[...] = value
        return
    value = np.asarray(value, type.dtype)
    kept = _last.__dict__.setdefault("arrays", {})
    kept[item.at] = value  # the code copies it at once
    n = len(type.shape)
    words = struct.pack(f"={1 + 2 * n}q", value.ctypes.data, *value.shape, *value.strides)
    ctypes.memmove(at, words, len(words))
