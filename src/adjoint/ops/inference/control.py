"""Operations of staged graphs alone: constants, lengths, and what loops keep.

Loops, branches and calls have the types of their blocks, which whoever builds them knows.
"""

from __future__ import annotations

from typing import Any

from adjoint.ir.types import of_value, python_type
from adjoint.ops.inference.call import Call, rule

__all__: list[str] = []

_INT = python_type(int)


@rule("constant")
def _constant(call: Call) -> Any:
    return of_value(call.params["value"])


@rule("undefined", "entry")
def _given(call: Call) -> Any:
    return call.params["type"]


@rule(
    "dim", "slice_length", "range_length", "require_equal", "raise", "effect", "check",
)  # fmt: skip
def _length(call: Call) -> Any:
    return _INT


@rule("push", "checked", "unless", "entry_add", "add_stacks", "recompute")
def _first(call: Call) -> Any:
    return call.operands[0]


@rule("for", "while", "if", "map", "call", "custom", "checkpoint", "external", "empty_stack")
def _blocks(call: Call) -> Any:
    raise TypeError(
        f"the types of {call.op.name!r} are those of its blocks (or declared), not of its operands"
    )
