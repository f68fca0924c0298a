"""What a stack keeps although an array has it still.

The reverse sweep of a Cholesky factorisation wants the rows that each pass of the forward sweep has
read. They are parts of the matrix that no later pass stores into, so that they can be read from the
finished one: nothing need be kept of them, where n²/2 rows of up to n numbers would be.

A loop nest pushes ``A[index]`` (or what it stores to ``A[index]``) once a pass; the reverse sweep
takes entry (e₁, e₂, …). Let F be what the nest makes of A. Entry and ``F[index]``, with the indices
of the passes that pushed it, are the same if all stores that come after the read, in the same pass
or in later ones, are to other places. A store of a later pass has the same indices as the read for
some of the loops around both, a later one for the next, and any for those further in: for each of
these cases, one axis has to be found along which the places are apart (`places.apart`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adjoint.ir.core import Block
from adjoint.ir.dims import Dim, add, difference, scale
from adjoint.ir.graph import Function, Value, map_values, operands
from adjoint.ir.types import StackType, Type, python_type
from adjoint.ops import control, indexing
from adjoint.ops.structural import project_result
from adjoint.transforms.simplify.integers import Integers
from adjoint.transforms.simplify.places import apart
from adjoint.transforms.simplify.values import set_type

__all__ = ["read_again"]

_INT = python_type(int)
_STORES = frozenset({indexing.update, indexing.index_add})


def read_again(function: Function) -> bool:
    """Read from arrays what stacks would keep of them; tell whether anything was."""
    loops = [(node, block) for block in _blocks(function.block) for node in block.nodes
             if node.op is control.for_loop and _carries_stacks(node)]  # fmt: skip
    if not loops:
        return False
    graph = _Graph(function.block)
    return any([_Nest(graph, loop, block).changed for loop, block in loops])


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    for node in block.nodes:
        for inner in node.blocks:
            yield from _blocks(inner)


def _carries_stacks(loop: Value) -> bool:
    inits = loop.inputs[3:]
    return any([isinstance(v.type, StackType) and v.op is control.empty_stack for v in inits])


class _Graph:
    """Where the values of a function are, and who uses them.

    Attributes
    ----------
    home : dict
        Value → its block, and its place in it; −1 for parameters.
    around : dict
        Block → the operation that it is a block of, and that operation's block.
    users : dict
        Value → the operations that have it as an operand, and the blocks whose result it is.
    """

    def __init__(self, block: Block) -> None:
        self.home: dict[Value, tuple[Block, int]] = {}
        self.around: dict[Block, tuple[Value, Block]] = {}
        self.users: defaultdict[Value, list[Any]] = defaultdict(list)
        for each in _blocks(block):
            for p in each.parameters:
                self.home[p] = (each, -1)
            for result in each.results:
                self.users[result].append(each)
            for at, node in enumerate(each.nodes):
                self.home[node] = (each, at)
                for v in operands(node):
                    self.users[v].append(node)
                for inner in node.blocks:
                    self.around[inner] = (node, each)

    def way(self, block: Block, root: Block) -> list[Block]:
        """Return the blocks from the one below ``root`` to ``block``."""
        found: list[Block] = []
        while block is not root:
            found.append(block)
            block = self.around[block][1]
        return found[::-1]


@dataclass
class _Kept:
    """What a stack keeps of each pass.

    Attributes
    ----------
    value : Value
    block : Block
        Where it is pushed.
    numbers : list
        The indices under which it is, one for each loop of the nest.
    """

    value: Value
    block: Block
    numbers: list[Any]


class _Nest:
    """A loop with all that is in it, whose stacks are looked at."""

    def __init__(self, graph: _Graph, loop: Value, block: Block) -> None:
        self.graph, self.loop, self.block = graph, loop, block
        self.integers = Integers()
        self.changed = False
        self.results = {v.params["k"]: v for v in block.nodes
                        if v.op is project_result and v.inputs[0] is loop}  # fmt: skip
        traced: dict[int, _Trace | None] = {}
        for k, root in list(self.results.items()):
            if not isinstance(root.type, StackType):
                continue
            kept, leaves = self._kept(loop, k), self._leaves(root)
            if kept is None or not leaves:
                continue
            for version, index in self._sources(kept):
                at = self._array_of(version, traced)
                if at is None:
                    continue
                trace = traced[at]
                assert trace is not None
                if self._lasts(version, index, trace):
                    self._read(kept, leaves, at, index)
                    break

    # -- what is kept, and who takes it ------------------------------------------------------------

    def _kept(self, loop: Value, k: int) -> _Kept | None:
        body = loop.blocks[0]
        if loop.inputs[3 + k].op is not control.empty_stack:
            return None
        push = body.results[k]
        if push.op is not control.push or push.inputs[0] is not body.parameters[1 + k]:
            return None
        value, number = push.inputs[1], push.params["index"]
        if not isinstance(value.type, StackType):
            return _Kept(value, body, [number])
        if value.op is not project_result or value.inputs[0].op is not control.for_loop:
            return None
        inner = value.inputs[0]
        if self.graph.home[inner][0] is not body:
            return None
        kept = self._kept(inner, value.params["k"])
        return kept and _Kept(kept.value, kept.block, [number, *kept.numbers])

    def _leaves(self, stack: Value) -> list[tuple[Value, list[Any]]] | None:
        """Return the entries that are taken, with their indices; None if more is done with it."""
        found: list[tuple[Value, list[Any]]] = []
        for user in self.graph.users[stack]:
            if not isinstance(user, Value) or user.op is not control.entry:
                return None
            number = user.params["index"]
            if isinstance(user.type, StackType):
                inner = self._leaves(user)
                if inner is None:
                    return None
                found += [(leaf, [number, *more]) for leaf, more in inner]
            else:
                found.append((user, [number]))
        return found

    def _sources(self, kept: _Kept) -> Iterator[tuple[Value, Any]]:
        """Yield versions of arrays and the indices at which they have what is kept."""
        value = kept.value
        if value.op is indexing.getitem:
            yield value.inputs[0], value.params["index"]
        elif value.op is indexing.read and (index := _index_of(value.params["path"])) is not None:
            yield value.inputs[0], index
        for user in self.graph.users[value]:
            if not isinstance(user, Value) or user.op is not indexing.update:
                continue
            index = _index_of(user.params["path"])
            here = self.graph.home[user][0] is kept.block
            if here and index is not None and user.inputs[1] is value and not value.shape:
                whole = all(not isinstance(i, slice) for i in index)
                if whole and len(index) == len(user.shape) and user.dtype == value.dtype:
                    yield user, index

    # -- the array ---------------------------------------------------------------------------------

    def _array_of(self, version: Value, traced: dict[int, _Trace | None]) -> int | None:
        """Return which carried array of the nest something is a version of."""
        body = self.loop.blocks[0]
        for k, p in enumerate(body.parameters[1:]):
            if not isinstance(p.type, Type) or p.dtype != version.dtype:
                continue
            if len(p.shape) != len(version.shape) or not p.shape:
                continue
            if k not in traced:
                trace = _Trace(self.graph)
                start = trace.back(body.results[k], body)
                traced[k] = trace if start is p else None
            found = traced[k]
            if found is not None and version in found.versions:
                return k
        return None

    def _lasts(self, version: Value, index: Any, trace: _Trace) -> bool:
        """Tell whether no store that comes after a version is to what is read of it."""
        graph, body = self.graph, self.loop.blocks[0]
        home, at = graph.home[version]
        mine = graph.way(home, body)
        for store in trace.stores:
            where = _index_of(store.params["path"])
            if where is None:
                return False
            block, place = graph.home[store]
            theirs = graph.way(block, body)
            common = [body]
            for x, y in zip(mine, theirs, strict=False):
                if x is not y:
                    break
                common.append(x)
            loops = [b for b in common if graph.around[b][0].op is control.for_loop]
            own = [b for b in theirs if b not in common]
            for depth in range(len(loops)):
                table: dict[Value, Value] = {}
                self._later(loops[depth], table)
                for b in [*common[common.index(loops[depth]) + 1 :], *own]:
                    self._any(b, table)
                if not apart(self.integers, index, self._elsewhere(where, table)):
                    return False
            depth = len(common)
            before = at if len(mine) < depth else graph.home[graph.around[mine[depth - 1]][0]][1]
            after = place if not own else graph.home[graph.around[own[0]][0]][1]
            if store is version or after < before:
                continue
            table = {}
            for b in own:
                self._any(b, table)
            if not apart(self.integers, index, self._elsewhere(where, table, common)):
                return False
        return True

    def _later(self, block: Block, table: dict[Value, Value]) -> None:
        """Have a loop's index be that of a later pass."""
        loop, _ = self.graph.around[block]
        index = block.parameters[0]
        step = self.integers.of(loop.inputs[2])
        low, high = index.bounds
        new = table[index] = Value(None, (), None, _INT)
        if type(step) is int:
            following = add(Dim(0, ((index, 1),)), step)
            new.bounds = (following, high) if step > 0 else (low, following)

    def _any(self, block: Block, table: dict[Value, Value]) -> None:
        """Have a loop's index be that of any pass."""
        if self.graph.around[block][0].op is not control.for_loop:
            return
        index = block.parameters[0]
        new = Value(None, (), None, _INT)
        bounds = [self._elsewhere(n, table) for n in index.bounds]
        new.bounds = (bounds[0], bounds[1])
        table[index] = new

    def _elsewhere(self, index: Any, table: dict[Value, Value], here: Any = ()) -> Any:
        """Return an index, or a bound, in another pass of some of the loops.

        What is computed in the nest, but for the indices of loops, is not known there.
        """
        unknown: dict[Value, Value] = {}

        def dim(d: Any) -> Any:
            total: Any = self.integers.of(d)
            if not isinstance(total, Dim):
                return total
            result: Any = total.constant
            for v, c in total.terms:
                other = table.get(v, v)
                if other is v and self._changes(v) and self.graph.home[v][0] not in here:
                    other = unknown.setdefault(v, Value(None, (), None, _INT))
                result = add(result, Dim(0, ((other, c),)))
            return result

        return map_values(index, lambda v: dim(v) if v.type == _INT else v, dim)

    def _changes(self, v: Value) -> bool:
        """Tell whether a value is computed in the nest, and no index of a loop that stays."""
        if v not in self.graph.home:
            return False
        block, at = self.graph.home[v]
        if at < 0 and block.parameters[0] is v:
            return False
        while block is not self.block:
            if block not in self.graph.around:
                return False
            if self.graph.around[block][0] is self.loop:
                return True
            block = self.graph.around[block][1]
        return False

    # -- reading it --------------------------------------------------------------------------------

    def _final(self, k: int) -> Value:
        """Return what the nest makes of a carried array."""
        found = self.results.get(k)
        if found is None:
            assert isinstance(self.loop.type, tuple)
            type = self.loop.type[k]
            found = Value(project_result, (self.loop,), {"k": k}, type, (), self.loop.place)
            at = self.block.nodes.index(self.loop) + 1
            self.block.nodes.insert(at, found)
            self.graph.home[found] = (self.block, at)
            self.results[k] = found
        return found

    def _read(self, kept: _Kept, leaves: list[tuple[Value, list[Any]]], k: int, index: Any) -> None:
        """Have what takes entries read the finished array instead."""
        body = self.loop.blocks[0]
        indices = [b.parameters[0] for b in (body, *self.graph.way(kept.block, body))]
        if len(indices) != len(kept.numbers):
            return
        for leaf, numbers in leaves:
            table: dict[Value, Any] = {}
            for i, pushed, taken in zip(indices, kept.numbers, numbers, strict=True):
                found = self._solved(i, pushed, taken, table)
                if found is None:
                    return
                table[i] = found
            at = self._in_terms_of(index, table)
            if at is None:
                return
            shape = tuple(
                n if m is None and (n := self._in_terms_of(w, table)) is not None else m
                for m, w in zip(leaf.shape, kept.value.shape, strict=True)
            )
            assert isinstance(leaf.type, Type)
            leaf.op, leaf.inputs, leaf.params = indexing.getitem, (self._final(k),), {"index": at}
            set_type(leaf, leaf.type.with_shape(shape))
            self.changed = True

    def _solved(self, i: Value, pushed: Any, taken: Any, table: dict[Value, Any]) -> Any:
        """Return the index of the pass that has pushed an entry, from the entry's number."""
        number = self.integers.of(pushed)
        terms = dict(number.terms) if isinstance(number, Dim) else {}
        c = terms.pop(i, 0)
        if c not in (1, -1):
            return None
        rest = self._in_terms_of(Dim(number.constant, tuple(terms.items())), table)
        return None if rest is None else scale(difference(self.integers.of(taken), rest), c)

    def _in_terms_of(self, index: Any, table: dict[Value, Any]) -> Any:
        """Return an index with the loops' indices replaced; None if it needs what is inside."""
        lost = False

        def dim(d: Any) -> Any:
            nonlocal lost
            total = self.integers.of(d)
            if not isinstance(total, Dim):
                return total
            result: Any = total.constant
            for v, c in total.terms:
                if v in table:
                    result = add(result, scale(table[v], c))
                else:
                    lost = lost or self._changes(v) or self._is_index(v)
                    result = add(result, Dim(0, ((v, c),)))
            return result

        def value(v: Value) -> Any:
            nonlocal lost
            if v.type == _INT:
                return dim(v)
            lost = lost or self._changes(v)
            return v

        found = map_values(index, value, dim)
        return None if lost else found

    def _is_index(self, v: Value) -> bool:
        block, at = self.graph.home.get(v, (self.block, 0))
        return at < 0 and block in self.graph.around and block.parameters[0] is v


