"""`Array`: the traced value as a NumPy user sees it.

It answers Python's operators, indexing and NumPy's protocols, and shows the kind of value that it
stands for: ``isinstance(x, np.ndarray)`` and ``isinstance(x, float)`` are answered as for the value
itself. What would drop a derivative silently (``__array__``, ``__float__`` outside rewritten code)
raises instead.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from adjoint import dispatch
from adjoint.dispatch import is_active
from adjoint.eager import spectral
from adjoint.eager.borrowed import release_plain
from adjoint.eager.recorded import Recorded, binary, part_of, raw, record, unary
from adjoint.eager.stores import add_in_place, replace, store
from adjoint.errors import TracingError
from adjoint.frontend import hooks
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops.indexing import Path, getitem, is_basic
from adjoint.ops.registry import UFUNCS, Op
from adjoint.ops.structural import cast, copy, permute
from adjoint.places import library_function, users_frame
from adjoint.rules import table as _table  # noqa: F401  (gives the operations their rules)
from adjoint.tree import leaf_types

__all__ = ["Array", "constants", "is_active"]


def constants(index: Any) -> Any:
    """Return an index with traced entries replaced by their ordinary values."""
    if isinstance(index, Recorded):
        return raw(index)
    if type(index) is tuple and any(isinstance(i, Recorded) for i in index):
        return tuple(raw(i) for i in index)
    if type(index) is list:
        return np.asarray([raw(i) for i in index]) if index else np.zeros(0, int)
    return index


def _compare(op: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(x: Array, y: Any) -> Any:
        return op(raw(x), raw(y))

    return method


def _in_place(op: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(x: Array, y: Any) -> Any:
        return replace(x, op(x, y))

    return method


def _function(fn: Any) -> Callable[..., Any]:
    """Return the method that is NumPy's function of the same name."""

    def method(self: Array, *args: Any, **kwargs: Any) -> Any:
        return dispatch.call_function(fn, (self, *args), kwargs)

    return method


