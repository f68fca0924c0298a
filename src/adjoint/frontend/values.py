"""What rewritten code does with values: stores them, and adopts plain arrays.

The layer of arrays is above this one, so it hands its functions down with `configure`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy import ndarray

from adjoint.errors import TracingError


def _own(value: Any) -> Any:
    return value


def _is_traced(value: Any) -> bool:
    return False


def _store_refused(target: Any, index: Any, value: Any) -> None:
    where = "in place" if index is None else f"at index {index!r}"
    raise TracingError(
        f"a traced value was stored {where} in a plain NumPy array of shape {target.shape} and "
        f"dtype {target.dtype}, which cannot carry its derivative; create the array inside the "
        "differentiated function (np.zeros, np.empty, a.copy()), or pass it in as an argument"
    )


def _before_store(part: ndarray) -> None:
    pass


class _Layer:
    """The functions of the layer of arrays."""

    __slots__ = ("before_store", "is_traced", "own", "plain", "store_refused")

    def __init__(self) -> None:
        self.own: Callable[[Any], Any] = _own
        self.plain: Callable[[Any], Any] = _own
        self.is_traced: Callable[[Any], bool] = _is_traced
        self.store_refused: Callable[[Any, Any, Any], None] = _store_refused
        self.before_store: Callable[[ndarray], None] = _before_store


_layer = _Layer()


def configure(
    *,
    own: Callable[[Any], Any] | None = None,
    is_traced: Callable[[Any], bool] | None = None,
    plain: Callable[[Any], Any] | None = None,
    store_refused: Callable[[Any, Any, Any], None] | None = None,
    before_store: Callable[[ndarray], None] | None = None,
) -> dict[str, Callable[..., Any]]:
    """Set what the layer of arrays provides; what is not given stays as it is.

    Parameters
    ----------
    own
        Makes a traced constant of a fresh plain array of inexact dtype, which nothing else
        refers to.
    is_traced
        Whether a value is traced.
    plain
        Makes ordinary numbers and arrays of the traced values in a value.
    store_refused
        ``store_refused(target, index, value)`` raises the error for a traced value (or a
        container of some) stored to a plain array; `index` is None for ``target += value``.
        If it returns, the store is tried.
    before_store
        Told of the part of a plain array that is about to be overwritten (or all of the array):
        what a tape has saved of that memory must be copied first.

    Returns
    -------
    dict
        The former settings: ``configure(**former)`` brings them back.
    """
    given = {
        "own": own,
        "is_traced": is_traced,
        "plain": plain,
        "store_refused": store_refused,
        "before_store": before_store,
    }
    former = {name: getattr(_layer, name) for name in given}
    for name, function in given.items():
        if function is not None:
            setattr(_layer, name, function)
    return former


def contains_traced(value: Any) -> bool:
    """Whether a value, or an element of the containers it is made of, is traced."""
    if _layer.is_traced(value):
        return True
    kind = type(value)
    if kind is tuple or kind is list or kind is set or kind is frozenset:
        return any(map(contains_traced, value))
    if kind is dict:
        return any(map(contains_traced, value.values()))
    if isinstance(value, tuple | list):  # named tuples and other kinds of lists
        return any(map(contains_traced, value))
    if isinstance(value, dict):
        return any(map(contains_traced, value.values()))
    return False


def shown(value: Any) -> Any:
    """Return what ``"..." % value`` shows: numbers, which C code formats, not traced ones."""
    return _layer.plain(value) if contains_traced(value) else value


# --------------------------------------------------------------------------------------- stores


def target(container: Any) -> Any:
    """Return what ``container[index] = value`` stores into: itself, unless it is a plain array."""
    return _CheckedArray(container) if type(container) is ndarray else container


_NEVER_TRACED = frozenset((float, int, complex, bool, str, np.float64, ndarray))


class _CheckedArray:
    """A plain array as the target of one store, which must not be of a traced value."""

    __slots__ = ("array",)

    def __init__(self, array: ndarray) -> None:
        self.array = array

    def __getitem__(self, index: Any) -> Any:  # for ``a[i] += v``
        part = self.array[index]
        _layer.before_store(part if type(part) is ndarray and part.base is not None else self.array)
        return part

    def __setitem__(self, index: Any, value: Any) -> None:
        if type(value) not in _NEVER_TRACED and contains_traced(value):
            _layer.store_refused(self.array, index, value)
        _layer.before_store(self.array)
        self.array[index] = value


def addend(augmented: Any, value: Any) -> Any:
    """Return the right-hand side of ``augmented += value``, once it is known to be allowed."""
    if type(augmented) is ndarray:
        if contains_traced(value):
            _layer.store_refused(augmented, None, value)
        _layer.before_store(augmented)
    return value


def written(array: Any) -> Any:
    """Return the array (or tuple of arrays) that a function is given to write into."""
    for part in array if type(array) is tuple else (array,):
        if type(part) is ndarray:
            _layer.before_store(part)
    return array


def writes_into_first(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a NumPy function that writes into its first argument, so that we are told before."""

    def call(array: Any, /, *args: Any, **kwargs: Any) -> Any:
        return fn(written(array), *args, **kwargs)

    return functools.wraps(fn)(call)


# ------------------------------------------------------------------------------------- adoption


def own(value: Any) -> Any:
    """Adopt a value that an operator has just made; see `adoption`."""
    if type(value) is ndarray and value.dtype.kind in "fc":
        return _layer.own(value)
    return value


def own_item(container: Any, index: Any) -> Any:
    """Return ``container[index]``, adopted if it is a copy: a view shares its base's storage."""
    value = container[index]
    if type(container) is ndarray and container.dtype.kind in "fc":
        return own(value) if type(value) is ndarray and value.base is None else value
    return value


def own_result(fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call a NumPy function and adopt the arrays that it made."""
    result = fn(*args, **kwargs)
    given = [*args, *kwargs.values(), getattr(fn, "__self__", None)]
    for argument in tuple(given):
        if type(argument) is tuple:  # out=(a,)
            given += argument
    if type(result) is ndarray:
        return _own_fresh(result, given)
    if isinstance(result, tuple) and result:
        owned = [_own_fresh(element, given) for element in result]
        # Named results, as those of np.linalg.qr, take their fields one by one.
        return type(result)(*owned) if hasattr(result, "_fields") else type(result)(owned)
    return result


def _own_fresh(value: Any, given: list[Any]) -> Any:
    """Adopt an array that shares nothing with what its maker was given."""
    if type(value) is not ndarray or not value.flags.writeable:
        return value
    if not (value.base is None or type(value.base) is ndarray):  # a buffer, a file
        return value
    for argument in given:
        if isinstance(argument, ndarray):
            if np.may_share_memory(value, argument):
                return value
        elif hasattr(type(argument), "__array__") and not isinstance(argument, np.generic):
            return value  # it may have handed out an array that it holds
    return own(value)


def makes_arrays(fn: Any) -> bool:
    """Whether a callable is NumPy's or SciPy's, which return new arrays or views of arguments."""
    owner = getattr(fn, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        if type(owner) is ndarray:
            return owner.dtype.kind in "fcbiu"
        fn = type(owner)
    if isinstance(fn, np.ufunc):
        return True
    module = getattr(fn, "__module__", None)
    if not isinstance(module, str):
        return False
    return module.partition(".")[0] in ("numpy", "scipy") or module == "copy"
