"""Functions of a Hermitian matrix through its eigenvectors: v diag(h(w)) vᴴ.

Where eigenvalues are repeated, eigenvectors have no derivative, but such a function has: by
Daleckii and Krein its derivative needs the divided differences of h, and between equal eigenvalues
h′. The cotangents that reach the eigenvectors do not hold h′. So a product that completes such a
function is recognised while it is recorded, from its operands' nodes, and recorded as one operation
(`spectral`) instead; the tape between w and h(w) is walked forward for h′.

This happens only for matrices with repeated (or nearly repeated) eigenvalues. Of others the
ordinary derivatives are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from adjoint.eager.recorded import Recorded, current, raw, record
from adjoint.errors import UndefinedDerivativeError
from adjoint.ir import Block, Node
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops.indexing import read, update
from adjoint.ops.structural import permute, project_result, stack
from adjoint.rules.cotangents import Undefined
from adjoint.transforms.forward import forward_walk

__all__ = ["note_eigenvalues", "product", "seen"]

seen: list[bool] = []
"""Not empty once a traced matrix has had nearly repeated eigenvalues: only then are products looked
at."""


def clusters(w: np.ndarray) -> np.ndarray:
    """Return which pairs of eigenvalues are so close that differences of h would cancel.

    Below a gap g the mean of the slopes stands for the divided difference, with an error of order
    g²; above it the rounding error is of order ε/g. They balance at the cube root of ε.
    """
    limit = np.finfo(w.dtype).eps ** (1 / 3) * np.max(np.abs(w), axis=-1, initial=0)
    return np.abs(w[..., :, None] - w[..., None, :]) <= limit[..., None, None]


def note_eigenvalues(w: Any) -> None:
    """Look for nearly repeated eigenvalues among those of a traced matrix."""
    if not seen and isinstance(w, Recorded):
        near = clusters(raw(w))
        if np.count_nonzero(near) > raw(w).size:
            seen.append(True)


@dataclass(frozen=True)
class _Scaled:
    """The matrix v diag(d), or its transpose or conjugate, of the eigenvectors v of ``eigh``."""

    eigh: Node
    d: tuple[Any, ...]
    conjugated: bool = False
    transposed: bool = False


def product(x: Any, y: Any) -> Any:
    """Return x @ y as one operation if it is a function of a matrix with repeated eigenvalues.

    Returns
    -------
    Recorded or None
        None if it is not, or need not be.
    """
    if not (isinstance(x, Recorded) and isinstance(y, Recorded)):
        return None
    current(x)
    current(y)
    tape = x._tape
    if tape is None or y._tape is not tape or x._node is None or y._node is None:
        return None
    left = _factor(x._node, x._value, tape)
    if left is None or left.transposed:
        return None
    right = _factor(y._node, y._value, tape)
    if right is None or not right.transposed or right.eigh is not left.eigh:
        return None
    eigh = left.eigh
    matrix, (w, v) = eigh.saved[0], eigh.saved[-1]
    values = raw(w)
    near = clusters(values)
    near &= ~np.eye(values.shape[-1], dtype=bool)
    if not near.any():
        return None
    if raw(v).dtype.kind == "c" and left.conjugated is right.conjugated:
        return None
    d: Any = np.ones(values.shape, values.dtype)
    for factor in (*left.d, *right.d):
        d = d * factor
    if left.conjugated:
        d = d.conj()
    try:
        slopes = _slopes(d, eigh, w, near, tape)
    except UndefinedDerivativeError:
        return None  # a value like any other; who asks for its derivative is told
    operand = Recorded._class(matrix, tape, eigh.inputs[0])
    lower = (eigh.params or {}).get("lower", True)
    result = record(la.spectral, (operand, d, slopes), {"lower": lower})
    return result.conj() if left.conjugated else result


def _factor(node: Node, value: Any, tape: Any) -> _Scaled | None:
    """Read a node as eigenvectors times a diagonal matrix; ``value`` is the node's value."""
    op = node.op
    if op is project_result:
        eigh = node.inputs[0]
        if eigh is not None and eigh.op is la.eigh and node.params == {"k": 1}:
            return _Scaled(eigh, ())
        return None
    if op is permute or op is read or op is ew.conjugate:
        inner = None if node.inputs[0] is None else _factor(node.inputs[0], None, tape)
        if inner is None:
            return None
        if op is ew.conjugate:
            d = tuple(f.conj() for f in inner.d)
            return _Scaled(inner.eigh, d, not inner.conjugated, inner.transposed)
        path = (("permute", node.params["axes"]),) if op is permute else node.params["path"]
        n = len(node.shape)
        swap = (*range(n - 2), n - 1, n - 2)
        if any(kind != "permute" or tuple(axes) != swap for kind, axes in path):
            return None
        turned = inner.transposed ^ bool(len(path) % 2)
        return _Scaled(inner.eigh, inner.d, inner.conjugated, turned)
    if op is ew.multiply or op is ew.divide:
        return _scaled(node, tape)
    if op is la.matmul:
        return _times_diagonal(node, tape)
    return None


