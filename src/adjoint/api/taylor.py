"""Taylor coefficients along a curve: every order at once, without nesting derivatives.

With x(t) = Σ x_k tᵏ and y = f(x), dy/dt is the jvp of f with the tangent dx/dt, itself a function
of t. Evaluated on truncated power series, the forward rule of an operation therefore gives its
Taylor rule: coefficient k of y needs coefficients below k of what the rule uses. Sums, products,
quotients and linear operations have their well-known recurrences (Griewank & Walther, *Evaluating
Derivatives*, 2nd ed., chapter 13). The cost grows with the square of the order, or its cube.

In a function that is being staged a program is a graph with loops and branches, whose operations
are not met one by one: there the orders are nested derivatives, of which the simplifier shares what
is equal.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.derivatives import jvp
from adjoint.api.tracing import finish, name_of, record_call
from adjoint.eager.recorded import Recorded, snapshot
from adjoint.eager.tape import type_of
from adjoint.errors import InputError
from adjoint.ir import Node
from adjoint.ir.build import staging
from adjoint.numpy_api.constants import CONSTANTS
from adjoint.ops import elementwise as ew
from adjoint.ops import linalg as la
from adjoint.ops.indexing import getitem
from adjoint.ops.registry import FUNCTIONS, UFUNCS, Op, Traced
from adjoint.ops.structural import broadcast_to, project_result
from adjoint.rules.derive import ZERO
from adjoint.staging.recursion import resolve_call

__all__ = ["derivative", "taylor"]

PRODUCTS = (ew.multiply, ew.strong_multiply, la.matmul)


class Series(Traced):
    """A truncated power series with arrays as coefficients."""

    __slots__ = ("c",)

    def __init__(self, c: list[Any]) -> None:
        self.c = c

    def _record(self, op: Op, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        return taylor_of(op, args, params)

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.c[0])

    @property
    def dtype(self) -> np.dtype:
        return _dtype(self.c[0])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def T(self) -> Any:
        return FUNCTIONS[np.transpose](self)

    @property
    def real(self) -> Any:
        return ew.real(self) if self.dtype.kind == "c" else self

    @property
    def imag(self) -> Any:
        return ew.imag(self)

    def conj(self) -> Any:
        return ew.conjugate(self)

    def __getitem__(self, index: Any) -> Any:
        return getitem(self, index=index)

    def reshape(self, *shape: Any) -> Any:
        return FUNCTIONS[np.reshape](self, shape[0] if len(shape) == 1 else shape)

    def sum(self, *args: Any, **kwargs: Any) -> Any:
        return FUNCTIONS[np.sum](self, *args, **kwargs)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            return NotImplemented
        if ufunc in CONSTANTS:
            return ufunc(*map(_value, inputs))
        return UFUNCS[ufunc](*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in CONSTANTS:
            args, kwargs = tree.map_leaves(_value, (args, kwargs))
            return func(*args, **kwargs)
        return FUNCTIONS[func](*args, **kwargs)

    def __neg__(self) -> Any:
        return ew.negative(self)

    def __abs__(self) -> Any:
        return ew.absolute(self)


def _operators() -> None:
    pairs = {
        "add": ew.add, "sub": ew.subtract, "mul": ew.multiply, "truediv": ew.divide,
        "pow": ew.power, "matmul": la.matmul, "mod": ew.remainder, "floordiv": ew.floor_divide,
    }  # fmt: skip
    for name, op in pairs.items():
        setattr(Series, f"__{name}__", lambda x, y, op=op: op(x, y))
        setattr(Series, f"__r{name}__", lambda x, y, op=op: op(y, x))
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        compare = getattr(operator, name)
        setattr(Series, f"__{name}__", lambda x, y, f=compare: f(_value(x), _value(y)))


_operators()


def _dtype(x: Any) -> np.dtype:
    meta = type_of(x)
    return meta[1] if meta is not None else np.asarray(x).dtype


def _value(x: Any) -> Any:
    return x.c[0] if isinstance(x, Series) else x


def _part(x: Any, k: int) -> Any:
    """Return coefficient k; None where it is zero by construction."""
    if isinstance(x, Series):
        return x.c[k]
    return x if k == 0 else None


def taylor_of(op: Op, args: tuple[Any, ...], params: dict[str, Any], first: Any = None) -> Any:
    """Return the series of an operation on series and constants.

    Parameters
    ----------
    op : Op
    args, params :
        Its operands, of which at least one is a `Series`, and parameters.
    first :
        The result's value, where it is known.
    """
    value = op(*[_value(a) for a in args], **params) if first is None else first
    rule = op.rule
    if rule is ZERO:
        return value
    order = min(len(a.c) for a in args if isinstance(a, Series)) - 1
    if order == 0:
        return Series([value])
    if op in PRODUCTS and all(isinstance(a, Series) for a in args):
        x, y = args
        sums = [value]
        for k in range(1, order + 1):
            terms = [op(x.c[j], y.c[k - j]) for j in range(k + 1)]
            sums.append(sum(terms[1:], terms[0]))
        return Series(sums)
    if op is ew.divide and isinstance(args[1], Series):
        return _quotient(args[0], args[1], value, order)
    if rule.push is None or op.results:
        return _by_nesting(op, args, params, order)
    if rule.consumes or not any(rule.needs) or op in PRODUCTS or op is ew.divide:
        return _linear(op, args, params, value, order)
    return _by_rule(op, args, params, value, order)


def _quotient(x: Any, y: Series, value: Any, order: int) -> Series:
    """z = x/y: z_k = (x_k − Σ_{j<k} z_j y_{k−j}) / y_0."""
    z = [value]
    for k in range(1, order + 1):
        x_k = _part(x, k)
        total = 0.0 if x_k is None else x_k
        for j in range(k):
            total = total - z[j] * y.c[k - j]
        z.append(total / y.c[0])
    return Series(z)


def _node(op: Op, args: Sequence[Any], params: dict[str, Any], value: Any, out: Any) -> Node:
    inputs = tuple(
        Node(None, (), None, None, a.shape, a.dtype) if isinstance(a, Series) else None
        for a in args
    )
    shapes_only = op.variadic and 0 not in op.rule.needs[0]
    saved = [np.shape(_value(a)) for a in args] if shapes_only else [*args, out]
    return Node(op, inputs, params, saved, np.shape(value), _dtype(value))


def _fit(dot: Any, node: Node) -> Any:
    return dot if np.shape(dot) == node.shape else broadcast_to(dot, shape=node.shape)


def _linear(op: Op, args: Any, params: dict[str, Any], value: Any, order: int) -> Series:
    """An operation that is linear in its series: it applies coefficient by coefficient."""
    node = _node(op, args, params, value, value)
    coefficients = [value]
    for k in range(1, order + 1):
        tangents = [a.c[k] if isinstance(a, Series) else None for a in args]
        if op.rule.consumes:
            shape = np.shape(value)
            tangents[0] = np.zeros(shape, node.dtype) if tangents[0] is None else tangents[0] + 0
        coefficients.append(_fit(op.rule.push(tangents, node), node))
    return Series(coefficients)


def _derivative_of(x: Any, order: int) -> Any:
    """Return dx/dt to the given order; None for a constant."""
    return (
        Series([(j + 1) * x.c[j + 1] for j in range(order + 1)]) if isinstance(x, Series) else None
    )


def _cut(x: Any, order: int) -> Any:
    return Series(x.c[: order + 1]) if isinstance(x, Series) else x


def _by_rule(op: Op, args: Any, params: dict[str, Any], value: Any, order: int) -> Series:
    """y_k = [jvp(x, dx/dt)]_{k−1} / k, by the operation's own forward rule on series."""
    uses_result = any(-1 in needs for needs in op.rule.needs)
    coefficients = [value]
    # A rule that uses its result needs the coefficients that are being computed: one at a time.
    for k in range(1, order + 1) if uses_result else [order]:
        cut = [_cut(a, k - 1) for a in args]
        node = _node(op, cut, params, value, Series(list(coefficients)) if uses_result else None)
        dot = op.rule.push([_derivative_of(a, k - 1) for a in args], node)
        if not isinstance(dot, Series):  # a constant derivative
            dot = Series([dot] + [0.0 * dot] * (k - 1))
        new = [k] if uses_result else range(1, order + 1)
        coefficients += [_fit(dot.c[j - 1] / j, node) for j in new]
    return Series(coefficients)


