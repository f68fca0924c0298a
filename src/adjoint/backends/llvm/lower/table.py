"""Which operation is lowered how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# Rows of the table of elements.
import adjoint.backends.llvm.lower.scalar_arithmetic
import adjoint.backends.llvm.lower.scalar_math
import adjoint.backends.llvm.lower.scalar_tests  # noqa: F401
from adjoint.backends.llvm.lower import callbacks, control, loops
from adjoint.backends.llvm.lower.calls import call
from adjoint.backends.llvm.lower.checks import checked
from adjoint.backends.llvm.lower.convolutions import CONVOLUTIONS
from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.creation import CREATION, range_count
from adjoint.backends.llvm.lower.elementwise import elementwise
from adjoint.backends.llvm.lower.exponentials import EXPONENTIALS
from adjoint.backends.llvm.lower.indexing import slice_of
from adjoint.backends.llvm.lower.orders import ORDERS
from adjoint.backends.llvm.lower.products import PRODUCTS
from adjoint.backends.llvm.lower.python_functions import PYTHON_FUNCTIONS
from adjoint.backends.llvm.lower.reductions import REDUCTIONS
from adjoint.backends.llvm.lower.scans import SCANS
from adjoint.backends.llvm.lower.shaping import SHAPING, copy_of
from adjoint.backends.llvm.lower.stacks import STACKS
from adjoint.backends.llvm.lower.stores import store
from adjoint.backends.llvm.lower.values import Buffer, Number
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.graph import Value
from adjoint.ops import control as ops
from adjoint.ops.inference.lengths import as_length
from adjoint.ops.registry import OPS

__all__ = ["LOWERINGS", "lower"]

INT = np.dtype(np.int64)


def _integer(x: Integer) -> Number:
    return Number(INT, str(x))


def _dim(f: Lowering, node: Value) -> Any:
    (x,) = node.inputs
    return _integer(f.rep(x).shape[node.params["axis"]])


def _slice_length(f: Lowering, node: Value) -> Any:
    n = f.dim(as_length(node.inputs[0]))
    given = slice(*[node.params[k] for k in ("start", "stop", "step")])
    return _integer(slice_of(f, given, n, as_length(node.inputs[0]), None).length)


def _range_length(f: Lowering, node: Value) -> Any:
    start, stop, step = (f.integer(v) for v in node.inputs)
    return _integer(range_count(f, start, stop, step))


def _require_equal(f: Lowering, node: Value) -> Any:
    x, y = (f.integer(v) for v in node.inputs)
    f.check(f.body.compare("eq", x, y), _unequal, x, y)
    return _integer(x)


def _unequal(x: int, y: int) -> Exception:
    return ValueError(
        f"operands could not be broadcast together: lengths {x} and {y} (a length that is "
        "known at run time only is not stretched, even if it is 1)"
    )


def _project(f: Lowering, node: Value) -> Any:
    return f.env[node.inputs[0], node.params["k"]]


def _raise(f: Lowering, node: Value) -> Any:
    error = node.params["error"]
    f.check("false", lambda x, y: error)
    return Number(INT, "0")


LOWERINGS: dict[str, Callable[[Lowering, Value], Any]] = {
    **SHAPING,
    **CREATION,
    **REDUCTIONS,
    **PRODUCTS,
    **CONVOLUTIONS,
    **STACKS,
    **EXPONENTIALS,
    **SCANS,
    **ORDERS,
    **PYTHON_FUNCTIONS,
    "update": store,
    "index_add": store,
    "dim": _dim,
    "slice_length": _slice_length,
    "range_length": _range_length,
    "require_equal": _require_equal,
    "project": _project,
    "raise": _raise,
    "check": checked,
    "checked": checked,
    "unless": checked,
}

CONTROL: dict[Any, Callable[[Lowering, Value], None]] = {
    ops.for_loop: loops.for_loop,
    ops.while_loop: loops.while_loop,
    ops.cond: control.branch,
    ops.map_loop: control.independent,
    ops.call: call,
}


def lower(f: Lowering, node: Value) -> None:
    """Lower an operation."""
    op = node.op
    assert op is not None
    f.memo.clear()
    flow = CONTROL.get(op)
    if flow is not None:
        flow(f, node)
        return
    rep = None
    # A user's operation may be called like one of ours.
    if OPS.get(op.name) is op:
        fn = LOWERINGS.get(op.name)
        rep = elementwise(f, node) if fn is None else fn(f, node)
        if rep is None and op.name in ("real", "imag"):
            rep = elementwise(f, node)
    if rep is not None:
        if node in f.ownership.detached and isinstance(rep, Buffer):
            rep = copy_of(f, rep)
        f.define(node, rep)
        return
    callbacks.call_back(f, node)
