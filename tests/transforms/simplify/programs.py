"""Random programs full of what simplification looks for: zeros, ones, copies, stores, short loops.

Their numbers are small integers, infinities and NaN: what is exact is exactly the same afterwards.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from adjoint.ir.build import Builder
from adjoint.ir.core import Block
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import Type, python_type
from adjoint.ops import control, creation, structural
from adjoint.ops import elementwise as ew
from adjoint.ops.indexing import getitem, index_add, read, update
from adjoint.ops.inference import infer
from adjoint.ops.plain import ufunc_op

F8 = np.dtype(float)
INT, FLOAT, BOOL = (python_type(kind) for kind in (int, float, bool))
SCALAR = Type(F8, (), "scalar")
VECTOR = Type(F8, (3,))
MATRIX = Type(F8, (2, 3))
INTEGERS = Type(np.dtype(np.int64), (3,))

NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 3.0, float("inf"), float("nan"))
BINARY = (ew.add, ew.subtract, ew.multiply, ew.strong_multiply, ew.divide, ew.maximum)
UNARY = (ew.negative, ew.negative, ew.conjugate, ew.real, structural.copy, ew.square)
COMPARISONS = tuple(map(ufunc_op, (np.less, np.less_equal, np.equal, np.greater, np.not_equal)))
LEAF = (
    "binary binary unary integer integer load load store store shape sum select stack length"
).split()


def random_program(rng: random.Random, size: int = 14) -> tuple[Function, list[Any]]:
    """Return a function and arguments for it."""
    n = rng.randrange(1, 4)
    writer = _Writer(rng)
    types = (INT, SCALAR, VECTOR, None, FLOAT, MATRIX)
    length = writer.parameter(INT)
    length.bounds = (1, None)
    long = Type(F8, (Dim(0, ((length, 1),)),))
    for each in types[1:]:
        writer.parameter(long if each is None else each)
    writer.long = long
    writer.fill(size, 2)
    results = [writer.pick(t) for t in (SCALAR, VECTOR, MATRIX, INT, long)]
    results += [v for values in writer.scopes[0].values() for v in values if rng.random() < 0.3]
    writer.builder.block.results = results  # type: ignore[assignment]
    number = lambda: float(rng.choice(NUMBERS))
    args = [
        n, np.float64(number()), np.array([number() for _ in range(3)]),
        np.array([number() for _ in range(n)]), number(),
        np.array([[number() for _ in range(3)] for _ in range(2)]),
    ]  # fmt: skip
    return Function("program", writer.builder.block), args


class _Writer:
    long: Type

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.builder = Builder(None)
        self.scopes: list[dict[Any, list[Value]]] = [{}]

    # -- values ------------------------------------------------------------------------------------

    def define(self, value: Value) -> Value:
        self.scopes[-1].setdefault(value.type, []).append(value)
        return value

    def parameter(self, of: Any) -> Value:
        return self.define(self.builder.parameter(of))

    def known(self, of: Any) -> list[Value]:
        return [v for scope in self.scopes for v in scope.get(of, ())]

    def pick(self, of: Any) -> Value:
        found = self.known(of)
        if not found or self.rng.random() < 0.15:
            return self.make(of)
        return found[-1 - min(int(self.rng.expovariate(0.4)), len(found) - 1)]

    def make(self, of: Any) -> Value:
        rng = self.rng
        if of == INT:
            value = self.constant(rng.randrange(-2, 4), of)
            value.bounds = (value.params["value"],) * 2
            return value
        if of.kind == "python":
            return self.constant(rng.choice(NUMBERS), of)
        if of.kind == "scalar":
            return self.constant(of.dtype.type(rng.choice(NUMBERS)), of)
        if rng.random() < 0.6:
            number = rng.choice((0, 0, 1, 2))
            return self.emit(creation.full, (), shape=of.shape, value=number, dtype=of.dtype)
        return self.emit(structural.broadcast_to, (self.pick(SCALAR),), shape=of.shape)

    def constant(self, x: Any, of: Any) -> Value:
        return self.builder.emit(control.constant, (), {"value": x}, of)

    def emit(self, op: Any, inputs: Any, evaluate: Any = None, **params: Any) -> Value:
        of = infer(op, tuple(v.type for v in inputs), params, evaluate)
        return self.define(self.builder.emit(op, tuple(inputs), params, of))

    def index(self, n: Any) -> Any:
        """Return an index that is in bounds of an axis."""
        rng = self.rng
        inside = [v for v in self.known(INT) if v.bounds == (0, 2)]
        if inside and n == 3 and rng.random() < 0.5:
            v = rng.choice(inside)
            return rng.choice((v, Dim(0, ((v, 1),)), Dim(2, ((v, -1),)), Dim(-3, ((v, 1),))))
        return rng.randrange(-n, n) if type(n) is int else rng.choice((0, -1))

    # -- statements --------------------------------------------------------------------------------

    def fill(self, size: int, depth: int) -> None:
        rng = self.rng
        for _ in range(rng.randrange(size + 1)):
            if depth and rng.random() < 0.2:
                rng.choice((self.loop, self.loop, self.while_, self.branch, self.map_))(depth - 1)
            else:
                getattr(self, rng.choice(LEAF))()

    def any_type(self) -> Type:
        return self.rng.choice((SCALAR, SCALAR, VECTOR, VECTOR, MATRIX, self.long))

    def binary(self) -> None:
        of = self.any_type()
        pair = [self.pick(of), self.pick(self.rng.choice((of, of, SCALAR, FLOAT)))]
        self.rng.shuffle(pair)
        self.emit(self.rng.choice(BINARY), pair)

    def unary(self) -> None:
        self.emit(self.rng.choice(UNARY), (self.pick(self.any_type()),))

    def integer(self) -> None:
        op, evaluate = self.rng.choice((
            (ew.add, lambda x, y: x + y), (ew.subtract, lambda x, y: x - y),
            (ew.multiply, lambda x, y: x * y), (ew.maximum, max), (ew.minimum, min),
        ))  # fmt: skip
        self.emit(op, (self.pick(INT), self.pick(INT)), evaluate)

    def length(self) -> None:
        self.emit(control.dim, (self.pick(self.rng.choice((VECTOR, self.long))),), axis=0)

    def load(self) -> None:
        of = self.rng.choice((VECTOR, self.long, MATRIX))
        index = tuple(self.index(n) for n in of.shape)
        x = self.pick(of)
        if of == MATRIX and self.rng.random() < 0.5:
            self.emit(read, (x,), path=(("permute", (1, 0)), ("index", (slice(None), index[0]))))
        elif self.rng.random() < 0.5:
            self.emit(read, (x,), path=(("index", index),))
        else:
            self.emit(getitem, (x,), index=index[0] if of == VECTOR else index)

    def store(self) -> None:
        of = self.rng.choice((VECTOR, self.long, MATRIX))
        index: Any = tuple(self.index(n) for n in of.shape)
        x, value = self.pick(of), self.pick(self.rng.choice((SCALAR, FLOAT)))
        if self.rng.random() < 0.3:
            value = self.constant(0, INT)
        if of != VECTOR and self.rng.random() < 0.3:
            index = index[:-1]
        op = self.rng.choice((update, update, index_add))
        stored = self.emit(op, (x, value), path=(("index", index),))
        if self.rng.random() < 0.5:
            self.emit(getitem, (stored,), index=index)
        if self.rng.random() < 0.4:
            op = self.rng.choice((update, index_add))
            self.emit(op, (stored, self.pick(SCALAR)), path=(("index", index),))

    def shape(self) -> None:
        self.rng.choice((
            lambda: self.emit(structural.reshape, (self.pick(MATRIX),), shape=(2, 3)),
            lambda: self.emit(
                structural.reshape,
                (self.emit(structural.reshape, (self.pick(MATRIX),), shape=(-1,)),), shape=(2, 3),
            ),
            lambda: self.emit(
                structural.permute,
                (self.emit(structural.permute, (self.pick(MATRIX),), axes=(1, 0)),), axes=(1, 0),
            ),
            lambda: self.emit(structural.broadcast_to, (self.pick(VECTOR),), shape=(2, 3)),
            lambda: self.emit(structural.cast, (self.pick(SCALAR),), dtype=F8),
        ))()  # fmt: skip

    def sum(self) -> None:
        axis = self.rng.choice((None, (0,)))
        self.emit(structural.reduce_sum, (self.pick(MATRIX),), axis=axis, keepdims=False)

    def select(self) -> None:
        less = self.emit(self.rng.choice(COMPARISONS), (self.pick(SCALAR), self.pick(SCALAR)))
        of = self.rng.choice((SCALAR, VECTOR))
        x, y = self.pick(of), self.pick(of)
        self.emit(ew.where, (less, x, y))

    def stack(self) -> None:
        x = self.emit(structural.stack, [self.pick(SCALAR) for _ in range(3)], axis=0)
        self.emit(getitem, (x,), index=self.rng.randrange(-3, 3))

    # -- control -----------------------------------------------------------------------------------

    def block(self, depth: int, parameters: Any, results: Any, bounds: Any = None) -> Block:
        outer = self.builder
        self.builder = Builder(outer)
        self.scopes.append({})
        inside = [self.parameter(t) for t in parameters]
        if bounds is not None:
            inside[0].bounds = bounds
        self.fill(8, depth)
        given = []
        for k, t in enumerate(results):
            own = inside[k - len(results) :][:1]
            keep = self.rng.random() < 0.3 and [v.type for v in own] == [t]
            given.append(own[0] if keep else self.pick(t))
        block = self.builder.block
        block.results = given  # type: ignore[assignment]
        self.scopes.pop()
        self.builder = outer
        return block

    def results(self, node: Value) -> None:
        assert isinstance(node.type, tuple)
        for k, t in enumerate(node.type):
            self.define(self.builder.emit(structural.project_result, (node,), {"k": k}, t))

    def carried(self) -> tuple[Any, ...]:
        return tuple(self.any_type() for _ in range(self.rng.randrange(1, 4)))

    def loop(self, depth: int) -> None:
        lo, hi, step, bounds = self.rng.choice((
            (0, 3, 1, (0, 2)), (2, -1, -1, (0, 2)), (0, None, 1, None),
            (1, 2, 1, (1, 1)), (2, 2, 1, (2, 1)),
        ))  # fmt: skip
        types = self.carried()
        end = self.pick(INT) if hi is None else self.constant(hi, INT)
        inits = [self.pick(t) for t in types]
        if len({*types}) < len(types) and self.rng.random() < 0.5:
            first = {t: v for t, v in zip(types, inits)}
            inits = [first[t] for t in types]
        inputs = (self.constant(lo, INT), end, self.constant(step, INT), *inits)
        body = self.block(depth, (INT, *types), types, bounds)
        self.results(self.builder.emit(control.for_loop, inputs, {}, types, (body,)))

    def while_(self, depth: int) -> None:
        types = (INT, *self.carried())
        inits = [self.constant(0, INT), *[self.pick(t) for t in types[1:]]]
        condition, body = self.block(0, types, ()), self.block(depth, types, types)
        for block, op, by, of in (
            (condition, ufunc_op(np.less), self.rng.randrange(3), BOOL), (body, ew.add, 1, INT)
        ):  # fmt: skip
            number = Value(control.constant, (), {"value": by}, INT)
            last = Value(op, (block.parameters[0], number), {}, of)  # type: ignore[arg-type]
            block.nodes += [number, last]
            block.results[:1] = [last]
        self.results(self.builder.emit(control.while_loop, inits, {}, types, (condition, body)))  # type: ignore[arg-type]

    def branch(self, depth: int) -> None:
        types = self.carried()
        op = self.rng.choice(COMPARISONS)
        if self.rng.random() < 0.5:
            predicate = self.emit(op, (self.pick(SCALAR), self.pick(SCALAR)))
        else:
            predicate = self.emit(op, (self.pick(INT), self.pick(INT)))
        blocks = (self.block(depth, (), types), self.block(depth, (), types))
        self.results(self.builder.emit(control.cond, (predicate,), {}, types, blocks))

    def map_(self, depth: int) -> None:
        body = self.block(depth, (INT,), (SCALAR,), (0, 2))
        count = self.constant(3, INT)
        self.results(self.builder.emit(control.map_loop, (count,), {}, (VECTOR,), (body,)))