class Array(Recorded):
    """A number or array that records what is computed with it.

    Users do not make these: transformations pass them to the user's function, and give ordinary
    NumPy arrays back.
    """

    __slots__ = ()

    # -- what it is ----------------------------------------------------------------------------

    @property
    def __class__(self) -> type:
        """The class of the value: code that asks takes the branch that it takes without us."""
        return type(raw(self))

    @property
    def shape(self) -> tuple[int, ...]:
        value = raw(self)
        return value.shape if hasattr(value, "shape") else _no_attribute(value, "shape")

    @property
    def dtype(self) -> np.dtype:
        value = raw(self)
        return value.dtype if hasattr(value, "dtype") else _no_attribute(value, "dtype")

    @property
    def ndim(self) -> int:
        return np.ndim(raw(self))

    @property
    def size(self) -> int:
        return np.size(raw(self))

    @property
    def itemsize(self) -> int:
        return raw(self).itemsize

    @property
    def nbytes(self) -> int:
        return raw(self).nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        return raw(self).strides

    @property
    def flags(self) -> Any:
        return raw(self).flags

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def mT(self) -> Any:
        return dispatch.call_function(np.matrix_transpose, (self,), {})

    @property
    def flat(self) -> Flat:
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        Flat(self)[:] = value

    @property
    def real(self) -> Any:
        return ew.real(self) if np.iscomplexobj(raw(self)) else self

    @real.setter
    def real(self, value: Any) -> None:
        store(self, (("real", None),), value)

    @property
    def imag(self) -> Any:
        return ew.imag(self) if np.iscomplexobj(raw(self)) else np.zeros_like(raw(self))

    @imag.setter
    def imag(self, value: Any) -> None:
        store(self, (("imag", None),), value)

    # -- arithmetic ----------------------------------------------------------------------------

    __add__, __radd__ = binary(ew.add, operator.add)
    __sub__, __rsub__ = binary(ew.subtract, operator.sub)
    __mul__, __rmul__ = binary(ew.multiply, operator.mul)
    __truediv__, __rtruediv__ = binary(ew.divide, operator.truediv)
    __floordiv__, __rfloordiv__ = binary(ew.floor_divide, operator.floordiv)
    __mod__, __rmod__ = binary(ew.remainder, operator.mod)
    _matmul, __rmatmul__ = binary(la.matmul, operator.matmul)
    _pow, __rpow__ = binary(ew.power, operator.pow)
    __neg__ = unary(ew.negative, operator.neg)
    __abs__ = unary(ew.absolute, abs)

    def __matmul__(self, y: Any) -> Any:
        if spectral.seen:
            result = spectral.product(self, y)
            if result is not None:
                return result
        return self._matmul(y)

    def __pow__(self, y: Any, modulo: Any = None) -> Any:
        if modulo is not None:
            return pow(raw(self), raw(y), raw(modulo))  # Python's TypeError
        return self._pow(y)

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

    __lt__ = _compare(operator.lt)
    __le__ = _compare(operator.le)
    __gt__ = _compare(operator.gt)
    __ge__ = _compare(operator.ge)
    __eq__ = _compare(operator.eq)
    __ne__ = _compare(operator.ne)

    def __hash__(self) -> int:
        return hash(raw(self))  # an array is unhashable, and says so itself

    # -- Python's conversions ------------------------------------------------------------------

    def __bool__(self) -> bool:
        return bool(raw(self))

    def __int__(self) -> int:
        return int(raw(self))

    def __index__(self) -> int:
        return operator.index(raw(self))

    def __round__(self, digits: int | None = None) -> Any:
        return round(raw(self)) if digits is None else round(raw(self), digits)

    def __trunc__(self) -> int:
        return raw(self).__trunc__()

    def __floor__(self) -> int:
        return raw(self).__floor__()

    def __ceil__(self) -> int:
        return raw(self).__ceil__()

    def __float__(self) -> float:
        if is_active(self):
            _lost("float()")
        return float(raw(self))

    def __complex__(self) -> complex:
        if is_active(self):
            _lost("complex()")
        return complex(raw(self))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if is_active(self):
            _lost("conversion to an ordinary array (np.asarray, or C code that needs numbers)")
        return np.array(raw(self), dtype=dtype)

    def __len__(self) -> int:
        return len(raw(self))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, item: Any) -> bool:
        return raw(item) in raw(self)

    def __repr__(self) -> str:
        kind = "traced" if is_active(self) else "constant"
        return f"{kind}({raw(self)!r})"

    def __str__(self) -> str:
        return str(raw(self))

    def __format__(self, spec: str) -> str:
        return format(raw(self), spec)

    def __reduce__(self) -> NoReturn:
        _lost("pickling")

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        memo[id(self)] = result = self.copy()
        return result

    # -- indexing ------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        if is_basic(index):
            part = part_of(self, index)
            if part is not None:
                return part
        return record(getitem, (self,), {"index": constants(index)})

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(value, Recorded) and isinstance(value, (list, tuple)):
            value = dispatch.from_nested(value)
        store(self, (("index", constants(index)),), value)

    def _overwrite(self, path: Path, value: Any) -> None:
        store(self, path, value)

    def _add_at(self, path: Path, value: Any) -> None:
        add_in_place(self, path, value)

    # -- methods of ndarray --------------------------------------------------------------------

    def copy(self, order: str = "C") -> Any:
        return copy(self) if order == "C" else copy(self, order=order)

    def __dlpack__(self, **kwargs: Any) -> Any:
        if is_active(self):
            _lost("DLPack exchange")
        return raw(self).__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return raw(self).__dlpack_device__()

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return np

    @property
    def device(self) -> str:
        return "cpu"

    def astype(self, dtype: Any, *args: Any, copy: bool = True, **kwargs: Any) -> Any:
        dtype = np.dtype(dtype)
        if dtype.kind in "OV" and is_active(self):
            _lost(f"conversion to an array of dtype {dtype}")
        if dtype.kind not in "fc":
            return raw(self).astype(dtype)
        return cast(self, dtype=dtype)

    def item(self, *args: Any) -> Any:
        element = self[args[0] if len(args) == 1 else args] if args else self
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
                "x.view(...) reinterprets the bytes of a traced array; use x.astype, or x.real and "
                "x.imag"
            )
        return self[...]

    def fill(self, value: Any) -> None:
        self[...] = value

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None) -> None:
        self[...] = dispatch.call_function(np.sort, (self,), {"axis": axis})

    def argsort(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return raw(self).argsort(*args, **kwargs)

    def argmax(self, *args: Any, **kwargs: Any) -> Any:
        return raw(self).argmax(*args, **kwargs)

    def argmin(self, *args: Any, **kwargs: Any) -> Any:
        return raw(self).argmin(*args, **kwargs)

    def nonzero(self) -> tuple[np.ndarray, ...]:
        return raw(self).nonzero()

    def any(self, *args: Any, **kwargs: Any) -> Any:
        return raw(self).any(*args, **kwargs)

    def all(self, *args: Any, **kwargs: Any) -> Any:
        return raw(self).all(*args, **kwargs)

    def is_integer(self) -> bool:
        return raw(self).is_integer()

    def conj(self) -> Any:
        return ew.conjugate(self) if np.iscomplexobj(raw(self)) else self

    conjugate = conj

    sum = _function(np.sum)
    prod = _function(np.prod)
    mean = _function(np.mean)
    var = _function(np.var)
    std = _function(np.std)
    max = _function(np.max)
    min = _function(np.min)
    ptp = _function(np.ptp)
    cumsum = _function(np.cumsum)
    cumprod = _function(np.cumprod)
    dot = _function(np.dot)
    trace = _function(np.trace)
    diagonal = _function(np.diagonal)
    squeeze = _function(np.squeeze)
    swapaxes = _function(np.swapaxes)
    repeat = _function(np.repeat)
    take = _function(np.take)
    clip = _function(np.clip)
    round = _function(np.round)
    compress = _function(np.compress)
    choose = _function(np.choose)
    put = _function(np.put)

    # -- NumPy's protocols ---------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if not kwargs and method == "__call__":
            apply = fast_ufunc(ufunc)
            if apply is not None:
                return apply(*inputs)
        return dispatch.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return dispatch.call_function(func, args, kwargs)


_fast: dict[Any, Callable[..., Any] | None] = {}


def fast_ufunc(ufunc: Any) -> Callable[..., Any] | None:
    """Return what applies a ufunc that is one operation to traced operands; None if it is not."""
    try:
        return _fast[ufunc]
    except KeyError:
        pass
    op = UFUNCS.get(ufunc)
    if op is None:
        return None  # it may yet be registered
    apply: Callable[..., Any] | None = None
    if isinstance(op, Op) and not (op.results or op.views or op.variadic):
        if len(op.operands) == 1:
            apply = unary(op, op.fn)
        elif len(op.operands) == 2:
            apply = _either(*binary(op, op.fn))
    _fast[ufunc] = apply
    return apply


def _either(forward: Callable, reflected: Callable) -> Callable[..., Any]:
    def apply(x: Any, y: Any) -> Any:
        return forward(x, y) if isinstance(x, Recorded) else reflected(y, x)

    return apply


class Flat:
    """``x.flat``: the elements in C order, to read and to store to, whatever the layout."""

    __slots__ = ("base",)

    def __init__(self, base: Array) -> None:
        self.base = base

    def _index(self, index: Any) -> tuple[tuple[Any, ...], Any]:
        positions = np.arange(self.base.size)[constants(index)]
        return np.unravel_index(positions, self.base.shape), positions

    def __getitem__(self, index: Any) -> Any:
        index, positions = self._index(index)
        return self.base[index if np.ndim(positions) else tuple(int(i) for i in index)]

    def __setitem__(self, index: Any, value: Any) -> None:
        index, positions = self._index(index)
        if np.ndim(positions) == 0:
            self.base[tuple(int(i) for i in index)] = value
        elif positions.size:
            # NumPy repeats the values as often as it takes.
            value = dispatch.call_function(np.ravel, (dispatch.from_nested(value),), {})
            self.base[index] = value[np.arange(positions.size) % value.shape[0]]

    def __len__(self) -> int:
        return self.base.size

    def __iter__(self) -> Iterator[Any]:
        return iter(self.base.ravel())

    def copy(self) -> Any:
        return self.base.flatten()


def _no_attribute(value: Any, name: str) -> NoReturn:
    raise AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}")


