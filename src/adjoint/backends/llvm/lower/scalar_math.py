"""One element of exponentials, logarithms, circular functions and their relations, as code."""

from __future__ import annotations

import math
from typing import Any

from adjoint.backends.llvm.lower.library import complex_call
from adjoint.backends.llvm.lower.scalar import Scalars, row, select
from adjoint.backends.llvm.lower.scalar_arithmetic import complex_product, complex_quotient
from adjoint.backends.llvm.lower.scalar_tests import extremum
from adjoint.backends.llvm.lower.types import in_registers

__all__: list[str] = []

_LIBRARY = {
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10",
    "log1p": "log1p", "cbrt": "cbrt", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin",
    "arccos": "acos", "arctan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "erf": "erf", "erfc": "erfc",
}  # fmt: skip
_LIBRARY_OF_TWO = {"arctan2": "atan2", "hypot": "hypot", "nextafter": "nextafter"}
_COMPLEX = {
    "exp": "cexp", "log": "clog", "sqrt": "csqrt", "sin": "csin", "cos": "ccos", "tan": "ctan",
    "sinh": "csinh", "cosh": "ccosh", "tanh": "ctanh", "arcsinh": "casinh",
}  # fmt: skip

for _name, _function in _LIBRARY.items():
    row(_name, "f")(lambda e, loop, x, f=_function: e.math(f, loop[0], x))
for _name, _function in _LIBRARY_OF_TWO.items():
    row(_name, "f")(lambda e, loop, x, y, f=_function: e.math(f, loop[0], x, y))


def _complex_call(name: str) -> Any:
    def of_complex(e: Scalars, loop: Any, x: Any) -> Any:
        return complex_call(e.body, name, e.part(loop[0]), x)

    return of_complex


for _name, _function in _COMPLEX.items():
    row(_name, "c")(_complex_call(_function))


@row("gammaln", "f")
def _gammaln(e: Scalars, loop: Any, x: str) -> str:
    """Return log |Γ(x)|, of −∞ that itself, as SciPy has it (C's is ∞)."""
    t = loop[0]
    low = e.number(-math.inf, t)
    least = e.op("fcmp oeq", in_registers(t), x, low)
    return e.select(least, in_registers(t), low, e.math("lgamma", t, x))


@row("sqrt", "f")
def _sqrt(e: Scalars, loop: Any, x: str) -> str:
    return e.intrinsic("sqrt", in_registers(loop[0]), x)


@row("radians", "f")
def _radians(e: Scalars, loop: Any, x: str) -> str:
    return e.op("fmul", in_registers(loop[0]), x, e.number(math.pi / 180, loop[0]))


@row("degrees", "f")
def _degrees(e: Scalars, loop: Any, x: str) -> str:
    return e.op("fmul", in_registers(loop[0]), x, e.number(180 / math.pi, loop[0]))


def _log_of_sum(e: Scalars, t: Any, x: str, y: str, exp: str, log1p: Any, log_2: float) -> str:
    ty = in_registers(t)
    top = extremum(e, (t,), x, y, "g", "x")
    gap = e.op("fneg", ty, e.fabs(t, e.op("fsub", ty, x, y)))
    found = e.op("fadd", ty, top, log1p(e.math(exp, t, gap)))
    same = e.op("fcmp oeq", ty, x, y)  # two infinities have no difference
    return e.select(same, ty, e.op("fadd", ty, x, e.number(log_2, t)), found)


