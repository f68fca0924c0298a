"""Every case of the table: derivatives of its graph agree with those of the eager tier.

The eager ones agree with differences (tests/test_cases.py), the graph's values with NumPy's
(tests/staged/test_numpy_api.py, which lists what cannot be staged).
"""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import adjoint as ad
from tests import harness
from tests.cases import all_cases
from tests.staged.comparison import assert_close
from tests.staged.test_numpy_api import CONSTANT, REFUSED

CASES = {case.name: case for case in all_cases() if case.name not in REFUSED}

BY_SHAPE = (
    "fft: ", "linalg: ", "scipy_linalg: ", "products: einsum", "reductions: var", "reductions: std",
    "reductions: nan", "shaping: pad",
)  # fmt: skip
"""Cases whose rules ask for lengths."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_both_modes(name):
    check(CASES[name])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(BY_SHAPE)])
def test_lengths_that_are_values(name, lengths_are_values, stagings):
    check(CASES[name])
    assert len(stagings) == 2 or name in CONSTANT, "a length was made a constant"


def check(case):
    problem = harness.Problem(case)
    fn = harness.ad_ready(problem)
    point = tuple(problem.point)
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    dots = tuple(harness._random_like(rng, x) for x in point)

    def forward(xs, dots):
        return ad.jvp(fn, xs, dots)[1]

    def reverse(xs, cts):
        return ad.vjp(fn, *xs)[1](cts)

    with np.errstate(all="ignore"):
        want = forward(point, dots)
        assert_close(ad.jit(forward)(point, dots), want, 1e-9)
        cts = tuple(harness._random_like(rng, y) for y in want)
        assert_close(ad.jit(reverse)(point, cts), reverse(point, cts), 1e-9)
