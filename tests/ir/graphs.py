"""Graphs for tests: made by hand, made at random, compared."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import numpy as np

from adjoint.ir.agreement import same_type
from adjoint.ir.core import Block, Op
from adjoint.ir.dims import Dim
from adjoint.ir.dims import of_value as length
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import StackType, Type, of_value, python_type
from adjoint.ops.plain import lookup

BOOL, INT, FLOAT = (python_type(kind) for kind in (bool, int, float))
F64 = np.dtype(np.float64)
SCALAR = Type(F64, (), "scalar")


def array(*shape: Any, dtype: Any = F64) -> Type:
    return Type(np.dtype(dtype), shape)


# -- by hand ---------------------------------------------------------------------------------------


class Body:
    """A block, and functions that put operations into it."""

    def __init__(self) -> None:
        self.block = Block()

    def parameter(self, type: Any, name: str | None = None, bounds: Any = (None, None)) -> Value:
        value = Value(None, (), None, type)
        value.name, value.bounds = name, bounds
        self.block.parameters.append(value)
        return value

    def emit(self, op: str | Op, *inputs: Any, type: Any, blocks: Any = (), **params: Any) -> Value:
        op = lookup(op) if isinstance(op, str) else op
        values = tuple(x if isinstance(x, Value) else self.constant(x) for x in inputs)
        if "type_" in params:
            params["type"] = params.pop("type_")
        value = Value(op, values, params, type, tuple(b.block for b in blocks))
        self.block.nodes.append(value)
        return value

    def constant(self, x: Any) -> Value:
        value = Value(lookup("constant"), (), {"value": x}, of_value(x))
        if type(x) is int:
            value.bounds = (x, x)
        self.block.nodes.append(value)
        return value

    def parts(self, value: Value) -> list[Value]:
        return [self.emit("project", value, type=t, k=k) for k, t in enumerate(value.type)]

    def results(self, *values: Any) -> Body:
        self.block.results = [x if isinstance(x, Value) else self.constant(x) for x in values]
        return self

    def function(self, name: str = "f") -> Function:
        return Function(name, self.block)


# -- at random -------------------------------------------------------------------------------------


class Pair(NamedTuple):
    first: Any
    second: Any


def anything() -> None:
    """Stands for a user's function."""


LARGE = np.arange(100.0)
DTYPES = ("float64", "float32", "int64", "complex128", "bool")
NUMBERS = (
    0, 3, -7, 2.0, -0.0, 1e-300, float("inf"), float("nan"), 1 + 2j, complex(-0.0, -1), 2j, True,
    np.float64(0.1), np.float32(0.1), np.complex64(1 - 2j), np.int8(-3), np.uint64(2**63), np.True_,
    np.float16(-np.inf),
)  # fmt: skip
ARRAYS = (
    np.array([0, 2, 1]), np.zeros((0, 3)), np.array(2.5), np.array([[0.1, np.nan]], np.float32),
    np.array([True, False]), np.array([[1 + 2j], [-0.5j]]), LARGE,
    np.asfortranarray(np.eye(2)), np.zeros((2, 0)),
)  # fmt: skip
OBJECTS = (
    None, ..., "text", "it's \"so\" # %1", b"bytes", np.dtype(np.float32), np.dtype(bool), np.add,
    np.linalg.norm, np.float64, float, len, np.dtype(">i4"), np.dtype("U3"), anything, LARGE, print,
    np.dtype([("a", int)]), range(3),
)  # fmt: skip


