"""Storing into staged arrays: a new value for the array, and for those that may be the same.

What may be another array, or a part of one, under a truth value of the graph
(`adjoint.staged.sharing`), is stored into under that condition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.ir.build import building, innermost, users_place
from adjoint.ir.graph import Value
from adjoint.ir.types import Type
from adjoint.ops import control
from adjoint.ops.indexing import READ_ONLY, Path, read, update
from adjoint.ops.inference import infer
from adjoint.ops.registry import Op
from adjoint.staged import sharing
from adjoint.staged.values import (
    Staged,
    current,
    length_of_slice,
    param,
    require_equal,
    root_of,
    value_of,
    wrap,
)

__all__ = ["same_path", "store"]


def store(x: Staged, path: Path, value: Any, op: Op = update) -> None:
    """Overwrite the part of ``x`` at ``path`` with ``value``, or (``index_add``) add to it."""
    root = root_of(x)
    if x._view is not None:
        if any(kind in READ_ONLY for kind, _ in x._view.path):
            raise ValueError("assignment destination is read-only")
        if op is update and isinstance(value, Staged) and value is x and not path:
            return
        path = x._view.path + param(path)
    else:
        path = param(path)
    if op is update and _is_same_part(value, root, path):
        return  # a[i] += v stores the view that it has just changed
    type = root._value.type
    if not isinstance(type, Type) or type.kind != "array":
        raise TypeError(f"{type} object does not support item assignment")
    base = current(root)
    operand = value_of(value)
    sharing.note_store(root)
    if operand.dtype.kind == "c" and type.dtype.kind != "c":
        raise TypeError("a complex value was stored into a real array; take its real part first")
    builder = innermost()
    params = {"path": path}
    check_store(type, path, operand)
    root._set(builder.emit(op, (base, operand), params, type, (), users_place()))
    if root._doubts:
        _store_beside(root, path, operand, op)


def _store_beside(root: Staged, path: Path, operand: Value, op: Op) -> None:
    """Store into what an array may be, or be a part of, if it is; read what may be a part again."""
    sees = innermost().sees
    direct = [d for d in root._doubts if d.when is not None and sees(d.other._value)]
    changed = [(root, False)]
    for doubt in direct:
        if doubt.whole is None:
            step = {"path": (*(doubt.part or ()), *path)}
            _set_if(doubt, lambda old, step=step: _emit_store(op, old, operand, step))
            changed.append((doubt.other, doubt.part is not None))
    for base, in_part in changed:
        for doubt in base._doubts:
            other = doubt.other
            if not sees(other._value) or any(other is x for x, _ in changed):
                continue
            if doubt.when is None or (base._moved is not None and other._moved is None):
                sharing.lose(doubt, doubt.why or base._moved or "")
            elif doubt.whole is not None or (in_part and doubt.part is None):
                params = {"path": doubt.whole or ()}
                _set_if(doubt, lambda old, x=base._value, p=params: _emit_part(x, p, old))


def _emit_store(op: Op, x: Value, operand: Value, params: dict[str, Any]) -> Value:
    return innermost().emit(op, (x, operand), params, x.type, (), users_place())


def _emit_part(x: Value, params: dict[str, Any], like: Value) -> Value:
    if not params["path"]:
        return x
    return innermost().emit(read, (x,), params, like.type, (), users_place())


def _set_if(doubt: sharing.Doubt, change: Callable[[Value], Value]) -> None:
    """Change the value of an array, if it is the one that it may be."""
    if doubt.other._moved is not None:
        return
    before = doubt.other._value
    blocks = []
    for changes in (True, False):
        with building(innermost()) as builder:
            builder.block.results = [change(before) if changes else before]
        blocks.append(builder.block)
    inputs, types = (value_of(doubt.when),), (before.type,)
    chosen = innermost().emit(control.cond, inputs, {}, types, tuple(blocks), users_place())
    doubt.other._set(value_of(wrap(chosen)[0]))


def check_store(type: Type, path: Path, operand: Value) -> None:
    """Check that ``operand`` can be broadcast to the part at ``path``."""
    part = infer(read, (type,), {"path": path}, require_equal=require_equal, length=length_of_slice)
    have = operand.shape
    want = part.shape
    extra = len(have) - len(want)
    if extra > 0 and any(n != 1 for n in have[:extra]):
        raise ValueError(
            f"could not broadcast input array from shape {show(have)} into shape {show(want)}"
        )
    for n, m in zip(reversed(have), reversed(want), strict=False):
        if n is None or m is None or n == m or (isinstance(n, int) and n == 1):
            continue
        if isinstance(n, int) and isinstance(m, int):
            raise ValueError(
                f"could not broadcast input array from shape {show(have)} into shape {show(want)}"
            )
        require_equal(n, m)


def show(shape: tuple[Any, ...]) -> str:
    """Return a shape as NumPy writes it."""
    inner = ",".join("?" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def _is_same_part(value: Any, root: Staged, path: Path) -> bool:
    if not isinstance(value, Staged) or value._view is None or value._view.base is not root:
        return False
    return same_path(value._view.path, path)


def same_path(mine: Path, path: Path) -> bool:
    """Tell whether two paths are the same by what they say."""
    return len(mine) == len(path) and all(
        a is b or (a[0] == b[0] and _same_step(a[1], b[1])) for a, b in zip(mine, path, strict=True)
    )


def _same_step(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same_step, a, b))
    if isinstance(a, slice) and isinstance(b, slice):
        return _same_step((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, Value) or isinstance(b, Value):
        return a is b
    return type(a) is type(b) and a == b


Staged._store = store
