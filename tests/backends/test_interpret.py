"""What graphs mean: the interpreter."""

import random
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adjoint  # noqa: F401  (declares the operations)
from adjoint.backends.interpret import count, run
from adjoint.ir.build import Builder
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Function, walk
from adjoint.ir.parse import parse
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.control import Stack
from adjoint.ops.plain import function_op, lookup
from adjoint.transforms.ownership import analyse
from tests.backends.random_graphs import arguments, random_function


def function(text):
    return parse(text, lookup)[0]


def evaluate(text, *args):
    """Run a function in every way."""
    f = function(text)
    results = run(f, args, check=True)
    for again in (run(f, args), run(f, args), run(f, args, in_place=False)):
        for x, y in zip(results, again, strict=True):
            assert type(x) is type(y)
            if not isinstance(x, Stack):
                np.testing.assert_array_equal(x, y)
    return results


# -- operations and kinds --------------------------------------------------------------------------


def test_numbers_stay_what_they_are():
    results = evaluate(
        """
        function f(%i: int, %a: float, %b: float64, %c: float64[]) {
            %0: int = add(%i, 2)
            %1: float = multiply(%a, %i)
            %2: float64 = multiply(%a, %b)
            %3: float64[] = multiply(%c, %b)
            %4: float64 = add(%c, %c)
            %5: bool = less(%a, 2.0)
            %6: bool_ = less(%b, 2.0)
            %7: float = python_number(%2)
            %8: float64 = sin(%a)
            return %0, %1, %2, %3, %4, %5, %6, %7, %8
        }""",
        3, 1.5, np.float64(2.5), np.array(4.0),
    )  # fmt: skip
    assert results == [5, 4.5, 3.75, 10, 8, True, False, 3.75, np.sin(1.5)]
    kinds = [int, float, np.float64, np.ndarray, np.float64, bool, np.bool, float, np.float64]
    assert [type(x) for x in results] == kinds


def test_python_numbers_are_computed_as_python_computes_them():
    text = "function f(%i: int, %a: float) {{ %r: {} = {} return %r }}"
    assert evaluate(text.format("int", "multiply(%i, %i)"), 2**40, 0.0) == [2**80]
    assert evaluate(text.format("int", "floor_divide(%i, -3)"), 7, 0.0) == [-3]
    assert evaluate(text.format("int", "remainder(%i, -3)"), 7, 0.0) == [-2]
    with pytest.raises(ZeroDivisionError):
        evaluate(text.format("float", "divide(1.0, %a)"), 1, 0.0)


def test_numpy_scalars_are_computed_as_numpy_computes_them():
    text = "function f(%a: float32, %b: int64) {{ %r: {} = {} return %r }}"
    args = np.float32(0.1), np.int64(7)
    (r,) = evaluate(text.format("float32", "add(%a, 0.2)"), *args)
    assert r == np.float32(0.1) + np.float32(0.2)
    (r,) = evaluate(text.format("float64", "multiply(%a, %b)"), *args)
    assert r == np.multiply(*args)
    (r,) = evaluate(text.format("float64", "divide(%b, 2)"), *args)
    assert r == 3.5
    with np.errstate(divide="ignore"):
        (r,) = evaluate(text.format("float64", "divide(%b, 0)"), *args)
    assert r == np.inf


def test_elements_rows_and_views():
    results = evaluate(
        """
        function f(%x: float64[3,4], %i: int, %j: int) {
            %a: float64 = getitem(%x, index=(%i, %j))
            %b: float64[] = getitem(%x, index=(%i, %j, ...))
            %c: float64[?] = getitem(%x, index=(%i, :%j))
            %d: float64[?] = getitem(%x, index=(%i, %j - 1:2*%j + 1))
            %e: float64[2,4] = getitem(%x, index=[%i, %j])
            %g: float64[?] = read(%x, path=(("permute", (1, 0)), ("index", (%j, %i:))))
            %h: float64[4] = getitem(%x, index=%i)
            return %a, %b, %c, %d, %e, %g, %h
        }""",
        np.arange(12.0).reshape(3, 4), 1, 2,
    )  # fmt: skip
    x = np.arange(12.0).reshape(3, 4)
    expected = [x[1, 2], x[1, 2], x[1, :2], x[1, 1:5], x[[1, 2]], x.T[2, 1:], x[1]]
    for r, e in zip(results, expected, strict=True):
        np.testing.assert_array_equal(r, e)
    assert type(results[0]) is np.float64 and type(results[1]) is np.ndarray


