"""Calling compiled functions: arguments in, results and errors out."""

from __future__ import annotations

import ctypes
import struct
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from adjoint.backends.llvm import engine, stack_values
from adjoint.backends.llvm.lower import runtime
from adjoint.backends.llvm.lower.entry import Lowered, lower_function
from adjoint.backends.llvm.lower.runtime import CONTEXT_WORDS, WORD
from adjoint.backends.llvm.threads import stack_pointer
from adjoint.ir.dims import Dim, evaluate
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import StackType

__all__ = ["Compiled", "compile_function", "run"]

LIMIT = 1 << 30
"""Bytes of memory that a thread keeps between calls."""

STACK = 6 << 20
"""Bytes of the thread's stack that calls of functions may take."""

OPTIONS: engine.Options | None = None
"""How functions are compiled; None: as the engine thinks best."""


# -- contexts --------------------------------------------------------------------------------------


class Context:
    """What a call needs; a thread has one for each call that is under way."""

    __slots__ = ("__weakref__", "address", "error", "made", "words")

    def __init__(self) -> None:
        self.words = np.zeros(CONTEXT_WORDS, np.int64)
        self.words[WORD["limit"]] = LIMIT
        self.address = self.words.ctypes.data
        self.error: BaseException | None = None
        self.made: dict[int, np.ndarray] = {}
        weakref.finalize(self, _release, self.words)


_library = ctypes.CDLL(None)
_free = _library.free
_free.argtypes = [ctypes.c_void_p]
_free.restype = None


@cache
def _runtime() -> engine.Code:
    """Compile what all functions call, and tell the engine where it is."""
    engine.add_symbols({
        name: ctypes.cast(getattr(_library, name), ctypes.c_void_p).value or 0
        for name in ("malloc", "free", "abort")
    })
    code = engine.compile_module(runtime.text(engine.host().attributes))
    engine.add_symbols({name: code.address(name) for name in runtime.EXPORTS})
    return code


def _release(words: np.ndarray) -> None:
    chunk = int(words[WORD["chunks"]])
    while chunk:
        following = ctypes.c_int64.from_address(chunk).value
        _free(chunk)
        chunk = following
    words[WORD["chunks"]] = 0


class _Thread(threading.local):
    def __init__(self) -> None:
        self.idle: list[Context] = []
        self.active: list[Context] = []


_thread = _Thread()


# -- calling back ----------------------------------------------------------------------------------

_codes: dict[int, _Variant] = {}


@ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
def _called_back(code: int, number: int, frame: int) -> int:
    context = _thread.active[-1]
    try:
        variant = _codes[code]
        if number < 0:
            variant.make_result(context, -1 - number, frame)
        else:
            _run_call(variant.lowered.program.calls[number], frame)
        return 0
    except BaseException as error:
        context.error = error
        context.words[WORD["site"]] = -1
        return 1


_CALLBACK = ctypes.cast(_called_back, ctypes.c_void_p).value


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


def _run_call(call: Any, frame: int) -> None:
    values: list[Any] = [None] * call.slots
    for slot, item in call.operands:
        values[slot] = _read(item, frame)
    node = call.node
    try:
        call.step(values)
        for slot, item in call.results:
            _write(item, frame, values[slot])
    except Exception as error:
        _note(error, node)
        raise


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
    kept[item.at] = value  # until the next result of this place
    n = len(type.shape)
    words = struct.pack(f"={1 + 2 * n}q", value.ctypes.data, *value.shape, *value.strides)
    ctypes.memmove(at, words, len(words))


def _note(error: BaseException, node: Value | None) -> None:
    if node is None or node.op is None:
        return
    place = f", line {node.place[1]} of {node.place[0]}" if node.place else ""
    note = f"in operation {node.op.name}{place}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


# -- functions -------------------------------------------------------------------------------------


