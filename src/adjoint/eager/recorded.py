"""A value, the node that defines it, and how an operation on values is recorded.

What a `Recorded` holds tells its kind: a Python number (weak in promotions), a NumPy scalar
(immutable) or an ndarray; or the `Recorded` of an outer tape, whose kind is that of what it holds.
So ``s = x[0]; s += 1`` leaves x alone, as in NumPy, and promotion and exceptions are NumPy's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from adjoint.eager.storage import View, keep, root_of
from adjoint.eager.tape import F64, Tape, type_of
from adjoint.errors import NoRuleError
from adjoint.ir import Node
from adjoint.ops.indexing import Path, getitem, read
from adjoint.ops.registry import FUNCTIONS, Op, Traced
from adjoint.ops.structural import project_result
from adjoint.rules.derive import ZERO

__all__ = ["Recorded", "binary", "constant", "raw", "unary"]


class Recorded(Traced):
    """A traced value of the eager tier.

    Attributes
    ----------
    _value :
        Python number, NumPy scalar, ndarray, or `Recorded` of an outer tape.
    _tape : Tape or None
        None for a constant: an array that may yet be filled with traced values.
    _node : Node or None
        What defines the value on the tape; None for a constant.
    _cell :
        None until the array is first stored to; then the list of what must be copied before the
        next store (`adjoint.eager.storage`). A `View` for an array that shares another's memory.
    """

    __slots__ = ("__weakref__", "_cell", "_node", "_tape", "_value")

    _class: ClassVar[type]

    def __init__(self, value: Any, tape: Any, node: Any, cell: Any = None) -> None:
        self._value = value
        self._tape = tape
        self._node = node
        self._cell = cell

    def __init_subclass__(cls) -> None:
        Recorded._class = cls

    def _record(self, op: Op, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        return record(op, args, params)

    # -- what the walks need of a traced cotangent ---------------------------------------------

    def _constant(self, value: Any) -> Recorded:
        return constant(value)


def constant(value: Any) -> Any:
    """Return an array that records what is stored to it; numbers are returned as they are."""
    return Recorded._class(value, None, None, []) if type(value) is np.ndarray else value


def parameter(value: Any, tape: Tape) -> Recorded:
    """Return an independent variable of ``tape`` with the given value."""
    shape, dtype = type_of(value)  # type: ignore[misc]
    node = Node(None, (), None, None, shape, dtype)
    tape.append(node)
    value = snapshot(value)
    if tape.observe is not None:
        tape.observe(node, (), value)
    return Recorded._class(value, tape, node)


def raw(value: Any) -> Any:
    """Return the ordinary number or array at the bottom of a value."""
    while isinstance(value, Recorded):
        value = current(value)
    return value


def current(x: Recorded) -> Any:
    """Return the value of ``x`` one level down, with a stale view made anew."""
    cell = x._cell
    if type(cell) is View and is_stale(cell):
        _derive(x, cell)
    return x._value


def is_stale(view: View) -> bool:
    """Tell whether the base has changed since the view was last read."""
    return view.base._node is not view.node or view.base._value is not view.value


def read_through(view: View, index: Any) -> Any:
    """Return a part of a stale view, read from its base: the view itself is not read again.

    A loop that reads an element of a view and stores another would else read all of it each time.
    """
    base = view.base
    path = (*view.path, ("index", index))
    value = read(base._value, path=path)
    meta = type_of(value)
    if meta is None:
        return value
    node = Node(read, (base._node,), {"path": path}, None, *meta)
    base._tape.append(node)
    if base._tape.observe is not None:
        base._tape.observe(node, (base._value,), value)
    array = Recorded._class(value, base._tape, node)
    _note_view(read, {"path": path}, base, base._value, array)
    return array


def _derive(x: Recorded, view: View) -> None:
    base = view.base
    x._value = read(base._value, path=view.path)
    x._tape = base._tape
    if base._node is None:
        x._node = None
    else:
        shape, dtype = type_of(x._value)  # type: ignore[misc]
        x._node = Node(read, (base._node,), {"path": view.path}, None, shape, dtype)
        base._tape.append(x._node)
        if base._tape.observe is not None:
            base._tape.observe(x._node, (base._value,), x._value)
    view.node, view.value = base._node, base._value


def snapshot(x: Any) -> Any:
    """Return a handle on what ``x`` is now, which later stores to ``x`` do not change."""
    if not isinstance(x, Recorded):
        return x
    value = current(x)
    copy = Recorded._class(value, x._tape, x._node)
    root = root_of(x)
    if root._cell is not None:
        root._cell.append((copy, None))
    return copy


def record(op: Op, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Apply ``op`` to values of which at least one is recorded."""
    tape = None
    for a in args:
        if isinstance(a, Recorded):
            if type(a._cell) is View:
                if op is getitem and is_stale(a._cell) and a._cell.base._node is not None:
                    return read_through(a._cell, params["index"])
                current(a)
            t = a._tape
            if t is not None and (tape is None or t.level > tape.level):
                tape = t
        elif isinstance(a, Traced):  # a power series over recorded values
            return a._record(op, args, params)
    rule = op.rule
    if tape is None or rule is ZERO:
        values = [current(a) if isinstance(a, Recorded) else a for a in args]
        result = _wrap_constants(op(*values, **params))
        if op.views and isinstance(result, Recorded) and result._tape is None:
            _note_view(op, params, args[0], values[0], result)
        return result
    if rule is None:
        raise NoRuleError(
            f"the operation {op.name!r} has no derivative rule; give the function that uses it one "
            "with @ad.custom_vjp or @ad.custom_jvp"
        )
    values = []
    inputs = []
    mask = 0
    stored = False
    for k, a in enumerate(args):
        if isinstance(a, Recorded) and (a._tape is tape or a._tape is None):
            values.append(a._value)
            if a._cell is not None:
                stored = True
            inputs.append(a._node)
            if a._node is not None:
                mask |= 1 << k
        else:
            values.append(a)
            inputs.append(None)
    if stored and any(isinstance(v, Recorded) for v in values):
        result = op(*[handed_down(a, v) for a, v in zip(args, values)], **params)
    else:
        result = op(*values, **params)
    if op.results:
        return _record_tuple(op, tape, result, args, values, tuple(inputs), params, mask)
    meta = type_of(result)
    if meta is None:
        return result
    saved = _save(op, args, values, result, mask)
    node = Node(op, tuple(inputs), params or None, saved, *meta)
    tape.append(node)
    if tape.observe is not None:
        tape.observe(node, values, result)
    array = Recorded._class(result, tape, node)
    if op.views:
        _note_view(op, params, args[0], values[0], array)
    return array


