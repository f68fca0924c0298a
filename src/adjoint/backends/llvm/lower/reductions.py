"""Reductions of arrays along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.backends.llvm.lower.core import Lowering
from adjoint.backends.llvm.lower.folds import Fold, fold
from adjoint.backends.llvm.lower.maps import cast_rep, combined
from adjoint.backends.llvm.lower.scalar import Scalars
from adjoint.backends.llvm.lower.scalar_arithmetic import complex_product
from adjoint.backends.llvm.lower.types import BOOL, Element, arithmetic, in_registers, literal
from adjoint.backends.llvm.lower.values import Lazy
from adjoint.backends.llvm.writer import Integer
from adjoint.ir.graph import Value
from adjoint.ops.inference.reduction import normalized

__all__ = ["REDUCTIONS", "sum_over", "sums"]


def sums(f: Lowering, dtype: np.dtype) -> Fold:
    """Return the fold that adds."""
    body = f.body
    if dtype.kind in "fc":
        t = in_registers(dtype)

        def add_real(x: str, y: str) -> str:
            return body.op(f"fadd{body.flags('reassoc contract')} {t} {x}, {y}", x, y)

        if dtype.kind == "c":
            return Fold(dtype, 0, lambda x, y: (add_real(x[0], y[0]), add_real(x[1], y[1])), True)
        return Fold(dtype, 0, add_real, True)  # type: ignore[arg-type]
    t = in_registers(dtype)
    return Fold(dtype, 0, lambda x, y: body.op(f"add {t} {x}, {y}", x, y))


def products(f: Lowering, dtype: np.dtype) -> Fold:
    """Return the fold that multiplies."""
    body, t = f.body, in_registers(dtype)
    if dtype.kind == "c":
        e = Scalars(body)
        return Fold(dtype, 1, lambda x, y: complex_product(e, e.part(dtype), x, y))

    def multiply(x: Any, y: Any) -> str:
        how = f"fmul{body.flags('reassoc contract')}" if dtype.kind == "f" else "mul"
        return body.op(f"{how} {t} {x}, {y}", x, y)

    return Fold(dtype, 1, multiply)


def extrema(f: Lowering, dtype: np.dtype, name: str) -> Fold:
    """Return the fold that takes the greatest (``maximum``, ``fmax``) or least number."""
    e, t = Scalars(f.body), in_registers(dtype)
    up = name in ("maximum", "fmax")
    if dtype.kind == "f":
        intrinsic = {"maximum": "maximum", "minimum": "minimum", "fmax": "maxnum", "fmin": "minnum"}
        start: Any = -np.inf if up else np.inf
        if name in ("fmax", "fmin"):
            start = np.nan
        return Fold(dtype, start, lambda x, y: e.intrinsic(intrinsic[name], t, x, y))  # type: ignore[arg-type]
    if dtype.kind == "b":
        how = "or" if up else "and"
        return Fold(dtype, not up, lambda x, y: f.body.op(f"{how} i1 {x}, {y}", x, y))
    info = np.iinfo(dtype)
    how = ("s" if dtype.kind == "i" else "u") + ("max" if up else "min")
    return Fold(dtype, info.min if up else info.max, lambda x, y: e.intrinsic(how, t, x, y))  # type: ignore[arg-type]


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    return tuple(sorted(normalized(axis, ndim))) if ndim else ()


def sum_over(
    f: Lowering, rep: Any, axis: Any, keepdims: bool, dtype: np.dtype, dimensions: Any = None
) -> Any:
    """Return the sum over axes, computed in a dtype."""
    return fold(
        f,
        cast_rep(f, rep, dtype),
        sums(f, dtype),
        _axes(axis, len(rep.shape)),
        keepdims,
        dimensions,
    )


def _reduction(how: Callable[[Lowering, np.dtype], Fold]) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        (x,) = node.inputs
        dtype = node.dtype
        if not arithmetic(dtype) or not arithmetic(x.dtype):
            return None
        rep = f.rep(x)
        axes = _axes(node.params.get("axis"), len(rep.shape))
        rule = how(f, dtype)
        return fold(
            f, cast_rep(f, rep, dtype), rule, axes, bool(node.params.get("keepdims")), x.shape
        )

    return lower


def _extremum(name: str) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        (x,) = node.inputs
        if x.dtype.kind == "c" or not arithmetic(x.dtype):
            return None
        rep = f.rep(x)
        axes = _axes(node.params.get("axis"), len(rep.shape))
        _some(f, [rep.shape[k] for k in axes], name)
        rule = extrema(f, node.dtype, name)
        return fold(f, rep, rule, axes, bool(node.params.get("keepdims")), x.shape)

    return lower


def _some(f: Lowering, lengths: list[Integer], name: str) -> None:
    """Report a reduction of nothing that has no identity."""
    count = f.body.product(lengths)
    f.check(
        f.body.compare("sgt", count, 0),
        lambda x, y: ValueError(
            f"zero-size array to reduction operation {name} which has no identity"
        ),
    )


def _norm(f: Lowering, node: Value) -> Any:
    (x,) = node.inputs
    dtype = node.dtype
    if not arithmetic(dtype) or dtype.kind != "f" or x.dtype.kind not in "fc":
        return None
    rep = f.rep(x)
    t = in_registers(dtype)

    def square(y: Any) -> Element:
        e = Scalars(f.body)
        if rep.dtype.kind == "c":
            return e.flt(
                "fadd", dtype, e.flt("fmul", dtype, y[0], y[0]), e.flt("fmul", dtype, y[1], y[1])
            )
        return e.flt("fmul", dtype, y, y)

    squares = combined(f, [rep], rep.shape, dtype, lambda xs: square(xs[0]), 1)
    total = sum_over(
        f, squares, node.params.get("axis"), bool(node.params.get("keepdims")), dtype, x.shape
    )
    return combined(
        f, [total], total.shape, dtype, lambda xs: Scalars(f.body).intrinsic("sqrt", t, xs[0]), 6
    )


def _moments(root: bool) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        (x,) = node.inputs
        dtype = node.dtype
        if node.params.get("where", True) is not True or x.dtype.kind not in "fiu":
            return None
        if not arithmetic(dtype) or not arithmetic(x.dtype):
            return None
        rep = cast_rep(f, f.rep(x), dtype)
        ndim = len(rep.shape)
        axes = _axes(node.params.get("axis"), ndim)
        keepdims = bool(node.params.get("keepdims"))
        e, t = Scalars(f.body), in_registers(dtype)
        count = f.body.product([rep.shape[k] for k in axes])
        number = _as_float(f, count, dtype)
        total = sum_over(f, rep, axes, True, dtype, x.shape)
        if isinstance(total, Lazy) and total.buffer is None and total.cost:
            total.shared = True
        divide = lambda y: e.op("fdiv", t, y, number)
        mean = combined(f, [total], total.shape, dtype, lambda xs: divide(xs[0]), 6)

        def deviation(xs: list[Any]) -> Element:
            gap = e.op("fsub", t, xs[0], xs[1])
            return e.flt("fmul", dtype, gap, gap)

        squares = combined(f, [rep, mean], rep.shape, dtype, deviation, 2)
        spread = sum_over(f, squares, axes, keepdims, dtype, x.shape)
        left = e.op("fsub", t, number, e.number(node.params.get("ddof", 0), dtype))
        low = e.op("fcmp olt", t, left, e.number(0, dtype))
        left = e.select(low, t, e.number(0, dtype), left)

        def finish(xs: list[Any]) -> Element:
            variance = e.op("fdiv", t, xs[0], left)
            return e.intrinsic("sqrt", t, variance) if root else variance

        return combined(f, [spread], spread.shape, dtype, finish, 10)

    return lower


def _as_float(f: Lowering, n: Integer, dtype: np.dtype) -> str:
    if isinstance(n, int):
        found = literal(n, dtype)
        assert isinstance(found, str)
        return found
    return f.body.op(f"sitofp i64 {n} to {in_registers(dtype)}", n)


def _truths(dtype: np.dtype, rule: Callable[[Lowering, np.dtype], Fold]) -> Callable[..., Any]:
    def lower(f: Lowering, node: Value) -> Any:
        args, kwargs = node.params["args"], node.params["kwargs"]
        if len(args) > 2 or set(kwargs) - {"axis", "keepdims"}:
            return None
        x = args[0]
        if not isinstance(x, Value) or not arithmetic(x.dtype):
            return None
        axis = args[1] if len(args) == 2 else kwargs.get("axis")
        rep = cast_rep(f, cast_rep(f, f.rep(x), BOOL), dtype)
        if not rep.shape:
            return rep
        keepdims = kwargs.get("keepdims") is True
        return fold(f, rep, rule(f, dtype), _axes(axis, len(rep.shape)), keepdims, x.shape)

    return lower


def _logical(how: str, start: bool) -> Callable[[Lowering, np.dtype], Fold]:
    return lambda f, t: Fold(t, start, lambda a, b: f.body.op(f"{how} i1 {a}, {b}", a, b))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "reduce_sum": _reduction(sums),
    "reduce_prod": _reduction(products),
    "reduce_max": _extremum("maximum"),
    "reduce_min": _extremum("minimum"),
    "reduce_fmax": _extremum("fmax"),
    "reduce_fmin": _extremum("fmin"),
    "norm": _norm,
    "variance": _moments(False),
    "standard_deviation": _moments(True),
    "numpy.any": _truths(BOOL, _logical("or", False)),
    "numpy.all": _truths(BOOL, _logical("and", True)),
    "numpy.count_nonzero": _truths(np.dtype(np.int64), sums),
}
