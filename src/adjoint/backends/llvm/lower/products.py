"""Products of matrices and vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.blas import LETTER, matrix_product
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.costs import CHEAP, lazy_cost
from adjoint.backends.llvm.lower.folds import fold
from adjoint.backends.llvm.lower.maps import cast_rep, combined
from adjoint.backends.llvm.lower.memory import allocate, force, in_memory_of
from adjoint.backends.llvm.lower.narrow_products import narrow_product
from adjoint.backends.llvm.lower.reductions import sums
from adjoint.backends.llvm.lower.row_products import row_product
from adjoint.backends.llvm.lower.scalar import TABLE, Scalars
from adjoint.backends.llvm.lower.types import Element, arithmetic, zero
from adjoint.backends.llvm.lower.values import Buffer, Index, Lazy, Number, Shape
from adjoint.backends.llvm.lower.views import Along, affine, reshape
from adjoint.ir.graph import Value

__all__ = ["PRODUCTS"]

SMALL_PRODUCT = 16**3
"""Multiplications up to which a product of matrices of known size is written as loops."""

SHORT = 8
"""Lengths up to which a sum of products is written out."""


def _matmul(f: Lowering, node: Value) -> Any:
    x, y = node.inputs
    dtype = node.dtype
    if not all(arithmetic(t) for t in (dtype, x.dtype, y.dtype)) or dtype.kind == "b":
        return None
    a, b = (cast_rep(f, f.rep(v), dtype) for v in (x, y))
    if not a.shape or not b.shape:
        return None
    inner, other = a.shape[-1], b.shape[-2] if len(b.shape) > 1 else b.shape[-1]
    if None in (x.shape[-1], y.shape[-2] if len(y.shape) > 1 else y.shape[-1]):
        f.refuse_unless(f.body.compare("eq", inner, other))
    if len(a.shape) == len(b.shape) == 1:
        return _dot(f, node, a, b)
    if None in node.shape:
        return None
    shape = f.shape(node.shape)
    if isinstance(inner, int) and inner <= SHORT:
        return _short(f, node, a, b, shape, inner)
    found = narrow_product(f, node, a, b, shape)
    if found is not None:
        return found
    if not _is_small(a, b):
        found = row_product(f, node, a, b, shape)
        if found is not None:
            return found
    if len(b.shape) == 1:
        return _times_vector(f, node, a, b)
    if len(a.shape) == 1 and len(b.shape) == 2:
        return _vector_times(f, node, a, b)
    return _general(f, node, a, b, shape)


def _multiply(f: Lowering, dtype: np.dtype) -> Callable[[list[Any]], Element]:
    times = TABLE["multiply", dtype.kind]
    return lambda xs: times(Scalars(f.body), (dtype,), xs[0], xs[1])


def _dot(f: Lowering, node: Value, a: Any, b: Any) -> Any:
    dtype = node.dtype
    products = combined(f, [a, b], a.shape, dtype, _multiply(f, dtype), 1)
    return fold(f, products, sums(f, dtype), (0,), False)


def _cheap(f: Lowering, rep: Any) -> Any:
    """Return an operand that is read many times in memory, unless an element costs little."""
    if isinstance(rep, Lazy) and rep.buffer is None and lazy_cost(rep) > 1:
        return force(f, rep)
    return rep


def _times_vector(f: Lowering, node: Value, a: Any, b: Any) -> Any:
    dtype = node.dtype
    products = combined(f, [a, _cheap(f, b)], a.shape, dtype, _multiply(f, dtype), 1)
    last = len(a.shape) - 1
    return fold(f, products, sums(f, dtype), (last,), False, (*node.shape, None))


def _vector_times(f: Lowering, node: Value, a: Any, b: Any) -> Any:
    dtype = node.dtype
    column = affine(f, a, (*a.shape, 1), [Along(0)])
    products = combined(f, [_cheap(f, column), b], b.shape, dtype, _multiply(f, dtype), 1)
    return fold(f, products, sums(f, dtype), (0,), False, (None, *node.shape))


def _short(f: Lowering, node: Value, a: Any, b: Any, shape: Shape, inner: int) -> Any:
    """Return a product whose sums are written out where an element is read."""
    dtype = node.dtype
    a, b = (
        force(f, r) if isinstance(r, Lazy) and r.buffer is None and lazy_cost(r) > CHEAP else r
        for r in (a, b)
    )
    times, fold_of = _multiply(f, dtype), sums(f, dtype)
    row, column = len(a.shape) > 1, len(b.shape) > 1
    batch = len(shape) - row - column

    def batch_index(rep: Any, matrix: int, index: Index) -> Index:
        lengths = rep.shape[:-matrix]
        at = index[batch - len(lengths) : batch]
        return tuple(
            0 if n == 1 and shape[batch - len(lengths) + k] != 1 else i
            for k, (n, i) in enumerate(zip(lengths, at))
        )

    def at(index: Index) -> Element:
        left = batch_index(a, 2 if row else 1, index) + ((index[batch],) if row else ())
        right = batch_index(b, 2 if column else 1, index)
        total: Any = None
        for k in range(inner):
            p = f.element(a, (*left, k))
            q = f.element(b, (*right, k, index[-1]) if column else (*right, k))
            term = times([p, q])
            total = term if total is None else fold_of.combine(total, term)
        return zero(dtype) if total is None else total

    if not shape:
        return Number(dtype, at(()))
    cost = inner * (2 + lazy_cost(a) + lazy_cost(b))
    return Lazy(
        dtype, shape, at, ((a, False), (b, False)), cost, shared=node in f.several and cost > CHEAP
    )


def _general(f: Lowering, node: Value, a: Any, b: Any, shape: Shape) -> Any:
    """Return a product of matrices, or of stacks of them."""
    dtype = node.dtype
    a, b = _cheap(f, a), _cheap(f, b)
    if dtype.name not in LETTER or _is_small(a, b):
        return _by_rows(f, node, a, b, shape)
    one_row = len(a.shape) == 1
    full = (*shape[:-1], 1, shape[-1]) if one_row else shape
    if one_row:
        a = affine(f, a, (1, *a.shape), [Along(1)])
    total = f.sums.pop(node, None)
    target = f.destinations.pop(node, None) if total is None else total
    result = target if target is not None else allocate(f, shape, dtype, node.shape)
    if len(a.shape) > 2 and len(b.shape) == 2:
        a = in_memory_of(f, a)
        if a.dense:  # one product of many rows
            a, full = _rows(f, a), (f.body.product(shape[:-1]), shape[-1])
    whole = Buffer(
        dtype, full, result.pointer, f.strides(full, dtype), True, result.tokens, result.memory
    )
    matrix_product(f, whole, a, b, add=total is not None)
    return result


def _rows(f: Lowering, stack: Buffer) -> Buffer:
    """Return matrices that follow each other as one."""
    shape = (f.body.product(stack.shape[:-1]), stack.shape[-1])
    strides = f.strides(shape, stack.dtype)
    return Buffer(stack.dtype, shape, stack.pointer, strides, True, stack.tokens, stack.memory)


def _is_small(a: Any, b: Any) -> bool:
    """Tell whether a product is known to be so small that a call costs more."""
    lengths = (*a.shape[-2:], b.shape[-1] if len(b.shape) > 1 else 1)
    return all(isinstance(n, int) for n in lengths) and math.prod(lengths) <= SMALL_PRODUCT


def _by_rows(f: Lowering, node: Value, a: Any, b: Any, shape: Shape) -> Any:
    """Sum outer products, row by row: a[..., i, k] · b[..., k, :] into row i of the result."""
    dtype = node.dtype
    if len(a.shape) == 1:
        left = affine(f, a, (1, a.shape[0], 1), [Along(1)])
    else:
        n = len(a.shape)
        left = affine(f, a, (*a.shape, 1), [Along(k) for k in range(n)])
    n = len(b.shape)
    right = affine(
        f, b, (*b.shape[:-2], 1, *b.shape[-2:]),
        [Along(k) if k < n - 2 else Along(k + 1) for k in range(n)],
    )  # fmt: skip
    rows = a.shape[-2] if len(a.shape) > 1 else 1
    batch = shape[: len(shape) - 2] if len(a.shape) > 1 else shape[:-1]
    full = (*batch, rows, a.shape[-1], b.shape[-1])
    products = combined(f, [left, right], full, dtype, _multiply(f, dtype), 1)
    known = (*node.shape[:-1], None, node.shape[-1]) if len(a.shape) > 1 else None
    found = fold(f, products, sums(f, dtype), (len(full) - 2,), False, known)
    return found if found.shape == shape else reshape(f, found, shape)


PRODUCTS = {"matmul": _matmul}
