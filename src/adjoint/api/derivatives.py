"""First derivatives: grad, value_and_grad, vjp, jvp, linearize."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.tracing import Trace, as_leaf, finish, name_of, positions, record_call, seed_like
from adjoint.dispatch import plain
from adjoint.eager.recorded import Recorded
from adjoint.eager.tape import type_of
from adjoint.errors import InputError, NonDifferentiableError
from adjoint.ir.build import staging
from adjoint.ops.creation import zeros
from adjoint.rules.cotangents import Undefined
from adjoint.transforms.forward import forward_walk
from adjoint.transforms.reverse import reverse_walk

__all__ = ["conjugate_grad", "grad", "jvp", "linearize", "value_and_grad", "vjp"]


def pull_back(trace: Trace, cotangents: list[Any]) -> list[Any]:
    """Return the cotangents of the parameters, zeros included."""
    bars: dict[Any, Any] = {}
    if staging():
        from adjoint.staged.values import lift

        cotangents = [None if ct is None else lift(ct) for ct in cotangents]
    for node, ct in zip(trace.nodes, cotangents, strict=True):
        if node is not None and ct is not None:
            bars[node] = bars[node] + ct if node in bars else ct
    bars = reverse_walk(trace.block.nodes, bars)
    seen: set[int] = set()
    result = []
    for parameter in trace.parameters:
        bar = bars.get(parameter)
        if bar is None:
            bar = zeros(parameter.shape, parameter.dtype)
            bar = bar[()] if parameter.shape == () else bar
        bar = finish(bar)
        if id(bar) in seen and isinstance(bar, (np.ndarray, Recorded)):
            bar = bar.copy()
        seen.add(id(bar))
        result.append(bar)
    return result


def push_forward(trace: Trace, tangents: list[Any]) -> list[Any]:
    """Return the tangents of the results, zeros included."""
    if trace.push is not None:
        return trace.push(tangents)
    dots = dict(zip(trace.parameters, tangents, strict=True))
    dots = forward_walk(trace.block, dots)
    result = []
    for value, node in zip(trace.values, trace.nodes, strict=True):
        dot = dots.get(node) if node is not None else None
        if dot is None:
            meta = type_of(value)
            dot = np.zeros(*meta) if meta is not None else np.zeros(np.shape(value))
            dot = dot[()] if dot.shape == () else dot
        elif type(dot) is np.ndarray:
            dot = np.array(dot)
        elif type(dot) is Undefined:
            raise dot.error
        result.append(dot)
    return result


def value_and_grad(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that computes ``fun`` and its gradient.

    Parameters
    ----------
    fun : callable
        Returns a real scalar (with ``has_aux`` a pair of it and anything else). Its arguments are
        numbers, arrays and pytrees of them.
    argnums : int or sequence of int
        Which positional arguments to differentiate with respect to.
    has_aux : bool
        Whether ``fun`` returns ``(value, aux)``.
    holomorphic : bool
        Whether ``fun`` is a holomorphic function of complex arguments; then its complex derivative
        is returned.

    Returns
    -------
    callable
        ``(value, gradient)``, or ``((value, aux), gradient)``. The gradient has the structure,
        shapes and dtypes of the argument; a tuple of them if ``argnums`` is a sequence.

    Raises
    ------
    InputError
        If the result is not a scalar.
    NonDifferentiableError
        If the result or an argument is of integers or booleans, or complex without ``holomorphic``.

    Notes
    -----
    For a real function of a complex argument z = x + iy the result is ∂f/∂x − i ∂f/∂y, as in JAX;
    `conjugate_grad` returns its conjugate, the direction of steepest ascent.

    Examples
    --------
    >>> import adjoint as ad
    >>> ad.value_and_grad(lambda x: x**2 - 3 * x - 2)(4.0)
    (2.0, np.float64(5.0))
    """

    @functools.wraps(fun, updated=())
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        wanted = positions(argnums, len(args), fun)
        trace = record_call(fun, args, kwargs, wanted, has_aux)
        value = _scalar_result(trace, fun, holomorphic)
        shape, dtype = type_of(value)  # type: ignore[misc]
        bars = pull_back(trace, [np.ones(shape, dtype)[()]])
        gradients = tree.unflatten(trace.spec, bars)
        gradient = gradients if isinstance(argnums, Sequence) else gradients[0]
        value = trace.output()
        return ((value, trace.aux) if has_aux else value), gradient

    return value_and_gradient


