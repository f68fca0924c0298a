"""Loads from stores, stores over stores, entries from stacks."""

import numpy as np
import pytest

from adjoint.backends.interpret import count
from adjoint.transforms.simplify import simplify
from adjoint.transforms.simplify.dead import remove_dead
from adjoint.transforms.simplify.forwarding import FORWARDING
from tests.transforms.simplify.support import becomes, function, same_results, stays

PASSES = (FORWARDING, remove_dead)

HEAD = """
function f(%x: float64[6], %m: float64[3, 3], %i: int{0..4}, %s: float64, %t: float64, %p: float,
           %y: float64[2], %h: float32, %v: int64[2]) {
"""


def graph(body, result="%0"):
    return f"{HEAD}{body}\nreturn {result}\n}}"


BECOMES = [
    # an element
    ("%u: float64[6] = update(%x, %s, path=(('index', %i),))\n"
     "%0: float64 = getitem(%u, index=%i)", "", "%s"),
    ("%j: int = add(%i, 1)\n"
     "%u: float64[6] = update(%x, %s, path=(('index', value(%j)),))\n"
     "%0: float64 = read(%u, path=(('index', %i + 1),))", "", "%s"),
    ("%u: float64[3, 3] = update(%m, %s, path=(('index', (1, %i)),))\n"
     "%0: float64 = getitem(%u, index=(1, %i))", "", "%s"),
    # converted
    ("%u: float64[6] = update(%x, %p, path=(('index', %i),))\n"
     "%0: float64 = getitem(%u, index=%i)", "%0: float64 = cast(%p, dtype=float64)", "%0"),
    ("%u: float64[6] = update(%x, %h, path=(('index', %i),))\n"
     "%0: float64 = getitem(%u, index=%i)", "%0: float64 = cast(%h, dtype=float64)", "%0"),
    # a part
    ("%w: float64[2] = sin(%y)\n"
     "%u: float64[6] = update(%x, %w, path=(('index', %i:%i + 2),))\n"
     "%0: float64[2] = getitem(%u, index=%i:%i + 2)", "%w: float64[2] = sin(%y)", "%w"),
    # through stores to other places
    ("%u: float64[6] = update(%x, %s, path=(('index', %i),))\n"
     "%w: float64[6] = update(%u, %t, path=(('index', %i + 1),))\n"
     "%a: float64[6] = index_add(%w, %t, path=(('index', 5),))\n"
     "%0: float64 = getitem(%a, index=%i)", "", "%s"),
    ("%z: float64[6] = full(shape=(6,), value=2.5, dtype=float64)\n"
     "%u: float64[6] = update(%z, %s, path=(('index', %i),))\n"
     "%0: float64 = getitem(%u, index=5)", "", "float64(2.5)"),
    # a store over a store
    ("%u: float64[6] = update(%x, %s, path=(('index', %i),))\n"
     "%0: float64[6] = update(%u, %t, path=(('index', %i),))",
     "%0: float64[6] = update(%x, %t, path=(('index', %i),))", "%0"),
    ("%u: float64[6] = update(%x, 0, path=(('index', %i),))\n"
     "%0: float64[6] = index_add(%u, %t, path=(('index', %i),))",
     "%0: float64[6] = update(%x, %t, path=(('index', %i),))", "%0"),
    # what is there already
    ("%u: float64 = getitem(%x, index=%i)\n"
     "%0: float64[6] = update(%x, %u, path=(('index', %i),))", "", "%x"),
    # elements of what is put together
    ("%u: float64[2] = stack(%s, %t, axis=0)\n%0: float64 = getitem(%u, index=-1)", "", "%t"),
    ("%u: float64[2, 6] = stack(%x, %x, axis=0)\n%0: float64 = getitem(%u, index=(0, %i))",
     "%0: float64 = getitem(%x, index=(%i,))", "%0"),
    # entries
    ("%e: stack<float64> = empty_stack()\n"
     "%u: stack<float64> = push(%e, %s, index=%i)\n"
     "%w: stack<float64> = push(%u, %t, index=%i + 1)\n"
     "%0: float64 = entry(%w, index=%i, type: float64)", "", "%s"),
]  # fmt: skip

