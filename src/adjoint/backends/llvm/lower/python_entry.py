"""The function that Python calls: arguments taken from Python's objects, results made as such.

It has the signature of a built-in function that takes positional arguments (CPython's
``METH_FASTCALL``, https://docs.python.org/3/c-api/structures.html) and does in machine code what
costs microseconds in Python: look at types, lengths and layouts, find the numbers, make the arrays
for the results. It returns ``NotImplemented`` where the arguments are not what the code is for (or
no context is idle), and raises `Failed` with the address of the context where the graph has failed.

Only what CPython and NumPy promise to extension modules is used: the C API's functions, the fields
of ``ndarray`` (NumPy's ``PyArrayObject``), and that a scalar's number follows its object's head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.runtime import WORD, needs
from adjoint.backends.llvm.lower.signals import RAISED
from adjoint.backends.llvm.lower.straight import Straight
from adjoint.backends.llvm.lower.types import in_memory, in_registers, part_size
from adjoint.backends.llvm.writer import Module
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import StackType, Type

__all__ = ["DATA", "Derived", "enter", "holding", "new_array", "symbols"]

OBJECT = object.__basicsize__
"""Where the fields of an object begin that follow its head."""

TYPE = OBJECT - 8
DATA, AXES, LENGTHS, STRIDES, DESCR, FLAGS = (OBJECT + 8 * k for k in (0, 1, 2, 3, 5, 6))
"""The fields of an ndarray."""

DENSE, ALIGNED = 0x1, 0x100
"""NumPy's flags."""

_PYTHON = {
    "PyLong_AsLongLongAndOverflow": "i64 (ptr, ptr)",
    "PyLong_FromLongLong": "ptr (i64)",
    "PyFloat_FromDouble": "ptr (double)",
    "PyComplex_FromDoubles": "ptr (double, double)",
    "PyBool_FromLong": "ptr (i64)",
    "PyBytes_FromStringAndSize": "ptr (ptr, i64)",
    "PyTuple_New": "ptr (i64)",
    "PyTuple_SetItem": "i32 (ptr, i64, ptr)",
    "PyErr_SetObject": "void (ptr, ptr)",
    "PyErr_CheckSignals": "i32 ()",
    "PyThread_get_thread_ident": "i64 ()",
    "PyThread_acquire_lock": "i32 (ptr, i32)",
    "PyThread_release_lock": "void (ptr)",
    "PyObject_CallFunction": "ptr (ptr, ptr, ...)",
    "PyEval_SaveThread": "ptr ()",
    "PyEval_RestoreThread": "void (ptr)",
    "Py_IncRef": "void (ptr)",
    "Py_DecRef": "void (ptr)",
}
"""Functions of CPython's API."""

_NUMPY = {
    "PyArray_Scalar": (60, "ptr (ptr, ptr, ptr)"),
    "PyArray_NewFromDescr": (94, "ptr (ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)"),
    "PyDataMem_SetHandler": (304, "ptr (ptr)"),
}
"""Functions of NumPy's API: where they are in its table."""

LONG = 3000
"""Lines above which the entry, which runs once a call, is not worth LLVM's passes."""


@dataclass(frozen=True, slots=True)
class Derived:
    """An integer parameter that is the length of an argument, and not given.

    Attributes
    ----------
    parameter : int
        Of the function.
    array, axis : int
        The parameter whose length it is.
    least : int
        The code is for no shorter ones.
    others : tuple of int
        The code is not for these.
    """

    parameter: int
    array: int
    axis: int
    least: int
    others: tuple[int, ...] = ()


# -- what the code refers to -----------------------------------------------------------------------


