"""Loops of compositions over lengths that are staged: operations of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.errors import TracingError
from adjoint.ir.build import building, innermost, users_place
from adjoint.ir.dims import Dim
from adjoint.ir.edit import exported
from adjoint.ir.types import Type, python_type
from adjoint.ops.control import for_loop, map_loop
from adjoint.staged import lift, value_of, wrap
from adjoint.staged.scopes import changes, rollback
from adjoint.staged.values import current, root_of

__all__ = ["fold", "for_each", "mapped"]


def fold(start: Any, stop: Any, init: Any, step: Callable[[Any, Any], Any]) -> Any:
    """Return ``step(stop - 1, ... step(start + 1, step(start, init)))`` of a staged range.

    ``init``, an array or number, has the type that ``step`` returns.
    """
    before = value_of(lift(init))
    with building(innermost()) as body:
        k = body.parameter(python_type(int))
        k.bounds = (_dim(start), _dim(stop - 1))
        carried = body.parameter(before.type)
        body.block.results = [value_of(step(wrap(k), wrap(carried)))]
    return _emit(start, stop, [before], body)[0]


def for_each(count: Any, arrays: tuple[Any, ...], change: Callable[[Any], None]) -> None:
    """Call ``change(k)``, which stores to the staged ``arrays``, for k = 0, ..., count − 1."""
    roots = [root_of(a) for a in arrays]
    before = [current(root) for root in roots]
    with building(innermost()) as body:
        k = body.parameter(python_type(int))
        k.bounds = (0, _dim(count - 1))
        for root, value in zip(roots, before, strict=True):
            root._set(body.parameter(value.type))
        change(wrap(k))
        body.block.results = [current(root) for root in roots]
        rollback(body)
    for root, after in zip(roots, _emit(0, count, before, body), strict=True):
        root._set(value_of(after))


def mapped(count: Any, make: Callable[[Any], Any]) -> Any:
    """Return what ``make(k)`` gives for k = 0, ..., count − 1, stacked; of a tuple each entry.

    Raises
    ------
    TracingError
        If ``make`` changes anything that is there outside of it: nobody promises it an order.
    """
    with building(innermost()) as body:
        k = body.parameter(python_type(int))
        k.bounds = (0, _dim(count - 1))
        made = make(wrap(k))
        parts = made if isinstance(made, tuple) else (made,)
        body.block.results = [value_of(lift(part)) for part in parts]
        for location, _, _ in changes(body):
            raise TracingError(
                f"a function that NumPy calls for each element changes {location.describe()}; that "
                "can only be staged if the loop is written out"
            )
    types = []
    for value in body.block.results:
        type: Any = exported(value.type, body)
        types.append(Type(type.dtype, (_dim(count), *type.shape)))
    inputs = (value_of(count),)
    place = users_place()
    results = wrap(innermost().emit(map_loop, inputs, {}, tuple(types), (body.block,), place))
    return results if isinstance(made, tuple) else results[0]


def _dim(n: Any) -> Any:
    return Dim(n.constant, n.terms) if isinstance(n, Dim) else n


def _emit(start: Any, stop: Any, before: list[Any], body: Any) -> Any:
    inputs = tuple(value_of(n) for n in (start, stop, 1, *before))
    types = tuple(value.type for value in before)
    return wrap(innermost().emit(for_loop, inputs, {}, types, (body.block,), users_place()))
