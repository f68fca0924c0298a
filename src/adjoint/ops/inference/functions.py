"""NumPy's functions with constant results (`adjoint.ops.plain.function_op`).

A rule is called with the function's own arguments, among which graph values stand. Functions
without one give arrays of unknown lengths: the numbers may decide them, as they do in ``unique``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from adjoint.ir.dims import Dim, add
from adjoint.ir.graph import Value
from adjoint.ir.types import Type, python_type
from adjoint.ops.inference import dummies
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.inference.lengths import as_length, as_shape, broadcast, equal, plus, ratio
from adjoint.ops.inference.reduction import normalized, reduced, without

__all__ = ["unit_type"]

_INDEX = np.dtype(np.intp)


def _function(
    *names: str, module: str = "numpy"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate the rule of a module's functions of these names: ``fn(call, *args, **kwargs)``."""

    def register(fn: Callable[..., Any]) -> Callable[..., Any]:
        rule(*[f"{module}.{name}" for name in names])(
            lambda call: fn(call, *call.params["args"], **call.params["kwargs"])
        )
        return fn

    return register


def _shape(x: Any) -> tuple[Any, ...]:
    """Return the shape of an argument: a graph value, number, array or nested lists of them."""
    if isinstance(x, Value):
        return x.shape
    if isinstance(x, Dim):
        return ()
    if isinstance(x, (list, tuple)):
        return (len(x), *_shape(x[0])) if x else (0,)
    return np.shape(x)


def unit_type(call: Call) -> Any:
    """Return the type of the function's result where every axis has length one."""
    arguments = dummies.replaced(call.params, dummies.dummy_of)
    with np.errstate(all="ignore"):
        return dummies.type_of(call.op.fn(**arguments), call.op.name)


def _is_boolean(x: Any) -> bool:
    dtype = x.dtype if isinstance(x, Value) else np.asarray(x).dtype
    return dtype.kind == "b"


# -- elementwise -----------------------------------------------------------------------------------


@_function(
    "isposinf", "isneginf", "isreal", "iscomplex", "fix", "round", "around", "digitize", "isin",
)  # fmt: skip
def _like_first(call: Call, x: Any, *others: Any, **kwargs: Any) -> Any:
    return unit_type(call).with_shape(_shape(x))


@_function("isclose")
def _isclose(call: Call, a: Any, b: Any, *others: Any, **kwargs: Any) -> Any:
    return unit_type(call).with_shape(broadcast(call, [_shape(a), _shape(b)]))


@_function("ravel_multi_index")
def _ravel_multi_index(call: Call, multi_index: Any, dims: Any, *others: Any, **kwargs: Any) -> Any:
    if isinstance(multi_index, (tuple, list)):
        shape = broadcast(call, [_shape(index) for index in multi_index])
    else:
        shape = _shape(multi_index)[1:]
    return _indices(shape)


@_function("unravel_index")
def _unravel_index(call: Call, indices: Any, shape: Any, *others: Any, **kwargs: Any) -> Any:
    return (_indices(_shape(indices)),) * len(as_shape(shape))


def _indices(shape: tuple[Any, ...]) -> Type:
    return Type(_INDEX, shape, "array" if shape else "scalar")


# -- of a whole array or along an axis -------------------------------------------------------------


@_function("allclose", "array_equal", "array_equiv", "iscomplexobj", "isrealobj", "ndim")
def _single(call: Call, *args: Any, **kwargs: Any) -> Any:
    return unit_type(call)


@_function("any", "all", "argmax", "argmin", "nanargmax", "nanargmin")
def _reduction(
    call: Call, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **kwargs: Any
) -> Any:
    return _reduced(call, a, axis, keepdims)


