"""Common subexpressions."""

import numpy as np
import pytest

from adjoint.transforms.simplify import simplify
from adjoint.transforms.simplify.common import COMMON
from tests.ir.graphs import FLOAT, SCALAR, Body
from tests.transforms.simplify.support import becomes, stays

CASES = {
    "in a block": (
        """
        function f(%x: float64[3], %i: int) {
          %0: float64 = getitem(%x, index=%i + 1)
          %1: float64 = getitem(%x, index=%i + 1)
          %2: float64 = multiply(%0, %1)
          %3: float64 = multiply(%1, %0)
          %4: float64 = subtract(%2, %3)
          return %4
        }
        """,
        """
        function f(%x: float64[3], %i: int) {
          %0: float64 = getitem(%x, index=%i + 1)
          %2: float64 = multiply(%0, %0)
          %4: float64 = subtract(%2, %2)
          return %4
        }
        """,
    ),
    "of blocks around": (
        """
        function f(%x: float64, %e: bool) {
          %0: float64 = sin(%x)
          %a: float64 = if %e {
            %1: float64 = sin(%x)
            %2: float64 = cos(%1)
            yield %2
          } else {
            %3: float64 = cos(%x)
            %4: float64 = cos(%x)
            %5: float64 = add(%3, %4)
            yield %5
          }
          %6: float64 = cos(%x)
          %7: float64 = add(%6, %a)
          return %7
        }
        """,
        """
        function f(%x: float64, %e: bool) {
          %0: float64 = sin(%x)
          %a: float64 = if %e {
            %2: float64 = cos(%0)
            yield %2
          } else {
            %3: float64 = cos(%x)
            %5: float64 = add(%3, %3)
            yield %5
          }
          %6: float64 = cos(%x)
          %7: float64 = add(%6, %a)
          return %7
        }
        """,
    ),
    "lengths": (
        """
        function f(%x: float64[?]) {
          %n: int = dim(%x, axis=0)
          %m: int = dim(%x, axis=0)
          %y: float64[%m] = full(shape=(%m,), value=1.0, dtype=float64)
          %z: float64[%n] = full(shape=(+%n,), value=2.0, dtype=float64)
          %w: float64[2*%m - 1] = full(shape=(%n + %m - 1,), value=2.0, dtype=float64)
          return %y, %z, %w
        }
        """,
        """
        function f(%x: float64[?]) {
          %n: int = dim(%x, axis=0)
          %y: float64[%n] = full(shape=(%n,), value=1.0, dtype=float64)
          %z: float64[%n] = full(shape=(+%n,), value=2.0, dtype=float64)
          %w: float64[2*%n - 1] = full(shape=(2*%n - 1,), value=2.0, dtype=float64)
          return %y, %z, %w
        }
        """,
    ),
    "requirements": (
        """
        function f(%n: int, %m: int) {
          %0: int = require_equal(%n, %m)
          %1: int = require_equal(%n, %m)
          %2: int = require_equal(%m, %n)
          return
        }
        """,
        """
        function f(%n: int, %m: int) {
          _: int = require_equal(%n, %m)
          _: int = require_equal(%m, %n)
          return
        }
        """,
    ),
    "decompositions": (
        """
        function f(%x: float64[2, 2]) {
          %q: float64[2, 2], %r: float64[2, 2] = qr(%x)
          %s: float64[2, 2], %t: float64[2, 2] = qr(%x)
          return %q, %t
        }
        """,
        """
        function f(%x: float64[2, 2]) {
          %q: float64[2, 2], %r: float64[2, 2] = qr(%x)
          return %q, %r
        }
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_there_already_is_used(name):
    becomes(*CASES[name], COMMON)


APART = {
    "kinds of numbers": """
        function f(%x: float) {
          %0: float = add(%x, %x)
          %1: float64 = add(%x, %x)
          return %0, %1
        }
        """,
    "parameters": """
        function f(%x: float64[3, 3]) {
          %0: float64[3] = reduce_sum(%x, axis=(0,), keepdims=False)
          %1: float64[3] = reduce_sum(%x, axis=(1,), keepdims=False)
          return %0, %1
        }
        """,
    "room": """
        function f(%s: float64) {
          %0: float64[3] = full(shape=(3,), value=0, dtype=float64)
          %1: float64[3] = full(shape=(3,), value=0, dtype=float64)
          %2: float64[3] = update(%0, %s, path=(("index", 0),))
          %3: float64[3] = update(%1, %s, path=(("index", 1),))
          return %2, %3
        }
        """,
    "draws": """
        function f() {
          %0: float64 = draw(call=numpy.sin, args=(), kwargs={})
          %1: float64 = draw(call=numpy.sin, args=(), kwargs={})
          return %0, %1
        }
        """,
    "branches": """
        function f(%e: bool, %x: float64) {
          %a: float64 = if %e {
            %0: float64 = sin(%x)
            yield %0
          } else {
            %1: float64 = sin(%x)
            yield %1
          }
          return %a
        }
        """,
}


@pytest.mark.parametrize("name", APART)
def test_what_is_not_the_same_stays_apart(name):
    stays(APART[name], COMMON)


def test_constants_are_compared_to_the_last_bit():
    numbers = (
        0.0, -0.0, float("nan"), 0, False, 1, 1.0, True, np.float64(0), np.float32(0), np.int64(0),
        complex(0, -0.0), 0j, np.float64(np.nan), np.True_,
    )  # fmt: skip
    body = Body()
    first = [body.constant(x) for x in numbers]
    again = [body.constant(x) for x in numbers]
    arrays = [np.array([0.0]), np.array([-0.0]), np.array([0]), np.array([[0.0]]), np.zeros(100)]
    first += [body.constant(x) for x in arrays]
    again += [body.constant(x.copy() if x.size == 1 else x) for x in arrays]
    f = body.results(*first, *again).function()
    simplify(f, (COMMON,))
    results = f.block.results
    assert results[: len(first)] == first == results[len(first) :]
    assert f.block.nodes == first


def test_functions_of_users_are_called_as_often_as_they_stand():
    from adjoint.ir.core import Op

    body, op = Body(), Op("sin", np.sin, ("x",))
    x = body.parameter(FLOAT)
    results = [body.emit(op, x, type=SCALAR) for _ in range(2)]
    f = body.results(*results).function()
    simplify(f, (COMMON,))
    assert f.block.results == results