class Graphs:
    """Random valid functions of every construct. What they compute makes no sense."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.functions: list[Function] = []

    def function(self, name: str = "f", depth: int = 3) -> Function:
        body, rng = Body(), self.rng
        n = body.parameter(INT, rng.choice((None, "n")), rng.choice(((None, None), (0, None))))
        m = body.parameter(Type(np.dtype(np.int32), (), "scalar"), rng.choice((None, "n", "m-1")))
        n_1 = Dim(-1, ((n, 1),))
        if rng.random() < 0.5:
            m.bounds = (-3, n_1)
        inside = [n, m, body.parameter(array(n_1, 3), "x"), body.parameter(FLOAT, "λ")]
        self.statements(body, inside, depth)
        body.results(*(rng.choice(inside) for _ in range(rng.randrange(3))))
        function = body.function(name)
        self.functions.append(function)
        return function

    def statements(self, body: Body, inside: list[Value], depth: int) -> None:
        kinds = [self.plain, self.plain, self.several, self.data, self.data, self.constant]
        if depth:
            kinds += [self.for_, self.while_, self.if_, self.map_]
            if self.functions:
                kinds.append(self.call)
        for _ in range(self.rng.randrange(1, 6)):
            self.rng.choice(kinds)(body, inside, depth - 1)

    # What things are made of.

    def type(self, inside: list[Value], stacks: bool = True) -> Any:
        rng = self.rng
        kind = rng.randrange(6 if stacks else 5)
        if kind == 0:
            return python_type(rng.choice((bool, int, float, complex)))
        if kind == 1:
            return Type(np.dtype(rng.choice(DTYPES[:-1])), (), "scalar")
        if kind == 5:
            return StackType(self.type(inside))
        shape = (rng.choice((3, 0, None, self.length(inside))) for _ in range(rng.randrange(3)))
        return array(*shape, dtype=rng.choice(DTYPES))

    def length(self, inside: list[Value]) -> Any:
        rng, terms = self.rng, {}
        numbers = [v for v in inside if same_type(v.type, INT) or v.dtype == np.int32]
        for _ in range(rng.randrange(1, 4)):
            terms[rng.choice(numbers)] = rng.choice((1, 1, -1, 2, -3))
        return Dim(rng.choice((0, 0, 1, -2)), tuple(terms.items()))

    def operand(self, body: Body, inside: list[Value]) -> Value:
        rng = self.rng
        return rng.choice(inside) if rng.random() < 0.7 else body.constant(rng.choice(NUMBERS))

    def integer(self, body: Body, inside: list[Value]) -> Value:
        if self.rng.random() < 0.4:
            return body.constant(self.rng.randrange(-2, 9))
        return self.rng.choice([v for v in inside if same_type(v.type, INT) or v.dtype == np.int32])

    def datum(self, body: Body, inside: list[Value], depth: int = 2) -> Any:
        rng = self.rng
        kind = rng.randrange(9 if depth else 4)
        if kind == 0:
            return rng.choice(OBJECTS)
        if kind == 1:
            return rng.choice(NUMBERS)
        if kind == 2:
            return self.length(inside)
        if kind == 3:
            return self.operand(body, inside)
        items = [self.datum(body, inside, depth - 1) for _ in range(rng.randrange(4))]
        if kind in (4, 5):
            parts = (None, 2, -1, self.length(inside), self.operand(body, inside))
            return slice(*(rng.choice(parts) for _ in range(3)))
        if kind == 6:
            keys = ("k", 1, 2.5, None)
            return dict(zip(keys, items))
        if kind == 7:
            return Pair(*items[:2]) if len(items) > 1 else items
        return tuple(items)

    # Statements.

    def plain(self, body: Body, inside: list[Value], depth: int) -> None:
        name = self.rng.choice(("add", "sin", "numpy.argsort", "concatenate"))
        count = {"add": 2, "sin": 1, "numpy.argsort": 0}.get(name, self.rng.randrange(4))
        inputs = [self.operand(body, inside) for _ in range(count)]
        value = body.emit(name, *inputs, type=self.type(inside))
        if same_type(value.type, INT):
            value.bounds = (self.rng.choice((None, 0)), self.rng.choice((None, 9)))
        inside.append(value)

    def data(self, body: Body, inside: list[Value], depth: int) -> None:
        params = {key: self.datum(body, inside) for key in ("index", "inf", "a b", "value")}
        if self.rng.random() < 0.3:
            params["type_"] = self.type(inside)
        inside.append(body.emit("undefined", type=self.type(inside), **params))

    def constant(self, body: Body, inside: list[Value], depth: int) -> None:
        inside.append(body.constant(self.rng.choice(ARRAYS + NUMBERS)))

    def several(self, body: Body, inside: list[Value], depth: int) -> None:
        rng = self.rng
        types = tuple(self.type(inside) for _ in range(rng.randrange(4)))
        op = rng.choice(("svd", "numpy.nonzero", "sin"))
        inputs = [self.operand(body, inside)] if op != "numpy.nonzero" else []
        self.projections(body, inside, body.emit(op, *inputs, type=types))

    def projections(self, body: Body, inside: list[Value], value: Value) -> None:
        for k, t in enumerate(value.type):
            for _ in range(self.rng.choice((0, 1, 1, 1, 1, 2))):
                inside.append(body.emit("project", value, type=t, k=k))

    def inner(self, body: Body, inside: list[Value], depth: int, types: Any) -> Body:
        """Fill a body that gives results of these types."""
        here = inside + body.block.parameters
        self.statements(body, here, depth)
        return body.results(*(body.emit("undefined", type=t) for t in types))

    def carried(self, body: Body, inside: list[Value]) -> list[Value]:
        """Return what a loop begins with, values whose types every block may see."""
        return [self.operand(body, inside) for _ in range(self.rng.randrange(3))]

    def for_(self, body: Body, inside: list[Value], depth: int) -> None:
        bounds = [self.integer(body, inside) for _ in range(3)]
        inits = self.carried(body, inside)
        types = tuple(v.type for v in inits)
        loop = Body()
        loop.parameter(INT, self.rng.choice((None, "i")), self.rng.choice(((None, None), (0, 5))))
        for t in types:
            loop.parameter(t)
        self.inner(loop, inside, depth, types)
        params = self.rng.choice(({}, {"unroll": 4}))
        value = body.emit("for", *bounds, *inits, type=types, blocks=[loop], **params)
        self.projections(body, inside, value)

    def while_(self, body: Body, inside: list[Value], depth: int) -> None:
        inits = self.carried(body, inside)
        types = tuple(v.type for v in inits)
        blocks = [Body(), Body()]
        for block, results in zip(blocks, ((BOOL,), types)):
            for t in types:
                block.parameter(t, self.rng.choice((None, "s")))
            self.inner(block, inside, depth, results)
        self.projections(body, inside, body.emit("while", *inits, type=types, blocks=blocks))

    def if_(self, body: Body, inside: list[Value], depth: int) -> None:
        types = tuple(self.type(inside) for _ in range(self.rng.randrange(3)))
        blocks = [self.inner(Body(), inside, depth, types) for _ in range(2)]
        predicate = body.emit("undefined", type=BOOL) if self.rng.random() < 0.7 else True
        self.projections(body, inside, body.emit("if", predicate, type=types, blocks=blocks))

    def map_(self, body: Body, inside: list[Value], depth: int) -> None:
        count = self.integer(body, inside)
        types = tuple(self.type(inside, stacks=False) for _ in range(self.rng.randrange(3)))
        loop = Body()
        loop.parameter(INT)
        self.inner(loop, inside, depth, types)
        stacked = tuple(Type(t.dtype, (length(count), *t.shape)) for t in types)
        if count.op is not None:
            stacked = tuple(Type(t.dtype, (None, *t.shape)) for t in types)
        self.projections(body, inside, body.emit("map", count, type=stacked, blocks=[loop]))

    def call(self, body: Body, inside: list[Value], depth: int) -> None:
        callee = self.rng.choice(self.functions)
        given: dict[Any, Value] = {}
        for p in callee.block.parameters:
            t = self.substituted(p.type, given, p.type)
            given[p] = body.emit("undefined", type=t)
        types = tuple(self.substituted(r.type, given, None) for r in callee.block.results)
        value = body.emit("call", *given.values(), type=types, function=callee)
        self.projections(body, inside, value)

    def substituted(self, type: Any, given: dict[Any, Value], _: Any) -> Any:
        """Return a type of a function's value as its caller sees it."""
        if isinstance(type, StackType):
            return StackType(self.substituted(type.entry, given, _))
        shape = []
        for n in type.shape:
            if isinstance(n, Dim):
                known = all(v in given for v, c in n.terms)
                n = Dim(n.constant, tuple((given[v], c) for v, c in n.terms)) if known else None
            shape.append(n)
        return type.with_shape(tuple(shape))


