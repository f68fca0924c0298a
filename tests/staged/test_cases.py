"""Every case of the table: derivatives of its graph agree with those of the eager tier.

The eager ones agree with differences (tests/test_cases.py), the graph's values with NumPy's
(tests/staged/test_numpy_api.py, which lists what cannot be staged).
"""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import adjoint as ad
from adjoint.api import compile as api_compile
from adjoint.staging import stage
from tests import harness
from tests.cases import all_cases
from tests.staged.test_numpy_api import CONSTANT, REFUSED

CASES = {case.name: case for case in all_cases() if case.name not in REFUSED}

BY_SHAPE = (
    "fft: ", "linalg: ", "scipy_linalg: ", "products: einsum", "reductions: var", "reductions: std",
    "reductions: nan", "shaping: pad",
)  # fmt: skip
"""Cases whose rules ask for lengths."""


def close(got, want, rtol):
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert np.shape(g) == np.shape(w)
        w = np.asarray(w)
        size = max(1.0, np.max(np.abs(w), initial=0.0, where=np.isfinite(w)))
        np.testing.assert_allclose(np.asarray(g) / size, w / size, rtol=0, atol=rtol)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_both_modes(name):
    check(CASES[name])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(BY_SHAPE)])
def test_lengths_that_are_values(name, monkeypatch):
    monkeypatch.setattr(stage, "FEW", 1)
    count = []
    original = api_compile.stage_function

    def counted(*args, **kwargs):
        count.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(api_compile, "stage_function", counted)
    check(CASES[name])
    assert len(count) == 2 or name in CONSTANT, "a length was made a constant"


def check(case):
    problem = harness.Problem(case)
    fn = harness.ad_ready(problem)
    point = tuple(problem.point)
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    dots = tuple(harness._random_like(rng, x) for x in point)
    rtol = 1e-9

    def forward(xs, dots):
        return ad.jvp(fn, xs, dots)[1]

    def reverse(xs, cts):
        return ad.vjp(fn, *xs)[1](cts)

    with np.errstate(all="ignore"):
        want = forward(point, dots)
        close(ad.jit(forward)(point, dots), want, rtol)
        cts = tuple(harness._random_like(rng, y) for y in want)
        close(ad.jit(reverse)(point, cts), reverse(point, cts), rtol)