def symbols(failed: type) -> dict[str, int]:
    """Return the addresses of what entries refer to, by name."""
    import ctypes

    found = {
        name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0
        for name in _PYTHON
    }
    from numpy._core import _multiarray_umath as core  # pyright: ignore[reportAttributeAccessIssue]

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = pointer(core._ARRAY_API, None)
    for name, (k, _) in _NUMPY.items():
        found[name] = ctypes.c_void_p.from_address(table + 8 * k).value or 0
    found["python.missed"] = id(NotImplemented)
    found["python.true"] = id(True)
    found["python.failed"] = id(failed)
    for kind in (bool, int, float, complex, np.ndarray):
        found[f"python.{kind.__name__}"] = id(kind)
    for code in "?bBhHiIlLqQefdgFDG":
        dtype = np.dtype(code)
        found[_descr(dtype)] = id(dtype)
        found[_scalar(dtype)] = id(dtype.type)
    return found


def _descr(dtype: np.dtype) -> str:
    return f"numpy.dtype.{dtype.char}"


def _scalar(dtype: np.dtype) -> str:
    return f"numpy.scalar.{dtype.char}"


def _call(module: Module, name: str, *args: str) -> str:
    type = _PYTHON[name] if name in _PYTHON else _NUMPY[name][1]
    result, given = type.split(" ", 1)
    module.declare(f"@{name}", f"declare {result} @{name}{given}")
    return f"call {result} @{name}({', '.join(args)})"


def _object(module: Module, name: str) -> str:
    module.declare(f'@"{name}"', f'@"{name}" = external global i8')
    return f'@"{name}"'


def new_array(module: Module, dtype: np.dtype, ndim: int, lengths: str) -> str:
    """Return the text of a call that makes an array; null if there is no memory.

    The GIL has to be held.
    """
    needs(module, "result.new")
    descr = _object(module, _descr(dtype))
    kind = _object(module, "python.ndarray")
    given = f"i32 {ndim}, ptr {lengths}, i64 {dtype.itemsize}"
    return f"call ptr @result.new(ptr {kind}, ptr {descr}, {given})"


def holding(module: Module, state: str) -> tuple[str, str]:
    """Return the text of two calls: what takes the GIL again in a call, and what releases it."""
    return (
        _call(module, "PyEval_RestoreThread", f"ptr {state}"),
        _call(module, "PyEval_SaveThread"),
    )


# -- the entry -------------------------------------------------------------------------------------


