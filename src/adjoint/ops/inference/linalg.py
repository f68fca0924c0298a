"""Linear algebra on stacks of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.types import Type
from adjoint.ops.inference.call import Call, rule
from adjoint.ops.inference.lengths import as_length, broadcast, equal, minimum

__all__ = ["DEPENDS_ON_VALUES"]

DEPENDS_ON_VALUES = frozenset({"eig", "matrix_function"})
"""Operations that are real or complex depending on the numbers: NumPy's ``eig`` and SciPy's
``logm``, ``sqrtm`` and ``fractional_matrix_power`` of real matrices. A graph's are always complex,
and whoever runs them casts."""


def _square(call: Call, x: Type) -> Any:
    """Return the number of rows of a matrix, which must be that of its columns."""
    if len(x.shape) < 2:
        call.refuse("needs matrices, not")
    return equal(call, x.shape[-2], x.shape[-1])


def _reshaped(types: tuple[Type, ...], *shapes: tuple[Any, ...]) -> tuple[Type, ...]:
    return tuple([t.with_shape(shape) for t, shape in zip(types, shapes, strict=True)])


@rule("inv", "cholesky", "adjugate")
def _like_matrix(call: Call) -> Type:
    (x,) = call.operands
    _square(call, x)
    return call.unit().with_shape(x.shape)


@rule("pinv")
def _pinv(call: Call) -> Type:
    (x,) = call.operands
    *lead, m, n = x.shape
    return call.unit().with_shape((*lead, n, m))


@rule("adjugate_derivative")
def _adjugate_derivative(call: Call) -> Type:
    x, e = call.operands
    _square(call, x)
    return call.unit().with_shape(broadcast(call, [x.shape, e.shape]))


@rule("det")
def _det(call: Call) -> Type:
    (x,) = call.operands
    _square(call, x)
    return call.unit().with_shape(x.shape[:-2])


@rule("slogdet")
def _slogdet(call: Call) -> tuple[Type, ...]:
    (x,) = call.operands
    _square(call, x)
    return _reshaped(call.unit(), x.shape[:-2], x.shape[:-2])


@rule("solve", "solve_triangular")
def _solve(call: Call) -> Type:
    a, b = call.operands
    n = equal(call, _square(call, a), b.shape[-2])
    lead = broadcast(call, [a.shape[:-2], b.shape[:-2]])
    return call.unit(**call.params).with_shape((*lead, n, b.shape[-1]))


@rule("sylvester")
def _sylvester(call: Call) -> Type:
    a, b, q = call.operands
    rows, columns = (
        equal(call, _square(call, a), q.shape[0]),
        equal(call, _square(call, b), q.shape[1]),
    )
    return call.unit().with_shape((rows, columns))


@rule("qr")
def _qr(call: Call) -> tuple[Type, ...]:
    (x,) = call.operands
    *lead, m, n = x.shape
    k = minimum(call, m, n)
    return _reshaped(call.unit(), (*lead, m, k), (*lead, k, n))


@rule("svd")
def _svd(call: Call) -> tuple[Type, ...]:
    (x,) = call.operands
    *lead, m, n = x.shape
    k = minimum(call, m, n)
    return _reshaped(call.unit(), (*lead, m, k), (*lead, k), (*lead, k, n))


@rule("lu")
def _lu(call: Call) -> tuple[Type, ...]:
    (x,) = call.operands
    *lead, m, n = x.shape
    return _reshaped(call.unit(), x.shape, (*lead, minimum(call, m, n)))


@rule("eigh")
def _eigh(call: Call) -> tuple[Type, ...]:
    (x,) = call.operands
    _square(call, x)
    return _reshaped(call.unit(**call.params), x.shape[:-1], x.shape)


@rule("eigh_subset")
def _eigh_subset(call: Call) -> tuple[Type, ...]:
    (x,) = call.operands
    n = _square(call, x)
    count = as_length(call.params["count"])
    unit = call.unit(**{**call.params, "first": 0, "count": 1})
    return _reshaped(unit, (count,), (n, count))


def _complex(dtype: np.dtype) -> np.dtype:
    return np.result_type(dtype, np.complex64)


@rule("eig")
def _eig(call: Call) -> tuple[Type, ...]:
    (x,) = call.operands
    _square(call, x)
    return tuple(Type(_complex(t.dtype), s) for t, s in zip(call.unit(), (x.shape[:-1], x.shape)))


@rule("matrix_function")
def _matrix_function(call: Call) -> Type:
    (x,) = call.operands
    _square(call, x)
    dtype = call.unit(**call.params).dtype
    if call.params["name"] in ("logm", "sqrtm", "fractional_matrix_power"):
        dtype = _complex(dtype)
    return Type(dtype, x.shape)


@rule("spectral")
def _spectral(call: Call) -> Type:
    x, d, _ = call.operands
    _square(call, x)
    return call.unit(**call.params).with_shape(
        (*broadcast(call, [x.shape[:-1], d.shape]), x.shape[-1])
    )


@rule("spectral_product")
def _spectral_product(call: Call) -> Type:
    return call.operands[0]


@rule("sparse_matmul")
def _sparse_matmul(call: Call) -> Type:
    (x,) = call.operands
    matrix = call.params["matrix"]
    equal(call, matrix.shape[1], x.shape[0])
    return Type(np.result_type(matrix.dtype, x.dtype), (matrix.shape[0], *x.shape[1:]))


@rule("sparse_solve")
def _sparse_solve(call: Call) -> Type:
    (b,) = call.operands
    return Type(np.dtype(call.params["dtype"]), b.shape)
