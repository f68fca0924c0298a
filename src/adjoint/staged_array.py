"""`StagedArray`: the staged value as a NumPy user sees it.

It answers Python's operators, indexing and NumPy's protocols by recording, and shows the kind of
value that it stands for. What needs the value itself, which does not exist yet (``bool``, ``float``
outside of rewritten code, ``__array__``), raises `NeedsConstant`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from adjoint import dispatch
from adjoint.errors import TracingError
from adjoint.ir.types import StackType, Type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops.indexing import getitem
from adjoint.ops.plain import ufunc_op
from adjoint.ops.registry import Op
from adjoint.ops.structural import cast, copy, permute
from adjoint.staged.domains import power
from adjoint.staged.integers import Integer, NeedsConstant, compare
from adjoint.staged.stores import store
from adjoint.staged.values import Staged, emit

__all__ = ["StagedArray"]

_PLAIN = (bool, int, float, complex, np.generic, np.ndarray)


def _operand(y: Any) -> Any:
    """Return an operand that can be recorded, or NotImplemented."""
    if isinstance(y, (Staged, Integer, *_PLAIN)):
        return y
    if isinstance(y, (list, tuple)):
        return dispatch.from_nested(y)
    return NotImplemented


def _binary(op: Op, evaluate: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    return _reflected(lambda x, y: emit(op, (x, y), None, evaluate))


def _reflected(call: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """Return the methods of a binary operator, of the left and of the right operand."""

    def forward(x: Any, y: Any) -> Any:
        y = _operand(y)
        return y if y is NotImplemented else call(x, y)

    def reflected(x: Any, y: Any) -> Any:
        y = _operand(y)
        return y if y is NotImplemented else call(y, x)

    return forward, reflected


_add = _binary(ew.add, operator.add)[0]


def _sum(x: Any, y: Any) -> Any:
    if isinstance(x._value.type, StackType):  # a cotangent of what a loop keeps
        return emit(control.add_stacks, (x, y))
    return _add(x, y)


def _unary(op: Op, evaluate: Callable[[Any], Any]) -> Any:
    return lambda x: emit(op, (x,), None, evaluate)


def _in_place(evaluate: Callable[[Any, Any], Any]) -> Any:
    def method(x: StagedArray, y: Any) -> Any:
        result = evaluate(x, y)
        type = x.type
        if not isinstance(type, Type) or type.kind != "array" or result is NotImplemented:
            return result
        if not np.can_cast(result.dtype, type.dtype, "same_kind"):
            raise TypeError(
                f"Cannot cast the result from {result.dtype!r} to {type.dtype!r} with casting rule "
                "'same_kind'"
            )
        store(x, (), result)
        return x

    return method


def _comparison(symbol: str) -> Any:
    def method(x: Any, y: Any) -> Any:
        y = _operand(y)
        return y if y is NotImplemented else compare(symbol, x, y)

    return method


def _method(fn: Any) -> Callable[..., Any]:
    """Return the method that is NumPy's function of the same name."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return dispatch.call_function(fn, (self, *args), kwargs)

    return method


