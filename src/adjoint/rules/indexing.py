"""Derivatives of reading and storing parts of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.ops import indexing as ix
from adjoint.ops.registry import Traced
from adjoint.rules.cotangents import At, Handed
from adjoint.rules.derive import linear, store, zero

linear(ix.getitem, lambda ct, index: At((("index", index),), ct))
linear(ix.read, lambda ct, path: At(path, -ct if _is_imaginary(path) else ct))


def _is_imaginary(path: ix.Path) -> bool:
    """Tell whether a path leads to imaginary parts: Re(ct dz) has −Im(ct) before d Im(z)."""
    return any(kind == "imag" for kind, _ in path)


def _part(ct: Any, path: ix.Path) -> Any:
    part = ix.read(ct, path=path)
    if _is_imaginary(path):
        return -part
    return part.copy() if isinstance(part, Traced) else np.array(part)[()]


def _update_jvp(tangents: Any, node: Any) -> Any:
    x_dot, value_dot = tangents
    path = node.params["path"]
    if isinstance(value_dot, Traced) and not isinstance(x_dot, Traced):
        x_dot = value_dot._constant(x_dot)
    ix.overwrite(x_dot, path, 0 if value_dot is None else value_dot)
    return x_dot


def _update_vjp(ct: Any, node: Any) -> tuple[Any, Any]:
    path = node.params["path"]
    value_bar = None
    if len(path) == 1 and type(path[0][1]) is int and type(ct) is np.ndarray and ct.ndim == 1:
        i = path[0][1]
        value_bar = ct[i]
        ct[i] = 0
        return Handed(ct), value_bar
    if node.inputs[1] is not None:
        value_bar = _part(ct, path)
        if not ix.names_each_once(path):
            value_bar = value_bar * ix.which_stay(node.shape, path)
    if node.inputs[0] is None:
        return None, value_bar
    ix.overwrite(ct, path, 0)
    return Handed(ct), value_bar


def _index_add_jvp(tangents: Any, node: Any) -> Any:
    x_dot, value_dot = tangents
    if value_dot is None:
        return x_dot
    if isinstance(value_dot, Traced) and not isinstance(x_dot, Traced):
        x_dot = value_dot._constant(x_dot)
    if isinstance(x_dot, Traced):
        x_dot._add_at(node.params["path"], value_dot)
    else:
        ix.add_at(x_dot, node.params["path"], value_dot)
    return x_dot


def _index_add_vjp(ct: Any, node: Any) -> tuple[Any, Any]:
    value_bar = _part(ct, node.params["path"]) if node.inputs[1] is not None else None
    return Handed(ct), value_bar


zero(ix.last_writers)
store(ix.update, _update_jvp, _update_vjp)
store(ix.index_add, _index_add_jvp, _index_add_vjp)
