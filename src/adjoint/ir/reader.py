"""Operands, types and data in the text of a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adjoint.ir import literals
from adjoint.ir.agreement import is_python_int
from adjoint.ir.core import Block, Op
from adjoint.ir.dims import Dim, linear
from adjoint.ir.graph import Function, Value
from adjoint.ir.tokens import Tokens
from adjoint.ir.types import AnyType, StackType, Type, of_value, python_type

__all__ = ["Reader", "Scope"]

_PYTHON = {"bool": bool, "int": int, "float": float, "complex": complex}
_NAMED = {"None": None, "True": True, "False": False}
_CLOSING = (",", ")", "]", "}", ":")


@dataclass
class Scope:
    """A block under construction, and the names in it."""

    block: Block = field(default_factory=Block)
    names: dict[str, Value] = field(default_factory=dict)
    constants: dict[Any, Value] = field(default_factory=dict)


class Reader:
    """Reads what statements are made of.

    Attributes
    ----------
    tokens : Tokens
    find : callable
        Operation by name.
    constants : mapping
        What handles stand for.
    functions : dict
        By name, as they come up; the parser fills their blocks.
    scopes : list of Scope
        The blocks under construction, the innermost last.
    """

    def __init__(self, text: str, find: Callable[[str], Op], constants: Mapping[str, Any]) -> None:
        self.tokens = Tokens(text)
        self.find = find
        self.constants = constants
        self.functions: dict[str, Function] = {}
        self.scopes: list[Scope] = []

    def function(self, name: str) -> Function:
        return self.functions.setdefault(name, Function(name, Block()))

    def op(self, name: str) -> Op:
        try:
            return self.find(name)
        except LookupError:
            self.tokens.fail(f"there is no operation {name!r}")

    # -- values and types --------------------------------------------------------------------------

    def define(self, name: str, value: Value, scope: Scope | None = None) -> None:
        scope = self.scopes[-1] if scope is None else scope
        if name in scope.names:
            self.tokens.fail(f"{name} is defined twice")
        scope.names[name] = value
        given = name.removeprefix("%")
        value.name = None if given.isdecimal() else given

    def reference(self) -> Value:
        name = self.tokens.peek().text
        for scope in reversed(self.scopes):
            if name in scope.names:
                self.tokens.next()
                return scope.names[name]
        self.tokens.fail(f"{name} is not defined here")

    def operand(self) -> Value:
        if self.tokens.peek().kind == "value":
            return self.reference()
        return self.constant(self.number())

    def constant(self, number: Any) -> Value:
        """Return a number as a value that is visible here."""
        key = (type(number), repr(number))
        for scope in reversed(self.scopes):
            if key in scope.constants:
                return scope.constants[key]
        kind = of_value(number)
        assert kind is not None
        value = Value(self.op("constant"), (), {"value": number}, kind)
        value.bounds = constant_bounds(value)
        self.scopes[-1].block.nodes.append(value)
        self.scopes[-1].constants[key] = value
        return value

    def type(self) -> AnyType:
        tokens = self.tokens
        name = tokens.read("name")
        if name == "stack":
            tokens.expect("<")
            entry = self.type()
            tokens.expect(">")
            return StackType(entry)
        if name == "dtype":
            tokens.expect("(")
            name = tokens.read_string()
            tokens.expect(")")
        if name in _PYTHON and not tokens.at("["):
            return python_type(_PYTHON[name])
        dtype = self.dtype(name)
        if not tokens.take("["):
            return Type(dtype, (), "scalar")
        shape: list[Any] = []
        while not tokens.at("]"):
            shape.append(None if tokens.take("?") else self.dimension())
            if not tokens.take(","):
                break
        tokens.expect("]")
        return Type(dtype, tuple(shape))

    def dtype(self, name: str) -> np.dtype:
        try:
            return literals.dtype_from(name)
        except TypeError:
            self.tokens.fail(f"there is no dtype {name!r}")

    def bounds(self) -> tuple[Any, Any]:
        tokens = self.tokens
        if not tokens.take("{"):
            return (None, None)
        least = None if tokens.at("..") else self.dimension()
        tokens.expect("..")
        greatest = None if tokens.at("}") else self.dimension()
        tokens.expect("}")
        return (least, greatest)

    def dimension(self) -> Any:
        """Read a linear expression; an int where no value is left in it."""
        tokens, constant = self.tokens, 0
        terms: dict[Value, int] = {}
        sign = -1 if tokens.take("-") else 1
        tokens.take("+")
        while True:
            value, size = self._term()
            if value is None:
                constant += sign * size
            else:
                terms[value] = terms.get(value, 0) + sign * size
            if not tokens.at("+", "-"):
                break
            sign = -1 if tokens.next().text == "-" else 1
        constant, left = linear(constant, terms)
        return Dim(constant, left) if left else constant

    def _term(self) -> tuple[Value | None, int]:
        tokens = self.tokens
        if tokens.peek().kind == "value":
            return self.reference(), 1
        if not tokens.peek().text.isdecimal():
            tokens.fail(f"expected a dimension, found {tokens.peek().text!r}")
        size = int(tokens.next().text)
        return (self.reference(), size) if tokens.take("*") else (None, size)

    # -- data --------------------------------------------------------------------------------------

    def contents(self, types: tuple[AnyType, ...]) -> Any:
        """Read what a constant is, an array of the type that is said of it."""
        x = self.data()
        type = types[0] if len(types) == 1 else None
        if not isinstance(type, Type) or type.kind != "array" or isinstance(x, np.ndarray):
            return x
        try:
            return literals.array_from(x, type.dtype, type.shape)
        except (TypeError, ValueError) as error:
            self.tokens.fail(f"these are not the contents of such an array ({error})")

    def number(self) -> Any:
        """Read a Python number or NumPy scalar."""
        tokens = self.tokens
        if tokens.peek().kind == "name":
            name = tokens.next().text
            if name in ("True", "False"):
                return _NAMED[name]
            dtype = self.dtype(name)
            tokens.expect("(")
            number = self.number()
            tokens.expect(")")
            return dtype.type(number)
        sign = "-" if tokens.take("-") else ""
        digits = sign + tokens.read("number")
        if digits.strip("()").endswith("j"):
            return complex(digits)
        return int(digits) if digits.removeprefix("-").isdecimal() else float(digits)

    def data(self) -> Any:
        """Read a parameter of an operation."""
        tokens = self.tokens
        if not tokens.at(":"):
            item = self._item()
            if not tokens.at(":"):
                return item
        else:
            item = None
        parts = [item]
        while len(parts) < 3 and tokens.take(":"):
            parts.append(None if tokens.at(*_CLOSING) else self._item())
        return slice(*parts)

    def _item(self) -> Any:
        tokens = self.tokens
        kind = tokens.peek().kind
        if kind in ("value", "number") or tokens.at("+", "-"):
            return self._arithmetic()
        if kind == "string":
            return tokens.read_string()
        if kind == "handle":
            return self._called(self._handle())
        if kind == "name":
            return self._named()
        if tokens.take("..."):
            return Ellipsis
        if tokens.take("@"):
            return self.function(tokens.read_name())
        if tokens.take("("):
            items, lone = self._sequence(")")
            return items[0] if lone else tuple(items)
        if tokens.take("["):
            return self._sequence("]")[0]
        if tokens.take("{"):
            return self._entries()
        tokens.fail(f"expected a datum, found {tokens.peek().text!r}")

    def _arithmetic(self) -> Any:
        """Read a number, a value, or a dimension, whichever it is."""
        tokens = self.tokens
        start = tokens.position
        signed = tokens.at("+", "-")
        if not tokens.at("+") and tokens.peek(signed).kind == "number":
            number = self.number()
            if not tokens.at("+", "-", "*"):
                return number
        elif not signed:
            value = self.reference()
            if not tokens.at("+", "-") and not is_python_int(value.type):
                return value
        tokens.position = start
        return self.dimension()

    def _sequence(self, closing: str) -> tuple[list[Any], bool]:
        """Read to the end of a list; tell whether it is one datum without a comma."""
        tokens, items, comma = self.tokens, [], False
        while not tokens.at(closing):
            items.append(self.data())
            if not tokens.take(","):
                break
            comma = True
        tokens.expect(closing)
        return items, len(items) == 1 and not comma

    def _entries(self) -> dict[Any, Any]:
        tokens, entries = self.tokens, {}
        while not tokens.at("}"):
            key = self._item()
            tokens.expect(":")
            entries[key] = self._item()
            if not tokens.take(","):
                break
        tokens.expect("}")
        return entries

    def _handle(self) -> Any:
        handle = self.tokens.read("handle")
        key = handle[handle.rindex("#") : -1]
        if key not in self.constants:
            self.tokens.fail(f"{handle} is not in the table of constants")
        return self.constants[key]

    def _called(self, x: Any) -> Any:
        """Return ``x``, or the named tuple that it makes of what follows in parentheses."""
        return x(*self._sequence(")")[0]) if self.tokens.take("(") else x

    def _named(self) -> Any:
        tokens = self.tokens
        name = tokens.peek().text
        if tokens.at("(", ahead=1) and "." not in name:
            return self._marked(name)
        tokens.next()
        if name in _NAMED:
            return _NAMED[name]
        if "." not in name:
            return self.dtype(name)
        try:
            return self._called(literals.object_from(name))
        except LookupError as error:
            tokens.fail(str(error.args[0]))

    def _marked(self, name: str) -> Any:
        """Read ``constant(...)``, ``value(...)``, ``dtype(...)`` or a NumPy scalar."""
        tokens = self.tokens
        if name not in ("constant", "value", "dtype"):
            return self.number()
        tokens.next()
        tokens.expect("(")
        if name == "constant":
            found: Any = self.constant(self.number())
        else:
            found = self.reference() if name == "value" else self.dtype(tokens.read_string())
        tokens.expect(")")
        return found


def constant_bounds(value: Value) -> tuple[Any, Any]:
    """Return the bounds of a constant, which the text leaves out."""
    number = value.params.get("value")
    return (number, number) if is_python_int(value.type) else (None, None)
