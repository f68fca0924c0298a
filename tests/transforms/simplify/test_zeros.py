"""Zeros because nothing contributes."""

import numpy as np
import pytest

from adjoint.transforms.simplify.dead import remove_dead
from adjoint.transforms.simplify.zeros import ZEROS
from tests.transforms.simplify.support import operations, same_results, stays

PASSES = (ZEROS, remove_dead)

HEAD = """
function f(%n: int, %x: float64[3], %s: float64, %k: int8, %m: float64[2, 3]) {
%z: float64[3] = full(shape=(3,), value=0, dtype=float64)
%y: float64[2, 3] = full(shape=(2, 3), value=0, dtype=float64)
"""

ZERO = [
    "%0: float64[3] = negative(%z)",
    "%0: float64[3] = add(%z, %z)",
    "%0: float64[3] = getitem(%y, index=1)",
    "%0: float64[3] = reduce_sum(%y, axis=(0,), keepdims=False)",
    "%0: float64[3] = read(%y, path=(('permute', (1, 0)), ('index', (0:, 1))))",
    "%0: float64[3] = strong_multiply(%z, %x)",
    "%0: float64[3] = multiply(%z, 3.0)",
    "%0: float64[3] = multiply(%k, %z)",
    "%0: float64[3] = divide(%z, 3)",
    "%1: float64[2] = full(shape=(2,), value=0, dtype=float64)\n"
    "%2: float64[1] = full(shape=(1,), value=0, dtype=float64)\n"
    "%0: float64[3] = concatenate(%1, %2, axis=0)",
    "%1: bool[3] = isnan(%x)\n%0: float64[3] = where(%1, %z, %z)",
    "%0: float64[3] = update(%z, 0, path=(('index', 1),))",
    "%0: float64[3] = index_add(%z, float64(0.0), path=(('index', 1),))",
    "%1: stack<float64[3]> = empty_stack()\n%0: float64[3] = entry(%1, index=%n, type: float64[3])",
]

STAYS = [
    "%0: float64[3] = multiply(%z, %x)",
    "%0: float64[3] = multiply(%z, inf)",
    "%0: float64[3] = multiply(%x, %z)",
    "%0: float64[3] = strong_multiply(%x, %z)",
    "%0: float64[3] = divide(%z, %x)",
    "%0: float64[3] = divide(%z, 0.0)",
    "%0: float64[3] = update(%z, %s, path=(('index', 1),))",
    "%0: float64[3] = index_add(%z, %s, path=(('index', 1),))",
    "%0: float64[3] = update(%x, 0, path=(('index', 1),))",
    "%0: float64[3] = exp(%z)",
]


def graph(body, result="%0"):
    return f"{HEAD}{body}\nreturn {result}\n}}"


@pytest.mark.parametrize("body", ZERO)
def test_zero_goes_through_what_is_linear(body):
    assert operations(graph(body), *PASSES) == ["full"]


@pytest.mark.parametrize("body", STAYS)
def test_it_does_not_go_through_what_may_be_nan(body):
    stays(graph(body), *PASSES)


@pytest.mark.parametrize("body", ZERO + STAYS)
def test_the_results_are_the_same(body):
    for s in (0.0, np.inf, np.nan, 2.0):
        x = np.array([s, -s, 1.0])
        same_results(graph(body), 2, x, np.float64(s), np.int8(-3), np.array([x, x]))


LOOP = """
function f(%n: int, %x: float64[3], %s: float64) {
  %z: float64[3] = full(shape=(3,), value=0, dtype=float64)
  %a: float64[3], %b: float64[3], %c: float64, %d: float64[3] = for %i in range(0, %n, 1) carrying
      (%p: float64[3] = %z, %q: float64[3] = %z, %r: float64 = float64(0.0), %t: float64[3] = %x) {
    %0: float64[3] = negative(%q)
    %1: float64 = getitem(%p, index=1)
    %2: float64[3] = strong_multiply(%p, %x)
    %u: bool_ = less(%s, 1.0)
    %3: float64[3] = if %u {
      %4: float64[3] = add(%p, %q)
      yield %4
    } else {
      yield %z
    }
    %w: float64[3] = for %j in range(0, 3, 1) carrying (%k: float64[3] = %p) {
      %6: float64[3] = reshape(%k, shape=(3,))
      %7: float64[3] = add(%6, %3)
      yield %7
    }
    %8: float64[3] = add(%w, %2)
    %9: float64 = add(%1, %r)
    %v: float64[3] = add(%t, %0)
    yield %0, %8, %9, %v
  }
  return %a, %b, %c, %d
}
"""


def test_carried_values_that_are_zero_all_along():
    from adjoint.transforms.simplify import simplify
    from tests.transforms.simplify.support import function

    f = simplify(function(LOOP), PASSES)
    (loop,) = [node for node in f.block.nodes if node.op.name == "for"]
    assert len(loop.type) == 1  # t, which is x
    same_results(LOOP, 3, np.arange(3.0), np.float64(0.5))


def test_a_carried_value_that_does_not_stay_zero():
    stays(
        """
        function f(%n: int, %s: float64) {
          %a: float64, %b: float64 = for %i in range(0, %n, 1) carrying
              (%p: float64 = float64(0.0), %q: float64 = float64(0.0)) {
            %0: float64 = add(%q, %s)
            yield %q, %0
          }
          return %a, %b
        }
        """,
        *PASSES,
    )


def test_a_program_that_begins_a_sum_with_zero():
    stays(
        """
        function f(%s: float64) {
          %0: float64 = multiply(%s, 0.0)
          %1: float64 = add(0.0, %0)
          return %1
        }
        """,
        *PASSES,
    )


def test_lengths_that_change_from_pass_to_pass():
    # All of it is zero, but not as long as at the beginning.
    source = """
        function f(%n: int) {
          %z: float64[?] = full(shape=(1,), value=0, dtype=float64)
          %a: float64[?] = for %i in range(0, %n, 1) carrying (%p: float64[?] = %z) {
            %0: float64[?] = concatenate(%p, %p, axis=0)
            yield %0
          }
          return %a
        }
        """
    (result,) = same_results(source, 3)
    assert result.shape == (8,)
