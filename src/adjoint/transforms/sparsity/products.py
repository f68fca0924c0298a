"""Products, solvers and functions of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import indexing, products, structural
from adjoint.ops.creation import full
from adjoint.staged.values import param, shape_of
from adjoint.transforms.sparsity import operations as on_sets
from adjoint.transforms.sparsity.table import Operation, rule

__all__: list[str] = []


# -- products --------------------------------------------------------------------------------------


@rule("matmul")
def _matmul(o: Operation) -> list[Value]:
    found: list[Value] = []
    for k in (0, 1):
        other = o.node.inputs[1 - k]
        if not o.sets(k):
            continue
        if other not in o.walk.moved and not o.sets(1 - k):
            mask = o.nonzero(1 - k)
            found += o.each(on_sets.matmul, k, matrix=mask, left=k == 1)
        else:
            found += _rows_or_columns(o, k)
    return found


def _rows_or_columns(o: Operation, k: int) -> list[Value]:
    """Take the rows of a left factor, or the columns of a right one, as they meet in a product."""
    x, y = (v.type for v in o.new.inputs)
    rank = (x if k == 0 else y).ndim
    if x.ndim == y.ndim == 1:
        return o.each(on_sets.reduce, k, axis=(0,))
    if rank == 1:
        return o.along(k, 0)
    if k == 0 and y.ndim == 1:
        return o.each(on_sets.reduce, k, axis=(rank - 1,))
    if k == 1 and x.ndim == 1:
        return o.each(on_sets.reduce, k, axis=(rank - 2,))
    return o.along(k, (rank - 1,) if k == 0 else (rank - 2,))


@rule("sparse_matmul")
def _sparse_matmul(o: Operation) -> list[Value]:
    return o.each(on_sets.matmul, matrix=o.params["matrix"])


@rule("einsum")
def _einsum(o: Operation) -> Any:
    output = o.params["output"]
    found: list[Value] = []
    for k, letters in enumerate(o.params["inputs"]):
        if not o.sets(k):
            continue
        sets = o.sets(k)
        if len(set(letters)) < len(letters):  # a diagonal is read
            diagonal = "".join(dict.fromkeys(letters))
            lengths = [o.new.inputs[k].shape[letters.index(c)] for c in diagonal]
            of = Type(on_sets.ID, tuple(lengths))
            params: Any = {"inputs": (letters,), "output": diagonal}
            sets = [o.record(products.einsum, (s,), of, **params) for s in sets]
            letters = diagonal
        else:
            lengths = o.new.inputs[k].shape
        summed = tuple([axis for axis, c in enumerate(letters) if c not in output])
        left = [c for c in letters if c in output]
        order_ = tuple(sorted(range(len(left)), key=lambda i: output.index(left[i])))
        for s in sets:
            shape = tuple([n for n, c in zip(lengths, letters, strict=True) if c in output])
            kind: Any = "array" if shape else "scalar"
            if summed:
                s = o.record(on_sets.reduce, (s,), Type(s.dtype, shape, kind), axis=summed)
            if order_ != tuple(range(len(left))):
                shape = tuple([shape[i] for i in order_])
                s = o.record(structural.permute, (s,), Type(s.dtype, shape), axes=order_)
            if len(left) < len(output) and left:
                index = tuple([slice(None) if c in left else None for c in output])
                rest = iter(shape)
                shape = tuple([next(rest) if c in left else 1 for c in output])
                s = o.record(indexing.getitem, (s,), Type(s.dtype, shape), index=index)
            found += o.spread([s])
    return found


@rule("convolve")
def _convolve(o: Operation) -> list[Value]:
    found: list[Value] = []
    mode = o.params.get("mode", "full")
    for k in (0, 1):
        if not o.sets(k):
            continue
        if o.node.inputs[1 - k] in o.walk.moved or o.sets(1 - k):
            other = o.new.inputs[1 - k]
            params = {"shape": param(shape_of(other)), "value": True, "dtype": np.dtype(bool)}
            mask = o.record(full, (), Type(np.dtype(bool), other.shape), **params)
        else:
            mask = o.nonzero(1 - k)
        found += o.each(on_sets.convolve, k, other=mask, mode=mode)
    return found


# -- matrices --------------------------------------------------------------------------------------


@rule("solve")
def _solve(o: Operation) -> list[Value]:
    m, n = (len(v.shape) for v in o.new.inputs)
    return o.along(0, (m - 2, m - 1)) + o.along(1, (n - 2,))


@rule("solve_triangular")
def _solve_triangular(o: Operation) -> list[Value]:
    # The equations above (or below) a row, and it, decide about its unknown.
    m, n = (len(v.shape) for v in o.new.inputs)
    given = o.along(0, (m - 1,)) + o.spread(o.sets(1))
    reverse = not o.params.get("lower", False)
    axis = max(m, n) - 2
    return [o.record(on_sets.scan, (s,), axis=axis, reverse=reverse) for s in given]


@rule("sparse_solve")
def _sparse_solve(o: Operation) -> list[Value]:
    return o.along(0, (0,))


@rule("inv", "pinv", "cholesky", "adjugate", "matrix_function")
def _of_matrix(o: Operation) -> list[Value]:
    rank = len(o.new.inputs[0].shape)
    return o.along(0, (rank - 2, rank - 1))


@rule("det")
def _det(o: Operation) -> list[Value]:
    rank = len(o.new.inputs[0].shape)
    return o.each(on_sets.reduce, axis=(rank - 2, rank - 1))
