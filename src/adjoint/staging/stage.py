"""From a function and the types of its arguments to a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.errors import InputError, TracingError
from adjoint.ir.build import building, innermost
from adjoint.ir.dims import Dim, evaluate
from adjoint.ir.graph import Function, Value, values_in
from adjoint.ir.types import Type, is_ordinary, of_value, python_type
from adjoint.staged.integers import Integer
from adjoint.staged.scopes import Cell, Location, changes, rollback
from adjoint.staged.values import Staged, value_of, wrap
from adjoint.staging.merging import Conflict
from adjoint.staging.outside import note_outside
from adjoint.staging.rebinding import note_cells
from adjoint.staging.session import Capture, Session, starting
from adjoint.staging.state import CannotStage, IfBound, Pending
from adjoint.staging.visible import visible
from adjoint.transforms.regions import inline

__all__ = [
    "Constant",
    "Graph",
    "Output",
    "Signature",
    "settled",
    "signature_of",
    "stage_function",
    "unchanged",
    "written",
]

FEW = 8
"""Lengths up to this are constants of the graph; longer ones are known at run time."""

INT = python_type(int)


@dataclass(frozen=True)
class Signature:
    """What of the arguments the graph depends on.

    Attributes
    ----------
    leaves : tuple
        One entry an argument leaf: ``(type, sizes, contiguous)`` of an array, where a size is a
        constant length or the name of a length (equal lengths have equal names); a type of a
        number; or ``("constant", value)``.
    """

    leaves: tuple[Any, ...]


def signature_of(leaves: Sequence[Any], fixed: frozenset[int] = frozenset()) -> Signature:
    """Return the signature of argument leaves; numbers at positions in ``fixed`` are constants."""
    names: dict[int, str] = {}
    known = {n for k in fixed if isinstance(leaves[k], np.ndarray) for n in leaves[k].shape}
    found: list[Any] = []
    for k, leaf in enumerate(leaves):
        kind = type(leaf)
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc":
            if kind is not np.ndarray and not is_ordinary(kind):
                raise InputError(
                    f"an argument is a {kind.__name__}, whose operators are its own; graphs are of "
                    "ndarrays: give np.asarray(x)"
                )
            sizes = tuple(
                n if n <= FEW or n in known else names.setdefault(n, f"n{len(names)}")
                for n in leaf.shape
            )
            dtype = leaf.dtype if leaf.dtype.isnative else np.dtype(leaf.dtype.type)
            found.append((dtype, sizes, bool(leaf.flags.c_contiguous)))
        elif kind is float or kind is complex or (kind is int and k not in fixed):
            found.append(kind)
        elif isinstance(leaf, np.generic) and leaf.dtype.kind in "biufc":
            found.append(leaf.dtype)
        else:
            found.append(Constant(leaf))
    return Signature(tuple(found))


class Constant:
    """A leaf that the graph takes for granted; an array, as it is now."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value.copy() if isinstance(value, np.ndarray) else value

    def holds(self, leaf: Any) -> bool:
        """Tell whether a leaf is this constant."""
        return leaf is self.value or self == Constant(leaf)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Constant) or type(self.value) is not type(other.value):
            return False
        if self.value is other.value:
            return True
        if isinstance(self.value, np.ndarray):
            a, b = self.value, other.value
            return a.dtype == b.dtype and a.shape == b.shape and bool(np.all(a == b))
        try:
            return bool(self.value == other.value)
        except Exception:
            return False

    def __hash__(self) -> int:
        if isinstance(self.value, np.ndarray):
            return hash((self.value.dtype, self.value.shape))
        try:
            return hash((type(self.value), self.value))
        except TypeError:
            return id(self.value)


