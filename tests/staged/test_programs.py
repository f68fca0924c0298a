"""The suite of whole programs, staged: values and derivatives agree with the eager tier.

The eager ones agree with differences and closed forms (tests/test_programs.py).
"""

from __future__ import annotations

import numpy as np
import pytest

import adjoint as ad
from benchmarks.programs import PROGRAMS, fresh
from tests.staged.comparison import assert_agrees


@pytest.fixture(params=sorted(PROGRAMS))
def setting(request):
    program = PROGRAMS[request.param]
    return program, program.inputs("tiny", 0), program.loss(program.weights("tiny"))


def test_value(setting):
    _, args, loss = setting
    graph = assert_agrees(loss, *args)
    assert not graph.unrolled


def test_reverse(setting):
    program, args, loss = setting
    assert_agrees(ad.grad(loss, program.differentiated), *args)


def test_forward(setting):
    program, args, loss = setting
    rng = np.random.default_rng(3)
    dots = [rng.standard_normal(np.shape(args[k])) for k in program.differentiated]

    def along(args, dots):
        def of_active(*xs):
            full = list(args)
            for k, x in zip(program.differentiated, xs, strict=True):
                full[k] = x
            return loss(*full)

        return ad.jvp(of_active, [args[k] for k in program.differentiated], dots)[1]

    gradient = ad.grad(loss, program.differentiated)(*fresh(args))
    want = sum(np.sum(g * d) for g, d in zip(gradient, dots, strict=True))
    size = sum(np.sum(np.abs(g * d)) for g, d in zip(gradient, dots, strict=True))
    got = ad.jit(along)(fresh(args), dots)
    assert abs(got - want) <= 1e-10 * max(1, size)


def test_a_program_changes_its_arguments_in_place_at_each_call():
    program = PROGRAMS["seidel_2d"]
    args = program.inputs("tiny", 0)
    run = ad.jit(program.function)
    for seed in (0, 1):
        args = program.inputs("tiny", seed)
        mine, theirs = fresh(args), fresh(args)
        run(*mine)
        program.function(*theirs)
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a, b)