def test_lengths():
    results = evaluate(
        """
        function f(%x: float64[?], %n: int, %m: int) {
            %l: int = dim(%x, axis=0)
            %k: int = slice_length(%l, start=1, stop=%n, step=2)
            %z: float64[2*%n - %m + 1] = full(shape=(2*%n - %m + 1,), value=1.0, dtype=float64)
            %s: float64[%l - %m] = full(shape=(%l - %m,), value=0, dtype=float64)
            %q: float64[3*%n] = full(shape=(3*%n,), value=0, dtype=float64)
            %t: float64[%n + %m + %l] = full(shape=(%n + %m + %l,), value=0, dtype=float64)
            return %l, %k, %z, %s, %q, %t
        }""",
        np.zeros(7), 5, 3,
    )  # fmt: skip
    assert results[:2] == [7, 2]
    assert [r.shape for r in results[2:]] == [(8,), (4,), (15,), (15,)]


def test_several_results():
    q, r, log = evaluate(
        """
        function f(%x: float64[2,2]) {
            %q: float64[2,2], %r: float64[2,2] = qr(%x)
            _: float64, %log: float64 = slogdet(%x)
            return %q, %r, %log
        }""",
        np.array([[1.0, 2.0], [3.0, 5.0]]),
    )
    np.testing.assert_allclose(q @ r, [[1, 2], [3, 5]])
    assert abs(log) < 1e-12


def test_functions_without_operands():
    builder = Builder(None)
    x = builder.parameter(Type(np.dtype(float), (4,)))
    order = builder.emit(
        function_op(np.argsort), (), {"args": (x,), "kwargs": {"stable": True}},
        Type(np.dtype(np.intp), (4,)),
    )  # fmt: skip
    builder.block.results = [order]
    (result,) = run(Function("f", builder.block), [np.array([3.0, 1.0, 2.0, 0.0])])
    np.testing.assert_array_equal(result, [3, 1, 2, 0])


def test_effects_happen_in_order_and_get_arrays_of_their_own():
    seen = []
    builder = Builder(None)
    x = builder.parameter(Type(np.dtype(float), (2,)))
    one = builder.emit(control.constant, (), {"value": 1.0}, Type(np.dtype(float), (), "python"))
    int64 = Type(np.dtype(np.int64), (), "python")
    zeros = builder.emit(lookup("add"), (x, x), {}, x.type)
    for value in (one, zeros):
        params = {"call": seen.append, "args": (value,), "kwargs": {}}
        builder.emit(control.effect, (), params, int64)
    path = (("index", 0),)
    changed = builder.emit(lookup("update"), (zeros, one), {"path": path}, x.type)
    builder.block.results = [changed]
    (result,) = run(Function("f", builder.block), [np.zeros(2)])
    np.testing.assert_array_equal(result, [1, 0])
    assert seen[0] == 1.0
    np.testing.assert_array_equal(seen[1], [0, 0])


# -- control ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bounds", [(0, 5, 1), (5, 0, -2), (3, 3, 1), (4, 0, 1), (0, 7, 3)])
def test_for_runs_over_pythons_range(bounds):
    text = """
        function f(%lo: int, %hi: int, %by: int) {
            %a: int, %b: int = for %i in range(%lo, %hi, %by)
                    carrying (%s: int = 100, %l: int = -1) {
                %t: int = multiply(%s, 3)
                %u: int = add(%t, %i)
                yield %u, %i
            }
            return %a, %b
        }"""
    s, last = 100, -1
    for i in range(*bounds):
        s, last = 3 * s + i, i
    assert evaluate(text, *bounds) == [s, last]


def test_a_step_of_zero():
    text = """
        function f(%n: int) {
            %a: int = for %i in range(0, 3, %n) carrying (%s: int = 1) { yield %i }
            return %a
        }"""
    with pytest.raises(ValueError, match="must not be zero"):
        evaluate(text, 0)


def test_carried_values_change_places_at_once():
    text = """
        function f(%n: int) {
            %a: int, %b: int, %c: int = for %i in range(0, %n, 1)
                    carrying (%x: int = 1, %y: int = 2, %z: int = 3) {
                yield %z, %x, %y
            }
            return %a, %b, %c
        }"""
    assert evaluate(text, 4) == [3, 1, 2]


