"""export: a function as an object file with a header, for C and whatever calls C."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.c_header import Parameter, Result, header
from adjoint.api.compile import Jitted, make_graph
from adjoint.api.tracing import name_of
from adjoint.errors import CompileError, InputError
from adjoint.staging.stage import Graph, Output

__all__ = ["Exported", "export"]

_WORDS = """
    auto bool break case char const continue default do double else enum extern float for goto if
    inline int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while class delete namespace new operator private protected public
    template this throw try using virtual errno stdin stdout stderr main"""
_RESERVED = frozenset(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Exported:
    """Files that `export` has written.

    Attributes
    ----------
    name : str
        Of the C function.
    header, object : Path
    library : Path or None
        A shared library, where there is a C compiler to link one.
    blas, vector_math : tuple of str
        The routines of BLAS and of libmvec that have to be linked with it.
    """

    name: str
    header: Path
    object: Path
    library: Path | None
    blas: tuple[str, ...]
    vector_math: tuple[str, ...]


def export(
    fun: Callable, *args: Any, path: str | os.PathLike[str], name: str | None = None, **kwargs: Any
) -> Exported:
    """Write a function as machine code that C links with: an object file and a header.

    The function is staged for arguments of these types: floating-point numbers, integers and
    lengths above 8 stay parameters, other things are constants. C calls
    ``int NAME(lengths, arguments, results)``: lengths (``int64_t``) come first, then arguments
    (numbers by value, C-contiguous arrays and complex numbers as pointers), then a pointer for each
    result. The header says what each of them is. The code returns 0, or 1 where Python would
    raise an error, or 2 if it is not for these lengths; ``NAME_error()`` is the message. Threads
    may call it at the same time: each has working memory of its own, which is kept between calls
    and freed by ``NAME_free()``.

    Nothing of Python is in it. BLAS is to be linked under the usual names (``dgemm_``), libmvec's
    vector functions by ``-lmvec``, where the header says so. The code is for the processor of this
    machine.

    Parameters
    ----------
    fun : callable
        A function, or what `jit` returned.
    *args, **kwargs :
        Arguments of the types that it is to be called with.
    path : str or path
        Of the files without a suffix: ``build/energy`` gives ``build/energy.o``,
        ``build/energy.h`` and, where there is a C compiler (``cc``, or what the environment's
        ``CC`` says), ``build/libenergy.so``.
    name : str, optional
        Of the C function; by default the last part of ``path``.

    Returns
    -------
    Exported
        The files, and what has to be linked with them.

    Raises
    ------
    CompileError
        If a part of the function needs Python: operations without machine code, variables and
        attributes that are read at each call, effects. The message names them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np, adjoint as ad
    >>> def energy(x, k):
    ...     return k * np.sum((x[1:] - x[:-1]) ** 2)
    >>> folder = tempfile.mkdtemp()
    >>> files = ad.export(ad.grad(energy), np.ones(100), 2.0, path=folder + "/slope")
    >>> [line for line in files.header.read_text().splitlines() if line.startswith("int ")]
    ['int slope(int64_t n0, const double *x, double k, double *result);']
    """
    base = Path(path)
    if not base.name:
        raise InputError("path names no file: it is that of the object file, without a suffix")
    name = name or re.sub(r"\W", "_", base.name)
    if not name.isidentifier() or name in _RESERVED or keyword.iskeyword(name):
        raise InputError(f"{name!r} cannot be the name of a function in C; give another `name`")
    jitted = fun if isinstance(fun, Jitted) else Jitted(fun)
    leaves, spec, rebuild = jitted._leaves(args, kwargs)
    graph, _ = make_graph(jitted.fun, leaves, rebuild)
    _check_outside(graph)
    names = _unique(jitted._names(leaves, spec, rebuild))
    parameters = _parameters(graph, names)
    results = _results(graph, parameters)
    compiled = _compile(graph, name, parameters, results)
    results = [replace(r, made=r.number is None or compiled.made[r.number]) for r in results]
    base.parent.mkdir(parents=True, exist_ok=True)
    files = [base.with_name(base.name + suffix) for suffix in (".o", ".h")]
    files[0].write_bytes(compiled.code)
    origin = name_of(jitted.fun)
    files[1].write_text(
        header(name, origin, parameters, results, compiled.blas, compiled.vector_math, compiled.cpu)
    )
    library = _link(files[0], bool(compiled.vector_math))
    return Exported(name, files[1], files[0], library, compiled.blas, compiled.vector_math)


def _check_outside(graph: Graph) -> None:
    """Refuse what only Python can read or write."""
    found = [f"reads {c.what} at each call" for c in graph.captures]
    found += [f"assigns to {location.describe()}" for location, _, _ in graph.writes]
    if found:
        raise CompileError(
            f"{graph.function.name} cannot be exported: it {'; it '.join(found)}. Make it an "
            "argument, or a result"
        )


# -- names -----------------------------------------------------------------------------------------


def _identifier(path: str) -> str:
    """Return a name in C for a path such as ``p['w'][0]``."""
    name = re.sub(r"\W+", "_", path, flags=re.ASCII).strip("_") or "x"
    if name[0].isdigit():
        name = f"x{name}"
    return f"{name}_" if name in _RESERVED else name


def _unique(paths: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    used = set(taken)
    found = []
    for path in paths:
        name = given = _identifier(path)
        k = 2
        while name in used:
            name, k = f"{given}_{k}", k + 1
        used.add(name)
        found.append(name)
    return found


# -- parameters and results ------------------------------------------------------------------------


def _parameters(graph: Graph, names: Sequence[str]) -> list[Parameter]:
    values = graph.function.block.parameters
    mine = [names[k] for k in graph.arguments]
    lengths: list[str] = []
    for k in range(len(graph.lengths)):
        name = f"n{k}"
        while name in mine:
            name += "_"
        lengths.append(name)
    stored = {k for k, _ in graph.stores}
    called = dict(zip(values, [*lengths, *mine], strict=True))
    found = []
    for name, value in zip(lengths, values, strict=False):
        least = value.bounds[0] or 0
        others = "" if len(lengths) == 1 else " that no other one is equal to"
        found.append(Parameter(name, value.type, called, note=f"a length from {least} on{others}"))
    for k, (name, value) in enumerate(zip(mine, values[len(lengths) :], strict=True)):
        if value.type.kind == "array" and not value.type.shape and k in stored:
            raise CompileError(f"{name} is an array without axes that is changed in place")
        found.append(Parameter(name, value.type, called, k in stored))
    return found


def _results(graph: Graph, parameters: Sequence[Parameter]) -> list[Result]:
    marks = [object() for _ in graph.outputs]
    paths = [p for p, _ in tree.leaves_with_names(tree.unflatten(graph.out_spec, marks))]
    given = [p.name for p in parameters]
    names = _unique([f"result{path}" for path in paths], given)
    block = graph.function.block
    called = dict(zip(block.parameters, given, strict=True))
    found = []
    for name, path, output in zip(names, paths, graph.outputs, strict=True):
        if isinstance(output, Output):
            found.append(Result(name, block.results[output.number].type, called, output.number))
            continue
        value = output if isinstance(output, np.generic) else _number(output)
        if value is None or value.dtype.kind not in "biufc":
            raise CompileError(
                f"{graph.function.name} cannot be exported: its result{path} is "
                f"{type(output).__name__}, which C does not have"
            )
        found.append(Result(name, value, called, None))
    return found


def _number(x: Any) -> np.generic | None:
    """Return a number of Python as one of NumPy."""
    if type(x) in (bool, float, complex) or (type(x) is int and -(2**63) <= x < 2**63):
        return np.dtype(type(x)).type(x)
    return None


def _compile(
    graph: Graph, name: str, parameters: Sequence[Parameter], results: Sequence[Result]
) -> Any:
    from adjoint.backends.llvm.export import Length, Plan, object_of

    shift = len(graph.lengths)
    values = graph.function.block.parameters
    constants = {n for v in values[shift:] for n in v.type.shape if isinstance(n, int)}
    lengths = [
        Length(p.name, v.bounds[0] or 0, tuple(sorted(constants)))
        for p, v in zip(parameters[:shift], values, strict=False)
    ]
    stores = {shift + k: number for k, number in graph.stores}
    outputs = [r.type if r.number is None else r.number for r in results]
    return object_of(graph.function, Plan(name, lengths, graph.signs, stores, outputs))


# -- linking ---------------------------------------------------------------------------------------


def _link(code: Path, vectors: bool) -> Path | None:
    """Make a shared library of an object file; None where there is no C compiler."""
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None or sys.platform == "win32":
        return None
    mac = sys.platform == "darwin"
    library = code.with_name(f"lib{code.stem}{'.dylib' if mac else '.so'}")
    how = ["-dynamiclib", "-undefined", "dynamic_lookup"] if mac else ["-shared"]
    libraries = ["-lmvec"] if vectors else []
    command = [compiler, *how, "-o", str(library), str(code), *libraries, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompileError(f"{' '.join(command)} has failed:\n{done.stderr.strip()}")
    return library
