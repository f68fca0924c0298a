"""What a loop keeps for its reverse sweep: bytes kept against work redone.

The reverse part of a loop's body reads values of its primal part. Each of them is *kept* (one entry
an iteration), *redone* in the reverse body from what is kept and what is free there, or free. Both
cost: an entry its bytes, an operation the bytes whose traffic takes as long. `choose` finds the
cheapest choice, which is a minimum cut. The network has an edge u → w of capacity c for "c is paid
if u is on the side of the source and w on that of the sink", and an infinite one for "never":

- ``in(v) → out(v)``: the bytes of v; infinite if v cannot be kept (a tuple: its projections can).
- ``source → in(v)``: the work of computing v again; infinite if that is not to be done.
- ``out(u) → in(v)`` for an operand u of v: infinite, v cannot be redone without u.
- ``out(v) → sink``: infinite if the reverse part reads v.

With out(v) on the side of the sink v is available to the reverse body; with in(v) there too it is
redone, otherwise kept. Values that are free have no vertex. An array and an element read from it
are different values: the element of an array that a later store overwrites costs eight bytes, the
array its size.

Minimum cuts for this purpose: functorch's min-cut rematerialisation (H. He and S. Yu, "Transcending
runtime–memory tradeoffs in checkpointing by being fusion aware", MLSys 2023), which bans what is
dear to compute where this network prices it. Maximum flow: E. A. Dinic, Soviet Math. Doklady 11
(1970).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from adjoint.ir.dims import Dim, example
from adjoint.ir.graph import Value, operands
from adjoint.ir.types import AnyType, StackType, Type

__all__ = ["WORK", "Choice", "choose", "keeping_cost", "redoing_cost"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is kept of an iteration, and what is computed again.

    Attributes
    ----------
    keep : tuple of Value
        One entry an iteration each; parameters of the block first, then in the block's order.
    redo : tuple of Value
        Nodes to compute again, in order: from ``keep`` and what is free they give the rest of what
        the reverse part reads.
    """

    keep: tuple[Value, ...]
    redo: tuple[Value, ...]


# -- prices ----------------------------------------------------------------------------------------

_NOMINAL = 1000
"""What an unknown dimension counts for, and the number of entries of a stack."""

_SMALL = 64
"""Elements of an array that is handled like a few scalars."""

# Costs are integers, in 1/32 of the cost of keeping a byte.
_KEEP = 32
_ONE_OPERATION = 8

# Work for each byte of the result. A kept byte is written, read again, and missing elsewhere until
# then. Sums and products of numbers at hand cost next to nothing beside that. A vectorised
# exponential costs about as much as writing its result to memory and reading it again, and several
# times as much as doing so in a cache.
_VIEW = 0
_ARITHMETIC = 1
_DIVISION = 4
_GATHER = 8
_TRANSCENDENTAL = 12
_TRANSCENDENTAL_IN_CACHE = 40

_WITH_ANOTHER = frozenset({"sech2"})
"""What the forward sweep gets for little beside what it computes: of the same exponential. Compiled
code takes an exponential of its own, for which keeping it was measured to cost no more either."""

_CACHED = 4096
"""Elements up to which an entry stays in a cache until it is read."""

_GROUPS = {
    _VIEW: """
        broadcast_to diagonal dim entry getitem imag permute project python_number range_length read
        real recompute reshape slice_length stop_gradient unless""",
    _ARITHMETIC: """
        absolute add bitwise_and bitwise_or bitwise_xor cast ceil concatenate conjugate copy
        copysign degrees diff equal extended_subtract eye floor fmax fmin fsum full greater
        greater_equal heaviside index_add invert iota isfinite isinf isnan left_shift less
        less_equal logical_and logical_not logical_or logical_xor maximum minimum multiply negative
        not_equal one_minus_square pad positive radians right_shift rint shift sign signbit square
        stack strong_multiply subtract trunc update where""",
    _DIVISION: """
        complex_sign direction divide floor_divide fmod fraction hypot ieee_remainder ldexp
        nextafter reciprocal remainder sqrt strong_divide""",
    _GATHER: "gather_along",
    _TRANSCENDENTAL: """
        arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt cos cosh exp exp2 expit expm1 log
        log10 log1p log2 log_expit logaddexp logaddexp2 logistic power sech2 sin sinc sinh softplus
        tan tanh""",
}
WORK = {name: work for work, names in _GROUPS.items() for name in names.split()}
"""The operations that may be redone, by name. Products of matrices, factorizations, control, draws
of random numbers and whatever else is not here are done once."""

_CONSTANTS = frozenset({"constant", "empty_stack", "undefined"})
_REDUCTIONS = frozenset(
    {"reduce_fmax", "reduce_fmin", "reduce_max", "reduce_min", "reduce_prod", "reduce_sum"}
)
_STORES = frozenset({"update", "index_add"})


def _elements(type: Type) -> int:
    return prod(n if isinstance(n, int) else _NOMINAL for n in type.shape)