class _Variant:
    """A function compiled for arguments of one layout."""

    def __init__(self, function: Function, dense: tuple[bool, ...]) -> None:
        host = engine.host()
        self.function = function
        self.lowered: Lowered = lower_function(function, dense, host.attributes)
        _runtime()
        self.code = engine.compile_module(self.lowered.text, OPTIONS)
        address = self.code.address("run")
        self.call = ctypes.CFUNCTYPE(
            ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
        )(address)
        self.number = id(self)
        _codes[self.number] = self
        constants = self.lowered.program.constants
        self.constants = np.array([c.ctypes.data for c in constants] or [0], np.int64)
        block = function.block
        self.places = {p: k for k, p in enumerate(block.parameters)}
        self.readers = [
            _reader(r.type, 8 * at)
            for r, at in zip(block.results, self.lowered.offsets, strict=True)
        ]

    def make_result(self, context: Context, k: int, frame: int) -> None:
        """Make the array of a result whose shape the code has found out."""
        type = self.function.block.results[k].type
        n = len(type.shape)
        words = struct.unpack(f"={1 + n}q", ctypes.string_at(frame, 8 * (1 + n)))
        array = context.made[k] = np.empty(words[1:], type.dtype)
        ctypes.memmove(frame, struct.pack("=q", array.ctypes.data), 8)

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        function, lowered = self.function, self.lowered
        results: list[Any] = []
        alive: list[Any] = []
        packed = bytearray()
        for p, x in zip(function.block.parameters, args, strict=True):
            type = p.type
            if isinstance(type, StackType):
                header = stack_values.to_memory(x, type)
                alive.append(header)
                packed += struct.pack("=q", header.address)
            elif type.shape:
                packed += struct.pack("=q", id(x))
            else:
                packed += _number(x, type.dtype)
        env = _Arguments(self.places, args)
        for r, made in zip(function.block.results, lowered.made, strict=True):
            if made:
                shape = tuple(_length(n, env) for n in r.type.shape)
                result = np.empty(shape, r.dtype)
                packed += struct.pack("=q", id(result))
                results.append(result)
            else:
                results.append(None)
        out = (ctypes.c_int64 * max(lowered.words, 1))()
        buffer = (ctypes.c_char * max(len(packed), 1)).from_buffer(packed or bytearray(1))
        idle = _thread.idle
        context = idle.pop() if idle else Context()
        words = context.words
        words[WORD["code"]] = self.number
        words[WORD["callback"]] = _CALLBACK
        words[WORD["constants"]] = self.constants.ctypes.data
        words[WORD["deepest"]] = stack_pointer() - STACK
        _thread.active.append(context)
        try:
            status = self.call(context.address, ctypes.addressof(buffer), ctypes.addressof(out))
            if status:
                raise self._error(context)
            raw = bytes(out)
            for k, read in enumerate(self.readers):
                if results[k] is None:
                    results[k] = context.made.get(k) if read is None else read(raw)
        finally:
            _thread.active.pop()
            context.error = None
            context.made = {}
            idle.append(context)
        return results

    def _error(self, context: Context) -> BaseException:
        words = context.words
        site = int(words[WORD["site"]])
        if site < 0:
            assert context.error is not None
            return context.error
        failure = self.lowered.program.failures[site]
        error = failure.error(int(words[WORD["first"]]), int(words[WORD["second"]]))
        _note(error, failure.node)
        return error


class _Arguments:
    """The arguments as what dimensions are evaluated with."""

    __slots__ = ("args", "places")

    def __init__(self, places: dict[Value, int], args: Sequence[Any]) -> None:
        self.places = places
        self.args = args

    def __getitem__(self, value: Value) -> Any:
        if value.op is not None:
            return value.params["value"]
        return self.args[self.places[value]]


def _length(n: Any, env: Any) -> int:
    return evaluate(n, env) if isinstance(n, Dim) else n


def _number(x: Any, dtype: np.dtype) -> bytes:
    raw = np.asarray(x).astype(dtype, copy=False)
    if dtype.kind in "iu" and type(x) is int and int(raw) != x:
        raise OverflowError(f"{x} does not fit an integer of 64 bits, which code computes with")
    data = raw.tobytes()
    return data + bytes(-len(data) % 8)


def _reader(type: Any, at: int) -> Callable[[bytes], Any] | None:
    if isinstance(type, StackType):
        return lambda raw: stack_values.from_memory(raw[at : at + 32], type)
    if type.shape:
        return None
    dtype = type.dtype

    def read(raw: bytes) -> Any:
        number = np.frombuffer(raw, dtype, 1, at)[0]
        if type.kind == "array":
            return np.array(number)
        return number.item() if type.kind == "python" else number

    return read


class Compiled:
    """A function of the graph as machine code: called with its arguments, it returns its results."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self._variants: dict[tuple[bool, ...], _Variant] = {}

    def __call__(self, *args: Any) -> list[Any]:
        block = self.function.block
        if len(args) != len(block.parameters):
            raise TypeError(
                f"{self.function.name!r} takes {len(block.parameters)} arguments, not {len(args)}"
            )
        given = list(args)
        dense: list[bool] = []
        for k, (p, x) in enumerate(zip(block.parameters, args, strict=True)):
            type = p.type
            if isinstance(type, StackType) or not type.shape:
                dense.append(True)
                continue
            flags = x.flags
            if not flags.aligned or x.dtype.byteorder == ">" or x.dtype != type.dtype:
                given[k] = x = np.array(x, type.dtype)
                flags = x.flags
            dense.append(flags.c_contiguous)
        return self.variant(tuple(dense))(given)

    def variant(self, dense: tuple[bool, ...]) -> _Variant:
        """Return the code for arguments of a layout, compiled when it is first needed."""
        found = self._variants.get(dense)
        if found is None:
            found = self._variants[dense] = _Variant(self.function, dense)
        return found


def compile_function(function: Function) -> Compiled:
    """Return a function of the graph as machine code.

    Parameters
    ----------
    function : Function
        Not to be changed afterwards.
    """
    found = function.prepared.get("compiled")
    if found is None:
        found = function.prepared["compiled"] = Compiled(function)
    return found


def run(function: Function, args: Sequence[Any]) -> list[Any]:
    """Run a function as machine code; see `adjoint.backends.interpret.run`."""
    return compile_function(function)(*args)
