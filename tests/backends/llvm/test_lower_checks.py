"""Checks: what is raised where they fail, and that Python is not called where they hold."""

import numpy as np
import pytest

from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled
from adjoint.ir.build import Builder
from adjoint.ir.graph import Function
from adjoint.ir.types import Type, python_type
from adjoint.ops import control
from tests.backends.llvm.lowering import agree, callbacks

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KINDS = {
    "float": (python_type(float), 0.1),
    "int": (python_type(int), -(2**62)),
    "bool": (python_type(bool), True),
    "float32": (Type(np.dtype(np.float32), (), "scalar"), np.float32(0.1)),
    "uint64": (Type(np.dtype(np.uint64), (), "scalar"), np.uint64(2**64 - 1)),
    "int8": (Type(np.dtype(np.int8), (), "scalar"), np.int8(-5)),
    "complex128": (Type(np.dtype(np.complex128), (), "scalar"), np.complex128(1 - 2j)),
    "0-d": (Type(np.dtype(np.float64), ()), np.array(np.nan)),
    "array": (Type(np.dtype(np.float64), (3,)), np.array([1.0, -0.0, np.inf])),
}


class NamedError(Exception):
    """An error that keeps what it is made of."""


def checking(op, condition, types):
    """Return a function of x, a condition and more, that names all but the condition."""
    builder = Builder(None)
    x, truth, *rest = [builder.parameter(t) for t in (types[0], condition, *types[1:])]
    args = ("names", x, (len(types), *rest), {"key": x})
    inputs = (truth,) if op is control.check else (x, truth)
    type = python_type(int) if op is control.check else x.type
    node = builder.emit(op, inputs, {"error": NamedError, "args": args}, type)
    builder.block.results = [x if op is control.check else node]
    return Function("f", builder.block)


def outcome(runs, f, args):
    try:
        return runs(f, args)
    except NamedError as error:
        return error


@pytest.mark.parametrize("names", [*[(n,) for n in KINDS], ("float", "int8"), ("int",) * 4])
@pytest.mark.parametrize("op", [control.check, control.checked, control.unless])
def test_both_outcomes(op, names):
    types = [KINDS[n][0] for n in names]
    values = [KINDS[n][1] for n in names]
    condition = Type(np.dtype(bool), (), "scalar")
    f = checking(op, condition, types)
    raised = 0
    for truth in (np.True_, np.False_, np.True_):
        args = [values[0], truth, *values[1:]]
        want, got = outcome(run, f, args), outcome(compiled.run, f, args)
        assert type(got) is type(want)
        if isinstance(want, NamedError):
            raised += 1
            assert repr(got.args) == repr(want.args)
            assert got.__notes__ == want.__notes__
        else:
            for g, w in zip(got, want, strict=True):
                agree(g, w)
    assert raised == (2 if op is control.unless else 1)


def test_numbers_are_named_without_a_call_of_python():
    f = checking(control.unless, python_type(bool), [KINDS["float"][0], KINDS["int"][0]])
    compiled.run(f, [0.5, False, 3])
    assert callbacks(f) == []


@pytest.mark.parametrize("kind", ["int", "float", "0-d"])
def test_conditions_that_are_no_booleans(kind):
    type, _ = KINDS[kind]
    for op in (control.check, control.unless):
        f = checking(op, type, [python_type(float)])
        for number in (0, 2, float("nan")):
            if kind == "int" and number != number:
                continue
            truth = number if kind != "0-d" else np.array(float(number))
            truth = float(number) if kind == "float" else truth
            want, got = outcome(run, f, [1.0, truth]), outcome(compiled.run, f, [1.0, truth])
            assert repr(got) == repr(want)
