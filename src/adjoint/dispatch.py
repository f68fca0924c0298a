"""From a call of NumPy's to the operation or composition that stands for it.

NumPy hands us ufuncs through ``__array_ufunc__`` and other functions through
``__array_function__``. Calls in which nothing is traced go back to NumPy; calls of functions that
have no derivative here are refused by name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from adjoint.eager.recorded import Recorded, constant, current, raw
from adjoint.eager.storage import View
from adjoint.errors import NoRuleError, TracingError
from adjoint.ir.build import staging
from adjoint.ir.dims import Dim
from adjoint.ops.creation import zeros
from adjoint.ops.discrete import ufunc_method
from adjoint.ops.elementwise import python_number, stop_gradient
from adjoint.ops.elementwise import where as choose
from adjoint.ops.plain import function_op, ufunc_op
from adjoint.ops.registry import FUNCTIONS, METHODS, STORAGE, UFUNCS, Traced, load_for
from adjoint.ops.structural import broadcast_to, cast
from adjoint.staged import Staged, emit, lift

__all__ = [
    "any_active",
    "any_staged",
    "call_function",
    "call_ufunc",
    "certainly",
    "detached",
    "fresh",
    "from_nested",
    "is_active",
    "is_staged",
    "is_weak",
    "no_rule",
    "plain",
    "record_call",
    "refuse_out",
    "store_result",
    "to_python_number",
    "without_derivative",
]


_ATOMS = frozenset({int, float, bool, str, type(None), slice, np.ndarray, np.float64, type})


def is_active(x: Any) -> bool:
    """Tell whether ``x`` depends on an independent variable of some tape, or is staged."""
    if not isinstance(x, Recorded):
        return is_staged(x)
    if type(x._cell) is View:
        current(x)  # the array that it views may have become active since
    return x._tape is not None


def any_active(x: Any) -> bool:
    """Tell whether ``x``, or anything in the lists, tuples and dictionaries it is, is active."""
    if isinstance(x, Recorded):
        return is_active(x)
    kind = type(x)
    if kind in _ATOMS:
        return False
    if issubclass(kind, (list, tuple)):
        return any(any_active(item) for item in x)
    if issubclass(kind, dict):
        return any(any_active(item) for item in x.values())
    return issubclass(kind, _STAGED)


# -- staged values ---------------------------------------------------------------------------------

_STAGED = (Staged, Dim)


def is_staged(x: Any) -> bool:
    """Tell whether ``x`` is a value of a program that is being staged: it has a type alone."""
    return issubclass(type(x), _STAGED)


def any_staged(x: Any) -> bool:
    """Tell whether ``x``, or anything in the lists, tuples and dictionaries it is, is staged."""
    kind = type(x)
    if kind is slice:
        return any_staged((x.start, x.stop, x.step))
    if kind in _ATOMS:
        return False
    if issubclass(kind, (list, tuple)):
        return any(any_staged(item) for item in x)
    if issubclass(kind, dict):
        return any(any_staged(item) for item in x.values())
    return issubclass(kind, _STAGED)


def record_call(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """Record the call of a function that has no derivative, with staged values in its arguments."""
    if isinstance(fn, np.ufunc) and not kwargs:
        return ufunc_op(fn)(*args)
    return emit(function_op(fn), (), {"args": args, "kwargs": kwargs or {}})


def without_derivative(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function of ordinary values with constant results: staged, it is recorded."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        if any_staged(args) or any_staged(kwargs):
            return record_call(fn, args, kwargs)
        return fn(*args, **kwargs)

    return call


def detached(x: Any) -> Any:
    """Return the ordinary value of ``x``; of a staged value what no derivative goes through."""
    x = plain(x)
    if not is_staged(x) or x.dtype.kind not in "fc":
        return x
    return stop_gradient(x)


def certainly(condition: Any) -> bool:
    """Tell whether a condition holds; False if that is not known yet.

    For what NumPy checks of the numbers, which are there only when a staged program runs.
    """
    return not is_staged(condition) and bool(condition)


def is_weak(x: Any) -> bool:
    """Tell whether ``x`` is a Python number, traced or not, which is weak in promotions."""
    if isinstance(x, Staged):
        return x.type.kind == "python"  # type: ignore[union-attr]
    return isinstance(x, Dim) or not hasattr(plain(x), "dtype")


_ufunc_method = without_derivative(ufunc_method)


def fresh(shape: tuple[Any, ...], dtype: Any, *values: Any) -> Any:
    """Return zeros to store to: staged if a length is, or one of ``values`` (or what is in it)."""
    if any_staged(shape) or any_staged(values):
        return lift(zeros(shape, dtype))
    return constant(np.zeros(shape, dtype))


def plain(x: Any) -> Any:
    """Return ``x`` with every traced value in it replaced by its ordinary value.

    A staged value has none and stays: its shape and dtype are there to be asked for, and NumPy's
    functions of it are recorded.
    """
    if isinstance(x, Recorded):
        return raw(x)
    if type(x) in (list, tuple):
        return type(x)([plain(item) for item in x])
    if type(x) is dict:
        return {key: plain(item) for key, item in x.items()}
    return x


def _wrap(result: Any) -> Any:
    if type(result) is np.ndarray and result.dtype.kind in "fc":
        return constant(result)
    if type(result) in (tuple, list):
        return type(result)([_wrap(r) for r in result])
    return result


def call_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a NumPy (or SciPy) function of which an argument is an Array."""
    out = kwargs.get("out")
    if out is not None:
        kwargs = {key: value for key, value in kwargs.items() if key != "out"}
    if func not in STORAGE and not (any_active(args) or any_active(kwargs)):
        result = _wrap(func(*plain(args), **plain(kwargs)))
    else:
        impl = FUNCTIONS.get(func)
        if impl is None and load_for(func):
            impl = FUNCTIONS.get(func)
        if impl is None:
            impl = _recorded(func) if _all_discrete((args, kwargs)) else no_rule(func)
        if out is None and len(args) > 1:
            out, args = _positional_out(impl, args)
        if staging() and any_staged(args):
            args = tuple(map(_beside_staged, args))
        result = impl(*args, **kwargs)
    return result if out is None else store_result(out, result)


