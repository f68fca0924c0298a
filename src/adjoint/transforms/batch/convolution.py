"""Convolutions: more images where those of the examples differ, more channels where filters do.

Where both operands differ the examples are run one by one.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir.graph import Value
from adjoint.ops.structural import reshape
from adjoint.transforms.batch.table import OneByOne, Operation, permuted, record, rule, shaped

__all__: list[str] = []

_AXES = {
    ("convolution", 0): ((0, False), (0, False)),
    ("convolution", 1): ((0, True), (1, True)),
    ("convolution_input", 0): ((0, False), (0, False)),
    ("convolution_input", 1): ((1, False), (1, True)),
    ("convolution_weight", 0): ((1, True), (1, False)),
    ("convolution_weight", 1): ((1, True), (0, True)),
}
"""Operation and the operand that differs → the axis of the operand that is longer with all
examples in it, and that of the result; and whether groups of channels lie along it."""


@rule("convolution", "convolution_input", "convolution_weight")
def _convolution(o: Operation) -> Value:
    if all(o.on) or o.node.op is None:
        raise OneByOne
    k = o.on.index(True)
    (given, given_groups), (made, made_groups) = _AXES[o.node.op.name, k]
    groups = o.params.get("groups", 1)
    inputs = list(o.inputs)
    inputs[k] = _joined(inputs[k], given, groups if given_groups else 1)
    found = record(o.node.op, inputs, o.params)
    out = o.walk.type_of_all(o.node.type).shape
    return _apart(found, made, groups if made_groups else 1, out)


def _joined(x: Value, axis: int, groups: int) -> Value:
    """Return an array with the examples along an axis of its own, group by group."""
    count, *lengths = x.type.shape
    head, rest = lengths[:axis], lengths[axis + 1 :]
    own = _divided(lengths[axis], groups)
    split = shaped(x, (count, *head, groups, own, *rest))
    axes = (*range(1, axis + 2), 0, *range(axis + 2, len(lengths) + 2))
    return record(reshape, (permuted(split, axes),), {"shape": (*head, -1, *rest)})


def _apart(x: Value, axis: int, groups: int, out: tuple[Any, ...]) -> Value:
    """Return an array with the examples along a first axis again."""
    count, *lengths = out
    head, rest = lengths[:axis], lengths[axis + 1 :]
    split = shaped(x, (*head, groups, count, _divided(lengths[axis], groups), *rest))
    axes = (axis + 1, *range(axis + 1), *range(axis + 2, len(lengths) + 2))
    return shaped(permuted(split, axes), out)


def _divided(n: Any, groups: int) -> Any:
    if groups == 1:
        return n
    if not isinstance(n, int):
        raise OneByOne
    return n // groups
