"""Identities of arithmetic and shape, and where they do not hold."""

import numpy as np
import pytest

from adjoint.transforms.simplify.algebra import ALGEBRA
from adjoint.transforms.simplify.dead import remove_dead
from tests.transforms.simplify.support import becomes, same_results, stays

PASSES = (ALGEBRA, remove_dead)

HEAD = """
function f(%x: float64[3], %s: float64, %n: int, %p: float, %z: complex128, %k: int8, %b: bool_,
           %m: float64[2, 3], %v: float64[%n], %h: float32) {
"""

GONE = [
    ("%0: float64[3] = multiply(%x, 1)", "%x"),
    ("%0: float64[3] = multiply(float64(1.0), %x)", "%x"),
    ("%1: float64[3] = full(shape=(3,), value=1, dtype=float64)\n%0: float64[3] = multiply(%1, %x)",
     "%x"),
    ("%0: float64[3] = divide(%x, 1.0)", "%x"),
    ("%0: float64 = strong_multiply(float64(1.0), %s)", "%s"),
    ("%0: float64 = strong_divide(%s, 1)", "%s"),
    ("%0: float64 = power(%s, 1)", "%s"),
    ("%0: int8 = add(%k, 0)", "%k"),
    ("%0: int8 = multiply(%k, 1)", "%k"),
    ("%0: float64[3] = subtract(%x, 0)", "%x"),
    ("%0: float64[3] = subtract(%x, 0.0)", "%x"),
    ("%0: float64[3] = add(-0.0, %x)", "%x"),
    ("%0: float64[3] = add(%x, float64(0.0))", "%x"),
    ("%1: float64[3] = full(shape=(3,), value=0, dtype=float64)\n%0: float64[3] = add(%1, %x)",
     "%x"),
    ("%1: float64[3] = negative(%x)\n%0: float64[3] = negative(%1)", "%x"),
    ("%0: float64 = conjugate(%s)", "%s"),
    ("%0: float64[3] = real(%x)", "%x"),
    ("%0: float64 = cast(%s, dtype=float64)", "%s"),
    ("%1: float64 = cast(%h, dtype=float64)\n%0: float32 = cast(%1, dtype=float32)", "%h"),
    ("%0: float64[2, 3] = permute(%m, axes=(0, 1))", "%m"),
    ("%1: float64[3, 2] = permute(%m, axes=(1, 0))\n%0: float64[2, 3] = permute(%1, axes=(-1, 0))",
     "%m"),
    ("%0: float64[2, 3] = reshape(%m, shape=(2, 3))", "%m"),
    ("%1: float64[6] = reshape(%m, shape=(-1,))\n%0: float64[2, 3] = reshape(%1, shape=(2, 3))",
     "%m"),
    ("%0: float64[%n] = reshape(%v, shape=(-1,))", "%v"),
    ("%0: float64[%n] = broadcast_to(%v, shape=(%n,))", "%v"),
    ("%0: float64 = copy(%s)", "%s"),
    ("%1: float64[3] = broadcast_to(%s, shape=(3,))\n%0: float64 = getitem(%1, index=2)", "%s"),
    ("%1: float64[3] = full(shape=(3,), value=2.5, dtype=float64)\n"
     "%0: float64 = getitem(%1, index=2)", "float64(2.5)"),
    ("%0: bool_ = logical_and(%b, True)", "%b"),
    ("%0: bool_ = logical_or(True, %b)", "bool_(True)"),
    ("%0: bool_ = logical_and(%b, bool_(False))", "bool_(False)"),
    ("%1: bool_ = logical_not(%b)\n%0: bool_ = logical_not(%1)", "%b"),
    ("%0: float64[3] = where(%b, %x, %x)", "%x"),
    ("%0: float64[3] = maximum(%x, %x)", "%x"),
]  # fmt: skip

