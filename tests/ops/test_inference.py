"""Inferred types against what the operations return, on every call that the cases make."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

import numpy as np
import pytest

import adjoint as ad
from adjoint.ir.core import Op, Traced
from adjoint.ir.types import of_value
from adjoint.ops.control import CONTROL
from adjoint.ops.inference import infer
from adjoint.ops.inference.call import RULES
from adjoint.ops.inference.linalg import DEPENDS_ON_VALUES
from adjoint.ops.registry import LAZY, OPS
from tests import harness
from tests.cases import all_cases
from tests.ops.symbols import Symbols

ELSEWHERE = {
    **dict.fromkeys((op.name for op in CONTROL), "typed by their blocks"),
    **dict.fromkeys(("update", "index_add"), "test_indexing_types"),
    **dict.fromkeys(("full", "iota", "eye", "range_length"), "test_creation_types"),
    **dict.fromkeys(
        ("room_for", "begin_stretch", "divide_stretch", "begin_sweep", "continue_sweep",
         "stretches", "recompute", "add_stacks", "external", "checked", "unless",
         "spectral_product", "sum_to"),
        "of staged graphs alone: tests of staging",
    ),
    **dict.fromkeys(
        ("constant", "undefined", "dim", "slice_length", "require_equal", "empty_stack", "push",
         "entry", "entry_add", "raise", "effect", "check", "draw"),
        "of staged graphs alone: tests of staging",
    ),
}  # fmt: skip
"""Operations that the cases do not call on ordinary values: name -> where they are checked."""


def type_of(x: Any) -> Any:
    return tuple(map(type_of, x)) if isinstance(x, (tuple, list)) else of_value(x)


@pytest.fixture(scope="module")
def calls():
    """Every call of an operation on ordinary values that the cases make, to the second order."""
    for module in {*LAZY.values()}:
        importlib.import_module(module)
    found: dict[Any, Any] = {}
    plain = Op.__call__

    def observed(op: Op, *args: Any, **params: Any) -> Any:
        if any(isinstance(a, Traced) for a in args):
            return plain(op, *args, **params)
        result = op.fn(*args, **params)
        if OPS.get(op.name) is op:
            if op.name == "project":
                types = tuple(map(type_of, args))
            else:
                types = tuple(of_value(np.asarray(a) if isinstance(a, list) else a) for a in args)
            # The walks take apart tuples of cotangents too, in which None stands for zero.
            if not any(isinstance(t, tuple) and None in t for t in types):
                found.setdefault(
                    (op.name, types, repr(params)), (op, types, params, type_of(result))
                )
        return result

    Op.__call__ = observed  # type: ignore[method-assign]
    try:
        for case in all_cases():
            problem = harness.Problem(case)
            fn = harness.ad_ready(problem)

            def pulled(*xs, fn=fn):
                value, pull = ad.vjp(fn, *xs)
                return pull(tuple(np.ones_like(v) for v in value))

            point = tuple(problem.point)
            with np.errstate(all="ignore"):
                ad.jvp(fn, point, point)
                if case.order >= 2:
                    ad.jvp(pulled, point, point)
                else:
                    pulled(*point)
    finally:
        Op.__call__ = plain  # type: ignore[method-assign]
    return list(found.values())


def check(op: Op, got: Any, want: Any, told: str, symbols: Symbols | None = None) -> None:
    if isinstance(want, tuple):
        assert isinstance(got, tuple) and len(got) == len(want), told
        for g, w in zip(got, want, strict=True):
            check(op, g, w, told, symbols)
        return
    told = f"{op.name} {told}: {got} ({got.kind}) instead of {want} ({want.kind})"
    if op.name in DEPENDS_ON_VALUES:
        assert np.can_cast(want.dtype, got.dtype, "safe"), told
    else:
        assert got.dtype == want.dtype, told
    assert got.kind == want.kind, told
    if symbols is None:
        assert got.shape == want.shape, told
        assert all(type(n) is int for n in got.shape), told
    else:
        assert symbols.shape(got.shape) == want.shape, told


def test_types_of_known_shapes(calls):
    for op, types, params, want in calls:
        check(op, infer(op, types, params), want, f"{types} {params}")


def _symbolic(symbols: Symbols, op: Op, params: dict[str, Any]) -> dict[str, Any]:
    given = dict(params)
    for name in ("length", "n", "shape", "count"):
        number = given.get(name)
        if isinstance(number, int) and not (name == "n" and "norm" not in given):
            given[name] = symbols.length(number)
        elif isinstance(number, tuple):
            given[name] = tuple(map(symbols.length, number))
    return given


@pytest.mark.parametrize("shared", [True, False], ids=["a symbol a length", "a symbol each"])
def test_types_of_symbolic_shapes(calls, shared):
    for op, types, params, want in calls:
        symbols = Symbols(shared)
        operands = tuple(map(symbols.operand, types))
        got = symbols.infer(op, operands, _symbolic(symbols, op, params) if shared else params)
        check(op, got, want, f"{types} {params}", symbols)
        assert symbols.hold(), f"{op.name} requires {symbols.required}"


def test_types_of_unknown_shapes(calls):
    for op, types, params, want in calls:
        if any(isinstance(t, tuple) for t in types):
            continue
        operands = tuple(t.with_shape(tuple(None if n > 1 else n for n in t.shape)) for t in types)
        got = infer(op, operands, params)
        for g, w in zip(*((t if isinstance(t, tuple) else (t,)) for t in (got, want)), strict=True):
            told = f"{op.name} {types} {params}: {g} instead of {w}"
            assert len(g.shape) == len(w.shape) and g.kind == w.kind, told
            assert all(n in (None, m) for n, m in zip(g.shape, w.shape, strict=True)), told


def test_every_operation_is_typed(calls):
    """By a case, or here where the eager tier calls the ufunc without asking the operation."""
    ufuncs = {name for name, op in OPS.items() if isinstance(op.fn, np.ufunc) and name != "matmul"}
    called = {op.name for op, *_ in calls}
    here = {"ieee_remainder", "stop_gradient"}
    ours = {name for name in OPS if "." not in name}
    # Some are declared with the first module that uses them.
    assert ours - called - ufuncs - here == (set(ELSEWHERE) & ours) - called
    assert {name for name in RULES if "." not in name} <= ours


def _samples(dtype: Any) -> list[Any]:
    one = np.dtype(dtype).type(1)
    return [one.item(), one, np.full((), one), np.full((3,), one), np.full((2, 1), one)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex64, np.int64, np.bool])
def test_ufuncs_promote_as_numpy_does(calls, dtype):
    """Every ufunc on Python numbers, scalars and arrays of every combination."""
    tried = 0
    for name, op in OPS.items():
        if not isinstance(op.fn, np.ufunc) or name == "matmul" or op.fn.nin > 2:
            continue
        lists = [_samples(dtype)] if op.fn.nin == 1 else [_samples(dtype), _samples(np.float32)]
        if name == "ldexp":
            lists[-1] = _samples(np.int64)
        for args in itertools.product(*lists):
            types = tuple(map(of_value, args))
            try:
                with np.errstate(all="ignore"):
                    want = type_of(op.fn(*args))
            except TypeError as error:
                with pytest.raises(TypeError) as raised:
                    infer(op, types)
                assert str(raised.value) == str(error)
                continue
            check(op, infer(op, types), want, f"{types}")
            tried += 1
    assert tried > 400