class StagedArray(Staged):
    """A number or array of a program that is being staged."""

    __slots__ = ()

    # -- what it is ----------------------------------------------------------------------------

    @property
    def __class__(self) -> type:
        type = self._value.type
        if not isinstance(type, Type):
            return StagedArray
        if type.kind == "array":
            return np.ndarray
        if type.kind == "scalar":
            return type.dtype.type
        return {"b": bool, "i": int, "f": float, "c": complex}[type.dtype.kind]

    @property
    def size(self) -> Any:
        size: Any = 1
        for n in self.shape:
            size = size * n
        return size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Any:
        return self.size * self.itemsize

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def mT(self) -> Any:
        return dispatch.call_function(np.matrix_transpose, (self,), {})

    @property
    def real(self) -> Any:
        return ew.real(self) if self.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        store(self, (("real", None),), value)

    @property
    def imag(self) -> Any:
        return ew.imag(self) if self.dtype.kind == "c" else np.zeros_like(self)

    @imag.setter
    def imag(self, value: Any) -> None:
        store(self, (("imag", None),), value)

    @property
    def flat(self) -> Any:
        return self.ravel()

    @flat.setter
    def flat(self, value: Any) -> None:
        self.ravel()[:] = value

    # -- arithmetic ----------------------------------------------------------------------------

    __add__, __radd__ = _sum, _binary(ew.add, operator.add)[1]
    __sub__, __rsub__ = _binary(ew.subtract, operator.sub)
    __mul__, __rmul__ = _binary(ew.multiply, operator.mul)
    __truediv__, __rtruediv__ = _binary(ew.divide, operator.truediv)
    __floordiv__, __rfloordiv__ = _binary(ew.floor_divide, operator.floordiv)
    __mod__, __rmod__ = _binary(ew.remainder, operator.mod)
    __matmul__, __rmatmul__ = _binary(la.matmul, operator.matmul)
    _pow, __rpow__ = _reflected(power)
    __and__, __rand__ = _binary(ufunc_op(np.bitwise_and), operator.and_)
    __or__, __ror__ = _binary(ufunc_op(np.bitwise_or), operator.or_)
    __xor__, __rxor__ = _binary(ufunc_op(np.bitwise_xor), operator.xor)
    __lshift__, __rlshift__ = _binary(ufunc_op(np.left_shift), operator.lshift)
    __rshift__, __rrshift__ = _binary(ufunc_op(np.right_shift), operator.rshift)
    __neg__ = _unary(ew.negative, operator.neg)
    __abs__ = _unary(ew.absolute, abs)
    __invert__ = _unary(ufunc_op(np.invert), operator.invert)

    def __pow__(self, y: Any, modulo: Any = None) -> Any:
        return NotImplemented if modulo is not None else self._pow(y)

    def __pos__(self) -> Any:
        return self

    def __divmod__(self, y: Any) -> tuple[Any, Any]:
        return self // y, self % y

    def __rdivmod__(self, y: Any) -> tuple[Any, Any]:
        return y // self, y % self

    __iadd__ = _in_place(operator.add)
    __isub__ = _in_place(operator.sub)
    __imul__ = _in_place(operator.mul)
    __itruediv__ = _in_place(operator.truediv)
    __ifloordiv__ = _in_place(operator.floordiv)
    __imod__ = _in_place(operator.mod)
    __ipow__ = _in_place(operator.pow)
    __imatmul__ = _in_place(operator.matmul)
    __iand__ = _in_place(operator.and_)
    __ior__ = _in_place(operator.or_)
    __ixor__ = _in_place(operator.xor)

    __lt__ = _comparison("<")
    __le__ = _comparison("<=")
    __gt__ = _comparison(">")
    __ge__ = _comparison(">=")
    __eq__ = _comparison("==")
    __ne__ = _comparison("!=")

    def __hash__(self) -> int:
        if self.__class__ is np.ndarray:
            return hash(np.empty(0))  # NumPy's TypeError
        return self._needed("its hash (as a key of a dictionary or member of a set)")

    # -- Python's conversions ------------------------------------------------------------------

    def _needed(self, what: str) -> NoReturn:
        raise NeedsConstant(
            f"Python needs {what}, but the value ({self._value.type}) is not known when the "
            "function is staged",
            self,
        )

    def __bool__(self) -> bool:
        return self._needed("a truth value")

    def __int__(self) -> int:
        return self._needed("int()")

    def __index__(self) -> int:
        return self._needed("a constant integer (an axis, a list index, a repetition)")

    def __float__(self) -> float:
        return self._needed("float()")

    def __complex__(self) -> complex:
        return self._needed("complex()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._needed("an ordinary array (np.asarray, or C code that needs numbers)")

    def __len__(self) -> int:
        n = self._length()
        return operator.index(n)

    def _length(self) -> Any:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        n = self._length() if self.ndim else 0
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(operator.index(n)))

    def __contains__(self, item: Any) -> bool:
        return self._needed("whether it contains something")

    def __repr__(self) -> str:
        return f"staged({self._value.type})"

    def __format__(self, spec: str) -> str:
        return self._needed("text")

    def __reduce__(self) -> NoReturn:
        raise TracingError("a staged value cannot be pickled")

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        memo[id(self)] = result = self.copy()
        return result

    # -- indexing ------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        return emit(getitem, (self,), {"index": _index(index)})

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, (list, tuple)):
            value = dispatch.from_nested(value)
        store(self, (("index", _index(index)),), value)

    # -- methods of ndarray --------------------------------------------------------------------

    def copy(self, order: str = "C") -> Any:
        return copy(self) if order == "C" else copy(self, order=order)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        dtype = np.dtype(dtype)
        if dtype.kind not in "biufc":
            raise TracingError(f"a staged value cannot be of dtype {dtype}")
        return cast(self, dtype=dtype)

    def item(self, *args: Any) -> Any:
        element = self[args[0] if len(args) == 1 else args] if args else self
        if element.ndim:
            element = dispatch.call_function(np.reshape, (element, ()), {})
        return dispatch.to_python_number(element)

    def tolist(self) -> Any:
        if self.ndim == 0:
            return dispatch.to_python_number(self)
        return [row.tolist() for row in self]

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        shape = shape[0] if len(shape) == 1 else shape
        return dispatch.call_function(np.reshape, (self, shape), {"order": order})

    def transpose(self, *axes: Any) -> Any:
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = axes[0] or ()
        n = self.ndim
        return permute(self, axes=tuple(a % n for a in axes) or tuple(reversed(range(n))))

    def ravel(self, order: str = "C") -> Any:
        return dispatch.call_function(np.ravel, (self,), {"order": order})

    def flatten(self, order: str = "C") -> Any:
        return self.ravel(order).copy()

    def view(self, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            raise TracingError(
                "x.view(...) reinterprets the bytes of an array; use x.astype, or x.real and x.imag"
            )
        return self[...]

    def fill(self, value: Any) -> None:
        self[...] = value

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None) -> None:
        self[...] = dispatch.call_function(np.sort, (self,), {"axis": axis})

    def conj(self) -> Any:
        return ew.conjugate(self) if self.dtype.kind == "c" else self

    conjugate = conj

    # -- NumPy's protocols ---------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return dispatch.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return dispatch.call_function(func, args, kwargs)


for _name in (
    "sum", "prod", "mean", "var", "std", "max", "min", "ptp", "cumsum", "cumprod", "dot", "trace",
    "diagonal", "squeeze", "swapaxes", "repeat", "take", "clip", "round", "compress", "choose",
    "put", "argsort", "argmax", "argmin", "any", "all", "nonzero", "searchsorted",
):  # fmt: skip
    setattr(StagedArray, _name, _method(getattr(np, _name)))


def _index(index: Any) -> Any:
    """Return an index with lists made arrays."""
    if type(index) is list:
        return dispatch.from_nested(index) if index else np.zeros(0, int)
    if type(index) is tuple:
        return tuple(_index(i) if type(i) is list else i for i in index)
    return index