STAYS = [
    # a place that may be the same
    "%u: float64[6] = update(%x, %s, path=(('index', %i),))\n"
    "%w: float64[6] = update(%u, %t, path=(('index', 3),))\n"
    "%0: float64 = getitem(%w, index=%i)",
    # -1 is 5
    "%u: float64[6] = update(%x, %s, path=(('index', 5),))\n"
    "%w: float64[6] = update(%u, %t, path=(('index', -1),))\n"
    "%0: float64 = getitem(%w, index=5)",
    # an older version of the array would be kept
    "%u: float64[6] = update(%x, %s, path=(('index', %i),))\n"
    "%0: float64 = getitem(%u, index=%i + 1)",
    # what was there is counted in
    "%u: float64[6] = index_add(%x, %s, path=(('index', %i),))\n"
    "%0: float64 = getitem(%u, index=%i)",
    # a view
    "%w: float64[2] = getitem(%x, index=0:2)\n"
    "%u: float64[6] = update(%x, %w, path=(('index', 2:4),))\n"
    "%0: float64[2] = getitem(%u, index=2:4)",
    # the last of several stores to a place counts, and an addition counts each
    "%u: float64[6] = update(%x, %y, path=(('index', %v),))\n"
    "%0: float64[2] = getitem(%u, index=%v)",
    "%u: float64[6] = update(%x, 0, path=(('index', %v),))\n"
    "%0: float64[6] = index_add(%u, %y, path=(('index', %v),))",
    # stretched
    "%u: float64[6] = update(%x, %s, path=(('index', 0:2),))\n"
    "%0: float64[2] = getitem(%u, index=0:2)",
    # not all of what is added is stored
    "%u: float64[6] = update(%x, %s, path=(('index', %i),))\n"
    "%0: float64[6] = index_add(%u, %t, path=(('index', %i),))",
]


@pytest.mark.parametrize(("before", "after", "result"), BECOMES)
def test_what_was_stored_is_read(before, after, result):
    becomes(graph(before), graph(after, result), *PASSES)


@pytest.mark.parametrize("body", STAYS)
def test_what_may_be_otherwise_stays(body):
    stays(graph(body), *PASSES)


def test_a_store_that_others_read_stays():
    body = """
        %u: float64[6] = update(%x, %s, path=(('index', %i),))
        %w: float64 = reduce_sum(%u, axis=None, keepdims=False)
        %0: float64[6] = update(%u, %w, path=(('index', %i),))
    """
    stays(graph(body), *PASSES)


@pytest.mark.parametrize("body", [b for b, _, _ in BECOMES] + STAYS)
def test_the_results_are_the_same(body):
    for i in range(2):
        args = (
            np.arange(6.0), np.arange(9.0).reshape(3, 3), i, np.float64(-1), np.float64(7), 0.1,
            np.array([5.0, 6.0]), np.float32(0.1), np.array([3, 3]),
        )  # fmt: skip
        same_results(graph(body), *args)


def test_a_loop_that_fills_an_array_still_stores_in_place():
    source = """
        function f(%n: int, %s: float64) {
          %z: float64[%n] = full(shape=(%n,), value=0, dtype=float64)
          %a: float64[%n] = update(%z, %s, path=(('index', 0),))
          %r: float64[%n] = for %i in range(1, %n, 1) carrying (%u: float64[%n] = %a) {
            %0: float64 = getitem(%u, index=%i - 1)
            %1: float64[%n] = update(%u, %0, path=(('index', %i),))
            %2: float64 = getitem(%1, index=%i)
            %3: float64 = getitem(%1, index=%i - 1)
            %4: float64 = add(%2, %3)
            %5: float64[%n] = update(%1, %4, path=(('index', %i),))
            yield %5
          }
          return %r
        }
        """
    same_results(source, 9, np.float64(1))
    f = simplify(function(source))
    assert count(f, (1000, np.float64(1))).copied == 0
