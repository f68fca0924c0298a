"""Where Python's own functions of real numbers are undefined: checks when the program runs.

NumPy's functions answer NaN there. Those of `math` raise an error, and ``**`` of Python's floats
raises one or gives a complex number, which a value of the graph that is a float cannot be. The
check is an operation through which the result goes, and through which its derivatives go
(`adjoint.rules.checks`): where nobody needs either, nothing is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ir.dims import Dim, difference, known_sign
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.plain import ufunc_op
from adjoint.staged.values import Staged, emit, value_of

__all__ = ["both", "equal", "less", "less_equal", "power", "powered", "refused"]


def refused(y: Any, condition: Any, error: Callable[..., Exception], *args: Any) -> Any:
    """Return ``y``; when the program runs and the condition holds, raise ``error(*args)``."""
    if condition is False:
        return y
    return emit(control.unless, (y, condition), {"error": error, "args": args})


# -- conditions of numbers, plain where they are known ---------------------------------------------


def _comparison(ufunc: np.ufunc, compare: Callable[[Any, Any], Any], *signs: str) -> Any:
    def call(x: Any, y: Any) -> Any:
        if not isinstance(x, (Staged, Dim)) and not isinstance(y, (Staged, Dim)):
            return compare(x, y)
        if all(type(n) is int or isinstance(n, Dim) for n in (x, y)):
            sign = known_sign(difference(x, y))
            if sign in signs:  # those in which it does not hold
                return False
        return emit(ufunc_op(ufunc), (x, y), None, compare)

    return call


less = _comparison(np.less, operator.lt, ">0", ">=0", "==0")
less_equal = _comparison(np.less_equal, operator.le, ">0")
equal = _comparison(np.equal, operator.eq, ">0", "<0")


def both(a: Any, b: Any) -> Any:
    """Return whether two conditions hold."""
    return _joined(np.bitwise_and, operator.and_, True, a, b)


def _either(a: Any, b: Any) -> Any:
    return _joined(np.bitwise_or, operator.or_, False, a, b)


def _joined(ufunc: np.ufunc, fn: Callable[[Any, Any], Any], neutral: bool, a: Any, b: Any) -> Any:
    for x, other in ((a, b), (b, a)):
        if not isinstance(x, Staged):
            return other if x is neutral else x
    return emit(ufunc_op(ufunc), (a, b), None, fn)


# -- powers ----------------------------------------------------------------------------------------


def power(x: Any, y: Any) -> Any:
    """``x ** y``."""
    kinds = [_kind(x), _kind(y)]
    if kinds == ["i", "i"] and type(y) is int and y < 0:
        x = emit(ew.multiply, (x, 1.0), None, operator.mul)  # Python's answer is a float
        kinds = ["f", "i"]
    result = emit(ew.power, (x, y), None, operator.pow)
    return powered(x, y, result, power_error) if kinds in _REAL else result


def powered(x: Any, y: Any, result: Any, error: Callable[..., Exception]) -> Any:
    """Return ``result``, the power of real numbers of Python's; refuse where it is none."""
    if isinstance(y, (Staged, Dim)):
        fraction = False
        if not isinstance(y, Dim):
            whole = emit(ufunc_op(np.floor), (y,), None, float)
            fraction = emit(ufunc_op(np.not_equal), (y, whole), None, operator.ne)
        wrong = _either(both(less(x, 0), fraction), both(equal(x, 0), less(y, 0)))
    elif y % 1:
        wrong = less(x, 0) if y > 0 else less_equal(x, 0)
    else:
        wrong = False if y >= 0 else equal(x, 0)
    return refused(result, wrong, error, x, y)


def power_error(x: Any, y: Any) -> Exception:
    """Return the error of a power of Python's floats that is no real number."""
    if np.any(np.less(x, 0)):
        return ValueError(
            f"{x!r} ** {y!r} is a complex number in Python, and a float in a staged program: "
            "write (x + 0j) ** y for the complex number, np.power(x, y) for NaN"
        )
    return ZeroDivisionError("0.0 cannot be raised to a negative power")


_REAL = [["f", "f"], ["f", "i"], ["i", "f"]]


def _kind(x: Any) -> str | None:
    """Return whether a number is an int or a float of Python's."""
    if isinstance(x, Staged):
        type_ = value_of(x).type
        is_python = isinstance(type_, Type) and type_.kind == "python"
        return type_.dtype.kind if is_python else None
    if isinstance(x, Dim):
        return "i"
    return {bool: "i", int: "i", float: "f"}.get(type(x))
