"""The forward walk: tangents from the inputs of a block to its results.

Operations whose operands have no tangent have none either, and are skipped. An item assignment
works in place on the tangent of the array when no later operation reads the older value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir import Block, Node
from adjoint.ops.registry import Traced
from adjoint.ops.structural import broadcast_to, cast, matches, may_be_stretched, project
from adjoint.rules.cotangents import Undefined
from adjoint.transforms.transpose import transpose

__all__ = ["as_tangent", "forward_walk", "push_through"]

Dots = dict[Node, Any]

_C128 = np.dtype(np.complex128)


def forward_walk(block: Block, dots: Dots) -> Dots:
    """Push tangents forward through ``block``.

    Parameters
    ----------
    block : Block
    dots : dict
        Tangents of the parameters; the caller's own dictionary, extended.

    Returns
    -------
    dict
        Tangents of every node that depends on those parameters; `Undefined` for those that have no
        derivative here.
    """
    read_later = _read_after_store(block)
    owned: set[Node] = set()
    undefined = False
    for node in block.nodes:
        op = node.op
        if op is None:
            continue
        tangents = [None if i is None else dots.get(i) for i in node.inputs]
        if all(t is None for t in tangents):
            continue
        if undefined:
            hit = next((t for t in tangents if type(t) is Undefined), None)
            if hit is not None:
                dots[node] = hit
                continue
        rule = op.rule
        if rule.consumes:
            x = node.inputs[0]
            if tangents[0] is None:
                tangents[0] = np.zeros(node.shape, node.dtype)
            elif x not in owned or node in read_later:
                tangents[0] = _copy(tangents[0])
            owned.add(node)
        elif owned and not op.views:
            owned.difference_update(i for i in node.inputs if i is not None)
        dot = push_through(tangents, node)
        if op.results:
            dots[node] = dot
            continue
        if dot is None:
            continue
        if type(dot) is Undefined:
            undefined = True
            dots[node] = dot
            continue
        dot = as_tangent(dot, node)
        if op.views and block.stores:
            dot = _copy(dot)
        dots[node] = dot
    return dots


def push_through(tangents: list[Any], node: Node) -> Any:
    """Return the tangent of one operation, as its rule gives it."""
    rule = node.op.rule
    if rule.push is not None:
        return rule.push(tangents, node)
    return _push_by_transposition(tangents, node)


def as_tangent(dot: Any, node: Node) -> Any:
    """Return a tangent in the shape and type of the value that it belongs to."""
    if not hasattr(dot, "shape"):  # a Python number, or a traced one
        dot = cast(dot, dtype=_C128 if isinstance(dot, complex) else node.dtype)
    have = dot.shape
    if have != node.shape and (not matches(have, node.shape) or may_be_stretched(node.shape, have)):
        dot = broadcast_to(dot, shape=node.shape)
    if dot.dtype != node.dtype:
        dot = project(dot, node.dtype)
    return dot


def _read_after_store(block: Block) -> set[Node]:
    """Return the stores whose overwritten value is read again by a later operation."""
    if not block.stores:
        return set()
    seen: set[Node] = set()
    result: set[Node] = set()
    for node in reversed(block.nodes):
        if node.op is not None and node.op.rule.consumes and node.inputs[0] in seen:
            result.add(node)
        seen.update(i for i in node.inputs if i is not None)
    return result


def _push_by_transposition(tangents: list[Any], node: Node) -> Any:
    """Return the jvp of an operation that only has a vjp: the transpose of the vjp."""
    rule = node.op.rule
    active = [k for k, t in enumerate(tangents) if t is not None]
    shapes = node.shape if node.op.results else (node.shape,)
    dtypes = node.dtype if node.op.results else (node.dtype,)
    # A result of integers has no cotangent.
    types = [(s, d) if d.kind in "fc" else None for s, d in zip(shapes, dtypes, strict=True)]

    def pull(cts: Any, node: Node) -> Any:
        ct = [
            np.zeros(s, d)[()] if c is None else c
            for c, s, d in zip(cts, shapes, dtypes, strict=True)
        ]
        ct = tuple(ct) if node.op.results else ct[0]
        if rule.pull_all is not None:
            cotangents = rule.pull_all(ct, node)
        else:
            cotangents = [p(ct, node) if p is not None else None for p in rule.pulls]
        return tuple(cotangents[k] for k in active)

    pushed = transpose(pull, node, tuple(tangents[k] for k in active), types)
    return tuple(pushed) if node.op.results else pushed[0]


def _copy(x: Any) -> Any:
    if isinstance(x, Traced):
        # A traced NumPy scalar becomes an array, which can be stored to.
        return x.copy() if isinstance(x, np.ndarray) else broadcast_to(x, shape=())
    return np.array(x)