@dataclass
class Graph:
    """A staged function.

    Attributes
    ----------
    function : Function
        Its parameters are the lengths, the argument leaves that are numbers or arrays, and what is
        captured, in this order; its results are those of the user's function, then what its
        effects write.
    lengths : list of (int, int)
        Where each length is read: argument leaf and axis.
    arguments : list of int
        The argument leaves that are parameters.
    captures : list of Capture
    guards : list of (callable, value, str)
        What is read from outside and taken for granted: how, its value, and what it is.
    outputs : list
        One entry a result leaf: the number of a result of ``function``, or a constant.
    out_spec :
        The structure of the result.
    stores : list of (int, int)
        Argument leaves (or, from ``len(arguments)`` on, captures) that are changed in place, with
        the number of the result that they hold afterwards.
    writes : list of (Location, spec, list)
        What is assigned to outside: the place, and its leaves as in ``outputs``.
    unrolled : dict
        Loops that were unrolled, by place, with the reason.
    signs : list of (Dim, str)
        Expressions of lengths, and the sign that is taken for granted.
    """

    function: Function
    lengths: list[tuple[int, int]]
    arguments: list[int]
    captures: list[Capture]
    guards: list[tuple[Callable[[], Any], Any, str]]
    outputs: list[Any]
    out_spec: tree.Structure
    stores: list[tuple[int, int]]
    writes: list[tuple[Location, Any, list[Any]]]
    unrolled: dict[Any, str] = field(default_factory=dict)
    signs: list[tuple[Dim, str]] = field(default_factory=list)

    def holds(self, leaves: Sequence[Any]) -> bool:
        """Tell whether what the graph takes for granted is so for these arguments, and still so."""
        for read, value, _ in self.guards:
            if not unchanged(read(), value):
                return False
        if not self.signs:
            return True
        parameters = self.function.block.parameters
        lengths = {
            p: leaves[k].shape[axis] for p, (k, axis) in zip(parameters, self.lengths, strict=False)
        }
        return all(_HOLDS[sign](evaluate(x, lengths)) for x, sign in self.signs)

    def fits(self) -> bool:
        """Tell whether what is captured is of the types that the graph has for it."""
        return all(of_value(c.read()) == c.value.type for c in self.captures)

    def inputs(self, leaves: Sequence[Any]) -> list[Any]:
        """Return the values of the function's parameters."""
        given = [leaves[k].shape[axis] for k, axis in self.lengths]
        given += [leaves[k] for k in self.arguments]
        given += [c.read() for c in self.captures]
        return given


_HOLDS: dict[str, Callable[[int], bool]] = {
    ">0": lambda n: n > 0,
    ">=0": lambda n: n >= 0,
    "<0": lambda n: n < 0,
}


def unchanged(now: Any, then: Any) -> bool:
    """Tell whether what is read from outside is what it was."""
    return now is then or (type(now) is type(then) and now == then)


@dataclass(frozen=True)
class Output:
    """A result leaf that is result ``number`` of the graph's function."""

    number: int


def stage_function(
    call: Callable[..., Any],
    origin: Callable[..., Any],
    leaves: Sequence[Any],
    rebuild: Callable[[list[Any]], tuple[tuple[Any, ...], dict[str, Any]]],
    name: str,
    fixed: frozenset[int] = frozenset(),
) -> Graph:
    """Stage a function.

    Parameters
    ----------
    call : callable
        The function, rewritten.
    origin : callable
        The function.
    leaves : sequence
        The argument leaves.
    rebuild : callable
        From leaves to positional and keyword arguments.
    name : str
        Of the function, for the graph.
    fixed : frozenset of int
        Argument leaves whose number (of an array: whose lengths) is a constant of the graph.
    """
    with building(None) as builder, starting(builder) as session:
        lengths, arguments, given = _parameters(leaves, fixed)
        roots = [given[k] for k in arguments]
        args, kwargs = rebuild(given)
        for value in (*args, *kwargs.values()):
            _note_containers(value)
        note_cells(origin)
        try:
            result = call(*args, **kwargs)
        except CannotStage as error:
            wanted = needs_fixed(error, builder.block.parameters)
            shift = len(lengths)
            error.parameters = {
                lengths[p][0] if p < shift else arguments[p - shift] for p in wanted
            }
            rollback(builder)
            raise
        except BaseException:
            rollback(builder)
            raise
        results: list[Value] = []
        out_leaves, out_spec = tree.flatten(result)
        outputs = [settled(leaf, results) for leaf in out_leaves]
        stores = _stores(roots, session, results)
        writes = _writes(builder, results)
        rollback(builder)
        builder.block.results = results
    function = Function(name, builder.block)
    inline(function)
    return Graph(
        function,
        lengths,
        arguments,
        list(session.captures.values()),
        list(session.guards.values()),
        outputs,
        out_spec,
        stores,
        writes,
        dict(session.unrolled_loops),
        session.signs,
    )