def test_while():
    text = """
        function f(%x: float64) {
            %k: int, %y: float64 = while carrying (%i: int = 0, %a: float64 = %x) {
                %c: bool_ = greater(%a, 1.0)
                yield %c
            } do (%i: int, %a: float64) {
                %j: int = add(%i, 1)
                %b: float64 = multiply(%a, 0.5)
                yield %j, %b
            }
            return %k, %y
        }"""
    assert evaluate(text, np.float64(10.0)) == [4, 0.625]
    assert evaluate(text, np.float64(1.0)) == [0, 1.0]


def test_if():
    text = """
        function f(%p: bool, %x: float64[2]) {
            %y: float64[2], %k: int = if %p {
                %a: float64[2] = add(%x, %x)
                yield %a, 1
            } else {
                yield %x, 2
            }
            return %y, %k
        }"""
    y, k = evaluate(text, True, np.ones(2))
    assert (list(y), k) == ([2, 2], 1)
    y, k = evaluate(text, False, np.ones(2))
    assert (list(y), k) == ([1, 1], 2)


MAP = """
    function f(%n: int, %x: float64[?,2]) {
        %m: int = dim(%x, axis=1)
        %y: float64[%n,2], %z: float64[%n], %k: int64[%n], %w: float64[%n,%m] =
                map %i in range(%n) {
            %r: float64[2] = getitem(%x, index=%i)
            %d: float64[2] = add(%r, %r)
            %e: float64 = getitem(%r, index=1)
            yield %d, %e, %i, %r
        }
        return %y, %z, %k, %w
    }"""


@pytest.mark.parametrize("n", [0, 1, 3])
def test_map(n):
    x = np.arange(6.0).reshape(3, 2)
    y, z, k, w = evaluate(MAP, n, x)
    for result, expected in ((y, 2 * x[:n]), (z, x[:n, 1]), (k, np.arange(n)), (w, x[:n])):
        assert result.shape == expected.shape and result.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected)


def test_iterations_of_a_map_give_arrays_of_one_shape():
    text = """
        function f(%n: int) {
            %y: float64[%n,?] = map %i in range(%n) {
                %r: float64[?] = full(shape=(%i,), value=0, dtype=float64)
                yield %r
            }
            return %y
        }"""
    with pytest.raises(ValueError, match="same shape"):
        evaluate(text, 3)


def test_nested_control():
    text = """
        function f(%n: int, %x: float64[?]) {
            %z: float64[%n,%n] = full(shape=(%n, %n), value=0, dtype=float64)
            %r: float64[%n,%n] = for %i in range(0, %n, 1) carrying (%u: float64[%n,%n] = %z) {
                %v: float64[%n,%n] = for %j in range(0, %i, 1) carrying (%a: float64[%n,%n] = %u) {
                    %e: float64 = getitem(%x, index=%j)
                    %p: bool_ = greater(%e, 1.0)
                    %b: float64[%n,%n] = if %p {
                        %k: float64, _: float64 = for %l in range(0, %j, 1)
                                carrying (%s: float64 = 0.0, %unused: float64 = %e) {
                            %t: float64 = add(%s, %e)
                            yield %t, %e
                        }
                        %c: float64[%n,%n] = update(%a, %k, path=(("index", (%i, %j)),))
                        yield %c
                    } else {
                        %c: float64[%n,%n] = update(%a, -1.0, path=(("index", (%i, %j)),))
                        yield %c
                    }
                    yield %b
                }
                yield %v
            }
            return %r
        }""".replace("0.0,", "float64(0.0),")
    n, x = 5, np.array([3.0, 0.5, 2.0, 1.0, 4.0])
    expected = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            expected[i, j] = j * x[j] if x[j] > 1 else -1
    np.testing.assert_array_equal(evaluate(text, n, x)[0], expected)


RECURSION = """
    function f(%n: int, %x: float64[2]) {
        %p: bool = greater(%n, 0)
        %r: float64[2] = if %p {
            %m: int = subtract(%n, 1)
            %a: float64[2] = add(%x, 1.0)
            %q: float64[2] = for %i in range(0, 1, 1) carrying (%u: float64[2] = %a) {
                %v: float64[2] = call f(%m, %u)
                yield %v
            }
            %b: float64[2] = add(%q, %x)
            yield %b
        } else {
            yield %x
        }
        return %r
    }"""


