"""What is carried although it does not change, or twice; what branches give in any case."""

import numpy as np
import pytest

from adjoint.transforms.simplify import simplify
from adjoint.transforms.simplify.carried import CARRIED
from adjoint.transforms.simplify.common import COMMON
from adjoint.transforms.simplify.dead import remove_dead
from tests.transforms.simplify.support import becomes, function, same_results, stays

PASSES = (CARRIED, COMMON, remove_dead)

CASES = {
    "values that do not change": (
        """
        function f(%n: int, %s: float64, %x: float64[3]) {
          %a: float64, %b: float64, %y: float64[?] = for %i in range(0, %n, 1)
              carrying (%p: float64 = %s, %q: float64 = %s, %u: float64[?] = %x) {
            %0: float64[?] = multiply(%u, %p)
            %1: float64 = reduce_sum(%0, axis=None, keepdims=False)
            yield %p, %1, %u
          }
          %2: float64 = add(%a, %b)
          return %2
        }
        """,
        """
        function f(%n: int, %s: float64, %x: float64[3]) {
          %b: float64 = for %i in range(0, %n, 1) carrying (%q: float64 = %s) {
            %0: float64[?] = multiply(%x, %s)
            %1: float64 = reduce_sum(%0, axis=None, keepdims=False)
            yield %1
          }
          %2: float64 = add(%s, %b)
          return %2
        }
        """,
    ),
    "a value that becomes what it began as": (
        """
        function f(%s: float64) {
          %a: float64, %b: float64 = while carrying (%p: float64 = %s, %q: float64 = %s) {
            %0: bool_ = less(%p, %q)
            yield %0
          } do (%u: float64, %v: float64) {
            %1: float64 = add(%u, %v)
            yield %1, %s
          }
          return %a, %b
        }
        """,
        """
        function f(%s: float64) {
          %a: float64 = while carrying (%p: float64 = %s) {
            %0: bool_ = less(%p, %s)
            yield %0
          } do (%u: float64) {
            %1: float64 = add(%u, %s)
            yield %1
          }
          return %a, %s
        }
        """,
    ),
    "lengths that do not change": (
        """
        function f(%n: int, %m: int, %x: float64[%n]) {
          %a: int, %y: float64[?] = for %i in range(0, %m, 1)
              carrying (%k: int = %n, %u: float64[%k] = %x) {
            %0: float64[%k] = sin(%u)
            yield %k, %0
          }
          %1: float64[%a] = full(shape=(%a,), value=1.0, dtype=float64)
          return %1, %y
        }
        """,
        """
        function f(%n: int, %m: int, %x: float64[%n]) {
          %y: float64[?] = for %i in range(0, %m, 1) carrying (%u: float64[%n] = %x) {
            %0: float64[%n] = sin(%u)
            yield %0
          }
          %1: float64[%n] = full(shape=(%n,), value=1.0, dtype=float64)
          return %1, %y
        }
        """,
    ),
    "twins": (
        """
        function f(%n: int, %s: float64) {
          %a: float64, %b: float64, %c: float64, %d: float64 = for %i in range(0, %n, 1) carrying
              (%p: float64 = 0.0, %q: float64 = 0.0, %r: float64 = 0.0, %t: float64 = 0.0) {
            %0: float64 = multiply(%p, %r)
            %1: float64 = add(%0, %s)
            %2: float64 = multiply(%q, %t)
            %3: float64 = add(%2, %s)
            %4: float64 = sin(%p)
            %5: float64 = sin(%q)
            yield %1, %3, %4, %5
          }
          return %a, %b, %c, %d
        }
        """.replace("= 0.0", "= float64(0.0)"),
        """
        function f(%n: int, %s: float64) {
          %a: float64, %c: float64 = for %i in range(0, %n, 1) carrying
              (%p: float64 = 0.0, %r: float64 = 0.0) {
            %0: float64 = multiply(%p, %r)
            %1: float64 = add(%0, %s)
            %4: float64 = sin(%p)
            yield %1, %4
          }
          return %a, %a, %c, %c
        }
        """.replace("= 0.0", "= float64(0.0)"),
    ),
    "results of branches": (
        """
        function f(%e: bool, %s: float64, %t: float64) {
          %a: float64, %b: float, %c: float64, %d: float64, %g: float64 = if %e {
            %0: float64 = sin(%s)
            %1: float64 = undefined(type: float64)
            yield %s, 2.0, %1, %0, %0
          } else {
            yield %s, 2.0, %t, %s, %s
          }
          return %a, %b, %c, %d, %g
        }
        """,
        """
        function f(%e: bool, %s: float64, %t: float64) {
          %d: float64 = if %e {
            %0: float64 = sin(%s)
            yield %0
          } else {
            yield %s
          }
          return %s, 2.0, %t, %d, %d
        }
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_need_not_be_carried_is_not(name):
    becomes(*CASES[name], *PASSES)


@pytest.mark.parametrize("name", CASES)
def test_the_results_are_the_same(name):
    args = {
        "n": 3,
        "m": 2,
        "s": np.float64(0.3),
        "t": np.float64(2),
        "x": np.arange(3.0),
        "e": False,
    }
    f = function(CASES[name][0])
    given = [args[p.name] for p in f.block.parameters]
    same_results(CASES[name][0], *given)


def test_what_begins_alike_and_parts_is_no_twin():
    stays(
        """
        function f(%n: int, %s: float64) {
          %a: float64, %b: float64 = for %i in range(0, %n, 1) carrying
              (%p: float64 = %s, %q: float64 = %s) {
            %0: float64 = sin(%p)
            %1: float64 = cos(%q)
            yield %0, %1
          }
          return %a, %b
        }
        """,
        *PASSES,
    )


def test_a_swap_of_equal_values_is_none():
    source = """
        function f(%n: int, %s: float64) {
          %a: float64, %b: float64 = for %i in range(0, %n, 1) carrying
              (%p: float64 = %s, %q: float64 = %s) {
            yield %q, %p
          }
          return %a, %b
        }
        """
    becomes(source, "function f(%n: int, %s: float64) { return %s, %s }", *PASSES)


def test_effects_in_loops_and_branches_whose_results_are_known_stay():
    source = """
        function f(%n: int, %e: bool, %s: float64) {
          %a: float64 = for %i in range(0, %n, 1) carrying (%p: float64 = %s) {
            %0: int = require_equal(%n, 3)
            yield %p
          }
          %b: float64 = if %e {
            %1: int = require_equal(%n, 4)
            yield %s
          } else {
            yield %s
          }
          return %a, %b
        }
        """
    f = simplify(function(source), PASSES)
    names = [node.op.name for node in f.block.nodes if node.blocks]
    assert names == ["for", "if"]
    assert f.block.results == [f.block.parameters[2]] * 2
