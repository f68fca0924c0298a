"""What loops keep: a stack of the values of all examples."""

from __future__ import annotations

from adjoint.ir.graph import Value
from adjoint.ir.types import StackType
from adjoint.ops import control
from adjoint.transforms.batch.table import Operation, rule

__all__: list[str] = []


@rule("push", "entry_add")
def _push(o: Operation) -> Value:
    return o.emit(o.node.op, (o.whole(0), o.whole(1)), o.params)


@rule("add_stacks")
def _add_stacks(o: Operation) -> Value:
    return o.emit(control.add_stacks, (o.whole(0), o.whole(1)))


@rule("entry")
def _entry(o: Operation) -> Value:
    held = o.inputs[0].type
    assert isinstance(held, StackType)
    params = {**o.params, "type": o.walk.type_of_all(o.node.type)}
    return o.emit(control.entry, o.inputs, params)