class _Entry(Straight):
    """The entry while it is written."""

    def require(self, truth: str) -> None:
        """Go on where a truth holds; else return NotImplemented."""
        further = self.label()
        self.do(f"br i1 {truth}, label %{further}, label %missed, !prof !0")
        self.do(f"{further}:")

    def call(self, name: str, *args: str) -> str:
        return self.let(_call(self.module, name, *args))

    def run(self, name: str, *args: str) -> None:
        self.do(_call(self.module, name, *args))

    def object(self, name: str) -> str:
        return _object(self.module, name)

    # -- arguments ---------------------------------------------------------------------------------

    def is_a(self, x: str, name: str) -> None:
        self.require(self.compare("eq", "ptr", self.field(x, TYPE), self.object(name)))

    def array(self, x: str, dtype: np.dtype, ndim: int, dense: bool | None) -> None:
        """Check what an array is, but for its lengths."""
        self.is_a(x, "python.ndarray")
        descr = self.field(x, DESCR)
        self.require(self.compare("eq", "ptr", descr, self.object(_descr(dtype))))
        self.require(self.compare("eq", "i32", self.field(x, AXES, "i32"), ndim))
        mask = ALIGNED if dense is None else ALIGNED | DENSE
        flags = self.let(f"and i32 {self.field(x, FLAGS, 'i32')}, {mask}")
        want = ALIGNED | DENSE if dense else ALIGNED
        self.require(self.compare("eq", "i32", flags, want))

    def number(self, x: str, type: Type) -> list[str]:
        """Return the registers of an argument without axes."""
        dtype = type.dtype
        if type.kind == "array":
            self.array(x, dtype, 0, None)
            return self.loaded(self.field(x, DATA), dtype)
        if type.kind != "python":
            self.is_a(x, _scalar(dtype))
            return self.loaded(self.place(x, OBJECT), dtype)
        if dtype.kind == "b":
            self.is_a(x, "python.bool")
            return [self.compare("eq", "ptr", x, self.object("python.true"))]
        if dtype.kind == "i":
            self.is_a(x, "python.int")
            n = self.call("PyLong_AsLongLongAndOverflow", f"ptr {x}", "ptr %overflow")
            over = self.let("load i32, ptr %overflow")
            self.require(self.compare("eq", "i32", over, 0))
            return [n]
        self.is_a(x, "python.float" if dtype.kind == "f" else "python.complex")
        return self.loaded(self.place(x, OBJECT), dtype)

    def loaded(self, place: str, dtype: np.dtype) -> list[str]:
        memory = in_memory(dtype)
        size = part_size(dtype)
        align = min(size, 8)
        x = self.let(f"load {memory}, ptr {place}, align {align}")
        if memory != in_registers(dtype):
            x = self.compare("ne", "i8", x, 0)
        if dtype.kind != "c":
            return [x]
        return [x, self.let(f"load {memory}, ptr {self.place(place, size)}, align {align}")]

    # -- results -----------------------------------------------------------------------------------

    def result(self, place: str, type: Any) -> str:
        """Return the object of a result that is in the table of results."""
        if isinstance(type, StackType):
            return self.call("PyBytes_FromStringAndSize", f"ptr {place}", "i64 32")
        if type.shape:
            return self.let(f"load ptr, ptr {place}")
        dtype = type.dtype
        if type.kind == "array":
            return self.zero_dimensional(place, dtype)
        if type.kind != "python":
            descr = self.object(_descr(dtype))
            return self.call("PyArray_Scalar", f"ptr {place}", f"ptr {descr}", "ptr null")
        x = self.let(f"load {in_memory(dtype)}, ptr {place}")
        if dtype.kind == "b":
            wide = self.let(f"zext i8 {x} to i64")
            return self.call("PyBool_FromLong", f"i64 {wide}")
        if dtype.kind == "i":
            return self.call("PyLong_FromLongLong", f"i64 {x}")
        if dtype.kind == "f":
            return self.call("PyFloat_FromDouble", f"double {x}")
        im = self.field(place, 8, "double")
        return self.call("PyComplex_FromDoubles", f"double {x}", f"double {im}")

    def new(self, dtype: np.dtype, ndim: int, lengths: str) -> str:
        return self.let(new_array(self.module, dtype, ndim, lengths))

    def zero_dimensional(self, place: str, dtype: np.dtype) -> str:
        made = self.new(dtype, 0, "null")
        fill, after = self.label(), self.label()
        self.do(f"br i1 {self.compare('eq', 'ptr', made, 'null')}, label %{after}, label %{fill}")
        self.do(f"{fill}:")
        data, size = self.field(made, DATA), f"i64 {dtype.itemsize}, i1 0"
        self.do(f"call void @llvm.memcpy.inline.p0.p0.i64(ptr {data}, ptr {place}, {size})")
        self.module.declare(
            "@llvm.memcpy.inline.p0.p0.i64",
            "declare void @llvm.memcpy.inline.p0.p0.i64(ptr, ptr, i64 immarg, i1 immarg)",
        )
        self.do(f"br label %{after}")
        self.do(f"{after}:")
        return made


