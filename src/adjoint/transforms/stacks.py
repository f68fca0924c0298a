"""Derivatives of what loops keep: of ``push`` and ``entry``, so that loops have second derivatives.

The cotangent of a stack is a stack of cotangents, with gaps where they are zero. Keeping a value
pulls its entry of the cotangent back; reading an entry adds to that entry.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir import Node
from adjoint.ir.build import innermost
from adjoint.ir.graph import Value
from adjoint.ir.types import AnyType, StackType, Type
from adjoint.ops import control
from adjoint.ops.creation import full, zeros
from adjoint.rules.cotangents import At, Handed
from adjoint.rules.derive import Rule, zero
from adjoint.staged.values import Staged, emit, lift, param, shape_of, value_of, wrap

__all__ = ["STACK_OPERATIONS", "cotangent_type", "zero_cotangent"]

STACK_OPERATIONS = frozenset({control.push, control.entry, control.entry_add, control.add_stacks})
"""Operations whose tape nodes keep the value itself: their rules read types."""


def cotangent_type(type: AnyType) -> Any:
    """Return the type of the cotangent of a value."""
    if isinstance(type, StackType):
        return StackType(cotangent_type(type.entry))
    return Type(type.dtype, type.shape, "array" if type.kind == "array" else "scalar")


def empty(type: AnyType) -> Any:
    """Return the zero cotangent of a stack."""
    return wrap(innermost().emit(control.empty_stack, (), {}, cotangent_type(type)))


def zero_cotangent(value: Value) -> Any:
    """Return the zero cotangent of a value."""
    type = value.type
    if isinstance(type, StackType):
        return empty(type)
    assert isinstance(type, Type)
    if type.kind != "array":
        return lift(type.dtype.type(0))
    shape = shape_of(value)
    held = zeros(shape, type.dtype)
    if not isinstance(held, Staged):
        held = emit(full, (), {"shape": shape, "value": 0, "dtype": type.dtype})
    return held


def entry_of(stack: Any, index: Any, type: AnyType) -> Any:
    """Return an entry of a cotangent or tangent."""
    params = {"index": param(index), "type": type}
    return wrap(innermost().emit(control.entry, (value_of(stack),), params, type))


def _index(node: Node) -> Any:
    return node.params["index"]


def _pull_push(ct: Any, node: Node) -> tuple[Any, Any]:
    (value,) = node.saved
    bar = None
    if node.inputs[1] is not None:
        bar = entry_of(ct, _index(node), cotangent_type(value.inputs[1].type))
    if node.inputs[0] is None:
        return None, bar
    return Handed(_cleared(ct, node) if node.params.get("replaces") else ct), bar


def _cleared(stack: Any, node: Node) -> Any:
    """Return a tangent or cotangent without the entry that an operation replaces."""
    (value,) = node.saved
    return changed(control.push, stack, zero_cotangent(value.inputs[1]), _index(node), True)


def _pull_entry(ct: Any, node: Node) -> tuple[Any]:
    return (At((("entry", _index(node)),), ct),)


def _push_push(tangents: Any, node: Node) -> Any:
    (value,) = node.saved
    stack, dot = tangents
    if stack is None:
        stack = empty(value.type)
    if dot is None:
        return _cleared(stack, node) if node.params.get("replaces") else stack
    return changed(control.push, stack, dot, _index(node), node.params.get("replaces"))


def _push_entry(tangents: Any, node: Node) -> Any:
    (value,) = node.saved
    return entry_of(tangents[0], _index(node), cotangent_type(value.type))


def _push_entry_add(tangents: Any, node: Node) -> Any:
    (value,) = node.saved
    stack, dot = tangents
    if stack is None:
        stack = empty(value.type)
    return stack if dot is None else changed(control.entry_add, stack, dot, _index(node))


def _push_add_stacks(tangents: Any, node: Node) -> Any:
    x, y = tangents
    return y if x is None else x if y is None else x + y


def changed(op: Any, stack: Any, value: Any, index: Any, replaces: Any = False) -> Any:
    """Record a stack with one entry changed."""
    held = value_of(stack)
    given: Value = value_of(value)
    params = {"index": param(index), **({"replaces": True} if replaces else {})}
    return wrap(innermost().emit(op, (held, given), params, held.type))


def _set(op: Any, push: Any, pull_all: Any) -> None:
    operands = len(op.operands)
    op.rule = Rule(((),) * (1 << operands), push, pull_all=pull_all)


_set(control.push, _push_push, _pull_push)
_set(control.entry, _push_entry, _pull_entry)
_set(control.entry_add, _push_entry_add, _pull_push)
_set(control.add_stacks, _push_add_stacks, lambda ct, node: (ct, ct))
zero(
    control.constant, control.undefined, control.dim, control.slice_length, control.require_equal,
    control.raise_error, control.effect, control.check, control.draw, control.empty_stack,
)  # fmt: skip
