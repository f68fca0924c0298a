"""Products: of matrices, one product of larger ones where an operand is the same for all."""

from __future__ import annotations

from string import ascii_letters

from adjoint.ir.build import innermost
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops.indexing import getitem
from adjoint.ops.linalg import matmul
from adjoint.transforms.batch.table import OneByOne, Operation, expanded, permuted, rule

__all__: list[str] = []


@rule("matmul")
def _matmul(o: Operation) -> Value:
    x, y = o.inputs
    m, n = o.rank(0), o.rank(1)
    if o.on == (True, False):
        if n <= 2:
            return o.emit(matmul, (x, y))  # rows of x are rows of the product
    elif o.on == (False, True):
        if n == 1 and m == 2:
            return o.emit(matmul, (y, permuted(x, (1, 0))))  # (x @ y) as rows: yᵀ xᵀ
        if n == 1 and m == 1:
            return o.emit(matmul, (y, x))
        if m <= 2 <= n:
            return o.emit(matmul, (x, y))
    # As stacks of matrices: a vector is a row on the left, a column on the right.
    rank = max(m, n, 2)
    if m == 1:
        x = _as_matrix(x, o.on[0], row=True)
    if n == 1:
        y = _as_matrix(y, o.on[1], row=False)
    x = expanded(x, rank - max(m, 2)) if o.on[0] else x
    y = expanded(y, rank - max(n, 2)) if o.on[1] else y
    if m > 1 and n > 1:
        return o.emit(matmul, (x, y))
    lengths = list(o.walk.type_of_all(o.node.type).shape)
    ends = (1 if n == 1 else None, 1 if m == 1 else None)
    full = lengths.copy()
    if ends[1]:
        full.insert(len(full) - (0 if ends[0] else 1), 1)
    if ends[0]:
        full.append(1)
    product = innermost().emit(matmul, (x, y), None, Type(o.node.dtype, tuple(full)))
    index = (..., *((0,) if ends[1] else (slice(None),)), *((0,) if ends[0] else (slice(None),)))
    return o.emit(getitem, (product,), {"index": index})


def _as_matrix(x: Value, on: bool, row: bool) -> Value:
    """Return a vector, or the vectors of all examples, as a matrix of one row or column."""
    lead = (slice(None),) if on else ()
    index = (*lead, None, slice(None)) if row else (*lead, slice(None), None)
    assert isinstance(x.type, Type)
    *count, length = x.type.shape
    shape = (*count, 1, length) if row else (*count, length, 1)
    return innermost().emit(getitem, (x,), {"index": index}, Type(x.dtype, shape))


@rule("einsum")
def _einsum(o: Operation) -> Value:
    inputs, output = o.params["inputs"], o.params["output"]
    used = set("".join(inputs) + output)
    letter = next((c for c in ascii_letters if c not in used), None)
    if letter is None:
        raise OneByOne
    labels = tuple([letter + s if on else s for s, on in zip(inputs, o.on, strict=True)])
    params = {**o.params, "inputs": labels, "output": letter + output}
    return o.emit(o.node.op, o.inputs, params)
