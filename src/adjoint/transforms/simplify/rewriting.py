"""The walk in which the local passes look at each operation, once its operands are rewritten.

A *rule* is given an operation and answers with a value that is the same, or None. That value is one
that is there already or that the rule has recorded (`Rewriter.emit`), and takes the operation's
place wherever it is used: in operands, parameters, results and the dimensions of types.

The passes are sets of rules. They share a walk because each of them makes work for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from adjoint.ir.agreement import accepts
from adjoint.ir.core import Block, Op
from adjoint.ir.dims import Dim, add, scale
from adjoint.ir.graph import Function, Value, map_values, walk
from adjoint.ir.types import StackType, Type, of_value, python_type
from adjoint.ops import control
from adjoint.ops.structural import project_result
from adjoint.transforms.simplify.effects import Effects
from adjoint.transforms.simplify.integers import Integers
from adjoint.transforms.simplify.values import lengths_of, mentioned, mentions, set_type

__all__ = ["Answer", "Instead", "Rewriter", "Rule", "Rules"]

Answer: TypeAlias = "Value | tuple[Value | None, ...] | None"
"""What an operation's value is, or those of its results that are known; None: nothing is."""


class Instead(tuple):
    """The results of an operation that is to be left out, effects and all."""


Rule: TypeAlias = "Callable[[Value, Rewriter], Answer]"


@dataclass(frozen=True)
class Rules:
    """A pass made of rules.

    Attributes
    ----------
    name : str
    of : mapping
        Operation → its rules. Those of an operation with blocks are asked before these are
        rewritten.
    after : mapping
        The same, once its blocks are rewritten.
    every : sequence
        Rules for all operations without blocks, tried last.
    """

    name: str
    of: Mapping[Op, Sequence[Rule]] = field(default_factory=dict)
    after: Mapping[Op, Sequence[Rule]] = field(default_factory=dict)
    every: Sequence[Rule] = ()

    @staticmethod
    def joined(passes: Sequence[Rules]) -> Rules:
        """Return all the rules of some passes, in their order."""
        of: dict[Op, list[Rule]] = {}
        after: dict[Op, list[Rule]] = {}
        for each in passes:
            for joined, table in ((of, each.of), (after, each.after)):
                for op, rules in table.items():
                    joined.setdefault(op, []).extend(rules)
        every = [rule for each in passes for rule in each.every]
        return Rules(" ".join([each.name for each in passes]), of, after, every)


def _stretched(of: Any, other: Any) -> bool:
    """Tell whether the one type may be the other broadcast: a length of 1 where it has another."""
    pairs = zip(getattr(of, "shape", ()), getattr(other, "shape", ()), strict=True)
    return any(m == 1 and n != 1 for n, m in pairs)


