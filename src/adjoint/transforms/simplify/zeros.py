"""Zeros: what is zero because nothing contributes to it.

The zero that stands where a derivative has nothing (`facts.is_zero`) goes through the operations
that are linear in it. It goes through a product only if that is strong (0·∞ = 0), or if the other
factor is known to be finite: 0·∞ is NaN. A store into an array of zeros stays.

A carried value that begins as zero, and is zero at the end of a pass if it was at its beginning, is
the constant. That is found for all carried values of a loop together: suppose that each of those
that begin as zero is, follow the body, drop those that turn out not to be, and begin again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.ir.agreement import accepts
from adjoint.ir.core import Block
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control, creation, indexing, structural
from adjoint.ops import elementwise as ew
from adjoint.transforms.simplify.facts import fill_of, is_finite, is_number, is_zero, known_shape
from adjoint.transforms.simplify.rewriting import Answer, Rewriter, Rules

__all__ = ["ZEROS"]

_LINEAR = frozenset({
    ew.negative, ew.conjugate, ew.real, ew.imag,
    structural.broadcast_to, structural.cast, structural.copy, structural.diagonal,
    structural.permute, structural.reduce_sum, structural.reshape,
    indexing.getitem, indexing.read,
})  # fmt: skip
_SUMS = frozenset({
    ew.add, ew.subtract, structural.concatenate, structural.stack,
})  # fmt: skip
_STORES = frozenset({indexing.index_add, indexing.update})
_STRONG = frozenset({ew.strong_multiply, ew.strong_divide})


def _vanishes(node: Value, zero: Callable[[Value], bool]) -> bool:
    """Tell whether a value is zero because operands are."""
    op, inputs = node.op, node.inputs
    if op in _LINEAR or op in _STRONG:
        return zero(inputs[0])
    if op in _SUMS:
        return all(map(zero, inputs))
    if op in _STORES:
        return zero(inputs[0]) and (zero(inputs[1]) or fill_of(inputs[1]) == 0)
    if op is ew.multiply:
        x, y = inputs
        return (zero(x) and is_finite(y)) or (zero(y) and is_finite(x))
    if op is ew.divide:
        n = fill_of(inputs[1])
        return n is not None and n != 0 and zero(inputs[0]) and is_finite(inputs[1])
    if op is ew.where:
        return zero(inputs[1]) and zero(inputs[2])
    return False


def _zero(node: Value, walk: Rewriter) -> Answer:
    return _as_zero(node, walk) if _vanishes(node, is_zero) else None


def _as_zero(node: Value, walk: Rewriter) -> Answer:
    of = node.type
    if not known_shape(of):
        return None
    assert isinstance(of, Type)
    if of.kind == "python":
        return None
    if is_number(of):
        return walk.number(of.dtype.type(0), node)
    if node.op is structural.broadcast_to:
        return None
    params = {"shape": of.shape, "value": 0, "dtype": of.dtype}
    return walk.emit(creation.full, (), params, of, node)


def _unchanged(node: Value, walk: Rewriter) -> Answer:
    """Leave out the addition of zero, and a store of zero into zeros."""
    x, value = node.inputs
    if node.op is control.entry_add:
        return x if is_zero(value) else None
    if fill_of(value) == 0 and (node.op is indexing.index_add or is_zero(x)):
        return x
    return None


def _entry(node: Value, walk: Rewriter) -> Answer:
    return _as_zero(node, walk) if node.inputs[0].op is control.empty_stack else None


def _carried(node: Value, walk: Rewriter) -> Answer:
    """Find the carried values that are zero all along."""
    first = 1 if node.op is control.for_loop else 0
    inits = node.inputs[3 * first :]
    candidates = {
        k: init for k, init in enumerate(inits) if is_zero(init) and _may_stand(node, k, init)
    }
    if not candidates:
        return None
    zeros = _zero_results(node, first, candidates, set())
    if not zeros:
        return None
    answers: list[Value | None] = [None] * len(inits)
    for k in zeros:
        answers[k] = inits[k]
        for block in node.blocks:
            walk.take_the_place(block.parameters[first + k], inits[k])
    return tuple(answers)


def _may_stand(node: Value, k: int, init: Value) -> bool:
    p, r = node.blocks[-1].parameters[k - len(node.type)], node.blocks[-1].results[k]
    of = p.type
    return known_shape(of) and of == init.type and accepts(node.type[k], of) and r.type == of


def _zero_results(node: Value, first: int, candidates: Any, around: set[Value]) -> set[int]:
    """Return those carried values that stay zero, of those that begin so."""
    body = node.blocks[-1]
    found = set(candidates)
    while found:
        zeros = around | {body.parameters[first + k] for k in found}
        _follow(body, zeros)
        left = {k for k in found if body.results[k] in zeros or is_zero(body.results[k])}
        if left == found:
            break
        found = left
    return found


def _follow(block: Block, zeros: set[Value]) -> None:
    """Add to ``zeros`` what a block makes of them."""

    def zero(v: Value) -> bool:
        return v in zeros or is_zero(v)

    results: dict[Value, set[int]] = {}
    node: Value
    for node in block.nodes:
        op = node.op
        if op is control.cond:
            sides = []
            for inner in node.blocks:
                inside = set(zeros)
                _follow(inner, inside)
                sides.append({
                    k for k, r in enumerate(inner.results) if r in inside or is_zero(r)
                })  # fmt: skip
            results[node] = sides[0] & sides[1]
        elif op is control.for_loop or op is control.while_loop:
            first = 1 if op is control.for_loop else 0
            inits = node.inputs[3 * first :]
            begin = {k for k, v in enumerate(inits) if zero(v)}
            results[node] = _zero_results(node, first, begin, zeros) if begin else set()
        elif op is structural.project_result:
            if node.params["k"] in results.get(node.inputs[0], ()):
                zeros.add(node)
        elif node.inputs and _vanishes(node, zero):
            zeros.add(node)


ZEROS = Rules(
    "zeros",
    of={
        **dict.fromkeys(_LINEAR | _SUMS | _STRONG | {ew.multiply, ew.divide, ew.where}, (_zero,)),
        indexing.update: (_unchanged,),
        indexing.index_add: (_unchanged,),
        control.entry: (_entry,),
        control.entry_add: (_unchanged,),
        control.for_loop: (_carried,),
        control.while_loop: (_carried,),
    },
)