# -- compared --------------------------------------------------------------------------------------


class Comparison:
    """Whether two graphs are the same but for how often a number constant is written."""

    def __init__(self) -> None:
        self.pairs: dict[Any, Any] = {}

    def functions(self, f: Function, g: Function) -> None:
        if f in self.pairs:
            assert self.pairs[f] is g
            return
        self.pairs[f] = g
        self.blocks(f.block, g.block)

    def blocks(self, a: Block, b: Block) -> None:
        assert len(a.parameters) == len(b.parameters)
        self.pairs.update(zip(a.parameters, b.parameters))
        for p, q in zip(a.parameters, b.parameters):
            self.types(p.type, q.type)
            self.dims(p.bounds, q.bounds)
        rows, others = ([n for n in x.nodes if not _free_standing(n)] for x in (a, b))
        assert len(rows) == len(others)
        for x, y in zip(rows, others):
            self.nodes(x, y)
        assert len(a.results) == len(b.results)
        for x, y in zip(a.results, b.results):
            self.values(x, y)

    def nodes(self, x: Value, y: Value) -> None:
        assert x.op is y.op
        assert len(x.inputs) == len(y.inputs) and len(x.blocks) == len(y.blocks)
        for v, w in zip(x.inputs, y.inputs):
            self.values(v, w)
        self.data(x.params, y.params)
        self.types(x.type, y.type)
        self.dims(x.bounds, y.bounds)
        for a, b in zip(x.blocks, y.blocks):
            self.blocks(a, b)
        self.pairs[x] = y

    def values(self, v: Value, w: Value) -> None:
        if _free_standing(v):
            if v in self.pairs:
                assert self.pairs[v] is w or v.op.name == "constant"
            self.nodes(v, w)
        else:
            assert self.pairs[v] is w

    def types(self, t: Any, u: Any) -> None:
        assert type(t) is type(u)
        if isinstance(t, tuple):
            assert len(t) == len(u)
            for a, b in zip(t, u):
                self.types(a, b)
        elif isinstance(t, StackType):
            self.types(t.entry, u.entry)
        else:
            assert (t.dtype, t.kind, len(t.shape)) == (u.dtype, u.kind, len(u.shape))
            self.dims(t.shape, u.shape)

    def dims(self, shape: Any, other: Any) -> None:
        for n, m in zip(shape, other):
            assert isinstance(n, Dim) == isinstance(m, Dim)
            if isinstance(n, Dim):
                assert n.constant == m.constant and len(n.terms) == len(m.terms)
                for (v, c), (w, d) in zip(n.terms, m.terms):
                    self.values(v, w)
                    assert c == d
            else:
                assert n == m

    def data(self, x: Any, y: Any) -> None:
        assert type(x) is type(y)
        if isinstance(x, Value):
            self.values(x, y)
        elif isinstance(x, Dim):
            self.dims((x,), (y,))
        elif isinstance(x, (tuple, list)):
            assert len(x) == len(y)
            for a, b in zip(x, y):
                self.data(a, b)
        elif isinstance(x, dict):
            self.data(list(x.items()), list(y.items()))
        elif isinstance(x, slice):
            self.data((x.start, x.stop, x.step), (y.start, y.stop, y.step))
        elif isinstance(x, Function):
            self.functions(x, y)
        elif isinstance(x, (Type, StackType)):
            self.types(x, y)
        elif isinstance(x, np.ndarray):
            assert x.flags.c_contiguous == y.flags.c_contiguous
            np.testing.assert_array_equal(x, y, strict=True)
        elif isinstance(x, (float, complex, np.number)):
            assert repr(x) == repr(y)
        else:
            assert x == y


def _free_standing(node: Value) -> bool:
    # Whose place and number the text does not keep.
    if node.op is None:
        return False
    if node.op.name == "project":
        return True
    return node.op.name == "constant" and not isinstance(node.params["value"], np.ndarray)
