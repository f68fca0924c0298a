"""The functions outside that machine code calls, and where they are in this process.

Code names them; the engine asks here for addresses when it loads an object, so that objects carry
none and can be kept on disk.

- BLAS and LAPACK are SciPy's own, through the pointers that `scipy.linalg.cython_blas` and
  `cython_lapack` export: `routine` gives what a module has to declare, under the usual name with
  a prefix (another BLAS in the process cannot take its place). All arguments are pointers, as in
  Fortran. The exported signatures tell each argument's type; the integers are C's ``int``, 32 bits,
  and a SciPy whose are not is refused, so `LARGEST` bounds every length that is passed.
- libm's functions have a prefix too (`vector_math` says why); libmvec's have their usual names.
- Memory: `RUNTIME` declares malloc and its like.
"""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

from adjoint.errors import CompileError

__all__ = ["BLAS", "LARGEST", "LIBM", "RUNTIME", "Routine", "resolve", "routine"]

BLAS = "blas."
"""What precedes the name of a BLAS or LAPACK routine in a module."""

LIBM = "libm."
"""What precedes the name of a function of libm in a module."""

LARGEST = 2**31 - 1
"""The largest length, stride or leading dimension that BLAS and LAPACK take."""

RUNTIME = {
    "malloc": (
        "declare noalias ptr @malloc(i64) nounwind willreturn "
        'allockind("alloc,uninitialized") allocsize(0) '
        'memory(inaccessiblemem: readwrite) "alloc-family"="malloc"'
    ),
    "calloc": (
        "declare noalias ptr @calloc(i64, i64) nounwind willreturn "
        'allockind("alloc,zeroed") allocsize(0, 1) '
        'memory(inaccessiblemem: readwrite) "alloc-family"="malloc"'
    ),
    "realloc": (
        "declare noalias ptr @realloc(ptr allocptr nocapture, i64) nounwind willreturn "
        'allockind("realloc") allocsize(1) '
        'memory(argmem: readwrite, inaccessiblemem: readwrite) "alloc-family"="malloc"'
    ),
    "free": (
        "declare void @free(ptr allocptr nocapture) nounwind willreturn "
        'allockind("free") '
        'memory(argmem: readwrite, inaccessiblemem: readwrite) "alloc-family"="malloc"'
    ),
    "memcpy": (
        "declare ptr @memcpy(ptr noalias writeonly, ptr noalias nocapture readonly, i64) "
        "nounwind willreturn memory(argmem: readwrite)"
    ),
    "memmove": (
        "declare ptr @memmove(ptr writeonly, ptr nocapture readonly, i64) "
        "nounwind willreturn memory(argmem: readwrite)"
    ),
    "memset": (
        "declare ptr @memset(ptr writeonly, i32, i64) nounwind willreturn memory(argmem: write)"
    ),
}
"""Declarations of the C library's memory functions, by name."""


@dataclass(frozen=True, slots=True)
class Routine:
    """A routine of BLAS or LAPACK.

    Attributes
    ----------
    name : str
        Its usual name.
    parameters : tuple of str
        What each argument points to: ``char``, ``i32``, ``float``, ``double``, ``complex64``,
        ``complex128``.
    result : str
        Type of the result in LLVM: ``void``, ``i32``, ``float``, ``double``, ``{ double, double }``
        or ``<2 x float>``.
    """

    name: str
    parameters: tuple[str, ...]
    result: str
    address: int

    @property
    def symbol(self) -> str:
        """Its name in a module."""
        return BLAS + self.name

    @property
    def declaration(self) -> str:
        """What declares it in a module."""
        parameters = ", ".join(map(self._parameter, self.parameters))
        return (
            f"declare {self.result} @{self.symbol}({parameters}) nounwind willreturn "
            "memory(argmem: readwrite, inaccessiblemem: readwrite)"
        )

    def _parameter(self, kind: str) -> str:
        # Only in BLAS is every integer an input.
        read = kind == "char" or (kind == "i32" and self.name in _capsules("cython_blas"))
        return "ptr nocapture readonly" if read else "ptr nocapture"


