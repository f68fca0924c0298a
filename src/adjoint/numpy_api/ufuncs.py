"""Ufuncs that are compositions or depend on the dtype, and the method ``outer``."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.dispatch import from_nested, plain, without_derivative
from adjoint.numpy_api.constants import register_constant
from adjoint.ops import elementwise as ew
from adjoint.ops.registry import METHODS, UFUNCS
from adjoint.ops.structural import cast, copy, reshape

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
    return np.fabs(0j) if is_complex(x) else ew.absolute(x)  # NumPy's TypeError


def _sign(x: Any) -> Any:
    return ew.complex_sign(x) if is_complex(x) else ew.sign(x)


def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    return ew.floor_divide(x, y), ew.remainder(x, y)


_whole, _exponent = without_derivative(np.modf), without_derivative(np.frexp)


def _modf(x: Any) -> tuple[Any, Any]:
    return ew.fraction(x), _whole(plain(x))[1]


def _frexp(x: Any) -> tuple[Any, Any]:
    exponent = _exponent(plain(x))[1]
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


for _ufunc in list(UFUNCS):
    if _ufunc.signature is None and _ufunc.nout == 1 and _ufunc.nin == 2:
        METHODS.setdefault((_ufunc, "outer"), _outer(_ufunc))
METHODS[np.divmod, "outer"] = _outer(np.divmod)
