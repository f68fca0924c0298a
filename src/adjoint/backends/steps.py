"""An operation as a step: a function of a frame.

All that is known before the program runs is settled here: which function, which slots, what of the
parameters holds no value, whether a result has to be brought into the kind that its type names.
What is left to a step is a call of NumPy and an item or two.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from adjoint.backends.parameters import Fixed, Frame, SlotOf, Step, evaluator, getter, part_of
from adjoint.ir.core import Op
from adjoint.ir.dims import Dim
from adjoint.ir.graph import Value
from adjoint.ir.types import AnyType, StackType, Type
from adjoint.ops import control
from adjoint.ops import elementwise as ew
from adjoint.ops.indexing import add_at, getitem, index_add, overwrite, update
from adjoint.ops.inference.linalg import DEPENDS_ON_VALUES

__all__ = ["step_of"]

# -- kinds -----------------------------------------------------------------------------------------


def _item(x: Any) -> Any:
    return x.item() if isinstance(x, (np.generic, np.ndarray)) else x


def _to_kind(type: Any) -> Callable[[Any], Any] | None:
    """Return what brings a result into the kind that its type names; None if nothing need be done.

    NumPy answers with a scalar where a 0-d array is computed.
    """
    if isinstance(type, StackType) or type.shape:
        return None
    dtype = type.dtype
    if type.kind == "python":
        return _item
    if type.kind == "array":
        return lambda x: x if x.__class__ is np.ndarray else np.array(x, dtype)

    def to_scalar(x: Any) -> Any:
        if isinstance(x, np.generic):
            return x
        return x[()] if isinstance(x, np.ndarray) else dtype.type(x)

    return to_scalar


_EXACT: dict[Op, Callable] = {
    ew.add: operator.add,
    ew.subtract: operator.sub,
    ew.multiply: operator.mul,
    ew.divide: operator.truediv,
    ew.negative: operator.neg,
}
_PYTHON: dict[Op, Callable] = {
    **_EXACT,
    ew.floor_divide: operator.floordiv,
    ew.remainder: operator.mod,
    ew.absolute: operator.abs,
}
_COMPARISONS: dict[str, Callable] = {
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}


def _operator(node: Value) -> Callable | None:
    """Return Python's operator where it computes what the operation's ufunc does, but faster.

    On NumPy's scalars the operators are NumPy's own, and of those that round correctly the results
    are the same to the last bit. On Python numbers the operator is what the program meant: it does
    not wrap around at 64 bits, and division by zero is an error.
    """
    op, type = node.op, node.type
    types = [v.type for v in node.inputs]
    if not isinstance(type, Type) or not all(isinstance(t, Type) for t in types):
        return None
    kinds = {t.kind for t in types}
    comparison = (
        _COMPARISONS.get(op.name) if op is not None and isinstance(op.fn, np.ufunc) else None
    )
    if kinds == {"python"}:
        return (_PYTHON.get(op) or comparison) if type.kind == "python" else None  # type: ignore[arg-type]
    if (
        type.kind == "scalar"
        and "array" not in kinds
        and all(v.dtype.kind in "if" for v in node.inputs)
    ):
        return _EXACT.get(op) or comparison  # type: ignore[arg-type]
    return None


# -- steps -----------------------------------------------------------------------------------------


def step_of(
    node: Value, slot: SlotOf, out: Any, in_place: bool = False, reused: int | None = None,
    apart: bool = False, kept: bool = False, detached: bool = False,
) -> Step:  # fmt: skip
    """Return the step that runs an operation without blocks.

    Parameters
    ----------
    node : Value
    slot : callable
        From a value to its slot.
    out : int, or list of (int, int)
        The slot of the result; for an operation with several, the slot and number of each that is
        used.
    in_place, reused, apart, kept, detached :
        What the analysis of ownership says of the node (`adjoint.transforms.ownership.Ownership`).
        The slot of a result in place is the operand's.
    """
    op = node.op
    assert op is not None
    ins = [slot(v) for v in node.inputs]
    if detached:
        step = step_of(node, slot, out)

        def step_and_copy(f: Frame) -> None:
            step(f)
            f[out] = np.array(f[out])

        return step_and_copy
    if in_place:
        return _in_place(op, ins, node.params, slot, apart, kept)
    if reused is not None:
        fn = op.fn
        target = ins[reused]
        if len(ins) == 1:
            return lambda f: fn(f[target], f[target])
        if len(ins) == 2:
            a, b = ins
            # By name: `maximum` and `minimum` are to take more operands one day.
            return lambda f: fn(f[a], f[b], out=f[target])
        get = itemgetter(*ins, target)
        return lambda f: fn(*get(f))
    if op is getitem:
        return _getitem(ins[0], node, slot, out)
    if op is control.entry:
        return _entry(ins[0], node, slot, out)
    fn = _operator(node)
    if fn is not None:
        return _call(fn, ins, out)
    fn, kwargs = op.fn, part_of(node.params, slot)
    if op.name in DEPENDS_ON_VALUES:
        fn = _in_dtypes(fn, node.type)
    if kept:
        fn = lambda stack, x, **kwargs: op.fn(stack, np.array(x), **kwargs)
    if op is control.effect:
        kwargs = _private(getter(kwargs))
    if isinstance(node.type, tuple):
        return _several(fn, ins, getter(kwargs), node.type, out)
    to_kind = _to_kind(node.type)
    if isinstance(fn, np.ufunc) and isinstance(node.type, Type) and node.type.kind == "scalar":
        to_kind = None
    if isinstance(kwargs, Fixed):
        if kwargs.value:
            fn = partial(fn, **kwargs.value)
        return _call(fn, ins, out) if to_kind is None else _call_to_kind(fn, ins, out, to_kind)
    return _call_with(fn, ins, getter(kwargs), out, to_kind or (lambda x: x))


def _in_dtypes(fn: Callable, types: Any) -> Callable:
    """Return ``fn`` with results of the dtypes that the graph has, whatever the numbers are."""

    def cast(*args: Any, **kwargs: Any) -> Any:
        results = fn(*args, **kwargs)
        if isinstance(types, tuple):
            return tuple(x.astype(t.dtype, copy=False) for x, t in zip(results, types, strict=True))
        return results.astype(types.dtype, copy=False)

    return cast


def _call(fn: Callable, ins: list[int], out: int) -> Step:
    if len(ins) == 1:
        (a,) = ins

        def unary(f: Frame) -> None:
            f[out] = fn(f[a])

        return unary
    if len(ins) == 2:
        a, b = ins

        def binary(f: Frame) -> None:
            f[out] = fn(f[a], f[b])

        return binary

    def step(f: Frame) -> None:
        f[out] = fn(*[f[i] for i in ins])

    return step


def _call_to_kind(fn: Callable, ins: list[int], out: int, to_kind: Callable) -> Step:
    if len(ins) == 1:
        (a,) = ins

        def unary(f: Frame) -> None:
            f[out] = to_kind(fn(f[a]))

        return unary

    def step(f: Frame) -> None:
        f[out] = to_kind(fn(*[f[i] for i in ins]))

    return step


def _call_with(fn: Callable, ins: list[int], kwargs: Step, out: int, to_kind: Callable) -> Step:
    if len(ins) == 1:
        (a,) = ins

        def unary(f: Frame) -> None:
            f[out] = to_kind(fn(f[a], **kwargs(f)))

        return unary

    def step(f: Frame) -> None:
        f[out] = to_kind(fn(*[f[i] for i in ins], **kwargs(f)))

    return step


def _several(
    fn: Callable, ins: list[int], kwargs: Step, types: tuple[AnyType, ...],
    out: list[tuple[int, int]],
) -> Step:  # fmt: skip
    wanted = [(i, k, _to_kind(types[k]) or (lambda x: x)) for i, k in out]

    def step(f: Frame) -> None:
        results = fn(*[f[i] for i in ins], **kwargs(f))
        for i, k, to_kind in wanted:
            f[i] = to_kind(results[k])

    return step


def _private(kwargs: Step) -> Step:
    """Give what is not part of the program arrays that it may keep."""

    def copied(x: Any) -> Any:
        if isinstance(x, np.ndarray):
            return np.array(x)
        if isinstance(x, dict):
            return {key: copied(item) for key, item in x.items()}
        return type(x)([copied(item) for item in x]) if type(x) in (tuple, list) else x

    return lambda f: copied(kwargs(f))


def _getitem(x: int, node: Value, slot: SlotOf, out: int) -> Step:
    index = part_of(node.params["index"], slot)
    to_kind = _to_kind(node.type)
    if isinstance(node.type, Type) and node.type.kind == "scalar" and _names_an_element(node):
        to_kind = None
    if to_kind is not None:
        get = getter(index)

        def to_number(f: Frame) -> None:
            f[out] = to_kind(f[x][get(f)])

        return to_number
    if isinstance(index, int):

        def at_slot(f: Frame) -> None:
            f[out] = f[x][f[index]]

        return at_slot
    get = getter(index)

    def step(f: Frame) -> None:
        f[out] = f[x][get(f)]

    return step


def _names_an_element(node: Value) -> bool:
    index = node.params["index"]
    items = index if isinstance(index, tuple) else (index,)
    return all(isinstance(i, (int, Dim)) or (isinstance(i, Value) and i.shape == ()) for i in items)


def _in_place(op: Op, ins: list[int], params: Any, slot: SlotOf, apart: bool, kept: bool) -> Step:
    x, v = ins
    if op is control.push:
        index = evaluator(params["index"], slot)
        if kept:
            return lambda f: f[x].set(index(f), np.array(f[v]))
        return lambda f: f[x].set(index(f), f[v])
    if op is control.entry_add:
        index = evaluator(params["index"], slot)

        def add_to_entry(f: Frame) -> None:
            i = index(f)
            held = f[x].get(i)
            if held is not None:
                f[x].set(i, control.add_entries(held, f[v]))
            else:
                f[x].set(i, np.array(f[v]) if kept else f[v])

        return add_to_entry
    path = params["path"]
    if op is update and len(path) == 1 and path[0][0] == "index" and not apart:
        index = part_of(path[0][1], slot)
        if isinstance(index, int):

            def store_at_slot(f: Frame) -> None:
                f[x][f[index]] = f[v]

            return store_at_slot
        get = getter(index)

        def store(f: Frame) -> None:
            f[x][get(f)] = f[v]

        return store
    change = {update: overwrite, index_add: add_at}[op]
    where = evaluator(path, slot)
    if apart:
        return lambda f: change(f[x], where(f), np.array(f[v]))
    return lambda f: change(f[x], where(f), f[v])


def _entry(stack: int, node: Value, slot: SlotOf, out: int) -> Step:
    index = evaluator(node.params["index"], slot)
    type = evaluator(node.params["type"], slot)
    to_kind = _to_kind(node.type)

    def step(f: Frame) -> None:
        value = f[stack].get(index(f))
        if value is None:
            value = control.zero_of(type(f))
        f[out] = value if to_kind is None else to_kind(value)

    return step
