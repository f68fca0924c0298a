"""Graphs as text, and back."""

from __future__ import annotations

import random
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjoint.errors import IRError
from adjoint.ir.dims import Dim
from adjoint.ir.graph import walk
from adjoint.ir.text import text
from adjoint.ir.verify import verify
from adjoint.ops.text import parse_function, parse_functions
from tests.ir.graphs import FLOAT, INT, LARGE, Body, Comparison, Graphs, Pair, anything, array

# Each is what `text` writes, and valid.
PROGRAMS = {
    "straight line": """
function f(%x: float64[3], %s: float) {
  %0: float64[3] = sin(%x)
  %1: float64[3] = multiply(%0, %s)
  %2: float64 = reduce_sum(%1, axis=None, keepdims=False)
  return %2, %s
}
""",
    "numbers of every kind": """
function f() {
  %0: float = add(2.0, -0.0)
  %1: complex = add((1+2j), -1j)
  %2: float = add(inf, nan)
  %3: int = add(-3, True)
  %4: float64 = add(float64(0.1), float32(0.1))
  %5: complex64 = add(complex64((1-2j)), int8(-3))
  %6: bool_ = logical_not(bool_(True))
  return 1e-300, 1, uint64(18446744073709551615)
}
""",
    "constant arrays": """
function f() {
  %0: int64[3] = constant([0, 2, 1])
  %1: float32[1, 2] = constant([[0.1, nan]])
  %2: float64[] = constant(2.5)
  %3: float64[0, 3] = constant([])
  %4: complex128[2] = constant([(1+2j), -0.5j])
  %5: bool[2] = constant([True, False])
  %6: float64[1] = constant([1.5])
  return %0, %1, %2, %3, %4, %5, %6
}
""",
    "constants with a line of their own": """
function f() {
  %0: float = constant(2.0)
  %1: int = constant(3)
  %2: float64[%1] = full(shape=(%1,), value=1.0, dtype=float64)
  %eps: float32 = constant(float32(1e-06))
  %3: float64[%1] = add(%2, %eps)
  return %3, %1
}
""",
    "lengths": """
function f(%n: int{1..}, %m: int{..%n - 1}, %k: int32, %x: float64[%n, 2*%m - %n + 3, ?]) {
  %0: int{0..} = dim(%x, axis=2)
  %1: float64[%n - 1] = full(shape=(%n - 1,), value=0.0, dtype=float64)
  %2: float64[%n, %k] = full(shape=(%n, +%k), value=0.0, dtype=float64)
  %3: float64[?] = full(shape=(value(%n),), value=0.0, dtype=float64)
  %4: int64[-%m + %n] = iota(start=-%m + 1, stop=%n + 1, step=1, dtype=int64)
  return %0, %1, %2, %3, %4
}
""",
    "indices": """
function f(%x: float64[9, 9], %i: int, %k: int64, %mask: bool[9]) {
  %0: float64 = getitem(%x, index=(%i, -1))
  %1: float64[9] = getitem(%x, index=(:, %k))
  %2: float64[?, 1, 9] = getitem(%x, index=(3:%i:2, None, ...))
  %3: float64[?, 9] = getitem(%x, index=%i - 1:)
  %4: float64[9, 9] = getitem(%x, index=(::-1,))
  %5: float64[?, 9] = getitem(%x, index=%mask)
  %6: float64[9, 9] = update(%x, 0.0, path=(('index', (:, %i)), ('permute', (0,))))
  return %0, %1, %2, %3, %4, %5, %6
}
""",
    "parameters": """
function f(%x: float64[3]) {
  %0: float32[3] = cast(%x, dtype=float32)
  %1: bool[3] = cast(%x, dtype=bool)
  %2: int32[3] = cast(%x, dtype=dtype('>i4'))
  %3: int64[3] = numpy.argsort(args=(%x,), kwargs={'kind': 'stable', 'axis': 0})
  %4: float64[3] = einsum(%x, inputs=('i',), output='i', options={None: [1, 2:3], 2: (2:3)})
  %5: float64[] = numpy.sum(args=(%x,), kwargs={'dtype': numpy.float64, 'where': builtins.float})
  %6: float64[3] = undefined(type: float64[3])
  %7: int = undefined('inf'=numpy.linalg.norm, 'a b'="it's", b=b'x', c=constant(2.0), d=numpy.add)
  return
}
""",
    "several results": """
function f(%x: float64[3, 3]) {
  %0: float64[3, 3], _: float64[3], %1: float64[3, 3] = svd(%x, full_matrices=True)
  _: float64[3, 3], _: float64[3], _: float64[3, 3] = svd(%x)
  %2: int64[?] = numpy.nonzero(args=(%x,), kwargs={})
  %3: int64[?], = sin(%x)
  %4: int64[?] = sin(%x)
  sin(%x)
  %5 = (%6: float64[3], _: float64) = svd(%x)
  %7: float64[3] = project(%5, k=0)
  return %0, %1, %7
}
""",
    "for": """
function f(%n: int, %x: float64[%n]) {
  %0: float64[%n], %1: float = for %i: int{0..%n - 1} in range(0, %n, 1) carrying \
(%u: float64[%n] = %x, %s: float = 0.0) {
    %2: float64 = getitem(%u, index=%i)
    %3: float64[%n] = update(%u, 2.0, path=(('index', %i),))
    yield %3, %s
  }
  for %4 in range(%n, 0, -1) {
    yield
  }
  _: int = for %5: int64 in range(int64(0), int64(3), int64(1)) carrying (%6: int = %n) \
with (unroll=2) {
    yield %6
  }
  return %0, %1
}
""",
    "while": """
function f(%x: float) {
  %0: float, %1: int = while carrying (%2: float = %x, %k: int = 0) {
    %3: bool = less(%2, 1.0)
    yield %3
  } do (%4: float, %k_1: int) {
    %5: float = multiply(%4, %x)
    yield %5, 1
  }
  while with (bound=None) {
    yield True
  } do {
    yield
  }
  return %0
}
""",
    "if": """
function f(%x: float64[3], %p: bool_) {
  %0: float64[3] = if %p {
    %1: float64[3] = sin(%x)
    yield %1
  } else {
    yield %x
  }
  if True with (likely=True) {
    yield
  } else {
    yield
  }
  return %0
}
""",
    "map": """
function f(%n: int, %x: float64[%n, 3]) {
  %0: float64[%n, 3], %1: int64[%n] = map %i in range(%n) {
    %2: float64[3] = getitem(%x, index=%i)
    yield %2, %i
  }
  map %3: int{0..2} in range(3) {
    yield
  }
  return %0
}
""",
    "nested, with captured values": """
function f(%n: int, %x: float64[%n]) {
  %0: float64 = for %i in range(0, %n, 1) carrying (%s: float64 = float64(0.0)) {
    %1: float64 = for %j in range(0, %i, 1) carrying (%t: float64 = %s) {
      %2: bool = less(%j, 3)
      %3: float64 = if %2 {
        %4: float64 = getitem(%x, index=%i - %j)
        %5: float64 = add(%4, %t)
        yield %5
      } else {
        %6: float64 = while carrying (%7: float64 = %s) {
          %8: bool_ = less(%7, %t)
          yield %8
        } do (%9: float64) {
          %10: float64 = add(%9, %s)
          yield %10
        }
        yield %6
      }
      yield %3
    }
    yield %1
  }
  return %0
}
""",
    "carried lengths": """
function f(%x: float64[3]) {
  %0: int, %1: float64[?] = for %2 in range(0, 9, 1) carrying (%n: int = 3, %u: float64[%n] = %x) {
    %3: int = add(%n, 1)
    %4: float64[%3] = full(shape=(%3,), value=0.0, dtype=float64)
    yield %3, %4
  }
  return %1
}
""",
    "stacks": """
function f(%n: int, %x: float64) {
  %0: stack<float64> = empty_stack()
  %1: stack<float64> = for %i in range(0, %n, 1) carrying (%2: stack<float64> = %0) {
    %3: stack<float64> = push(%2, %x, index=%i)
    yield %3
  }
  %4: float64 = entry(%1, index=%n - 1, type: float64)
  %5: stack<stack<float64[?, %n]>> = empty_stack()
  %6: stack<float64[?, %n]> = entry(%5, index=0, type: stack<float64[?, %n]>)
  return %4, %6
}
""",
    "calls": """
function f(%n: int, %x: float64[%n], %y: float64[3]) {
  %0: float64[%n], %1: int = call g(%n, %x)
  _: float64[3], %2: int = call g(3, %y) with (inline=True)
  call '<lambda>'()
  return %0, %1
}

function g(%n: int, %x: float64[%n]) {
  %0: bool = less(%n, 1)
  %1: float64[%n], %2: int = if %0 {
    %3: float64[%n], %4: int = call g(%n, %x)
    yield %3, %4
  } else {
    %5: int = undefined(callback=@g)
    yield %x, %5
  }
  return %1, %2
}

function '<lambda>'() {
  return
}
""",
}


