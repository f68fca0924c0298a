"""Every case of the table as machine code: value, both modes, lengths that are values.

The interpreter's results are compared with the eager tier's and NumPy's in tests/staged. Of each
case one kind of graph is compiled, another one from case to case; with ``ADJOINT_CASES=all`` in the
environment, all of them.
"""

from __future__ import annotations

import os
import zlib
from copy import deepcopy

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled
from adjoint.staging import stage
from tests import harness
from tests.backends.llvm.lowering import agree
from tests.cases import all_cases
from tests.staged.test_numpy_api import REFUSED, SIZE_MATTERS, longer

pytestmark = [
    pytest.mark.usefixtures("compiled_quickly"),
    pytest.mark.filterwarnings("ignore"),
]

CASES = {case.name: case for case in all_cases() if case.name not in REFUSED}
KINDS = ("value", "forward", "reverse", "forward, lengths", "reverse, lengths", "longer")
ALL = os.environ.get("ADJOINT_CASES") == "all"
DRAWN = [
    (name, kind)
    for k, name in enumerate(CASES)
    for j, kind in enumerate(KINDS)
    if ALL or k % len(KINDS) == j
]


def outcome(runs, function, args):
    """Return results, or the type, message and place of an error."""
    try:
        return runs(function, args)
    except Exception as error:
        return type(error), str(error), getattr(error, "__notes__", None)


def graph_of(case, kind):
    """Return a graph of a case, and arguments for it."""
    if kind in ("value", "longer"):
        graph = ad.stage(case.fn)(*case.args)
        args = [longer(x) for x in case.args] if kind == "longer" else case.args
        try:
            return graph.function, graph.inputs(*args)
        except Exception:
            return graph.function, graph.inputs(*case.args)  # some length is a constant
    problem = harness.Problem(case)
    fn, point = harness.ad_ready(problem), tuple(problem.point)
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    dots = tuple(harness._random_like(rng, x) for x in point)

    def forward(xs, dots):
        return ad.jvp(fn, xs, dots)[1]

    def reverse(xs, cts):
        return ad.vjp(fn, *xs)[1](cts)

    moved, others = forward, dots
    if kind.startswith("reverse"):
        moved, others = reverse, tuple(harness._random_like(rng, y) for y in forward(point, dots))
    graph = ad.stage(moved)(point, others)
    return graph.function, graph.inputs(point, others)


@pytest.mark.parametrize("name, kind", DRAWN)
def test_case(name, kind, monkeypatch):
    if kind == "longer" and name in SIZE_MATTERS:
        return
    if kind.endswith(("lengths", "longer")):
        monkeypatch.setattr(stage, "FEW", 1)
    with np.errstate(all="ignore"):
        function, args = graph_of(CASES[name], kind)
        want = outcome(run, function, deepcopy(args))
        got = outcome(compiled.run, function, args)
    if isinstance(want, tuple) or isinstance(got, tuple):
        assert got == want
        return
    for g, w in zip(got, want, strict=True):
        single = np.asarray(w).dtype in (np.float32, np.complex64)
        agree(g, w, 1e-4 if single else 1e-9)