def enter(
    module: Module,
    function: Function,
    dense: tuple[bool, ...],
    derived: Sequence[Derived],
    made: list[bool],
    offsets: list[int],
    words: int,
    single: bool,
    stack: int,
) -> str:
    """Return the text of ``enter``.

    Parameters
    ----------
    module : Module
    function : Function
    dense : tuple of bool
        Which array parameters are C-contiguous; an argument has to be as its parameter.
    derived : sequence of Derived
        Parameters that are lengths of others and not given.
    made : list of bool
        Which results are arrays that exist before the graph runs; it is given their data.
    offsets : list of int
        Where the results are in the table that the graph fills, in words; of an array, the object.
    words : int
        How many words the table takes.
    single : bool
        Whether the only result is returned itself; else a tuple of all of them.
    stack : int
        Bytes of the thread's stack that calls may take.
    """
    e = _Entry(module)
    parameters = function.block.parameters
    left_out = {d.parameter for d in derived}
    given = [p for k, p in enumerate(parameters) if k not in left_out]
    e.require(e.compare("eq", "i64", "%n", len(given)))
    objects = {p: e.field("%args", 8 * at) for at, p in enumerate(given)}
    registers: dict[Value, list[str]] = {}
    tables: dict[Value, str] = {}
    is_dense = dict(zip(parameters, dense, strict=True))
    for p, x in objects.items():
        type = p.type
        if isinstance(type, StackType):
            n = e.call("PyLong_AsLongLongAndOverflow", f"ptr {x}", "ptr %overflow")
            registers[p] = [e.let(f"inttoptr i64 {n} to ptr")]
        elif type.shape:
            e.array(x, type.dtype, len(type.shape), is_dense[p])
            tables[p] = e.field(x, LENGTHS)
        else:
            registers[p] = e.number(x, type)
    for d in derived:
        n = e.field(tables[parameters[d.array]], 8 * d.axis, "i64")
        registers[parameters[d.parameter]] = [n]
    numbers = {p: xs[0] for p, xs in registers.items()}
    _check_lengths(e, tables, numbers, [(numbers[parameters[d.parameter]], d) for d in derived])
    arguments = ["ptr %ctx"]
    for p in parameters:
        type = p.type
        if isinstance(type, StackType):
            arguments.append(f"ptr {registers[p][0]}")
        elif not type.shape:
            arguments += [f"{in_registers(type.dtype)} {x}" for x in registers[p]]
        else:
            arguments.append(f"ptr {e.field(objects[p], DATA)}")
            unknown = [j for j, n in enumerate(type.shape) if n is None]
            arguments += [f"i64 {e.field(tables[p], 8 * j, 'i64')}" for j in unknown]
            if not is_dense[p]:
                steps = e.field(objects[p], STRIDES)
                every = range(len(type.shape))
                arguments += [f"i64 {e.field(steps, 8 * j, 'i64')}" for j in every]
    needs(module, "memory.reset", "context.take", "context.give")
    link = e.field("%self", DATA)
    e.do(f"%ctx = call ptr @context.take(ptr {link}, i64 {stack})")
    e.require(e.compare("ne", "ptr", "%ctx", "null"))
    e.do("call void @memory.reset(ptr %ctx)")
    types = [r.type for r in function.block.results]
    arrays = [k for k, t in enumerate(types) if not isinstance(t, StackType) and t.shape]
    places = [e.place("%out", 8 * at) for at in offsets]
    for k in arrays:
        e.do(f"store ptr null, ptr {places[k]}")
    for k in arrays:
        if made[k]:
            lengths = [e.dim(n, numbers) for n in types[k].shape]
            for j, n in enumerate(lengths):
                e.do(f"store i64 {n}, ptr {e.place('%lengths', 8 * j)}")
            array = e.new(types[k].dtype, len(lengths), "%lengths")
            e.do(f"store ptr {array}, ptr {places[k]}")
            some = e.label()
            there = e.compare("ne", "ptr", array, "null")
            e.do(f"br i1 {there}, label %{some}, label %poor, !prof !0")
            e.do(f"{some}:")
            arguments.append(f"ptr {e.field(array, DATA)}")
    arguments.append("ptr %out")
    state = e.call("PyEval_SaveThread")
    e.do(f"store ptr {state}, ptr {e.place('%ctx', 8 * WORD['state'])}")
    status = e.let(f"call i32 @graph({', '.join(arguments)})")
    e.run("PyEval_RestoreThread", f"ptr {state}")
    fine, bad = e.label(), e.label()
    e.do(f"br i1 {e.compare('eq', 'i32', status, 0)}, label %{fine}, label %{bad}, !prof !0")
    e.do(f"{bad}:")
    raised, failed = e.label(), e.label()
    set_already = e.compare("eq", "i64", e.let("load i64, ptr %ctx"), RAISED)
    e.do(f"br i1 {set_already}, label %{raised}, label %{failed}")
    e.do(f"{raised}:")
    e.do("call void @context.give(ptr %ctx)")
    e.do("br label %drop")
    e.do(f"{failed}:")
    address = e.let("ptrtoint ptr %ctx to i64")
    number = e.call("PyLong_FromLongLong", f"i64 {address}")
    e.run("PyErr_SetObject", f"ptr {e.object('python.failed')}", f"ptr {number}")
    e.run("Py_DecRef", f"ptr {number}")
    e.do("br label %drop")
    e.do("poor:")  # MemoryError is set
    e.do("call void @context.give(ptr %ctx)")
    e.do("br label %drop")
    e.do("drop:")
    for k in arrays:
        e.run("Py_DecRef", f"ptr {e.let(f'load ptr, ptr {places[k]}')}")
    e.do("ret ptr null")
    e.do(f"{fine}:")
    if not any(isinstance(t, StackType) for t in types):
        e.do("call void @memory.reset(ptr %ctx)")
    e.do("call void @context.give(ptr %ctx)")
    found = [e.result(place, type) for place, type in zip(places, types, strict=True)]
    if single:
        e.do(f"ret ptr {found[0]}")
    else:
        _tuple(e, found)
    e.do("missed:")
    none = e.object("python.missed")
    e.run("Py_IncRef", f"ptr {none}")
    e.do(f"ret ptr {none}")
    text = "\n".join(e.lines)
    axes = max([len(types[k].shape) for k in arrays], default=1)
    plain = " noinline optnone" if len(e.lines) > LONG else ""
    return f"""define ptr @enter(ptr %self, ptr %args, i64 %n){plain} #0 {{
start:
%overflow = alloca i32
%lengths = alloca [{axes} x i64]
%out = alloca [{max(words, 1)} x i64], align 16
{text}
}}"""


