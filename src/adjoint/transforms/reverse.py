"""The reverse walk: cotangents from the results of a block to its inputs.

Last to first, each operation turns the cotangent of its result into cotangents of its operands, and
they are added up. The walk owns the accumulators that it makes, and adds to those in place; an item
assignment hands its accumulator on with the assigned part cleared. So reading or storing one
element costs the same in the reverse sweep as in the program (Griewank & Walther, *Evaluating
Derivatives*, 2nd ed., section 3.3: the adjoint of an incremental statement is incremental).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.errors import RuleError
from adjoint.ir import Node
from adjoint.ops.creation import spread_zeros, zeros
from adjoint.ops.indexing import Path, add_at
from adjoint.ops.registry import Traced
from adjoint.ops.structural import broadcast_to, cast, matches, project, reshape, unbroadcast
from adjoint.rules.cotangents import At, Handed, Part
from adjoint.transforms.transpose import transpose

__all__ = ["add_cotangent", "reverse_walk"]

Bars = dict[Node, Any]

_F64 = np.dtype(np.float64)
_C128 = np.dtype(np.complex128)


def reverse_walk(nodes: list[Node], bars: Bars, owned: set[Node] | None = None) -> Bars:
    """Pull cotangents back through ``nodes``.

    Parameters
    ----------
    nodes : list of Node
        In the order in which they were recorded.
    bars : dict
        Cotangents of the results; the caller's own dictionary, consumed.
    owned : set of Node, optional
        Those whose cotangents in ``bars`` nothing else refers to; extended.

    Returns
    -------
    dict
        Cotangents of the parameters that the results depend on.
    """
    owned = set() if owned is None else owned
    ndarray, float64 = np.ndarray, np.float64
    for node in reversed(nodes):
        op = node.op
        if op is None:
            continue
        ct = bars.pop(node, None)
        if ct is None:
            continue
        rule = op.rule
        if op.results:
            if rule.pull_block is not None:
                rule.pull_block(ct, node, bars, owned)
                continue
            ct = _with_zeros(ct, node)
        elif rule.consumes and node not in owned:
            ct = _copy(ct)
        if rule.maps is not None:
            # The most frequent kind of row, and the most frequent case of _add, spelt out.
            saved = node.saved
            for operand, spelt in zip(node.inputs, rule.maps):
                if operand is None or spelt is None:
                    continue
                fn, i, j = spelt
                if i is None:
                    g = fn(ct)
                elif j is None:
                    g = fn(ct, saved[i])
                else:
                    g = fn(ct, saved[i], saved[j])
                kind = type(g)
                if not (
                    (kind is ndarray and g.shape == operand.shape and g.dtype is operand.dtype)
                    or (kind is float64 and operand.dtype is _F64 and operand.shape == ())
                ):
                    _add(bars, owned, operand, g, node)
                    continue
                held = bars.get(operand)
                if held is None:
                    bars[operand] = g
                elif type(held) is ndarray and operand in owned:
                    held += g
                elif type(held) is ndarray and kind is ndarray and g is not ct and g.base is None:
                    g += held  # the rule has just made it: nobody else knows it
                    bars[operand] = g
                    owned.add(operand)
                else:
                    bars[operand] = held + g
                    (owned.add if operand.shape else owned.discard)(operand)  # as in _add
            continue
        pulls = rule.pulls
        if pulls is None:
            if rule.pull_all is not None:
                pulled = rule.pull_all(ct, node)
            else:
                pulled = transpose(rule.push, node, ct)
        else:
            pulled = [
                None if operand is None or pull is None else pull(ct, node)
                for operand, pull in zip(node.inputs, pulls, strict=True)
            ]
        for operand, g in zip(node.inputs, pulled, strict=True):
            if operand is not None and g is not None:
                _add(bars, owned, operand, g, node)
    return bars


def add_cotangent(bars: Bars, owned: set[Node], operand: Node, g: Any) -> None:
    """Add ``g``, shaped like the value, to the cotangent of ``operand``.

    A block knows a length at run time only if it carries arrays of several.
    """
    value = g.value if type(g) is Handed else g
    shape, want = getattr(value, "shape", operand.shape), operand.shape
    if shape != want and len(shape) == len(want) and not matches(shape, want):
        value = reshape(value, shape=want)
        g = Handed(value) if type(g) is Handed else value
    _add(bars, owned, operand, g, operand)


def _add(bars: Bars, owned: set[Node], operand: Node, g: Any, node: Node) -> None:
    kind = type(g)
    if kind is At:
        _add_part(bars, owned, operand, g.path, g.value)
        return
    if kind is Part:
        parts = bars.setdefault(operand, [None] * len(operand.shape))
        held = parts[g.k]
        parts[g.k] = g.value if held is None else held + g.value
        return
    handed = kind is Handed
    if handed:
        g = g.value
    elif g is None:
        return
    try:
        shape = g.shape
    except AttributeError:
        g = cast(
            g, dtype=_C128 if isinstance(g, complex) else operand.dtype
        )  # a Python number, or a traced one
        shape = g.shape
    if shape != operand.shape:
        if node.op is not None and node.op.rule.broadcasts:
            g = unbroadcast(g, operand.shape)
        elif _may_match(shape, operand.shape):
            g = reshape(g, shape=operand.shape)
        elif not matches(shape, operand.shape):
            name = node.op.name if node.op is not None else "parameter"
            raise RuleError(
                f"the rule of {name!r} returned a cotangent of shape {shape} "
                f"for an operand of shape {operand.shape}"
            )
    if g.dtype != operand.dtype:
        g = project(g, operand.dtype)
    held = bars.get(operand)
    if held is None:
        bars[operand] = g
        if handed:
            owned.add(operand)
    elif operand in owned and type(held) is np.ndarray and not isinstance(g, Traced):
        held += g
    else:
        bars[operand] = held + g
        # The sum of 0-d arrays is a scalar, which cannot be changed in place.
        (owned.add if operand.shape else owned.discard)(operand)


def _may_match(have: tuple[Any, ...], want: tuple[Any, ...]) -> bool:
    """Tell whether two shapes may be equal, and it shows only when a staged program runs."""
    return (
        len(have) == len(want)
        and not matches(have, want)
        and all(n == m or type(n) is not int or type(m) is not int for n, m in zip(have, want))
    )


def _add_part(bars: Bars, owned: set[Node], operand: Node, path: Path, value: Any) -> None:
    held = bars.get(operand)
    kind = type(value)
    if (
        (kind is np.float64 or kind is np.ndarray)
        and type(held) is np.ndarray
        and value.dtype == held.dtype
        and operand in owned
    ):
        add_at(held, path, value)  # what follows, for ordinary numbers
        return
    entry = bool(path) and path[0][0] == "entry"  # of what a loop keeps
    if held is None and entry:
        held = value._no_entries(operand.dtype)
    elif held is None:
        held = zeros(operand.shape, operand.dtype)
        if isinstance(value, Traced) and not isinstance(held, Traced):
            held = value._constant(held)
    elif operand not in owned or not isinstance(held, (np.ndarray, Traced)):
        held = _copy(held)
    if isinstance(value, Traced) and not isinstance(held, Traced):
        held = value._constant(held)
    if not isinstance(held, Traced) and value.dtype.kind == "c" and held.dtype.kind != "c":
        value = value.real
    if entry:
        cast_to: Any = held
        cast_to._add_at(path, value)
    elif isinstance(held, Traced):
        dtype = operand.dtype
        if any(kind in ("real", "imag") for kind, _ in path):
            dtype = np.zeros((), dtype).real.dtype
        held._add_at(path, project(value, dtype))
    else:
        add_at(held, path, value)
    bars[operand] = held
    owned.add(operand)


def _copy(x: Any) -> Any:
    if isinstance(x, Traced):
        # A traced NumPy scalar becomes an array, which can be stored to.
        return x._apart() if isinstance(x, np.ndarray) else broadcast_to(x, shape=())
    return np.array(x)


def _with_zeros(parts: list[Any], node: Node) -> tuple[Any, ...]:
    # Zeros without memory: rules tell by that a result that nobody used (rules.matrices.is_absent).
    return tuple(
        spread_zeros(shape, dtype) if part is None else part
        for part, shape, dtype in zip(parts, node.shape, node.dtype, strict=True)
    )
