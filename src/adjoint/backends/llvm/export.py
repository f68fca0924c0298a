"""Graphs as object files that link with C."""

from __future__ import annotations

from dataclasses import dataclass

from adjoint.backends.llvm import engine, symbols
from adjoint.backends.llvm.lower.c_entry import Length, Plan, lower_for_c
from adjoint.backends.llvm.lower.results import SYSTEM
from adjoint.errors import CompileError
from adjoint.ir.graph import Function

__all__ = ["Length", "Object", "Plan", "object_of"]

_LIBRARY = frozenset({
    "abort", "calloc", "free", "malloc", "memcmp", "memcpy", "memmove", "memset", "snprintf",
    *SYSTEM,
})  # fmt: skip
"""What of C's library a module may need."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object file.

    Attributes
    ----------
    code : bytes
    blas, vector_math : tuple of str
        The routines of BLAS and of libmvec that have to be linked with it.
    cpu : str
        The processor that it is for.
    made : tuple of bool
        For which of the graph's results the caller has memory.
    """

    code: bytes
    blas: tuple[str, ...]
    vector_math: tuple[str, ...]
    cpu: str
    made: tuple[bool, ...]


def object_of(function: Function, plan: Plan) -> Object:
    """Return a graph's function as an object file.

    Raises
    ------
    CompileError
        Python has to run a part of it, or its code needs what C does not have.
    """
    here = engine.host()
    program, made = lower_for_c(function, plan, here.attributes)
    compiled = engine.compile_object(program.module.text(), rename=_name)
    needed = [name for name in compiled.externals if name.encode() + b"\0" in compiled.code]
    blas = tuple(sorted(n for n in needed if n.endswith("_")))
    vector = tuple(sorted(n for n in needed if n.startswith("_ZGV")))
    known = {*blas, *vector, *_LIBRARY, *_renamed(program.module.text())}
    unknown = [n for n in needed if n not in known]
    if unknown:
        raise CompileError(
            f"{function.name} cannot be exported: its code needs {', '.join(unknown)}"
        )
    return Object(compiled.code, blas, vector, here.cpu, made)


def _renamed(text: str) -> set[str]:
    """Return the names in C of libm's functions that a module declares."""
    parts = text.split(f"@{symbols.LIBM}")[1:]
    return {part.split("(", 1)[0] for part in parts}


def _name(name: str) -> str:
    """Return the name in C of what a module declares."""
    if name.startswith(symbols.BLAS):
        return name.removeprefix(symbols.BLAS) + "_"
    return name.removeprefix(symbols.LIBM)