def _tuple(e: _Entry, found: list[str]) -> None:
    """Return a tuple; null if it or one of its items could not be made, which has set an error."""
    table = e.call("PyTuple_New", f"i64 {len(found)}")
    whole = e.compare("ne", "ptr", table, "null")
    fill, fail = e.label(), e.label()
    e.do(f"br i1 {whole}, label %{fill}, label %{fail}, !prof !0")
    e.do(f"{fill}:")
    for k, x in enumerate(found):
        e.let(_call(e.module, "PyTuple_SetItem", f"ptr {table}", f"i64 {k}", f"ptr {x}"))
        whole = e.let(f"and i1 {whole}, {e.compare('ne', 'ptr', x, 'null')}")
    good, gap = e.label(), e.label()
    e.do(f"br i1 {whole}, label %{good}, label %{gap}, !prof !0")
    e.do(f"{good}:")
    e.do(f"ret ptr {table}")
    e.do(f"{gap}:")
    e.run("Py_DecRef", f"ptr {table}")
    e.do("ret ptr null")
    e.do(f"{fail}:")
    e.do("ret ptr null")


def _check_lengths(
    e: _Entry,
    tables: dict[Value, str],
    numbers: dict[Value, str],
    derived: list[tuple[str, Derived]],
) -> None:
    """Check that arrays are as long as their types say."""
    for p, table in tables.items():
        for j, n in enumerate(p.type.shape):
            if n is None:
                continue
            have = e.field(table, 8 * j, "i64")
            e.require(e.compare("eq", "i64", have, e.dim(n, numbers)))
    # The code was made for lengths of which no two are equal.
    for k, (n, d) in enumerate(derived):
        e.require(e.compare("sge", "i64", n, d.least))
        for other in (*[x for x, _ in derived[:k]], *d.others):
            e.require(e.compare("ne", "i64", n, other))
