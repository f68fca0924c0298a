"""Python integers of a staged program: lengths, loop indices, integer arguments.

An `Integer` is a linear expression of integer values of the graph, so that the slice ``x[:n - 1]``
of an array of n elements is known to have n - 1. What is not linear is recorded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from adjoint.ir.dims import Dim, known_sign
from adjoint.ir.graph import Value
from adjoint.ops import elementwise as ew
from adjoint.ops.plain import ufunc_op
from adjoint.ops.registry import Op
from adjoint.ops.structural import cast
from adjoint.staged.domains import power
from adjoint.staged.failures import NeedsConstant
from adjoint.staged.values import Staged, emit

__all__ = ["Integer", "NeedsConstant", "compare"]


class Integer(Dim):
    """A Python ``int`` of a staged program."""

    __slots__ = ()

    def __init__(self, constant: int, terms: tuple[tuple[Value, int], ...]) -> None:
        super().__init__(constant, terms)

    # -- what it is ----------------------------------------------------------------------------

    @property
    def __class__(self) -> type:
        return int

    shape = ()
    ndim = 0
    dtype = np.dtype(np.int64)

    @property
    def real(self) -> Integer:
        return self

    @property
    def imag(self) -> int:
        return 0

    def copy(self) -> Integer:
        return self

    def conjugate(self) -> Integer:
        return self

    def _record(self, op: Op, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        return emit(op, args, params)

    # -- arithmetic ----------------------------------------------------------------------------

    def __add__(self, y: Any) -> Any:
        if type(y) is int:
            return combined(self, 1, y, ())
        if type(y) is Integer:
            return combined(self, 1, y.constant, y.terms)
        return _operator(ew.add, operator.add, self, y)

    def __radd__(self, y: Any) -> Any:
        return self + y if type(y) is int else _operator(ew.add, operator.add, y, self)

    def __sub__(self, y: Any) -> Any:
        if type(y) is int:
            return combined(self, 1, -y, ())
        if type(y) is Integer:
            return combined(self, 1, -y.constant, tuple((v, -c) for v, c in y.terms))
        return _operator(ew.subtract, operator.sub, self, y)

    def __rsub__(self, y: Any) -> Any:
        if type(y) is int:
            return combined(self, -1, y, ())
        return _operator(ew.subtract, operator.sub, y, self)

    def __mul__(self, y: Any) -> Any:
        if type(y) is int:
            return combined(self, y, 0, ())
        if isinstance(y, (list, tuple, str)):
            return y * operator.index(self)
        return _operator(ew.multiply, operator.mul, self, y)

    def __rmul__(self, y: Any) -> Any:
        return self * y if type(y) is int else _operator(ew.multiply, operator.mul, y, self)

    def __pow__(self, y: Any, modulo: Any = None) -> Any:
        return power(self, y) if modulo is None and _is_number(y) else NotImplemented

    def __rpow__(self, y: Any) -> Any:
        return power(y, self) if _is_number(y) else NotImplemented

    def __neg__(self) -> Any:
        return combined(self, -1, 0, ())

    def __pos__(self) -> Any:
        return self

    def __invert__(self) -> Any:
        return -self - 1

    def __abs__(self) -> Any:
        return _operator(ew.absolute, abs, self)

    def __divmod__(self, y: Any) -> tuple[Any, Any]:
        return self // y, self % y

    def __rdivmod__(self, y: Any) -> tuple[Any, Any]:
        return y // self, y % self

    def __bool__(self) -> bool:
        known = _truth(self)
        if known is None:
            return _needed(self, "its truth value")
        return known

    def __index__(self) -> int:
        return _needed(self, "a constant integer (an axis, a list index, a repetition)")

    def __int__(self) -> int:
        return _needed(self, "int()")

    def __float__(self) -> float:
        return _needed(self, "float()")

    def __hash__(self) -> int:
        return Dim.__hash__(self)

    def __repr__(self) -> str:
        return f"staged int({Dim.__str__(self)})"

    def __format__(self, spec: str) -> str:
        return Dim.__str__(self)

    def bit_length(self) -> int:
        return _needed(self, "bit_length()")

    def item(self) -> Integer:
        return self

    def astype(self, dtype: Any) -> Any:
        return emit(cast, (self,), {"dtype": np.dtype(dtype)})

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return Staged._class.__array_ufunc__(self, ufunc, method, *inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return Staged._class.__array_function__(self, func, types, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return _needed(self, "an ordinary array")


def _needed(x: Any, what: str) -> NoReturn:
    raise NeedsConstant(f"Python needs {what} of the staged integer {Dim.__str__(x)}", x)


def _truth(x: Integer) -> bool | None:
    """Return whether an integer is known to be nonzero, or zero."""
    sign = known_sign(x)
    if sign in (">0", "<0"):
        return True
    return False if sign == "==0" else None


def combined(x: Dim, times: int, constant: int, terms: tuple[tuple[Value, int], ...]) -> Any:
    """Return times · x + constant + terms; a plain int if nothing of the graph is left."""
    sums = {value: times * c for value, c in x.terms}
    for value, c in terms:
        sums[value] = sums.get(value, 0) + c
    left = tuple((v, c) for v, c in sums.items() if c)
    total = times * x.constant + constant
    return Integer(total, left) if left else total


def _operator(op: Op, evaluate: Callable[..., Any], *args: Any) -> Any:
    return emit(op, args, None, evaluate) if all(map(_is_number, args)) else NotImplemented


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, complex, np.generic, np.ndarray, Staged, Dim))


def _binary(op: Op, evaluate: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    def forward(x: Any, y: Any) -> Any:
        return _operator(op, evaluate, x, y)

    def reflected(x: Any, y: Any) -> Any:
        return _operator(op, evaluate, y, x)

    return forward, reflected


for _name, _op, _evaluate in (
    ("truediv", ew.divide, operator.truediv),
    ("floordiv", ew.floor_divide, operator.floordiv),
    ("mod", ew.remainder, operator.mod),
    ("and", ufunc_op(np.bitwise_and), operator.and_),
    ("or", ufunc_op(np.bitwise_or), operator.or_),
    ("xor", ufunc_op(np.bitwise_xor), operator.xor),
    ("lshift", ufunc_op(np.left_shift), operator.lshift),
    ("rshift", ufunc_op(np.right_shift), operator.rshift),
):
    _forward, _reflected = _binary(_op, _evaluate)
    setattr(Integer, f"__{_name}__", _forward)
    setattr(Integer, f"__r{_name}__", _reflected)


# -- comparisons -----------------------------------------------------------------------------------

_COMPARISONS: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "<": (np.less, operator.lt),
    "<=": (np.less_equal, operator.le),
    ">": (np.greater, operator.gt),
    ">=": (np.greater_equal, operator.ge),
    "==": (np.equal, operator.eq),
    "!=": (np.not_equal, operator.ne),
}

# What the sign of x − y says.
_DECIDED: dict[str, dict[str, bool]] = {
    "<": {"<0": True, ">=0": False, ">0": False, "==0": False},
    "<=": {"<0": True, "<=0": True, "==0": True, ">0": False},
    ">": {">0": True, "<=0": False, "<0": False, "==0": False},
    ">=": {">0": True, ">=0": True, "==0": True, "<0": False},
    "==": {"==0": True, "<0": False, ">0": False},
    "!=": {"==0": False, "<0": True, ">0": True},
}


def compare(symbol: str, x: Any, y: Any) -> Any:
    """Return ``x < y`` and so on of numbers of which one is staged; plain where it is known."""
    if type(x) in (int, Integer) and type(y) in (int, Integer):
        difference = x - y
        if type(difference) is int:
            return _COMPARISONS[symbol][1](difference, 0)
        known = _DECIDED[symbol].get(known_sign(difference) or "")
        if known is not None:
            return known
    ufunc, evaluate = _COMPARISONS[symbol]
    return _operator(ufunc_op(ufunc), evaluate, x, y)


def _comparison(symbol: str) -> Callable[[Any, Any], Any]:
    def method(x: Any, y: Any) -> Any:
        return compare(symbol, x, y)

    return method


for _symbol, _name in (("<", "lt"), ("<=", "le"), (">", "gt"), (">=", "ge")):
    setattr(Integer, f"__{_name}__", _comparison(_symbol))


def _materialise(dim: Dim) -> Value:
    """Record a linear expression."""
    total: Any = None
    for value, c in dim.terms:
        term: Any = value
        if c != 1:
            term = _emit_integer(ew.multiply, operator.mul, value, c)
        total = term if total is None else _emit_integer(ew.add, operator.add, total, term)
    if dim.constant:
        total = _emit_integer(ew.add, operator.add, total, dim.constant)
    return total


def _emit_integer(op: Op, evaluate: Any, x: Any, y: Any) -> Value:
    result = emit(op, (x, y), None, evaluate)
    return result.terms[0][0]


def _integer(value: Value) -> Integer:
    return Integer(0, ((value, 1),))


Staged._integer = staticmethod(_integer)
Staged._materialise = staticmethod(_materialise)
Staged._as_integer = staticmethod(lambda dim: Integer(dim.constant, dim.terms))