def _scalar_result(trace: Trace, fun: Callable, holomorphic: bool) -> Any:
    if len(trace.values) == 1:
        node = trace.nodes[0]
        if node is not None and node.shape == () and node.dtype.kind == "f":
            return trace.values[0]
    name = name_of(fun)
    if len(trace.values) != 1 or np.shape(plain(trace.values[0])) != ():
        shapes = [np.shape(plain(v)) for v in trace.values]
        found = f"an array of shape {shapes[0]}" if len(shapes) == 1 else f"{len(shapes)} values"
        hint = found if shapes else "None (did it forget to return?)"
        raise InputError(
            f"the gradient is of a scalar function, but {name} returned {hint}. Sum or weight the "
            "result to one number, or use ad.jacobian (for arrays) or ad.vjp (for a cotangent)."
        )
    value = trace.values[0]
    meta = type_of(value)
    if meta is None:
        raise NonDifferentiableError(
            f"{name} returned {plain(value)!r} ({type(plain(value)).__name__}), which has no "
            "derivative: return a floating-point number"
        )
    if meta[1].kind == "c" and not holomorphic:
        raise NonDifferentiableError(
            f"{name} returned a complex number. Return a real one (its real part, say); for the "
            "complex derivative of a holomorphic function pass holomorphic=True."
        )
    return value


