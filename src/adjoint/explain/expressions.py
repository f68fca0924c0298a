"""One step of a graph as a formula: ``v₁ + v₂``, ``ln v₁``, ``v₃ with [0] = v₄``."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.ops.registry import Op

__all__ = ["expression", "number", "shape_text", "subscript", "value_text", "width"]

_SUBSCRIPTS = str.maketrans("-0123456789", "₋₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FEW = 4


def subscript(k: int) -> str:
    """Return an integer as a subscript."""
    return str(k).translate(_SUBSCRIPTS)


def width(text: str) -> int:
    """Return the columns that ``text`` takes in a terminal: the dot of v̇ takes none."""
    return sum(not unicodedata.combining(c) for c in text)


# ------------------------------------------------------------------------------------- values


def number(x: Any, digits: int = 6) -> str:
    """Return a number with so many significant digits, and a true minus sign."""
    if isinstance(x, (bool, np.bool)):
        return str(bool(x))
    if isinstance(x, (int, np.integer)):
        return str(int(x)).replace("-", "−")
    if isinstance(x, (complex, np.complexfloating)):
        sign = "−" if np.signbit(x.imag) else "+"
        return f"{number(x.real, digits)}{sign}{number(abs(x.imag), digits)}i"
    text = f"{float(x):.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if exponent:
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def value_text(x: Any, digits: int = 6) -> str:
    """Return a value in a few characters; large arrays by their shape."""
    if isinstance(x, tuple):
        return "(" + ", ".join(value_text(part, digits) for part in x) + ")"
    if isinstance(x, np.ndarray) and x.ndim:
        if x.size <= _FEW:
            return "[" + ", ".join(value_text(part, digits) for part in x) + "]"
        if x.ndim == 1:
            first, second, last = (number(x[k], digits) for k in (0, 1, -1))
            return f"[{first}, {second}, …, {last}] ({x.size})"
        return shape_text(x.shape)
    if isinstance(x, np.ndarray):
        return number(x[()], digits)
    if isinstance(x, (bool, int, float, complex, np.generic)):
        return number(x, digits)
    return "" if x is None else repr(x)


def shape_text(shape: Sequence[int]) -> str:
    """Return what an array of that shape is called."""
    return f"{_shape(shape)} array" if len(shape) != 1 else f"array of {shape[0]}"


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) if shape else "a number"


# ------------------------------------------------------------------------------------ formulas

_INFIX = {
    "add": "+",
    "subtract": "−",
    "multiply": "×",
    "divide": "/",
    "floor_divide": "//",
    "remainder": "mod",
    "matmul": "@",
    "strong_multiply": "×",
}
_NAMES = {"log": "ln", "log10": "lg", "reduce_sum": "Σ", "arctan2": "atan2"}


def _apply(name: str, x: str) -> str:
    bare = _is_name(x)
    return f"{name} {x}" if bare else f"{name}({x})"


def _is_name(text: str) -> bool:
    """Tell whether an operand needs no parentheses: a variable such as v₋₁."""
    return text[:1].isalpha() and all(c.isalnum() or c in "₋_" for c in text)


def _guarded(text: str) -> str:
    return f"({text})" if text.startswith("−") else text


def _power(x: str, y: str) -> str:
    base = x if _is_name(x) or x.isdigit() else f"({x})"
    if y.removeprefix("−").isdigit() and len(y) <= 2:
        return base + y.replace("−", "-").translate(_SUPERSCRIPTS)
    return f"{base}^{y if _is_name(y) else f'({y})'}"


def _index(index: Any) -> str:
    entries = index if isinstance(index, tuple) else (index,)
    return "[" + ", ".join(map(_index_entry, entries)) + "]"


def _index_entry(entry: Any) -> str:
    if isinstance(entry, slice):
        ends = ["" if end is None else str(end) for end in (entry.start, entry.stop)]
        return ":".join(ends) + ("" if entry.step is None else f":{entry.step}")
    if entry is Ellipsis:
        return "..."
    if isinstance(entry, (np.ndarray, list)):
        entry = np.asarray(entry)
        return "mask" if entry.dtype == np.bool else value_text(entry)
    return str(entry)


def _path(path: Sequence[tuple[str, Any]]) -> str:
    parts = []
    for kind, argument in path:
        if kind == "index":
            parts.append(_index(argument))
        elif kind == "permute":
            parts.append("ᵀ")
        elif kind == "reshape":
            parts.append(f" as {_shape(argument)}")
        else:
            parts.append(f".{kind}")
    return "".join(parts)


def _store(sign: str) -> Callable[..., str]:
    def text(x: str, value: str, *, path: Any) -> str:
        return f"{x} with {_path(path) or 'all'} {sign} {value}"

    return text


def _permuted(x: str, *, axes: Sequence[int]) -> str:
    return f"{x}ᵀ" if tuple(axes) == (1, 0) else f"permute({x}, {tuple(axes)})"


def _total(x: str, *, axis: Any = None, keepdims: bool = False) -> str:
    along = "" if axis is None else f" over axis {', '.join(map(str, np.atleast_1d(axis)))}"
    return _apply("Σ", x) + along


_SPECIAL: dict[str, Callable[..., str]] = {
    "power": _power,
    "square": lambda x: _power(x, "2"),
    "negative": lambda x: f"−{x}" if _is_name(x) else f"−({x})",
    "absolute": lambda x: f"|{x}|",
    "reciprocal": lambda x: f"1 / {x}",
    "sqrt": lambda x: f"√{x}" if _is_name(x) else f"√({x})",
    "getitem": lambda x, *, index: x + _index(index),
    "read": lambda x, *, path: x + _path(path),
    "update": _store("="),
    "index_add": _store("+="),
    "permute": _permuted,
    "reshape": lambda x, *, shape: f"{x} as {_shape(shape)}",
    "broadcast_to": lambda x, *, shape: f"{x} as {_shape(shape)}",
    "cast": lambda x, *, dtype: f"{x} as {np.dtype(dtype)}",
    "copy": lambda x: x,
    "python_number": lambda x: x,
    "reduce_sum": _total,
    "project": lambda x, *, k: f"result {k + 1} of {x}",
    "stack": lambda *xs, axis=0: "[" + ", ".join(xs) + "]" + (f" along axis {axis}" * bool(axis)),
}


def expression(op: Op, operands: Sequence[str], params: dict[str, Any] | None) -> str:
    """Return what ``op`` computes of ``operands``, which are given as text."""
    params = params or {}
    special = _SPECIAL.get(op.name)
    if special is not None:
        try:
            return special(*operands, **params)
        except TypeError:  # called in a way that the formula does not foresee
            pass
    if op.name in _INFIX and len(operands) == 2 and not params:
        return f"{operands[0]} {_INFIX[op.name]} {_guarded(operands[1])}"
    name = _NAMES.get(op.name, op.name)
    if len(operands) == 1 and not params:
        return _apply(name, operands[0])
    arguments = [*operands, *(f"{key}={_parameter(value)}" for key, value in params.items())]
    return f"{name}({', '.join(arguments)})"


def _parameter(value: Any) -> str:
    text = value_text(value) if isinstance(value, np.ndarray) else str(value)
    return text if len(text) <= 40 else text[:37] + "…"
