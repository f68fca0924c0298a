"""The walk that turns a graph into the graph of what its values depend on.

Operations are recorded again, each followed by those that form the sets of its results from the
sets of its operands: as in forward mode, with sets in place of tangents. Loops carry the sets of
what they carry. What is not needed for the sets is dead, and goes: of a program whose indices and
loops do not depend on its floating-point numbers nothing is left that computes any.

Unions are put off. What a value depends on is a tuple of arrays of sets, all of its shape, of which
the union is meant. A chain of elementwise operations only collects them, and nothing is formed
before an array is stored into, carried by a loop or returned.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adjoint.errors import TracingError
from adjoint.ir import Block
from adjoint.ir.agreement import is_integer
from adjoint.ir.build import innermost
from adjoint.ir.core import Op
from adjoint.ir.dims import add
from adjoint.ir.edit import Copier
from adjoint.ir.graph import Value
from adjoint.ir.types import StackType, Type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.creation import full
from adjoint.ops.structural import broadcast_to, project_result
from adjoint.rules.derive import ZERO
from adjoint.staged.values import lift, param, shape_of, value_of
from adjoint.transforms.ownership import CONSUMING
from adjoint.transforms.simplify.common import MAKES_ROOM, Incomparable, frozen
from adjoint.transforms.simplify.integers import Integers
from adjoint.transforms.sparsity.operations import merge_stacks, sets_type, union
from adjoint.transforms.sparsity.sets import ID
from adjoint.transforms.sparsity.table import Operation, rule_of

__all__ = ["CONTROL", "Dependence", "Sets"]

Sets = tuple[Value, ...]

_MOST = 12
"""Arrays of sets of one value before their union is formed."""


def _draw_again(*, args: Any, kwargs: Any) -> Any:
    raise TracingError(
        "which entries of the derivative are nonzero depends on random numbers that the function "
        "draws. Draw them outside and pass them, or give the pattern as sparsity=..."
    )


_drawn = Op("drawn", _draw_again, ())


class Dependence(Copier):
    """Records a block again, with what its values depend on.

    Attributes
    ----------
    sets : dict
        Of values of the original: a tuple of arrays of sets; for an operation with several results
        a tuple of such tuples. What has no entry depends on nothing.
    data, moved : set
        What of the original varies with any floating-point number, and with those that the
        derivative is by (`adjoint.transforms.sparsity.varying`).
    counted : set
        The new loops whose number of passes varies with floating-point numbers.
    """

    def __init__(self, data: set[Any], moved: set[Any]) -> None:
        super().__init__()
        self.sets: dict[Value, Any] = {}
        self.data = data
        self.moved = moved
        self.counted: set[Value] = set()

    def inner(self) -> Dependence:
        """Return the walk of a block of an operation of this one."""
        walk = Dependence(self.data, self.moved)
        walk.table, walk.sets = dict(self.table), dict(self.sets)
        walk.counted = self.counted
        return walk

    # -- sets ----------------------------------------------------------------------------------

    def of(self, v: Value) -> Sets:
        """Return what a value depends on."""
        return self.sets.get(v, ())

    def whole(self, v: Value) -> Value:
        """Return what a value depends on as one array of sets."""
        return self.formed(self.of(v), self.value(v))

    def formed(self, sets: Sets, like: Value) -> Value:
        """Return the union of arrays of sets, as those of the value ``like``."""
        type = sets_type(like.type)
        if not sets:
            return self.empty(like)
        if len(sets) == 1 and (isinstance(type, StackType) or _same(sets[0].type, type)):
            return sets[0]
        if isinstance(type, StackType):
            first, *others = sets
            for other in others:
                first = self.record(merge_stacks, (first, other), {}, type)
            return first
        return self.record(union, sets, {}, type)

    def empty(self, like: Value) -> Value:
        """Return sets that are empty."""
        type = sets_type(like.type)
        if isinstance(type, StackType):
            return innermost().emit(control.empty_stack, (), {}, type)
        if type.kind != "array":
            return value_of(lift(ID.type(0)))
        params = {"shape": param(shape_of(like)), "value": 0, "dtype": ID}
        return innermost().emit(full, (), params, type)

    def spread(self, sets: Value, like: Value) -> Value:
        """Return sets broadcast to the shape of a value."""
        type = sets_type(like.type)
        if _same(sets.type, type):
            return sets
        if type.kind != "array" and sets.shape == ():
            return sets
        shape = param(shape_of(like))
        type = Type(ID, type.shape)
        return self.record(broadcast_to, (sets,), {"shape": shape}, type)

    def record(self, op: Op, inputs: Sets, params: dict[str, Any], type: Any) -> Value:
        """Record an operation on sets, unless it is there already."""
        builder = innermost()
        key = None
        if op not in MAKES_ROOM and op not in CONSUMING:
            try:
                key = (op, inputs, *[(name, frozen(x)) for name, x in params.items()])
            except Incomparable:
                pass
        found = None if key is None else builder.find(key)
        if found is None:
            found = builder.emit(op, inputs, params, type)
            if key is not None:
                builder.known[key] = found
        return found

    def give(self, node: Value, sets: Iterable[Value]) -> None:
        """Note what a value depends on."""
        found = tuple(dict.fromkeys(sets))
        if len(found) > _MOST:
            found = (self.formed(found, self.value(node)),)
        if found:
            self.sets[node] = found

    # -- the walk ------------------------------------------------------------------------------

    def run(self, block: Block) -> None:
        """Record the operations of a block."""
        for node in block.nodes:
            self.step(node)

    def step(self, node: Value) -> None:
        """Record an operation, and what its results depend on."""
        op = node.op
        assert op is not None
        handler = CONTROL.get(op)
        if handler is not None:
            handler(self, node)
            return
        if op in _ALIASES:
            self.table[node] = self.value(node.inputs[0])
            self.give(node, self.of(node.inputs[0]))
            return
        if op in control.EFFECTS and op is not control.draw:
            return
        new = self.copy(node)
        if op is project_result:
            parts = self.sets.get(node.inputs[0])
            if parts is not None:
                self.give(node, parts[node.params["k"]])
            return
        if op.rule is ZERO or not any([v in self.sets for v in node.inputs]):
            return
        found = rule_of(op)(Operation(self, node, new))
        if isinstance(node.type, tuple):
            self.sets[node] = tuple([tuple(dict.fromkeys(sets)) for sets in found])
        elif node.dtype.kind in "fc":
            self.give(node, found)

    def copy(self, node: Value) -> Value:
        """Record an operation as it is."""
        builder = innermost()
        new = self.node(node)
        if node.op is control.draw:
            new.op, new.params = _drawn, {"args": (), "kwargs": {}}
        elif node.op is ew.remainder and is_integer(new.type) and new.bounds == (None, None):
            new.bounds = _bounds_of_remainder(new.inputs[1])
        builder.block.nodes.append(new)
        builder.own.add(new)
        return new


def _bounds_of_remainder(divisor: Value) -> tuple[Any, Any]:
    """Return the bounds of ``i % n``, by which an index that goes round is in range."""
    integers = Integers()
    if integers.sign(divisor) != ">0":
        return (None, None)
    return (0, add(integers.of(divisor), -1))


_ALIASES = frozenset({control.checked, control.unless, control.recompute, control.require_equal})
"""Operations whose result is their first operand."""


def _same(have: Any, want: Type) -> bool:
    return (
        have.kind == want.kind
        and have.shape == want.shape
        and not any([n is None for n in want.shape])
    )


CONTROL: dict[Op, Any] = {}
"""What records operations with blocks: filled by `adjoint.transforms.sparsity.control`."""
