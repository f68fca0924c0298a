"""Graphs from their text; `adjoint.ir.text` has the grammar.

What comes back is the graph that was written, but for what the text leaves out: which number
constants are one value, where a ``project`` stood, and places in the user's program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adjoint.ir.core import Block, Op
from adjoint.ir.graph import Function, Value
from adjoint.ir.reader import Reader, Scope, constant_bounds
from adjoint.ir.types import AnyType, python_type

__all__ = ["parse"]


def parse(
    text: str, find: Callable[[str], Op], constants: Mapping[str, Any] | None = None
) -> list[Function]:
    """Return the functions of a text, in its order.

    Parameters
    ----------
    text : str
    find : callable
        Operation by name; raises LookupError where there is none.
    constants : mapping, optional
        What the text abbreviates, as `adjoint.ir.text.text` filled it.

    Raises
    ------
    IRError
        If that is not the text of a graph.
    """
    return _Parser(Reader(text, find, constants or {})).functions()


@dataclass
class _Results:
    """What stands before the ``=``: a name for the tuple, names, types and bounds of results."""

    name: str | None = None
    entries: list[tuple[str | None, AnyType, tuple[Any, Any]]] = field(default_factory=list)
    is_tuple: bool = False


class _Parser:
    """Reads functions, blocks and statements."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.tokens = reader.tokens

    # -- functions and blocks ----------------------------------------------------------------------

    def functions(self) -> list[Function]:
        tokens = self.tokens
        defined: list[Function] = []
        while tokens.peek().kind != "end":
            tokens.expect("function")
            function = self.reader.function(tokens.read_name())
            if function in defined:
                tokens.fail(f"there are two functions {function.name!r}")
            defined.append(function)
            scope = Scope(function.block)
            self.parameters(scope)
            self.block(scope)
        for function in self.reader.functions.values():
            if function not in defined:
                tokens.fail(f"the function {function.name!r} is called, but not there")
        return defined

    def parameters(self, scope: Scope, inits: list[Value] | None = None) -> None:
        """Read the parameters of a block; with ``inits``, what each begins as, too."""
        tokens = self.tokens
        tokens.expect("(")
        # Their types may mention each other.
        placed = {name: Value.__new__(Value) for name in self._names_ahead()}
        for name, value in placed.items():
            self.reader.define(name, value, scope)
        while not tokens.at(")"):
            value = placed[tokens.read("value")]
            tokens.expect(":")
            self._parameter(scope, value, *self._inside(scope))
            if inits is not None:
                tokens.expect("=")
                inits.append(self.reader.operand())
            if not tokens.take(","):
                break
        tokens.expect(")")

    def _names_ahead(self) -> list[str]:
        """Return the names that begin an entry of the list just entered."""
        tokens, depth, ahead, names = self.tokens, 0, 0, []
        while depth >= 0 and tokens.peek(ahead).kind != "end":
            if (
                tokens.peek(ahead).kind == "value"
                and depth == 0
                and tokens.at("(", ",", ahead=ahead - 1)
            ):
                names.append(tokens.peek(ahead).text)
            depth += tokens.at("(", "[", "{", ahead=ahead) - tokens.at(")", "]", "}", ahead=ahead)
            ahead += 1
        return names

    def _inside(self, scope: Scope) -> tuple[AnyType, tuple[Any, Any]]:
        self.reader.scopes.append(scope)
        found = self.reader.type(), self.reader.bounds()
        self.reader.scopes.pop()
        return found

    def _parameter(
        self, scope: Scope, value: Value, type: AnyType, bounds: tuple[Any, Any]
    ) -> None:
        name = value.name
        value.__init__(None, (), None, type)
        value.name, value.bounds = name, bounds
        scope.block.parameters.append(value)

    def index(self, scope: Scope) -> None:
        """Read the index of a loop."""
        value = Value.__new__(Value)
        self.reader.define(self.tokens.read("value"), value, scope)
        typed = self.tokens.take(":")
        type, bounds = self._inside(scope) if typed else (python_type(int), (None, None))
        self._parameter(scope, value, type, bounds)

    def block(self, scope: Scope) -> Block:
        """Read the statements of a block, in braces."""
        tokens = self.tokens
        self.reader.scopes.append(scope)
        tokens.expect("{")
        while not tokens.at("yield", "return"):
            self.statement()
        tokens.next()
        while not tokens.at("}"):
            scope.block.results.append(self.reader.operand())
            if not tokens.take(","):
                break
        tokens.expect("}")
        self.reader.scopes.pop()
        return scope.block

    def body(self) -> Block:
        """Read a block with its parameters."""
        scope = Scope()
        if self.tokens.at("("):
            self.parameters(scope)
        return self.block(scope)

    # -- statements --------------------------------------------------------------------------------

    def statement(self) -> None:
        results = self.results()
        types = tuple([type for _, type, _ in results.entries])
        op, inputs, params, blocks = self.operation(types)
        name = results.name
        several = results.is_tuple or op.results or len(types) != 1
        value = Value(op, inputs, params, types if several else types[0], blocks)
        self.reader.scopes[-1].block.nodes.append(value)
        if not several:
            name, _, value.bounds = results.entries[0]
            if op.name == "constant":
                value.bounds = constant_bounds(value)
        if name is not None:
            self.reader.define(name, value)
        if several:
            for k, (name, type, bounds) in enumerate(results.entries):
                if name is not None:
                    part = Value(self.reader.op("project"), (value,), {"k": k}, type)
                    part.bounds = bounds
                    self.reader.scopes[-1].block.nodes.append(part)
                    self.reader.define(name, part)

    def results(self) -> _Results:
        tokens, results = self.tokens, _Results()
        if tokens.peek().kind == "value" and tokens.at("=", ahead=1):
            results.name = tokens.read("value")
            tokens.expect("=")
            tokens.expect("(")
            results.is_tuple = True
            while not tokens.at(")"):
                self._result(results)
                if not tokens.take(","):
                    break
            tokens.expect(")")
        elif tokens.peek().kind == "value" or tokens.at("_"):
            self._result(results)
            while tokens.take(","):
                results.is_tuple = True
                if not tokens.at("="):
                    self._result(results)
        else:
            return results
        tokens.expect("=")
        return results

    def _result(self, results: _Results) -> None:
        name = None if self.tokens.take("_") else self.tokens.read("value")
        self.tokens.expect(":")
        results.entries.append((name, self.reader.type(), self.reader.bounds()))

    def operation(
        self, types: tuple[AnyType, ...]
    ) -> tuple[Op, tuple[Value, ...], dict[str, Any], tuple[Block, ...]]:
        """Read an operation: what it is, operands, parameters, blocks."""
        tokens = self.tokens
        name = tokens.read_name()
        inputs: list[Value] = []
        params: dict[str, Any] = {}
        blocks: list[Block] = []
        special = {"for": self._for, "while": self._while, "if": self._if, "map": self._map}
        if name == "call" and not tokens.at("("):
            params["function"] = self.reader.function(tokens.read_name())
            self.arguments(inputs, params)
            self._with(params)
        elif name in special and not tokens.at("("):
            special[name](inputs, params, blocks)
        elif name == "constant" and not tokens.at("=", ":", ahead=2):
            tokens.expect("(")
            params["value"] = self.reader.contents(types)
            tokens.expect(")")
        else:
            self.arguments(inputs, params)
            while tokens.at("(", "{"):
                blocks.append(self.body())
        return self.reader.op(name), tuple(inputs), params, tuple(blocks)

    def arguments(self, inputs: list[Value], params: dict[str, Any]) -> None:
        """Read operands and parameters in parentheses."""
        tokens = self.tokens
        tokens.expect("(")
        while not tokens.at(")"):
            if tokens.peek().kind in ("name", "string") and tokens.at("=", ":", ahead=1):
                key = tokens.read_name()
                params[key] = (
                    self.reader.type() if tokens.next().text == ":" else self.reader.data()
                )
            else:
                inputs.append(self.reader.operand())
            if not tokens.take(","):
                break
        tokens.expect(")")

    def _with(self, params: dict[str, Any]) -> None:
        if self.tokens.take("with"):
            self.arguments([], params)

    def _range(self) -> list[Value]:
        self.tokens.expect("in")
        self.tokens.expect("range")
        inputs: list[Value] = []
        self.arguments(inputs, {})
        return inputs

    def _carry(self, scope: Scope, inputs: list[Value]) -> None:
        if self.tokens.take("carrying"):
            self.parameters(scope, inputs)

    def _for(self, inputs: list[Value], params: dict[str, Any], blocks: list[Block]) -> None:
        scope = Scope()
        self.index(scope)
        inputs += self._range()
        self._carry(scope, inputs)
        self._with(params)
        blocks.append(self.block(scope))

    def _while(self, inputs: list[Value], params: dict[str, Any], blocks: list[Block]) -> None:
        scope = Scope()
        self._carry(scope, inputs)
        self._with(params)
        blocks.append(self.block(scope))
        self.tokens.expect("do")
        blocks.append(self.body())

    def _if(self, inputs: list[Value], params: dict[str, Any], blocks: list[Block]) -> None:
        inputs.append(self.reader.operand())
        self._with(params)
        blocks.append(self.block(Scope()))
        self.tokens.expect("else")
        blocks.append(self.block(Scope()))

    def _map(self, inputs: list[Value], params: dict[str, Any], blocks: list[Block]) -> None:
        scope = Scope()
        self.index(scope)
        inputs += self._range()
        self._with(params)
        blocks.append(self.block(scope))
