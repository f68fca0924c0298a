"""Identities of arithmetic and of shape.

An identity is used where it is exact in floating point, for infinities and NaN too: x·1, x/1,
x − 0.0, −(−x), x + (−y) = x − y, but not x·0 = 0, and for complex numbers not x·1 = x (the
imaginary part of ∞·(1 + 0i) is NaN). There are two exceptions.

* x + 0 = x for an array of zeros or a NumPy zero (`facts.is_zero`): derivatives are full of sums
  of cotangents of which one is zero because nothing contributes to it. Only the sign of a zero
  differs, where x is −0.0. A Python number 0.0 is left.
* The sum of n equal numbers is their product with n, which is rounded once.
* A linear map leaves a sum: Σᵢ (A B)ᵢⱼ = Σₖ (Σᵢ Aᵢₖ) Bₖⱼ, and a sum of products of broadcast arrays
  is a product of matrices. Both are rounded in another order, as any product of matrices may be.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.ir.agreement import is_integer
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control, creation, structural
from adjoint.ops import elementwise as ew
from adjoint.ops.indexing import getitem, read
from adjoint.ops.linalg import matmul
from adjoint.ops.plain import ufunc_op
from adjoint.transforms.sharing import may_view
from adjoint.transforms.simplify.facts import (
    fill_of,
    is_number,
    is_one,
    is_zero,
    known_shape,
    number_of,
    of_length,
)
from adjoint.transforms.simplify.rewriting import Answer, Rewriter, Rules

__all__ = ["ALGEBRA"]

_AND, _OR, _NOT = map(ufunc_op, (np.logical_and, np.logical_or, np.logical_not))


# -- arithmetic ------------------------------------------------------------------------------------


def _neutral(x: Value) -> bool:
    """Tell whether adding x changes nothing."""
    n = fill_of(x)
    if n is None or n != 0:
        return False
    return x.dtype.kind in "iub" or is_zero(x) or (x.dtype.kind == "f" and np.signbit(n))


def _add(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    # An integer 0 is +0.0 beside a floating-point number.
    integers = node.dtype.kind in "iu"
    for a, b in ((x, y), (y, x)):
        if _neutral(b) and (integers or b.dtype.kind not in "iub" or is_zero(b)) and (
            walk.fits(node, a)
        ):  # fmt: skip
            return a
    for a, b in ((x, y), (y, x)):
        if b.op is ew.negative and a.dtype == b.dtype:
            return walk.emit(ew.subtract, (a, b.inputs[0]), None, node.type, node)
    return None


def _subtract(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    n = fill_of(y)
    if n is not None and n == 0 and walk.fits(node, x) and (is_zero(y) or _is_positive(n)):
        return x
    if y.op is ew.negative and x.dtype == y.dtype:
        return walk.emit(ew.add, (x, y.inputs[0]), None, node.type, node)
    if is_zero(x) and y.type == node.type:
        return walk.emit(ew.negative, (y,), None, node.type, node)
    return None


def _is_positive(zero: Any) -> bool:
    return not (np.signbit(np.real(zero)) or np.signbit(np.imag(zero)))


def _multiply(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    if node.dtype.kind in "iuf":
        for a, b in ((x, y), (y, x)):
            if is_one(b) and walk.fits(node, a):
                return a
    return _without_signs(node, walk)


def _without_signs(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    if x.op is ew.negative and y.op is ew.negative and x.dtype.kind == y.dtype.kind == "f":
        return walk.emit(node.op, (x.inputs[0], y.inputs[0]), None, node.type, node)
    return None


def _strong_multiply(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    if node.dtype.kind in "iuf":
        for a, b in ((x, y), (y, x)):
            if is_one(b) and walk.fits(node, a):
                return a
    n = fill_of(x)
    if n is not None and n != 0:
        return walk.emit(ew.multiply, (x, y), None, node.type, node)
    return None


def _divide(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    if node.dtype.kind in "iuf" and is_one(y):
        return x
    return _without_signs(node, walk)


def _strong_divide(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    if node.dtype.kind == "f" and is_one(y):
        return x
    n = fill_of(y)
    if n is None:
        nonzero = is_integer(y.type) and walk.integers.sign(y) in ("<0", ">0")
    else:
        nonzero = n != 0 and np.isfinite(n)
    if nonzero and x.type.kind != "python":
        return walk.emit(ew.divide, (x, y), None, node.type, node)
    return None


def _power(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    return x if node.dtype.kind in "iuf" and is_one(y) else None


def _negative(node: Value, walk: Rewriter) -> Answer:
    (x,) = node.inputs
    return x.inputs[0] if x.op is ew.negative else None


def _on_reals(node: Value, walk: Rewriter) -> Answer:
    (x,) = node.inputs
    return x if x.dtype.kind in "iuf" else None


def _not(node: Value, walk: Rewriter) -> Answer:
    (x,) = node.inputs
    return x.inputs[0] if x.op is _NOT else None


def _and(node: Value, walk: Rewriter) -> Answer:
    return _truth(node, walk, True)


def _or(node: Value, walk: Rewriter) -> Answer:
    return _truth(node, walk, False)


def _truth(node: Value, walk: Rewriter, neutral: bool) -> Answer:
    x, y = node.inputs
    if x is y and x.dtype.kind == "b":
        return x
    for a, b in ((x, y), (y, x)):
        known = number_of(b)
        if isinstance(known, (bool, np.bool)) and a.dtype.kind == "b":
            if bool(known) is neutral:
                return a
            python = is_number(node.type) and node.type.kind == "python"
            return walk.number(not neutral if python else np.bool(not neutral), node)
    return None


def _same(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    return x if x is y else None


def _where(node: Value, walk: Rewriter) -> Answer:
    condition, x, y = node.inputs
    if x is y:
        return x
    known = fill_of(condition)
    return None if known is None else x if known else y


# -- shape and type --------------------------------------------------------------------------------


def _if_same_type(node: Value, walk: Rewriter) -> Answer:
    (x,) = node.inputs
    return x if x.type == node.type and known_shape(x.type) else None


def _permute(node: Value, walk: Rewriter) -> Answer:
    (x,) = node.inputs
    axes = tuple([a % len(x.shape) for a in node.params["axes"]])
    if axes == tuple(range(len(axes))):
        return x
    if x.op is matmul:
        return _product_of_swapped(node, axes, walk)
    if x.op is not structural.permute:
        return None
    inner = [a % len(axes) for a in x.params["axes"]]
    params = {"axes": tuple([inner[a] for a in axes])}
    return walk.emit(structural.permute, x.inputs, params, node.type, node)


def _product_of_swapped(node: Value, axes: tuple[int, ...], walk: Rewriter) -> Answer:
    """Multiply the other way round rather than swap rows and columns: (A B)ᵀ = Bᵀ Aᵀ."""
    (x,) = node.inputs
    ndim = len(axes)
    swap = (*range(ndim - 2), ndim - 1, ndim - 2)
    if axes != swap or walk.uses(x) != 1 or any([len(v.shape) != ndim for v in x.inputs]):
        return None
    swapped = [
        walk.emit(structural.permute, (v,), {"axes": swap}, Type(v.dtype, shape), node)
        for v in reversed(x.inputs)
        for shape in [(*v.shape[:-2], v.shape[-1], v.shape[-2])]
    ]
    return walk.emit(matmul, tuple(swapped), x.params, node.type, node)


def _reshape(node: Value, walk: Rewriter) -> Answer:
    (x,) = node.inputs
    if len(x.shape) == len(node.shape) == 1 or (x.type == node.type and known_shape(x.type)):
        return x
    if x.op is structural.reshape and x.inputs[0].shape:
        return walk.emit(structural.reshape, x.inputs, node.params, node.type, node)
    return None


def _broadcast_to(node: Value, walk: Rewriter) -> Answer:
    (x,) = node.inputs
    if x.op is structural.broadcast_to:
        return walk.emit(structural.broadcast_to, x.inputs, node.params, node.type, node)
    return None


def _cast(node: Value, walk: Rewriter) -> Answer:
    (x,) = node.inputs
    if x.dtype == node.dtype:
        return x
    if x.op is structural.cast:
        first = x.inputs[0]
        if np.can_cast(first.dtype, x.dtype, "safe") and first.dtype.kind == x.dtype.kind:
            return walk.emit(structural.cast, x.inputs, node.params, node.type, node)
    return None


def _copy(node: Value, walk: Rewriter) -> Answer:
    (x,) = node.inputs
    if is_number(x.type):
        return x
    op = x.op
    if op is structural.copy and x.params.get("order", "C") == node.params.get("order", "C"):
        return x
    if op is None or len(x.shape) > 1 or may_view(x) or x.op in control.CONTROL:
        return None
    # A new vector is contiguous. What others refer to it for is up to who stores into it.
    return x if op in _FRESH or isinstance(op.fn, np.ufunc) else None


_FRESH = frozenset({creation.full, creation.iota, structural.stack, structural.concatenate})


def _reduce_sum(node: Value, walk: Rewriter) -> Answer:
    """Sum copies of an array along the axes by which it was broadcast."""
    (x,) = node.inputs
    if x.op is not structural.broadcast_to or node.dtype.kind not in "iuf":
        return None
    of, axis = x.inputs[0], node.params.get("axis")
    new = len(x.shape) - len(of.shape)
    summed = range(len(x.shape)) if axis is None else sorted(axis)
    if of.dtype != node.dtype or list(summed) != list(range(new)) or node.params.get("keepdims"):
        return None
    lengths = [n for n in x.shape[:new] if type(n) is int]
    others = [n for n in x.shape[:new] if type(n) is not int]
    count: Any = math.prod(lengths)
    if others:
        (count, *others) = others
        if others or math.prod(lengths) != 1 or count is None:
            return None
    # ∞·0 is not the sum of nothing.
    number = of_length(count, node, walk) if walk.integers.sign(count) == ">0" else None
    return None if number is None else walk.emit(ew.multiply, (of, number), None, node.type, node)


def _sum_of_rows(node: Value, walk: Rewriter) -> Answer:
    """Sum the rows or the columns of a product of matrices before they are multiplied."""
    (x,) = node.inputs
    axis = node.params.get("axis")
    negated = x.op is ew.negative
    if negated:
        (x,) = x.inputs
    if x.op is not matmul or node.dtype.kind not in "fc" or x.dtype != node.dtype:
        return None
    a, b = x.inputs
    ndim = len(x.shape)
    if axis is None or len(axis) != 1 or min(len(a.shape), len(b.shape)) < 2:
        return None
    at = axis[0] % ndim - ndim
    if at < -2 or a.dtype != x.dtype or b.dtype != x.dtype:
        return None
    of = a if at == -2 else b
    shape = list(of.shape)
    shape[at] = 1
    params = {"axis": (len(shape) + at,), "keepdims": True}
    summed = walk.emit(structural.reduce_sum, (of,), params, Type(of.dtype, tuple(shape)), node)
    whole = list(x.shape)
    whole[at] = 1
    inputs = (summed, b) if at == -2 else (a, summed)
    found = walk.emit(matmul, inputs, x.params, Type(x.dtype, tuple(whole)), node)
    if negated:
        found = walk.emit(ew.negative, (found,), None, found.type, node)
    return walk.emit(structural.reshape, (found,), {"shape": node.shape}, node.type, node)


def _sum_of_products(node: Value, walk: Rewriter) -> Answer:
    """Recognise a product of matrices: Σₖ a[…, i, 1, k] b[…, 1, j, k] in any order of the axes."""
    (x,) = node.inputs
    axis = node.params.get("axis")
    if x.op is not ew.multiply or node.dtype.kind not in "fc" or node.params.get("keepdims"):
        return None
    operands = [_before_broadcast(v) for v in x.inputs]
    if axis is None or len(axis) != 1 or None in x.shape:
        return None
    if any([v.dtype != node.dtype or None in shape for v, shape in operands]):
        return None
    ndim = len(x.shape)
    summed = axis[0] % ndim
    own = [[_has_axis(shape, k, x.shape) for k in range(ndim)] for _, shape in operands]
    if None in (*own[0], *own[1]):
        return None
    (rows, columns) = [
        [k for k in range(ndim) if own[mine][k] and not own[1 - mine][k]] for mine in (0, 1)
    ]
    both = [k for k in range(ndim) if own[0][k] and own[1][k] and k != summed]
    if len(rows) != 1 or len(columns) != 1 or not (own[0][summed] and own[1][summed]):
        return None
    if len(both) + 3 != ndim:
        return None
    left = _axes_in_order(operands[0][0], x.shape, [*both, *rows, summed], node, walk)
    right = _axes_in_order(operands[1][0], x.shape, [*both, summed, *columns], node, walk)
    order = [*both, *rows, *columns]
    type = Type(node.dtype, tuple([x.shape[k] for k in order]))
    found = walk.emit(matmul, (left, right), {}, type, node)
    axes = tuple([order.index(k) for k in sorted(order)])
    return walk.emit(structural.permute, (found,), {"axes": axes}, node.type, node)


def _before_broadcast(v: Value) -> tuple[Value, tuple[Any, ...]]:
    """Return the array that a value was broadcast from, and in which shape it was."""
    if v.op is structural.broadcast_to:
        return v.inputs[0], v.inputs[0].shape
    if v.op is read and v.params["path"][-1:] and v.params["path"][-1][0] == "broadcast_to":
        *before, _ = v.params["path"]
        if not before:
            return v.inputs[0], v.inputs[0].shape
        if len(before) == 1 and before[0][0] == "reshape":
            return v.inputs[0], tuple(before[0][1])
    return v, v.shape


def _has_axis(shape: tuple[Any, ...], k: int, whole: tuple[Any, ...]) -> bool | None:
    """Tell whether an operand has numbers of its own along an axis of what it is broadcast to.

    None if that shows at run time only.
    """
    at = k - (len(whole) - len(shape))
    if at < 0:
        return False
    return True if shape[at] == whole[k] else False if shape[at] == 1 else None


def _axes_in_order(
    v: Value, whole: tuple[Any, ...], axes: list[int], node: Value, walk: Rewriter
) -> Value:
    """Return an operand with some of its axes, in another order; the others are of length one."""
    kept = sorted(axes)
    shape = tuple([whole[k] for k in kept])
    if v.shape != shape:
        v = walk.emit(structural.reshape, (v,), {"shape": shape}, Type(v.dtype, shape), node)
    order = tuple([kept.index(k) for k in axes])
    type = Type(v.dtype, tuple([shape[k] for k in order]))
    return walk.emit(structural.permute, (v,), {"axes": order}, type, node)


def _part(node: Value, walk: Rewriter) -> Answer:
    """Read an array that has the same number everywhere."""
    (x,) = node.inputs
    of = node.type
    if x.op is not structural.broadcast_to and x.op is not creation.full:
        return None
    if not known_shape(of) or node.dtype != x.dtype or _has_imaginary(node):
        return None
    assert isinstance(of, Type)
    if x.op is structural.broadcast_to:
        (number,) = x.inputs
        if number.shape:
            return None
        if is_number(of):
            return number
        return walk.emit(structural.broadcast_to, x.inputs, {"shape": of.shape}, of, node)
    if not is_number(of):
        return walk.emit(creation.full, (), {**x.params, "shape": of.shape}, of, node)
    number = fill_of(x)
    return x.params["value"] if type(x.params["value"]) is Value else walk.number(number, node)


def _has_imaginary(node: Value) -> bool:
    return node.op is read and any([kind == "imag" for kind, _ in node.params["path"]])


ALGEBRA = Rules(
    "algebra",
    of={
        ew.add: (_add,),
        ew.subtract: (_subtract,),
        ew.multiply: (_multiply,),
        ew.strong_multiply: (_strong_multiply,),
        ew.divide: (_divide,),
        ew.strong_divide: (_strong_divide,),
        ew.power: (_power,),
        ew.negative: (_negative,),
        ew.conjugate: (_on_reals,),
        ew.real: (_on_reals,),
        ew.maximum: (_same,),
        ew.minimum: (_same,),
        ew.where: (_where,),
        _AND: (_and,),
        _OR: (_or,),
        _NOT: (_not,),
        structural.permute: (_permute,),
        structural.reshape: (_reshape,),
        structural.broadcast_to: (_if_same_type, _broadcast_to),
        structural.cast: (_cast,),
        structural.copy: (_copy,),
        structural.reduce_sum: (_reduce_sum, _sum_of_rows, _sum_of_products),
        getitem: (_part,),
        read: (_part,),
    },
)