def part_of(x: Recorded, index: Any) -> Recorded | None:
    """Record ``x[index]`` of an array of ordinary numbers, by a basic index.

    What `record` does for ``getitem``, spelt out for the most frequent reads. None if ``x`` is of
    another kind: a constant, a view, a value of nested derivatives.
    """
    value, tape = x._value, x._tape
    if type(value) is not np.ndarray or tape is None or type(x._cell) is View:
        return None
    part = value[index]
    is_array = type(part) is np.ndarray
    shape = part.shape if is_array else ()
    node = Node(getitem, (x._node,), {"index": index}, None, shape, value.dtype)
    tape.append(node)
    if tape.observe is not None:
        tape.observe(node, (value,), part)
    view = View(x, (("index", index),), x._node, value) if is_array else None
    return Recorded._class(part, tape, node, view)


def handed_down(x: Any, value: Any) -> Any:
    """Return the value of ``x`` for an outer tape, which must note it if it keeps its memory."""
    if type(value) is np.ndarray and isinstance(x, Recorded):
        pins = root_of(x)._cell
        if pins is not None:
            return Recorded._class(value, None, None, pins)
    return value


def _save(op: Op, args: Any, values: list[Any], result: Any, mask: int) -> list[Any] | None:
    """Return what the rules of ``op`` need of this call's values."""
    if op.variadic:
        needs = op.rule.needs[0]
        if 0 not in needs:
            saved: list[Any] = [np.shape(v) for v in values]
        else:
            saved = [snapshot(v) if isinstance(v, Recorded) else v for v in values]
            for k, a in enumerate(args):
                if isinstance(a, Recorded):
                    keep(saved, k, a)
        if -1 in needs:
            saved.append(result)
        return saved
    needs = op.rule.needs[mask]
    if not needs:
        return None
    saved = [None] * (len(values) + 1)
    for k in needs:
        if k < 0:
            saved[-1] = result
            continue
        value = values[k]
        if isinstance(value, Recorded):
            value = snapshot(value)
        saved[k] = value
        if isinstance(args[k], Recorded):
            keep(saved, k, args[k])
    return saved


