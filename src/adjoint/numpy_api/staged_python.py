"""Python's own functions in staged programs: ``int``, ``bool``, ``len``, ``min``, ``sum``, ...

What Python computes of numbers is recorded; what it needs of lengths is answered by them. These
have a meaning in rewritten staged code alone; those of `adjoint.numpy_api.python` serve both tiers.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.dispatch import any_staged, from_nested, is_staged, is_weak, record_call
from adjoint.frontend import hooks
from adjoint.ir.dims import Dim
from adjoint.numpy_api.lengths import as_length
from adjoint.numpy_api.python import float_, number
from adjoint.numpy_api.reductions import sum_
from adjoint.numpy_api.staged_creation import STAGED
from adjoint.ops import elementwise as ew
from adjoint.ops.plain import ufunc_op
from adjoint.ops.structural import cast
from adjoint.staged import emit
from adjoint.staged.integers import compare
from adjoint.staging.items import Items
from adjoint.staging.maps import StagedList

__all__: list[str] = []

Function = Callable[..., Any]


def staged_meaning(fn: Any) -> Callable[[Function], Function]:
    """Decorate what rewritten staged code calls in place of ``fn``."""

    def register(impl: Function) -> Function:
        STAGED[fn] = impl
        return impl

    return register


def _otherwise(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Call what the eager tier calls."""
    return hooks.resolve(fn)(*args, **kwargs)


# -- conversions -----------------------------------------------------------------------------------


@staged_meaning(int)
def int_(*args: Any, **kwargs: Any) -> Any:
    """``int``."""
    if len(args) != 1 or kwargs or not is_staged(args[0]):
        return int(*args, **kwargs)
    x = number(args[0])
    if isinstance(x, Dim):
        return x
    if x.dtype.kind == "c":
        raise TypeError("int() argument must be a string or a real number, not 'complex'")
    return record_call(int, (x,))


@staged_meaning(bool)
def bool_(x: Any = False, /) -> Any:
    """``bool``."""
    if not is_staged(x):
        return bool(x)
    if isinstance(x, Dim):
        return compare("!=", x, 0)
    if x.ndim:
        if any(n != 1 for n in x.shape):
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() "
                "or a.all()"
            )
        x = x[(0,) * x.ndim]
    x = number(x)
    return x if not isinstance(x, Dim) and x.dtype.kind == "b" else compare("!=", x, 0)


@staged_meaning(len)
def len_(x: Any, /) -> Any:
    """``len``."""
    if isinstance(x, Items):
        return x.length
    if not is_staged(x):
        return len(x)
    if not x.ndim:
        raise TypeError("len() of unsized object")
    return x.shape[0]


@staged_meaning(operator.index)
def index(x: Any, /) -> Any:
    """``operator.index``."""
    return as_length(x) if is_staged(x) else operator.index(x)


@staged_meaning(round)
def round_(x: Any, ndigits: Any = None) -> Any:
    """``round``."""
    if not any_staged((x, ndigits)):
        return _otherwise(round, x) if ndigits is None else _otherwise(round, x, ndigits)
    if is_staged(x) and x.ndim:
        return np.round(x, 0 if ndigits is None else ndigits)
    if is_staged(x) and x.dtype.kind in "iu" and is_weak(x) and ndigits is None:
        return x
    if x.__class__ is np.ndarray:
        x = x[()]
    return record_call(round, (x,) if ndigits is None else (x, ndigits))


for _fn in (math.gcd, math.lcm, math.isqrt, math.factorial, math.comb, math.perm):

    @staged_meaning(_fn)
    def _of_integers(*args: Any, fn: Any = _fn) -> Any:
        if not any_staged(args):
            return fn(*args)
        return record_call(fn, tuple(as_length(a) if is_staged(a) else a for a in args))


# -- extrema ---------------------------------------------------------------------------------------


