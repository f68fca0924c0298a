"""The table of batching rules, and what a rule is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.ir.build import innermost
from adjoint.ir.graph import Value
from adjoint.ir.types import AnyType, StackType, Type
from adjoint.ops.indexing import getitem
from adjoint.ops.inference.elementwise import is_elementwise
from adjoint.ops.registry import Op
from adjoint.ops.structural import cast, permute, reshape
from adjoint.staged.values import emit, value_of, wrap

if TYPE_CHECKING:
    from adjoint.transforms.batch.walk import Batch

__all__ = [
    "ONE_BY_ONE", "RULES", "OneByOne", "Operation", "expanded", "in_dtype", "permuted", "record",
    "rule", "rule_of", "shaped",
]  # fmt: skip


class OneByOne(Exception):
    """There is no one operation for all examples: they are run one by one."""


Rule = Callable[["Operation"], Value]

RULES: dict[str, Rule] = {}
"""Rules by the operation's name. `elementwise` operations share that of ``add``."""

ONE_BY_ONE = frozenset({"fsum", "ieee_remainder"})
"""Operations of numbers that look like elementwise ones."""

_TAKES_VARYING: set[str] = set()


def rule(*names: str, varying: bool = False) -> Callable[[Rule], Rule]:
    """Decorate the rule of the operations of these names.

    Parameters
    ----------
    *names : str
    varying : bool
        Whether it takes parameters in which values stand that differ between examples.
    """

    def register(fn: Rule) -> Rule:
        for name in names:
            RULES[name] = fn
            if varying:
                _TAKES_VARYING.add(name)
        return fn

    return register


def rule_of(op: Op, varying: bool = False) -> Rule | None:
    """Return the batching rule of an operation; None if its examples are run one by one."""
    found = RULES.get(op.name)
    if op.name in ONE_BY_ONE:
        return None
    if found is None and is_elementwise(op):
        found = RULES["add"]
    return None if varying and op.name not in _TAKES_VARYING else found


class Operation:
    """An operation of one example, with the operands of all.

    Attributes
    ----------
    walk : Batch
    node : Value
        The operation of one example.
    inputs : tuple of Value
        The operands, recorded again.
    on : tuple of bool
        Which of them lie along a first axis of examples.
    params : dict
        With values recorded again.
    differs : bool
        Whether the result differs between examples; a rule may set it to False.
    """

    __slots__ = ("differs", "inputs", "node", "on", "params", "walk")

    def __init__(
        self,
        walk: Batch,
        node: Value,
        inputs: tuple[Value, ...],
        on: tuple[bool, ...],
        params: dict[str, Any],
    ) -> None:
        self.walk = walk
        self.node = node
        self.inputs = inputs
        self.on = on
        self.params = params
        self.differs = True

    @property
    def count(self) -> Any:
        """How many examples there are."""
        return self.walk.count

    def rank(self, k: int) -> int:
        """Return how many axes operand ``k`` of one example has."""
        return self.node.inputs[k].type.ndim

    def whole(self, k: int) -> Value:
        """Return operand ``k`` with an axis of examples, whether it differs between them or not."""
        return self.walk.whole(self.node.inputs[k])

    def aligned(self, k: int, rank: int) -> Value:
        """Return operand ``k`` such that it faces others of up to ``rank`` axes an example."""
        x = self.inputs[k]
        return expanded(x, rank - self.rank(k)) if self.on[k] else x

    def emit(self, op: Op, inputs: Sequence[Value], params: dict[str, Any] | None = None) -> Value:
        """Record the operation that gives the results of all examples."""
        type = self.walk.type_of_all(self.node.type)
        return innermost().emit(op, tuple(inputs), params, type, (), self.node.place)

    def result(self, x: Value) -> Value:
        """Return ``x`` in the dtype that one example has."""
        return in_dtype(x, self.node.dtype)


def record(op: Op, inputs: Sequence[Value], params: dict[str, Any] | None = None) -> Value:
    """Record an operation whose type is inferred."""
    return value_of(emit(op, tuple([wrap(v) for v in inputs]), params))


def in_dtype(x: Value, dtype: np.dtype) -> Value:
    """Return ``x`` in a dtype."""
    if x.dtype == dtype:
        return x
    assert isinstance(x.type, Type)
    type = Type(dtype, x.type.shape, "array" if x.type.kind == "array" else "scalar")
    return innermost().emit(cast, (x,), {"dtype": dtype}, type)


def expanded(x: Value, axes: int) -> Value:
    """Return ``x`` with new axes of length one after that of examples."""
    if not axes:
        return x
    assert isinstance(x.type, Type)
    count, *lengths = x.type.shape
    type = Type(x.dtype, (count, *(1,) * axes, *lengths))
    index = (slice(None), *(None,) * axes, ...)
    return innermost().emit(getitem, (x,), {"index": index}, type)


def permuted(x: Value, axes: Sequence[int]) -> Value:
    """Return ``x`` with its axes in another order."""
    if list(axes) == sorted(axes):
        return x
    assert isinstance(x.type, Type)
    type = x.type.with_shape(tuple([x.type.shape[a] for a in axes]))
    return innermost().emit(permute, (x,), {"axes": tuple(axes)}, type)


def shaped(x: Value, shape: tuple[Any, ...]) -> Value:
    """Return ``x`` in a shape of as many elements."""
    assert isinstance(x.type, Type)
    type = Type(x.dtype, shape)
    return innermost().emit(reshape, (x,), {"shape": shape}, type)


def type_of_all(type: AnyType, count: Any) -> AnyType:
    """Return the type of the values of all examples."""
    if isinstance(type, StackType):
        return StackType(type_of_all(type.entry, count))
    return Type(np.dtype(type.dtype), (count, *type.shape))