@_function("count_nonzero")
def _count_nonzero(call: Call, a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return _reduced(call, a, axis, keepdims)


def _reduced(call: Call, a: Any, axis: Any, keepdims: Any) -> Any:
    shape = _shape(a)
    axes = normalized(axis, len(shape)) if shape else ()
    return unit_type(call).with_shape(reduced(shape, axes, keepdims is True))


@_function("argsort")
def _argsort(call: Call, a: Any, axis: Any = -1, *others: Any, **kwargs: Any) -> Any:
    return _ordered(call, a, axis)


@_function("argpartition")
def _argpartition(call: Call, a: Any, kth: Any, axis: Any = -1, *others: Any, **kw: Any) -> Any:
    return _ordered(call, a, axis)


def _ordered(call: Call, a: Any, axis: Any) -> Any:
    shape = _shape(a)
    return Type(_INDEX, (ratio(call, shape, ()),) if axis is None else shape)


@_function("lexsort")
def _lexsort(call: Call, keys: Any, axis: Any = -1) -> Any:
    if isinstance(keys, (tuple, list)):
        first, *others = map(_shape, keys)
        for shape in others:
            first = tuple(equal(call, m, n) for m, n in zip(first, shape))
    else:
        first = _shape(keys)[1:]
    return Type(_INDEX, first)


@_function("searchsorted")
def _searchsorted(call: Call, a: Any, v: Any, *others: Any, **kwargs: Any) -> Any:
    return _indices(_shape(v))


@_function("linalg.matrix_rank")
def _matrix_rank(call: Call, A: Any, *others: Any, **kwargs: Any) -> Any:
    return unit_type(call).with_shape(_shape(A)[:-2])


# -- indices ---------------------------------------------------------------------------------------


@_function("nonzero")
def _nonzero(call: Call, a: Any) -> Any:
    return (Type(_INDEX, (None,)),) * len(_shape(a))


@_function("flatnonzero")
def _flatnonzero(call: Call, a: Any) -> Any:
    return Type(_INDEX, (None,))


@_function("argwhere")
def _argwhere(call: Call, a: Any) -> Any:
    return Type(_INDEX, (None, len(_shape(a))))


@_function("ix_")
def _ix(call: Call, *args: Any) -> Any:
    lengths = [None if _is_boolean(a) else _shape(a)[0] for a in args]
    one = (1,) * len(args)
    return tuple(t.with_shape(without(one, k, lengths[k])) for k, t in enumerate(unit_type(call)))


@_function("diag_indices_from")
def _diag_indices_from(call: Call, arr: Any) -> Any:
    shape = _shape(arr)
    return (Type(_INDEX, (shape[0],)),) * len(shape)


@_function("diag_indices")
def _diag_indices(call: Call, n: Any, ndim: int = 2) -> Any:
    return (Type(_INDEX, (as_length(n),)),) * ndim


@_function("tril_indices_from")
def _tril_indices_from(call: Call, arr: Any, k: int = 0) -> Any:
    rows, columns = _shape(arr)
    return _triangle(call, rows, columns, k)


@_function("triu_indices_from")
def _triu_indices_from(call: Call, arr: Any, k: int = 0) -> Any:
    rows, columns = _shape(arr)
    return _triangle(call, columns, rows, -k)


@_function("tril_indices")
def _tril_indices(call: Call, n: Any, k: int = 0, m: Any = None) -> Any:
    n = as_length(n)
    return _triangle(call, n, n if m is None else as_length(m), k)


@_function("triu_indices")
def _triu_indices(call: Call, n: Any, k: int = 0, m: Any = None) -> Any:
    n = as_length(n)
    return _triangle(call, n if m is None else as_length(m), n, -k)


def _triangle(call: Call, rows: Any, columns: Any, k: Any) -> Any:
    """Return the types of the indices of the lower triangle below the k-th diagonal, with it."""
    count = None
    if all(type(n) is int for n in (rows, columns, k)):
        count = sum(min(max(i + k + 1, 0), columns) for i in range(rows))
    elif rows == columns and rows is not None and type(k) is int and k in (0, -1):
        count = ratio(call, (rows, add(rows, 1 if k == 0 else -1)), (2,))
    return (Type(_INDEX, (count,)),) * 2


# -- of adjoint.ops.discrete -----------------------------------------------------------------------

_DISCRETE = "adjoint.ops.discrete"


@_function("order_of", "turns", "row_order", module=_DISCRETE)
def _an_index_each(call: Call, x: Any, *others: Any, **kwargs: Any) -> Any:
    return Type(_INDEX, _shape(x))


@_function("is_singular", module=_DISCRETE)
def _is_singular(call: Call, x: Any) -> Any:
    return python_type(bool)


@_function("leaders", module=_DISCRETE)
def _leaders(call: Call, name: str, x: Any, axis: int) -> Any:
    return Type(_INDEX, _shape(x))


@_function("deletion", module=_DISCRETE)
def _deletion(call: Call, length: Any, obj: Any) -> Any:
    return Type(_INDEX, (None,))


@_function("insertion", module=_DISCRETE)
def _insertion(call: Call, length: Any, obj: Any, count: Any) -> Any:
    return Type(_INDEX, (plus(as_length(length), as_length(count)),))


@_function("column_order", module=_DISCRETE)
def _column_order(call: Call, x: Any) -> Any:
    return Type(_INDEX, _shape(x)[-1:])


@_function("ranked", module=_DISCRETE)
def _ranked(call: Call, x: Any, ranks: Any) -> Any:
    return Type(_INDEX, (*_shape(x)[:-1], _shape(ranks)[-1]))


@_function("occurrences", module=_DISCRETE)
def _occurrences(call: Call, x: Any, *others: Any, **kwargs: Any) -> Any:
    return Type(_INDEX, (None,))


@_function("ufunc_method", module=_DISCRETE)
def _ufunc_method(call: Call, name: str, method: str, x: Any, *args: Any, **kwargs: Any) -> Any:
    shape = _shape(x)
    if method == "outer":
        return unit_type(call).with_shape(shape + _shape(args[0]))
    if method == "accumulate":
        return unit_type(call).with_shape(shape)
    if method == "reduceat":
        axis = args[1] if len(args) > 1 else kwargs.get("axis", 0)
        indices = args[0] if args else kwargs["indices"]
        # One element is named, whatever the number of indices.
        given = {"args": (name, method, x, [0]), "kwargs": {"axis": axis}}
        unit = unit_type(replace(call, params=given))
        return unit.with_shape(without(shape, axis, _shape(indices)[0]))
    axis = args[0] if args else kwargs.get("axis", 0)
    return _reduced(call, x, axis, kwargs.get("keepdims", False))