def _chosen(symbol: str, a: Any, b: Any, key: Function | None) -> Any:
    """Return b if ``b < a`` (``symbol`` b), and a if not, as Python's min and max do."""
    ka, kb = (a, b) if key is None else (key(a), key(b))
    if key is None and all(type(x) is int or isinstance(x, Dim) for x in (a, b)):
        better = compare(symbol, b, a) if any_staged((a, b)) else b < a if symbol == "<" else b > a
        if isinstance(better, bool) and not is_staged(better):
            return b if better else a
        op, fn = (ew.minimum, min) if symbol == "<" else (ew.maximum, max)
        return emit(op, (a, b), None, fn)
    better = kb < ka if symbol == "<" else kb > ka
    if is_staged(better):
        return emit(ew.where, (better, *_alike(b, a)), None, lambda condition, x, y: x)
    return b if better else a


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two numbers in the type that holds both."""
    if is_weak(a) and is_weak(b):
        kinds = {np.result_type(x).kind for x in (a, b)}
        if kinds <= {"f", "i", "b"}:
            return (float_(a), float_(b)) if "f" in kinds else (int_(a), int_(b))
        return a, b
    dtype = np.result_type(a, b)
    return cast(a, dtype=dtype), cast(b, dtype=dtype)


def _extremum(fn: Any, symbol: str, position: Function) -> Function:
    def extremum(*args: Any, key: Any = None, **options: Any) -> Any:
        key = None if key is None else hooks.resolve_argument(key)
        if len(args) == 1 and is_staged(args[0]) and key is None and args[0].ndim == 1:
            return args[0][as_length(position(args[0]))]
        if len(args) == 1 and isinstance(args[0], StagedList):
            return args[0].extremum(position, {"key": key, **options})
        items = list(args[0]) if len(args) == 1 else list(args)
        if not items or not any_staged(items if key is None else [*items, *map(key, items)]):
            return _otherwise(fn, items, key=key, **options)
        best = items[0]
        for item in items[1:]:
            best = _chosen(symbol, best, item, key)
        return best

    return extremum


STAGED[min] = _extremum(min, "<", np.argmin)
STAGED[max] = _extremum(max, ">", np.argmax)


# -- sums, tests, orders ---------------------------------------------------------------------------


@staged_meaning(sum)
def sum__(iterable: Any, /, start: Any = 0) -> Any:
    """``sum``; of an array the sum along its first axis."""
    if isinstance(iterable, StagedList):
        return iterable.total(start)
    if not is_staged(iterable):
        return builtins.sum(iterable, start)
    if not iterable.ndim:
        raise TypeError("iteration over a 0-d array")
    total = sum_(iterable, 0)
    return total if type(start) is int and start == 0 else start + total


def _quantifier(fn: Any, ufunc: np.ufunc, combine: Function, reduce: Function) -> Function:
    def test(iterable: Any, /) -> Any:
        if isinstance(iterable, StagedList):
            return iterable.test(reduce)
        if is_staged(iterable):
            return number(reduce(iterable))
        found = None
        for x in iterable:
            truth = bool_(x)
            if not is_staged(truth):
                if truth is (fn is any):
                    return truth  # whatever the others are
                continue
            found = truth if found is None else emit(ufunc_op(ufunc), (found, truth), None, combine)
        return fn is all if found is None else found

    return test


STAGED[any] = _quantifier(any, np.logical_or, operator.or_, lambda x: np.any(x))
STAGED[all] = _quantifier(all, np.logical_and, operator.and_, lambda x: np.all(x))


@staged_meaning(sorted)
def sorted_(iterable: Any, /, *, key: Any = None, reverse: bool = False) -> Any:
    """``sorted``, of staged numbers."""
    key = None if key is None else hooks.resolve_argument(key)
    items = list(iterable)
    keys = items if key is None else [key(item) for item in items]
    if not any_staged(keys):
        return _otherwise(sorted, items, key=key, reverse=reverse)
    values = from_nested(keys)
    if values.ndim != 1:
        raise ValueError("The truth value of an array with more than one element is ambiguous.")
    # Equal items stay in order, in reverse too.
    order = np.argsort(values, kind="stable")
    if reverse:
        n = len(items)
        order = n - 1 - np.argsort(values[::-1], kind="stable")[::-1]
    chosen = (values if key is None else from_nested(items))[order]
    return [
        number(x) if all(map(is_weak, items)) else x for x in (chosen[k] for k in range(len(items)))
    ]
