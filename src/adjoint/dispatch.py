"""From a call of NumPy's to the operation or composition that stands for it.

NumPy hands us ufuncs through ``__array_ufunc__`` and other functions through
``__array_function__``. Calls in which nothing is traced go back to NumPy; calls of functions that
have no derivative here are refused by name.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from adjoint.eager.recorded import Recorded, constant, raw
from adjoint.errors import NoRuleError, TracingError
from adjoint.ops.registry import FUNCTIONS, METHODS, UFUNCS
from adjoint.ops.structural import broadcast_to, cast
from adjoint.ops.elementwise import python_number

__all__ = [
    "any_active",
    "call_function",
    "call_ufunc",
    "from_nested",
    "is_active",
    "no_rule",
    "plain",
    "store_result",
    "to_python_number",
]


def is_active(x: Any) -> bool:
    """Tell whether ``x`` depends on an independent variable of some tape."""
    return isinstance(x, Recorded) and x._tape is not None


def any_active(x: Any) -> bool:
    """Tell whether ``x``, or anything in the lists, tuples and dictionaries it is, is active."""
    if isinstance(x, Recorded):
        return x._tape is not None
    if isinstance(x, (list, tuple)):
        return any(any_active(item) for item in x)
    if isinstance(x, dict):
        return any(any_active(item) for item in x.values())
    return False


def plain(x: Any) -> Any:
    """Return ``x`` with every traced value in it replaced by its ordinary value."""
    if isinstance(x, Recorded):
        return raw(x)
    if type(x) in (list, tuple):
        return type(x)(plain(item) for item in x)
    if type(x) is dict:
        return {key: plain(item) for key, item in x.items()}
    return x


def _wrap(result: Any) -> Any:
    if type(result) is np.ndarray and result.dtype.kind in "fc":
        return constant(result)
    if type(result) in (tuple, list):
        return type(result)(_wrap(r) for r in result)
    return result


def call_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a NumPy (or SciPy) function of which an argument is an Array."""
    out = kwargs.get("out")
    if out is not None:
        kwargs = {key: value for key, value in kwargs.items() if key != "out"}
    if not (any_active(args) or any_active(kwargs)):
        result = _wrap(func(*plain(args), **plain(kwargs)))
    else:
        impl = FUNCTIONS.get(func)
        if impl is None:
            no_rule(func)
        result = impl(*args, **kwargs)
    return result if out is None else store_result(out, result)


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a ufunc, or a method of it, of which an operand is an Array."""
    out = kwargs.pop("out", None)
    out = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    if method == "at":
        return METHODS[ufunc, "at"](*inputs) if (ufunc, "at") in METHODS else no_rule(ufunc, "at")
    if not (any_active(inputs) or is_active(out)):
        result = _wrap(getattr(ufunc, method)(*plain(inputs), **plain(kwargs)))
        return result if out is None else store_result(out, result)
    if method != "__call__":
        impl = METHODS.get((ufunc, method))
        if impl is None:
            no_rule(ufunc, method)
        result = impl(*inputs, **kwargs)
        return result if out is None else store_result(out, result)
    impl = UFUNCS.get(ufunc)
    if impl is None:
        no_rule(ufunc)
    inputs = tuple(from_nested(x) if isinstance(x, (list, tuple)) else x for x in inputs)
    dtype = kwargs.get("dtype")
    if dtype is not None:
        inputs = tuple(cast(x, dtype=np.dtype(dtype)) if hasattr(x, "dtype") else x for x in inputs)
    where = kwargs.get("where", True)
    if where is True:
        result = impl(*inputs)
        return result if out is None else store_result(out, result)
    return _call_where(impl, inputs, plain(where), out)


def _call_where(impl: Any, inputs: tuple[Any, ...], where: Any, out: Any) -> Any:
    """Compute a ufunc only where ``where`` holds, so that no other element touches a derivative."""
    shape = np.broadcast_shapes(np.shape(where), *(np.shape(plain(x)) for x in inputs))
    mask = np.broadcast_to(where, shape)
    picked = [broadcast_to(x, shape=shape)[mask] for x in inputs]
    result = impl(*picked)
    if out is None:
        out = constant(np.zeros(shape, plain(result).dtype))
    if not isinstance(out, Recorded):
        _refuse_out(out)
    out[mask] = result
    return out


def store_result(out: Any, result: Any) -> Any:
    """Store a result into the array given as ``out=``, and return that array."""
    if isinstance(out, (list, tuple)) and not isinstance(out, Recorded):
        return tuple(store_result(o, r) if o is not None else r for o, r in zip(out, result, strict=True))
    if isinstance(out, Recorded):
        out[...] = result
    elif any_active(result):
        _refuse_out(out)
    else:
        out[...] = plain(result)
    return out


def _refuse_out(out: Any) -> NoReturn:
    raise TracingError(
        f"a traced value was to be stored into an ordinary array (shape {np.shape(out)}), which "
        "cannot keep its derivative. Make that array inside the function that is differentiated, or "
        "pass it as an argument."
    )


def from_nested(x: Any) -> Any:
    """Return the array that ``np.array`` makes of nested lists with traced values in them."""
    return FUNCTIONS[np.array](x)


def to_python_number(x: Any) -> Any:
    """Return ``x.item()``: a Python number that still carries its derivative."""
    return python_number(x)


def no_rule(func: Any, method: str = "") -> NoReturn:
    """Refuse a function that has no derivative here."""
    module = getattr(func, "__module__", None) or "numpy"
    name = getattr(func, "__name__", repr(func)) + (f".{method}" if method else "")
    raise NoRuleError(
        f"{module}.{name} has no derivative rule. To give it one:\n\n"
        "    @ad.custom_vjp\n"
        f"    def my_{name.split('.')[0]}(x):\n"
        f"        return {module}.{name}(x)\n"
        f"    my_{name.split('.')[0]}.defvjp(lambda x: (my_{name.split('.')[0]}(x), x),\n"
        "                 lambda x, ct: (ct * ...,))  # the derivative at x, transposed, times ct\n\n"
        "or use ad.stop_gradient on its arguments if its result is to count as a constant."
    )
