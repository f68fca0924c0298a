"""Python's own functions of numbers: `math`, `cmath`, ``float``, ``complex``, ``type``, ...

They are in C and ask no argument what to do, so they are reached in rewritten code alone. Each
gives what Python gives, a Python number, and raises what Python raises.
"""

from __future__ import annotations

import builtins
import cmath
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from adjoint.array import Array
from adjoint.dispatch import (
    any_active,
    any_staged,
    from_nested,
    is_active,
    is_staged,
    is_weak,
    plain,
    record_call,
    to_python_number,
)  # fmt: skip
from adjoint.eager.recorded import Recorded, binary, raw, unary
from adjoint.eager.tape import F64
from adjoint.errors import TracingError
from adjoint.frontend import hooks
from adjoint.ir import Node
from adjoint.ir.dims import Dim
from adjoint.ops import elementwise as ew
from adjoint.ops.plain import ufunc_op
from adjoint.ops.registry import LAZY, Op, Traced
from adjoint.ops.structural import cast, reshape
from adjoint.staged import emit
from adjoint.staged.domains import both, equal, less, less_equal, powered, refused

__all__ = ["float_", "number"]

LAZY["json"] = "adjoint.numpy_api.python_json"
LAZY["logging"] = "adjoint.numpy_api.python_logging"

Function = Callable[..., Any]


def number(x: Any) -> Any:
    """Return a scalar, traced or not, as the Python number that ``float`` would make of it."""
    if is_staged(x):
        return _staged_number(x)
    value = raw(x)
    if not isinstance(x, Recorded) or x._tape is None:
        return value
    if type(value) in (float, complex):
        return x
    if isinstance(value, np.ndarray) and value.ndim:
        float(value)  # NumPy's TypeError, or its older permission for one element
        x = reshape(x, shape=())
    return to_python_number(x)


def _staged_number(x: Any) -> Any:
    if is_weak(x):
        return x
    if x.ndim:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    return to_python_number(x)


def _staged_float(x: Any) -> Any:
    """Return a staged or ordinary number as a Python float."""
    if not is_staged(x):
        return float(x)
    x = _staged_number(x)
    if x.dtype.kind == "f":
        return x
    if x.dtype.kind == "c":
        raise TypeError("float() argument must be a string or a real number, not 'complex'")
    return record_call(float, (x,))


def _checked(fn: Function, *args: Any, **kwargs: Any) -> None:
    """Raise what Python raises for these arguments, if their numbers are known."""
    if not any_staged(args):
        fn(*plain(args), **kwargs)


def float_(x: Any = 0.0, /) -> Any:
    """``float(x)``, which keeps the derivative."""
    if type(x) is not Array:
        return _staged_float(x) if is_staged(x) else float(x)
    if not is_active(x):
        return float(raw(x))
    if type(x._value) is float:
        return x
    if np.iscomplexobj(raw(x)):
        return float(raw(x))  # Python's TypeError
    return number(x)


def complex_(*args: Any, **kwargs: Any) -> Any:
    """``complex(re, im)``, which keeps the derivative."""
    if not (any_active(args) or any_active(kwargs)):
        return complex(*plain(args), **plain(kwargs))
    if not any_staged((args, kwargs)):
        complex(*plain(args), **plain(kwargs))  # Python's errors
    re, im = _parts(*args, **kwargs)
    return number(re) + 0j if im is None else number(re) + 1j * number(im)


def _parts(real: Any = 0.0, imag: Any = None) -> tuple[Any, Any]:
    return real, imag


def type_(*args: Any, **kwargs: Any) -> Any:
    """``type(x)``: of a traced value, the class of what it stands for."""
    if len(args) == 1 and not kwargs:
        x = args[0]
        return x.__class__ if type(x) is Array or is_staged(x) else type(x)
    return type(*args, **kwargs)


hooks.register(float, float_)
hooks.register(complex, complex_)
hooks.register(type, type_)


def _numpy_type(kind: Any) -> None:
    dtype = np.dtype(kind)

    def make(*args: Any, **kwargs: Any) -> Any:
        if len(args) != 1 or kwargs or not isinstance(args[0], (Traced, list, tuple)):
            return kind(*args, **kwargs)
        x: Any = from_nested(args[0]) if not isinstance(args[0], Traced) else args[0]
        if is_staged(x):
            if dtype.kind in "fiu" and x.dtype.kind == "c":
                x = x.real
            result = cast(x, dtype=dtype)
            return result[()] if isinstance(result, np.ndarray) and not result.ndim else result
        if dtype.kind not in "fc" or not any_active(x):
            return kind(plain(args[0]))
        if dtype.kind == "f" and np.iscomplexobj(plain(x)):
            x = x.real  # with NumPy's warning
            kind(plain(args[0]))
        result = cast(x, dtype=dtype)
        return result[()] if np.ndim(plain(result)) == 0 else result

    hooks.register(kind, make)