def read(written: str, constants: dict | None = None):
    return parse_function("function f() { " + written + " }", constants)


@pytest.mark.parametrize("name", PROGRAMS)
def test_text_comes_back(name):
    written = PROGRAMS[name].lstrip()
    function = parse_function(written)
    verify(function)
    assert text(function) == written


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_random_graphs_come_back(seed):
    f = random_function(seed)
    verify(f)
    constants = {}
    written = text(f, constants=constants)
    g = parse_function(written, constants)
    verify(g)
    assert text(g) == written
    Comparison().functions(f, g)


def random_function(seed: int):
    graphs = Graphs(random.Random(seed))
    return [graphs.function(name) for name in ("h", "g", "<lambda>", "g")][-1]


def test_random_graphs_have_every_construct():
    found = Counter()
    for seed in range(60):
        for node in walk(random_function(seed).block):
            found[node.op.name] += 1
            nested = any(n.blocks for b in node.blocks for n in b.nodes)
            found[node.op.name, "nested"] += nested
            found[node.op.name, "without results"] += node.type == ()
    for name in ("for", "while", "if", "map"):
        assert found[name] > 30
        assert found[name, "nested"] > 3
        assert found[name, "without results"] > 3
    for name in ("call", "svd", "constant", "undefined", "numpy.argsort"):
        assert found[name] > 10


