"""Programs with chunks so small that all that can be cut is cut, on several numbers of threads.

Run as a program of its own: the size of chunks is part of the runtime, of which a process has one.
"""

from __future__ import annotations

import sys
from random import Random
from typing import Any

import numpy as np

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.backends.llvm.lower import pool, regions
from benchmarks.programs import PROGRAMS, fresh
from tests.backends.llvm.lowering import agree

THREADS = (1, 2, 3, 7)


def small_chunks() -> None:
    """Have chunks of a few elements."""
    pool.TARGET = regions.TARGET = 16


def _bits(x: object) -> object:
    if isinstance(x, np.ndarray):
        return (x.dtype.str, x.shape, x.tobytes())
    return (type(x), np.asarray(x).tobytes() if np.isscalar(x) else repr(x))


def alike(graph: Any, args: tuple[Any, ...], tolerance: float = 1e-11) -> None:
    """Check that results are the interpreter's, and the same for any number of threads."""
    from adjoint.backends.llvm import compiled

    given = graph.inputs(*fresh(args))
    want = run(graph.function, graph.inputs(*fresh(args)))
    found = []
    for n in THREADS:
        ad.set_threads(n)
        got = compiled.run(graph.function, given)
        for x, y in zip(got, want, strict=True):
            agree(x, y, tolerance)
        found.append([_bits(x) for x in got])
    for n, other in zip(THREADS[1:], found[1:], strict=True):
        assert other == found[0], f"{n} threads"


def programs() -> None:
    """The suite: values and gradients."""
    for name, program in PROGRAMS.items():
        loss = program.loss(program.weights("tiny"))
        for fn in (loss, ad.grad(loss, program.differentiated)):
            args = program.inputs("tiny", 0)
            try:
                alike(ad.stage(fn)(*fresh(args)), args)
            except Exception as error:
                error.add_note(f"program {name}")
                raise


def random_programs() -> None:
    """Some random ones: values and gradients."""
    from adjoint.errors import TracingError
    from tests.staged.program_checks import arguments, loaded
    from tests.staged.random_source import write

    done = 0
    for seed in range(int(sys.argv[2]), int(sys.argv[3])):
        program = write(Random(seed))
        f, _ = loaded(program)
        args = tuple(arguments(program, seed, 30))
        for fn in (f, ad.grad(f, (0, 1, 2))):
            try:
                graph = ad.stage(fn)(*fresh(args))
                with np.errstate(all="ignore"):
                    run(graph.function, graph.inputs(*fresh(args)))
            except (TracingError, ArithmeticError, ValueError):
                continue
            try:
                alike(graph, args, 1e-9)
            except Exception as error:
                error.add_note(f"seed {seed}\n{program.text}")
                raise
            done += 1
    assert done > 0


if __name__ == "__main__":
    small_chunks()
    {"programs": programs, "random": random_programs}[sys.argv[1]]()