def test_recursion_does_not_need_pythons_stack():
    (r,) = run(function(RECURSION), [5000, np.zeros(2)])
    assert r[0] == 5000 + sum(range(5000))


def test_recursion_without_end(monkeypatch):
    monkeypatch.setattr("adjoint.backends.interpret.DEEPEST", 50)
    text = "function f(%n: int) { %r: int = call f(%n) return %r }"
    with pytest.raises(RecursionError, match="50 deep"):
        run(function(text), [1])


def test_calls_within_control():
    text = """
        function f(%n: int, %x: float64[3]) {
            %y: float64[3] = for %i in range(0, %n, 1) carrying (%u: float64[3] = %x) {
                %a: float64[3], _: int = call g(%u, %i)
                yield %a
            }
            %m: float64[2,3] = map %i in range(2) {
                %a: float64[3], _: int = call g(%y, %i)
                yield %a
            }
            return %y, %m
        }
        function g(%u: float64[3], %i: int) {
            %a: float64[3] = update(%u, 7.0, path=(("index", %i),))
            return %a, %i
        }"""
    y, m = evaluate(text, 2, np.zeros(3))
    assert list(y) == [7, 7, 0]
    assert m.tolist() == [[7, 7, 0], [7, 7, 0]]


# -- stacks ----------------------------------------------------------------------------------------


def test_stacks():
    text = """
        function f(%n: int, %x: float64[2]) {
            %k: stack<float64[2]> = empty_stack()
            %s: stack<float64[2]> = for %i in range(0, %n, 1)
                    carrying (%a: stack<float64[2]> = %k) {
                %v: float64[2] = multiply(%x, %i)
                %b: stack<float64[2]> = push(%a, %v, index=%i)
                yield %b
            }
            %c: stack<float64[2]> = entry_add(%s, %x, index=1)
            %d: stack<float64[2]> = entry_add(%c, %x, index=%n + 2)
            %e: float64[2] = entry(%s, index=1, type: float64[2])
            %g: float64[2] = entry(%c, index=1, type: float64[2])
            %h: float64[%n] = entry(%d, index=%n + 1, type: float64[%n])
            return %e, %g, %h, %d
        }"""
    e, g, h, d = evaluate(text, 3, np.ones(2))
    assert (e.tolist(), g.tolist(), h.tolist()) == ([1, 1], [2, 2], [0, 0, 0])
    assert len(d.entries) == 6 and d.entries[4] is None


def test_stacks_of_stacks_and_numbers():
    text = """
        function f(%n: int) {
            %k: stack<stack<float>> = empty_stack()
            %s: stack<stack<float>> = for %i in range(0, %n, 1)
                    carrying (%a: stack<stack<float>> = %k) {
                %l: stack<float> = empty_stack()
                %m: stack<float> = for %j in range(0, %i, 1) carrying (%b: stack<float> = %l) {
                    %c: stack<float> = push(%b, 0.5, index=%j)
                    yield %c
                }
                %d: stack<stack<float>> = push(%a, %m, index=%i)
                yield %d
            }
            %e: stack<float> = entry(%s, index=2, type: stack<float>)
            %g: stack<float> = push(%e, 0.25, index=0)
            %h: stack<float> = entry(%s, index=2, type: stack<float>)
            %p: float = entry(%g, index=0, type: float)
            %q: float = entry(%h, index=0, type: float)
            %r: stack<float> = entry(%s, index=9, type: stack<float>)
            %t: float = entry(%r, index=0, type: float)
            return %p, %q, %t
        }"""
    assert evaluate(text, 4) == [0.25, 0.5, 0.0]


def test_a_stack_that_is_an_argument_is_not_changed():
    text = """
        function f(%s: stack<float64[2]>, %x: float64[2]) {
            %a: stack<float64[2]> = push(%s, %x, index=0)
            %b: float64[2] = entry(%s, index=0, type: float64[2])
            %c: float64[2] = update(%b, 9.0, path=(("index", 0),))
            return %a, %c, %s
        }"""
    held = np.zeros(2)
    stack, x = Stack([held]), np.ones(2)
    a, c, s = evaluate(text, stack, x)
    assert stack.entries == [held] and list(held) == [0, 0]
    assert list(a.entries[0]) == [1, 1] and list(c) == [9, 0]
    assert s is not stack
    assert not np.shares_memory(a.entries[0], x) and not np.shares_memory(s.entries[0], held)


