"""Random programs, compiled: values, gradients and tangents are the interpreter's.

The programs are those of tests/staged/test_random_staged.py (`random_source` says what is in them),
the graphs that share memory in every way those of tests/backends/random_graphs.py. With a number in
the environment variable ``ADJOINT_PROGRAMS`` as many others are drawn at each run. All are compiled
without optimisation but for a few; with ``ADJOINT_TEST_BACKEND=llvm`` those of tests/staged are
compiled as users' programs are.
"""

from __future__ import annotations

import os
from copy import deepcopy
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, note, settings
from hypothesis import strategies as st

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled
from tests.backends import random_graphs
from tests.backends.llvm.lowering import agree
from tests.staged.program_checks import (
    ARGNUMS,
    Refused,
    along,
    arguments,
    fits,
    loaded,
    staged,
    tangents,
)
from tests.staged.random_source import write

MANY = os.environ.get("ADJOINT_PROGRAMS")

pytestmark = [
    pytest.mark.usefixtures("compiled_quickly"),
    pytest.mark.filterwarnings("ignore"),
]

examples = settings(
    derandomize=not MANY,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def outcome(runs, function, args):
    """Return results, or the type and message of an error."""
    try:
        return runs(function, args)
    except Exception as error:
        return type(error), str(error)


def compare(function, args):
    """Check compiled code against the interpreter, and that it keeps the arguments."""
    kept = deepcopy(args)
    want, got = outcome(run, function, deepcopy(args)), outcome(compiled.run, function, args)
    if isinstance(want, tuple):
        # An integer beyond 64 bits is refused by compiled code where it appears.
        assert got == want or (isinstance(got, tuple) and got[0] is OverflowError)
        return
    assert not isinstance(got, tuple), got
    assume(all(np.all(np.abs(np.nan_to_num(w)) < 1e6) for w in want))
    for g, w in zip(got, want, strict=True):
        agree(g, w, 1e-9)
    for x, y in zip(args, kept, strict=True):
        np.testing.assert_array_equal(x, y)


@settings(examples, max_examples=int(MANY or 24))
@given(st.integers(0, 2**32 - 1))
def test_random_programs(seed):
    check(seed)


@settings(examples, phases=(Phase.explicit,))
@given(seed=st.integers())
@example(seed=20)
@example(seed=25)
@example(seed=27)
@example(seed=29)
@example(seed=32)
def test_random_programs_with_all_optimisations(seed, monkeypatch):
    monkeypatch.setattr(compiled, "OPTIONS", None)
    check(seed)


def check(seed):
    """Check a program and its derivatives."""
    program = write(Random(seed))
    note(program.text)
    f, filename = loaded(program)
    others = [arguments(program, seed + k, larger=3 * k) for k in (0, 1, 3)]
    gradient = ad.grad(f, ARGNUMS)
    with np.errstate(all="ignore"):
        for fn in (f, gradient):
            try:
                graph = staged(fn, filename, *deepcopy(others[0]))
            except Refused:
                return
            for args in others:
                if fits(graph, args):
                    compare(graph.function, graph.inputs(*deepcopy(args)))
        if seed % 4 == 0:
            given = (*others[0], tangents(others[0]))
            graph = staged(along(f), filename, *deepcopy(given))
            compare(graph.function, graph.inputs(*deepcopy(given)))


@settings(examples, max_examples=int(MANY or 200))
@given(st.integers(0, 2**32 - 1))
def test_random_graphs_that_share_memory(seed):
    rng = Random(seed)
    function = random_graphs.random_function(rng, size=8, depth=3)
    args = random_graphs.arguments(rng)
    with np.errstate(all="ignore"):
        want = run(function, args)
        for _ in range(2):
            for g, w in zip(compiled.run(function, args), want, strict=True):
                agree(g, w, 1e-9)
