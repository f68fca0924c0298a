"""Expressions of lengths: arithmetic, what is proved of them, and lengths of slices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjoint.ir import dims
from adjoint.ir.dims import Dim, add, difference, evaluate, known_sign, least, of_value, scale
from adjoint.ir.types import Type
from adjoint.ops.indexing import getitem
from tests.ops.symbols import Symbols, integer

F64 = np.dtype(np.float64)


def test_arithmetic_is_that_of_integers():
    n, m = integer(), integer()
    x, y = of_value(n), of_value(m)
    e = add(scale(x, 3), difference(2, y))
    assert evaluate(e, {n: 5, m: 4}) == 13
    assert difference(e, scale(x, 3)) == add(scale(y, -1), 2)
    assert difference(x, x) == 0 and type(difference(x, x)) is int
    assert scale(x, 0) == 0 and add(x, 0) is x
    assert add(x, y) == add(y, x) and hash(add(x, y)) == hash(add(y, x))
    assert x != y and x != 5


def test_text():
    n, m = integer(), integer()
    x, y = of_value(n), of_value(m)
    assert str(difference(x, 1)) == "n - 1"
    assert str(add(scale(y, -2), x)) == "-2*n + m"
    assert str(add(difference(x, scale(y, 3)), 4)) == "n - 3*m + 4"
    assert difference(x, y).text({n: "%1", m: "%2"}.__getitem__) == "%1 - %2"
    assert dims.texts((x, 3), (y, None), (x,)) == ["(n,3)", "(m,?)", "(n,)"]


def test_a_loop_index_stays_below_the_length():
    """Bounds that mention other values are put in before those of what they mention."""
    n = integer(9)
    length = of_value(n)
    i = of_value(integer(0, difference(length, 1)))
    j = of_value(integer(0, difference(i, 1)))
    assert known_sign(difference(difference(length, 1), i)) == ">=0"
    assert known_sign(difference(length, j)) == ">0"
    assert known_sign(difference(i, length)) == "<0"
    assert known_sign(difference(j, i)) == "<0"
    assert known_sign(difference(i, 1)) is None
    k = of_value(integer(add(i, 1), difference(length, 1)))
    assert known_sign(difference(k, i)) == ">0"
    assert least(difference(k, j)) == 2
    assert known_sign(difference(scale(length, 2), k)) == ">0"


def test_signs():
    n = of_value(integer(2, 5))
    assert known_sign(n) == ">0" and known_sign(difference(n, 2)) == ">=0"
    assert known_sign(difference(n, 5)) == "<=0" and known_sign(difference(n, 6)) == "<0"
    assert known_sign(difference(n, 3)) is None
    assert known_sign(of_value(integer(4, 4))) == ">0"
    assert known_sign(difference(of_value(integer(4, 4)), 4)) == "==0"
    assert known_sign(of_value(integer())) is None
    assert [known_sign(k) for k in (-1, 0, 1)] == ["<0", "==0", ">0"]


def test_bounds_that_lead_in_a_circle_prove_nothing():
    a, b = integer(), integer()
    a.bounds, b.bounds = (of_value(b), None), (of_value(a), None)
    assert known_sign(of_value(a)) is None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_is_proved_is_true(data):
    """Random values under random bounds that mention earlier values."""
    env, values = {}, []
    for _ in range(data.draw(st.integers(1, 4))):
        bounds = []
        for side in (-1, 1):
            base = data.draw(st.sampled_from([0, *map(of_value, values)]))
            bounds.append(add(base, data.draw(st.integers(0, 4)) * side))
        low, high = (evaluate(b, env) for b in bounds)
        if low > high:
            bounds[1], high = bounds[0], low
        value = integer(*(b if data.draw(st.booleans()) else None for b in bounds))
        env[value] = data.draw(st.integers(low, high))
        values.append(value)
    x = sum_ = data.draw(st.integers(-3, 3))
    for value in values:
        x = add(x, scale(of_value(value), data.draw(st.integers(-2, 2))))
    sum_ = evaluate(x, env)
    low, high = least(x), dims.greatest(x)
    assert low is None or low <= sum_
    assert high is None or high >= sum_


# -- slices ----------------------------------------------------------------------------------------


def _bounds(symbols: Symbols, n: Dim, number: int) -> list:
    """Return expressions that a program may slice an axis of that length with."""
    result = [None, 0, 1, 2, -1, -2, n, difference(n, 1), add(n, 2)]
    if number:
        for at in {0, number // 2, number - 1}:
            index = symbols.symbol(at, 0, difference(n, 1))
            result += [index, add(index, 1), difference(index, 1)]
    result.append(symbols.symbol(number // 2 + 1))
    return result


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("step", [None, 1, 2, 3, -1, -2])
def test_lengths_of_slices(number, step):
    """Of every pair of bounds, whether they are proved to be in order or not."""
    symbols = Symbols()
    n = symbols.symbol(number, 0)
    for start, stop in itertools.product(_bounds(symbols, n, number), repeat=2):
        got = symbols.infer(getitem, (Type(F64, (n,)),), {"index": slice(start, stop, step)})
        parts = [None if x is None else symbols.number(x) for x in (start, stop)]
        want = len(np.empty(number)[slice(*parts, step)])
        assert symbols.shape(got.shape) == (want,), (start, stop)


def test_lengths_that_need_no_operation():
    symbols = Symbols()
    n = symbols.symbol(12, 9)
    i = symbols.symbol(5, 0, difference(n, 1))
    j = symbols.symbol(7, add(i, 1), difference(n, 1))
    for index, length in (
        (slice(None), n),
        (slice(None, None, -1), n),
        (slice(0, n), n),
        (slice(None, i), i),
        (slice(None, add(i, 1)), add(i, 1)),
        (slice(i, None), difference(n, i)),
        (slice(add(i, 1), None), difference(difference(n, i), 1)),
        (slice(i, j), difference(j, i)),
        (slice(1, -1), difference(n, 2)),
        (slice(-3, None), 3),
        (slice(2, 5), 3),
        (slice(i, add(i, 1)), 1),
        (slice(i, None, -1), add(i, 1)),
        (slice(j, i, -1), difference(j, i)),
        (slice(n, None), 0),
        (slice(3, 1), 0),
        (slice(0, 0), 0),
    ):
        got = symbols.infer(getitem, (Type(F64, (n,)),), {"index": index})
        assert got.shape == (length,), index
    assert not symbols.fresh
    even = scale(n, 2)
    got = symbols.infer(getitem, (Type(F64, (even,)),), {"index": slice(None, None, 2)})
    assert got.shape == (n,) and not symbols.fresh


def test_a_length_that_is_no_expression_is_asked_for():
    symbols = Symbols()
    n, k = symbols.symbol(12, 9), symbols.symbol(15)
    got = symbols.infer(getitem, (Type(F64, (n,)),), {"index": slice(None, k)})
    assert symbols.fresh == 1 and symbols.shape(got.shape) == (12,)
