"""Ufuncs that are compositions or depend on the dtype, and the methods ``outer`` and ``at``."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.dispatch import any_active, from_nested, plain
from adjoint.eager.recorded import Recorded
from adjoint.errors import TracingError
from adjoint.numpy_api.constants import register_constant
from adjoint.ops import elementwise as ew
from adjoint.ops.registry import METHODS, UFUNCS
from adjoint.ops.structural import broadcast_to, cast, copy, reshape

__all__ = ["as_double"]

register_constant(
    np.spacing,
    # Of integers and booleans only: NumPy's own TypeError says so.
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift,
    np.gcd, np.lcm, np.isnat, np.bitwise_count,
)  # fmt: skip


def is_complex(x: Any) -> bool:
    """Tell whether a value, traced or not, is complex."""
    return np.iscomplexobj(plain(x))


def as_double(x: Any) -> Any:
    """Return ``x`` in double precision."""
    return cast(x, dtype=np.dtype(np.complex128 if is_complex(x) else np.float64))


def _positive(x: Any) -> Any:
    return copy(x)


def _float_power(x: Any, y: Any) -> Any:
    return ew.power(as_double(x), as_double(y))


def _fabs(x: Any) -> Any:
    return np.fabs(plain(x)) if is_complex(x) else ew.absolute(x)  # NumPy's TypeError


def _sign(x: Any) -> Any:
    return ew.complex_sign(x) if is_complex(x) else ew.sign(x)


def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    return ew.floor_divide(x, y), ew.remainder(x, y)


def _modf(x: Any) -> tuple[Any, Any]:
    return ew.fraction(x), np.modf(plain(x))[1]


def _frexp(x: Any) -> tuple[Any, Any]:
    exponent = np.frexp(plain(x))[1]
    return ew.ldexp(x, -exponent), exponent


def _ldexp(x: Any, exponent: Any) -> Any:
    return ew.ldexp(x, plain(exponent))


UFUNCS.update({
    np.positive: _positive,
    np.float_power: _float_power,
    np.fabs: _fabs,
    np.sign: _sign,
    np.divmod: _divmod,
    np.modf: _modf,
    np.frexp: _frexp,
    np.ldexp: _ldexp,
})  # fmt: skip


# -- methods ---------------------------------------------------------------------------------------


def _outer(ufunc: Any) -> Any:
    def outer(x: Any, y: Any, **kwargs: Any) -> Any:
        x, y = (from_nested(v) if isinstance(v, (list, tuple)) else v for v in (x, y))
        behind = np.ndim(plain(y))
        if behind and np.ndim(plain(x)):
            x = reshape(x, shape=np.shape(plain(x)) + (1,) * behind)
        return ufunc(x, y, **kwargs)

    return outer


def _at(ufunc: Any) -> Any:
    """Return ``ufunc.at``: an element that is named several times is changed several times."""

    def at(a: Any, indices: Any, *operand: Any) -> None:
        indices = plain(indices)
        if not isinstance(a, Recorded):
            if any_active(operand):
                raise TracingError(
                    f"np.{ufunc.__name__}.at was to change an ordinary array by a traced value, "
                    "which cannot keep its derivative. Make that array inside the function that is "
                    "differentiated, or pass it as an argument."
                )
            ufunc.at(a, indices, *plain(operand))
            return
        b = [from_nested(v) if isinstance(v, (list, tuple)) else v for v in operand]
        if ufunc in (np.add, np.subtract):
            (b,) = b
            a._add_at((("index", indices),), b if ufunc is np.add else -b)
            return
        shape = np.shape(plain(a))
        flat = np.arange(int(np.prod(shape))).reshape(shape)[indices]
        b = [broadcast_to(v, shape=flat.shape).reshape(-1) for v in b]
        flat = flat.reshape(-1)
        turn = _turns(flat)
        for k in range(int(turn.max(initial=-1)) + 1):
            now = turn == k
            where = np.unravel_index(flat[now], shape)
            a[where] = ufunc(a[where], *[v[now] for v in b])  # type: ignore[index]

    return at


def _turns(flat: np.ndarray) -> np.ndarray:
    """Return for each entry how many equal ones come before it."""
    order = np.argsort(flat, kind="stable")
    ranks = np.arange(flat.size)
    first = np.r_[True, flat[order][1:] != flat[order][:-1]][: flat.size]
    turn = np.empty(flat.size, int)
    turn[order] = ranks - np.maximum.accumulate(np.where(first, ranks, 0))
    return turn


for _ufunc in list(UFUNCS):
    if _ufunc.signature is None and _ufunc.nout == 1:
        if _ufunc.nin == 2:
            METHODS.setdefault((_ufunc, "outer"), _outer(_ufunc))
        METHODS.setdefault((_ufunc, "at"), _at(_ufunc))
METHODS[np.divmod, "outer"] = _outer(np.divmod)
