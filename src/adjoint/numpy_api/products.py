"""Products of arrays: dot, tensordot, einsum, kron, cross, convolutions."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from adjoint.dispatch import is_staged, plain
from adjoint.numpy_api.creation import any_recorded, as_array, moved_axis, to_dtype
from adjoint.numpy_api.lengths import same_lengths, same_shapes
from adjoint.numpy_api.shaping import normalized, ravel
from adjoint.ops import linalg as la
from adjoint.ops import products as pr
from adjoint.ops import structural as st
from adjoint.ops.registry import implements

__all__ = ["convolve", "cross", "dot", "einsum", "inner", "kron", "outer", "tensordot", "vdot"]


@implements(np.dot)
def dot(a: Any, b: Any, out: None = None) -> Any:
    """``np.dot``."""
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if a.ndim <= 2 and b.ndim <= 2:
        if not same_lengths(a.shape[-1], b.shape[0]):
            raise ValueError(f"shapes {a.shape} and {b.shape} not aligned")
        return a @ b
    return _contract(a, b, a.ndim - 1, max(b.ndim - 2, 0))


def _contract(a: Any, b: Any, i: int, j: int) -> Any:
    if a.ndim == b.ndim == 1:
        return la.matmul(a, b)
    if not same_lengths(a.shape[i], b.shape[j]):
        raise ValueError(
            f"shapes {a.shape} and {b.shape} not aligned: {a.shape[i]} (dim {i}) != "
            f"{b.shape[j]} (dim {j})"
        )
    return tensordot(a, b, ((i,), (j,)))


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """``np.vdot``."""
    a, b = ravel(a), ravel(b)
    if not same_shapes(a.shape, b.shape):
        raise ValueError("cannot reshape array: np.vdot takes arrays of one size")
    return la.matmul(np.conjugate(a), b)


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """``np.inner``."""
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return _contract(a, b, a.ndim - 1, b.ndim - 1)


@implements(np.outer)
def outer(a: Any, b: Any, out: None = None) -> Any:
    """``np.outer``."""
    return ravel(a)[:, None] * ravel(b)[None, :]


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    """``np.linalg.outer``."""
    x1, x2 = as_array(x1), as_array(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(
            "Input arrays must be one-dimensional, but they are "
            f"x1.ndim={x1.ndim} and x2.ndim={x2.ndim}."
        )
    return outer(x1, x2)


def _axes_of(axes: Any, na: int) -> tuple[list[int], list[int]]:
    axes = plain(axes)
    try:
        first, second = axes
    except TypeError:
        n = operator.index(axes)
        return list(range(na - n, na)), list(range(n))
    return list(np.atleast_1d(first).astype(int)), list(np.atleast_1d(second).astype(int))


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """``np.tensordot``: one product of matrices, as in NumPy."""
    a, b = as_array(a), as_array(b)
    ia, ib = _axes_of(axes, a.ndim)
    if len(ia) != len(ib) or any(
        not (-a.ndim <= i < a.ndim and -b.ndim <= j < b.ndim) for i, j in zip(ia, ib)
    ):
        raise ValueError("shape-mismatch for sum")
    ia, ib = [i % a.ndim for i in ia], [j % b.ndim for j in ib]
    if not all(same_lengths(a.shape[i], b.shape[j]) for i, j in zip(ia, ib)):
        raise ValueError("shape-mismatch for sum")
    free_a = [k for k in range(a.ndim) if k not in ia]
    free_b = [k for k in range(b.ndim) if k not in ib]
    length = math.prod(a.shape[i] for i in ia)
    rows = tuple(a.shape[k] for k in free_a)
    columns = tuple(b.shape[k] for k in free_b)
    at = st.reshape(st.permute(a, axes=(*free_a, *ia)), shape=(math.prod(rows), length))
    bt = st.reshape(st.permute(b, axes=(*ib, *free_b)), shape=(length, math.prod(columns)))
    return st.reshape(la.matmul(at, bt), shape=rows + columns)


@implements(np.linalg.tensordot)
def linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """``np.linalg.tensordot``."""
    return tensordot(x1, x2, axes)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """``np.kron``."""
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    n = max(a.ndim, b.ndim)
    sa, sb = (1,) * (n - a.ndim) + a.shape, (1,) * (n - b.ndim) + b.shape
    a = st.reshape(a, shape=tuple(k for s in sa for k in (s, 1)))
    b = st.reshape(b, shape=tuple(k for s in sb for k in (1, s)))
    return st.reshape(a * b, shape=tuple(i * j for i, j in zip(sa, sb)))


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """``np.cross``, of vectors with two or three components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = as_array(a), as_array(b)
    if a.ndim < 1 or b.ndim < 1:
        raise ValueError("At least one array has zero dimension")
    a = moved_axis(a, normalized(axisa, a.ndim), a.ndim - 1)
    b = moved_axis(b, normalized(axisb, b.ndim), b.ndim - 1)
    na, nb = operator.index(a.shape[-1]), operator.index(b.shape[-1])
    if na not in (2, 3) or nb not in (2, 3):
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
            f"{na} and {nb} dimensional instead."
        )
    a0, a1, b0, b1 = a[..., 0], a[..., 1], b[..., 0], b[..., 1]
    third = a0 * b1 - a1 * b0
    if na == 2 and nb == 2:
        return third
    # A missing third component is zero.
    if na == 2:
        b2 = b[..., 2]
        parts = (a1 * b2, -(a0 * b2), third)
    elif nb == 2:
        a2 = a[..., 2]
        parts = (-(a2 * b1), a2 * b0, third)
    else:
        a2, b2 = a[..., 2], b[..., 2]
        parts = (a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, third)
    axisc = normalized(axisc, np.ndim(plain(third)) + 1)
    return st.stack(*parts, axis=axisc)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """``np.linalg.cross``."""
    x1, x2 = as_array(x1), as_array(x2)
    if operator.index(x1.shape[axis]) != 3 or operator.index(x2.shape[axis]) != 3:
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
            f"{x1.shape[axis]} and {x2.shape[axis]} dimensional instead."
        )
    return cross(x1, x2, axis=axis)


