"""Functions with constant results: comparisons of whole arrays, orders, places.

Their arguments are parameters, as the program gave them (`adjoint.ops.plain`). A rule returns the
arguments for all examples.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.ir.graph import Value, values_in
from adjoint.ops import discrete
from adjoint.transforms.batch.table import OneByOne, Operation, expanded, rule, shaped

__all__: list[str] = []

Arguments = dict[str, Any]


class _Call:
    """A call of a function: its arguments of one example by name, and those of all."""

    def __init__(self, o: Operation, signature: inspect.Signature) -> None:
        self.o = o
        old, new = o.node.params, o.params
        try:
            self.bound = signature.bind(*new["args"], **new["kwargs"])
            self.one = signature.bind(*old["args"], **old["kwargs"]).arguments
        except TypeError:
            raise OneByOne from None
        self.all = self.bound.arguments

    def differs(self, name: str) -> bool:
        """Tell whether an argument differs between examples."""
        copies = self.o.walk.copies
        return any(v in copies for v in values_in(self.all.get(name)))

    def only(self, *names: str) -> None:
        """Refuse what other arguments than these differ in."""
        if any(self.differs(name) for name in self.all if name not in names):
            raise OneByOne

    def rank(self, name: str) -> int:
        """Return how many axes an argument of one example has."""
        x = self.one[name]
        return x.type.ndim if isinstance(x, Value) else np.ndim(x)

    def whole(self, name: str) -> Value:
        """Return an argument with an axis of examples."""
        if not isinstance(self.one[name], Value):
            raise OneByOne
        return self.o.walk.whole(self.one[name])

    def axis(self, of: str, name: str = "axis", default: Any = -1) -> None:
        """Make an axis of one example that of all; of a flattened array the only one."""
        ndim = self.rank(of)
        axis = self.all.get(name, default)
        if axis is None:
            x = self.all[of]
            if any(type(n) is not int or n == 0 for n in x.shape[1:]):
                raise OneByOne
            self.all[of] = shaped(x, (self.o.count, math.prod(x.shape[1:])))
            axis, ndim = 0, 1
        elif isinstance(axis, tuple):
            raise OneByOne
        self.all[name] = axis % max(ndim, 1) + 1 if ndim else axis


def _function(*functions: Callable[..., Any]) -> Callable[[Callable[[_Call], None]], Any]:
    """Decorate the rule of functions: it changes the arguments of a `_Call`."""

    def register(fn: Callable[[_Call], None]) -> Callable[[_Call], None]:
        for function in functions:
            signature = inspect.signature(function)

            def batched(o: Operation, signature: inspect.Signature = signature) -> Value:
                call = _Call(o, signature)
                fn(call)
                params = {"args": call.bound.args, "kwargs": call.bound.kwargs}
                return o.emit(o.node.op, (), params)

            rule(f"{function.__module__}.{function.__qualname__}", varying=True)(batched)
        return fn

    return register


@_function(
    np.isposinf, np.isneginf, np.isreal, np.iscomplex, np.fix, np.round, np.around, np.nan_to_num
)
def _elementwise(call: _Call) -> None:
    call.only(*list(call.all)[:1])


@_function(np.digitize, np.isin)
def _first_alone(call: _Call) -> None:
    call.only(*list(call.all)[:1])


@_function(np.searchsorted)
def _searchsorted(call: _Call) -> None:
    call.only("v")


@_function(np.unravel_index)
def _unravel_index(call: _Call) -> None:
    call.only("indices")


@_function(np.isclose)
def _isclose(call: _Call) -> None:
    call.only("a", "b")
    rank = max(call.rank("a"), call.rank("b"))
    for name in ("a", "b"):
        if call.differs(name):
            call.all[name] = expanded(call.all[name], rank - call.rank(name))


@_function(np.any, np.all, np.count_nonzero)
def _reduced(call: _Call) -> None:
    call.only("a")
    ndim, axis = call.rank("a"), call.all.get("axis")
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    call.all["axis"] = tuple([a % ndim + 1 for a in axes])


@_function(np.argmax, np.argmin, np.nanargmax, np.nanargmin)
def _places(call: _Call) -> None:
    call.only("a")
    if call.all.get("axis") is None and call.all.get("keepdims", False) is True:
        raise OneByOne
    call.axis("a", default=None)


@_function(np.argsort)
def _argsort(call: _Call) -> None:
    call.only("a")
    call.axis("a")


@_function(np.argpartition)
def _argpartition(call: _Call) -> None:
    call.only("a")
    call.axis("a")


@_function(discrete.order_of)
def _order_of(call: _Call) -> None:
    call.only("x")
    call.axis("x")


@_function(discrete.leaders)
def _leaders(call: _Call) -> None:
    call.only("x")
    call.axis("x")


@_function(discrete.ranked)
def _ranked(call: _Call) -> None:
    call.only("x", "ranks")
    if call.differs("ranks"):
        call.all["x"] = call.whole("x")
        more = call.rank("x") - call.rank("ranks")
        call.all["ranks"] = expanded(call.all["ranks"], more)


@_function(np.linalg.matrix_rank)
def _matrix_rank(call: _Call) -> None:
    call.only("A")


@_function(np.unwrap)
def _unwrap(call: _Call) -> None:
    call.only("p")
    call.axis("p")
