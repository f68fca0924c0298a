"""What every pass does alike is done before the loop, if it cannot fail."""

import numpy as np
import pytest

from adjoint.transforms.simplify.invariant import move_invariant
from tests.transforms.simplify.support import becomes, same_results, stays

HEAD = """
function f(%n: int, %x: float64[3], %y: float64[%n], %m: float64[3, 3], %s: float64, %k: int,
           %t: stack<float64>) {
"""

LOOP = """
  %a: float64 = for %i in range(0, %n, 1) carrying (%p: float64 = %s) {{
    {}
    %1: float64 = multiply(%p, %0)
    yield %1
  }}
  return %a
}}
"""

MOVED = [
    "%0: float64 = sin(%s)",
    "%2: float64[3] = multiply(%x, %s)\n%0: float64 = reduce_sum(%2, axis=None, keepdims=False)",
    "%2: float64[3] = matmul(%m, %x)\n%0: float64 = getitem(%2, index=-1)",
    "%0: float64 = getitem(%x, index=2)",
    "%2: float64[3] = getitem(%m, index=(0:, 1))\n%3: float64[3] = add(%2, %x)\n"
    "%0: float64 = reduce_max(%3, axis=None, keepdims=False)",
    "%0: float64 = divide(%s, %s)",
    "%2: float64 = strong_divide(%s, 3)\n%0: float64 = divide(2, %2)",
    "%0: float64 = cast(2, dtype=float64)",
    "%0: float64 = power(%s, %k)",
    "%2: float64[%n] = sin(%y)\n%0: float64 = reduce_sum(%2, axis=None, keepdims=False)",
    "%0: float64 = entry(%t, index=0, type: float64)",
]

STAYS = [
    "%0: float64 = getitem(%x, index=%i)",
    "%0: float64 = getitem(%x, index=%k)",
    "%0: float64 = getitem(%y, index=0)",
    "%2: float64[3, 3] = inv(%m)\n%0: float64 = getitem(%2, index=(0, 0))",
    "%0: float = divide(1.0, %n)",
    "%0: float64 = divide(%s, %n)",
    "%0: int = floor_divide(%k, %n)",
    "%2: float64[3] = add(%x, %y)\n%0: float64 = reduce_sum(%2, axis=None, keepdims=False)",
    "%0: float64 = reduce_max(%y, axis=None, keepdims=False)",
    "%2: float64[%n, 1] = reshape(%x, shape=(%n, 1))\n"
    "%0: float64 = reduce_sum(%2, axis=None, keepdims=False)",
    "%0: float64 = draw(call=numpy.sin, args=(), kwargs={})",
    "%2: float64[3] = full(shape=(3,), value=0, dtype=float64)\n%0: float64 = matmul(%2, %2)",
    "%0: float64 = entry(%t, index=%k, type: float64)",
]


@pytest.mark.parametrize("body", MOVED)
def test_what_cannot_fail_is_moved(body):
    becomes(HEAD + LOOP.format(body), HEAD + body + LOOP.format(""), move_invariant)


@pytest.mark.parametrize("body", [s for s in STAYS if "reduce_max(%y" not in s and "%2:" not in s])
def test_what_may_fail_stays(body):
    stays(HEAD + LOOP.format(body), move_invariant)


@pytest.mark.parametrize("body", [s for s in STAYS if "reduce_max(%y" in s or "%2:" in s])
def test_what_may_fail_stays_with_what_needs_it(body):
    source = HEAD + LOOP.format(body)
    from adjoint.transforms.simplify import simplify
    from tests.transforms.simplify.support import function

    f = simplify(function(source), (move_invariant,))
    (loop,) = [node for node in f.block.nodes if node.op.name == "for"]
    assert len(loop.blocks[0].nodes) == len(body.split("\n")) + 1


READS = [s for s in STAYS if s.startswith("%0: float64 = getitem") and "%i" not in s]


@pytest.mark.parametrize("body", READS)
def test_a_read_leaves_a_loop_that_surely_runs(body):
    runs = LOOP.replace("range(0, %n, 1)", "range(2, 5, 1)")
    becomes(HEAD + runs.format(body), HEAD + body + runs.format(""), move_invariant)


@pytest.mark.parametrize("passes", ["range(5, 5, 1)", "range(%n, 5, 1)", "range(0, 5, -1)"])
def test_a_read_stays_in_a_loop_that_may_not_run(passes):
    stays(HEAD + LOOP.replace("range(0, %n, 1)", passes).format(READS[0]), move_invariant)


def test_an_operation_leaves_all_the_loops_that_it_does_not_depend_on():
    becomes(
        """
        function f(%n: int, %s: float64) {
          %a: float64 = for %i in range(0, %n, 1) carrying (%p: float64 = %s) {
            %b: float64 = while carrying (%q: float64 = %p) {
              %0: float64 = sin(%s)
              %1: bool_ = less(%q, %0)
              yield %1
            } do (%r: float64) {
              %2: float64 = cos(%s)
              %3: float64 = multiply(%i, %2)
              %4: float64 = add(%r, %3)
              yield %4
            }
            yield %b
          }
          return %a
        }
        """,
        """
        function f(%n: int, %s: float64) {
          %0: float64 = sin(%s)
          %2: float64 = cos(%s)
          %a: float64 = for %i in range(0, %n, 1) carrying (%p: float64 = %s) {
            %3: float64 = multiply(%i, %2)
            %b: float64 = while carrying (%q: float64 = %p) {
              %1: bool_ = less(%q, %0)
              yield %1
            } do (%r: float64) {
              %4: float64 = add(%r, %3)
              yield %4
            }
            yield %b
          }
          return %a
        }
        """,
        move_invariant,
    )


def test_nothing_leaves_a_branch():
    stays(
        """
        function f(%n: int, %s: float64, %e: bool) {
          %a: float64 = for %i in range(0, %n, 1) carrying (%p: float64 = %s) {
            %b: float64 = if %e {
              %0: float64 = sin(%s)
              yield %0
            } else {
              yield %p
            }
            yield %b
          }
          return %a
        }
        """,
        move_invariant,
    )


@pytest.mark.parametrize("body", MOVED)
def test_the_results_are_the_same(body):
    from adjoint.ops.control import Stack

    for n in (0, 1, 3):
        args = (
            n, np.arange(3.0), np.ones(n), np.eye(3), np.float64(2), 2, Stack([np.float64(3)])
        )  # fmt: skip
        same_results(HEAD + LOOP.format(body), *args)