# -- convolution -------------------------------------------------------------------------------

_MODES = {0: "valid", 1: "same", 2: "full", "v": "valid", "s": "same", "f": "full"}


def _mode(mode: Any) -> str:
    found = _MODES.get(mode) or (_MODES.get(mode[0].lower()) if isinstance(mode, str) else None)
    if found is None:
        raise ValueError("mode must be one of 'valid', 'same', or 'full'")
    return found


def _vectors(a: Any, v: Any, names: tuple[str, str]) -> tuple[Any, Any]:
    a, v = np.atleast_1d(as_array(a)), np.atleast_1d(as_array(v))
    if a.ndim > 1 or v.ndim > 1:
        raise ValueError("object too deep for desired array")
    for x, name in zip((a, v), names):
        if x.shape[0] == 0:
            raise ValueError(f"{name} cannot be empty")
    return a, v


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """``np.convolve``."""
    a, v = _vectors(a, v, ("a", "v"))
    return pr.convolve(a, v, mode=_mode(mode))


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """``np.correlate``: the convolution with v conjugated and reversed."""
    a, v = _vectors(a, v, ("first argument", "second argument"))
    # Which of the two is longer matters where "same" cuts alone.
    if _mode(mode) == "same" and a.shape[0] < v.shape[0]:
        return np.conjugate(correlate(v, a, mode))[::-1]
    return pr.convolve(a, np.conjugate(v)[::-1], mode=_mode(mode))


# -- einsum ------------------------------------------------------------------------------------

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _sublist(sublist: Any) -> str:
    """Return the letters of a list of axis numbers (and Ellipsis)."""
    text = ""
    for item in sublist:
        if item is Ellipsis:
            text += "..."
            continue
        k = operator.index(item)
        if not 0 <= k < len(_LETTERS):
            raise ValueError("subscript is not within the valid range [0, 52)")
        # Alphabetical order is numerical order, capitals first, which the implicit form relies on.
        text += sorted(_LETTERS)[k]
    return text


def _parse(operands: tuple[Any, ...]) -> tuple[list[str], str | None, list[Any]]:
    """Return the subscripts of each operand and of the result, and the operands as arrays."""
    if not operands:
        raise ValueError("must specify the einstein sum subscripts string and at least one operand")
    if isinstance(operands[0], str):
        text = operands[0].replace(" ", "")
        left, arrow, right = text.partition("->")
        inputs, arrays = left.split(","), list(operands[1:])
        if len(inputs) != len(arrays):
            raise ValueError(
                f"einsum: {len(inputs)} operands in the subscripts {operands[0]!r}, but "
                f"{len(arrays)} were given"
            )
        return inputs, right if arrow else None, [as_array(x) for x in arrays]
    inputs = [_sublist(s) for s in operands[1::2]]
    arrays = list(operands[: 2 * len(inputs) : 2])
    output = _sublist(operands[-1]) if len(operands) % 2 else None
    return inputs, output, [as_array(x) for x in arrays]


