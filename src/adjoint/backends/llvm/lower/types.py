"""NumPy's dtypes as LLVM's types: literals, loads and stores, conversions.

An *element* is what registers hold of one number: a register (or literal), or two of them for a
complex number. A bool is an i1 in a register and a byte in memory. Numbers of a kind that machine
code does not compute with (half precision, long doubles) are moved as integers of their size.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from adjoint.backends.llvm.writer import Body

__all__ = [
    "Element", "arithmetic", "cast", "convertible", "in_memory", "in_registers", "literal",
    "parts_of", "zero",
]  # fmt: skip

Element: TypeAlias = "str | tuple[str, str]"

BOOL = np.dtype(bool)
INT = np.dtype(np.int64)
DOUBLE = np.dtype(np.float64)


@cache
def in_registers(dtype: np.dtype) -> str:
    """Return the type of a register that holds a number, or the real part of one."""
    kind, size = dtype.kind, dtype.itemsize
    if kind == "b":
        return "i1"
    if kind in "iu":
        return f"i{8 * size}"
    if kind == "c":
        size //= 2
    return {4: "float", 8: "double"}.get(size, f"i{8 * size}")


@cache
def in_memory(dtype: np.dtype) -> str:
    """Return the type of a number, or of the real part of one, in memory."""
    return "i8" if dtype.kind == "b" else in_registers(dtype)


@cache
def part_size(dtype: np.dtype) -> int:
    """Return the bytes of a number, or of the real part of one."""
    return dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize


@cache
def arithmetic(dtype: np.dtype) -> bool:
    """Tell whether machine code computes with numbers of this dtype."""
    if dtype.kind in "fc":
        return part_size(dtype) in (4, 8)
    return dtype.kind in "biu" and dtype.isnative


def convertible(have: np.dtype, want: np.dtype) -> bool:
    """Tell whether machine code makes a number of one dtype one of another."""
    return have == want or (arithmetic(have) and arithmetic(want))


def parts_of(x: Element) -> tuple[str, ...]:
    """Return the registers of an element."""
    return x if isinstance(x, tuple) else (x,)


# -- literals --------------------------------------------------------------------------------------


def real_literal(value: Any, dtype: np.dtype) -> str:
    """Return a real number as LLVM writes it."""
    kind = dtype.kind
    if kind == "b":
        return "true" if value else "false"
    if kind in "iu":
        return str(int(np.array(value).astype(dtype)))
    if part_size(dtype) not in (4, 8):
        raw = np.array(value, dtype).tobytes()[: 10 if dtype.itemsize > 2 else 2]
        return str(int.from_bytes(raw, "little"))
    single = dtype.type in (np.float32, np.complex64)
    number = float(np.float32(value)) if single else float(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


def literal(value: Any, dtype: np.dtype) -> Element:
    """Return a number as an element of a dtype."""
    if dtype.kind != "c":
        return real_literal(value, dtype)
    value = dtype.type(value)
    part = value.real.dtype
    return real_literal(value.real, part), real_literal(value.imag, part)


def zero(dtype: np.dtype) -> Element:
    """Return the number 0."""
    return literal(0, dtype)


# -- conversions -----------------------------------------------------------------------------------


def known(x: Element, dtype: np.dtype) -> Any:
    """Return the number that an element is, as a scalar of the dtype; None if it is a register."""
    if isinstance(x, tuple):
        part = dtype.type(0).real.dtype
        re, im = known(x[0], part), known(x[1], part)
        return None if re is None or im is None else dtype.type(complex(re, im))
    if x.startswith("%") or not arithmetic(dtype):
        return None
    if dtype.kind == "b":
        return np.bool_(x == "true")
    if dtype.kind == "f":
        return dtype.type(struct.unpack("<d", struct.pack("<Q", int(x, 16)))[0])
    return dtype.type(int(x))


def cast(body: Body, x: Element, have: np.dtype, want: np.dtype) -> Element:
    """Return a number as one of another dtype, as ``astype`` does."""
    if have == want:
        return x
    number = known(x, have)
    if number is not None:
        with np.errstate(all="ignore"):
            if have.kind == "c" and want.kind != "c":
                number = bool(number) if want.kind == "b" else number.real
            return literal(np.asarray(number).astype(want)[()], want)
    if want.kind == "c":
        part = want.type(0).real.dtype
        if have.kind == "c":
            re, im = x
            from_part = have.type(0).real.dtype
            return cast_real(body, re, from_part, part), cast_real(body, im, from_part, part)
        assert isinstance(x, str)
        return cast_real(body, x, have, part), real_literal(0, part)
    if have.kind == "c":
        re, im = x
        part = have.type(0).real.dtype
        if want.kind == "b":
            both = cast_real(body, re, part, want), cast_real(body, im, part, want)
            return body.op(f"or i1 {both[0]}, {both[1]}", *both)
        return cast_real(body, re, part, want)
    assert isinstance(x, str)
    return cast_real(body, x, have, want)


def cast_real(body: Body, x: str, have: np.dtype, want: np.dtype) -> str:
    """Return a real number as one of another dtype."""
    if have == want:
        return x
    a, b = in_registers(have), in_registers(want)
    from_kind, to_kind = have.kind, want.kind
    if to_kind == "b":
        if from_kind == "f":
            return body.op(f"fcmp une {a} {x}, 0.0", x)
        return body.op(f"icmp ne {a} {x}, 0", x)
    if to_kind == "f":
        if from_kind == "f":
            return body.op(f"{'fpext' if b == 'double' else 'fptrunc'} {a} {x} to {b}", x)
        how = "sitofp" if from_kind == "i" else "uitofp"
        return body.op(f"{how} {a} {x} to {b}", x)
    if from_kind == "f":
        # Which integer a number beyond the range becomes is the processor's business, as in NumPy.
        how = "fptosi" if to_kind == "i" else "fptoui"
        if to_kind == "u":
            wide = body.op(f"fptosi {a} {x} to i64", x)
            if want.itemsize < 8:
                wide = body.op(f"trunc i64 {wide} to {b}", wide)
                return body.op(f"freeze {b} {wide}", wide)
            unsigned = body.op(f"fptoui {a} {x} to i64", x)
            negative = body.op(f"fcmp olt {a} {x}, 0.0", x)
            wide = body.op(f"select i1 {negative}, i64 {wide}, i64 {unsigned}", wide, unsigned)
            return body.op(f"freeze i64 {wide}", wide)
        if want.itemsize < 4:
            wide = body.op(f"fptosi {a} {x} to i32", x)
            wide = body.op(f"trunc i32 {wide} to {b}", wide)
            return body.op(f"freeze {b} {wide}", wide)
        found = body.op(f"{how} {a} {x} to {b}", x)
        return body.op(f"freeze {b} {found}", found)
    have_bits = 1 if from_kind == "b" else 8 * have.itemsize
    want_bits = 8 * want.itemsize
    if have_bits == want_bits:
        return x
    if have_bits > want_bits:
        return body.op(f"trunc {a} {x} to {b}", x)
    return body.op(f"{'sext' if from_kind == 'i' else 'zext'} {a} {x} to {b}", x)