class Rewriter:
    """A walk.

    Attributes
    ----------
    changed : bool
        Whether anything was replaced.
    known : dict
        For rules: what is visible where the walk is. Entries go with `remember`.
    twins : dict
        (Operation, number) → the number of the same result.
    integers : Integers
        With the facts that hold where the walk is.
    effects : Effects
    """

    def __init__(self, function: Function, rules: Rules) -> None:
        self.function = function
        self.changed = False
        self.known: dict[Any, Value] = {}
        self.twins: dict[tuple[Value, int], int] = {}
        self.integers = Integers()
        self.effects = Effects()
        self._rules = rules
        self._table: dict[Value, Value] = {}
        self._lengths: dict[Value, Any] = {}
        self._results: dict[Value, tuple[Value | None, ...]] = {}
        self._out: list[Any] = []
        self._keys: list[Any] = []
        self._uses: dict[Value, int] | None = None
        self._added: list[Value] = []
        self.block(function.block)

    # -- for rules ---------------------------------------------------------------------------------

    def emit(
        self, op: Op, inputs: tuple[Value, ...], params: dict[str, Any] | None, type: Any, at: Value
    ) -> Value:
        """Record an operation before the one looked at; return its value, itself simplified.

        ``at`` is the operation in whose place, and at whose place in the user's program, it stands.
        """
        value = Value(op, inputs, params, type, (), at.place)
        if self._uses is None:
            self._added.append(value)
        else:
            self._count(value)
        self.visit(value)
        return self._table.get(value, value)

    def number(self, x: Any, at: Value) -> Value:
        """Return a number as a value."""
        type = of_value(x)
        assert type is not None
        value = Value(control.constant, (), {"value": x}, type, (), at.place)
        if type == _INT:
            value.bounds = (x, x)
        self.visit(value)
        return self._table.get(value, value)

    def remember(self, key: Any, value: Value) -> None:
        """Make ``known[key]`` a value, for as long as it is visible."""
        self.known[key] = value
        self._keys.append(key)

    def now(self, value: Value) -> Value:
        """Return what a value was replaced by."""
        return self._table.get(value, value)

    def take_the_place(self, old: Value, new: Value) -> None:
        """Replace a parameter of a block that is still to be looked at."""
        self._replace(old, new)

    def inline(self, block: Block) -> tuple[Value, ...]:
        """Record the operations of a block here; return its results."""
        for node in block.nodes:
            self.visit(node)
        return tuple([self._table.get(r, r) for r in block.results])  # type: ignore[call-overload]

    def uses(self, value: Value) -> int:
        """Return in how many places at most a value is used."""
        if self._uses is None:
            self._uses = {}
            for block in _blocks(self.function.block):
                for node in block.nodes:
                    self._count(node)
                self._count_all(block.results)
            for node in self._added:
                self._count(node)
            self._added.clear()
        return self._uses.get(value, 0)

    # -- inside ------------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        """Rewrite a block."""
        out, keys = self._out, self._keys
        self._out, self._keys = [], []
        for p in block.parameters:
            if self._lengths:
                self._retype(p)
        for node in block.nodes:
            self.visit(node)
        table = self._table
        block.results = [table.get(r, r) for r in block.results]
        block.nodes = self._out
        for key in self._keys:
            del self.known[key]
        self._out, self._keys = out, keys

    def visit(self, node: Value) -> None:
        """Rewrite an operation and what it refers to."""
        op, table = node.op, self._table
        assert op is not None
        if table:
            for v in node.inputs:
                if v in table:
                    node.inputs = tuple([table.get(v, v) for v in node.inputs])
                    break
            if node.params and op not in _PLAIN and mentions(node.params, table):
                node.params = map_values(node.params, self.now, self._dim)
            if self._lengths:
                self._retype(node)
        if op is project_result:
            results = self._results.get(node.inputs[0])
            value = None if results is None else results[node.params["k"]]
            if self.twins:
                k = node.params["k"]
                node.params = {"k": self.twins.get((node.inputs[0], k), k)}
            if value is not None and self.fits(node, value):
                self._replace(node, value)
                return
        rules = self._rules
        for rule in rules.of.get(op, ()):
            if self._settle(node, rule(node, self)):
                return
        if node.blocks:
            facts = len(self.integers.facts)
            if op is control.for_loop:
                self.integers.note_passes(*node.inputs[:3])
            for block in node.blocks:
                self.block(block)
            del self.integers.facts[facts:]
            for rule in rules.after.get(op, ()):
                if self._settle(node, rule(node, self)):
                    return
        else:
            for rule in rules.every:
                if self._settle(node, rule(node, self)):
                    return
        self._out.append(node)

    def _settle(self, node: Value, answer: Answer) -> bool:
        """Take a rule's answer; tell whether the operation is to be left out."""
        if answer is None:
            return False
        if not isinstance(answer, tuple):
            if not self.fits(node, answer):
                return False
            self._replace(node, answer)
            return True
        known = self._results.get(node, (None,) * len(answer))
        self._results[node] = tuple([a or b for a, b in zip(answer, known, strict=True)])
        if isinstance(answer, Instead):
            self.changed = True
            return True
        return False

    def fits(self, node: Value, value: Value) -> bool:
        """Tell whether a value is of the type that an operation's value has."""
        if node is value:
            return False
        of, other = node.type, value.type
        if of is other or of == other:
            return True
        return type(of) is not tuple and accepts(of, other) and not _stretched(of, other)

    def _replace(self, old: Value, new: Value) -> None:
        self.changed = True
        self._table[old] = new
        uses = self._uses
        if uses is not None:
            uses[new] = uses.get(new, 0) + uses.get(old, 0)
        of = old.type
        if type(of) is Type and not of.shape and of.dtype.kind in "iu":
            number = new.params["value"] if new.op is control.constant else None
            self._lengths[old] = Dim(0, ((new, 1),)) if number is None else int(number)

    def _dim(self, dim: Dim) -> Any:
        lengths = self._lengths
        if not any([v in lengths for v, _ in dim.terms]):
            return dim
        total: Any = dim.constant
        for v, c in dim.terms:
            total = add(total, scale(lengths[v] if v in lengths else Dim(0, ((v, 1),)), c))
        return total

    def _retype(self, node: Value) -> None:
        found = lengths_of(node.type)
        if found:
            lengths = self._lengths
            for v in found:
                if v in lengths:
                    set_type(node, self._new_type(node.type))
                    break
        if node.bounds != _NO_BOUNDS:
            node.bounds = tuple([self._dim(n) if isinstance(n, Dim) else n for n in node.bounds])

    def _new_type(self, of: Any) -> Any:
        if type(of) is tuple:
            return tuple([self._new_type(t) for t in of])
        if isinstance(of, StackType):
            return StackType(self._new_type(of.entry))
        shape = tuple([self._dim(n) if isinstance(n, Dim) else n for n in of.shape])
        return of if shape == of.shape else of.with_shape(shape)

    def _count(self, node: Value) -> None:
        self._count_all(node.inputs)
        if node.params:
            self._count_all(mentioned(node.params))

    def _count_all(self, values: Any) -> None:
        uses: Any = self._uses
        for v in values:
            now = self._table.get(v, v)
            uses[now] = uses.get(now, 0) + 1


_INT = python_type(int)
_PLAIN = frozenset({control.constant, project_result})
_NO_BOUNDS = (None, None)


def _blocks(block: Block) -> list[Block]:
    return [block, *[inner for node in walk(block) for inner in node.blocks]]