class _Trace:
    """The versions of an array from the end of a block back to its beginning.

    Attributes
    ----------
    versions : set of Value
    stores : list of Value
        The operations that make one of another.
    """

    def __init__(self, graph: _Graph) -> None:
        self.graph = graph
        self.versions: set[Value] = set()
        self.stores: list[Value] = []

    def back(self, x: Value, block: Block) -> Value | None:
        """Return the first version of an array in a block, or the one from around it."""
        while True:
            self.versions.add(x)
            if self.graph.home[x][0] is not block:
                return x
            if x.op in _STORES:
                self.stores.append(x)
                x = x.inputs[0]
                continue
            if x.op is not project_result:
                return x
            node, k = x.inputs[0], x.params["k"]
            if node.op is control.for_loop:
                body = node.blocks[0]
                if self.back(body.results[k], body) is not body.parameters[1 + k]:
                    return None
                x = node.inputs[3 + k]
            elif node.op is control.cond:
                starts = {self.back(b.results[k], b) for b in node.blocks}
                start = starts.pop()
                if starts or start is None or self.graph.home[start][0] in node.blocks:
                    return None
                x = start
            else:
                return x


def _index_of(path: Any) -> tuple[Any, ...] | None:
    """Return the index of a path that is one."""
    if len(path) != 1 or path[0][0] != "index":
        return None
    index = path[0][1]
    return index if isinstance(index, tuple) else (index,)
