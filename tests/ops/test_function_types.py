"""Types of functions without derivative, and of arrays made from their shape."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import scipy.linalg

from adjoint.ir.core import Traced
from adjoint.ir.dims import add, difference, scale
from adjoint.ir.graph import Value
from adjoint.ir.types import Type, of_value
from adjoint.numpy_api.constants import CONSTANTS
from adjoint.ops import creation, discrete
from adjoint.ops.inference import infer
from adjoint.ops.inference.call import RULES
from adjoint.ops.plain import function_op, lookup, ufunc_op
from adjoint.ops.registry import LAZY, OPS, Op
from adjoint.rules.derive import ZERO
from tests.ops.symbols import Symbols, integer

F64 = np.dtype(np.float64)
INT = np.dtype(np.intp)

NOT_STAGED: dict[str, str] = dict.fromkeys(
    ("shape", "size", "result_type", "can_cast", "min_scalar_type", "common_type", "array_repr",
     "array_str", "array2string", "shares_memory", "may_share_memory"),
    "asks for a type, a text or the memory, which staging answers as Python",
)  # fmt: skip
"""Functions with constant results that never become operations: name -> why."""

TRIED_OUT: dict[str, str] = dict.fromkeys(
    ("bandwidth", "issymmetric", "ishermitian"), "gives numbers: there is no length to infer"
)
"""Functions of SciPy that need no shape rule: name -> why."""

A = np.array([[0.5, 0.0, 2.0, 1.0], [3.0, 1.0, 0.0, 5.0], [1.0, 1.0, 7.0, 2.0]])
V = np.array([0.5, 1.5, 2.5, 3.5])
S = np.float64(1.5)
I = np.array([[0, 5], [7, 11], [3, 2]])

CALLS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (np.any, (A,), {}),
    (np.any, (A,), {"axis": 1}),
    (np.all, (A,), {"axis": (0, 1), "keepdims": True}),
    (np.all, (S,), {}),
    (np.allclose, (A, V), {}),
    (np.array_equal, (A, A), {}),
    (np.array_equiv, (A, V), {}),
    (np.isclose, (A, V), {}),
    (np.isclose, (S, 2.0), {}),
    (np.argmax, (A,), {}),
    (np.argmax, (A, 1), {}),
    (np.argmin, (A,), {"axis": -1, "keepdims": True}),
    (np.nanargmax, (A, 0), {}),
    (np.nanargmin, (V,), {}),
    (np.argsort, (A,), {}),
    (np.argsort, (A, 0), {"kind": "stable"}),
    (np.argsort, (A,), {"axis": None}),
    (np.argpartition, (A, 1), {}),
    (np.argpartition, (A, 1), {"axis": None}),
    (np.lexsort, ((V, V),), {}),
    (np.lexsort, (A,), {}),
    (np.nonzero, (A,), {}),
    (np.flatnonzero, (A,), {}),
    (np.argwhere, (A,), {}),
    (np.count_nonzero, (A,), {}),
    (np.count_nonzero, (A,), {"axis": 1}),
    (np.searchsorted, (V, A), {}),
    (np.searchsorted, (V, 1.7), {"side": "right"}),
    (np.searchsorted, (V, S), {}),
    (np.digitize, (A, V), {}),
    (np.digitize, (S, V), {}),
    (np.isposinf, (A,), {}),
    (np.isneginf, (A,), {}),
    (np.isreal, (A,), {}),
    (np.isreal, (S,), {}),
    (np.iscomplex, (A,), {}),
    (np.iscomplexobj, (A,), {}),
    (np.isrealobj, (A,), {}),
    (np.ndim, (A,), {}),
    (np.isin, (A, V), {}),
    (np.isin, (A, [1.0, 2.0]), {}),
    (np.fix, (A,), {}),
    (np.round, (A, 1), {}),
    (np.round, (S,), {}),
    (np.around, (1.5,), {}),
    (np.ix_, (np.arange(3), np.arange(2)), {}),
    (np.ix_, (V > 1, [0, 2]), {}),
    (np.unravel_index, (I, (3, 4)), {}),
    (np.unravel_index, (5, (3, 4)), {}),
    (np.ravel_multi_index, ((I, I), (20, 20)), {}),
    (np.ravel_multi_index, (np.array([[1, 2], [3, 1]]), (4, 4)), {}),
    (np.ravel_multi_index, ((2, 1), (4, 4)), {}),
    (np.diag_indices_from, (np.eye(3),), {}),
    (np.tril_indices_from, (A,), {}),
    (np.tril_indices_from, (np.eye(3), -1), {}),
    (np.triu_indices_from, (A,), {"k": 1}),
    (np.triu_indices_from, (np.eye(5),), {}),
    (np.tril_indices, (4,), {"m": 3}),
    (np.tril_indices, (4, -1), {}),
    (np.triu_indices, (4, 1), {}),
    (np.triu_indices, (4, 2, 3), {}),
    (np.diag_indices, (4,), {}),
    (np.linalg.matrix_rank, (A,), {}),
    (np.linalg.matrix_rank, (np.stack([A, A]),), {}),
    (discrete.order_of, (A, 0), {}),
    (discrete.ranked, (A, np.array([0, 2])), {}),
    (discrete.occurrences, (V,), {}),
    (discrete.leaders, ("maximum", A, 1), {}),
    (discrete.turns, (np.array([1, 2, 1]),), {}),
    (discrete.deletion, (4, np.array([1])), {}),
    (discrete.insertion, (4, np.array([1]), 1), {}),
    (discrete.column_order, (A,), {}),
    (discrete.is_singular, (A,), {}),
    (discrete.row_order, (np.array([1, 2, 2]),), {}),
    (discrete.ufunc_method, ("logical_and", "reduce", A), {}),
    (discrete.ufunc_method, ("logical_and", "reduce", A), {"axis": (0, 1)}),
    (discrete.ufunc_method, ("maximum", "reduce", V), {"axis": 0, "keepdims": True}),
    (discrete.ufunc_method, ("logical_or", "accumulate", A, 1), {}),
    (discrete.ufunc_method, ("less", "outer", A, V), {}),
    (discrete.ufunc_method, ("add", "reduceat", A, np.array([0, 2]), 1), {}),
    # without a shape rule
    (np.unique, (V,), {}),
    (np.unique, (V,), {"return_counts": True}),
    (scipy.linalg.bandwidth, (A,), {}),
    (scipy.linalg.issymmetric, (np.eye(3),), {}),
    (np.bincount, (np.array([1, 2, 2]),), {}),
    (np.histogram, (V,), {"bins": 3}),
]  # fmt: skip
"""(function, arguments, keyword arguments)"""


def staged(x: Any, symbols: Symbols | None = None) -> Any:
    """Return an argument with graph values in the place of arrays and scalars."""
    if isinstance(x, (np.ndarray, np.generic)):
        type = of_value(x)
        return Value(None, (), {}, type if symbols is None else symbols.operand(type))
    if isinstance(x, tuple):
        return tuple(staged(item, symbols) for item in x)
    return x


def _types(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


@pytest.mark.parametrize(("fn", "args", "kwargs"), CALLS, ids=lambda x: getattr(x, "__name__", ""))
def test_types_of_functions(fn, args, kwargs):
    op = function_op(fn)
    assert op.rule is ZERO and op.name in OPS and op is lookup(op.name)
    want = [of_value(r) for r in _types(fn(*args, **kwargs))]
    np.testing.assert_equal(op(args=args, kwargs=kwargs), fn(*args, **kwargs))
    counted = fn in (
        np.nonzero, np.flatnonzero, np.argwhere, discrete.occurrences, discrete.deletion,
    )  # fmt: skip
    counted = counted or op.name not in RULES
    counted = counted or (fn is np.ix_ and args[0].dtype == bool)
    for symbols in (None, Symbols(shared=True), Symbols()):
        params = {"args": staged(args, symbols), "kwargs": kwargs}
        got = infer(op, (), params) if symbols is None else symbols.infer(op, (), params)
        assert isinstance(got, tuple) == (op.results or len(want) > 1)
        for g, w in zip(_types(got), want, strict=True):
            assert (g.dtype, g.kind, g.ndim) == (w.dtype, w.kind, w.ndim)
            shape = g.shape if symbols is None else symbols.shape(g.shape)
            if symbols is None and not counted:
                assert shape == w.shape
            assert all(n in (None, m) for n, m in zip(shape, w.shape, strict=True))
        assert symbols is None or symbols.hold()


def test_functions_of_symbolic_lengths_keep_them():
    symbols = Symbols()
    n = symbols.symbol(12, 9)
    x = Value(None, (), {}, Type(F64, (n, 3)))
    square = Value(None, (), {}, Type(F64, (n, n)))

    def typed(fn: Any, *args: Any, **kwargs: Any) -> Any:
        return symbols.infer(function_op(fn), (), {"args": args, "kwargs": kwargs})

    assert typed(np.argsort, x, axis=0).shape == (n, 3)
    assert typed(np.argsort, x, axis=None).shape == (scale(n, 3),)
    assert typed(np.argmax, x, 1).shape == (n,)
    assert typed(np.searchsorted, np.arange(4.0), x).shape == (n, 3)
    assert typed(np.nonzero, x) == (Type(INT, (None,)),) * 2
    assert typed(np.argwhere, x) == Type(INT, (None, 2))
    assert typed(np.diag_indices_from, square) == (Type(INT, (n,)),) * 2
    assert symbols.fresh == 0
    assert symbols.shape(typed(np.tril_indices_from, square)[0].shape) == (78,)
    assert symbols.shape(typed(np.triu_indices, n, 1)[0].shape) == (66,)


def test_every_constant_function_has_a_rule():
    for module in {*LAZY.values()}:
        importlib.import_module(module)
    names = {f"{f.__module__}.{f.__qualname__}" for f in CONSTANTS if not isinstance(f, np.ufunc)}
    missing = {name for name in names if name not in RULES}
    assert {name.rpartition(".")[2] for name in missing} == {*NOT_STAGED, *TRIED_OUT}
    tried = {f"{fn.__module__}.{fn.__qualname__}" for fn, _, _ in CALLS}
    assert {name for name in RULES if "." in name} <= tried


def test_a_function_that_gives_no_numbers_is_refused():
    x = Value(None, (), {}, of_value(V))
    with pytest.raises(TypeError, match="a graph holds numbers"):
        infer(function_op(np.array_repr), (), {"args": (x,), "kwargs": {}})


# -- operations that are made when they are met ----------------------------------------------------


def test_ufuncs_become_operations():
    less = ufunc_op(np.less)
    assert less is ufunc_op(np.less) is lookup("less") and less.rule is ZERO
    assert less.operands == ("x", "y") and not less.results
    assert ufunc_op(np.add) is OPS["add"] and OPS["add"].rule is not ZERO
    two = ufunc_op(np.modf)
    assert two.results and infer(two, (of_value(A),)) == (of_value(A),) * 2
    assert infer(less, (of_value(A), of_value(1.0))) == Type(np.dtype(bool), A.shape)
    with pytest.raises(TypeError, match="bitwise_and"):
        infer(ufunc_op(np.bitwise_and), (of_value(A), of_value(1)))


def test_operations_of_scipys_ufuncs_do_not_take_the_names_of_numpys():
    import scipy.special as sp

    assert ufunc_op(sp.kelvin).name == "scipy.special.kelvin"
    assert lookup("scipy.special.kelvin") is ufunc_op(sp.kelvin)
    assert lookup("erf").fn is sp.erf


def test_looking_up_what_does_not_exist():
    for name in ("no_such_operation", "numpy.no_such_function", "no.such.module", "os.getcwd"):
        with pytest.raises(LookupError, match=name):
            lookup(name)


def test_an_operation_that_is_not_declared_is_tried_out():
    def halves(x: Any, y: Any) -> Any:
        assert x.shape == (4, 2)
        return x[::2] + y

    op = Op("norm", halves, ("x", "y"))  # a user's, which has a name of ours
    assert infer(op, (Type(F64, (4, 2)), of_value(1.0))) == Type(F64, (2, 2))
    symbols = Symbols()
    n = symbols.symbol(12, 9)
    op = Op("halves", lambda x: x[::2], ("x",))
    assert infer(op, (Type(F64, (n, 2)),)) == Type(F64, (None, None))


# -- arrays made from their shape ------------------------------------------------------------------


class Recorder(Traced):
    """A length that notes what is recorded."""

    def _record(self, op, args, params):
        return op, args, params


def test_creation_types():
    """Of numbers, arrays are made at once; of staged lengths, an operation is recorded."""
    np.testing.assert_array_equal(creation.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(creation.ones(3), np.ones(3))
    np.testing.assert_array_equal(creation.arange(3), np.arange(3))
    np.testing.assert_array_equal(creation.arange(1, 8, 2), np.arange(1, 8, 2))
    np.testing.assert_array_equal(creation.eye(2, 3, 1), np.eye(2, 3, 1))
    np.testing.assert_array_equal(creation.zeros_like(A), np.zeros_like(A))
    assert np.signbit(creation.full(shape=(1,), value=-0.0, dtype=F64)).all()
    n = Recorder()
    op, args, params = creation.zeros((2, n))
    assert op is creation.full and args == ()
    assert params == {"shape": (2, n), "value": 0, "dtype": F64}
    assert creation.arange(n)[2] == {"start": 0, "stop": n, "step": 1, "dtype": None}
    assert creation.eye(n)[2]["columns"] is n
    for op in (creation.full, creation.iota, creation.identity, creation.range_length):
        assert op.rule is ZERO


def test_creation_types_of_symbolic_lengths():
    symbols = Symbols()
    n = symbols.symbol(12, 9)
    k = symbols.symbol(-3)
    i = symbols.symbol(4, 0, difference(n, 1))

    def made(op: Op, **params: Any) -> Type:
        return symbols.infer(op, (), params)

    assert made(creation.full, shape=(n, 2), value=0, dtype=F64) == Type(F64, (n, 2))
    assert made(creation.full, shape=integer(), value=1.5, dtype=None).dtype == F64
    assert made(creation.identity, rows=n, columns=add(n, 1), k=0, dtype=F64).shape == (
        n,
        add(n, 1),
    )
    with pytest.raises(ValueError, match="negative dimensions"):
        made(creation.full, shape=(-1,), value=0, dtype=F64)

    def arange(*bounds: Any, dtype: Any = None) -> Type:
        start, stop, step = bounds if len(bounds) == 3 else (*bounds, 1)
        return made(creation.iota, start=start, stop=stop, step=step, dtype=dtype)

    assert arange(0, n) == Type(INT, (n,))
    assert arange(i, n).shape == (difference(n, i),)
    assert arange(difference(n, 1), -1, -1).shape == (n,)
    assert arange(n, 0).shape == (0,)
    assert arange(0, 10, 3) == Type(INT, (4,))
    assert arange(0.0, 1.0, 0.25) == Type(F64, (4,))
    assert arange(0, n, 1, dtype=np.dtype(np.float32)) == Type(np.dtype(np.float32), (n,))
    assert not symbols.fresh
    assert symbols.shape(arange(0, k).shape) == (0,) and symbols.fresh == 1
    assert symbols.shape(arange(i, n, 3).shape) == (3,) and symbols.fresh == 2
    x = Value(None, (), {}, Type(F64, (), "scalar"))
    assert arange(0, x, 1) == Type(F64, (None,))