def _operand(node: Node, k: int, tape: Any) -> Any:
    """Return operand ``k`` of a node as it was, or None if its value was not kept."""
    if node.saved is None or node.saved[k] is None:
        return None
    value = node.saved[k]
    return value if node.inputs[k] is None else Recorded._class(value, tape, node.inputs[k])


def _scaled(node: Node, tape: Any) -> _Scaled | None:
    for k in (0, 1) if node.op is ew.multiply else (0,):
        if node.inputs[k] is None:
            continue
        inner = _factor(node.inputs[k], None, tape)
        if inner is None:
            continue
        d = _operand(node, 1 - k, tape)
        if d is None or node.shape != node.inputs[k].shape:
            return None
        axis = -2 if inner.transposed else -1
        shape = np.shape(raw(d))
        if len(shape) >= 2:
            across = -1 if inner.transposed else -2
            if shape[across] != 1:
                return None
            d = d[..., 0] if inner.transposed else d[..., 0, :]
        elif len(shape) == 1 and axis == -2:
            return None
        if node.op is ew.divide:
            d = 1 / d
        return _Scaled(inner.eigh, (*inner.d, d), inner.conjugated, inner.transposed)
    return None


def _times_diagonal(node: Node, tape: Any) -> _Scaled | None:
    for k in (0, 1):
        if node.inputs[k] is None:
            continue
        inner = _factor(node.inputs[k], None, tape)
        if inner is None or inner.transposed is not bool(k):
            continue
        m: Any = _operand(node, 1 - k, tape)
        plain = raw(m)
        if m is None or plain.shape[-1:] != plain.shape[-2:-1]:
            return None
        i = np.arange(plain.shape[-1])
        off = np.array(plain)
        off[..., i, i] = 0
        if off.any():
            return None
        if not _is_diagonal(getattr(m, "_node", None)):
            return None
        return _Scaled(inner.eigh, (*inner.d, m[..., i, i]), inner.conjugated, inner.transposed)
    return None


def _is_diagonal(node: Node | None) -> bool:
    """Tell whether a matrix that is diagonal is so for every value of what it is made of.

    It is if numbers were stored to a constant matrix's diagonal (np.diag), or if it is a multiple
    of a constant diagonal matrix.
    """
    if node is None:
        return True
    if node.op is update and node.inputs[0] is None:
        kind, index = node.params["path"][0]
        return (
            len(node.params["path"]) == 1
            and kind == "index"
            and type(index) is tuple
            and len(index) == 2
            and np.array_equal(index[0], index[1])
        )
    if node.op is ew.multiply and node.saved is not None:
        for k in (0, 1):
            constant = node.saved[k]
            if node.inputs[k] is None and type(constant) is np.ndarray and constant.ndim >= 2:
                return not np.any(constant * (1 - np.eye(constant.shape[-1])))
    return False