def _record_tuple(
    op: Op,
    tape: Tape,
    results: tuple[Any, ...],
    args: Any,
    values: list[Any],
    inputs: tuple[Node | None, ...],
    params: dict[str, Any],
    mask: int,
) -> tuple[Any, ...]:
    metas = [type_of(r) or (np.shape(r), np.asarray(r).dtype) for r in results]
    shapes = tuple(m[0] for m in metas)
    dtypes = tuple(m[1] for m in metas)
    saved = _save(op, args, values, tuple(results), mask)
    node = Node(op, inputs, params or None, saved, shapes, dtypes)
    tape.append(node)
    if tape.observe is not None:
        tape.observe(node, values, results)
    arrays: list[Any] = []
    for k, result in enumerate(results):
        if dtypes[k].kind not in "fc":
            arrays.append(result)
            continue
        part = Node(project_result, (node,), {"k": k}, None, shapes[k], dtypes[k])
        tape.append(part)
        if tape.observe is not None:
            tape.observe(part, (results,), result)
        arrays.append(Recorded._class(result, tape, part))
    return tuple(arrays)


def _wrap_constants(result: Any) -> Any:
    if type(result) is tuple:
        return tuple(_wrap_constants(r) for r in result)
    if type(result) is np.ndarray and result.dtype.kind in "fc":
        return Recorded._class(result, None, None, [])
    return result


def _note_view(op: Op, params: dict[str, Any], x: Any, value: Any, array: Recorded) -> None:
    """If NumPy answered with a view, make ``array`` one."""
    result = array._value
    if isinstance(result, Recorded):
        if type(result._cell) is not View:
            return
    elif (
        type(result) is not np.ndarray
        or type(value) is not np.ndarray
        or not np.may_share_memory(result, value)
    ):
        return
    step: Path
    if op is getitem:
        step = (("index", params["index"]),)
    elif op.name == "reshape":
        step = (("reshape", params["shape"]),)
    elif op.name == "permute":
        step = (("permute", params["axes"]),)
    elif op.name == "broadcast_to":
        step = (("broadcast_to", params["shape"]),)
    elif op.name == "diagonal":
        kind = "diagonal" if params.get("writeable") else "read-only diagonal"
        step = ((kind, params["offset_axes"]),)
    elif op is read:
        step = params["path"]
    else:
        step = ((op.name, None),)
    as_view(array, x, step)


def as_view(array: Recorded, x: Recorded, step: Path) -> None:
    """Declare ``array`` the part of ``x`` at ``step``."""
    cell = x._cell
    if type(cell) is View:
        base, path = cell.base, cell.path + step
        if array._node is not None:
            # Cotangents go straight to the array that owns the memory.
            array._node.op, array._node.inputs = read, (base._node,)
            array._node.params = {"path": path}
    else:
        base, path = x, step
    array._cell = View(base, path, base._node, base._value)


_PLAIN = frozenset({float, int, np.float64, np.ndarray, np.float32, np.int64, complex})
_CONSTANT = (np.ndarray, np.generic, bool)


