"""From the text of a module to machine code in memory, by llvmlite.

text → parse → verify → passes → object file's bytes → linked by ORC. What is linked is always the
object, whether just emitted or kept on disk (`cache`), so both run the same code. The target
is position-independent code of the small model, which an export can write to a file as it is.

What was measured (LLVM 22, one core, a module of twenty loops of ten operations, 160 ms in all):
parsing 1 ms, verifying 0.2, setting up target and passes 0.5, passes 75, code generation 82,
linking 0.2. Levels 1 to 3, of passes or of code generation, cost the same within a few percent;
code generation at level 0 takes a quarter of the time and gives slow code. What counts is how many
loops are vectorised and how often each is written out: without interleaving it takes 80 ms
(`Options.interleave`, or ``!{!"llvm.loop.interleave.count", i32 1}`` on a loop). Straight code
costs 30 µs an operation. ORC with JITLink links in 0.2 ms where MCJIT takes 0.9, and raises where
MCJIT aborts the process: at an unknown symbol. Each module has an LLVM context of its own, since
what the global one interns is never freed; the target machine is used again, which the pass builder
and the pass manager cannot be.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from adjoint._version import __version__
from adjoint.backends.llvm import cache as disk
from adjoint.backends.llvm import symbols
from adjoint.errors import CompileError, MissingDependencyError

__all__ = [
    "Code",
    "Host",
    "ObjectCode",
    "Options",
    "add_symbols",
    "assembly",
    "binding",
    "compile_module",
    "compile_object",
    "host",
    "load",
    "optimise",
]

OLDEST = (0, 45)
"""The first llvmlite whose pass managers and linker are the ones used here."""

PIPELINE = 2
"""To be raised when texts are compiled in another way, which objects on disk do not know."""

_lock = threading.RLock()
"""Held whenever LLVM runs, and taken by ``fork``: a child never inherits LLVM half way through."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


@dataclass(frozen=True, slots=True)
class Options:
    """How a module is compiled.

    Attributes
    ----------
    passes : int
        Level of the passes, 0 to 3.
    codegen : int
        Level of code generation, 0 to 3.
    interleave : bool
        Whether a vector loop may work on several vectors at a time, which a reduction gains from,
        at twice the time to compile. Metadata on a loop says so for that loop.
    """

    passes: int = 3
    codegen: int = 3
    interleave: bool = True


@dataclass(frozen=True, slots=True)
class Host:
    """What code is generated for: this machine."""

    triple: str
    cpu: str
    features: str
    data_layout: str
    vector_width: int
    """Bits of the vectors that compiled code should use."""

    def has(self, feature: str) -> bool:
        """Whether the processor has a feature, by LLVM's name for it."""
        return f"+{feature}" in self.features.split(",")

    @property
    def attributes(self) -> str:
        """Attributes that every function defined in a module should have."""
        return f'nounwind "prefer-vector-width"="{self.vector_width}"'


@dataclass(frozen=True, slots=True)
class ObjectCode:
    """A compiled module that is not loaded.

    Attributes
    ----------
    exports : tuple of str
        The functions it defines for others.
    externals : tuple of str
        The functions it declares and may need.
    code : bytes
        The object file.
    """

    exports: tuple[str, ...]
    externals: tuple[str, ...]
    code: bytes

    def to_bytes(self) -> bytes:
        """Return it as bytes."""
        head = json.dumps([self.exports, self.externals]).encode()
        return len(head).to_bytes(8, "little") + head + self.code

    @classmethod
    def from_bytes(cls, data: bytes) -> ObjectCode:
        """Return what `to_bytes` was given."""
        start = 8 + int.from_bytes(data[:8], "little")
        exports, externals = json.loads(data[8:start])
        return cls(tuple(exports), tuple(externals), data[start:])


@cache
def binding() -> ModuleType:
    """Return `llvmlite.binding`, imported and set up when first asked for."""
    try:
        import llvmlite
        import llvmlite.binding as llvm
    except ImportError as error:
        raise MissingDependencyError(
            f"machine code needs llvmlite, which cannot be imported ({error}): "
            'run pip install "adjoint[jit]", or ask for backend="interpret"'
        ) from error
    if tuple(int(part) for part in llvmlite.__version__.split(".")[:2]) < OLDEST:
        raise MissingDependencyError(
            f"machine code needs llvmlite {'.'.join(map(str, OLDEST))} or newer, and "
            f'{llvmlite.__version__} is installed: run pip install --upgrade "adjoint[jit]"'
        )
    with _lock:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    return llvm


