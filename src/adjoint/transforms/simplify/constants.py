"""What is known when the program is compiled: numbers, lengths, branches, how often loops run.

An operation on constant numbers is run by what the interpreter would run, and stays if that warns
or raises an error: the program is to do so each time it runs. What is proved about integers comes
from `integers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.backends.steps import step_of
from adjoint.ir.agreement import accepts, is_integer
from adjoint.ir.dims import Dim, add, difference
from adjoint.ir.graph import Value
from adjoint.ir.types import of_value, python_type
from adjoint.ops import control, creation, indexing
from adjoint.ops import elementwise as ew
from adjoint.ops.inference.lengths import range_length, slice_length
from adjoint.ops.plain import ufunc_op
from adjoint.ops.registry import OPS
from adjoint.transforms.simplify.common import APART
from adjoint.transforms.simplify.facts import is_number, number_of, of_length
from adjoint.transforms.simplify.rewriting import Answer, Instead, Rewriter, Rule, Rules
from adjoint.transforms.simplify.values import mentioned

__all__ = ["CONSTANTS"]

_INT = python_type(int)
_READS = frozenset({indexing.getitem, indexing.read, control.dim})


# -- numbers ---------------------------------------------------------------------------------------


def _fold(node: Value, walk: Rewriter) -> Answer:
    """Compute a number from constants."""
    inputs, op = node.inputs, node.op
    for v in inputs:
        if v.op is not control.constant:
            return None
    if not inputs or not is_number(node.type):
        return None
    if op in APART or OPS.get(op.name) is not op:
        return None
    if op not in _READS and any([number_of(v) is None for v in inputs]):
        return None
    if node.params and any([v.op is not control.constant for v in mentioned(node.params)]):
        return None
    frame = [*[v.params["value"] for v in inputs], None]
    slots = {v: k for k, v in enumerate(inputs)}
    try:
        with np.errstate(all="raise"):
            step_of(node, slots.__getitem__, len(inputs))(frame)
    except Exception:  # whatever it is, it is for the program to raise
        return None
    result = frame[-1]
    if of_value(result) != node.type:
        return None
    return walk.number(result, node)


# -- lengths and integers --------------------------------------------------------------------------


def _linear(node: Value, walk: Rewriter) -> Answer:
    if node.type != _INT:
        return None
    n = walk.integers.of(node)
    return None if isinstance(n, Dim) and n.terms[0][0] is node else of_length(n, node, walk)


def _dim(node: Value, walk: Rewriter) -> Answer:
    n = node.inputs[0].shape[node.params["axis"]]
    if n is None:
        return None
    return of_length(n, node, walk) or of_length(walk.integers.of(n), node, walk)


def _require_equal(node: Value, walk: Rewriter) -> Answer:
    x, y = node.inputs
    return x if walk.integers.of(x) == walk.integers.of(y) else None


def _slice_length(node: Value, walk: Rewriter) -> Answer:
    start, stop, step = (
        None if node.params[key] is None else walk.integers.of(node.params[key])
        for key in ("start", "stop", "step")
    )
    n = slice_length(_SILENT, slice(start, stop, step), walk.integers.of(node.inputs[0]))
    return None if n is None else of_length(n, node, walk)


def _range_length(node: Value, walk: Rewriter) -> Answer:
    n = range_length(_SILENT, *map(walk.integers.of, node.inputs))
    return None if n is None else of_length(n, node, walk)


class _Silent:
    """Stands for a call that is typed: a length that is not a linear expression is unknown."""

    @staticmethod
    def length(*_: Any) -> None:
        return None


_SILENT: Any = _Silent()


def _extremum(larger: bool) -> Rule:
    def rule(node: Value, walk: Rewriter) -> Answer:
        x, y = node.inputs
        if not (is_integer(x.type) and is_integer(y.type)):
            return None
        found = walk.integers.sign(x, y)
        if found in (">0", ">=0", "==0"):
            return x if larger else y
        return (y if larger else x) if found in ("<0", "<=0") else None

    return rule


_DECIDED: dict[Any, dict[str | None, bool]] = {
    np.less: {"<0": True, ">=0": False, ">0": False, "==0": False},
    np.less_equal: {"<0": True, "<=0": True, "==0": True, ">0": False},
    np.greater: {">0": True, "<=0": False, "<0": False, "==0": False},
    np.greater_equal: {">0": True, ">=0": True, "==0": True, "<0": False},
    np.equal: {"==0": True, "<0": False, ">0": False},
    np.not_equal: {"==0": False, "<0": True, ">0": True},
}
"""What the sign of x − y says."""


def _comparison(decided: dict[str | None, bool]) -> Rule:
    def rule(node: Value, walk: Rewriter) -> Answer:
        x, y = node.inputs
        if not (is_integer(x.type) and is_integer(y.type)):
            return None
        known = decided.get(walk.integers.sign(x, y))
        if known is None:
            return None
        python = node.type == python_type(bool)
        return walk.number(known if python else np.bool(known), node)

    return rule


# -- control ---------------------------------------------------------------------------------------


def _if(node: Value, walk: Rewriter) -> Answer:
    predicate = number_of(node.inputs[0])
    if predicate is None:
        return None
    block = node.blocks[0 if predicate else 1]
    if not all(map(_fits, node.type, block.results)):
        return None
    return Instead(walk.inline(block))


def _fits(of: Any, value: Any) -> bool:
    return accepts(of, value.type)


def _for(node: Value, walk: Rewriter) -> Answer:
    lo, hi, step, *inits = node.inputs
    by = number_of(step)
    if not by:
        return None
    first, end = walk.integers.of(lo), walk.integers.of(hi)
    (body,) = node.blocks
    index: Any = body.parameters[0]
    if index.bounds == (None, None):
        index.bounds = (first, add(end, -1)) if by > 0 else (add(end, 1), first)
    if not all(map(_fits, node.type, inits)):
        return None
    span = difference(end, first)
    if isinstance(span, Dim):
        never = walk.integers.sign(span) in (("<0", "<=0") if by > 0 else (">0", ">=0"))
        return Instead(inits) if never else None
    trips = len(range(0, span, int(by)))
    if trips == 0:
        return Instead(inits)
    parameters: list[Any] = body.parameters[1:]
    if trips > 1 or lo.type != index.type or not all(map(_fits, node.type, body.results)):
        return None
    if not all([accepts(p.type, x.type) for p, x in zip(parameters, inits, strict=True)]):
        return None
    walk.take_the_place(index, lo)
    for p, x in zip(parameters, inits, strict=True):
        walk.take_the_place(p, x)
    return Instead(walk.inline(body))


def _while(node: Value, walk: Rewriter) -> Answer:
    condition = node.blocks[0]
    going = number_of(condition.results[0])
    if going is None or going or walk.effects.of_block(condition):
        return None
    return Instead(node.inputs) if all(map(_fits, node.type, node.inputs)) else None


CONSTANTS = Rules(
    "constants",
    of={
        control.cond: (_if,),
        control.for_loop: (_for,),
        control.dim: (_dim,),
        control.require_equal: (_require_equal,),
        control.slice_length: (_slice_length,),
        creation.range_length: (_range_length,),
        ew.add: (_linear,),
        ew.subtract: (_linear,),
        ew.multiply: (_linear,),
        ew.negative: (_linear,),
        ew.maximum: (_extremum(True),),
        ew.minimum: (_extremum(False),),
        **{ufunc_op(ufunc): (_comparison(decided),) for ufunc, decided in _DECIDED.items()},
    },
    after={control.while_loop: (_while,)},
    every=(_fold,),
)
