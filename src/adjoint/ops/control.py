"""Operations of staged graphs alone: control, constants, lengths, and what loops keep.

Control operations have blocks (`adjoint.ir.graph` says which), and no NumPy meaning apart from
them: the interpreter runs the blocks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops.registry import Op, primitive

__all__ = [
    "CONTROL",
    "EFFECTS",
    "REGIONS",
    "Stack",
    "add_stacks",
    "call",
    "check",
    "checked",
    "checkpoint",
    "cond",
    "constant",
    "custom",
    "dim",
    "draw",
    "effect",
    "empty_stack",
    "entry",
    "entry_add",
    "external",
    "for_loop",
    "map_loop",
    "push",
    "raise_error",
    "recompute",
    "require_equal",
    "slice_length",
    "undefined",
    "unless",
    "while_loop",
]


def _control(name: str, *operands: str) -> Op:
    def fn(*args: Any, **params: Any) -> Any:
        raise TypeError(f"{name!r} runs blocks, which the interpreter does")

    return primitive(name, fn, *operands, results=True)


for_loop = _control("for", "lo", "hi", "step", "*inits")
while_loop = _control("while", "*inits")
cond = _control("if", "predicate")
map_loop = _control("map", "count")
call = _control("call", "*args")
custom = _control("custom", "*args")
checkpoint = _control("checkpoint", "*args")

REGIONS = frozenset({custom, checkpoint})
"""Blocks that run once, with a derivative of their own: the ``rule`` that is given with one, or
that of its operations, recomputed. They are taken apart when a function has been staged
(`adjoint.transforms.regions`): nothing that runs or simplifies graphs meets them."""

CONTROL = frozenset({for_loop, while_loop, cond, map_loop, call}) | REGIONS
"""The operations with blocks, and the call of a function."""

constant = primitive("constant", lambda *, value: value)
"""``value``: a number, or an array that nobody changes."""

undefined = primitive("undefined", lambda *, type: _undefined(type))
"""A value of the given type that nobody reads: what a branch gives for what the other one binds."""


def _undefined(type: Any) -> Any:
    if not hasattr(type, "kind"):
        return Stack()
    if type.kind == "python":
        return type.dtype.type(0).item()
    if type.kind == "scalar":
        return type.dtype.type(0)
    return np.zeros(tuple(n if isinstance(n, int) else 0 for n in type.shape), type.dtype)


# -- lengths ---------------------------------------------------------------------------------------


def _slice_length(start: Any, stop: Any, step: Any, length: Any) -> int:
    return len(range(*slice(start, stop, step).indices(length)))


dim = primitive("dim", lambda x, *, axis: np.shape(x)[axis], "x")
"""The length of an axis, as a Python number."""

slice_length = primitive(
    "slice_length",
    lambda length, *, start, stop, step: _slice_length(start, stop, step, length),
    "length",
)
"""How many elements ``x[start:stop:step]`` has of an axis of that length."""


def _require_equal(x: int, y: int) -> int:
    if x != y:
        raise ValueError(
            f"operands could not be broadcast together: lengths {x} and {y} (a length that is "
            "known at run time only is not stretched, even if it is 1)"
        )
    return x


require_equal = primitive("require_equal", _require_equal, "x", "y")
"""x, once it is known to equal y. Its effect is the error."""


# -- effects ---------------------------------------------------------------------------------------


def _raise(*, error: BaseException) -> int:
    raise error.with_traceback(None)


def _effect(*, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    call(*args, **kwargs)
    return 0


def _check(condition: Any, *, error: Any, args: tuple[Any, ...]) -> int:
    if not condition:
        raise error(*args)
    return 0


def _unless(x: Any, condition: Any, *, error: Any, args: tuple[Any, ...]) -> Any:
    if condition:
        raise error(*args)
    return x


def _checked(x: Any, condition: Any, *, error: Any, args: tuple[Any, ...]) -> Any:
    if not condition:
        raise error(*args)
    return x


raise_error = primitive("raise", _raise)
"""Raise ``error``, as the user's program does on the side of a branch."""