_NO_GATHER = ",+prefer-no-gather,+prefer-no-scatter"
"""LLVM 22 moves a gather from memory that has not escaped (an alloca, what malloc returned) across
stores to it: its alias analysis looks at a call's pointers, and not into vectors of pointers."""


@cache
def host() -> Host:
    """Return what code is generated for."""
    llvm = binding()
    with _lock:
        triple = llvm.get_process_triple()
        cpu = llvm.get_host_cpu_name()
        features = llvm.get_host_cpu_features()
        flat = features.flatten()
        if triple.startswith("x86_64"):
            flat += _NO_GATHER
        target = _make_target(triple, cpu, flat, 0)
        layout = str(target.target_data)
    wide = features.get("avx512vl") and features.get("avx512dq") and features.get("avx512bw")
    return Host(triple, cpu, flat, layout, 512 if wide else 256)


def _make_target(triple: str, cpu: str, features: str, codegen: int) -> Any:
    return (
        binding()
        .Target.from_triple(triple)
        .create_target_machine(
            cpu=cpu, features=features, opt=codegen, reloc="pic", codemodel="small", jit=True
        )
    )


@cache
def _target(codegen: int) -> Any:
    here = host()
    return _make_target(here.triple, here.cpu, here.features, codegen)


# ------------------------------------------------------------------------------------- compiling


def compile_module(text: str, options: Options | None = None, *, keep: bool = True) -> Code:
    """Compile a module, or find it on disk, and load it.

    Parameters
    ----------
    text : str
        LLVM IR. The functions it defines should have `Host.attributes`.
    options : Options, optional
        How to compile it.
    keep : bool
        Whether it may be looked for and kept on disk, as the environment says (`cache`).

    Raises
    ------
    CompileError
        The text is no module, or it needs a function that is nowhere.
    """
    options = options or Options()
    began = time.perf_counter()
    store = disk.current() if keep else None
    key = _key(text, options) if store is not None else ""
    found = store.get(key) if store is not None else None
    if found is not None:
        compiled = ObjectCode.from_bytes(found)
    else:
        compiled = compile_object(text, options)
        if store is not None:
            store.put(key, compiled.to_bytes())
    code = load(compiled)
    code.kept, code.seconds = found is not None, time.perf_counter() - began
    return code


def _key(text: str, options: Options) -> str:
    here = host()
    return disk.digest(*_versions(), here.triple, here.cpu, here.features, repr(options), text)


@cache
def _versions() -> tuple[str, ...]:
    import llvmlite

    llvm = ".".join(map(str, binding().llvm_version_info))
    return __version__, str(PIPELINE), llvmlite.__version__, llvm


def compile_object(
    text: str,
    options: Options | None = None,
    rename: Callable[[str], str] | None = None,
) -> ObjectCode:
    """Compile a module without loading it.

    Parameters
    ----------
    text : str
    options : Options, optional
    rename : callable, optional
        From the name of a function that the module declares to that which the object has. LLVM
        does not see the new names before it has done its passes.
    """
    with _optimised(text, options or Options()) as (module, machine):
        if rename is not None:
            _rename(module, rename)
        exports, externals = [], []
        for function in module.functions:
            if function.is_declaration:
                if not function.name.startswith("llvm."):
                    externals.append(function.name)
            elif function.linkage.name == "external":
                exports.append(function.name)
        externals += [g.name for g in module.global_variables if g.is_declaration]
        return ObjectCode(tuple(exports), tuple(externals), machine.emit_object(module))


def _rename(module: Any, rename: Callable[[str], str]) -> None:
    for function in list(module.functions):
        name = function.name
        if function.is_declaration and not name.startswith("llvm."):
            wanted = rename(name)
            if wanted != name:
                function.name = wanted
                if function.name != wanted:
                    raise CompileError(f"a module declares both {name!r} and {wanted!r}")


def optimise(text: str, options: Options | None = None) -> str:
    """Return a module's text as the passes leave it."""
    with _optimised(text, options or Options()) as (module, _):
        return str(module)


def assembly(text: str, options: Options | None = None) -> str:
    """Return the assembly of a compiled module."""
    with _optimised(text, options or Options()) as (module, machine):
        return machine.emit_assembly(module)