def _spelt_out(
    inputs: list[str], output: str | None, ranks: list[int]
) -> tuple[tuple[str, ...], str]:
    """Write letters for every ellipsis, and the result's subscripts if they are implicit."""
    used = set("".join(inputs)) | set(output or "")
    free = [c for c in _LETTERS if c not in used]
    widest = 0
    for text, ndim in zip(inputs, ranks):
        if not set(text) - {"."} <= set(_LETTERS):
            raise ValueError(f"invalid subscript in {text!r}: subscripts are letters")
        named = len(text.replace("...", ""))
        if "." in text.replace("...", "", 1):
            raise ValueError(
                "einstein sum subscripts string contains a '.' that is not part of an ellipsis"
            )
        if named > ndim or ("..." not in text and named != ndim):
            raise ValueError(
                f"einstein sum subscripts {text!r} do not fit an operand with {ndim} dimensions"
            )
        if "..." in text:
            widest = max(widest, ndim - named)
    if widest > len(free):
        raise ValueError("too many subscripts in einsum")
    dots = "".join(free[:widest])
    spelt = []
    for text, ndim in zip(inputs, ranks):
        count = ndim - len(text.replace("...", ""))
        spelt.append(text.replace("...", dots[widest - count :] if count else ""))
    if output is None:
        text = "".join(inputs).replace(".", "")
        output = dots + "".join(sorted(c for c in set(text) if text.count(c) == 1))
    else:
        if "..." not in output and widest:
            raise ValueError(
                "output has no ellipsis, but the operands' ellipses stand for dimensions that "
                "would have to be summed"
            )
        output = output.replace("...", dots)
    if len(set(output)) != len(output):
        raise ValueError(
            "einstein sum subscripts string includes an output subscript multiple times"
        )
    missing = set(output) - set("".join(spelt))
    if missing:
        raise ValueError(f"einsum: output subscript {missing.pop()!r} never appeared in an input")
    return tuple(spelt), output


@implements(np.einsum, storage=True)
def einsum(*operands: Any, out: None = None, optimize: Any = False, **kwargs: Any) -> Any:
    """``np.einsum`` in all its forms. Of one operand with nothing summed it is a view."""
    inputs, output, arrays = _parse(operands)
    spelt, output = _spelt_out(inputs, output, [x.ndim for x in arrays])
    if len(arrays) == 1 and set(output) == set(spelt[0]) and any_recorded(arrays):
        return _view(arrays[0], spelt[0], output)
    dtype = kwargs.pop("dtype", None)
    if dtype is not None:
        casting = kwargs.pop("casting", "safe")
        for x in arrays:
            if not np.can_cast(plain(x).dtype, dtype, casting):
                raise TypeError(f"Cannot cast operand data from {plain(x).dtype!r} to {dtype!r}")
        arrays = [to_dtype(x, dtype) for x in arrays]
    options = dict(kwargs)
    if optimize is not False:
        options["optimize"] = optimize
    return pr.einsum(*arrays, inputs=spelt, output=output, options=options or None)


def _view(x: Any, subscripts: str, output: str) -> Any:
    """Take diagonals where a letter stands twice, then permute the axes."""
    while len(set(subscripts)) < len(subscripts):
        j = next(k for k, c in enumerate(subscripts) if c in subscripts[:k])
        letter = subscripts[j]
        i = subscripts.index(letter)
        if not same_lengths(x.shape[i], x.shape[j]):
            raise ValueError(
                f"dimensions in single operand for collapsing index {letter!r} don't match "
                f"({x.shape[i]} != {x.shape[j]})"
            )
        x = st.diagonal(x, offset_axes=(0, i, j), writeable=True)
        subscripts = subscripts[:i] + subscripts[i + 1 : j] + subscripts[j + 1 :] + letter
    if subscripts == output:
        return x[...]
    return st.permute(x, axes=tuple(subscripts.index(c) for c in output))


@implements(np.einsum_path)
def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """``np.einsum_path``: a constant."""
    operands = tuple(np.broadcast_to(0.0, x.shape) if is_staged(x) else x for x in operands)
    return np.einsum_path(*plain(operands), optimize=optimize, einsum_call=einsum_call)  # type: ignore[call-overload]
