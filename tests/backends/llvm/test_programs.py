"""The suite of whole programs as machine code: value and gradient are the interpreter's.

The interpreter's are those of the eager tier (tests/staged/test_programs.py). No operation of them
is left to Python.
"""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled
from benchmarks.programs import PROGRAMS, fresh
from tests.backends.llvm.lowering import agree, callbacks

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.mark.parametrize("what", ["value", "gradient"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, what):
    program = PROGRAMS[name]
    loss = program.loss(program.weights("tiny"))
    fn = loss if what == "value" else ad.grad(loss, program.differentiated)
    graph = ad.stage(fn)(*fresh(program.inputs("tiny", 0)))
    for seed in (0, 1):
        args = program.inputs("tiny", seed)
        given, kept = (graph.inputs(*fresh(args)) for _ in range(2))
        want = run(graph.function, given)
        for got, expected in zip(compiled.run(graph.function, given), want, strict=True):
            agree(got, expected, 1e-11)
        for x, y in zip(given, kept, strict=True):
            np.testing.assert_array_equal(x, y)
    assert callbacks(graph.function) == []
