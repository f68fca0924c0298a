"""Dead code, and carried values and results that nobody needs."""

import pytest

from adjoint.transforms.simplify.dead import remove_dead
from tests.transforms.simplify.support import becomes, same_results, stays

CASES = {
    "operations": (
        """
        function f(%x: float64[3]) {
          %0: float64[3] = sin(%x)
          %1: float64[3] = cos(%0)
          %2: float64[3] = exp(%x)
          return %0
        }
        """,
        """
        function f(%x: float64[3]) {
          %0: float64[3] = sin(%x)
          return %0
        }
        """,
    ),
    "a carried value for its own next value": (
        """
        function f(%n: int, %s: float64) {
          %a: float64, %b: float64, %c: float64 = for %i in range(0, %n, 1)
              carrying (%p: float64 = %s, %q: float64 = %s, %r: float64 = %s) {
            %0: float64 = multiply(%p, %s)
            %1: float64 = add(%r, %0)
            %2: float64 = sin(%1)
            yield %0, %1, %2
          }
          return %a
        }
        """,
        """
        function f(%n: int, %s: float64) {
          %a: float64 = for %i in range(0, %n, 1) carrying (%p: float64 = %s) {
            %0: float64 = multiply(%p, %s)
            yield %0
          }
          return %a
        }
        """,
    ),
    "a carried value that another one needs": (
        """
        function f(%n: int, %s: float64) {
          %i0: int, %f: bool, %a: float64, %b: float64 = for %i in range(0, %n, 1)
              carrying (%j: int = 0, %g: bool = False, %p: float64 = %s, %q: float64 = %s) {
            %0: float64 = multiply(%p, %q)
            %1: float64 = sin(%q)
            yield %i, True, %0, %1
          }
          return %a
        }
        """,
        """
        function f(%n: int, %s: float64) {
          %a: float64, _: float64 = for %i in range(0, %n, 1)
              carrying (%p: float64 = %s, %q: float64 = %s) {
            %0: float64 = multiply(%p, %q)
            %1: float64 = sin(%q)
            yield %0, %1
          }
          return %a
        }
        """,
    ),
    "what a while carries": (
        """
        function f(%s: float64) {
          %a: float64, %b: float64, %c: float64 = while
              carrying (%p: float64 = %s, %q: float64 = %s, %r: float64 = %s) {
            %0: bool_ = less(%q, 10.0)
            yield %0
          } do (%u: float64, %v: float64, %w: float64) {
            %1: float64 = add(%u, %v)
            %2: float64 = add(%v, 1.0)
            %3: float64 = add(%w, %u)
            yield %1, %2, %3
          }
          return %a
        }
        """,
        """
        function f(%s: float64) {
          %a: float64, _: float64 = while carrying (%p: float64 = %s, %q: float64 = %s) {
            %0: bool_ = less(%q, 10.0)
            yield %0
          } do (%u: float64, %v: float64) {
            %1: float64 = add(%u, %v)
            %2: float64 = add(%v, 1.0)
            yield %1, %2
          }
          return %a
        }
        """,
    ),
    "results of a branch, and the branch in it": (
        """
        function f(%p: bool, %s: float64) {
          %a: float64, %b: float64 = if %p {
            %0: float64 = if %p {
              yield %s
            } else {
              %1: float64 = sin(%s)
              yield %1
            }
            yield %s, %0
          } else {
            %2: float64 = exp(%s)
            yield %2, %2
          }
          return %a
        }
        """,
        """
        function f(%p: bool, %s: float64) {
          %a: float64 = if %p {
            yield %s
          } else {
            %2: float64 = exp(%s)
            yield %2
          }
          return %a
        }
        """,
    ),
    "results of a map": (
        """
        function f(%n: int, %x: float64[%n]) {
          %a: float64[%n], %b: float64[%n] = map %i in range(%n) {
            %0: float64 = getitem(%x, index=%i)
            %1: float64 = sin(%0)
            yield %0, %1
          }
          return %b
        }
        """,
        """
        function f(%n: int, %x: float64[%n]) {
          %b: float64[%n] = map %i in range(%n) {
            %0: float64 = getitem(%x, index=%i)
            %1: float64 = sin(%0)
            yield %1
          }
          return %b
        }
        """,
    ),
    "loops without effects": (
        """
        function f(%s: float64) {
          %a: float64 = for %i in range(0, 9, 1) carrying (%p: float64 = %s) {
            yield %p
          }
          %b: float64 = while carrying (%q: float64 = %s) {
            %0: bool_ = less(%q, 10.0)
            yield %0
          } do (%r: float64) {
            yield %r
          }
          return %s
        }
        """,
        """
        function f(%s: float64) {
          return %s
        }
        """,
    ),
    "around an effect": (
        """
        function f(%n: int, %s: float64) {
          %a: float64, %b: int = for %i in range(0, %n, 1)
              carrying (%p: float64 = %s, %q: int = 0) {
            %0: int = require_equal(%q, 3)
            %1: float64 = sin(%p)
            %2: int = add(%q, 1)
            yield %1, %2
          }
          return
        }
        """,
        """
        function f(%n: int, %s: float64) {
          _: int = for %i in range(0, %n, 1) carrying (%q: int = 0) {
            _: int = require_equal(%q, 3)
            %2: int = add(%q, 1)
            yield %2
          }
          return
        }
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_dead_goes(name):
    becomes(*CASES[name], remove_dead)


def test_the_lengths_in_types_stay():
    stays(
        """
        function f(%x: float64[?]) {
          %n: int = dim(%x, axis=0)
          %y: float64[%n] = sin(%x)
          return %y
        }
        """,
        remove_dead,
    )


def test_effects_stay_in_order_and_with_what_they_need():
    stays(
        """
        function f(%n: int, %m: int) {
          %k: int = multiply(%n, 2)
          _: int = require_equal(%k, %m)
          _: int = raise(error=None)
          _: float64 = draw(call=numpy.sin, args=(), kwargs={})
          return
        }
        """,
        remove_dead,
    )


def test_the_effects_of_a_called_function_are_effects():
    becomes(
        """
        function f(%n: int) {
          %0: int = call g(%n)
          %1: int = call h(%n)
          return
        }
        function g(%n: int) {
          %0: int = require_equal(%n, 3)
          return %n
        }
        function h(%n: int) {
          %0: int = call h(%n)
          return %0
        }
        """,
        """
        function f(%n: int) {
          _: int = call g(%n)
          return
        }
        function g(%n: int) {
          _: int = require_equal(%n, 3)
          return %n
        }
        """,
        remove_dead,
    )


def test_results_are_the_same():
    for name in (
        "a carried value for its own next value",
        "a carried value that another one needs",
    ):
        same_results(CASES[name][0], 5, __import__("numpy").float64(0.3))
