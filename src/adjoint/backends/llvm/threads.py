"""How much of its stack a thread has used."""

from __future__ import annotations

import ctypes
from functools import cache

__all__ = ["stack_pointer"]


@cache
def _code() -> ctypes._CFuncPtr:  # type: ignore[name-defined]
    from adjoint.backends.llvm import engine

    text = """declare ptr @llvm.frameaddress.p0(i32 immarg)
define i64 @here() {
  %p = call ptr @llvm.frameaddress.p0(i32 0)
  %a = ptrtoint ptr %p to i64
  ret i64 %a
}
"""
    code = engine.compile_module(text)
    function = ctypes.PYFUNCTYPE(ctypes.c_int64)(code.address("here"))
    function.code = code  # type: ignore[attr-defined]
    return function  # type: ignore[return-value]


def stack_pointer() -> int:
    """Return an address of the present frame of this thread."""
    return _code()()  # type: ignore[operator]
