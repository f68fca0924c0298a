"""Planted mistakes: each is one that the lowering could have, or had; the named check sees it."""

# ruff: noqa: E501 (a row of a table is a line)

from __future__ import annotations

from copy import deepcopy
from random import Random

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled
from adjoint.staging import stage
from tests.backends.llvm import test_lower_errors, test_lower_products
from tests.backends.llvm.lowering import agree
from tests.staged.program_checks import ARGNUMS, arguments, loaded
from tests.staged.random_source import write
from tests.staged.test_planted import says

pytestmark = [
    pytest.mark.usefixtures("compiled_quickly"),
    pytest.mark.filterwarnings("ignore"),
]

LOWER = "backends.llvm.lower"
SEEN = (Exception, pytest.fail.Exception)
"""What a mistake leads to: wrong numbers, code that is not valid, no error."""

FEW = stage.FEW


def shifted(x, y):
    x = x.copy()
    x[1:] = x[:-1]
    x[:-1] = x[1:] + y[:-1]
    return x


def reached(x, k):
    return x[k] * 2.0


def remainder(x, y):
    return x % y + x // y


def same(fn, *args):
    """Check a function, its lengths values."""
    graph = ad.stage(fn)(*args)
    want, got = (test_lower_errors.outcome(runs, graph, args) for runs in (run, compiled.run))
    if isinstance(want, tuple) or isinstance(got, tuple):
        assert got == want
        return
    for g, w in zip(got, want, strict=True):
        agree(g, w, 1e-9)


def errors(name):
    def check():
        fn, *points = test_lower_errors.CASES[name]
        graph = ad.stage(fn)(*points[0])
        for args in points:
            want, got = (test_lower_errors.outcome(r, graph, args) for r in (run, compiled.run))
            if isinstance(want, tuple) or isinstance(got, tuple):
                assert got == want
                continue
            for g, w in zip(got, want, strict=True):
                agree(g, w)

    return check


def layout(name):
    part = test_lower_products.PARTS[name]
    return lambda: test_lower_products.check(part, part, "float64")


def gradient(seed, other=0):
    """Check the gradient of a random program that has shown a mistake."""

    def check():
        stage.FEW = FEW
        f, _ = loaded(write(Random(seed)))
        graph = ad.stage(ad.grad(f, ARGNUMS))
        args = arguments(write(Random(seed)), seed + other, larger=3 * other)
        staged = graph(*deepcopy(args))
        given = staged.inputs(*deepcopy(args))
        for g, w in zip(
            compiled.run(staged.function, given), run(staged.function, given), strict=True
        ):
            agree(g, w, 1e-9)

    return check


MISTAKES = {
    "a copy has the memory of what it is a copy of": (gradient(446), says(f"{LOWER}.memory:lasting", "rep.view.tokens <= tokens", "True")),
    "arrays that change roles keep their own memory only": (gradient(483, 3), says(f"{LOWER}.moving:share", "s.memories = groups[s.shape, s.dtype]", "pass")),
    "rows in reverse are rows": (layout("rows reversed"), says(f"{LOWER}.blas:as_matrix", "body.compare('sge', far, least)", "'true'")),
    "what is stored at a mask has its length": (errors("store at a mask"), says(f"{LOWER}.stores:_value", "None if place[k - lead] is None else n", "n")),
    "what is stacked has one length": (errors("masked stacked"), says(f"{LOWER}.shaping:_agree", "f.refuse_unless(f.body.compare('eq', n, m))", "pass")),
    "index arrays are in bounds": (errors("index array"), says(f"{LOWER}.positions:Positions.check", "f.refuse_unless(fine)", "pass")),
    "index arrays do not count from the end": (lambda: same(reached, np.arange(4.0), np.array([1, -1])), says(f"{LOWER}.positions:Positions.at", "body.select(body.compare('slt', x, 0), body.add(x, n), x)", "x")),
    "integers wrap around": (lambda: test_lower_errors.test_integers_beyond_64_bits_are_refused(lambda x, y: x + y, (2**63 - 1, 1)), says(f"{LOWER}.numbers:_checked", "f.check(fine, _too_large(name), x, y)", "pass")),
    "exponents are natural numbers": (errors("powers of integers"), says(f"{LOWER}.elementwise:_natural", "f.refuse_unless(f.body.compare('sge', least, 0))", "pass")),
    "a refusal holds where its condition does not": (errors("power"), says(f"{LOWER}.checks:checked", "node.op is control.unless", "False")),
    "a NaN is an integer": (errors("int"), says(f"{LOWER}.python_functions:_int", "f.check(fine, lambda word, _: _not_an_integer(word), word)", "pass")),
    "a remainder has the sign of the dividend": (lambda: same(remainder, -7, 3), says(f"{LOWER}.scalar_arithmetic:_remainder_integers", "e.select(up, ty, safe, '0')", "'0'")),
    "what is stored is not what is overwritten": (lambda: same(shifted, np.arange(40.0), np.ones(40)), says(f"{LOWER}.stores:_overlaps", "not _same_places(rep, target.buffer, tokens, len(target.buffer.shape))", "False")),
}  # fmt: skip


@pytest.fixture(autouse=True)
def lengths_are_values(monkeypatch):
    monkeypatch.setattr(stage, "FEW", 1)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_seen(name, monkeypatch):
    check, plant = MISTAKES[name]
    with np.errstate(all="ignore"):
        check()
        plant(monkeypatch)
        with pytest.raises(SEEN):
            check()
