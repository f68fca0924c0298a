"""Numbers in compiled functions: Python's, NumPy's, conversions, errors."""

import itertools
import math

import numpy as np
import pytest

from adjoint.backends.llvm import compiled
from tests.backends.llvm.lowering import evaluate, function

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]


def binary(op, x, y, result=None):
    return f"""
        function f(%x: {x}, %y: {y}) {{
            %r: {result or x} = {op}(%x, %y)
            return %r
        }}"""


def test_kinds_come_back():
    results = evaluate(
        """
        function f(%i: int, %a: float, %b: float64, %c: float64[], %p: bool, %z: complex) {
            %0: int = add(%i, 2)
            %1: float = multiply(%a, %i)
            %2: float64 = multiply(%a, %b)
            %3: float64[] = multiply(%c, %b)
            %4: bool = less(%a, 2.0)
            %5: bool_ = less(%b, 2.0)
            %6: float = python_number(%2)
            %7: complex = multiply(%z, %z)
            return %0, %1, %2, %3, %4, %5, %6, %7, %p
        }""",
        3, 1.5, np.float64(2.5), np.array(4.0), True, 1 + 2j,
    )  # fmt: skip
    kinds = [int, float, np.float64, np.ndarray, bool, np.bool, float, complex, bool]
    assert [type(x) for x in results] == kinds


@pytest.mark.parametrize("op, x, y", [
    ("add", 2**62, 2**62), ("subtract", -(2**62), 2**63 - 1), ("multiply", 2**40, 2**40),
])  # fmt: skip
def test_a_python_integer_beyond_64_bits_is_an_error(op, x, y):
    f = function(binary(op, "int", "int"))
    with pytest.raises(OverflowError, match="64 bits"):
        compiled.run(f, (x, y))
    assert compiled.run(f, (5, 3))[0] == {"add": 8, "subtract": 2, "multiply": 15}[op]


@pytest.mark.parametrize("op", ["floor_divide", "remainder"])
@pytest.mark.parametrize("x", ["int", "int{0..}", "int{3..}"])
@pytest.mark.parametrize("y", ["int{1..}", "int{9..}"])
def test_division_by_what_is_known_to_be_positive(op, x, y):
    f = function(binary(op, x, y, "int"))
    least = {"int": -(2**63), "int{0..}": 0, "int{3..}": 3}[x]
    around = [k for k in (least, -19, -18, -1, 0, 1, 17, 18, 19, 2**63 - 1) if k >= least]
    for a, b in itertools.product(around, (9, 10, 18, 2**62)):
        exact = a // b if op == "floor_divide" else a % b
        assert compiled.run(f, (a, b))[0] == exact


def test_an_argument_beyond_64_bits_is_an_error():
    with pytest.raises(OverflowError, match="64 bits"):
        compiled.run(function(binary("add", "int", "int")), (2**70, 1))


@pytest.mark.parametrize("op", ["divide", "floor_divide", "remainder"])
@pytest.mark.parametrize("kind", ["int", "float"])
def test_python_numbers_are_not_divided_by_zero(op, kind):
    result = "float" if op == "divide" else kind
    f = function(binary(op, kind, kind, result))
    number = {"int": int, "float": float}[kind]
    with pytest.raises(ZeroDivisionError):
        compiled.run(f, (number(3), number(0)))
    for x, y in itertools.product((7, -7, 0), (3, -3)):
        evaluate(f, number(x), number(y))


def extremes(dtype):
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return [dtype.type(v) for v in (0, 1, 2, 5, info.max, info.max - 1, info.min, info.min + 1)]
    values = [0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 7.0, math.inf, -math.inf, math.nan, 1e-300, 3e30]
    with np.errstate(all="ignore"):
        return [dtype.type(v) for v in values]


@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "floor_divide", "remainder", "fmod"])
@pytest.mark.parametrize("name", INTEGERS + FLOATS)
def test_arithmetic_is_numpys(op, name):
    values = np.array(extremes(np.dtype(name)))
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    text = f"""
        function f(%x: {name}[?], %y: {name}[?]) {{
            %r: {name}[?] = {op}(%x, %y)
            return %r
        }}"""
    evaluate(text, x, y)
    scalars = function(binary(op, name, name))
    for a, b in [(values[2], values[3]), (values[3], values[1]), (values[1], values[0])]:
        evaluate(scalars, a, b)


@pytest.mark.parametrize("have", [*INTEGERS, *FLOATS, *COMPLEX, "bool"])
def test_casts(have):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 100, 40).astype(have)
    wants = [*INTEGERS, *FLOATS, *COMPLEX, "bool"]
    lines = [f"%r{k}: {want}[40] = cast(%x, dtype={want})" for k, want in enumerate(wants)]
    results = ", ".join(f"%r{k}" for k in range(len(wants)))
    evaluate(f"function f(%x: {have}[40]) {{ {' '.join(lines)} return {results} }}", x)


@pytest.mark.parametrize("name", ["int8", "uint16", "int64", "uint64"])
def test_integer_powers_wrap_around(name):
    x = np.arange(1, 12).astype(name)
    text = f"""
        function f(%x: {name}[?], %n: {name}[?]) {{
            %a: {name}[?] = power(%x, 2)
            %b: {name}[?] = power(%x, 3)
            %c: {name}[?] = power(%x, 5)
            return %a, %b, %c
        }}"""
    evaluate(text, x, x)


def test_an_integer_to_a_negative_power_is_an_error():
    f = function(binary("power", "int", "int"))
    evaluate(f, 3, 4)
    with pytest.raises(ValueError, match="negative integer powers"):
        compiled.run(f, (3, -1))


def test_an_error_names_operation_and_line():
    f = function(binary("divide", "float", "float"))
    f.block.nodes[0].place = ("program.py", 17)
    with pytest.raises(ZeroDivisionError) as caught:
        compiled.run(f, (1.0, 0.0))
    assert caught.value.__notes__ == ["in operation divide, line 17 of program.py"]