# -- what the text leaves to a table ---------------------------------------------------------------


def test_what_has_no_literal_is_abbreviated():
    body = Body()
    x = body.constant(LARGE)
    order = np.asfortranarray(np.eye(2))
    y = body.constant(order)
    pair = Pair(anything, 2)
    z = body.emit("undefined", type=FLOAT, a=anything, b=(pair, LARGE), c=range(3))
    constants = {}
    written = text(body.results(x, y, z).function(), constants=constants)
    assert (
        written
        == """\
function f() {
  %0: float64[100] = constant(<float64[100] #0>)
  %1: float64[2, 2] = constant(<float64[2, 2] #1>)
  %2: float = undefined(a=<function anything #2>, b=(<type Pair #3>(<function anything #2>, 2), \
<float64[100] #0>), c=<range #4>)
  return %0, %1, %2
}
"""
    )
    assert constants == {"#0": LARGE, "#1": order, "#2": anything, "#3": Pair, "#4": range(3)}
    block = parse_function(written, constants).block
    assert block.nodes[0].params["value"] is LARGE
    assert block.nodes[2].params["b"] == (pair, LARGE)
    with pytest.raises(IRError, match="<float64.100. #0> is not in the table of constants"):
        parse_function(written)


def test_extended_precision_is_no_literal():
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("long double is double here")
    body = Body()
    f = body.results(body.emit("sin", np.longdouble(1) / 3, type=FLOAT)).function()
    constants = {}
    assert text(f, constants=constants).splitlines()[2] == "  %1: float = sin(%0)"
    assert [*constants.values()] == [np.longdouble(1) / 3]


# -- names -----------------------------------------------------------------------------------------