@row("logaddexp", "f")
def _logaddexp(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    return _log_of_sum(e, t, x, y, "exp", lambda u: e.math("log1p", t, u), math.log(2))


@row("logaddexp2", "f")
def _logaddexp2(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    scale = e.number(1 / math.log(2), t)
    log1p = lambda u: e.op("fmul", in_registers(t), e.math("log1p", t, u), scale)
    return _log_of_sum(e, t, x, y, "exp2", log1p, 1.0)


@row("softplus", "f")
def _softplus(e: Scalars, loop: Any, x: str) -> str:
    return _logaddexp(e, loop, e.number(0, loop[0]), x)


@row("sech2", "f")
def _sech2(e: Scalars, loop: Any, x: str) -> str:
    t = loop[0]
    ty, one = in_registers(t), e.number(1, t)
    u = e.math("exp", t, e.op("fmul", ty, e.number(-2, t), e.fabs(t, x)))
    below = e.op("fadd", ty, one, u)
    above = e.op("fmul", ty, e.number(4, t), u)
    return e.op("fdiv", ty, above, e.op("fmul", ty, below, below))


@row("logistic expit", "f")
def _logistic(e: Scalars, loop: Any, x: str) -> str:
    t = loop[0]
    ty, one, zero = in_registers(t), e.number(1, t), e.number(0, t)
    u = e.math("exp", t, e.op("fneg", ty, e.fabs(t, x)))
    above = e.select(e.op("fcmp ult", ty, x, zero), ty, u, one)
    return e.op("fdiv", ty, above, e.op("fadd", ty, one, u))


@row("direction", "f")
def _direction(e: Scalars, loop: Any, x: str, y: str) -> str:
    t = loop[0]
    ty, zero = in_registers(t), e.number(0, t)
    found = e.flt("fdiv", t, x, e.math("hypot", t, x, y))
    return e.select(e.op("fcmp oeq", ty, x, zero), ty, zero, found)


@row("sinc", "f")
def _sinc(e: Scalars, loop: Any, x: str, order: int = 0) -> str:
    t = loop[0]
    ty = in_registers(t)
    none = e.op("fcmp oeq", ty, x, e.number(0, t))
    y = e.op("fmul", ty, e.number(math.pi, t), e.select(none, ty, e.number(1e-20, t), x))
    return e.op("fdiv", ty, e.math("sin", t, y), y)


@row("xlogy", "f")
def _xlogy(e: Scalars, loop: Any, x: str, y: str) -> str:
    return _times_log(e, loop[0], x, y, "log")


@row("xlog1py", "f")
def _xlog1py(e: Scalars, loop: Any, x: str, y: str) -> str:
    return _times_log(e, loop[0], x, y, "log1p")


def _times_log(e: Scalars, t: Any, x: str, y: str, log: str) -> str:
    ty, zero = in_registers(t), e.number(0, t)
    none = e.op("and", "i1", e.op("fcmp oeq", ty, x, zero), e.op("fcmp ord", ty, y, y))
    return e.select(none, ty, zero, e.op("fmul", ty, x, e.math(log, t, y)))


@row("entr", "f")
def _entr(e: Scalars, loop: Any, x: str) -> str:
    t = loop[0]
    ty, zero = in_registers(t), e.number(0, t)
    found = e.op("fneg", ty, e.op("fmul", ty, x, e.math("log", t, x)))
    found = e.select(e.op("fcmp oeq", ty, x, zero), ty, zero, found)
    return e.select(e.op("fcmp olt", ty, x, zero), ty, e.number(-math.inf, t), found)


@row("sech2", "c")
def _sech2_complex(e: Scalars, loop: Any, x: Any) -> Any:
    t, p = loop[0], e.part(loop[0])
    ty = in_registers(p)
    left = e.op("fcmp olt", ty, x[0], e.number(0, p))
    minus = (e.op("fneg", ty, x[0]), e.op("fneg", ty, x[1]))
    x = select(e, left, t, minus, x)
    two = e.number(-2, p)
    u = complex_call(e.body, "cexp", p, (e.op("fmul", ty, two, x[0]), e.op("fmul", ty, two, x[1])))
    below = (e.op("fadd", ty, e.number(1, p), u[0]), u[1])
    four = e.number(4, p)
    above = (e.op("fmul", ty, four, u[0]), e.op("fmul", ty, four, u[1]))
    return complex_quotient(e, p, above, complex_product(e, p, below, below))
