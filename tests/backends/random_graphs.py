"""Random graphs that share memory in every way they can: views, aliases, swaps, stacks, branches.

They are well typed, and most of what they do is of no use.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from adjoint.ir.build import Builder
from adjoint.ir.core import Block
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import StackType, Type, python_type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops import structural as sm
from adjoint.ops.creation import full
from adjoint.ops.indexing import getitem, index_add, read, update
from adjoint.ops.plain import ufunc_op

F8 = np.dtype(np.float64)
VECTOR = Type(F8, (4,))
MATRIX = Type(F8, (2, 2))
NUMBER = Type(F8, (), "scalar")
STACK = StackType(VECTOR)
INT = python_type(int)
TRUTH = Type(np.dtype(bool), (), "scalar")

CARRIED = (VECTOR, VECTOR, MATRIX, NUMBER, STACK)
LEAF = (
    "sum sum times scale view view matrix back permute fill number read copy "
    "update update update update_part update_part scatter mask along add_part "
    "push push entry entry entry_add new new_stack"
).split()
CONTROL = "for for while if if map call".split()


def random_function(rng: random.Random, size: int = 8, depth: int = 3) -> Function:
    """Return a function of (int, vector, vector, matrix, number, stack)."""
    return _Writer(rng, size).function(
        "random", (INT, VECTOR, VECTOR, MATRIX, NUMBER, STACK), depth
    )


def arguments(rng: random.Random) -> list[Any]:
    """Return arguments of such a function; sometimes they share memory."""
    x = np.array([float(rng.randrange(-3, 4)) for _ in range(4)])
    y = x if rng.random() < 0.2 else x[::-1] if rng.random() < 0.2 else x * 2
    entries = [rng.choice([x.copy(), x, y]) for _ in range(4)]
    return [rng.randrange(4), x, y, np.diag([1.0, 2.0]), np.float64(0.5), control.Stack(entries)]


class _Writer:
    def __init__(self, rng: random.Random, size: int) -> None:
        self.rng = rng
        self.size = size
        self.scopes: list[dict[Any, list[Value]]] = []
        self.builder = Builder(None)

    # -- what is there -----------------------------------------------------------------------------

    def define(self, value: Value) -> Value:
        self.scopes[-1].setdefault(value.type, []).append(value)
        return value

    def pick(self, type: Any) -> Value:
        """Return a value of a type, most often one of the latest."""
        found = [v for scope in self.scopes for v in scope.get(type, ())]
        if not found:
            return self.make(type)
        return found[-1 - min(int(self.rng.expovariate(0.5)), len(found) - 1)]

    def emit(self, op: Any, inputs: Any, params: Any, type: Any, blocks: Any = ()) -> Value:
        place = ("random.py", len(self.builder.block.nodes))
        value = self.builder.emit(op, tuple(inputs), params, type, tuple(blocks), place)
        return value if isinstance(type, tuple) else self.define(value)

    def constant(self, x: Any, type: Any) -> Value:
        return self.builder.emit(control.constant, (), {"value": x}, type)

    def make(self, type: Any) -> Value:
        if type == INT:
            return self.constant(self.rng.randrange(4), INT)
        if type == NUMBER:
            return self.constant(np.float64(self.rng.randrange(-2, 3)), NUMBER)
        if type == STACK:
            return self.emit(control.empty_stack, (), {}, STACK)
        if self.rng.random() < 0.3:
            return self.constant(np.arange(4.0).reshape(type.shape), type)
        return self.emit(full, (), {"shape": type.shape, "value": 0, "dtype": F8}, type)

    # -- functions and blocks ----------------------------------------------------------------------

    def function(self, name: str, types: tuple[Any, ...], depth: int) -> Function:
        outer, self.builder = self.builder, Builder(None)
        scopes, self.scopes = self.scopes, [{}]
        for type in types:
            self.define(self.builder.parameter(type))
        self.fill(depth)
        block = self.builder.block
        block.results = [self.pick(t) for t in (VECTOR, VECTOR, MATRIX, NUMBER, STACK)]  # type: ignore[assignment]
        self.builder, self.scopes = outer, scopes
        return Function(name, block)

    def block(self, parameters: Any, results: Any, depth: int) -> Block:
        outer = self.builder
        self.builder = Builder(outer)
        self.scopes.append({})
        for type in parameters:
            self.define(self.builder.parameter(type))
        self.fill(depth)
        self.builder.block.results = [self.pick(t) for t in results]  # type: ignore[assignment]
        block = self.builder.block
        self.scopes.pop()
        self.builder = outer
        return block

    def fill(self, depth: int) -> None:
        for _ in range(self.rng.randrange(self.size + 1)):
            names = CONTROL if depth and self.rng.random() < 0.25 else LEAF
            getattr(self, "do_" + self.rng.choice(names))(
                *([depth - 1] if names is CONTROL else [])
            )

    def take(self, node: Value) -> None:
        """Take a tuple apart, sometimes twice or not at all."""
        for k, type in enumerate(node.type):  # type: ignore[arg-type]
            for _ in range(self.rng.choice((1, 1, 1, 1, 0, 2))):
                self.emit(sm.project_result, (node,), {"k": k}, type)

    # -- control -----------------------------------------------------------------------------------

    def carried(self) -> tuple[Any, ...]:
        return tuple(self.rng.choice(CARRIED) for _ in range(self.rng.randrange(4)))

    def do_for(self, depth: int) -> None:
        types = self.carried()
        bounds = [self.constant(0, INT), self.pick(INT), self.constant(1, INT)]
        if self.rng.random() < 0.2:
            bounds = [self.constant(3, INT), self.constant(-1, INT), self.constant(-1, INT)]
        inits = [self.pick(t) for t in types]
        body = self.block((INT, *types), types, depth)
        self.take(self.emit(control.for_loop, (*bounds, *inits), {}, types, (body,)))

    def do_while(self, depth: int) -> None:
        types = (INT, *self.carried())
        inits = [self.constant(0, INT), *[self.pick(t) for t in types[1:]]]
        condition = self.block(types, (), 0)
        body = self.block(types, types, depth)
        for block, op, by, result in (
            (condition, ufunc_op(np.less), 3, python_type(bool)),
            (body, ew.add, 1, INT),
        ):
            number = Value(control.constant, (), {"value": by}, INT)
            last = Value(op, (block.parameters[0], number), {}, result)  # type: ignore[arg-type]
            block.nodes += [number, last]
            block.results[:1] = [last]
        self.take(self.emit(control.while_loop, inits, {}, types, (condition, body)))

    def do_if(self, depth: int) -> None:
        types = self.carried()
        less = self.emit(ufunc_op(np.less), (self.pick(NUMBER), self.pick(NUMBER)), {}, TRUTH)
        blocks = [self.block((), types, depth) for _ in range(2)]
        self.take(self.emit(control.cond, (less,), {}, types, blocks))

    def do_map(self, depth: int) -> None:
        body = self.block((INT,), (NUMBER,), depth)
        four = self.constant(4, INT)
        self.take(self.emit(control.map_loop, (four,), {}, (VECTOR,), (body,)))

    def do_call(self, depth: int) -> None:
        types = self.carried()
        called = self.function("called", types, max(depth - 1, 0))
        results = tuple(r.type for r in called.block.results)  # type: ignore[attr-defined]
        inputs = [self.pick(t) for t in types]
        self.take(self.emit(control.call, inputs, {"function": called}, results))

    # -- operations --------------------------------------------------------------------------------

    def do_sum(self) -> None:
        type = self.rng.choice((VECTOR, VECTOR, MATRIX, NUMBER))
        self.emit(ew.add, (self.pick(type), self.pick(type)), {}, type)

    def do_times(self) -> None:
        self.emit(ew.multiply, (self.pick(VECTOR), self.pick(NUMBER)), {}, VECTOR)

    def do_scale(self) -> None:
        self.emit(ew.negative, (self.pick(VECTOR),), {}, VECTOR)

    def do_view(self) -> None:
        index = self.rng.choice((slice(None, None, -1), slice(0, 4), Ellipsis))
        self.emit(getitem, (self.pick(VECTOR),), {"index": index}, VECTOR)

    def do_matrix(self) -> None:
        self.emit(sm.reshape, (self.pick(VECTOR),), {"shape": (2, 2)}, MATRIX)

    def do_back(self) -> None:
        self.emit(sm.reshape, (self.pick(MATRIX),), {"shape": (4,)}, VECTOR)

    def do_permute(self) -> None:
        path = (("permute", (1, 0)), ("index", slice(None, None, -1)))
        self.emit(read, (self.pick(MATRIX),), {"path": path}, MATRIX)

    def do_fill(self) -> None:
        self.emit(sm.broadcast_to, (self.pick(NUMBER),), {"shape": (4,)}, VECTOR)

    def do_number(self) -> None:
        self.make(NUMBER)

    def do_read(self) -> None:
        self.emit(getitem, (self.pick(VECTOR),), {"index": self.pick(INT)}, NUMBER)

    def do_copy(self) -> None:
        self.emit(sm.copy, (self.pick(VECTOR),), {}, VECTOR)

    def do_new(self) -> None:
        self.make(self.rng.choice((VECTOR, MATRIX)))

    def do_new_stack(self) -> None:
        self.make(STACK)

    def do_update(self) -> None:
        op = self.rng.choice((update, index_add))
        path = (("index", self.pick(INT)),)
        self.emit(op, (self.pick(VECTOR), self.pick(NUMBER)), {"path": path}, VECTOR)

    def do_update_part(self) -> None:
        """Store a vector, which may be a view of the vector that it is stored into."""
        op = self.rng.choice((update, index_add))
        path = (("index", self.rng.choice((slice(None, None, -1), slice(0, 4)))),)
        self.emit(op, self.target_and_value(), {"path": path}, VECTOR)

    def target_and_value(self) -> tuple[Value, Value]:
        target = self.pick(VECTOR)
        if self.rng.random() < 0.3:
            index = slice(None, None, -1)
            return target, self.emit(getitem, (target,), {"index": index}, VECTOR)
        return target, self.pick(VECTOR)

    def do_scatter(self) -> None:
        op = self.rng.choice((update, index_add))
        index = np.array([self.rng.randrange(4) for _ in range(4)])
        where = self.constant(index, Type(index.dtype, (4,)))
        self.emit(op, self.target_and_value(), {"path": (("index", where),)}, VECTOR)

    def do_mask(self) -> None:
        mask = self.constant(np.ones(4, bool), Type(np.dtype(bool), (4,)))
        self.emit(update, self.target_and_value(), {"path": (("index", mask),)}, VECTOR)

    def do_along(self) -> None:
        op = self.rng.choice((update, index_add))
        path = (("reshape", (2, 2)), ("permute", (1, 0)), ("index", 0))
        self.emit(op, (self.pick(VECTOR), self.pick(NUMBER)), {"path": path}, VECTOR)

    def do_add_part(self) -> None:
        path = (("index", (slice(None), 1)),)
        self.emit(index_add, (self.pick(MATRIX), self.pick(NUMBER)), {"path": path}, MATRIX)

    def do_push(self) -> None:
        params = {"index": self.pick(INT)}
        self.emit(control.push, (self.pick(STACK), self.pick(VECTOR)), params, STACK)

    def do_entry(self) -> None:
        params = {"index": self.pick(INT), "type": VECTOR}
        self.emit(control.entry, (self.pick(STACK),), params, VECTOR)

    def do_entry_add(self) -> None:
        params = {"index": self.pick(INT)}
        self.emit(control.entry_add, (self.pick(STACK), self.pick(VECTOR)), params, STACK)