def _by_nesting(op: Op, args: Any, params: dict[str, Any], order: int) -> Any:
    """An operation without a forward rule on series: nested derivatives of it alone."""

    def along(t: Any) -> Any:
        return op(*[_polynomial(a, t) for a in args], **params)

    results = [along(0.0)]
    fn = along
    for k in range(1, order + 1):
        fn = _directional(fn)
        results.append(tree.map_leaves(lambda x, k=k: x / math.factorial(k), fn(0.0)))
    return Series(results)


def _directional(fn: Callable) -> Callable:
    return lambda t: jvp(fn, (t,), (1.0,))[1]


def _polynomial(x: Any, t: Any) -> Any:
    if not isinstance(x, Series):
        return x
    total = x.c[-1]
    for c in reversed(x.c[:-1]):
        total = total * t + c
    return total


def taylor(fun: Callable, primals: Sequence[Any], series: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Return the Taylor coefficients of ``fun`` along a curve.

    Parameters
    ----------
    fun : callable
    primals : tuple or list of pytree
        x₀, one entry an argument.
    series : tuple or list of list
        For each argument the coefficients [x₁, …, x_K] of the curve x(t) = Σ x_k tᵏ, each shaped
        like the argument.

    Returns
    -------
    value : pytree
        y₀ = fun(x₀).
    coefficients : list of pytree
        [y₁, …, y_K], where fun(x(t)) = Σ y_k tᵏ + O(t^{K+1}). The k-th derivative at t = 0 is
        k! y_k.

    Raises
    ------
    InputError
        If the arguments have different numbers of coefficients, or of other shapes.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.taylor(np.exp, (0.0,), ([1.0, 0.0, 0.0],))
    (np.float64(1.0), [np.float64(1.0), np.float64(0.5), np.float64(0.16666666666666666)])
    """
    if len(primals) != len(series) or len({len(s) for s in series}) != 1:
        raise InputError("taylor needs, for each argument, the same number of coefficients")
    order = len(series[0])
    if staging():
        return _nested(fun, primals, series, order)
    curve = [tree.flatten(tuple(s[k] for s in series)) for k in range(order)]
    leaves, spec = tree.flatten(tuple(primals))
    known: dict[Node, Any] = {}

    def begin(parameters: list[Node]) -> None:
        for i, (node, x) in enumerate(zip(parameters, leaves, strict=True)):
            coefficients = []
            for flat, flat_spec in curve:
                if flat_spec != spec or np.shape(flat[i]) != node.shape:
                    raise InputError(
                        "a coefficient of the curve has not the structure and shapes of the "
                        f"arguments of {name_of(fun)}"
                    )
                c = flat[i]
                coefficients.append(c if hasattr(c, "dtype") else np.asarray(c, node.dtype)[()])
            known[node] = Series([x, *coefficients])

    def follow(node: Node, values: Sequence[Any], result: Any) -> None:
        if node.op is None:
            parameters.append(node)
            if len(parameters) == len(leaves):
                begin(parameters)
        else:
            known[node] = _step(node, values, result, known)

    parameters: list[Node] = []
    trace = record_call(fun, tuple(primals), {}, tuple(range(len(primals))), observe=follow)
    results = []
    for value, node in zip(trace.values, trace.nodes, strict=True):
        found = known.get(node) if node is not None else None
        results.append(found.c if isinstance(found, Series) else [value] + [0.0 * value] * order)
    rows = [
        tree.unflatten(trace.out_spec, [finish(r[k]) for r in results]) for k in range(order + 1)
    ]
    return rows[0], rows[1:]


def _nested(fun: Callable, primals: Any, series: Any, order: int) -> tuple[Any, list[Any]]:
    """Return the coefficients of `taylor` by nested derivatives.

    Seen from a later point of the curve its coefficients are x_j(t), and dx_j/dt = (j+1) x_{j+1}.
    So the k-th derivative of f(x(t)) is a function of x_0, …, x_k: that of order k−1,
    differentiated in the direction (x_1, 2 x_2, …, k x_k).
    """
    points = [tuple(primals), *[tuple(s[k] for s in series) for k in range(order)]]

    def upto(k: int) -> Callable[..., list[Any]]:
        """Return the function from x_0, …, x_k to all derivatives up to the k-th."""
        if k == 0:
            return lambda x: [resolve_call(fun)(*x)]
        before = upto(k - 1)

        def derivatives(*x: Any) -> list[Any]:
            steps = [
                tree.map_leaves(lambda c, j=j: j * c, x[j]) if j > 1 else x[j]
                for j in range(1, k + 1)
            ]
            values, dots = jvp(before, x[:-1], tuple(steps))
            return [*values, dots[-1]]

        return derivatives

    rows = upto(order)(*points)
    return rows[0], [
        tree.map_leaves(lambda y, k=k: y / math.factorial(k) if k > 1 else y, row)
        for k, row in enumerate(rows[1:], start=1)
    ]


def _step(node: Node, values: Sequence[Any], result: Any, known: dict[Node, Any]) -> Any:
    """Return the series of a node that has just been recorded.

    Later stores change the arrays that the program holds: what is kept is a copy.
    """
    op = node.op
    assert op is not None
    if op is project_result:
        parts = known[node.inputs[0]]
        return Series([c[node.params["k"]] for c in parts.c])
    operands = [
        known[i] if i is not None else snapshot(v) for i, v in zip(node.inputs, values, strict=True)
    ]
    first = None if op.results else _copy(result)
    return taylor_of(op, tuple(operands), node.params or {}, first)


def _copy(x: Any) -> Any:
    return np.array(x) if type(x) is np.ndarray else snapshot(x)


def derivative(fun: Callable, order: int = 1) -> Callable[..., Any]:
    """Return the derivative of a given order of a function of one number.

    Parameters
    ----------
    fun : callable
        Of a number; returns a number, an array or a pytree of them.
    order : int
        0 is the function itself.

    Returns
    -------
    callable

    Raises
    ------
    InputError
        If ``order`` is negative or the argument is not a number.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.derivative(np.sin, order=3)(0.0)
    np.float64(-1.0)
    """
    if operator.index(order) < 0:
        raise InputError(f"the order of a derivative cannot be negative ({order})")

    def derivative_of(x: Any) -> Any:
        if np.shape(x) != ():
            raise InputError(
                f"ad.derivative is for functions of one number, but the argument has shape "
                f"{np.shape(x)}; use ad.jacobian"
            )
        if order == 0:
            return fun(x)
        x = x if isinstance(x, Recorded) or hasattr(x, "dtype") else float(x)
        if order == 1:
            return jvp(fun, (x,), (1.0,))[1]
        curve = [1.0] + [0.0] * (order - 1)
        coefficients = taylor(fun, (x,), (curve,))[1]
        return tree.map_leaves(lambda c: c * math.factorial(order), coefficients[-1])

    return derivative_of