def test_given_names_are_made_unique():
    body = Body()
    values = [body.parameter(FLOAT, name) for name in ("x", "x", "x_1", None, "2", "a.b", "λ", "")]
    written = text(body.results(*values).function())
    assert "return %x, %x_1, %x_1_1, %0, %_2, %a_b, %λ, %1" in written
    function = parse_function(written)
    names = [p.name for p in function.block.parameters]
    assert names == ["x", "x_1", "x_1_1", None, "_2", "a_b", "λ", None]
    assert text(function) == written


def test_functions_of_the_same_name_are_told_apart():
    g, h = Body().function("f"), Body().function("f")
    body = Body()
    for callee in (g, h, g):
        body.emit("call", type=(), function=callee)
    written = text(body.function("f"))
    assert written.splitlines()[1:4] == ["  call f_1()", "  call f_2()", "  call f_1()"]
    assert [f.name for f in parse_functions(written)] == ["f", "f_1", "f_2"]


def test_bounds_that_nobody_sees_are_left_out():
    body, elsewhere = Body(), Body()
    gone = elsewhere.parameter(INT)
    body.parameter(INT, "n", (0, Dim(1, ((gone, 1),))))
    assert text(body.function()).startswith("function f(%n: int{0..}) {")
    assert text(body.function(), bounds=False).startswith("function f(%n: int) {")


# -- by hand ---------------------------------------------------------------------------------------


def test_people_may_write_otherwise():
    function = parse_function(
        """
        # Line breaks and comments mean nothing; an inner name may hide an outer one.
        function f(%n: int, %x: float64[1 + %n - 1],) { for %i in range(0, %n, 1)
          carrying (%x: float64[%n] = %x) { yield %x }  # the inner %x
          %y: float64[%n] = add(x=0, %x) return %y, }
        """
    )
    loop, y = [n for n in function.block.nodes if n.op.name != "constant"]
    n, x = function.block.parameters
    assert x.shape == (Dim(0, ((n, 1),)),)
    assert loop.inputs[3] is x and loop.blocks[0].results == [loop.blocks[0].parameters[1]]
    assert y.inputs == (x,) and y.params == {"x": 0}


@pytest.mark.parametrize(
    "written, message",
    [
        ("return %x", r"line 1 of the graph's text: %x is not defined here\n    function f\(\)"),
        ("%0: int = nothing() return", "there is no operation 'nothing'"),
        ("%0: float128x[3] = sin(1.0) return", "there is no dtype 'float128x'"),
        ("%0: int = add(1, 2) %0: int = add(1, 2) return", "%0 is defined twice"),
        ("%0: int = add(1, 2", "expected '\\)', found '}'"),
        ("call g() return", "the function 'g' is called, but not there"),
        ("return } function f() { return", "there are two functions 'f'"),
        ("%0: int = add(1, !) return", "'!' begins no word"),
        ("%0: float64[2.5] = sin(1.0) return", "expected a dimension, found '2.5'"),
        ("%0: float64[2] = constant([1, 2, 3]) return", "not the contents of such an array"),
        ("%0: int = undefined(a=numpy.nothing) return", "there is no 'numpy.nothing'"),
        ("%0: int = undefined(a=os.system) return", "'os.system' is in none of builtins"),
        ("if True { %0: int = add(1, 2) yield } else { yield %0 } return", "%0 is not defined"),
        ("return", None),
    ],
)
def test_errors_say_where_and_what(written, message):
    if message is None:
        read(written)
        return
    with pytest.raises(IRError, match=message):
        read(written)


def test_writing_and_reading_take_time_linear_in_the_graph():
    def seconds(count: int) -> float:
        body = Body()
        x = body.parameter(array(3), "x")
        for k in range(count):
            x = body.emit("add", x, float(k), type=array(3))
        f = body.results(x).function()
        start = time.process_time()
        parse_function(text(f))
        verify(f)
        return time.process_time() - start

    few = min(seconds(500) for _ in range(3))
    assert min(seconds(4000) for _ in range(2)) < 20 * few