for _kind in {
    np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.complex128,
    np.int8, np.int16, np.int32, np.int64, np.intp, np.uint8, np.uint16, np.uint32, np.uint64,
    np.bool,
}:  # fmt: skip
    _numpy_type(_kind)


# -- math ------------------------------------------------------------------------------------------


def _wrong_of_gamma(x: Any) -> Any:
    return both(less_equal(x, 0), equal(x, np.floor(x)))


_WRONG: dict[Function, tuple[Function, str]] = {
    math.sqrt: (lambda x: less(x, 0), "x >= 0"),
    math.log: (lambda x: less_equal(x, 0), "x > 0"),
    math.log2: (lambda x: less_equal(x, 0), "x > 0"),
    math.log10: (lambda x: less_equal(x, 0), "x > 0"),
    math.log1p: (lambda x: less_equal(x, -1), "x > -1"),
    math.asin: (lambda x: less(1, abs(x)), "-1 <= x <= 1"),
    math.acos: (lambda x: less(1, abs(x)), "-1 <= x <= 1"),
    math.acosh: (lambda x: less(x, 1), "x >= 1"),
    math.atanh: (lambda x: less_equal(1, abs(x)), "-1 < x < 1"),
    math.fmod: (lambda x, y: equal(y, 0), "y != 0"),
    math.gamma: (_wrong_of_gamma, "x other than 0, -1, -2, ..."),
    math.lgamma: (_wrong_of_gamma, "x other than 0, -1, -2, ..."),
}
"""Where functions of `math` raise "math domain error" of finite numbers, and what they ask for."""


def _domain_error(name: str, domain: str, *args: Any) -> ValueError:
    given = ", ".join(map(repr, args))
    return ValueError(
        f"math domain error: math.{name}({given}) needs {domain}. NumPy's function gives NaN or "
        "infinity there."
    )


def _pow_error(x: Any, y: Any) -> ValueError:
    return _domain_error("pow", "x > 0, or a y for which it is real", x, y)


def _within(fn: Function, result: Any, *args: Any) -> Any:
    """Return the result of a function of `math`, refused where that raises an error."""
    if fn is math.pow:
        x, y = args
        return powered(x, y, result, _pow_error)
    wrong = _WRONG.get(fn)
    if wrong is None:
        return result
    condition, domain = wrong
    return refused(result, condition(*args), _domain_error, fn.__name__, domain, *args)


def _staged(fn: Function, op: Op, *args: Any) -> Any:
    """Record a function of `math`."""
    result = emit(op, tuple(map(_staged_float, args)), None, fn)
    return _within(fn, result, *[a if isinstance(a, Dim) else _staged_float(a) for a in args])


def _unary(fn: Function, op: Op) -> Function:
    """Return ``fn`` of `math` for traced numbers too: ``op``, evaluated by ``fn`` itself."""

    def call(x: Any, /) -> Any:
        if type(x) is not Array:
            return _staged(fn, op, x) if is_staged(x) else fn(x)
        tape, value = x._tape, x._value
        if tape is None:
            return fn(raw(x))
        if type(value) is not float or tape.observe is not None:
            return method(number(x))
        # The case of programs that are all scalars, spelt out for speed.
        result = fn(value)
        node = Node(op, (x._node,), None, (value, result), (), F64)
        tape.append(node)
        return Array(result, tape, node)

    method = unary(op, call)
    hooks.register(fn, call)
    return call


def _binary(fn: Function, op: Op) -> Function:
    """Likewise, for a function of two numbers."""

    def call(x: Any, y: Any, /) -> Any:
        if type(x) is Array or type(y) is Array:
            fn(raw(x), raw(y))  # Python's errors
            x, y = number(x), number(y)
            if type(x) is Array:
                return forward(x, y)
            if type(y) is Array:
                return reflected(y, x)
        elif is_staged(x) or is_staged(y):
            return _staged(fn, op, x, y)
        return fn(x, y)

    forward, reflected = binary(op, call)
    hooks.register(fn, call)
    return call


