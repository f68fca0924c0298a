"""Item assignment and in-place arithmetic on recorded values."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.eager.recorded import Recorded, current, raw
from adjoint.eager.storage import View, release, root_of
from adjoint.errors import TracingError
from adjoint.ir import Node
from adjoint.ops.indexing import (
    READ_ONLY,
    Path,
    add_at,
    follow,
    index_add,
    is_basic,
    overwrite,
    reach,
    update,
)
from adjoint.ops.registry import Op

__all__ = ["add_in_place", "replace", "store"]


def store(x: Recorded, path: Path, value: Any, op: Op = update) -> None:
    """Overwrite the part of ``x`` at ``path`` with ``value``, or (``index_add``) add to it.

    Raises
    ------
    TracingError
        If a derivative would be lost: a traced value is stored into integers.
    """
    root = root_of(x)
    if root is not x:
        if any(kind in READ_ONLY for kind, _ in x._cell.path):
            raise ValueError("assignment destination is read-only")
        path = x._cell.path + path
    value_tape = None
    if isinstance(value, Recorded):
        current(value)
        value_tape = value._tape
        if op is update and _is_same_part(value, root, path):
            return  # a[i] += v stores the view that it has just changed
        if value_tape is None:
            value = value._value
    plain = raw(root._value)
    if type(plain) is not np.ndarray:
        raise TypeError(f"{type(plain).__name__!r} object does not support item assignment")
    tape = root._tape
    if value_tape is not None and (tape is None or value_tape.level > tape.level):
        tape = value_tape
    if tape is None:
        if root._cell is None:  # the caller's own array
            root._value = root._value.copy(order="K")
            root._cell = []
        elif root._cell:
            release(root, _region(root, path))
        _write(root._value, path, value, op)
        return
    if value_tape is not None and plain.dtype.kind not in "fc":
        raise TracingError(
            f"a traced value was stored into an array of dtype {plain.dtype}: its derivative "
            " would be lost. Make the array with a floating-point dtype, or store "
            "int(value) if a constant is meant."
        )
    on_tape = value_tape is tape
    operand = value._value if on_tape else value
    _lift(root, tape, operand)
    if root._cell is None:
        root._value = root._value.copy(order="K")  # views depend on layout
        root._cell = []
    elif root._cell:
        release(root, _region(root, path))
    _write(root._value, path, operand, op)
    inputs = (root._node, value._node if on_tape else None)
    if tape.observe is not None:
        plain = raw(root._value)
    node = Node(op, inputs, {"path": path}, None, plain.shape, plain.dtype)
    tape.append(node)
    if tape.observe is not None:
        tape.observe(node, (None, operand), plain)  # what was there is gone
    tape.block.stores = True
    root._tape, root._node = tape, node


def _is_same_part(value: Recorded, root: Recorded, path: Path) -> bool:
    cell = value._cell
    if type(cell) is not View or cell.base is not root or len(cell.path) != len(path):
        return False
    return all(
        a[0] == b[0]
        and type(a[1]) is type(b[1])
        and not isinstance(a[1], np.ndarray)
        and a[1] == b[1]
        for a, b in zip(cell.path, path, strict=True)
        if a is not b
    )


def _lift(root: Recorded, tape: Any, operand: Any) -> None:
    """Make ``root`` a value of ``tape`` that can hold ``operand``."""
    if root._tape is not None and root._tape is not tape:
        root._value = Recorded._class(root._value, root._tape, root._node, root._cell)
        root._tape, root._node, root._cell = tape, None, []
    if isinstance(operand, Recorded) and not isinstance(root._value, Recorded):
        if root._cell is None:
            root._value = root._value.copy(order="K")
            root._cell = []
        root._value = Recorded._class(root._value, None, None, root._cell)


def _region(root: Recorded, path: Path) -> np.ndarray:
    """Return memory of ``root`` that holds the part at ``path``: that part, if it is a view."""
    part, rest = reach(raw(root._value), path)
    if len(rest) == 1 and rest[0][0] == "index" and is_basic(rest[0][1]):
        inner = follow(part, rest)
        return inner if isinstance(inner, np.ndarray) else part
    return part


def _write(target: Any, path: Path, value: Any, op: Op) -> None:
    if op is update:
        overwrite(target, path, value)
    elif isinstance(target, Recorded):
        store(target, path, value, index_add)
    else:
        add_at(target, path, value)


def add_in_place(x: Recorded, path: Path, value: Any) -> None:
    """Add ``value`` to the part of ``x`` at ``path``; repeated indices receive every addend."""
    store(x, path, value, index_add)


def replace(x: Recorded, result: Any) -> Recorded:
    """Make ``x`` hold ``result``, as ``x += ...`` does; return what the name is bound to.

    Raises
    ------
    ValueError
        If the result has another shape: an array cannot be broadcast into itself.
    """
    plain = raw(current(x))
    if not isinstance(plain, np.ndarray):
        return result
    got = raw(result)
    if got.shape != plain.shape:
        raise ValueError(
            f"non-broadcastable output operand with shape {plain.shape} doesn't match the "
            f"broadcast shape {got.shape}"
        )
    if not np.can_cast(got.dtype, plain.dtype, "same_kind"):
        raise TypeError(
            f"Cannot cast the result from {got.dtype!r} to {plain.dtype!r} with casting rule "
            "'same_kind'"
        )
    if got.dtype != plain.dtype:
        result = result.astype(plain.dtype)
    # Of 0-d arrays NumPy's arithmetic makes scalars, but the array stays one.
    is_scalar = not plain.shape and not isinstance(raw(result), np.ndarray)
    if type(x._cell) is View or x._tape is None or type(result._cell) is View or is_scalar:
        store(x, (), result)
    else:
        x._value, x._tape, x._node, x._cell = result._value, result._tape, result._node, None
    return x
