"""Linear algebra: stacks of matrices are what the operations take anyway.

Where the matrix is the same for all examples, it is factorised once: the right-hand sides of all
examples are columns of one.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir.build import innermost
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.staged.integers import Integer
from adjoint.staged.values import param
from adjoint.transforms.batch.table import (
    OneByOne,
    Operation,
    permuted,
    rule,
    shaped,
)

__all__: list[str] = []


@rule(
    "inv", "pinv", "det", "adjugate", "slogdet", "cholesky", "qr", "svd", "eig", "matrix_function",
)  # fmt: skip
def _of_matrix(o: Operation) -> Value:
    return o.emit(o.node.op, o.inputs, o.params)


@rule("eigh")
def _eigh(o: Operation) -> Value:
    if o.params.get("driver") is not None:
        raise OneByOne  # SciPy's, of one matrix
    return _of_matrix(o)


@rule("spectral", "spectral_product")
def _spectral(o: Operation) -> Value:
    inputs = [o.whole(k) for k in range(len(o.inputs))]
    return o.emit(o.node.op, inputs, o.params)


@rule("adjugate_derivative")
def _adjugate_derivative(o: Operation) -> Value:
    rank = max(o.rank(0), o.rank(1))
    return o.emit(o.node.op, (o.aligned(0, rank), o.aligned(1, rank)), o.params)


@rule("solve", "solve_triangular")
def _solve(o: Operation) -> Value:
    if not o.on[0] and o.rank(0) == o.rank(1) == 2:
        return _by_columns(o, 1)
    rank = max(o.rank(0), o.rank(1))
    return o.emit(o.node.op, (o.aligned(0, rank), o.aligned(1, rank)), o.params)


@rule("sparse_matmul", "sparse_solve")
def _sparse(o: Operation) -> Value:
    return _by_columns(o, 0)


def _by_columns(o: Operation, k: int) -> Value:
    """Return the result of an operation that takes the columns of operand ``k`` one by one."""
    x = o.inputs[k]
    assert isinstance(x.type, Type)
    count, rows, *columns = x.type.shape
    if len(columns) > 1 or None in x.type.shape:
        raise OneByOne
    type = o.walk.type_of_all(o.node.type)
    width = _times(columns[0], count) if columns else count
    if columns:
        x = shaped(permuted(x, (1, 2, 0)), (rows, width))
    else:
        x = permuted(x, (1, 0))
    found = type.shape[1]
    op, dtype = o.node.op, o.node.dtype
    inputs = [x if j == k else v for j, v in enumerate(o.inputs)]
    result = innermost().emit(op, tuple(inputs), o.params, Type(dtype, (found, width)))
    if not columns:
        return permuted(result, (1, 0))
    return permuted(shaped(result, (found, columns[0], count)), (2, 0, 1))


def _times(m: Any, n: Any) -> Any:
    """Return the product of two lengths."""
    m, n = (Integer(d.constant, d.terms) if isinstance(d, Dim) else d for d in (m, n))
    return param(m * n)
