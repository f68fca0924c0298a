"""Shape, layout, type and assembly: operations that move numbers without computing any."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ir.dims import Dim
from adjoint.ops.registry import primitive

__all__ = [
    "broadcast_to",
    "cast",
    "concatenate",
    "copy",
    "diagonal",
    "matches",
    "may_be_stretched",
    "pad",
    "permute",
    "project",
    "project_result",
    "reduce_sum",
    "reshape",
    "stack",
    "sum_to",
    "unbroadcast",
]


def _permute(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.asarray(x).transpose(axes)


def _cast(x: Any, *, dtype: np.dtype) -> Any:
    return x.astype(dtype) if hasattr(x, "astype") else np.dtype(dtype).type(x)


def _copy(x: Any, *, order: Any = "C") -> Any:
    return x.copy(order) if isinstance(x, np.ndarray) else x


def _stack(*xs: Any, axis: int = 0) -> np.ndarray:
    for x in xs:
        if isinstance(x, np.ndarray):
            return np.stack(xs, axis)
    return np.array(xs)  # of numbers: the same, several times faster


def _concatenate(*xs: Any, axis: int = 0) -> np.ndarray:
    return np.concatenate(xs, axis)


def _diagonal(
    x: np.ndarray, *, offset_axes: tuple[int, int, int] = (0, 0, 1), writeable: bool = False
) -> np.ndarray:
    view = np.diagonal(x, *offset_axes)
    if writeable and x.flags.writeable:
        view.flags.writeable = True
    return view


def _pad(x: np.ndarray, *, width: Any, mode: str = "constant", odd: bool = False) -> np.ndarray:
    return np.pad(x, width, mode, **({"reflect_type": "odd"} if odd else {}))  # type: ignore[call-overload]


def _broadcast_to(x: Any, *, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(x, np.floating | np.complexfloating):
        # What np.broadcast_to returns, without the iterator that it makes.
        return np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
    return np.broadcast_to(x, shape)


def _reduce_sum(x: Any, *, axis: tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


reshape = primitive("reshape", lambda x, *, shape: np.reshape(x, shape), "x", views=True)
permute = primitive("permute", _permute, "x", views=True)
broadcast_to = primitive("broadcast_to", _broadcast_to, "x", views=True)
cast = primitive("cast", _cast, "x")
copy = primitive("copy", _copy, "x")
stack = primitive("stack", _stack, "*xs")
concatenate = primitive("concatenate", _concatenate, "*xs")
reduce_sum = primitive("reduce_sum", _reduce_sum, "x")

diagonal = primitive("diagonal", _diagonal, "x", views=True)
"""``np.diagonal(x, *offset_axes)``; ``writeable``: not the read-only view that NumPy gives."""

pad = primitive("pad", _pad, "x")
"""``np.pad`` in the modes in which it is linear in the array: constant (zero), edge, reflect,
symmetric (``odd``: about the edge value), wrap. ``width`` has a pair an axis."""

project_result = primitive("project", lambda x, *, k: x[k], "x")
"""Entry k of the tuple that an operation with several results defines."""


def matches(have: tuple[Any, ...], want: tuple[Any, ...]) -> bool:
    """Tell whether two shapes are equal, as far as is known when a program is staged.

    A length that is known at run time only is never stretched, and so never 1 beside another.
    """
    return len(have) == len(want) and all(
        n == m
        or (type(n) is not int and type(m) is not int)
        or (type(n) is not int and m != 1)
        or (type(m) is not int and n != 1)
        for n, m in zip(have, want, strict=True)
    )


def may_be_stretched(have: tuple[Any, ...], want: tuple[Any, ...]) -> bool:
    """Tell whether broadcasting may lead from ``want`` to ``have``, which `matches`, at run time.

    It may where a length is read from an array (``dim``), since only those are nowhere compared.
    """
    return any(
        n != m and (type(m) is not int or m == 1) and (_is_read(n) or _is_read(m))
        for n, m in zip(have, want, strict=True)
    )


def _is_read(n: Any) -> bool:
    return isinstance(n, Dim) and any(value.op.name == "dim" for value, _ in n.terms if value.op)


def unbroadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``x`` over the axes along which an array of ``shape`` was broadcast to it."""
    have = x.shape
    if have == shape:
        return x
    if matches(have, shape):
        return sum_to(x, shape=shape) if may_be_stretched(have, shape) else x
    lead = len(have) - len(shape)
    if lead < 0:  # a store drops leading axes of length one: a[0] = [[1, 2, 3]]
        x = reshape(x, shape=(1,) * -lead + tuple(have))
        return unbroadcast(x, shape)
    axes = (
        *range(lead),
        *(k + lead for k, n in enumerate(shape) if n == 1 and have[k + lead] != 1),
    )
    x = reduce_sum(x, axis=axes)
    return x if matches(x.shape, shape) else reshape(x, shape=shape)


def project(x: Any, dtype: np.dtype) -> Any:
    """Return a tangent or cotangent in the type of the value that it belongs to.

    A cotangent of a real value is real: with L real, dL = Re(ct dz).
    """
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real
    return x if x.dtype == dtype else cast(x, dtype=dtype)


sum_to = primitive("sum_to", lambda x, *, shape: unbroadcast(x, shape), "x", views=True)
"""`unbroadcast`, of lengths that show when the program runs."""
