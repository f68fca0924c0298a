"""Where the first NaN or infinity appeared."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.explain.evaluation import EvaluationTrace, Step
from adjoint.explain.expressions import expression, number, value_text
from adjoint.ir import Node
from adjoint.places import Place
from adjoint.transforms.reverse import reverse_walk

__all__ = [
    "derived", "evaluated", "first_in_adjoints", "first_in_tangents", "first_in_values",
    "is_finite",
]  # fmt: skip

Finding = tuple[str, Place | None]
"""What happened, and at which line."""


def first_in_values(trace: EvaluationTrace) -> Finding | None:
    """Return the first step whose operands are finite and whose result is not."""
    for node, step in trace.steps.items():
        if not is_finite(step.result) and all(map(is_finite, step.operands)):
            return evaluated(node, step), step.place
    return None


def first_in_adjoints(trace: EvaluationTrace) -> Finding | None:
    """Return the first step, going back from the result, that is handed a finite adjoint and
    hands on one that is not."""
    adjoints = trace.adjoints
    for node, step in reversed(trace.steps.items()):
        if node not in adjoints or not is_finite(adjoints[node]):
            continue
        handed_on = reverse_walk([node], {node: adjoints[node]})
        if not all(map(is_finite, handed_on.values())):
            return derived(node, step), step.place
    return None


def first_in_tangents(trace: EvaluationTrace, direction: list[Any]) -> Finding | None:
    """Return the first step whose operands' tangents are finite and whose own is not."""
    dots = trace.tangents(direction)
    for node, step in trace.steps.items():
        if node in dots and not is_finite(dots[node]):
            return derived(node, step), step.place
    return None


def derived(node: Node, step: Step) -> str:
    """Write the step whose derivative went wrong."""
    operands = [_where(x, None) for x in step.operands]
    assert node.op is not None
    return f"the derivative of {expression(node.op, operands, node.params)} is not finite"


def evaluated(node: Node, step: Step) -> str:
    """Write the step at the first element that went wrong."""
    assert node.op is not None
    result, index = step.result, None
    if isinstance(result, np.ndarray) and result.ndim:
        index = np.unravel_index(int(np.argmin(np.isfinite(result))), result.shape)
        result = result[index]
    operands = []
    for x in step.operands:
        try:
            operands.append(_where(x, index and np.broadcast_to(x, step.result.shape)[index]))
        except (ValueError, TypeError):
            operands.append(value_text(x))
    params = node.params if index is None else None
    where = "" if index is None else f" at [{', '.join(str(int(k)) for k in index)}]"
    outcome = "not finite" if isinstance(result, tuple) else number(result)
    return f"{expression(node.op, operands, params)} is {outcome}{where}"


def _where(x: Any, element: Any) -> str:
    return value_text(x if element is None else element)


def is_finite(x: Any) -> bool:
    """Tell whether every number in ``x`` is finite."""
    if isinstance(x, tuple):
        return all(map(is_finite, x))
    try:
        return bool(np.all(np.isfinite(x)))
    except TypeError:
        return True
