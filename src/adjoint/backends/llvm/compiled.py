"""Graphs as machine code that Python calls."""

from __future__ import annotations

import ctypes
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.backends.llvm import contexts, engine, stack_values
from adjoint.backends.llvm.blocking import in_blocks
from adjoint.backends.llvm.failed import Failed
from adjoint.backends.llvm.lower.entry import lower_function
from adjoint.backends.llvm.lower.python_entry import Derived
from adjoint.ir.dims import texts
from adjoint.ir.graph import Function
from adjoint.ir.types import StackType, Type, of_value

__all__ = ["Compiled", "Derived", "Variant", "argument", "call", "compile_function", "run"]

OPTIONS: engine.Options | None = None
"""How functions are compiled; None: as the engine thinks best."""

_FASTCALL = 0x80


class _MethodDef(ctypes.Structure):
    """CPython's ``PyMethodDef``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _Link:
    """The words that calls of a piece of code have in common, and what they need to be alive."""

    __slots__ = ("__array_interface__", "__weakref__", "alive", "words")

    def __init__(self, words: np.ndarray, alive: Any) -> None:
        self.words = words
        self.alive = alive
        self.__array_interface__ = words.__array_interface__


class Variant:
    """A function compiled for arguments of one layout.

    Attributes
    ----------
    name : str
        Of the function.
    types : list of Type or StackType
        Of its arguments.
    enter : builtin function
        Takes the arguments. It returns NotImplemented where they are not what the code is for, or
        where no context is idle; it raises `Failed` (`contexts.error_of` says why).
    program : Program
    text : str
        Of the module.
    lowering, compiling : float
        Seconds that they took.
    kept : bool
        Whether the code was on disk.
    """

    def __init__(
        self,
        function: Function,
        dense: tuple[bool, ...],
        derived: Sequence[Derived] = (),
        single: bool = False,
    ) -> None:
        contexts.prepare()
        left_out = {d.parameter for d in derived}
        parameters = enumerate(function.block.parameters)
        self.name = function.name
        self.types = [p.type for k, p in parameters if k not in left_out]
        began = time.perf_counter()
        attributes = engine.host().attributes
        lowered = lower_function(in_blocks(function), dense, attributes, derived, single)
        self.program = lowered.program
        self.text = lowered.text
        self.lowering = time.perf_counter() - began
        code = engine.compile_module(lowered.text, OPTIONS)
        self.compiling, self.kept = code.seconds, code.kept
        constants = self.program.constants
        table = np.array([c.ctypes.data for c in constants] or [0], np.int64)
        number = contexts.remember(self.program)
        words = np.array([number, contexts.callback(), table.ctypes.data], np.int64)
        definition = _MethodDef(function.name.encode(), code.address("enter"), _FASTCALL, None)
        link = _Link(words, (code, definition, table, constants))
        weakref.finalize(link, contexts.forget, number)
        new = ctypes.pythonapi.PyCMethod_New
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p]
        self.enter: Callable[..., Any] = new(
            ctypes.addressof(definition), np.asarray(link), None, None
        )


class Compiled:
    """A function of the graph as machine code: called with arguments, it returns its results."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self._variants: dict[tuple[bool, ...], Variant] = {}

    def __call__(self, *args: Any) -> list[Any]:
        parameters = self.function.block.parameters
        if len(args) != len(parameters):
            raise TypeError(
                f"{self.function.name!r} takes {len(parameters)} arguments, not {len(args)}"
            )
        given = [argument(x, p.type) for x, p in zip(args, parameters, strict=True)]
        dense = tuple(type(x) is not np.ndarray or x.flags.c_contiguous for x in given)
        variant = self.variant(dense)
        headers = []
        for k, p in enumerate(parameters):
            if isinstance(p.type, StackType):
                headers.append(stack_values.to_memory(given[k], p.type))
                given[k] = headers[-1].address
        results = list(call(variant, given))
        for k, r in enumerate(self.function.block.results):
            if isinstance(r.type, StackType):
                results[k] = stack_values.from_memory(results[k], r.type)
        return results

    def variant(self, dense: tuple[bool, ...]) -> Variant:
        """Return the code for arguments of a layout, compiled when it is first needed."""
        found = self._variants.get(dense)
        if found is None:
            found = self._variants[dense] = Variant(self.function, dense)
        return found


def call(variant: Variant, args: Sequence[Any]) -> Any:
    """Return what the code gives for arguments that it is for."""
    try:
        found = variant.enter(*args)
        if found is NotImplemented:
            contexts.add_context()
            found = variant.enter(*args)
    except Failed as failed:
        raise contexts.error_of(failed) from None
    if found is NotImplemented:
        wanted, given = _listed(variant.types), _listed([of_value(x) for x in args])
        raise TypeError(f"the code of {variant.name!r} is for ({wanted}), not for ({given})")
    return found


def _listed(types: Sequence[Any]) -> str:
    shapes = texts(*[t.shape if isinstance(t, Type) else () for t in types])
    pairs = zip(types, shapes, strict=True)
    return ", ".join(str(t) if shape == "()" else f"{t.dtype}{shape}" for t, shape in pairs)


def argument(x: Any, type: Type | StackType) -> Any:
    """Return an argument as the object that code takes for a parameter of this type."""
    if isinstance(type, StackType):
        return x
    dtype = type.dtype
    if type.shape or type.kind == "array":
        if x.dtype is not dtype or not x.flags.aligned:
            return np.array(x, dtype)
        return x if x.__class__ is np.ndarray else x.view(np.ndarray)
    if type.kind != "python":
        return dtype.type(x)
    if dtype.kind == "i" and not -(2**63) <= x < 2**63:
        raise OverflowError(f"{x} does not fit an integer of 64 bits, which code computes with")
    return {"b": bool, "i": int, "f": float, "c": complex}[dtype.kind](x)


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
