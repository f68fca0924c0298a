"""Checks that cannot fail: least values of real expressions."""

import math

import numpy as np
import pytest

from adjoint.backends.interpret import run
from adjoint.ir.graph import Value
from adjoint.ops.text import parse_function
from adjoint.transforms.simplify.algebra import ALGEBRA
from adjoint.transforms.simplify.dead import remove_dead
from adjoint.transforms.simplify.signs import SIGNS, least
from tests.transforms.simplify.support import becomes, stays

LEAST = {
    "multiply(%x, %x)": 0.0,
    "multiply(%x, %y)": None,
    "power(%x, 2)": 0.0,
    "power(%x, 4.0)": 0.0,
    "power(%x, 3)": None,
    "square(%x)": 0.0,
    "absolute(%x)": 0.0,
    "exp(%x)": 0.0,
    "sin(%x)": -1.0,
    "tanh(%x)": -1.0,
    "cosh(%x)": 1.0,
    "add(%x, 1.0)": None,
    "maximum(%x, 0.25)": 0.25,
    "minimum(%x, 0.25)": None,
    "negative(%x)": None,
    "subtract(1.0, %x)": None,
}


@pytest.mark.parametrize("expression", LEAST)
def test_least(expression):
    source = f"function f(%x: float64, %y: float64) {{ %0: float64 = {expression} return %0 }}"
    (result,) = parse_function(source).block.results
    assert isinstance(result, Value)
    assert least(result) == LEAST[expression]


COMBINED = """
function f(%x: float64, %y: float64, %c: bool) {
  %0: float64 = square(%x)
  %1: float64 = exp(%y)
  %2: float64 = add(%0, %1)
  %3: float64 = add(%2, 0.5)
  %4: float64 = divide(%0, %3)
  %5: float64 = multiply(%3, %3)
  %6: float64 = where(%c, %3, 2.0)
  %7: float64 = sqrt(%6)
  %8: float64 = divide(%0, %1)
  %9: float64 = sin(%x)
  %10: float64 = add(%9, 1.5)
  %11: float64 = multiply(%10, 3.0)
  return %2, %3, %4, %5, %6, %7, %8, %9, %10, %11
}
"""


def test_least_values_follow_from_operands():
    results = parse_function(COMBINED).block.results
    found = [least(v) for v in results]
    assert found == [0.0, 0.5, 0.0, 0.0, 0.5, 0.0, None, -1.0, 0.5, 1.5]


def test_numbers_keep_the_promise():
    rng = np.random.default_rng(0)
    function = parse_function(COMBINED)
    bounds = [least(v) for v in function.block.results]
    special = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324]
    points = [(x, y) for x in special for y in special]
    points += [tuple(rng.standard_normal(2) * 10.0 ** rng.integers(-5, 5)) for _ in range(200)]
    with np.errstate(all="ignore"):
        for x, y in points:
            for result, low in zip(
                run(function, [np.float64(x), np.float64(y), True]), bounds, strict=True
            ):
                assert low is None or not result < low


def test_checks_that_cannot_fail_go():
    becomes(
        """
        function f(%x: float64) {
          %0: float64 = square(%x)
          %1: float64 = add(%0, 1.0)
          %2: bool_ = less(%0, 0)
          %3: bool_ = less_equal(%1, 0)
          %4: float64 = sqrt(%0)
          %5: float64 = unless(%4, %2, error=None, args=('no',))
          %6: float64 = log(%1)
          %7: float64 = unless(%6, %3, error=None, args=('no',))
          return %5, %7
        }
        """,
        """
        function f(%x: float64) {
          %0: float64 = square(%x)
          %1: float64 = add(%0, 1.0)
          %4: float64 = sqrt(%0)
          %6: float64 = log(%1)
          return %4, %6
        }
        """,
        SIGNS,
        ALGEBRA,
        remove_dead,
    )


def test_others_stay():
    stays(
        """
        function f(%x: float64) {
          %0: float64 = square(%x)
          %1: bool_ = less_equal(%0, 0)
          %2: bool_ = less(%x, 0)
          return %1, %2
        }
        """,
        SIGNS,
    )
