"""What running a graph costs: operations, and bytes that its arrays take.

A count, not a measurement, by which programs and their derivatives can be compared. An elementwise
operation counts one for each element of its result, a reduction one for each that it reads, a
product of matrices two for each multiplication; what moves numbers alone counts none. The bytes are
those of all arrays that operations make, as if none were fused with another. A loop counts as its
number of passes, where that follows from the arguments, times the pass in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from adjoint.ir.core import Block
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Function, Value
from adjoint.ir.types import Type
from adjoint.ops import control

__all__ = ["Estimate", "estimate"]

_NAMES = """
    broadcast_to cast check checked concatenate copy diagonal dim effect empty_stack entry entry_add
    eye full gather_along getitem imag iota pad permute project push python_number raise
    range_length read real recompute require_equal reshape scatter_along shift slice_length stack
    stop_gradient undefined unless update where"""
_MOVING = frozenset(_NAMES.split())

_CUBIC = frozenset({"cholesky", "det", "eig", "eigh", "inv", "lstsq", "lu", "qr", "slogdet", "svd"})


@dataclass(slots=True)
class Estimate:
    """What running a graph costs.

    Attributes
    ----------
    operations : int
        Of arithmetic.
    bytes : int
        Of the arrays that operations make.
    unknown : list of Value
        Loops whose number of passes the arguments do not tell; one pass is counted.
    """

    operations: int = 0
    bytes: int = 0
    unknown: list[Value] = field(default_factory=list)

    def __str__(self) -> str:
        text = f"{self.operations} operations, {self.bytes} bytes of arrays"
        for loop in self.unknown:
            where = f" at line {loop.place[1]}" if loop.place else ""
            text += f"\none pass of the loop{where} is counted: how many there are is not known"
        return text


def estimate(function: Function, args: Sequence[Any]) -> Estimate:
    """Return what running a function costs for arguments.

    Parameters
    ----------
    function : Function
    args : sequence
        Arguments; of arrays, shapes alone are looked at.
    """
    counter = _Counter()
    operations, bytes = counter.call(function, args)
    return Estimate(round(operations), round(bytes), list(dict.fromkeys(counter.unknown)))


class _Counter:
    def __init__(self) -> None:
        self.unknown: list[Value] = []
        self.numbers: dict[Value, float] = {}
        self.shapes: dict[Value, tuple[int, ...]] = {}
        self.active: list[Function] = []

    def call(self, function: Function, args: Sequence[Any]) -> tuple[float, float]:
        for p, x in zip(function.block.parameters, args, strict=True):
            if isinstance(x, (bool, int, float)):
                self.numbers[p] = x
            elif isinstance(p.type, Type) and p.type.shape:
                self.shapes[p] = tuple(x.shape) if hasattr(x, "shape") else tuple(x)
        return self.block(function.block)

    def block(self, block: Block) -> tuple[float, float]:
        operations = bytes = 0.0
        node: Value
        for node in block.nodes:
            more, room = self.node(node)
            operations += more
            bytes += room
        return operations, bytes

    # -- numbers and lengths -----------------------------------------------------------------------

    def number(self, value: Value) -> float | None:
        """Return an integer, if it is known (of a loop's index: its mean)."""
        if value.op is control.constant:
            x = value.params["value"]
            return x if isinstance(x, (bool, int, float)) else None
        return self.numbers.get(value)

    def dim(self, n: Any) -> float:
        """Return a length."""
        return max(self.signed(n), 0)

    def signed(self, n: Any) -> float:
        """Return an expression of integers."""
        if isinstance(n, Dim):
            total: float = n.constant
            for value, c in n.terms:
                x = self.number(value)
                if x is None:
                    low, high = value.bounds
                    x = self.dim(high) if high is not None else self.dim(low or 1)
                total += c * x
            return total
        if isinstance(n, Value):
            return self.number(n) or 1
        return 1 if n is None else n

    def elements(self, value: Value) -> float:
        type = value.type
        if not isinstance(type, Type):
            return 1
        return prod(self.shape(value))

    def shape(self, value: Value) -> tuple[float, ...]:
        known = self.shapes.get(value)
        return known if known is not None else tuple(self.dim(n) for n in value.type.shape)

    # -- operations --------------------------------------------------------------------------------

    def node(self, node: Value) -> tuple[float, float]:
        op = node.op
        if op is None or op is control.constant:
            return 0, 0
        if node.blocks:
            return self._control(node)
        if op is control.call:
            return self._called(node)
        self._evaluate(node)
        types = node.type if isinstance(node.type, tuple) else (node.type,)
        arrays = [t for t in types if isinstance(t, Type) and t.shape]
        sizes = [prod(self.dim(n) for n in t.shape) * t.dtype.itemsize for t in arrays]
        stores = op.name in ("update", "index_add", "push", "entry_add")
        bytes = 0.0 if op.views or stores or op.name == "project" else float(sum(sizes))
        if op.name in _MOVING or op.views:
            return 0, bytes
        return self._work(node), bytes

    def _work(self, node: Value) -> float:
        name = node.op.name if node.op is not None else ""
        out = self.elements(node)
        read = max([self.elements(v) for v in node.inputs], default=1)
        if name == "matmul":
            return 2 * out * prod(self.shape(node.inputs[0])[-1:])
        if name.startswith("convolution"):
            return 2 * self._convolved(node)
        if name == "einsum":
            return 2 * max(read, out)
        if name == "index_add":
            return self.elements(node.inputs[1])
        if name in _CUBIC or "solve" in name:
            shape = self.shape(node.inputs[0])
            n = shape[-1] if shape else 1
            return max(read, out) * n
        return max(out, read) if _folds(name) else out

    def _convolved(self, node: Value) -> float:
        """Return how many multiplications a convolution, or a transpose of one, takes."""
        first, second = (self.shape(v) for v in node.inputs)
        out = tuple(self.dim(n) for n in node.type.shape)
        name = node.op.name if node.op is not None else ""
        y, w = {
            "convolution": (out, second),
            "convolution_input": (first, second),
            "convolution_weight": (second, out),
        }[name]
        return prod(y) * prod(w[1:])

    def _evaluate(self, node: Value) -> None:
        """Note the number that an operation gives, if it is a small matter of known numbers."""
        type = node.type
        if not isinstance(type, Type) or type.shape or type.dtype.kind not in "biu":
            return
        if node.op is not None and node.op.name == "dim":
            self.numbers[node] = self.shape(node.inputs[0])[node.params["axis"]]
            return
        if node.op is not None and node.op.name == "slice_length":
            ends = [node.params.get(k) for k in ("start", "stop", "step")]
            given = slice(*[None if n is None else round(self.signed(n)) for n in ends])
            n = self.number(node.inputs[0])
            if n is not None:
                self.numbers[node] = len(range(*given.indices(round(n))))
            return
        run = _INTEGERS.get(node.op.name if node.op is not None else "")
        xs = [self.number(v) for v in node.inputs]
        if run is not None and None not in xs:
            try:
                self.numbers[node] = run(*xs)
            except (ArithmeticError, ValueError):
                pass

    def _called(self, node: Value) -> tuple[float, float]:
        function = node.params["function"]
        if function in self.active:
            if node not in self.unknown:
                self.unknown.append(node)
            return 0, 0
        self.active.append(function)
        try:
            return self.call(function, [self._given(v) for v in node.inputs])
        finally:
            self.active.pop()

    def _given(self, value: Value) -> Any:
        if isinstance(value.type, Type) and value.type.shape:
            return self.shape(value)
        return self.number(value)

    def _control(self, node: Value) -> tuple[float, float]:
        name = node.op.name if node.op is not None else ""
        if name == "if":
            found = [self.block(b) for b in node.blocks]
            return max(x for x, _ in found), max(y for _, y in found)
        if name == "for":
            return self._for(node)
        if name == "map":
            count = self.number(node.inputs[0])
            (block,) = node.blocks
            if count is not None and block.parameters:
                self.numbers[block.parameters[0]] = (count - 1) / 2
            return self._times(node, count, [block])
        return self._times(node, 1 if name in ("custom", "checkpoint") else None, node.blocks)

    def _for(self, node: Value) -> tuple[float, float]:
        lo, hi, step = (self.number(v) for v in node.inputs[:3])
        (block,) = node.blocks
        count = None
        if lo is not None and hi is not None and step:
            count = max((hi - lo) / step, 0)
            if all(float(x).is_integer() for x in (lo, hi, step)):
                count = len(range(int(lo), int(hi), int(step)))
            self.numbers[block.parameters[0]] = lo + step * max(count - 1, 0) / 2
        return self._times(node, count, [block])

    def _times(
        self, node: Value, count: float | None, blocks: Sequence[Block]
    ) -> tuple[float, float]:
        if count is None:
            self.unknown.append(node)
        operations = bytes = 0.0
        for block in blocks:
            more, room = self.block(block)
            operations += more
            bytes += room
        times = 1 if count is None else count
        return times * operations, times * bytes


def _folds(name: str) -> bool:
    return name.startswith(("reduce_", "cum", "accumulate_", "fsum", "norm", "sum_to", "variance"))


_INTEGERS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "absolute": abs,
    "floor_divide": lambda x, y: x // y,
    "remainder": lambda x, y: x % y,
    "power": lambda x, y: x**y,
    "minimum": min,
    "maximum": max,
    "left_shift": lambda x, y: int(x) << int(y),
    "right_shift": lambda x, y: int(x) >> int(y),
    "square": lambda x: x * x,
    "range_length": lambda lo, hi, step: len(range(int(lo), int(hi), int(step))),
    "python_number": lambda x: x,
    "cast": lambda x: x,
}
"""Operations on integers by which loops are counted."""
