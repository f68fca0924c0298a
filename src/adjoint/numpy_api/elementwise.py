"""Elementwise functions of NumPy that are no ufuncs: parts of complex numbers, sinc, i0, unwrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import from_nested, is_staged, is_weak, plain, without_derivative
from adjoint.errors import TracingError
from adjoint.numpy_api.constants import register_constant
from adjoint.numpy_api.ufuncs import is_complex
from adjoint.ops import elementwise as ew
from adjoint.ops.registry import implements
from adjoint.ops.structural import broadcast_to

__all__ = ["angle", "unwrap"]

register_constant(np.round, np.around, np.fix)


def _array(x: Any) -> Any:
    return from_nested(x) if isinstance(x, (list, tuple)) else x


@implements(np.real)
def real(val: Any) -> Any:
    """``np.real``."""
    return _array(val).real


@implements(np.imag)
def imag(val: Any) -> Any:
    """``np.imag``."""
    return _array(val).imag


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """``np.angle``; 0 at 0, with derivative 0."""
    z = _array(z)
    if not is_complex(z):
        return np.angle(plain(z), deg)
    result = ew.arctan2(ew.imag(z), ew.real(z))
    return result * (180 / np.pi) if deg else result


@implements(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """``np.real_if_close``: which it is, is decided by the values."""
    a = _array(a)
    if is_staged(a):
        raise TracingError(
            "np.real_if_close: whether the result is complex depends on numbers that are not known "
            "when the function is staged; use x.real, or keep it complex"
        )
    return a if np.iscomplexobj(np.real_if_close(plain(a), tol)) else a.real


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """``np.sinc``."""
    return ew.sinc(_array(x), order=0)


@implements(np.i0)
def i0(x: Any) -> Any:
    """``np.i0``."""
    return ew.bessel_i(_array(x), order=0)


_unwrap = without_derivative(np.unwrap)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """``np.unwrap``: adds constant multiples of the period."""
    p = _array(p)
    value, one = plain(p), plain(period)
    turns = np.rint((_unwrap(value, discont, axis, period=one) - value) / one)
    return p + turns.astype(value.dtype) * period


# -- np.emath: complex where the real function is undefined ----------------------------------------


def _complex_if(test: Callable[[Any], Any], x: Any) -> Any:
    x = _array(x)
    value = plain(x)
    if is_weak(value):  # np.emath makes arrays of Python numbers
        x = broadcast_to(x, shape=())
    if is_staged(x) and x.dtype.kind != "c" and test is not _never:
        raise TracingError(
            "the functions of np.emath give complex numbers for some real ones and real numbers "
            "for others; which they are is not known when the function is staged. Use NumPy's "
            "function of the same name, of x + 0j if the result is to be complex."
        )
    return x + 0j if not np.iscomplexobj(value) and np.any(test(value)) else x


def _negative(x: Any) -> Any:
    return np.less(x, 0)


def _never(x: Any) -> Any:
    return False


def _outside(x: Any) -> Any:
    return np.greater(np.abs(x), 1)


def _emath(fn: Any, ufunc: Any, test: Callable[[Any], Any]) -> None:
    implements(fn)(lambda x: ufunc(_complex_if(test, x)))


_emath(np.emath.sqrt, np.sqrt, _negative)
_emath(np.emath.log, np.log, _negative)
_emath(np.emath.log2, np.log2, _negative)
_emath(np.emath.log10, np.log10, _negative)
_emath(np.emath.arccos, np.arccos, _outside)
_emath(np.emath.arcsin, np.arcsin, _outside)
_emath(np.emath.arctanh, np.arctanh, _outside)


@implements(np.emath.logn)
def logn(n: Any, x: Any) -> Any:
    """``np.emath.logn``."""
    return np.log(_complex_if(_negative, x)) / np.log(_complex_if(_negative, n))


@implements(np.emath.power)
def power(x: Any, p: Any) -> Any:
    """``np.emath.power``."""
    return np.power(_complex_if(_negative, x), _complex_if(_never, p))
