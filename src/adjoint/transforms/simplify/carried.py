"""What loops carry although it does not change, or twice; what branches give back in any case.

* A carried value whose next value is itself, or its initial value, is the initial value.
* Carried values that begin as the same value, and go on as the same expression if they are the
  same, are the same.
* A result that both branches give, and that is there before them, is that value; so is one that
  the other branch leaves undefined. Results that are the same in both branches are one.

`adjoint.transforms.simplify.dead` leaves out what nobody uses then.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from adjoint.ir.agreement import accepts
from adjoint.ir.graph import Value
from adjoint.ops import control, creation
from adjoint.transforms.simplify.common import (
    Incomparable,
    constant_key,
    frozen,
    key_of,
)
from adjoint.transforms.simplify.rewriting import Answer, Rewriter, Rules

__all__ = ["CARRIED"]


# -- loops -----------------------------------------------------------------------------------------


def _carried(node: Value, walk: Rewriter) -> Answer:
    """Find the carried values of a loop that need not be carried."""
    is_for = node.op is control.for_loop
    inits = node.inputs[3:] if is_for else node.inputs
    first = 1 if is_for else 0
    body = node.blocks[-1]
    parameters: list[Any] = body.parameters[first:]
    results: list[Any] = body.results
    answers: list[Value | None] = [None] * len(inits)
    groups: defaultdict[Any, list[int]] = defaultdict(list)
    for k, (init, p, r) in enumerate(zip(inits, parameters, results, strict=True)):
        if (r is p or walk.now(r) is init) and _may_stand(init, p, node, k):
            answers[k] = init
            for block in node.blocks:
                walk.take_the_place(block.parameters[first + k], init)
        else:
            groups[_beginning(init), p.type].append(k)
    if len(groups) < len(answers) - sum(a is not None for a in answers):
        for k, other in _twins(body.nodes, parameters, results, groups).items():
            walk.twins[node, k] = other
            for block in node.blocks:
                p, q = block.parameters[first + k], block.parameters[first + other]
                walk.take_the_place(p, q)
    return tuple(answers) if any(answers) else None


def _may_stand(new: Value, old: Value, node: Value, k: int) -> bool:
    return accepts(old.type, new.type) and accepts(node.type[k], new.type)


def _beginning(init: Value) -> Any:
    """Return what values have in common with which the same loop may begin."""
    if init.op is control.constant:
        return constant_key(init)
    if init.op is control.empty_stack:
        return control.empty_stack
    if init.op is creation.full:
        try:
            return frozen(init.params)
        except Incomparable:
            return init
    return init


def _twins(
    nodes: list[Any], parameters: list[Value], results: list[Value], groups: dict[Any, list[int]]
) -> dict[int, int]:
    """Return the carried values that are the same as others, with the first of those.

    The classes are the coarsest in which equal carried values stay equal: what is of one class is
    taken for the same, the body's operations are numbered, and classes are parted by the numbers of
    their next values until none is.
    """
    classes = list(groups.values())
    while True:
        number: dict[Any, Any] = {}
        for members in classes:
            for k in members:
                number[parameters[k]] = parameters[members[0]]
        found: dict[Any, Value] = {}
        for node in nodes:
            key = key_of(node)
            if key is not None and isinstance(key[1], (tuple, frozenset)):
                inputs = type(key[1])([number.get(v, v) for v in node.inputs])
                key = (key[0], inputs, *key[2:])
            number[node] = node if key is None else found.setdefault(key, node)
        parted = []
        for members in classes:
            by_next: defaultdict[Any, list[int]] = defaultdict(list)
            for k in members:
                by_next[number.get(results[k], results[k])].append(k)
            parted += by_next.values()
        if len(parted) == len(classes):
            return {k: members[0] for members in classes for k in members[1:]}
        classes = parted


# -- branches --------------------------------------------------------------------------------------


def _branches(node: Value, walk: Rewriter) -> Answer:
    """Find the results of a branch that are known without it."""
    yes: list[Any] = node.blocks[0].results
    no: list[Any] = node.blocks[1].results
    answers: list[Value | None] = [None] * len(yes)
    seen: dict[Any, int] = {}
    inside: set[Any] | None = None
    for k, (a, b) in enumerate(zip(yes, no, strict=True)):
        if a is b:
            answers[k] = a
            continue
        if a.op is b.op is control.constant and constant_key(a) == constant_key(b):
            answers[k] = walk.emit(control.constant, (), a.params, a.type, node)
            continue
        if a.op is control.undefined or b.op is control.undefined:
            given = b if a.op is control.undefined else a
            if inside is None:
                inside = {n for block in node.blocks for n in block.nodes}
            if given not in inside:
                answers[k] = given
                continue
        other = seen.setdefault((a, b), k)
        if other != k:
            walk.twins[node, k] = other
    return tuple(answers) if any(answers) else None


CARRIED = Rules(
    "carried",
    of={control.for_loop: (_carried,), control.while_loop: (_carried,)},
    after={control.cond: (_branches,)},
)