def _is_cached(type: Type) -> bool:
    """Tell whether an array was small when the function was staged."""
    lengths = [example(n) for n in type.shape]
    return None not in lengths and prod(lengths) <= _CACHED  # type: ignore[arg-type]


def _bytes(type: AnyType) -> int:
    if isinstance(type, StackType):
        return _NOMINAL * _bytes(type.entry)
    return _elements(type) * type.dtype.itemsize


def keeping_cost(value: Value) -> int | None:
    """Return what an entry for a value costs; None if there cannot be one."""
    if isinstance(value.type, tuple):
        return None
    # Of two arrays of the same elements the one in the order of memory is copied faster.
    out_of_order = value.op is not None and value.op.name == "permute"
    return _KEEP * _bytes(value.type) * (2 if out_of_order else 1)


def redoing_cost(
    node: Value, free: frozenset[Value] = frozenset(), again: bool = False
) -> int | None:
    """Return what computing a value again costs, given its operands; None if it is not to be.

    ``again``: the forward sweep computes it for itself, too, or most of it.
    """
    op, type = node.op, node.type
    if op is None or node.blocks or isinstance(type, tuple):
        return None
    if op.name in _CONSTANTS:
        return 0
    if op.name in _REDUCTIONS:
        x = node.inputs[0].type
        if not (isinstance(x, Type) and _is_small(x)):
            return None
        return _ONE_OPERATION + _ARITHMETIC * _bytes(x)
    work = WORK.get(op.name)
    if work is None or (op.name in _STORES and _would_copy(node, free)):
        return None
    if (op.name == "getitem" and not _is_basic(node.params["index"])) or (
        op.name == "read" and not all(k != "index" or _is_basic(i) for k, i in node.params["path"])
    ):
        work = _GATHER
    if again and work == _TRANSCENDENTAL and isinstance(type, Type) and _is_cached(type):
        work = _TRANSCENDENTAL_IN_CACHE
    return _ONE_OPERATION + (work * _bytes(type) if work else 0)


def _is_small(type: Type) -> bool:
    return all(isinstance(n, int) for n in type.shape) and _elements(type) <= _SMALL


def _is_basic(index: Any) -> bool:
    for i in index if isinstance(index, tuple) else (index,):
        if isinstance(i, Value):
            if i.shape != () or i.dtype.kind not in "iu":
                return False
        elif not (i is None or i is Ellipsis or isinstance(i, (int, slice, Dim))):
            return False
    return True


def _would_copy(node: Value, free: frozenset[Value]) -> bool:
    """Tell whether a store may have been in place the first time, and cannot be the second time.

    What the body made itself it makes again, and stores to it in place; what would have to be kept
    costs at least the copy; but what is free belongs to others. Then only a store of about the size
    of the array is as cheap as it was.
    """
    made = node.inputs[0]
    while made.op is not None and made not in free and (made.op.views or made.op.name in _STORES):
        made = made.inputs[0]
    if made not in free:
        return False
    whole, part = node.type, node.inputs[1].type
    if not (isinstance(whole, Type) and isinstance(part, Type)):
        return True
    return not (_is_small(whole) or _elements(whole) <= 16 * _elements(part))


# -- the choice ------------------------------------------------------------------------------------


def choose(
    nodes: Sequence[Value],
    needed: Iterable[Value],
    free: Iterable[Value],
    barred: Iterable[Value] = (),
    shared: Mapping[Value, int] | None = None,
    forward: Iterable[Value] = (),
) -> Choice:
    """Choose what an iteration keeps for the reverse sweep.

    Parameters
    ----------
    nodes : sequence of Value
        The primal part of a block, in order.
    needed : iterable of Value
        What the reverse part reads: nodes, parameters of the block, free values.
    free : iterable of Value
        What the reverse body has at no cost: the loop's index, values from around the loop. Values
        that are neither free nor nodes are parameters of the block, and can only be kept.
    barred : iterable of Value
        Nodes that are not to be computed again, whatever their operation.

    shared : mapping, optional
        Values from around the block that are not free, since a loop further out has to keep them,
        and by how many passes an entry is shared.
    forward : iterable of Value, optional
        Nodes that the forward sweep has a use for. Others are computed once, wherever that is.

    Returns
    -------
    Choice
        With the least sum of `keeping_cost` and `redoing_cost`; of several, that with the least
        redone.
    """
    free, barred = frozenset(free), frozenset(barred)
    passes = shared or {}
    computed = frozenset(forward)

    def price(value: Value) -> int | None:
        cost = keeping_cost(value)
        return cost if cost is None or value not in passes else cost // passes[value]

    needed = [v for v in dict.fromkeys(needed) if v not in free]
    if not needed:
        return Choice((), ())
    for v in needed:
        if price(v) is None:
            raise ValueError(f"{v!r} can neither be kept nor computed again: read its projections")
    work: dict[Value, int] = {}
    for v in nodes:
        again = v in computed or (v.op is not None and v.op.name in _WITH_ANOTHER)
        cost = None if v in free or v in barred else redoing_cost(v, free, again)
        if cost is not None:
            work[v] = cost

    wanted = _closure(needed, free, work.__contains__)
    redone = _redone(wanted, frozenset(needed), work, free, price)
    used = _closure(needed, free, redone.__contains__)
    keep = [v for v in used if v not in redone]
    position = {v: k for k, v in enumerate(nodes)}
    keep.sort(key=lambda v: position.get(v, -1))
    return Choice(tuple(keep), tuple(v for v in nodes if v in redone and v in used))