# -- errors ----------------------------------------------------------------------------------------


def test_an_error_is_numpys_and_names_the_line():
    f = function("""
        function f(%x: float64[?], %y: float64[?]) {
            %z: float64[?] = for %i in range(0, 2, 1) carrying (%u: float64[?] = %x) {
                %v: float64[?] = add(%u, %y)
                yield %v
            }
            return %z
        }""")
    for node in walk(f.block):
        node.place = ("model.py", 12)
    with pytest.raises(ValueError, match="could not be broadcast") as caught:
        run(f, [np.ones(2), np.ones(3)])
    assert caught.value.__notes__ == ["in operation add, line 12 of model.py"]


def test_errors_of_control_and_of_called_functions():
    text = """
        function f(%n: float) { %r: int = call g(%n) return %r }
        function g(%n: float) {
            %r: int = for %i in range(0, %n, 1) carrying (%u: int = 0) { yield %i }
            return %r
        }"""
    with pytest.raises(TypeError, match="cannot be interpreted as an integer") as caught:
        run(function(text), [1.5])
    assert caught.value.__notes__ == ["in operation for"]


def test_the_wrong_number_of_arguments():
    with pytest.raises(TypeError, match="'f' takes 1 arguments, not 2"):
        run(function("function f(%x: int) { return %x }"), [1, 2])


@pytest.mark.parametrize(
    ("type", "x"),
    [
        ("float64[2]", np.zeros(3)), ("float32[3]", np.zeros(3)), ("float64", np.array(1.0)),
        ("float64[]", np.float64(1)), ("float", 1), ("int", True), ("stack<float>", np.zeros(2)),
    ],
)  # fmt: skip
def test_values_are_checked_against_their_types(type, x):
    f = function(f"function f(%x: {type}) {{ %y: {type} = copy(%x) return %y }}")
    with pytest.raises(TypeError, match="the graph says"):
        run(f, [x], check=True)


# -- counting --------------------------------------------------------------------------------------

FILL = """
    function f(%n: int, %s: float64) {
        %z: float64[%n] = full(shape=(%n,), value=0, dtype=float64)
        %r: float64[%n] = for %i in range(0, %n, 1) carrying (%u: float64[%n] = %z) {
            %v: float64[%n] = update(%u, %s, path=(("index", %i),))
            yield %v
        }
        return %r
    }"""


def test_filling_an_array_costs_its_length():
    counts = [count(function(FILL), [n, np.float64(2)]) for n in (100, 200, 400)]
    assert [c.operations for c in counts] == [101, 201, 401]
    assert counts[2].by_name == {"update": 400, "full": 1}
    assert [c.touched - 8 for c in counts] == [1600, 3200, 6400]
    assert [c.peak for c in counts] == [800, 1600, 3200]
    assert all(c.copied == 0 for c in counts)


def test_filling_an_array_by_copies_costs_its_square():
    c = count(function(FILL), [100, np.float64(2)], in_place=False)
    assert c.copied == 100 * 800
    assert c.peak == 1600


def test_a_view_costs_nothing_and_an_operation_its_operands_and_results():
    c = count(
        function("""
        function f(%x: float64[10]) {
            %v: float64[5] = getitem(%x, index=::2)
            %l: int = dim(%x, axis=0)
            %y: float64[5] = sin(%v)
            %e: float64 = getitem(%y, index=0)
            return %y
        }"""),
        [np.zeros(10)],
    )
    assert c.touched == 40 + 40 + 8
    assert c.operations == 4 and c.allocated == 40


def test_arrays_are_freed_after_their_last_use():
    text = """
        function f(%x: float64[100], %n: int) {
            %a: float64[100] = cumsum(%x, axis=0)
            %b: float64[100] = cumsum(%a, axis=0)
            %c: float64[100] = cumsum(%b, axis=0)
            %d: float64[100] = for %i in range(0, %n, 1) carrying (%u: float64[100] = %c) {
                %v: float64[100] = cumsum(%u, axis=0)
                %w: float64[100] = cumsum(%v, axis=0)
                yield %w
            }
            %e: float64[100] = call g(%d)
            return %e
        }
        function g(%x: float64[100]) {
            %a: float64[100] = cumsum(%x, axis=0)
            %b: float64[100] = cumsum(%a, axis=0)
            %c: float64[100] = cumsum(%b, axis=0)
            return %c
        }"""
    c = count(function(text), [np.zeros(100), 5])
    assert c.allocated == 16 * 800
    assert c.peak == 2 * 800


