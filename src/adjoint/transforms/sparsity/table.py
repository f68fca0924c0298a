"""What the results of each operation depend on, given what its operands do.

A rule is sound if it names too much, and so an operation without one depends, in every element, on
all of its operands. The rules state what is known to be less: elementwise operations, what moves
elements, what takes an axis together, what takes matrices together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.ir.build import innermost
from adjoint.ir.core import Op
from adjoint.ir.graph import Value
from adjoint.ir.types import StackType, Type
from adjoint.ops import structural
from adjoint.ops.inference.elementwise import is_elementwise
from adjoint.ops.plain import ufunc_op
from adjoint.staged.values import param, shape_of, value_of
from adjoint.transforms.sparsity import operations as on_sets
from adjoint.transforms.sparsity.operations import sets_type

if TYPE_CHECKING:
    from adjoint.transforms.sparsity.walk import Dependence

__all__ = ["Operation", "everything", "no_set", "rule", "rule_of", "spread_over"]


class Operation:
    """An operation, with the sets of its operands.

    Attributes
    ----------
    walk : Dependence
    node : Value
        The original.
    new : Value
        The operation recorded again.
    """

    def __init__(self, walk: Dependence, node: Value, new: Value) -> None:
        self.walk = walk
        self.node = node
        self.new = new
        self.params = new.params

    @property
    def type(self) -> Any:
        """The type of the sets of the result."""
        return sets_type(self.new.type)

    def sets(self, k: int) -> tuple[Value, ...]:
        """Return what operand ``k`` depends on."""
        return self.walk.of(self.node.inputs[k])

    def all(self) -> list[Value]:
        """Return what the operands depend on."""
        return [s for k in range(len(self.node.inputs)) for s in self.sets(k)]

    def whole(self, k: int) -> Value:
        """Return what operand ``k`` depends on as one array."""
        return self.walk.whole(self.node.inputs[k])

    def record(self, op: Op, operands: Iterable[Value], of: Any = None, /, **params: Any) -> Value:
        """Record an operation on sets; ``of`` is the type of what it gives."""
        of = self.type if of is None else of
        return self.walk.record(op, tuple(operands), params, of)

    def each(self, op: Op, k: int = 0, /, **params: Any) -> list[Value]:
        """Record an operation on each array of sets of operand ``k``."""
        return [self.record(op, (s,), **params) for s in self.sets(k)]

    def same(self) -> list[Value]:
        """Record the operation itself on each array of sets of its first operand."""
        assert self.node.op is not None
        return self.each(self.node.op, **self.params)

    def spread(self, sets: Iterable[Value]) -> list[Value]:
        """Broadcast sets to the shape of the result."""
        return [self.walk.spread(s, self.new) for s in sets]

    def along(self, k: int, axis: Any) -> list[Value]:
        """Say that the result depends on all that operand ``k`` has along axes."""
        return self.each(on_sets.along, k, axis=axis, shape=param(shape_of(self.new)))

    def nonzero(self, k: int) -> Value:
        """Return where operand ``k``, which depends on nothing, is not zero."""
        v = self.new.inputs[k]
        of = Type(np.dtype(bool), v.shape, "array" if v.shape else "scalar")
        return innermost().emit(ufunc_op(np.not_equal), (v, value_of(0)), {}, of)


def no_set() -> Value:
    """Return the empty set."""
    return value_of(on_sets.ID.type(0))


Rule = Callable[[Operation], Any]

_RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorate the rule of the operations of these names."""

    def register(fn: Rule) -> Rule:
        for name in names:
            _RULES[name] = fn
        return fn

    return register


def rule_of(op: Op) -> Rule:
    """Return the rule of an operation."""
    found = _RULES.get(op.name)
    if found is not None:
        return found
    return spread_over if is_elementwise(op) else everything


def everything(o: Operation) -> Any:
    """Say that every element of every result depends on all of the operands."""
    if any([isinstance(v.type, StackType) for v in o.node.inputs]):
        raise NotImplementedError(f"what {o.node.op} of stacks depends on is not known")
    number = Type(on_sets.ID, (), "scalar")
    all_sets = o.record(
        on_sets.union, [o.record(on_sets.reduce, (s,), number) for s in o.all()], number
    )
    if not isinstance(o.node.type, tuple):
        return o.spread([all_sets])
    several = []
    for k, t in enumerate(o.node.type):
        result = innermost().emit(structural.project_result, (o.new,), {"k": k}, o.new.type[k])
        several.append((o.walk.spread(all_sets, result),) if t.dtype.kind in "fc" else ())
    return several


def spread_over(o: Operation) -> list[Value]:
    """Say that each element depends on those that face it."""
    op = o.node.op
    assert op is not None
    pulls = op.rule.pulls
    found = []
    for k in range(len(o.node.inputs)):
        if pulls is None or len(pulls) <= k or pulls[k] is not None:
            found += o.sets(k)
    return o.spread(found)
