"""Staged graphs: typed values in static single assignment form, and blocks of them.

::

    function ::=  name, block, what its parameters are
    block    ::=  parameters, then values in order, then results
    value    ::=  operation(input, ..., parameter=..., ...) blocks
    blocks   ::=  what a control operation runs; a block refers freely to values around it

A value is one operation and, at the same time, what it defines. Every operand is a value; a
constant is one too (``constant``). Parameters of an operation (an index, a shape) are Python data
in which values may stand: ``getitem(x, index=(i, slice(0, j)))``. An operation with several results
defines a tuple, and ``project`` takes it apart.

Control operations (`adjoint.ops.control`) and their blocks:

====================================  =========================================================
``for(lo, hi, step, *inits)``         body(index, *carried) -> carried; the results are those of
                                      the last iteration
``while(*inits)``                     condition(*carried) -> (bool,), body(*carried) -> carried
``if(predicate)``                     then() -> results, otherwise() -> results
``map(count)``                        body(index) -> results, stacked along a new first axis;
                                      iterations are independent
``call(*args)``                       of the function in parameter ``function``
``custom(*args)``                     body(*args) -> results, with a derivative of its own; while a
                                      function is being staged only
``checkpoint(*args)``                 body(*args) -> results, computed again in the reverse sweep;
                                      while a function is being staged only
====================================  =========================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from adjoint.ir.core import Block, Node, Op
from adjoint.ir.dims import Dim
from adjoint.ir.types import AnyType, StackType, Type
from adjoint.places import Place

__all__ = ["Function", "Value", "free_values", "map_values", "values_in", "walk"]


class Value(Node):
    """One operation of a staged graph and the value that it defines.

    Attributes
    ----------
    op : Op or None
        None for a parameter of a block.
    inputs : tuple of Value
    params : dict
        Python data in which values and dimensions may stand (`values_in`, `map_values`).
    type : Type, StackType, or tuple of them
        A tuple for an operation with several results.
    blocks : tuple of Block
    place : (file, line) or None
        Where the user's program computes it.
    bounds : tuple of (int, Dim or None)
        Of an integer scalar: least and greatest value, where they are known.
    name : str or None
        What the text of the graph calls it: of a parameter, its name in the user's program.
    """

    __slots__ = ("blocks", "bounds", "example", "name", "place", "type")

    inputs: tuple[Value, ...]
    type: Any  # the code asks for one kind of type where only that one can be

    def __init__(
        self,
        op: Op | None,
        inputs: tuple[Value, ...],
        params: dict[str, Any] | None,
        type: AnyType | tuple[AnyType, ...],
        blocks: tuple[Block, ...] = (),
        place: Place | None = None,
    ) -> None:
        if isinstance(type, tuple):
            shape: Any = tuple(_shape(t) for t in type)
            dtype: Any = tuple(_dtype(t) for t in type)
        else:
            shape, dtype = _shape(type), _dtype(type)
        super().__init__(op, inputs, params or {}, None, shape, dtype)
        self.type = type
        self.blocks = blocks
        self.place = place
        self.bounds: tuple[Any, Any] = (None, None)
        self.example: int | None = None
        self.name: str | None = None

    def __repr__(self) -> str:
        name = self.op.name if self.op is not None else "parameter"
        types = self.type if isinstance(self.type, tuple) else (self.type,)
        return f"<{name}: {', '.join(map(str, types))}>"


def _shape(type: AnyType) -> Any:
    return type.shape if isinstance(type, Type) else ()


def _dtype(type: AnyType) -> Any:
    while isinstance(type, StackType):
        type = type.entry
    return type.dtype


class Function:
    """A block with a name: what a staged function is.

    Attributes
    ----------
    name : str
    block : Block
        Its parameters and results are the function's.
    prepared : dict
        What backends keep about it. It is not to be changed once it has run.
    derived : dict
        The functions that are its derivatives, by which.
    """

    __slots__ = ("block", "derived", "name", "prepared")

    def __init__(self, name: str, block: Block) -> None:
        self.name = name
        self.block = block
        self.prepared: dict[Any, Any] = {}
        self.derived: dict[Any, Function] = {}


def values_in(data: Any) -> Iterator[Value]:
    """Yield the values that stand in an operation's parameter."""
    if isinstance(data, Value):
        yield data
    elif isinstance(data, Dim):
        for value, _ in data.terms:
            yield value
    elif isinstance(data, (tuple, list)):
        for item in data:
            yield from values_in(item)
    elif isinstance(data, dict):
        for item in data.values():
            yield from values_in(item)
    elif isinstance(data, slice):
        yield from values_in((data.start, data.stop, data.step))
    elif isinstance(data, Type):
        yield from values_in(data.shape)
    elif isinstance(data, StackType):
        yield from values_in(data.entry)


def map_values(data: Any, value: Callable[[Value], Any], dim: Callable[[Dim], Any]) -> Any:
    """Return an operation's parameter with its values and dimensions replaced."""
    if isinstance(data, Value):
        return value(data)
    if isinstance(data, Dim):
        return dim(data)
    if type(data) is tuple or type(data) is list:
        return type(data)([map_values(item, value, dim) for item in data])
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*[map_values(item, value, dim) for item in data])
    if type(data) is dict:
        return {key: map_values(item, value, dim) for key, item in data.items()}
    if isinstance(data, slice):
        parts = (data.start, data.stop, data.step)
        return slice(*[map_values(item, value, dim) for item in parts])
    if isinstance(data, Type):
        return data.with_shape(map_values(data.shape, value, dim)) if data.shape else data
    if isinstance(data, StackType):
        return StackType(map_values(data.entry, value, dim))
    return data


def operands(node: Value) -> Iterator[Value]:
    """Yield what a value is computed from: inputs, values in parameters and in its type."""
    yield from node.inputs
    if node.params:
        yield from values_in(node.params)


def walk(block: Block) -> Iterator[Value]:
    """Yield the values of a block and of the blocks in it, in order."""
    for node in block.nodes:
        yield node
        for inner in node.blocks:
            yield from walk(inner)


def free_values(*blocks: Block, lengths: bool = False) -> list[Value]:
    """Return the values around ``blocks`` that they refer to, in the order of first use.

    With ``lengths``, also those that stand in types alone.
    """
    found: dict[Value, None] = {}
    for block in blocks:
        defined: set[Value] = set()
        _collect_free(block, defined, found, lengths)
    return list(found)


def _collect_free(
    block: Block, defined: set[Value], found: dict[Value, None], lengths: bool
) -> None:
    defined.update(block.parameters)
    if lengths:
        for p in block.parameters:
            found.update((v, None) for v in values_in(p.type) if v not in defined)
    for node in block.nodes:
        for operand in operands(node):
            if operand not in defined:
                found[operand] = None
        if lengths:
            found.update((v, None) for v in values_in(node.type) if v not in defined)
        for inner in node.blocks:
            _collect_free(inner, defined, found, lengths)
        defined.add(node)
    for result in block.results:
        if result not in defined:
            found[result] = None
