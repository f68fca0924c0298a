"""Names, operands, types and data in the text of a graph: what statements are made of.

A survey of the function comes first: what needs no line of its own depends on who uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from adjoint.ir import literals
from adjoint.ir.agreement import is_python_int, same_type
from adjoint.ir.core import Block
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import StackType, Type, of_value

__all__ = ["Writer", "is_operation", "quoted"]

_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_RESERVED = frozenset({"_", "function", "inf", "infj", "nan", "nanj", "return", "yield"})
_PYTHON = {"b": "bool", "i": "int", "f": "float", "c": "complex"}


class Writer:
    """Names for the values of one function at a time, and the text of what has no line.

    Attributes
    ----------
    constants : dict
        What is abbreviated, by handle.
    functions : dict
        Names of the functions that came up, in order.
    projections : dict
        What stands on the line of the operation that it is a result of, by number.
    """

    def __init__(self, constants: dict[str, Any] | None, bounds: bool) -> None:
        self.constants: dict[str, Any] = {} if constants is None else constants
        self.functions: dict[Function, str] = {}
        self._bounds = bounds
        self._handles: dict[int, str] = {}
        self.begin(None)

    def begin(self, block: Block | None) -> None:
        """Forget the names; begin with the function of this block."""
        self.projections: dict[Value, dict[int, Value]] = {}
        self._names: dict[Value, str] = {}
        self._taken: set[str] = set()
        self._count = 0
        self._visible: set[Value] = set()
        self._operands: set[Value] = set()
        self._lengths: set[Value] = set()
        self._folded: set[Value] = set()
        if block is not None:
            self._survey(block)

    # -- what needs a line of its own --------------------------------------------------------------

    def _survey(self, block: Block) -> None:
        tuples: dict[Value, dict[int, Value]] = {}
        for p in block.parameters:
            self._note(p.type)  # type: ignore[attr-defined]
        for node in block.nodes:
            assert isinstance(node, Value)
            if is_operation(node, "project") and self._folds(node, tuples):
                self._folded.add(node)
                continue
            if isinstance(node.type, tuple):
                tuples[node] = self.projections[node] = {}
            self._operands.update(node.inputs)
            if node.params:
                self._note(node.params)
            self._note(node.type)
            for inner in node.blocks:
                self._survey(inner)
        self._operands.update(block.results)  # type: ignore[arg-type]

    def _folds(self, node: Value, tuples: dict[Value, dict[int, Value]]) -> bool:
        """Note the first projection of each result that stands in the result's own block."""
        if len(node.inputs) != 1 or node.params.keys() != {"k"} or node.blocks:
            return False
        (source,), k = node.inputs, node.params["k"]
        known = tuples.get(source)
        if known is None or type(k) is not int or not 0 <= k < len(source.type) or k in known:  # type: ignore[arg-type]
            return False
        if not same_type(node.type, source.type[k]):  # type: ignore[index]
            return False
        known[k] = node
        return True

    def _note(self, data: Any) -> None:
        if isinstance(data, Value):
            self._operands.add(data)
        elif isinstance(data, Dim):
            self._lengths.update([v for v, _ in data.terms])
        elif isinstance(data, (tuple, list)):
            for item in data:
                self._note(item)
        elif isinstance(data, dict):
            for item in data.values():
                self._note(item)
        elif isinstance(data, slice):
            self._note((data.start, data.stop, data.step))
        elif isinstance(data, Type):
            if data.shape:
                self._note(data.shape)
        elif isinstance(data, StackType):
            self._note(data.entry)

    def _literal(self, node: Value) -> str | None:
        """Return the constant number that a value is, if it needs no line of its own."""
        if not is_operation(node, "constant") or node in self._lengths or node.name is not None:
            return None
        if node not in self._operands or node.inputs or node.params.keys() != {"value"}:
            return None
        number = node.params["value"]
        literal = literals.number_literal(number)
        if literal is None:
            return None
        return literal if same_type(node.type, of_value(number)) else None

    def has_line(self, node: Value) -> bool:
        """Tell whether a value has a line of its own."""
        return node not in self._folded and self._literal(node) is None

    def enter(self, values: Iterable[Value]) -> None:
        """Note that values are visible from here on."""
        self._visible.update(values)

    def leave(self, values: Iterable[Value]) -> None:
        """Note that values are visible no longer."""
        self._visible.difference_update(values)

    def is_used(self, node: Value) -> bool:
        """Tell whether anything but a folded projection uses a value."""
        return node in self._operands or node in self._lengths

    # -- names and types ---------------------------------------------------------------------------

    def name(self, value: Value) -> str:
        """Return a value's name."""
        name = self._names.get(value)
        if name is None:
            if value.name:
                given = re.sub(r"\W", "_", value.name)
                name = _unique(f"_{given}" if given[0].isdigit() else given, self._taken)
                self._taken.add(name)
            else:
                name = str(self._count)
                self._count += 1
            name = self._names[value] = f"%{name}"
        return name

    def operand(self, value: Any) -> str:
        """Return a value as it stands among operands."""
        if not isinstance(value, Value):
            return repr(value)  # not valid; the verifier says so
        return self._literal(value) or self.name(value)

    def type(self, type: Any) -> str:
        """Return a type, with the names of the values in its dimensions."""
        if isinstance(type, tuple):
            return f"({', '.join(map(self.type, type))})"
        if isinstance(type, StackType):
            return f"stack<{self.type(type.entry)}>"
        if not isinstance(type, Type):
            return repr(type)  # not valid; the verifier says so
        dtype = type.dtype
        if type.kind == "python":
            return _PYTHON.get(dtype.kind) or dtype.name
        if type.kind == "scalar":
            return literals.scalar_type_name(dtype)
        name = literals.dtype_literal(dtype) or str(dtype)
        return f"{name}[{', '.join(map(self.dimension, type.shape))}]"

    def dimension(self, n: Any) -> str:
        """Return a dimension."""
        return "?" if n is None else Dim.text(n, self.name) if isinstance(n, Dim) else str(n)

    def range(self, value: Value) -> str:
        """Return the bounds of a value as far as they are written in values that are visible."""
        if not self._bounds or is_operation(value, "constant"):
            return ""
        least, greatest = map(self._bound, value.bounds)
        return f"{{{least}..{greatest}}}" if least or greatest else ""

    def _bound(self, n: Any) -> str:
        if n is None or (isinstance(n, Dim) and any(v not in self._visible for v, _ in n.terms)):
            return ""
        return self.dimension(n)

    def typed(self, value: Value) -> str:
        """Return a value's name, type and bounds."""
        return f"{self.name(value)}: {self.type(value.type)}{self.range(value)}"

    def function(self, function: Function) -> str:
        """Return the name of a function, which no other one has."""
        name = self.functions.get(function)
        if name is None:
            name = _unique(function.name, set(self.functions.values()))
            self.functions[function] = name
        return quoted(name)

    def contents(self, node: Value) -> str:
        """Return what a constant is."""
        value, type = node.params["value"], node.type
        if isinstance(value, np.ndarray):
            literal = literals.array_literal(value)
            if literal is not None and same_type(type, of_value(value)):
                return literal
        return self.data(value)

    def params(self, params: dict[str, Any]) -> list[str]:
        """Return the parameters of an operation, each with its name."""
        return [
            f"{quoted(key)}: {self.type(value)}"
            if isinstance(value, (Type, StackType))
            else f"{quoted(key)}={self.data(value)}"
            for key, value in params.items()
        ]

    # -- data --------------------------------------------------------------------------------------

    def data(self, x: Any) -> str:
        """Return a parameter of an operation."""
        if isinstance(x, Value):
            return self._value(x)
        if isinstance(x, Dim):
            lone = len(x.terms) == 1 and x.terms[0][1] == 1 and not x.constant
            sign = "+" if lone and not is_python_int(x.terms[0][0].type) else ""
            return sign + Dim.text(x, self.name)
        kind = type(x)
        if x is None or kind is str or kind is bytes:
            return repr(x)
        if kind is tuple:
            return f"({', '.join(map(self.data, x))}{',' if len(x) == 1 else ''})"
        if kind is list:
            return f"[{', '.join(map(self.data, x))}]"
        if kind is dict:
            entries = [f"{self._atom(key)}: {self._atom(item)}" for key, item in x.items()]
            return f"{{{', '.join(entries)}}}"
        if kind is slice:
            start, stop, step = (
                "" if n is None else self._atom(n) for n in (x.start, x.stop, x.step)
            )
            return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"
        if x is Ellipsis:
            return "..."
        return self._object(x)

    def _object(self, x: Any) -> str:
        if isinstance(x, Function):
            return f"@{self.function(x)}"
        literal = literals.number_literal(x)
        if literal is None and isinstance(x, np.dtype):
            literal = literals.dtype_literal(x)
        elif literal is None and isinstance(x, tuple) and hasattr(x, "_fields"):
            return f"{self.data(type(x))}({', '.join(map(self.data, x))})"
        elif literal is None:
            literal = literals.object_name(x)
        return self._handle(x) if literal is None else literal

    def _atom(self, x: Any) -> str:
        return f"({self.data(x)})" if type(x) is slice else self.data(x)

    def _value(self, x: Value) -> str:
        literal = self._literal(x)
        if literal is not None:
            return f"constant({literal})"
        return f"value({self.name(x)})" if is_python_int(x.type) else self.name(x)

    def _handle(self, x: Any) -> str:
        key = self._handles.get(id(x))
        if key is None:
            key = self._handles[id(x)] = f"#{len(self.constants)}"
            self.constants[key] = x
        kind = type(x).__name__
        if isinstance(x, np.ndarray):
            kind = f"{x.dtype.name}[{', '.join(map(str, x.shape))}]"
        elif callable(x):
            kind = f"{kind} {getattr(x, '__name__', '')}".rstrip()
        return f"<{re.sub('[<>#]', '', kind)} {key}>"


def is_operation(node: Value, name: str) -> bool:
    """Tell whether a value is an operation of that name."""
    return node.op is not None and node.op.name == name


def quoted(name: str) -> str:
    """Return a name, in quotes where it would be read as something else."""
    return name if _NAME.fullmatch(name) and name not in _RESERVED else repr(name)


def _unique(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    k = 1
    while f"{name}_{k}" in taken:
        k += 1
    return f"{name}_{k}"
