"""What a call of machine code has beside its arguments: contexts, callbacks, errors.

A context (`lower.runtime`) serves one call at a time. Those that no call uses are in a list of the
runtime's own, so that a call in steady state finds one without Python; only where none is idle does
Python make another, which happens once for each call that is under way at the same time.
"""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.backends.blame import note
from adjoint.backends.llvm import engine
from adjoint.backends.llvm.failed import Failed
from adjoint.backends.llvm.frames import run_call
from adjoint.backends.llvm.lower import python_entry, results, runtime
from adjoint.backends.llvm.lower.runtime import CONTEXT_WORDS, WORD
from adjoint.backends.llvm.lower.signals import GRANT
from adjoint.backends.llvm.threads import Pool

if TYPE_CHECKING:
    from adjoint.backends.llvm.lower.program import Program

__all__ = ["add_context", "callback", "error_of", "forget", "prepare", "remember"]

LIMIT = 1 << 30
"""Bytes of memory that a context keeps between calls."""


class Context:
    """A context."""

    __slots__ = ("address", "words")

    def __init__(self) -> None:
        self.words = np.zeros(CONTEXT_WORDS, np.int64)
        self.words[WORD["limit"]] = LIMIT
        self.words[WORD["grant"]] = GRANT
        self.address = self.words.ctypes.data


_contexts: dict[int, Context] = {}
_programs: dict[int, Program] = {}
_pools: list[Pool] = []


class _Handler(ctypes.Structure):
    """NumPy's ``PyDataMem_Handler``."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        *[(name, ctypes.c_void_p) for name in results.HANDLER],
    )


_handler = _Handler(name=b"adjoint", version=1)
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_NAME = b"mem_handler"  # to which the capsule refers
_capsule = _new_capsule(ctypes.addressof(_handler), _NAME, None)


@cache
def prepare() -> engine.Code:
    """Compile what all functions call, and tell the engine where it is."""
    library = ctypes.CDLL(None)
    engine.add_symbols(
        {
            name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
            for name in ("abort", "clock_gettime", *results.SYSTEM)
        }
    )
    engine.add_symbols(python_entry.symbols(Failed))
    engine.add_symbols({"result.handler": id(_capsule)})
    code = engine.compile_module(runtime.text(engine.host().attributes))
    engine.add_symbols({name: code.address(name) for name in runtime.EXPORTS})
    for name in results.HANDLER:
        setattr(_handler, name, code.address(f"result.{name}"))
    _set_main(code, threading.main_thread().ident or 0)
    _pools.append(Pool(code, _worker_context))
    return code


@cache
def _give() -> Any:
    address = prepare().address("context.give")
    return ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(address)


def add_context() -> None:
    """Make another context that calls can use."""
    context = Context()
    _contexts[context.address] = context
    _give()(context.address)


def remember(program: Program) -> int:
    """Return the number by which callbacks and errors find a piece of code again."""
    number = id(program)
    _programs[number] = program
    return number


def forget(number: int) -> None:
    """Let go of a piece of code that is not called any more."""
    _programs.pop(number, None)


def error_of(failed: Failed) -> BaseException:
    """Return what a call failed with, and give its context back."""
    context = _contexts[failed.args[0]]
    words = context.words
    program = _programs[int(words[WORD["code"]])]
    failure = program.failures[int(words[WORD["site"]])]
    error = failure.error(int(words[WORD["first"]]), int(words[WORD["second"]]))
    note(error, failure.node)
    _give()(context.address)
    return error


def _called_back(address: int, number: int, frame: int) -> None:
    call = _programs[int(_contexts[address].words[WORD["code"]])].calls[number]
    try:
        run_call(call, frame)
    except Exception as error:
        note(error, call.node)
        raise


def callback() -> int:
    """Return the address of the object that code calls to have Python run an operation."""
    return id(_called_back)


def _worker_context() -> int:
    context = Context()
    _contexts[context.address] = context
    return context.address


def _set_main(code: engine.Code, thread: int) -> None:
    """Tell code in which thread signals are handled."""
    ctypes.CFUNCTYPE(None, ctypes.c_uint64)(code.address("run.set_main"))(thread)


def _forked() -> None:
    if prepare.cache_info().currsize:
        _set_main(prepare(), threading.get_ident())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
