"""Nests as functions of their own, and functions that are alike as one."""

from copy import deepcopy
from random import Random

import numpy as np
import pytest

import adjoint as ad
from adjoint.backends.interpret import run
from adjoint.backends.llvm import compiled
from adjoint.backends.llvm.lower import outline
from tests.backends.llvm.lowering import agree
from tests.staged.program_checks import ARGNUMS, arguments, loaded
from tests.staged.random_source import write

pytestmark = [pytest.mark.usefixtures("compiled_quickly"), pytest.mark.filterwarnings("ignore")]


def text_of(fn, *args):
    """Return the module of a function, compiled and run."""
    graph = ad.stage(fn)(*args)
    given = graph.inputs(*deepcopy(args))
    with np.errstate(all="ignore"):
        want, got = run(graph.function, given), compiled.run(graph.function, given)
    for g, w in zip(got, want, strict=True):
        agree(g, w, 1e-9)
    (variant,) = compiled.compile_function(graph.function)._variants.values()
    return variant.text


@pytest.mark.parametrize("seed", [3, 8, 54, 83])
def test_random_programs_with_each_nest_apart(seed, monkeypatch):
    monkeypatch.setattr(outline, "LARGE", 0)
    monkeypatch.setattr(outline, "HUGE", 0)
    program = write(Random(seed))
    f, _ = loaded(program)
    texts = [text_of(fn, *arguments(program, seed)) for fn in (f, ad.grad(f, ARGNUMS))]
    assert "@nest." in "".join(texts)


def test_folds_are_apart_too(monkeypatch):
    def f(x, y, n):
        s = 0.0
        for i in range(n):
            for j in range(i):
                if np.any(x > s) or np.any(y > s):
                    s = s + np.max(x) * 2.0 + 0.5 * np.max(y)
        return s

    monkeypatch.setattr(outline, "LARGE", 0)
    monkeypatch.setattr(outline, "HUGE", 0)
    rng = np.random.default_rng(0)
    text = text_of(f, rng.standard_normal(40), rng.standard_normal(50), 4)
    assert text.count("define internal i1 @nest.") == 1
    assert text.count("define internal double @nest.") == 1
    assert text.count("call i1 @nest.") == 2


def test_passes_that_are_alike_are_one_function():
    def f(x, y, z):
        a = np.sin(x) * 2.0
        b = np.sin(y) * 2.0
        c = np.sin(z) * 3.0
        return a, b, c

    text = text_of(f, *np.random.default_rng(0).standard_normal((3, 500)))
    assert text.count("call i32 @parallel.run(") == 3
    assert text.count("define internal i32 @passes.") == 2