_MATH_UNARY = {
    "sin": ew.sin, "cos": ew.cos, "tan": ew.tan, "asin": ew.arcsin, "acos": ew.arccos,
    "atan": ew.arctan, "sinh": ew.sinh, "cosh": ew.cosh, "tanh": ew.tanh, "asinh": ew.arcsinh,
    "acosh": ew.arccosh, "atanh": ew.arctanh, "exp": ew.exp, "exp2": ew.exp2, "expm1": ew.expm1,
    "log2": ew.log2, "log10": ew.log10, "log1p": ew.log1p, "sqrt": ew.sqrt, "cbrt": ew.cbrt,
    "fabs": ew.absolute, "degrees": ew.degrees, "radians": ew.radians,
}  # fmt: skip
for _name, _op in _MATH_UNARY.items():
    _unary(getattr(math, _name), _op)

_MATH_BINARY = {
    "atan2": ew.arctan2, "pow": ew.power, "fmod": ew.fmod, "copysign": ew.copysign,
    "remainder": ew.ieee_remainder,
}  # fmt: skip
for _name, _op in _MATH_BINARY.items():
    _binary(getattr(math, _name), _op)

_log = _unary(math.log, ew.log)
_hypot = _binary(math.hypot, ew.hypot)
_fraction = unary(ew.fraction, lambda x: _modf(x)[0])


def replaces(fn: Function) -> Callable[[Function], Function]:
    """Decorate what rewritten code calls in place of ``fn`` when an argument is traced."""

    def decorate(impl: Function) -> Function:
        def call(*args: Any, **kwargs: Any) -> Any:
            if args and isinstance(args[0], Iterator):  # which may yield traced values
                args = (list(args[0]), *args[1:])
            for arg in args:
                kind = type(arg)
                if (
                    kind is Array
                    or ((kind is list or kind is tuple) and any_active(arg))
                    or is_staged(arg)
                ):
                    if any_active(args):
                        return impl(*args, **kwargs)
                    return fn(*plain(args), **plain(kwargs))
            return fn(*args, **kwargs)

        hooks.register(fn, call)
        return call

    return decorate


def log(x: Any, *base: Any) -> Any:
    """``math.log``."""
    if not base:
        return _log(x)
    _checked(math.log, x, *base)
    return _log(x) / _log(base[0]) if any_active((x, *base)) else math.log(raw(x), raw(base[0]))


def hypot(*coordinates: Any) -> Any:
    """``math.hypot``: 0 at 0, with derivative 0."""
    if len(coordinates) == 2:
        return _hypot(*coordinates)
    if not any_active(coordinates):
        return math.hypot(*map(raw, coordinates))
    _checked(math.hypot, *coordinates)
    result, *rest = map(number, coordinates)
    for y in rest:
        result = _hypot(result, y)
    return result if rest else abs(result)


hooks.register(math.log, log)
hooks.register(math.hypot, hypot)


@replaces(math.dist)
def dist(p: Any, q: Any, /) -> Any:
    """``math.dist``."""
    p, q = list(p), list(q)
    _checked(math.dist, p, q)
    return hypot(*[number(a) - number(b) for a, b in zip(p, q, strict=True)])


@replaces(math.modf)
def _modf(x: Any, /) -> Any:
    if is_staged(x):
        x = _staged_float(x)
        whole = emit(ufunc_op(np.trunc), (x,), None, float)
        return emit(ew.fraction, (x,), None, float), whole
    whole = math.modf(raw(x))[1]
    return _fraction(number(x)), whole


@replaces(math.frexp)
def _frexp(x: Any, /) -> Any:
    if is_staged(x):
        exponent = to_python_number(record_call(np.frexp, (_staged_float(x),))[1])
    else:
        exponent = math.frexp(raw(x))[1]
    return _ldexp(x, -exponent), exponent


@replaces(math.ldexp)
def _ldexp(x: Any, exponent: Any, /) -> Any:
    _checked(math.ldexp, x, exponent)
    return number(ew.ldexp(number(x), raw(exponent)))


@replaces(math.nextafter)
def _nextafter(x: Any, y: Any, /, *, steps: int | None = None) -> Any:
    options = {} if steps is None else {"steps": steps}
    if any_staged((x, y)):
        for _ in range(1 if steps is None else steps):
            x = emit(ew.nextafter, (_staged_float(x), _staged_float(y)), None, math.nextafter)
        return x
    value = math.nextafter(raw(x), raw(y), **options)
    return number(x) + (value - raw(x))


@replaces(math.fsum)
def _fsum(seq: Any, /) -> Any:
    return number(ew.fsum(*[number(x) for x in seq]))


@replaces(math.prod)
def _prod(iterable: Any, /, *, start: Any = 1) -> Any:
    for x in iterable:
        start = start * x
    return start