def _parameters(
    leaves: Sequence[Any], fixed: frozenset[int]
) -> tuple[list[tuple[int, int]], list[int], list[Any]]:
    """Give the function its parameters; return the staged leaves too."""
    builder = innermost()
    signature = signature_of(leaves, fixed)
    sizes: dict[str, Dim] = {}
    lengths = []
    for k, leaf in enumerate(signature.leaves):
        if type(leaf) is tuple:
            for axis, n in enumerate(leaf[1]):
                if type(n) is str and n not in sizes:
                    value = builder.parameter(INT)
                    value.name = n
                    value.bounds = (FEW + 1, None)
                    value.example = leaves[k].shape[axis]
                    sizes[n] = Dim(0, ((value, 1),))
                    lengths.append((k, axis))
    arguments = []
    given: list[Any] = []
    for k, (leaf, sign) in enumerate(zip(leaves, signature.leaves, strict=True)):
        if isinstance(sign, Constant):
            given.append(leaf)
            continue
        if type(sign) is tuple:
            dtype, shape, contiguous = sign
            type_ = Type(dtype, tuple(sizes.get(n, n) for n in shape))
            given.append(wrap(builder.parameter(type_), contiguous))
        else:
            type_ = of_value(leaf)
            assert type_ is not None
            given.append(wrap(builder.parameter(type_)))
        arguments.append(k)
    return lengths, arguments, given


def _note_containers(value: Any) -> None:
    if type(value) in (list, dict, set):
        note_outside(value)
        for item in value.values() if type(value) is dict else value:
            _note_containers(item)
    elif type(value) is tuple:
        for item in value:
            _note_containers(item)


def settled(leaf: Any, results: list[Value]) -> Any:
    """Return a result leaf as an `Output`, its value added to ``results``, or as a constant."""
    if isinstance(leaf, Pending):
        from adjoint.staging.hooks import use

        leaf = use("the result", leaf)
    if isinstance(leaf, Conflict):
        leaf._refuse()
    if isinstance(leaf, (Staged, Integer)):
        results.append(value_of(leaf))
        return Output(len(results) - 1)
    return leaf


def _stores(roots: list[Any], session: Session, results: list[Value]) -> list[tuple[int, int]]:
    """Return which arrays from outside are changed in place."""
    stores = []
    captured = [c.staged for c in session.captures.values()]
    values = [c.value for c in session.captures.values()]
    for k, root in enumerate((*roots, *captured)):
        if not isinstance(root, Staged) or root._value.type.kind != "array":
            continue
        if root._moved is not None:
            raise TracingError(root._moved)
        changed = (
            root._value.op is not None
            if k < len(roots)
            else root._value is not values[k - len(roots)]
        )
        if changed:
            stores.append((k, len(results)))
            results.append(value_of(root))
    return stores


def written(location: Location, now: Any, results: list[Value]) -> tuple[Location, Any, list[Any]]:
    """Return what is to be assigned to a place: its structure and its leaves, settled."""
    if isinstance(now, Pending):
        location, now = IfBound(location), (now.bound, now.value)
    leaves, spec = tree.flatten(now)
    return location, spec, [settled(leaf, results) for leaf in leaves]


def _writes(builder: Any, results: list[Value]) -> list[tuple[Location, Any, list[Any]]]:
    """Return what is assigned to outside of the function."""
    seen = visible([x for x, _, _ in changes(builder) if not isinstance(x, Cell)], builder)
    return [written(place, now, results) for place, _, now in changes(builder) if place in seen]


def needs_fixed(error: CannotStage, parameters: Sequence[Value]) -> set[int]:
    """Return which integer parameters the numbers depend on that would have helped.

    An empty set if they depend on anything else.
    """
    position = {p: k for k, p in enumerate(parameters)}
    for culprit in error.culprits:
        found = _sources(culprit, position)
        if found:
            return found
    return set()


def _sources(culprit: Any, position: dict[Value, int]) -> set[int]:
    """Return the integer parameters that a value is computed from; none if from anything else."""
    found: set[int] = set()
    todo: list[Value] = []
    if isinstance(culprit, Dim):
        todo += [v for v, _ in culprit.terms]
    elif isinstance(culprit, Staged):
        todo.append(culprit._value)
    seen: set[Value] = set()
    while todo:
        value = todo.pop()
        if value in seen:
            continue
        seen.add(value)
        if value.op is None:
            if value not in position or value.type != INT:
                return set()
            found.add(position[value])
            continue
        if value.blocks:
            return set()
        todo += value.inputs
        todo += values_in(value.params)
    return found