effect = primitive("effect", _effect)
"""Call a Python function with numbers, for what it does: print, a user's callback."""

check = primitive("check", _check, "condition")
"""Raise ``error(*args)`` unless the condition holds."""

checked = primitive("checked", _checked, "x", "condition", views=True)
"""x, or ``error(*args)`` raised unless the condition holds: a check that goes if nobody needs x."""

unless = primitive("unless", _unless, "x", "condition", views=True)
"""x, or ``error(*args)`` raised if the condition holds. (Its opposite does not hold of NaN.)"""

draw = primitive("draw", lambda *, call, args, kwargs: call(*args, **kwargs))
"""Random numbers: ``call`` is a method of a generator, whose state is its own."""

external = primitive("external", lambda *xs, call: call(*xs), "*xs", results=True)
"""A function of the user's, called with numbers, that has no effect (`adjoint.api.external`)."""

EFFECTS = frozenset({raise_error, effect, check, draw, require_equal})
"""Operations that are there for what they do, in the order in which they stand."""


# -- what loops keep -------------------------------------------------------------------------------

recompute = primitive("recompute", lambda x, after: x, "x", "after", views=True)
"""x, but not before ``after`` is there. What is computed from it is not what was computed from x:
no pass sees through it, so that the reverse sweep computes again what it is to compute again."""


class Stack:
    """Values kept by the iterations of a loop, by the number of the iteration.

    As a tangent or cotangent of such values it may have gaps: those entries are zero.
    """

    __slots__ = ("__weakref__", "entries")

    def __init__(self, entries: list[Any] | None = None) -> None:
        self.entries: list[Any] = [] if entries is None else entries

    def copy(self) -> Stack:
        """Return a stack that can be changed without changing this one; entries are shared."""
        return Stack(list(self.entries))

    def set(self, index: int, value: Any) -> None:
        """Make ``value`` the entry of iteration ``index``."""
        entries = self.entries
        if index == len(entries):
            entries.append(value)
            return
        if index > len(entries):
            entries.extend([None] * (index + 1 - len(entries)))
        entries[index] = value

    def get(self, index: int) -> Any:
        """Return an entry; None for a gap."""
        return self.entries[index] if index < len(self.entries) else None


def _push(stack: Stack, value: Any, *, index: int, replaces: bool = False) -> Stack:
    stack = stack.copy()
    stack.set(index, value)
    return stack


def _entry(stack: Stack, *, index: int, type: Any) -> Any:
    value = stack.get(index)
    if value is None:
        return zero_of(type)
    return value


def zero_of(type: Any) -> Any:
    """Return the zero of a type: of a stack, one with gaps only."""
    if not hasattr(type, "kind"):
        return Stack()
    if type.kind == "array":
        return np.zeros(type.shape, type.dtype)
    zero = type.dtype.type(0)
    return zero.item() if type.kind == "python" else zero


def _entry_add(stack: Stack, value: Any, *, index: int) -> Stack:
    stack = stack.copy()
    held = stack.get(index)
    stack.set(index, value if held is None else add_entries(held, value))
    return stack


def add_entries(x: Any, y: Any) -> Any:
    """Add two entries, which may be stacks themselves."""
    if not isinstance(x, Stack):
        return x + y
    n = max(len(x.entries), len(y.entries))
    sums = []
    for k in range(n):
        a, b = x.get(k), y.get(k)
        sums.append(b if a is None else a if b is None else add_entries(a, b))
    return Stack(sums)


empty_stack = primitive("empty_stack", Stack)
push = primitive("push", _push, "stack", "value")
"""The stack with ``value`` as the entry of iteration ``index``. Unless ``replaces``, the entry is
known to be new: there is no cotangent of a former one to be cleared."""

entry = primitive("entry", _entry, "stack")
"""The entry of iteration ``index``, of the given ``type``: zero where there is none."""

entry_add = primitive("entry_add", _entry_add, "stack", "value")
"""The stack with ``value`` added to the entry of iteration ``index``."""

add_stacks = primitive("add_stacks", add_entries, "x", "y")
"""The sums of the entries of two stacks, which are tangents or cotangents."""