def _lost(what: str) -> NoReturn:
    frame = users_frame(sys._getframe(1))
    called = library_function(sys._getframe(1))
    where = f" in {called}" if called else ""
    where += f" (called at {frame.f_code.co_filename}:{frame.f_lineno})" if frame else ""
    name = frame.f_code.co_name if frame else ""
    if name.startswith("__") and name.endswith("__") and not called:
        method = frame.f_code.co_qualname if frame else name
        advice = (
            f"Python itself calls {method}, so adjoint cannot rewrite it: there, write np.sin(x) "
            "for math.sin(x), x for float(x), or move the line into a function that it calls."
        )
    else:
        advice = (
            "In functions whose source adjoint can read, float(x) and np.asarray(x) keep it; C "
            "code and functions without source cannot. If a constant is meant, use "
            "ad.stop_gradient(x); to differentiate through this code, give it a rule with "
            "@ad.custom_vjp or @ad.custom_jvp."
        )
    raise TracingError(f"{what}{where} would drop the derivative of a traced value. {advice}")


def _own(value: Any) -> Any:
    """Return a fresh plain array as one that records what is stored to it."""
    return Array(value, None, None, []) if value.dtype.kind in "fc" else value


hooks.configure(own=_own, is_traced=is_active, plain=dispatch.plain, before_store=release_plain)
leaf_types.add(Array)
