"""The transpose of a linear function: record it, walk it backwards.

With it one of jvp and vjp is enough for a row of the derivative table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.ir import Node, Traced

__all__ = ["linear_pullback", "transpose"]

linear_pullback: list[Callable] = []
"""``(fn, [(shape, dtype), ...]) -> pullback of fn``; supplied by the tier that records."""

staged_pullback: list[Callable] = []
"""The same for functions of staged values; supplied by `adjoint.transforms.replay`."""


def transpose(
    fn: Callable[[Any, Node], Any],
    node: Node,
    ct: Any,
    types: list[tuple[Any, Any] | None] | None = None,
) -> list[Any]:
    """Apply the transpose of the linear function ``xs -> fn(xs, node)`` to ``ct``.

    Parameters
    ----------
    fn : callable
        Linear in its first argument, a list with one entry an operand.
    node : Node
    ct : array or tuple of array
        Cotangent of the result of ``fn``.
    types : list of (shape, dtype), optional
        Of the entries; without it they are the operands of ``node``, None where constant.
    """
    if types is None:
        types = [(i.shape, i.dtype) if i is not None else None for i in node.inputs]
    given = [*(ct if isinstance(ct, tuple) else (ct,)), *(node.saved or ())]
    staged = any(isinstance(x, Traced) and not hasattr(x, "_node") for x in given)
    record = staged_pullback if staged else linear_pullback
    return record[0](lambda xs: fn(xs, node), types)(ct)