def test_stacks_are_counted():
    text = """
        function f(%n: int) {
            %k: stack<float> = empty_stack()
            %s: stack<float> = for %i in range(0, %n, 1) carrying (%a: stack<float> = %k) {
                %b: stack<float> = push(%a, 0.5, index=%i)
                yield %b
            }
            %e: float = entry(%s, index=0, type: float)
            return %e
        }"""
    c = count(function(text), [100])
    assert c.peak == c.allocated == 800
    assert c.touched == 808
    assert count(function(text), [100], in_place=False).copied == 8 * (100 * 101) // 2


# -- running ---------------------------------------------------------------------------------------


def test_a_function_is_prepared_once():
    f = function(FILL)
    run(f, [3, np.float64(1)])
    (program,) = f.prepared.values()
    run(f, [4, np.float64(1)])
    assert list(f.prepared.values()) == [program]


def test_threads_run_the_same_function():
    f = function(FILL)
    results = {}

    def work(k):
        results[k] = run(f, [200 + k, np.float64(k)])[0]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in range(8):
        np.testing.assert_array_equal(results[k], np.full(200 + k, float(k)))


def test_dimensions_of_constants():
    builder = Builder(None)
    three = builder.emit(control.constant, (), {"value": 3}, Type(np.dtype(int), (), "python"))
    shape = (Dim(1, ((three, 2),)),)
    params = {"shape": shape, "value": 0, "dtype": np.dtype(float)}
    zeros = builder.emit(lookup("full"), (), params, Type(np.dtype(float), (7,)))
    builder.block.results = [zeros]
    (result,) = run(Function("f", builder.block), [], check=True)
    assert result.shape == (7,)


# -- random graphs ---------------------------------------------------------------------------------


def arrays(x):
    if isinstance(x, np.ndarray):
        yield x
    elif isinstance(x, Stack):
        for entry in x.entries:
            yield from arrays(entry)


def contents(x):
    """Return what can be compared."""
    if isinstance(x, Stack):
        return [contents(entry) for entry in x.entries]
    return (type(x), np.array(x).tobytes()) if x is not None else None


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.sampled_from([4, 8, 14]), st.sampled_from([1, 2, 3]))
@np.errstate(all="ignore")
def test_updates_in_place_cannot_be_seen(seed, size, depth):
    rng = random.Random(seed)
    f = random_function(rng, size, depth)
    args = arguments(rng)
    before = [contents(x) for x in args]
    results = run(f, args)
    assert [contents(x) for x in args] == before
    copied = run(f, args, in_place=False)
    assert [contents(x) for x in results] == [contents(x) for x in copied]
    assert [contents(x) for x in run(f, args, check=True)] == [contents(x) for x in copied]
    mine = [list(arrays(x)) for x in results]
    for k, group in enumerate(mine):
        others = [y for x in args for y in arrays(x)] + [y for g in mine[:k] for y in g]
        assert not any(np.shares_memory(x, y) for x in group for y in others)


def test_random_graphs_use_every_form():
    kept, in_place, reused, apart, entry, back, handed = np.zeros(7, int)
    for seed in range(50):
        found = analyse(random_function(random.Random(seed), 14, 3))
        in_place += sum(found.in_place.values())
        kept += len(found.in_place) - sum(found.in_place.values())
        reused += len(found.reused)
        apart += len(found.apart)
        entry += sum(map(len, found.entry.values()))
        back += sum(map(len, found.back.values()))
        handed += sum(map(len, found.handed.values()))
    assert min(kept, in_place) > 100
    assert min(reused, apart, entry, back, handed) > 3


def test_a_wrong_analysis_is_seen(monkeypatch):
    from adjoint.transforms.sharing import Scope

    monkeypatch.setattr(Scope, "live", lambda self, key: self.last.get(key, -1) > self.at)
    failed = 0
    for seed in range(40):
        rng = random.Random(seed)
        f = random_function(rng, 8, 3)
        args = arguments(rng)
        with np.errstate(all="ignore"):
            copied = run(f, args, in_place=False)
            try:
                results = run(f, args)
            except (AttributeError, TypeError):  # something was freed that is needed still
                failed += 1
                continue
        failed += [contents(x) for x in results] != [contents(x) for x in copied]
    assert failed
