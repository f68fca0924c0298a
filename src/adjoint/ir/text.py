"""Graphs as text. `adjoint.ir.parse` reads it back.

The grammar, in which ``x, ...`` may be empty and line breaks mean nothing::

    functions  ::=  function ...
    function   ::=  "function" NAME "(" parameter, ... ")" block
    block      ::=  "{" statement ... ("yield" | "return") operand, ... "}"
    parameter  ::=  %name ":" type
    statement  ::=  results "=" operation
                 |  operation                                  an empty tuple of results
    results    ::=  (%name | "_") ":" type, ...                "_": a result that nobody uses
                 |  %name "=" "(" results ")"                  the tuple itself is used, too

    operation  ::=  NAME "(" operand, ... parameter=data, ... ")" [body ...]
                 |  "constant" "(" data ")"                    an array as lists
                 |  "call" NAME "(" operand, ... ")"
                 |  "for" index "in" "range" "(" lo, hi, step ")" [carry] block
                 |  "while" [carry] block "do" body            condition, body
                 |  "if" operand block "else" block
                 |  "map" index "in" "range" "(" count ")" block
    index      ::=  %name [":" type]                           int, if it is not said
    carry      ::=  "carrying" "(" parameter "=" operand, ... ")"
    body       ::=  ["(" parameter, ... ")"] block

    operand    ::=  %name  |  number                           a constant
    number     ::=  2  |  2.0  |  (1+2j)  |  True              a Python number
                 |  float64(2.0)  |  bool_(True)  |  ...       a NumPy scalar
    type       ::=  (DTYPE "[" dimension, ... "]"              an ndarray
                 |   DTYPE | "bool_"                           a NumPy scalar
                 |   "bool" | "int" | "float" | "complex"      a Python number
                 |   "stack<" type ">") ["{" [least] ".." [greatest] "}"]
    dimension  ::=  2*%n + %m - 1  |  3  |  "?"                ?: read at run time

    data       ::=  number | STRING | None | ... | (data, ...) | [data, ...] | {data: data, ...}
                 |  [data] ":" [data] [":" [data]]             a slice
                 |  %name                                      a length, if it is a Python int
                 |  2*%n - 1  |  +%name                        lengths, always
                 |  value(%name)  |  constant(number)          values, always
                 |  DTYPE  |  numpy.add  |  "@" NAME           dtype, library's object, function
                 |  <... #k>  |  NAME(data, ...)               see ``constants``; a named tuple

``parameter: type`` stands in place of ``parameter=data`` where the datum is a type. Parameters of a
control operation follow it as ``with (parameter=data, ...)``. ``#`` begins a comment. The bounds
of an integer stand behind its type; values with a given name have that, the others a number.

Values that are constant numbers have no line of their own, unless nobody uses them or they are part
of a dimension. Nor has a ``project`` beside the operation whose result it takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adjoint.ir.agreement import is_python_int
from adjoint.ir.core import Block
from adjoint.ir.graph import Function, Value
from adjoint.ir.writer import Writer, is_operation, quoted

__all__ = ["Printer", "text"]


def text(*functions: Function, constants: dict[str, Any] | None = None, bounds: bool = True) -> str:
    """Return functions, and those that they call, as text.

    Parameters
    ----------
    *functions : Function
    constants : dict, optional
        Receives what is only abbreviated in the text (large arrays, Python objects that have no
        literal), by handle: ``"#0"``, ``"#1"``, ... With it the text can be parsed.
    bounds : bool
        Whether to write what is known of the range of integers.
    """
    writer = Writer(constants, bounds)
    waiting = list(functions)
    for function in waiting:
        writer.function(function)
    written = []
    for function in waiting:
        written.append("\n".join(Printer(writer).lines(function)))
        waiting += [f for f in writer.functions if f not in waiting]
    return "\n\n".join(written) + "\n"


class Printer:
    """Writes functions, blocks and statements. Graphs that are not valid have a text, too.

    Attributes
    ----------
    writer : Writer
        Has the names of the values of the function written last.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._lines: list[str] = []

    def lines(self, function: Function) -> list[str]:
        """Return the lines of a function."""
        writer, block = self.writer, function.block
        writer.begin(block)
        head = f"function {writer.function(function)}({self._parameters(block)})"
        self._block(0, head, block, "return")
        self._lines.append("}")
        return self._lines

    # -- blocks ------------------------------------------------------------------------------------

    def _parameters(self, block: Block) -> str:
        parameters: list[Any] = block.parameters
        self.writer.enter(parameters)
        return ", ".join(map(self.writer.typed, parameters))

    def _block(self, depth: int, head: str, block: Block, end: str) -> None:
        """Write a block but for its closing brace."""
        writer = self.writer
        self._lines.append(f"{head} {{")
        seen: list[Any] = list(block.parameters)
        for node in block.nodes:
            assert isinstance(node, Value)
            if writer.has_line(node):
                self._node(depth + 1, node)
                defined = (node, *writer.projections.get(node, {}).values())
                writer.enter(defined)
                seen += defined
        results = ", ".join(map(writer.operand, block.results))
        self._lines.append(f"{'  ' * (depth + 1)}{end} {results}".rstrip())
        writer.leave(seen)

    def _node(self, depth: int, node: Value) -> None:
        """Write an operation and its blocks."""
        indent = "  " * depth
        head = indent + self.statement(node)
        joints = _JOINTS.get(node.op.name) if _form(node) is not None else None
        for k, block in enumerate(node.blocks):
            joint, listed = joints[k] if joints is not None else ("", True)
            listed = listed and bool(block.parameters)
            parameters = f" ({self._parameters(block)})" if listed else ""
            self._block(depth, f"{head}{joint}{parameters}", block, "yield")
            head = f"{indent}}}"
        self._lines.append(head)

    # -- statements --------------------------------------------------------------------------------

    def statement(self, node: Value) -> str:
        """Return the line of an operation, without its blocks."""
        if node.op is None:
            return self.writer.typed(node)
        form = _form(node) or Printer._plain
        return self._results(node) + form(self, node)

    def _results(self, node: Value) -> str:
        writer, types = self.writer, node.type
        if not isinstance(types, tuple):
            return f"{writer.typed(node)} = "
        whole = f"{writer.name(node)} = " if writer.is_used(node) else ""
        named = writer.projections.get(node, {})
        entries = [
            writer.typed(named[k]) if k in named else f"_: {writer.type(t)}"
            for k, t in enumerate(types)
        ]
        listed = ", ".join(entries)
        if whole:
            return f"{whole}({listed}) = "
        if not entries:
            return ""
        lone = len(entries) == 1 and not node.op.results  # as Python tells a tuple of one
        return f"{listed}{',' if lone else ''} = "

    def _plain(self, node: Value) -> str:
        writer = self.writer
        if is_operation(node, "constant") and node.params.keys() == {"value"} and not node.inputs:
            return f"constant({writer.contents(node)})"
        arguments = [*map(writer.operand, node.inputs), *writer.params(node.params)]
        return f"{quoted(node.op.name)}({', '.join(arguments)})"

    def _with(self, params: dict[str, Any], but: str = "") -> str:
        shown = self.writer.params({key: x for key, x in params.items() if key != but})
        return f" with ({', '.join(shown)})" if shown else ""

    def _for(self, node: Value) -> str:
        lo, hi, step, *inits = map(self.writer.operand, node.inputs)
        index, *carried = node.blocks[0].parameters
        head = f"for {self._index(index)} in range({lo}, {hi}, {step})"
        return head + self._carry(carried, inits) + self._with(node.params)

    def _while(self, node: Value) -> str:
        inits = [*map(self.writer.operand, node.inputs)]
        return "while" + self._carry(node.blocks[0].parameters, inits) + self._with(node.params)

    def _if(self, node: Value) -> str:
        return f"if {self.writer.operand(node.inputs[0])}{self._with(node.params)}"

    def _map(self, node: Value) -> str:
        count = self.writer.operand(node.inputs[0])
        index = self._index(node.blocks[0].parameters[0])
        return f"map {index} in range({count}){self._with(node.params)}"

    def _call(self, node: Value) -> str:
        arguments = ", ".join(map(self.writer.operand, node.inputs))
        name = self.writer.function(node.params["function"])
        return f"call {name}({arguments}){self._with(node.params, but='function')}"

    def _index(self, value: Any) -> str:
        self.writer.enter((value,))
        if is_python_int(value.type) and not self.writer.range(value):
            return self.writer.name(value)
        return self.writer.typed(value)

    def _carry(self, parameters: Iterable[Any], inits: list[str]) -> str:
        self.writer.enter(parameters)
        pairs = [f"{self.writer.typed(p)} = {x}" for p, x in zip(parameters, inits)]
        return f" carrying ({', '.join(pairs)})" if pairs else ""


_JOINTS = {
    "for": [("", False)],
    "map": [("", False)],
    "while": [("", False), (" do", True)],
    "if": [("", False), (" else", False)],
}
"""What stands before each block of a control operation, and whether its parameters follow."""


def _form(node: Value) -> Any:
    """Return the method that writes a control operation; None for what is not shaped like one."""
    name = node.op.name if node.op is not None else None
    counts = [len(b.parameters) for b in node.blocks]
    n = len(node.inputs)
    if name == "for" and n >= 3 and counts == [n - 2]:
        return Printer._for
    if name == "while" and counts == [n, n]:
        return Printer._while
    if name == "if" and n == 1 and counts == [0, 0]:
        return Printer._if
    if name == "map" and n == 1 and counts == [1]:
        return Printer._map
    if name == "call" and not counts and isinstance(node.params.get("function"), Function):
        return Printer._call
    return None
