"""Calls of the C library from code: declared once in the module, without side effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.backends.llvm import vector_math
from adjoint.backends.llvm.lower.types import in_registers
from adjoint.backends.llvm.symbols import LIBM
from adjoint.backends.llvm.writer import Body, Module

__all__ = ["call", "complex_call", "integer_power"]

PURE = "nounwind willreturn nosync nofree speculatable memory(none)"


def call(module: Module, name: str, type: str, xs: Sequence[str]) -> str:
    """Return the text of a call of a function of real numbers."""
    if name in vector_math.ARITY:
        function = vector_math.function(name, type)
        module.functions[function] = None
        return function.call(*xs)
    full = f"@{LIBM}{name}f" if type == "float" else f"@{LIBM}{name}"
    module.declare(full, f"declare {type} {full}({', '.join([type] * len(xs))}) {PURE}")
    return f"call {type} {full}({', '.join(f'{type} {x}' for x in xs)})"


def complex_call(body: Body, name: str, part: np.dtype, x: Any) -> tuple[str, str]:
    """Call a function of one complex number; single precision goes through double precision."""
    single = part.itemsize == 4
    ty = in_registers(part)
    pair = x
    if single:
        pair = tuple(body.op(f"fpext float {p} to double", p) for p in x)
    full = f"@{LIBM}{name}"
    both = "{ double, double }"
    body.module.declare(full, f"declare {both} {full}(double, double) {PURE}")
    found = body.op(f"call {both} {full}(double {pair[0]}, double {pair[1]})", *pair)
    re, im = (body.op(f"extractvalue {both} {found}, {k}", found) for k in (0, 1))
    if single:
        re, im = (body.op(f"fptrunc double {p} to {ty}", p) for p in (re, im))
    return re, im


def integer_power(module: Module, type: str) -> str:
    """Return the name of x to the n-th power of integers, n ≥ 0; it wraps around."""
    name = f"@integer_power.{type}"
    module.declare(
        name,
        f"""define internal {type} {name}({type} %x, {type} %n) #0 {{
start:
  br label %loop
loop:
  %r = phi {type} [ 1, %start ], [ %r2, %loop ]
  %b = phi {type} [ %x, %start ], [ %b2, %loop ]
  %k = phi {type} [ %n, %start ], [ %k2, %loop ]
  %bit = and {type} %k, 1
  %odd = icmp ne {type} %bit, 0
  %times = select i1 %odd, {type} %b, {type} 1
  %r2 = mul {type} %r, %times
  %b2 = mul {type} %b, %b
  %k2 = lshr {type} %k, 1
  %more = icmp ne {type} %k2, 0
  br i1 %more, label %loop, label %end
end:
  ret {type} %r2
}}""",
    )
    return name
