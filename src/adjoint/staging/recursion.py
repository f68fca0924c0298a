"""Recursion whose depth is known at run time only: functions of the graph, and calls of them.

Calls of the user's functions are recorded where they are called, as if their bodies stood there. A
function that calls itself under a condition known at run time only would go on so for ever. When
that is met, the outermost call of it is begun again, as a function of the graph: first to find out
what it returns on the paths that do not recur, then with calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any

from adjoint import tree
from adjoint.frontend.build import is_rewritten
from adjoint.frontend.calls import resolve_staged
from adjoint.frontend.staged_transform import STAGED
from adjoint.ir.build import Builder, building, innermost, users_place
from adjoint.ir.core import Block
from adjoint.ir.edit import exported, substitute
from adjoint.ir.graph import Function, Value, free_values, walk
from adjoint.ops import control
from adjoint.staged.failures import CannotStage
from adjoint.staged.scopes import Cell, changes, rollback
from adjoint.staged.values import value_of, wrap
from adjoint.staging.draws import GENERATORS, drawn_by
from adjoint.staging.outside import note_made
from adjoint.staging.rebinding import watch
from adjoint.staging.session import session
from adjoint.staging.state import Pending, convert, is_numeric, join, type_of_leaf

__all__ = ["Bottom", "Frame", "resolve_call"]


class Recursion(BaseException):
    """Unwinds to the outermost call of a function that recurs."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame


class Bottom(BaseException):
    """A recursive call of which it is not known yet what it returns."""


class Frame:
    """A call of a user's function that is being staged.

    Attributes
    ----------
    function : callable
    builder : Builder
        The block in which it was called.
    recurring : Recurring or None
        The function of the graph that it is being made.
    """

    __slots__ = ("builder", "function", "recurring")

    def __init__(self, function: Callable[..., Any], builder: Builder) -> None:
        self.function = function
        self.builder = builder
        self.recurring: Recurring | None = None


def resolve_call(fn: Any) -> Any:
    """Return what a call in staged code reaches; the user's functions are watched for recursion."""
    if type(fn) is MethodType and type(fn.__self__) in GENERATORS:
        return drawn_by(fn)
    found = resolve_staged(fn)
    if isinstance(fn, type) and (fn.__new__ is object.__new__ or fn is SimpleNamespace):
        return functools.partial(_made, fn, found)
    inner = found.__func__ if type(found) is MethodType else found
    if type(inner) is FunctionType and is_rewritten(inner.__code__, STAGED.hooks):
        return functools.partial(_called, found)
    return found


def _made(kind: type, make: Any, /, *args: Any, **kwargs: Any) -> Any:
    instance = make(*args, **kwargs)
    if type(instance) is kind:
        note_made(instance)
    return instance