_POINTED = {
    "char": "char",
    "int": "i32",
    "s": "float",
    "d": "double",
    "__pyx_t_float_complex": "complex64",
    "__pyx_t_double_complex": "complex128",
}
# A complex number is returned in registers as the C compilers do on x86-64.
_RETURNED = {
    "void": "void",
    "int": "i32",
    "s": "float",
    "d": "double",
    "__pyx_t_float_complex": "<2 x float>",
    "__pyx_t_double_complex": "{ double, double }",
}
_SIGNATURE = re.compile(r"(\S+) \((.*)\)")
_SCALAR = re.compile(r"__pyx_t_\w+_([sd])")


@cache
def routine(name: str) -> Routine:
    """Return a routine of BLAS or LAPACK, such as ``dgemm`` or ``zpotrf``.

    Raises
    ------
    CompileError
        SciPy exports none of that name, or one whose arguments code cannot pass.
    """
    for module in ("cython_blas", "cython_lapack"):
        capsule = _capsules(module).get(name)
        if capsule is not None:
            break
    else:
        raise CompileError(f"SciPy exports no BLAS or LAPACK routine {name!r}")
    signature = _capsule_name(capsule)
    match = _SIGNATURE.fullmatch(signature.decode())
    try:
        if match is None:
            raise KeyError(signature)
        parameters = tuple(_pointed(part) for part in match[2].split(", ") if part)
        result = _RETURNED[_scalar(match[1])]
    except KeyError:
        raise CompileError(
            f"SciPy's {name!r} is {signature.decode()!r}, which machine code cannot call; "
            "integers have to be C's int"
        ) from None
    return Routine(name, parameters, result, _capsule_pointer(capsule, signature))


def _pointed(part: str) -> str:
    if not part.endswith(" *"):
        raise KeyError(part)
    return _POINTED[_scalar(part.removesuffix(" *"))]


def _scalar(name: str) -> str:
    match = _SCALAR.fullmatch(name)
    return match[1] if match else name


@cache
def _capsules(module: str) -> dict[str, Any]:
    from importlib import import_module

    if ctypes.sizeof(ctypes.c_int) != 4:
        raise CompileError("C's int is not of 32 bits on this machine")
    return import_module(f"scipy.linalg.{module}").__pyx_capi__


def _capsule_name(capsule: Any) -> bytes:
    call = ctypes.pythonapi.PyCapsule_GetName
    call.restype, call.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return call(capsule)


def _capsule_pointer(capsule: Any, name: bytes) -> int:
    call = ctypes.pythonapi.PyCapsule_GetPointer
    call.restype, call.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return call(capsule, name)


@cache
def _library(name: str | None) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _math_library() -> ctypes.CDLL | None:
    """Return libm, or what holds its functions."""
    if sys.platform == "win32":
        return _library("ucrtbase")
    return (sys.platform == "linux" and _library("libm.so.6")) or _library(None)


def _vector_library() -> ctypes.CDLL | None:
    """Return libmvec, where there is one."""
    return _library("libmvec.so.1") if sys.platform == "linux" else None


def _within(library: ctypes.CDLL | None, name: str) -> int | None:
    if library is None:
        return None
    try:
        return ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    except AttributeError:
        return None


def resolve(name: str) -> int | None:
    """Return the address of a symbol that a module declares; None if it is not known here.

    What the process itself exports (the C library) is the engine's to find.
    """
    if name.startswith(BLAS):
        return routine(name.removeprefix(BLAS)).address
    if name.startswith(LIBM):
        return _within(_math_library(), name.removeprefix(LIBM))
    if name.startswith("_ZGV"):
        return _within(_vector_library(), name)
    return None
