"""Operations that cannot fail: they may be moved to where the program would not have come to them.

An operation may fail for the values of its operands (a singular matrix, an index out of bounds, a
Python division by zero), or for shapes that fit only when the program runs. What is not known here
to be total is taken to be able to fail. A warning of NumPy's is no failure.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.agreement import is_integer
from adjoint.ir.dims import least
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control, creation, indexing, linalg, products, reduction, scan, structural
from adjoint.ops import elementwise as ew
from adjoint.ops.inference import infer
from adjoint.ops.inference.lengths import same_size
from adjoint.ops.registry import OPS
from adjoint.transforms.simplify.facts import is_number, number_of
from adjoint.transforms.simplify.integers import Integers
from adjoint.transforms.simplify.places import in_bounds

__all__ = ["is_total"]

_SHAPES_ALONE = frozenset({
    control.constant, control.dim,
    ew.conjugate, ew.extended_subtract, ew.imag, ew.logistic, ew.one_minus_square, ew.python_number,
    ew.real, ew.sech2, ew.stop_gradient, ew.strong_multiply, ew.where,
    linalg.matmul, products.einsum, scan.cumsum,
    structural.concatenate, structural.diagonal, structural.permute,
    structural.project_result, structural.reduce_sum, structural.stack,
})  # fmt: skip
"""Operations that can fail for nothing but the shapes of their operands."""

_EXTREMA = frozenset(
    {reduction.reduce_max, reduction.reduce_min, reduction.reduce_fmax, reduction.reduce_fmin}
)
_QUOTIENTS = frozenset({ew.divide, ew.floor_divide, ew.fmod, ew.remainder, ew.strong_divide})
_NOT_NEGATIVE = frozenset({">0", ">=0", "==0"})


def is_total(node: Value, integers: Integers) -> bool:
    """Tell whether an operation without effects cannot fail, whatever its operands hold."""
    op = node.op
    assert op is not None
    if OPS.get(op.name) is not op:
        return False
    if op is indexing.getitem:
        return in_bounds(integers, node.params["index"], node.inputs[0].shape)
    if op is indexing.read:
        path = node.params["path"]
        return len(path) == 1 and path[0][0] == "index" and (
            in_bounds(integers, path[0][1], node.inputs[0].shape)
        )  # fmt: skip
    if op is control.entry:
        return integers.sign(node.params["index"]) in _NOT_NEGATIVE
    if op is creation.iota:
        return type(node.params["step"]) in (int, float) and node.params["step"] != 0
    if op is structural.broadcast_to or op is creation.identity:
        lengths = [integers.sign(n) for n in node.shape if n is not None]
        return _shapes_fit(node) and all([n in _NOT_NEGATIVE for n in lengths])
    if op is structural.reshape:
        return same_size(node.inputs[0].shape, node.shape) is True
    if op is structural.cast:
        return not _is_python(node.inputs[0]) or node.dtype.kind in "fc"
    if op in _EXTREMA:
        return all([(n is not None and (least(n) or 0) > 0) for n in node.inputs[0].shape])
    if op in _QUOTIENTS:
        return _may_divide(node, integers) and _shapes_fit(node)
    if op is ew.power:
        return node.dtype.kind in "fc" and _shapes_fit(node)
    elementwise = isinstance(op.fn, np.ufunc) and op.fn.signature is None
    return (elementwise or op in _SHAPES_ALONE) and _shapes_fit(node)


def _may_divide(node: Value, integers: Integers) -> bool:
    """Tell whether a division cannot fail, nor warn because an integer is zero.

    A loop over ``range(n)`` that divides by n does not run if n is 0.
    """
    divisor = node.inputs[1]
    number = number_of(divisor)
    if number is not None:
        return number != 0
    if is_integer(divisor.type):
        return integers.sign(divisor) in ("<0", ">0")
    return not all(map(_is_python, node.inputs))


def _is_python(v: Value) -> bool:
    return is_number(v.type) and v.type.kind == "python"


class _AtRunTime(Exception):
    """Raised where lengths are to be compared when the program runs."""


def _refuse(*_: Any) -> Any:
    raise _AtRunTime


def _shapes_fit(node: Value) -> bool:
    """Tell whether it is known that the operands' shapes fit each other."""
    types = [v.type for v in node.inputs]
    arrays = [t for t in types if type(t) is Type and t.shape]
    if len(arrays) <= 1 and isinstance(node.op.fn, np.ufunc):
        return True
    if any([None in t.shape for t in arrays]):
        return False
    if all([t.shape == arrays[0].shape for t in arrays]) and isinstance(node.op.fn, np.ufunc):
        return True
    if node.op in (control.constant, control.dim, structural.project_result):
        return True
    try:
        infer(node.op, tuple(types), node.params, require_equal=_refuse)
    except Exception:  # whatever it is, it is for the program to raise
        return False
    return True
