"""Functions of a Hermitian matrix through its eigenvectors, v diag(h(w)) vᴴ, in a staged block.

Where eigenvalues are repeated, eigenvectors have no derivative, but such a function has
(`adjoint.eager.spectral` says why, and recognises the same products on the tape). Whether they are
repeated shows when the program runs, so the product is recognised in any case, before the block is
differentiated: an operation with its value and the derivative of the function stands in its place.
The divided differences of h between equal eigenvalues are computed in a branch, if there are any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from adjoint.ir import Block
from adjoint.ir.build import Builder, building, continuing, innermost
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value, free_values, operands, walk
from adjoint.ir.types import Type, python_type
from adjoint.ops import control, creation
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops import structural as st
from adjoint.ops.creation import arange, eye, zeros
from adjoint.ops.indexing import read, update
from adjoint.rules.checks import none_of, required
from adjoint.rules.matrices import reciprocal_gaps, transposed
from adjoint.rules.spectral import repeated_eigenvalues
from adjoint.staged.values import lift, value_of, wrap
from adjoint.transforms.push import Push

__all__ = ["recognise"]

_SPECTRAL = frozenset({
    la.eigh, la.eigh_subset, la.eig, la.svd, la.spectral, la.spectral_product,
})  # fmt: skip


def recognise(block: Block) -> None:
    """Record the functions of Hermitian matrices in a block, and the blocks in it, as such."""
    if any(node.op is la.eigh for node in walk(block)):  # type: ignore[arg-type]
        _recognise(block)


def _recognise(block: Block) -> None:
    builder = Builder(innermost())
    builder.block = block
    builder.own.update(block.parameters, block.nodes)  # type: ignore[arg-type]
    with continuing(builder):
        for node in [*block.nodes]:
            for inner in node.blocks:  # type: ignore[attr-defined]
                _recognise(inner)
            if node.op is la.matmul:
                function = _function(node, block)  # type: ignore[arg-type]
                if function is not None:
                    _record(node, function, builder)  # type: ignore[arg-type]


# -- which products are such functions -------------------------------------------------------------


@dataclass(frozen=True)
class _Scaled:
    """The matrix v diag(d), or its transpose or conjugate, of the eigenvectors v of ``eigh``.

    Attributes
    ----------
    eigh : Value
    d : tuple of callable
        Each records a factor of d.
    conjugated, transposed : bool
    """

    eigh: Value
    d: tuple[Callable[[], Any], ...] = ()
    conjugated: bool = False
    transposed: bool = False


def _function(node: Value, block: Block) -> _Scaled | None:
    """Return what a product is a function of; None if it is none."""
    left = _factor(node.inputs[0])
    right = None if left is None or left.transposed else _factor(node.inputs[1])
    if left is None or right is None or not right.transposed or right.eigh is not left.eigh:
        return None
    if left.eigh not in block.nodes:
        return None  # the eigenvalues are those of an earlier pass, say
    if node.dtype.kind != "c":
        left = replace(left, conjugated=False)
    elif left.conjugated is right.conjugated:
        return None
    return replace(left, d=left.d + right.d)


def _factor(node: Value) -> _Scaled | None:
    """Read a value as eigenvectors times a diagonal matrix."""
    op = node.op
    if op is st.project_result:
        eigh = node.inputs[0]
        return _Scaled(eigh) if eigh.op is la.eigh and node.params == {"k": 1} else None
    if op is st.permute or op is read or op is ew.conjugate:
        inner = _factor(node.inputs[0])
        if inner is None:
            return None
        if op is ew.conjugate:
            d = tuple([lambda f=f: np.conjugate(f()) for f in inner.d])
            return replace(inner, d=d, conjugated=not inner.conjugated)
        path = (("permute", node.params["axes"]),) if op is st.permute else node.params["path"]
        n = len(node.shape)
        swap = (*range(n - 2), n - 1, n - 2)
        if any(kind != "permute" or tuple(axes) != swap for kind, axes in path):
            return None
        return replace(inner, transposed=inner.transposed ^ bool(len(path) % 2))
    if op is ew.multiply:
        return _scaled(node, 0) or _scaled(node, 1)
    if op is ew.divide:
        return _scaled(node, 0)
    if op is la.matmul:
        return _times_diagonal(node, 0) or _times_diagonal(node, 1)
    return None


def _scaled(node: Value, k: int) -> _Scaled | None:
    """Read an elementwise product or quotient as operand ``k`` with scaled columns."""
    inner = _factor(node.inputs[k])
    if inner is None or node.shape != node.inputs[k].shape:
        return None
    d = node.inputs[1 - k]
    across = -1 if inner.transposed else -2
    if len(d.shape) >= 2:
        if d.shape[across] != 1:
            return None
    elif d.shape and inner.transposed:
        return None

    def factor() -> Any:
        x = wrap(d)
        if len(d.shape) >= 2:
            x = x[..., 0] if inner.transposed else x[..., 0, :]
        return 1 / x if node.op is ew.divide else x

    return replace(inner, d=(*inner.d, factor))


def _times_diagonal(node: Value, k: int) -> _Scaled | None:
    """Read a matrix product as operand ``k`` times a diagonal matrix, or that times it."""
    inner = _factor(node.inputs[k])
    m = node.inputs[1 - k]
    if inner is None or inner.transposed is not bool(k) or not _is_diagonal(m):
        return None

    def factor() -> Any:
        i = arange(wrap(m).shape[-1])
        return wrap(m)[..., i, i]

    return replace(inner, d=(*inner.d, factor))


def _is_diagonal(m: Value) -> bool:
    """Tell whether a matrix is diagonal for every value of what it is made of.

    It is if numbers were stored to a zero matrix's diagonal (np.diag), or if it is a multiple of a
    constant diagonal matrix.
    """
    if m.op is update and _is_zero(m.inputs[0]):
        kind, index = m.params["path"][0]
        return (
            len(m.params["path"]) == 1
            and kind == "index"
            and type(index) is tuple
            and len(index) == 2
            and _are_same(*index)
        )
    return m.op is ew.multiply and any(map(_is_constant_diagonal, m.inputs))


def _are_same(i: Any, j: Any) -> bool:
    """Tell whether two index arrays are known to be equal."""
    if not (isinstance(i, Value) and isinstance(j, Value)):
        return False
    i, j = _without_zero(i), _without_zero(j)
    if i.op is j.op is control.constant:
        return np.array_equal(i.params["value"], j.params["value"])
    return i is j or (i.op is j.op is creation.iota and i.params == j.params)


def _without_zero(i: Value) -> Value:
    """Return what 0 is added to, as np.diag does to places on the main diagonal."""
    while i.op is ew.add and i.inputs[1].op is control.constant:
        if i.inputs[1].shape or i.inputs[1].params["value"] != 0:
            break
        i = i.inputs[0]
    return i


def _is_zero(m: Value) -> bool:
    if m.op is creation.full:
        return not m.params["value"]
    return m.op is control.constant and not np.any(m.params["value"])


def _is_constant_diagonal(m: Value) -> bool:
    if m.op is creation.identity:
        return m.params["k"] == 0 and m.params["rows"] == m.params["columns"]
    if m.op is not control.constant or len(m.shape) < 2:
        return False
    value = m.params["value"]
    return value.shape[-1] == value.shape[-2] and not np.any(value * (1 - np.eye(value.shape[-1])))


# -- how they are recorded -------------------------------------------------------------------------


def _record(node: Value, function: _Scaled, builder: Builder) -> None:
    """Make a product an operation that has the derivative of the function."""
    block = builder.block
    nodes, block.nodes = block.nodes, []
    place = nodes.index(node)
    eigh = function.eigh
    try:
        d: Any = st.cast(1, dtype=eigh.type[0].dtype)
        for factor in function.d:
            d = d * factor()
        eigenvalues = [v for v in nodes[:place] if _is_eigenvalues(v, eigh)]
        if not eigenvalues:
            eigenvalues = [builder.emit(st.project_result, (eigh,), {"k": 0}, eigh.type[0])]
        w = wrap(eigenvalues[0])
        if d.shape != w.shape:
            d = st.broadcast_to(lift(d), shape=w.shape)
        d_value = value_of(d)
        if d_value.dtype.kind == "c":
            return
        between = _between(nodes[:place] + block.nodes, d_value, eigh)
        if between is None:
            return
        slopes = value_of(_slopes(w, d, lambda: _jacobian(between, eigenvalues, d_value)))
        product = builder.emit(node.op, node.inputs, node.params, node.type, (), node.place)  # type: ignore[arg-type]
        if function.conjugated:
            product = value_of(ew.conjugate(wrap(product)))
        inputs = (product, eigh.inputs[0], d_value, slopes)
        params = {"lower": eigh.params.get("lower", True)}
        if function.conjugated:
            op = la.spectral_product
            inputs = (builder.emit(op, inputs, params, node.type, (), node.place),)
            params = {}
        node.op = ew.conjugate if function.conjugated else la.spectral_product
        node.inputs, node.params = inputs, params
        nodes[place:place] = block.nodes
    finally:
        block.nodes = nodes


def _is_eigenvalues(v: Any, eigh: Value) -> bool:
    return v.op is st.project_result and v.inputs[0] is eigh and v.params["k"] == 0


def _between(nodes: list[Any], d: Value, eigh: Value) -> list[Value] | None:
    """Return the operations by which d depends on the eigenvalues.

    Returns
    -------
    list of Value or None
        None if it depends on the matrix in other ways too: how is not seen from here.
    """
    needed = {d}
    for node in reversed(nodes):
        if node in needed and not _is_eigenvalues(node, eigh):
            if node.op in _SPECTRAL:
                return None
            needed.update(operands(node))
            needed.update(free_values(*node.blocks))
    if eigh.inputs[0] in needed:
        return None
    moved: set[Value] = set()
    between = []
    for node in nodes:
        if node in needed:
            if _is_eigenvalues(node, eigh):
                moved.add(node)
            elif any(v in moved for v in (*operands(node), *free_values(*node.blocks))):
                moved.add(node)
                between.append(node)
    return between


def _jacobian(between: list[Value], eigenvalues: list[Value], d: Value) -> Any:
    """Return the matrix ∂d_i/∂w_j, of each matrix of a stack."""
    w = wrap(eigenvalues[0])
    count = prod(w.shape)
    with building(innermost()) as body:
        k = body.parameter(python_type(int))
        k.bounds = (0, _dim(count - 1))
        direction = st.reshape(
            st.cast(np.equal(arange(count), wrap(k)), dtype=w.dtype), shape=w.shape
        )
        push = Push({}, dict.fromkeys(eigenvalues, direction))
        for node in between:
            push.step(node)
        dot = push.dots.get(d)
        body.block.results = [value_of(zeros(w.shape, w.dtype) if dot is None else dot)]
    dtype = body.block.results[0].dtype
    type = Type(dtype, tuple([_dim(n) for n in (count, *w.shape)]))
    inputs = (value_of(count),)
    (all_pairs,) = wrap(innermost().emit(control.map_loop, inputs, {}, (type,), (body.block,)))
    *lead, n = w.shape
    if not lead:
        return transposed(all_pairs)
    size = prod(lead)
    each = arange(size)
    pairs = st.reshape(all_pairs, shape=(size, n, size, n))[each, :, each, :]
    return transposed(st.reshape(pairs, shape=(*lead, n, n)))


def _dim(n: Any) -> Any:
    return Dim(n.constant, n.terms) if isinstance(n, Dim) else n


def _slopes(w: Any, d: Any, jacobian: Callable[[], Any]) -> Any:
    """Return the divided differences of d between nearly equal eigenvalues, NaN elsewhere."""
    n = w.shape[-1]
    itself = eye(n, dtype=bool)
    # Below a gap g the mean of the slopes stands for the divided difference, with an error of order
    # g²; above it the rounding error is of order ε/g. They balance at the cube root of ε.
    epsilon = np.finfo(w.dtype).eps
    limit = epsilon ** (1 / 3) * np.max(np.abs(w), axis=-1, initial=0)
    gap = w[..., :, None] - w[..., None, :]
    near = np.logical_and(np.abs(gap) <= limit[..., None, None], np.logical_not(itself))
    far = ew.where(itself, 0 * gap, np.nan)

    def given() -> Any:
        slope, odd = _slopes_of(jacobian(), gap, d, epsilon)
        # Of eigenvalues that are not quite equal the ordinary derivative is right.
        same = np.logical_and(reciprocal_gaps(w)[1], near)
        slope = required(slope, none_of(np.logical_and(odd, same)), repeated_eigenvalues())
        return ew.where(np.logical_and(near, np.logical_not(odd)), slope, far)

    blocks = []
    for side in (given, lambda: far):
        with building(innermost()) as builder:
            builder.block.results = [value_of(side())]
        blocks.append(builder.block)
    inputs = (value_of(np.any(near)),)
    type = value_of(far).type
    (slopes,) = wrap(innermost().emit(control.cond, inputs, {}, (type,), tuple(blocks)))
    return slopes


def _slopes_of(jacobian: Any, gap: Any, d: Any, epsilon: Any) -> tuple[Any, Any]:
    """Return the divided differences, and between which pairs d is not one function.

    The one between w_i and w_j is ∂d_i/∂w_i − ∂d_i/∂w_j: the second term is there for functions
    such as h(w)/sum(h(w)), whose entries depend on all eigenvalues, and alike on equal ones.
    """
    i = arange(gap.shape[-1])
    own = jacobian[..., i, i]
    rise = own[..., :, None] - jacobian
    slope = 0.5 * (rise + transposed(rise))
    change = d[..., :, None] - d[..., None, :]
    odd = np.abs(change - slope * gap) > epsilon**0.6 * np.max(np.abs(d), initial=0)
    # Equal eigenvalues are exchanged without a difference.
    size = np.max(np.abs(jacobian), axis=-2, initial=0)
    scale = np.maximum(size[..., :, None], size[..., None, :])
    limit = 1e3 * epsilon ** (1 / 3) * scale
    for x, y in ((own[..., :, None], own[..., None, :]), (jacobian, transposed(jacobian))):
        odd = np.logical_or(odd, np.abs(x - y) > limit)
    return slope, odd