def _called(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    frames = session().frames
    for frame in reversed(frames):
        if _same_function(frame.function, function):
            if frame.recurring is not None:
                return frame.recurring.call(args, kwargs)
            if innermost() is not frame.builder:
                raise Recursion(frame)
    watch(getattr(function, "__func__", function))
    frame = Frame(function, innermost())
    frames.append(frame)
    try:
        return function(*args, **kwargs)
    except Recursion as recursion:
        if recursion.frame is not frame:
            raise
        return _as_function(frame, args, kwargs)
    finally:
        frames.pop()


def _same_function(f: Any, g: Any) -> bool:
    if type(f) is MethodType and type(g) is MethodType:
        return f.__self__ is g.__self__ and _same_function(f.__func__, g.__func__)
    if type(f) is not FunctionType or type(g) is not FunctionType:
        return False
    return f.__code__ is g.__code__ and _cells(f) == _cells(g)


def _cells(f: FunctionType) -> list[int]:
    return [id(cell) for cell in f.__closure__ or ()]


class Recurring:
    """A function of the graph under construction.

    Attributes
    ----------
    function : Function
    spec :
        The structure of its arguments.
    leaves : list
        Of the arguments of the outermost call; what is no number is the same in all calls.
    types : list of Type or None
        Of the parameters; None for what is no number.
    result : tuple or None
        Structure, leaves and types of the result, once something is known of it.
    widened : bool
        Whether a call has arguments that the types do not hold.
    """

    def __init__(self, name: str, spec: Any, leaves: list[Any], types: list[Any]) -> None:
        self.function = Function(name, Block())
        self.name = name
        self.spec = spec
        self.leaves = leaves
        self.types = types
        self.result: tuple[Any, list[Any], list[Any]] | None = None
        self.widened = False

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record a recursive call."""
        leaves, spec = tree.flatten((args, kwargs))
        if spec != self.spec:
            raise CannotStage(
                f"{self.name} calls itself with arguments of another structure: {spec}, after "
                f"{self.spec}"
            )
        for k, (leaf, first, type) in enumerate(zip(leaves, self.leaves, self.types, strict=True)):
            if type is None:
                if leaf is first or (not is_numeric(leaf) and leaf == first):
                    continue
                if is_numeric(leaf) and is_numeric(first):
                    self.types[k] = type_of_leaf(first)
                    self.widened = True
                    continue
                raise CannotStage(
                    f"{self.name} calls itself with another {leaf!r}; what is no number or array "
                    "must be the same in all of its calls, as their number is known at run time"
                )
            wider = join(type, _anywhere(type_of_leaf(leaf)))
            if wider is None:
                raise CannotStage(
                    f"{self.name} calls itself with an argument of type {type_of_leaf(leaf)}, "
                    f"after {type}"
                )
            if wider != type:
                self.types[k] = wider
                self.widened = True
        if self.widened or self.result is None:
            raise Bottom
        spec, constants, types = self.result
        inputs = tuple(
            convert(leaf, t) for leaf, t in zip(leaves, self.types, strict=True) if t is not None
        )
        return _record(self.function, inputs, spec, constants, types)


def _anywhere(type: Any) -> Any:
    """Return a type without lengths that are known in one place only."""
    builder = innermost()
    while builder.parent is not None:
        builder = builder.parent
    shape = getattr(type, "shape", ())
    if all(isinstance(n, int) for n in shape):
        return type
    return type.with_shape(tuple(n if isinstance(n, int) else None for n in shape))


def _record(
    function: Function, inputs: tuple[Value, ...], spec: Any, constants: list[Any], types: list[Any]
) -> Any:
    kinds = tuple(t for t in types if t is not None)
    params = {"function": function}
    value = innermost().emit(control.call, inputs, params, kinds, (), users_place())
    results = iter(wrap(value))
    leaves = [c if t is None else next(results) for c, t in zip(constants, types, strict=True)]
    return tree.unflatten(spec, leaves)


def _as_function(frame: Frame, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Stage a call as one of a function of the graph."""
    leaves, spec = tree.flatten((args, kwargs))
    name = getattr(frame.function, "__name__", "recurring")
    types = [_anywhere(type_of_leaf(x)) if is_numeric(x) else None for x in leaves]
    recurring = Recurring(name, spec, leaves, types)
    for _ in range(20):
        recurring.widened = False
        found = _attempt(frame, recurring)
        if recurring.widened:
            continue
        before = recurring.result
        if found is None:
            raise CannotStage(f"{name} calls itself on every path, and never ends")
        spec_out, constants, out_types, builder = found
        if before is None or before[0] != spec_out:
            recurring.result = (spec_out, constants, out_types)
            continue
        joined = [
            None if a is None and b is None else _joined(a, b)
            for a, b in zip(before[2], out_types, strict=True)
        ]
        if joined != before[2]:
            recurring.result = (spec_out, constants, joined)
            continue
        return _finish(recurring, builder)
    raise CannotStage(f"what {name} returns changes its type without end")


def _attempt(frame: Frame, recurring: Recurring) -> Any:
    """Run the function once; return structure, constants and types of its result, and the block."""
    frame.recurring = recurring
    try:
        with building(innermost()) as builder:
            inside: list[Any] = []
            for leaf, type in zip(recurring.leaves, recurring.types, strict=True):
                inside.append(leaf if type is None else wrap(builder.parameter(type)))
            args, kwargs = tree.unflatten(recurring.spec, inside)
            try:
                result = frame.function(*args, **kwargs)
            except Bottom:
                rollback(builder)
                return None
            if any(_outer(builder, location, before) for location, before, _ in changes(builder)):
                raise CannotStage(
                    f"{recurring.name} calls itself, and changes something that was there before "
                    "(an array, an attribute); return it instead"
                )
            leaves, spec = tree.flatten(result)
            if any(isinstance(x, Pending) for x in leaves):
                raise CannotStage(f"{recurring.name} may end without returning anything")
            types = [
                _anywhere(exported(type_of_leaf(x), builder)) if is_numeric(x) else None
                for x in leaves
            ]
            known = recurring.result
            if known is not None and known[0] == spec:
                types = [
                    None if t is None and k is None else _joined(t, k)
                    for t, k in zip(types, known[2], strict=True)
                ]
            builder.block.results = [
                convert(x, t) for x, t in zip(leaves, types, strict=True) if t is not None
            ]
        return spec, leaves, types, builder
    finally:
        frame.recurring = None


def _outer(builder: Builder, location: Any, before: Any) -> bool:
    if not isinstance(location, Cell):
        return False
    return builder.parent is not None and builder.parent.sees(before)


def _joined(a: Any, b: Any) -> Any:
    """Return the type that holds values of both; a type may be missing."""
    first: Any = b if a is None else a
    return join(first, first if b is None else b)


def _finish(recurring: Recurring, builder: Builder) -> Any:
    """Make what the function reads from around it parameters, and record the outermost call."""
    block = builder.block
    function = recurring.function
    constants = [v for v in free_values(block, lengths=True) if v.op is control.constant]
    for value in constants:
        own = Value(control.constant, (), value.params, value.type)
        own.bounds = value.bounds
        block.nodes.insert(0, own)
        substitute(block, {value: own})
    captured = free_values(block, lengths=True)
    extra = []
    for value in captured:
        param = builder.parameter(_anywhere(value.type))
        extra.append(param)
        substitute(block, {value: param})
    for node in walk(block):
        if node.op is control.call and node.params["function"] is function:
            node.inputs = (*node.inputs, *extra)
    function.block = block
    assert recurring.result is not None
    spec, constant_leaves, types = recurring.result
    inputs = [
        convert(leaf, t)
        for leaf, t in zip(recurring.leaves, recurring.types, strict=True)
        if t is not None
    ]
    inputs += captured
    return _record(function, tuple(value_of(v) for v in inputs), spec, constant_leaves, types)