@contextmanager
def _optimised(text: str, options: Options) -> Iterator[tuple[Any, Any]]:
    """Give the module after the passes, and the target machine; free the module under the lock.

    Left to the end of their last reference, LLVM's objects would be freed while a fork may happen.
    """
    llvm = binding()
    here = host()
    with _lock, ExitStack() as owned:
        machine = _target(options.codegen)
        context = owned.enter_context(llvm.create_context())
        try:
            module = owned.enter_context(llvm.parse_assembly(text, context))
            module.triple, module.data_layout = here.triple, here.data_layout
            module.verify()
        except RuntimeError as error:
            raise CompileError(f"not a valid module: {error}") from error
        tuning = owned.enter_context(llvm.create_pipeline_tuning_options(options.passes))
        tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_unrolling = True
        tuning.loop_interleaving = options.interleave
        builder = owned.enter_context(llvm.create_pass_builder(machine, tuning))
        passes = builder.getModulePassManager()
        passes.run(module, builder)
        # ObjectRef's empty _dispose comes before the true one in the order of its bases: unless
        # that is called, every compilation leaks the whole pipeline.
        llvm.newpassmanagers.NewPassManager._dispose(passes)
        passes.detach()
        yield module, machine


# --------------------------------------------------------------------------------------- linking

_GENERATION = 256
_PROCESS = "process"
_added: dict[str, int] = {}


def add_symbols(addresses: Mapping[str, int]) -> None:
    """Give functions that modules declare their addresses, for whatever is loaded from now on."""
    with _lock:
        _added.update(addresses)


class _Linker:
    """A linker for so many modules: it keeps about 9 KB of each until it is freed itself.

    The last of its modules frees it.
    """

    def __init__(self) -> None:
        llvm = binding()
        self.left = _GENERATION
        self.jit = llvm.create_lljit_compiler(
            _target(3), use_jit_link=sys.platform != "win32", suppress_errors=True
        )
        # What code generation itself calls (memset, fmod) is found among the process's exports.
        self.process = llvm.JITLibraryBuilder().add_current_process().link(self.jit, _PROCESS)

    def link(self, builder: Any) -> Any:
        self.left -= 1
        return builder.add_jit_library(_PROCESS).link(self.jit, f"module {self.left}")


_linker: _Linker | None = None


def load(compiled: ObjectCode) -> Code:
    """Load a compiled module.

    Raises
    ------
    CompileError
        It needs a function that is nowhere.
    """
    global _linker
    builder = binding().JITLibraryBuilder().add_object_img(compiled.code)
    for name in compiled.externals:
        builder.import_symbol(name, _address(name))
    for name in compiled.exports:
        builder.export_symbol(name)
    with _lock:
        if _linker is None or not _linker.left:
            _linker = _Linker()
        try:
            library = _linker.link(builder)
        except RuntimeError as error:
            raise CompileError(f"machine code could not be linked: {error}") from error
        return Code(library, {name: library[name] for name in compiled.exports})


def _address(name: str) -> int:
    address = _added.get(name) or symbols.resolve(name)
    if not address:
        with _lock:
            address = binding().address_of_symbol(name)
    if not address:
        raise CompileError(f"machine code needs a function {name!r}, which is nowhere")
    return address


class Code:
    """Machine code in memory, freed with this object.

    Whoever calls one of its functions has to keep it, or what `function` returns, alive.

    Attributes
    ----------
    kept : bool
        Whether it was on disk.
    seconds : float
        How long it took to compile it, or to find it on disk.
    """

    __slots__ = ("__weakref__", "_addresses", "_library", "kept", "seconds")

    def __init__(self, library: Any, addresses: dict[str, int]) -> None:
        self._library = library
        self._addresses = addresses
        self.kept = False
        self.seconds = 0.0

    def address(self, name: str) -> int:
        """Return the address of a function."""
        if self._library is None:
            raise CompileError("this machine code was freed")
        try:
            return self._addresses[name]
        except KeyError:
            raise CompileError(f"no function {name!r} in this machine code") from None

    def function(self, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        """Return a function as `ctypes` calls it, without the GIL; it keeps the code alive."""
        call: Any = ctypes.CFUNCTYPE(result, *arguments)(self.address(name))
        call.code = self
        return call

    def close(self) -> None:
        """Free the code; none of its functions may be running, or be called again."""
        library, self._library = self._library, None
        if library is not None:
            with _lock:
                library.close()

    # At the interpreter's end the module's own names are gone.
    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if not ending():
            self.close()