def grad(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that computes the gradient of a scalar function, by reverse mode.

    Parameters, errors and conventions are those of `value_and_grad`.

    Returns
    -------
    callable
        The gradient, or ``(gradient, aux)`` with ``has_aux``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.grad(lambda x: np.sum(np.sin(x) * x))(np.array([0.0, 1.0]))
    array([0.        , 1.38177329])
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic)

    @functools.wraps(fun, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def conjugate_grad(
    fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes the conjugate of `grad`.

    For a real function of z = x + iy that is ∂f/∂x + i ∂f/∂y: the direction of steepest ascent, and
    what PyTorch calls the gradient. Of real arguments it is the gradient.

    Parameters and errors are those of `grad`.

    Examples
    --------
    >>> import adjoint as ad
    >>> ad.conjugate_grad(lambda z: abs(z) ** 2)(1.0 + 2.0j)
    np.complex128(2+4j)
    """
    plain_grad = grad(fun, argnums, has_aux)

    @functools.wraps(fun, updated=())
    def conjugate(*args: Any, **kwargs: Any) -> Any:
        result = plain_grad(*args, **kwargs)
        gradient = result[0] if has_aux else result
        gradient = tree.map_leaves(np.conjugate, gradient)
        return (gradient, result[1]) if has_aux else gradient

    return conjugate


def vjp(fun: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """Evaluate ``fun`` and return the pullback of cotangents through it.

    Parameters
    ----------
    fun : callable
    *primals : pytree
        The point; all of them are differentiated.
    has_aux : bool
        Whether ``fun`` returns ``(result, aux)``.

    Returns
    -------
    result : pytree
    pullback : callable
        From a cotangent, shaped like the result, to the tuple of cotangents of ``primals``. It may
        be called any number of times.
    aux : pytree
        With ``has_aux`` only.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> y, pullback = ad.vjp(np.sin, 0.0)
    >>> pullback(2.0)
    (np.float64(2.0),)
    """
    trace = record_call(
        fun, tree.map_leaves(_private, primals), {}, tuple(range(len(primals))), has_aux
    ).detached()

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        leaves, spec = tree.flatten(cotangent)
        if spec != trace.out_spec:
            raise InputError(
                f"the cotangent has the structure {spec}, but the result of {name_of(fun)} has "
                f"the structure {trace.out_spec}"
            )
        seeds = [
            seed_like(value, ct, "the cotangent")
            for value, ct in zip(trace.values, leaves, strict=True)
        ]
        return tree.unflatten(trace.spec, pull_back(trace, seeds))

    return (trace.output(), pullback, trace.aux) if has_aux else (trace.output(), pullback)


def _private(x: Any) -> Any:
    """Return a copy of a caller's array: what is kept for later must not change with it."""
    return x.copy() if type(x) is np.ndarray else x


def _linearized(fun: Callable, primals: Sequence[Any], has_aux: bool) -> tuple[Trace, Callable]:
    trace = record_call(fun, primals, {}, tuple(range(len(primals))), has_aux)
    primal_leaves = tree.flatten(tuple(primals))[0]

    def push(*tangents: Any) -> Any:
        leaves, spec = tree.flatten(tuple(tangents))
        if spec != trace.spec:
            raise InputError(
                f"the tangents have the structure {spec}, but the primals {trace.spec}"
            )
        seeds = [seed_like(p, t, "a tangent") for p, t in zip(primal_leaves, leaves, strict=True)]
        return tree.unflatten(trace.out_spec, push_forward(trace, seeds))

    return trace, push


def jvp(
    fun: Callable, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> Any:
    """Evaluate ``fun`` and push a tangent forward through it.

    Parameters
    ----------
    fun : callable
    primals, tangents : tuple or list of pytree
        The point and the direction, of equal structure and shapes.
    has_aux : bool
        Whether ``fun`` returns ``(result, aux)``.

    Returns
    -------
    result, tangent : pytree
        And ``aux`` with ``has_aux``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.jvp(np.exp, (0.0,), (2.0,))
    (np.float64(1.0), np.float64(2.0))
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise InputError("primals and tangents must be tuples or lists, one entry an argument")
    if staging():
        return _staged_jvp(fun, primals, tangents, has_aux)
    trace, push = _linearized(fun, primals, has_aux)
    dots = push(*tangents)
    return (trace.output(), dots, trace.aux) if has_aux else (trace.output(), dots)


def _staged_jvp(fun: Callable, primals: Sequence[Any], tangents: Sequence[Any], aux: bool) -> Any:
    """Record a function and its tangent, inside of a function that is being staged."""
    from adjoint.api.staged_tracing import StagedCall, staged_push

    call = StagedCall(
        fun, primals, {}, tuple(range(len(primals))), aux, lambda x, name: as_leaf(x, name, fun)
    )
    leaves, spec = tree.flatten(tuple(tangents))
    if spec != call.spec:
        raise InputError(f"the tangents have the structure {spec}, but the primals {call.spec}")
    seeds = [seed_like(p, t, "a tangent") for p, t in zip(call.leaves, leaves, strict=True)]
    values, dots, extra = staged_push(call, seeds)
    result = tree.unflatten(call.out_spec, values)
    result_dot = tree.unflatten(call.out_spec, dots)
    return (result, result_dot, extra) if aux else (result, result_dot)


def linearize(fun: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """Evaluate ``fun`` and return its derivative at that point as a function of tangents.

    Returns
    -------
    result : pytree
    push : callable
        From tangents, one an argument, to the tangent of the result.
    aux : pytree
        With ``has_aux`` only.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> y, push = ad.linearize(np.exp, 0.0)
    >>> push(3.0)
    np.float64(3.0)
    """
    if staging():
        trace = record_call(fun, primals, {}, tuple(range(len(primals))), has_aux)

        def pushed(*tangents: Any) -> Any:
            return _staged_jvp(fun, primals, tangents, has_aux)[1]

        return (trace.output(), pushed, trace.aux) if has_aux else (trace.output(), pushed)
    trace, push = _linearized(fun, tree.map_leaves(_private, tuple(primals)), has_aux)
    trace = trace.detached()
    return (trace.output(), push, trace.aux) if has_aux else (trace.output(), push)