def _beside_staged(x: Any) -> Any:
    """Return an array that stands beside staged values as one; anything else as it is."""
    if isinstance(x, np.ndarray) and not is_staged(x) and not is_active(x):
        x = raw(x)
        return lift(x) if x.dtype.kind in "biufc" else x
    return x


def _recorded(func: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: record_call(func, args, kwargs)


def _all_discrete(x: Any) -> bool:
    """Tell whether what is traced in ``x`` is staged, and of integers and booleans alone."""
    if isinstance(x, (list, tuple)) and not isinstance(x, Traced):
        return all(map(_all_discrete, x))
    if isinstance(x, dict):
        return all(map(_all_discrete, x.values()))
    if is_staged(x):
        return x.dtype.kind in "biu"
    return not isinstance(x, Traced)


def _positional_out(impl: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Take ``out`` from positional arguments, where the implementation has such a parameter."""
    code = getattr(impl, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    k = names.index("out") if "out" in names else len(args)
    if k >= len(args):
        return None, args
    return args[k], (*args[:k], None, *args[k + 1 :])


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a ufunc, or a method of it, of which an operand is an Array."""
    out = kwargs.pop("out", None)
    out = out[0] if type(out) is tuple and len(out) == 1 else out
    if method == "at":
        return METHODS[ufunc, "at"](*inputs) if (ufunc, "at") in METHODS else no_rule(ufunc, "at")
    if not (any_active(inputs) or any_active(out) or (kwargs and any_staged(kwargs))):
        return _call_constant(getattr(ufunc, method), inputs, kwargs, out)
    if method != "__call__":
        impl = METHODS.get((ufunc, method))
        if impl is None:
            if not _all_discrete(inputs):
                no_rule(ufunc, method)
            impl = functools.partial(_ufunc_method, ufunc.__name__, method)
        result = impl(*inputs, **kwargs)
        return result if out is None else _store_output(ufunc, out, result)
    impl = UFUNCS.get(ufunc)
    if impl is None and load_for(ufunc):
        impl = UFUNCS.get(ufunc)
    if impl is None:
        if not _all_discrete(inputs):
            no_rule(ufunc)
        impl = ufunc_op(ufunc)
    inputs = tuple(from_nested(x) if type(x) in (list, tuple) else x for x in inputs)
    if not kwargs:
        result = impl(*inputs)
        return result if out is None else _store_output(ufunc, out, result)
    dtype = kwargs.get("dtype")
    casting = kwargs.get("casting", "same_kind")
    if dtype is not None:
        inputs = tuple(_cast_input(ufunc, x, np.dtype(dtype), casting) for x in inputs)
    where = kwargs.get("where", True)
    if where is True:
        result = impl(*inputs)
        return result if out is None else _store_output(ufunc, out, result, casting)
    return _call_where(ufunc, impl, inputs, plain(where), out, casting)


def _call_constant(fn: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """Let NumPy compute what no derivative goes through."""
    if out is None:
        return _wrap(fn(*plain(inputs), **plain(kwargs)))
    # Into copies: with ``where`` only some elements change.
    outs = out if isinstance(out, tuple) else (out,)
    buffers = tuple(None if o is None else np.array(plain(o)) for o in outs)
    result = fn(*plain(inputs), out=buffers, **plain(kwargs))
    return store_result(out, result)


def _cast_input(ufunc: Any, x: Any, dtype: np.dtype, casting: Any) -> Any:
    value = plain(x)
    if is_staged(value):
        have = np.result_type(value, dtype) if is_weak(value) else value.dtype
    elif isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic):
        have = np.result_type(value, dtype)  # Python numbers are weak
    else:
        have = np.asarray(value).dtype
    if not np.can_cast(have, dtype, casting):
        raise TypeError(
            f"Cannot cast ufunc {ufunc.__name__!r} input from {have!r} to {dtype!r} with casting "
            f"rule {casting!r}"
        )
    return cast(x if hasattr(value, "dtype") or isinstance(x, Traced) else value, dtype=dtype)


def _call_where(
    ufunc: Any, impl: Any, inputs: tuple[Any, ...], where: Any, out: Any, casting: Any
) -> Any:
    """Compute a ufunc only where ``where`` holds, so that no other element touches a derivative."""
    outs = out if type(out) is tuple else (out,) * ufunc.nout
    if any_staged((where, inputs, outs)):
        return _choose_where(ufunc, impl, inputs, where, outs, casting)
    shape = np.broadcast_shapes(
        np.shape(where),
        *(np.shape(plain(x)) for x in inputs),
        *(np.shape(plain(o)) for o in outs if o is not None),
    )
    mask = np.broadcast_to(where, shape)
    # Scalars stay as they are: a Python number is weak in promotions, an array of them is not.
    picked = [x if np.ndim(plain(x)) == 0 else broadcast_to(x, shape=shape)[mask] for x in inputs]
    results = impl(*picked)
    stored = []
    for o, result in zip(outs, results if ufunc.nout > 1 else (results,), strict=True):
        target: Any = constant(np.zeros(shape, plain(result).dtype)) if o is None else o
        _check_output(ufunc, target, result, casting)
        _fill(target, mask, result)
        stored.append(target[()] if o is None and shape == () else target)
    return tuple(stored) if ufunc.nout > 1 else stored[0]


def _choose_where(
    ufunc: Any, impl: Any, inputs: tuple[Any, ...], where: Any, outs: tuple[Any, ...], casting: Any
) -> Any:
    """Do as `_call_where` when staging, where nobody knows how many elements are to be computed."""
    # Ones in place of the others: no infinite derivative meets a zero.
    safe = [choose(where, x, np.ones((), plain(x).dtype)) if not is_weak(x) else x for x in inputs]
    results = impl(*safe)
    stored = []
    for o, result in zip(outs, results if ufunc.nout > 1 else (results,), strict=True):
        if o is None:
            stored.append(choose(where, result, np.zeros((), result.dtype)))
            continue
        _check_output(ufunc, o, result, casting)
        _fill(o, ..., choose(where, result, o))
        stored.append(o)
    return tuple(stored) if ufunc.nout > 1 else stored[0]


def _store_output(ufunc: Any, out: Any, result: Any, casting: Any = "same_kind") -> Any:
    for o, r in zip(out, result, strict=True) if type(out) is tuple else ((out, result),):
        if o is not None:
            _check_output(ufunc, o, r, casting)
    return store_result(out, result)


def _check_output(ufunc: Any, out: Any, result: Any, casting: Any) -> None:
    value = plain(result)
    have, want = value.dtype if is_staged(value) else np.asarray(value).dtype, plain(out).dtype
    if not np.can_cast(have, want, casting):
        raise TypeError(
            f"Cannot cast ufunc {ufunc.__name__!r} output from {have!r} to {want!r} with casting "
            f"rule {casting!r}"
        )


def store_result(out: Any, result: Any) -> Any:
    """Store a result into the array given as ``out=``, and return that array."""
    if isinstance(out, (list, tuple)) and not isinstance(out, Traced):
        return tuple(
            store_result(o, r) if o is not None else r for o, r in zip(out, result, strict=True)
        )
    _fill(out, ..., result)
    return out


def _fill(target: Any, index: Any, value: Any) -> None:
    traced = isinstance(target, Traced)
    if not traced and any_active(value):
        refuse_out(target)
    target[index] = value if traced else plain(value)


def refuse_out(out: Any) -> NoReturn:
    """Refuse to store a traced value into an ordinary array."""
    raise TracingError(
        f"a traced value was to be stored into an ordinary array (shape {np.shape(out)}), which "
        "cannot keep its derivative. Make that array inside the function that is differentiated, "
        "or pass it as an argument."
    )


def from_nested(x: Any) -> Any:
    """Return the array that ``np.array`` makes of nested lists, traced values in them or not."""
    return FUNCTIONS[np.array](x) if _holds_traced(x) else np.array(x)


def _holds_traced(x: Any) -> bool:
    if isinstance(x, Traced):
        return True
    return isinstance(x, (list, tuple)) and any(map(_holds_traced, x))


def to_python_number(x: Any) -> Any:
    """Return ``x.item()``: a Python number that still carries its derivative."""
    return python_number(x)


def no_rule(func: Any, method: str = "") -> NoReturn:
    """Refuse a function that has no derivative here."""
    if isinstance(func, np.ufunc) and all(set(kind) <= set("O->") for kind in func.types):
        raise NoRuleError(
            f"{func.__name__} was made by np.frompyfunc: the Python function in it cannot be "
            "reached any more. Make it inside the function that is differentiated, or use "
            "np.vectorize, or call the Python function itself."
        )
    name = getattr(func, "__name__", repr(func))
    module = getattr(func, "__module__", None)
    if module is None:  # SciPy's ufuncs do not say where they come from
        module = "numpy" if hasattr(np, name) else "scipy.special"
    module = ".".join(part for part in module.split(".") if not part.startswith("_"))
    name += f".{method}" if method else ""
    raise NoRuleError(
        f"{module}.{name} has no derivative rule. To give it one:\n\n"
        "    @ad.custom_vjp\n"
        f"    def my_{name.split('.')[0]}(x):\n"
        f"        return {module}.{name}(x)\n"
        f"    my_{name.split('.')[0]}.defvjp(lambda x: (my_{name.split('.')[0]}(x), x),\n"
        "                 lambda x, ct: (ct * ...,))  # ct times the derivative, transposed\n\n"
        "or use ad.stop_gradient on its arguments if its result is to count as a constant."
    )
