"""Kinds of results, broadcasting of symbolic lengths, and what is required at run time."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest

from adjoint.ir.dims import add, difference
from adjoint.ir.types import Type, of_value, python_type
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg, products, reduction, scan, structural
from adjoint.ops.inference import infer
from adjoint.ops.plain import ufunc_op
from adjoint.ops.registry import OPS
from tests.ops.symbols import Symbols

F64 = np.dtype(np.float64)
BOOL, INT, FLOAT, COMPLEX = map(python_type, (bool, int, float, complex))


def array(*shape: Any, dtype: Any = F64) -> Type:
    return Type(np.dtype(dtype), shape)


def scalar(dtype: Any) -> Type:
    return Type(np.dtype(dtype), (), "scalar")


@pytest.mark.parametrize(
    ("op", "evaluate", "operands", "result"),
    [
        (ew.add, operator.add, (INT, INT), INT),
        (ew.add, operator.add, (BOOL, BOOL), INT),
        (ew.add, operator.add, (INT, FLOAT), FLOAT),
        (ew.divide, operator.truediv, (INT, INT), FLOAT),
        (ew.floor_divide, operator.floordiv, (INT, INT), INT),
        (ew.power, operator.pow, (INT, COMPLEX), COMPLEX),
        (ew.absolute, abs, (COMPLEX,), FLOAT),
        (ufunc_op(np.less), operator.lt, (INT, FLOAT), BOOL),
        (ufunc_op(np.less), operator.lt, (INT, scalar(np.float32)), scalar(bool)),
        (ew.arctanh, math.atanh, (FLOAT,), FLOAT),
        (ew.log, math.log, (scalar(np.float64),), FLOAT),
        (ew.add, operator.add, (FLOAT, scalar(np.float32)), scalar(np.float32)),
        (ew.add, operator.add, (FLOAT, array(dtype=np.float32)), scalar(np.float32)),
        (ew.add, operator.add, (FLOAT, array(3, dtype=np.float32)), array(3, dtype=np.float32)),
        (ew.add, operator.add, (scalar(np.float64), array(3, dtype=np.float32)), array(3)),
        (ew.add, operator.add, (FLOAT, array(3, dtype=np.int8)), array(3)),
        (ew.add, None, (INT, INT), scalar(np.int64)),
        (ew.sin, None, (INT,), scalar(np.float64)),
        (ew.where, None, (BOOL, FLOAT, INT), array()),
        (ew.real, None, (scalar(np.complex64),), scalar(np.float32)),
        (ew.python_number, None, (scalar(np.float32),), FLOAT),
        (ew.fsum, None, (scalar(np.float32), FLOAT), FLOAT),
        (structural.cast, None, (FLOAT,), scalar(np.float32)),
        (structural.stack, None, (FLOAT, scalar(np.float32)), array(2)),
        (structural.broadcast_to, None, (FLOAT,), array(2)),
    ],
)
def test_kinds(op, evaluate, operands, result):
    params = {"dtype": np.dtype(np.float32)} if op is structural.cast else {}
    if op is structural.broadcast_to:
        params = {"shape": (2,)}
    assert infer(op, operands, params, evaluate) == result


def test_pythons_errors_are_the_users():
    with pytest.raises(TypeError, match="unsupported operand"):
        infer(ufunc_op(np.left_shift), (FLOAT, INT), {}, operator.lshift)
    with pytest.raises(TypeError, match="boolean subtract"):
        infer(ew.subtract, (array(2, dtype=bool), array(2, dtype=bool)))


def test_broadcasting():
    symbols = Symbols()
    n, m = symbols.symbol(12, 9), symbols.symbol(12, 9)

    def shape(*shapes: Any) -> Any:
        op = {2: ew.add, 3: ew.where}[len(shapes)]
        return symbols.infer(op, tuple(array(*s) for s in shapes), {}).shape

    assert shape((n,), (n,)) == (n,)
    assert shape((n, 1), (m,)) == (n, m)
    assert shape((3, n), ()) == (3, n)
    assert shape((1,), (n, 3), (n, 1)) == (n, 3)
    assert shape((None,), (1,)) == (None,)
    assert shape((None,), (4,)) == (4,)
    assert shape((None,), (n,)) == (n,)  # n is at least 9: it does not stretch
    assert shape((None,), (symbols.symbol(1, 0),)) == (None,)
    assert not symbols.required
    assert shape((n,), (m,)) == (n,) and symbols.required == [(n, m)]
    assert shape((12,), (n,)) == (12,) and symbols.required[1:] == [(12, n)]
    assert shape((n,), (12,)) == (12,)
    assert symbols.hold()


def test_broadcasting_that_cannot_work_is_refused():
    symbols = Symbols()
    n = symbols.symbol(12, 9)
    for shapes in ([(2,), (3,)], [(2, 3), (3, 3)], [(0,), (2,)]):
        arrays = [np.zeros(s) for s in shapes]
        with pytest.raises(ValueError) as want:
            arrays[0] + arrays[1]
        with pytest.raises(ValueError) as got:
            infer(ew.add, tuple(map(of_value, arrays)))
        assert str(got.value) == str(want.value)
    for other in (add(n, 1), 5):
        with pytest.raises(ValueError, match=r"together with shapes \(n,\) \((n \+ 1|5),\)"):
            symbols.infer(ew.add, (array(n), array(other)), {})
    symbols.infer(ew.add, (array(n), array(difference(n, 8))), {})  # which may be 1
    assert len(symbols.required) == 1


def test_reductions_and_scans():
    symbols = Symbols()
    n, m = symbols.symbol(12, 9), symbols.symbol(5)

    def typed(op: Any, *operands: Type, **params: Any) -> Type:
        return symbols.infer(op, operands, params)

    x = array(n, 3, dtype=np.float32)
    assert typed(structural.reduce_sum, x) == scalar(np.float32)
    assert typed(structural.reduce_sum, x, axis=(-1,)) == array(n, dtype=np.float32)
    assert typed(structural.reduce_sum, x, axis=0, keepdims=True).shape == (1, 3)
    assert typed(structural.reduce_sum, array(n, dtype=bool), axis=None) == scalar(np.int64)
    assert typed(reduction.variance, x, axis=(0,), ddof=1).shape == (3,)
    assert typed(scan.diff, x, axis=0).shape == (difference(n, 1), 3)
    assert typed(scan.diff, x, axis=1).shape == (n, 2)
    assert typed(OPS["rfft"], array(16), n=16, axis=-1, norm=None).shape == (9,)
    assert not symbols.fresh
    assert symbols.shape(typed(scan.diff, array(m), axis=0).shape) == (4,) and symbols.fresh == 1
    assert symbols.shape(typed(OPS["rfft"], array(n), n=n, axis=-1, norm=None).shape) == (7,)
    with pytest.raises(np.exceptions.AxisError, match="axis 2 is out of bounds"):
        typed(structural.reduce_sum, x, axis=(2,))


def test_products():
    symbols = Symbols()
    n, m = symbols.symbol(12, 9), symbols.symbol(12, 9)

    def typed(*shapes: Any) -> Type:
        return symbols.infer(linalg.matmul, tuple(array(*s) for s in shapes), {})

    assert typed((n,), (n,)) == scalar(F64)
    assert typed((n, m), (m, 3)).shape == (n, 3)
    assert typed((m,), (m, n)).shape == (n,)
    assert typed((5, 1, n, m), (m,)).shape == (5, 1, n)
    assert typed((5, 1, n, m), (2, m, 3)).shape == (5, 2, n, 3)
    assert not symbols.required
    assert typed((n, m), (n, 3)).shape == (n, 3) and symbols.required == [(m, n)]
    spelt = {"inputs": ("ij", "j"), "output": "i"}
    assert symbols.infer(products.einsum, (array(n, m), array(m)), spelt).shape == (n,)
    spelt = {"inputs": ("ii",), "output": ""}
    assert symbols.infer(products.einsum, (array(n, n),), spelt) == scalar(F64)
    full = symbols.infer(products.convolve, (array(n), array(3)), {})
    assert full.shape == (add(n, 2),)
    assert symbols.infer(products.convolve, (array(3), array(n)), {"mode": "same"}).shape == (n,)
    valid = symbols.infer(products.convolve, (array(n), array(3)), {"mode": "valid"})
    assert valid.shape == (difference(n, 2),) and not symbols.fresh
    with pytest.raises(ValueError, match=r"\(n,2\) \(3,n\)"):
        typed((n, 2), (3, n))
    for shapes in ([(2, 3), (2, 3)], [(3,), (2,)], [(), (2,)]):
        with pytest.raises(ValueError) as want:
            np.zeros(shapes[0]) @ np.zeros(shapes[1])
        with pytest.raises(ValueError) as got:
            typed(*shapes)
        assert str(got.value) == str(want.value)


def test_linear_algebra():
    symbols = Symbols()
    n, k = symbols.symbol(12, 9), symbols.symbol(20, 9)
    a = array(n, n)

    def typed(op: Any, *operands: Type, **params: Any) -> Any:
        got = symbols.infer(op, operands, params)
        return [t.shape for t in got] if isinstance(got, tuple) else got.shape

    assert typed(linalg.solve, a, array(n, k)) == (n, k)
    assert typed(linalg.inv, array(5, n, n)) == (5, n, n)
    assert typed(linalg.det, a) == () and typed(linalg.slogdet, a) == [(), ()]
    assert typed(linalg.qr, array(add(n, 2), n)) == [(add(n, 2), n), (n, n)]
    assert typed(linalg.svd, array(3, n)) == [(3, 3), (3,), (3, n)]
    assert typed(linalg.eigh, a) == [(n,), (n, n)]
    assert not symbols.required and not symbols.fresh
    shapes = typed(linalg.svd, array(n, k))
    assert [symbols.shape(s) for s in shapes] == [(12, 12), (12,), (12, 20)]
    assert symbols.infer(linalg.eig, (a,), {})[0] == array(n, dtype=np.complex128)
    with pytest.raises(np.linalg.LinAlgError, match="must be square"):
        typed(linalg.inv, array(2, 3))
    with pytest.raises(ValueError, match=r"lengths n and n \+ 1 differ"):
        typed(linalg.inv, array(n, add(n, 1)))