def _slopes(d: Any, eigh: Node, w: Any, near: np.ndarray, tape: Any) -> Any:
    """Return the divided differences of d(w) between nearly equal eigenvalues, NaN elsewhere.

    That between w_i and w_j is dd_i/dw_i − dd_i/dw_j: the second term is there for functions such
    as h(w)/sum(h(w)), whose entries depend on all eigenvalues, and alike on equal ones.
    """
    values, plain_d = raw(w), raw(d)
    node = d._node if isinstance(d, Recorded) and d._tape is tape else None
    part = _projection(tape.block, eigh)
    between = _between(tape.block, node, part, eigh) if node is not None else None
    total: Any = np.where(near, 0.0, np.nan).astype(values.dtype)
    k = np.arange(values.shape[-1])
    total[..., k, k] = 0
    slopes: dict[tuple[int, ...], Any] = {}
    if between is not None and node is not None:
        for spot in zip(*np.nonzero(near.any(-1))):
            direction = np.zeros(values.shape, values.dtype)
            direction[spot] = 1
            dot = forward_walk(between, {part: direction}).get(node)
            if type(dot) is Undefined:
                raise dot.error
            slopes[spot] = dot
    entries = {}
    for *batch, i, j in zip(*np.nonzero(near)):
        at, bt = (*batch, i), (*batch, j)
        if at in slopes and slopes[at] is not None:
            mine, others = slopes[at], slopes[bt]
            slope = 0.5 * ((mine[at] - others[at]) + (others[bt] - mine[bt]))
            _check_symmetry(raw(mine), raw(others), at, bt)
        else:
            slope = 0.0
        change = plain_d[at] - plain_d[bt]
        expected = raw(slope) * (values[at] - values[bt])
        size = np.max(np.abs(plain_d), initial=0)
        if abs(change - expected) > np.finfo(values.dtype).eps ** 0.6 * size:
            _refuse()
        entries[(*batch, i, j)] = slope
    if any(isinstance(slope, Recorded) for slope in entries.values()):
        spots = tuple(np.array(axis) for axis in zip(*entries))
        values_there = stack(*[_number(slope, values.dtype) for slope in entries.values()], axis=0)
        return update(total, values_there, path=(("index", spots),))
    for spot, slope in entries.items():
        total[spot] = slope
    return total


def _number(x: Any, dtype: np.dtype) -> Any:
    return x if isinstance(x, Recorded) else dtype.type(x)


def _check_symmetry(mine: Any, others: Any, at: Any, bt: Any) -> None:
    scale = max(np.max(np.abs(mine)), np.max(np.abs(others)))
    limit = 1e3 * np.finfo(mine.dtype).eps ** (1 / 3) * scale
    if abs(mine[at] - others[bt]) > limit or abs(mine[bt] - others[at]) > limit:
        _refuse()


def _refuse() -> NoReturn:
    raise UndefinedDerivativeError("d is not one function of the eigenvalues")


def _projection(block: Block, eigh: Node) -> Node:
    """Return the node of the eigenvalues."""
    for node in reversed(block.nodes):
        if node.op is project_result and node.inputs[0] is eigh and node.params == {"k": 0}:
            return node
    raise AssertionError("the eigenvalues are not on the tape")


_SPECTRAL = (la.eigh, la.eigh_subset, la.eig, la.svd, la.spectral)


def _between(block: Block, node: Node, part: Node, eigh: Node) -> Block | None:
    """Return the operations by which ``node`` depends on ``part``.

    Raises
    ------
    UndefinedDerivativeError
        If it depends on the matrix in other ways too: how is not seen from here.
    """
    needed = {node}
    nodes = []
    matrix = eigh.inputs[0]
    for candidate in reversed(block.nodes):
        if candidate not in needed or candidate is part:
            continue
        if candidate is matrix or candidate.op in _SPECTRAL:
            _refuse()
        nodes.append(candidate)
        needed.update(i for i in candidate.inputs if i is not None)
    if part not in needed:
        return None
    between = Block()
    between.nodes = nodes[::-1]
    between.stores = block.stores
    return between