def _closure(
    start: Iterable[Value], free: frozenset[Value], through: Callable[[Value], bool]
) -> dict[Value, None]:
    """Return ``start`` and, transitively, the operands of those for which ``through`` holds."""
    found = dict.fromkeys(start)
    todo = list(found)
    while todo:
        v = todo.pop()
        if through(v):
            for u in operands(v):
                if u not in free and u not in found:
                    found[u] = None
                    todo.append(u)
    return found


def _redone(
    wanted: Iterable[Value],
    needed: frozenset[Value],
    work: dict[Value, int],
    free: frozenset[Value],
    price: Callable[[Value], int | None],
) -> set[Value]:
    """Return the values whose ``in`` vertex the minimum cut leaves on the side of the sink."""
    network = _Network()
    inner: dict[Value, int] = {}
    outer: dict[Value, int] = {}
    for v in wanted:
        # The two ends of an infinite edge from the source, or to the sink, are one vertex.
        bytes = price(v)
        inner[v] = network.vertex() if v in work else _SOURCE
        outer[v] = _SINK if v in needed else inner[v] if bytes is None else network.vertex()
        if v in work:
            network.edge(_SOURCE, inner[v], work[v])
        if bytes is not None:
            network.edge(inner[v], outer[v], bytes)
    for v in wanted:
        if v in work:
            for u in {*operands(v)} - free:
                network.edge(outer[u], inner[v], _INFINITE)
    below = network.side_of_sink()
    return {v for v in wanted if below[inner[v]]}


# -- maximum flow ----------------------------------------------------------------------------------

_SOURCE, _SINK = 0, 1
_INFINITE = 1 << 80


class _Network:
    """A flow network. Edge e and its reverse e ^ 1 stand next to each other."""

    __slots__ = ("edges", "heads", "room")

    def __init__(self) -> None:
        self.edges: list[list[int]] = [[], []]  # those that leave a vertex
        self.heads: list[int] = []
        self.room: list[int] = []  # capacity less flow

    def vertex(self) -> int:
        self.edges.append([])
        return len(self.edges) - 1

    def edge(self, tail: int, head: int, capacity: int) -> None:
        if tail in (head, _SINK) or head == _SOURCE or not capacity:
            return
        self.edges[tail].append(len(self.heads))
        self.edges[head].append(len(self.heads) + 1)
        self.heads += (head, tail)
        self.room += (capacity, 0)

    def side_of_sink(self) -> list[bool]:
        """Return which vertices are on the sink's side of the minimum cut that is nearest to it."""
        while self._augment(distance := self._distances()):
            pass
        return [d >= 0 for d in distance]

    def _distances(self) -> list[int]:
        """Return how many edges with room each vertex is away from the sink; -1: unreachable."""
        edges, heads, room = self.edges, self.heads, self.room
        distance = [-1] * len(edges)
        distance[_SINK] = 0
        layer = [_SINK]
        d = 0
        while layer:
            d += 1
            further = []
            for head in layer:
                for e in edges[head]:
                    tail = heads[e]
                    if distance[tail] < 0 and room[e ^ 1]:
                        distance[tail] = d
                        further.append(tail)
            layer = further
        return distance

    def _augment(self, distance: list[int]) -> bool:
        """Saturate the shortest paths from source to sink; tell whether there were any."""
        if distance[_SOURCE] < 0:
            return False
        edges, heads, room = self.edges, self.heads, self.room
        tried = [0] * len(edges)  # of the edges that leave a vertex, how many lead nowhere
        path: list[int] = []
        at = _SOURCE
        while True:
            if at == _SINK:
                flow = min(room[e] for e in path)
                for e in path:
                    room[e] -= flow
                    room[e ^ 1] += flow
                # Go on from the first edge that is full: before it nothing has changed.
                full = next(k for k, e in enumerate(path) if not room[e])
                at = heads[path[full] ^ 1]
                del path[full:]
            leaving, closer = edges[at], distance[at] - 1
            for k in range(tried[at], len(leaving)):
                e = leaving[k]
                if room[e] and distance[heads[e]] == closer:
                    tried[at] = k
                    path.append(e)
                    at = heads[e]
                    break
            else:
                if at == _SOURCE:
                    return True
                tried[at] = len(leaving)
                at = heads[path.pop() ^ 1]
                tried[at] += 1