def unary(op: Op, evaluate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the method that applies a one-operand operation by ``evaluate``."""

    def method(x: Recorded) -> Any:
        tape = x._tape
        rule = op.rule
        if tape is None or x._cell is not None or rule is ZERO or rule is None:
            return record(op, (x,), {})
        value = x._value
        result = evaluate(value)
        meta = type_of(result)
        if meta is None:
            return result
        saved = None
        if rule.needs[1]:
            first, last = rule.keeps[1]
            if first and type(value) not in _PLAIN:
                value = snapshot(value)
            saved = (value if first else None, result if last else None)
        node = Node(op, (x._node,), None, saved, *meta)
        tape.append(node)
        if tape.observe is not None:
            tape.observe(node, (value,), result)
        return Recorded._class(result, tape, node)

    return method


def binary(op: Op, evaluate: Callable[[Any, Any], Any]) -> tuple[Callable, Callable]:
    """Return the methods that apply a two-operand operation by ``evaluate``, and reflected.

    ``evaluate`` is Python's operator, which on Python numbers keeps them Python numbers.
    """

    def apply(tape: Tape, a: Any, b: Any, av: Any, bv: Any, inputs: Any, mask: int) -> Any:
        rule = op.rule
        if rule is ZERO or rule is None:
            return record(op, (a, b), {})
        if type(av) in _PLAIN and type(bv) in _PLAIN:
            result = evaluate(av, bv)
        else:
            result = evaluate(handed_down(a, av), handed_down(b, bv))
        if type(result) is np.ndarray and result.dtype is F64:
            shape, dtype = result.shape, F64
        else:
            meta = type_of(result)
            if meta is None:
                return result
            shape, dtype = meta
        saved = None
        if rule.needs[mask]:
            first, second, last = rule.keeps[mask]
            saved = [None, None, result if last else None]
            if first:
                saved[0] = av if type(av) in _PLAIN else snapshot(av)
                if isinstance(a, Recorded) and a._cell is not None:
                    keep(saved, 0, a)
            if second:
                saved[1] = bv if type(bv) in _PLAIN else snapshot(bv)
                if isinstance(b, Recorded) and b._cell is not None:
                    keep(saved, 1, b)
        node = Node(op, inputs, None, saved, shape, dtype)
        tape.append(node)
        if tape.observe is not None:
            tape.observe(node, (av, bv), result)
        return Recorded._class(result, tape, node)

    def general(x: Recorded, y: Any) -> Any:
        if type(x._cell) is View:
            current(x)
        tape = x._tape
        if isinstance(y, Recorded):
            if type(y._cell) is View:
                current(y)
            other = y._tape
            if other is tape:
                if tape is None:
                    return _wrap_constants(evaluate(x._value, y._value))
                return apply(tape, x, y, x._value, y._value, (x._node, y._node), 3)
            if tape is None or (other is not None and other.level > tape.level):
                xv = x._value if tape is None else x
                return apply(other, x, y, xv, y._value, (None, y._node), 2)
            yv = y._value if other is None else y
            return apply(tape, x, y, x._value, yv, (x._node, None), 1)
        if type(y) in _PLAIN or isinstance(y, _CONSTANT):
            if tape is None:
                return _wrap_constants(evaluate(x._value, y))
            return apply(tape, x, y, x._value, y, (x._node, None), 1)
        if isinstance(y, (list, tuple)):
            return general(x, FUNCTIONS[np.array](y))
        return NotImplemented

    def forward(x: Recorded, y: Any) -> Any:
        # What `general` does, spelt out for the most frequent operands: not views, never stored to.
        tape, rule, kind = x._tape, op.rule, type(y)
        if tape is None or x._cell is not None or rule is ZERO or rule is None:
            return general(x, y)
        av = x._value
        if kind is type(x):
            if y._tape is not tape or y._cell is not None:
                return general(x, y)
            bv, inputs, mask = y._value, (x._node, y._node), 3
        elif kind in _PLAIN:
            bv, inputs, mask = y, (x._node, None), 1
        else:
            return general(x, y)
        result = evaluate(av, bv)
        if type(result) is np.ndarray and result.dtype is F64:
            shape, dtype = result.shape, F64
        else:
            meta = type_of(result)
            if meta is None:
                return result
            shape, dtype = meta
        saved = None
        if rule.needs[mask]:
            # A tuple of arrays and numbers is one object less for Python's garbage collector, which
            # is a good part of the cost of a long tape.
            first, second, last = rule.keeps[mask]
            if type(av) in _PLAIN and type(bv) in _PLAIN:
                saved = (av if first else None, bv if second else None, result if last else None)
            else:
                saved = (
                    snapshot(av) if first else None,
                    snapshot(bv) if second else None,
                    result if last else None,
                )
        node = Node(op, inputs, None, saved, shape, dtype)
        tape.append(node)
        if tape.observe is not None:
            tape.observe(node, (av, bv), result)
        return Recorded._class(result, tape, node)

    def reflected(x: Recorded, y: Any) -> Any:
        if type(x._cell) is View:
            current(x)
        tape = x._tape
        if type(y) in _PLAIN or isinstance(y, _CONSTANT):
            if tape is None:
                return _wrap_constants(evaluate(y, x._value))
            return apply(tape, y, x, y, x._value, (None, x._node), 2)
        if isinstance(y, (list, tuple)):
            y = FUNCTIONS[np.array](y)
            return evaluate(y, x)
        return NotImplemented

    return forward, reflected
