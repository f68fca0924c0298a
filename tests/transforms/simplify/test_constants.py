"""Numbers, lengths, branches and loops that are known when the program is compiled."""

import numpy as np
import pytest

from adjoint.transforms.simplify.constants import CONSTANTS
from adjoint.transforms.simplify.dead import remove_dead
from tests.transforms.simplify.support import becomes, same_results, stays

PASSES = (CONSTANTS, remove_dead)

CASES = {
    "numbers": (
        """
        function f(%s: float64) {
          %0: int = add(2, 3)
          %1: float = divide(%0, 2)
          %2: float64 = sin(float64(0.0))
          %3: float64 = cast(%1, dtype=float64)
          %4: float64 = add(%s, %1)
          %5: bool = less(%0, 6)
          %6: float32 = multiply(float32(2.0), 1.5)
          return %0, %1, %2, %3, %4, %5, %6
        }
        """,
        """
        function f(%s: float64) {
          %4: float64 = add(%s, 2.5)
          return 5, 2.5, float64(0.0), float64(2.5), %4, True, float32(3.0)
        }
        """,
    ),
    "elements of constant arrays": (
        """
        function f() {
          %0: float64[3] = constant([1.0, 2.5, nan])
          %1: float64 = getitem(%0, index=1)
          %2: float64 = getitem(%0, index=constant(-1))
          %3: int = dim(%0, axis=0)
          return %1, %2, %3
        }
        """,
        "function f() { return float64(2.5), float64(nan), 3 }",
    ),
    "lengths": (
        """
        function f(%n: int, %x: float64[%n, 3], %y: float64[?]) {
          %0: int = dim(%x, axis=0)
          %1: int = dim(%x, axis=1)
          %2: int = dim(%y, axis=0)
          %3: float64[%0, %1, %2] = full(shape=(%0, %1, %2), value=0, dtype=float64)
          return %3
        }
        """,
        """
        function f(%n: int, %x: float64[%n, 3], %y: float64[?]) {
          %2: int = dim(%y, axis=0)
          %3: float64[%n, 3, %2] = full(shape=(%n, 3, %2), value=0, dtype=float64)
          return %3
        }
        """,
    ),
    "linear expressions": (
        """
        function f(%n: int, %m: int) {
          %0: int = add(%n, -1)
          %1: int = add(%0, %m)
          %2: int = subtract(%1, %n)
          %3: int = add(%2, 1)
          %4: int = multiply(%0, 0)
          return %0, %3, %4
        }
        """,
        """
        function f(%n: int, %m: int) {
          %0: int = add(%n, -1)
          return %0, %m, 0
        }
        """,
    ),
    "comparisons, extrema and requirements": (
        """
        function f(%n: int{1..}, %x: float64[%n + 1]) {
          %0: int = add(%n, -1)
          %1: int = maximum(%0, 0)
          %2: int = minimum(%n, %0)
          %3: bool = less(%0, %n)
          %4: bool_ = equal(%n, 0)
          %5: bool = greater(%n, 1)
          %6: int = dim(%x, axis=0)
          %7: int = add(%n, 1)
          %8: int = require_equal(%7, %6)
          return %1, %2, %3, %4, %5
        }
        """,
        """
        function f(%n: int{1..}, %x: float64[%n + 1]) {
          %0: int = add(%n, -1)
          %5: bool = greater(%n, 1)
          return %0, %0, True, bool_(False), %5
        }
        """,
    ),
    "lengths of slices and ranges": (
        """
        function f(%n: int{2..}, %k: int) {
          %0: int = slice_length(%n, start=0, stop=%n + 5, step=None)
          %1: int = range_length(3, 9, 2)
          %2: int = slice_length(%n, start=%k, stop=None, step=None)
          %3: int = slice_length(%n, start=%n, stop=None, step=None)
          return %0, %1, %2, %3
        }
        """,
        """
        function f(%n: int{2..}, %k: int) {
          %2: int = slice_length(%n, start=%k, stop=None, step=None)
          return %n, 3, %2, 0
        }
        """,
    ),
    "branches": (
        """
        function f(%s: float64, %n: int) {
          %e: bool = less(%n, %n)
          %a: float64 = if %e {
            %0: float64 = sin(%s)
            yield %0
          } else {
            %1: int = require_equal(%n, 3)
            %2: float64 = cos(%s)
            yield %2
          }
          %3: float64 = add(%a, %a)
          return %3
        }
        """,
        """
        function f(%s: float64, %n: int) {
          _: int = require_equal(%n, 3)
          %2: float64 = cos(%s)
          %3: float64 = add(%2, %2)
          return %3
        }
        """,
    ),
    "loops that do not run": (
        """
        function f(%s: float64, %n: int{..4}) {
          %a: float64 = for %i in range(5, 5, 1) carrying (%p: float64 = %s) {
            %0: float64 = sin(%p)
            yield %0
          }
          %b: float64 = for %i in range(4, %n, 1) carrying (%p: float64 = %a) {
            %1: float64 = sin(%p)
            yield %1
          }
          %c: float64 = while carrying (%p: float64 = %b) {
            yield False
          } do (%q: float64) {
            %2: float64 = sin(%q)
            yield %2
          }
          return %c
        }
        """,
        """
        function f(%s: float64, %n: int{..4}) {
          return %s
        }
        """,
    ),
    "a loop that runs once": (
        """
        function f(%s: float64, %n: int, %x: float64[7]) {
          %m: int = add(%n, 1)
          %a: float64, %b: int = for %i in range(%n, %m, 1)
              carrying (%p: float64 = %s, %q: int = 2) {
            %0: float64 = getitem(%x, index=%i + 1)
            %1: float64 = add(%p, %0)
            yield %1, %i
          }
          %c: float64 = for %i in range(7, 4, -3) carrying (%p: float64 = %a) {
            %2: float64 = multiply(%p, %i)
            yield %2
          }
          return %c, %b
        }
        """,
        """
        function f(%s: float64, %n: int, %x: float64[7]) {
          %0: float64 = getitem(%x, index=%n + 1)
          %1: float64 = add(%s, %0)
          %2: float64 = multiply(%1, 7)
          return %2, %n
        }
        """,
    ),
    "what a first pass says": (
        """
        function f(%n: int, %s: float64) {
          %a: float64 = for %i in range(0, %n, 1) carrying (%p: float64 = %s) {
            %0: bool = greater(%n, 0)
            %1: float64 = multiply(%p, %0)
            yield %1
          }
          %b: bool = greater(%n, 0)
          return %a, %b
        }
        """,
        """
        function f(%n: int, %s: float64) {
          %a: float64 = for %i in range(0, %n, 1) carrying (%p: float64 = %s) {
            %1: float64 = multiply(%p, True)
            yield %1
          }
          %b: bool = greater(%n, 0)
          return %a, %b
        }
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_known_is_computed(name):
    becomes(*CASES[name], *PASSES)


def test_what_warns_or_fails_is_left_to_the_program():
    stays(
        """
        function f() {
          %0: float = divide(1.0, 0)
          %1: float64 = divide(float64(1.0), 0.0)
          %2: float64 = log(float64(-1.0))
          %3: int8 = add(int8(127), int8(1))
          _: int = require_equal(3, 4)
          %5: float64[2] = constant([1.0, 2.0])
          %6: float64 = getitem(%5, index=2)
          return %0, %1, %2, %3, %6
        }
        """,
        *PASSES,
    )


def test_numpys_integers_wrap_around():
    stays(
        """
        function f(%n: int8{0..}) {
          %0: int8 = add(%n, int8(1))
          %1: int8 = subtract(%0, int8(1))
          %2: bool_ = less(%1, %0)
          return %1, %2
        }
        """,
        *PASSES,
    )


def test_a_condition_with_an_effect_is_run():
    stays(
        """
        function f(%n: int, %s: float64) {
          %a: float64 = while carrying (%p: float64 = %s) {
            _: int = require_equal(%n, 3)
            yield False
          } do (%q: float64) {
            %1: float64 = sin(%q)
            yield %1
          }
          return %a
        }
        """,
        *PASSES,
    )


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("numbers", (np.float64(2),)),
        ("linear expressions", (4, 5)),
        ("comparisons, extrema and requirements", (3, np.zeros(4))),
        ("lengths of slices and ranges", (5, 2)),
        ("branches", (np.float64(1), 3)),
        ("loops that do not run", (np.float64(1), 3)),
        ("a loop that runs once", (np.float64(1), 3, np.arange(7.0))),
        ("what a first pass says", (2, np.float64(1))),
        ("what a first pass says", (0, np.float64(1))),
    ],
)
def test_the_results_are_the_same(name, args):
    same_results(CASES[name][0], *args)
