"""What makes a graph valid.

- Every value is defined once, before it is used, in the same block or one around it; so are those
  in parameters and in the dimensions of types.
- What enters a block, what goes round and what leaves it has the type that is declared there.

A pass takes valid graphs and leaves valid graphs, and tests run `verify` after each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from adjoint.errors import IRError
from adjoint.ir.agreement import (
    Substitution,
    accepts,
    contradicts,
    integer_constant,
    is_integer,
    itself,
    same_type,
)
from adjoint.ir.core import Block
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Function, Value, values_in, walk
from adjoint.ir.text import Printer
from adjoint.ir.types import StackType, Type, of_value
from adjoint.ir.writer import Writer

__all__ = ["verify"]


def verify(function: Function, infer: Callable[[Value], Any] | None = None) -> None:
    """Raise an error if a graph is not valid, or one of a function that it calls.

    Parameters
    ----------
    function : Function
    infer : callable, optional
        Type that an ordinary operation's result should have, to be checked; None where that is not
        known. A length may differ where only a run can tell.

    Raises
    ------
    IRError
        It names the value, and says what is wrong with it.
    """
    waiting, defined = [function], set()
    for each in waiting:
        verifier = _Verifier(each, infer, defined)
        verifier.block(each.block)
        waiting += [f for f in verifier.called if f not in waiting]


class _Verifier:
    def __init__(
        self, function: Function, infer: Callable[[Value], Any] | None, defined: set[Value]
    ) -> None:
        self.function = function
        self.infer = infer
        self.defined = defined
        self.visible: set[Value] = set()
        self.called: dict[Function, None] = {}

    # -- blocks and what is visible in them --------------------------------------------------------

    def block(self, block: Block, around: Value | None = None) -> None:
        """Check a block; ``around`` is the operation that it belongs to."""
        entered: list[Any] = list(block.parameters)
        for node in (*block.parameters, *block.nodes):
            if not isinstance(node, Value):
                raise IRError(f"{node!r} in {self.function.name} is not of a staged graph")
        for p in entered:
            if p.op is not None:
                self.fail(p, "a parameter of a block is an operation")
            self.define(p)
        for p in entered:
            self.single(p)
            self.type(p, p.type)
        for node in block.nodes:
            assert isinstance(node, Value)
            if node.op is None:
                self.fail(node, "a parameter of a block stands among its operations")
            if node in self.defined:
                self.fail(node, "it is defined twice")
            self.node(node)
            self.define(node)
            entered.append(node)
        for result in block.results:
            self.operand(around, result, "result")
        self.visible.difference_update(entered)

    def define(self, value: Value) -> None:
        if value in self.defined:
            self.fail(value, "it is defined twice")
        self.defined.add(value)
        self.visible.add(value)

    def node(self, node: Value) -> None:
        """Check an operation, with its blocks."""
        is_project = node.op.name == "project"
        for operand in node.inputs:
            self.operand(node, operand, "operand", is_project)
        for key, data in node.params.items():
            for value in values_in(data):
                self.operand(node, value, f"parameter {key} has")
            if isinstance(data, (Type, StackType)):
                self.type(node, data)
        self.type(node, node.type)
        check = _CHECKS.get(node.op.name)
        if check is None:
            self.ordinary(node)
        for inner in node.blocks:
            self.block(inner, node)
        if check is not None:
            check(self, node)

    def operand(self, node: Value | None, value: Any, role: str, tuples: bool = False) -> None:
        if not isinstance(value, Value):
            self.fail(node, f"{role} {value!r} is not a value")
        if value not in self.visible:
            self.fail(node, f"{role} ", value, f" {self.why_not_visible(value)}")
        if not tuples:
            self.single(value, node, role)

    def single(self, value: Value, node: Value | None = None, role: str = "") -> None:
        if isinstance(value.type, tuple):
            if node is None:
                self.fail(value, "a parameter of a block is a tuple")
            self.fail(node, f"{role} ", value, " is a tuple; `project` takes it apart")

    def why_not_visible(self, value: Value) -> str:
        block = self.function.block
        if value in block.nodes:
            return "is used before it is defined"
        inside = {value for node in walk(block) for b in node.blocks for value in b.parameters}
        if value in inside or value in set(walk(block)):
            return "is defined in a block that is not around this use, or after it"
        return "is defined nowhere in the function"

    def type(self, node: Value, type: Any) -> None:
        """Check that a type is one, and that the lengths in it are visible."""
        if isinstance(type, tuple):
            for entry in type:
                self.type(node, entry)
            return
        while isinstance(type, StackType):
            type = type.entry
        if not isinstance(type, Type):
            self.fail(node, f"{type!r} is not a type")
        if type.kind != "array" and type.shape:
            self.fail(node, f"a number has the shape of an array: {len(type.shape)} axes")
        if type.kind == "python" and type.dtype not in _PYTHON_DTYPES:
            self.fail(node, f"no number of Python's has the dtype {type.dtype}")
        for n in type.shape:
            self.dimension(node, n)

    def dimension(self, node: Value, n: Any) -> None:
        if isinstance(n, Dim):
            for value, _ in n.terms:
                self.operand(node, value, "length")
                if not is_integer(value.type):
                    self.fail(node, "length ", value, " is no integer, but ", value.type)
        elif n is not None and (not isinstance(n, int) or n < 0):
            self.fail(node, f"{n!r} is not the length of an axis")

    # -- ordinary operations -----------------------------------------------------------------------

    def ordinary(self, node: Value) -> None:
        op = node.op
        if node.blocks:
            self.fail(node, "only a control operation has blocks")
        self.arity(node)
        if op.results and not isinstance(node.type, tuple):
            self.fail(node, f"{op.name} has several results, and its type is no tuple")
        expected = self.infer(node) if self.infer is not None else None
        if expected is not None and _differ(expected, node.type):
            self.fail(node, "its type should be ", expected)

    def arity(self, node: Value) -> None:
        """Check the number of operands."""
        names = node.op.operands
        least = sum(not name.startswith("*") for name in names)
        found = len(node.inputs)
        if found < least or (found > least and least == len(names)):
            self.fail(node, f"{node.op.name} takes ({', '.join(names)})")

    def project(self, node: Value) -> None:
        if node.blocks or len(node.inputs) != 1 or not isinstance(node.inputs[0].type, tuple):
            self.fail(node, "`project` takes a tuple")
        types, k = node.inputs[0].type, node.params.get("k")
        if type(k) is not int or not 0 <= k < len(types):
            self.fail(node, f"there is no result {k!r} of {len(types)}")
        if not same_type(node.type, types[k]):
            self.fail(node, f"result {k} is ", types[k])

    def constant(self, node: Value) -> None:
        if node.blocks or node.inputs or "value" not in node.params:
            self.fail(node, "a constant has a value, and nothing else")
        found = of_value(node.params["value"])
        if found is None:
            self.fail(node, f"{node.params['value']!r} is neither a number nor an array")
        if not same_type(node.type, found):
            self.fail(node, "the value is ", found)

    # -- control operations ------------------------------------------------------------------------

    def shape(self, node: Value, *parameters: int) -> None:
        """Check how many operands, blocks and parameters of blocks a control operation has."""
        self.arity(node)
        if not isinstance(node.type, tuple):
            self.fail(node, "the type of a control operation is a tuple")
        if len(node.blocks) != len(parameters):
            self.fail(node, f"it has {len(node.blocks)} blocks, not {len(parameters)}")
        for k, (block, count) in enumerate(zip(node.blocks, parameters)):
            found = len(block.parameters)
            if found != count:
                self.fail(node, f"{_name(node, k)} has {found} parameters, not {count}")

    def integers(self, node: Value, names: str, values: Sequence[Any]) -> None:
        for name, value in zip(names.split(), values):
            if not is_integer(value.type):
                self.fail(node, f"the {name} ", value, " is no integer, but ", value.type)

    def enters(
        self,
        node: Value,
        parameters: Sequence[Any],
        given: Sequence[Any],
        what: str,
        where: str,
    ) -> None:
        """Check that ``given`` may become the parameters of a block."""
        if len(given) != len(parameters):
            self.fail(node, f"{what}: {len(given)}, but {where} takes {len(parameters)}")
        of = dict(zip(parameters, given))
        for p, x in zip(parameters, given):
            if not accepts(p.type, x.type, lambda v: of.get(v, v)):
                self.fail(
                    node, f"{what} ", x, ": ", x.type, f", but {where} takes ", p, ": ", p.type
                )

    def leaves(
        self,
        node: Value,
        types: Sequence[Any],
        source: str,
        of: Substitution = itself,
    ) -> None:
        """Check that what has ``types`` may be the results of an operation."""
        if len(types) != len(node.type):  # type: ignore[arg-type]
            self.fail(node, f"{source} gives {len(types)} results of {len(node.type)}")  # type: ignore[arg-type]
        for k, (wanted, found) in enumerate(zip(node.type, types)):  # type: ignore[arg-type]
            if not accepts(wanted, found, of_given=of):
                self.fail(node, f"result {k} is ", wanted, f", but {source} gives ", found)

    def check_for(self, node: Value) -> None:
        lo_hi_step, inits = node.inputs[:3], node.inputs[3:]
        self.shape(node, len(inits) + 1)
        (body,) = node.blocks
        index, *carried = body.parameters
        self.integers(node, "start stop step index", (*lo_hi_step, index))
        self.enters(node, carried, inits, "initial value", "the body")
        self.enters(node, carried, body.results, "result of the body", "its next turn")
        self.leaves(node, [p.type for p in carried], "the body")  # type: ignore[attr-defined]

    def check_while(self, node: Value) -> None:
        inits = node.inputs
        self.shape(node, len(inits), len(inits))
        condition, body = node.blocks
        if len(condition.results) != 1 or not _is_truth(condition.results[0].type):  # type: ignore[attr-defined]
            self.fail(node, "the condition's result is not one bool")
        for name, block in (("the condition", condition), ("the body", body)):
            self.enters(node, block.parameters, inits, "initial value", name)
            self.enters(node, block.parameters, body.results, "result of the body", name)
        self.leaves(node, [p.type for p in condition.parameters], "the condition")  # type: ignore[attr-defined]

    def check_if(self, node: Value) -> None:
        self.shape(node, 0, 0)
        predicate = node.inputs[0]
        if not _is_truth(predicate.type):
            self.fail(node, "the predicate ", predicate, " is not one bool, but ", predicate.type)
        for k, block in enumerate(node.blocks):
            self.leaves(node, [r.type for r in block.results], _name(node, k))  # type: ignore[attr-defined]

    def check_map(self, node: Value) -> None:
        self.shape(node, 1)
        (count,), (body,) = node.inputs, node.blocks
        self.integers(node, "count index", (count, body.parameters[0]))
        number = integer_constant(count)
        length = Dim(0, ((count, 1),)) if number is None else max(number, 0)
        stacked = []
        for result in body.results:
            entry: Any = result.type  # type: ignore[attr-defined]
            if not isinstance(entry, Type):
                self.fail(node, "result ", result, " cannot be stacked: ", entry)
            stacked.append(Type(entry.dtype, (length, *entry.shape)))
        self.leaves(node, stacked, "the body")

    def check_region(self, node: Value) -> None:
        self.shape(node, len(node.inputs))
        (body,) = node.blocks
        self.enters(node, body.parameters, node.inputs, "argument", "the body")
        self.leaves(node, [r.type for r in body.results], "the body")  # type: ignore[attr-defined]

    def check_call(self, node: Value) -> None:
        self.shape(node)
        function = node.params.get("function")
        if not isinstance(function, Function):
            self.fail(node, "its parameter `function` is none")
        self.called[function] = None
        block = function.block
        self.enters(node, block.parameters, node.inputs, "argument", "the function")
        given: dict[Any, Value] = dict(zip(block.parameters, node.inputs))
        self.leaves(node, [r.type for r in block.results], "the function", given.get)  # type: ignore[attr-defined]

    # -- errors ------------------------------------------------------------------------------------

    def fail(self, node: Any, *parts: Any) -> NoReturn:
        """Raise an error about a value; parts are text, values and types."""
        writer = Writer(None, True)
        printer = Printer(writer)
        printer.lines(self.function)
        message = "".join(
            [
                part
                if isinstance(part, str)
                else writer.operand(part)
                if isinstance(part, Value)
                else writer.type(part)
                for part in parts
            ]
        )
        name = writer.function(self.function)
        if not isinstance(node, Value):
            raise IRError(f"the graph of {name} is not valid: {message}")
        place = f" ({node.place[0]}, line {node.place[1]})" if node.place is not None else ""
        raise IRError(
            f"the graph of {name} is not valid: {message}\n    {printer.statement(node)}{place}"
        )


_CHECKS: dict[str, Callable[[_Verifier, Value], None]] = {
    "call": _Verifier.check_call,
    "checkpoint": _Verifier.check_region,
    "constant": _Verifier.constant,
    "custom": _Verifier.check_region,
    "for": _Verifier.check_for,
    "if": _Verifier.check_if,
    "map": _Verifier.check_map,
    "project": _Verifier.project,
    "while": _Verifier.check_while,
}

_PYTHON_DTYPES = frozenset(map(np.dtype, (bool, np.int64, np.float64, np.complex128)))

_BLOCKS = {"if": ("the branch taken", "the other branch"), "while": ("the condition", "the body")}


def _name(node: Value, k: int) -> str:
    return _BLOCKS.get(node.op.name, ("the body",))[k]


def _is_truth(type: Any) -> bool:
    return isinstance(type, Type) and type.kind != "array" and type.dtype.kind == "b"


def _differ(expected: Any, found: Any) -> bool:
    if isinstance(expected, tuple) and isinstance(found, tuple):
        return len(expected) != len(found) or any(map(contradicts, expected, found))
    return contradicts(expected, found)
