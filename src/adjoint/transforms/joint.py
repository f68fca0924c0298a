"""The joint block of a body: its operations and those of its reverse sweep, and their parting.

The reverse walk is run once over the body, into the same block. What depends on a cotangent is the
reverse part; all else is the primal part, also what only the derivative rules ask for. Between the
two `adjoint.transforms.residuals` chooses: what is kept of a pass, and what is computed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjoint.ir import Block
from adjoint.ir.build import Builder, innermost
from adjoint.ir.dims import Dim
from adjoint.ir.edit import Copier
from adjoint.ir.graph import Value, free_values, operands, values_in
from adjoint.ir.types import StackType, Type
from adjoint.ops.control import EFFECTS
from adjoint.ops.indexing import getitem
from adjoint.ops.structural import broadcast_to, cast, reshape
from adjoint.staged.values import emit, shape_of, value_of, wrap
from adjoint.transforms.residuals import choose
from adjoint.transforms.stacks import cotangent_type, zero_cotangent

__all__ = ["Joint", "as_cotangent", "cotangent_type", "part", "zero_cotangent"]


def as_cotangent(ct: Any, like: Value) -> Value:
    """Return a cotangent as a graph value of the type that `cotangent_type` says."""
    if ct is None:
        return value_of(zero_cotangent(like))
    want = cotangent_type(like.type)
    if isinstance(want, StackType):
        return value_of(ct)
    if not hasattr(ct, "dtype") or ct.dtype != want.dtype:
        ct = cast(ct, dtype=want.dtype)
    if want.kind == "array" and not isinstance(ct, np.ndarray):
        ct = broadcast_to(ct, shape=())
    value = value_of(ct)
    if value.type.kind == "python":
        value = value_of(emit(cast, (wrap(value),), {"dtype": want.dtype}))
    elif value.type.kind == "array" and want.kind == "scalar":
        value = value_of(emit(getitem, (wrap(value),), {"index": ()}))  # as np.where gives
    return _in_shape(value, want.shape)


def _in_shape(value: Value, want: tuple[Any, ...]) -> Value:
    """Return a value with the lengths that are declared of it.

    Two expressions of a length may be known to be equal at run time only. Where the values of one
    are not kept for the reverse sweep, it is an unknown length there, and none of that type.
    """
    have = value.shape
    if have == want or all(
        m is None or n == m or type(n) is int for n, m in zip(have, want, strict=True)
    ):
        return value
    lengths = zip(shape_of(value), want, strict=True)
    return value_of(reshape(wrap(value), shape=tuple([n if m is None else m for n, m in lengths])))


@dataclass
class Joint:
    """A body with its reverse sweep, parted.

    Attributes
    ----------
    block : Block
        Of both; its parameters and operations are to be copied, not used.
    primal : list of Value
    reverse : list of Value
    results : list of Value
        Of the primal part.
    outcome : list of Value
        Of the reverse part.
    keep, redo :
        See `adjoint.transforms.residuals.Choice`. What the body reads from around it needs no
        entry, and is not in ``keep``.
    """

    block: Block
    primal: list[Value]
    reverse: list[Value]
    results: list[Value]
    outcome: list[Value]
    keep: tuple[Value, ...]
    redo: tuple[Value, ...]

    def copy_primal(self, copier: Copier, wanted: Iterable[Value]) -> None:
        """Record the primal operations that ``wanted`` and the effects need."""
        live = set(wanted)
        chosen = []
        for node in reversed(self.primal):
            if node in live or has_effect(node):
                chosen.append(node)
                live.update(operands(node))
                live.update(values_in(node.type))
                live.update(free_values(*node.blocks, lengths=True))
        _record(copier, reversed(chosen))

    def copy_reverse(self, copier: Copier) -> list[Value]:
        """Record what is computed again, and the reverse part; return its outcome."""
        lost = {*self.primal, *self.reverse, *self.block.parameters}
        copier = _Reverse(copier.table, lost)
        _record(copier, self.redo)
        _record(copier, self.reverse)
        return [copier.value(v) for v in self.outcome]


class _Reverse(Copier):
    """Copies into the reverse body, where lengths that were not kept are unknown."""

    def __init__(self, table: dict[Value, Value], lost: set[Value]) -> None:
        super().__init__(table)
        self.lost = lost

    def type(self, t: Any) -> Any:
        if isinstance(t, Type) and any(self._is_lost(n) for n in t.shape):
            t = t.with_shape(tuple(None if self._is_lost(n) else n for n in t.shape))
        return super().type(t)

    def _is_lost(self, n: Any) -> bool:
        return isinstance(n, Dim) and any(
            v in self.lost and v not in self.table for v, _ in n.terms
        )

    def bounds(self, bounds: tuple[Any, Any]) -> tuple[Any, Any]:
        low, high = (None if self._is_lost(b) else b for b in bounds)
        return super().bounds((low, high))


def _record(copier: Copier, nodes: Iterable[Value]) -> None:
    builder = innermost()
    for node in nodes:
        new = copier.node(node)
        builder.block.nodes.append(new)
        builder.own.add(new)


def has_effect(node: Value) -> bool:
    """Tell whether an operation is there for what it does."""
    if node.op in EFFECTS:
        return True
    return any(has_effect(n) for block in node.blocks for n in block.nodes)


def part(
    block: Block,
    cotangents: Iterable[Value],
    results: list[Value],
    outcome: list[Value],
    free: Iterable[Value],
    passes: int,
) -> Joint:
    """Part a joint block.

    Parameters
    ----------
    block : Block
    cotangents : iterable of Value
        Its parameters (or values from around it) that are cotangents and accumulators.
    results, outcome : list of Value
        Of the primal and of the reverse part.
    free : iterable of Value
        The parameters that the reverse body has too.
    passes : int
        How often the block runs each time that what is around it is computed.
    """
    tainted = set(cotangents)
    primal: list[Value] = []
    reverse: list[Value] = []
    for node in block.nodes:
        mine = [*operands(node), *free_values(*node.blocks)]
        if any(v in tainted for v in mine):
            tainted.add(node)
            reverse.append(node)
        else:
            primal.append(node)
    reverse = _live(reverse, outcome)
    needed: dict[Value, None] = {}
    mine = set(reverse) | tainted
    for node in reverse:
        for v in (*operands(node), *free_values(*node.blocks)):
            if v not in mine:
                needed[v] = None
    for v in outcome:
        if v not in mine:
            needed[v] = None
    inside = set(primal) | set(block.parameters)
    outer = {v for node in primal for v in operands(node) if v not in inside}
    outer |= {v for v in needed if v not in inside}
    # An array of a pass of a loop further out would have to be kept there, whole.
    shared = {v: passes for v in outer if _is_array(v) and _of_a_pass(v)}
    known = {*free, *(outer - shared.keys())}
    choice = choose(primal, needed, known, shared=shared, forward=_live(primal, results))
    keep = tuple(v for v in choice.keep if v in inside)
    return Joint(block, primal, reverse, results, outcome, keep, choice.redo)


def _is_array(value: Value) -> bool:
    return not isinstance(value.type, Type) or bool(value.type.shape)


def _of_a_pass(value: Value) -> bool:
    """Tell whether a value is computed anew in each pass of a loop under construction."""
    builder: Builder | None = innermost()
    while builder is not None and value not in builder.own:
        builder = builder.parent
    while builder is not None:
        if builder.data.get("loop"):
            return True
        builder = builder.parent
    return False


def _live(nodes: list[Value], wanted: Iterable[Value]) -> list[Value]:
    live = set(wanted)
    chosen = []
    for node in reversed(nodes):
        if node in live or has_effect(node):
            chosen.append(node)
            live.update(operands(node))
            live.update(free_values(*node.blocks))
    chosen.reverse()
    return chosen