if hasattr(math, "sumprod"):

    @replaces(math.sumprod)  # type: ignore[attr-defined]
    def _sumprod(p: Any, q: Any, /) -> Any:
        return builtins.sum(a * b for a, b in zip(p, q, strict=True))


if hasattr(math, "fma"):

    @replaces(math.fma)  # type: ignore[attr-defined]
    def _fma(x: Any, y: Any, z: Any, /) -> Any:
        _checked(math.fma, x, y, z)  # type: ignore[attr-defined]
        return number(x) * number(y) + number(z)


def _constant(fn: Function) -> None:
    ufunc = getattr(np, fn.__name__) if fn.__name__ in ("isnan", "isinf", "isfinite") else None

    def call(*args: Any, **kwargs: Any) -> Any:
        if any_staged(args):
            if ufunc is not None and len(args) == 1:
                return emit(ufunc_op(ufunc), (number(args[0]),), None, fn)
            return record_call(fn, tuple(map(number, args)), kwargs)
        return fn(*map(raw, args), **plain(kwargs))

    hooks.register(fn, call)


for _name in ("isnan", "isinf", "isfinite", "isclose", "ulp", "floor", "ceil", "trunc"):
    _constant(getattr(math, _name))


def _special(fn: Function, name: str) -> None:
    """`math`'s error function and gamma function are those of `scipy.special`."""

    def call(x: Any, /) -> Any:
        if type(x) is not Array and not is_staged(x):
            return fn(x)
        _checked(fn, x)
        if not is_active(x):
            return fn(raw(x))
        from scipy import special

        result = number(getattr(special, name)(number(x)))
        return _within(fn, result, number(x)) if is_staged(x) else result

    hooks.register(fn, call)


for _name, _scipy in (("erf", "erf"), ("erfc", "erfc"), ("gamma", "gamma"), ("lgamma", "gammaln")):
    _special(getattr(math, _name), _scipy)


# -- cmath -----------------------------------------------------------------------------------------


def _complex_number(x: Any) -> Any:
    """Return a traced scalar as a complex number."""
    if is_staged(x):
        x = number(x)
        return x if x.dtype.kind == "c" else x + 0j
    value = raw(x)
    if type(value) is not complex:
        x = number(x)
        x = x if isinstance(raw(x), complex) else x + 0j
    return x


def _complex_unary(fn: Function, op: Op) -> None:
    def call(z: Any, /) -> Any:
        if type(z) is not Array:
            return emit(op, (_complex_number(z),), None, fn) if is_staged(z) else fn(z)
        return method(_complex_number(z)) if is_active(z) else fn(raw(z))

    method = unary(op, call)
    hooks.register(fn, call)


for _name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
              "atanh", "exp", "log10", "sqrt"):  # fmt: skip
    _complex_unary(getattr(cmath, _name), _MATH_UNARY[_name])
_complex_log = unary(ew.log, lambda z: _clog(z))


@replaces(cmath.log)
def _clog(z: Any, base: Any = None, /) -> Any:
    if base is not None:
        _checked(cmath.log, z, base)
        return _clog(z) / _clog(base)
    if is_staged(z):
        return emit(ew.log, (_complex_number(z),), None, cmath.log)
    return _complex_log(_complex_number(z))


@replaces(cmath.phase)
def _phase(z: Any, /) -> Any:
    z = _complex_number(z)
    return number(ew.arctan2(ew.imag(z), ew.real(z)))


@replaces(cmath.polar)
def _polar(z: Any, /) -> Any:
    return abs(_complex_number(z)), _phase(z)


@replaces(cmath.rect)
def _rect(r: Any, phi: Any, /) -> Any:
    _checked(cmath.rect, r, phi)
    r, phi = number(r), number(phi)
    return number(r * np.cos(phi) + 1j * (r * np.sin(phi)))


for _name in ("isnan", "isinf", "isfinite", "isclose"):
    _constant(getattr(cmath, _name))


# -- iteration -------------------------------------------------------------------------------------


def _ndenumerate(arr: Any) -> Iterator[Any]:
    if not isinstance(arr, Traced):
        return np.ndenumerate(arr)
    return ((index, arr[index]) for index in np.ndindex(*arr.shape))  # type: ignore[attr-defined]


def _nditer(op: Any, *args: Any, **kwargs: Any) -> Any:
    if any_active(op):
        raise TracingError(
            "np.nditer walks the memory of ordinary arrays and does not take traced values; use "
            "np.ndindex or np.ndenumerate, or iterate over x.ravel()"
        )
    return np.nditer(plain(op), *args, **kwargs)


hooks.register(np.ndenumerate, _ndenumerate)
hooks.register(np.nditer, _nditer)