BECOMES = [
    ("%1: float64[3] = negative(%x)\n%0: float64[3] = add(%x, %1)",
     "%0: float64[3] = subtract(%x, %x)"),
    ("%1: float64[3] = negative(%x)\n%0: float64[3] = subtract(%x, %1)",
     "%0: float64[3] = add(%x, %x)"),
    ("%1: float64 = negative(%s)\n%0: float64 = divide(%1, %1)", "%0: float64 = divide(%s, %s)"),
    ("%0: float64 = subtract(float64(0.0), %s)", "%0: float64 = negative(%s)"),
    ("%0: float64 = strong_divide(%s, 2)", "%0: float64 = divide(%s, 2)"),
    ("%0: float64 = strong_multiply(2, %s)", "%0: float64 = multiply(2, %s)"),
    ("%1: float64[3] = multiply(%x, %x)\n%0: float64[3] = copy(%1)",
     "%0: float64[3] = multiply(%x, %x)"),
    ("%1: float64[4] = broadcast_to(%s, shape=(4,))\n"
     "%0: float64 = reduce_sum(%1, axis=None, keepdims=False)", "%0: float64 = multiply(%s, 4)"),
    ("%1: float64[2, 3] = broadcast_to(%x, shape=(2, 3))\n"
     "%0: float64[3] = reduce_sum(%1, axis=(0,), keepdims=False)",
     "%0: float64[3] = multiply(%x, 2)"),
    ("%1: float64[2, 3] = broadcast_to(%s, shape=(2, 3))\n"
     "%0: float64[3] = getitem(%1, index=0)", "%0: float64[3] = broadcast_to(%s, shape=(3,))"),
    ("%1: float64[2] = broadcast_to(%s, shape=(2,))\n"
     "%0: float64[3, 2] = broadcast_to(%1, shape=(3, 2))",
     "%0: float64[3, 2] = broadcast_to(%s, shape=(3, 2))"),
]  # fmt: skip

STAYS = [
    "%0: float64[3] = multiply(%x, 0)",
    "%0: float64[3] = add(%x, 0)",
    "%0: float64[3] = add(%x, 0.0)",
    "%0: float64[3] = subtract(%x, -0.0)",
    "%0: complex128 = multiply(%z, 1)",
    "%0: complex128 = divide(%z, 1)",
    "%0: float64 = multiply(%p, float64(1.0))",
    "%0: float64[3, 3] = multiply(%1, %x)".replace(
        "%0", "%1: float64[3, 1] = full(shape=(3, 1), value=1, dtype=float64)\n%0"
    ),
    "%0: float64 = divide(%k, 1)",
    "%0: float64 = strong_divide(%s, %n)",
    "%0: float64 = strong_divide(%s, 0)",
    "%1: int8 = negative(%k)\n%2: int8 = negative(%k)\n%0: int8 = multiply(%1, %2)",
    "%1: float64[%n] = broadcast_to(%s, shape=(%n,))\n"
    "%0: float64 = reduce_sum(%1, axis=None, keepdims=False)",
    "%1: float64[2, 3] = broadcast_to(%x, shape=(2, 3))\n"
    "%0: float64[2] = reduce_sum(%1, axis=(1,), keepdims=False)",
    "%0: float64[3] = copy(%x)",
    "%1: float32 = cast(%s, dtype=float32)\n%0: float64 = cast(%1, dtype=float64)",
    "%0: float64 = cast(%p, dtype=float64)",
]


def graph(body, result="%0"):
    return f"{HEAD}{body}\nreturn {result}\n}}"


@pytest.mark.parametrize(("body", "result"), GONE)
def test_identities(body, result):
    becomes(graph(body), graph("", result), *PASSES)


@pytest.mark.parametrize(("before", "after"), BECOMES)
def test_rewritings(before, after):
    becomes(graph(before), graph(after), *PASSES)


@pytest.mark.parametrize("body", STAYS)
def test_what_would_not_be_exact_stays(body):
    stays(graph(body), *PASSES)


SPECIAL = [0.0, -0.0, 1.0, -3.0, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("body", [b for b, _ in GONE + BECOMES] + STAYS)
def test_results_are_the_same_for_special_values(body):
    for k, s in enumerate(SPECIAL):
        x = np.array([s, SPECIAL[k - 1], 2.0])
        args = (
            x, np.float64(s), 2, 0.5, np.complex128(complex(s, 1)), np.int8(-128), np.True_,
            np.array([x, x[::-1]]), np.array([1.0, s]), np.float32(s),
        )  # fmt: skip
        same_results(graph(body), *args)
