"""vmap of staged programs: every operation of the table, control flow, derivatives, lengths.

What is expected of it is what single calls give.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter

import numpy as np
import pytest

import adjoint as ad
from adjoint.errors import InputError, TracingError
from adjoint.ir import text
from adjoint.ir.graph import walk
from adjoint.ir.verify import verify
from adjoint.ops.registry import OPS
from adjoint.transforms.batch import rule_of
from tests import harness
from tests.cases import all_cases
from tests.staged.test_cases import CASES, close

RNG = np.random.default_rng(3)
X = RNG.standard_normal((11, 3))
W = RNG.standard_normal((4, 3))


def staged(fn, *args):
    """Stage, check the graph, run it; return the result and the operations by name."""
    graph = ad.stage(fn)(*args)
    verify(graph.function)
    ops = Counter(node.op.name for node in walk(graph.function.block))
    return graph(*args), ops


def agrees(fn, *args, rtol=1e-12):
    """Check that a staged function gives what the eager tier gives; return its operations."""
    got, ops = staged(fn, *args)
    want = fn(*args)
    got, want = (r if isinstance(r, (tuple, list)) else [r] for r in (got, want))
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert np.shape(g) == np.shape(w)
        assert np.asarray(g).dtype == np.asarray(w).dtype
        scale = max(1.0, float(np.max(np.abs(w), initial=0.0)))
        np.testing.assert_allclose(g, w, rtol=rtol, atol=rtol * scale)
    return ops


# -- the table of operations -----------------------------------------------------------------------

ONE_BY_ONE = {
    # SciPy's and LAPACK's functions of one matrix
    "eigh_subset", "lu", "sylvester",
    # of vectors or numbers alone
    "convolve", "fsum", "ieee_remainder",
    # lengths, and what makes them: they may differ between examples
    "slice_length", "range_length", "require_equal", "iota", "eye",
    # effects
    "raise", "effect", "draw", "external",
}  # fmt: skip
"""Operations that have no form for all examples; these run in a ``map``."""

NEVER_BATCHED = {
    "constant", "undefined", "empty_stack", "dim", "project",  # the walk itself sees to them
    "for", "while", "if", "map", "call", "custom", "checkpoint",  # transforms/batch/control.py
}  # fmt: skip


def test_operations_without_a_rule():
    declared = {name: op for name, op in OPS.items() if "." not in name}
    without = {name for name, op in declared.items() if rule_of(op) is None}
    assert ONE_BY_ONE | NEVER_BATCHED >= without
    assert not {name for name in ONE_BY_ONE if rule_of(OPS[name]) is not None}


def examples(problem):
    """Return three points near a case's own, as one array an argument."""
    found = []
    for x in problem.point:
        x = np.asarray(x)
        found.append(np.stack([x * (1 - 0.004 * k) for k in range(3)]).astype(x.dtype))
    return found


AREAS = ("core", "reductions", "shaping", "products", "linalg", "scipy_linalg", "fft")
"""Every case of these, and its derivatives; elementwise operations have all the same rule."""


def chosen():
    others = [name for name in CASES if name.split(":")[0] not in AREAS]
    return [name for name in CASES if name.split(":")[0] in AREAS] + others[::6]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", chosen())
def test_cases(name):
    problem = harness.Problem(CASES[name])
    fn = harness.ad_ready(problem)
    points = examples(problem)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    cts = tuple(harness._random_like(rng, y) for y in fn(*problem.point))

    def both(*xs):
        values, pull = ad.vjp(fn, *xs)
        return *values, *pull(cts)

    one = both if name.split(":")[0] in AREAS else fn
    with np.errstate(all="ignore"):
        graph = ad.stage(ad.vmap(one))(*points)
        verify(graph.function)
        want = [one(*[x[k] for x in points]) for k in range(3)]
        close(graph(*points), [np.stack(column) for column in zip(*want, strict=True)], 1e-9)


_ = (all_cases, InputError, TracingError, re, text)
