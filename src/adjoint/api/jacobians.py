"""Derivatives that are arrays: Jacobians, Hessians, and products with Hessians.

A function is recorded once; its Jacobian is that block walked forward once an input element, or
backward once an output element.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint import tree
from adjoint.api.derivatives import grad, jvp, pull_back, push_forward
from adjoint.api.staged_jacobians import along_units, lines, size_of
from adjoint.api.tracing import Trace, name_of, positions, record_call
from adjoint.eager.tape import type_of
from adjoint.errors import InputError, NonDifferentiableError
from adjoint.ir.build import staging
from adjoint.ops.structural import reshape, stack
from adjoint.staged.lengths import may_exceed

__all__ = ["hessian", "hvp", "jacfwd", "jacobian", "jacrev"]


def _unit(k: int, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    seed = np.zeros(shape, dtype)
    seed.reshape(-1)[k] = 1
    return seed[()] if shape == () else seed


def _stacked(rows: list[Any], shape: tuple[int, ...], dtype: np.dtype, last: bool) -> Any:
    """Return the rows as one array of the given shape; ``last``: they are the last axes."""
    if not rows:
        return np.zeros(shape, dtype)
    result = stack(*rows, axis=-1 if last else 0)
    return result if result.shape == shape else reshape(result, shape=shape)


def _types(trace: Trace, fun: Callable) -> list[tuple[tuple[int, ...], np.dtype]]:
    metas = [type_of(v) for v in trace.values]
    for meta, value in zip(metas, trace.values, strict=True):
        if meta is None:
            raise NonDifferentiableError(
                f"{name_of(fun)} returned {value!r} ({type(value).__name__}), which has no "
                "derivative; return floating-point numbers, and the rest as aux (has_aux=True)"
            )
    return metas  # type: ignore[return-value]


def _columns(trace: Trace, types: list[Any]) -> list[list[Any]]:
    """Return the Jacobian by forward walks: one entry an output and input leaf."""
    blocks: list[list[Any]] = [[] for _ in types]
    for i, p in enumerate(trace.parameters):

        def push(unit: Any, i: int = i) -> list[Any]:
            tangents: list[Any] = [None] * len(trace.parameters)
            tangents[i] = unit
            return push_forward(trace, tangents)

        shapes = [(shape + p.shape, dtype) for shape, dtype in types]
        for o, found in enumerate(_from_units(push, p.shape, p.dtype, shapes, last=True)):
            blocks[o].append(found)
    return blocks


def _rows(trace: Trace, types: list[Any]) -> list[list[Any]]:
    """Return the Jacobian by reverse walks: one entry an output and input leaf."""
    blocks = []
    for o, (shape, dtype) in enumerate(types):

        def pull(unit: Any, o: int = o) -> list[Any]:
            cotangents: list[Any] = [None] * len(types)
            cotangents[o] = unit
            return pull_back(trace, cotangents)

        shapes = [(shape + p.shape, p.dtype) for p in trace.parameters]
        blocks.append(_from_units(pull, shape, dtype, shapes, last=False))
    return blocks


def _from_units(
    walk: Callable[[Any], list[Any]],
    shape: tuple[int, ...],
    dtype: np.dtype,
    shapes: list[tuple[tuple[int, ...], np.dtype]],
    last: bool,
) -> list[Any]:
    """Return arrays of the given shapes: what a walk gives from each unit vector of ``shape``."""
    if shape == ():
        return walk(_unit(0, shape, dtype))
    if staging():
        stacked = along_units(walk, shape, dtype)
        return [lines(x, shape, last) for x in stacked]
    found = [walk(_unit(k, shape, dtype)) for k in range(int(np.prod(shape)))]
    return [
        _stacked([each[j] for each in found], want, of, last) for j, (want, of) in enumerate(shapes)
    ]


def _jacobian(
    fun: Callable, argnums: int | Sequence[int], has_aux: bool, holomorphic: bool, mode: str
) -> Callable[..., Any]:
    @functools.wraps(fun, updated=())
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        wanted = positions(argnums, len(args), fun)
        trace = record_call(fun, args, kwargs, wanted, has_aux)
        types = _types(trace, fun)
        complex_in = any(p.dtype.kind == "c" for p in trace.parameters)
        complex_out = any(dtype.kind == "c" for _, dtype in types)
        chosen = mode
        if chosen == "auto":
            n: Any = sum(size_of(p.shape) for p in trace.parameters)
            m: Any = sum(size_of(shape) for shape, _ in types)
            prefer_forward = complex_out if complex_in != complex_out else not may_exceed(n, m)
            chosen = "forward" if prefer_forward else "reverse"
        if not holomorphic and (complex_in if chosen == "forward" else complex_out):
            what = "arguments" if chosen == "forward" else "results"
            raise NonDifferentiableError(
                f"the Jacobian of {name_of(fun)} by {chosen} mode is of a function with complex "
                f"{what}. If it is holomorphic pass holomorphic=True; if not, differentiate its "
                "real and imaginary parts."
            )
        blocks = _columns(trace, types) if chosen == "forward" else _rows(trace, types)
        per_output = []
        for leaf_blocks in blocks:
            by_argument = tree.unflatten(trace.spec, leaf_blocks)
            per_output.append(by_argument if isinstance(argnums, Sequence) else by_argument[0])
        result = tree.unflatten(trace.out_spec, per_output)
        return (result, trace.aux) if has_aux else result

    return jacobian_of


def jacfwd(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that computes the Jacobian by forward mode, a column at a time.

    See `jacobian` for parameters and result.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, "forward")


def jacrev(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that computes the Jacobian by reverse mode, a row at a time.

    See `jacobian` for parameters and result.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.jacrev(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    return _jacobian(fun, argnums, has_aux, holomorphic, "reverse")


def jacobian(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    sparsity: Any = None,
) -> Callable[..., Any]:
    """Return a function that computes the Jacobian, by the mode that needs fewer walks.

    Parameters
    ----------
    fun : callable
        Returns an array or a pytree of arrays (with ``has_aux`` a pair of that and anything else).
    argnums : int or sequence of int
        Which positional arguments to differentiate with respect to.
    has_aux : bool
        Whether ``fun`` returns ``(result, aux)``.
    holomorphic : bool
        Whether ``fun`` is a holomorphic function of complex arguments.
    sparsity : True, scipy.sparse matrix or array of bool, optional
        Where the Jacobian may be nonzero; True: find out. The result is then a matrix of
        scipy.sparse, as `sparse_jacobian` gives it, and ``has_aux`` has no place.

    Returns
    -------
    callable
        For a result of shape s and an argument of shape a, an array of shape ``s + a``; for pytrees
        the structure of the result with the structure of the argument in place of each leaf.

    Raises
    ------
    NonDifferentiableError
        If an argument or the result is not of real floating-point numbers (complex ones only with
        ``holomorphic``).

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.jacobian(lambda x: np.array([x[0] * x[1], x[0]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [1., 0.]])
    >>> print(ad.jacobian(lambda x: x**2, sparsity=True)(np.array([1.0, 2.0])).toarray())
    [[2. 0.]
     [0. 4.]]
    """
    if sparsity is None or sparsity is False:
        return _jacobian(fun, argnums, has_aux, holomorphic, "auto")
    from adjoint.api.sparse import sparse_jacobian

    if has_aux:
        raise InputError(
            "has_aux=True is not for sparse Jacobians: call the function for what else it returns"
        )
    return sparse_jacobian(fun, argnums, None if sparsity is True else sparsity, holomorphic)


def hessian(
    fun: Callable,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Return a function that computes the matrix of second derivatives, forward over reverse.

    Parameters are those of `jacobian`. For a scalar function of an array of shape a the result has
    shape ``a + a``.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    inner = jacrev(fun, argnums, has_aux, holomorphic)
    return jacfwd(inner, argnums, has_aux, holomorphic)


def hvp(fun: Callable, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Return the product of the Hessian of a scalar function with a vector.

    Forward over reverse: about four evaluations of ``fun``, and no matrix.

    Parameters
    ----------
    fun : callable
        Returns a real scalar.
    primals, tangents : tuple or list of pytree
        The point and the vector, one entry an argument.

    Returns
    -------
    pytree
        Shaped like the argument; a tuple if there are several.

    Examples
    --------
    >>> import numpy as np, adjoint as ad
    >>> ad.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    if not isinstance(primals, (tuple, list)) or len(primals) != len(tangents):
        raise InputError("primals and tangents must be tuples or lists of the same length")
    argnums: Any = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(fun, argnums), tuple(primals), tuple(tangents))[1]
